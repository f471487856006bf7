# cvg_layer(FOLDER [FOLDERS it may use...] [LIBS libraries...])
#
# All C files of src/FOLDER become the static library cvg_FOLDER; a folder
# without any makes no target, and naming it is harmless. cvg_all stands for all
# of them (what a test links).

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

add_library(cvg_all INTERFACE)
target_link_libraries(cvg_all INTERFACE cvg_options)
set(CVG_LAYERS "")

# Sets `out` to what target_link_libraries() takes for a library of the table.
function(cvg_library name out)
    if(name STREQUAL "threads")
        set(target Threads::Threads)
    elseif(name STREQUAL "dl")
        set(target ${CMAKE_DL_LIBS})
    elseif(name STREQUAL "onnxruntime")
        set(target cvg_lib_onnxruntime)
    else()
        pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${name})
        set(target PkgConfig::${name})
    endif()
    set(${out} ${target} PARENT_SCOPE)
endfunction()

macro(cvg_layer folder)
    cvg_add_layer(${folder} ${ARGN})
    list(APPEND CVG_LAYERS ${folder})
endmacro()

function(cvg_add_layer folder)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LIBS")
    foreach(other IN LISTS arg_UNPARSED_ARGUMENTS)
        if(NOT other IN_LIST CVG_LAYERS)
            message(FATAL_ERROR
                "src/${folder} may not use src/${other}: not above it")
        endif()
    endforeach()

    file(GLOB sources CONFIGURE_DEPENDS
        "${PROJECT_SOURCE_DIR}/src/${folder}/*.c")
    # The program's main stays out of the library that tests link.
    list(REMOVE_ITEM sources "${PROJECT_SOURCE_DIR}/src/cli/main.c")
    if(NOT sources)
        return()
    endif()

    add_library(cvg_${folder} STATIC ${sources})
    target_link_libraries(cvg_${folder} PUBLIC cvg_options m)
    foreach(other IN LISTS arg_UNPARSED_ARGUMENTS)
        if(TARGET cvg_${other})
            target_link_libraries(cvg_${folder} PUBLIC cvg_${other})
        endif()
    endforeach()
    foreach(name IN LISTS arg_LIBS)
        cvg_library(${name} library)
        target_link_libraries(cvg_${folder} PUBLIC ${library})
    endforeach()
    target_link_libraries(cvg_all INTERFACE cvg_${folder})
endfunction()

# Tests, found by where they stand:
#
#   tests/unit/FOLDER/NAME.c    unit.FOLDER.NAME   cmocka, a main of its own
#   tests/property/NAME.c       property.NAME
#   tests/server/NAME.py        server.NAME        unittest, standard library
#   tests/cli/NAME.py           cli.NAME
#
# tests/support/*.c is linked to every C test, and tests/support is on
# PYTHONPATH. A Python file whose name starts with _ is a helper, not a test.

pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
find_package(Python3 REQUIRED COMPONENTS Interpreter)

set(tests_dir "${PROJECT_SOURCE_DIR}/tests")

add_library(cvg_test_support INTERFACE)
target_include_directories(cvg_test_support INTERFACE "${tests_dir}")
target_compile_definitions(cvg_test_support INTERFACE
    CVG_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
target_link_libraries(cvg_test_support INTERFACE cvg_all PkgConfig::cmocka)

file(GLOB support CONFIGURE_DEPENDS "${tests_dir}/support/*.c")
if(support)
    add_library(cvg_test_support_objects STATIC ${support})
    target_include_directories(cvg_test_support_objects PRIVATE "${tests_dir}")
    target_link_libraries(cvg_test_support_objects PUBLIC
        cvg_all PkgConfig::cmocka)
    target_link_libraries(cvg_test_support INTERFACE cvg_test_support_objects)
endif()

# Sanitizers make a program several times slower.
function(cvg_timeout name seconds)
    if(CVG_SANITIZE)
        math(EXPR seconds "4 * ${seconds}")
    endif()
    set_tests_properties(${name} PROPERTIES TIMEOUT ${seconds})
endfunction()

# The flags of a line "/* link: -Wl,--wrap=calloc */" near the file's start.
function(cvg_link_line source out)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
    file(READ "${source}" head LIMIT 2048)
    set(flags "")
    if(head MATCHES "/\\* link: ([^\n*]*) \\*/")
        separate_arguments(flags UNIX_COMMAND "${CMAKE_MATCH_1}")
    endif()
    set(${out} "${flags}" PARENT_SCOPE)
endfunction()

function(cvg_c_test name source timeout)
    string(REPLACE "." "_" target "${name}")
    cvg_link_line("${source}" flags)
    add_executable(${target} "${source}")
    target_link_libraries(${target} PRIVATE cvg_test_support)
    target_link_options(${target} PRIVATE ${flags})
    set_target_properties(${target} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
    add_test(NAME ${name} COMMAND ${target}
        WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    cvg_timeout(${name} ${timeout})
endfunction()

function(cvg_python_test name source timeout)
    add_test(NAME ${name} COMMAND Python3::Interpreter "${source}"
        WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    set(environment
        "CONVERGO=$<TARGET_FILE:convergo>"
        "CONVERGO_SOURCE=${PROJECT_SOURCE_DIR}"
        "PYTHONPATH=${tests_dir}/support"
        "PYTHONDONTWRITEBYTECODE=1")
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "${environment}")
    cvg_timeout(${name} ${timeout})
endfunction()

# It compares times of a live server with others: what runs beside it would be
# measured, too, and so would a sanitizer.
function(cvg_test_of_times name)
    if(TEST ${name})
        set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
        if(CVG_SANITIZE)
            set_tests_properties(${name} PROPERTIES DISABLED ON)
        endif()
    endif()
endfunction()

file(GLOB sources CONFIGURE_DEPENDS "${tests_dir}/unit/*/*.c")
foreach(source IN LISTS sources)
    cmake_path(GET source STEM name)
    cmake_path(GET source PARENT_PATH folder)
    cmake_path(GET folder FILENAME folder)
    cvg_c_test(unit.${folder}.${name} "${source}" 60)
endforeach()

file(GLOB sources CONFIGURE_DEPENDS "${tests_dir}/property/*.c")
foreach(source IN LISTS sources)
    cmake_path(GET source STEM name)
    cvg_c_test(property.${name} "${source}" 120)
endforeach()

foreach(group IN ITEMS server cli)
    file(GLOB sources CONFIGURE_DEPENDS "${tests_dir}/${group}/*.py")
    foreach(source IN LISTS sources)
        cmake_path(GET source STEM name)
        if(TARGET convergo AND NOT name MATCHES "^_")
            cvg_python_test(${group}.${name} "${source}" 120)
        endif()
    endforeach()
endforeach()

cvg_test_of_times(cli.parity)

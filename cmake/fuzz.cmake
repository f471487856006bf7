# tests/fuzz/NAME.c holds LLVMFuzzerTestOneInput. With CVG_FUZZ it becomes the
# libFuzzer program fuzz_NAME; otherwise a small driver runs the inputs of
# tests/fuzz/corpus/NAME through it. Both ways the test fuzz.NAME runs them, so
# an input that once broke a parser is tried in every build.

set(fuzz_dir "${PROJECT_SOURCE_DIR}/tests/fuzz")

file(GLOB sources CONFIGURE_DEPENDS "${fuzz_dir}/*.c")
foreach(source IN LISTS sources)
    cmake_path(GET source STEM name)
    set(corpus "${fuzz_dir}/corpus/${name}")

    add_executable(fuzz_${name} "${source}")
    target_link_libraries(fuzz_${name} PRIVATE cvg_all)
    set_target_properties(fuzz_${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
    # The one function that a target defines is called from outside.
    target_compile_options(fuzz_${name} PRIVATE -Wno-missing-prototypes)

    if(CVG_FUZZ)
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        set(command fuzz_${name} -runs=0)
        if(IS_DIRECTORY "${corpus}")
            list(APPEND command "${corpus}")
        endif()
    else()
        target_sources(fuzz_${name} PRIVATE "${fuzz_dir}/standalone/main.c")
        set(command fuzz_${name} "${corpus}")
    endif()
    add_test(NAME fuzz.${name} COMMAND ${command}
        WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    set_tests_properties(fuzz.${name} PROPERTIES TIMEOUT 60)
endforeach()

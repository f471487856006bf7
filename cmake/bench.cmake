# Benchmarks: bench/NAME.c becomes bench_NAME, beside the program. They are no
# part of `all`: build the target `benchmarks` (scripts/bench does).

add_custom_target(benchmarks)
file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.c")
foreach(source IN LISTS sources)
    cmake_path(GET source STEM name)
    add_executable(bench_${name} EXCLUDE_FROM_ALL "${source}")
    target_link_libraries(bench_${name} PRIVATE cvg_all)
    target_include_directories(bench_${name} PRIVATE "${PROJECT_SOURCE_DIR}")
    set_target_properties(bench_${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${CVG_BINARY_DIR}")
    add_dependencies(benchmarks bench_${name})
endforeach()

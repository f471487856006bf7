# The page of `convergo sim --report`: web/report/ in one file, as bytes in the
# report library, so that the program needs no file beside it.

set(page_dir "${PROJECT_SOURCE_DIR}/web/report")
set(page_source "${PROJECT_BINARY_DIR}/page_template.c")
file(GLOB page_files CONFIGURE_DEPENDS "${page_dir}/*")

add_custom_command(
    OUTPUT "${page_source}"
    COMMAND "${CMAKE_COMMAND}" "-DPAGE=${page_dir}/page.html"
            "-DOUT=${page_source}"
            -P "${PROJECT_SOURCE_DIR}/cmake/embed.cmake"
    DEPENDS ${page_files} "${PROJECT_SOURCE_DIR}/cmake/embed.cmake"
    VERBATIM)
target_sources(cvg_report PRIVATE "${page_source}")

# The program: src/cli/main.c and all the layers.

if(EXISTS "${PROJECT_SOURCE_DIR}/src/cli/main.c")
    add_executable(convergo "${PROJECT_SOURCE_DIR}/src/cli/main.c")
    target_link_libraries(convergo PRIVATE cvg_all)
    set_target_properties(convergo PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${CVG_BINARY_DIR}")
    install(TARGETS convergo)
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" TYPE INCLUDE)

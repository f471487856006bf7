# Compiler and linker flags that every target of ours takes, as one interface
# library: cvg_options.

add_library(cvg_options INTERFACE)
target_compile_definitions(cvg_options INTERFACE
    _GNU_SOURCE CVG_VERSION="${PROJECT_VERSION}")
target_include_directories(cvg_options INTERFACE
    "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
target_compile_options(cvg_options INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes
    -Wstrict-prototypes -fno-common
    # assert(!"why this cannot be")
    $<$<C_COMPILER_ID:Clang>:-Wno-string-conversion>)

if(CVG_WERROR)
    target_compile_options(cvg_options INTERFACE -Werror)
endif()

if(CVG_SANITIZE)
    # A finding ends the program, so that a test cannot pass over one.
    target_compile_options(cvg_options INTERFACE
        -fsanitize=${CVG_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(cvg_options INTERFACE -fsanitize=${CVG_SANITIZE})
endif()

if(CVG_HARDEN)
    target_compile_options(cvg_options INTERFACE
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
        -fstack-clash-protection -Wformat -Wformat-security)
    target_link_options(cvg_options INTERFACE
        -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
    if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
        target_compile_options(cvg_options INTERFACE -fcf-protection)
    endif()
endif()

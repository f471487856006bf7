# ONNX Runtime is opened with dlopen: the build needs its C header, and the
# default path of its library. Both come from scripts/setup, or from the user's
# own copy (ONNXRUNTIME_DIR, with include/ and lib/ as in its releases).

set(ONNXRUNTIME_DIR "${PROJECT_SOURCE_DIR}/third_party/onnxruntime" CACHE PATH
    "Folder of ONNX Runtime: include/ and lib/")
if(DEFINED ENV{ONNXRUNTIME_DIR})
    set(ONNXRUNTIME_DIR "$ENV{ONNXRUNTIME_DIR}" CACHE PATH "" FORCE)
endif()

# Looked for anew in each run: the folder can appear between two of them.
unset(ort_include CACHE)
find_path(ort_include onnxruntime_c_api.h NO_DEFAULT_PATH
    PATHS "${ONNXRUNTIME_DIR}/include"
    PATH_SUFFIXES onnxruntime onnxruntime/core/session)
if(NOT ort_include)
    message(FATAL_ERROR
        "No onnxruntime_c_api.h in ${ONNXRUNTIME_DIR}/include: "
        "run scripts/setup, or set ONNXRUNTIME_DIR to your own copy of "
        "ONNX Runtime.")
endif()

set(ort_library "${ONNXRUNTIME_DIR}/lib/libonnxruntime.so.1")
if(NOT EXISTS "${ort_library}"
   AND EXISTS "${ONNXRUNTIME_DIR}/lib/libonnxruntime.so")
    set(ort_library "${ONNXRUNTIME_DIR}/lib/libonnxruntime.so")
endif()

# -isystem: its header is not held to our warnings.
add_library(cvg_lib_onnxruntime INTERFACE)
target_include_directories(cvg_lib_onnxruntime SYSTEM INTERFACE
    "${ort_include}")
target_compile_definitions(cvg_lib_onnxruntime INTERFACE
    CVG_ONNXRUNTIME_LIBRARY="${ort_library}")

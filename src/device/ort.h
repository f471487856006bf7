/* ONNX Runtime through its C API, opened with dlopen: the program starts and
 * simulates without it, and a user can bring a build of his own.
 *
 * The library is the environment variable CONVERGO_ONNXRUNTIME, else the path
 * known at compile time if there is such a file, else libonnxruntime.so.1 as
 * the loader finds it. */
#ifndef CVG_DEVICE_ORT_H
#define CVG_DEVICE_ORT_H

#include <convergo/box.h>
#include <convergo/device.h>
#include <convergo/status.h>

#include <onnxruntime_c_api.h>

/* The API table only grows: the least version that has all we use
 * (SessionOptionsAppendExecutionProvider, of 1.12), so that any library since
 * then will do. */
#define CVG_ORT_API 12

struct cvg_ort {
    const OrtApi *api;
    OrtEnv *env;
    OrtMemoryInfo *cpu;      /* where our tensors lie */
    OrtAllocator *allocator; /* for names that it returns */
    const char *version;     /* "1.29.0" */
    const char *path;        /* of the library */
};

/* The process's one runtime, opened by the first call and kept until the end
 * (it cannot be unloaded safely). Any thread. NULL: CVG_UNSUPPORTED with the
 * loader's message in `err`; a later call tries again. */
const struct cvg_ort *cvg_ort_get(struct cvg_error *err);

/* Turns the runtime's status into ours, and frees it: CVG_OK for NULL, else
 * `otherwise` with "WHAT: the runtime's message". */
enum cvg_status cvg_ort_check(const struct cvg_ort *ort, OrtStatus *status,
                              enum cvg_status otherwise, const char *what,
                              struct cvg_error *err);

/* Is there an execution provider of that name ("CPU", "XNNPACK", "CUDA"; any
 * case, "ExecutionProvider" at the end may be left out)? CVG_CONFIG lists those
 * that there are, or says that CPU takes no options. */
enum cvg_status cvg_ort_check_provider(const struct cvg_ort *ort,
                                       const char *provider, size_t n_options,
                                       struct cvg_error *err);

/* NULL, the default, or the runtime's own provider, which is always there. */
bool cvg_ort_is_cpu(const char *provider);

/* Adds the provider to a session's options; "CPU" is always there. */
enum cvg_status cvg_ort_add_provider(const struct cvg_ort *ort,
                                     OrtSessionOptions *session,
                                     const char *provider,
                                     const struct cvg_option *options,
                                     size_t n_options, struct cvg_error *err);

/* The memory in which that provider leaves what stays with it; released by the
 * caller. NULL: this CPU's. */
enum cvg_status cvg_ort_memory(const struct cvg_ort *ort, const char *provider,
                               const struct cvg_option *options,
                               size_t n_options, OrtMemoryInfo **out,
                               struct cvg_error *err);

/* Tensor types there and here. False: there is none. */
bool cvg_ort_type_from(ONNXTensorElementDataType type, enum cvg_type *out);
ONNXTensorElementDataType cvg_ort_type_to(enum cvg_type type);

#endif

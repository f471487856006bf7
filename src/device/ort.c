/* The ONNX Runtime library: opening it, its providers, its types. */
#include "device/ort.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef CVG_ONNXRUNTIME_LIBRARY
#define CVG_ONNXRUNTIME_LIBRARY ""
#endif

enum cvg_status cvg_ort_check(const struct cvg_ort *ort, OrtStatus *status,
                              enum cvg_status otherwise, const char *what,
                              struct cvg_error *err)
{
    if (status == NULL) {
        return CVG_OK;
    }
    const char *text = ort->api->GetErrorMessage(status);
    size_t length = strlen(text);
    while (length > 0 &&
           (text[length - 1] == '\n' || text[length - 1] == ' ')) {
        length--;
    }
    cvg_fail(err, otherwise, "%s: %.*s", what, (int)length, text);
    ort->api->ReleaseStatus(status);
    return otherwise;
}

/* --- opening -------------------------------------------------------------- */

static const char *library_path(void)
{
    const char *path = getenv("CONVERGO_ONNXRUNTIME");
    if (path != NULL && path[0] != '\0') {
        return path;
    }
    path = CVG_ONNXRUNTIME_LIBRARY;
    return access(path, R_OK) == 0 ? path : "libonnxruntime.so.1";
}

/* What goes wrong comes back as a status; the log would say it twice. */
static void log_nothing(void *param, OrtLoggingLevel severity,
                        const char *category, const char *logid,
                        const char *location, const char *message)
{
    (void)param;
    (void)severity;
    (void)category;
    (void)logid;
    (void)location;
    (void)message;
}

static enum cvg_status create_env(struct cvg_ort *ort, struct cvg_error *err)
{
    const OrtApi *api = ort->api;
    enum cvg_status status = cvg_ort_check(
        ort,
        api->CreateEnvWithCustomLogger(
            log_nothing, NULL, ORT_LOGGING_LEVEL_FATAL, "convergo", &ort->env),
        CVG_UNSUPPORTED, ort->path, err);
    if (status != CVG_OK) {
        return status;
    }
    status = cvg_ort_check(ort, api->DisableTelemetryEvents(ort->env),
                           CVG_UNSUPPORTED, ort->path, err);
    if (status == CVG_OK) {
        status =
            cvg_ort_check(ort,
                          api->CreateCpuMemoryInfo(
                              OrtArenaAllocator, OrtMemTypeDefault, &ort->cpu),
                          CVG_UNSUPPORTED, ort->path, err);
    }
    if (status == CVG_OK) {
        status = cvg_ort_check(
            ort, api->GetAllocatorWithDefaultOptions(&ort->allocator),
            CVG_UNSUPPORTED, ort->path, err);
    }
    if (status != CVG_OK) {
        api->ReleaseEnv(ort->env);
    }
    return status;
}

/* The library reports its use to its makers, over the network, with a database
 * and a log of its own on disk. A server does no such thing unasked; to turn it
 * off when the environment is there is too late. */
static void keep_quiet(void)
{
    (void)setenv("ORT_DISABLE_TELEMETRY", "1", 1);
}

/* Tensors come and go with every batch. Memory that goes back to the kernel
 * each time has to be fetched again, a page at a time: a tenth of the run of a
 * stage. */
#define KEPT_BYTES (16 << 20)

static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

static enum cvg_status open_library(struct cvg_ort *ort, struct cvg_error *err)
{
    const char *path = library_path();
    keep_quiet();
    keep_memory();
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return cvg_fail(err, CVG_UNSUPPORTED,
                        "ONNX Runtime cannot be opened (CONVERGO_ONNXRUNTIME "
                        "names its library): %s",
                        dlerror());
    }
    const OrtApiBase *(*get_base)(void) = NULL;
    /* POSIX: the object pointer is the function's. */
    *(void **)&get_base = dlsym(library, "OrtGetApiBase");
    const OrtApiBase *base = get_base == NULL ? NULL : get_base();
    ort->api = base == NULL ? NULL : base->GetApi(CVG_ORT_API);
    if (ort->api == NULL) {
        enum cvg_status status = cvg_fail(
            err, CVG_UNSUPPORTED, "%s: %s, 1.%d or later is needed", path,
            base == NULL ? "not ONNX Runtime" : base->GetVersionString(),
            CVG_ORT_API);
        dlclose(library);
        return status;
    }
    ort->version = base->GetVersionString();
    ort->path = path;
    return create_env(ort, err);
}

const struct cvg_ort *cvg_ort_get(struct cvg_error *err)
{
    /* State of the process, because the library's environment is: there can
     * be only one, and it cannot be taken down while anything uses it. */
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct cvg_ort ort;
    static bool opened;
    pthread_mutex_lock(&lock);
    if (!opened) {
        opened = open_library(&ort, err) == CVG_OK;
    }
    bool usable = opened;
    pthread_mutex_unlock(&lock);
    return usable ? &ort : NULL;
}

/* Builds with AddressSanitizer look for leaks at the end; the library has one
 * of 14 bytes in creating its environment. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_LOOKED_FOR
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define LEAKS_ARE_LOOKED_FOR
#endif
#ifdef LEAKS_ARE_LOOKED_FOR
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libonnxruntime";
}
const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
    return "print_suppressions=0"; /* stderr is the program's own */
}
#endif

/* --- providers ------------------------------------------------------------ */

bool cvg_ort_is_cpu(const char *provider)
{
    return provider == NULL || cvg_provider_is(provider, "CPU");
}

static void list_providers(char *const *names, int n, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int k = 0; k < n && used < size; k++) {
        int written =
            snprintf(out + used, size - used, "%s%.*s", k == 0 ? "" : ", ",
                     (int)cvg_provider_length(names[k]), names[k]);
        used += written > 0 ? (size_t)written : 0;
    }
}

enum cvg_status cvg_ort_check_provider(const struct cvg_ort *ort,
                                       const char *provider, size_t n_options,
                                       struct cvg_error *err)
{
    if (cvg_ort_is_cpu(provider)) {
        return n_options == 0
                   ? CVG_OK
                   : cvg_fail(err, CVG_CONFIG, "provider CPU takes no options");
    }
    char **names = NULL;
    int n = 0;
    enum cvg_status status =
        cvg_ort_check(ort, ort->api->GetAvailableProviders(&names, &n),
                      CVG_UNSUPPORTED, "execution providers", err);
    if (status != CVG_OK) {
        return status;
    }
    bool found = false;
    for (int k = 0; k < n; k++) {
        found = found || cvg_provider_is(names[k], provider);
    }
    if (!found) {
        char list[256];
        list_providers(names, n, list, sizeof list);
        status = cvg_fail(err, CVG_CONFIG,
                          "provider '%s' is not in this ONNX Runtime (%s, "
                          "%s); it has: %s",
                          provider, ort->version, ort->path, list);
    }
    OrtStatus *ignored = ort->api->ReleaseAvailableProviders(names, n);
    if (ignored != NULL) {
        ort->api->ReleaseStatus(ignored);
    }
    return status;
}

/* CUDA and TensorRT are not known to the general call: they have objects of
 * their own for their options. */
static OrtStatus *add_cuda(const OrtApi *api, OrtSessionOptions *session,
                           const char *const *keys, const char *const *values,
                           size_t n)
{
    OrtCUDAProviderOptionsV2 *cuda = NULL;
    OrtStatus *status = api->CreateCUDAProviderOptions(&cuda);
    if (status == NULL) {
        status = api->UpdateCUDAProviderOptions(cuda, keys, values, n);
    }
    if (status == NULL) {
        status =
            api->SessionOptionsAppendExecutionProvider_CUDA_V2(session, cuda);
    }
    api->ReleaseCUDAProviderOptions(cuda);
    return status;
}

static OrtStatus *add_tensorrt(const OrtApi *api, OrtSessionOptions *session,
                               const char *const *keys,
                               const char *const *values, size_t n)
{
    OrtTensorRTProviderOptionsV2 *tensorrt = NULL;
    OrtStatus *status = api->CreateTensorRTProviderOptions(&tensorrt);
    if (status == NULL) {
        status = api->UpdateTensorRTProviderOptions(tensorrt, keys, values, n);
    }
    if (status == NULL) {
        status = api->SessionOptionsAppendExecutionProvider_TensorRT_V2(
            session, tensorrt);
    }
    api->ReleaseTensorRTProviderOptions(tensorrt);
    return status;
}

enum cvg_status cvg_ort_add_provider(const struct cvg_ort *ort,
                                     OrtSessionOptions *session,
                                     const char *provider,
                                     const struct cvg_option *options,
                                     size_t n_options, struct cvg_error *err)
{
    if (cvg_ort_is_cpu(provider)) {
        return CVG_OK;
    }
    const char **texts = calloc(2 * n_options + 1, sizeof *texts);
    if (texts == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for options");
    }
    const char **keys = texts;
    const char **values = texts + n_options;
    for (size_t k = 0; k < n_options; k++) {
        keys[k] = options[k].key;
        values[k] = options[k].value;
    }
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)cvg_provider_length(provider),
             provider);
    OrtStatus *status;
    if (cvg_provider_is(provider, "CUDA")) {
        status = add_cuda(ort->api, session, keys, values, n_options);
    } else if (cvg_provider_is(provider, "TensorRT")) {
        status = add_tensorrt(ort->api, session, keys, values, n_options);
    } else {
        status = ort->api->SessionOptionsAppendExecutionProvider(
            session, name, keys, values, n_options);
    }
    free(texts);
    char what[96];
    snprintf(what, sizeof what, "provider '%s'", name);
    return cvg_ort_check(ort, status, CVG_DEVICE, what, err);
}

static int device_id(const struct cvg_option *options, size_t n_options)
{
    for (size_t k = 0; k < n_options; k++) {
        if (strcmp(options[k].key, "device_id") == 0) {
            return atoi(options[k].value);
        }
    }
    return 0;
}

enum cvg_status cvg_ort_memory(const struct cvg_ort *ort, const char *provider,
                               const struct cvg_option *options,
                               size_t n_options, OrtMemoryInfo **out,
                               struct cvg_error *err)
{
    static const struct {
        const char *provider, *memory;
    } known[] = {{"CUDA", "Cuda"}, {"TensorRT", "Cuda"}, {"ROCM", "Hip"}};
    const char *name = NULL;
    *out = NULL;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        if (provider != NULL && cvg_provider_is(provider, known[k].provider)) {
            name = known[k].memory;
        }
    }
    if (name == NULL) {
        return CVG_OK; /* others compute in ours, or copy as they need to */
    }
    return cvg_ort_check(
        ort,
        ort->api->CreateMemoryInfo(name, OrtDeviceAllocator,
                                   device_id(options, n_options),
                                   OrtMemTypeDefault, out),
        CVG_DEVICE, name, err);
}

/* --- types ---------------------------------------------------------------- */

static const ONNXTensorElementDataType types[CVG_TYPES] = {
    [CVG_TYPE_BOOL] = ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
    [CVG_TYPE_UINT8] = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
    [CVG_TYPE_UINT16] = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16,
    [CVG_TYPE_UINT32] = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
    [CVG_TYPE_UINT64] = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64,
    [CVG_TYPE_INT8] = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
    [CVG_TYPE_INT16] = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,
    [CVG_TYPE_INT32] = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
    [CVG_TYPE_INT64] = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
    [CVG_TYPE_FP16] = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
    [CVG_TYPE_FP32] = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
    [CVG_TYPE_FP64] = ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
    [CVG_TYPE_BYTES] = ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
    [CVG_TYPE_BF16] = ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
};

bool cvg_ort_type_from(ONNXTensorElementDataType type, enum cvg_type *out)
{
    for (int k = 0; k < CVG_TYPES; k++) {
        if (types[k] == type) {
            *out = (enum cvg_type)k;
            return true;
        }
    }
    return false;
}

ONNXTensorElementDataType cvg_ort_type_to(enum cvg_type type)
{
    return types[type];
}

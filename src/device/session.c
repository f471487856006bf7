/* A model loaded into ONNX Runtime: opening, what it says of itself, running.
 */
#include "device/session.h"

#include "device/clock.h"
#include "device/ort.h"
#include "device/repository.h"
#include "device/tensors.h"
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cvg_session {
    const struct cvg_ort *ort;
    OrtSession *session;
    struct cvg_model_info info;
    const char **names; /* inputs, then outputs; point into info */
    uint32_t rows;      /* batch that the model is fixed at; 0: variable */
    bool accelerator;   /* its provider is not this CPU */
    struct cvg_tensor *probe; /* zeros on which it has run; NULL: none did */
    struct cvg_session_cost cost;
};

/* --- creating the runtime's session --------------------------------------- */

/* An idle thread that spins takes a core from the others, which on a box with
 * two is half of it. Without arena a session keeps no freed memory, at 1 % of
 * the time of small models. */
static OrtStatus *set_options(const OrtApi *api, OrtSessionOptions *o,
                              const struct cvg_session_options *options,
                              const char *folder)
{
    OrtStatus *s = api->SetIntraOpNumThreads(o, (int)options->threads);
    if (s == NULL) {
        s = api->SetInterOpNumThreads(o, 1);
    }
    if (s == NULL) {
        s = api->SetSessionExecutionMode(o, ORT_SEQUENTIAL);
    }
    if (s == NULL) {
        s = api->AddSessionConfigEntry(o, "session.intra_op.allow_spinning",
                                       "0");
    }
    if (s == NULL) { /* a model in bytes does not know where it came from */
        s = api->AddSessionConfigEntry(
            o, "session.model_external_initializers_file_folder_path", folder);
    }
    if (s == NULL) {
        s = api->DisableCpuMemArena(o);
    }
    return s;
}

static enum cvg_status create_session(const struct cvg_ort *ort,
                                      const struct cvg_session_options *options,
                                      const struct cvg_model_file *file,
                                      bool optimised, OrtSession **out,
                                      struct cvg_error *err)
{
    const OrtApi *api = ort->api;
    OrtSessionOptions *o = NULL;
    enum cvg_status status = cvg_ort_check(ort, api->CreateSessionOptions(&o),
                                           CVG_DEVICE, options->variant, err);
    if (status != CVG_OK) {
        return status;
    }
    status = cvg_ort_check(ort, set_options(api, o, options, file->folder),
                           CVG_DEVICE, options->variant, err);
    if (status == CVG_OK && !optimised) {
        status = cvg_ort_check(
            ort, api->SetSessionGraphOptimizationLevel(o, ORT_DISABLE_ALL),
            CVG_DEVICE, options->variant, err);
    }
    if (status == CVG_OK && options->provider != NULL && optimised) {
        status =
            cvg_ort_add_provider(ort, o, options->provider, options->options,
                                 options->n_options, err);
    }
    if (status == CVG_OK) {
        status = cvg_ort_check(ort,
                               api->CreateSessionFromArray(ort->env, file->data,
                                                           file->size, o, out),
                               CVG_DEVICE, file->folder, err);
    }
    api->ReleaseSessionOptions(o);
    return status;
}

/* --- what the model says -------------------------------------------------- */

static OrtStatus *read_tensor_type(const OrtApi *api, const OrtTypeInfo *type,
                                   struct cvg_tensor_info *out, bool *known)
{
    const OrtTensorTypeAndShapeInfo *tensor = NULL;
    ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    size_t n_dims = 0;
    OrtStatus *s = api->CastTypeInfoToTensorInfo(type, &tensor);
    if (s != NULL || tensor == NULL) {
        return s; /* a sequence or a map */
    }
    s = api->GetTensorElementType(tensor, &element);
    if (s == NULL) {
        s = api->GetDimensionsCount(tensor, &n_dims);
    }
    if (s != NULL || n_dims > CVG_MAX_DIMS ||
        !cvg_ort_type_from(element, &out->type)) {
        return s;
    }
    out->n_dims = (uint32_t)n_dims;
    s = api->GetDimensions(tensor, out->dims, n_dims);
    *known = s == NULL;
    return s;
}

struct side { /* the inputs or the outputs of a model */
    const char *kind;
    OrtStatus *(ORT_API_CALL *name)(const OrtSession *, size_t, OrtAllocator *,
                                    char **);
    OrtStatus *(ORT_API_CALL *type)(const OrtSession *, size_t, OrtTypeInfo **);
};

static enum cvg_status read_tensor(const struct cvg_ort *ort,
                                   const OrtSession *session,
                                   const struct side *side, size_t k,
                                   struct cvg_tensor_info *out,
                                   struct cvg_error *err)
{
    char *name = NULL;
    OrtTypeInfo *type = NULL;
    bool known = false;
    OrtStatus *s = side->name(session, k, ort->allocator, &name);
    if (s == NULL) {
        s = side->type(session, k, &type);
    }
    if (s == NULL) {
        s = read_tensor_type(ort->api, type, out, &known);
    }
    enum cvg_status status = cvg_ort_check(ort, s, CVG_DEVICE, side->kind, err);
    out->name = name == NULL ? NULL : strdup(name);
    if (status == CVG_OK && out->name == NULL) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory for a name");
    } else if (status == CVG_OK && !known) {
        status = cvg_fail(err, CVG_UNSUPPORTED,
                          "%s '%s': not a tensor of a known type with at most "
                          "%u dimensions",
                          side->kind, name, CVG_MAX_DIMS);
    }
    if (type != NULL) {
        ort->api->ReleaseTypeInfo(type);
    }
    if (name != NULL) {
        ort->allocator->Free(ort->allocator, name);
    }
    return status;
}

static enum cvg_status read_side(const struct cvg_ort *ort,
                                 const OrtSession *session,
                                 const struct side *side, size_t n,
                                 struct cvg_tensor_info **out, size_t *n_out,
                                 struct cvg_error *err)
{
    if (n < 1 || n > CVG_MAX_TENSORS) {
        return cvg_fail(err, CVG_UNSUPPORTED,
                        "a model has 1 to %u %ss, this has %zu",
                        CVG_MAX_TENSORS, side->kind, n);
    }
    *out = calloc(n, sizeof **out);
    if (*out == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for %ss", side->kind);
    }
    *n_out = n;
    enum cvg_status status = CVG_OK;
    for (size_t k = 0; k < n && status == CVG_OK; k++) {
        status = read_tensor(ort, session, side, k, &(*out)[k], err);
    }
    return status;
}

static enum cvg_status read_info(const struct cvg_ort *ort,
                                 const OrtSession *session,
                                 struct cvg_model_info *out,
                                 struct cvg_error *err)
{
    const OrtApi *api = ort->api;
    const struct side inputs = {"input", api->SessionGetInputName,
                                api->SessionGetInputTypeInfo};
    const struct side outputs = {"output", api->SessionGetOutputName,
                                 api->SessionGetOutputTypeInfo};
    size_t n_inputs = 0;
    size_t n_outputs = 0;
    OrtStatus *s = api->SessionGetInputCount(session, &n_inputs);
    if (s == NULL) {
        s = api->SessionGetOutputCount(session, &n_outputs);
    }
    enum cvg_status status = cvg_ort_check(ort, s, CVG_DEVICE, "model", err);
    if (status == CVG_OK) {
        status = read_side(ort, session, &inputs, n_inputs, &out->inputs,
                           &out->n_inputs, err);
    }
    if (status == CVG_OK) {
        status = read_side(ort, session, &outputs, n_outputs, &out->outputs,
                           &out->n_outputs, err);
    }
    return status;
}

/* The batch is the first dimension of everything: variable, or the same number
 * everywhere. From here on it is described as variable. */
static enum cvg_status take_batch(struct cvg_tensor_info *tensors, size_t n,
                                  const char *kind, bool strict, int64_t *batch,
                                  struct cvg_error *err)
{
    for (size_t k = 0; k < n; k++) {
        struct cvg_tensor_info *t = &tensors[k];
        if (t->n_dims == 0) {
            return cvg_fail(err, CVG_UNSUPPORTED,
                            "%s '%s' has no batch dimension", kind, t->name);
        }
        if (*batch == 0) {
            *batch = t->dims[0];
        }
        bool vague = !strict && (t->dims[0] < 0 || *batch < 0);
        if (t->dims[0] != *batch && !vague) {
            return cvg_fail(err, CVG_UNSUPPORTED,
                            "%s '%s': the first dimension must be the batch, "
                            "%lld as in the others, not %lld",
                            kind, t->name, (long long)*batch,
                            (long long)t->dims[0]);
        }
        t->dims[0] = -1;
    }
    return CVG_OK;
}

static enum cvg_status find_batch(struct cvg_model_info *info, uint32_t *rows,
                                  struct cvg_error *err)
{
    int64_t batch = 0;
    enum cvg_status status =
        take_batch(info->inputs, info->n_inputs, "input", true, &batch, err);
    if (status == CVG_OK) { /* exporters often leave outputs vague */
        status = take_batch(info->outputs, info->n_outputs, "output", false,
                            &batch, err);
    }
    if (status == CVG_OK && (batch == 0 || batch > (int64_t)CVG_MAX_BATCH)) {
        status = cvg_fail(err, CVG_UNSUPPORTED,
                          "its batch is fixed at %lld, 1 to %u can be run",
                          (long long)batch, CVG_MAX_BATCH);
    }
    *rows = batch < 0 ? 0 : (uint32_t)batch;
    return status;
}

/* Puts the file's name before what is wrong with it. */
static enum cvg_status blame(const char *folder, enum cvg_status status,
                             struct cvg_error *err)
{
    if (status != CVG_OK && err != NULL) {
        struct cvg_error inner = *err;
        cvg_fail(err, status, "%.200s/model.onnx: %.290s", folder, inner.text);
    }
    return status;
}

/* --- opening -------------------------------------------------------------- */

static enum cvg_status name_tensors(struct cvg_session *s,
                                    struct cvg_error *err)
{
    s->names = calloc(s->info.n_inputs + s->info.n_outputs, sizeof *s->names);
    if (s->names == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for names");
    }
    for (size_t k = 0; k < s->info.n_inputs; k++) {
        s->names[k] = s->info.inputs[k].name;
    }
    for (size_t k = 0; k < s->info.n_outputs; k++) {
        s->names[s->info.n_inputs + k] = s->info.outputs[k].name;
    }
    return CVG_OK;
}

static struct cvg_runner runner(const struct cvg_session *s)
{
    return (struct cvg_runner){
        .ort = s->ort,
        .session = s->session,
        .info = &s->info,
        .input_names = s->names,
        .output_names = s->names + s->info.n_inputs,
        .rows = s->rows,
        .accelerator = s->accelerator,
        .probe = s->probe,
    };
}

static void free_tensors(struct cvg_tensor *tensors, size_t n)
{
    for (size_t k = 0; tensors != NULL && k < n; k++) {
        free(tensors[k].data);
    }
    free(tensors);
}

/* Zeros of one item, variable dimensions being 1. False: no memory. */
static bool make_zeros(const struct cvg_tensor_info *info, struct cvg_tensor *t)
{
    t->type = info->type;
    t->n_dims = info->n_dims - 1;
    t->bytes = cvg_type_size(info->type);
    for (uint32_t d = 0; d < t->n_dims; d++) {
        t->dims[d] = info->dims[d + 1] < 0 ? 1 : info->dims[d + 1];
        if (__builtin_mul_overflow(t->bytes, (size_t)t->dims[d], &t->bytes)) {
            return false;
        }
    }
    t->data = calloc(1, t->bytes + 1);
    return t->data != NULL;
}

/* A run of zeros, so that the first request does not pay for what the runtime
 * puts off until then. They are kept, to see whether the device works when it
 * cannot run something else. A model that cannot digest them is not to blame.
 */
static void warm_up(struct cvg_session *s)
{
    struct cvg_tensor *inputs = calloc(s->info.n_inputs, sizeof *inputs);
    struct cvg_tensor *outputs = calloc(s->info.n_outputs, sizeof *outputs);
    bool made = inputs != NULL && outputs != NULL;
    for (size_t k = 0; k < s->info.n_inputs && made; k++) {
        made = make_zeros(&s->info.inputs[k], &inputs[k]);
    }
    if (made) {
        struct cvg_batch_item item = {.inputs = inputs, .outputs = outputs};
        if (cvg_session_run(s, &item, 1, NULL) == CVG_OK) {
            cvg_tensors_drop_outputs(&s->info, &item, 1);
            s->probe = inputs;
            inputs = NULL;
        }
    }
    free_tensors(inputs, s->info.n_inputs);
    free(outputs);
}

static size_t heap_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static enum cvg_status fill(struct cvg_session *s,
                            const struct cvg_session_options *options,
                            const struct cvg_model_file *file,
                            struct cvg_error *err)
{
    enum cvg_status status =
        create_session(s->ort, options, file, true, &s->session, err);
    if (status != CVG_OK) {
        return status;
    }
    status = read_info(s->ort, s->session, &s->info, err);
    if (status == CVG_OK) {
        status = find_batch(&s->info, &s->rows, err);
    }
    if (status == CVG_OK) {
        status = name_tensors(s, err);
    }
    if (status == CVG_OK) {
        warm_up(s);
    }
    return blame(file->folder, status, err);
}

enum cvg_status cvg_session_open(const struct cvg_session_options *options,
                                 struct cvg_session **out,
                                 struct cvg_error *err)
{
    /* One at a time: what a model takes is seen as what the heap has grown. */
    static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
    const struct cvg_ort *ort = cvg_ort_get(err);
    if (ort == NULL) {
        return CVG_UNSUPPORTED;
    }
    struct cvg_session *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for a session");
    }
    s->ort = ort;
    s->accelerator = !cvg_ort_is_cpu(options->provider);
    pthread_mutex_lock(&loading);
    cvg_time begun = cvg_now();
    size_t before = heap_in_use();
    struct cvg_model_file file = {0};
    enum cvg_status status =
        cvg_model_file_read(options->models, options->variant, &file, err);
    if (status == CVG_OK) {
        status = fill(s, options, &file, err);
        s->cost.file_bytes = file.size;
        cvg_model_file_free(&file);
    }
    s->cost.load_time = cvg_now() - begun;
    size_t after = heap_in_use();
    s->cost.memory_bytes = after > before ? after - before : 0;
    malloc_trim(0); /* what parsing has left behind */
    pthread_mutex_unlock(&loading);
    if (s->cost.memory_bytes < s->cost.file_bytes) {
        s->cost.memory_bytes = s->cost.file_bytes;
    }
    if (status != CVG_OK) {
        cvg_session_close(s);
        return status;
    }
    *out = s;
    return CVG_OK;
}

void cvg_session_close(struct cvg_session *s)
{
    if (s == NULL) {
        return;
    }
    if (s->session != NULL) {
        s->ort->api->ReleaseSession(s->session);
    }
    free_tensors(s->probe, s->info.n_inputs);
    cvg_model_info_free(&s->info);
    free(s->names);
    free(s);
    malloc_trim(0);
}

enum cvg_status cvg_session_run(const struct cvg_session *s,
                                struct cvg_batch_item *items, uint32_t n,
                                struct cvg_error *err)
{
    cvg_session_no_outputs(s, items, n);
    enum cvg_status status = cvg_tensors_check(&s->info, items, n, err);
    if (status != CVG_OK) {
        return status;
    }
    const struct cvg_runner r = runner(s);
    return cvg_tensors_run(&r, items, n, err);
}

void cvg_session_no_outputs(const struct cvg_session *s,
                            struct cvg_batch_item *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        memset(items[i].outputs, 0,
               s->info.n_outputs * sizeof *items[i].outputs);
    }
}

void cvg_session_drop_outputs(const struct cvg_session *s,
                              struct cvg_batch_item *items, uint32_t n)
{
    cvg_tensors_drop_outputs(&s->info, items, n);
}

const struct cvg_model_info *cvg_session_info(const struct cvg_session *s)
{
    return &s->info;
}

struct cvg_session_cost cvg_session_cost(const struct cvg_session *s)
{
    return s->cost;
}

enum cvg_status cvg_session_describe(const struct cvg_session_options *options,
                                     struct cvg_model_info *out,
                                     struct cvg_error *err)
{
    const struct cvg_ort *ort = cvg_ort_get(err);
    if (ort == NULL) {
        return CVG_UNSUPPORTED;
    }
    struct cvg_model_file file = {0};
    enum cvg_status status =
        cvg_model_file_read(options->models, options->variant, &file, err);
    if (status != CVG_OK) {
        return status;
    }
    OrtSession *session = NULL;
    struct cvg_model_info info = {0};
    uint32_t rows = 0;
    status = create_session(ort, options, &file, false, &session, err);
    if (status == CVG_OK) {
        status = read_info(ort, session, &info, err);
        if (status == CVG_OK) {
            status = find_batch(&info, &rows, err);
        }
        blame(file.folder, status, err);
        ort->api->ReleaseSession(session);
    }
    cvg_model_file_free(&file);
    malloc_trim(0);
    if (status != CVG_OK) {
        cvg_model_info_free(&info);
        return status;
    }
    *out = info;
    return CVG_OK;
}

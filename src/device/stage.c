/* One ONNX file in ONNX Runtime: opening it, what it says of itself. */
#include "device/stage.h"

#include <stdlib.h>
#include <string.h>

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
                                      const char *folder, bool optimised,
                                      OrtSession **out, struct cvg_error *err)
{
    const OrtApi *api = ort->api;
    OrtSessionOptions *o = NULL;
    enum cvg_status status = cvg_ort_check(ort, api->CreateSessionOptions(&o),
                                           CVG_DEVICE, options->variant, err);
    if (status != CVG_OK) {
        return status;
    }
    status = cvg_ort_check(ort, set_options(api, o, options, folder),
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
                               CVG_DEVICE, "ONNX Runtime", err);
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
static enum cvg_status blame(const char *path, enum cvg_status status,
                             struct cvg_error *err)
{
    if (status != CVG_OK && err != NULL) {
        struct cvg_error inner = *err;
        cvg_fail(err, status, "%.200s: %.290s", path, inner.text);
    }
    return status;
}

/* --- opening -------------------------------------------------------------- */

static enum cvg_status fill(struct cvg_stage *stage,
                            const struct cvg_session_options *options,
                            const struct cvg_model_file *file,
                            const char *folder, bool to_run,
                            struct cvg_error *err)
{
    enum cvg_status status = create_session(stage->ort, options, file, folder,
                                            to_run, &stage->session, err);
    if (status == CVG_OK) {
        status = read_info(stage->ort, stage->session, &stage->info, err);
    }
    if (status == CVG_OK) {
        status = find_batch(&stage->info, &stage->rows, err);
    }
    stage->n_answers = stage->info.n_outputs;
    return status;
}

enum cvg_status cvg_stage_open(const struct cvg_ort *ort,
                               const struct cvg_session_options *options,
                               const struct cvg_model_file *file,
                               const char *folder, bool to_run,
                               struct cvg_stage *out, struct cvg_error *err)
{
    struct cvg_stage stage = {.ort = ort, .path = file->path};
    enum cvg_status status = fill(&stage, options, file, folder, to_run, err);
    if (status != CVG_OK) {
        cvg_stage_close(&stage);
        return blame(file->path, status, err);
    }
    *out = stage;
    return CVG_OK;
}

void cvg_stage_close(struct cvg_stage *stage)
{
    if (stage->session != NULL) {
        stage->ort->api->ReleaseSession(stage->session);
    }
    cvg_model_info_free(&stage->info);
    free(stage->names);
    *stage = (struct cvg_stage){.session = NULL};
}

/* --- what goes from one to the next ---------------------------------------- */

/* Same type; same dims where both say them. */
static bool fits(const struct cvg_tensor_info *a,
                 const struct cvg_tensor_info *b)
{
    bool same = a->type == b->type && a->n_dims == b->n_dims;
    for (uint32_t d = 1; same && d < a->n_dims; d++) {
        same = a->dims[d] == b->dims[d] || a->dims[d] < 0 || b->dims[d] < 0;
    }
    return same;
}

/* Takes the output at `from` out and puts it in before `to`. */
static void move_output(struct cvg_model_info *info, size_t from, size_t to)
{
    struct cvg_tensor_info moved = info->outputs[from];
    memmove(&info->outputs[to + 1], &info->outputs[to],
            (from - to) * sizeof moved);
    info->outputs[to] = moved;
}

/* What the last stage returns is the answer, and every other returns that too:
 * it goes to the front, in the order of the last. */
static enum cvg_status sort_answers(struct cvg_stage *stage,
                                    const struct cvg_stage *last,
                                    struct cvg_error *err)
{
    struct cvg_model_info *info = &stage->info;
    for (size_t k = 0; k < last->info.n_outputs; k++) {
        const struct cvg_tensor_info *answer = &last->info.outputs[k];
        size_t at = k;
        while (at < info->n_outputs &&
               strcmp(info->outputs[at].name, answer->name) != 0) {
            at++;
        }
        if (at == info->n_outputs || !fits(answer, &info->outputs[at])) {
            return cvg_fail(err, CVG_CONFIG,
                            "%.180s: every stage answers alike, but this has "
                            "no output '%s' of the type and shape that it has "
                            "in %.180s",
                            stage->path, answer->name, last->path);
        }
        move_output(info, at, k);
    }
    stage->n_answers = last->info.n_outputs;
    return CVG_OK;
}

/* What else it returns, the next one takes, in this order. */
static enum cvg_status check_features(const struct cvg_stage *stage,
                                      const struct cvg_stage *next,
                                      struct cvg_error *err)
{
    const struct cvg_tensor_info *features =
        stage->info.outputs + stage->n_answers;
    size_t n = stage->info.n_outputs - stage->n_answers;
    if (n != next->info.n_inputs) {
        return cvg_fail(err, CVG_CONFIG,
                        "%.180s takes %zu inputs, but %.180s returns %zu "
                        "features",
                        next->path, next->info.n_inputs, stage->path, n);
    }
    for (size_t k = 0; k < n; k++) {
        if (!fits(&features[k], &next->info.inputs[k])) {
            return cvg_fail(err, CVG_CONFIG,
                            "%.160s: its input '%.60s' has another type or "
                            "shape than the output '%.60s' of %.160s",
                            next->path, next->info.inputs[k].name,
                            features[k].name, stage->path);
        }
    }
    return CVG_OK;
}

static enum cvg_status name_tensors(struct cvg_stage *stage,
                                    struct cvg_error *err)
{
    const struct cvg_model_info *info = &stage->info;
    stage->names =
        calloc(info->n_inputs + info->n_outputs, sizeof *stage->names);
    if (stage->names == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for names");
    }
    for (size_t k = 0; k < info->n_inputs; k++) {
        stage->names[k] = info->inputs[k].name;
    }
    for (size_t k = 0; k < info->n_outputs; k++) {
        stage->names[info->n_inputs + k] = info->outputs[k].name;
    }
    return CVG_OK;
}

enum cvg_status cvg_stages_join(struct cvg_stage *stages, uint32_t n,
                                struct cvg_error *err)
{
    enum cvg_status status = CVG_OK;
    for (uint32_t k = 0; k < n && status == CVG_OK; k++) {
        status = sort_answers(&stages[k], &stages[n - 1], err);
        if (status == CVG_OK && k + 1 < n) {
            status = check_features(&stages[k], &stages[k + 1], err);
        }
        if (status == CVG_OK) {
            status = name_tensors(&stages[k], err);
        }
    }
    return status;
}

/* The tensors of a batch, from our items to the runtime and back. */
#include "device/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From so many bytes of an item's output on it is handed over, not copied: a
 * little one would keep the memory of its whole batch for nothing. */
#define SHARED_LEAST 4096U
/* A client that reads slowly keeps the outputs of its whole batch: no more than
 * that. */
#define SHARED_MOST (4U << 20)

/* --- checking ------------------------------------------------------------- */

/* "[28, -1]"; cut off when it does not fit. */
static void print_dims(char *out, size_t size, const int64_t *dims, uint32_t n)
{
    size_t used = (size_t)snprintf(out, size, "[");
    for (uint32_t k = 0; k < n && used < size; k++) {
        used += (size_t)snprintf(out + used, size - used, "%s%lld",
                                 k == 0 ? "" : ", ", (long long)dims[k]);
    }
    if (used < size) {
        snprintf(out + used, size - used, "]");
    }
}

/* Elements in a shape; false: negative or beyond 64 bits. */
static bool count_elements(const int64_t *dims, uint32_t n, size_t *out)
{
    size_t count = 1;
    for (uint32_t k = 0; k < n; k++) {
        if (dims[k] < 0 ||
            __builtin_mul_overflow(count, (size_t)dims[k], &count)) {
            return false;
        }
    }
    *out = count;
    return true;
}

/* The item's dims are the model's without the batch. */
static bool dims_fit(const struct cvg_tensor_info *info,
                     const struct cvg_tensor *tensor)
{
    if (tensor->n_dims + 1 != info->n_dims) {
        return false;
    }
    for (uint32_t k = 0; k < tensor->n_dims; k++) {
        int64_t expected = info->dims[k + 1];
        if (tensor->dims[k] < 0 ||
            (expected >= 0 && tensor->dims[k] != expected)) {
            return false;
        }
    }
    return true;
}

static enum cvg_status check_tensor(const struct cvg_tensor_info *info,
                                    const struct cvg_tensor *tensor,
                                    struct cvg_error *err)
{
    if (tensor->type != info->type) {
        return cvg_fail(err, CVG_INVALID, "input '%s': expected %s, got %s",
                        info->name, cvg_type_name(info->type),
                        cvg_type_name(tensor->type));
    }
    if (!dims_fit(info, tensor)) {
        char expected[160];
        char got[160];
        print_dims(expected, sizeof expected, info->dims + 1, info->n_dims - 1);
        print_dims(got, sizeof got, tensor->dims,
                   tensor->n_dims < CVG_MAX_DIMS ? tensor->n_dims
                                                 : CVG_MAX_DIMS);
        return cvg_fail(err, CVG_INVALID,
                        "input '%s': expected shape %s per item, got %s",
                        info->name, expected, got);
    }
    size_t count = 0;
    size_t bytes = 0;
    if (!count_elements(tensor->dims, tensor->n_dims, &count) ||
        __builtin_mul_overflow(count, cvg_type_size(tensor->type), &bytes) ||
        bytes != tensor->bytes) {
        return cvg_fail(err, CVG_INVALID,
                        "input '%s': expected %zu bytes per item, got %zu",
                        info->name, bytes, tensor->bytes);
    }
    return CVG_OK;
}

static enum cvg_status check_types(const struct cvg_tensor_info *tensors,
                                   size_t n, const char *kind,
                                   struct cvg_error *err)
{
    for (size_t k = 0; k < n; k++) {
        if (tensors[k].type == CVG_TYPE_BYTES) {
            return cvg_fail(err, CVG_UNSUPPORTED,
                            "%s '%s': strings (BYTES) cannot be run", kind,
                            tensors[k].name);
        }
    }
    return CVG_OK;
}

enum cvg_status cvg_tensors_check(const struct cvg_model_info *info,
                                  const struct cvg_batch_item *items,
                                  uint32_t n, struct cvg_error *err)
{
    enum cvg_status status =
        check_types(info->inputs, info->n_inputs, "input", err);
    if (status == CVG_OK) {
        status = check_types(info->outputs, info->n_outputs, "output", err);
    }
    for (uint32_t i = 0; i < n && status == CVG_OK; i++) {
        for (size_t k = 0; k < info->n_inputs && status == CVG_OK; k++) {
            status = check_tensor(&info->inputs[k], &items[i].inputs[k], err);
        }
    }
    return status;
}

/* Items whose variable dims differ cannot be joined. */
static bool same_shapes(const struct cvg_model_info *info,
                        const struct cvg_batch_item *items, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        for (size_t k = 0; k < info->n_inputs; k++) {
            const struct cvg_tensor *a = &items[0].inputs[k];
            const struct cvg_tensor *b = &items[i].inputs[k];
            if (memcmp(a->dims, b->dims, a->n_dims * sizeof a->dims[0]) != 0) {
                return false;
            }
        }
    }
    return true;
}

/* --- one run -------------------------------------------------------------- */

struct run {
    const struct cvg_runner *runner;
    struct cvg_batch_item *items;
    uint32_t n;        /* items */
    uint32_t rows;     /* of the joined tensors, >= n */
    OrtValue **values; /* inputs, then outputs */
    void **buffers;    /* of the inputs that had to be joined */
};

void cvg_tensors_drop_outputs(const struct cvg_model_info *info,
                              struct cvg_batch_item *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        for (size_t k = 0; k < info->n_outputs; k++) {
            cvg_tensor_release(&items[i].outputs[k]);
            items[i].outputs[k] = (struct cvg_tensor){0};
        }
    }
}

/* Features are where the device made them; all else is in our memory. */
static bool is_ours(const struct cvg_runner *runner)
{
    return !runner->takes_features || runner->memory == runner->ort->cpu;
}

/* How many of the items, from the first, have input k in one piece of memory.
 */
static uint32_t in_one_piece(const struct cvg_batch_item *items, uint32_t n,
                             size_t k)
{
    const struct cvg_tensor *first = &items[0].inputs[k];
    uint32_t i = 1;
    while (i < n && items[i].inputs[k].memory == first->memory &&
           (const char *)items[i].inputs[k].data ==
               (const char *)first->data + i * first->bytes) {
        i++;
    }
    return i;
}

/* Where input k lies in one piece: what does so already, aligned, stays where
 * it is. */
static void *join_input(struct run *run, size_t k)
{
    const struct cvg_tensor *first = &run->items[0].inputs[k];
    size_t alignment = cvg_type_size(first->type);
    if (!is_ours(run->runner) ||
        (run->rows == run->n && (uintptr_t)first->data % alignment == 0 &&
         first->bytes > 0 && in_one_piece(run->items, run->n, k) == run->n)) {
        return first->data;
    }
    size_t whole;
    if (__builtin_mul_overflow(run->rows, first->bytes, &whole)) {
        return NULL;
    }
    char *joined = malloc(whole + 1);
    run->buffers[k] = joined;
    if (joined == NULL) {
        return NULL;
    }
    size_t used = 0;
    for (uint32_t i = 0; i < run->n && first->bytes > 0; i++) {
        memcpy(joined + used, run->items[i].inputs[k].data, first->bytes);
        used += first->bytes;
    }
    memset(joined + used, 0, whole - used); /* rows that nobody asked for */
    return joined;
}

static enum cvg_status make_input(struct run *run, size_t k,
                                  struct cvg_error *err)
{
    const struct cvg_ort *ort = run->runner->ort;
    const struct cvg_tensor_info *info = &run->runner->info->inputs[k];
    const struct cvg_tensor *first = &run->items[0].inputs[k];
    int64_t dims[CVG_MAX_DIMS] = {run->rows};
    memcpy(dims + 1, first->dims, first->n_dims * sizeof dims[0]);
    void *data = join_input(run, k);
    if (data == NULL) {
        return cvg_fail(err, CVG_NOMEM, "input '%s': no memory for %u items",
                        info->name, run->n);
    }
    return cvg_ort_check(
        ort,
        ort->api->CreateTensorWithDataAsOrtValue(
            run->runner->takes_features ? run->runner->memory : ort->cpu, data,
            run->rows * first->bytes, dims, first->n_dims + 1,
            cvg_ort_type_to(info->type), &run->values[k]),
        CVG_DEVICE, info->name, err);
}

struct shape {
    int64_t dims[CVG_MAX_DIMS];
    size_t n_dims;
    size_t elements;
    ONNXTensorElementDataType type;
};

static enum cvg_status read_shape(const struct cvg_ort *ort,
                                  const OrtValue *value, const char *name,
                                  struct shape *out, struct cvg_error *err)
{
    const OrtApi *api = ort->api;
    OrtTensorTypeAndShapeInfo *info = NULL;
    OrtStatus *status = api->GetTensorTypeAndShape(value, &info);
    if (status == NULL) {
        status = api->GetDimensionsCount(info, &out->n_dims);
    }
    if (status == NULL && out->n_dims <= CVG_MAX_DIMS) {
        status = api->GetDimensions(info, out->dims, out->n_dims);
    }
    if (status == NULL) {
        status = api->GetTensorShapeElementCount(info, &out->elements);
    }
    if (status == NULL) {
        status = api->GetTensorElementType(info, &out->type);
    }
    if (info != NULL) {
        api->ReleaseTensorTypeAndShapeInfo(info);
    }
    return cvg_ort_check(ort, status, CVG_DEVICE, name, err);
}

struct result { /* a value of the runtime in which outputs of items lie */
    struct cvg_memory memory;
    const OrtApi *api;
    OrtValue *value;
};

static void free_result(struct cvg_memory *memory)
{
    struct result *result = (struct result *)memory;
    result->api->ReleaseValue(result->value);
    free(result);
}

/* An output that is an input passed through lies in the input's memory, which
 * is not ours to keep. */
static bool is_of_an_input(const struct run *run, const char *data)
{
    for (size_t k = 0; k < run->runner->info->n_inputs; k++) {
        const struct cvg_tensor *first = &run->items[0].inputs[k];
        const char *input =
            run->buffers[k] != NULL ? run->buffers[k] : first->data;
        uintptr_t into = (uintptr_t)data - (uintptr_t)input;
        size_t bytes = run->rows * first->bytes;
        if (into < bytes || (bytes == 0 && into == 0)) {
            return true;
        }
    }
    return false;
}

/* Hands the value over to the items' outputs. False: no memory. */
static bool share_value(struct run *run, size_t k, char *data, size_t bytes)
{
    struct result *result = malloc(sizeof *result);
    OrtValue **value = &run->values[run->runner->info->n_inputs + k];
    if (result == NULL) {
        return false;
    }
    *result = (struct result){
        .memory = {.users = run->n, .free = free_result},
        .api = run->runner->ort->api,
        .value = *value,
    };
    *value = NULL;
    uint32_t i = 0;
    do { /* there is always one, or nobody would free it */
        run->items[i].outputs[k].data = data + i * bytes;
        run->items[i].outputs[k].memory = &result->memory;
    } while (++i < run->n);
    return true;
}

/* Copies the rows into memory of the items' own. False: there is none. */
static bool copy_rows(struct run *run, size_t k, const char *data, size_t bytes)
{
    for (uint32_t i = 0; i < run->n; i++) {
        struct cvg_tensor *out = &run->items[i].outputs[k];
        out->data = malloc(bytes + 1);
        if (out->data == NULL) {
            return false;
        }
        if (bytes > 0) {
            memcpy(out->data, data + i * bytes, bytes);
        }
    }
    return true;
}

/* Features always are, where they are not an input passed through. */
static bool is_shared(const struct run *run, size_t k, const char *data,
                      size_t bytes)
{
    bool feature = k >= run->runner->n_answers;
    bool fits = run->n == 1 || bytes * run->rows <= SHARED_MOST;
    return (feature || (bytes >= SHARED_LEAST && fits)) &&
           !is_of_an_input(run, data);
}

static enum cvg_status split_output(struct run *run, size_t k,
                                    struct cvg_error *err)
{
    const struct cvg_ort *ort = run->runner->ort;
    const struct cvg_tensor_info *info = &run->runner->info->outputs[k];
    OrtValue *value = run->values[run->runner->info->n_inputs + k];
    struct shape shape = {.n_dims = 0};
    enum cvg_status status = read_shape(ort, value, info->name, &shape, err);
    if (status != CVG_OK) {
        return status;
    }
    if (shape.n_dims < 1 || shape.n_dims > CVG_MAX_DIMS ||
        shape.dims[0] != (int64_t)run->rows ||
        shape.type != cvg_ort_type_to(info->type)) {
        /* The device has done what the model says. */
        return cvg_fail(err, CVG_UNSUPPORTED,
                        "output '%s': expected %s with %u rows, the model "
                        "returned %zu dims, the first of %lld",
                        info->name, cvg_type_name(info->type), run->rows,
                        shape.n_dims,
                        (long long)(shape.n_dims < 1 ? 0 : shape.dims[0]));
    }
    void *data = NULL;
    status = cvg_ort_check(ort, ort->api->GetTensorMutableData(value, &data),
                           CVG_DEVICE, info->name, err);
    if (status != CVG_OK) {
        return status;
    }
    size_t bytes = shape.elements / run->rows * cvg_type_size(info->type);
    for (uint32_t i = 0; i < run->n; i++) {
        struct cvg_tensor *out = &run->items[i].outputs[k];
        out->type = info->type;
        out->bytes = bytes;
        out->n_dims = (uint32_t)shape.n_dims - 1;
        memcpy(out->dims, shape.dims + 1, out->n_dims * sizeof out->dims[0]);
    }
    if (k >= run->runner->n_answers && run->runner->memory != ort->cpu &&
        is_of_an_input(run, data)) {
        return cvg_fail(err, CVG_UNSUPPORTED,
                        "output '%s': features that are an input passed "
                        "through stay on the CPU only",
                        info->name);
    }
    bool done = is_shared(run, k, data, bytes)
                    ? share_value(run, k, data, bytes)
                    : copy_rows(run, k, data, bytes);
    return done
               ? CVG_OK
               : cvg_fail(err, CVG_NOMEM, "output '%s': no memory", info->name);
}

static void end_run(struct run *run)
{
    const struct cvg_model_info *info = run->runner->info;
    size_t n = info->n_inputs + info->n_outputs;
    for (size_t k = 0; run->values != NULL && k < n; k++) {
        if (run->values[k] != NULL) {
            run->runner->ort->api->ReleaseValue(run->values[k]);
        }
    }
    for (size_t k = 0; run->buffers != NULL && k < info->n_inputs; k++) {
        free(run->buffers[k]);
    }
    free(run->values);
    free(run->buffers);
}

/* Inputs and outputs where they are: features are neither fetched from the
 * device nor sent back to it. */
static OrtStatus *bind(struct run *run, OrtIoBinding *binding)
{
    const struct cvg_runner *r = run->runner;
    const OrtApi *api = r->ort->api;
    OrtStatus *failed = NULL;
    for (size_t k = 0; k < r->info->n_inputs && failed == NULL; k++) {
        failed = api->BindInput(binding, r->input_names[k], run->values[k]);
    }
    for (size_t k = 0; k < r->info->n_outputs && failed == NULL; k++) {
        failed =
            api->BindOutputToDevice(binding, r->output_names[k],
                                    k < r->n_answers ? r->ort->cpu : r->memory);
    }
    return failed;
}

static OrtStatus *take_bound(struct run *run, const OrtIoBinding *binding)
{
    const struct cvg_runner *r = run->runner;
    OrtValue **values = NULL;
    size_t n = 0;
    OrtStatus *failed = r->ort->api->GetBoundOutputValues(
        binding, r->ort->allocator, &values, &n);
    for (size_t k = 0; failed == NULL && k < n; k++) {
        run->values[r->info->n_inputs + k] = values[k];
    }
    if (values != NULL) {
        r->ort->allocator->Free(r->ort->allocator, values);
    }
    return failed;
}

static OrtStatus *run_bound(struct run *run)
{
    const struct cvg_runner *r = run->runner;
    const OrtApi *api = r->ort->api;
    OrtIoBinding *binding = NULL;
    OrtStatus *failed = api->CreateIoBinding(r->session, &binding);
    if (failed == NULL) {
        failed = bind(run, binding);
    }
    if (failed == NULL) {
        failed = api->RunWithBinding(r->session, NULL, binding);
    }
    if (failed == NULL) {
        failed = take_bound(run, binding);
    }
    if (binding != NULL) {
        api->ReleaseIoBinding(binding);
    }
    return failed;
}

static OrtStatus *run_session(struct run *run)
{
    const struct cvg_runner *r = run->runner;
    const struct cvg_model_info *info = r->info;
    if (r->takes_features || r->n_answers < info->n_outputs) {
        return run_bound(run);
    }
    return r->ort->api->Run(r->session, NULL, r->input_names,
                            (const OrtValue *const *)run->values,
                            info->n_inputs, r->output_names, info->n_outputs,
                            run->values + info->n_inputs);
}

/* Runs n items as one call of the model with `rows` rows. *code: the runtime's,
 * when it was the model that failed. */
static enum cvg_status run_once(const struct cvg_runner *runner,
                                struct cvg_batch_item *items, uint32_t n,
                                uint32_t rows, OrtErrorCode *code,
                                struct cvg_error *err)
{
    const struct cvg_model_info *info = runner->info;
    const OrtApi *api = runner->ort->api;
    struct run run = {.runner = runner, .items = items, .n = n, .rows = rows};
    enum cvg_status status = CVG_OK;
    *code = ORT_OK;
    run.values = calloc(info->n_inputs + info->n_outputs, sizeof *run.values);
    run.buffers = calloc(info->n_inputs, sizeof *run.buffers);
    if (run.values == NULL || run.buffers == NULL) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory for a batch");
        goto out;
    }
    for (size_t k = 0; k < info->n_inputs && status == CVG_OK; k++) {
        status = make_input(&run, k, err);
    }
    if (status != CVG_OK) {
        goto out;
    }
    OrtStatus *failed = run_session(&run);
    if (failed != NULL) {
        *code = api->GetErrorCode(failed);
    }
    status =
        cvg_ort_check(runner->ort, failed, CVG_DEVICE, "the model failed", err);
    for (size_t k = 0; k < info->n_outputs && status == CVG_OK; k++) {
        status = split_output(&run, k, err);
    }
out:
    end_run(&run);
    if (status != CVG_OK) {
        cvg_tensors_drop_outputs(info, items, n);
    }
    return status;
}

/* --- whose fault is it? --------------------------------------------------- */

static bool runs_the_probe(const struct cvg_runner *runner)
{
    OrtErrorCode code;
    struct cvg_tensor *outputs =
        calloc(runner->info->n_outputs, sizeof *outputs);
    struct cvg_batch_item item = {.inputs = runner->probe, .outputs = outputs};
    bool runs = outputs != NULL &&
                run_once(runner, &item, 1, runner->rows > 0 ? runner->rows : 1,
                         &code, NULL) == CVG_OK;
    if (runs) {
        cvg_tensors_drop_outputs(runner->info, &item, 1);
    }
    free(outputs);
    return runs;
}

/* A device that fails is left alone, for all models: no client may bring that
 * about by what it sends. But the runtime's codes do not tell the two apart: an
 * index out of range, shapes that do not broadcast and an accelerator that has
 * fallen off its bus all end as FAIL or RUNTIME_EXCEPTION, and so does a lack
 * of memory, be it that of the machine or of one enormous request. So the
 * device is tried: if it runs what it has run before, it was the inputs. Where
 * there is nothing to try, this CPU is above suspicion and an accelerator is
 * not, because requests would fail on it for ever if nobody noticed. */
static bool inputs_are_to_blame(const struct cvg_runner *runner,
                                OrtErrorCode code)
{
    switch (code) {
    case ORT_INVALID_ARGUMENT:
    case ORT_NOT_IMPLEMENTED: /* for these shapes */
        return true;
    case ORT_EP_FAIL:
    case ORT_ENGINE_ERROR:
    case ORT_NO_SUCHFILE:
    case ORT_NO_MODEL:
        return false;
    default:
        return runner->probe != NULL ? runs_the_probe(runner)
                                     : !runner->accelerator;
    }
}

static enum cvg_status run_rows(const struct cvg_runner *runner,
                                struct cvg_batch_item *items, uint32_t n,
                                struct cvg_error *err)
{
    OrtErrorCode code;
    enum cvg_status status = run_once(
        runner, items, n, runner->rows > 0 ? runner->rows : n, &code, err);
    if (code != ORT_OK && inputs_are_to_blame(runner, code)) {
        status = err->status = CVG_INVALID;
    }
    return status;
}

static bool is_of_items(enum cvg_status status)
{
    return status == CVG_INVALID || status == CVG_UNSUPPORTED;
}

/* One item spoils the run of all that share it: it is looked for by halves, so
 * that the others get their answers. */
static enum cvg_status run_some(const struct cvg_runner *runner,
                                struct cvg_batch_item *items, uint32_t n,
                                struct cvg_error *err)
{
    enum cvg_status status = run_rows(runner, items, n, err);
    if (!is_of_items(status)) {
        return status;
    }
    if (n == 1) {
        items[0].status = status;
        return CVG_INVALID;
    }
    enum cvg_status first = run_some(runner, items, n / 2, err);
    if (first != CVG_OK && first != CVG_INVALID) {
        return first;
    }
    enum cvg_status second = run_some(runner, items + n / 2, n - n / 2, err);
    return second != CVG_OK ? second : first;
}

/* How many of the items, from the first, can run as one. */
static uint32_t as_one(const struct cvg_runner *runner,
                       const struct cvg_batch_item *items, uint32_t n)
{
    if (runner->rows > 0 && n > runner->rows) {
        n = runner->rows;
    }
    if (!same_shapes(runner->info, items, n)) {
        return 1;
    }
    for (size_t k = 0; !is_ours(runner) && k < runner->info->n_inputs; k++) {
        n = in_one_piece(items, n, k);
    }
    return n;
}

enum cvg_status cvg_tensors_run(const struct cvg_runner *runner,
                                struct cvg_batch_item *items, uint32_t n,
                                struct cvg_error *err)
{
    struct cvg_error own;
    enum cvg_status status = CVG_OK;
    err = err != NULL ? err : &own;
    for (uint32_t i = 0; i < n; i++) {
        items[i].status = CVG_OK;
    }
    for (uint32_t at = 0; at < n;) {
        uint32_t step = as_one(runner, items + at, n - at);
        enum cvg_status some = run_some(runner, items + at, step, err);
        if (some != CVG_OK && some != CVG_INVALID) {
            cvg_tensors_drop_outputs(runner->info, items, n);
            return some;
        }
        status = some != CVG_OK ? some : status;
        at += step;
    }
    return status;
}

/* A model loaded into ONNX Runtime, in one stage or several: opening and
 * running it. */
#include "device/session.h"

#include "device/clock.h"
#include "device/confidence.h"
#include "device/features.h"
#include "device/ort.h"
#include "device/repository.h"
#include "device/stage.h"
#include "device/tensors.h"
#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct cvg_session {
    const struct cvg_ort *ort;
    struct cvg_stage stages[CVG_MAX_EXITS];
    /* [stage]: inputs of an item on which it has run; NULL: on none. */
    struct cvg_tensor *probes[CVG_MAX_EXITS];
    struct cvg_model_info info; /* of the whole; borrowed from the stages */
    bool accelerator;           /* its provider is not this CPU */
    OrtMemoryInfo *memory;      /* of that; NULL: this CPU's */
    struct cvg_session_cost cost;
};

static struct cvg_runner runner(const struct cvg_session *s, uint32_t k)
{
    const struct cvg_stage *stage = &s->stages[k];
    return (struct cvg_runner){
        .ort = s->ort,
        .session = stage->session,
        .info = &stage->info,
        .input_names = stage->names,
        .output_names = stage->names + stage->info.n_inputs,
        .rows = stage->rows,
        .accelerator = s->accelerator,
        .probe = s->probes[k],
        .n_answers = stage->n_answers,
        .takes_features = k > 0,
        .memory = s->memory != NULL ? s->memory : s->ort->cpu,
    };
}

/* --- opening -------------------------------------------------------------- */

static enum cvg_status open_stages(const struct cvg_session_options *options,
                                   const struct cvg_ort *ort,
                                   const struct cvg_model_files *files,
                                   bool to_run, struct cvg_stage *stages,
                                   struct cvg_error *err)
{
    enum cvg_status status = CVG_OK;
    for (uint32_t k = 0; k < files->n && status == CVG_OK; k++) {
        status = cvg_stage_open(ort, options, &files->stages[k], files->folder,
                                to_run, &stages[k], err);
    }
    return status == CVG_OK ? cvg_stages_join(stages, files->n, err) : status;
}

static void close_stages(struct cvg_stage *stages)
{
    for (uint32_t k = 0; k < CVG_MAX_EXITS; k++) {
        cvg_stage_close(&stages[k]);
    }
}

/* What goes in at the front and comes out at every exit; borrowed. */
static struct cvg_model_info whole(const struct cvg_stage *stages, uint32_t n)
{
    return (struct cvg_model_info){
        .inputs = stages[0].info.inputs,
        .n_inputs = stages[0].info.n_inputs,
        .outputs = stages[0].info.outputs,
        .n_outputs = stages[0].n_answers,
        .n_stages = n,
    };
}

static void free_tensors(struct cvg_tensor *tensors, size_t n)
{
    for (size_t k = 0; tensors != NULL && k < n; k++) {
        cvg_tensor_release(&tensors[k]);
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

/* The item's features, apart from its answer; NULL: no memory. */
static struct cvg_features *take_features(const struct cvg_stage *stage,
                                          struct cvg_tensor *outputs)
{
    size_t n = stage->info.n_outputs - stage->n_answers;
    struct cvg_features *features =
        malloc(sizeof *features + n * sizeof features->tensors[0]);
    if (features != NULL) {
        features->n = n;
        memcpy(features->tensors, outputs + stage->n_answers,
               n * sizeof *outputs);
        memset(outputs + stage->n_answers, 0, n * sizeof *outputs);
    }
    return features;
}

/* Runs stage k on these inputs, which it keeps as its probe; *inputs are then
 * those of the next, NULL after the last. */
static enum cvg_status warm_up_stage(struct cvg_session *s, uint32_t k,
                                     struct cvg_tensor **inputs,
                                     struct cvg_error *err)
{
    const struct cvg_stage *stage = &s->stages[k];
    const struct cvg_runner r = runner(s, k);
    struct cvg_tensor *outputs = calloc(stage->info.n_outputs, sizeof *outputs);
    struct cvg_batch_item item = {.inputs = *inputs, .outputs = outputs};
    if (outputs == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory");
    }
    enum cvg_status status = cvg_tensors_check(&stage->info, &item, 1, err);
    if (status == CVG_OK) {
        status = cvg_tensors_run(&r, &item, 1, err);
    }
    if (status != CVG_OK) {
        free(outputs);
        return status;
    }
    s->probes[k] = *inputs;
    *inputs = NULL;
    for (size_t i = 0; i < stage->n_answers; i++) {
        cvg_tensor_release(&outputs[i]);
    }
    size_t n_features = stage->info.n_outputs - stage->n_answers;
    if (n_features == 0) {
        free(outputs);
        return CVG_OK;
    }
    memmove(outputs, outputs + stage->n_answers, n_features * sizeof *outputs);
    *inputs = outputs;
    return CVG_OK;
}

static bool has_open_dims(const struct cvg_model_info *info)
{
    bool open = false;
    for (size_t k = 0; k < info->n_inputs; k++) {
        for (uint32_t d = 1; d < info->inputs[k].n_dims; d++) {
            open = open || info->inputs[k].dims[d] < 0;
        }
    }
    return open;
}

/* A run of zeros, so that the first request does not pay for what the runtime
 * puts off until then. They are kept, to see whether the device works when it
 * cannot run something else. A model that cannot digest them is not to blame,
 * nor is a stage where open dimensions were guessed; one that cannot run what
 * the stage before it returns is. */
static enum cvg_status warm_up(struct cvg_session *s,
                               const struct cvg_model_files *files,
                               struct cvg_error *err)
{
    struct cvg_error why = {.status = CVG_OK};
    struct cvg_tensor *inputs = calloc(s->info.n_inputs, sizeof *inputs);
    bool made = inputs != NULL;
    uint32_t k = 0;
    for (size_t i = 0; i < s->info.n_inputs && made; i++) {
        made = make_zeros(&s->info.inputs[i], &inputs[i]);
    }
    while (made && inputs != NULL &&
           warm_up_stage(s, k, &inputs, &why) == CVG_OK) {
        k++;
    }
    if (inputs != NULL) {
        free_tensors(inputs, s->stages[k].info.n_inputs);
    }
    bool known = k > 0 && !has_open_dims(&s->info);
    return k == files->n || (!known && why.status != CVG_NOMEM)
               ? CVG_OK
               : cvg_fail(err, why.status == CVG_NOMEM ? CVG_NOMEM : CVG_CONFIG,
                          "%.160s cannot run what the stage before it returns: "
                          "%.240s",
                          files->stages[k].path, why.text);
}

static size_t heap_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* A batch that the model fixes would have to be filled up with rows, which we
 * cannot do in a device's memory. */
static enum cvg_status check_rows(const struct cvg_session *s,
                                  const struct cvg_model_files *files,
                                  struct cvg_error *err)
{
    for (uint32_t k = 1; s->memory != NULL && k < files->n; k++) {
        if (s->stages[k].rows > 1) {
            return cvg_fail(err, CVG_UNSUPPORTED,
                            "%.300s: a stage with a batch fixed at %u runs on "
                            "the CPU only",
                            files->stages[k].path, s->stages[k].rows);
        }
    }
    return CVG_OK;
}

static enum cvg_status check_stages(const struct cvg_session_options *options,
                                    const struct cvg_model_files *files,
                                    struct cvg_error *err)
{
    if (options->n_stages == 0 || options->n_stages == files->n) {
        return CVG_OK;
    }
    return cvg_fail(err, CVG_CONFIG,
                    "%.300s has %u exits in the box's files, and %u stages "
                    "here (variant.yaml names them)",
                    files->folder, options->n_stages, files->n);
}

static enum cvg_status fill(struct cvg_session *s,
                            const struct cvg_session_options *options,
                            const struct cvg_model_files *files,
                            struct cvg_error *err)
{
    enum cvg_status status = check_stages(options, files, err);
    if (status == CVG_OK && files->n > 1) {
        status = cvg_ort_memory(s->ort, options->provider, options->options,
                                options->n_options, &s->memory, err);
    }
    if (status == CVG_OK) {
        status = open_stages(options, s->ort, files, true, s->stages, err);
    }
    if (status == CVG_OK) {
        status = check_rows(s, files, err);
    }
    if (status == CVG_OK) {
        s->info = whole(s->stages, files->n);
        status = warm_up(s, files, err);
    }
    for (uint32_t k = 0; k < files->n; k++) {
        s->cost.file_bytes += files->stages[k].size;
    }
    return status;
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
    struct cvg_model_files files = {.n = 0};
    enum cvg_status status =
        cvg_model_files_read(options->models, options->variant, &files, err);
    if (status == CVG_OK) {
        status = fill(s, options, &files, err);
        cvg_model_files_free(&files);
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
    for (uint32_t k = 0; k < CVG_MAX_EXITS; k++) {
        free_tensors(s->probes[k], s->stages[k].info.n_inputs);
    }
    close_stages(s->stages);
    if (s->memory != NULL) {
        s->ort->api->ReleaseMemoryInfo(s->memory);
    }
    free(s);
    malloc_trim(0);
}

/* --- running -------------------------------------------------------------- */

/* Items on their way through several stages. Those that a stage cannot run stay
 * behind. */
struct way {
    const struct cvg_session *session;
    struct cvg_batch *batch;
    struct cvg_batch_item *items; /* [n] of the stage at hand */
    uint32_t *index;              /* [n] of them in the batch */
    uint32_t n;
    struct cvg_features **features; /* [batch->n] made on the way; owned */
};

static bool begin_way(struct way *way)
{
    const struct cvg_batch *batch = way->batch;
    way->items = calloc(batch->n, sizeof *way->items);
    way->index = calloc(batch->n, sizeof *way->index);
    way->features = calloc(batch->n, sizeof(struct cvg_features *));
    if (way->items == NULL || way->index == NULL || way->features == NULL) {
        return false;
    }
    way->n = batch->n;
    for (uint32_t i = 0; i < batch->n; i++) {
        way->index[i] = i;
        way->items[i].inputs = batch->first == 0
                                   ? batch->items[i].inputs
                                   : batch->items[i].features->tensors;
    }
    return true;
}

/* What the stage has made of one item: of its answer the last counts, of its
 * features those that go on. */
static bool keep_item(struct way *way, uint32_t i, uint32_t stage)
{
    const struct cvg_stage *s = &way->session->stages[stage];
    struct cvg_batch_item *item = &way->batch->items[way->index[i]];
    struct cvg_tensor *outputs = way->items[i].outputs;
    struct cvg_features **features = &way->features[way->index[i]];
    bool last = stage == way->batch->last;
    cvg_features_release(*features);
    *features = NULL;
    for (size_t k = 0; k < s->n_answers; k++) {
        if (last) {
            item->outputs[k] = outputs[k];
        } else {
            cvg_tensor_release(&outputs[k]);
        }
        outputs[k] = (struct cvg_tensor){0};
    }
    if (s->n_answers == s->info.n_outputs || (last && !way->batch->keep)) {
        return true;
    }
    if (last) {
        item->confidence = cvg_confidence(&item->outputs[0]);
    }
    *features = take_features(s, outputs);
    return *features != NULL;
}

/* On to the next stage with those that this one has run. */
static bool advance(struct way *way, uint32_t stage)
{
    uint32_t left = 0;
    bool kept = true;
    for (uint32_t i = 0; i < way->n; i++) {
        uint32_t at = way->index[i];
        way->batch->items[at].status = way->items[i].status;
        if (way->items[i].status != CVG_OK) {
            cvg_features_release(way->features[at]);
            way->features[at] = NULL;
            continue;
        }
        kept = keep_item(way, i, stage) && kept;
        way->index[left] = at;
        way->items[left].inputs =
            way->features[at] != NULL ? way->features[at]->tensors : NULL;
        left++;
    }
    way->n = left;
    return kept;
}

static enum cvg_status run_stage(struct way *way, uint32_t stage,
                                 struct cvg_error *err)
{
    const struct cvg_runner r = runner(way->session, stage);
    size_t n_outputs = r.info->n_outputs;
    uint32_t n = way->n;
    struct cvg_tensor *outputs = calloc(n * n_outputs + 1, sizeof *outputs);
    if (outputs == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for a batch");
    }
    for (uint32_t i = 0; i < n; i++) {
        way->items[i].outputs = &outputs[i * n_outputs];
    }
    enum cvg_status status = cvg_tensors_run(&r, way->items, n, err);
    if ((status == CVG_OK || status == CVG_INVALID) && !advance(way, stage)) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory for features");
    }
    for (size_t k = 0; k < n * n_outputs; k++) {
        cvg_tensor_release(&outputs[k]); /* those that nobody took */
    }
    free(outputs);
    return status;
}

/* Features go to who keeps them; after a failure nobody does. */
static void end_way(struct way *way, bool well)
{
    struct cvg_batch *batch = way->batch;
    for (uint32_t i = 0; way->features != NULL && i < batch->n; i++) {
        if (well && batch->keep) {
            batch->items[i].kept = way->features[i];
        } else {
            cvg_features_release(way->features[i]);
        }
    }
    free(way->features);
    free(way->index);
    free(way->items);
}

static enum cvg_status run_stages(const struct cvg_session *s,
                                  struct cvg_batch *batch,
                                  struct cvg_error *err)
{
    struct way way = {.session = s, .batch = batch};
    enum cvg_status worst = CVG_OK;
    enum cvg_status status =
        begin_way(&way) ? CVG_OK
                        : cvg_fail(err, CVG_NOMEM, "out of memory for a batch");
    for (uint32_t k = batch->first;
         (status == CVG_OK || status == CVG_INVALID) && k <= batch->last &&
         way.n > 0;
         k++) {
        status = run_stage(&way, k, err);
        worst = status != CVG_OK ? status : worst;
    }
    bool well = status == CVG_OK || status == CVG_INVALID;
    end_way(&way, well);
    if (!well) {
        cvg_session_drop_outputs(s, batch);
        return status;
    }
    return worst;
}

enum cvg_status cvg_session_run(const struct cvg_session *s,
                                struct cvg_batch *batch, struct cvg_error *err)
{
    cvg_session_no_outputs(s, batch);
    assert(batch->first <= batch->last && batch->last < s->info.n_stages);
    if (batch->first == 0) {
        enum cvg_status status =
            cvg_tensors_check(&s->stages[0].info, batch->items, batch->n, err);
        if (status != CVG_OK) {
            return status;
        }
    }
    if (s->info.n_stages > 1) {
        return run_stages(s, batch, err);
    }
    const struct cvg_runner r = runner(s, 0);
    return cvg_tensors_run(&r, batch->items, batch->n, err);
}

void cvg_session_no_outputs(const struct cvg_session *s,
                            struct cvg_batch *batch)
{
    for (uint32_t i = 0; i < batch->n; i++) {
        memset(batch->items[i].outputs, 0,
               s->info.n_outputs * sizeof *batch->items[i].outputs);
        batch->items[i].kept = NULL;
    }
}

void cvg_session_drop_outputs(const struct cvg_session *s,
                              struct cvg_batch *batch)
{
    cvg_tensors_drop_outputs(&s->info, batch->items, batch->n);
    for (uint32_t i = 0; i < batch->n; i++) {
        cvg_features_release(batch->items[i].kept);
        batch->items[i].kept = NULL;
    }
}

const struct cvg_model_info *cvg_session_info(const struct cvg_session *s)
{
    return &s->info;
}

struct cvg_session_cost cvg_session_cost(const struct cvg_session *s)
{
    return s->cost;
}

/* --- describing ----------------------------------------------------------- */

/* The whole, made the caller's; what is left goes with the stages. */
static struct cvg_model_info take_info(struct cvg_stage *stages, uint32_t n)
{
    struct cvg_model_info info = whole(stages, n);
    struct cvg_model_info *first = &stages[0].info;
    for (size_t k = info.n_outputs; k < first->n_outputs; k++) {
        free(first->outputs[k].name);
    }
    *first = (struct cvg_model_info){.n_inputs = 0};
    return info;
}

enum cvg_status cvg_session_describe(const struct cvg_session_options *options,
                                     struct cvg_model_info *out,
                                     struct cvg_error *err)
{
    const struct cvg_ort *ort = cvg_ort_get(err);
    if (ort == NULL) {
        return CVG_UNSUPPORTED;
    }
    struct cvg_model_files files = {.n = 0};
    enum cvg_status status =
        cvg_model_files_read(options->models, options->variant, &files, err);
    if (status != CVG_OK) {
        return status;
    }
    struct cvg_stage stages[CVG_MAX_EXITS] = {{.session = NULL}};
    status = check_stages(options, &files, err);
    if (status == CVG_OK) {
        status = open_stages(options, ort, &files, false, stages, err);
    }
    if (status == CVG_OK) {
        *out = take_info(stages, files.n);
        out->version = files.version;
    }
    close_stages(stages);
    cvg_model_files_free(&files);
    malloc_trim(0);
    return status;
}

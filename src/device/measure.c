/* A device driven one call at a time, and what that cost. */
#include "device/measure.h"

#include "device/clock.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define MOST_SAMPLES 100000U
#define WARM_UP_RUNS 10U
#define WARM_UP_TIME CVG_MS(500)

struct cvg_measure {
    struct cvg_device_env env;
    uint32_t index;
    uint32_t variant; /* CVG_ANY: none is loaded */
    const struct cvg_backend_ops *ops;
    struct cvg_backend *backend;
    struct cvg_model_info info;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    bool waiting; /* `last` is there and was not taken */
    struct cvg_completion last;
};

/* --- one call at a time --------------------------------------------------- */

static void post(void *context, const struct cvg_completion *completion)
{
    struct cvg_measure *m = context;
    pthread_mutex_lock(&m->lock);
    if (completion->type != CVG_COMPLETION_DEVICE) {
        m->last = *completion;
        m->waiting = true;
        pthread_cond_signal(&m->arrived);
    }
    pthread_mutex_unlock(&m->lock);
}

/* The completion of what was begun; its status. */
static enum cvg_status await(struct cvg_measure *m, cvg_span *run_time,
                             struct cvg_error *err)
{
    pthread_mutex_lock(&m->lock);
    while (!m->waiting) {
        pthread_cond_wait(&m->arrived, &m->lock);
    }
    m->waiting = false;
    enum cvg_status status = m->last.status;
    *run_time = m->last.run_time;
    if (status != CVG_OK && err != NULL) {
        *err = m->last.error;
    }
    pthread_mutex_unlock(&m->lock);
    return status;
}

enum cvg_status cvg_measure_open(const struct cvg_box *box, uint32_t index,
                                 struct cvg_measure **out,
                                 struct cvg_error *err)
{
    const struct cvg_device *device = &box->devices[index];
    const struct cvg_backend_ops *ops = cvg_backend_find(device->backend);
    if (ops == NULL) {
        return cvg_fail(err, CVG_UNSUPPORTED,
                        "device %s: backend %s is not in this build",
                        device->name, device->backend);
    }
    struct cvg_measure *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for device %s",
                        device->name);
    }
    m->env = (struct cvg_device_env){.box = box, .post = post, .context = m};
    m->index = index;
    m->variant = CVG_ANY;
    m->ops = ops;
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->arrived, NULL);
    enum cvg_status status = ops->open(&m->env, index, &m->backend, err);
    if (status != CVG_OK) {
        cvg_measure_close(m);
        return status;
    }
    *out = m;
    return CVG_OK;
}

void cvg_measure_close(struct cvg_measure *m)
{
    if (m == NULL) {
        return;
    }
    if (m->backend != NULL) {
        m->ops->close(m->backend);
    }
    cvg_model_info_free(&m->info);
    pthread_cond_destroy(&m->arrived);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

enum cvg_status cvg_measure_load(struct cvg_measure *m, uint32_t variant,
                                 struct cvg_measured_load *out,
                                 struct cvg_error *err)
{
    enum cvg_status status =
        m->ops->describe(&m->env, m->index, variant, &m->info, err);
    if (status == CVG_OK) {
        status = m->ops->load(m->backend, variant, err);
    }
    if (status == CVG_OK) {
        status = await(m, &out->time, err);
    }
    if (status != CVG_OK) {
        cvg_model_info_free(&m->info);
        return status;
    }
    m->variant = variant;
    out->memory_bytes =
        m->ops->memory == NULL ? 0 : m->ops->memory(m->backend, variant);
    return CVG_OK;
}

enum cvg_status cvg_measure_unload(struct cvg_measure *m, struct cvg_error *err)
{
    cvg_span ignored;
    enum cvg_status status = m->ops->unload(m->backend, m->variant, err);
    if (status == CVG_OK) {
        status = await(m, &ignored, err);
    }
    cvg_model_info_free(&m->info);
    m->variant = CVG_ANY;
    return status;
}

const struct cvg_model_info *cvg_measure_info(const struct cvg_measure *m)
{
    return &m->info;
}

/* --- batches -------------------------------------------------------------- */

struct load { /* a batch, and all its memory */
    struct cvg_batch batch;
    struct cvg_batch_item *items;
    struct cvg_tensor *inputs, *outputs;
    void **zeros; /* one block per input, the same for all items */
    struct cvg_features **features; /* [n] that its stage takes */
};

static void end_load(struct load *load, const struct cvg_model_info *info)
{
    for (size_t k = 0; load->zeros != NULL && k < info->n_inputs; k++) {
        free(load->zeros[k]);
    }
    for (uint32_t i = 0; load->features != NULL && i < load->batch.n; i++) {
        cvg_features_release(load->features[i]);
    }
    free(load->features);
    free(load->zeros);
    free(load->inputs);
    free(load->outputs);
    free(load->items);
}

/* The shape of one item; open dimensions are 1. False: beyond all memory. */
static bool item_of(const struct cvg_tensor_info *info, struct cvg_tensor *out)
{
    *out = (struct cvg_tensor){.type = info->type,
                               .n_dims = info->n_dims - 1,
                               .bytes = cvg_type_size(info->type)};
    for (uint32_t d = 0; d < out->n_dims; d++) {
        int64_t size = info->dims[d + 1];
        out->dims[d] = size < 0 ? 1 : size;
        if (__builtin_mul_overflow(out->bytes, (size_t)out->dims[d],
                                   &out->bytes)) {
            return false;
        }
    }
    return true;
}

/* False: no memory. Either way it is to be ended. */
static bool begin_load(struct load *load, const struct cvg_measure *m,
                       uint32_t n)
{
    const struct cvg_model_info *info = &m->info;
    *load = (struct load){.batch = {.n = n}};
    load->items = calloc(n, sizeof *load->items);
    load->inputs = calloc(n * info->n_inputs, sizeof *load->inputs);
    load->outputs = calloc(n * info->n_outputs, sizeof *load->outputs);
    load->zeros = calloc(info->n_inputs, sizeof *load->zeros);
    load->features = calloc(n, sizeof(struct cvg_features *));
    bool ok = load->items != NULL && load->inputs != NULL &&
              load->outputs != NULL && load->zeros != NULL &&
              load->features != NULL;
    for (size_t k = 0; ok && k < info->n_inputs; k++) {
        struct cvg_tensor item;
        ok = item_of(&info->inputs[k], &item);
        item.data = load->zeros[k] = ok ? calloc(1, item.bytes + 1) : NULL;
        ok = item.data != NULL;
        for (uint32_t i = 0; ok && i < n; i++) {
            load->inputs[i * info->n_inputs + k] = item;
        }
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        load->items[i].inputs = &load->inputs[i * info->n_inputs];
        load->items[i].outputs = &load->outputs[i * info->n_outputs];
    }
    load->batch = (struct cvg_batch){
        .id = 1,
        .variant = m->variant,
        .n = n,
        .items = load->items,
    };
    return ok;
}

static enum cvg_status no_memory(struct cvg_error *err, uint32_t n)
{
    return cvg_fail(err, CVG_NOMEM, "out of memory for a batch of %u", n);
}

static enum cvg_status run(struct cvg_measure *m, struct load *load,
                           cvg_span *run_time, struct cvg_error *err)
{
    enum cvg_status status = m->ops->submit(m->backend, &load->batch, err);
    return status == CVG_OK ? await(m, run_time, err) : status;
}

static void drop_outputs(struct load *load, const struct cvg_model_info *info)
{
    for (uint32_t i = 0; i < load->batch.n; i++) {
        cvg_features_release(load->items[i].kept);
        load->items[i].kept = NULL;
    }
    for (size_t k = 0; k < load->batch.n * info->n_outputs; k++) {
        cvg_tensor_release(&load->outputs[k]);
        load->outputs[k] = (struct cvg_tensor){0};
    }
}

static enum cvg_status warm_up(struct cvg_measure *m, struct load *load,
                               struct cvg_error *err)
{
    cvg_time begun = cvg_now();
    cvg_span ignored;
    for (uint32_t k = 0; k < WARM_UP_RUNS; k++) {
        enum cvg_status status = run(m, load, &ignored, err);
        drop_outputs(load, &m->info);
        if (status != CVG_OK || cvg_now() - begun > WARM_UP_TIME) {
            return status;
        }
    }
    return CVG_OK;
}

/* The next run is of that stage; it keeps features where others follow, as the
 * engine has it. */
static void set_stage(struct load *load, const struct cvg_measure *m,
                      uint32_t stage)
{
    load->batch.first = load->batch.last = stage;
    load->batch.keep = stage + 1 < m->info.n_stages;
    for (uint32_t i = 0; i < load->batch.n; i++) {
        load->items[i].features = load->features[i];
    }
}

/* Runs the stage at hand, and goes on to the next with what it has made; the
 * answers are there until drop_outputs(). */
static enum cvg_status run_on(struct cvg_measure *m, struct load *load,
                              struct cvg_error *err)
{
    cvg_span ignored;
    enum cvg_status status = run(m, load, &ignored, err);
    for (uint32_t i = 0; i < load->batch.n && status == CVG_OK; i++) {
        cvg_features_release(load->features[i]);
        load->features[i] = load->items[i].kept;
        load->items[i].kept = NULL;
    }
    return status;
}

/* Everything that a run of that stage needs. */
static enum cvg_status run_up_to(struct cvg_measure *m, struct load *load,
                                 uint32_t stage, struct cvg_error *err)
{
    enum cvg_status status = CVG_OK;
    for (uint32_t k = 0; k < stage && status == CVG_OK; k++) {
        set_stage(load, m, k);
        status = run_on(m, load, err);
        drop_outputs(load, &m->info);
    }
    set_stage(load, m, stage);
    return status;
}

static int by_span(const void *a, const void *b)
{
    cvg_span x = *(const cvg_span *)a;
    cvg_span y = *(const cvg_span *)b;
    return (x > y) - (x < y);
}

static void summarise(cvg_span *samples, uint32_t n, struct cvg_measured *out)
{
    double sum = 0;
    qsort(samples, n, sizeof *samples, by_span);
    for (uint32_t k = 0; k < n; k++) {
        sum += (double)samples[k];
    }
    out->samples = n;
    out->mean = llround(sum / n);
    out->p50 = samples[(n - 1) / 2];
    out->p95 = samples[(uint32_t)ceil(0.95 * n) - 1];
    out->p99 = samples[(uint32_t)ceil(0.99 * n) - 1];
}

static bool enough(const struct cvg_measure_limits *limits, uint32_t runs,
                   cvg_span time)
{
    return runs == MOST_SAMPLES || time >= limits->at_most ||
           (runs >= limits->runs && time >= limits->at_least);
}

static enum cvg_status sample(struct cvg_measure *m, struct load *load,
                              const struct cvg_measure_limits *limits,
                              struct cvg_meter *meter, cvg_span *samples,
                              struct cvg_measured *out, struct cvg_error *err)
{
    cvg_time begun = cvg_now();
    uint32_t n = 0;
    cvg_meter_start(meter, begun);
    do {
        enum cvg_status status = run(m, load, &samples[n], err);
        drop_outputs(load, &m->info);
        if (status != CVG_OK) {
            return status;
        }
        n++;
        cvg_meter_read(meter, cvg_now(), false);
    } while (!enough(limits, n, cvg_now() - begun));
    cvg_meter_read(meter, cvg_now(), true);
    out->energy_j = meter->joules / n;
    summarise(samples, n, out);
    return CVG_OK;
}

enum cvg_status cvg_measure_batch(struct cvg_measure *m, uint32_t stage,
                                  uint32_t n,
                                  const struct cvg_measure_limits *limits,
                                  struct cvg_meter *meter,
                                  struct cvg_measured *out,
                                  struct cvg_error *err)
{
    struct load load;
    cvg_span *samples = malloc(MOST_SAMPLES * sizeof *samples);
    if (samples == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for samples");
    }
    enum cvg_status status;
    if (begin_load(&load, m, n)) {
        status = run_up_to(m, &load, stage, err);
        if (status == CVG_OK) {
            status = warm_up(m, &load, err);
        }
        if (status == CVG_OK) {
            status = sample(m, &load, limits, meter, samples, out, err);
        }
    } else {
        status = no_memory(err, n);
    }
    end_load(&load, &m->info);
    free(samples);
    return status;
}

/* --- answers -------------------------------------------------------------- */

/* Index of the largest of the first output's numbers; -1: they are none that
 * can be compared. */
static int32_t answer_of(const struct cvg_tensor *scores)
{
    if (scores->type != CVG_TYPE_FP32 || scores->bytes < sizeof(float)) {
        return -1;
    }
    int32_t best = 0;
    float most = -INFINITY;
    for (size_t k = 0; k < scores->bytes / sizeof(float); k++) {
        float score;
        memcpy(&score, (const char *)scores->data + k * sizeof score,
               sizeof score);
        if (score > most) {
            most = score;
            best = (int32_t)k;
        }
    }
    return best;
}

static enum cvg_status count_right(const struct load *load,
                                   const int32_t *labels, const char *name,
                                   uint32_t *right, struct cvg_error *err)
{
    *right = 0;
    for (uint32_t i = 0; i < load->batch.n; i++) {
        int32_t answer = answer_of(load->items[i].outputs);
        *right += answer == labels[i];
        if (answer < 0) {
            return cvg_fail(err, CVG_CONFIG,
                            "%s: its first output is no list of FP32 scores",
                            name);
        }
    }
    return CVG_OK;
}

enum cvg_status cvg_measure_answers(struct cvg_measure *m, const void *items,
                                    size_t item_bytes, const int32_t *labels,
                                    uint32_t n, uint32_t *right,
                                    struct cvg_error *err)
{
    const char *name = m->env.box->variants[m->variant].name;
    struct load load;
    enum cvg_status status;
    if (!begin_load(&load, m, n)) {
        status = no_memory(err, n);
        goto out;
    }
    if (m->info.n_inputs != 1 || load.inputs[0].bytes != item_bytes) {
        status =
            cvg_fail(err, CVG_CONFIG,
                     "%s takes %zu inputs, the first of %zu bytes; the "
                     "dataset has one of %zu",
                     name, m->info.n_inputs, load.inputs[0].bytes, item_bytes);
        goto out;
    }
    for (uint32_t i = 0; i < n; i++) { /* read only */
        load.inputs[i].data =
            (void *)(uintptr_t)((const char *)items + i * item_bytes);
    }
    status = CVG_OK;
    for (uint32_t k = 0; k < m->info.n_stages && status == CVG_OK; k++) {
        set_stage(&load, m, k);
        status = run_on(m, &load, err);
        if (status == CVG_OK) {
            status = count_right(&load, labels, name, &right[k], err);
        }
        drop_outputs(&load, &m->info);
    }
out:
    end_load(&load, &m->info);
    return status;
}

/* --- the machine ---------------------------------------------------------- */

void cvg_measure_cpu_name(char *out, size_t size)
{
    char line[256];
    struct utsname machine;
    snprintf(out, size, "%s", uname(&machine) == 0 ? machine.machine : "?");
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (colon != NULL && colon[1] == ' ' &&
            (strncmp(line, "model name", 10) == 0 ||
             strncmp(line, "Model", 5) == 0)) { /* as ARM kernels call it */
            snprintf(out, size, "%.*s", (int)strcspn(colon + 2, "\n"),
                     colon + 2);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

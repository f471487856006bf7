/* Backend `onnxruntime`: batches run for real, on the CPU or on whatever an
 * execution provider of ONNX Runtime drives.
 *
 * A unit has a worker thread and a queue of `in_flight`; a unit that shares its
 * processor has as many workers, so that all it holds runs. One loader thread
 * brings variants in and out, so that the loop never waits for a model. */
#include "device/backends.h"

#include "device/book.h"
#include "device/clock.h"
#include "device/contention.h"
#include "device/ort.h"
#include "device/session.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    pthread_cond_t work;                        /* a batch, or the end */
    uint32_t head, n;                           /* a ring */
    struct cvg_batch *queue[CVG_MAX_IN_FLIGHT]; /* waiting for a worker */
};

struct worker {
    pthread_t thread;
    struct cvg_backend *backend;
    uint32_t unit;
};

struct cvg_backend {
    struct cvg_device_env env;
    uint32_t index;
    const struct cvg_device *device;
    struct cvg_emulator *emulator; /* told when we are busy; often NULL */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t task;  /* one for the loader, or the end */
    bool closing;
    struct cvg_book book;
    struct unit *units;
    uint32_t running;

    /* [set][variant]: units that use one thread share a session, which runs
     * in the thread that calls it; with more, each unit has its own threads. */
    struct cvg_session **sessions;
    uint32_t n_sets;

    uint32_t *tasks; /* a ring of variants to load or unload: each is there
                      * once at most */
    uint32_t tasks_head, n_tasks;

    pthread_t loader;
    struct worker *workers;
    uint32_t n_workers; /* those that were started */
    bool loader_started;
};

static void post_batch(struct cvg_backend *b, struct cvg_batch *batch,
                       cvg_span run_time, const struct cvg_error *error)
{
    const struct cvg_completion completion = {
        .type = CVG_COMPLETION_BATCH,
        .device = b->index,
        .variant = batch->variant,
        .batch = batch,
        .status = error->status,
        .run_time = run_time,
        .error = *error,
    };
    b->env.post(b->env.context, &completion);
}

/* --- workers -------------------------------------------------------------- */

static struct cvg_session **session_of(struct cvg_backend *b, uint32_t unit,
                                       uint32_t variant)
{
    uint32_t set = b->n_sets == 1 ? 0 : unit;
    return &b->sessions[(size_t)set * b->env.box->n_variants + variant];
}

static struct cvg_batch *take(struct unit *unit)
{
    struct cvg_batch *batch = unit->queue[unit->head];
    unit->head = (unit->head + 1) % CVG_MAX_IN_FLIGHT;
    unit->n--;
    return batch;
}

/* Emulated neighbours that contend with this device are slower while it runs.
 */
static void count_running(struct cvg_backend *b, bool begins)
{
    bool before = b->running > 0;
    b->running += begins ? 1U : UINT32_MAX;
    if (b->emulator != NULL && before != (b->running > 0)) {
        cvg_emulator_note_busy(b->emulator, b->index, b->running > 0);
    }
}

/* Runs one batch; called with the lock, which is let go meanwhile. */
static void run_batch(struct cvg_backend *b, struct cvg_batch *batch)
{
    struct cvg_error error = {.status = CVG_OK};
    struct cvg_session *session = *session_of(b, batch->unit, batch->variant);
    cvg_time begun = cvg_now();
    if (b->closing) {
        cvg_fail(&error, CVG_DEVICE, "device %s is being closed",
                 b->device->name);
        cvg_session_no_outputs(session, batch);
    } else {
        count_running(b, true);
        pthread_mutex_unlock(&b->lock);
        error.status = cvg_session_run(session, batch, &error);
        pthread_mutex_lock(&b->lock);
        count_running(b, false);
    }
    cvg_book_done(&b->book, batch);
    pthread_mutex_unlock(&b->lock);
    post_batch(b, batch, cvg_now() - begun, &error);
    pthread_mutex_lock(&b->lock);
}

static void *work(void *argument)
{
    const struct worker *worker = argument;
    struct cvg_backend *b = worker->backend;
    struct unit *unit = &b->units[worker->unit];
    pthread_mutex_lock(&b->lock);
    for (;;) {
        if (unit->n > 0) {
            run_batch(b, take(unit));
        } else if (b->closing) {
            break;
        } else {
            pthread_cond_wait(&unit->work, &b->lock);
        }
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static enum cvg_status submit(struct cvg_backend *b, struct cvg_batch *batch,
                              struct cvg_error *err)
{
    pthread_mutex_lock(&b->lock);
    enum cvg_status status = cvg_book_submit(&b->book, batch, err);
    struct unit *unit = NULL;
    if (status == CVG_OK) {
        unit = &b->units[batch->unit];
        unit->queue[(unit->head + unit->n++) % CVG_MAX_IN_FLIGHT] = batch;
    }
    pthread_mutex_unlock(&b->lock);
    if (unit != NULL) {
        /* Without the lock, or the worker would wake up just to wait for it. */
        pthread_cond_signal(&unit->work);
    }
    return status;
}

/* --- loader --------------------------------------------------------------- */

static struct cvg_session_options session_options(const struct cvg_box *box,
                                                  uint32_t device,
                                                  uint32_t variant)
{
    const struct cvg_device *d = &box->devices[device];
    return (struct cvg_session_options){
        .models = box->models,
        .variant = box->variants[variant].name,
        .provider = d->provider,
        .options = d->options,
        .n_options = d->n_options,
        .threads = d->threads,
        .n_stages = box->variants[variant].n_exits,
    };
}

/* The sessions of a variant, taken out of the table. */
static void close_sessions(struct cvg_backend *b, uint32_t variant)
{
    for (uint32_t set = 0; set < b->n_sets; set++) {
        struct cvg_session **session = session_of(b, set, variant);
        cvg_session_close(*session);
        *session = NULL;
    }
}

/* Nobody else looks at the sessions of a variant that is on its way. */
static enum cvg_status open_sessions(struct cvg_backend *b, uint32_t variant,
                                     uint64_t *memory, struct cvg_error *err)
{
    const struct cvg_session_options options =
        session_options(b->env.box, b->index, variant);
    *memory = 0;
    for (uint32_t set = 0; set < b->n_sets; set++) {
        struct cvg_session **session = session_of(b, set, variant);
        enum cvg_status status = cvg_session_open(&options, session, err);
        if (status != CVG_OK) {
            close_sessions(b, variant);
            return status;
        }
        *memory += cvg_session_cost(*session).memory_bytes;
    }
    return CVG_OK;
}

/* Does one task; called with the lock, which is let go meanwhile. */
static void do_task(struct cvg_backend *b, uint32_t variant)
{
    bool loads = b->book.variants[variant].state == CVG_BOOK_LOADING;
    bool closing = b->closing;
    struct cvg_completion completion = {
        .type = loads ? CVG_COMPLETION_LOAD : CVG_COMPLETION_UNLOAD,
        .device = b->index,
        .variant = variant,
    };
    uint64_t memory = 0;
    pthread_mutex_unlock(&b->lock);
    cvg_time begun = cvg_now();
    if (!loads) {
        close_sessions(b, variant);
    } else if (closing) {
        completion.status =
            cvg_fail(&completion.error, CVG_DEVICE, "device %s is being closed",
                     b->device->name);
    } else {
        completion.status =
            open_sessions(b, variant, &memory, &completion.error);
    }
    completion.run_time = cvg_now() - begun;
    pthread_mutex_lock(&b->lock);
    if (loads) {
        cvg_book_loaded(&b->book, variant, completion.status == CVG_OK, memory);
    } else {
        cvg_book_unloaded(&b->book, variant);
    }
    pthread_mutex_unlock(&b->lock);
    b->env.post(b->env.context, &completion);
    pthread_mutex_lock(&b->lock);
}

static void *load_and_unload(void *argument)
{
    struct cvg_backend *b = argument;
    pthread_mutex_lock(&b->lock);
    for (;;) {
        if (b->n_tasks > 0) {
            uint32_t variant = b->tasks[b->tasks_head];
            b->tasks_head =
                (b->tasks_head + 1) % (uint32_t)b->env.box->n_variants;
            b->n_tasks--;
            do_task(b, variant);
        } else if (b->closing) {
            break;
        } else {
            pthread_cond_wait(&b->task, &b->lock);
        }
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static enum cvg_status add_task(struct cvg_backend *b, uint32_t variant,
                                enum cvg_status status)
{
    if (status == CVG_OK) {
        uint32_t n = (uint32_t)b->env.box->n_variants;
        b->tasks[(b->tasks_head + b->n_tasks++) % n] = variant;
        pthread_cond_signal(&b->task);
    }
    return status;
}

static enum cvg_status load(struct cvg_backend *b, uint32_t variant,
                            struct cvg_error *err)
{
    pthread_mutex_lock(&b->lock);
    enum cvg_status status =
        add_task(b, variant, cvg_book_load(&b->book, variant, err));
    pthread_mutex_unlock(&b->lock);
    return status;
}

static enum cvg_status unload(struct cvg_backend *b, uint32_t variant,
                              struct cvg_error *err)
{
    pthread_mutex_lock(&b->lock);
    enum cvg_status status =
        add_task(b, variant, cvg_book_unload(&b->book, variant, err));
    pthread_mutex_unlock(&b->lock);
    return status;
}

static uint64_t memory(struct cvg_backend *b, uint32_t variant)
{
    pthread_mutex_lock(&b->lock);
    uint64_t bytes = variant < b->env.box->n_variants
                         ? b->book.variants[variant].memory_bytes
                         : 0;
    pthread_mutex_unlock(&b->lock);
    return bytes;
}

/* --- opening and closing -------------------------------------------------- */

static void close_device(struct cvg_backend *b)
{
    pthread_mutex_lock(&b->lock);
    b->closing = true;
    pthread_cond_signal(&b->task);
    for (uint32_t u = 0; b->units != NULL && u < b->device->units; u++) {
        pthread_cond_broadcast(&b->units[u].work);
    }
    pthread_mutex_unlock(&b->lock);
    for (uint32_t k = 0; k < b->n_workers; k++) {
        pthread_join(b->workers[k].thread, NULL);
    }
    if (b->loader_started) {
        pthread_join(b->loader, NULL);
    }
    for (uint32_t v = 0; b->sessions != NULL && v < b->env.box->n_variants;
         v++) {
        close_sessions(b, v);
    }
    cvg_emulator_release(b->emulator);
    for (uint32_t u = 0; b->units != NULL && u < b->device->units; u++) {
        pthread_cond_destroy(&b->units[u].work);
    }
    pthread_cond_destroy(&b->task);
    pthread_mutex_destroy(&b->lock);
    cvg_book_fini(&b->book);
    free(b->workers);
    free(b->tasks);
    free(b->sessions);
    free(b->units);
    free(b);
}

static enum cvg_status start_threads(struct cvg_backend *b, uint32_t per_unit,
                                     struct cvg_error *err)
{
    int failed = pthread_create(&b->loader, NULL, load_and_unload, b);
    b->loader_started = failed == 0;
    uint32_t wanted = b->device->units * per_unit;
    while (failed == 0 && b->n_workers < wanted) {
        struct worker *worker = &b->workers[b->n_workers];
        worker->backend = b;
        worker->unit = b->n_workers / per_unit;
        failed = pthread_create(&worker->thread, NULL, work, worker);
        b->n_workers += failed == 0 ? 1 : 0;
    }
    if (failed != 0) {
        return cvg_fail(err, CVG_LIMIT, "device %s: no thread for it: %s",
                        b->device->name, strerror(failed));
    }
    return CVG_OK;
}

static bool allocate(struct cvg_backend *b, uint32_t per_unit)
{
    const size_t n_variants = b->env.box->n_variants;
    b->n_sets = b->device->threads > 1 ? b->device->units : 1;
    b->units = calloc(b->device->units, sizeof *b->units);
    b->sessions = calloc(b->n_sets * n_variants + 1, sizeof *b->sessions);
    b->tasks = calloc(n_variants + 1, sizeof *b->tasks);
    b->workers =
        calloc((size_t)b->device->units * per_unit, sizeof *b->workers);
    for (uint32_t u = 0; b->units != NULL && u < b->device->units; u++) {
        pthread_cond_init(&b->units[u].work, NULL);
    }
    return b->units != NULL && b->sessions != NULL && b->tasks != NULL &&
           b->workers != NULL;
}

static enum cvg_status open_device(const struct cvg_device_env *env,
                                   uint32_t index, struct cvg_backend **out,
                                   struct cvg_error *err)
{
    const struct cvg_device *device = &env->box->devices[index];
    const struct cvg_ort *ort = cvg_ort_get(err);
    if (ort == NULL) {
        return CVG_UNSUPPORTED;
    }
    enum cvg_status status =
        device->provider == NULL
            ? CVG_OK
            : cvg_ort_check_provider(ort, device->provider, device->n_options,
                                     err);
    if (status != CVG_OK) {
        return status;
    }
    struct cvg_backend *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for device %s",
                        device->name);
    }
    b->env = *env;
    b->index = index;
    b->device = device;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->task, NULL);
    uint32_t per_unit =
        device->discipline == CVG_PROCESSOR_SHARING ? device->in_flight : 1;
    status = cvg_book_init(&b->book, env->box, index, err);
    if (status == CVG_OK && !allocate(b, per_unit)) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory for device %s",
                          device->name);
    }
    if (status == CVG_OK && cvg_emulator_contends(env->box, index)) {
        status = cvg_emulator_acquire(env, &b->emulator, err);
    }
    if (status == CVG_OK) {
        status = start_threads(b, per_unit, err);
    }
    if (status != CVG_OK) {
        close_device(b);
        return status;
    }
    *out = b;
    return CVG_OK;
}

static enum cvg_status describe(const struct cvg_device_env *env,
                                uint32_t device, uint32_t variant,
                                struct cvg_model_info *out,
                                struct cvg_error *err)
{
    if (variant >= env->box->n_variants) {
        return cvg_fail(err, CVG_NOTFOUND, "no variant %u", variant);
    }
    const struct cvg_session_options options =
        session_options(env->box, device, variant);
    return cvg_session_describe(&options, out, err);
}

const struct cvg_backend_ops cvg_backend_onnxruntime = {
    .name = "onnxruntime",
    .open = open_device,
    .close = close_device,
    .load = load,
    .unload = unload,
    .submit = submit,
    .describe = describe,
    .memory = memory,
};

/* Backend `emulated`: the time and order of another device, by its profile, and
 * real answers, by ONNX Runtime on this CPU.
 *
 * A batch is complete when its time on the device's model (model.h, which the
 * simulator uses too) has come and its answer is computed; on a machine that
 * computes an answer faster than the emulated device would, that is its time.
 *
 * Loading takes load_ms of the profile. What is loaded before the first batch
 * is there from the start: it costs no emulated time and is put into the units'
 * caches in that order (DESIGN.md section 4: free of charge). */
#include "device/backends.h"

#include "device/clock.h"
#include "device/emulator.h"
#include "device/ort.h"
#include <stdlib.h>

static void fini(struct cvg_backend *b)
{
    cvg_emulator_release(b->emulator);
    cvg_device_model_destroy(b->model);
    cvg_book_fini(&b->book);
    free(b->flights);
    free(b);
}

static enum cvg_status open_device(const struct cvg_device_env *env,
                                   uint32_t index, struct cvg_backend **out,
                                   struct cvg_error *err)
{
    const struct cvg_device *device = &env->box->devices[index];
    if (cvg_ort_get(err) == NULL) {
        return CVG_UNSUPPORTED;
    }
    struct cvg_backend *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for device %s",
                        device->name);
    }
    b->env = *env;
    b->index = index;
    b->up_at = CVG_NEVER;
    b->n_flights = device->units * device->in_flight;
    b->flights = calloc(b->n_flights, sizeof *b->flights);
    enum cvg_status status = CVG_OK;
    if (b->flights == NULL) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory for device %s",
                          device->name);
    }
    if (status == CVG_OK) {
        status = cvg_faults_read(device, &b->faults, err);
    }
    if (status == CVG_OK) {
        status = cvg_book_init(&b->book, env->box, index, err);
    }
    if (status == CVG_OK) {
        status =
            cvg_device_model_create(env->box, index, env->seed, &b->model, err);
    }
    if (status == CVG_OK) {
        status = cvg_emulator_acquire(env, &b->emulator, err);
    }
    if (status != CVG_OK) {
        fini(b);
        return status;
    }
    pthread_mutex_lock(&b->emulator->lock);
    b->emulator->devices[index] = b;
    pthread_mutex_unlock(&b->emulator->lock);
    *out = b;
    return CVG_OK;
}

/* --- loading -------------------------------------------------------------- */

static enum cvg_status add_loading(struct cvg_backend *b, uint32_t variant,
                                   bool loads, cvg_span time,
                                   struct cvg_error *err)
{
    struct cvg_loading *loading = calloc(1, sizeof *loading);
    if (loading == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for a load");
    }
    loading->device = b;
    loading->variant = variant;
    loading->loads = loads;
    loading->asked = cvg_now();
    loading->due = loading->asked + time;
    if (loads && b->loads++ < b->faults.fail_load) {
        loading->status = CVG_DEVICE;
        loading->error = malloc(sizeof *loading->error);
        cvg_fail(loading->error, CVG_DEVICE,
                 "device %s failed to load, as asked to",
                 b->env.box->devices[b->index].name);
    }
    cvg_loader_want(b->emulator, loading);
    return CVG_OK;
}

static enum cvg_status load(struct cvg_backend *b, uint32_t variant,
                            struct cvg_error *err)
{
    pthread_mutex_lock(&b->emulator->lock);
    enum cvg_status status = cvg_book_load(&b->book, variant, err);
    if (status == CVG_OK) {
        bool initial = b->submits == 0;
        cvg_span time =
            initial ? 0 : cvg_device_model_load_time(b->model, variant);
        status = add_loading(b, variant, true, time, err);
        if (status != CVG_OK) {
            cvg_book_loaded(&b->book, variant, false, 0);
        } else if (initial) {
            cvg_device_model_preset(b->model, variant);
        }
    }
    pthread_mutex_unlock(&b->emulator->lock);
    return status;
}

static enum cvg_status unload(struct cvg_backend *b, uint32_t variant,
                              struct cvg_error *err)
{
    pthread_mutex_lock(&b->emulator->lock);
    enum cvg_status status = cvg_book_unload(&b->book, variant, err);
    if (status == CVG_OK) {
        uint64_t bytes = b->book.variants[variant].memory_bytes;
        status = add_loading(b, variant, false, 0, err);
        if (status != CVG_OK) { /* as it was */
            cvg_book_unloaded(&b->book, variant);
            cvg_book_load(&b->book, variant, NULL);
            cvg_book_loaded(&b->book, variant, true, bytes);
        }
    }
    pthread_mutex_unlock(&b->emulator->lock);
    return status;
}

static uint64_t memory(struct cvg_backend *b, uint32_t variant)
{
    pthread_mutex_lock(&b->emulator->lock);
    uint64_t bytes = variant < b->env.box->n_variants
                         ? b->book.variants[variant].memory_bytes
                         : 0;
    pthread_mutex_unlock(&b->emulator->lock);
    return bytes;
}

/* --- batches -------------------------------------------------------------- */

/* The model knows only what was measured. */
static enum cvg_status check_measured(const struct cvg_backend *b,
                                      const struct cvg_batch *batch,
                                      struct cvg_error *err)
{
    const struct cvg_box *box = b->env.box;
    const char *name = box->devices[b->index].name;
    if (batch->variant >= box->n_variants) {
        return CVG_OK; /* the book refuses it */
    }
    const struct cvg_variant *variant = &box->variants[batch->variant];
    if (batch->first > batch->last || batch->last >= variant->n_exits) {
        return cvg_fail(err, CVG_INVALID, "%s: no stages %u to %u, it has %u",
                        variant->name, batch->first, batch->last,
                        variant->n_exits);
    }
    uint32_t min = cvg_profile_min_batch(box->profile, batch->variant,
                                         batch->first, batch->last, b->index);
    uint32_t max = cvg_profile_max_batch(box->profile, batch->variant,
                                         batch->first, batch->last, b->index);
    if (min == 0 || (batch->n > 0 && batch->n < min) || batch->n > max) {
        return cvg_fail(err, CVG_INVALID,
                        "device %s: no batch of %u of %s, measured are %u to "
                        "%u",
                        name, batch->n, variant->name, min, min == 0 ? 0 : max);
    }
    return CVG_OK;
}

static struct cvg_flight *free_flight(struct cvg_backend *b)
{
    struct cvg_flight *flight = b->flights;
    while (flight->batch != NULL) {
        flight++; /* there is one: the book counts them */
    }
    return flight;
}

static void begin_flight(struct cvg_backend *b, struct cvg_batch *batch,
                         cvg_time now)
{
    struct cvg_flight *flight = free_flight(b);
    *flight = (struct cvg_flight){
        .device = b, .batch = batch, .id = b->submits++, .begun = now};
    if (flight->id < b->faults.hang_after) {
        const struct cvg_model_batch in_model = {
            .id = flight->id,
            .unit = batch->unit,
            .variant = batch->variant,
            .first = batch->first,
            .last = batch->last,
            .n = batch->n,
        };
        cvg_device_model_submit(b->model, now, &in_model);
        cvg_timeline_contend(b->emulator, now);
    }
    cvg_answers_want(b->emulator, flight);
    cvg_timeline_poke(b->emulator);
}

static enum cvg_status submit(struct cvg_backend *b, struct cvg_batch *batch,
                              struct cvg_error *err)
{
    struct cvg_emulator *e = b->emulator;
    pthread_mutex_lock(&e->lock);
    cvg_time now = cvg_now();
    cvg_timeline_advance(e, now);
    enum cvg_status status = check_measured(b, batch, err);
    if (status == CVG_OK && b->down) {
        status = cvg_fail(err, CVG_DEVICE, "device %s is down",
                          e->box->devices[b->index].name);
    }
    if (status == CVG_OK) {
        status = cvg_book_submit(&b->book, batch, err);
    }
    if (status == CVG_OK) {
        begin_flight(b, batch, now);
    } else {
        cvg_timeline_poke(e); /* what advancing has made ready */
    }
    pthread_mutex_unlock(&e->lock);
    return status;
}

/* --- closing -------------------------------------------------------------- */

static void close_device(struct cvg_backend *b)
{
    struct cvg_emulator *e = b->emulator;
    pthread_mutex_lock(&e->lock);
    b->closing = true;
    cvg_timeline_advance(e, cvg_now());
    for (uint32_t k = 0; k < b->n_flights; k++) {
        if (b->flights[k].batch != NULL) {
            cvg_timeline_give_up(e, &b->flights[k], "is being closed");
        }
    }
    cvg_timeline_post(e);
    while (b->book.in_flight > 0 || b->book.changing > 0 || b->posting > 0) {
        pthread_cond_wait(&e->idle, &e->lock);
        cvg_timeline_post(e);
    }
    e->devices[b->index] = NULL;
    e->busy[b->index] = false;
    cvg_timeline_contend(e, cvg_now());
    for (uint32_t v = 0; v < e->box->n_variants; v++) {
        if (b->book.variants[v].state == CVG_BOOK_LOADED) {
            cvg_loader_drop(e, v);
        }
    }
    pthread_mutex_unlock(&e->lock);
    fini(b);
}

static enum cvg_status describe(const struct cvg_device_env *env,
                                uint32_t device, uint32_t variant,
                                struct cvg_model_info *out,
                                struct cvg_error *err)
{
    (void)device;
    if (variant >= env->box->n_variants) {
        return cvg_fail(err, CVG_NOTFOUND, "no variant %u", variant);
    }
    const struct cvg_session_options options = {
        .models = env->box->models,
        .variant = env->box->variants[variant].name,
        .threads = 1,
        .n_stages = env->box->variants[variant].n_exits,
    };
    return cvg_session_describe(&options, out, err);
}

const struct cvg_backend_ops cvg_backend_emulated = {
    .name = "emulated",
    .emulated = true,
    .open = open_device,
    .close = close_device,
    .load = load,
    .unload = unload,
    .submit = submit,
    .describe = describe,
    .memory = memory,
};

/* The timeline of a box's emulated devices: their models, driven by
 * CLOCK_MONOTONIC.
 *
 * Events happen at their exact instants inside the models, however late the
 * thread gets up; only the posting is late by that much. */
#include "device/emulator.h"

#include "device/clock.h"
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

/* --- queues --------------------------------------------------------------- */

static void push_ready(struct cvg_emulator *e, struct cvg_flight *flight)
{
    flight->next = NULL;
    if (e->ready.first == NULL) {
        e->ready.first = flight;
    } else {
        e->ready.last->next = flight;
    }
    e->ready.last = flight;
}

static struct cvg_flight *pop_ready(struct cvg_emulator *e)
{
    struct cvg_flight *flight = e->ready.first;
    if (flight != NULL) {
        e->ready.first = flight->next;
    }
    return flight;
}

void cvg_timeline_answered(struct cvg_emulator *e, struct cvg_flight *flight)
{
    flight->answered = true;
    if (flight->finished) {
        push_ready(e, flight);
    }
}

static void finish(struct cvg_emulator *e, struct cvg_flight *flight)
{
    flight->finished = true;
    if (flight->answered) {
        push_ready(e, flight);
    }
}

void cvg_timeline_give_up(struct cvg_emulator *e, struct cvg_flight *flight,
                          const char *why)
{
    if (flight->finished && flight->answered) {
        return; /* on its way out already */
    }
    flight->given_up = true;
    cvg_fail(&flight->error, CVG_DEVICE, "device %s %s",
             e->box->devices[flight->device->index].name, why);
    flight->finished = true;
    if (flight->answered || cvg_answers_cancel(e, flight)) {
        flight->answered = true;
        push_ready(e, flight);
    }
}

/* --- time passes ---------------------------------------------------------- */

void cvg_timeline_contend(struct cvg_emulator *e, cvg_time now)
{
    if (e->box->n_contention == 0) {
        return;
    }
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        if (e->devices[d] != NULL) {
            e->busy[d] = cvg_device_model_busy(e->devices[d]->model);
        }
    }
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        if (e->devices[d] != NULL) {
            cvg_device_model_set_slowdown(
                e->devices[d]->model, now,
                cvg_contention_factor(e->box, d, e->busy));
        }
    }
}

/* NULL: it was given up meanwhile. */
static struct cvg_flight *find_flight(struct cvg_backend *device, uint64_t id)
{
    for (uint32_t k = 0; k < device->n_flights; k++) {
        struct cvg_flight *flight = &device->flights[k];
        if (flight->batch != NULL && flight->id == id && !flight->finished) {
            return flight;
        }
    }
    return NULL;
}

/* The device fails, as its options ask for. */
static void go_down(struct cvg_emulator *e, struct cvg_backend *device,
                    cvg_time now)
{
    device->down = true;
    device->tells = true;
    device->up_at = device->faults.down_for == CVG_NEVER
                        ? CVG_NEVER
                        : now + device->faults.down_for;
    device->faults.down_after = UINT64_MAX;
    cvg_device_model_down(device->model, now, NULL, NULL);
    for (uint32_t k = 0; k < device->n_flights; k++) {
        struct cvg_flight *flight = &device->flights[k];
        if (flight->batch != NULL && !flight->finished) {
            cvg_timeline_give_up(e, flight, "went down");
        }
    }
}

static void end_batch(struct cvg_emulator *e, struct cvg_backend *device,
                      const struct cvg_model_done *done)
{
    struct cvg_flight *flight = find_flight(device, done->id);
    if (flight == NULL) {
        return;
    }
    device->ended++;
    flight->begun = done->begun;
    if (device->ended > device->faults.fail_after) {
        cvg_fail(&flight->error, CVG_DEVICE, "device %s failed, as asked to",
                 e->box->devices[device->index].name);
        flight->given_up = true;
    }
    finish(e, flight);
    if (device->ended >= device->faults.down_after) {
        go_down(e, device, done->finished);
    }
}

static cvg_time next_completion(const struct cvg_emulator *e)
{
    cvg_time next = CVG_NEVER;
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        if (e->devices[d] != NULL) {
            cvg_time t = cvg_device_model_next(e->devices[d]->model);
            next = t < next ? t : next;
        }
    }
    return next;
}

static void come_back(struct cvg_emulator *e, cvg_time now)
{
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        struct cvg_backend *device = e->devices[d];
        if (device != NULL && device->down && device->up_at <= now) {
            device->down = false;
            device->tells = true;
            device->up_at = CVG_NEVER;
        }
    }
}

void cvg_timeline_advance(struct cvg_emulator *e, cvg_time now)
{
    for (cvg_time t = next_completion(e); t <= now && t != CVG_NEVER;
         t = next_completion(e)) {
        for (uint32_t d = 0; d < e->box->n_devices; d++) {
            struct cvg_model_done done;
            while (e->devices[d] != NULL &&
                   cvg_device_model_pop(e->devices[d]->model, t, &done)) {
                end_batch(e, e->devices[d], &done);
            }
        }
        cvg_timeline_contend(e, t);
    }
    come_back(e, now);
}

/* --- posting -------------------------------------------------------------- */

static void post(struct cvg_emulator *e, struct cvg_backend *device,
                 const struct cvg_completion *completion)
{
    const struct cvg_device_env env = device->env;
    device->posting++;
    pthread_mutex_unlock(&e->lock);
    env.post(env.context, completion);
    pthread_mutex_lock(&e->lock);
    device->posting--;
    pthread_cond_broadcast(&e->idle);
}

/* A batch that the device failed has no outputs, whether they were computed or
 * not. */
static void empty_if_failed(struct cvg_emulator *e, struct cvg_flight *flight)
{
    struct cvg_batch *batch = flight->batch;
    const struct cvg_session *session = e->sessions[batch->variant].session;
    if (flight->error.status == CVG_OK || flight->error.status == CVG_INVALID) {
        return;
    }
    if (flight->has_outputs) {
        cvg_session_drop_outputs(session, batch);
    } else {
        cvg_session_no_outputs(session, batch);
    }
}

static void post_flight(struct cvg_emulator *e, struct cvg_flight *flight)
{
    struct cvg_backend *device = flight->device;
    const struct cvg_completion completion = {
        .type = CVG_COMPLETION_BATCH,
        .device = device->index,
        .variant = flight->batch->variant,
        .batch = flight->batch,
        .status = flight->error.status,
        .run_time = cvg_now() - flight->begun,
        .error = flight->error,
    };
    empty_if_failed(e, flight);
    cvg_book_done(&device->book, flight->batch);
    flight->batch = NULL;
    post(e, device, &completion);
}

static void post_loading(struct cvg_emulator *e, struct cvg_loading *loading)
{
    struct cvg_backend *device = loading->device;
    struct cvg_completion completion = {
        .type = loading->loads ? CVG_COMPLETION_LOAD : CVG_COMPLETION_UNLOAD,
        .device = device->index,
        .variant = loading->variant,
        .status = loading->status,
        .run_time = cvg_now() - loading->asked,
    };
    if (loading->error != NULL) {
        completion.error = *loading->error;
    }
    if (loading->loads) {
        cvg_book_loaded(&device->book, loading->variant,
                        loading->status == CVG_OK, loading->memory_bytes);
    } else {
        cvg_book_unloaded(&device->book, loading->variant);
    }
    free(loading->error);
    free(loading);
    post(e, device, &completion);
}

/* Takes out the first loading that is due; NULL: none is. */
static struct cvg_loading *pop_loaded(struct cvg_emulator *e, cvg_time now)
{
    struct cvg_loading *before = NULL;
    for (struct cvg_loading *l = e->loaded.first; l != NULL; l = l->next) {
        if (l->due <= now || l->device->closing) {
            *(before == NULL ? &e->loaded.first : &before->next) = l->next;
            if (e->loaded.last == l) {
                e->loaded.last = before;
            }
            return l;
        }
        before = l;
    }
    return NULL;
}

/* A device that went down says so before its lost batches come back, so that
 * they are not sent to it again at once. */
static bool post_states(struct cvg_emulator *e)
{
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        struct cvg_backend *device = e->devices[d];
        if (device != NULL && device->tells) {
            const struct cvg_completion completion = {
                .type = CVG_COMPLETION_DEVICE,
                .device = d,
                .up = !device->down,
            };
            device->tells = false;
            post(e, device, &completion);
            return true; /* the lock was let go: look again */
        }
    }
    return false;
}

void cvg_timeline_post(struct cvg_emulator *e)
{
    for (;;) {
        if (post_states(e)) {
            continue;
        }
        struct cvg_flight *flight = pop_ready(e);
        if (flight != NULL) {
            post_flight(e, flight);
            continue;
        }
        struct cvg_loading *loading = pop_loaded(e, cvg_now());
        if (loading == NULL) {
            return;
        }
        post_loading(e, loading);
    }
}

/* --- the thread ----------------------------------------------------------- */

static cvg_time next_event(const struct cvg_emulator *e)
{
    cvg_time next = next_completion(e);
    for (const struct cvg_loading *l = e->loaded.first; l != NULL;
         l = l->next) {
        next = l->due < next ? l->due : next;
    }
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        const struct cvg_backend *device = e->devices[d];
        if (device != NULL && device->down && device->up_at < next) {
            next = device->up_at;
        }
    }
    return next;
}

void cvg_timeline_poke(struct cvg_emulator *e)
{
    if (next_event(e) < e->wake || e->ready.first != NULL) {
        e->wake = 0;
        pthread_cond_signal(&e->tick);
    }
}

/* A thread gets up some 50 us after it asked to, more on a virtual machine.
 * That would be part of every emulated batch, so it asks to be woken earlier by
 * what it was late lately, and waits out the rest awake. */
#define EARLIEST CVG_US(100)

static void sleep_until_wake(struct cvg_emulator *e, cvg_span *late)
{
    cvg_time wake = e->wake;
    if (wake == CVG_NEVER || wake - *late > cvg_now()) {
        cvg_cond_wait_until(&e->tick, &e->lock,
                            wake == CVG_NEVER ? wake : wake - *late);
        if (e->wake != wake || wake == CVG_NEVER || cvg_now() < wake - *late) {
            return; /* something new, or nothing, but not the time */
        }
        cvg_span now_late = cvg_now() - (wake - *late);
        *late += (now_late - *late) / 8;
        *late = *late < 0 ? 0 : *late < EARLIEST ? *late : EARLIEST;
    }
    pthread_mutex_unlock(&e->lock);
    while (cvg_now() < wake) {
    }
    pthread_mutex_lock(&e->lock);
}

void *cvg_timeline_thread(void *emulator)
{
    struct cvg_emulator *e = emulator;
    cvg_span late = 0;
    /* The kernel rounds timers of ordinary threads up by 50 us to batch them;
     * an emulated device should be on time. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    pthread_mutex_lock(&e->lock);
    while (!e->ending) {
        cvg_timeline_advance(e, cvg_now());
        cvg_timeline_post(e);
        e->wake = next_event(e);
        if (e->wake > cvg_now() && !e->ending) {
            sleep_until_wake(e, &late);
        }
        e->wake = 0; /* awake: there is no need to wake it */
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

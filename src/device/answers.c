/* The real work behind emulated devices: answers are computed by ONNX Runtime
 * on this CPU, in threads of their own so that they never hold up the timeline;
 * one session per variant serves all devices of the box. */
#include "device/emulator.h"

#include <stdlib.h>

/* --- answers -------------------------------------------------------------- */

void cvg_answers_want(struct cvg_emulator *e, struct cvg_flight *flight)
{
    flight->next = NULL;
    if (e->wanted.first == NULL) {
        e->wanted.first = flight;
    } else {
        e->wanted.last->next = flight;
    }
    e->wanted.last = flight;
    pthread_cond_signal(&e->answer);
}

bool cvg_answers_cancel(struct cvg_emulator *e, struct cvg_flight *flight)
{
    struct cvg_flight *before = NULL;
    for (struct cvg_flight *f = e->wanted.first; f != NULL; f = f->next) {
        if (f == flight) {
            *(before == NULL ? &e->wanted.first : &before->next) = f->next;
            if (e->wanted.last == f) {
                e->wanted.last = before;
            }
            return true;
        }
        before = f;
    }
    return false;
}

/* Computes one answer; called with the lock, which is let go meanwhile. */
static void answer(struct cvg_emulator *e, struct cvg_flight *flight)
{
    struct cvg_batch *batch = flight->batch;
    struct cvg_session *session = e->sessions[batch->variant].session;
    struct cvg_error error = {.status = CVG_OK};
    flight->answering = true;
    pthread_mutex_unlock(&e->lock);
    error.status = cvg_session_run(session, batch, &error);
    pthread_mutex_lock(&e->lock);
    flight->answering = false;
    flight->has_outputs = error.status == CVG_OK || error.status == CVG_INVALID;
    if (!flight->given_up) {
        flight->error = error;
    }
    cvg_timeline_answered(e, flight);
}

void *cvg_answers_thread(void *emulator)
{
    struct cvg_emulator *e = emulator;
    pthread_mutex_lock(&e->lock);
    while (!e->ending) {
        struct cvg_flight *flight = e->wanted.first;
        if (flight == NULL) {
            pthread_cond_wait(&e->answer, &e->lock);
            continue;
        }
        e->wanted.first = flight->next;
        answer(e, flight);
        cvg_timeline_post(e);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

/* --- loading -------------------------------------------------------------- */

void cvg_loader_want(struct cvg_emulator *e, struct cvg_loading *loading)
{
    loading->next = NULL;
    if (e->asked.first == NULL) {
        e->asked.first = loading;
    } else {
        e->asked.last->next = loading;
    }
    e->asked.last = loading;
    pthread_cond_signal(&e->load);
}

void cvg_loader_drop(struct cvg_emulator *e, uint32_t variant)
{
    struct cvg_shared_session *shared = &e->sessions[variant];
    if (--shared->refs > 0) {
        return;
    }
    struct cvg_session *session = shared->session;
    shared->session = NULL;
    pthread_mutex_unlock(&e->lock);
    cvg_session_close(session);
    pthread_mutex_lock(&e->lock);
}

static void take_session(struct cvg_emulator *e, struct cvg_loading *loading)
{
    struct cvg_shared_session *shared = &e->sessions[loading->variant];
    struct cvg_error error = {.status = CVG_OK};
    if (shared->session == NULL) {
        const struct cvg_session_options options = {
            .models = e->box->models,
            .variant = e->box->variants[loading->variant].name,
            .threads = 1,
            .n_stages = e->box->variants[loading->variant].n_exits,
        };
        struct cvg_session *session = NULL;
        pthread_mutex_unlock(&e->lock);
        error.status = cvg_session_open(&options, &session, &error);
        pthread_mutex_lock(&e->lock);
        shared->session = session; /* only this thread opens any */
    }
    loading->status = error.status;
    if (error.status == CVG_OK) {
        shared->refs++;
        loading->memory_bytes = cvg_session_cost(shared->session).memory_bytes;
    } else {
        loading->error = malloc(sizeof error);
        if (loading->error != NULL) {
            *loading->error = error;
        }
    }
}

/* Does one task; called with the lock, which is let go meanwhile. */
static void do_loading(struct cvg_emulator *e, struct cvg_loading *loading)
{
    if (!loading->loads) {
        cvg_loader_drop(e, loading->variant);
    } else if (loading->status == CVG_OK) { /* else it fails as asked to */
        take_session(e, loading);
    }
    loading->next = NULL;
    if (e->loaded.first == NULL) {
        e->loaded.first = loading;
    } else {
        e->loaded.last->next = loading;
    }
    e->loaded.last = loading;
    cvg_timeline_poke(e);
    pthread_cond_broadcast(&e->idle);
}

void *cvg_loader_thread(void *emulator)
{
    struct cvg_emulator *e = emulator;
    pthread_mutex_lock(&e->lock);
    while (!e->ending) {
        struct cvg_loading *loading = e->asked.first;
        if (loading == NULL) {
            pthread_cond_wait(&e->load, &e->lock);
            continue;
        }
        e->asked.first = loading->next;
        do_loading(e, loading);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

/* The emulator of a box: made by its first emulated device, shared by all. */
#include "device/emulator.h"

#include "device/clock.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The boxes of this process that have an emulator. A list of the process and
 * not of a caller, because a backend is opened by device and knows only the
 * box. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cvg_emulator *list;

static void destroy(struct cvg_emulator *e)
{
    pthread_mutex_lock(&e->lock);
    e->ending = true;
    pthread_cond_broadcast(&e->tick);
    pthread_cond_broadcast(&e->answer);
    pthread_cond_broadcast(&e->load);
    pthread_mutex_unlock(&e->lock);
    for (uint32_t k = 0; k < e->n_answerers; k++) {
        pthread_join(e->answerers[k], NULL);
    }
    if (e->loader_started) {
        pthread_join(e->loader, NULL);
    }
    if (e->timeline_started) {
        pthread_join(e->timeline, NULL);
    }
    pthread_cond_destroy(&e->idle);
    pthread_cond_destroy(&e->load);
    pthread_cond_destroy(&e->answer);
    pthread_cond_destroy(&e->tick);
    pthread_mutex_destroy(&e->lock);
    free(e->sessions);
    free(e->busy);
    free(e->devices);
    free(e);
}

/* One core is left for the loop and the timeline. */
static uint32_t answer_threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores <= 2) {
        return 1;
    }
    return cores - 1 < (long)CVG_ANSWER_THREADS ? (uint32_t)(cores - 1)
                                                : CVG_ANSWER_THREADS;
}

static int start_threads(struct cvg_emulator *e)
{
    int failed = pthread_create(&e->timeline, NULL, cvg_timeline_thread, e);
    e->timeline_started = failed == 0;
    if (failed == 0) {
        failed = pthread_create(&e->loader, NULL, cvg_loader_thread, e);
        e->loader_started = failed == 0;
    }
    uint32_t wanted = answer_threads();
    while (failed == 0 && e->n_answerers < wanted) {
        failed = pthread_create(&e->answerers[e->n_answerers], NULL,
                                cvg_answers_thread, e);
        e->n_answerers += failed == 0 ? 1 : 0;
    }
    return failed;
}

static enum cvg_status create(const struct cvg_box *box,
                              struct cvg_emulator **out, struct cvg_error *err)
{
    struct cvg_emulator *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for an emulator");
    }
    e->box = box;
    e->refs = 1;
    e->wake = CVG_NEVER;
    pthread_mutex_init(&e->lock, NULL);
    cvg_cond_init(&e->tick);
    pthread_cond_init(&e->answer, NULL);
    pthread_cond_init(&e->load, NULL);
    pthread_cond_init(&e->idle, NULL);
    e->devices = calloc(box->n_devices + 1, sizeof *e->devices);
    e->busy = calloc(box->n_devices + 1, sizeof *e->busy);
    e->sessions = calloc(box->n_variants + 1, sizeof *e->sessions);
    enum cvg_status status = CVG_OK;
    if (e->devices == NULL || e->busy == NULL || e->sessions == NULL) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory for an emulator");
    } else {
        int failed = start_threads(e);
        if (failed != 0) {
            status = cvg_fail(err, CVG_LIMIT, "no thread for the emulator: %s",
                              strerror(failed));
        }
    }
    if (status != CVG_OK) {
        destroy(e);
        return status;
    }
    *out = e;
    return CVG_OK;
}

enum cvg_status cvg_emulator_acquire(const struct cvg_device_env *env,
                                     struct cvg_emulator **out,
                                     struct cvg_error *err)
{
    enum cvg_status status = CVG_OK;
    pthread_mutex_lock(&list_lock);
    struct cvg_emulator *e = list;
    while (e != NULL && e->box != env->box) {
        e = e->next;
    }
    if (e != NULL) {
        e->refs++;
    } else {
        status = create(env->box, &e, err);
        if (e != NULL) {
            e->next = list;
            list = e;
        }
    }
    pthread_mutex_unlock(&list_lock);
    if (status == CVG_OK) {
        *out = e;
    }
    return status;
}

void cvg_emulator_release(struct cvg_emulator *e)
{
    if (e == NULL) {
        return;
    }
    pthread_mutex_lock(&list_lock);
    bool last = --e->refs == 0;
    if (last) {
        struct cvg_emulator **link = &list;
        while (*link != NULL && *link != e) {
            link = &(*link)->next;
        }
        if (*link != NULL) {
            *link = e->next;
        }
    }
    pthread_mutex_unlock(&list_lock);
    if (last) {
        destroy(e);
    }
}

bool cvg_emulator_contends(const struct cvg_box *box, uint32_t device)
{
    for (size_t k = 0; k < box->n_contention; k++) {
        const struct cvg_contention *group = &box->contention[k];
        bool holds = false;
        bool emulated = false;
        for (size_t d = 0; d < group->n_devices; d++) {
            holds = holds || group->devices[d] == device;
            emulated = emulated || box->devices[group->devices[d]].emulated;
        }
        if (holds && emulated) {
            return true;
        }
    }
    return false;
}

void cvg_emulator_note_busy(struct cvg_emulator *e, uint32_t device, bool busy)
{
    pthread_mutex_lock(&e->lock);
    cvg_time now = cvg_now();
    cvg_timeline_advance(e, now);
    e->busy[device] = busy;
    cvg_timeline_contend(e, now);
    cvg_timeline_poke(e);
    pthread_mutex_unlock(&e->lock);
}

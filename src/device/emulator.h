/* What the emulated devices of one box share: the timeline on which their
 * models run, contention between them, one loaded session per variant, and the
 * threads that compute answers. One per box, made by the first device that is
 * opened and gone with the last.
 *
 * emulator.c makes it and keeps the list; timeline.c lets time pass; answers.c
 * computes and loads; emulated.c is the backend. One lock guards all of it: it
 * is held for microseconds, never while a model runs or a completion is posted.
 */
#ifndef CVG_DEVICE_EMULATOR_H
#define CVG_DEVICE_EMULATOR_H

#include "device/book.h"
#include "device/contention.h"
#include "device/faults.h"
#include "device/model.h"
#include "device/session.h"
#include <convergo/device.h>
#include <pthread.h>

#define CVG_ANSWER_THREADS 4U

/* A batch inside an emulated device. It is done when its time has come and its
 * answer is there. */
struct cvg_flight {
    struct cvg_backend *device;
    struct cvg_batch *batch; /* NULL: a free slot */
    uint64_t id;             /* in the model: number of the submit */
    cvg_time begun;
    bool finished;  /* its time has come, or it was given up */
    bool answering; /* a thread is at it */
    bool answered;
    bool given_up; /* lost: the answer no longer matters */
    bool has_outputs;
    struct cvg_error error;
    struct cvg_flight *next; /* in the queue of answers, then of the ready */
};

struct cvg_loading { /* a variant on its way into or out of a device */
    struct cvg_backend *device;
    uint32_t variant;
    bool loads;
    cvg_time asked, due; /* due: load_ms after it was asked for */
    enum cvg_status status;
    uint64_t memory_bytes;
    struct cvg_error *error; /* owned; NULL: none, or no memory for it */
    struct cvg_loading *next;
};

struct cvg_flights { /* first in, first out */
    struct cvg_flight *first, *last;
};
struct cvg_loadings {
    struct cvg_loading *first, *last;
};

struct cvg_backend { /* one emulated device */
    struct cvg_device_env env;
    uint32_t index;
    struct cvg_emulator *emulator;
    struct cvg_book book;
    struct cvg_device_model *model;
    struct cvg_faults faults;
    struct cvg_flight *flights; /* units x in_flight slots */
    uint32_t n_flights;
    uint64_t submits; /* batches taken so far */
    uint64_t ended;   /* batches whose time has come */
    uint64_t loads;   /* asked for so far */
    uint32_t posting; /* completions on their way out */
    bool closing, down;
    bool tells; /* up or down has changed and must be posted */
    cvg_time up_at;
};

struct cvg_shared_session {
    struct cvg_session *session;
    uint32_t refs; /* devices that have it loaded */
};

struct cvg_emulator {
    const struct cvg_box *box;
    struct cvg_emulator *next; /* in the list of the process */
    uint32_t refs;

    pthread_mutex_t lock;
    pthread_cond_t tick;   /* the timeline has something new */
    pthread_cond_t answer; /* an answer is wanted */
    pthread_cond_t load;   /* a variant is to be loaded or unloaded */
    pthread_cond_t idle;   /* something a closer waits for has ended */
    bool ending;
    struct cvg_backend **devices; /* [n_devices]; NULL: not open here */
    bool *busy;                   /* [n_devices], real devices included */
    cvg_time wake;                /* when the timeline thread gets up */
    struct cvg_flights wanted;    /* answers to compute */
    struct cvg_flights ready;     /* batches to post */
    struct cvg_loadings asked;    /* for the loader thread */
    struct cvg_loadings loaded;   /* done there; posted when due */
    struct cvg_shared_session *sessions; /* [n_variants] */

    pthread_t timeline, loader;
    pthread_t answerers[CVG_ANSWER_THREADS];
    uint32_t n_answerers;
    bool timeline_started, loader_started;
};

/* --- timeline.c (with the lock) ------------------------------------------- */

/* Lets all that is due by `now` happen, in order, contention included. */
void cvg_timeline_advance(struct cvg_emulator *e, cvg_time now);
/* Looks at who is busy as of `now`, and slows them accordingly. */
void cvg_timeline_contend(struct cvg_emulator *e, cvg_time now);
/* Wakes the timeline thread if something is due before it would get up. */
void cvg_timeline_poke(struct cvg_emulator *e);
/* A batch's answer is there or no longer wanted. */
void cvg_timeline_answered(struct cvg_emulator *e, struct cvg_flight *flight);
/* Gives a batch up: it is posted as failed, once no thread works on it. */
void cvg_timeline_give_up(struct cvg_emulator *e, struct cvg_flight *flight,
                          const char *why);
/* Posts what is ready, letting the lock go for each. */
void cvg_timeline_post(struct cvg_emulator *e);
void *cvg_timeline_thread(void *emulator);

/* --- answers.c (with the lock) -------------------------------------------- */

void cvg_answers_want(struct cvg_emulator *e, struct cvg_flight *flight);
/* Takes it out of the queue; false: it is not there (any more). */
bool cvg_answers_cancel(struct cvg_emulator *e, struct cvg_flight *flight);
void cvg_loader_want(struct cvg_emulator *e, struct cvg_loading *loading);
/* A device no longer needs the variant; the last one closes the session, for
 * which the lock is let go. */
void cvg_loader_drop(struct cvg_emulator *e, uint32_t variant);
void *cvg_answers_thread(void *emulator);
void *cvg_loader_thread(void *emulator);

#endif

/* The server's inside, shared by the files of this folder.
 *
 * One loop thread owns the sockets and the engine: from socket to decision
 * there is no hand-over and no lock. Devices have threads of their own, which
 * leave their completions in `inbox` and wake the loop. */
#ifndef CVG_SERVE_SERVER_H
#define CVG_SERVE_SERVER_H

#include "base/histogram.h"
#include "base/id_map.h"
#include "record/record.h"
#include "serve/call.h"
#include "serve/serve.h"
#include <convergo/device.h>
#include <convergo/engine.h>
#include <convergo/policy.h>
#include <pthread.h>
#include <uv.h>

struct MHD_Connection;
struct MHD_Daemon;

/* --- connections (http.c) ------------------------------------------------- */

struct cvg__conn { /* in the order in which they were last active */
    int fd;
    struct cvg__listener *listener;
    struct MHD_Connection *http;
    struct cvg__call *call; /* being handled; or NULL */
    cvg_time since;         /* of the state that it is in */
    bool fresh;             /* no request was received yet */
    bool begun;             /* the first line of one has come */
    bool ended;             /* the client sends no more */
    struct cvg__conn *next, *prev;
};

struct cvg__listener { /* an address, an HTTP daemon, its descriptor */
    struct cvg__server *server;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    bool polled, metrics;
    int fd;            /* listening socket; the daemon's once it is started */
    char address[128]; /* as bound */
    struct cvg__conn conns; /* head of a ring */
    size_t n_conns;
    size_t n_parked; /* calls that wait without being suspended */
    bool sweeping;
    uint64_t progress; /* counts calls of our handlers that did something */
    bool woken; /* a parked call has its answer: run it before sleeping */
};

/* --- devices and batches (devices.c, drive.c) ----------------------------- */

struct cvg__device {
    const struct cvg_backend_ops *ops;
    struct cvg_backend *backend; /* NULL: it could not be opened */
    bool *holds; /* [variant] loaded, as far as the backend has said */
};

struct cvg__batch {         /* on its way through a device */
    struct cvg_batch batch; /* batch.user: this */
    struct cvg_batch_item items[CVG_MAX_BATCH];
    struct cvg__call *calls[CVG_MAX_BATCH]; /* whose tensors are lent */
    /* That it works on; its own, for its requests may end before it does. */
    struct cvg_features *features[CVG_MAX_BATCH];
    struct cvg_tensor *outputs; /* [item * n_outputs + k]; owned */
    size_t room, n_outputs;
    const char *error;       /* while it is done: of its failure; borrowed */
    struct cvg__batch *next; /* in the pool */
};

struct cvg__inbox { /* completions, from any thread to the loop's */
    pthread_mutex_t lock;
    struct cvg_completion *items;
    size_t n, cap;
};

/* --- models (models.c) ---------------------------------------------------- */

struct cvg__duration {
    uint64_t count, ns;
};

/* What a client can name: families first, then variants. */
struct cvg__model {
    const char *name;
    char version[24]; /* "1" */
    uint32_t family;
    uint32_t variant; /* CVG_ANY: a family, the variant is chosen */
    const struct cvg_model_info *info; /* NULL: none could be read */
    struct cvg_model_info own;         /* of a variant */
    char reason[256];                  /* why there is no info */
    /* for the statistics that clients of Triton know */
    struct cvg__duration success, fail, queue, infer, cancel;
    uint64_t inferences, executions;
    uint64_t last_ms;
    struct cvg__duration *batches; /* [CVG_MAX_BATCH + 1] */
};

/* --- the whole ------------------------------------------------------------ */

enum cvg__state {
    CVG__STARTING, /* models are being loaded */
    CVG__SERVING,
    CVG__DRAINING, /* no new requests; what is there is finished */
    CVG__STOPPING  /* out of the loop as soon as may be */
};

struct cvg__server {
    const struct cvg_serve_options *options;
    struct cvg__oip_limits oip_limits;
    struct cvg_box *box;
    struct cvg_policy policy;
    const char *policy_text;
    struct cvg_engine *engine;
    cvg_time began;
    cvg_time woke; /* the time for what need not be exact */
    enum cvg__state state;

    uv_loop_t loop;
    uv_async_t wake;
    uv_signal_t signals[2];
    uv_timer_t tick;
    uv_poll_t alarm, watch;
    uv_idle_t again;
    bool loop_ready, handles_ready, again_on;
    int alarm_fd, watch_fd;
    cvg_time alarm_at;       /* CVG_NEVER: not set */
    cvg_time stop_at;        /* while draining */
    const char *socket_path; /* borrowed; NULL: none */

    struct cvg__listener listeners[3]; /* http, metrics, socket */
    size_t n_listeners;

    struct cvg__device *devices; /* [box->n_devices] */
    struct cvg__inbox inbox;
    struct cvg_completion *taken; /* the inbox's other half */
    size_t taken_cap;
    size_t loading;     /* loads of the start that are not done */
    size_t load_errors; /* of them failed */
    bool device_errors; /* a device could not be opened */

    struct cvg__model *models;
    size_t n_models;
    uint32_t *family_app;        /* of requests that name none */
    struct cvg_shared_sets sets; /* conditions in use, and of late */
    /* Of apps that were given others than the box's. */
    struct cvg_shared_set *app_sets[CVG_MAX_APPS];

    struct cvg__call_pool pool;
    size_t n_calls;        /* with those that only lend to a batch */
    size_t n_open;         /* whose client is owed an answer; no metrics */
    size_t bytes;          /* of bodies and tensors being handled */
    struct cvg_id_map ids; /* request -> its call */
    uint64_t last_id;
    struct cvg__batch *free_batches;
    size_t n_batches;          /* inside devices */
    struct cvg__batch *done;   /* whose DONE event is being carried out */
    struct cvg__call *waiters; /* for models to come or go */
    size_t loads_pending;      /* asked of devices, not answered yet */
    uint64_t load_failures;
    char load_error[256]; /* of the last one */

    struct cvg_histogram *decision; /* ns per engine step */
    struct cvg__planner *planner;   /* NULL: the policy makes no plans */
    struct cvg_recorder *recorder;  /* NULL: the run is not recorded */
    bool record_told;               /* that recording has stopped */
    uint64_t lost; /* calls that were not finished when the drain ended */
    struct {       /* events to send when the actions at hand are carried out */
        struct cvg_event *items;
        size_t n, cap;
    } later;
    bool stepping;
    bool undecided; /* arrivals are in that the policy has not been asked for */
};

cvg_time cvg__now(void); /* CLOCK_MONOTONIC */

/* server.c: run the HTTP daemons again soon, or not. */
void cvg__server_again(struct cvg__server *server, bool again);
/* After each wake-up by a socket: completions, replies, the next alarm. */
void cvg__server_settle(struct cvg__server *server);

/* drive.c: the engine's events and actions. */
void cvg__drive(struct cvg__server *server, struct cvg_event *event);
/* A turn of reading is over: the policy is asked for all that has arrived. */
void cvg__drive_decide(struct cvg__server *server);
/* What backends get to work with. */
struct cvg_device_env cvg__drive_env(struct cvg__server *server);
/* The client has gone, or the rest of its call failed. */
void cvg__drive_cancel(struct cvg__server *server, uint64_t request,
                       bool by_client);
void cvg__drive_inbox(struct cvg__server *server);
void cvg__drive_fini(struct cvg__server *server);
enum cvg_status cvg__inbox_init(struct cvg__inbox *inbox,
                                struct cvg_error *err);

/* devices.c: opening, first loads, closing. */
enum cvg_status cvg__devices_open(struct cvg__server *server,
                                  struct cvg_error *err);
void cvg__devices_load(struct cvg__server *server);
void cvg__devices_close(struct cvg__server *server);
void cvg__devices_free(struct cvg__server *server);
/* Device `d` is open and works, as far as the engine knows. */
bool cvg__device_up(const struct cvg__server *server, uint32_t d);

/* models.c */
enum cvg_status cvg__models_open(struct cvg__server *server,
                                 struct cvg_error *err);
void cvg__models_close(struct cvg__server *server);
uint32_t cvg__model_find(const struct cvg__server *server, const char *name);
/* Some device that is up has it loaded (a family: one of its variants). */
bool cvg__model_ready(const struct cvg__server *server, uint32_t model);
/* Every family can be served; with --strict-readiness, all that was to be
 * loaded is, and every device is up. */
bool cvg__server_ready(const struct cvg__server *server);

/* v1.c: an application as it is now. */
void cvg__reply_app(struct cvg__server *server, struct cvg__call *call,
                    uint32_t app);
/* The number that the path names; else the call is answered (400). */
bool cvg__request_id(struct cvg__call *call, uint64_t *out);
/* The same: of the run so far, as in the report: batches, switches, idle time.
 */
double cvg__device_energy(struct cvg__server *server, uint32_t d);

/* bounds.c: the conditions in call->infer; *out is NULL if there are none. The
 * call is answered if they are none (400, from `whose` on). */
bool cvg__take_conditions(struct cvg__call *call, const char *whose,
                          struct cvg_shared_set **out);
/* Its rows have ended, or are cancelled. */
void cvg__give_conditions(struct cvg__call *call);

/* infer.c: what becomes of the rows of a call. _hold(): an answer that will do
 * if none better comes; takes the outputs. _served() with outputs NULL: it is
 * the one that is held. */
void cvg__infer_row_hold(struct cvg__call *call, uint32_t row,
                         struct cvg_tensor *outputs);
void cvg__infer_row_served(struct cvg__call *call, uint32_t row,
                           const struct cvg_reply *reply,
                           struct cvg_tensor *outputs);
void cvg__infer_row_dropped(struct cvg__call *call,
                            const struct cvg_drop *drop);
/* The model cannot run it, and `why`: by the item's status the client's fault
 * or the model's. */
void cvg__infer_row_refused(struct cvg__call *call,
                            const struct cvg_batch_item *item, const char *why);
/* Rows that have not ended end now: their client has gone, or another row was
 * not answered. */
void cvg__infer_cancel(struct cvg__call *call, bool by_client);

/* record.c: --record. The texts are those of the box. */
enum cvg_status cvg__record_open(struct cvg__server *server,
                                 const struct cvg_config_texts *texts,
                                 struct cvg_error *err);
void cvg__record_tick(struct cvg__server *server);
/* `ran`: there is something to keep. */
void cvg__record_close(struct cvg__server *server, bool ran);

/* planner.c */
enum cvg_status cvg__planner_open(struct cvg__server *server,
                                  struct cvg_error *err);
/* The engine's question; the answer is taken after a wake-up, as an event. */
void cvg__planner_ask(struct cvg__server *server,
                      const struct cvg_question *question);
void cvg__planner_take(struct cvg__server *server);
void cvg__planner_close(struct cvg__server *server);
/* Questions answered by a plan, and those that were not; 0 without planner. */
struct cvg__planner_counts {
    uint64_t made, failed;
};
struct cvg__planner_counts cvg__planner_counts(
    const struct cvg__server *server);

/* repository.c */
/* Answers those that waited for what has now come, or gone, or failed. */
void cvg__repository_check(struct cvg__server *server);
void cvg__repository_forget(struct cvg__call *call);

#endif

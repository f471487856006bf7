/* The engine: told what happened, it answers with what to do.
 *
 * Pure and deterministic: no clock, I/O, thread or allocation in a step. Time
 * enters once per step, in the event. A driver (serve/ on the real clock, sim/
 * on a virtual one) turns the outside world into events and carries out the
 * actions. One thread calls an engine at a time. */
#ifndef CONVERGO_ENGINE_H
#define CONVERGO_ENGINE_H

#include <convergo/box.h>
#include <convergo/policy.h>
#include <convergo/request.h>
#include <convergo/status.h>

struct cvg_engine;

struct cvg_engine_options {
    const struct cvg_box *box;       /* borrowed; outlives the engine */
    const struct cvg_policy *policy; /* copied: its four parts */
    uint64_t seed;
    cvg_time start;            /* the first instant; no event comes before it */
    cvg_time measure_from;     /* SLO windows begin here (end of the warm-up) */
    cvg_time measure_until;    /* arrivals end here; CVG_NEVER when open */
    cvg_span largest_deadline; /* sizes the window ring; 0: 10 min */
    uint32_t ended_kept;       /* ended requests kept for explain; 0: 65,536 */
    uint32_t drops_per_step;   /* 0: 256 */
    uint32_t attempts;         /* starts of one request at most; 0: 3 */
    /* May be NULL: shown the view in every step, when what happened has been
     * taken in and the policy is about to be asked; to explain its choice. */
    void (*look)(void *context, const struct cvg_view *view);
    void *look_context;
};

/* --- events --------------------------------------------------------------- */

#define CVG_EVENT_LIST(X)                                                      \
    X(ARRIVAL, "arrival")                                                      \
    X(CANCEL, "cancel")   /* the client has gone */                            \
    X(GIVE_UP, "give_up") /* the driver has no more use for an answer */       \
    X(DONE, "done")       /* a batch ended, well or not */                     \
    X(START_FAILED, "start_failed") /* a batch was never begun */              \
    X(LOADED, "loaded")                                                        \
    X(LOAD_FAILED, "load_failed")                                              \
    X(UNLOADED, "unloaded")                                                    \
    X(DEVICE, "device") /* up, down, known to be slower */                     \
    X(MODEL, "model")   /* an operator wants a variant in or out */            \
    X(TIMER, "timer")   /* next_wake has come */                               \
    X(DRAIN, "drain")   /* no more arrivals are taken */                       \
    X(APP, "app")       /* what an app asks for changed */                     \
    X(SOLVED, "solved") /* an allocation is ready */                           \
    X(SOLVE_FAILED, "solve_failed")                                            \
    X(BOUNDS, "bounds") /* what a request asks for changed */

enum cvg_event_type {
#define CVG_EVENT_ENUM(name, text) CVG_EV_##name,
    CVG_EVENT_LIST(CVG_EVENT_ENUM)
#undef CVG_EVENT_ENUM
        CVG_EVENTS
};

struct cvg_done {
    uint64_t batch;
    /* CVG_OK; else the batch is lost: CVG_INVALID by no fault of the device,
     * any other by the device. */
    enum cvg_status status;
    cvg_span run_time;        /* measured, on the device, switch included */
    const double *confidence; /* per request of the batch, or NULL; borrowed */
    uint32_t n_confidence;    /* how many; 0 with NULL */
    /* Of a batch that is CVG_OK: the model cannot run these of its requests,
     * by what they are; they fail. Or NULL: it could run all. Borrowed. */
    const bool *refused;
    uint32_t n_refused; /* how many there are in the array; 0 with NULL */
};

/* Of one request, while it lives; later it changes nothing. What waits is held
 * to them from now on, what runs from its next exit. */
struct cvg_bounds {
    uint64_t request;
    uint32_t overrides; /* kinds of `slo` that take the place of what it has */
    struct cvg_slo slo;
    /* Conditions take the place of its own; NULL: its app's do. Borrowed, as
     * those of an arrival. */
    bool new_conditions;
    const struct cvg_conditions *conditions;
};

struct cvg_event {
    enum cvg_event_type type;
    cvg_time at; /* the only "now" of this step; never before the last one */
    union {
        struct cvg_arrival arrival; /* ARRIVAL */
        uint64_t request;           /* CANCEL, GIVE_UP */
        struct cvg_done done;       /* DONE, START_FAILED */
        struct {
            uint32_t device, variant;
        } model_on; /* LOADED, LOAD_FAILED, UNLOADED */
        struct {
            uint32_t device;
            bool up;
            double slowdown; /* known from outside, >= 1; 0: unchanged */
        } device;            /* DEVICE */
        struct {
            uint32_t variant;
            bool wanted;
        } model; /* MODEL */
        struct {
            uint32_t app;
            /* The declared kinds replace the app's. What waits is held to
             * them from now on, what runs from the next exit at which it can
             * be answered. */
            struct cvg_slo slo;
            /* So do these, of what runs, too; NULL: none. Borrowed until others
             * take their place. */
            bool new_conditions;
            const struct cvg_conditions *conditions;
            bool new_objective; /* takes the place of the app's */
            enum cvg_objective objective;
        } app;                    /* APP */
        struct cvg_bounds bounds; /* BOUNDS */
        struct {
            const void *answer; /* a struct cvg_plan; borrowed */
            size_t size;
        } solved; /* SOLVED */
    };
};

/* --- actions -------------------------------------------------------------- */

#define CVG_ACTION_LIST(X)                                                     \
    X(START, "start")                                                          \
    X(REPLY, "reply")                                                          \
    X(DROP, "drop")                                                            \
    X(RELEASE, "release") /* features of a paused request */                   \
    X(ABORT, "abort")     /* where the device can */                           \
    X(LOAD, "load")                                                            \
    X(UNLOAD, "unload")                                                        \
    X(SOLVE, "solve")

enum cvg_action_type {
#define CVG_ACTION_ENUM(name, text) CVG_ACT_##name,
    CVG_ACTION_LIST(CVG_ACTION_ENUM)
#undef CVG_ACTION_ENUM
        CVG_ACTIONS
};

struct cvg_start {
    uint64_t batch;
    uint32_t unit; /* of the box */
    uint32_t device;
    uint32_t variant;
    uint32_t first, last; /* stages */
    bool keep;            /* features at `last`, until they go on or RELEASE */
    const uint64_t *requests;
    uint32_t n_requests; /* 0: only brings the variant into the unit's cache */
    cvg_time predicted;  /* when it should be done */
};

struct cvg_reply { /* a served request: what was chosen and what came of it */
    uint64_t request;
    uint64_t batch;
    uint32_t index; /* of this request in the batch's start */
    uint32_t app, variant, exit, device;
    double accuracy;   /* validated */
    double energy_j;   /* its share */
    cvg_span queued;   /* arrival to start */
    cvg_span ran;      /* start to done */
    bool deadline_met; /* true without deadline */
    uint32_t relaxed;  /* kinds that gave way */
};

struct cvg_drop { /* any end without an answer */
    uint64_t request;
    enum cvg_outcome outcome; /* DROPPED, REJECTED or FAILED */
    enum cvg_reason reason;
    cvg_span retry_after; /* from the backlog; 0: no use to retry */
};

struct cvg_action {
    enum cvg_action_type type;
    union {
        struct cvg_start start;
        struct cvg_reply reply;
        struct cvg_drop drop; /* a cancelled request ends without action */
        struct {
            uint32_t device, variant;
        } model_on;     /* LOAD, UNLOAD: answered by an event */
        uint64_t batch; /* ABORT */
        struct {
            uint64_t request;
            uint32_t device;
        } release; /* RELEASE */
        /* SOLVE: answered by SOLVED or SOLVE_FAILED, whenever the allocation
         * part's solve() has done it; valid until then. */
        const struct cvg_question *question;
    };
};

struct cvg_actions { /* owned by the engine, until the next step */
    const struct cvg_action *items;
    size_t n;
};

/* --- calls ---------------------------------------------------------------- */

/* *out is owned by the caller: cvg_engine_destroy(). Allocates all that the
 * engine will ever need. Devices hold at the start what the allocation asks
 * for; see cvg_engine_resident(). */
enum cvg_status cvg_engine_create(const struct cvg_engine_options *options,
                                  struct cvg_engine **out,
                                  struct cvg_error *err);
void cvg_engine_destroy(struct cvg_engine *engine);

/* Tells what happened; `out` says what to do. Cost: O(log queued) without a
 * free unit, plus the policy's choice with one. */
void cvg_engine_step(struct cvg_engine *engine, const struct cvg_event *event,
                     struct cvg_actions *out);

/* When to send a TIMER event if nothing else happens; CVG_NEVER: no need. */
cvg_time cvg_engine_next_wake(const struct cvg_engine *engine);

/* Is the variant loaded on the device (at the start: to be loaded by the
 * driver before the first event, free of charge)? */
bool cvg_engine_resident(const struct cvg_engine *engine, uint32_t device,
                         uint32_t variant);

/* The same in full: it may be on its way in or out. */
enum cvg_residency cvg_engine_residency(const struct cvg_engine *engine,
                                        uint32_t device, uint32_t variant);

/* The k-th variant (from 0) that the allocation wants the device to hold at
 * the start, the most important first; CVG_ANY past the last. Only those that
 * are cvg_engine_resident() fit. */
uint32_t cvg_engine_initial(const struct cvg_engine *engine, uint32_t device,
                            uint32_t k);

/* As given; what decides, together with the events. Borrowed. */
const struct cvg_engine_options *cvg_engine_options(
    const struct cvg_engine *engine);

/* An app of the box as it is now: its SLO and conditions may have changed.
 * Borrowed; good until the next step. */
const struct cvg_app *cvg_engine_app(const struct cvg_engine *engine,
                                     uint32_t app);

/* Requests that have arrived and not ended; batches inside devices. */
size_t cvg_engine_live(const struct cvg_engine *engine);
size_t cvg_engine_waiting(const struct cvg_engine *engine, uint32_t app);
size_t cvg_engine_running(const struct cvg_engine *engine);
/* Has this request arrived and not ended? */
bool cvg_engine_is_live(const struct cvg_engine *engine, uint64_t request);

/* Could the request not be met even on an empty box? Then `nearest` holds what
 * could: where some kinds are out of reach by themselves, these at their
 * nearest value and the others as asked; where each could be met but not all
 * together (reason INFEASIBLE), for each kind the value that would do if only
 * that one gave way (CVG_NEVER, -1, INFINITY: none would). The deadline named
 * is one that 95 of 100 would meet. False: all can be met. Pure; may be called
 * between steps. */
struct cvg_nearest {
    enum cvg_reason reason;
    cvg_span deadline;
    double accuracy;
    double energy_j;
};
bool cvg_engine_infeasible(const struct cvg_engine *engine,
                           const struct cvg_arrival *arrival,
                           struct cvg_nearest *nearest);

/* --- why: what is remembered of a request --------------------------------- */

struct cvg_explanation {
    struct cvg_request request;
    bool ended;
    enum cvg_outcome outcome; /* when ended */
    enum cvg_reason reason;
    uint32_t variant, exit, device, unit; /* CVG_ANY: never started */
    uint32_t batch_size;
    uint32_t attempts;
    uint32_t waiting; /* requests of its app queued when it was started */
    cvg_time started, predicted, finished; /* CVG_NEVER: not yet */
    double accuracy, energy_j;
    uint32_t binding; /* kinds (bits) that ruled a cheaper or better way out */
};

/* CVG_NOTFOUND: unknown, or ended too long ago. */
enum cvg_status cvg_engine_explain(const struct cvg_engine *engine,
                                   uint64_t request,
                                   struct cvg_explanation *out);

/* --- what has been counted ------------------------------------------------ */

struct cvg_stats; /* see convergo/stats.h */
/* As of the last step; borrowed, and counting on. */
const struct cvg_stats *cvg_engine_stats(struct cvg_engine *engine);

/* Judges every window that has ended, and the open ones as they stand. Call it
 * once, after the last request has ended, before the final report. */
void cvg_engine_finish(struct cvg_engine *engine, cvg_time now);

#endif

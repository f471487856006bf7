/* Policies choose. A policy is four parts that can be combined: allocation,
 * order, batching, exits (DESIGN.md sections 1 and 2). A part is one small
 * file, a test, and a line in src/policy/registry.c.
 *
 * A part sees the box through the view, which is read-only, and has a state of
 * its own that the engine allocates and zeroes. It is called inside a step: no
 * allocation, no I/O, no clock. */
#ifndef CONVERGO_POLICY_H
#define CONVERGO_POLICY_H

#include <convergo/box.h>
#include <convergo/plan.h>
#include <convergo/request.h>

/* --- the view ------------------------------------------------------------- */

struct cvg_held { /* a batch inside a unit */
    uint64_t batch;
    uint32_t variant, first, last;
    uint32_t n;
    cvg_time started;   /* handed to the unit */
    cvg_time predicted; /* done, by the profile and what was learned */
    cvg_time due;       /* earliest deadline of its requests */
    cvg_span work;      /* its service time alone, switch included */
};

struct cvg_unit {
    uint32_t index;   /* in the view */
    uint32_t device;  /* in the box */
    uint32_t n_held;  /* free while < the device's in_flight, and up */
    cvg_time free_at; /* when all it holds should be done; <= now: idle */
    struct cvg_held held[CVG_MAX_IN_FLIGHT];
};

enum cvg_residency { CVG_ABSENT, CVG_LOADING, CVG_RESIDENT, CVG_UNLOADING };

struct cvg_view { /* read-only; valid during the call */
    cvg_time now;
    const struct cvg_box *box;
    const struct cvg_profile *profile; /* = box->profile */
    const struct cvg_unit *units;
    uint32_t n_units;
    const struct cvg_app *apps; /* the box's, with their SLOs as of now */
    uint32_t n_apps;
    const void *engine; /* for the calls below */
};

/* Waiting requests of one app: by priority, then keys, ties by id; NULL at
 * the end. O(1) each. */
const struct cvg_request *cvg_view_first(const struct cvg_view *view,
                                         uint32_t app);
const struct cvg_request *cvg_view_next(const struct cvg_view *view,
                                        const struct cvg_request *request);
uint32_t cvg_view_waiting(const struct cvg_view *view, uint32_t app);

/* Of them, those that name a variant, or bounds of accuracy or energy, of their
 * own. */
uint32_t cvg_view_choosy(const struct cvg_view *view, uint32_t app);
bool cvg_view_is_choosy(const struct cvg_view *view,
                        const struct cvg_request *request);

/* The bit of a device in a set of devices. Boxes with more than 64 share bits:
 * a set may then name too many, never too few. */
static inline uint64_t cvg_device_bit(uint32_t device)
{
    return 1ULL << (device & 63U);
}

/* The devices that could run the request now, were they free: up, and holding
 * a variant that keeps its accuracy and energy bounds. */
uint64_t cvg_view_devices(const struct cvg_view *view,
                          const struct cvg_request *request);

/* The variants of the request's family, by their place in it, that the device
 * holds and that may be accurate enough: bit i & 63 for the i-th. It may name
 * too many, never too few. O(1). */
uint64_t cvg_view_usable(const struct cvg_view *view,
                         const struct cvg_request *request, uint32_t device);

/* The next waiting request of the app after `after` (NULL: from the front)
 * that one of `devices` could run now (0: that no device at all could), and
 * that is due at `due` or later. NULL: none. O(log waiting). */
const struct cvg_request *cvg_view_next_on(const struct cvg_view *view,
                                           uint32_t app,
                                           const struct cvg_request *after,
                                           uint64_t devices, cvg_time due);
/* Does `a` go before `b`, of whatever app: by priority, key, id? */
bool cvg_view_before(const struct cvg_view *view, const struct cvg_request *a,
                     const struct cvg_request *b);

/* May a batch be started on this unit now: device up, room for one more? */
bool cvg_view_free(const struct cvg_view *view, const struct cvg_unit *unit);
bool cvg_view_up(const struct cvg_view *view, uint32_t device);
enum cvg_residency cvg_view_residency(const struct cvg_view *view,
                                      uint32_t device, uint32_t variant);
/* It could not be loaded there, and is not tried again for now. */
bool cvg_view_load_failed(const struct cvg_view *view, uint32_t device,
                          uint32_t variant);
/* Is there room for the variant beside those that the device holds? */
bool cvg_view_has_room(const struct cvg_view *view, uint32_t device,
                       uint32_t variant);
/* An operator may have taken a variant out. */
bool cvg_view_enabled(const struct cvg_view *view, uint32_t variant);

/* Where there is time, requests go on from the first exit that will do: the
 * exits part sees to that. */
bool cvg_view_goes_on(const struct cvg_view *view);

/* Energy of all batches begun so far, J, by the profile. O(1). */
double cvg_view_energy(const struct cvg_view *view);

/* observed / profiled time of the device, lately. */
double cvg_view_slowdown(const struct cvg_view *view, uint32_t device);

/* Switch time if `variant` ran next on the unit after what it holds; 0 when it
 * is in the unit's cache. */
cvg_span cvg_view_switch(const struct cvg_view *view,
                         const struct cvg_unit *unit, uint32_t variant);

/* Predicted instant at which a batch of `n` started now on the unit would be
 * done: what it holds, the discipline, switch, slowdown, the quantile of the
 * profile. CVG_NEVER: it cannot run there (never measured, too large). Does
 * not ask whether the unit is free or the variant resident. */
cvg_time cvg_view_finish(const struct cvg_view *view,
                         const struct cvg_unit *unit, uint32_t variant,
                         uint32_t first, uint32_t last, uint32_t n,
                         enum cvg_quantile quantile);

/* The instant a request should be done by: its deadline, CVG_NEVER when it has
 * none or its deadline has given way. */
static inline cvg_time cvg_request_due(const struct cvg_request *request)
{
    return (request->relaxed >> CVG_SLO_DEADLINE & 1U) != 0 ? CVG_NEVER
                                                            : request->deadline;
}

/* Optimistic time of a request alone on an idle box (all of its bounds but the
 * deadline kept), on the devices that are up; CVG_NEVER: nothing can run it.
 * O(1), mostly. */
cvg_span cvg_view_fastest(const struct cvg_view *view,
                          const struct cvg_request *request);

/* The last plan of the allocation part; NULL: none (yet). */
const struct cvg_plan *cvg_view_plan(const struct cvg_view *view);
/* How many plans there were: another number, another plan. */
uint64_t cvg_view_plans(const struct cvg_view *view);

/* What an app did lately, for policies that follow debts. */
struct cvg_recent {
    uint32_t offered; /* in the current window */
    uint32_t good;    /* of them, counted towards throughput so far */
    uint32_t lost;    /* of them, ended without counting */
    double accuracy;  /* mean over the answers of the window; 0: none */
    cvg_span elapsed; /* since the window began */
};
struct cvg_recent cvg_view_recent(const struct cvg_view *view, uint32_t app);

/* Does this exit satisfy the request's accuracy and energy bounds on that
 * device at that batch size? */
bool cvg_view_good_enough(const struct cvg_view *view,
                          const struct cvg_request *request, uint32_t variant,
                          uint32_t exit, uint32_t device, uint32_t n);

/* --- choices -------------------------------------------------------------- */

struct cvg_choices; /* filled by choose(); storage is the engine's */

/* Begins a batch on a unit. Returns a handle >= 0; negative: the unit has no
 * room for one more, or the variant is not resident there. */
int cvg_choose_start(struct cvg_choices *choices, uint32_t unit,
                     uint32_t variant, uint32_t first, uint32_t last);
/* Brings a variant into the cache of a unit ahead of need, where changing costs
 * time: an empty batch, which takes that time. False: no room, not resident. */
bool cvg_choose_switch(struct cvg_choices *choices, uint32_t unit,
                       uint32_t variant);
/* Adds a waiting request to a batch begun in this call; it leaves the queue
 * when the step applies the choices, and cvg_view_first/next pass over it from
 * now on. False: the batch is full. */
bool cvg_choose_request(struct cvg_choices *choices, int batch,
                        const struct cvg_request *request);
/* Keeps only the first n requests of the batch (0: it is not begun, and its
 * handle is no more); the others are waiting as before. */
void cvg_choose_trim(struct cvg_choices *choices, int batch, uint32_t n);
/* Kinds that ruled out a cheaper or better way for the batch. */
void cvg_choose_binding(struct cvg_choices *choices, int batch, uint32_t kinds);
/* Has this request been taken by an earlier choice of this call? */
bool cvg_chosen(const struct cvg_view *view, const struct cvg_request *request);
/* Gives a waiting request up now. */
bool cvg_choose_drop(struct cvg_choices *choices,
                     const struct cvg_request *request, enum cvg_reason reason);
/* Brings a variant into a device's memory (the engine unloads the least
 * recently used idle ones to make room), or takes it out. */
bool cvg_choose_load(struct cvg_choices *choices, uint32_t device,
                     uint32_t variant);
bool cvg_choose_unload(struct cvg_choices *choices, uint32_t device,
                       uint32_t variant);
/* Call choose() again at `when` even if nothing else happens. */
void cvg_choose_wake(struct cvg_choices *choices, cvg_time when);

/* --- the four parts ------------------------------------------------------- */

struct cvg_way { /* one way to run a request */
    uint32_t unit, device, variant, exit;
    uint32_t n;       /* batch size it would be part of */
    cvg_time finish;  /* predicted */
    cvg_span service; /* of the batch alone, without queue and switch */
    double accuracy;
    double energy_j; /* its share */
    uint32_t queued; /* batches that the unit holds or is to get before it */
};

struct cvg_order_ops {
    const char *name; /* as written in the box file */
    bool drops;       /* gives up requests that could not be met even alone */
    bool ignores_priority; /* of requests: all are equal */
    /* Bytes of `state` for this box; NULL: none. */
    size_t (*state_size)(const struct cvg_box *box);
    void (*init)(void *state, const struct cvg_view *view); /* may be NULL */

    /* The request's place in the queue among those of its priority: smaller
     * goes first, ties by id. Called
     * when a request arrives and when its bounds change. */
    int64_t (*key)(void *state, const struct cvg_view *view,
                   const struct cvg_request *request);

    /* Which of two ways to run a request is better (parts.c offers only ways
     * that are accurate enough)? True: `a`. NULL: the one predicted to finish
     * first. */
    bool (*prefer)(const struct cvg_view *view,
                   const struct cvg_request *request, const struct cvg_way *a,
                   const struct cvg_way *b);

    /* Decides jointly for all free units, in place of the composition in
     * parts.c. NULL: compose. */
    void (*choose)(void *state, const struct cvg_view *view,
                   struct cvg_choices *choices);
    /* Would choose() decide just as it last did, though this request has
     * arrived? Asked only when nothing else has happened since. NULL: no. */
    bool (*indifferent)(void *state, const struct cvg_view *view,
                        const struct cvg_request *request);
    /* Told of every ended batch; may be NULL. */
    void (*done)(void *state, const struct cvg_view *view,
                 const struct cvg_unit *unit, const struct cvg_held *batch,
                 cvg_span run_time);
};

struct cvg_forming { /* a batch that could be begun on a unit now */
    const struct cvg_unit *unit;
    uint32_t variant, exit;
    uint32_t n;        /* requests that wait for it, >= 1 */
    uint32_t min, max; /* sizes that the variant has there */
    cvg_span window;   /* the least that one of them has, from arrival to
                        * deadline; CVG_NEVER: none has one */
    cvg_time due;      /* the earliest of their deadlines; CVG_NEVER: none */
};

struct cvg_batching_ops {
    const char *name;
    /* Along routes, who would be late in a full batch gives way to those behind
     * him. False: only where batches would stay too small to keep up. */
    bool early_drop;
    size_t (*state_size)(const struct cvg_box *box); /* NULL: none; zeroed */
    /* How many of them to run now (1..n; less than `min` is as good as that),
     * or 0 and *until: none before, unless more come. */
    uint32_t (*size)(void *state, const struct cvg_view *view,
                     const struct cvg_forming *batch, cvg_time *until);
    /* Told of every batch that has ended well, and whether an answer of it was
     * late. May be NULL. */
    void (*done)(void *state, const struct cvg_view *view,
                 const struct cvg_unit *unit, const struct cvg_held *batch,
                 bool late);
};

/* How demand is followed, and when another plan is asked for. */
struct cvg_pace {
    cvg_span first;  /* plan, after the first arrival; 0: 200 ms */
    cvg_span period; /* between plans */
    /* Of the exponential average of arrivals; 0: a mean over 2 to 10 s. */
    cvg_span smoothing;
    /* A plan is asked for at once when a rate is clearly so many times what the
     * last was made for, or that fraction of it; 1: any clear difference. */
    double burst;
};

struct cvg_allocation_ops {
    const char *name;
    struct cvg_pace pace; /* where the box says nothing else */
    /* Devices serve what the plan says they hold (src/policy/routes.h), unless
     * the order part decides jointly. */
    bool routed;
    size_t (*state_size)(const struct cvg_box *box);
    /* Which variants should each device hold at the start? want[device *
     * n_variants + variant] in order of importance: 1 first, 0 not at all.
     * Asked once, before the first step. CVG_NOMEM. */
    enum cvg_status (*residency)(void *state, const struct cvg_view *view,
                                 uint32_t *want, struct cvg_error *err);
    /* Makes a plan. Called by the driver, off the loop, one at a time: it may
     * take its time and allocate, but knows nothing beside its arguments, and
     * equal questions have equal answers. NULL: no plans. */
    enum cvg_status (*solve)(const struct cvg_box *box,
                             const struct cvg_question *question,
                             struct cvg_plan *plan, struct cvg_error *err);
};

struct cvg_at_exit { /* a request that has come to an exit before the last */
    uint32_t unit, device, variant, exit;
    uint32_t n;             /* requests that came there in one batch */
    double confidence;      /* of its answer there, 0..1; negative: unknown */
    double accuracy;        /* of that exit, validated */
    double energy_j;        /* its share, so far */
    cvg_span response_time; /* since its arrival */
};

struct cvg_exits_ops {
    const char *name;
    size_t (*state_size)(const struct cvg_box *box);
    /* The first exit of `variant` at which the request could be answered:
     * stages up to there are run at once. (Of who has conditions it is the
     * first of all, and they are asked in place of next().) */
    uint32_t (*last)(void *state, const struct cvg_view *view,
                     const struct cvg_request *request, uint32_t variant);
    /* At an exit, and when it could go on from there after it has waited: the
     * exit to go on to at once, or at->exit: it is answered. A bound may have
     * changed since it began. NULL: answered where last() said. */
    uint32_t (*next)(void *state, const struct cvg_view *view,
                     const struct cvg_request *request,
                     const struct cvg_at_exit *at);
    /* Who has come to an exit goes on only where nobody waits for a first
     * answer. False: by the order of all. */
    bool optional;
    bool needs_budget; /* of the box's policy: refused without */
    /* Told of every batch that has ended well. May be NULL. */
    void (*done)(void *state, const struct cvg_view *view,
                 const struct cvg_unit *unit, const struct cvg_held *batch,
                 cvg_span run_time);
};

struct cvg_policy { /* parts are borrowed, static const */
    const struct cvg_allocation_ops *allocation;
    const struct cvg_order_ops *order;
    const struct cvg_batching_ops *batching;
    const struct cvg_exits_ops *exits;
    /* The order part decides by its own choose(). False: the parts are
     * composed, because another was named in place of its own. */
    bool joint;
    /* What goes by this name on boxes like that one; NULL: itself. Not set
     * where a part was named. */
    const struct cvg_policy *(*on)(const struct cvg_box *box);
    /* Turns the parts into choices where the order part does not; set by
     * cvg_policy_parse(). */
    void (*compose)(const struct cvg_policy *policy, void *allocation_state,
                    void *order_state, void *batching_state, void *exits_state,
                    const struct cvg_view *view, struct cvg_choices *choices);
};

/* By name ("edf") or parts ("order=edf,batching=nexus"); a part left out is
 * the one of `base` (the box's policy; NULL: convergo). CVG_CONFIG names the
 * nearest known name. */
enum cvg_status cvg_policy_parse(const char *text,
                                 const struct cvg_policy *base,
                                 struct cvg_policy *out, struct cvg_error *err);
/* From a box file's `policy`. */
enum cvg_status cvg_policy_from_spec(const struct cvg_policy_spec *spec,
                                     struct cvg_policy *out,
                                     struct cvg_error *err);
/* `text`, or what the box's file says (NULL), as it is on that box. */
enum cvg_status cvg_policy_on_box(const struct cvg_box *box, const char *text,
                                  struct cvg_policy *out,
                                  struct cvg_error *err);
/* The k-th policy name, NULL past the last. */
const char *cvg_policy_name(size_t k);

#endif

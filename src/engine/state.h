/* The engine's inside: shared by the files of this folder, and by nobody else.
 *
 * Everything lives in arrays sized once by cvg_engine_create(); things refer
 * to each other by index. NONE is "no such thing". */
#ifndef CVG_ENGINE_STATE_H
#define CVG_ENGINE_STATE_H

#include "base/id_map.h"
#include "domain/cache.h"
#include "engine/ledger.h"
#include <convergo/engine.h>
#include <convergo/policy.h>
#include <convergo/stats.h>

#define NONE UINT32_MAX

/* Of a set of waiting requests. */
struct summary {
    uint64_t devices; /* that could run one of them now, bits */
    cvg_time due;     /* the latest instant at which one is due */
    bool homeless;    /* there is one that no device could run now */
};

/* PAUSED: it has come to an exit, and goes on later. */
enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_RUNNING, SLOT_PAUSED };

/* A live request. `request` is first: a policy's pointer is the slot's. */
struct slot {
    struct cvg_request request;
    enum slot_state state;
    bool cancelled; /* while it runs: its answer is thrown away */
    bool given_up;  /* ... and it counts as dropped */
    bool taken;     /* by a choice of this step */
    uint32_t overrides;
    struct cvg_slo bounds; /* what it asked for itself (overrides) */
    const struct cvg_conditions *conditions; /* its own; NULL: its app's */
    /* What it is held to, itself or by its app, relaxed or not: the ledger
     * judges it by these and by its deadline. */
    double asked_accuracy, asked_energy_j; /* 0; INFINITY: nothing */
    int32_t level; /* its priority: lower goes first; INT32_MAX: none given */
    int64_t key;
    uint64_t devices; /* that could run it now: see cvg_device_bit() */
    /* Place in its app's queue; prev and next also among the paused. */
    uint32_t up, left, right, prev, next;
    struct summary below; /* all that hang from it, and it */
    uint32_t heap_place;  /* in the expiry heap; NONE: not in it */
    cvg_time drop_at;     /* it is given up after this instant */
    cvg_time stranded; /* no device that is up could run it alone, since then;
                        * CVG_NEVER: one could */
    uint32_t batch;    /* index, while it runs */
    uint32_t index_in_batch;
    /* At an exit: its answer there, the batch that gave it, and the exit that
     * it goes on to. */
    bool has_answer;
    uint64_t answer_batch;
    uint32_t answer_index, until;
    bool kept;    /* its features, by the batch that it is or was in */
    uint32_t aim; /* the exit that its policy had in mind */
    double confidence, energy_j; /* energy of all its stages so far */
    double worth;                /* of going on: accuracy x weight / ns */
    cvg_time paused_at;
    /* what was decided */
    uint32_t attempts, variant, exit, unit, batch_size, waiting, binding;
    cvg_time started, predicted;
};

/* Waiting requests of an app in the order of (level, key, id). */
struct queue {
    uint32_t root, first, n;
    uint32_t n_choosy; /* see cvg_view_choosy() */
};

/* A batch from its start to its end. */
struct batch {
    uint64_t id; /* (count << BATCH_BITS) | index */
    uint32_t unit, variant, first, last;
    uint32_t n;
    uint32_t *slots; /* [max_batch] */
    uint32_t binding;
    bool only_switches; /* empty, begun for what it leaves in the cache */
    cvg_span work;      /* predicted time alone, switch and slowdown included */
    cvg_span profiled;  /* the same without slowdown */
    cvg_span switch_time;
    struct cvg_unit_cache cache_before; /* the unit's, for a start that fails */
    double done; /* ns of `work` that the model thinks is done */
    cvg_time started;
    cvg_time predicted;
    cvg_time due; /* earliest deadline of its requests */
    uint32_t next_free;
};
#define BATCH_BITS 15

/* What the engine keeps of a unit beside the policy's view of it. */
struct unit_state {
    struct cvg_unit_cache cache; /* as it will be when all it holds has begun */
    uint32_t batches[CVG_MAX_IN_FLIGHT]; /* indices, in the order of starts */
    cvg_time touched;                    /* `done` of its batches is as of */
};

/* What the engine keeps of a device. */
struct device_state {
    bool up;
    double known_slowdown;      /* told from outside, 1: none */
    double learned;             /* observed / profiled, an average */
    cvg_time quarantined_until; /* after failures; 0: not */
    cvg_span quarantine;        /* length of the last one; 0: it works */
    uint64_t memory_used;
    uint32_t n_resident;
    uint32_t n_asked; /* variants */
    bool try_loads;   /* there may be room for them when this step ends */
    uint32_t paused, n_paused; /* requests, a list of slots */
    uint32_t n_running;        /* batches on all its units */
    cvg_span busy; /* of its units that hold something, when touched */
};

/* A variant on a device. */
struct residency {
    enum cvg_residency state;
    bool asked;    /* a policy or operator wants it; load when there is room */
    bool failed;   /* to load; not tried again until an operator asks, or the
                    * device has been down */
    uint32_t runs; /* batches on it now */
    cvg_time used; /* last start */
    cvg_time asked_at; /* since when it is asked */
};

/* What could serve a request alone, all its bounds but the deadline kept. */
struct reach {
    cvg_span up;      /* fastest, on the devices that are up; CVG_NEVER: none */
    cvg_span profile; /* fastest, on all devices */
    uint64_t devices; /* that are up and hold the variant now, bits */
    uint32_t smallest; /* batch on a device that is up; UINT32_MAX: none */
};

/* Worked out before, for bounds that are not just an app's own. */
struct known_reach {
    uint64_t as_of; /* the engine's reach_changes */
    uint32_t family, variant;
    double min_accuracy, max_energy_j;
    struct reach reach;
};
#define KNOWN_REACH 64U /* a power of two */

struct choice_load {
    uint32_t device, variant;
    bool load;
};
struct choice_drop {
    uint32_t slot;
    enum cvg_reason reason;
};

#define MAX_CHOICE_LOADS 64U
#define MAX_CHOICE_DROPS 256U

struct cvg_choices {
    struct cvg_engine *engine;
    uint32_t *starts; /* batch indices, [n_batches] */
    uint32_t n_starts;
    struct choice_load loads[MAX_CHOICE_LOADS];
    uint32_t n_loads;
    struct choice_drop drops[MAX_CHOICE_DROPS];
    uint32_t n_drops;
    cvg_time wake;
};

/* Arrivals of late, by app. */
#define CVG_DEMAND_BUCKETS 101U
#define CVG_DEMAND_LATEST 256U
struct demand {
    struct cvg_pace pace;
    /* Where the pace has it so: exponential averages of the rate, and of the
     * variance over the mean of what a bucket counts; the last: all apps. */
    double average_rps[CVG_MAX_APPS + 1];
    double dispersion[CVG_MAX_APPS + 1];
    uint32_t n_buckets; /* that have gone into them */
    bool shifted;     /* an average has been put right since the last bucket */
    uint32_t guessed; /* buckets until averages tell more than a surge did */
    struct {
        cvg_time at;
        uint32_t app;
    } latest[CVG_DEMAND_LATEST]; /* arrivals, a ring */
    uint64_t n_latest;           /* ever */
    uint32_t *counts; /* [CVG_DEMAND_BUCKETS * n_apps], a ring of buckets */
    uint32_t known[CVG_MAX_APPS]; /* full buckets that tell its rate as it is */
    uint32_t current;             /* the bucket that is being filled ... */
    cvg_time bucket_from;         /* ... since then */
    cvg_time begun;               /* the first arrival; CVG_NEVER: none yet */
    cvg_time asked_at;            /* the last plan; CVG_NEVER: none yet */
    bool asked;                   /* a plan is being made */
    bool changed;                 /* something that the last one was made for */
    bool shaken;                  /* ... and it was the box itself, or an SLO */
    cvg_time arranged_at;         /* when what units keep was thought over */
    uint64_t plans;               /* so far */
};

/* Requests that wait at exits to go on, for each unit of a device: features
 * take memory. Beyond it nobody's is kept without need. */
#define CVG_MOST_PAUSED 32U

/* Of an app, for what is optional. */
struct spare {
    cvg_time from;          /* of the period at hand */
    uint32_t count, before; /* arrivals in it, and in the one before */
    /* The least that one of them would have waited in time; CVG_NEVER: none
     * has a deadline. */
    cvg_span least, least_before;
    double credit; /* requests that it may still lose */
};

struct cvg_engine {
    struct cvg_engine_options options;
    const struct cvg_box *box;
    const struct cvg_profile *profile;
    struct cvg_policy policy;
    void *order_state, *batching_state, *exits_state, *allocation_state;
    cvg_time now;
    cvg_time drops_again; /* drops were cut off: go on at this instant */
    cvg_time policy_wake;
    uint32_t drops_per_step, attempts;
    bool draining;
    /* Since the last choice nothing happened but arrivals to which the policy
     * is indifferent. */
    bool settled;

    struct cvg_app *apps; /* a copy of the box's: SLOs may change */
    struct reach *reach;  /* [app], with the app's own bounds */
    uint64_t *usable;     /* [app * n_devices + device]: cvg_view_usable() */
    struct known_reach known_reach[KNOWN_REACH];
    uint64_t reach_changes;
    bool residency_changed; /* reach is of before */
    bool *enabled;          /* [variant] */
    uint32_t max_batch;

    struct slot *slots;
    uint32_t n_slots, free_slot, n_live;
    struct cvg_id_map by_id; /* live ones: id to slot */
    struct queue *queues;    /* [app] */
    uint32_t n_waiting, n_paused;
    uint32_t *heap; /* slots by (drop_at, id) */
    uint32_t n_heap;

    struct cvg_unit *units;
    struct unit_state *unit_states;
    uint32_t n_units, n_free_units;
    uint32_t *first_unit; /* [device], of the box */
    struct batch *batches;
    uint32_t *batch_slots;
    uint32_t n_batches, free_batch, n_running;
    uint64_t batch_count;
    double energy_begun_j; /* by batches, by the profile */

    struct device_state *devices;
    struct residency *residency; /* [device * n_variants + variant] */
    uint32_t *want; /* the same: what is held at the start, 1 first, 0 not */
    cvg_time next_probe; /* of a device in quarantine */
    cvg_time watch_at;   /* look for batches that never end */

    struct spare *spare; /* [app] */
    cvg_span *alone;     /* [app * n_devices + device]: the fastest there, with
                          * the app's own bounds; CVG_NEVER: not now */
    struct demand demand;
    struct cvg_question question; /* of the plan that is being made */
    struct cvg_plan plan;         /* the last one */

    struct cvg_view view;
    struct cvg_choices choices;

    struct cvg_action *actions;
    uint32_t n_actions, max_actions;
    uint64_t *action_ids; /* of requests, lent to START actions */
    uint32_t n_action_ids;

    struct cvg_ledger *ledger;
    struct cvg_stats *stats; /* the ledger's */

    /* Ended requests, a ring. Their ids stand apart: asking for one is rare,
     * and looking through these is cheaper than an index that every request
     * pays for. */
    struct cvg_explanation *ended;
    uint64_t *ended_ids;
    uint32_t max_ended;
    uint64_t ended_count;
};

/* queue.c */
bool cvg__before(const struct slot *a, const struct slot *b);
bool cvg__is_choosy(const struct slot *s);
void cvg__queue_insert(struct cvg_engine *e, uint32_t slot);
void cvg__queue_remove(struct cvg_engine *e, uint32_t slot);
/* What could run a waiting request has changed. */
void cvg__queue_set_devices(struct cvg_engine *e, uint32_t slot,
                            uint64_t devices);
/* The first after `after` (NONE: from the front), not taken, that is due at
 * `due` or later and that one of `devices` could run; 0: that none could. */
uint32_t cvg__queue_next(const struct cvg_engine *e, uint32_t app,
                         uint32_t after, uint64_t devices, cvg_time due);

/* expiry.c: when requests are given up. */
void cvg__expiry_insert(struct cvg_engine *e, uint32_t slot);
void cvg__expiry_remove(struct cvg_engine *e, uint32_t slot);
void cvg__expiry_update(struct cvg_engine *e, uint32_t slot);
/* Gives up, or relaxes, what can no longer be met. */
void cvg__expire(struct cvg_engine *e);

/* feasible.c: bounds of a request, and what could meet them. */
void cvg__set_bounds(struct cvg_engine *e, struct slot *s);
/* The conditions alone: those of what runs change at once. */
void cvg__set_conditions(const struct cvg_engine *e, struct slot *s);
/* Valid until the next call. */
const struct reach *cvg__reach(struct cvg_engine *e,
                               const struct cvg_request *r);
/* Devices, residency or SLOs have changed: of apps; and of all that waits. */
void cvg__refresh_reach(struct cvg_engine *e);
void cvg__reconsider(struct cvg_engine *e);
cvg_time cvg__drop_at(struct cvg_engine *e, struct slot *s);
/* May it be served after its deadline? */
bool cvg__late_is_fine(const struct cvg_engine *e, const struct slot *s);
/* The next kind in the app's order gives way. False: nothing is left. */
bool cvg__relax(struct cvg_engine *e, struct slot *s);
/* Would what is up serve it if more of them gave way? */
bool cvg__relaxing_helps(struct cvg_engine *e, const struct slot *s);

/* request.c: a request's life. */
void cvg__arrive(struct cvg_engine *e, const struct cvg_arrival *a);
/* It ends without an answer: CANCELLED, its client has gone; DROPPED, its
 * driver has no more use for it. */
void cvg__cancel(struct cvg_engine *e, uint64_t id, enum cvg_outcome outcome);
void cvg__end_cancelled(struct cvg_engine *e, uint32_t slot);
void cvg__change_bounds(struct cvg_engine *e, const struct cvg_bounds *bounds);
/* Its batch is lost: it waits again, as long as it has attempts left. */
void cvg__requeue(struct cvg_engine *e, uint32_t slot);
void cvg__end_unserved(struct cvg_engine *e, uint32_t slot,
                       enum cvg_outcome outcome, enum cvg_reason reason);
/* By the answer of the exit that it has come to. */
void cvg__end_served(struct cvg_engine *e, uint32_t slot);
void cvg__rekey(struct cvg_engine *e, uint32_t slot);
/* Of one that does not wait in its queue, by its bounds as they are now. */
void cvg__set_key(struct cvg_engine *e, uint32_t slot);

/* unit.c: what units hold, and when they should be done. */
void cvg__unit_touch(struct cvg_engine *e, uint32_t unit);
cvg_span cvg__run_time(const struct cvg_engine *e, uint32_t variant,
                       uint32_t first, uint32_t last, uint32_t device,
                       uint32_t n, enum cvg_quantile quantile);
double cvg__slowdown(const struct cvg_engine *e, uint32_t device);
void cvg__unit_start(struct cvg_engine *e, uint32_t batch);
/* Its start failed: the unit switched to nothing. Before cvg__unit_end(). */
void cvg__unit_not_begun(struct cvg_engine *e, uint32_t batch);
/* Returns the time that the batch took of the device: under sharing less than
 * run_time. */
cvg_span cvg__unit_end(struct cvg_engine *e, uint32_t batch, cvg_span run_time,
                       bool learn);
void cvg__count_free(struct cvg_engine *e);

/* batch.c: batches begin and end. */
struct batch *cvg__batch_take(struct cvg_engine *e);
void cvg__batch_give(struct cvg_engine *e, struct batch *b);
void cvg__batch_start(struct cvg_engine *e, uint32_t batch);
void cvg__batch_done(struct cvg_engine *e, const struct cvg_done *done,
                     bool begun);

/* Runs on the unit from the stage they have come to. */
void cvg__batch_resume(struct cvg_engine *e, uint32_t batch);

/* stages.c: requests between two stages. */
/* May one of its requests go on from where it ends? */
bool cvg__keeps_features(const struct cvg_engine *e, const struct batch *b);
/* It does not go on from the exit that it has come to. */
void cvg__release_kept(struct cvg_engine *e, uint32_t slot);
/* Its batch has come to an exit, well: it is answered there or goes on. */
void cvg__at_exit(struct cvg_engine *e, uint32_t slot, const struct batch *b,
                  double confidence);
/* It does not go on; what comes of it is the caller's. */
void cvg__drop_paused(struct cvg_engine *e, uint32_t slot);
/* Its bounds have changed. */
void cvg__rebound_paused(struct cvg_engine *e, uint32_t slot);
/* Would its answer do, late or not? */
bool cvg__has_good_answer(const struct cvg_engine *e, const struct slot *s);
/* It is time: answered, or let go on though late, or given up. */
void cvg__expire_paused(struct cvg_engine *e, uint32_t slot);
/* The device has lost their features. */
void cvg__lose_paused(struct cvg_engine *e, uint32_t device);
/* Those that go before who waits begin on free units; then all others. */
void cvg__resume_first(struct cvg_engine *e);
void cvg__resume_rest(struct cvg_engine *e);

/* spare.c: what those who come can bear. */
void cvg__spare_init(struct cvg_engine *e);
void cvg__spare_arrived(struct cvg_engine *e, const struct slot *s);
/* The least that one of those who come may wait for the unit; CVG_NEVER: nobody
 * does. */
cvg_span cvg__slack(struct cvg_engine *e, uint32_t unit);
/* How long the unit may do what is optional; CVG_NEVER: nobody minds. */
cvg_span cvg__spare_time(struct cvg_engine *e, uint32_t unit);
/* It does, for so long. */
void cvg__spare_spend(struct cvg_engine *e, uint32_t unit, cvg_span time);

/* model.c: variants in devices. */
struct residency *cvg__residency(const struct cvg_engine *e, uint32_t device,
                                 uint32_t variant);
bool cvg__has_room(const struct cvg_engine *e, uint32_t device,
                   uint32_t variant);
void cvg__initial_residency(struct cvg_engine *e);
void cvg__load(struct cvg_engine *e, uint32_t device, uint32_t variant);
void cvg__unload(struct cvg_engine *e, uint32_t device, uint32_t variant);
/* Loads what was asked for and is still not there. */
void cvg__load_asked(struct cvg_engine *e, uint32_t device);
/* The same for devices where something has made room; the policy goes first. */
void cvg__retry_loads(struct cvg_engine *e);
/* A batch on it has ended. */
void cvg__model_ran(struct cvg_engine *e, uint32_t device, uint32_t variant);
/* The device went down, its memory is lost: what it held is asked for again. */
void cvg__forget_models(struct cvg_engine *e, uint32_t device);
void cvg__model_event(struct cvg_engine *e, const struct cvg_event *event);

/* health.c: devices that come and go, fail, and hang. */
void cvg__device_event(struct cvg_engine *e, const struct cvg_event *event);
void cvg__device_failed(struct cvg_engine *e, uint32_t device);
void cvg__device_worked(struct cvg_engine *e, uint32_t device);
cvg_time cvg__next_probe(const struct cvg_engine *e);
void cvg__probe(struct cvg_engine *e);
/* Gives up batches that are overdue beyond all reason. */
void cvg__watch(struct cvg_engine *e);
void cvg__keep_watching(struct cvg_engine *e); /* while something runs */

/* demand.c: what arrives, and the plan for it. */
void cvg__demand_init(struct cvg_engine *e);
void cvg__demand_offer(struct cvg_engine *e, uint32_t app);
void cvg__demand_advance(struct cvg_engine *e);
void cvg__demand_ask(struct cvg_engine *e);
void cvg__demand_answered(struct cvg_engine *e, const void *answer,
                          size_t size);

/* view.c */
void cvg__view_refresh(struct cvg_engine *e);

/* actions: room is never short, by construction. */
struct cvg_action *cvg__act(struct cvg_engine *e, enum cvg_action_type type);

/* explain.c */
void cvg__remember(struct cvg_engine *e, const struct slot *s,
                   enum cvg_outcome outcome, enum cvg_reason reason,
                   double energy_j);

#endif

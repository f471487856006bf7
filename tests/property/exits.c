/* Laws of requests between stages, whatever happens to the engine: any event in
 * any state, batches that fail, are refused or lost, devices that come and go,
 * bounds and conditions that change.
 *
 * Every request ends exactly once, by the answer of the exit and batch that is
 * named. A batch that goes on has its features, all from its device and the
 * stage before; features are used or released exactly once. No batch is one
 * that the profile does not know. Nobody waits for nothing. A failure prints
 * its seed; run that one alone with CONVERGO_SEED. */
#include "base/rng.h"
#include "support/random_box.h"
#include "support/world.h"
#include <convergo/condition.h>
#include <stdio.h>
#include <stdlib.h>

#define SEEDS 600U
#define REQUESTS 60U
#define MOST_STEPS 6000U
#define MOST_BATCHES 256U
#define MOST_PENDING 4096U
#define SETS 4U

struct request {
    bool live, kept; /* features, on `device`, of the stage `exit` */
    uint32_t device, exit;
    uint64_t batch; /* of its last answer */
};

struct running {
    struct cvg_start start;
    uint64_t requests[CVG_MAX_BATCH];
};

struct pending { /* that the driver answers some time */
    enum cvg_action_type type;
    uint32_t device, variant;
};

struct run {
    struct world w;
    struct cvg_engine *engine;
    struct cvg_rng rng;
    char policy[96];
    uint64_t seed;
    cvg_time now;
    uint32_t n_requests, n_batches, n_pending;
    struct request requests[REQUESTS + 1]; /* by id */
    struct running batches[MOST_BATCHES];
    struct pending pending[MOST_PENDING];
    bool down[8];
    double confidence[CVG_MAX_BATCH];
    bool refused[CVG_MAX_BATCH];
};

static struct cvg_conditions *sets[SETS];

static uint32_t below(struct run *r, uint32_t n)
{
    return (uint32_t)(cvg_rng_next(&r->rng) % n);
}

static void law(const struct run *r, bool holds, const char *what)
{
    if (!holds) {
        fail_msg("seed %llu (%s): %s", (unsigned long long)r->seed, r->policy,
                 what);
    }
}

/* --- what the engine does --------------------------------------------------- */

static void take_start(struct run *r, const struct cvg_start *s)
{
    const struct cvg_box *box = r->w.box;
    struct running *b = &r->batches[r->n_batches++];
    law(r, r->n_batches < MOST_BATCHES, "batches are bounded");
    law(r, s->first <= s->last && s->last < box->variants[s->variant].n_exits,
        "stages are the variant's");
    b->start = *s;
    uint32_t min = cvg_profile_min_batch(box->profile, s->variant, s->first,
                                         s->last, s->device);
    law(r,
        s->n_requests == 0 ||
            (min > 0 && s->n_requests >= min &&
             s->n_requests <= cvg_profile_max_batch(box->profile, s->variant,
                                                    s->first, s->last,
                                                    s->device)),
        "the profile knows the batch");
    for (uint32_t k = 0; k < s->n_requests; k++) {
        struct request *q = &r->requests[s->requests[k]];
        b->requests[k] = s->requests[k];
        law(r, q->live, "who runs lives");
        law(r, q->kept == (s->first > 0), "features are there to go on");
        law(r, !q->kept || (q->device == s->device && q->exit + 1 == s->first),
            "they are of that device and stage");
        q->kept = false;
    }
}

static void take_end(struct run *r, uint64_t id)
{
    struct request *q = &r->requests[id];
    law(r, q->live, "who ends lived");
    law(r, !q->kept, "who ends keeps nothing");
    q->live = false;
}

static void take_action(struct run *r, const struct cvg_action *a)
{
    struct request *q;
    switch (a->type) {
    case CVG_ACT_START:
        take_start(r, &a->start);
        break;
    case CVG_ACT_RELEASE:
        q = &r->requests[a->release.request];
        law(r, q->kept && q->device == a->release.device,
            "what is released is kept");
        q->kept = false;
        break;
    case CVG_ACT_REPLY:
        q = &r->requests[a->reply.request];
        law(r, q->batch == a->reply.batch && q->exit == a->reply.exit,
            "the answer is that of the exit it names");
        take_end(r, a->reply.request);
        break;
    case CVG_ACT_DROP:
        take_end(r, a->drop.request);
        break;
    case CVG_ACT_ABORT:
        for (uint32_t k = 0; k < r->n_batches; k++) {
            if (r->batches[k].start.batch == a->batch) {
                r->batches[k] = r->batches[--r->n_batches];
                break;
            }
        }
        break;
    default: /* loads and plans */
        law(r, r->n_pending < MOST_PENDING, "what is asked for is bounded");
        r->pending[r->n_pending++] =
            (struct pending){.type = a->type,
                             .device = a->model_on.device,
                             .variant = a->model_on.variant};
    }
}

/* --- what happens ----------------------------------------------------------- */

static void lose_device(struct run *r, uint32_t device)
{
    for (uint32_t k = 0; k < r->n_batches;) {
        bool there = r->batches[k].start.device == device;
        if (there) {
            r->batches[k] = r->batches[--r->n_batches];
        }
        k += !there;
    }
    for (uint32_t k = 0; k < r->n_pending;) {
        bool there = r->pending[k].type != CVG_ACT_SOLVE &&
                     r->pending[k].device == device;
        if (there) {
            r->pending[k] = r->pending[--r->n_pending];
        }
        k += !there;
    }
    for (uint32_t id = 1; id <= REQUESTS; id++) {
        struct request *q = &r->requests[id];
        q->kept = q->kept && q->device != device;
    }
}

static void end_well(struct run *r, const struct running *b,
                     struct cvg_event *event)
{
    const struct cvg_start *s = &b->start;
    bool refuses = below(r, 6) == 0;
    for (uint32_t k = 0; k < s->n_requests; k++) {
        struct request *q = &r->requests[b->requests[k]];
        r->confidence[k] = cvg_rng_uniform(&r->rng);
        r->refused[k] = refuses && below(r, 20) == 0;
        q->kept = s->keep;
        q->device = s->device;
        if (!r->refused[k]) {
            q->exit = s->last;
            q->batch = s->batch;
        }
    }
    if (s->keep) {
        event->done.confidence = r->confidence;
        event->done.n_confidence = s->n_requests;
    }
    if (refuses) {
        event->done.refused = r->refused;
        event->done.n_refused = s->n_requests;
    }
}

static void end_batch(struct run *r, bool well, struct cvg_event *event)
{
    uint32_t k = below(r, r->n_batches);
    struct running b = r->batches[k];
    r->batches[k] = r->batches[--r->n_batches];
    r->now += CVG_MS(below(r, 25));
    uint32_t fate = well ? 2 : below(r, 30);
    event->type = fate == 0 ? CVG_EV_START_FAILED : CVG_EV_DONE;
    event->done.batch = b.start.batch;
    event->done.run_time = CVG_MS(1 + below(r, 30));
    if (fate < 2) {
        event->done.status = below(r, 2) == 0 ? CVG_DEVICE : CVG_INVALID;
    } else {
        end_well(r, &b, event);
    }
}

static void end_pending(struct run *r, struct cvg_event *event)
{
    uint32_t k = below(r, r->n_pending);
    struct pending p = r->pending[k];
    r->pending[k] = r->pending[--r->n_pending];
    event->type = p.type == CVG_ACT_SOLVE    ? CVG_EV_SOLVE_FAILED
                  : p.type == CVG_ACT_UNLOAD ? CVG_EV_UNLOADED
                  : below(r, 15) == 0        ? CVG_EV_LOAD_FAILED
                                             : CVG_EV_LOADED;
    if (p.type != CVG_ACT_SOLVE) {
        event->model_on.device = p.device;
        event->model_on.variant = p.variant;
    }
}

static const struct cvg_conditions *some_set(struct run *r)
{
    uint32_t k = below(r, SETS + 1);
    return k < SETS ? sets[k] : NULL;
}

static struct cvg_slo some_bounds(struct run *r)
{
    return (struct cvg_slo){.deadline = CVG_MS(1 + below(r, 300)),
                            .accuracy = 0.1 * below(r, 10),
                            .energy_j = 0.01 * below(r, 10)};
}

static void arrive(struct run *r, struct cvg_event *event)
{
    event->type = CVG_EV_ARRIVAL;
    event->arrival = (struct cvg_arrival){
        .id = ++r->n_requests,
        .app = below(r, (uint32_t)r->w.box->n_apps),
        .variant = CVG_ANY,
        .bounds = some_bounds(r),
        .overrides = below(r, 3) == 0 ? 1U << CVG_SLO_DEADLINE : 0,
        .conditions = below(r, 3) == 0 ? some_set(r) : NULL,
        .more = below(r, 4) == 0,
    };
    r->requests[r->n_requests].live = true;
}

static void change(struct run *r, struct cvg_event *event)
{
    uint64_t id = 1 + below(r, r->n_requests > 0 ? r->n_requests : 1);
    switch (below(r, 8)) {
    case 0:
    case 1:
        event->type = CVG_EV_BOUNDS;
        event->bounds = (struct cvg_bounds){
            .request = id,
            .overrides = below(r, 16) & ~(1U << CVG_SLO_THROUGHPUT),
            .slo = some_bounds(r),
            .new_conditions = below(r, 2) == 0,
            .conditions = some_set(r)};
        break;
    case 2:
        event->type = below(r, 2) == 0 ? CVG_EV_CANCEL : CVG_EV_GIVE_UP;
        event->request = id;
        break;
    case 3:
    case 4:
        event->type = CVG_EV_APP;
        event->app.app = below(r, (uint32_t)r->w.box->n_apps);
        event->app.slo = some_bounds(r);
        event->app.slo.declared = below(r, 2) << CVG_SLO_DEADLINE;
        event->app.new_conditions = below(r, 2) == 0;
        event->app.conditions = some_set(r);
        event->app.new_objective = below(r, 2) == 0;
        event->app.objective = (enum cvg_objective)below(r, CVG_OBJECTIVES);
        break;
    case 5:
        event->type = CVG_EV_MODEL;
        event->model.variant = below(r, (uint32_t)r->w.box->n_variants);
        event->model.wanted = below(r, 3) > 0;
        break;
    case 6:
        event->type = CVG_EV_DEVICE;
        event->device.device = below(r, (uint32_t)r->w.box->n_devices);
        event->device.up = r->down[event->device.device];
        r->down[event->device.device] = !event->device.up;
        if (!event->device.up) {
            lose_device(r, event->device.device);
        }
        break;
    default:
        event->type = r->n_requests > REQUESTS / 2 && below(r, 10) == 0
                          ? CVG_EV_DRAIN
                          : CVG_EV_TIMER;
    }
}

/* Nobody else comes: all that runs ends, all that waits is woken. False: there
 * is nothing left to happen. */
static bool wind_up(struct run *r, struct cvg_event *event)
{
    if (r->n_pending > 0) {
        end_pending(r, event);
    } else if (r->n_batches > 0) {
        end_batch(r, true, event);
    } else if (cvg_engine_live(r->engine) == 0) {
        return false;
    } else if (cvg_engine_next_wake(r->engine) != CVG_NEVER) {
        r->now = cvg_engine_next_wake(r->engine);
    } else { /* for a device, then */
        uint32_t d = 0;
        while (d < r->w.box->n_devices && !r->down[d]) {
            d++;
        }
        law(r, d < r->w.box->n_devices, "nobody waits for nothing");
        r->down[d] = false;
        event->type = CVG_EV_DEVICE;
        event->device.device = d;
        event->device.up = true;
    }
    return true;
}

static bool next_event(struct run *r, struct cvg_event *event)
{
    uint32_t k = below(r, 100);
    *event = (struct cvg_event){.type = CVG_EV_TIMER};
    r->now += below(r, 3) == 0 ? CVG_MS(below(r, 8)) : 0;
    if (cvg_engine_next_wake(r->engine) <= r->now) {
        return true;
    }
    if (r->n_requests == REQUESTS) {
        return wind_up(r, event);
    }
    if (r->n_pending > 0 && k < 30) {
        end_pending(r, event);
    } else if (r->n_batches > 0 && k < 55) {
        end_batch(r, false, event);
    } else if (k < 80) {
        arrive(r, event);
    } else {
        change(r, event);
    }
    return true;
}

/* --- runs ------------------------------------------------------------------- */

static void begin(struct run *r, uint64_t seed)
{
    static const char *const orders[] = {"edf", "fifo", "least-slack",
                                         "convergo", "heft"};
    static const char *const rules[] = {
        "last",     "reactive",   "anytime", "predictive",
        "accuracy", "confidence", "alert",   "energy-budget"};
    static const char *const batchings[] = {
        "", ",batching=greedy", ",batching=deadline", ",batching=none"};
    static const struct random_box like = {.max_devices = 3,
                                           .max_variants = 3,
                                           .max_apps = 3,
                                           .max_exits = 4,
                                           .switches = true};
    struct cvg_policy policy;
    memset(r, 0, sizeof *r);
    r->seed = seed;
    cvg_rng_init(&r->rng, seed, 7, 0);
    snprintf(r->policy, sizeof r->policy, "order=%s,exits=%s%s",
             orders[seed % 5], rules[seed / 5 % 8], batchings[seed / 40 % 4]);
    world_init(&r->w);
    random_box_fill(&r->w, &r->rng, &like);
    r->w.box->policy.budget_w = 0.3;
    for (size_t a = 0; a < r->w.box->n_apps; a++) {
        r->w.box->apps[a].queue_limit = 1 + below(r, 8);
    }
    for (size_t d = 0; d < r->w.box->n_devices; d++) {
        r->w.box->devices[d].in_flight = 1 + below(r, 3);
    }
    assert_int_equal(cvg_policy_parse(r->policy, NULL, &policy, NULL), CVG_OK);
    const struct cvg_engine_options options = {
        .box = r->w.box, .policy = &policy, .seed = 1};
    assert_int_equal(cvg_engine_create(&options, &r->engine, NULL), CVG_OK);
}

/* Those that were cancelled end without a word. */
static void find_cancelled(struct run *r)
{
    for (uint32_t id = 1; id <= r->n_requests; id++) {
        if (r->requests[id].live && !cvg_engine_is_live(r->engine, id)) {
            take_end(r, id);
        }
    }
}

static void run_seed(uint64_t seed)
{
    static struct run run;
    struct run *r = &run;
    struct cvg_event event;
    struct cvg_actions actions;
    uint32_t steps = 0;
    begin(r, seed);
    while (next_event(r, &event)) {
        law(r, steps++ < MOST_STEPS, "all of it ends");
        event.at = r->now;
        cvg_engine_step(r->engine, &event, &actions);
        for (size_t i = 0; i < actions.n; i++) {
            take_action(r, &actions.items[i]);
        }
        find_cancelled(r);
    }
    for (uint32_t id = 1; id <= REQUESTS; id++) {
        law(r, !r->requests[id].live && !r->requests[id].kept,
            "all have ended, and nothing is kept");
    }
    cvg_engine_destroy(r->engine);
    world_fini(&r->w);
}

static void laws_hold(void **state)
{
    (void)state;
    static const char *const texts[SETS] = {
        "never", "always", "never; response_time > 20ms; always",
        "confidence >= 0.7 or response_time > 50ms"};
    const char *only = getenv("CONVERGO_SEED");
    for (uint32_t k = 0; k < SETS; k++) {
        assert_int_equal(cvg_conditions_parse(texts[k], &sets[k], NULL),
                         CVG_OK);
    }
    if (only != NULL) {
        run_seed(strtoull(only, NULL, 10));
    }
    for (uint64_t seed = 1; only == NULL && seed <= SEEDS; seed++) {
        run_seed(seed);
    }
    for (uint32_t k = 0; k < SETS; k++) {
        cvg_conditions_free(sets[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(laws_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Stories of devices that serve the shares a plan gives them, on the virtual
 * clock. The plans are the test's: what is made of them is looked at.
 *
 *     struct story s;
 *     devices(&s, 2, 1);        two that hold one of two variants; 1 ms each
 *     route(0, 0, 30);          d0 holds v0, and serves 30/s of a0
 *     route(1, 1, 10);
 *     begin(&s);                until 650 ms; the plan is in force
 *     arrivals(&s, CVG_MS(700), CVG_MS(10), 400);
 *     world_run_until(&s.w, CVG_S(6));
 *     assert_int_equal(s.begun[0], 300);
 *     finish(&s);
 */
#ifndef CVG_TESTS_POLICY_ROUTED_H
#define CVG_TESTS_POLICY_ROUTED_H

#include "support/world.h"

#define DEVICES 3U

/* What the solver has ready, and whether it finds it. */
static struct cvg_plan ready;
static bool can_solve;
/* What it was told cannot be loaded, the last. */
static struct {
    uint32_t n, device, variant;
} cannot;

static inline enum cvg_status solve(const struct cvg_box *box,
                                    const struct cvg_question *question,
                                    struct cvg_plan *plan,
                                    struct cvg_error *err)
{
    (void)box;
    cannot.n = question->n_failed;
    if (cannot.n > 0) {
        cannot.device = question->failed[cannot.n - 1].device;
        cannot.variant = question->failed[cannot.n - 1].variant;
    }
    *plan = ready;
    return can_solve ? CVG_OK : cvg_fail(err, CVG_LIMIT, "no");
}

struct story {
    struct world w;
    struct cvg_allocation_ops allocation; /* the policy's, by our solver */
    uint32_t plans, failures;
    uint32_t loading[DEVICES];
    uint64_t batch[DEVICES]; /* the last */
    /* Since begin(): */
    uint32_t loads;
    uint32_t begun[DEVICES]; /* requests */
    double share[DEVICES];   /* that it should have; not looked at, if 0 */
    uint32_t all;
    double furthest;    /* that one was ever from its share, in requests */
    uint32_t last, row; /* the device of the last start, how many there */
    uint32_t longest_row[DEVICES];
    cvg_span longest_wait;
};

/* --- what is looked at ---------------------------------------------------- */

static inline void see_shares(struct story *s, const struct cvg_start *start)
{
    s->begun[start->device] += start->n_requests;
    s->all += start->n_requests;
    for (uint32_t d = 0; d < DEVICES; d++) {
        double off = s->begun[d] - s->share[d] * s->all;
        off = off < 0 ? -off : off;
        if (s->share[d] > 0 && off > s->furthest) {
            s->furthest = off;
        }
    }
}

/* Nothing is ever begun on a device that is loading. */
static inline void see_start(struct story *s, const struct cvg_start *start)
{
    assert_int_equal(s->loading[start->device], 0);
    s->batch[start->device] = start->batch;
    see_shares(s, start);
    s->row = start->device == s->last ? s->row + 1 : 1;
    s->last = start->device;
    if (s->row > s->longest_row[s->last]) {
        s->longest_row[s->last] = s->row;
    }
}

static inline void see_event(struct story *s, const struct cvg_event *event)
{
    s->plans += event->type == CVG_EV_SOLVED;
    s->failures += event->type == CVG_EV_SOLVE_FAILED;
    if (event->type == CVG_EV_LOADED) {
        s->loading[event->model_on.device]--;
    } else if (event->type == CVG_EV_DEVICE && !event->device.up) {
        s->loading[event->device.device] = 0;
    }
}

static inline void see(struct world *w, const struct cvg_event *event,
                       const struct cvg_actions *actions)
{
    struct story *s = w->context;
    see_event(s, event);
    for (size_t i = 0; i < actions->n; i++) {
        const struct cvg_action *a = &actions->items[i];
        if (a->type == CVG_ACT_START) {
            see_start(s, &a->start);
        } else if (a->type == CVG_ACT_LOAD) {
            s->loading[a->model_on.device]++;
            s->loads++;
        } else if (a->type == CVG_ACT_REPLY &&
                   a->reply.queued > s->longest_wait) {
            s->longest_wait = a->reply.queued;
        }
    }
}

/* --- boxes, plans --------------------------------------------------------- */

static inline void nothing(struct story *s)
{
    memset(s, 0, sizeof *s);
    memset(&ready, 0, sizeof ready);
    can_solve = true;
    world_init(&s->w);
}

/* Devices that hold one of two variants at a time; each takes `ms` for one. */
static inline void devices(struct story *s, uint32_t n, double ms)
{
    static const char *const names[DEVICES] = {"d0", "d1", "d2"};
    nothing(s);
    for (uint32_t d = 0; d < n; d++) {
        world_device(&s->w, names[d], CVG_FCFS, 1, 1)->resident = 1;
    }
    world_variant(&s->w, "v0", 0.8);
    world_variant(&s->w, "v1", 0.9);
    for (uint32_t d = 0; d < n; d++) {
        world_profile(&s->w, "v0", names[d], 1, ms, 0);
        world_profile(&s->w, "v1", names[d], 1, ms, 0);
    }
    world_app(&s->w, "a0");
    s->w.box->policy.period = CVG_MS(500);
}

static inline void loads_take(struct story *s, cvg_span time)
{
    for (uint32_t d = 0; d < s->w.box->n_devices; d++) {
        for (uint32_t v = 0; v < s->w.box->n_variants; v++) {
            cvg_profile_set_load(s->w.box->profile, v, d, time);
        }
    }
}

/* Of app 0, device by device: it holds that, and serves so many. */
static inline void route(uint32_t device, uint32_t variant, double rate_rps)
{
    ready.flows[ready.n_flows++] = (struct cvg_flow){
        .device = device, .variant = variant, .batch = 1, .rate_rps = rate_rps};
}

static inline void look_from_now(struct story *s)
{
    s->loads = s->all = s->row = 0;
    s->furthest = 0;
    s->longest_wait = 0;
    memset(s->begun, 0, sizeof s->begun);
    memset(s->longest_row, 0, sizeof s->longest_row);
    s->w.used = 0;
    s->w.trace[0] = '\0';
}

/* That policy, with our solver. */
static inline void follow(struct story *s, const char *policy)
{
    s->w.watch = see;
    s->w.context = s;
    world_start(&s->w, policy);
    s->allocation = *s->w.policy.allocation;
    assert_true(s->allocation.routed);
    s->allocation.solve = solve;
    s->w.policy.allocation = &s->allocation;
}

/* A plan is asked for 200 ms after the first arrival, and is there at 221 ms;
 * the third is there when it takes effect. The next is asked for by the first
 * that comes at 701 ms or later, and is there 20 ms later. */
static inline void begin_by(struct story *s, const char *policy)
{
    follow(s, policy);
    world_arrive(&s->w, 0, "a0", 0);
    world_arrive(&s->w, CVG_MS(201), "a0", 0);
    world_arrive(&s->w, CVG_MS(300), "a0", 0);
    world_run_until(&s->w, CVG_MS(650));
    assert_int_equal(s->plans, 1);
    assert_int_equal(cvg_engine_live(world_engine(&s->w)), 0);
    look_from_now(s);
}

static inline void begin(struct story *s)
{
    begin_by(s, "allocation=static,order=edf,batching=greedy");
}

static inline void arrivals(struct story *s, cvg_time from, cvg_span gap, int n)
{
    for (int i = 0; i < n; i++) {
        world_arrive(&s->w, from + i * gap, "a0", 0);
    }
}

static inline void finish(struct story *s)
{
    assert_int_equal(cvg_engine_live(world_engine(&s->w)), 0);
    world_fini(&s->w);
}

#endif

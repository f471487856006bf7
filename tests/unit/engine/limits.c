/* What is bounded, and what an engine answers when a bound is reached. */
#include "unit/engine/rig.h"
#include <math.h>

/* One device that takes 10 ms for one, one app. */
static void plain(struct rig *r)
{
    rig_init(r);
    world_device(&r->w, "d0", CVG_FCFS, 1, 1);
    world_variant(&r->w, "v0", 0.9);
    world_profile(&r->w, "v0", "d0", 1, 10, 5);
    world_app(&r->w, "a0");
}

/* --- drops per step ------------------------------------------------------- */

static void drops_are_cut_off(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    r.options.drops_per_step = 4;
    rig_start(&r, "edf");
    rig_arrive(&r, 0, 1, NULL); /* takes the device */
    for (uint64_t id = 2; id <= 11; id++) {
        rig_due(&r, 0, id, CVG_MS(40));
    }
    rig_tell(&r, CVG_MS(100), CVG_EV_TIMER);
    assert_int_equal(rig_count(&r, CVG_ACT_DROP), 4);
    assert_int_equal(cvg_engine_next_wake(r.e), CVG_MS(100)); /* go on now */
    rig_tell(&r, CVG_MS(100), CVG_EV_TIMER);
    assert_int_equal(rig_count(&r, CVG_ACT_DROP), 4);
    assert_int_equal(cvg_engine_next_wake(r.e), CVG_MS(100));
    rig_tell(&r, CVG_MS(100), CVG_EV_TIMER);
    assert_int_equal(rig_count(&r, CVG_ACT_DROP), 2);
    assert_true(cvg_engine_next_wake(r.e) > CVG_MS(100));
    assert_int_equal(cvg_engine_live(r.e), 1);
    rig_fini(&r);
}

static void drops_per_step_by_default(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    rig_start(&r, "edf");
    rig_arrive(&r, 0, 1, NULL);
    for (uint64_t id = 2; id <= 301; id++) {
        rig_due(&r, 0, id, CVG_MS(40));
    }
    rig_tell(&r, CVG_MS(100), CVG_EV_TIMER);
    assert_int_equal(rig_count(&r, CVG_ACT_DROP), 256);
    assert_int_equal(cvg_engine_next_wake(r.e), CVG_MS(100));
    rig_tell(&r, CVG_MS(100), CVG_EV_TIMER);
    assert_int_equal(rig_count(&r, CVG_ACT_DROP), 44);
    assert_true(cvg_engine_next_wake(r.e) > CVG_MS(100));
    rig_fini(&r);
}

/* A step that was cut off starts nothing that should have been dropped. */
static void nothing_hopeless_is_started(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    r.options.drops_per_step = 2;
    rig_start(&r, "edf");
    rig_arrive(&r, 0, 1, NULL);
    for (uint64_t id = 2; id <= 9; id++) {
        rig_due(&r, 0, id, CVG_MS(15 + (cvg_span)id));
    }
    rig_due(&r, 0, 10, CVG_MS(500));
    cvg_time now = CVG_MS(100);
    rig_done(&r, now, r.batch, CVG_OK);
    for (int i = 0; i < 10; i++) {
        for (size_t k = 0; k < rig_count(&r, CVG_ACT_START); k++) {
            const struct cvg_action *a = rig_action(&r, CVG_ACT_START, k);
            assert_int_equal(a->start.n_requests, 1);
            assert_int_equal(a->start.requests[0], 10);
        }
        if (cvg_engine_next_wake(r.e) > now) {
            break;
        }
        rig_tell(&r, now, CVG_EV_TIMER);
    }
    assert_int_equal(cvg_engine_live(r.e), 1);
    assert_int_equal(cvg_engine_running(r.e), 1);
    rig_fini(&r);
}

static void wakes_when_a_request_becomes_hopeless(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    rig_start(&r, "edf");
    assert_int_equal(cvg_engine_next_wake(r.e), CVG_NEVER);
    rig_arrive(&r, 0, 1, NULL);
    rig_due(&r, 0, 2, CVG_MS(60));
    /* at 50 it could still be met; a ns later not */
    cvg_time wake = cvg_engine_next_wake(r.e);
    assert_in_range(wake, CVG_MS(50), CVG_MS(50) + 1);
    rig_tell(&r, CVG_MS(50), CVG_EV_TIMER);
    assert_int_equal(rig_count(&r, CVG_ACT_DROP), 0);
    rig_tell(&r, CVG_MS(50) + 1, CVG_EV_TIMER);
    assert_int_equal(rig_count(&r, CVG_ACT_DROP), 1);
    assert_int_equal(rig_action(&r, CVG_ACT_DROP, 0)->drop.outcome,
                     CVG_OUTCOME_DROPPED);
    assert_int_equal(rig_action(&r, CVG_ACT_DROP, 0)->drop.reason,
                     CVG_REASON_DEADLINE);
    rig_fini(&r);
}

/* --- the ring of ended requests ------------------------------------------- */

/* Ten requests end, five are remembered: the newest, whatever their ids. */
static void check_ring(uint64_t spacing)
{
    struct rig r;
    plain(&r);
    r.options.ended_kept = 5;
    rig_start(&r, "fifo");
    for (uint64_t k = 1; k <= 10; k++) {
        rig_arrive(&r, CVG_MS(20 * (cvg_time)k), k * spacing, NULL);
        rig_done(&r, CVG_MS(20 * (cvg_time)k + 10), r.batch, CVG_OK);
    }
    struct cvg_explanation why;
    for (uint64_t k = 1; k <= 10; k++) {
        enum cvg_status status = cvg_engine_explain(r.e, k * spacing, &why);
        if (k >= 6 && status != CVG_OK) {
            fail_msg("request %llu x %llu is forgotten", (unsigned long long)k,
                     (unsigned long long)spacing);
        }
        if (status == CVG_OK) {
            assert_int_equal(why.request.id, k * spacing);
            assert_int_equal(why.finished, CVG_MS(20 * (cvg_time)k + 10));
        }
    }
    assert_int_equal(cvg_engine_explain(r.e, spacing, &why), CVG_NOTFOUND);
    rig_fini(&r);
}

static void ended_ring(void **state)
{
    (void)state;
    check_ring(1);
    check_ring(5);
    check_ring(3);
}

static void ended_ring_of_any_ids(void **state)
{
    (void)state;
    for (uint64_t bit = 1; bit < 60; bit++) {
        check_ring((uint64_t)1 << bit);
    }
}

/* --- queues --------------------------------------------------------------- */

static void queue_limits_are_per_app(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    world_app(&r.w, "a1")->queue_limit = 1;
    r.w.box->apps[0].queue_limit = 2;
    rig_start(&r, "fifo");
    struct cvg_arrival other = {.app = 1, .variant = CVG_ANY};
    rig_arrive(&r, 0, 1, NULL); /* it runs: does not count */
    rig_arrive(&r, 0, 2, NULL);
    rig_arrive(&r, 0, 3, NULL);
    rig_arrive(&r, 0, 4, &other);
    assert_int_equal(r.acts.n, 0);
    rig_arrive(&r, 0, 5, NULL);
    assert_int_equal(rig_count(&r, CVG_ACT_DROP), 1);
    const struct cvg_drop *drop = &rig_action(&r, CVG_ACT_DROP, 0)->drop;
    assert_int_equal(drop->request, 5);
    assert_int_equal(drop->outcome, CVG_OUTCOME_REJECTED);
    assert_int_equal(drop->reason, CVG_REASON_QUEUE_FULL);
    rig_arrive(&r, 0, 6, &other);
    assert_int_equal(rig_action(&r, CVG_ACT_DROP, 0)->drop.reason,
                     CVG_REASON_QUEUE_FULL);
    assert_int_equal(cvg_engine_waiting(r.e, 0), 2);
    assert_int_equal(cvg_engine_waiting(r.e, 1), 1);
    assert_int_equal(cvg_engine_live(r.e), 4);
    rig_done(&r, CVG_MS(10), r.batch, CVG_OK); /* one goes on: room again */
    rig_arrive(&r, CVG_MS(10), 7, NULL);
    assert_int_equal(rig_count(&r, CVG_ACT_DROP), 0);
    rig_fini(&r);
}

/* A client told to come back is told when: longer behind a longer queue. */
static void retry_after_follows_the_backlog(void **state)
{
    (void)state;
    cvg_span told[2];
    static const uint32_t limits[2] = {5, 100};
    for (int i = 0; i < 2; i++) {
        struct rig r;
        plain(&r);
        r.w.box->apps[0].queue_limit = limits[i];
        rig_start(&r, "fifo");
        uint64_t id = 1;
        do {
            rig_arrive(&r, 0, id++, NULL);
        } while (rig_count(&r, CVG_ACT_DROP) == 0);
        told[i] = rig_action(&r, CVG_ACT_DROP, 0)->drop.retry_after;
        rig_fini(&r);
    }
    /* 10 ms each: 0.06 s and 1 s of work, within a factor of a few */
    assert_true(told[0] > 0);
    assert_true(told[1] > told[0]);
    assert_in_range(told[0], CVG_MS(1), CVG_S(1));
    assert_in_range(told[1], CVG_MS(100), CVG_S(5));
}

/* Even where it is longer than any clock runs. */
static void retry_after_ages(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    world_device(&r.w, "d0", CVG_FCFS, 1, 1);
    world_variant(&r.w, "v0", 0.9);
    world_profile(&r.w, "v0", "d0", 1, 1e9, 0);
    world_app(&r.w, "a0")->queue_limit = 10000;
    rig_start(&r, "edf");
    for (uint64_t i = 1; i <= 10002; i++) {
        rig_arrive(&r, 0, i, NULL);
    }
    assert_true(rig_action(&r, CVG_ACT_DROP, 0)->drop.retry_after > CVG_S(1));
    rig_fini(&r);
}

/* Who names a slow variant waits for the others that did, on its device. */
static void retry_after_knows_the_variant_that_is_named(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    world_device(&r.w, "fast", CVG_FCFS, 4, 1);
    world_device(&r.w, "slow", CVG_FCFS, 1, 1);
    world_variant(&r.w, "v0", 0.8);
    world_variant(&r.w, "v1", 0.9);
    world_profile(&r.w, "v0", "fast", 1, 1, 5);
    world_profile(&r.w, "v1", "slow", 1, 1000, 5);
    world_app(&r.w, "a0")->queue_limit = 10;
    rig_start(&r, "fifo");
    struct cvg_arrival named = {.variant = 1};
    uint64_t id = 1;
    do {
        rig_arrive(&r, 0, id++, &named);
    } while (rig_count(&r, CVG_ACT_DROP) == 0);
    /* Ten wait, a second each, for one unit. */
    cvg_span told = rig_action(&r, CVG_ACT_DROP, 0)->drop.retry_after;
    assert_in_range(told, CVG_S(9), CVG_S(12));
    rig_fini(&r);
}

static void no_use_to_retry_the_impossible(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    rig_start(&r, "edf");
    rig_due(&r, 0, 1, CVG_MS(5));
    const struct cvg_drop *drop = &rig_action(&r, CVG_ACT_DROP, 0)->drop;
    assert_int_equal(drop->reason, CVG_REASON_INFEASIBLE_DEADLINE);
    assert_int_equal(drop->retry_after, 0);
    rig_fini(&r);
}

/* --- attempts ------------------------------------------------------------- */

static void attempts_are_limited(void **state)
{
    (void)state;
    for (uint32_t attempts = 1; attempts <= 4; attempts++) {
        struct rig r;
        rig_init(&r);
        world_device(&r.w, "d0", CVG_FCFS, 1, 1);
        world_device(&r.w, "d1", CVG_FCFS, 1, 1);
        world_variant(&r.w, "v0", 0.9);
        world_app(&r.w, "a0");
        world_profile(&r.w, "v0", "d0", 1, 10, 5);
        world_profile(&r.w, "v0", "d1", 1, 10, 5);
        r.options.attempts = attempts;
        rig_start(&r, "fifo");
        rig_arrive(&r, 0, 1, NULL);
        cvg_time now = 0;
        for (uint32_t i = 1; i <= attempts; i++) {
            while (rig_count(&r, CVG_ACT_START) == 0) {
                /* Both are left alone for a while after their failures. */
                now = cvg_engine_next_wake(r.e);
                assert_true(now < CVG_S(1));
                rig_tell(&r, now, CVG_EV_TIMER);
            }
            assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
            assert_int_equal(rig_count(&r, CVG_ACT_DROP), 0);
            now += CVG_MS(1);
            rig_done(&r, now, r.batch, CVG_DEVICE);
        }
        assert_int_equal(rig_count(&r, CVG_ACT_START), 0);
        const struct cvg_drop *drop = &rig_action(&r, CVG_ACT_DROP, 0)->drop;
        assert_int_equal(drop->outcome, CVG_OUTCOME_FAILED);
        assert_int_equal(drop->reason, CVG_REASON_DEVICE_FAILED);
        struct cvg_explanation why;
        assert_int_equal(cvg_engine_explain(r.e, 1, &why), CVG_OK);
        assert_int_equal(why.attempts, attempts);
        assert_int_equal(why.outcome, CVG_OUTCOME_FAILED);
        assert_int_equal(cvg_engine_live(r.e), 0);
        rig_fini(&r);
    }
}

/* Lost batches go back to queues that are full, one app after the other. */
static void lost_batches_of_all_apps_fit(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    world_device(&r.w, "d0", CVG_FCFS, 1, 1);
    world_variant(&r.w, "v0", 0.9);
    world_profile(&r.w, "v0", "d0", 1, 10, 0);
    world_app(&r.w, "a0")->queue_limit = 1;
    world_app(&r.w, "a1")->queue_limit = 1;
    rig_start(&r, "edf");
    struct cvg_arrival a = {.variant = CVG_ANY,
                            .overrides = 1U << CVG_SLO_DEADLINE,
                            .bounds = {.deadline = CVG_S(50)}};
    rig_arrive(&r, 0, 1, &a);
    rig_arrive(&r, 1, 2, &a);
    rig_done(&r, CVG_MS(5), r.batch, CVG_DEVICE); /* 1 waits beside 2 */
    assert_int_equal(cvg_engine_waiting(r.e, 0), 2);
    a.app = 1;
    a.bounds.deadline = CVG_S(9);
    rig_arrive(&r, CVG_MS(6), 3, &a);
    rig_tell(&r, CVG_MS(16), CVG_EV_TIMER); /* 3 begins: due first */
    assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
    rig_arrive(&r, CVG_MS(17), 4, &a);
    rig_done(&r, CVG_MS(18), r.batch, CVG_DEVICE);
    assert_int_equal(cvg_engine_waiting(r.e, 1), 2);
    rig_arrive(&r, CVG_MS(19), 5, &a);
    assert_int_equal(rig_action(&r, CVG_ACT_DROP, 0)->drop.reason,
                     CVG_REASON_QUEUE_FULL);
    assert_int_equal(cvg_engine_live(r.e), 4);
    rig_fini(&r);
}

/* One of three has inputs that its model cannot run: it fails, the others are
 * served, and the device is not blamed. */
static void bad_inputs_harm_nobody_else(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    world_profile(&r.w, "v0", "d0", 4, 20, 5);
    rig_start(&r, "edf");
    for (uint64_t id = 1; id <= 4; id++) {
        rig_arrive(&r, 0, id, NULL);
    }
    rig_done(&r, CVG_MS(10), r.batch, CVG_OK); /* 1; then 2, 3, 4 */
    const bool refused[] = {false, true, false};
    rig_step(&r, &(struct cvg_event){.type = CVG_EV_DONE,
                                     .at = CVG_MS(30),
                                     .done = {.batch = r.batch,
                                              .run_time = CVG_MS(20),
                                              .refused = refused,
                                              .n_refused = 3}});
    assert_int_equal(rig_count(&r, CVG_ACT_REPLY), 2);
    const struct cvg_drop *drop = &rig_action(&r, CVG_ACT_DROP, 0)->drop;
    assert_int_equal(drop->request, 3);
    assert_int_equal(drop->outcome, CVG_OUTCOME_FAILED);
    assert_int_equal(drop->reason, CVG_REASON_INPUTS);
    assert_int_equal(cvg_engine_live(r.e), 0);
    assert_true(cvg_engine_stats(r.e)->devices[0].up);
    rig_fini(&r);
}

/* Lost by no fault of the device: it goes on at once. */
static void nobody_is_blamed(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    rig_start(&r, "edf");
    rig_arrive(&r, 0, 1, NULL);
    rig_done(&r, CVG_MS(10), r.batch, CVG_INVALID);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
    assert_true(cvg_engine_stats(r.e)->devices[0].up);
    rig_fini(&r);
}

/* A batch that was never begun is a start, too: no endless loop. */
static void start_failed_is_an_attempt(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    r.options.attempts = 2;
    rig_start(&r, "fifo");
    rig_arrive(&r, 0, 1, NULL);
    int starts = 0;
    for (cvg_time at = 1; at <= CVG_S(100) && cvg_engine_live(r.e) > 0;) {
        if (rig_count(&r, CVG_ACT_START) > 0) {
            starts++;
            struct cvg_event event = {.type = CVG_EV_START_FAILED, .at = at};
            event.done.batch = r.batch;
            event.done.status = CVG_DEVICE;
            rig_step(&r, &event);
        } else {
            at = cvg_engine_next_wake(r.e);
            assert_true(at != CVG_NEVER);
            rig_tell(&r, at, CVG_EV_TIMER);
        }
    }
    assert_int_equal(starts, 2);
    assert_int_equal(cvg_engine_live(r.e), 0);
    rig_fini(&r);
}

/* --- drain ---------------------------------------------------------------- */

static void draining_takes_no_more(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    rig_start(&r, "fifo");
    rig_arrive(&r, 0, 1, NULL);
    rig_arrive(&r, 0, 2, NULL);
    rig_tell(&r, CVG_MS(1), CVG_EV_DRAIN);
    assert_int_equal(rig_count(&r, CVG_ACT_DROP), 0);
    rig_arrive(&r, CVG_MS(2), 3, NULL);
    const struct cvg_drop *drop = &rig_action(&r, CVG_ACT_DROP, 0)->drop;
    assert_int_equal(drop->outcome, CVG_OUTCOME_REJECTED);
    assert_int_equal(drop->reason, CVG_REASON_DRAINING);
    /* what was taken before is served */
    rig_done(&r, CVG_MS(10), r.batch, CVG_OK);
    assert_int_equal(rig_count(&r, CVG_ACT_REPLY), 1);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
    rig_done(&r, CVG_MS(20), r.batch, CVG_OK);
    assert_int_equal(rig_count(&r, CVG_ACT_REPLY), 1);
    assert_int_equal(cvg_engine_live(r.e), 0);
    rig_fini(&r);
}

/* --- infeasible ----------------------------------------------------------- */

/* good: 0.95, 20 ms, 10 mJ; quick: 0.8, 5 ms, 4 mJ; frugal: 0.85, 50 ms,
 * 8 mJ for one, 12 mJ for four. */
static void three_ways(struct rig *r)
{
    rig_init(r);
    world_device(&r->w, "d0", CVG_FCFS, 1, 1);
    world_variant(&r->w, "good", 0.95);
    world_variant(&r->w, "quick", 0.80);
    world_variant(&r->w, "frugal", 0.85);
    world_profile(&r->w, "good", "d0", 1, 20, 10);
    world_profile(&r->w, "quick", "d0", 1, 5, 4);
    world_profile(&r->w, "frugal", "d0", 1, 50, 8);
    world_profile(&r->w, "frugal", "d0", 4, 80, 12);
    world_app(&r->w, "a0");
}

/* Bounds of a request; 0: none. */
static struct cvg_arrival ask(double deadline_ms, double accuracy,
                              double energy_mj)
{
    struct cvg_arrival a = {.variant = CVG_ANY};
    if (deadline_ms > 0) {
        a.overrides |= 1U << CVG_SLO_DEADLINE;
        a.bounds.deadline = (cvg_span)(deadline_ms * 1e6);
    }
    if (accuracy > 0) {
        a.overrides |= 1U << CVG_SLO_ACCURACY;
        a.bounds.accuracy = accuracy;
    }
    if (energy_mj > 0) {
        a.overrides |= 1U << CVG_SLO_ENERGY;
        a.bounds.energy_j = energy_mj / 1e3;
    }
    return a;
}

static void check_feasible(struct rig *r, struct cvg_arrival a)
{
    struct cvg_nearest nearest;
    assert_false(cvg_engine_infeasible(r->e, &a, &nearest));
}

static struct cvg_nearest check_infeasible(struct rig *r, struct cvg_arrival a,
                                           enum cvg_reason reason)
{
    struct cvg_nearest nearest;
    assert_true(cvg_engine_infeasible(r->e, &a, &nearest));
    assert_int_equal(nearest.reason, reason);
    return nearest;
}

static void one_kind_is_infeasible(void **state)
{
    (void)state;
    struct rig r;
    three_ways(&r);
    rig_start(&r, "edf");
    check_feasible(&r, ask(0, 0, 0));
    check_feasible(&r, ask(5, 0, 0)); /* exactly */
    check_feasible(&r, ask(0, 0.95, 0));
    check_feasible(&r, ask(0, 0, 4));
    struct cvg_nearest n;
    n = check_infeasible(&r, ask(4.9, 0, 0), CVG_REASON_INFEASIBLE_DEADLINE);
    assert_int_equal(n.deadline, CVG_MS(5));
    n = check_infeasible(&r, ask(0, 0.96, 0), CVG_REASON_INFEASIBLE_ACCURACY);
    assert_true(n.accuracy == 0.95);
    n = check_infeasible(&r, ask(0, 0, 2.9), CVG_REASON_INFEASIBLE_ENERGY);
    /* four frugal ones share 12 mJ */
    assert_true(fabs(n.energy_j - 0.003) < 1e-12);
    rig_fini(&r);
}

/* Feasible kinds are named as they were asked. */
static void other_kinds_stay_as_asked(void **state)
{
    (void)state;
    struct rig r;
    three_ways(&r);
    rig_start(&r, "edf");
    struct cvg_nearest n =
        check_infeasible(&r, ask(30, 0.99, 20), CVG_REASON_INFEASIBLE_ACCURACY);
    assert_true(n.accuracy == 0.95);
    assert_int_equal(n.deadline, CVG_MS(30));
    assert_true(n.energy_j == 0.02);
    rig_fini(&r);
}

/* Each alone could be met, not together. */
static void combinations_are_infeasible(void **state)
{
    (void)state;
    struct rig r;
    three_ways(&r);
    rig_start(&r, "edf");
    check_feasible(&r, ask(20, 0.95, 10));
    check_feasible(&r, ask(5, 0.8, 4));
    check_feasible(&r, ask(50, 0.85, 8));
    check_feasible(&r, ask(80, 0.85, 3));
    check_infeasible(&r, ask(19, 0.9, 0), CVG_REASON_INFEASIBLE);
    check_infeasible(&r, ask(0, 0.9, 9), CVG_REASON_INFEASIBLE);
    check_infeasible(&r, ask(40, 0, 3.5), CVG_REASON_INFEASIBLE);
    check_infeasible(&r, ask(25, 0.85, 9), CVG_REASON_INFEASIBLE);
    rig_fini(&r);
}

static struct cvg_slo with_nearest(struct cvg_slo bounds,
                                   const struct cvg_nearest *n)
{
    if (n->reason == CVG_REASON_INFEASIBLE_DEADLINE) {
        bounds.deadline = n->deadline;
    } else if (n->reason == CVG_REASON_INFEASIBLE_ACCURACY) {
        bounds.accuracy = n->accuracy;
    } else if (n->reason == CVG_REASON_INFEASIBLE_ENERGY) {
        bounds.energy_j = n->energy_j;
    }
    return bounds;
}

/* What a 504 names can be had: where one kind is out of reach, asking again
 * with its nearest value, the others as before, is feasible. */
static void nearest_bounds_are_feasible(void **state)
{
    (void)state;
    struct rig r;
    three_ways(&r);
    rig_start(&r, "edf");
    static const double deadlines[] = {0, 10, 30, 60};
    static const double accuracies[] = {0, 0.5, 0.82, 0.9};
    static const double energies[] = {0, 3.5, 9, 20};
    for (size_t i = 0; i < 3 * 4 * 4; i++) {
        double ms = deadlines[i / 4 % 4];
        double accuracy = accuracies[i % 4];
        double mj = energies[i / 4 % 4];
        struct cvg_arrival a = i < 16   ? ask(3, accuracy, mj)
                               : i < 32 ? ask(ms, 0.99, energies[i % 4])
                                        : ask(ms, accuracy, 1);
        struct cvg_nearest n;
        assert_true(cvg_engine_infeasible(r.e, &a, &n));
        a.bounds = with_nearest(a.bounds, &n);
        if (cvg_engine_infeasible(r.e, &a, &n)) {
            if (n.reason == CVG_REASON_INFEASIBLE) {
                continue; /* the others exclude each other */
            }
            fail_msg("%g ms, %g, %g mJ is infeasible, too",
                     (double)a.bounds.deadline / 1e6, a.bounds.accuracy,
                     a.bounds.energy_j * 1e3);
        }
    }
    rig_fini(&r);
}

/* Two kinds are out of reach: the one that is named has a value. */
static void two_kinds_are_infeasible(void **state)
{
    (void)state;
    struct rig r;
    three_ways(&r);
    rig_start(&r, "edf");
    struct cvg_nearest n =
        check_infeasible(&r, ask(3, 0.99, 0), CVG_REASON_INFEASIBLE_ACCURACY);
    assert_true(n.accuracy >= 0.8 && n.accuracy <= 0.95);
    assert_true(n.deadline >= CVG_MS(5) && n.deadline <= CVG_MS(20));
    rig_fini(&r);
}

static void named_variants_are_judged_alone(void **state)
{
    (void)state;
    struct rig r;
    three_ways(&r);
    rig_start(&r, "edf");
    struct cvg_arrival a = ask(0, 0.9, 0);
    a.variant = 1; /* quick */
    struct cvg_nearest n =
        check_infeasible(&r, a, CVG_REASON_INFEASIBLE_ACCURACY);
    assert_true(n.accuracy == 0.80);
    a = ask(10, 0, 0);
    a.variant = 0; /* good */
    n = check_infeasible(&r, a, CVG_REASON_INFEASIBLE_DEADLINE);
    assert_int_equal(n.deadline, CVG_MS(20));
    rig_fini(&r);
}

/* The app's bounds count where the request brings none of its own. */
static void overrides_replace_the_apps_bounds(void **state)
{
    (void)state;
    struct rig r;
    three_ways(&r);
    world_slo_accuracy(&r.w.box->apps[0], 0.9);
    world_slo_deadline(&r.w.box->apps[0], CVG_MS(30));
    rig_start(&r, "edf");
    check_feasible(&r, ask(0, 0, 0));
    check_infeasible(&r, ask(10, 0, 0), CVG_REASON_INFEASIBLE);
    check_feasible(&r, ask(10, 0.5, 0));
    check_infeasible(&r, ask(0, 0.96, 0), CVG_REASON_INFEASIBLE_ACCURACY);
    rig_fini(&r);
}

/* A mean over a window binds no single answer. */
static void window_accuracy_does_not_bind_a_request(void **state)
{
    (void)state;
    struct rig r;
    three_ways(&r);
    world_slo_accuracy(&r.w.box->apps[0], 0.9);
    r.w.box->apps[0].accuracy_over = CVG_ACCURACY_PER_WINDOW;
    rig_start(&r, "edf");
    check_feasible(&r, ask(10, 0, 0));
    rig_arrive(&r, 0, 1, &(struct cvg_arrival){.variant = CVG_ANY});
    assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
    rig_fini(&r);
}

/* It is said of an empty box: what runs, waits or is down does not matter. */
static void feasible_on_an_empty_box(void **state)
{
    (void)state;
    struct rig r;
    three_ways(&r);
    rig_start(&r, "edf");
    for (uint64_t id = 1; id <= 100; id++) {
        rig_arrive(&r, 0, id, NULL);
    }
    check_feasible(&r, ask(5, 0, 0));
    rig_device(&r, CVG_MS(1), 0, false);
    check_feasible(&r, ask(5, 0, 0));
    check_infeasible(&r, ask(4, 0, 0), CVG_REASON_INFEASIBLE_DEADLINE);
    rig_fini(&r);
}

/* Before any device time is spent. */
static void infeasible_ends_at_once(void **state)
{
    (void)state;
    struct rig r;
    three_ways(&r);
    rig_start(&r, "edf");
    struct cvg_arrival a = ask(19, 0.9, 0);
    rig_arrive(&r, CVG_MS(3), 1, &a);
    const struct cvg_drop *drop = &rig_action(&r, CVG_ACT_DROP, 0)->drop;
    assert_int_equal(drop->outcome, CVG_OUTCOME_DROPPED);
    assert_int_equal(drop->reason, CVG_REASON_INFEASIBLE);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 0);
    assert_int_equal(cvg_engine_live(r.e), 0);
    struct cvg_explanation why;
    assert_int_equal(cvg_engine_explain(r.e, 1, &why), CVG_OK);
    assert_true(why.ended);
    assert_int_equal(why.reason, CVG_REASON_INFEASIBLE);
    assert_int_equal(why.finished, CVG_MS(3));
    assert_int_equal(why.variant, CVG_ANY);
    rig_fini(&r);
}

/* --- bounds of a request -------------------------------------------------- */

static void bounds_of_a_request(void **state)
{
    (void)state;
    struct rig r;
    three_ways(&r);
    struct cvg_app *app = &r.w.box->apps[0];
    world_slo_deadline(app, CVG_MS(100));
    world_slo_accuracy(app, 0.82);
    world_slo_energy(app, 12);
    rig_start(&r, "edf");
    struct cvg_explanation why;
    rig_arrive(&r, CVG_MS(2), 1, NULL);
    cvg_engine_explain(r.e, 1, &why);
    assert_int_equal(why.request.deadline, CVG_MS(102));
    assert_true(why.request.min_accuracy == 0.82);
    assert_true(why.request.max_energy_j == 0.012);
    assert_int_equal(why.request.expires, CVG_NEVER);
    struct cvg_arrival a = ask(200, 0.9, 50);
    a.timeout = CVG_MS(40);
    a.priority = 3;
    rig_arrive(&r, CVG_MS(2), 2, &a);
    cvg_engine_explain(r.e, 2, &why);
    assert_int_equal(why.request.deadline, CVG_MS(202));
    assert_true(why.request.min_accuracy == 0.9);
    assert_true(why.request.max_energy_j == 0.05);
    assert_int_equal(why.request.expires, CVG_MS(42));
    assert_int_equal(why.request.priority, 3);
    rig_fini(&r);
}

static void stricter_bounds_choose_another_variant(void **state)
{
    (void)state;
    struct rig r;
    three_ways(&r);
    world_slo_accuracy(&r.w.box->apps[0], 0.9);
    rig_start(&r, "edf");
    rig_arrive(&r, 0, 1, NULL);
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.variant, 0);
    rig_done(&r, CVG_MS(20), r.batch, CVG_OK);
    struct cvg_arrival a = ask(0, 0.7, 0);
    rig_arrive(&r, CVG_MS(30), 2, &a);
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.variant, 1);
    rig_fini(&r);
}

/* The app's SLO changes: those that wait have the new bounds, but for what
 * they brought along. */
static void changed_app_changes_what_waits(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    world_slo_deadline(&r.w.box->apps[0], CVG_MS(500));
    world_slo_energy(&r.w.box->apps[0], 8);
    rig_start(&r, "edf");
    rig_arrive(&r, 0, 1, NULL);
    rig_due(&r, 0, 2, CVG_MS(300));
    rig_arrive(&r, 0, 3, NULL);
    struct cvg_event change = {.type = CVG_EV_APP, .at = CVG_MS(5)};
    change.app.slo.declared = 1U << CVG_SLO_DEADLINE;
    change.app.slo.deadline = CVG_MS(200);
    rig_step(&r, &change);
    struct cvg_explanation why;
    cvg_engine_explain(r.e, 2, &why);
    assert_int_equal(why.request.deadline, CVG_MS(300));
    cvg_engine_explain(r.e, 3, &why);
    assert_int_equal(why.request.deadline, CVG_MS(200));
    assert_true(why.request.max_energy_j == 0.008); /* not declared: stays */
    rig_done(&r, CVG_MS(10), r.batch, CVG_OK);
    /* by the new order the third one goes first */
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.requests[0], 3);
    rig_fini(&r);
}

static void ask_for_accuracy(struct rig *r, cvg_time at, double accuracy)
{
    struct cvg_event change = {.type = CVG_EV_APP, .at = at};
    change.app.slo.declared = 1U << CVG_SLO_ACCURACY | 1U << CVG_SLO_ENERGY;
    change.app.slo.accuracy = accuracy;
    change.app.slo.energy_j = 1e-6;
    rig_step(r, &change);
}

/* What runs is judged by the bounds that it was started with, each kind. */
static void changed_app_leaves_what_runs(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    world_slo_accuracy(&r.w.box->apps[0], 0.7);
    world_slo_energy(&r.w.box->apps[0], 8);
    rig_start(&r, "edf");
    rig_arrive(&r, 0, 1, NULL);
    ask_for_accuracy(&r, CVG_MS(5), 0.99);
    rig_done(&r, CVG_MS(10), r.batch, CVG_OK);
    cvg_engine_finish(r.e, CVG_S(5));
    const struct cvg_slo_counts *slo = &cvg_engine_stats(r.e)->apps[0].slo;
    assert_int_equal(slo->met[CVG_SLO_ACCURACY], 1);
    assert_int_equal(slo->met[CVG_SLO_ENERGY], 1);
    rig_fini(&r);
}

/* Unless it has to wait again. */
static void changed_app_and_a_lost_batch(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    world_slo_accuracy(&r.w.box->apps[0], 0.7);
    rig_start(&r, "edf");
    rig_arrive(&r, 0, 1, NULL);
    ask_for_accuracy(&r, CVG_MS(5), 0.8);
    rig_done(&r, CVG_MS(10), r.batch, CVG_DEVICE);
    struct cvg_explanation why;
    cvg_engine_explain(r.e, 1, &why);
    assert_true(why.request.min_accuracy == 0.8);
    rig_fini(&r);
}

/* --- priority ------------------------------------------------------------- */

/* 1 is the highest, none given goes after: among requests of an app that are
 * alike in all else. */
static void priority_among_equals(void **state)
{
    (void)state;
    struct rig r;
    plain(&r);
    rig_start(&r, "edf");
    rig_arrive(&r, 0, 1, NULL);
    static const int32_t priorities[] = {0, 2, 1, 0, 5};
    static const uint64_t order[] = {4, 3, 6, 2, 5};
    for (uint64_t i = 0; i < 5; i++) {
        struct cvg_arrival a = ask(500, 0, 0);
        a.priority = priorities[i];
        rig_arrive(&r, 0, 2 + i, &a);
    }
    for (size_t i = 0; i < 5; i++) {
        rig_done(&r, CVG_MS(10 + 10 * (cvg_time)i), r.batch, CVG_OK);
        assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.requests[0],
                         order[i]);
    }
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops_are_cut_off),
        cmocka_unit_test(drops_per_step_by_default),
        cmocka_unit_test(nothing_hopeless_is_started),
        cmocka_unit_test(wakes_when_a_request_becomes_hopeless),
        cmocka_unit_test(ended_ring),
        cmocka_unit_test(ended_ring_of_any_ids),
        cmocka_unit_test(queue_limits_are_per_app),
        cmocka_unit_test(retry_after_follows_the_backlog),
        cmocka_unit_test(retry_after_ages),
        cmocka_unit_test(retry_after_knows_the_variant_that_is_named),
        cmocka_unit_test(no_use_to_retry_the_impossible),
        cmocka_unit_test(attempts_are_limited),
        cmocka_unit_test(lost_batches_of_all_apps_fit),
        cmocka_unit_test(bad_inputs_harm_nobody_else),
        cmocka_unit_test(nobody_is_blamed),
        cmocka_unit_test(start_failed_is_an_attempt),
        cmocka_unit_test(draining_takes_no_more),
        cmocka_unit_test(one_kind_is_infeasible),
        cmocka_unit_test(other_kinds_stay_as_asked),
        cmocka_unit_test(combinations_are_infeasible),
        cmocka_unit_test(nearest_bounds_are_feasible),
        cmocka_unit_test(two_kinds_are_infeasible),
        cmocka_unit_test(named_variants_are_judged_alone),
        cmocka_unit_test(overrides_replace_the_apps_bounds),
        cmocka_unit_test(window_accuracy_does_not_bind_a_request),
        cmocka_unit_test(feasible_on_an_empty_box),
        cmocka_unit_test(infeasible_ends_at_once),
        cmocka_unit_test(bounds_of_a_request),
        cmocka_unit_test(stricter_bounds_choose_another_variant),
        cmocka_unit_test(changed_app_changes_what_waits),
        cmocka_unit_test(changed_app_leaves_what_runs),
        cmocka_unit_test(changed_app_and_a_lost_batch),
        cmocka_unit_test(priority_among_equals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

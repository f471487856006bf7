/* Stories on the virtual clock: what the engine decides, word for word. */
#include "support/world.h"

/* One device, one variant that takes 10 ms, one app. */
static void one_of_each(struct world *w, const char *policy)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "d0", 1, 10, 5);
    world_app(w, "a0");
    world_start(w, policy);
}

/* A later arrival with a nearer deadline goes first. */
static void nearer_deadline_goes_first(void **state)
{
    (void)state;
    struct world w;
    one_of_each(&w, "edf");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, 0, "a0", CVG_MS(90));
    world_arrive(&w, 0, "a0", CVG_MS(30));
    world_run_until(&w, CVG_MS(15));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r3 v0 on d0\n");
    world_fini(&w);
}

/* One device that runs batches of up to 8, a request a millisecond. */
static void one_that_batches(struct world *w, const char *policy)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "d0", 1, 1, 5);
    world_profile(w, "v0", "d0", 8, 8, 40);
    world_app(w, "a0");
    world_start(w, policy);
}

/* The items of one call: the first does not start alone. */
static void items_of_a_call_are_seen_together(void **state)
{
    (void)state;
    static const char *const policies[] = {"edf", "convergo"};
    for (size_t p = 0; p < 2; p++) {
        struct world w;
        struct cvg_arrival item = {.variant = CVG_ANY};
        one_that_batches(&w, policies[p]);
        for (int i = 0; i < 4; i++) {
            item.more = i < 3;
            world_arrive_with(&w, 0, &item);
        }
        world_run_until(&w, CVG_MS(1));
        CHECK_TRACE(&w, "[   0] start r1,r2,r3,r4 v0 on d0\n");
        world_fini(&w);
    }
}

/* A driver that breaks its promise waits for nothing: it is woken. */
static void the_rest_of_a_call_need_not_come(void **state)
{
    (void)state;
    struct world w;
    one_that_batches(&w, "edf");
    world_arrive_with(&w, 0,
                      &(struct cvg_arrival){.variant = CVG_ANY, .more = true});
    world_run_until(&w, CVG_MS(3));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[   1] reply r1\n");
    world_fini(&w);
}

static void fifo_keeps_the_order(void **state)
{
    (void)state;
    struct world w;
    one_of_each(&w, "fifo");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, 0, "a0", CVG_MS(90));
    world_arrive(&w, 0, "a0", CVG_MS(25));
    world_run_until(&w, CVG_MS(40));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r2 v0 on d0\n"
                    "[  20] reply r2\n"
                    "[  20] start r3 v0 on d0\n"
                    "[  30] reply r3 late\n");
    world_fini(&w);
}

/* It is given up the moment it can no longer be met, before any device time is
 * spent on it: 15 ms - 10 ms. */
static void hopeless_is_dropped_early(void **state)
{
    (void)state;
    struct world w;
    one_of_each(&w, "edf");
    world_arrive(&w, 0, "a0", CVG_MS(11));
    world_arrive(&w, 0, "a0", CVG_MS(15));
    world_run_until(&w, CVG_MS(40));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[   5] dropped r2 deadline\n"
                    "[  10] reply r1\n");
    world_fini(&w);
}

static void infeasible_is_refused_at_once(void **state)
{
    (void)state;
    struct world w;
    one_of_each(&w, "convergo");
    world_arrive(&w, 0, "a0", CVG_MS(9));
    struct cvg_arrival picky = {.variant = CVG_ANY,
                                .overrides = 1U << CVG_SLO_ACCURACY,
                                .bounds = {.accuracy = 0.95}};
    struct cvg_nearest nearest;
    assert_true(cvg_engine_infeasible(world_engine(&w), &picky, &nearest));
    assert_int_equal(nearest.reason, CVG_REASON_INFEASIBLE_ACCURACY);
    assert_true(nearest.accuracy == 0.9);
    world_arrive_with(&w, CVG_MS(1), &picky);
    struct cvg_arrival frugal = {.variant = CVG_ANY,
                                 .overrides = 1U << CVG_SLO_ENERGY,
                                 .bounds = {.energy_j = 0.004}};
    world_arrive_with(&w, CVG_MS(2), &frugal);
    world_run_until(&w, CVG_MS(5));
    CHECK_TRACE(&w, "[   0] dropped r1 infeasible_deadline\n"
                    "[   1] dropped r2 infeasible_accuracy\n"
                    "[   2] dropped r3 infeasible_energy\n");
    world_fini(&w);
}

static void full_queue_rejects(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 5);
    world_app(&w, "a0")->queue_limit = 2;
    world_start(&w, "fifo");
    for (int i = 0; i < 4; i++) {
        world_arrive(&w, 0, "a0", 0);
    }
    world_run_until(&w, CVG_MS(1));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[   0] rejected r4 queue_full\n");
    world_fini(&w);
}

static void timeout_counts_until_the_start(void **state)
{
    (void)state;
    struct world w;
    one_of_each(&w, "fifo");
    world_arrive(&w, 0, "a0", 0);
    struct cvg_arrival hasty = {.variant = CVG_ANY, .timeout = CVG_MS(4)};
    world_arrive_with(&w, CVG_MS(1), &hasty);
    struct cvg_arrival patient = {.variant = CVG_ANY, .timeout = CVG_MS(9)};
    world_arrive_with(&w, CVG_MS(1), &patient);
    world_run_until(&w, CVG_MS(30));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[   5] dropped r2 timeout\n"
                    "[  10] reply r1\n"
                    "[  10] start r3 v0 on d0\n"
                    "[  20] reply r3\n");
    world_fini(&w);
}

static void cancelled_leaves(void **state)
{
    (void)state;
    struct world w;
    one_of_each(&w, "edf");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_cancel(&w, CVG_MS(5), 1); /* it runs: its answer is thrown away */
    world_cancel(&w, CVG_MS(6), 2); /* it waits */
    world_cancel(&w, CVG_MS(7), 9); /* there is none */
    world_run_until(&w, CVG_MS(40));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] start r3 v0 on d0\n"
                    "[  20] reply r3\n");
    const struct cvg_stats *stats = world_finish(&w);
    assert_int_equal(stats->apps[0].counts.offered, 1);
    assert_int_equal(stats->apps[0].counts.cancelled, 2);
    assert_int_equal(stats->apps[0].counts.served, 1);
    world_fini(&w);
}

/* What the driver itself gives up stays in `offered`: it met nothing. */
static void given_up_counts_as_dropped(void **state)
{
    (void)state;
    struct world w;
    one_of_each(&w, "edf");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, 0, "a0", CVG_MS(100));
    for (uint64_t request = 1; request <= 2; request++) {
        struct cvg_event event = {
            .type = CVG_EV_GIVE_UP, .at = CVG_MS(5), .request = request};
        cvg_sim_inject(w.sim, &event);
    }
    world_run_until(&w, CVG_MS(40));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[   5] dropped r2 given_up\n"
                    "[  10] dropped r1 given_up\n");
    const struct cvg_stats *stats = world_finish(&w);
    assert_int_equal(stats->apps[0].counts.offered, 2);
    assert_int_equal(stats->apps[0].counts.dropped, 2);
    assert_int_equal(stats->apps[0].counts.cancelled, 0);
    world_fini(&w);
}

/* What waits goes together, up to what the first deadline allows. */
static void batches_what_waits(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 5);
    world_profile(&w, "v0", "d0", 4, 16, 8); /* 2: 12 ms, 3: 14 ms */
    world_app(&w, "a0");
    world_start(&w, "edf");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    for (int i = 0; i < 3; i++) {
        world_arrive(&w, CVG_MS(1), "a0", CVG_MS(22)); /* due at 23 */
    }
    world_run_until(&w, CVG_MS(60));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r2,r3 v0 on d0\n"
                    "[  13] dropped r4 deadline\n"
                    "[  22] reply r2\n"
                    "[  22] reply r3\n");
    world_fini(&w);
}

static void lost_batches_run_elsewhere(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "fast", CVG_FCFS, 1, 1);
    world_device(&w, "slow", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "fast", 1, 10, 5);
    world_profile(&w, "v0", "slow", 1, 30, 5);
    world_app(&w, "a0");
    world_start(&w, "edf");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_device_state(&w, CVG_MS(4), "fast", false);
    world_device_state(&w, CVG_MS(20), "fast", true);
    world_arrive(&w, CVG_MS(50), "a0", CVG_MS(100));
    world_run_until(&w, CVG_MS(80));
    CHECK_TRACE(&w, "[   0] start r1 v0 on fast\n"
                    "[   4] start r1 v0 on slow\n"
                    "[  20] load v0 on fast\n"
                    "[  34] reply r1\n"
                    "[  50] start r2 v0 on fast\n"
                    "[  60] reply r2\n");
    world_fini(&w);
}

/* Without any device that is up, a request waits for its deadline at most. */
static void without_devices(void **state)
{
    (void)state;
    struct world w;
    one_of_each(&w, "edf");
    world_device_state(&w, 0, "d0", false);
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(50));
    world_arrive(&w, CVG_MS(1), "a0", 0); /* no deadline: 10 s of grace */
    world_run_until(&w, CVG_S(20));
    CHECK_TRACE(&w, "[  51] dropped r1 unavailable\n"
                    "[10001] dropped r2 unavailable\n");
    world_fini(&w);
}

/* Accuracy gives way before the request is lost. */
static void relaxes_in_order(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "good", 0.95);
    world_variant(&w, "quick", 0.80);
    world_profile(&w, "good", "d0", 1, 20, 5);
    world_profile(&w, "quick", "d0", 1, 5, 5);
    struct cvg_app *app = world_app(&w, "a0");
    world_slo_accuracy(app, 0.9);
    world_slo_deadline(app, CVG_MS(30));
    app->relax[0] = CVG_SLO_ACCURACY;
    app->n_relax = 1;
    world_start(&w, "edf");
    world_arrive(&w, 0, "a0", 0);
    world_arrive(&w, 0, "a0", 0);
    world_run_until(&w, CVG_MS(60));
    CHECK_TRACE(&w, "[   0] start r1 good on d0\n"
                    "[  20] reply r1\n"
                    "[  20] start r2 quick on d0\n"
                    "[  25] reply r2\n");
    const struct cvg_stats *stats = world_finish(&w);
    assert_int_equal(stats->apps[0].slo.met[CVG_SLO_DEADLINE], 2);
    assert_int_equal(stats->apps[0].slo.met[CVG_SLO_ACCURACY], 1);
    assert_int_equal(stats->apps[0].slo.joint_met, 1);
    world_fini(&w);
}

/* Memory for one variant: the other is brought in when it is asked for. */
static void loads_what_is_named(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1)->resident = 1;
    world_variant(&w, "v0", 0.9);
    world_variant(&w, "v1", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 5);
    world_profile(&w, "v1", "d0", 1, 10, 5);
    cvg_profile_set_load(w.box->profile, 1, 0, CVG_MS(7));
    world_app(&w, "a0");
    world_start(&w, "convergo");
    struct cvg_arrival named = {.variant = 1};
    world_arrive_with(&w, 0, &named);
    world_run_until(&w, CVG_MS(60));
    CHECK_TRACE(&w, "[   0] unload v0 on d0\n"
                    "[   0] load v1 on d0\n"
                    "[   7] start r1 v1 on d0\n"
                    "[  17] reply r1\n");
    world_fini(&w);
}

/* Who asks for a priority goes before who does not, 1 before 2. */
static void priority_goes_first(void **state)
{
    (void)state;
    struct world w;
    one_of_each(&w, "edf");
    struct cvg_arrival second = {.variant = CVG_ANY, .priority = 2};
    struct cvg_arrival first = {.variant = CVG_ANY, .priority = 1};
    world_arrive(&w, 0, "a0", CVG_MS(500));
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive_with(&w, 0, &second);
    world_arrive_with(&w, 0, &first);
    world_run_until(&w, CVG_MS(35));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r4 v0 on d0\n"
                    "[  20] reply r4\n"
                    "[  20] start r3 v0 on d0\n"
                    "[  30] reply r3\n"
                    "[  30] start r2 v0 on d0\n");
    world_fini(&w);
}

static void explains(void **state)
{
    (void)state;
    struct world w;
    one_of_each(&w, "edf");
    uint64_t served = world_arrive(&w, 0, "a0", CVG_MS(100));
    uint64_t dropped = world_arrive(&w, 0, "a0", CVG_MS(12));
    world_run_until(&w, CVG_MS(5));
    struct cvg_explanation why;
    assert_int_equal(cvg_engine_explain(world_engine(&w), served, &why),
                     CVG_OK);
    assert_false(why.ended);
    assert_int_equal(why.predicted, CVG_MS(10));
    world_run_until(&w, CVG_MS(30));
    cvg_engine_explain(world_engine(&w), served, &why);
    assert_true(why.ended);
    assert_int_equal(why.outcome, CVG_OUTCOME_SERVED);
    assert_int_equal(why.finished, CVG_MS(10));
    assert_int_equal(why.device, 0);
    assert_true(why.energy_j == 0.005);
    cvg_engine_explain(world_engine(&w), dropped, &why);
    assert_int_equal(why.reason, CVG_REASON_DEADLINE);
    assert_int_equal(why.variant, CVG_ANY);
    assert_int_equal(cvg_engine_explain(world_engine(&w), 99, &why),
                     CVG_NOTFOUND);
    world_fini(&w);
}

/* A device that fails is left alone for 10 ms, 100 ms, 1 s, then probed. */
static void failing_device_is_quarantined(void **state)
{
    (void)state;
    struct world w;
    one_of_each(&w, "fifo");
    struct cvg_engine *e = world_engine(&w);
    struct cvg_actions acts;
    struct cvg_event arrival = {.type = CVG_EV_ARRIVAL,
                                .at = 0,
                                .arrival = {.id = 1, .variant = CVG_ANY}};
    cvg_engine_step(e, &arrival, &acts);
    static const cvg_span alone[] = {CVG_MS(10), CVG_MS(100), CVG_S(1)};
    cvg_time now = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(acts.n, 1);
        assert_int_equal(acts.items[0].type, CVG_ACT_START);
        struct cvg_event failed = {
            .type = CVG_EV_DONE,
            .at = now + CVG_MS(1),
            .done = {.batch = acts.items[0].start.batch, .status = CVG_DEVICE}};
        cvg_engine_step(e, &failed, &acts);
        if (i == 2) { /* no attempt left */
            assert_int_equal(acts.items[0].type, CVG_ACT_DROP);
            assert_int_equal(acts.items[0].drop.outcome, CVG_OUTCOME_FAILED);
            arrival.at = now + CVG_MS(2);
            arrival.arrival.id = 2;
            cvg_engine_step(e, &arrival, &acts);
        }
        assert_int_equal(acts.n, 0);
        now += CVG_MS(1) + alone[i];
        assert_int_equal(cvg_engine_next_wake(e), now);
        struct cvg_event timer = {.type = CVG_EV_TIMER, .at = now};
        cvg_engine_step(e, &timer, &acts);
    }
    assert_int_equal(acts.n, 1);
    assert_int_equal(acts.items[0].type, CVG_ACT_START);
    world_fini(&w);
}

/* A batch that never ends is given up: its request goes elsewhere, and what the
 * device may still say of it is not heard. */
static void hanging_batch_is_given_up(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "fast", CVG_FCFS, 1, 1);
    world_device(&w, "slow", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "fast", 1, 10, 5);
    world_profile(&w, "v0", "slow", 1, 30, 5);
    world_app(&w, "a0");
    world_start(&w, "edf");
    struct cvg_engine *e = world_engine(&w);
    struct cvg_actions acts;
    struct cvg_event arrival = {.type = CVG_EV_ARRIVAL,
                                .arrival = {.id = 1, .variant = CVG_ANY}};
    cvg_engine_step(e, &arrival, &acts);
    uint64_t hanging = acts.items[0].start.batch;
    cvg_time now = 0;
    do {
        assert_true(now < CVG_S(10));
        now = cvg_engine_next_wake(e);
        struct cvg_event timer = {.type = CVG_EV_TIMER, .at = now};
        cvg_engine_step(e, &timer, &acts);
    } while (acts.n == 0);
    assert_int_equal(acts.items[0].type, CVG_ACT_ABORT);
    assert_int_equal(acts.items[0].batch, hanging);
    assert_int_equal(acts.items[1].type, CVG_ACT_START);
    assert_int_equal(acts.items[1].start.device, 1);
    struct cvg_event late = {
        .type = CVG_EV_DONE, .at = now + 1, .done = {.batch = hanging}};
    cvg_engine_step(e, &late, &acts);
    assert_int_equal(acts.n, 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearer_deadline_goes_first),
        cmocka_unit_test(items_of_a_call_are_seen_together),
        cmocka_unit_test(the_rest_of_a_call_need_not_come),
        cmocka_unit_test(fifo_keeps_the_order),
        cmocka_unit_test(hopeless_is_dropped_early),
        cmocka_unit_test(infeasible_is_refused_at_once),
        cmocka_unit_test(full_queue_rejects),
        cmocka_unit_test(timeout_counts_until_the_start),
        cmocka_unit_test(cancelled_leaves),
        cmocka_unit_test(given_up_counts_as_dropped),
        cmocka_unit_test(batches_what_waits),
        cmocka_unit_test(lost_batches_run_elsewhere),
        cmocka_unit_test(without_devices),
        cmocka_unit_test(relaxes_in_order),
        cmocka_unit_test(loads_what_is_named),
        cmocka_unit_test(priority_goes_first),
        cmocka_unit_test(explains),
        cmocka_unit_test(failing_device_is_quarantined),
        cmocka_unit_test(hanging_batch_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Plans of small boxes whose answer is worked out by hand. What holds for the
 * plan of any box is in plan_laws.c. */
#include "unit/optimize/asked.h"

#include "support/random_box.h"

#include <stdio.h>
#include <stdlib.h>

/* --- enough for all ------------------------------------------------------- */

/* 5 ms each: 200/s, four times what is asked for. */
static void one_device(void **state)
{
    (void)state;
    struct asked t;
    begin(&t);
    world_device(&t.w, "d0", CVG_FCFS, 1, 1);
    world_variant(&t.w, "v0", 0.9);
    world_profile(&t.w, "v0", "d0", 1, 5, 0);
    world_slo_deadline(world_app(&t.w, "a0"), CVG_MS(100));
    t.w.box->apps[0].weight = 3;
    ready(&t);
    t.q.rates_rps[0] = 50;
    make(&t);
    assert_true(near(t.plan.factor, 4));
    assert_true(near(t.plan.rates_rps[0], 50));
    assert_true(near(t.plan.served_rps[0], 200)); /* factor x rate */
    assert_int_equal(t.plan.n_flows, 1);
    assert_true(near(t.plan.flows[0].rate_rps, 200));
    assert_true(near(t.plan.busy[0], 1));
    assert_true(near(t.plan.price[0], 600)); /* a second serves 200, of 3 */
    assert_false(t.plan.given_up[0]);
    t.q.slowdown[0] = 2;
    make(&t);
    assert_true(near(t.plan.factor, 2));
    assert_true(near(t.plan.price[0], 300));
    world_fini(&t.w);
}

/* d0 is quicker, d1 takes less energy. With room to spare all is at home on d1,
 * as long as it could take a third more; prices are those of the full box. */
static void energy_is_saved_where_there_is_room(void **state)
{
    (void)state;
    struct asked t;
    begin(&t);
    world_device(&t.w, "d0", CVG_FCFS, 1, 1);
    world_device(&t.w, "d1", CVG_FCFS, 1, 1);
    world_variant(&t.w, "v0", 0.9);
    world_profile(&t.w, "v0", "d0", 1, 4, 100);
    world_profile(&t.w, "v0", "d1", 1, 5, 10);
    world_slo_accuracy(world_app(&t.w, "a0"), 0.7);
    ready(&t);
    t.q.rates_rps[0] = 90;
    make(&t);
    assert_true(t.plan.frugal);
    assert_true(near(t.plan.factor, 5));
    assert_true(near(rate_on(&t.plan, 0, 0, 1), 450));
    assert_true(near(rate_on(&t.plan, 0, 0, 0), 0));
    assert_true(near(t.plan.price[0], 250) && near(t.plan.price[1], 200));
    t.q.rates_rps[0] = 200; /* 260 are too many for d1 */
    make(&t);
    assert_true(t.plan.frugal);
    assert_true(near(rate_on(&t.plan, 0, 0, 1) / t.plan.factor * 1.3, 200));
    assert_true(near(rate_on(&t.plan, 0, 0, 0) / t.plan.factor * 1.3, 60));
    t.q.rates_rps[0] = 400; /* of 450 */
    make(&t);
    assert_false(t.plan.frugal);
    assert_true(near(rate_on(&t.plan, 0, 0, 0), 250));
    world_fini(&t.w);
}

/* a0 runs on both, by "good" on d1, where a1 is at home: d0 takes 250/s of a0,
 * d1 the rest y, 5 ms each as those of a1: 200 f = 250 + y, 5 ms (y + 100 f) =
 * 1. */
static void two_devices_and_two_apps(void **state)
{
    (void)state;
    struct asked t;
    begin(&t);
    world_device(&t.w, "d0", CVG_FCFS, 1, 1);
    world_device(&t.w, "d1", CVG_FCFS, 1, 1);
    world_variant(&t.w, "fair", 0.8);
    world_variant(&t.w, "good", 0.9);
    world_profile(&t.w, "fair", "d0", 1, 4, 0);
    world_profile(&t.w, "fair", "d1", 1, 8, 0);
    world_profile(&t.w, "good", "d1", 1, 5, 0);
    world_slo_accuracy(world_app(&t.w, "a0"), 0.7);
    world_slo_accuracy(world_app(&t.w, "a1"), 0.9);
    ready(&t);
    t.q.rates_rps[0] = 200;
    t.q.rates_rps[1] = 100;
    make(&t);
    assert_true(near(t.plan.factor, 1.5));
    assert_true(near(t.plan.served_rps[0], 300));
    assert_true(near(t.plan.served_rps[1], 150));
    assert_true(near(rate_on(&t.plan, 0, 0, 0), 250));
    assert_true(near(rate_on(&t.plan, 0, 1, 1), 50));
    assert_true(near(rate_on(&t.plan, 1, 1, 1), 150));
    assert_true(near(t.plan.busy[0], 1) && near(t.plan.busy[1], 1));
    /* What a second of each could serve. */
    assert_true(near(t.plan.price[0], 250));
    assert_true(near(t.plan.price[1], 200));
    world_fini(&t.w);
}

/* Batches of four are twice as quick, and fill at that rate; at 10/s and 50 ms
 * to wait no second one comes. */
static void batches_fill_while_a_deadline_lasts(void **state)
{
    (void)state;
    struct asked t;
    begin(&t);
    world_device(&t.w, "d0", CVG_FCFS, 1, 1);
    world_variant(&t.w, "v0", 0.9);
    world_profile(&t.w, "v0", "d0", 1, 10, 0);
    world_profile(&t.w, "v0", "d0", 4, 20, 0);
    world_slo_deadline(world_app(&t.w, "a0"), CVG_MS(60));
    ready(&t);
    t.q.rates_rps[0] = 160;
    make(&t);
    assert_true(near(t.plan.factor, 200.0 / 160));
    assert_int_equal(t.plan.flows[0].batch, 4);
    t.q.rates_rps[0] = 10;
    make(&t);
    assert_true(near(t.plan.factor, 10));
    assert_int_equal(t.plan.n_flows, 1);
    assert_int_equal(t.plan.flows[0].batch, 1);
    /* Nor does it when the device is too slow for a large one in time. */
    t.q.rates_rps[0] = 160;
    t.q.slowdown[0] = 2.9;
    make(&t);
    for (uint32_t i = 0; i < t.plan.n_flows; i++) {
        assert_true(t.plan.flows[i].batch < 4);
    }
    world_fini(&t.w);
}

/* quick 0.8 at 5 ms, good 0.9 at 10 ms: a mean of 0.82 takes a fifth of good
 * ones, 6 ms each. */
static void the_mean_of_a_window_mixes(void **state)
{
    (void)state;
    struct asked t;
    begin(&t);
    world_device(&t.w, "d0", CVG_FCFS, 1, 1);
    world_variant(&t.w, "quick", 0.8);
    world_variant(&t.w, "good", 0.9);
    world_profile(&t.w, "quick", "d0", 1, 5, 0);
    world_profile(&t.w, "good", "d0", 1, 10, 0);
    struct cvg_app *app = world_app(&t.w, "a0");
    world_slo_accuracy(app, 0.82);
    world_slo_deadline(app, CVG_MS(100));
    app->accuracy_over = CVG_ACCURACY_PER_WINDOW;
    ready(&t);
    t.q.rates_rps[0] = 100;
    make(&t);
    assert_true(near(t.plan.factor, 1 / 0.6));
    assert_true(near(rate_on(&t.plan, 0, 0, 0), 0.8 / 0.006));
    assert_true(near(rate_on(&t.plan, 0, 1, 0), 0.2 / 0.006));
    t.q.rates_rps[0] = 1000; /* in overload, too */
    make(&t);
    assert_true(near(t.plan.factor, 1 / 6.0));
    assert_true(near(t.plan.served_rps[0], 1 / 0.006));
    world_fini(&t.w);
}

/* --- who asks, and what is there ------------------------------------------ */

static void two_of_a_kind(struct asked *t)
{
    begin(t);
    world_device(&t->w, "d0", CVG_FCFS, 1, 1);
    world_device(&t->w, "d1", CVG_FCFS, 2, 1);
    world_variant(&t->w, "v0", 0.8);
    world_variant(&t->w, "v1", 0.9);
    world_profile(&t->w, "v0", "d0", 1, 5, 0);
    world_profile(&t->w, "v1", "d0", 1, 10, 0);
    world_profile(&t->w, "v0", "d1", 1, 20, 0);
    world_profile(&t->w, "v1", "d1", 1, 20, 0);
    world_slo_deadline(world_app(&t->w, "a0"), CVG_MS(100));
    ready(t);
    t->q.rates_rps[0] = 100;
}

static void nobody_asks(void **state)
{
    (void)state;
    struct asked t;
    two_of_a_kind(&t);
    t.q.slos[0].declared = 0;
    make(&t);
    assert_true(t.plan.factor == 1e6);
    assert_int_equal(t.plan.n_flows, 0);
    assert_true(t.plan.served_rps[0] == 0);
    /* With an SLO, an app without arrivals still has its home. */
    t.q.slos[0] = t.w.box->apps[0].slo;
    t.q.rates_rps[0] = 0;
    make(&t);
    assert_true(t.plan.factor > 100);
    assert_true(t.plan.n_flows > 0);
    world_fini(&t.w);
}

static void devices_that_are_down(void **state)
{
    (void)state;
    struct asked t;
    two_of_a_kind(&t);
    make(&t);
    assert_true(near(t.plan.factor, 3)); /* 200/s and 100/s */
    assert_true(near(t.plan.busy[0], 1) && near(t.plan.busy[1], 1));
    t.q.slowdown[0] = INFINITY;
    make(&t);
    assert_true(near(t.plan.factor, 1));
    assert_true(rate_on(&t.plan, CVG_ANY, CVG_ANY, 0) == 0);
    assert_true(t.plan.busy[0] == 0);
    t.q.slowdown[1] = INFINITY;
    make(&t);
    assert_int_equal(t.plan.n_flows, 0);
    assert_true(t.plan.served_rps[0] == 0);
    world_fini(&t.w);
}

static void variants_that_are_taken_out(void **state)
{
    (void)state;
    struct asked t;
    two_of_a_kind(&t);
    t.q.enabled[0] = false;
    make(&t);
    assert_true(near(t.plan.factor, 2)); /* 100/s and 100/s */
    assert_true(rate_on(&t.plan, CVG_ANY, 0, CVG_ANY) == 0);
    world_fini(&t.w);
}

/* An app that nothing can serve is left out: the others have their plan. Its
 * guaranteed throughput is out of reach. */
static void an_app_that_nothing_can_serve(void **state)
{
    (void)state;
    struct asked t;
    two_of_a_kind(&t);
    struct cvg_app *hopeless = world_app(&t.w, "a1");
    world_slo_accuracy(hopeless, 0.99);
    world_slo_throughput(hopeless, 10);
    t.q.slos[1] = hopeless->slo;
    t.q.rates_rps[1] = 30;
    make(&t);
    assert_true(near(t.plan.factor, 3));
    assert_true(t.plan.served_rps[1] == 0);
    assert_true(near(t.plan.rates_rps[1], 30));
    assert_true(t.plan.given_up[1]);
    assert_false(t.plan.given_up[0]);
    world_fini(&t.w);
}

/* Nor can a mean be reached if nothing is that good, though each answer could
 * be given. */
static void a_mean_that_nothing_reaches(void **state)
{
    (void)state;
    struct asked t;
    two_of_a_kind(&t);
    struct cvg_app *app = world_app(&t.w, "a1");
    world_slo_accuracy(app, 0.95);
    app->accuracy_over = CVG_ACCURACY_PER_WINDOW;
    t.q.slos[1] = app->slo;
    t.q.rates_rps[1] = 30;
    make(&t);
    assert_true(near(t.plan.factor, 3));
    assert_true(t.plan.served_rps[1] == 0);
    world_fini(&t.w);
}

/* A deadline that leaves nothing to the queue is still planned for, but the
 * unit cannot be kept busy: each request counts 1.25 times. */
static void a_deadline_as_short_as_the_service(void **state)
{
    (void)state;
    struct asked t;
    two_of_a_kind(&t);
    t.q.slos[0].deadline = CVG_MS(5);
    make(&t);
    assert_true(near(t.plan.factor, 2 / 1.25));
    assert_true(rate_on(&t.plan, 0, 0, 0) > 0);
    world_fini(&t.w);
}

/* --- what places keep ----------------------------------------------------- */

/* Two TPUs whose caches hold one variant each, 5 ms and 10 ms. */
static void two_tpus(struct asked *t)
{
    begin(t);
    for (int i = 0; i < 2; i++) {
        struct cvg_device *d =
            world_device(&t->w, i == 0 ? "tpu0" : "tpu1", CVG_FCFS, 1, 1);
        d->has_cache = d->has_switch = true;
        d->cache_bytes = 1 << 20;
        d->switch_fixed = CVG_MS(20);
    }
    world_variant(&t->w, "fair", 0.8);
    world_variant(&t->w, "good", 0.9);
    for (int i = 0; i < 2; i++) {
        world_profile(&t->w, "fair", i == 0 ? "tpu0" : "tpu1", 1, 5, 0);
        world_profile(&t->w, "good", i == 0 ? "tpu0" : "tpu1", 1, 10, 0);
    }
    world_slo_deadline(world_app(&t->w, "a0"), CVG_MS(100));
    struct cvg_app *exact = world_app(&t->w, "a1");
    world_slo_deadline(exact, CVG_MS(100));
    world_slo_accuracy(exact, 0.9);
    ready(t);
}

/* Both apps are served: each TPU keeps what it is for. */
static void each_tpu_keeps_one(void **state)
{
    (void)state;
    struct asked t;
    two_tpus(&t);
    t.q.rates_rps[0] = 150;
    t.q.rates_rps[1] = 75;
    make(&t);
    assert_true(near(t.plan.factor, 4.0 / 3));
    uint32_t fair = rate_on(&t.plan, CVG_ANY, 0, 0) > 0 ? 0 : 1;
    assert_true(near(rate_on(&t.plan, 0, 0, fair), 200));
    assert_true(near(rate_on(&t.plan, 1, 1, 1 - fair), 100));
    assert_true(rate_on(&t.plan, CVG_ANY, 1, fair) == 0);
    assert_true(rate_on(&t.plan, CVG_ANY, 0, 1 - fair) == 0);
    assert_true(near(t.plan.busy[0], 1) && near(t.plan.busy[1], 1));
    world_fini(&t.w);
}

static void two_flows(struct asked *t, uint32_t fair_on)
{
    t->q.n_flows = 2;
    t->q.flows[0] = (struct cvg_flow){
        .app = 0, .variant = 0, .device = fair_on, .batch = 1, .rate_rps = 100};
    t->q.flows[1] = (struct cvg_flow){.app = 1,
                                      .variant = 1,
                                      .device = 1 - fair_on,
                                      .batch = 1,
                                      .rate_rps = 50};
}

/* Of two arrangements that are as good the last one stays. */
static void what_is_kept_stays(void **state)
{
    (void)state;
    for (uint32_t fair_on = 0; fair_on < 2; fair_on++) {
        for (int load = 1; load <= 3; load++) { /* up to overload */
            struct asked t;
            two_tpus(&t);
            t.q.rates_rps[0] = 90 * load;
            t.q.rates_rps[1] = 45 * load;
            two_flows(&t, fair_on);
            make(&t);
            assert_true(rate_on(&t.plan, CVG_ANY, 1, fair_on) == 0);
            assert_true(rate_on(&t.plan, CVG_ANY, 0, 1 - fair_on) == 0);
            assert_true(rate_on(&t.plan, 0, 0, fair_on) > 0);
            assert_true(rate_on(&t.plan, 1, 1, 1 - fair_on) > 0);
            world_fini(&t.w);
        }
    }
}

/* Both have kept "good" on account of a1, which has gone: another arrangement
 * is clearly better for a0, but only an open question may have it. */
static void what_is_kept_changes_for_a_clear_gain(void **state)
{
    (void)state;
    struct asked t;
    two_tpus(&t);
    t.q.rates_rps[0] = 190;
    t.q.rates_rps[1] = 5;
    t.q.n_flows = 2;
    for (uint32_t d = 0; d < 2; d++) {
        t.q.flows[d] = (struct cvg_flow){
            .app = d, .variant = 1, .device = d, .batch = 1, .rate_rps = 90};
    }
    t.q.settled = true;
    make(&t);
    assert_true(rate_on(&t.plan, CVG_ANY, 0, CVG_ANY) == 0);
    assert_true(near(t.plan.factor, 200.0 / 195));
    t.q.settled = false;
    make(&t);
    assert_true(rate_on(&t.plan, 0, 0, CVG_ANY) > 0);
    assert_true(t.plan.factor > 1.3);
    go_on(&t, false);
    struct cvg_plan before = t.plan;
    make(&t);
    assert_memory_equal(before.flows, t.plan.flows, sizeof before.flows);
    world_fini(&t.w);
}

/* An app that cannot be served by what is kept is reason enough to look, even
 * if all is settled. */
/* Frugal flows are scaled to a load that both TPUs could not take: what they
 * keep is known all the same. */
static void what_a_frugal_plan_keeps_stays(void **state)
{
    (void)state;
    struct asked t;
    begin(&t);
    struct cvg_device *d = world_device(&t.w, "tpu", CVG_FCFS, 2, 1);
    d->has_cache = d->has_switch = true;
    d->cache_bytes = 1 << 20;
    d->switch_fixed = CVG_MS(10);
    world_device(&t.w, "cpu", CVG_FCFS, 1, 1);
    world_variant(&t.w, "fair", 0.8);
    world_variant(&t.w, "good", 0.9);
    world_profile(&t.w, "fair", "tpu", 1, 2, 4);
    world_profile(&t.w, "good", "tpu", 1, 8, 10);
    world_profile(&t.w, "fair", "cpu", 1, 1.5, 500);
    world_slo_accuracy(world_app(&t.w, "a0"), 0.7);
    world_slo_accuracy(world_app(&t.w, "a1"), 0.9);
    for (size_t v = 0; v < 2; v++) {
        t.w.box->variants[v].weights_bytes = 1 << 20;
    }
    ready(&t);
    t.q.rates_rps[0] = 380;
    t.q.rates_rps[1] = 50;
    make(&t);
    assert_true(t.plan.frugal && t.plan.busy[0] > 1);
    struct cvg_plan first = t.plan;
    go_on(&t, true);
    make(&t);
    assert_memory_equal(&first, &t.plan, sizeof first);
    world_fini(&t.w);
}

static void nobody_is_left_without_a_place(void **state)
{
    (void)state;
    struct asked t;
    two_tpus(&t);
    t.q.rates_rps[0] = 50;
    t.q.rates_rps[1] = 20;
    t.q.n_flows = 2;
    for (uint32_t d = 0; d < 2; d++) {
        t.q.flows[d] = (struct cvg_flow){
            .app = 0, .variant = 0, .device = d, .batch = 1, .rate_rps = 90};
    }
    t.q.settled = true;
    make(&t);
    assert_true(t.plan.served_rps[1] >= 20 - 1e-6);
    world_fini(&t.w);
}

/* Units of one device keep each its own; a cache of two has both on each. */
static void units_keep_one_by_one(void **state)
{
    (void)state;
    for (uint32_t room = 1; room <= 2; room++) {
        struct asked t;
        begin(&t);
        struct cvg_device *d = world_device(&t.w, "tpu", CVG_FCFS, 2, 1);
        d->has_cache = d->has_switch = true;
        d->cache_bytes = room << 20;
        d->switch_fixed = CVG_MS(20);
        world_variant(&t.w, "fair", 0.8);
        world_variant(&t.w, "good", 0.9);
        world_profile(&t.w, "fair", "tpu", 1, 5, 0);
        world_profile(&t.w, "good", "tpu", 1, 10, 0);
        world_slo_accuracy(world_app(&t.w, "a0"), 0.8);
        world_slo_accuracy(world_app(&t.w, "a1"), 0.9);
        ready(&t);
        t.q.rates_rps[0] = 150;
        t.q.rates_rps[1] = 50;
        make(&t);
        /* 0.75 and 0.5 of a unit; what is too much for the first is served by
         * "good": 150 f = 200 + y, 10 ms (50 f + y) = 1. */
        assert_true(near(t.plan.factor, room == 1 ? 1.5 : 1.6));
        assert_true(near(t.plan.busy[0], 1));
        world_fini(&t.w);
    }
}

/* A device that holds one of two variants runs only that one; where "good"
 * serves both apps it is that. */
static void memory_has_room_for_one(void **state)
{
    (void)state;
    struct asked t;
    begin(&t);
    world_device(&t.w, "d0", CVG_FCFS, 1, 1)->resident = 1;
    world_variant(&t.w, "fair", 0.8);
    world_variant(&t.w, "good", 0.9);
    world_profile(&t.w, "fair", "d0", 1, 5, 0);
    world_profile(&t.w, "good", "d0", 1, 10, 0);
    world_slo_accuracy(world_app(&t.w, "a0"), 0.8);
    ready(&t);
    t.q.rates_rps[0] = 150;
    make(&t);
    assert_true(near(t.plan.factor, 4.0 / 3));
    world_slo_accuracy(world_app(&t.w, "a1"), 0.9);
    t.q.slos[1] = t.w.box->apps[1].slo;
    t.q.rates_rps[0] = 60;
    t.q.rates_rps[1] = 20;
    make(&t);
    assert_true(near(t.plan.factor, 1.25));
    assert_true(near(rate_on(&t.plan, CVG_ANY, 1, 0), 100));
    assert_true(rate_on(&t.plan, CVG_ANY, 0, 0) == 0);
    /* In overload that which is worth more is kept. */
    for (int a0 = 0; a0 < 2; a0++) {
        t.w.box->apps[0].weight = a0 ? 1 : 0.1;
        t.q.rates_rps[0] = 150;
        make(&t);
        assert_true(t.plan.factor < 1);
        assert_true((rate_on(&t.plan, CVG_ANY, 0, 0) > 0) == (a0 != 0));
        assert_true((rate_on(&t.plan, CVG_ANY, 1, 0) > 0) == (a0 == 0));
    }
    world_fini(&t.w);
}

/* --- overload ------------------------------------------------------------- */

/* Two apps with 60/s each guaranteed, room for 100/s: one is held whole, the
 * lighter one given up. */
static void windows_are_held_whole_or_given_up(void **state)
{
    (void)state;
    struct asked t;
    begin(&t);
    world_device(&t.w, "d0", CVG_FCFS, 1, 1);
    world_variant(&t.w, "v0", 0.9);
    world_profile(&t.w, "v0", "d0", 1, 10, 0);
    for (int a = 0; a < 2; a++) {
        struct cvg_app *app = world_app(&t.w, a == 0 ? "a0" : "a1");
        world_slo_throughput(app, 60);
        app->weight = 1 + a;
    }
    ready(&t);
    t.q.rates_rps[0] = t.q.rates_rps[1] = 60;
    make(&t);
    assert_true(near(t.plan.factor, 100.0 / 120));
    assert_true(t.plan.given_up[0]);
    assert_false(t.plan.given_up[1]);
    assert_true(t.plan.served_rps[1] >= 0.95 * 60);
    assert_true(t.plan.worth[1] > 0); /* more of it would go before a0 */
    /* Room for both windows of 45/s, not for all that is asked: none is given
     * up. */
    t.q.slos[0].throughput_rps = t.q.slos[1].throughput_rps = 45;
    make(&t);
    assert_false(t.plan.given_up[0] || t.plan.given_up[1]);
    assert_true(t.plan.served_rps[0] >= 0.95 * 45);
    assert_true(t.plan.served_rps[0] + t.plan.served_rps[1] <= 100 + 1e-6);
    world_fini(&t.w);
}

/* What the best choice of windows to hold is worth, on one device: what is
 * held has its rate, what is left goes to those that give most for the time.
 * The windows are held with `spare` (1: by a hair). */
struct knapsack {
    uint32_t n;
    double weight[4], time_s[4], rate[4], guaranteed[4]; /* 0: not */
};

static double held_value(const struct knapsack *k, uint32_t held, double spare)
{
    double left_s = 1, value = 0, rest[4];
    for (uint32_t a = 0; a < k->n; a++) {
        double must = 0;
        if (k->guaranteed[a] > 0 && (held >> a & 1U) != 0) {
            must = fmin(0.95 * spare * fmin(k->guaranteed[a], k->rate[a]),
                        k->rate[a]);
        }
        bool counts = k->guaranteed[a] == 0 || (held >> a & 1U) != 0;
        rest[a] = counts ? k->rate[a] - must : 0;
        left_s -= must * k->time_s[a];
        value += must * k->weight[a];
    }
    if (left_s < 0) {
        return -1;
    }
    for (;;) {
        uint32_t best = k->n;
        for (uint32_t a = 0; a < k->n; a++) {
            if (rest[a] > 0 &&
                (best == k->n || k->weight[a] / k->time_s[a] >
                                     k->weight[best] / k->time_s[best])) {
                best = a;
            }
        }
        if (best == k->n || left_s <= 0) {
            return value;
        }
        double more = fmin(rest[best], left_s / k->time_s[best]);
        value += more * k->weight[best];
        left_s -= more * k->time_s[best];
        rest[best] = 0;
    }
}

static double best_value(const struct knapsack *k, double spare)
{
    double best = 0;
    for (uint32_t held = 0; held < 1U << k->n; held++) {
        best = fmax(best, held_value(k, held, spare));
    }
    return best;
}

/* App i needs variant i or a better one, which is slower. */
static void knapsack_box(struct asked *t, struct cvg_rng *rng,
                         struct knapsack *k)
{
    begin(t);
    memset(k, 0, sizeof *k);
    k->n = 2 + random_below(rng, 3);
    world_device(&t->w, "d0", CVG_FCFS, 1, 1);
    for (uint32_t i = 0; i < k->n; i++) {
        char name[16];
        snprintf(name, sizeof name, "v%u", i);
        world_variant(&t->w, name, 0.5 + 0.1 * i);
    }
    double ms = 1;
    for (uint32_t i = 0; i < k->n; i++) {
        char name[16];
        ms += 1 + random_below(rng, 6);
        snprintf(name, sizeof name, "v%u", i);
        world_profile(&t->w, name, "d0", 1, ms, 0);
        snprintf(name, sizeof name, "a%u", i);
        struct cvg_app *app = world_app(&t->w, name);
        world_slo_accuracy(app, 0.5 + 0.1 * i);
        app->weight = k->weight[i] = 1 + random_below(rng, 4);
        k->time_s[i] = ms * 1e-3;
        k->rate[i] = 10 + random_below(rng, 100);
        if (random_below(rng, 4) != 0) {
            k->guaranteed[i] = k->rate[i] * (0.3 + cvg_rng_uniform(rng));
            world_slo_throughput(app, k->guaranteed[i]);
        }
    }
    ready(t);
    memcpy(t->q.rates_rps, k->rate, sizeof k->rate);
}

/* Against every subset of windows. The plan holds them with something to
 * spare, so it may fall between what can be had with and without. */
static void triage_is_near_the_best(void **state)
{
    (void)state;
    double sum = 0, worst = 1;
    int n = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct asked t;
        struct knapsack k;
        struct cvg_rng rng;
        cvg_rng_init(&rng, seed, 0, 0);
        knapsack_box(&t, &rng, &k);
        make(&t);
        if (t.plan.factor < 1) {
            double value = 0;
            for (uint32_t a = 0; a < k.n; a++) {
                double served = fmin(t.plan.served_rps[a], k.rate[a]);
                value += t.plan.given_up[a] ? 0 : k.weight[a] * served;
            }
            double most = best_value(&k, 1);
            double ratio = value / fmin(most, best_value(&k, 1.05));
            if (value > most * (1 + 1e-6) || ratio < 0.7) {
                fail_msg("seed %d: %g of %g", (int)seed, value, most);
            }
            sum += fmin(ratio, 1);
            worst = fmin(worst, ratio);
            n++;
        }
        world_fini(&t.w);
    }
    print_message("triage: %d boxes, mean %.4f, worst %.4f\n", n, sum / n,
                  worst);
    assert_true(n > 100);
    assert_true(sum / n >= 0.98);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_device),
        cmocka_unit_test(energy_is_saved_where_there_is_room),
        cmocka_unit_test(two_devices_and_two_apps),
        cmocka_unit_test(batches_fill_while_a_deadline_lasts),
        cmocka_unit_test(the_mean_of_a_window_mixes),
        cmocka_unit_test(nobody_asks),
        cmocka_unit_test(devices_that_are_down),
        cmocka_unit_test(variants_that_are_taken_out),
        cmocka_unit_test(an_app_that_nothing_can_serve),
        cmocka_unit_test(a_mean_that_nothing_reaches),
        cmocka_unit_test(a_deadline_as_short_as_the_service),
        cmocka_unit_test(each_tpu_keeps_one),
        cmocka_unit_test(what_is_kept_stays),
        cmocka_unit_test(what_is_kept_changes_for_a_clear_gain),
        cmocka_unit_test(what_a_frugal_plan_keeps_stays),
        cmocka_unit_test(nobody_is_left_without_a_place),
        cmocka_unit_test(units_keep_one_by_one),
        cmocka_unit_test(memory_has_room_for_one),
        cmocka_unit_test(windows_are_held_whole_or_given_up),
        cmocka_unit_test(triage_is_near_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

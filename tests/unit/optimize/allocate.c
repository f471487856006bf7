/* Plans by accuracy scaling of small boxes, worked out by hand. What holds on
 * any box is in allocate_laws.c, how the programs are solved in allocation.c.
 */
#include "unit/optimize/allocated.h"

/* "fast" at 100/s and "good" at 25/s, on devices that are alike. */
static void alike(struct asked *t, uint32_t devices, uint32_t units)
{
    seed_now = 0;
    begin(t);
    for (uint32_t d = 0; d < devices; d++) {
        char name[16];
        (void)snprintf(name, sizeof name, "d%u", d);
        struct cvg_device *device =
            world_device(&t->w, name, CVG_FCFS, units, 1);
        free(device->profile);
        device->profile = strdup("alike");
        device->resident = units;
        device->has_switch = units > 1;
    }
    world_variant(&t->w, "fast", 0.7);
    world_variant(&t->w, "good", 0.9);
    for (uint32_t d = 0; d < devices; d++) {
        world_profile(&t->w, "fast", t->w.box->devices[d].name, 1, 10, 0);
        world_profile(&t->w, "good", t->w.box->devices[d].name, 1, 40, 0);
    }
    world_slo_deadline(world_app(&t->w, "a0"), CVG_MS(200));
    t->w.box->policy.headroom = 1;
    ready(t);
}

/* A few plans later. */
static void ask(struct asked *t, size_t m, double rate_rps)
{
    t->q.rates_rps[0] = rate_rps;
    for (int i = 0; i < 3; i++) {
        solve(t, m);
        check(t);
        go_on(t, false);
    }
}

static bool uses(const struct asked *t, uint32_t variant)
{
    return rate_on(&t->plan, CVG_ANY, variant, CVG_ANY) > 0;
}

/* 100/s by the good one, 400 by the fast one; and back again. */
static void demand_is_scaled_for(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 4, 1);
    for (size_t m = MILP; m <= SOMMELIER; m++) {
        t.q.n_flows = 0;
        ask(&t, m, 40);
        assert_true(t.plan.factor == 1 && !uses(&t, 0));
        ask(&t, m, 300);
        assert_true(near(t.plan.served_rps[0], 300) && uses(&t, 0));
        ask(&t, m, 2000);
        assert_true(near(rate_on(&t.plan, 0, 0, CVG_ANY), 400));
        assert_true(t.plan.factor > 0.18 && t.plan.factor < 0.2 + 1e-9);
        assert_true(near(t.plan.served_rps[0], 2000 * t.plan.factor));
        ask(&t, m, 40);
        assert_true(t.plan.factor == 1 && !uses(&t, 0));
    }
    world_fini(&t.w);
}

/* The others serve what they can by what they have. */
static void demand_is_not_scaled_for(void **state)
{
    (void)state;
    static const double rates[] = {40, 300, 2000, 40};
    struct asked t;
    alike(&t, 4, 1);
    for (size_t m = CLIPPER_HT; m <= STATIC; m++) {
        double can = m == CLIPPER_HT ? 400 : 100;
        t.q.n_flows = 0;
        for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
            ask(&t, m, rates[i]);
            assert_true(uses(&t, m == CLIPPER_HT ? 0 : 1));
            assert_false(uses(&t, m == CLIPPER_HT ? 1 : 0));
            assert_true(near(t.plan.served_rps[0], fmin(can, rates[i])));
        }
    }
    world_fini(&t.w);
}

/* What is down serves nothing; what has come up does. */
static void devices_go_down_and_come_up(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 2, 1);
    for (size_t m = 0; m < METHODS; m++) {
        t.q.n_flows = 0;
        t.q.slowdown[0] = INFINITY;
        ask(&t, m, 2000);
        double served = rate_on(&t.plan, 0, CVG_ANY, CVG_ANY);
        assert_true(held(&t.plan, 0) == 0 && held(&t.plan, 1) != 0);
        t.q.slowdown[0] = 1;
        ask(&t, m, 2000);
        assert_true(held(&t.plan, 0) != 0);
        assert_true(rate_on(&t.plan, 0, CVG_ANY, CVG_ANY) >= 1.25 * served);
        t.q.slowdown[0] = t.q.slowdown[1] = INFINITY;
        ask(&t, m, 2000);
        assert_true(t.plan.n_flows == 0 && t.plan.factor == 0);
        t.q.slowdown[0] = t.q.slowdown[1] = 1;
        /* Of one that is slow less is asked. */
        t.q.n_flows = 0;
        t.q.slowdown[0] = 2;
        ask(&t, m, 2000);
        assert_true(near(rate_on(&t.plan, 0, CVG_ANY, 1),
                         2 * rate_on(&t.plan, 0, CVG_ANY, 0)));
        t.q.slowdown[0] = 1;
    }
    world_fini(&t.w);
}

static void nothing_may_be_enabled(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 2, 1);
    for (size_t m = 0; m < METHODS; m++) {
        t.q.n_flows = 0;
        ask(&t, m, 100);
        t.q.enabled[1] = false;
        ask(&t, m, 150);
        assert_true(near(t.plan.served_rps[0], 150));
        t.q.enabled[0] = false;
        ask(&t, m, 100);
        assert_true(t.plan.n_flows == 0 && t.plan.factor == 0);
        t.q.enabled[0] = t.q.enabled[1] = true;
    }
    world_fini(&t.w);
}

/* A thousandth of a request's accuracy is not worth the trouble. */
static void little_is_not_worth_changing(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 2, 1);
    for (size_t m = MILP; m <= DP; m++) {
        t.w.box->variants[1].accuracy[0] = 0.7 + 0.0008;
        t.q.enabled[1] = false;
        t.q.n_flows = 0;
        ask(&t, m, 20);
        t.q.enabled[1] = true;
        ask(&t, m, 20);
        assert_true(uses(&t, 0) && !uses(&t, 1));
        t.w.box->variants[1].accuracy[0] = 0.7 + 0.003;
        ask(&t, m, 20);
        assert_true(uses(&t, 1) && !uses(&t, 0));
    }
    world_fini(&t.w);
}

/* Nobody, or nobody who asks for anything; who has an SLO has a home. */
static void nobody_may_ask(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 2, 1);
    for (size_t m = 0; m < METHODS; m++) {
        t.q.n_flows = 0;
        ask(&t, m, 0);
        assert_true(t.plan.factor == 1 && t.plan.n_flows > 0);
        t.q.slos[0].declared = 0;
        t.q.n_flows = 0;
        ask(&t, m, 0);
        assert_true(t.plan.factor == 1 && t.plan.n_flows == 0);
        t.w.box->n_apps = 0;
        ask(&t, m, 0);
        assert_true(t.plan.factor == 1 && t.plan.n_flows == 0);
        t.w.box->n_apps = 1;
        t.q.slos[0] = t.w.box->apps[0].slo;
    }
    world_fini(&t.w);
}

/* Of 60/s and 120; what comes by accident is added by `milp` and `dp` alone:
 * one standard deviation in half of the deadline, 0.1 s. */
static void demand_has_headroom(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 1, 1);
    t.w.box->policy.headroom = 2;
    for (size_t m = 0; m < METHODS; m++) {
        double more = m <= DP ? sqrt(60 / 0.1) : 0;
        double can = m == CLIPPER_HA ? 25 : 100;
        t.q.n_flows = 0;
        t.q.dispersion[0] = 0;
        ask(&t, m, 60);
        assert_true(near(t.plan.factor, can / (120 + more)) || m >= SOMMELIER);
        assert_true(near(t.plan.served_rps[0], 60 * t.plan.factor));
        t.q.dispersion[0] = 4;
        ask(&t, m, 60);
        assert_true(near(t.plan.factor, can / (120 + 2 * more)) ||
                    m >= SOMMELIER);
    }
    t.w.box->policy.headroom = 0;
    t.q.n_flows = 0;
    ask(&t, INFAAS, 100);
    assert_true(near(t.plan.factor, 1 / CVG_HEADROOM));
    world_fini(&t.w);
}

/* The largest that takes half of the deadline; of all of it, if none does. */
static void batches_take_half_of_the_deadline(void **state)
{
    (void)state;
    static const struct {
        uint32_t deadline_ms, batch;
    } cases[] = {{40, 4}, {30, 2}, {20, 1}, {15, 2}, {10, 1}};
    struct asked t;
    begin(&t);
    world_device(&t.w, "d0", CVG_FCFS, 1, 1);
    world_variant(&t.w, "v0", 0.9);
    world_profile(&t.w, "v0", "d0", 1, 10, 0);
    world_profile(&t.w, "v0", "d0", 4, 20, 0);
    world_slo_deadline(world_app(&t.w, "a0"), 1);
    ready(&t);
    for (size_t m = 0; m < METHODS; m++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            t.q.slos[0].deadline = CVG_MS(cases[i].deadline_ms);
            t.q.n_flows = 0;
            ask(&t, m, 10);
            assert_int_equal(t.plan.n_flows, 1);
            assert_int_equal(t.plan.flows[0].batch, cases[i].batch);
        }
    }
    world_fini(&t.w);
}

/* Both units hold the same variant, and go on doing so. */
static void units_are_places(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 1, 2);
    for (size_t m = 0; m < METHODS; m++) {
        t.q.n_flows = 0;
        ask(&t, m, 2000);
        law(near(rate_on(&t.plan, 0, CVG_ANY, 0), m == CLIPPER_HA ? 50 : 200),
            "two units serve twice as much");
    }
    world_fini(&t.w);
}

/* "a" at 100/s on all devices, "b" at 100/s on the first two and at 10/s on the
 * others: these are for "a", so that 200/s can be served of both. Of "c"
 * nothing can. */
static void two_types(struct asked *t)
{
    static const char *const names[] = {"d0", "d1", "d2", "d3"};
    begin(t);
    for (int d = 0; d < 4; d++) {
        struct cvg_device *device =
            world_device(&t->w, names[d], CVG_FCFS, 1, 1);
        free(device->profile);
        device->profile = strdup(d < 2 ? "quick" : "slow");
    }
    world_variant(&t->w, "a", 0.9);
    world_variant(&t->w, "b", 0.9);
    world_variant(&t->w, "c", 0.9);
    for (int d = 0; d < 4; d++) {
        world_profile(&t->w, "a", names[d], 1, 10, 0);
        world_profile(&t->w, "b", names[d], 1, d < 2 ? 10 : 100, 0);
        world_profile(&t->w, "c", names[d], 1, 10, 0);
    }
    world_slo_deadline(world_app(&t->w, "a"), CVG_MS(400));
    world_slo_deadline(world_app(&t->w, "b"), CVG_MS(400));
    world_slo_deadline(world_app(&t->w, "c"), CVG_MS(400));
    split_families(&t->w, 3);
    ready(t);
    t->q.enabled[2] = false;
}

/* Placed for the largest demand of that mix that can be served, whatever it is
 * at first, and whoever has no chance. */
static void placed_for_the_most(void **state)
{
    (void)state;
    static const double at_first[] = {10, 100, 1000};
    for (int i = 0; i < 6; i++) {
        struct asked t;
        two_types(&t);
        seed_now = (uint64_t)i;
        t.q.slos[2].declared = i % 2 == 0 ? 0 : t.q.slos[2].declared;
        for (size_t m = SOMMELIER; m <= CLIPPER_HA; m++) {
            t.q.n_flows = 0;
            t.q.rates_rps[0] = t.q.rates_rps[1] = at_first[i / 2];
            solve(&t, m);
            go_on(&t, false);
            t.q.rates_rps[0] = t.q.rates_rps[1] = 180;
            solve(&t, m);
            check(&t);
            law(near(t.plan.served_rps[0], 180), "all of a");
            law(near(t.plan.served_rps[1], 180), "all of b");
        }
        world_fini(&t.w);
    }
}

/* Nobody asks for "b" for a while. */
static void devices_wait_for_their_family(void **state)
{
    (void)state;
    struct asked t;
    two_types(&t);
    t.q.slos[1].declared = 0;
    t.q.rates_rps[0] = 100;
    for (size_t m = SOMMELIER; m < METHODS; m++) {
        t.q.n_flows = 0;
        t.q.rates_rps[1] = 100;
        solve(&t, m);
        go_on(&t, false);
        struct cvg_plan before = t.plan;
        t.q.rates_rps[1] = 0;
        solve(&t, m);
        go_on(&t, false);
        t.q.rates_rps[1] = 100;
        solve(&t, m);
        law(is_same_hosting(&t, &before), "devices stay with their family");
    }
    world_fini(&t.w);
}

static void there_may_be_too_many_flows(void **state)
{
    (void)state;
    struct cvg_error err = {.text = ""};
    struct asked t;
    alike(&t, 8, 1);
    for (uint32_t a = 1; a < CVG_MAX_APPS; a++) {
        world_slo_deadline(world_app(&t.w, "more"), CVG_MS(200));
        t.q.slos[a] = t.w.box->apps[a].slo;
    }
    for (size_t m = 0; m < METHODS; m++) {
        t.q.rates_rps[0] = 10000;
        assert_int_equal(methods[m].solve(t.w.box, &t.q, &t.plan, &err),
                         CVG_LIMIT);
        assert_non_null(strstr(err.text, "flows"));
    }
    world_fini(&t.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(demand_is_scaled_for),
        cmocka_unit_test(demand_is_not_scaled_for),
        cmocka_unit_test(devices_go_down_and_come_up),
        cmocka_unit_test(nothing_may_be_enabled),
        cmocka_unit_test(little_is_not_worth_changing),
        cmocka_unit_test(nobody_may_ask),
        cmocka_unit_test(demand_has_headroom),
        cmocka_unit_test(batches_take_half_of_the_deadline),
        cmocka_unit_test(units_are_places),
        cmocka_unit_test(placed_for_the_most),
        cmocka_unit_test(devices_wait_for_their_family),
        cmocka_unit_test(there_may_be_too_many_flows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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
        assert_true(t.plan.n_flows == 0 && t.plan.served_rps[0] == 0);
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
        assert_true(t.plan.n_flows == 0 && t.plan.served_rps[0] == 0);
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

/* For 60/s and a headroom of 2 there is room for 120; what comes by accident is
 * added by our own methods alone: one standard deviation in half of the
 * deadline, 0.1 s. What is kept beyond the 60 is not served. */
static void demand_has_headroom(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 4, 1);
    t.w.box->policy.headroom = 2;
    for (size_t m = 0; m < METHODS; m++) {
        bool ours = m == MILP || m == DP || m == STATIC;
        double can = m == CLIPPER_HA ? 100 : 400;
        for (double dispersion = 0; dispersion <= 4; dispersion += 4) {
            double more = ours ? sqrt(60 * fmax(dispersion, 1) / 0.1) : 0;
            t.q.n_flows = 0;
            t.q.dispersion[0] = dispersion;
            ask(&t, m, 60);
            assert_true(near(rate_on(&t.plan, 0, CVG_ANY, CVG_ANY),
                             fmin(can, 120 + more)));
            assert_true(t.plan.served_rps[0] == 60 && t.plan.factor == 1);
        }
    }
    t.w.box->policy.has_margin = true;
    for (size_t m = 0; m < METHODS; m++) {
        for (int margin = 0; margin <= 2; margin++) {
            t.w.box->policy.margin = margin;
            t.q.n_flows = 0;
            ask(&t, m, 60);
            assert_true(near(rate_on(&t.plan, 0, CVG_ANY, CVG_ANY),
                             fmin(m == CLIPPER_HA ? 100 : 400,
                                  120 + margin * sqrt(60 * 4 / 0.1))));
        }
    }
    t.w.box->policy.has_margin = false;
    t.w.box->policy.headroom = 0;
    t.q.n_flows = 0;
    ask(&t, INFAAS, 100);
    assert_true(near(rate_on(&t.plan, 0, CVG_ANY, CVG_ANY),
                     fmin(400, 100 * CVG_HEADROOM)));
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

/* Two hold each of the variants that fit, and all four the same. */
static void units_share_what_fits(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 1, 4);
    t.w.box->devices[0].resident = 2;
    for (size_t m = 0; m < METHODS; m++) {
        t.q.n_flows = 0;
        ask(&t, m, 2000);
        law(near(rate_on(&t.plan, 0, CVG_ANY, 0), m == CLIPPER_HA ? 100 : 400),
            "none of the units idles");
    }
    world_fini(&t.w);
}

/* What takes long to load is loaded all the same, when that serves four times
 * as much, however far demand is beyond it. */
static void overload_is_worth_a_load(void **state)
{
    (void)state;
    static const double rates[] = {150, 500, 2000, 10000};
    struct asked t;
    alike(&t, 1, 1);
    cvg_profile_set_load(t.w.box->profile, 0, 0, CVG_S(4));
    for (size_t m = 0; m <= INFAAS; m++) {
        for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
            t.q.n_flows = 0;
            ask(&t, m, 5);
            assert_true(uses(&t, 1));
            ask(&t, m, rates[i]);
            law(near(rate_on(&t.plan, 0, 0, 0), 100), "it has changed");
        }
    }
    world_fini(&t.w);
}

/* A second app of the family asks for what nothing gives: the first is served
 * as if it were alone. Where the bound gives way, both are. */
static void who_asks_too_much_harms_nobody(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 2, 1);
    world_slo_deadline(world_app(&t.w, "a1"), CVG_MS(5));
    for (int i = 0; i < 4; i++) {
        struct cvg_slo *slo = &t.q.slos[1];
        slo->declared =
            1U << (i % 2 == 0 ? CVG_SLO_DEADLINE : CVG_SLO_ACCURACY);
        slo->deadline = CVG_MS(5);
        slo->accuracy = 0.95;
        t.w.box->apps[1].n_relax = i < 2 ? 0 : 1;
        t.w.box->apps[1].relax[0] =
            i % 2 == 0 ? CVG_SLO_DEADLINE : CVG_SLO_ACCURACY;
        for (size_t m = 0; m < METHODS; m++) {
            t.q.n_flows = 0;
            t.q.rates_rps[1] = 10;
            ask(&t, m, 20);
            assert_true(near(t.plan.served_rps[0], 20));
            assert_true(near(t.plan.served_rps[1], i < 2 ? 0 : 10));
        }
    }
    world_fini(&t.w);
}

/* The one that asks for most has a device, though a third has none. */
static void families_may_outnumber_devices(void **state)
{
    (void)state;
    struct asked t;
    two_types(&t);
    t.q.enabled[2] = true;
    t.q.slowdown[1] = t.q.slowdown[2] = INFINITY;
    for (size_t m = 0; m < METHODS; m++) {
        t.q.n_flows = 0;
        t.q.rates_rps[0] = t.q.rates_rps[1] = 2;
        t.q.rates_rps[2] = 90;
        for (int i = 0; i < 3; i++) {
            solve(&t, m);
            check(&t);
            go_on(&t, false);
        }
        law(t.plan.served_rps[2] > 80, "most of it is served");
    }
    world_fini(&t.w);
}

/* Of two that come often at once each has its device. */
static void nobody_takes_all(void **state)
{
    (void)state;
    struct asked t;
    two_types(&t);
    t.q.slowdown[2] = t.q.slowdown[3] = INFINITY;
    for (size_t m = 0; m < METHODS; m++) {
        t.q.n_flows = 0;
        t.q.rates_rps[1] = 90;
        ask(&t, m, 90);
        law(t.plan.served_rps[0] > 80 && t.plan.served_rps[1] > 80,
            "each has its device");
    }
    world_fini(&t.w);
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

/* Where a plan has no room for every app on every device, each has some of
 * them; it is an error where there are more devices than a plan has room for.
 */
static void there_may_be_many_flows(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 8, 1);
    for (uint32_t a = 1; a < CVG_MAX_APPS; a++) {
        world_slo_deadline(world_app(&t.w, "more"), CVG_MS(200));
        t.q.slos[a] = t.w.box->apps[a].slo;
        t.q.rates_rps[a] = 2 + a % 3;
    }
    for (size_t m = 0; m < METHODS; m++) {
        double served = 0;
        t.q.n_flows = 0;
        t.q.rates_rps[0] = 100;
        solve(&t, m);
        assert_true(t.plan.n_flows <= 8 + CVG_MAX_APPS);
        for (uint32_t a = 0; a < CVG_MAX_APPS; a++) {
            double rate = rate_on(&t.plan, a, CVG_ANY, CVG_ANY);
            assert_true(m == CLIPPER_HA || rate >= t.q.rates_rps[a]);
            served += rate;
        }
        assert_true(served >= 199); /* what eight serve most accurately */
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
        cmocka_unit_test(units_share_what_fits),
        cmocka_unit_test(overload_is_worth_a_load),
        cmocka_unit_test(who_asks_too_much_harms_nobody),
        cmocka_unit_test(families_may_outnumber_devices),
        cmocka_unit_test(nobody_takes_all),
        cmocka_unit_test(placed_for_the_most),
        cmocka_unit_test(devices_wait_for_their_family),
        cmocka_unit_test(there_may_be_many_flows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

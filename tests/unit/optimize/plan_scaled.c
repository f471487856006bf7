/* Plans in which accuracy gives way. */
#include "unit/optimize/asked.h"

/* "good" serves 100 requests a second, "fast" 400. */
static void two_variants(struct asked *t, bool scales)
{
    begin(t);
    world_device(&t->w, "d0", CVG_FCFS, 1, 1);
    world_variant(&t->w, "good", 0.9);
    world_variant(&t->w, "fast", 0.7);
    world_profile(&t->w, "good", "d0", 1, 10, 0);
    world_profile(&t->w, "fast", "d0", 1, 2.5, 0);
    struct cvg_app *app = world_app(&t->w, "a0");
    world_slo_deadline(app, CVG_MS(200));
    world_slo_accuracy(app, 0.9);
    app->accuracy_over = CVG_ACCURACY_PER_WINDOW;
    app->relax[0] = CVG_SLO_ACCURACY;
    app->n_relax = scales;
    ready(t);
}

static void plan_for(struct asked *t, double rate_rps)
{
    t->q.rates_rps[0] = rate_rps;
    make(t);
}

static void what_fits_keeps_its_accuracy(void **state)
{
    (void)state;
    struct asked t;
    two_variants(&t, true);
    plan_for(&t, 80);
    assert_true(near(t.plan.accuracy[0], 0.9));
    assert_true(near(t.plan.factor, 1.25));
    assert_true(near(rate_on(&t.plan, 0, 1, CVG_ANY), 0));
    world_fini(&t.w);
}

/* For 200/s with a tenth to spare, 220/s: g by "good" and 220 - g by "fast",
 * g/100 + (220 - g)/400 = 1, so g = 60 and the mean is .7545. */
static void what_does_not_fit_is_served_less_accurately(void **state)
{
    (void)state;
    struct asked t;
    two_variants(&t, true);
    plan_for(&t, 200);
    double best = (60 * 0.9 + 160 * 0.7) / 220;
    assert_true(t.plan.accuracy[0] <= best + 1e-9);
    assert_true(t.plan.accuracy[0] >
                best - 0.2 / 64); /* a step of the search */
    assert_true(t.plan.factor >= 1.1 - 1e-9);
    assert_true(t.plan.served_rps[0] >= 200);
    double good = rate_on(&t.plan, 0, 0, CVG_ANY);
    double fast = rate_on(&t.plan, 0, 1, CVG_ANY);
    double mean = (0.9 * good + 0.7 * fast) / (good + fast);
    assert_true(mean >= t.plan.accuracy[0] - 1e-6);
    world_fini(&t.w);
}

static void who_insists_is_served_in_part(void **state)
{
    (void)state;
    struct asked t;
    two_variants(&t, false);
    plan_for(&t, 200);
    assert_true(near(t.plan.accuracy[0], 0.9));
    assert_true(near(t.plan.factor, 0.5));
    assert_true(t.plan.served_rps[0] < 101);
    world_fini(&t.w);
}

/* 800/s are too many for the fastest, too: then accuracy is not the question,
 * and as many as can be are served. */
static void more_than_the_fastest_can_serve(void **state)
{
    (void)state;
    struct asked t;
    two_variants(&t, true);
    plan_for(&t, 800);
    assert_true(near(t.plan.accuracy[0], 0.7));
    assert_true(near(t.plan.factor, 0.5));
    assert_true(near(t.plan.served_rps[0], 400));
    world_fini(&t.w);
}

/* An app by each request beside it keeps its bound. */
static void only_who_lets_it_gives_way(void **state)
{
    (void)state;
    struct asked t;
    two_variants(&t, true);
    struct cvg_app *other = world_app(&t.w, "a1");
    world_slo_deadline(other, CVG_MS(200));
    world_slo_accuracy(other, 0.9);
    t.q.slos[1] = other->slo;
    t.q.rates_rps[1] = 50;
    plan_for(&t, 100);
    assert_true(t.plan.factor >= 1.1 - 1e-9);
    assert_true(t.plan.accuracy[0] < 0.9);
    assert_true(near(t.plan.accuracy[1], 0));
    assert_true(near(rate_on(&t.plan, 1, 1, CVG_ANY), 0));
    assert_true(t.plan.served_rps[1] >= 50);
    world_fini(&t.w);
}

/* The more comes, the less accurate: never the other way. */
static void accuracy_falls_with_demand(void **state)
{
    (void)state;
    struct asked t;
    two_variants(&t, true);
    double last = 1;
    for (double rate = 50; rate <= 450; rate += 25) {
        plan_for(&t, rate);
        assert_true(t.plan.accuracy[0] <= last + 1e-9);
        last = t.plan.accuracy[0];
    }
    assert_true(near(last, 0.7));
    world_fini(&t.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_keeps_its_accuracy),
        cmocka_unit_test(what_does_not_fit_is_served_less_accurately),
        cmocka_unit_test(who_insists_is_served_in_part),
        cmocka_unit_test(more_than_the_fastest_can_serve),
        cmocka_unit_test(only_who_lets_it_gives_way),
        cmocka_unit_test(accuracy_falls_with_demand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

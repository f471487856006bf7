/* Rules for exits that remember, or that the box sets: on the virtual clock. */
#include "net.h"

#include <math.h>

/* 0.1 mW: 6 mJ a minute, which is what the bucket holds. Its first request may
 * go to the third exit, the most accurate (1 + 2 + 3 mJ); then there is nothing
 * left, but first answers, until time has brought enough. */
static void a_budget_is_kept(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    w.box->policy.budget_w = 1e-4;
    world_start(&w, "order=fifo,exits=energy-budget,batching=none");
    arrive_at(&w, 0, 0, 0, 0);
    arrive_at(&w, CVG_MS(200), 0, 0, 0);
    arrive_at(&w, CVG_S(50), 0, 0, 0); /* -1 + 5 - 1: one more stage */
    arrive_at(&w, CVG_S(200), 0, 0, 0);
    world_run_until(&w, CVG_S(300));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r1 net 1-1 on d0\n"
                    "[  30] start r1 net 2-2 on d0\n"
                    "[  60] reply r1 exit 2\n"
                    "[ 200] start r2 net 0-0 on d0\n"
                    "[ 210] reply r2 exit 0\n"
                    "[50000] start r3 net 0-0 on d0\n"
                    "[50010] start r3 net 1-1 on d0\n"
                    "[50030] reply r3 exit 1\n"
                    "[200000] start r4 net 0-0 on d0\n"
                    "[200010] start r4 net 1-1 on d0\n"
                    "[200030] start r4 net 2-2 on d0\n"
                    "[200060] reply r4 exit 2\n");
    finish(&w);
}

/* Bounds of the request come first: there is budget for all of these. */
static void bounds_hold_within_a_budget(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    w.box->policy.budget_w = 1;
    world_start(&w, "order=edf,exits=energy-budget,batching=none");
    arrive_at(&w, 0, 0, 0, CVG_MS(45));
    arrive_at(&w, CVG_MS(200), 0, 2.9, 0);
    arrive_at(&w, CVG_MS(400), 0.65, 0, 0);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r1 net 1-1 on d0\n"
                    "[  30] reply r1 exit 1\n"
                    "[ 200] start r2 net 0-0 on d0\n"
                    "[ 210] reply r2 exit 0\n"
                    "[ 400] start r3 net 0-1 on d0\n"
                    "[ 430] reply r3 exit 1\n");
    finish(&w);
}

/* Over a long run no more is spent than came in and was there at the start,
 * first answers apart. */
static void a_budget_is_kept_in_the_long_run(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    w.box->policy.budget_w = 20e-3; /* first answers take 10 mW */
    world_start(&w, "order=fifo,exits=energy-budget,batching=none");
    for (int i = 0; i < 6000; i++) {
        arrive_at(&w, CVG_MS(100 * i), 0, 0, 0);
    }
    world_run_until(&w, CVG_S(700));
    double spent = cvg_engine_stats(world_engine(&w))->devices[0].energy_j;
    assert_true(spent > 20e-3 * 600 && spent < 20e-3 * 661);
    finish(&w);
}

static void slow_down(struct world *w, cvg_time at, double by)
{
    struct cvg_event event = {.type = CVG_EV_DEVICE, .at = at};
    event.device.up = true;
    event.device.slowdown = by;
    cvg_sim_inject(w->sim, &event);
}

/* It goes on as long as that is likely to be in time; a device that has become
 * slower by a tenth is found out. */
static void alert_learns_how_slow_it_is(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,exits=alert,batching=none");
    arrive_at(&w, 0, 0, 0, CVG_MS(64));
    slow_down(&w, CVG_MS(100), 1.1);
    for (int i = 1; i < 5; i++) { /* without deadline: to the best */
        arrive_at(&w, CVG_MS(200 * i), 0, 0, 0);
    }
    arrive_at(&w, CVG_MS(1000), 0, 0, CVG_MS(64));
    world_run_until(&w, CVG_S(2));
    assert_non_null(strstr(w.trace, "[   0] start r1 net 0-0 on d0\n"
                                    "[  10] start r1 net 1-1 on d0\n"
                                    "[  30] start r1 net 2-2 on d0\n"
                                    "[  60] reply r1 exit 2\n"));
    assert_non_null(strstr(w.trace, "[ 866] reply r5 exit 2\n"
                                    "[1000] start r6 net 0-0 on d0\n"
                                    "[1011] start r6 net 1-1 on d0\n"
                                    "[1033] reply r6 exit 1\n"));
    finish(&w);
}

static void alert_keeps_the_other_bounds(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,exits=alert,batching=none");
    arrive_at(&w, 0, 0.65, 0, CVG_MS(500));
    arrive_at(&w, CVG_MS(200), 0, 3.0, 0);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-1 on d0\n"
                    "[  30] reply r1 exit 1\n"
                    "[ 200] start r2 net 0-0 on d0\n"
                    "[ 210] start r2 net 1-1 on d0\n"
                    "[ 230] reply r2 exit 1\n");
    finish(&w);
}

/* Between one of the least accurate and one of the most, by what the box takes
 * as sure. */
static void the_box_says_what_is_sure(void **state)
{
    (void)state;
    for (int all = 0; all < 2; all++) {
        struct world w;
        net(&w, 1);
        w.box->policy.has_confidence = true;
        w.box->policy.confidence = all;
        world_start(&w, "order=fifo,exits=confidence,batching=none");
        arrive_at(&w, 0, 0, 0, 0);
        world_run_until(&w, CVG_S(1));
        CHECK_TRACE(&w, all ? "[   0] start r1 net 0-0 on d0\n"
                              "[  10] start r1 net 1-1 on d0\n"
                              "[  30] start r1 net 2-2 on d0\n"
                              "[  60] reply r1 exit 2\n"
                            : "[   0] start r1 net 0-0 on d0\n"
                              "[  10] reply r1 exit 0\n");
        finish(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_budget_is_kept),
        cmocka_unit_test(bounds_hold_within_a_budget),
        cmocka_unit_test(a_budget_is_kept_in_the_long_run),
        cmocka_unit_test(alert_learns_how_slow_it_is),
        cmocka_unit_test(alert_keeps_the_other_bounds),
        cmocka_unit_test(the_box_says_what_is_sure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

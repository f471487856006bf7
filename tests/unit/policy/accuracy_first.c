/* accuracy-first: edf, but for the choice of the way. */
#include "support/world.h"

/* quick 0.80 5 ms, good 0.90 10 ms, best 0.95 20 ms. */
static void three_variants(struct world *w)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "quick", 0.80);
    world_variant(w, "good", 0.90);
    world_variant(w, "best", 0.95);
    world_profile(w, "quick", "d0", 1, 5, 5);
    world_profile(w, "good", "d0", 1, 10, 5);
    world_profile(w, "best", "d0", 1, 20, 5);
    world_app(w, "a0");
    world_slo_accuracy(world_app(w, "a1"), 0.85);
    world_start(w, "accuracy-first");
}

static void most_accurate(void **state)
{
    (void)state;
    struct world w;
    three_variants(&w);
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(30), "a1", CVG_MS(100));
    world_arrive(&w, CVG_MS(60), "a1", 0);
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 best on d0\n"
                    "[  20] reply r1\n"
                    "[  30] start r2 best on d0\n"
                    "[  50] reply r2\n"
                    "[  60] start r3 best on d0\n"
                    "[  80] reply r3\n");
    world_fini(&w);
}

/* The most accurate that is in time: accuracy does not cost the deadline. */
static void most_accurate_in_time(void **state)
{
    (void)state;
    struct world w;
    three_variants(&w);
    world_arrive(&w, 0, "a0", CVG_MS(15));
    world_arrive(&w, CVG_MS(30), "a0", CVG_MS(9));
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 good on d0\n"
                    "[  10] reply r1\n"
                    "[  30] start r2 quick on d0\n"
                    "[  35] reply r2\n");
    world_fini(&w);
}

/* The order is edf's. */
static void earliest_deadline_goes_first(void **state)
{
    (void)state;
    struct world w;
    three_variants(&w);
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(1), "a1", CVG_MS(300));
    world_arrive(&w, CVG_MS(2), "a0", CVG_MS(200));
    world_run_until(&w, CVG_MS(70));
    CHECK_TRACE(&w, "[   0] start r1 best on d0\n"
                    "[  20] reply r1\n"
                    "[  20] start r3 best on d0\n"
                    "[  40] reply r3\n"
                    "[  40] start r2 best on d0\n"
                    "[  60] reply r2\n");
    world_fini(&w);
}

/* Equally accurate on two devices: the first finish. */
static void ties_by_the_first_finish(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "slow", CVG_FCFS, 1, 1);
    world_device(&w, "fast", CVG_FCFS, 1, 1);
    world_variant(&w, "quick", 0.80);
    world_variant(&w, "best", 0.95);
    world_profile(&w, "quick", "slow", 1, 5, 5);
    world_profile(&w, "best", "slow", 1, 30, 5);
    world_profile(&w, "best", "fast", 1, 20, 5);
    world_app(&w, "a0");
    world_start(&w, "accuracy-first");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(100));
    world_run_until(&w, CVG_MS(70));
    CHECK_TRACE(&w, "[   0] start r1 best on fast\n"
                    "[   1] start r2 best on slow\n"
                    "[  20] reply r1\n"
                    "[  31] reply r2\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_accurate),
        cmocka_unit_test(most_accurate_in_time),
        cmocka_unit_test(earliest_deadline_goes_first),
        cmocka_unit_test(ties_by_the_first_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

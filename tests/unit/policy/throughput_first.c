/* throughput-first: edf, but for the choice of the way. */
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
    world_start(w, "throughput-first");
}

static void fastest_that_is_accurate_enough(void **state)
{
    (void)state;
    struct world w;
    three_variants(&w);
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(30), "a1", CVG_MS(100));
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 quick on d0\n"
                    "[   5] reply r1\n"
                    "[  30] start r2 good on d0\n"
                    "[  40] reply r2\n");
    world_fini(&w);
}

static void earliest_deadline_goes_first(void **state)
{
    (void)state;
    struct world w;
    three_variants(&w);
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(1), "a1", CVG_MS(300));
    world_arrive(&w, CVG_MS(2), "a0", CVG_MS(200));
    world_run_until(&w, CVG_MS(70));
    CHECK_TRACE(&w, "[   0] start r1 quick on d0\n"
                    "[   5] reply r1\n"
                    "[   5] start r3 quick on d0\n"
                    "[  10] reply r3\n"
                    "[  10] start r2 good on d0\n"
                    "[  20] reply r2\n");
    world_fini(&w);
}

/* Where edf takes the idle device because it finishes first, this one waits
 * for the faster one, as long as that is in time. */
static void fastest_not_first(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "fast", CVG_FCFS, 1, 1);
    world_device(&w, "slow", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "fast", 1, 10, 5);
    world_profile(&w, "v0", "slow", 1, 14, 5);
    world_app(&w, "a0");
    world_start(&w, "throughput-first");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(100)); /* fast by 20 */
    world_arrive(&w, CVG_MS(2), "a0", CVG_MS(17));  /* fast is too late */
    world_run_until(&w, CVG_MS(70));
    CHECK_TRACE(&w, "[   0] start r1 v0 on fast\n"
                    "[   2] start r3 v0 on slow\n"
                    "[  10] reply r1\n"
                    "[  10] start r2 v0 on fast\n"
                    "[  16] reply r3\n"
                    "[  20] reply r2\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fastest_that_is_accurate_enough),
        cmocka_unit_test(earliest_deadline_goes_first),
        cmocka_unit_test(fastest_not_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

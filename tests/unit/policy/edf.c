/* edf: the earliest deadline over all apps first, then the (variant, device)
 * that is predicted to finish first among the variants accurate enough. */
#include "support/world.h"

static void earliest_deadline_over_all_apps(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 5);
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(300));
    world_slo_deadline(world_app(&w, "a1"), CVG_MS(100));
    world_start(&w, "edf");
    world_arrive(&w, 0, "a0", 0);
    world_arrive(&w, CVG_MS(1), "a0", 0);           /* due at 301 */
    world_arrive(&w, CVG_MS(2), "a1", 0);           /* due at 102 */
    world_arrive(&w, CVG_MS(3), "a0", CVG_MS(60));  /* due at 63 */
    world_arrive(&w, CVG_MS(4), "a1", CVG_MS(400)); /* due at 404 */
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r4 v0 on d0\n"
                    "[  20] reply r4\n"
                    "[  20] start r3 v0 on d0\n"
                    "[  30] reply r3\n"
                    "[  30] start r2 v0 on d0\n"
                    "[  40] reply r2\n"
                    "[  40] start r5 v0 on d0\n"
                    "[  50] reply r5\n");
    world_fini(&w);
}

/* Equal deadlines: in the order of arrival, then by id; without a deadline:
 * last. */
static void ties_and_no_deadline(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 5);
    world_app(&w, "a0");
    world_app(&w, "a1");
    world_start(&w, "edf");
    world_arrive(&w, 0, "a0", CVG_MS(500));
    world_arrive(&w, CVG_MS(1), "a1", 0);
    world_arrive(&w, CVG_MS(2), "a1", CVG_MS(98));
    world_arrive(&w, CVG_MS(3), "a0", CVG_MS(97));
    world_arrive(&w, CVG_MS(3), "a1", CVG_MS(97));
    world_run_until(&w, CVG_MS(60));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r3 v0 on d0\n"
                    "[  20] reply r3\n"
                    "[  20] start r4 v0 on d0\n"
                    "[  30] reply r4\n"
                    "[  30] start r5 v0 on d0\n"
                    "[  40] reply r5\n"
                    "[  40] start r2 v0 on d0\n"
                    "[  50] reply r2\n");
    world_fini(&w);
}

/* quick 0.80 5 ms, good 0.90 10 ms, best 0.95 20 ms. */
static void three_variants(struct world *w, double accuracy)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "quick", 0.80);
    world_variant(w, "good", 0.90);
    world_variant(w, "best", 0.95);
    world_profile(w, "quick", "d0", 1, 5, 5);
    world_profile(w, "good", "d0", 1, 10, 5);
    world_profile(w, "best", "d0", 1, 20, 5);
    world_slo_accuracy(world_app(w, "a0"), accuracy);
    world_start(w, "edf");
}

static void first_finish_among_the_accurate_enough(void **state)
{
    (void)state;
    static const double bounds[] = {0.5, 0.8, 0.85, 0.9, 0.92, 0.95};
    static const char *const expected[] = {
        "[   0] start r1 quick on d0\n[   5] reply r1\n",
        "[   0] start r1 quick on d0\n[   5] reply r1\n",
        "[   0] start r1 good on d0\n[  10] reply r1\n",
        "[   0] start r1 good on d0\n[  10] reply r1\n",
        "[   0] start r1 best on d0\n[  20] reply r1\n",
        "[   0] start r1 best on d0\n[  20] reply r1\n"};
    for (int i = 0; i < 6; i++) {
        struct world w;
        three_variants(&w, bounds[i]);
        world_arrive(&w, 0, "a0", CVG_MS(100));
        world_run_until(&w, CVG_MS(50));
        CHECK_TRACE(&w, expected[i]);
        world_fini(&w);
    }
}

/* The device that finishes first, by what each holds. */
static void first_finish_over_devices(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 2);
    world_device(&w, "cpu", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "gpu", 1, 10, 5);
    world_profile(&w, "v0", "cpu", 1, 25, 5);
    world_app(&w, "a0");
    world_start(&w, "edf");
    world_arrive(&w, 0, "a0", CVG_MS(100));         /* gpu by 10, cpu by 25 */
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(100)); /* gpu by 20, cpu by 26 */
    world_arrive(&w, CVG_MS(2), "a0", CVG_MS(100)); /* gpu by 30, cpu by 27 */
    world_run_until(&w, CVG_MS(50));
    CHECK_TRACE(&w, "[   0] start r1 v0 on gpu\n"
                    "[   1] start r2 v0 on gpu\n"
                    "[   2] start r3 v0 on cpu\n"
                    "[  10] reply r1\n"
                    "[  20] reply r2\n"
                    "[  27] reply r3\n");
    world_fini(&w);
}

/* Under processor sharing a second batch is slower, and slows down the first:
 * alone on the cpu it is done earlier. */
static void first_finish_under_sharing(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "gpu", CVG_PROCESSOR_SHARING, 1, 2);
    world_device(&w, "cpu", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "gpu", 1, 10, 5);
    world_profile(&w, "v0", "cpu", 1, 15, 5);
    world_app(&w, "a0");
    world_start(&w, "edf");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    /* gpu: r1 has 9 left, both at half speed: done at 19, then 1 ms: 20 */
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(100)); /* cpu by 16 */
    world_arrive(&w, CVG_MS(2), "a0", CVG_MS(100)); /* gpu by 20 */
    world_run_until(&w, CVG_MS(50));
    CHECK_TRACE(&w, "[   0] start r1 v0 on gpu\n"
                    "[   1] start r2 v0 on cpu\n"
                    "[   2] start r3 v0 on gpu\n"
                    "[  16] reply r2\n"
                    "[  18] reply r1\n"
                    "[  20] reply r3\n");
    world_fini(&w);
}

/* A later deadline does not keep an earlier one from its batch. */
static void batch_in_the_order_of_deadlines(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 5);
    world_profile(&w, "v0", "d0", 2, 12, 5);
    world_app(&w, "a0");
    world_start(&w, "edf");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(90));
    world_arrive(&w, CVG_MS(2), "a0", CVG_MS(50));
    world_arrive(&w, CVG_MS(3), "a0", CVG_MS(70));
    world_run_until(&w, CVG_MS(50));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r3,r4 v0 on d0\n"
                    "[  22] reply r3\n"
                    "[  22] reply r4\n"
                    "[  22] start r2 v0 on d0\n"
                    "[  32] reply r2\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(earliest_deadline_over_all_apps),
        cmocka_unit_test(ties_and_no_deadline),
        cmocka_unit_test(first_finish_among_the_accurate_enough),
        cmocka_unit_test(first_finish_over_devices),
        cmocka_unit_test(first_finish_under_sharing),
        cmocka_unit_test(batch_in_the_order_of_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

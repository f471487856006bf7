/* fifo: in the order of arrival over all apps; never drops, never reorders. */
#include "support/world.h"

static void two_apps(struct world *w, uint32_t max_batch)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "d0", 1, 10, 5);
    if (max_batch > 1) {
        world_profile(w, "v0", "d0", max_batch, 16, 5);
    }
    world_app(w, "a0");
    world_app(w, "a1");
}

static void order_of_arrival_over_all_apps(void **state)
{
    (void)state;
    struct world w;
    two_apps(&w, 1);
    world_start(&w, "fifo");
    world_arrive(&w, 0, "a0", CVG_MS(500));
    world_arrive(&w, CVG_MS(1), "a1", CVG_MS(500));
    world_arrive(&w, CVG_MS(2), "a0", CVG_MS(60));
    world_arrive(&w, CVG_MS(3), "a1", CVG_MS(400));
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r2 v0 on d0\n"
                    "[  20] reply r2\n"
                    "[  20] start r3 v0 on d0\n"
                    "[  30] reply r3\n"
                    "[  30] start r4 v0 on d0\n"
                    "[  40] reply r4\n");
    world_fini(&w);
}

/* Hopeless from the start, hopeless by waiting: all are served, late. */
static void never_drops(void **state)
{
    (void)state;
    struct world w;
    two_apps(&w, 1);
    world_start(&w, "fifo");
    world_arrive(&w, 0, "a0", CVG_MS(5)); /* nothing is that fast */
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(12));
    world_arrive(&w, CVG_MS(2), "a1", CVG_MS(100));
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] reply r1 late\n"
                    "[  10] start r2 v0 on d0\n"
                    "[  20] reply r2 late\n"
                    "[  20] start r3 v0 on d0\n"
                    "[  30] reply r3\n");
    assert_int_equal(w.drops, 0);
    world_fini(&w);
}

/* Whoever came first goes first, even if a later one with another variant
 * could run on a device that is free. */
static void first_come_takes_the_first_finish(void **state)
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
    world_start(&w, "fifo");
    world_arrive(&w, 0, "a0", 0);
    world_arrive(&w, CVG_MS(1), "a0", 0); /* slow by 15, fast by 20 */
    world_arrive(&w, CVG_MS(8), "a0", 0); /* fast by 20, slow by 29 */
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 v0 on fast\n"
                    "[   1] start r2 v0 on slow\n"
                    "[  10] reply r1\n"
                    "[  10] start r3 v0 on fast\n"
                    "[  15] reply r2\n"
                    "[  20] reply r3\n");
    world_fini(&w);
}

/* A device that is free is left alone when a busy one is done earlier. */
static void waits_for_the_one_that_is_done_first(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "fast", CVG_FCFS, 1, 1);
    world_device(&w, "slow", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "fast", 1, 10, 5);
    world_profile(&w, "v0", "slow", 1, 50, 5);
    world_app(&w, "a0");
    world_start(&w, "fifo");
    world_arrive(&w, 0, "a0", 0);
    world_arrive(&w, CVG_MS(1), "a0", 0); /* fast by 20, slow by 51 */
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 v0 on fast\n"
                    "[  10] reply r1\n"
                    "[  10] start r2 v0 on fast\n"
                    "[  20] reply r2\n");
    world_fini(&w);
}

static void batches_keep_the_order(void **state)
{
    (void)state;
    struct world w;
    two_apps(&w, 4);
    world_start(&w, "fifo");
    world_arrive(&w, 0, "a0", 0);
    world_arrive(&w, CVG_MS(1), "a1", CVG_MS(300));
    world_arrive(&w, CVG_MS(2), "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(3), "a1", CVG_MS(200));
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r2,r3,r4 v0 on d0\n"
                    "[  24] reply r2\n"
                    "[  24] reply r3\n"
                    "[  24] reply r4\n");
    world_fini(&w);
}

/* A priority does not reorder it, either. */
static void priority_does_not_reorder(void **state)
{
    (void)state;
    struct world w;
    two_apps(&w, 1);
    world_start(&w, "fifo");
    world_arrive(&w, 0, "a0", 0);
    world_arrive(&w, CVG_MS(1), "a0", 0);
    struct cvg_arrival urgent = {.variant = CVG_ANY, .priority = 1};
    world_arrive_with(&w, CVG_MS(2), &urgent);
    world_run_until(&w, CVG_MS(25));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r2 v0 on d0\n"
                    "[  20] reply r2\n"
                    "[  20] start r3 v0 on d0\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_arrival_over_all_apps),
        cmocka_unit_test(never_drops),
        cmocka_unit_test(first_come_takes_the_first_finish),
        cmocka_unit_test(waits_for_the_one_that_is_done_first),
        cmocka_unit_test(batches_keep_the_order),
        cmocka_unit_test(priority_does_not_reorder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

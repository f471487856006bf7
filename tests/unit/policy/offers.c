/* What the policies that decide batch by batch share, seen through one of them:
 * heft. */
#include "support/world.h"

/* Two are frugal enough, one is not: r1 waits for r2. Nobody comes for r3; it
 * has no deadline, and after a second it is run all the same. */
static void waits_for_a_frugal_batch(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 30);
    world_profile(&w, "v0", "d0", 2, 12, 40);
    world_slo_energy(world_app(&w, "a0"), 25);
    world_start(&w, "heft");
    world_arrive(&w, 0, "a0", 0);
    world_arrive(&w, CVG_MS(5), "a0", 0);
    world_arrive(&w, CVG_MS(50), "a0", 0);
    world_run_until(&w, CVG_S(2));
    CHECK_TRACE(&w, "[   5] start r1,r2 v0 on d0\n"
                    "[  17] reply r1\n"
                    "[  17] reply r2\n"
                    "[1050] start r3 v0 on d0\n"
                    "[1060] reply r3\n");
    world_fini(&w);
}

/* One batch a unit and call, but the call is repeated at once. */
static void fills_all_room(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 2);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 5);
    world_app(&w, "a0");
    world_start(&w, "heft");
    world_device_state(&w, 0, "d0", false);
    for (int i = 0; i < 3; i++) {
        world_arrive(&w, CVG_MS(1), "a0", 0);
    }
    world_device_state(&w, CVG_MS(5), "d0", true);
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   5] load v0 on d0\n"
                    "[   5] start r1 v0 on d0\n"
                    "[   5] start r2 v0 on d0\n"
                    "[  15] reply r1\n"
                    "[  15] start r3 v0 on d0\n"
                    "[  25] reply r2\n"
                    "[  35] reply r3\n");
    world_fini(&w);
}

/* A mean over a window is held with every answer. */
static void holds_a_mean(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "small", 0.8);
    world_variant(&w, "large", 0.9);
    world_profile(&w, "small", "d0", 1, 5, 5);
    world_profile(&w, "large", "d0", 1, 20, 5);
    world_slo_accuracy(world_app(&w, "a0"), 0.85);
    w.box->apps[0].accuracy_over = CVG_ACCURACY_PER_WINDOW;
    world_start(&w, "heft");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 large on d0\n"
                    "[  20] reply r1\n");
    world_fini(&w);
}

/* r1 can no longer be done by the slow device; what comes after it can. */
static void passes_over_what_would_be_late(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "fast", CVG_FCFS, 1, 1);
    world_device(&w, "slow", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "fast", 1, 10, 5);
    world_profile(&w, "v0", "slow", 1, 25, 5);
    world_app(&w, "a0");
    world_start(&w, "heft");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(20));
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(26));
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 v0 on fast\n"
                    "[   1] start r3 v0 on slow\n"
                    "[  10] reply r1\n"
                    "[  10] start r2 v0 on fast\n"
                    "[  20] reply r2\n"
                    "[  26] reply r3\n");
    world_fini(&w);
}

/* Beside a second one, the batch that a shared unit holds would be late. */
static void harms_nobody(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_PROCESSOR_SHARING, 1, 2);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 20, 5);
    world_app(&w, "a0");
    world_start(&w, "heft");
    world_arrive(&w, 0, "a0", CVG_MS(25));
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(100));
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  20] reply r1\n"
                    "[  20] start r2 v0 on d0\n"
                    "[  40] reply r2\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_for_a_frugal_batch),
        cmocka_unit_test(fills_all_room),
        cmocka_unit_test(holds_a_mean),
        cmocka_unit_test(passes_over_what_would_be_late),
        cmocka_unit_test(harms_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* slo-mael: a device is worth 1 / (T + T x batches before it) while that is
 * within the SLO; of those within it the one that needs least energy is taken
 * (Seo et al., ACM TACO 18(4), 2021). Requests in the order of their arrival.
 */
#include "support/world.h"

static void two_devices(struct world *w, uint32_t in_flight, double cpu_ms,
                        double cpu_mj)
{
    world_init(w);
    world_device(w, "gpu", CVG_FCFS, 1, in_flight);
    world_device(w, "cpu", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "gpu", 1, 10, 8);
    world_profile(w, "v0", "cpu", 1, cpu_ms, cpu_mj);
    world_app(w, "a0");
    world_app(w, "a1");
    world_start(w, "slo-mael");
}

static void order_of_arrival(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 5);
    world_app(&w, "a0");
    world_app(&w, "a1");
    world_start(&w, "slo-mael");
    world_arrive(&w, 0, "a0", CVG_MS(200));
    world_arrive(&w, CVG_MS(1), "a1", CVG_MS(200));
    world_arrive(&w, CVG_MS(2), "a0", CVG_MS(100));
    world_run_until(&w, CVG_MS(70));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r2 v0 on d0\n"
                    "[  20] reply r2\n"
                    "[  20] start r3 v0 on d0\n"
                    "[  30] reply r3\n");
    world_fini(&w);
}

/* One batch on the gpu: it is expected to take 10 + 10 x 1 = 20 ms there, more
 * than 18 ms on the idle cpu, however soon the first one is done. */
static void counts_batches_before_it(void **state)
{
    (void)state;
    struct world w;
    two_devices(&w, 2, 18, 8);
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(9), "a0", CVG_MS(100));
    world_run_until(&w, CVG_MS(70));
    CHECK_TRACE(&w, "[   0] start r1 v0 on gpu\n"
                    "[   9] start r2 v0 on cpu\n"
                    "[  10] reply r1\n"
                    "[  27] reply r2\n");
    world_fini(&w);
}

/* Against 22 ms on the cpu it is the other way round. */
static void queues_where_that_is_less(void **state)
{
    (void)state;
    struct world w;
    two_devices(&w, 2, 22, 8);
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(100));
    world_run_until(&w, CVG_MS(70));
    CHECK_TRACE(&w, "[   0] start r1 v0 on gpu\n"
                    "[   1] start r2 v0 on gpu\n"
                    "[  10] reply r1\n"
                    "[  20] reply r2\n");
    world_fini(&w);
}

/* The gpu is faster, but the cpu is fast enough and needs less energy. */
static void least_energy_within_the_slo(void **state)
{
    (void)state;
    struct world w;
    two_devices(&w, 1, 12, 5);
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(50), "a0", CVG_MS(11));
    world_run_until(&w, CVG_MS(70));
    CHECK_TRACE(&w, "[   0] start r1 v0 on cpu\n"
                    "[  12] reply r1\n"
                    "[  50] start r2 v0 on gpu\n"
                    "[  60] reply r2\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_arrival),
        cmocka_unit_test(counts_batches_before_it),
        cmocka_unit_test(queues_where_that_is_less),
        cmocka_unit_test(least_energy_within_the_slo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* alert: the least energy among what is in time with enough probability, by a
 * Kalman filter of each device's slow-down; the most accuracy where energy is
 * bounded (ALERT, ATC 2020). */
#include "support/world.h"

static void gpu_and_tpu(struct world *w)
{
    world_init(w);
    world_device(w, "gpu", CVG_FCFS, 1, 1);
    world_device(w, "tpu", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "gpu", 1, 5, 50);
    world_profile(w, "v0", "tpu", 1, 10, 10);
    world_app(w, "a0");
    world_start(w, "alert");
}

/* The frugal device is waited for, as long as that is in time. */
static void least_energy_in_time(void **state)
{
    (void)state;
    struct world w;
    gpu_and_tpu(&w);
    world_arrive(&w, 0, "a0", CVG_MS(40));
    world_arrive(&w, 0, "a0", CVG_MS(40));
    world_arrive(&w, 0, "a0", CVG_MS(8));
    world_run_until(&w, CVG_MS(60));
    CHECK_TRACE(&w, "[   0] start r1 v0 on tpu\n"
                    "[   0] start r3 v0 on gpu\n"
                    "[   5] reply r3\n"
                    "[  10] reply r1\n"
                    "[  10] start r2 v0 on tpu\n"
                    "[  20] reply r2\n");
    world_fini(&w);
}

/* Where energy is bounded, the most accurate that keeps the bound. */
static void most_accuracy_within_an_energy_bound(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "small", 0.8);
    world_variant(&w, "medium", 0.85);
    world_variant(&w, "large", 0.9);
    world_profile(&w, "small", "d0", 1, 5, 5);
    world_profile(&w, "medium", "d0", 1, 10, 20);
    world_profile(&w, "large", "d0", 1, 20, 40);
    struct cvg_app *bounded = world_app(&w, "bounded");
    world_slo_accuracy(bounded, 0.7);
    world_slo_energy(bounded, 25);
    world_slo_accuracy(world_app(&w, "free"), 0.7);
    world_start(&w, "alert");
    world_arrive(&w, 0, "bounded", CVG_MS(100));
    world_arrive(&w, CVG_MS(50), "free", CVG_MS(100));
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 medium on d0\n"
                    "[  10] reply r1\n"
                    "[  50] start r2 small on d0\n"
                    "[  55] reply r2\n");
    world_fini(&w);
}

/* Beside a busy neighbour the tpu takes twice its time, which nobody says. It
 * is late once; then its requests go to the gpu. */
static void learns_the_slow_down(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_device(&w, "tpu", CVG_FCFS, 1, 1);
    world_device(&w, "cpu", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_variant(&w, "v1", 0.9);
    world_profile(&w, "v0", "gpu", 1, 12, 50);
    world_profile(&w, "v0", "tpu", 1, 10, 10);
    world_profile(&w, "v1", "cpu", 1, 500, 10);
    static uint32_t both[] = {1, 2};
    static struct cvg_contention contention = {
        .devices = both, .n_devices = 2, .slowdown = 2};
    w.box->contention = &contention;
    w.box->n_contention = 1;
    world_app(&w, "a0");
    world_start(&w, "alert");
    struct cvg_arrival busy = {.app = 0, .variant = 1};
    world_arrive_with(&w, 0, &busy);
    for (int i = 1; i <= 3; i++) {
        world_arrive(&w, CVG_MS(100 * i), "a0", CVG_MS(18));
    }
    world_run_until(&w, CVG_MS(400));
    CHECK_TRACE(&w, "[   0] start r1 v1 on cpu\n"
                    "[ 100] start r2 v0 on tpu\n"
                    "[ 120] reply r2 late\n"
                    "[ 200] start r3 v0 on gpu\n"
                    "[ 212] reply r3\n"
                    "[ 300] start r4 v0 on gpu\n"
                    "[ 312] reply r4\n");
    w.box->contention = NULL;
    w.box->n_contention = 0;
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_energy_in_time),
        cmocka_unit_test(most_accuracy_within_an_energy_bound),
        cmocka_unit_test(learns_the_slow_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

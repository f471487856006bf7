/* infaas: a running replica that is not overloaded is preferred, on the least
 * loaded worker; else the variant with the smallest load + inference time is
 * started; a spare replica is stopped (INFaaS, ATC 2021). */
#include "support/world.h"

static void two_devices(struct world *w)
{
    world_init(w);
    world_device(w, "gpu", CVG_FCFS, 1, 1);
    world_device(w, "cpu", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "gpu", 1, 10, 5);
    world_profile(w, "v0", "cpu", 1, 12, 5);
    world_app(w, "a0");
    world_start(w, "infaas");
}

/* The cpu would have r2 done sooner, but nothing runs there. */
static void running_is_preferred(void **state)
{
    (void)state;
    struct world w;
    two_devices(&w);
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(5), "a0", CVG_MS(100));
    world_run_until(&w, CVG_MS(40));
    CHECK_TRACE(&w, "[   0] start r1 v0 on gpu\n"
                    "[  10] reply r1\n"
                    "[  10] start r2 v0 on gpu\n"
                    "[  20] reply r2\n");
    world_fini(&w);
}

/* r2 would be late on the gpu: one more is started, and goes on running. */
static void overload_starts_another(void **state)
{
    (void)state;
    struct world w;
    two_devices(&w);
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(5), "a0", CVG_MS(14));
    world_arrive(&w, CVG_MS(30), "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(31), "a0", CVG_MS(100));
    world_run_until(&w, CVG_MS(60));
    CHECK_TRACE(&w, "[   0] start r1 v0 on gpu\n"
                    "[   5] start r2 v0 on cpu\n"
                    "[  10] reply r1\n"
                    "[  17] reply r2\n"
                    "[  30] start r3 v0 on gpu\n"
                    "[  31] start r4 v0 on cpu\n"
                    "[  40] reply r3\n"
                    "[  43] reply r4\n");
    world_fini(&w);
}

/* 25 s in which the gpu alone was enough: the replica on the cpu is gone, so
 * the last request waits for the gpu. */
static void spare_replicas_stop(void **state)
{
    (void)state;
    struct world w;
    two_devices(&w);
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(5), "a0", CVG_MS(14));
    for (int i = 1; i <= 50; i++) {
        world_arrive(&w, CVG_MS(500 * i), "a0", CVG_MS(100));
    }
    world_run_until(&w, CVG_MS(25100));
    w.used = 0;
    w.trace[0] = '\0';
    world_arrive(&w, CVG_MS(25200), "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(25201), "a0", CVG_MS(100));
    world_run_until(&w, CVG_S(26));
    CHECK_TRACE(&w, "[25200] start r53 v0 on gpu\n"
                    "[25210] reply r53\n"
                    "[25210] start r54 v0 on gpu\n"
                    "[25220] reply r54\n");
    world_fini(&w);
}

/* What has to be switched to is not running: the other device starts. */
static void a_switch_counts_as_a_load(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct cvg_device *tpu = world_device(&w, "tpu", CVG_FCFS, 1, 1);
    tpu->has_switch = true;
    tpu->switch_fixed = CVG_MS(15);
    world_device(&w, "cpu", CVG_FCFS, 1, 1);
    world_variant(&w, "small", 0.8);
    world_variant(&w, "large", 0.9);
    world_profile(&w, "small", "tpu", 1, 2, 5);
    world_profile(&w, "large", "tpu", 1, 5, 5);
    world_profile(&w, "large", "cpu", 1, 18, 5);
    world_app(&w, "easy");
    world_slo_accuracy(world_app(&w, "hard"), 0.85);
    world_start(&w, "infaas");
    struct cvg_arrival small = {.app = 0, .variant = 0};
    world_arrive_with(&w, 0, &small);
    world_arrive(&w, CVG_MS(100), "hard", CVG_MS(100));
    world_run_until(&w, CVG_MS(200));
    CHECK_TRACE(&w, "[   0] start r1 small on tpu\n"
                    "[   2] reply r1\n"
                    "[ 100] start r2 large on cpu\n"
                    "[ 118] reply r2\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_is_preferred),
        cmocka_unit_test(overload_starts_another),
        cmocka_unit_test(spare_replicas_stop),
        cmocka_unit_test(a_switch_counts_as_a_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* dream: the pair of task and idle accelerator with the highest score:
 * urgency x latency preference + starvation + energy preference - switch; and
 * hopeless frames are dropped ahead, but only a share (DREAM, ASPLOS 2023). */
#include "support/world.h"

static void gpu_and_cpu(struct world *w)
{
    world_init(w);
    world_device(w, "gpu", CVG_FCFS, 1, 1);
    world_device(w, "cpu", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "gpu", 1, 5, 10);
    world_profile(w, "v0", "cpu", 1, 20, 40);
    world_app(w, "a0");
    world_app(w, "a1");
    world_start(w, "dream");
}

/* Each takes the accelerator that it is better on; who comes second takes what
 * is idle. */
static void preferred_accelerator_first(void **state)
{
    (void)state;
    struct world w;
    gpu_and_cpu(&w);
    world_arrive(&w, 0, "a0", CVG_MS(60));
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(60));
    world_run_until(&w, CVG_MS(60));
    CHECK_TRACE(&w, "[   0] start r1 v0 on gpu\n"
                    "[   1] start r2 v0 on cpu\n"
                    "[   5] reply r1\n"
                    "[  21] reply r2\n");
    world_fini(&w);
}

static void one_device(struct world *w, uint32_t switch_ms)
{
    world_init(w);
    struct cvg_device *d = world_device(w, "d0", CVG_FCFS, 1, 1);
    if (switch_ms > 0) {
        d->has_switch = true;
        d->switch_fixed = CVG_MS(switch_ms);
        d->busy_w = 2;
    }
    world_variant(w, "small", 0.8);
    world_variant(w, "large", 0.9);
    world_profile(w, "small", "d0", 1, 10, 20);
    world_profile(w, "large", "d0", 1, 10, 20);
    world_slo_accuracy(world_app(w, "hard"), 0.85);
    struct cvg_app *easy = world_app(w, "easy");
    world_slo_accuracy(easy, 0.7);
    world_start(w, "dream");
}

/* r2 has less time left than r3 has; r3 has waited no longer. */
static void the_urgent_first(void **state)
{
    (void)state;
    struct world w;
    one_device(&w, 0);
    world_arrive(&w, 0, "hard", CVG_MS(100));
    world_arrive(&w, CVG_MS(5), "hard", CVG_MS(100));
    world_arrive(&w, CVG_MS(5), "easy", CVG_MS(30));
    world_run_until(&w, CVG_MS(60));
    CHECK_TRACE(&w, "[   0] start r1 large on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r3 small on d0\n"
                    "[  20] reply r3\n"
                    "[  20] start r2 large on d0\n"
                    "[  30] reply r2\n");
    world_fini(&w);
}

/* Beside that, waiting counts. */
static void the_starved_first(void **state)
{
    (void)state;
    struct world w;
    one_device(&w, 0);
    world_arrive(&w, 0, "hard", CVG_MS(100));
    world_arrive(&w, CVG_MS(1), "hard", CVG_MS(100));
    world_arrive(&w, CVG_MS(9), "easy", CVG_MS(80));
    world_run_until(&w, CVG_MS(60));
    CHECK_TRACE(&w, "[   0] start r1 large on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r2 large on d0\n"
                    "[  20] reply r2\n"
                    "[  20] start r3 small on d0\n"
                    "[  30] reply r3\n");
    world_fini(&w);
}

/* Changing to another variant costs energy: r3, of the same one, goes first. */
static void switches_count(void **state)
{
    (void)state;
    struct world w;
    one_device(&w, 20);
    world_arrive(&w, 0, "hard", CVG_MS(500));
    struct cvg_arrival small = {.app = 1, .variant = 0};
    world_arrive_with(&w, CVG_MS(1), &small);
    world_arrive(&w, CVG_MS(2), "hard", CVG_MS(500));
    world_run_until(&w, CVG_MS(200));
    CHECK_TRACE(&w, "[   0] start r1 large on d0\n"
                    "[  30] reply r1\n"
                    "[  30] start r3 large on d0\n"
                    "[  40] reply r3\n"
                    "[  40] start r2 small on d0\n"
                    "[  70] reply r2\n");
    world_fini(&w);
}

/* One in ten may be dropped ahead of its time: of two that the idle device is
 * too slow for, and that the other will not have done in time, the first. */
static void hopeless_frames_are_dropped(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_device(&w, "cpu", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "gpu", 1, 10, 10);
    world_profile(&w, "v0", "cpu", 1, 60, 60);
    world_app(&w, "a0");
    world_start(&w, "dream");
    for (int i = 0; i < 9; i++) {
        world_arrive(&w, CVG_MS(20 * i), "a0", CVG_MS(50));
    }
    world_run_until(&w, CVG_MS(195));
    w.used = 0;
    w.trace[0] = '\0';
    world_arrive(&w, CVG_MS(200), "a0", CVG_MS(50));
    world_arrive(&w, CVG_MS(201), "a0", CVG_MS(15));
    world_arrive(&w, CVG_MS(201), "a0", CVG_MS(15));
    world_run_until(&w, CVG_MS(300));
    CHECK_TRACE(&w, "[ 200] start r10 v0 on gpu\n"
                    "[ 201] dropped r11 policy\n"
                    "[ 206] dropped r12 deadline\n"
                    "[ 210] reply r10\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preferred_accelerator_first),
        cmocka_unit_test(the_urgent_first),
        cmocka_unit_test(the_starved_first),
        cmocka_unit_test(switches_count),
        cmocka_unit_test(hopeless_frames_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

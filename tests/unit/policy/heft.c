/* heft: the job with the largest shortest latency goes first, to its best
 * worker if that is idle; else its time counts there and the others choose in
 * view of that (Band, MobiSys 2022). */
#include "support/world.h"

static void one_device(struct world *w)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "small", 0.8);
    world_variant(w, "large", 0.9);
    world_profile(w, "small", "d0", 1, 5, 5);
    world_profile(w, "large", "d0", 1, 20, 20);
    world_app(w, "easy");
    world_slo_accuracy(world_app(w, "hard"), 0.85);
    world_start(w, "heft");
}

static void longest_job_first(void **state)
{
    (void)state;
    struct world w;
    one_device(&w);
    world_arrive(&w, 0, "easy", CVG_MS(200));
    world_arrive(&w, CVG_MS(1), "easy", CVG_MS(100));
    world_arrive(&w, CVG_MS(2), "hard", CVG_MS(200));
    world_run_until(&w, CVG_MS(50));
    CHECK_TRACE(&w, "[   0] start r1 small on d0\n"
                    "[   5] reply r1\n"
                    "[   5] start r3 large on d0\n"
                    "[  25] reply r3\n"
                    "[  25] start r2 small on d0\n"
                    "[  30] reply r2\n");
    world_fini(&w);
}

static void two_devices(struct world *w)
{
    world_init(w);
    world_device(w, "fast", CVG_FCFS, 1, 1);
    world_device(w, "slow", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "fast", 1, 10, 5);
    world_profile(w, "v0", "slow", 1, 35, 5);
    world_app(w, "a0");
    world_start(w, "heft");
}

/* r2 and r3 are done sooner if they wait for the fast one, r4 is not. */
static void busy_workers_count_with_their_wait(void **state)
{
    (void)state;
    struct world w;
    two_devices(&w);
    for (int i = 0; i < 4; i++) {
        world_arrive(&w, i > 0 ? CVG_MS(1) : 0, "a0", CVG_MS(100));
    }
    world_run_until(&w, CVG_MS(60));
    CHECK_TRACE(&w, "[   0] start r1 v0 on fast\n"
                    "[   1] start r4 v0 on slow\n"
                    "[  10] reply r1\n"
                    "[  10] start r2 v0 on fast\n"
                    "[  20] reply r2\n"
                    "[  20] start r3 v0 on fast\n"
                    "[  30] reply r3\n"
                    "[  36] reply r4\n");
    world_fini(&w);
}

/* As many as the first deadline allows. */
static void batches_are_in_time(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 5);
    world_profile(&w, "v0", "d0", 4, 25, 5);
    world_app(&w, "a0");
    world_start(&w, "heft");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    for (int i = 0; i < 4; i++) {
        world_arrive(&w, CVG_MS(2), "a0", CVG_MS(30));
    }
    world_run_until(&w, CVG_MS(60));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r2,r3,r4 v0 on d0\n"
                    "[  22] dropped r5 deadline\n"
                    "[  30] reply r2\n"
                    "[  30] reply r3\n"
                    "[  30] reply r4\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_job_first),
        cmocka_unit_test(busy_workers_count_with_their_wait),
        cmocka_unit_test(batches_are_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* jellyfish: once a period, apps are mapped to models and models to workers, so
 * that the rates fit and accuracy is as high as the deadlines allow; workers
 * run what is mapped to their model (Jellyfish, RTSS 2022). */
#include "support/world.h"

#include <convergo/stats.h>

static void small_and_large(struct world *w, double large_ms)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "small", 0.8);
    world_variant(w, "large", 0.9);
    world_profile(w, "small", "d0", 1, 2, 5);
    world_profile(w, "large", "d0", 1, large_ms, 5);
}

/* How many of the requests from 1 s on (the mapping has settled) were served by
 * `variant`, when they come at that rate. */
static uint64_t served_by(struct world *w, uint32_t variant, uint32_t rate_rps)
{
    world_start(w, "jellyfish");
    for (uint32_t i = 0; i < 4 * rate_rps; i++) {
        world_arrive(w, CVG_S(1) / rate_rps * i, w->box->apps[0].name, 0);
    }
    world_run_until(w, CVG_S(2));
    const struct cvg_stats *stats = cvg_engine_stats(world_engine(w));
    uint64_t before = stats->apps[0].served_by[variant * CVG_MAX_EXITS];
    world_run_until(w, CVG_S(10));
    stats = cvg_engine_stats(world_engine(w));
    return stats->apps[0].served_by[variant * CVG_MAX_EXITS] - before;
}

static void most_accurate_that_fits(void **state)
{
    (void)state;
    struct world w;
    small_and_large(&w, 10);
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(50));
    world_slo_accuracy(&w.box->apps[0], 0.7);
    assert_in_range(served_by(&w, 1, 50), 99, 101);
    world_fini(&w);
}

/* 150 a second do not fit into 100 a second. */
static void lighter_for_a_high_rate(void **state)
{
    (void)state;
    struct world w;
    small_and_large(&w, 10);
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(50));
    world_slo_accuracy(&w.box->apps[0], 0.7);
    assert_in_range(served_by(&w, 0, 150), 298, 302);
    world_fini(&w);
}

/* 30 ms are in time, but two of them are not, and one may have to wait. */
static void two_batches_fit_the_deadline(void **state)
{
    (void)state;
    struct world w;
    small_and_large(&w, 30);
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(50));
    world_slo_accuracy(&w.box->apps[0], 0.7);
    assert_in_range(served_by(&w, 0, 10), 19, 21);
    world_fini(&w);
}

/* Two apps on two workers, one model each: no switching to and fro. */
static void one_model_a_worker(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    for (int i = 0; i < 2; i++) {
        struct cvg_device *d =
            world_device(&w, i == 0 ? "t0" : "t1", CVG_FCFS, 1, 1);
        d->has_switch = true;
        d->switch_fixed = CVG_MS(20);
    }
    world_variant(&w, "small", 0.8);
    world_variant(&w, "large", 0.9);
    for (int i = 0; i < 2; i++) {
        world_profile(&w, "small", i == 0 ? "t0" : "t1", 1, 5, 5);
        world_profile(&w, "large", i == 0 ? "t0" : "t1", 1, 15, 5);
    }
    struct cvg_app *app = world_app(&w, "easy");
    world_slo_deadline(app, CVG_MS(60));
    world_slo_accuracy(app, 0.7);
    app = world_app(&w, "hard");
    world_slo_deadline(app, CVG_MS(60));
    world_slo_accuracy(app, 0.85);
    world_start(&w, "jellyfish");
    for (int i = 0; i < 300; i++) {
        world_arrive(&w, CVG_MS(10 * i), "easy", 0);
        if (i % 2 == 0) {
            world_arrive(&w, CVG_MS(10 * i + 3), "hard", 0);
        }
    }
    world_run_until(&w, CVG_MS(1500));
    const struct cvg_stats *stats = cvg_engine_stats(world_engine(&w));
    uint64_t switches = stats->devices[0].switches + stats->devices[1].switches;
    uint64_t easy = stats->apps[0].counts.on_time;
    uint64_t hard = stats->apps[1].counts.on_time;
    world_run_until(&w, CVG_S(4));
    stats = cvg_engine_stats(world_engine(&w));
    assert_int_equal(stats->devices[0].switches + stats->devices[1].switches,
                     switches);
    assert_in_range(stats->apps[0].counts.on_time - easy, 149, 151);
    assert_in_range(stats->apps[1].counts.on_time - hard, 74, 76);
    world_fini(&w);
}

/* Who names a variant that no worker has is served by an idle one. */
static void a_named_variant_is_served(void **state)
{
    (void)state;
    struct world w;
    small_and_large(&w, 10);
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(50));
    world_slo_accuracy(&w.box->apps[0], 0.7);
    world_start(&w, "jellyfish");
    struct cvg_arrival named = {.app = 0, .variant = 0};
    world_arrive(&w, 0, "a0", 0);
    world_arrive_with(&w, CVG_MS(20), &named);
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   0] start r1 large on d0\n"
                    "[  10] reply r1\n"
                    "[  20] start r2 small on d0\n"
                    "[  22] reply r2\n");
    world_fini(&w);
}

/* r1 names a variant that no worker has. It goes before r2, which can run along
 * in a batch that is frugal enough; of the worker's own model r2 alone is not.
 */
static void who_names_a_variant_does_not_wait_for_others(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "small", 0.8);
    world_variant(&w, "large", 0.9);
    world_profile(&w, "small", "d0", 1, 10, 30);
    world_profile(&w, "small", "d0", 4, 20, 40);
    world_profile(&w, "large", "d0", 1, 10, 30);
    world_profile(&w, "large", "d0", 4, 20, 40);
    world_slo_energy(world_app(&w, "a0"), 21);
    world_start(&w, "jellyfish");
    struct cvg_arrival named = {.app = 0, .variant = 0};
    world_arrive_with(&w, 0, &named);
    world_arrive(&w, CVG_MS(500), "a0", 0);
    world_run_until(&w, CVG_S(4));
    CHECK_TRACE(&w, "[ 500] start r1,r2 small on d0\n"
                    "[513.333] reply r1\n"
                    "[513.333] reply r2\n");
    world_fini(&w);
}

/* A device that goes down takes its models along: the other takes over. */
static void survives_a_device(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "fast", CVG_FCFS, 1, 1);
    world_device(&w, "slow", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "fast", 1, 5, 5);
    world_profile(&w, "v0", "slow", 1, 20, 5);
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(50));
    world_start(&w, "jellyfish");
    world_device_state(&w, 0, "fast", false);
    world_arrive(&w, CVG_MS(1), "a0", 0);
    world_run_until(&w, CVG_MS(100));
    CHECK_TRACE(&w, "[   1] start r1 v0 on slow\n"
                    "[  21] reply r1\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_accurate_that_fits),
        cmocka_unit_test(lighter_for_a_high_rate),
        cmocka_unit_test(two_batches_fit_the_deadline),
        cmocka_unit_test(one_model_a_worker),
        cmocka_unit_test(a_named_variant_is_served),
        cmocka_unit_test(who_names_a_variant_does_not_wait_for_others),
        cmocka_unit_test(survives_a_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the composed policies have in common: list scheduling over all apps,
 * batching, devices of every discipline. */
#include "support/world.h"

static const char *const composed[] = {"fifo",           "edf",
                                       "accuracy-first", "throughput-first",
                                       "least-slack",    "slo-mael"};
#define N_COMPOSED (sizeof composed / sizeof *composed)
#define N_DROPPING (N_COMPOSED - 1) /* all but the first */

/* One variant, 10 ms for one, on one unit. */
static void one_unit(struct world *w, enum cvg_discipline discipline,
                     uint32_t in_flight)
{
    world_init(w);
    world_device(w, "d0", discipline, 1, in_flight);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "d0", 1, 10, 5);
    world_app(w, "a0");
}

static void check(struct world *w, const char *policy, const char *expected)
{
    if (strcmp(w->trace, expected) != 0) {
        fail_msg("%s:\n%sexpected:\n%s", policy, w->trace, expected);
    }
    world_fini(w);
}

/* --- the device ----------------------------------------------------------- */

static void one_after_the_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMPOSED; i++) {
        struct world w;
        one_unit(&w, CVG_FCFS, 1);
        world_start(&w, composed[i]);
        world_arrive(&w, 0, "a0", CVG_MS(100));
        world_arrive(&w, CVG_MS(1), "a0", CVG_MS(100));
        world_arrive(&w, CVG_MS(2), "a0", CVG_MS(100));
        world_run_until(&w, CVG_MS(100));
        check(&w, composed[i],
              "[   0] start r1 v0 on d0\n"
              "[  10] reply r1\n"
              "[  10] start r2 v0 on d0\n"
              "[  20] reply r2\n"
              "[  20] start r3 v0 on d0\n"
              "[  30] reply r3\n");
    }
}

/* Two in flight: the second waits inside the device, and is there at once. */
static void two_in_flight(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMPOSED; i++) {
        struct world w;
        one_unit(&w, CVG_FCFS, 2);
        world_start(&w, composed[i]);
        world_arrive(&w, 0, "a0", CVG_MS(100));
        world_arrive(&w, CVG_MS(1), "a0", CVG_MS(100));
        world_arrive(&w, CVG_MS(2), "a0", CVG_MS(100));
        world_run_until(&w, CVG_MS(100));
        check(&w, composed[i],
              "[   0] start r1 v0 on d0\n"
              "[   1] start r2 v0 on d0\n"
              "[  10] reply r1\n"
              "[  10] start r3 v0 on d0\n"
              "[  20] reply r2\n"
              "[  30] reply r3\n");
    }
}

/* Both run, each at half speed while they are two: r1 has 6 ms left at 4, is
 * done at 16; r2 has 4 ms left then, is done at 20. */
static void processor_sharing(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMPOSED; i++) {
        struct world w;
        one_unit(&w, CVG_PROCESSOR_SHARING, 2);
        world_start(&w, composed[i]);
        world_arrive(&w, 0, "a0", CVG_MS(100));
        world_arrive(&w, CVG_MS(4), "a0", CVG_MS(100));
        world_run_until(&w, CVG_MS(100));
        check(&w, composed[i],
              "[   0] start r1 v0 on d0\n"
              "[   4] start r2 v0 on d0\n"
              "[  16] reply r1\n"
              "[  20] reply r2\n");
    }
}

static void units_of_a_device(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMPOSED; i++) {
        struct world w;
        world_init(&w);
        world_device(&w, "d0", CVG_FCFS, 2, 1);
        world_variant(&w, "v0", 0.9);
        world_profile(&w, "v0", "d0", 1, 10, 5);
        world_app(&w, "a0");
        world_start(&w, composed[i]);
        for (int k = 0; k < 3; k++) {
            world_arrive(&w, CVG_MS(k), "a0", CVG_MS(100));
        }
        world_run_until(&w, CVG_MS(100));
        check(&w, composed[i],
              "[   0] start r1 v0 on d0\n"
              "[   1] start r2 v0 on d0\n"
              "[  10] reply r1\n"
              "[  10] start r3 v0 on d0\n"
              "[  11] reply r2\n"
              "[  20] reply r3\n");
    }
}

/* The unit that holds the variant is done first: no change of variant, which
 * costs 5 ms, without need. At the start v0 is in the cache. */
static void spares_a_switch(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMPOSED; i++) {
        struct world w;
        world_init(&w);
        struct cvg_device *d = world_device(&w, "d0", CVG_FCFS, 1, 1);
        d->has_switch = true;
        d->switch_fixed = CVG_MS(5);
        world_variant(&w, "v0", 0.9);
        world_variant(&w, "v1", 0.9);
        world_profile(&w, "v0", "d0", 1, 10, 5);
        world_profile(&w, "v1", "d0", 1, 10, 5);
        world_app(&w, "a0");
        world_start(&w, composed[i]);
        struct cvg_arrival named = {.variant = 1,
                                    .overrides = 1U << CVG_SLO_DEADLINE,
                                    .bounds = {.deadline = CVG_MS(100)}};
        world_arrive_with(&w, 0, &named);
        if (strcmp(composed[i], "throughput-first") == 0 ||
            strcmp(composed[i], "slo-mael") == 0) {
            world_fini(&w); /* they look at the service alone */
            continue;
        }
        world_arrive(&w, CVG_MS(20), "a0", CVG_MS(100));
        world_run_until(&w, CVG_MS(100));
        check(&w, composed[i],
              "[   0] start r1 v1 on d0\n"
              "[  15] reply r1\n"
              "[  20] start r2 v1 on d0\n"
              "[  30] reply r2\n");
    }
}

/* The switch is part of the prediction: 5 + 10 ms do not fit into 12. */
static void a_switch_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMPOSED; i++) {
        struct world w;
        world_init(&w);
        struct cvg_device *d = world_device(&w, "d0", CVG_FCFS, 1, 1);
        d->has_switch = true;
        d->switch_fixed = CVG_MS(5);
        world_device(&w, "d1", CVG_FCFS, 1, 1);
        world_variant(&w, "v0", 0.9);
        world_variant(&w, "v1", 0.9);
        world_profile(&w, "v0", "d0", 1, 100, 5);
        world_profile(&w, "v1", "d0", 1, 10, 5);
        world_profile(&w, "v1", "d1", 1, 12, 5);
        world_app(&w, "a0");
        world_start(&w, composed[i]);
        world_arrive(&w, 0, "a0", CVG_MS(12));
        world_run_until(&w, CVG_MS(100));
        check(&w, composed[i],
              "[   0] start r1 v1 on d1\n"
              "[  12] reply r1\n");
    }
}

/* --- batching ------------------------------------------------------------- */

/* 10 ms for one, 12 for two, 14 for three, 16 for four. */
static void a_batching_unit(struct world *w)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "d0", 1, 10, 5);
    world_profile(w, "v0", "d0", 4, 16, 8);
    world_app(w, "a0");
    world_app(w, "a1");
}

static void all_that_waits_goes_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMPOSED; i++) {
        struct world w;
        a_batching_unit(&w);
        world_start(&w, composed[i]);
        world_arrive(&w, 0, "a0", CVG_MS(200));
        for (int k = 1; k <= 5; k++) {
            world_arrive(&w, CVG_MS(k), "a0", CVG_MS(200));
        }
        world_run_until(&w, CVG_MS(100));
        check(&w, composed[i],
              "[   0] start r1 v0 on d0\n"
              "[  10] reply r1\n"
              "[  10] start r2,r3,r4,r5 v0 on d0\n"
              "[  26] reply r2\n"
              "[  26] reply r3\n"
              "[  26] reply r4\n"
              "[  26] reply r5\n"
              "[  26] start r6 v0 on d0\n"
              "[  36] reply r6\n");
    }
}

/* Requests of two apps of one family share a batch. */
static void apps_share_a_batch(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMPOSED; i++) {
        struct world w;
        a_batching_unit(&w);
        world_start(&w, composed[i]);
        world_arrive(&w, 0, "a0", CVG_MS(200));
        world_arrive(&w, CVG_MS(1), "a1", CVG_MS(200));
        world_arrive(&w, CVG_MS(2), "a0", CVG_MS(200));
        world_run_until(&w, CVG_MS(100));
        check(&w, composed[i],
              "[   0] start r1 v0 on d0\n"
              "[  10] reply r1\n"
              "[  10] start r2,r3 v0 on d0\n"
              "[  22] reply r2\n"
              "[  22] reply r3\n");
    }
}

/* A batch grows no larger than the first deadline allows: at 10, two are done
 * by 22, three by 24; r2 is due at 23. */
static void deadlines_bound_a_batch(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMPOSED; i++) {
        struct world w;
        a_batching_unit(&w);
        world_start(&w, composed[i]);
        world_arrive(&w, 0, "a0", CVG_MS(200));
        world_arrive(&w, CVG_MS(1), "a0", CVG_MS(22));
        world_arrive(&w, CVG_MS(2), "a0", CVG_MS(200));
        world_arrive(&w, CVG_MS(3), "a0", CVG_MS(200));
        world_run_until(&w, CVG_MS(100));
        check(&w, composed[i],
              "[   0] start r1 v0 on d0\n"
              "[  10] reply r1\n"
              "[  10] start r2,r3 v0 on d0\n"
              "[  22] reply r2\n"
              "[  22] reply r3\n"
              "[  22] start r4 v0 on d0\n"
              "[  32] reply r4\n");
    }
}

/* Without batching each goes alone. */
static void batching_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMPOSED; i++) {
        struct world w;
        char policy[64];
        a_batching_unit(&w);
        strcpy(policy, "batching=none,order=");
        strcat(policy, composed[i]);
        world_start(&w, policy);
        world_arrive(&w, 0, "a0", CVG_MS(200));
        world_arrive(&w, CVG_MS(1), "a0", CVG_MS(200));
        world_arrive(&w, CVG_MS(2), "a0", CVG_MS(200));
        world_run_until(&w, CVG_MS(100));
        check(&w, composed[i],
              "[   0] start r1 v0 on d0\n"
              "[  10] reply r1\n"
              "[  10] start r2 v0 on d0\n"
              "[  20] reply r2\n"
              "[  20] start r3 v0 on d0\n"
              "[  30] reply r3\n");
    }
}

/* A variant that runs only three at a time waits for the third. */
static void smallest_batch(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMPOSED; i++) {
        struct world w;
        world_init(&w);
        world_device(&w, "d0", CVG_FCFS, 1, 1);
        world_variant(&w, "v0", 0.9);
        world_profile(&w, "v0", "d0", 3, 16, 8);
        world_app(&w, "a0");
        world_start(&w, composed[i]);
        world_arrive(&w, 0, "a0", 0);
        world_arrive(&w, CVG_MS(5), "a0", 0);
        world_arrive(&w, CVG_MS(9), "a0", 0);
        world_run_until(&w, CVG_MS(100));
        check(&w, composed[i],
              "[   9] start r1,r2,r3 v0 on d0\n"
              "[  25] reply r1\n"
              "[  25] reply r2\n"
              "[  25] reply r3\n");
    }
}

/* No rule of batching can have it otherwise, not even the one for none. */
static void smallest_batch_without_batching(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 2, 16, 8);
    world_profile(&w, "v0", "d0", 4, 32, 8);
    world_app(&w, "a0");
    world_start(&w, "order=edf,batching=none");
    for (int i = 0; i < 3; i++) {
        world_arrive(&w, CVG_MS(i), "a0", 0);
    }
    world_arrive(&w, CVG_MS(3), "a0", 0);
    world_run_until(&w, CVG_MS(100));
    check(&w, "edf",
          "[   1] start r1,r2 v0 on d0\n"
          "[  17] reply r1\n"
          "[  17] reply r2\n"
          "[  17] start r3,r4 v0 on d0\n"
          "[  33] reply r3\n"
          "[  33] reply r4\n");
}

/* Bringing in such a variant is predicted by a batch that it can run. */
static void loads_a_variant_of_large_batches(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMPOSED; i++) {
        struct world w;
        world_init(&w);
        world_device(&w, "d0", CVG_FCFS, 1, 1)->resident = 1;
        world_variant(&w, "v0", 0.9);
        world_variant(&w, "v1", 0.9);
        world_profile(&w, "v0", "d0", 1, 10, 5);
        world_profile(&w, "v1", "d0", 2, 16, 8);
        world_app(&w, "a0");
        world_start(&w, composed[i]);
        struct cvg_arrival named = {.variant = 1};
        world_arrive_with(&w, 0, &named);
        world_arrive_with(&w, CVG_MS(1), &named);
        world_run_until(&w, CVG_MS(100));
        check(&w, composed[i],
              "[   0] unload v0 on d0\n"
              "[   0] load v1 on d0\n"
              "[   1] start r1,r2 v1 on d0\n"
              "[  17] reply r1\n"
              "[  17] reply r2\n");
    }
}

/* --- dropping ------------------------------------------------------------- */

/* All but fifo: when it could not be met even alone, and not before. */
static void hopeless_requests_are_dropped(void **state)
{
    (void)state;
    for (size_t i = 1; i <= N_DROPPING; i++) {
        struct world w;
        one_unit(&w, CVG_FCFS, 1);
        world_start(&w, composed[i]);
        world_arrive(&w, 0, "a0", CVG_MS(10));
        world_arrive(&w, CVG_MS(1), "a0", CVG_MS(19)); /* from 10 to 20 */
        world_arrive(&w, CVG_MS(1), "a0", CVG_MS(18));
        world_run_until(&w, CVG_MS(100));
        check(&w, composed[i],
              "[   0] start r1 v0 on d0\n"
              "[   9] dropped r3 deadline\n"
              "[  10] reply r1\n"
              "[  10] start r2 v0 on d0\n"
              "[  20] reply r2\n");
    }
}

/* A variant that is named is the only one, whatever the policy prefers. */
static void a_named_variant_is_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMPOSED; i++) {
        for (uint32_t named = 0; named < 3; named++) {
            struct world w;
            world_init(&w);
            world_device(&w, "d0", CVG_FCFS, 1, 1);
            static const char *const names[] = {"v0", "v1", "v2"};
            world_variant(&w, "v0", 0.7);
            world_variant(&w, "v1", 0.8);
            world_variant(&w, "v2", 0.9);
            world_profile(&w, "v0", "d0", 1, 10, 5);
            world_profile(&w, "v1", "d0", 1, 10, 5);
            world_profile(&w, "v2", "d0", 1, 10, 5);
            /* who names a variant has chosen its accuracy */
            world_slo_accuracy(world_app(&w, "a0"), 0.85);
            world_start(&w, composed[i]);
            struct cvg_arrival a = {.variant = named};
            world_arrive_with(&w, 0, &a);
            world_run_until(&w, CVG_MS(100));
            char expected[100];
            strcpy(expected, "[   0] start r1 ");
            strcat(expected, names[named]);
            strcat(expected, " on d0\n[  10] reply r1\n");
            check(&w, composed[i], expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(two_in_flight),
        cmocka_unit_test(processor_sharing),
        cmocka_unit_test(units_of_a_device),
        cmocka_unit_test(spares_a_switch),
        cmocka_unit_test(a_switch_counts),
        cmocka_unit_test(all_that_waits_goes_together),
        cmocka_unit_test(apps_share_a_batch),
        cmocka_unit_test(deadlines_bound_a_batch),
        cmocka_unit_test(batching_none),
        cmocka_unit_test(smallest_batch),
        cmocka_unit_test(smallest_batch_without_batching),
        cmocka_unit_test(loads_a_variant_of_large_batches),
        cmocka_unit_test(hopeless_requests_are_dropped),
        cmocka_unit_test(a_named_variant_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Batching rules: golden traces of one unit, and that waiting makes nobody
 * late. */
#include "support/random_box.h"
#include "support/tally.h"

#include <stdio.h>

/* A batch of n takes 4 + 2n ms; up to 4. */
static void one_unit(struct world *w, uint32_t in_flight)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, in_flight);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "d0", 1, 6, 1);
    world_profile(w, "v0", "d0", 4, 12, 1);
    world_app(w, "a0");
}

static void check(struct world *w, const char *rule, const char *expected)
{
    if (strcmp(w->trace, expected) != 0) {
        fail_msg("%s:\n%sexpected:\n%s", rule, w->trace, expected);
    }
    world_fini(w);
}

static void start(struct world *w, const char *rule)
{
    char policy[64];
    (void)snprintf(policy, sizeof policy, "order=edf,batching=%s", rule);
    one_unit(w, 1);
    world_start(w, policy);
}

/* Three arrive at 0, 2 and 4 ms and are due 30 ms later; then nobody. */
static void three(const char *rule, const char *expected)
{
    struct world w;
    start(&w, rule);
    for (int k = 0; k < 3; k++) {
        world_arrive(&w, CVG_MS(2 * k), "a0", CVG_MS(30));
    }
    world_run_until(&w, CVG_MS(100));
    check(&w, rule, expected);
}

static void what_each_does(void **state)
{
    (void)state;
    three("none", "[   0] start r1 v0 on d0\n"
                  "[   6] reply r1\n"
                  "[   6] start r2 v0 on d0\n"
                  "[  12] reply r2\n"
                  "[  12] start r3 v0 on d0\n"
                  "[  18] reply r3\n");
    three("greedy", "[   0] start r1 v0 on d0\n"
                    "[   6] reply r1\n"
                    "[   6] start r2,r3 v0 on d0\n"
                    "[  14] reply r2\n"
                    "[  14] reply r3\n");
    /* Three take 10 ms, and four 12: until 20, or until 18. */
    three("deadline", "[  20] start r1,r2,r3 v0 on d0\n"
                      "[  30] reply r1\n"
                      "[  30] reply r2\n"
                      "[  30] reply r3\n");
    three("proteus", "[  18] start r1,r2,r3 v0 on d0\n"
                     "[  28] reply r1\n"
                     "[  28] reply r2\n"
                     "[  28] reply r3\n");
    three("fixed", "[  18] start r1,r2,r3 v0 on d0\n"
                   "[  28] reply r1\n"
                   "[  28] reply r2\n"
                   "[  28] reply r3\n");
    /* Four take no more than half of the 30 ms. */
    three("nexus", "[  18] start r1,r2,r3 v0 on d0\n"
                   "[  28] reply r1\n"
                   "[  28] reply r2\n"
                   "[  28] reply r3\n");
    three("nexus-wc", "[   0] start r1 v0 on d0\n"
                      "[   6] reply r1\n"
                      "[   6] start r2,r3 v0 on d0\n"
                      "[  14] reply r2\n"
                      "[  14] reply r3\n");
    /* Its size is one, then two. */
    three("aimd", "[   0] start r1 v0 on d0\n"
                  "[   6] reply r1\n"
                  "[   6] start r2,r3 v0 on d0\n"
                  "[  14] reply r2\n"
                  "[  14] reply r3\n");
}

/* A full batch waits for nobody. */
static void full_batches_begin(void **state)
{
    (void)state;
    static const char *const rules[] = {"deadline", "proteus", "fixed",
                                        "nexus"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct world w;
        start(&w, rules[i]);
        for (int k = 0; k < 4; k++) {
            world_arrive(&w, CVG_MS(k), "a0", CVG_MS(50));
        }
        world_run_until(&w, CVG_MS(100));
        check(&w, rules[i],
              "[   3] start r1,r2,r3,r4 v0 on d0\n"
              "[  15] reply r1\n"
              "[  15] reply r2\n"
              "[  15] reply r3\n"
              "[  15] reply r4\n");
    }
}

/* Nexus aims at what takes half of 20 ms: three. */
static void nexus_has_a_target(void **state)
{
    (void)state;
    struct world w;
    one_unit(&w, 1);
    world_start(&w, "order=edf,batching=nexus");
    for (int k = 0; k < 4; k++) {
        world_arrive(&w, CVG_MS(k), "a0", CVG_MS(20));
    }
    world_run_until(&w, CVG_MS(16));
    check(&w, "nexus",
          "[   2] start r1,r2,r3 v0 on d0\n"
          "[  12] reply r1\n"
          "[  12] reply r2\n"
          "[  12] reply r3\n"
          "[  13] start r4 v0 on d0\n");
}

/* Nobody's answer is waited for without a deadline. */
static void without_deadlines_nobody_waits(void **state)
{
    (void)state;
    static const char *const rules[] = {"deadline", "proteus", "fixed", "nexus",
                                        "aimd"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct world w;
        start(&w, rules[i]);
        world_arrive(&w, CVG_MS(1), "a0", 0);
        world_run_until(&w, CVG_MS(100));
        check(&w, rules[i],
              "[   1] start r1 v0 on d0\n"
              "[   7] reply r1\n");
    }
}

/* Every batch that begins is asked about, and what is left of one finds the
 * unit's other place. */
static void each_batch_is_asked_about(void **state)
{
    (void)state;
    struct world w;
    one_unit(&w, 2);
    world_start(&w, "order=edf,batching=none");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    for (int k = 0; k < 4; k++) {
        world_arrive(&w, CVG_MS(5), "a0", CVG_MS(100));
    }
    world_run_until(&w, CVG_MS(19));
    check(&w, "none",
          "[   0] start r1 v0 on d0\n"
          "[   5] start r2 v0 on d0\n"
          "[   6] reply r1\n"
          "[   6] start r3 v0 on d0\n"
          "[  12] reply r2\n"
          "[  12] start r4 v0 on d0\n"
          "[  18] reply r3\n"
          "[  18] start r5 v0 on d0\n");
}

/* Who waits for a fuller batch keeps nobody else from the unit, and nobody
 * behind him ends his waiting. */
static void waiting_is_in_nobodys_way(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_variant(&w, "v1", 0.95);
    world_profile(&w, "v0", "d0", 1, 6, 1);
    world_profile(&w, "v0", "d0", 4, 12, 1);
    world_profile(&w, "v1", "d0", 1, 8, 1);
    world_app(&w, "a0");
    world_slo_accuracy(world_app(&w, "a1"), 0.95);
    world_start(&w, "order=edf,batching=deadline");
    world_arrive(&w, 0, "a0", CVG_MS(60));
    world_arrive(&w, CVG_MS(2), "a1", CVG_MS(80));
    world_run_until(&w, CVG_MS(200));
    check(&w, "deadline",
          "[   2] start r2 v1 on d0\n"
          "[  10] reply r2\n"
          "[  54] start r1 v0 on d0\n"
          "[  60] reply r1\n");
}

/* Behind a batch that the unit holds: until the last moment, in few steps. */
static void waits_in_one_go(void **state)
{
    (void)state;
    struct world w;
    one_unit(&w, 2);
    world_start(&w, "order=edf,batching=deadline");
    world_arrive(&w, 0, "a0", CVG_MS(6));
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(11) + 1);
    world_run_until(&w, CVG_MS(100));
    assert_true(cvg_engine_stats(world_engine(&w))->steps < 20);
    check(&w, "deadline",
          "[   0] start r1 v0 on d0\n"
          "[   6] reply r1\n"
          "[   6] start r2 v0 on d0\n"
          "[  12] reply r2\n");
}

/* Up while it is in time, down when it is late. */
static void aimd_feels_its_way(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    one_unit(&w, 1);
    tally_begin(&t, &w, "order=edf,batching=aimd");
    for (int k = 0; k < 400; k++) { /* 500/s; four at once are 333/s */
        world_arrive(&w, CVG_MS(2 * k), "a0", CVG_MS(60));
    }
    world_run_until(&w, CVG_S(2));
    assert_int_equal(t.largest_batch, 4);
    world_fini(&w);
}

/* On a unit that is free whenever the first comes, waiting makes nobody late:
 * random gaps and deadlines, times as profiled. */
static void waiting_makes_nobody_late(void **state)
{
    (void)state;
    static const char *const rules[] = {"deadline", "proteus"};
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct cvg_rng rng;
        struct world w;
        struct tally t;
        char policy[64];
        cvg_rng_init(&rng, seed, 0, 0);
        (void)snprintf(policy, sizeof policy, "order=edf,batching=%s",
                       rules[seed % 2]);
        one_unit(&w, 1);
        tally_begin(&t, &w, policy);
        cvg_time at = 0;
        uint64_t n = 0;
        for (int burst = 0; burst < 20; burst++) {
            uint32_t size = 1 + random_below(&rng, 4);
            cvg_span deadline = CVG_MS(20) + CVG_US(random_below(&rng, 30000));
            for (uint32_t k = 0; k < size; k++) {
                world_arrive(&w, at, "a0", deadline);
                at += CVG_US(random_below(&rng, 800));
                n++;
            }
            at += deadline + CVG_MS(20); /* all is done by then */
        }
        world_run_until(&w, at + CVG_S(1));
        if (t.served[0] != n || t.late[0] != 0) {
            fail_msg("seed %d: %d of %d, %d late", (int)seed, (int)t.served[0],
                     (int)n, (int)t.late[0]);
        }
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_each_does),
        cmocka_unit_test(full_batches_begin),
        cmocka_unit_test(nexus_has_a_target),
        cmocka_unit_test(without_deadlines_nobody_waits),
        cmocka_unit_test(each_batch_is_asked_about),
        cmocka_unit_test(waiting_is_in_nobodys_way),
        cmocka_unit_test(waits_in_one_go),
        cmocka_unit_test(aimd_feels_its_way),
        cmocka_unit_test(waiting_makes_nobody_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

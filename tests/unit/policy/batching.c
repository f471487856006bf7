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

/* Nexus aims at what takes half of 20 ms: three, or of 1, 2, 4, ... two. By its
 * timer it then waits as if the one that has come meanwhile had just come,
 * which is too long; the rule that does not wait begins it at once. */
static void nexus_has_a_target(void **state)
{
    (void)state;
    struct world w;
    one_unit(&w, 1);
    world_start(&w, "order=edf,batching=nexus");
    for (int k = 0; k < 3; k++) {
        world_arrive(&w, CVG_MS(k), "a0", CVG_MS(20));
    }
    world_run_until(&w, CVG_MS(30));
    check(&w, "nexus",
          "[   1] start r1,r2 v0 on d0\n"
          "[   9] reply r1\n"
          "[   9] reply r2\n"
          "[  16] dropped r3 deadline\n");
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

/* --- by a plan ------------------------------------------------------------ */

/* The same unit, serving what a plan has it serve. Two requests have the plan
 * made; it is there at 221 ms, and what was before is not looked at. */
static void start_routed(struct world *w, const char *order, const char *rule,
                         cvg_span deadline)
{
    char policy[64];
    (void)snprintf(policy, sizeof policy,
                   "allocation=static,order=%s,batching=%s", order, rule);
    one_unit(w, 1);
    world_slo_deadline(&w->box->apps[0], deadline);
    world_start(w, policy);
    world_arrive(w, 0, "a0", 0);
    world_arrive(w, CVG_MS(201), "a0", 0);
    world_run_until(w, CVG_MS(299));
    w->used = 0;
    w->trace[0] = '\0';
}

/* As three(), at 300 ms. */
static void three_routed(const char *rule, const char *expected)
{
    struct world w;
    start_routed(&w, "edf", rule, CVG_MS(30));
    for (int k = 0; k < 3; k++) {
        world_arrive(&w, CVG_MS(300 + 2 * k), "a0", 0);
    }
    world_run_until(&w, CVG_MS(400));
    check(&w, rule, expected);
}

/* But for aimd no other than without a plan: four take no more than half of the
 * 30 ms, so that is the batch of the plan, too. */
static void what_each_does_by_a_plan(void **state)
{
    (void)state;
    three_routed("none", "[ 300] start r3 v0 on d0\n"
                         "[ 306] reply r3\n"
                         "[ 306] start r4 v0 on d0\n"
                         "[ 312] reply r4\n"
                         "[ 312] start r5 v0 on d0\n"
                         "[ 318] reply r5\n");
    three_routed("greedy", "[ 300] start r3 v0 on d0\n"
                           "[ 306] reply r3\n"
                           "[ 306] start r4,r5 v0 on d0\n"
                           "[ 314] reply r4\n"
                           "[ 314] reply r5\n");
    three_routed("deadline", "[ 320] start r3,r4,r5 v0 on d0\n"
                             "[ 330] reply r3\n"
                             "[ 330] reply r4\n"
                             "[ 330] reply r5\n");
    three_routed("proteus", "[ 318] start r3,r4,r5 v0 on d0\n"
                            "[ 328] reply r3\n"
                            "[ 328] reply r4\n"
                            "[ 328] reply r5\n");
    three_routed("fixed", "[ 318] start r3,r4,r5 v0 on d0\n"
                          "[ 328] reply r3\n"
                          "[ 328] reply r4\n"
                          "[ 328] reply r5\n");
    three_routed("nexus", "[ 318] start r3,r4,r5 v0 on d0\n"
                          "[ 328] reply r3\n"
                          "[ 328] reply r4\n"
                          "[ 328] reply r5\n");
    three_routed("nexus-wc", "[ 300] start r3 v0 on d0\n"
                             "[ 306] reply r3\n"
                             "[ 306] start r4,r5 v0 on d0\n"
                             "[ 314] reply r4\n"
                             "[ 314] reply r5\n");
    /* Two were in time, so it wants four, and waits for them as long as the
     * first could be in time alone; then edf lets nobody else into the batch.
     */
    three_routed("aimd", "[ 324] start r3 v0 on d0\n"
                         "[ 326] dropped r4 deadline\n"
                         "[ 328] dropped r5 deadline\n"
                         "[ 330] reply r3\n");
}

/* No batch is larger than the plan's: three, for half of 20 ms. */
static void batches_are_those_of_the_plan(void **state)
{
    (void)state;
    struct world w;
    start_routed(&w, "edf", "greedy", CVG_MS(20));
    world_arrive(&w, CVG_MS(300), "a0", 0);
    for (int k = 0; k < 4; k++) {
        world_arrive(&w, CVG_MS(305), "a0", CVG_MS(50));
    }
    world_run_until(&w, CVG_MS(400));
    check(&w, "greedy",
          "[ 300] start r3 v0 on d0\n"
          "[ 306] reply r3\n"
          "[ 306] start r4,r5,r6 v0 on d0\n"
          "[ 316] reply r4\n"
          "[ 316] reply r5\n"
          "[ 316] reply r6\n"
          "[ 316] start r7 v0 on d0\n"
          "[ 322] reply r7\n");
}

/* Three were there and two have left: with the next there are two, and these
 * wait for more as long as two can. */
static void who_leaves_is_not_counted(void **state)
{
    (void)state;
    struct world w;
    start_routed(&w, "edf", "deadline", CVG_MS(30));
    for (int k = 0; k < 3; k++) {
        world_arrive(&w, CVG_MS(300 + k), "a0", 0);
    }
    world_cancel(&w, CVG_MS(303), 4);
    world_cancel(&w, CVG_MS(303), 5);
    world_arrive(&w, CVG_MS(306), "a0", 0);
    world_run_until(&w, CVG_MS(400));
    check(&w, "deadline",
          "[ 322] start r3,r6 v0 on d0\n"
          "[ 330] reply r3\n"
          "[ 330] reply r6\n");
}

/* The timer begins with the wait, not with the arrival: r5 could wait until
 * 316, the timer waits until 321. As its authors had it. */
static void the_timer_makes_requests_late(void **state)
{
    (void)state;
    struct world w;
    start_routed(&w, "edf", "nexus", CVG_MS(20));
    for (int k = 0; k < 3; k++) {
        world_arrive(&w, CVG_MS(300 + k), "a0", 0);
    }
    world_run_until(&w, CVG_MS(400));
    check(&w, "nexus",
          "[ 301] start r3,r4 v0 on d0\n"
          "[ 309] reply r3\n"
          "[ 309] reply r4\n"
          "[ 316] dropped r5 deadline\n");
}

/* By the order that goes with it: late is how it learns that four are too many;
 * then two are enough. */
static void aimd_learns_by_being_late(void **state)
{
    (void)state;
    struct world w;
    start_routed(&w, "fifo", "aimd", CVG_MS(30));
    for (int k = 0; k < 3; k++) {
        world_arrive(&w, CVG_MS(300 + 2 * k), "a0", 0);
    }
    for (int k = 0; k < 3; k++) {
        world_arrive(&w, CVG_MS(400 + 2 * k), "a0", 0);
    }
    world_run_until(&w, CVG_MS(409));
    check(&w, "aimd",
          "[ 324] start r3,r4,r5 v0 on d0\n"
          "[ 334] reply r3 late\n"
          "[ 334] reply r4 late\n"
          "[ 334] reply r5\n"
          "[ 402] start r6,r7 v0 on d0\n");
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
        cmocka_unit_test(what_each_does_by_a_plan),
        cmocka_unit_test(batches_are_those_of_the_plan),
        cmocka_unit_test(who_leaves_is_not_counted),
        cmocka_unit_test(the_timer_makes_requests_late),
        cmocka_unit_test(aimd_learns_by_being_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

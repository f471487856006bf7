/* Bounds are kept at exits: where accuracy falls on the way, where stages take
 * other batches, where units hold more than one, where many wait; and nobody's
 * better answer costs somebody else his. */
#include "net.h"

#include <stdio.h>

/* Three exits of 10 ms each that are .8, .7 and .9 accurate. */
static void falling(struct world *w)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    struct cvg_variant *v = world_variant(w, "net", 0.8);
    world_exit(v, 0.7);
    world_exit(v, 0.9);
    for (uint32_t stage = 0; stage < 3; stage++) {
        world_profile_stage(w, "net", stage, "d0", 1, 10, 1);
    }
    world_app(w, "a0");
    world_app(w, "a1");
}

/* Nobody stops at an exit that is worse than the one that he had. */
static void over_a_worse_exit(void **state)
{
    (void)state;
    static const char *const rules[] = {"predictive", "anytime", "alert",
                                        "energy-budget"};
    for (size_t k = 0; k < 4; k++) {
        struct world w;
        char policy[64];
        falling(&w);
        w.box->apps[0].objective = CVG_OBJECTIVE_ACCURACY;
        w.box->policy.budget_w = 100;
        snprintf(policy, sizeof policy, "order=edf,exits=%s", rules[k]);
        world_start(&w, policy);
        arrive_at(&w, 0, 0.75, 0, 0);
        arrive_at(&w, CVG_MS(100), 0, 0, CVG_MS(25)); /* to the second only */
        world_run_until(&w, CVG_S(1));
        CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                        "[  10] start r1 net 1-2 on d0\n"
                        "[  30] reply r1 exit 2\n"
                        "[ 100] start r2 net 0-0 on d0\n"
                        "[ 110] reply r2 exit 0\n");
        finish(&w);
    }
}

/* Three came together; the next stage takes two at once. */
static void a_batch_larger_than_the_next_stage_takes(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_exit(world_variant(&w, "net", 0.5), 0.9);
    world_profile_stage(&w, "net", 0, "d0", 1, 10, 1);
    world_profile_stage(&w, "net", 0, "d0", 4, 16, 4);
    world_profile_stage(&w, "net", 1, "d0", 1, 10, 1);
    world_profile_stage(&w, "net", 1, "d0", 2, 12, 2);
    world_app(&w, "a0");
    world_start(&w, "order=edf,exits=predictive,batching=greedy");
    for (int i = 0; i < 3; i++) {
        struct cvg_arrival a = {.variant = CVG_ANY, .more = i < 2};
        world_arrive_with(&w, 0, &a);
    }
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1,r2,r3 net 0-0 on d0\n"
                    "[  14] start r1,r2 net 1-1 on d0\n"
                    "[  26] reply r1 exit 1\n"
                    "[  26] reply r2 exit 1\n"
                    "[  26] start r3 net 1-1 on d0\n"
                    "[  36] reply r3 exit 1\n");
    finish(&w);
}

/* The second stage takes no fewer than two. */
static void pairs(struct world *w)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_exit(world_variant(w, "net", 0.5), 0.9);
    world_profile_stage(w, "net", 0, "d0", 1, 10, 1);
    world_profile_stage(w, "net", 0, "d0", 4, 16, 4);
    world_profile_stage(w, "net", 1, "d0", 2, 30, 2);
    world_profile_stage(w, "net", 1, "d0", 4, 40, 4);
    world_app(w, "a0");
    world_app(w, "a1");
}

static void two_arrive(struct world *w, const struct cvg_conditions *of_one)
{
    for (int i = 0; i < 2; i++) {
        struct cvg_arrival a = {.variant = CVG_ANY,
                                .overrides = 1U << CVG_SLO_ACCURACY,
                                .bounds = {.accuracy = 0.85},
                                .more = i < 1,
                                .conditions = i == 0 ? of_one : NULL};
        world_arrive_with(w, CVG_MS(20), &a);
    }
}

/* A batch is not cut where its requests could not go on one by one: not for who
 * cannot wait and not for who has conditions. */
static void stages_that_cannot_be_left(void **state)
{
    (void)state;
    struct world w;
    struct cvg_conditions *never = conditions("never");
    pairs(&w);
    world_start(&w, "order=edf,exits=predictive,batching=greedy");
    arrive_at(&w, 0, 0.5, 0, CVG_MS(15));
    two_arrive(&w, NULL);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] reply r1 exit 0\n"
                    "[  20] start r2,r3 net 0-1 on d0\n"
                    "[  62] reply r2 exit 1\n"
                    "[  62] reply r3 exit 1\n");
    finish(&w);
    pairs(&w);
    world_start(&w, "heft");
    two_arrive(&w, never);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[  20] start r1,r2 net 0-1 on d0\n"
                    "[  62] reply r1 exit 1\n"
                    "[  62] reply r2 exit 1\n");
    finish(&w);
    cvg_conditions_free(never);
}

/* The unit holds the other's stage: with what it has it is in time. */
static void behind_what_the_unit_holds(void **state)
{
    (void)state;
    struct world w;
    struct cvg_conditions *never = conditions("never");
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 2);
    world_exit(world_variant(&w, "net", 0.5), 0.9);
    world_profile_stage(&w, "net", 0, "d0", 1, 10, 1);
    world_profile_stage(&w, "net", 1, "d0", 1, 40, 1);
    world_app(&w, "a0");
    world_start(&w, "order=edf,exits=predictive,batching=none");
    struct cvg_arrival a = {.variant = CVG_ANY,
                            .overrides = 1U << CVG_SLO_DEADLINE,
                            .bounds = {.deadline = CVG_MS(70)},
                            .conditions = never};
    world_arrive_with(&w, 0, &a);
    world_arrive_with(&w, 0, &a);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[   0] start r2 net 0-0 on d0\n"
                    "[  10] start r1 net 1-1 on d0\n"
                    "[  20] reply r2 exit 0\n"
                    "[  60] reply r1 exit 1\n");
    finish(&w);
    cvg_conditions_free(never);
}

/* Who is late already does not make the others go alone. */
static void the_late_go_together(void **state)
{
    (void)state;
    struct world w;
    struct cvg_conditions *never = conditions("never");
    net(&w, 1);
    world_start(&w, "order=fifo,exits=reactive,batching=greedy");
    for (int i = 0; i < 2; i++) {
        struct cvg_arrival a = {.variant = CVG_ANY,
                                .overrides = 1U << CVG_SLO_DEADLINE,
                                .bounds = {.deadline = CVG_MS(5)},
                                .more = i < 1,
                                .conditions = never};
        world_arrive_with(&w, 0, &a);
    }
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1,r2 net 0-0 on d0\n"
                    "[  12] start r1,r2 net 1-1 on d0\n"
                    "[  34] start r1,r2 net 2-2 on d0\n"
                    "[  66] start r1,r2 net 3-3 on d0\n"
                    "[ 108] reply r1 exit 3 late\n"
                    "[ 108] reply r2 exit 3 late\n");
    finish(&w);
    cvg_conditions_free(never);
}

/* A batching rule holds a request back to the last moment: nothing optional
 * begins that would last longer. */
static void not_while_somebody_is_held_back(void **state)
{
    (void)state;
    static const char *const rules[] = {"deadline", "proteus", "nexus"};
    for (size_t k = 0; k < 3; k++) {
        struct world w;
        char policy[64];
        net(&w, 1);
        snprintf(policy, sizeof policy,
                 "order=edf,exits=predictive,batching=%s", rules[k]);
        world_start(&w, policy);
        arrive_at(&w, 0, 0, 0, 0);
        arrive_at(&w, CVG_MS(5), 0.5, 0, CVG_MS(45));
        world_run_until(&w, CVG_S(5));
        assert_int_equal(w.replies, 2);
        assert_null(strstr(w.trace, "late"));
        finish(&w);
    }
}

/* Nobody's bound of time is too far away for an order that gives nothing up. */
static void in_time_under_fifo(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=fifo,exits=predictive,batching=none");
    arrive_at(&w, 0, 0, 0, CVG_MS(45));
    for (int i = 0; i < 10; i++) {
        arrive_at(&w, CVG_MS(5 + 10 * i), 0.5, 0, 0);
    }
    world_run_until(&w, CVG_S(5));
    assert_non_null(strstr(w.trace, "[  25] reply r1 exit 0\n"));
    finish(&w);
}

/* An idle device that is too slow for them is no help to those who come. */
static void a_slow_device_is_no_help(void **state)
{
    (void)state;
    uint64_t served[2];
    for (int slow = 0; slow < 2; slow++) {
        struct world w;
        world_init(&w);
        world_device(&w, "d0", CVG_FCFS, 1, 1);
        if (slow > 0) {
            world_device(&w, "d1", CVG_FCFS, 1, 1);
        }
        struct cvg_variant *v = world_variant(&w, "net", 0.5);
        world_exit(v, 0.7);
        for (uint32_t stage = 0; stage < 2; stage++) {
            world_profile_stage(&w, "net", stage, "d0", 1, 10 + 10 * stage, 1);
            if (slow > 0) {
                world_profile_stage(&w, "net", stage, "d1", 1, 100, 1);
            }
        }
        world_app(&w, "a0");
        world_app(&w, "a1");
        world_slo_deadline(&w.box->apps[0], CVG_MS(90));
        world_slo_deadline(&w.box->apps[1], CVG_MS(15));
        world_slo_accuracy(&w.box->apps[1], 0.5);
        world_start(&w, "order=edf,exits=predictive,batching=none");
        for (int i = 0; i < 200; i++) {
            world_arrive(&w, CVG_MS(25 * i), "a1", 0);
            if (i % 2 == 0) {
                world_arrive(&w, CVG_MS(25 * i + 11), "a0", 0);
            }
        }
        world_run_until(&w, CVG_S(30));
        served[slow] = w.replies;
        finish(&w);
    }
    assert_true(served[0] >= 295);
    assert_true(served[1] >= served[0]);
}

/* A nearer deadline, set on the way, is one to go first by. */
static void a_nearer_deadline_goes_first(void **state)
{
    (void)state;
    struct world w;
    struct cvg_conditions *set = conditions("never; never; always");
    net(&w, 1);
    world_start(&w, "order=edf,exits=predictive,batching=none");
    struct cvg_arrival a = {
        .variant = CVG_ANY,
        .overrides = 1U << CVG_SLO_DEADLINE | 1U << CVG_SLO_ACCURACY,
        .bounds = {.deadline = CVG_MS(900), .accuracy = 0.85},
        .conditions = set};
    world_arrive_with(&w, 0, &a);
    arrive_at(&w, CVG_MS(1), 0.8, 0, CVG_MS(400));
    struct cvg_event event = {.type = CVG_EV_BOUNDS, .at = CVG_MS(5)};
    event.bounds = (struct cvg_bounds){.request = 1,
                                       .overrides = 1U << CVG_SLO_DEADLINE,
                                       .slo = {.deadline = CVG_MS(100)}};
    cvg_sim_inject(w.sim, &event);
    world_run_until(&w, CVG_S(2));
    assert_non_null(strstr(w.trace, "[  60] reply r1 exit 2\n"));
    assert_int_equal(w.replies, 2);
    finish(&w);
    cvg_conditions_free(set);
}

/* Far more than the device can bear, on the smallest of boxes: those at exits
 * have room of their own. */
static void many_wait_at_exits(void **state)
{
    (void)state;
    struct world w;
    net(&w, 2);
    w.box->apps[0].queue_limit = 1;
    w.box->apps[1].queue_limit = 1;
    world_start(&w, "order=edf,exits=predictive,batching=none");
    for (int i = 0; i < 500; i++) {
        world_arrive(&w, CVG_MS(5 * i + 5), "a0", 0);
    }
    world_device_state(&w, CVG_MS(2000), "d0", false);
    world_device_state(&w, CVG_MS(2001), "d1", false);
    world_device_state(&w, CVG_MS(2100), "d0", true);
    world_run_until(&w, CVG_S(60));
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_a_worse_exit),
        cmocka_unit_test(a_batch_larger_than_the_next_stage_takes),
        cmocka_unit_test(stages_that_cannot_be_left),
        cmocka_unit_test(behind_what_the_unit_holds),
        cmocka_unit_test(the_late_go_together),
        cmocka_unit_test(not_while_somebody_is_held_back),
        cmocka_unit_test(in_time_under_fifo),
        cmocka_unit_test(a_slow_device_is_no_help),
        cmocka_unit_test(a_nearer_deadline_goes_first),
        cmocka_unit_test(many_wait_at_exits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Corners of routing: what once made it go round in circles, or wait for ever.
 */
#include "unit/policy/routed.h"

#include <stdio.h>

/* A plan that comes while all units are busy is acted on when the first of
 * them is done, not when somebody waits. */
static void a_plan_is_acted_on_when_units_are_free(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 1, 30);
    loads_take(&s, CVG_MS(50));
    route(0, 0, 10);
    begin(&s);
    ready.flows[0].variant = 1;
    world_arrive(&s.w, CVG_MS(701), "a0", 0); /* asks: answered at 721 */
    world_arrive(&s.w, CVG_MS(900), "a0", 0);
    world_run_until(&s.w, CVG_S(2));
    CHECK_TRACE(&s.w, "[ 701] start r4 v0 on d0\n"
                      "[ 731] reply r4\n"
                      "[ 731] unload v0 on d0\n"
                      "[ 731] load v1 on d0\n"
                      "[ 900] start r5 v1 on d0\n"
                      "[ 930] reply r5\n");
    finish(&s);
}

static void few_steps(struct world *w, const struct cvg_event *event,
                      const struct cvg_actions *actions)
{
    see(w, event, actions);
    if (cvg_engine_stats(world_engine(w))->steps > 1000) {
        fail_msg("without end; at last: %s", w->trace + w->used - 100);
    }
}

/* "a0" is at home on d0, where the variant that a request names is being
 * loaded for 100 ms. The next request of a0 is not at home anywhere meanwhile;
 * that is no reason to load v1 on d1, where no route has it and v0 would be
 * brought back at once. */
static void who_is_routed_has_nothing_loaded(void **state)
{
    (void)state;
    struct story s;
    memset(&s, 0, sizeof s);
    memset(&ready, 0, sizeof ready);
    can_solve = true;
    world_init(&s.w);
    world_device(&s.w, "d0", CVG_FCFS, 1, 1)->resident = 1;
    world_device(&s.w, "d1", CVG_FCFS, 1, 1)->resident = 1;
    world_variant(&s.w, "v0", 0.8);
    world_variant(&s.w, "v1", 0.9);
    world_variant(&s.w, "v2", 0.7);
    for (int d = 0; d < 2; d++) {
        world_profile(&s.w, "v0", d == 0 ? "d0" : "d1", 1, 5, 0);
        world_profile(&s.w, "v1", d == 0 ? "d0" : "d1", 1, 5, 0);
    }
    world_profile(&s.w, "v2", "d0", 1, 5, 0);
    cvg_profile_set_load(s.w.box->profile, 2, 0, CVG_MS(100));
    cvg_profile_set_load(s.w.box->profile, 1, 0, CVG_MS(100));
    world_slo_accuracy(world_app(&s.w, "a0"), 0.9);
    world_app(&s.w, "a1");
    ready.flows[0] = (struct cvg_flow){
        .app = 0, .device = 0, .variant = 1, .batch = 1, .rate_rps = 10};
    ready.flows[1] = (struct cvg_flow){
        .app = 1, .device = 1, .variant = 0, .batch = 1, .rate_rps = 10};
    ready.n_flows = 2;
    begin(&s);
    s.w.watch = few_steps;
    struct cvg_arrival a = {.app = 1, .variant = 2};
    world_arrive_with(&s.w, CVG_MS(660), &a);
    world_arrive(&s.w, CVG_MS(670), "a0", 0);
    world_run_until(&s.w, CVG_S(2));
    CHECK_TRACE(&s.w, "[ 660] unload v1 on d0\n"
                      "[ 660] load v2 on d0\n"
                      "[ 760] start r4 v2 on d0\n"
                      "[ 765] reply r4\n"
                      "[ 765] unload v2 on d0\n"
                      "[ 765] load v1 on d0\n"
                      "[ 865] start r5 v1 on d0\n"
                      "[ 870] reply r5\n");
    finish(&s);
}

/* A request that names what runs two at least, and is alone: v1 is loaded,
 * and there is nothing to begin. */
static void too_small_a_batch_is_waited_for_in_peace(void **state)
{
    (void)state;
    struct story s;
    memset(&s, 0, sizeof s);
    memset(&ready, 0, sizeof ready);
    can_solve = true;
    world_init(&s.w);
    world_device(&s.w, "d0", CVG_FCFS, 1, 1)->resident = 1;
    world_variant(&s.w, "v0", 0.8);
    world_variant(&s.w, "v1", 0.9);
    world_profile(&s.w, "v0", "d0", 1, 5, 0);
    world_profile(&s.w, "v1", "d0", 2, 5, 0);
    world_app(&s.w, "a0");
    route(0, 0, 10);
    begin(&s);
    s.w.watch = few_steps;
    struct cvg_arrival a = {.variant = 1,
                            .overrides = 1U << CVG_SLO_DEADLINE,
                            .bounds = {.deadline = CVG_MS(100)}};
    world_arrive_with(&s.w, CVG_MS(660), &a);
    world_run_until(&s.w, CVG_S(2));
    assert_true(s.loads <= 2);
    finish(&s);
}

/* Who is alone, and at home where two are the least, is served where one is
 * enough; or given up. It has no deadline. */
static void who_is_alone_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct story s;
    memset(&s, 0, sizeof s);
    memset(&ready, 0, sizeof ready);
    can_solve = true;
    world_init(&s.w);
    world_device(&s.w, "d0", CVG_FCFS, 1, 1)->resident = 1;
    world_device(&s.w, "d1", CVG_FCFS, 1, 1)->resident = 1;
    world_variant(&s.w, "v0", 0.8);
    world_variant(&s.w, "v1", 0.9);
    world_profile(&s.w, "v0", "d0", 2, 5, 0);
    world_profile(&s.w, "v1", "d1", 1, 5, 0);
    world_app(&s.w, "a0");
    route(0, 0, 10);
    s.w.watch = see;
    s.w.context = &s;
    begin(&s);
    s.w.watch = few_steps;
    world_arrive(&s.w, CVG_MS(700), "a0", 0);
    world_run_until(&s.w, CVG_S(60));
    finish(&s);
}

/* Without a plan, too: both wait for a fuller batch, each in the way of the
 * other, and loads take no time. */
static void two_that_wait_do_not_put_each_other_out(void **state)
{
    (void)state;
    static const char *const rules[] = {"deadline", "proteus", "fixed",
                                        "nexus"};
    for (int i = 0; i < 4; i++) {
        struct story s;
        char policy[64];
        memset(&s, 0, sizeof s);
        world_init(&s.w);
        world_device(&s.w, "d0", CVG_FCFS, 1, 1)->resident = 1;
        world_variant(&s.w, "v0", 0.7);
        world_variant(&s.w, "v1", 0.8);
        world_variant(&s.w, "v2", 0.9);
        world_profile(&s.w, "v0", "d0", 1, 5, 0);
        world_profile(&s.w, "v1", "d0", 1, 5, 0);
        world_profile(&s.w, "v1", "d0", 4, 10, 0);
        world_profile(&s.w, "v2", "d0", 1, 5, 0);
        world_profile(&s.w, "v2", "d0", 4, 10, 0);
        world_app(&s.w, "a0");
        s.w.watch = few_steps;
        s.w.context = &s;
        (void)snprintf(policy, sizeof policy,
                       "allocation=none,order=edf,batching=%s", rules[i]);
        world_start(&s.w, policy);
        for (uint32_t v = 0; v < 3; v++) {
            struct cvg_arrival a = {.variant = v,
                                    .overrides = 1U << CVG_SLO_DEADLINE,
                                    .bounds = {.deadline = CVG_MS(100)}};
            world_arrive_with(&s.w, CVG_MS(v), &a);
        }
        world_run_until(&s.w, CVG_S(2));
        finish(&s);
    }
}

/* Three could begin and be in time when the fourth comes, 1 ms before they
 * have to: with four the first would be late, so three others begin. */
static void a_full_batch_is_full_without_the_first(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 6, 1);
    world_profile(&w, "v0", "d0", 4, 12, 1);
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(30));
    world_start(&w, "allocation=static,order=edf,batching=deadline");
    world_arrive(&w, 0, "a0", 0);
    world_arrive(&w, CVG_MS(201), "a0", 0);
    world_run_until(&w, CVG_MS(299));
    w.used = 0;
    w.trace[0] = '\0';
    for (int k = 0; k < 3; k++) {
        world_arrive(&w, CVG_MS(300 + 2 * k), "a0", 0);
    }
    world_arrive(&w, CVG_MS(319), "a0", 0);
    world_run_until(&w, CVG_MS(400));
    assert_int_equal(w.ended[CVG_OUTCOME_SERVED], 6);
    CHECK_TRACE(&w, "[ 320] start r3,r4,r5 v0 on d0\n"
                    "[ 330] reply r3\n"
                    "[ 330] reply r4\n"
                    "[ 330] reply r5\n"
                    "[ 343] start r6 v0 on d0\n"
                    "[ 349] reply r6\n");
    world_fini(&w);
}

/* Batches of n take 4 + 2n ms, and requests have 26: one by one, a device does
 * two thirds of what comes. When a crowd has come everybody begins so late that
 * he could only run alone. It is got over, at the cost of those who come with
 * it. */
static void crowd_comes_to(uint32_t n_devices)
{
    struct story s;
    devices(&s, n_devices, 6);
    for (uint32_t d = 0; d < n_devices; d++) {
        world_profile(&s.w, "v0", s.w.box->devices[d].name, 4, 12, 0);
        route(d, 0, 250);
        ready.flows[d].batch = 4;
    }
    world_slo_deadline(&s.w.box->apps[0], CVG_MS(26));
    begin_by(&s, "allocation=static,order=edf,batching=deadline");
    cvg_span gap = CVG_MS(4) / n_devices;
    int n = (int)(CVG_S(2) / gap);
    arrivals(&s, CVG_MS(700), gap, n);
    arrivals(&s, CVG_MS(700), 0, (int)(20 * n_devices));
    world_run_until(&s.w, CVG_S(4));
    assert_true(s.w.ended[CVG_OUTCOME_DROPPED] >= 5 * n_devices);
    assert_true(s.w.ended[CVG_OUTCOME_DROPPED] <= 20 * n_devices);
    finish(&s);
}

static void a_crowd_is_got_over(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= DEVICES; n++) {
        crowd_comes_to(n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_acted_on_when_units_are_free),
        cmocka_unit_test(who_is_routed_has_nothing_loaded),
        cmocka_unit_test(too_small_a_batch_is_waited_for_in_peace),
        cmocka_unit_test(who_is_alone_does_not_wait_for_ever),
        cmocka_unit_test(two_that_wait_do_not_put_each_other_out),
        cmocka_unit_test(a_full_batch_is_full_without_the_first),
        cmocka_unit_test(a_crowd_is_got_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

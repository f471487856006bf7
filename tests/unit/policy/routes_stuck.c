/* A device that cannot serve its share for a while keeps nobody waiting: it is
 * busy with something long, loads, or failed to load. */
#include "unit/policy/routed.h"

/* "d1" is busy for 2 s with what somebody asks for by name; requests have
 * 100 ms. The other serves all of them, until "d1" is back. */
static void long_batches_are_not_waited_for(void **state)
{
    (void)state;
    struct story s;
    nothing(&s);
    world_device(&s.w, "d0", CVG_FCFS, 1, 1);
    world_device(&s.w, "d1", CVG_FCFS, 1, 1);
    world_variant(&s.w, "v0", 0.8);
    world_variant(&s.w, "long", 0.9);
    world_profile(&s.w, "v0", "d0", 1, 1, 0);
    world_profile(&s.w, "v0", "d1", 1, 1, 0);
    world_profile(&s.w, "long", "d1", 1, 2000, 0);
    world_app(&s.w, "a0");
    world_slo_deadline(&s.w.box->apps[0], CVG_MS(100));
    route(0, 0, 50);
    route(1, 0, 50);
    begin(&s);
    struct cvg_arrival named = {.variant = 1,
                                .overrides = 1U << CVG_SLO_DEADLINE,
                                .bounds = {.deadline = CVG_S(5)}};
    world_arrive_with(&s.w, CVG_MS(660), &named);
    arrivals(&s, CVG_MS(700), CVG_MS(10), 400);
    world_run_until(&s.w, CVG_S(9));
    assert_int_equal(s.w.ended[CVG_OUTCOME_SERVED], 3 + 401);
    assert_in_range(s.begun[0], 290, 310); /* 200, and half of 200 */
    finish(&s);
}

/* Both change the variant, one in 50 ms and one in 60; twenty have come
 * meanwhile, of whom each serves half. */
static void who_loads_longer_has_his_share(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 2, 10);
    world_slo_deadline(&s.w.box->apps[0], CVG_MS(200));
    cvg_profile_set_load(s.w.box->profile, 1, 0, CVG_MS(50));
    cvg_profile_set_load(s.w.box->profile, 1, 1, CVG_MS(60));
    route(0, 0, 100);
    route(1, 0, 100);
    begin(&s);
    ready.flows[0].variant = ready.flows[1].variant = 1;
    arrivals(&s, CVG_MS(701), 0, 1);
    arrivals(&s, CVG_MS(722), CVG_MS(1), 20);
    world_run_until(&s.w, CVG_S(3));
    assert_int_equal(s.w.ended[CVG_OUTCOME_DROPPED], 0);
    assert_in_range(s.begun[0], 10, 12);
    finish(&s);
}

/* The plan wants a variant that cannot be loaded: who comes is served by what
 * can, and the next plan is asked for without it. */
static void what_cannot_be_loaded_is_given_up(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 1, 5);
    world_slo_deadline(&s.w.box->apps[0], CVG_MS(200));
    loads_take(&s, CVG_MS(100));
    route(0, 0, 10);
    begin(&s);
    ready.flows[0].variant = 1;
    struct cvg_event failed = {.type = CVG_EV_LOAD_FAILED, .at = CVG_MS(780)};
    failed.model_on.variant = 1;
    cvg_sim_inject(s.w.sim, &failed);
    arrivals(&s, CVG_MS(701), CVG_MS(20), 500);
    world_run_until(&s.w, CVG_S(15));
    assert_int_equal(s.w.ended[CVG_OUTCOME_SERVED], 3 + 500);
    assert_int_equal(cannot.n, 1);
    assert_int_equal(cannot.variant, 1);
    finish(&s);
}

/* Batches are of four at least. Those of "a0" come one by one and are due
 * first; they are not in the way of "a1", of whom there are enough. */
static void too_few_are_in_nobodys_way(void **state)
{
    (void)state;
    struct story s;
    nothing(&s);
    world_device(&s.w, "d0", CVG_FCFS, 1, 1);
    world_variant(&s.w, "v0", 0.8);
    world_profile(&s.w, "v0", "d0", 4, 5, 0);
    world_profile(&s.w, "v0", "d0", 8, 8, 0);
    world_slo_deadline(world_app(&s.w, "a0"), CVG_MS(50));
    world_slo_deadline(world_app(&s.w, "a1"), CVG_MS(100));
    for (uint32_t a = 0; a < 2; a++) {
        route(0, 0, 100);
        ready.flows[a].app = a;
        ready.flows[a].batch = 8;
    }
    follow(&s, "allocation=static,order=edf,batching=greedy");
    for (int k = 0; k < 12; k++) {
        world_arrive(&s.w, k < 4 ? 0 : CVG_MS(201), "a1", 0);
    }
    for (int k = 0; k < 20; k++) {
        world_arrive(&s.w, CVG_MS(700 + 60 * k), "a0", 0);
    }
    for (int k = 0; k < 480; k++) {
        world_arrive(&s.w, CVG_MS(702 + 10 * (k / 4)), "a1", 0);
    }
    world_run_until(&s.w, CVG_S(3));
    assert_int_equal(s.w.ended[CVG_OUTCOME_SERVED], 492);
    assert_int_equal(s.w.ended[CVG_OUTCOME_DROPPED], 20);
    finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_batches_are_not_waited_for),
        cmocka_unit_test(who_loads_longer_has_his_share),
        cmocka_unit_test(what_cannot_be_loaded_is_given_up),
        cmocka_unit_test(too_few_are_in_nobodys_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

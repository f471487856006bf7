/* Plans that change, that do not come, and what no plan holds. */
#include "support/random_box.h"
#include "unit/policy/routed.h"

/* --- plans that change ---------------------------------------------------- */

/* What runs ends first; who comes meanwhile goes elsewhere. */
static void the_old_goes_and_the_new_comes(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 2, 30);
    loads_take(&s, CVG_MS(50));
    route(0, 0, 10);
    route(1, 0, 9);
    begin(&s);
    ready.flows[0].variant = 1;
    world_arrive(&s.w, CVG_MS(690), "a0", 0);
    arrivals(&s, CVG_MS(701), CVG_MS(40), 5);
    world_run_until(&s.w, CVG_S(6));
    CHECK_TRACE(&s.w, "[ 690] start r4 v0 on d1\n"
                      "[ 701] start r5 v0 on d0\n"
                      "[ 720] reply r4\n"
                      "[ 731] reply r5\n"
                      "[ 731] unload v0 on d0\n"
                      "[ 731] load v1 on d0\n"
                      "[ 741] start r6 v0 on d1\n"
                      "[ 771] reply r6\n"
                      "[ 781] start r7 v0 on d1\n"
                      "[ 811] reply r7\n"
                      "[ 821] start r8 v0 on d1\n"
                      "[ 851] reply r8\n"
                      "[ 861] start r9 v1 on d0\n"
                      "[ 891] reply r9\n");
    finish(&s);
}

/* It is loaded when the plan is there, not when somebody wants it. */
static void what_moves_is_loaded_ahead(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 1, 5);
    loads_take(&s, CVG_MS(50));
    route(0, 0, 10);
    begin(&s);
    ready.flows[0].variant = 1;
    arrivals(&s, CVG_MS(701), CVG_MS(199), 2);
    world_run_until(&s.w, CVG_S(6));
    CHECK_TRACE(&s.w, "[ 701] start r4 v0 on d0\n"
                      "[ 706] reply r4\n"
                      "[ 721] unload v0 on d0\n"
                      "[ 721] load v1 on d0\n"
                      "[ 900] start r5 v1 on d0\n"
                      "[ 905] reply r5\n");
    finish(&s);
}

/* Who holds what, and serves how many, all at random. */
static void random_plan(struct cvg_rng *rng)
{
    ready.n_flows = 0;
    for (uint32_t d = 0; d < DEVICES; d++) {
        uint32_t variant = random_below(rng, 2);
        route(d, variant, random_below(rng, 50));
    }
}

/* Whatever plans say, one after the other, everybody is served: also who names
 * what no device holds at the time, and where loads take no time at all. */
static void no_plan_loses_a_request(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct story s;
        struct cvg_rng rng;
        cvg_rng_init(&rng, seed, 0, 0);
        devices(&s, DEVICES, 1 + random_below(&rng, 20));
        loads_take(&s, CVG_MS(random_below(&rng, 3) * 40));
        random_plan(&rng);
        begin(&s);
        double at = CVG_MS(700);
        for (uint32_t i = 0; i < 300; i++) {
            bool named = random_below(&rng, 10) == 0;
            struct cvg_arrival a = {.variant = named ? random_below(&rng, 2)
                                                     : CVG_ANY};
            world_arrive_with(&s.w, (cvg_time)at, &a);
            at += 1e7 * cvg_rng_exponential(&rng);
        }
        for (int i = 0; i < 20; i++) {
            world_run_until(&s.w, CVG_MS(700 + 500 * i));
            random_plan(&rng);
        }
        uint64_t served = s.w.ended[CVG_OUTCOME_SERVED];
        uint64_t steps = cvg_engine_stats(world_engine(&s.w))->steps;
        if (served != 303 || s.plans < 5 || steps > 2000) {
            fail_msg("seed %u: %u served, %u plans, %u steps", (unsigned)seed,
                     (unsigned)served, s.plans, (unsigned)steps);
        }
        finish(&s);
    }
}

/* The last that it found is followed, and it is asked again. */
static void a_solver_that_fails(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 2, 5);
    route(0, 0, 10);
    route(1, 0, 30);
    begin(&s);
    can_solve = false;
    memset(&ready, 0, sizeof ready);
    arrivals(&s, CVG_MS(701), CVG_MS(10), 400);
    world_run_until(&s.w, CVG_S(6));
    assert_int_equal(s.plans, 1);
    assert_int_equal(s.failures, 9);
    assert_int_equal(s.begun[0], 100);
    assert_int_equal(s.begun[1], 300);
    assert_int_equal(s.loads, 0);
    finish(&s);
}

/* --- what no plan holds --------------------------------------------------- */

static void named(struct story *s, cvg_time at, uint32_t variant)
{
    struct cvg_arrival a = {.variant = variant};
    world_arrive_with(&s->w, at, &a);
}

/* It is loaded when nobody who came before waits, and gives way again. */
static void what_is_named_comes_and_goes(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 1, 10);
    loads_take(&s, CVG_MS(20));
    route(0, 0, 10);
    begin(&s);
    world_arrive(&s.w, CVG_MS(660), "a0", 0);
    named(&s, CVG_MS(661), 1);
    world_arrive(&s.w, CVG_MS(675), "a0", 0);
    world_run_until(&s.w, CVG_MS(800));
    CHECK_TRACE(&s.w, "[ 660] start r4 v0 on d0\n"
                      "[ 670] reply r4\n"
                      "[ 670] unload v0 on d0\n"
                      "[ 670] load v1 on d0\n"
                      "[ 690] start r5 v1 on d0\n"
                      "[ 700] reply r5\n"
                      "[ 700] unload v1 on d0\n"
                      "[ 700] load v0 on d0\n"
                      "[ 720] start r6 v0 on d0\n"
                      "[ 730] reply r6\n");
    finish(&s);
}

/* What is named stays while its request waits for a fuller batch. */
static void what_is_named_stays_while_it_is_waited_for(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 1, 10);
    world_profile(&s.w, "v1", "d0", 4, 20, 0);
    loads_take(&s, CVG_MS(20));
    route(0, 0, 10);
    begin_by(&s, "allocation=static,order=edf,batching=deadline");
    struct cvg_arrival a = {.variant = 1,
                            .overrides = 1U << CVG_SLO_DEADLINE,
                            .bounds = {.deadline = CVG_MS(100)}};
    world_arrive_with(&s.w, CVG_MS(660), &a);
    world_run_until(&s.w, CVG_MS(900));
    CHECK_TRACE(&s.w, "[ 660] unload v0 on d0\n"
                      "[ 660] load v1 on d0\n"
                      "[ 750] start r4 v1 on d0\n"
                      "[ 760] reply r4\n"
                      "[ 770] unload v1 on d0\n"
                      "[ 770] load v0 on d0\n");
    finish(&s);
}

/* Loads that take no time are no reason to do nothing else: a load in and one
 * back for each that is named, at most. */
static void loads_without_end(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 1, 10);
    route(0, 0, 80);
    begin(&s);
    arrivals(&s, CVG_MS(701), CVG_MS(12), 100);
    for (int i = 0; i < 20; i++) {
        named(&s, CVG_MS(706 + 50 * i), 1);
    }
    world_run_until(&s.w, CVG_S(6));
    assert_int_equal(s.begun[0], 120);
    assert_true(s.loads <= 40);
    assert_true(s.longest_wait <= CVG_S(1));
    assert_true(cvg_engine_stats(world_engine(&s.w))->steps < 500);
    finish(&s);
}

/* a0 is at home on d0 only, which takes 5 s to load what it is to hold: what is
 * to come is waited for for a second, then what there is will do. */
static void what_is_to_come_is_waited_for_for_a_second(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 2, 10);
    route(0, 0, 10);
    cvg_profile_set_load(s.w.box->profile, 1, 0, CVG_S(5));
    begin(&s);
    ready.flows[0].variant = 1;
    world_arrive(&s.w, CVG_MS(701), "a0", 0);
    world_arrive(&s.w, CVG_MS(800), "a0", 0);
    world_run_until(&s.w, CVG_S(3));
    CHECK_TRACE(&s.w, "[ 701] start r4 v0 on d0\n"
                      "[ 711] reply r4\n"
                      "[ 721] unload v0 on d0\n"
                      "[ 721] load v1 on d0\n"
                      "[1800] start r5 v1 on d1\n"
                      "[1810] reply r5\n");
    finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_old_goes_and_the_new_comes),
        cmocka_unit_test(what_moves_is_loaded_ahead),
        cmocka_unit_test(no_plan_loses_a_request),
        cmocka_unit_test(a_solver_that_fails),
        cmocka_unit_test(what_is_named_comes_and_goes),
        cmocka_unit_test(what_is_named_stays_while_it_is_waited_for),
        cmocka_unit_test(loads_without_end),
        cmocka_unit_test(what_is_to_come_is_waited_for_for_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Devices serve the shares that a plan gives them, and who loads or is gone
 * serves none. */
#include "support/random_box.h"
#include "unit/policy/routed.h"

/* --- shares --------------------------------------------------------------- */

static void three_of_four(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 2, 1);
    route(0, 0, 30);
    route(1, 0, 10);
    begin(&s);
    arrivals(&s, CVG_MS(700), CVG_MS(10), 400);
    world_run_until(&s.w, CVG_S(6));
    assert_int_equal(s.begun[0], 300);
    assert_int_equal(s.begun[1], 100);
    assert_int_equal(s.longest_row[0], 3);
    assert_int_equal(s.longest_row[1], 1);
    assert_int_equal(s.longest_wait, 0);
    finish(&s);
}

/* At any time each has had its share of all, to a request or two. */
static void any_shares_are_smooth(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct story s;
        struct cvg_rng rng;
        double rates[DEVICES], sum = 0;
        cvg_rng_init(&rng, seed, 0, 0);
        devices(&s, DEVICES, 1);
        for (uint32_t d = 0; d < DEVICES; d++) {
            rates[d] = 1 + random_below(&rng, 100);
            sum += rates[d];
            route(d, 0, rates[d]);
        }
        begin(&s);
        for (uint32_t d = 0; d < DEVICES; d++) {
            s.share[d] = rates[d] / sum;
        }
        arrivals(&s, CVG_MS(700), CVG_MS(10), 300);
        world_run_until(&s.w, CVG_S(6));
        if (s.furthest > 2) {
            fail_msg("seed %u: %.2f off", (unsigned)seed, s.furthest);
        }
        finish(&s);
    }
}

/* A rate of 0: it is held, should no other be there, and serves nobody. */
static void no_share_is_none(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 2, 1);
    route(0, 0, 0);
    route(1, 0, 10);
    begin(&s);
    arrivals(&s, CVG_MS(700), CVG_MS(10), 100);
    world_device_state(&s.w, CVG_MS(1205), "d1", false);
    world_run_until(&s.w, CVG_MS(1200));
    assert_int_equal(s.begun[0], 0);
    world_run_until(&s.w, CVG_S(6));
    assert_int_equal(s.begun[0], 49);
    assert_int_equal(s.longest_wait, 0);
    finish(&s);
}

/* --- devices that load or are gone ---------------------------------------- */

/* d1 is to hold the other variant, and takes 300 ms to load it. */
static void who_loads_serves_nobody(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 2, 1);
    loads_take(&s, CVG_MS(300));
    route(0, 0, 10);
    route(1, 0, 30);
    begin(&s);
    ready.flows[1].variant = 1;
    arrivals(&s, CVG_MS(701), CVG_MS(10), 400);
    world_run_until(&s.w, CVG_MS(725)); /* it is loading */
    uint32_t before = s.begun[1];
    assert_int_equal(s.loads, 1);
    world_run_until(&s.w, CVG_MS(1020));
    assert_int_equal(s.begun[1], before);
    assert_int_equal(s.longest_wait, 0);
    look_from_now(&s);
    world_run_until(&s.w, CVG_S(6));
    assert_int_equal(s.all, 368);
    assert_true(s.begun[1] >= 275 && s.begun[1] <= 277);
    assert_int_equal(s.longest_wait, 0);
    finish(&s);
}

/* Ten of 2 ms are there when d1 goes, most of them for d1: d0 serves them all,
 * the one that was lost with it too, and is never idle. */
static void who_is_gone_is_not_waited_for(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 2, 2);
    route(0, 0, 10);
    route(1, 0, 90);
    begin(&s);
    arrivals(&s, CVG_MS(700), 0, 10);
    world_device_state(&s.w, CVG_MS(701), "d1", false);
    world_run_until(&s.w, CVG_MS(900));
    assert_int_equal(s.begun[1], 1);
    assert_int_equal(s.begun[0], 10);
    assert_int_equal(s.longest_wait, CVG_MS(18)); /* one after the other */
    finish(&s);
}

/* A device that has failed a batch is left alone for 10 ms, though it holds
 * what it held: what failed, and who is there, goes to the other. */
static void who_failed_is_left_alone(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 2, 2);
    route(0, 0, 10);
    route(1, 0, 90);
    begin(&s);
    arrivals(&s, CVG_MS(700), CVG_MS(3), 10);
    world_run_until(&s.w, CVG_MS(707));
    struct cvg_event failed = {.type = CVG_EV_DONE, .at = CVG_MS(707)};
    failed.done.batch = s.batch[1];
    failed.done.status = CVG_DEVICE;
    cvg_sim_inject(s.w.sim, &failed);
    look_from_now(&s);
    world_run_until(&s.w, CVG_MS(716));
    assert_int_equal(s.begun[0], 4); /* that one, and those of 709, 712, 715 */
    assert_int_equal(s.begun[1], 0);
    world_run_until(&s.w, CVG_S(2));
    assert_int_equal(s.w.ended[CVG_OUTCOME_SERVED], 13);
    finish(&s);
}

/* It has its share again when it holds its variant again. */
static void who_is_back_has_his_share(void **state)
{
    (void)state;
    struct story s;
    devices(&s, 2, 5);
    loads_take(&s, CVG_MS(100));
    route(0, 0, 10);
    route(1, 0, 30);
    begin(&s);
    arrivals(&s, CVG_MS(700), CVG_MS(10), 400);
    world_device_state(&s.w, CVG_MS(1006), "d1", false);
    world_device_state(&s.w, CVG_MS(2001), "d1", true);
    world_run_until(&s.w, CVG_MS(1007));
    look_from_now(&s);
    world_run_until(&s.w, CVG_MS(2100));
    assert_int_equal(s.begun[0], 110); /* 1010, 1020, ... */
    assert_int_equal(s.begun[1], 0);
    look_from_now(&s);
    world_run_until(&s.w, CVG_MS(4105));
    assert_int_equal(s.begun[0], 50);
    assert_int_equal(s.begun[1], 150);
    assert_int_equal(s.longest_wait, 0);
    world_run_until(&s.w, CVG_S(6));
    finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_of_four),
        cmocka_unit_test(any_shares_are_smooth),
        cmocka_unit_test(no_share_is_none),
        cmocka_unit_test(who_loads_serves_nobody),
        cmocka_unit_test(who_is_gone_is_not_waited_for),
        cmocka_unit_test(who_failed_is_left_alone),
        cmocka_unit_test(who_is_back_has_his_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

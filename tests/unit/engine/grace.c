/* Requests that nothing which is up could run, as they are: how long they wait,
 * and what gives way. */
#include "unit/engine/rig.h"

/* Sends timers as the engine asks for them, up to `until`; when the first
 * request was dropped, CVG_NEVER: none was. */
static cvg_time dropped_until(struct rig *r, cvg_time until)
{
    cvg_time wake;
    while ((wake = cvg_engine_next_wake(r->e)) <= until) {
        rig_tell(r, wake, CVG_EV_TIMER);
        if (rig_count(r, CVG_ACT_DROP) > 0) {
            assert_int_equal(rig_action(r, CVG_ACT_DROP, 0)->drop.reason,
                             CVG_REASON_UNAVAILABLE);
            return wake;
        }
    }
    return CVG_NEVER;
}

static void for_each_policy(void (*test)(const char *policy))
{
    const char *policy;
    for (size_t k = 0; (policy = cvg_policy_name(k)) != NULL; k++) {
        test(policy);
    }
}

/* --- no device ------------------------------------------------------------ */

/* d0 runs v0 (0.9), d1 runs v1 (0.6), in 10 ms. */
static void two_kinds(struct rig *r)
{
    rig_init(r);
    world_device(&r->w, "d0", CVG_FCFS, 1, 1);
    world_device(&r->w, "d1", CVG_FCFS, 1, 1);
    world_variant(&r->w, "v0", 0.9);
    world_variant(&r->w, "v1", 0.6);
    world_profile(&r->w, "v0", "d0", 1, 10, 5);
    world_profile(&r->w, "v1", "d1", 1, 10, 5);
    world_app(&r->w, "a0");
}

/* Ten seconds are ten seconds, whatever comes and goes meanwhile. */
static void grace_does_not_begin_again(void **state)
{
    (void)state;
    struct rig r;
    two_kinds(&r);
    rig_start(&r, "edf");
    rig_device(&r, 0, 0, false);
    struct cvg_arrival v0 = {.variant = 0};
    rig_arrive(&r, CVG_S(1), 1, &v0);
    for (int i = 2; i < 10; i++) {
        rig_device(&r, CVG_S(i), 1, i % 2 == 1);
        assert_int_equal(cvg_engine_live(r.e), 1);
    }
    assert_int_equal(dropped_until(&r, CVG_S(20)), CVG_S(11) + 1);
    rig_fini(&r);
}

/* They do, when its device was there in between. */
static void grace_of_a_second_outage(void **state)
{
    (void)state;
    struct rig r;
    two_kinds(&r);
    rig_start(&r, "edf");
    rig_device(&r, 0, 0, false);
    struct cvg_arrival v0 = {.variant = 0};
    rig_arrive(&r, CVG_S(1), 1, &v0);
    rig_device(&r, CVG_S(8), 0, true);
    rig_device(&r, CVG_S(9), 0, false);
    assert_int_equal(dropped_until(&r, CVG_S(30)), CVG_S(19) + 1);
    rig_fini(&r);
}

/* --- what gives way ------------------------------------------------------- */

static void relax_accuracy(struct rig *r)
{
    struct cvg_app *app = &r->w.box->apps[0];
    world_slo_accuracy(app, 0.8);
    app->relax[app->n_relax++] = CVG_SLO_ACCURACY;
}

static void check_relaxed_start(const struct rig *r, uint64_t request)
{
    assert_int_equal(rig_count(r, CVG_ACT_START), 1);
    const struct cvg_start *start = &rig_action(r, CVG_ACT_START, 0)->start;
    assert_int_equal(start->device, 1);
    assert_int_equal(start->requests[0], request);
}

static void served_by_what_is_up(const char *policy)
{
    struct rig r;
    two_kinds(&r);
    relax_accuracy(&r);
    world_slo_deadline(&r.w.box->apps[0], CVG_MS(100));
    rig_start(&r, policy);
    rig_device(&r, 0, 0, false);
    rig_arrive(&r, CVG_MS(1), 1, NULL);
    check_relaxed_start(&r, 1);
    rig_done(&r, CVG_MS(11), r.batch, CVG_OK);
    assert_int_equal(rig_action(&r, CVG_ACT_REPLY, 0)->reply.relaxed,
                     1U << CVG_SLO_ACCURACY);
    /* so is what already waits when the device goes down */
    rig_device(&r, CVG_MS(12), 0, true);
    rig_model_on(&r, CVG_MS(12), CVG_EV_LOADED, 0, 0);
    rig_arrive(&r, CVG_MS(13), 2, NULL);
    rig_arrive(&r, CVG_MS(13), 3, NULL);
    assert_int_equal(cvg_engine_waiting(r.e, 0), 1);
    rig_device(&r, CVG_MS(14), 0, false);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.device, 1);
    rig_fini(&r);
}

static void served_by_what_is_up_by_all(void **state)
{
    (void)state;
    for_each_policy(served_by_what_is_up);
}

static void served_by_what_is_up_without_deadline(void **state)
{
    (void)state;
    struct rig r;
    two_kinds(&r);
    relax_accuracy(&r);
    rig_start(&r, "convergo");
    rig_device(&r, 0, 0, false);
    rig_arrive(&r, CVG_MS(1), 1, NULL);
    check_relaxed_start(&r, 1);
    rig_fini(&r);
}

/* Where giving way would not help, nothing gives way: the device may come
 * back. */
static void nothing_gives_way_in_vain(void **state)
{
    (void)state;
    struct rig r;
    two_kinds(&r);
    relax_accuracy(&r);
    rig_start(&r, "edf");
    rig_device(&r, 0, 0, false);
    rig_device(&r, 0, 1, false);
    rig_due(&r, CVG_MS(1), 1, CVG_MS(500));
    rig_device(&r, CVG_MS(5), 0, true);
    rig_model_on(&r, CVG_MS(6), CVG_EV_LOADED, 0, 0);
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.device, 0);
    rig_done(&r, CVG_MS(16), r.batch, CVG_OK);
    assert_int_equal(rig_action(&r, CVG_ACT_REPLY, 0)->reply.relaxed, 0);
    rig_fini(&r);
}

/* --- too small a batch ---------------------------------------------------- */

static void two_at_a_time(struct rig *r, const char *policy, double ms)
{
    rig_init(r);
    world_device(&r->w, "d0", CVG_FCFS, 1, 1);
    world_variant(&r->w, "v0", 0.9);
    world_profile(&r->w, "v0", "d0", 2, ms, 5);
    world_app(&r->w, "a0");
    rig_start(r, policy);
}

static void alone_for_ever(const char *policy)
{
    struct rig r;
    two_at_a_time(&r, policy, 10);
    rig_arrive(&r, CVG_S(1), 1, NULL);
    assert_int_equal(dropped_until(&r, CVG_S(60)), CVG_S(11) + 1);
    rig_fini(&r);
}

static void alone_for_a_while(const char *policy)
{
    struct rig r;
    two_at_a_time(&r, policy, 10);
    rig_arrive(&r, 0, 1, NULL);
    assert_int_equal(dropped_until(&r, CVG_S(9)), CVG_NEVER);
    rig_arrive(&r, CVG_S(9), 2, NULL);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
    rig_fini(&r);
}

/* It waits for the unit, not for others. */
static void in_company(const char *policy)
{
    struct rig r;
    two_at_a_time(&r, policy, 35e3);
    for (uint64_t i = 1; i <= 5; i++) {
        rig_arrive(&r, 0, i, NULL);
    }
    assert_int_equal(dropped_until(&r, CVG_S(34)), CVG_NEVER);
    rig_done(&r, CVG_S(35), r.batch, CVG_OK);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
    assert_int_equal(cvg_engine_waiting(r.e, 0), 1);
    assert_true(dropped_until(&r, CVG_S(46)) <= CVG_S(45) + 1);
    rig_fini(&r);
}

static void batches_of_two(void **state)
{
    (void)state;
    for_each_policy(alone_for_ever);
    for_each_policy(alone_for_a_while);
    for_each_policy(in_company);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grace_does_not_begin_again),
        cmocka_unit_test(grace_of_a_second_outage),
        cmocka_unit_test(served_by_what_is_up_by_all),
        cmocka_unit_test(served_by_what_is_up_without_deadline),
        cmocka_unit_test(nothing_gives_way_in_vain),
        cmocka_unit_test(batches_of_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Devices that come and go, fail, and hang. */
#include "unit/engine/rig.h"

/* --- batches that never end ------------------------------------------------ */

/* One device that holds two batches of v0, 10 ms each. */
static void room_for_two(struct rig *r, enum cvg_discipline discipline)
{
    rig_init(r);
    world_device(&r->w, "d0", discipline, 1, 2);
    world_variant(&r->w, "v0", 0.9);
    world_profile(&r->w, "v0", "d0", 1, 10, 0);
    world_app(&r->w, "a0");
    rig_start(r, "fifo");
}

/* Sends timers as the engine asks for them, up to `until`; the batch that was
 * aborted first, 0: none. */
static uint64_t aborted_until(struct rig *r, cvg_time until)
{
    cvg_time wake;
    while ((wake = cvg_engine_next_wake(r->e)) <= until) {
        rig_tell(r, wake, CVG_EV_TIMER);
        if (rig_count(r, CVG_ACT_ABORT) > 0) {
            return rig_action(r, CVG_ACT_ABORT, 0)->batch;
        }
    }
    return 0;
}

/* Others come and go beside it, on a shared unit. It alone is given up. */
static void hang_beside_others(void **state)
{
    (void)state;
    struct rig r;
    room_for_two(&r, CVG_PROCESSOR_SHARING);
    rig_arrive(&r, 0, 1, NULL);
    uint64_t hanging = r.batch;
    uint64_t aborted = 0;
    uint64_t beside = 0;
    for (uint64_t i = 0; i < 20 && aborted == 0; i++) {
        cvg_time at = CVG_MS(600) + (cvg_time)i * CVG_MS(500);
        rig_arrive(&r, at, 2 + i, NULL);
        beside = r.batch;
        aborted = aborted_until(&r, at + CVG_MS(450));
        if (aborted == 0) {
            rig_done(&r, at + CVG_MS(450), beside, CVG_OK);
            assert_int_equal(rig_count(&r, CVG_ACT_REPLY), 1);
        }
    }
    assert_int_equal(aborted, hanging);
    assert_int_equal(rig_count(&r, CVG_ACT_ABORT), 1);
    rig_done(&r, CVG_S(11), beside, CVG_OK);
    assert_int_equal(rig_count(&r, CVG_ACT_REPLY), 1);
    rig_fini(&r);
}

/* What is handed to the unit meanwhile does not excuse it. The unit stands
 * still: what waits behind it inside the device is given up, too. */
static void hang_before_others(void **state)
{
    (void)state;
    struct rig r;
    room_for_two(&r, CVG_FCFS);
    rig_arrive(&r, 0, 1, NULL);
    uint64_t hanging = r.batch;
    assert_int_equal(aborted_until(&r, CVG_MS(4500)), 0);
    rig_arrive(&r, CVG_MS(4500), 2, NULL);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
    assert_int_equal(aborted_until(&r, CVG_MS(6100)), hanging);
    assert_int_equal(rig_count(&r, CVG_ACT_ABORT), 2);
    rig_fini(&r);
}

/* What waits behind a batch that is long has all of its own time. */
static void long_is_no_hang(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    world_device(&r.w, "d0", CVG_FCFS, 1, 2);
    world_variant(&r.w, "v0", 0.9);
    world_variant(&r.w, "v1", 0.9);
    world_profile(&r.w, "v0", "d0", 1, 60e3, 0);
    world_profile(&r.w, "v1", "d0", 1, 10, 0);
    world_app(&r.w, "a0");
    rig_start(&r, "fifo");
    struct cvg_arrival a = {.variant = 0};
    rig_arrive(&r, 0, 1, &a);
    uint64_t first = r.batch;
    a.variant = 1;
    rig_arrive(&r, 0, 2, &a);
    assert_int_equal(aborted_until(&r, CVG_S(70)), 0);
    rig_done(&r, CVG_S(70), first, CVG_OK);
    assert_int_equal(aborted_until(&r, CVG_S(74)), 0);
    assert_int_equal(aborted_until(&r, CVG_S(77)), r.batch);
    rig_fini(&r);
}

/* A batch that is given up in the step of an arrival which means nothing to the
 * policy: the policy is asked all the same, for its requests wait again. */
static void hang_noticed_by_an_arrival(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    world_device(&r.w, "d0", CVG_FCFS, 2, 1);
    world_device(&r.w, "d1", CVG_FCFS, 1, 1);
    world_device(&r.w, "d2", CVG_FCFS, 1, 1);
    world_variant(&r.w, "v0", 0.9);
    world_variant(&r.w, "v1", 0.8);
    world_variant(&r.w, "v2", 0.8);
    world_profile(&r.w, "v0", "d0", 1, 10, 0);
    world_profile(&r.w, "v1", "d1", 1, 100, 0);
    world_profile(&r.w, "v2", "d2", 1, 60e3, 0);
    world_app(&r.w, "a0");
    rig_start(&r, "convergo");
    struct cvg_arrival v0 = {.variant = 0}, v2 = {.variant = 2};
    rig_arrive(&r, 0, 1, &v0);
    uint64_t failing = r.batch;
    rig_arrive(&r, 0, 2, NULL);
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.device, 0);
    rig_arrive(&r, 0, 3, &v2);
    assert_int_equal(aborted_until(&r, CVG_S(5)), 0);
    rig_done(&r, CVG_MS(5999), failing, CVG_DEVICE); /* d0 is left alone */
    assert_int_equal(rig_count(&r, CVG_ACT_START), 0);
    rig_arrive(&r, CVG_S(6), 4, &v2); /* d2 is busy */
    assert_int_equal(rig_count(&r, CVG_ACT_ABORT), 1);
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.requests[0], 2);
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.device, 1);
    rig_fini(&r);
}

/* --- starts that fail ------------------------------------------------------ */

static void start_named(struct rig *r, cvg_time at, uint64_t id,
                        uint32_t variant)
{
    struct cvg_arrival a = {.variant = variant};
    rig_arrive(r, at, id, &a);
    assert_int_equal(rig_count(r, CVG_ACT_START), 1);
}

static void fail_start(struct rig *r, cvg_time at, uint64_t batch)
{
    struct cvg_event event = {.type = CVG_EV_START_FAILED, .at = at};
    event.done.batch = batch;
    event.done.status = CVG_INVALID;
    rig_step(r, &event);
}

/* v0 and v1 take 10 ms each; a change from one to the other 5 ms. */
static void switching(struct rig *r)
{
    rig_init(r);
    r->options.attempts = 1;
    struct cvg_device *d = world_device(&r->w, "d0", CVG_FCFS, 1, 2);
    d->has_switch = true;
    d->switch_fixed = CVG_MS(5);
    world_variant(&r->w, "v0", 0.9);
    world_variant(&r->w, "v1", 0.9);
    world_profile(&r->w, "v0", "d0", 1, 10, 0);
    world_profile(&r->w, "v1", "d0", 1, 10, 0);
    world_app(&r->w, "a0");
    rig_start(r, "fifo");
}

/* A batch that never began has switched nothing. */
static void failed_start_switches_nothing(void **state)
{
    (void)state;
    struct rig r;
    switching(&r);
    start_named(&r, 0, 1, 1); /* the unit holds v0 at the start */
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.predicted,
                     CVG_MS(15));
    fail_start(&r, CVG_MS(1), r.batch);
    start_named(&r, CVG_MS(2), 2, 0);
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.predicted,
                     CVG_MS(12));
    rig_done(&r, CVG_MS(12), r.batch, CVG_OK);
    start_named(&r, CVG_MS(12), 3, 1); /* this one switches */
    rig_done(&r, CVG_MS(27), r.batch, CVG_OK);
    const struct cvg_device_stats *d = &cvg_engine_stats(r.e)->devices[0];
    assert_int_equal(d->switches, 1);
    assert_int_equal(d->switching, CVG_MS(5));
    rig_fini(&r);
}

/* What stands behind it need not switch back. */
static void failed_start_before_another(void **state)
{
    (void)state;
    struct rig r;
    switching(&r);
    start_named(&r, 0, 1, 1);
    uint64_t failing = r.batch;
    start_named(&r, 0, 2, 0);
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.predicted,
                     CVG_MS(30));
    fail_start(&r, 0, failing);
    start_named(&r, 0, 3, 0);
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.predicted,
                     CVG_MS(20));
    assert_int_equal(cvg_engine_stats(r.e)->devices[0].switches, 0);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hang_beside_others),
        cmocka_unit_test(hang_before_others),
        cmocka_unit_test(long_is_no_hang),
        cmocka_unit_test(hang_noticed_by_an_arrival),
        cmocka_unit_test(failed_start_switches_nothing),
        cmocka_unit_test(failed_start_before_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

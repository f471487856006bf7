/* Variants in devices: what is loaded, by whom, and what makes room. */
#include "base/rng.h"
#include "unit/engine/rig.h"
#include <stdio.h>

/* Two devices, three variants of 1 MiB that run everywhere in 10 ms. */
static void two_devices(struct rig *r)
{
    rig_init(r);
    world_device(&r->w, "d0", CVG_FCFS, 1, 1);
    world_device(&r->w, "d1", CVG_FCFS, 1, 1);
    static const char *const names[] = {"v0", "v1", "v2"};
    for (int v = 0; v < 3; v++) {
        world_variant(&r->w, names[v], 0.9);
    }
    for (int v = 0; v < 3; v++) {
        world_profile(&r->w, names[v], "d0", 1, 10, 5);
        world_profile(&r->w, names[v], "d1", 1, 10, 5);
    }
    world_app(&r->w, "a0");
}

/* One device with room for one of two variants. */
static void room_for_one(struct rig *r)
{
    rig_init(r);
    world_device(&r->w, "d0", CVG_FCFS, 1, 1)->resident = 1;
    world_variant(&r->w, "v0", 0.9);
    world_variant(&r->w, "v1", 0.9);
    world_profile(&r->w, "v0", "d0", 1, 10, 5);
    world_profile(&r->w, "v1", "d0", 1, 10, 5);
    world_app(&r->w, "a0");
}

static void arrive_named(struct rig *r, cvg_time at, uint64_t id,
                         uint32_t variant)
{
    struct cvg_arrival a = {.variant = variant};
    rig_arrive(r, at, id, &a);
}

static uint32_t resident_on(const struct rig *r, uint32_t device)
{
    uint32_t n = 0;
    for (uint32_t v = 0; v < r->w.box->n_variants; v++) {
        n += cvg_engine_resident(r->e, device, v);
    }
    return n;
}

/* --- at the start --------------------------------------------------------- */

static void all_that_fits_is_there_at_the_start(void **state)
{
    (void)state;
    struct rig r;
    two_devices(&r);
    r.w.box->devices[0].memory_bytes = (2 << 20) + 5;
    r.w.box->devices[1].resident = 1;
    rig_start(&r, "edf");
    assert_int_equal(resident_on(&r, 0), 2);
    assert_int_equal(resident_on(&r, 1), 1);
    /* what is wanted, the most important first; then nothing */
    uint32_t k = 0;
    uint32_t found = 0;
    uint32_t v;
    while ((v = cvg_engine_initial(r.e, 0, k)) != CVG_ANY) {
        assert_true(v < 3);
        assert_true(k < 3);
        found += cvg_engine_resident(r.e, 0, v);
        k++;
    }
    assert_int_equal(found, 2);
    assert_int_equal(cvg_engine_initial(r.e, 0, k + 1), CVG_ANY);
    rig_fini(&r);
}

static void what_cannot_run_there_is_not_loaded(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    world_device(&r.w, "d0", CVG_FCFS, 1, 1);
    world_device(&r.w, "d1", CVG_FCFS, 1, 1);
    world_variant(&r.w, "v0", 0.9);
    world_variant(&r.w, "v1", 0.9);
    world_profile(&r.w, "v0", "d0", 1, 10, 5);
    world_profile(&r.w, "v1", "d1", 1, 10, 5);
    world_app(&r.w, "a0");
    rig_start(&r, "edf");
    assert_true(cvg_engine_resident(r.e, 0, 0));
    assert_false(cvg_engine_resident(r.e, 0, 1));
    assert_false(cvg_engine_resident(r.e, 1, 0));
    assert_true(cvg_engine_resident(r.e, 1, 1));
    rig_fini(&r);
}

/* A variant that is larger than the memory is never loaded; a request that
 * names it does not wait for ever. */
static void too_large_for_the_device(void **state)
{
    (void)state;
    struct rig r;
    room_for_one(&r);
    r.w.box->devices[0].resident = UINT32_MAX;
    r.w.box->devices[0].memory_bytes = 3 << 20;
    r.w.box->variants[1].memory_bytes = 4 << 20;
    rig_start(&r, "edf");
    assert_false(cvg_engine_resident(r.e, 0, 1));
    struct cvg_arrival a = {.variant = 1,
                            .overrides = 1U << CVG_SLO_DEADLINE,
                            .bounds = {.deadline = CVG_MS(50)}};
    rig_arrive(&r, 0, 1, &a);
    for (int i = 0; i < 100 && cvg_engine_live(r.e) > 0; i++) {
        assert_int_equal(rig_count(&r, CVG_ACT_LOAD), 0);
        assert_int_equal(rig_count(&r, CVG_ACT_UNLOAD), 0);
        assert_true(cvg_engine_next_wake(r.e) != CVG_NEVER);
        rig_tell(&r, cvg_engine_next_wake(r.e), CVG_EV_TIMER);
    }
    assert_int_equal(cvg_engine_live(r.e), 0);
    rig_fini(&r);
}

/* --- on demand ------------------------------------------------------------ */

static void makes_room_for_what_is_named(void **state)
{
    (void)state;
    struct rig r;
    room_for_one(&r);
    rig_start(&r, "edf");
    arrive_named(&r, 0, 1, 1);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 0);
    assert_int_equal(rig_count(&r, CVG_ACT_LOAD), 0); /* no room yet */
    assert_int_equal(rig_action(&r, CVG_ACT_UNLOAD, 0)->model_on.variant, 0);
    assert_false(cvg_engine_resident(r.e, 0, 1));
    rig_model_on(&r, CVG_MS(1), CVG_EV_UNLOADED, 0, 0);
    assert_int_equal(rig_action(&r, CVG_ACT_LOAD, 0)->model_on.variant, 1);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 0);
    rig_model_on(&r, CVG_MS(4), CVG_EV_LOADED, 0, 1);
    assert_true(cvg_engine_resident(r.e, 0, 1));
    assert_false(cvg_engine_resident(r.e, 0, 0));
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.variant, 1);
    rig_done(&r, CVG_MS(14), r.batch, CVG_OK);
    assert_int_equal(rig_count(&r, CVG_ACT_REPLY), 1);
    rig_fini(&r);
}

/* What runs is not taken out: the other waits for its end. */
static void what_runs_stays(void **state)
{
    (void)state;
    struct rig r;
    room_for_one(&r);
    rig_start(&r, "edf");
    arrive_named(&r, 0, 1, 0);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
    arrive_named(&r, CVG_MS(1), 2, 1);
    assert_int_equal(rig_count(&r, CVG_ACT_UNLOAD), 0);
    rig_done(&r, CVG_MS(10), r.batch, CVG_OK);
    assert_int_equal(rig_count(&r, CVG_ACT_REPLY), 1);
    assert_int_equal(rig_action(&r, CVG_ACT_UNLOAD, 0)->model_on.variant, 0);
    rig_fini(&r);
}

/* --- the operator --------------------------------------------------------- */

static void operator_takes_a_variant_out(void **state)
{
    (void)state;
    struct rig r;
    two_devices(&r);
    rig_start(&r, "edf");
    rig_want(&r, CVG_MS(1), 1, false);
    assert_int_equal(rig_count(&r, CVG_ACT_UNLOAD), 2); /* of both devices */
    for (size_t k = 0; k < 2; k++) {
        const struct cvg_action *a = rig_action(&r, CVG_ACT_UNLOAD, k);
        assert_int_equal(a->model_on.variant, 1);
        assert_int_equal(a->model_on.device, k);
    }
    rig_model_on(&r, CVG_MS(2), CVG_EV_UNLOADED, 0, 1);
    rig_model_on(&r, CVG_MS(2), CVG_EV_UNLOADED, 1, 1);
    assert_false(cvg_engine_resident(r.e, 0, 1));
    /* nobody brings it back but the operator */
    arrive_named(&r, CVG_MS(3), 1, 1);
    assert_int_equal(rig_count(&r, CVG_ACT_LOAD), 0);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 0);
    rig_want(&r, CVG_MS(4), 1, true);
    assert_int_equal(rig_count(&r, CVG_ACT_LOAD), 2);
    rig_model_on(&r, CVG_MS(6), CVG_EV_LOADED, 1, 1);
    if (cvg_engine_live(r.e) > 0) {
        const struct cvg_start *s = &rig_action(&r, CVG_ACT_START, 0)->start;
        assert_int_equal(s->variant, 1);
        assert_int_equal(s->device, 1);
    }
    rig_fini(&r);
}

static void taken_out_while_it_runs(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    world_device(&r.w, "d0", CVG_FCFS, 1, 2);
    world_variant(&r.w, "v0", 0.9);
    world_variant(&r.w, "v1", 0.8);
    world_profile(&r.w, "v0", "d0", 1, 10, 5);
    world_profile(&r.w, "v1", "d0", 1, 50, 5);
    world_app(&r.w, "a0");
    rig_start(&r, "edf");
    rig_arrive(&r, 0, 1, NULL);
    uint64_t first = r.batch;
    rig_arrive(&r, 0, 2, NULL);
    uint64_t second = r.batch;
    assert_int_equal(cvg_engine_running(r.e), 2);
    rig_want(&r, CVG_MS(1), 0, false);
    assert_int_equal(rig_count(&r, CVG_ACT_UNLOAD), 0);
    /* nothing new begins on it meanwhile */
    rig_arrive(&r, CVG_MS(2), 3, NULL);
    rig_done(&r, CVG_MS(10), first, CVG_OK);
    assert_int_equal(rig_count(&r, CVG_ACT_REPLY), 1);
    assert_int_equal(rig_count(&r, CVG_ACT_UNLOAD), 0); /* one still runs */
    for (size_t k = 0; k < rig_count(&r, CVG_ACT_START); k++) {
        assert_int_equal(rig_action(&r, CVG_ACT_START, k)->start.variant, 1);
    }
    rig_done(&r, CVG_MS(20), second, CVG_OK);
    assert_int_equal(rig_count(&r, CVG_ACT_REPLY), 1);
    assert_int_equal(rig_action(&r, CVG_ACT_UNLOAD, 0)->model_on.variant, 0);
    rig_fini(&r);
}

/* Wanted again before the last batch has ended: it stays. */
static void operator_changes_his_mind(void **state)
{
    (void)state;
    struct rig r;
    two_devices(&r);
    rig_start(&r, "edf");
    arrive_named(&r, 0, 1, 2);
    uint32_t device = rig_action(&r, CVG_ACT_START, 0)->start.device;
    rig_want(&r, CVG_MS(1), 2, false);
    rig_want(&r, CVG_MS(2), 2, true);
    rig_done(&r, CVG_MS(10), r.batch, CVG_OK);
    assert_int_equal(rig_count(&r, CVG_ACT_UNLOAD), 0);
    assert_true(cvg_engine_resident(r.e, device, 2));
    arrive_named(&r, CVG_MS(11), 2, 2);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
    rig_fini(&r);
}

static void wanted_again_while_it_is_unloaded(void **state)
{
    (void)state;
    struct rig r;
    room_for_one(&r);
    rig_start(&r, "edf");
    rig_want(&r, CVG_MS(1), 0, false);
    assert_int_equal(rig_count(&r, CVG_ACT_UNLOAD), 1);
    rig_want(&r, CVG_MS(2), 0, true);
    assert_int_equal(rig_count(&r, CVG_ACT_LOAD), 0); /* not yet */
    rig_model_on(&r, CVG_MS(3), CVG_EV_UNLOADED, 0, 0);
    assert_int_equal(rig_action(&r, CVG_ACT_LOAD, 0)->model_on.variant, 0);
    rig_fini(&r);
}

static void taken_out_while_it_is_loaded(void **state)
{
    (void)state;
    struct rig r;
    room_for_one(&r);
    rig_start(&r, "edf");
    rig_want(&r, CVG_MS(1), 0, false);
    rig_model_on(&r, CVG_MS(2), CVG_EV_UNLOADED, 0, 0);
    rig_want(&r, CVG_MS(3), 0, true);
    assert_int_equal(rig_count(&r, CVG_ACT_LOAD), 1);
    rig_want(&r, CVG_MS(4), 0, false);
    assert_int_equal(rig_count(&r, CVG_ACT_UNLOAD), 0); /* not yet */
    rig_model_on(&r, CVG_MS(5), CVG_EV_LOADED, 0, 0);
    assert_int_equal(rig_action(&r, CVG_ACT_UNLOAD, 0)->model_on.variant, 0);
    rig_fini(&r);
}

static void taken_out_and_the_device_goes_down(void **state)
{
    (void)state;
    struct rig r;
    room_for_one(&r);
    rig_start(&r, "edf");
    arrive_named(&r, 0, 1, 0);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
    rig_want(&r, CVG_MS(1), 0, false);
    rig_device(&r, CVG_MS(2), 0, false);
    assert_int_equal(rig_count(&r, CVG_ACT_UNLOAD), 0); /* it is lost */
    rig_fini(&r);
}

static void failed_load_is_left_alone(void **state)
{
    (void)state;
    struct rig r;
    room_for_one(&r);
    rig_start(&r, "edf");
    struct cvg_arrival a = {.variant = 1,
                            .overrides = 1U << CVG_SLO_DEADLINE,
                            .bounds = {.deadline = CVG_MS(50)}};
    rig_arrive(&r, 0, 1, &a);
    rig_model_on(&r, CVG_MS(1), CVG_EV_UNLOADED, 0, 0);
    rig_model_on(&r, CVG_MS(2), CVG_EV_LOAD_FAILED, 0, 1);
    assert_false(cvg_engine_resident(r.e, 0, 1));
    assert_int_equal(rig_count(&r, CVG_ACT_START), 0);
    cvg_time now = CVG_MS(3);
    for (int i = 0; i < 100 && cvg_engine_live(r.e) > 0; i++) {
        for (size_t k = 0; k < rig_count(&r, CVG_ACT_LOAD); k++) {
            assert_int_not_equal(
                rig_action(&r, CVG_ACT_LOAD, k)->model_on.variant, 1);
        }
        cvg_time wake = cvg_engine_next_wake(r.e);
        assert_true(wake != CVG_NEVER);
        now = wake > now ? wake : now;
        rig_tell(&r, now, CVG_EV_TIMER);
    }
    assert_int_equal(cvg_engine_live(r.e), 0);
    assert_true(now <= CVG_MS(51));
    /* the operator asks: it is tried again */
    rig_want(&r, CVG_MS(100), 1, true);
    size_t loads = rig_count(&r, CVG_ACT_LOAD);
    if (loads == 0) { /* first what has been brought back goes */
        assert_int_equal(rig_count(&r, CVG_ACT_UNLOAD), 1);
        rig_model_on(&r, CVG_MS(101), CVG_EV_UNLOADED, 0, 0);
        loads = rig_count(&r, CVG_ACT_LOAD);
    }
    assert_int_equal(loads, 1);
    assert_int_equal(rig_action(&r, CVG_ACT_LOAD, 0)->model_on.variant, 1);
    rig_fini(&r);
}

/* --- loads that have to wait ---------------------------------------------- */

/* What the operator wants is loaded when the batch in its way has ended. */
static void load_after_a_batch(void **state)
{
    (void)state;
    struct rig r;
    room_for_one(&r);
    rig_start(&r, "edf");
    arrive_named(&r, 0, 1, 0);
    rig_want(&r, CVG_MS(1), 1, true);
    assert_int_equal(r.acts.n, 0);
    rig_done(&r, CVG_MS(10), r.batch, CVG_OK);
    assert_int_equal(rig_action(&r, CVG_ACT_UNLOAD, 0)->model_on.variant, 0);
    rig_model_on(&r, CVG_MS(11), CVG_EV_UNLOADED, 0, 0);
    assert_int_equal(rig_action(&r, CVG_ACT_LOAD, 0)->model_on.variant, 1);
    rig_fini(&r);
}

/* One device with room for one of three; v1 is being loaded. */
static void loading_one_of_three(struct rig *r)
{
    rig_init(r);
    world_device(&r->w, "d0", CVG_FCFS, 1, 1)->resident = 1;
    world_variant(&r->w, "v0", 0.9);
    world_variant(&r->w, "v1", 0.9);
    world_variant(&r->w, "v2", 0.9);
    world_profile(&r->w, "v0", "d0", 1, 10, 5);
    world_profile(&r->w, "v1", "d0", 1, 10, 5);
    world_profile(&r->w, "v2", "d0", 1, 10, 5);
    world_app(&r->w, "a0");
    rig_start(r, "edf");
    rig_want(r, 0, 1, true);
    rig_model_on(r, CVG_MS(1), CVG_EV_UNLOADED, 0, 0);
    assert_int_equal(rig_action(r, CVG_ACT_LOAD, 0)->model_on.variant, 1);
    rig_want(r, CVG_MS(2), 2, true);
    assert_int_equal(r->acts.n, 0);
}

static void load_after_a_failed_load(void **state)
{
    (void)state;
    struct rig r;
    loading_one_of_three(&r);
    rig_model_on(&r, CVG_MS(3), CVG_EV_LOAD_FAILED, 0, 1);
    assert_int_equal(rig_action(&r, CVG_ACT_LOAD, 0)->model_on.variant, 2);
    rig_fini(&r);
}

static void load_after_a_load(void **state)
{
    (void)state;
    struct rig r;
    loading_one_of_three(&r);
    rig_model_on(&r, CVG_MS(3), CVG_EV_LOADED, 0, 1);
    assert_int_equal(rig_action(&r, CVG_ACT_UNLOAD, 0)->model_on.variant, 1);
    rig_fini(&r);
    /* but who waits for what has been loaded goes first */
    loading_one_of_three(&r);
    arrive_named(&r, CVG_MS(2), 1, 1);
    rig_model_on(&r, CVG_MS(3), CVG_EV_LOADED, 0, 1);
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.variant, 1);
    assert_int_equal(rig_count(&r, CVG_ACT_UNLOAD), 0);
    rig_fini(&r);
}

/* Both units of a device are kept busy with v0 and v1, so that there is always
 * one that runs, and memory is full. Who needs v2, which takes all of it, gets
 * it all the same: after a second of patience, or two without deadline. */
static void large_beside_small_ones(const char *policy)
{
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 2, 1)->memory_bytes = 2 << 20;
    world_variant(&w, "v0", 0.9);
    world_variant(&w, "v1", 0.9);
    world_variant(&w, "v2", 0.9)->memory_bytes = 2 << 20;
    static const char *const names[] = {"v0", "v1", "v2"};
    for (uint32_t v = 0; v < 3; v++) {
        world_profile(&w, names[v], "d0", 1, 10, 5);
        cvg_profile_set_load(w.box->profile, v, 0, CVG_MS(100));
    }
    world_app(&w, "a0");
    world_start(&w, policy);
    struct cvg_arrival small = {.overrides = 1U << CVG_SLO_DEADLINE,
                                .bounds = {.deadline = CVG_MS(50)}};
    struct cvg_arrival large = {.id = 9999, .variant = 2};
    world_arrive_with(&w, CVG_MS(20), &large);
    for (int i = 0; i < 750; i++) {
        small.variant = (uint32_t)i % 2;
        world_arrive_with(&w, i * CVG_MS(4), &small);
    }
    world_run_until(&w, CVG_MS(2800));
    struct cvg_explanation why;
    assert_int_equal(cvg_engine_explain(world_engine(&w), 9999, &why), CVG_OK);
    if (!why.ended || why.outcome != CVG_OUTCOME_SERVED) {
        fail_msg("%s: not served", policy);
    }
    world_run_until(&w, CVG_S(10));
    assert_int_equal(cvg_engine_live(world_engine(&w)), 0);
    /* The small ones go on, most of them even under policies that map an app to
     * one model at a time. */
    if (w.ended[CVG_OUTCOME_SERVED] <= 400) {
        fail_msg("%s: %u served", policy,
                 (unsigned)w.ended[CVG_OUTCOME_SERVED]);
    }
    world_fini(&w);
}

static void nobody_starves_for_a_load(void **state)
{
    (void)state;
    const char *policy;
    for (size_t k = 0; (policy = cvg_policy_name(k)) != NULL; k++) {
        large_beside_small_ones(policy);
    }
}

/* Nothing that could run it will ever be there: it ends, deadline or not. */
static void nobody_waits_for_a_failed_load(void **state)
{
    (void)state;
    struct rig r;
    room_for_one(&r);
    rig_start(&r, "edf");
    arrive_named(&r, 0, 1, 1);
    rig_model_on(&r, CVG_MS(1), CVG_EV_UNLOADED, 0, 0);
    rig_model_on(&r, CVG_MS(2), CVG_EV_LOAD_FAILED, 0, 1);
    for (int i = 0; i < 10 && cvg_engine_live(r.e) > 0; i++) {
        assert_true(cvg_engine_next_wake(r.e) <= CVG_S(20));
        rig_tell(&r, cvg_engine_next_wake(r.e), CVG_EV_TIMER);
    }
    struct cvg_explanation why;
    assert_int_equal(cvg_engine_explain(r.e, 1, &why), CVG_OK);
    assert_true(why.ended);
    assert_int_equal(why.reason, CVG_REASON_UNAVAILABLE);
    rig_fini(&r);
}

/* Neither for one that the operator has taken out, and does not want back. */
static void nobody_waits_for_what_was_taken_out(void **state)
{
    (void)state;
    struct rig r;
    room_for_one(&r);
    rig_start(&r, "edf");
    rig_want(&r, 0, 0, false);
    rig_model_on(&r, CVG_MS(1), CVG_EV_UNLOADED, 0, 0);
    arrive_named(&r, CVG_MS(2), 1, 0);
    for (int i = 0; i < 10 && cvg_engine_live(r.e) > 0; i++) {
        assert_true(cvg_engine_next_wake(r.e) <= CVG_S(20));
        rig_tell(&r, cvg_engine_next_wake(r.e), CVG_EV_TIMER);
    }
    struct cvg_explanation why;
    assert_int_equal(cvg_engine_explain(r.e, 1, &why), CVG_OK);
    assert_true(why.ended);
    assert_int_equal(why.reason, CVG_REASON_UNAVAILABLE);
    rig_fini(&r);
}

/* --- down and up ---------------------------------------------------------- */

static void device_up_brings_its_variants_back(void **state)
{
    (void)state;
    struct rig r;
    two_devices(&r);
    rig_start(&r, "edf");
    rig_device(&r, CVG_MS(1), 0, false);
    assert_int_equal(rig_count(&r, CVG_ACT_LOAD), 0);
    assert_int_equal(resident_on(&r, 0), 0);
    assert_int_equal(resident_on(&r, 1), 3);
    rig_arrive(&r, CVG_MS(2), 1, NULL);
    assert_int_equal(rig_action(&r, CVG_ACT_START, 0)->start.device, 1);
    rig_device(&r, CVG_MS(5), 0, true);
    assert_int_equal(rig_count(&r, CVG_ACT_LOAD), 3);
    rig_arrive(&r, CVG_MS(6), 2, NULL); /* nothing is loaded there yet */
    assert_int_equal(rig_count(&r, CVG_ACT_START), 0);
    rig_model_on(&r, CVG_MS(7), CVG_EV_LOADED, 0, 2);
    const struct cvg_start *s = &rig_action(&r, CVG_ACT_START, 0)->start;
    assert_int_equal(s->variant, 2);
    assert_int_equal(s->device, 0);
    rig_fini(&r);
}

/* It goes down while it is loading one, or has just failed to: it is tried
 * again. */
static void down_and_up_during_a_load(void **state)
{
    (void)state;
    struct rig r;
    loading_one_of_three(&r);
    rig_device(&r, CVG_MS(3), 0, false);
    rig_model_on(&r, CVG_MS(3), CVG_EV_LOAD_FAILED, 0, 1);
    rig_want(&r, CVG_MS(4), 2, false);
    rig_device(&r, CVG_MS(5), 0, true);
    assert_int_equal(rig_action(&r, CVG_ACT_LOAD, 0)->model_on.variant, 1);
    rig_model_on(&r, CVG_MS(6), CVG_EV_LOAD_FAILED, 0, 1);
    rig_device(&r, CVG_MS(6), 0, false);
    rig_device(&r, CVG_MS(7), 0, true);
    assert_int_equal(rig_action(&r, CVG_ACT_LOAD, 0)->model_on.variant, 1);
    rig_fini(&r);
}

/* Without any device that is up, what is said twice is no new fact. */
static void down_twice_and_up_twice(void **state)
{
    (void)state;
    struct rig r;
    two_devices(&r);
    rig_start(&r, "edf");
    rig_device(&r, CVG_MS(1), 0, false);
    rig_device(&r, CVG_MS(2), 0, false);
    rig_device(&r, CVG_MS(3), 0, true);
    assert_int_equal(rig_count(&r, CVG_ACT_LOAD), 3);
    rig_device(&r, CVG_MS(4), 0, true);
    assert_int_equal(rig_count(&r, CVG_ACT_LOAD), 0); /* under way */
    for (uint32_t v = 0; v < 3; v++) {
        rig_model_on(&r, CVG_MS(5), CVG_EV_LOADED, 0, v);
    }
    rig_device(&r, CVG_MS(6), 0, true);
    assert_int_equal(r.acts.n, 0);
    assert_int_equal(resident_on(&r, 0), 3);
    rig_fini(&r);
}

/* --- at random -------------------------------------------------------------------------
 *
 * A driver that answers in any order, with failures. */

#define MAX_DEVICES 3
#define MAX_VARIANTS 5
#define MAX_BATCHES 16

enum place { ABSENT, LOADING, RESIDENT, UNLOADING };

struct driver {
    struct rig r;
    struct cvg_rng rng;
    uint64_t seed;
    enum place place[MAX_DEVICES][MAX_VARIANTS];
    bool up[MAX_DEVICES];
    struct {
        uint64_t id;
        uint32_t device, variant;
    } batches[MAX_BATCHES];
    uint32_t n_batches;
    uint64_t arrived, ended;
};

#define LAW(d, holds, text)                                                    \
    do {                                                                       \
        if (!(holds)) {                                                        \
            fail_msg("seed %llu, %s: %s", (unsigned long long)(d)->seed,       \
                     (d)->r.w.policy.order->name, text);                       \
        }                                                                      \
    } while (0)

static uint32_t below(struct driver *d, uint32_t n)
{
    return (uint32_t)(cvg_rng_uniform(&d->rng) * n);
}

static void check_room(struct driver *d, uint32_t device)
{
    const struct cvg_box *box = d->r.w.box;
    uint64_t used = 0;
    uint32_t n = 0;
    for (uint32_t v = 0; v < box->n_variants; v++) {
        if (d->place[device][v] != ABSENT) {
            used += box->variants[v].memory_bytes;
            n++;
        }
    }
    LAW(d, used <= box->devices[device].memory_bytes, "memory is too small");
    LAW(d, n <= box->devices[device].resident, "too many variants");
}

static bool runs_on(const struct driver *d, uint32_t device, uint32_t variant)
{
    for (uint32_t i = 0; i < d->n_batches; i++) {
        if (d->batches[i].device == device &&
            d->batches[i].variant == variant) {
            return true;
        }
    }
    return false;
}

static void carry_out(struct driver *d, const struct cvg_action *a)
{
    switch (a->type) {
    case CVG_ACT_START:
        LAW(d, d->up[a->start.device], "start on a device that is down");
        LAW(d, d->place[a->start.device][a->start.variant] == RESIDENT,
            "start of a variant that is not there");
        d->batches[d->n_batches].id = a->start.batch;
        d->batches[d->n_batches].device = a->start.device;
        d->batches[d->n_batches].variant = a->start.variant;
        d->n_batches++;
        break;
    case CVG_ACT_LOAD: {
        enum place *p = &d->place[a->model_on.device][a->model_on.variant];
        LAW(d, d->up[a->model_on.device], "load on a device that is down");
        LAW(d, *p == ABSENT, "load of what is there");
        *p = LOADING;
        check_room(d, a->model_on.device);
        break;
    }
    case CVG_ACT_UNLOAD: {
        enum place *p = &d->place[a->model_on.device][a->model_on.variant];
        LAW(d, d->up[a->model_on.device], "unload on a device that is down");
        LAW(d, *p == RESIDENT, "unload of what is not there");
        LAW(d, !runs_on(d, a->model_on.device, a->model_on.variant),
            "unload of what runs");
        *p = UNLOADING;
        break;
    }
    case CVG_ACT_REPLY:
    case CVG_ACT_DROP:
        d->ended++;
        break;
    default:
        break;
    }
}

static void follow(struct driver *d)
{
    for (size_t i = 0; i < d->r.acts.n; i++) {
        carry_out(d, &d->r.acts.items[i]);
    }
    for (uint32_t i = 0; i < d->r.w.box->n_devices; i++) {
        for (uint32_t v = 0; v < d->r.w.box->n_variants; v++) {
            LAW(d,
                cvg_engine_resident(d->r.e, i, v) ==
                        (d->place[i][v] == RESIDENT) ||
                    !d->up[i],
                "the engine is wrong about what is there");
        }
    }
}

static void finish_batch(struct driver *d, cvg_time at, enum cvg_status status)
{
    uint32_t i = below(d, d->n_batches);
    uint64_t id = d->batches[i].id;
    d->batches[i] = d->batches[--d->n_batches];
    rig_done(&d->r, at, id, status);
}

static bool answer_model(struct driver *d, cvg_time at, bool may_fail)
{
    uint32_t n_variants = (uint32_t)d->r.w.box->n_variants;
    uint32_t n = (uint32_t)d->r.w.box->n_devices * n_variants;
    uint32_t from = below(d, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t device = (from + i) % n / n_variants;
        uint32_t variant = (from + i) % n % n_variants;
        enum place *p = &d->place[device][variant];
        if (*p == LOADING) {
            bool failed = may_fail && below(d, 8) == 0;
            *p = failed ? ABSENT : RESIDENT;
            rig_model_on(&d->r, at, failed ? CVG_EV_LOAD_FAILED : CVG_EV_LOADED,
                         device, variant);
            return true;
        }
        if (*p == UNLOADING) {
            *p = ABSENT;
            rig_model_on(&d->r, at, CVG_EV_UNLOADED, device, variant);
            return true;
        }
    }
    return false;
}

static void toggle_device(struct driver *d, cvg_time at)
{
    uint32_t device = below(d, (uint32_t)d->r.w.box->n_devices);
    d->up[device] = !d->up[device];
    for (uint32_t i = 0; !d->up[device] && i < d->n_batches;) {
        if (d->batches[i].device == device) {
            d->batches[i] = d->batches[--d->n_batches];
        } else {
            i++;
        }
    }
    for (uint32_t v = 0; !d->up[device] && v < MAX_VARIANTS; v++) {
        d->place[device][v] = ABSENT;
    }
    rig_device(&d->r, at, device, d->up[device]);
}

static void random_event(struct driver *d, cvg_time at)
{
    uint32_t n_variants = (uint32_t)d->r.w.box->n_variants;
    uint32_t variant;
    switch (below(d, 12)) {
    case 0:
    case 1:
    case 2:
    case 3: {
        struct cvg_arrival a = {.variant = CVG_ANY,
                                .overrides = 1U << CVG_SLO_DEADLINE,
                                .bounds = {.deadline = CVG_MS(400)}};
        a.variant = below(d, 2) == 0 ? below(d, n_variants) : CVG_ANY;
        rig_arrive(&d->r, at, ++d->arrived, &a);
        break;
    }
    case 4:
        variant = below(d, n_variants);
        rig_want(&d->r, at, variant, below(d, 3) != 0);
        break;
    case 5:
        if (below(d, 6) == 0) {
            toggle_device(d, at);
            break;
        }
        rig_tell(&d->r, at, CVG_EV_TIMER);
        break;
    case 6:
    case 7:
    case 8:
        if (d->n_batches > 0) {
            finish_batch(d, at, below(d, 10) == 0 ? CVG_DEVICE : CVG_OK);
            break;
        }
        rig_tell(&d->r, at, CVG_EV_TIMER);
        break;
    default:
        if (!answer_model(d, at, true)) {
            rig_tell(&d->r, at, CVG_EV_TIMER);
        }
        break;
    }
}

static void random_box(struct driver *d)
{
    struct world *w = &d->r.w;
    uint32_t n_devices = 1 + below(d, MAX_DEVICES);
    uint32_t n_variants = 1 + below(d, MAX_VARIANTS);
    char names[MAX_DEVICES + MAX_VARIANTS][16];
    rig_init(&d->r);
    for (uint32_t i = 0; i < n_devices; i++) {
        snprintf(names[i], sizeof names[i], "d%u", i);
        struct cvg_device *device = world_device(
            w, names[i], CVG_FCFS, 1 + below(d, 2), 1 + below(d, 2));
        if (below(d, 2) == 0) {
            device->resident = 1 + below(d, 3);
        }
        if (below(d, 2) == 0) {
            device->memory_bytes = (uint64_t)(1 + below(d, 6)) << 20;
        }
        d->up[i] = true;
    }
    for (uint32_t v = 0; v < n_variants; v++) {
        char *name = names[MAX_DEVICES + v];
        snprintf(name, sizeof names[0], "v%u", v);
        struct cvg_variant *variant = world_variant(w, name, 0.9);
        variant->memory_bytes = (uint64_t)(1 + below(d, 3)) << 20;
    }
    for (uint32_t i = 0; i < n_devices * n_variants; i++) {
        world_profile(w, names[MAX_DEVICES + i / n_devices],
                      names[i % n_devices], 1, 1 + below(d, 10), 5);
    }
    world_app(w, "a0");
}

static void settle(struct driver *d, cvg_time at)
{
    /* known: nobody_waits_for_what_was_taken_out. All are wanted again. */
    for (uint32_t v = 0; v < d->r.w.box->n_variants; v++) {
        rig_want(&d->r, at, v, true);
        follow(d);
    }
    for (int i = 0; i < 4000 && cvg_engine_live(d->r.e) > 0; i++) {
        cvg_time wake = cvg_engine_next_wake(d->r.e);
        if (d->n_batches > 0) {
            finish_batch(d, at, CVG_OK);
        } else if (!answer_model(d, at, false)) {
            LAW(d, wake != CVG_NEVER, "requests wait for nothing");
            at = wake > at ? wake : at;
            rig_tell(&d->r, at, CVG_EV_TIMER);
        }
        follow(d);
    }
    LAW(d, cvg_engine_live(d->r.e) == 0, "requests never end");
    LAW(d, d->ended == d->arrived, "not every request ended once");
}

static void laws_of_residency(void **state)
{
    (void)state;
    static struct driver d;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        memset(&d, 0, sizeof d);
        d.seed = seed;
        cvg_rng_init(&d.rng, seed, 77, 0);
        random_box(&d);
        size_t n_policies = 0;
        while (cvg_policy_name(n_policies) != NULL) {
            n_policies++;
        }
        rig_start(&d.r, cvg_policy_name(seed % n_policies));
        for (uint32_t i = 0; i < d.r.w.box->n_devices; i++) {
            for (uint32_t v = 0; v < d.r.w.box->n_variants; v++) {
                d.place[i][v] =
                    cvg_engine_resident(d.r.e, i, v) ? RESIDENT : ABSENT;
            }
            check_room(&d, i);
        }
        cvg_time at = 0;
        for (int i = 0; i < 300; i++) {
            at += CVG_US(below(&d, 5000));
            random_event(&d, at);
            follow(&d);
        }
        settle(&d, at);
        rig_fini(&d.r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_fits_is_there_at_the_start),
        cmocka_unit_test(what_cannot_run_there_is_not_loaded),
        cmocka_unit_test(too_large_for_the_device),
        cmocka_unit_test(makes_room_for_what_is_named),
        cmocka_unit_test(what_runs_stays),
        cmocka_unit_test(operator_takes_a_variant_out),
        cmocka_unit_test(taken_out_while_it_runs),
        cmocka_unit_test(operator_changes_his_mind),
        cmocka_unit_test(wanted_again_while_it_is_unloaded),
        cmocka_unit_test(taken_out_while_it_is_loaded),
        cmocka_unit_test(taken_out_and_the_device_goes_down),
        cmocka_unit_test(failed_load_is_left_alone),
        cmocka_unit_test(load_after_a_batch),
        cmocka_unit_test(load_after_a_failed_load),
        cmocka_unit_test(load_after_a_load),
        cmocka_unit_test(nobody_starves_for_a_load),
        cmocka_unit_test(nobody_waits_for_a_failed_load),
        cmocka_unit_test(nobody_waits_for_what_was_taken_out),
        cmocka_unit_test(device_up_brings_its_variants_back),
        cmocka_unit_test(down_and_up_during_a_load),
        cmocka_unit_test(down_twice_and_up_twice),
        cmocka_unit_test(laws_of_residency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

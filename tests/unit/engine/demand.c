/* Demand as it is measured, and when a plan is asked for. */
#include "unit/engine/rig.h"

#include <math.h>

static enum cvg_status solve(const struct cvg_box *box,
                             const struct cvg_question *question,
                             struct cvg_plan *plan, struct cvg_error *err)
{
    (void)box;
    (void)question;
    (void)plan;
    return cvg_fail(err, CVG_LIMIT, "not called by the engine");
}

struct planned {
    struct rig r;
    struct cvg_allocation_ops allocation;
    uint64_t id;
    cvg_time now;
    const struct cvg_question *asked; /* at last; NULL: never */
    cvg_time asked_at;
    uint32_t times;
};

static void begin(struct planned *p)
{
    memset(p, 0, sizeof *p);
    struct rig *r = &p->r;
    rig_init(r);
    world_device(&r->w, "d0", CVG_FCFS, 1, 1);
    world_device(&r->w, "d1", CVG_FCFS, 1, 1);
    world_variant(&r->w, "v0", 0.9);
    world_profile(&r->w, "v0", "d0", 1, 1, 5);
    world_profile(&r->w, "v0", "d1", 1, 1, 5);
    world_app(&r->w, "a0");
    world_app(&r->w, "a1");
    rig_start(r, "edf");
    cvg_engine_destroy(r->e);
    p->allocation = *r->w.policy.allocation;
    p->allocation.solve = solve;
    r->w.policy.allocation = &p->allocation;
    struct cvg_error err = {.text = ""};
    assert_int_equal(cvg_engine_create(&r->options, &r->e, &err), CVG_OK);
}

static void look(struct planned *p)
{
    if (rig_count(&p->r, CVG_ACT_SOLVE) > 0) {
        p->asked = rig_action(&p->r, CVG_ACT_SOLVE, 0)->question;
        p->asked_at = p->now;
        p->times++;
    }
}

/* Periodic arrivals of app 0 for a while; each is answered 1 ms later. */
static void stretch(struct planned *p, cvg_span time, double rps)
{
    cvg_time end = p->now + time;
    while (p->now < end) {
        p->now += (cvg_span)(1e9 / rps);
        rig_arrive(&p->r, p->now, ++p->id, NULL);
        bool started = rig_count(&p->r, CVG_ACT_START) > 0;
        look(p);
        if (started) {
            rig_done(&p->r, p->now + CVG_US(1), p->r.batch, CVG_OK);
            p->now += CVG_US(1);
            look(p);
        }
    }
}

static void answer(struct planned *p)
{
    struct cvg_plan plan = {.factor = 0.5};
    struct cvg_event event = {.type = CVG_EV_SOLVED, .at = p->now};
    event.solved.answer = &plan;
    event.solved.size = sizeof plan;
    rig_step(&p->r, &event);
    look(p);
}

static void steady_demand_is_planned_for_at_a_steady_pace(void **state)
{
    (void)state;
    struct planned p;
    begin(&p);
    stretch(&p, CVG_MS(150), 100);
    assert_null(p.asked); /* too early to tell */
    stretch(&p, CVG_MS(100), 100);
    assert_non_null(p.asked);
    assert_true(p.asked->rates_rps[0] > 90 && p.asked->rates_rps[0] < 110);
    assert_true(p.asked->rates_rps[1] == 0);
    assert_true(p.asked->slowdown[0] < 2 && p.asked->enabled[0]);
    stretch(&p, CVG_S(3), 100);
    assert_int_equal(p.times, 1); /* one at a time */
    answer(&p);
    assert_int_equal(p.times, 2); /* it is late */
    for (uint32_t i = 0; i < 5; i++) {
        stretch(&p, CVG_MS(500), 100);
        answer(&p);
        stretch(&p, CVG_MS(450), 100);
        assert_int_equal(p.times, 2 + i);
        stretch(&p, CVG_MS(60), 100);
        assert_int_equal(p.times, 3 + i);
    }
    rig_fini(&p.r);
}

static void a_surge_is_planned_for_at_once(void **state)
{
    (void)state;
    struct planned p;
    begin(&p);
    stretch(&p, CVG_S(3), 100);
    answer(&p); /* and is asked again */
    answer(&p);
    uint32_t before = p.times;
    cvg_time from = p.now;
    stretch(&p, CVG_MS(400), 1000);
    assert_int_equal(p.times, before + 1);
    assert_true(p.asked_at - from <= CVG_MS(300));
    assert_true(p.asked->rates_rps[0] > 500);
    rig_fini(&p.r);
}

/* Two seconds of a dozen, two of four, and so on: eight a second. When it is
 * eighty, that counts at once, and what was before never again. */
static void few_are_watched_for_longer(void **state)
{
    (void)state;
    struct planned p;
    begin(&p);
    for (uint32_t i = 0; i < 60; i++) {
        stretch(&p, CVG_MS(500), i / 4 % 2 == 0 ? 12 : 4);
        answer(&p);
        if (i > 20) {
            assert_true(p.asked->rates_rps[0] > 6);
            assert_true(p.asked->rates_rps[0] < 10);
        }
    }
    stretch(&p, CVG_MS(400), 80);
    for (uint32_t i = 0; i < 10; i++) {
        answer(&p);
        assert_true(p.asked->rates_rps[0] > 60);
        assert_true(p.asked->rates_rps[0] < 100);
        stretch(&p, CVG_MS(500), 80);
    }
    rig_fini(&p.r);
}

static void a_lost_device_is_planned_for_at_once(void **state)
{
    (void)state;
    struct planned p;
    begin(&p);
    stretch(&p, CVG_S(3), 100);
    answer(&p);
    answer(&p);
    stretch(&p, CVG_MS(100), 100);
    uint32_t before = p.times;
    rig_device(&p.r, p.now, 1, false);
    look(&p);
    assert_int_equal(p.times, before + 1);
    assert_true(p.asked->slowdown[1] == INFINITY);
    assert_true(p.asked->slowdown[0] < 2);
    rig_fini(&p.r);
}

static void who_fails_is_asked_again(void **state)
{
    (void)state;
    struct planned p;
    begin(&p);
    stretch(&p, CVG_MS(300), 100);
    assert_int_equal(p.times, 1);
    rig_tell(&p.r, p.now, CVG_EV_SOLVE_FAILED);
    stretch(&p, CVG_S(2), 100);
    assert_int_equal(p.times, 2);
    rig_fini(&p.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_demand_is_planned_for_at_a_steady_pace),
        cmocka_unit_test(a_surge_is_planned_for_at_once),
        cmocka_unit_test(few_are_watched_for_longer),
        cmocka_unit_test(a_lost_device_is_planned_for_at_once),
        cmocka_unit_test(who_fails_is_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Plans in a simulation: asked by the engine, made at once, delivered later. */
#include "support/world.h"

#include <string.h>

static bool can_solve;
static uint64_t solved;

static enum cvg_status solve(const struct cvg_box *box,
                             const struct cvg_question *question,
                             struct cvg_plan *plan, struct cvg_error *err)
{
    (void)box;
    memset(plan, 0, sizeof *plan);
    plan->factor = question->rates_rps[0];
    solved++;
    return can_solve ? CVG_OK : cvg_fail(err, CVG_LIMIT, "no");
}

struct story {
    struct world w;
    struct cvg_allocation_ops allocation;
    cvg_time asked, answered; /* the first */
    cvg_time delay;
    uint64_t questions, plans, failures;
    double factor; /* of the last plan */
};

static void watch(void *context, const struct cvg_event *event,
                  const struct cvg_actions *actions)
{
    struct story *s = context;
    if (event->type == CVG_EV_SOLVED || event->type == CVG_EV_SOLVE_FAILED) {
        assert_int_equal(event->at, s->asked + s->delay);
        s->plans += event->type == CVG_EV_SOLVED;
        s->failures += event->type == CVG_EV_SOLVE_FAILED;
    }
    if (event->type == CVG_EV_SOLVED) {
        struct cvg_plan plan;
        assert_int_equal(event->solved.size, sizeof plan);
        memcpy(&plan, event->solved.answer, sizeof plan);
        s->factor = plan.factor;
    }
    for (size_t i = 0; i < actions->n; i++) {
        if (actions->items[i].type == CVG_ACT_SOLVE) {
            s->asked = event->at;
            s->questions++;
        }
    }
}

static void run(struct story *s, cvg_span planner_delay)
{
    struct cvg_stream stream = {.process = CVG_PERIODIC, .rate_rps = 50};
    struct cvg_workload workload = {
        .duration = CVG_S(5), .streams = &stream, .n_streams = 1};
    memset(s, 0, sizeof *s);
    s->delay = planner_delay > 0 ? planner_delay : CVG_MS(20);
    solved = 0;
    world_init(&s->w);
    world_device(&s->w, "d0", CVG_FCFS, 1, 1);
    world_variant(&s->w, "v0", 0.9);
    world_profile(&s->w, "v0", "d0", 1, 5, 0);
    world_slo_deadline(world_app(&s->w, "a0"), CVG_MS(50));
    assert_int_equal(cvg_profile_finish(s->w.box->profile, NULL), CVG_OK);
    assert_int_equal(cvg_policy_parse("edf", NULL, &s->w.policy, NULL), CVG_OK);
    s->allocation = *s->w.policy.allocation;
    s->allocation.solve = solve;
    s->w.policy.allocation = &s->allocation;
    struct cvg_sim_options options = {.box = s->w.box,
                                      .workload = &workload,
                                      .policy = &s->w.policy,
                                      .seed = 1,
                                      .watch = watch,
                                      .context = s,
                                      .planner_delay = planner_delay};
    assert_int_equal(cvg_sim_create(&options, &s->w.sim, NULL), CVG_OK);
    cvg_sim_run(s->w.sim);
    assert_int_equal(cvg_sim_stats(s->w.sim)->apps[0].counts.served, 250);
    world_fini(&s->w);
}

static void a_plan_comes_after_its_delay(void **state)
{
    (void)state;
    struct story s;
    can_solve = true;
    run(&s, 0);
    assert_true(s.questions >= 5 && s.questions == solved);
    assert_true(s.plans >= s.questions - 1); /* the run may end before */
    assert_int_equal(s.failures, 0);
    assert_true(s.factor > 40 && s.factor < 60);
    run(&s, CVG_MS(300));
    assert_true(s.plans >= 4);
}

static void a_plan_that_fails_is_asked_again(void **state)
{
    (void)state;
    struct story s;
    can_solve = false;
    run(&s, 0);
    assert_true(s.failures >= 4);
    assert_int_equal(s.plans, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_comes_after_its_delay),
        cmocka_unit_test(a_plan_that_fails_is_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

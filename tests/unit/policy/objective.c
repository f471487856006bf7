/* What an app's objective chooses: variants and devices, and exits. */
#include "support/world.h"

#include <stdio.h>

/* "quick" takes 10 ms and 30 mJ for the small variant, 20 ms and 60 mJ for the
 * large one; "frugal" three times as long and a tenth of the energy. */
static void two_by_two(struct world *w)
{
    world_init(w);
    world_device(w, "quick", CVG_FCFS, 1, 1);
    world_device(w, "frugal", CVG_FCFS, 1, 1);
    world_variant(w, "small", 0.7);
    world_variant(w, "large", 0.9);
    world_profile(w, "small", "quick", 1, 10, 30);
    world_profile(w, "large", "quick", 1, 20, 60);
    world_profile(w, "small", "frugal", 1, 30, 3);
    world_profile(w, "large", "frugal", 1, 60, 6);
    world_app(w, "a0");
}

static void check(enum cvg_objective objective, double accuracy, cvg_span due,
                  const char *policy, const char *expected)
{
    struct world w;
    two_by_two(&w);
    w.box->apps[0].objective = objective;
    if (accuracy > 0) {
        world_slo_accuracy(&w.box->apps[0], accuracy);
    }
    world_start(&w, policy);
    world_arrive(&w, 0, "a0", due);
    world_run_until(&w, CVG_S(1));
    char *end = strchr(w.trace, '\n');
    assert_non_null(end);
    *end = '\0';
    if (strcmp(w.trace, expected) != 0) {
        fail_msg("%s, %s: '%s' instead of '%s'", policy,
                 cvg_objective_name(objective), w.trace, expected);
    }
    world_fini(&w);
}

static void the_least_energy_at_the_accuracy(void **state)
{
    (void)state;
    const enum cvg_objective o = CVG_OBJECTIVE_ENERGY;
    check(o, 0, 0, "edf", "[   0] start r1 small on frugal");
    check(o, 0.8, 0, "edf", "[   0] start r1 large on frugal");
    check(o, 0, CVG_MS(20), "edf", "[   0] start r1 small on quick");
    check(o, 0.8, CVG_MS(50), "edf", "[   0] start r1 large on quick");
    check(o, 0, 0, "accuracy-first", "[   0] start r1 small on frugal");
}

static void the_most_accurate_within_the_bounds(void **state)
{
    (void)state;
    const enum cvg_objective o = CVG_OBJECTIVE_ACCURACY;
    check(o, 0, 0, "edf", "[   0] start r1 large on quick");
    check(o, 0.5, CVG_MS(15), "edf", "[   0] start r1 small on quick");
    check(o, 0.5, CVG_MS(25), "edf", "[   0] start r1 large on quick");
}

static void the_soonest_at_the_accuracy(void **state)
{
    (void)state;
    const enum cvg_objective o = CVG_OBJECTIVE_LATENCY;
    check(o, 0, 0, "accuracy-first", "[   0] start r1 small on quick");
    check(o, 0.8, 0, "accuracy-first", "[   0] start r1 large on quick");
}

/* Without one the policy's own preference stands. */
static void without_one_the_policy_decides(void **state)
{
    (void)state;
    const enum cvg_objective o = CVG_OBJECTIVE_NONE;
    check(o, 0, 0, "edf", "[   0] start r1 small on quick");
    check(o, 0, 0, "accuracy-first", "[   0] start r1 large on quick");
}

/* From now on, also for who waits. */
static void it_changes_while_it_runs(void **state)
{
    (void)state;
    struct world w;
    two_by_two(&w);
    world_start(&w, "edf");
    struct cvg_event event = {.type = CVG_EV_APP, .at = CVG_MS(100)};
    event.app.new_objective = true;
    event.app.objective = CVG_OBJECTIVE_ENERGY;
    cvg_sim_inject(w.sim, &event);
    world_arrive(&w, 0, "a0", 0);
    world_arrive(&w, CVG_MS(200), "a0", 0);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 small on quick\n"
                    "[  10] reply r1\n"
                    "[ 200] start r2 small on frugal\n"
                    "[ 230] reply r2\n");
    world_fini(&w);
}

/* --- at exits --------------------------------------------------------------- */

/* Exits of 0.5, 0.7 and 0.9 after 10 ms each. */
static void at_exits(const char *exits, enum cvg_objective objective,
                     double accuracy, cvg_span due, const char *reply)
{
    struct world w;
    char policy[64];
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    struct cvg_variant *v = world_variant(&w, "net", 0.5);
    world_exit(v, 0.7);
    world_exit(v, 0.9);
    for (uint32_t stage = 0; stage < 3; stage++) {
        world_profile_stage(&w, "net", stage, "d0", 1, 10, 1);
    }
    struct cvg_app *app = world_app(&w, "a0");
    app->objective = objective;
    if (accuracy > 0) {
        world_slo_accuracy(app, accuracy);
    }
    (void)snprintf(policy, sizeof policy, "order=edf,exits=%s", exits);
    world_start(&w, policy);
    world_arrive(&w, 0, "a0", due);
    world_run_until(&w, CVG_S(1));
    if (strstr(w.trace, reply) == NULL) {
        fail_msg("%s, %s: no '%s' in %s", exits, cvg_objective_name(objective),
                 reply, w.trace);
    }
    world_fini(&w);
}

static void it_says_where_to_stop(void **state)
{
    (void)state;
    static const char *const rules[] = {"predictive", "anytime", "alert"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const char *r = rules[i];
        at_exits(r, CVG_OBJECTIVE_NONE, 0, 0, "reply r1 exit 2\n");
        at_exits(r, CVG_OBJECTIVE_ENERGY, 0, 0, "reply r1 exit 0\n");
        at_exits(r, CVG_OBJECTIVE_LATENCY, 0.6, 0, "reply r1 exit 1\n");
        at_exits(r, CVG_OBJECTIVE_ACCURACY, 0.6, 0, "reply r1 exit 2\n");
        at_exits(r, CVG_OBJECTIVE_ACCURACY, 0.4, CVG_MS(25),
                 "reply r1 exit 1\n");
    }
    at_exits("predictive", CVG_OBJECTIVE_NONE, 0.6, 0, "reply r1 exit 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_energy_at_the_accuracy),
        cmocka_unit_test(the_most_accurate_within_the_bounds),
        cmocka_unit_test(the_soonest_at_the_accuracy),
        cmocka_unit_test(without_one_the_policy_decides),
        cmocka_unit_test(it_changes_while_it_runs),
        cmocka_unit_test(it_says_where_to_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

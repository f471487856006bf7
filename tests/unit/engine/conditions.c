/* Requests with conditions: where they stop, by their own figures. */
#include "net.h"

#include <math.h>

#define MOST_SETS 8U

static const struct cvg_conditions *sets[MOST_SETS];
static size_t n_sets;

/* Freed by free_sets(), when the world has gone. */
static const struct cvg_conditions *of(const char *text)
{
    assert_true(n_sets < MOST_SETS);
    sets[n_sets] = conditions(text);
    return sets[n_sets++];
}

static void end(struct world *w)
{
    finish(w);
    while (n_sets > 0) {
        cvg_conditions_free(sets[--n_sets]);
    }
}

static void arrive_if(struct world *w, cvg_time at, const char *text,
                      cvg_span deadline)
{
    struct cvg_arrival a = {.variant = CVG_ANY, .conditions = of(text)};
    a.bounds.deadline = deadline;
    a.overrides = deadline > 0 ? 1U << CVG_SLO_DEADLINE : 0;
    world_arrive_with(w, at, &a);
}

static void tell_app(struct world *w, cvg_time at, const char *text)
{
    struct cvg_event event = {.type = CVG_EV_APP, .at = at};
    event.app.new_conditions = true;
    event.app.conditions = text != NULL ? of(text) : NULL;
    cvg_sim_inject(w->sim, &event);
}

static void tell_request(struct world *w, cvg_time at, uint64_t id,
                         const char *text, cvg_span deadline)
{
    struct cvg_event event = {.type = CVG_EV_BOUNDS, .at = at};
    event.bounds.request = id;
    event.bounds.new_conditions = deadline == 0;
    event.bounds.conditions = text != NULL ? of(text) : NULL;
    event.bounds.overrides = deadline > 0 ? 1U << CVG_SLO_DEADLINE : 0;
    event.bounds.slo.deadline = deadline;
    cvg_sim_inject(w->sim, &event);
}

/* --- where it stops ------------------------------------------------------- */

/* Never at the first exit; at the second if 30 ms have passed, which counts
 * time in the queue; at the third in any case. The last exit needs no
 * condition. */
static void one_condition_for_each_exit(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=fifo,exits=reactive,batching=none");
    arrive_if(&w, 0, "never; response_time > 30ms; always", 0);
    arrive_if(&w, CVG_MS(25), "never; response_time > 30ms; always", 0);
    arrive_if(&w, CVG_MS(300), "never", 0);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r1 net 1-1 on d0\n"
                    "[  30] start r1 net 2-2 on d0\n"
                    "[  60] reply r1 exit 2\n"
                    "[  60] start r2 net 0-0 on d0\n"
                    "[  70] start r2 net 1-1 on d0\n"
                    "[  90] reply r2 exit 1\n"
                    "[ 300] start r3 net 0-0 on d0\n"
                    "[ 310] start r3 net 1-1 on d0\n"
                    "[ 330] start r3 net 2-2 on d0\n"
                    "[ 360] start r3 net 3-3 on d0\n"
                    "[ 400] reply r3 exit 3\n");
    end(&w);
}

/* Energy so far, 1, 3, 6, 10 mJ; accuracy 0.5, 0.7, 0.9, 0.8; FLOP as far as
 * they are known. */
static void its_own_figures_are_judged(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    w.box->variants[0].flop[0] = 1e9;
    w.box->variants[0].flop[1] = 0.5e9;
    world_start(&w, "order=fifo,exits=reactive,batching=none");
    arrive_if(&w, 0, "energy >= 3mJ", 0);
    arrive_if(&w, CVG_MS(200), "accuracy > 0.85", 0);
    arrive_if(&w, CVG_MS(400), "computation >= 1.5GFLOP", 0);
    arrive_if(&w, CVG_MS(600), "computation > 1.5GFLOP", 0); /* not known */
    arrive_if(&w, CVG_MS(800), "exit == 1", 0);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r1 net 1-1 on d0\n"
                    "[  30] reply r1 exit 1\n"
                    "[ 200] start r2 net 0-0 on d0\n"
                    "[ 210] start r2 net 1-1 on d0\n"
                    "[ 230] start r2 net 2-2 on d0\n"
                    "[ 260] reply r2 exit 2\n"
                    "[ 400] start r3 net 0-0 on d0\n"
                    "[ 410] start r3 net 1-1 on d0\n"
                    "[ 430] reply r3 exit 1\n"
                    "[ 600] start r4 net 0-0 on d0\n"
                    "[ 610] start r4 net 1-1 on d0\n"
                    "[ 630] start r4 net 2-2 on d0\n"
                    "[ 660] start r4 net 3-3 on d0\n"
                    "[ 700] reply r4 exit 3\n"
                    "[ 800] start r5 net 0-0 on d0\n"
                    "[ 810] start r5 net 1-1 on d0\n"
                    "[ 830] reply r5 exit 1\n");
    end(&w);
}

/* Conditions are asked in place of the rule, of those only who have them; also
 * where the rule is to run models to their end. */
static void under_the_rule_last(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=fifo,batching=none");
    arrive_if(&w, 0, "never; always", 0);
    arrive_at(&w, CVG_MS(200), 0, 0, 0);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r1 net 1-1 on d0\n"
                    "[  30] reply r1 exit 1\n"
                    "[ 200] start r2 net 0-3 on d0\n"
                    "[ 300] reply r2 exit 3\n");
    end(&w);
}

/* Under a policy that decides jointly one batch has both kinds in it: it is cut
 * at the first exit, and who has no conditions goes on to the exit that he was
 * meant to reach. */
static void one_batch_of_both_kinds(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "convergo");
    arrive_at(&w, 0, 0, 0, CVG_MS(75));
    arrive_at(&w, CVG_MS(1), 0, 0, CVG_S(2));
    arrive_if(&w, CVG_MS(1), "never; always", CVG_S(2));
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-2 on d0\n"
                    "[  60] reply r1 exit 2\n"
                    "[  60] start r2,r3 net 0-0 on d0\n"
                    "[  72] start r2,r3 net 1-1 on d0\n"
                    "[  94] reply r3 exit 1\n"
                    "[  94] start r2 net 2-2 on d0\n"
                    "[ 124] reply r2 exit 2\n");
    end(&w);
}

/* A deadline is still one: it is answered where another stage could not end in
 * time, and not dropped because the end of the model is too far. */
static void a_deadline_still_holds(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,batching=none");
    arrive_if(&w, 0, "never", CVG_MS(55));
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r1 net 1-1 on d0\n"
                    "[  30] reply r1 exit 1\n");
    end(&w);
}

/* --- while it runs -------------------------------------------------------- */

static void of_an_app_from_now_on(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=fifo,exits=predictive,batching=none");
    tell_app(&w, 0, "never; never; always");
    arrive_at(&w, 0, 0, 0, 0);
    tell_app(&w, CVG_MS(20), "never; always");
    tell_app(&w, CVG_MS(100), NULL);
    arrive_at(&w, CVG_MS(200), 0.65, 0, 0);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r1 net 1-1 on d0\n"
                    "[  30] reply r1 exit 1\n"
                    "[ 200] start r2 net 0-1 on d0\n"
                    "[ 230] reply r2 exit 1\n");
    end(&w);
}

/* Those of a request come before its app's, and change while it runs. */
static void of_a_request_from_its_next_exit(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=fifo,exits=predictive,batching=none");
    tell_app(&w, 0, "always");
    arrive_if(&w, 0, "never", 0);
    tell_request(&w, CVG_MS(20), 1, "never; always", 0);
    arrive_if(&w, CVG_MS(200), "never", 0);
    tell_request(&w, CVG_MS(220), 2, NULL, 0);    /* the app's */
    tell_request(&w, CVG_MS(500), 2, "never", 0); /* it has ended */
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r1 net 1-1 on d0\n"
                    "[  30] reply r1 exit 1\n"
                    "[ 200] start r2 net 0-0 on d0\n"
                    "[ 210] start r2 net 1-1 on d0\n"
                    "[ 230] reply r2 exit 1\n");
    end(&w);
}

/* Waiting, running, paused: a deadline that comes nearer. */
static void a_deadline_that_changes(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,exits=predictive,batching=none");
    arrive_at(&w, 0, 0.85, 0, CVG_MS(500));
    arrive_at(&w, CVG_MS(1), 0.65, 0, CVG_MS(400));
    arrive_at(&w, CVG_MS(2), 0.65, 0, CVG_MS(600));
    tell_request(&w, CVG_MS(10), 3, NULL, CVG_MS(100)); /* goes before r2 */
    arrive_at(&w, CVG_MS(300), 0, 0, CVG_MS(500));
    tell_request(&w, CVG_MS(305), 4, NULL, CVG_MS(45)); /* at exit 1 */
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-2 on d0\n"
                    "[  60] reply r1 exit 2\n"
                    "[  60] start r3 net 0-1 on d0\n"
                    "[  90] reply r3 exit 1\n"
                    "[  90] start r2 net 0-1 on d0\n"
                    "[ 120] reply r2 exit 1\n"
                    "[ 300] start r4 net 0-0 on d0\n"
                    "[ 310] start r4 net 1-1 on d0\n"
                    "[ 330] reply r4 exit 1\n");
    end(&w);
}

/* Its owner may take conditions back from a request that was cancelled, though
 * it still runs; and of one that has ended nothing is told. */
static void nothing_is_kept_of_who_has_gone(void **state)
{
    (void)state;
    struct world w;
    struct cvg_explanation why;
    net(&w, 1);
    world_start(&w, "order=fifo,exits=predictive,batching=none");
    arrive_if(&w, 0, "never", 0);
    arrive_if(&w, CVG_MS(1), "always", 0);
    world_run_until(&w, CVG_MS(5));
    assert_int_equal(cvg_engine_explain(world_engine(&w), 1, &why), CVG_OK);
    assert_ptr_equal(why.request.conditions, sets[0]);
    world_cancel(&w, CVG_MS(6), 1);
    world_run_until(&w, CVG_MS(7));
    cvg_conditions_free(sets[0]);
    sets[0] = sets[--n_sets];
    world_run_until(&w, CVG_S(1));
    for (uint64_t id = 1; id <= 2; id++) {
        assert_int_equal(cvg_engine_explain(world_engine(&w), id, &why),
                         CVG_OK);
        assert_null(why.request.conditions);
    }
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_condition_for_each_exit),
        cmocka_unit_test(its_own_figures_are_judged),
        cmocka_unit_test(under_the_rule_last),
        cmocka_unit_test(one_batch_of_both_kinds),
        cmocka_unit_test(a_deadline_still_holds),
        cmocka_unit_test(of_an_app_from_now_on),
        cmocka_unit_test(of_a_request_from_its_next_exit),
        cmocka_unit_test(a_deadline_that_changes),
        cmocka_unit_test(nothing_is_kept_of_who_has_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

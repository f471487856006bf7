/* Requests at exits: what runs on, what is answered, who goes before, on the
 * virtual clock. */
#include "net.h"

#include <math.h>

/* --- the rules ------------------------------------------------------------ */

static void the_end_without_a_rule(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "fifo");
    arrive_at(&w, 0, 0, 0, 0);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-3 on d0\n"
                    "[ 100] reply r1 exit 3\n");
    finish(&w);
}

/* Within 65 ms it is at the third exit; the published rule goes on at 30 ms,
 * and would at 60, though it is not done by then. */
static void predictive_does_not_overshoot(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,exits=predictive");
    arrive_at(&w, 0, 0, 0, CVG_MS(65));
    arrive_at(&w, CVG_MS(200), 0, 0, CVG_MS(55));
    arrive_at(&w, CVG_MS(400), 0, 0, CVG_S(1)); /* the most accurate */
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r1 net 1-1 on d0\n"
                    "[  30] start r1 net 2-2 on d0\n"
                    "[  60] reply r1 exit 2\n"
                    "[ 200] start r2 net 0-0 on d0\n"
                    "[ 210] start r2 net 1-1 on d0\n"
                    "[ 230] reply r2 exit 1\n"
                    "[ 400] start r3 net 0-0 on d0\n"
                    "[ 410] start r3 net 1-1 on d0\n"
                    "[ 430] start r3 net 2-2 on d0\n"
                    "[ 460] reply r3 exit 2\n");
    finish(&w);
}

static void reactive_overshoots_by_a_stage(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=fifo,exits=reactive");
    arrive_at(&w, 0, 0, 0, CVG_MS(55));
    arrive_at(&w, CVG_MS(200), 0, 2.5, 0); /* mJ: at 3 */
    arrive_at(&w, CVG_MS(400), 0.65, 0, 0);
    arrive_at(&w, CVG_MS(600), 0, 0, 0);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r1 net 1-1 on d0\n"
                    "[  30] start r1 net 2-2 on d0\n"
                    "[  60] reply r1 exit 2 late\n"
                    "[ 200] start r2 net 0-0 on d0\n"
                    "[ 210] start r2 net 1-1 on d0\n"
                    "[ 230] reply r2 exit 1\n"
                    "[ 400] start r3 net 0-1 on d0\n"
                    "[ 430] reply r3 exit 1\n"
                    "[ 600] start r4 net 0-0 on d0\n"
                    "[ 610] start r4 net 1-1 on d0\n"
                    "[ 630] start r4 net 2-2 on d0\n"
                    "[ 660] start r4 net 3-3 on d0\n"
                    "[ 700] reply r4 exit 3\n");
    finish(&w);
}

/* Accuracy: at once to the first exit that will do. Energy: no further than
 * that. */
static void predictive_keeps_the_other_bounds(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,exits=predictive");
    arrive_at(&w, 0, 0.65, 0, 0);
    arrive_at(&w, CVG_MS(200), 0, 2.9, 0);
    arrive_at(&w, CVG_MS(400), 0, 3.0, 0);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-1 on d0\n"
                    "[  30] reply r1 exit 1\n"
                    "[ 200] start r2 net 0-0 on d0\n"
                    "[ 210] reply r2 exit 0\n"
                    "[ 400] start r3 net 0-0 on d0\n"
                    "[ 410] start r3 net 1-1 on d0\n"
                    "[ 430] reply r3 exit 1\n");
    assert_true(fabs(cvg_engine_stats(world_engine(&w))->devices[0].energy_j -
                     7e-3) < 1e-9);
    finish(&w);
}

/* --- what happens at an exit ---------------------------------------------- */

/* Two in one batch: one is answered, the other goes on. */
static void a_batch_splits(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,exits=predictive,batching=greedy");
    arrive_at(&w, 0, 0.5, 0, 0);
    arrive_at(&w, CVG_MS(1), 0, 0, CVG_MS(45));
    arrive_at(&w, CVG_MS(1), 0, 0, CVG_MS(200));
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] reply r1 exit 0\n"
                    "[  10] start r2,r3 net 0-0 on d0\n"
                    "[  22] start r2,r3 net 1-1 on d0\n"
                    "[  44] reply r2 exit 1\n"
                    "[  44] start r3 net 2-2 on d0\n"
                    "[  74] reply r3 exit 2\n");
    finish(&w);
}

/* Who is due earlier runs first; then the other goes on from where it was. */
static void the_urgent_goes_before(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,exits=predictive");
    arrive_at(&w, 0, 0.85, 0, CVG_MS(300));
    arrive_at(&w, CVG_MS(205), 0, 0, CVG_MS(300));
    arrive_at(&w, CVG_MS(216), 0.65, 0, CVG_MS(50));
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-2 on d0\n"
                    "[  60] reply r1 exit 2\n"
                    "[ 205] start r2 net 0-0 on d0\n"
                    "[ 215] start r2 net 1-1 on d0\n"
                    "[ 235] start r3 net 0-0 on d0\n"
                    "[ 245] start r3 net 1-1 on d0\n"
                    "[ 265] reply r3 exit 1\n"
                    "[ 265] start r2 net 2-2 on d0\n"
                    "[ 295] reply r2 exit 2\n");
    finish(&w);
}

/* First answers take all the time there is: it is answered at the last moment
 * at which a better one could have been begun. */
static void who_waits_too_long_is_answered(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,exits=predictive,batching=none");
    arrive_at(&w, 0, 0, 0, CVG_MS(45));
    arrive_at(&w, CVG_MS(5), 0.5, 0, 0);
    arrive_at(&w, CVG_MS(5), 0.5, 0, 0);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r2 net 0-0 on d0\n"
                    "[  20] reply r2 exit 0\n"
                    "[  20] start r3 net 0-0 on d0\n"
                    "[  25] reply r1 exit 0\n"
                    "[  30] reply r3 exit 0\n");
    finish(&w);
}

/* For a second, 40 come that can wait for 5 ms. */
static void impatient(struct world *w, cvg_time from)
{
    for (int i = 0; i < 40; i++) {
        arrive_at(w, from + CVG_MS(25 * i), 0.5, 0, CVG_MS(15));
    }
}

/* What there is of the trace from that line on. */
static const char *trace_from(const struct world *w, const char *line)
{
    const char *found = strstr(w->trace, line);
    return found != NULL ? found : w->trace;
}

/* Three stages are needed; but those who came lately could not wait for them,
 * and so it stops at each exit and lets the next one in. */
static void a_long_run_lets_others_in(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,exits=predictive,batching=none");
    impatient(&w, 0);
    arrive_at(&w, CVG_MS(1000), 0.85, 0, CVG_MS(400)); /* r41 */
    arrive_at(&w, CVG_MS(1028), 0.5, 0, CVG_MS(15));
    world_run_until(&w, CVG_S(2));
    assert_string_equal(trace_from(&w, "[1000]"),
                        "[1000] start r41 net 0-0 on d0\n"
                        "[1010] start r41 net 1-1 on d0\n"
                        "[1030] start r42 net 0-0 on d0\n"
                        "[1040] reply r42 exit 0\n"
                        "[1040] start r41 net 2-2 on d0\n"
                        "[1070] reply r41 exit 2\n");
    finish(&w);
}

/* Of those who came lately one would be late if somebody went on for 20 ms just
 * to be more accurate. When they come no more, all do. */
static void nobody_goes_on_at_the_cost_of_others(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,exits=predictive");
    impatient(&w, 0);
    arrive_at(&w, CVG_MS(1000), 0, 0, CVG_MS(400)); /* r41 */
    arrive_at(&w, CVG_MS(4000), 0, 0, CVG_MS(400));
    world_run_until(&w, CVG_S(5));
    assert_string_equal(trace_from(&w, "[1000]"),
                        "[1000] start r41 net 0-0 on d0\n"
                        "[1010] reply r41 exit 0\n"
                        "[4000] start r42 net 0-0 on d0\n"
                        "[4010] start r42 net 1-1 on d0\n"
                        "[4030] start r42 net 2-2 on d0\n"
                        "[4060] reply r42 exit 2\n");
    finish(&w);
}

/* A joint policy begins where there could be an answer; the rest is optional.
 */
static void convergo_begins_at_the_first_answer(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=convergo,exits=predictive");
    arrive_at(&w, 0, 0, 0, CVG_MS(45));
    arrive_at(&w, CVG_MS(200), 0.85, 0, CVG_MS(400));
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r1 net 1-1 on d0\n"
                    "[  30] reply r1 exit 1\n"
                    "[ 200] start r2 net 0-0 on d0\n"
                    "[ 210] start r2 net 1-1 on d0\n"
                    "[ 230] start r2 net 2-2 on d0\n"
                    "[ 260] reply r2 exit 2\n");
    finish(&w);
}

/* It is worth more to the app of more weight, though it came later. */
static void weight_goes_on_first(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    w.box->apps[1].weight = 2;
    world_start(&w, "order=edf,exits=predictive,batching=none");
    world_arrive(&w, 0, "a0", 0);
    world_arrive(&w, CVG_MS(1), "a1", 0);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r2 net 0-0 on d0\n"
                    "[  20] start r2,r1 net 1-1 on d0\n"
                    "[  42] start r2,r1 net 2-2 on d0\n"
                    "[  74] reply r2 exit 2\n"
                    "[  74] reply r1 exit 2\n");
    finish(&w);
}

/* Features take memory: of 40 that wait for better answers, 32 are kept; none
 * waits longer than a second where there is no deadline. */
static void some_are_answered_when_many_wait(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,exits=predictive,batching=none");
    for (int i = 0; i < 200; i++) {
        world_arrive(&w, CVG_MS(i == 0 ? 0 : 10 * i - 5), "a0", 0);
    }
    world_run_until(&w, CVG_MS(329));
    assert_null(strstr(w.trace, "reply"));
    world_run_until(&w, CVG_MS(999));
    assert_non_null(strstr(w.trace, "[ 330] reply r33 exit 0"));
    assert_null(strstr(w.trace, "reply r1 "));
    world_run_until(&w, CVG_MS(1020));
    assert_non_null(strstr(w.trace, "[1010] reply r1 exit 0"));
    world_run_until(&w, CVG_S(10));
    finish(&w);
}

/* A bound that changes between two exits holds at the next. */
static void bounds_change_between_exits(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_slo_deadline(&w.box->apps[0], CVG_S(1));
    world_start(&w, "order=edf,exits=predictive");
    world_arrive(&w, 0, "a0", 0);
    struct cvg_event event = {.type = CVG_EV_APP, .at = CVG_MS(20)};
    event.app.slo.declared = 1U << CVG_SLO_DEADLINE;
    event.app.slo.deadline = CVG_MS(40);
    cvg_sim_inject(w.sim, &event);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r1 net 1-1 on d0\n"
                    "[  30] reply r1 exit 1\n");
    finish(&w);
}

/* The device is lost on the way to exit 2: the answer of exit 1 will do for
 * one; the other begins again elsewhere. */
static void a_device_is_lost_at_exit_two(void **state)
{
    (void)state;
    struct world w;
    net(&w, 2);
    world_start(&w, "order=edf,exits=reactive");
    arrive_at(&w, 0, 0.85, 0, 0);
    arrive_at(&w, 0, 0, 0, CVG_MS(500));
    world_device_state(&w, CVG_MS(40), "d0", false);
    world_device_state(&w, CVG_MS(41), "d1", false);
    world_device_state(&w, CVG_MS(50), "d1", true);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-2 on d0\n"
                    "[   0] start r2 net 0-0 on d1\n"
                    "[  10] start r2 net 1-1 on d1\n"
                    "[  30] start r2 net 2-2 on d1\n"
                    "[  41] reply r2 exit 1\n"
                    "[  50] load net on d1\n"
                    "[  50] start r1 net 0-2 on d1\n"
                    "[ 110] reply r1 exit 2\n");
    finish(&w);
}

/* Who is cancelled between two stages leaves nothing behind. */
static void cancelled_at_an_exit(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,exits=predictive");
    arrive_at(&w, 0, 0, 0, CVG_MS(900));
    arrive_at(&w, CVG_MS(5), 0.85, 0, CVG_MS(200));
    world_cancel(&w, CVG_MS(30), 1);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r2 net 0-2 on d0\n"
                    "[  70] reply r2 exit 2\n");
    finish(&w);
}

/* First answers for everybody, then better ones. */
static void anytime_answers_all_first(void **state)
{
    (void)state;
    struct world w;
    net(&w, 1);
    world_start(&w, "order=edf,exits=anytime,batching=none");
    arrive_at(&w, 0, 0, 0, CVG_MS(70));
    arrive_at(&w, CVG_MS(1), 0, 0, CVG_MS(900));
    arrive_at(&w, CVG_MS(2), 0, 0, CVG_MS(900));
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 net 0-0 on d0\n"
                    "[  10] start r2 net 0-0 on d0\n"
                    "[  20] start r3 net 0-0 on d0\n"
                    "[  30] start r1,r2,r3 net 1-1 on d0\n"
                    "[  54] reply r1 exit 1\n"
                    "[  54] start r2,r3 net 2-2 on d0\n"
                    "[  86] reply r2 exit 2\n"
                    "[  86] reply r3 exit 2\n");
    finish(&w);
}

struct sure { /* answers at each exit; before the third, of who was unsure */
    uint32_t answered[4];
    uint32_t unsure;
};

static void count_exits(struct world *w, const struct cvg_event *event,
                        const struct cvg_actions *actions)
{
    struct sure *s = w->context;
    bool told = event->type == CVG_EV_DONE && event->done.n_confidence == 1;
    for (size_t i = 0; i < actions->n; i++) {
        if (actions->items[i].type == CVG_ACT_REPLY) {
            uint32_t exit = actions->items[i].reply.exit;
            s->answered[exit]++;
            s->unsure += exit < 2 && (!told || event->done.confidence[0] < 0.9);
        }
    }
}

/* Whoever is sure stops. Of answers at an exit of accuracy a the share that is
 * surer than 0.9 is 1 - 0.9 ^ (a / (1 - a)): 0.1 at the first; who is not so
 * there may be at the second, 0.22 in all; the third is the best. */
static void confidence_stops_who_is_sure(void **state)
{
    (void)state;
    struct world w;
    struct sure s = {.unsure = 0};
    net(&w, 1);
    w.watch = count_exits;
    w.context = &s;
    world_start(&w, "order=fifo,exits=confidence");
    for (int i = 0; i < 2000; i++) {
        world_arrive(&w, CVG_MS(100 * i), "a0", 0);
    }
    world_run_until(&w, CVG_S(300));
    assert_int_equal(s.unsure, 0);
    assert_in_range(s.answered[0], 150, 250);
    assert_in_range(s.answered[1], 180, 300);
    assert_int_equal(s.answered[0] + s.answered[1] + s.answered[2], 2000);
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_without_a_rule),
        cmocka_unit_test(predictive_does_not_overshoot),
        cmocka_unit_test(reactive_overshoots_by_a_stage),
        cmocka_unit_test(predictive_keeps_the_other_bounds),
        cmocka_unit_test(a_batch_splits),
        cmocka_unit_test(the_urgent_goes_before),
        cmocka_unit_test(who_waits_too_long_is_answered),
        cmocka_unit_test(a_long_run_lets_others_in),
        cmocka_unit_test(nobody_goes_on_at_the_cost_of_others),
        cmocka_unit_test(convergo_begins_at_the_first_answer),
        cmocka_unit_test(weight_goes_on_first),
        cmocka_unit_test(some_are_answered_when_many_wait),
        cmocka_unit_test(bounds_change_between_exits),
        cmocka_unit_test(a_device_is_lost_at_exit_two),
        cmocka_unit_test(cancelled_at_an_exit),
        cmocka_unit_test(anytime_answers_all_first),
        cmocka_unit_test(confidence_stops_who_is_sure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

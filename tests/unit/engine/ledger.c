/* When an SLO is met: DESIGN.md section 5, clause by clause, with numbers
 * worked out by hand. */
#include "base/histogram.h"
#include "unit/engine/court.h"
#include <time.h>

static void serve(struct court *c, cvg_time arrival, cvg_time finished)
{
    struct cvg_ending e = ending(c, 0, arrival, finished);
    cvg_ledger_end(c->ledger, &e);
}

static void serve_with(struct court *c, cvg_time arrival, cvg_time finished,
                       double accuracy, double energy_j)
{
    struct cvg_ending e = ending(c, 0, arrival, finished);
    e.accuracy = accuracy;
    e.energy_j = energy_j;
    cvg_ledger_end(c->ledger, &e);
}

static void lose(struct court *c, cvg_time arrival, cvg_time finished,
                 enum cvg_outcome outcome, enum cvg_reason reason)
{
    struct cvg_ending e = ending(c, 0, arrival, finished);
    e.outcome = outcome;
    e.reason = reason;
    e.accuracy = 0;
    e.queued = -1;
    cvg_ledger_end(c->ledger, &e);
}

static void offer(struct court *c, cvg_time arrival, int n)
{
    for (int i = 0; i < n; i++) {
        cvg_ledger_offer(c->ledger, 0, arrival);
    }
}

static void check_kind(struct court *c, enum cvg_slo_kind kind, uint64_t met,
                       uint64_t offered)
{
    assert_int_equal(stats_of(c, 0)->slo.met[kind], met);
    assert_int_equal(stats_of(c, 0)->slo.offered[kind], offered);
}

static void check_joint(struct court *c, uint64_t met, uint64_t offered)
{
    assert_int_equal(stats_of(c, 0)->slo.joint_met, met);
    assert_int_equal(stats_of(c, 0)->slo.joint_offered, offered);
}

/* --- deadline ------------------------------------------------------------- */

/* Ready no later than arrival + deadline: to the nanosecond. */
static void deadline_is_inclusive(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_deadline(c.app, CVG_MS(50));
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 2);
    serve(&c, 0, CVG_MS(50));
    serve(&c, 0, CVG_MS(50) + 1);
    cvg_ledger_finish(c.ledger, CVG_S(5));
    check_kind(&c, CVG_SLO_DEADLINE, 1, 2);
    check_joint(&c, 1, 2);
    assert_int_equal(stats_of(&c, 0)->counts.served, 2);
    assert_int_equal(stats_of(&c, 0)->counts.on_time, 1);
    assert_int_equal(stats_of(&c, 0)->counts.late, 1);
    dismiss(&c);
}

/* A request's own deadline stands in for the app's. */
static void own_deadline_counts(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_deadline(c.app, CVG_MS(50));
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 2);
    struct cvg_ending e = ending(&c, 0, 0, CVG_MS(40));
    e.deadline = CVG_MS(30);
    cvg_ledger_end(c.ledger, &e); /* in time by the app's, late by its own */
    e.finished = CVG_MS(70);
    e.deadline = CVG_MS(80);
    cvg_ledger_end(c.ledger, &e); /* the other way round */
    cvg_ledger_finish(c.ledger, CVG_S(5));
    check_kind(&c, CVG_SLO_DEADLINE, 1, 2);
    assert_int_equal(stats_of(&c, 0)->counts.on_time, 1);
    dismiss(&c);
}

static void without_deadline_served_is_on_time(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_accuracy(c.app, 0.5);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 1);
    serve(&c, 0, CVG_S(100));
    cvg_ledger_finish(c.ledger, CVG_S(101));
    assert_int_equal(stats_of(&c, 0)->counts.on_time, 1);
    assert_int_equal(stats_of(&c, 0)->counts.late, 0);
    check_kind(&c, CVG_SLO_DEADLINE, 0, 0);
    check_kind(&c, CVG_SLO_ACCURACY, 1, 1);
    check_joint(&c, 1, 1);
    dismiss(&c);
}

/* --- what meets nothing --------------------------------------------------- */

static void lost_requests_meet_nothing(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_deadline(c.app, CVG_MS(50));
    world_slo_accuracy(c.app, 0.0); /* even the emptiest bound */
    world_slo_throughput(c.app, 0.1);
    world_slo_energy(c.app, 1e6);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 4);
    lose(&c, 0, 0, CVG_OUTCOME_REJECTED, CVG_REASON_QUEUE_FULL);
    lose(&c, 0, CVG_MS(10), CVG_OUTCOME_DROPPED, CVG_REASON_DEADLINE);
    lose(&c, 0, CVG_MS(20), CVG_OUTCOME_FAILED, CVG_REASON_DEVICE_FAILED);
    lose(&c, 0, CVG_MS(20), CVG_OUTCOME_DROPPED, CVG_REASON_DEADLINE);
    cvg_ledger_finish(c.ledger, CVG_S(5));
    for (int k = 0; k < CVG_SLO_KINDS; k++) {
        check_kind(&c, (enum cvg_slo_kind)k, 0, 4);
    }
    check_joint(&c, 0, 4);
    const struct cvg_app_stats *s = stats_of(&c, 0);
    assert_int_equal(s->counts.offered, 4);
    assert_int_equal(s->counts.served, 0);
    assert_int_equal(s->counts.dropped, 2);
    assert_int_equal(s->counts.rejected, 1);
    assert_int_equal(s->counts.failed, 1);
    assert_int_equal(s->dropped_for[CVG_REASON_DEADLINE], 2);
    assert_int_equal(s->dropped_for[CVG_REASON_QUEUE_FULL], 1);
    assert_int_equal(s->dropped_for[CVG_REASON_DEVICE_FAILED], 1);
    dismiss(&c);
}

static void cancelled_leaves_offered(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_deadline(c.app, CVG_MS(50));
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 3);
    lose(&c, 0, CVG_MS(5), CVG_OUTCOME_CANCELLED, CVG_REASON_NONE);
    serve(&c, 0, CVG_MS(20));
    lose(&c, 0, CVG_MS(60), CVG_OUTCOME_DROPPED, CVG_REASON_DEADLINE);
    cvg_ledger_finish(c.ledger, CVG_S(5));
    check_kind(&c, CVG_SLO_DEADLINE, 1, 2);
    check_joint(&c, 1, 2);
    assert_int_equal(stats_of(&c, 0)->counts.offered, 2);
    assert_int_equal(stats_of(&c, 0)->counts.cancelled, 1);
    assert_int_equal(stats_of(&c, 0)->counts.dropped, 1);
    dismiss(&c);
}

/* --- accuracy ------------------------------------------------------------- */

static void accuracy_of_each_answer(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_accuracy(c.app, 0.8);
    world_slo_deadline(c.app, CVG_MS(50));
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 4);
    serve_with(&c, 0, CVG_MS(10), 0.8, 0);    /* just enough */
    serve_with(&c, 0, CVG_MS(10), 0.7999, 0); /* just not */
    serve_with(&c, 0, CVG_MS(90), 0.9, 0);    /* late: accuracy alone holds */
    struct cvg_ending e = ending(&c, 0, 0, CVG_MS(10));
    e.accuracy = 0.75;
    e.min_accuracy = 0.7; /* it asked for less */
    cvg_ledger_end(c.ledger, &e);
    cvg_ledger_finish(c.ledger, CVG_S(5));
    check_kind(&c, CVG_SLO_ACCURACY, 3, 4);
    check_kind(&c, CVG_SLO_DEADLINE, 3, 4);
    check_joint(&c, 2, 4);
    assert_true(fabs(stats_of(&c, 0)->accuracy_sum - 3.2499) < 1e-9);
    dismiss(&c);
}

static void accuracy_over_a_window(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_accuracy(c.app, 0.8);
    c.app->accuracy_over = CVG_ACCURACY_PER_WINDOW;
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 3); /* 0.75, 0.85 and one lost: mean 0.8 */
    serve_with(&c, 0, CVG_MS(10), 0.75, 0);
    serve_with(&c, 0, CVG_MS(10), 0.85, 0);
    lose(&c, 0, CVG_MS(10), CVG_OUTCOME_DROPPED, CVG_REASON_POLICY);
    offer(&c, CVG_S(1), 2); /* 0.75, 0.84: mean 0.795 */
    serve_with(&c, CVG_S(1), CVG_MS(1010), 0.75, 0);
    serve_with(&c, CVG_S(1), CVG_MS(1010), 0.84, 0);
    offer(&c, CVG_S(2), 1); /* none served: nothing met */
    lose(&c, CVG_S(2), CVG_S(2), CVG_OUTCOME_REJECTED, CVG_REASON_QUEUE_FULL);
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_ACCURACY, 2, 6);
    check_joint(&c, 2, 6);
    dismiss(&c);
}

/* Equal answers have that very mean, however many are added up. */
static void mean_of_equal_answers(void **state)
{
    (void)state;
    for (int n = 1; n < 300; n++) {
        struct court c;
        prepare(&c);
        world_slo_accuracy(c.app, 0.8);
        c.app->accuracy_over = CVG_ACCURACY_PER_WINDOW;
        convene(&c, 0, CVG_NEVER);
        offer(&c, 0, n);
        for (int i = 0; i < n; i++) {
            serve_with(&c, 0, CVG_MS(10), 0.8, 0);
        }
        cvg_ledger_finish(c.ledger, CVG_S(9));
        check_kind(&c, CVG_SLO_ACCURACY, (uint64_t)n, (uint64_t)n);
        dismiss(&c);
    }
}

/* Only what was served on time enters the mean; a late answer in a window
 * whose mean is enough has its accuracy, and misses its deadline. */
static void late_answers_do_not_enter_the_mean(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_accuracy(c.app, 0.8);
    world_slo_deadline(c.app, CVG_MS(50));
    c.app->accuracy_over = CVG_ACCURACY_PER_WINDOW;
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 2); /* on time 0.82, late 0.6: enough */
    serve_with(&c, 0, CVG_MS(10), 0.82, 0);
    serve_with(&c, 0, CVG_MS(60), 0.6, 0);
    offer(&c, CVG_S(1), 2); /* on time 0.7, late 0.99: not enough */
    serve_with(&c, CVG_S(1), CVG_MS(1010), 0.7, 0);
    serve_with(&c, CVG_S(1), CVG_MS(1060), 0.99, 0);
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_ACCURACY, 2, 4);
    check_kind(&c, CVG_SLO_DEADLINE, 2, 4);
    check_joint(&c, 1, 4);
    dismiss(&c);
}

/* --- throughput ----------------------------------------------------------- */

/* One window: `offered` requests, `served` of them; returns how many met it. */
static uint64_t window_of(double rps, int offered, int served)
{
    struct court c;
    prepare(&c);
    world_slo_throughput(c.app, rps);
    convene(&c, 0, CVG_NEVER);
    offer(&c, CVG_MS(100), offered);
    for (int i = 0; i < offered; i++) {
        if (i < served) {
            serve(&c, CVG_MS(100), CVG_MS(200));
        } else {
            lose(&c, CVG_MS(100), CVG_MS(200), CVG_OUTCOME_DROPPED,
                 CVG_REASON_POLICY);
        }
    }
    cvg_ledger_finish(c.ledger, CVG_S(9));
    assert_int_equal(stats_of(&c, 0)->slo.offered[CVG_SLO_THROUGHPUT], offered);
    uint64_t met = stats_of(&c, 0)->slo.met[CVG_SLO_THROUGHPUT];
    dismiss(&c);
    return met;
}

static void throughput_needs_95_percent(void **state)
{
    (void)state;
    assert_int_equal(window_of(10, 20, 9), 9); /* 9.5 is 9 */
    assert_int_equal(window_of(10, 20, 8), 0);
    assert_int_equal(window_of(10, 20, 20), 20); /* more than asked: all */
    assert_int_equal(window_of(10, 4, 3), 3);    /* of the 4 offered: 3.8 */
    assert_int_equal(window_of(10, 4, 2), 0);
    assert_int_equal(window_of(30, 100, 28), 28); /* 28.5 */
    assert_int_equal(window_of(30, 100, 27), 0);
    assert_int_equal(window_of(10, 1, 1), 1);
    assert_int_equal(window_of(10, 1, 0), 0);    /* 0.95 is 0: none served */
    assert_int_equal(window_of(10.5, 20, 9), 9); /* 9.975 */
    assert_int_equal(window_of(0.5, 20, 1), 1);  /* 0.475 is 0 */
    assert_int_equal(window_of(1000, 300, 285), 285);
    assert_int_equal(window_of(1000, 300, 284), 0);
}

/* 95 % of a multiple of 20 is whole: rounding errors must not ask for more,
 * and not for less. */
static void whole_shares_are_exact(void **state)
{
    (void)state;
    for (int n = 20; n <= 600; n += 20) {
        int need = n / 20 * 19;
        assert_int_equal(window_of(n, n + 5, need), need);
        assert_int_equal(window_of(n, n + 5, need - 1), 0);
    }
}

/* Counted: by one second after the deadline. */
static void throughput_waits_one_second(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_throughput(c.app, 100);
    world_slo_deadline(c.app, CVG_MS(50));
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 2);
    serve(&c, 0, CVG_MS(20));
    serve(&c, 0, CVG_MS(1050)); /* late, and counted */
    offer(&c, CVG_S(2), 2);
    serve(&c, CVG_S(2), CVG_MS(2020));
    serve(&c, CVG_S(2), CVG_MS(3050) + 1); /* too late: 1 of 1.9 -> 1 */
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_THROUGHPUT, 3, 4);
    check_kind(&c, CVG_SLO_DEADLINE, 2, 4);
    check_joint(&c, 2, 4);
    dismiss(&c);
}

/* Without a deadline: by one second after the window. */
static void throughput_without_deadline(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_throughput(c.app, 100);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 2);
    offer(&c, CVG_MS(999), 1);
    serve(&c, 0, CVG_S(2));
    serve(&c, CVG_MS(999), CVG_S(2));
    serve(&c, 0, CVG_S(2) + 1);
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_THROUGHPUT, 2, 3); /* 2.85 -> 2 */
    assert_int_equal(stats_of(&c, 0)->counts.on_time, 3);
    dismiss(&c);
}

/* With an accuracy of each answer, only answers good enough count; with a
 * mean over the window, all do. */
static void throughput_counts_accurate_answers(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct court c;
        prepare(&c);
        world_slo_throughput(c.app, 4);
        world_slo_accuracy(c.app, 0.8);
        c.app->accuracy_over =
            over == 0 ? CVG_ACCURACY_PER_REQUEST : CVG_ACCURACY_PER_WINDOW;
        convene(&c, 0, CVG_NEVER);
        offer(&c, 0, 4); /* needs 3 */
        serve_with(&c, 0, CVG_MS(10), 0.9, 0);
        serve_with(&c, 0, CVG_MS(10), 0.9, 0);
        serve_with(&c, 0, CVG_MS(10), 0.7, 0);
        serve_with(&c, 0, CVG_MS(10), 0.7, 0);
        offer(&c, CVG_S(1), 4);
        serve_with(&c, CVG_S(1), CVG_MS(1010), 0.9, 0);
        serve_with(&c, CVG_S(1), CVG_MS(1010), 0.9, 0);
        serve_with(&c, CVG_S(1), CVG_MS(1010), 0.9, 0);
        serve_with(&c, CVG_S(1), CVG_MS(1010), 0.7, 0);
        cvg_ledger_finish(c.ledger, CVG_S(9));
        check_kind(&c, CVG_SLO_THROUGHPUT, over == 0 ? 3 : 8, 8);
        check_kind(&c, CVG_SLO_ACCURACY, over == 0 ? 5 : 8, 8);
        check_joint(&c, over == 0 ? 3 : 8, 8);
        dismiss(&c);
    }
}

/* A cancelled request is not among those offered in its window, either. */
static void cancelled_leaves_the_window(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_throughput(c.app, 10);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 10);
    for (int i = 0; i < 4; i++) {
        serve(&c, 0, CVG_MS(10));
    }
    for (int i = 0; i < 5; i++) {
        lose(&c, 0, CVG_MS(20), CVG_OUTCOME_CANCELLED, CVG_REASON_NONE);
    }
    lose(&c, 0, CVG_MS(30), CVG_OUTCOME_DROPPED, CVG_REASON_POLICY);
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_THROUGHPUT, 4, 5); /* of 5: 4.75 -> 4 */
    dismiss(&c);
}

/* A window ends where the next begins: an arrival there is of the next. */
static void windows_are_half_open(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_throughput(c.app, 10);
    convene(&c, 0, CVG_NEVER);
    offer(&c, CVG_S(1) - 1, 2); /* window 0: both lost */
    offer(&c, CVG_S(1), 2);     /* window 1: both served */
    lose(&c, CVG_S(1) - 1, CVG_MS(1001), CVG_OUTCOME_DROPPED,
         CVG_REASON_POLICY);
    lose(&c, CVG_S(1) - 1, CVG_MS(1001), CVG_OUTCOME_DROPPED,
         CVG_REASON_POLICY);
    serve(&c, CVG_S(1), CVG_MS(1010));
    serve(&c, CVG_S(1), CVG_MS(1010));
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_THROUGHPUT, 2, 4); /* together: 3.8 -> 3 of 4 */
    dismiss(&c);
}

/* --- energy --------------------------------------------------------------- */

static void energy_of_the_share(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_energy(c.app, 60);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 3);
    serve_with(&c, 0, CVG_MS(10), 0.9, 0.060);
    serve_with(&c, 0, CVG_MS(10), 0.9, 0.0601);
    struct cvg_ending e = ending(&c, 0, 0, CVG_MS(10));
    e.energy_j = 0.05;
    e.max_energy_j = 0.04; /* it asked for less */
    cvg_ledger_end(c.ledger, &e);
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_ENERGY, 1, 3);
    check_joint(&c, 1, 3);
    assert_true(fabs(stats_of(&c, 0)->energy_j - 0.1701) < 1e-12);
    dismiss(&c);
}

/* --- joint ---------------------------------------------------------------- */

/* Each request misses one kind, the last none. */
static void joint_needs_every_declared_kind(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_deadline(c.app, CVG_MS(50));
    world_slo_accuracy(c.app, 0.8);
    world_slo_throughput(c.app, 1);
    world_slo_energy(c.app, 60);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 5);
    serve_with(&c, 0, CVG_MS(10), 0.7, 0.05);   /* accuracy, throughput */
    serve_with(&c, 0, CVG_MS(10), 0.9, 0.07);   /* energy */
    serve_with(&c, 0, CVG_MS(10), 0.9, 0.05);   /* none */
    serve_with(&c, 0, CVG_MS(60), 0.9, 0.05);   /* deadline */
    serve_with(&c, 0, CVG_MS(1060), 0.9, 0.05); /* deadline, throughput */
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_DEADLINE, 3, 5);
    check_kind(&c, CVG_SLO_ACCURACY, 4, 5);
    check_kind(&c, CVG_SLO_THROUGHPUT, 3, 5);
    check_kind(&c, CVG_SLO_ENERGY, 4, 5);
    check_joint(&c, 1, 5);
    dismiss(&c);
}

/* Kinds that the app did not declare are left out, whatever a request brings
 * along. */
static void undeclared_kinds_are_left_out(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_accuracy(c.app, 0.8);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 1);
    struct cvg_ending e = ending(&c, 0, 0, CVG_MS(10));
    e.deadline = CVG_MS(5); /* its own, missed */
    e.energy_j = 1;
    e.max_energy_j = 0.5; /* its own, missed */
    cvg_ledger_end(c.ledger, &e);
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_DEADLINE, 0, 0);
    check_kind(&c, CVG_SLO_ENERGY, 0, 0);
    check_kind(&c, CVG_SLO_THROUGHPUT, 0, 0);
    check_kind(&c, CVG_SLO_ACCURACY, 1, 1);
    check_joint(&c, 1, 1);
    assert_int_equal(stats_of(&c, 0)->counts.late, 1);
    dismiss(&c);
}

static void apps_without_slo_are_left_out_of_joint(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 2);
    serve(&c, 0, CVG_MS(10));
    lose(&c, 0, CVG_MS(10), CVG_OUTCOME_DROPPED, CVG_REASON_POLICY);
    cvg_ledger_finish(c.ledger, CVG_S(9));
    for (int k = 0; k < CVG_SLO_KINDS; k++) {
        check_kind(&c, (enum cvg_slo_kind)k, 0, 0);
    }
    check_joint(&c, 0, 0);
    assert_int_equal(stats_of(&c, 0)->counts.offered, 2);
    assert_int_equal(stats_of(&c, 0)->counts.on_time, 1);
    dismiss(&c);
}

/* Windows are each app's own. */
static void apps_do_not_share_windows(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_throughput(world_app(&c.w, "a1"), 10);
    c.app = &c.w.box->apps[0];
    world_slo_throughput(c.app, 10);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 2);
    cvg_ledger_offer(c.ledger, 1, 0);
    cvg_ledger_offer(c.ledger, 1, 0);
    serve(&c, 0, CVG_MS(10));
    serve(&c, 0, CVG_MS(10));
    struct cvg_ending e = ending(&c, 1, 0, CVG_MS(10));
    e.outcome = CVG_OUTCOME_DROPPED;
    e.reason = CVG_REASON_POLICY;
    cvg_ledger_end(c.ledger, &e);
    cvg_ledger_end(c.ledger, &e);
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_THROUGHPUT, 2, 2);
    assert_int_equal(stats_of(&c, 1)->slo.met[CVG_SLO_THROUGHPUT], 0);
    assert_int_equal(stats_of(&c, 1)->slo.offered[CVG_SLO_THROUGHPUT], 2);
    dismiss(&c);
}

/* --- warm-up, first and last window --------------------------------------- */

static void warm_up_is_left_out(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_deadline(c.app, CVG_S(1));
    world_slo_throughput(c.app, 10);
    convene(&c, CVG_MS(2500), CVG_S(10));
    offer(&c, CVG_MS(100), 1);
    serve(&c, CVG_MS(100), CVG_MS(200));
    offer(&c, CVG_MS(2500) - 1, 1);
    offer(&c, CVG_MS(2500), 1);                /* exactly its end: judged */
    serve(&c, CVG_MS(2500) - 1, CVG_MS(2600)); /* answered after it: no */
    serve(&c, CVG_MS(2500), CVG_MS(2600));
    offer(&c, CVG_MS(3499), 1); /* the same window: [2.5 s, 3.5 s) */
    lose(&c, CVG_MS(3499), CVG_MS(3499), CVG_OUTCOME_REJECTED,
         CVG_REASON_QUEUE_FULL);
    cvg_ledger_finish(c.ledger, CVG_S(20));
    assert_int_equal(stats_of(&c, 0)->counts.offered, 2);
    assert_int_equal(stats_of(&c, 0)->counts.served, 1);
    assert_int_equal(cvg_histogram_count(stats_of(&c, 0)->latency), 1);
    assert_true(stats_of(&c, 0)->accuracy_sum == 0.9);
    check_kind(&c, CVG_SLO_DEADLINE, 1, 2);
    check_kind(&c, CVG_SLO_THROUGHPUT, 1, 2); /* 1.9 -> 1 */
    check_joint(&c, 1, 2);
    dismiss(&c);
}

static void cancelled_in_the_warm_up(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_deadline(c.app, CVG_S(1));
    convene(&c, CVG_S(1), CVG_S(10));
    offer(&c, CVG_MS(500), 2);
    lose(&c, CVG_MS(500), CVG_MS(600), CVG_OUTCOME_CANCELLED, CVG_REASON_NONE);
    lose(&c, CVG_MS(500), CVG_MS(1500), CVG_OUTCOME_DROPPED,
         CVG_REASON_DEADLINE);
    cvg_ledger_finish(c.ledger, CVG_S(20));
    assert_int_equal(stats_of(&c, 0)->counts.offered, 0);
    assert_int_equal(stats_of(&c, 0)->counts.cancelled, 0);
    assert_int_equal(stats_of(&c, 0)->counts.dropped, 0);
    check_joint(&c, 0, 0);
    dismiss(&c);
}

/* Arrivals end at 2.5 s: the windows are [0, 1) and [1, 2.5). */
static void last_partial_window_joins(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_throughput(c.app, 10);
    convene(&c, 0, CVG_MS(2500));
    offer(&c, CVG_MS(1100), 5); /* all served */
    for (int i = 0; i < 5; i++) {
        serve(&c, CVG_MS(1100), CVG_MS(1200));
    }
    offer(&c, CVG_MS(2400), 4); /* none served */
    for (int i = 0; i < 4; i++) {
        lose(&c, CVG_MS(2400), CVG_MS(2450), CVG_OUTCOME_DROPPED,
             CVG_REASON_POLICY);
    }
    cvg_ledger_finish(c.ledger, CVG_S(9));
    /* min(10, 9) = 9, 8.55 -> 8 of them: 5 are too few. On its own, the second
     * window would be met. */
    check_kind(&c, CVG_SLO_THROUGHPUT, 0, 9);
    dismiss(&c);
}

/* It is asked for no more than any other window: throughput x 1 s. */
static void joined_window_needs_no_more(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_throughput(c.app, 10);
    convene(&c, 0, CVG_MS(2500));
    offer(&c, CVG_MS(1100), 15);
    for (int i = 0; i < 9; i++) {
        serve(&c, CVG_MS(1100), CVG_MS(1200));
    }
    for (int i = 9; i < 15; i++) {
        lose(&c, CVG_MS(1100), CVG_MS(1200), CVG_OUTCOME_DROPPED,
             CVG_REASON_POLICY);
    }
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_THROUGHPUT, 9, 15); /* 9.5 -> 9 */
    dismiss(&c);
}

/* In the joined window an answer without deadline has time until one second
 * after its end, 3.5 s. */
static void joined_window_ends_later(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_throughput(c.app, 10);
    convene(&c, 0, CVG_MS(2500));
    offer(&c, CVG_MS(1100), 2);
    serve(&c, CVG_MS(1100), CVG_MS(3500));
    serve(&c, CVG_MS(1100), CVG_MS(3500) + 1);
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_THROUGHPUT, 1, 2); /* 1.9 -> 1 */
    dismiss(&c);
}

/* A run shorter than a window has just that one. */
static void only_a_partial_window(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_throughput(c.app, 10);
    world_slo_deadline(c.app, CVG_MS(50));
    convene(&c, 0, CVG_MS(500));
    offer(&c, CVG_MS(100), 2);
    serve(&c, CVG_MS(100), CVG_MS(120));
    serve(&c, CVG_MS(100), CVG_MS(120));
    offer(&c, CVG_MS(400), 2);
    serve(&c, CVG_MS(400), CVG_MS(420));
    lose(&c, CVG_MS(400), CVG_MS(420), CVG_OUTCOME_DROPPED, CVG_REASON_POLICY);
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_THROUGHPUT, 3, 4); /* 3.8 -> 3 */
    check_joint(&c, 3, 4);
    dismiss(&c);
}

/* --- endings long after --------------------------------------------------- */

/* Ten minutes of deadline, a busy app beside it, and an answer in the last
 * second. */
static void endings_long_after(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_deadline(c.app, CVG_S(600));
    world_slo_throughput(c.app, 10);
    convene(&c, 0, CVG_NEVER);
    offer(&c, CVG_MS(500), 3);
    for (int i = 1; i <= 600; i++) {
        offer(&c, CVG_S(i), 1);
        serve(&c, CVG_S(i), CVG_S(i));
        cvg_ledger_advance(c.ledger, CVG_S(i));
    }
    serve(&c, CVG_MS(500), CVG_MS(600500));     /* on time */
    serve(&c, CVG_MS(500), CVG_MS(601500));     /* late, counted */
    serve(&c, CVG_MS(500), CVG_MS(601500) + 1); /* late, not counted */
    cvg_ledger_finish(c.ledger, CVG_S(700));
    check_kind(&c, CVG_SLO_DEADLINE, 601, 603);
    check_kind(&c, CVG_SLO_THROUGHPUT, 602, 603); /* 2.85 -> 2 */
    check_joint(&c, 601, 603);
    dismiss(&c);
}

/* An app without deadline may be answered after an hour: it is still one
 * offered, served, accurate and frugal request. */
static void answer_after_an_hour(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_accuracy(c.app, 0.8);
    world_slo_energy(c.app, 60);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 2);
    for (int i = 1; i <= 3600; i++) {
        offer(&c, CVG_S(i), 1);
        serve_with(&c, CVG_S(i), CVG_S(i), 0.9, 0.07); /* too much energy */
        cvg_ledger_advance(c.ledger, CVG_S(i));
    }
    serve_with(&c, 0, CVG_S(3600), 0.9, 0.05);
    serve_with(&c, 0, CVG_S(3600), 0.7, 0.05);
    cvg_ledger_finish(c.ledger, CVG_S(3700));
    assert_int_equal(stats_of(&c, 0)->counts.offered, 3602);
    assert_int_equal(stats_of(&c, 0)->counts.served, 3602);
    assert_int_equal(stats_of(&c, 0)->counts.on_time, 3602);
    check_kind(&c, CVG_SLO_ACCURACY, 3601, 3602);
    check_kind(&c, CVG_SLO_ENERGY, 2, 3602);
    check_joint(&c, 1, 3602);
    dismiss(&c);
}

/* Counts appear as soon as nothing can change any more: no later than the
 * window's end, the deadline and a second. */
static void windows_are_judged_on_the_way(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_deadline(c.app, CVG_MS(50));
    world_slo_throughput(c.app, 10);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 1);
    serve(&c, 0, CVG_MS(10));
    cvg_ledger_advance(c.ledger, CVG_MS(900));
    check_kind(&c, CVG_SLO_THROUGHPUT, 0, 0);
    cvg_ledger_advance(c.ledger, CVG_S(10));
    check_kind(&c, CVG_SLO_THROUGHPUT, 1, 1);
    check_joint(&c, 1, 1);
    cvg_ledger_finish(c.ledger, CVG_S(10));
    check_joint(&c, 1, 1); /* once */
    dismiss(&c);
}

/* --- the SLO changes ------------------------------------------------------ */

static void slo_changed_in_mid_run(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_throughput(c.app, 10);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 10);
    for (int i = 0; i < 5; i++) {
        serve(&c, 0, CVG_MS(10));
        lose(&c, 0, CVG_MS(10), CVG_OUTCOME_DROPPED, CVG_REASON_POLICY);
    }
    struct cvg_slo lower = {.declared = 1U << CVG_SLO_THROUGHPUT,
                            .throughput_rps = 4};
    cvg_ledger_set_slo(c.ledger, 0, CVG_S(2), &lower);
    offer(&c, CVG_S(2), 10);
    for (int i = 0; i < 5; i++) {
        serve(&c, CVG_S(2), CVG_MS(2010));
        lose(&c, CVG_S(2), CVG_MS(2010), CVG_OUTCOME_DROPPED,
             CVG_REASON_POLICY);
    }
    cvg_ledger_finish(c.ledger, CVG_S(9));
    check_kind(&c, CVG_SLO_THROUGHPUT, 5, 20); /* the second window's 5 */
    dismiss(&c);
}

/* A window that is still open when a later one has another SLO keeps its own.
 */
static void open_windows_keep_their_slo(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_accuracy(c.app, 0.8);
    c.app->accuracy_over = CVG_ACCURACY_PER_WINDOW;
    world_slo_deadline(c.app, CVG_S(5));
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 1);
    struct cvg_slo higher = {.declared = 1U << CVG_SLO_DEADLINE |
                                         1U << CVG_SLO_ACCURACY,
                             .deadline = CVG_S(5),
                             .accuracy = 0.9};
    cvg_ledger_set_slo(c.ledger, 0, CVG_S(1), &higher);
    offer(&c, CVG_S(1), 1);
    serve_with(&c, 0, CVG_S(3), 0.85, 0);        /* enough for 0.8 */
    serve_with(&c, CVG_S(1), CVG_S(3), 0.85, 0); /* not for 0.9 */
    cvg_ledger_finish(c.ledger, CVG_S(20));
    check_kind(&c, CVG_SLO_ACCURACY, 1, 2);
    check_joint(&c, 1, 2);
    dismiss(&c);
}

/* Three windows are open at once, each with another SLO. */
static void two_changes_while_windows_are_open(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_accuracy(c.app, 0.8);
    c.app->accuracy_over = CVG_ACCURACY_PER_WINDOW;
    convene(&c, 0, CVG_NEVER);
    struct cvg_slo slo = c.app->slo;
    offer(&c, 0, 1);
    slo.accuracy = 0.9;
    cvg_ledger_set_slo(c.ledger, 0, CVG_S(1), &slo);
    offer(&c, CVG_S(1), 1);
    slo.accuracy = 0.95;
    cvg_ledger_set_slo(c.ledger, 0, CVG_S(2), &slo);
    offer(&c, CVG_S(2), 1);
    for (int i = 0; i < 3; i++) {
        serve_with(&c, CVG_S(i), CVG_S(3), 0.92, 0);
    }
    cvg_ledger_finish(c.ledger, CVG_S(20));
    check_kind(&c, CVG_SLO_ACCURACY, 2, 3);
    dismiss(&c);
}

static void slo_declared_later(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 2);
    serve(&c, 0, CVG_MS(10));
    serve(&c, 0, CVG_MS(10));
    struct cvg_slo slo = {.declared = 1U << CVG_SLO_DEADLINE,
                          .deadline = CVG_MS(50)};
    cvg_ledger_set_slo(c.ledger, 0, CVG_S(1), &slo);
    offer(&c, CVG_S(1), 1);
    struct cvg_ending e = ending(&c, 0, CVG_S(1), CVG_MS(1040));
    e.deadline = CVG_MS(1050);
    cvg_ledger_end(c.ledger, &e);
    cvg_ledger_finish(c.ledger, CVG_S(20));
    check_kind(&c, CVG_SLO_DEADLINE, 1, 1);
    check_joint(&c, 1, 1);
    dismiss(&c);
}

/* --- the other counts ----------------------------------------------------- */

/* Means over the answers of 10 s by reply: [0,10) 0.9, [10,20) 0.8, [20,30)
 * none, [30,40) 0.85. */
static void lowest_window(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    convene(&c, 0, CVG_NEVER);
    assert_true(cvg_ledger_stats(c.ledger)->lowest_accuracy_window == 2);
    offer(&c, 0, 5);
    lose(&c, 0, CVG_S(1), CVG_OUTCOME_DROPPED, CVG_REASON_POLICY);
    serve_with(&c, 0, CVG_S(9), 0.9, 0);
    serve_with(&c, 0, CVG_S(10), 0.7, 0);
    serve_with(&c, 0, CVG_S(19), 0.9, 0);
    serve_with(&c, 0, CVG_S(35), 0.85, 0);
    cvg_ledger_finish(c.ledger, CVG_S(60));
    double lowest = cvg_ledger_stats(c.ledger)->lowest_accuracy_window;
    assert_true(fabs(lowest - 0.8) < 1e-12);
    assert_true(fabs(stats_of(&c, 0)->lowest_accuracy_window - 0.8) < 1e-12);
    dismiss(&c);
}

/* Over all apps the means mix: 0.9 and 0.7 in one window are 0.8 together. */
static void lowest_window_over_all_apps(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_app(&c.w, "a1");
    convene(&c, 0, CVG_NEVER);
    cvg_ledger_offer(c.ledger, 0, 0);
    cvg_ledger_offer(c.ledger, 1, 0);
    struct cvg_ending e = ending(&c, 0, 0, CVG_S(1));
    cvg_ledger_end(c.ledger, &e);
    e.app = 1;
    e.accuracy = 0.7;
    cvg_ledger_end(c.ledger, &e);
    cvg_ledger_finish(c.ledger, CVG_S(5)); /* shorter than 10 s: as it is */
    assert_true(fabs(cvg_ledger_stats(c.ledger)->lowest_accuracy_window - 0.8) <
                1e-12);
    assert_true(fabs(stats_of(&c, 0)->lowest_accuracy_window - 0.9) < 1e-12);
    assert_true(fabs(stats_of(&c, 1)->lowest_accuracy_window - 0.7) < 1e-12);
    dismiss(&c);
}

static void nothing_answered_has_no_lowest_window(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 1);
    lose(&c, 0, CVG_S(1), CVG_OUTCOME_FAILED, CVG_REASON_DEVICE_FAILED);
    cvg_ledger_finish(c.ledger, CVG_S(60));
    assert_true(cvg_ledger_stats(c.ledger)->lowest_accuracy_window == 2);
    assert_true(stats_of(&c, 0)->lowest_accuracy_window == 2);
    dismiss(&c);
}

static void details_of_answers(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    convene(&c, 0, CVG_NEVER);
    offer(&c, CVG_MS(100), 4);
    struct cvg_ending e = ending(&c, 0, CVG_MS(100), CVG_MS(140));
    e.queued = CVG_MS(10);
    e.right = 1;
    cvg_ledger_end(c.ledger, &e);
    e.right = 0;
    e.finished = CVG_MS(160);
    e.queued = CVG_MS(30);
    cvg_ledger_end(c.ledger, &e);
    e.right = -1;
    e.queued = -1; /* unknown */
    e.finished = CVG_MS(180);
    cvg_ledger_end(c.ledger, &e);
    lose(&c, CVG_MS(100), CVG_MS(900), CVG_OUTCOME_DROPPED, CVG_REASON_TIMEOUT);
    cvg_ledger_finish(c.ledger, CVG_S(2));
    const struct cvg_app_stats *s = stats_of(&c, 0);
    assert_int_equal(s->right, 1);
    assert_int_equal(s->labelled, 2);
    assert_int_equal(s->served_by[0], 3);
    assert_int_equal(cvg_histogram_count(s->latency), 3);
    assert_true(cvg_histogram_mean(s->latency) == 60e6);
    assert_int_equal(cvg_histogram_max(s->latency), CVG_MS(80));
    assert_int_equal(cvg_histogram_count(s->queued), 2);
    assert_true(cvg_histogram_mean(s->queued) == 20e6);
    assert_int_equal(s->dropped_for[CVG_REASON_TIMEOUT], 1);
    dismiss(&c);
}

/* What policies see of the current window. */
static void recent(void **state)
{
    (void)state;
    struct court c;
    prepare(&c);
    world_slo_deadline(c.app, CVG_MS(50));
    world_slo_throughput(c.app, 10);
    convene(&c, 0, CVG_NEVER);
    offer(&c, CVG_MS(100), 4);
    serve_with(&c, CVG_MS(100), CVG_MS(120), 0.8, 0);
    serve_with(&c, CVG_MS(100), CVG_MS(120), 0.9, 0);
    lose(&c, CVG_MS(100), CVG_MS(150), CVG_OUTCOME_DROPPED,
         CVG_REASON_DEADLINE);
    struct cvg_recent r = cvg_ledger_recent(c.ledger, 0, CVG_MS(200));
    assert_int_equal(r.offered, 4);
    assert_int_equal(r.good, 2);
    assert_int_equal(r.lost, 1);
    assert_true(fabs(r.accuracy - 0.85) < 1e-12);
    offer(&c, CVG_MS(1100), 1); /* a new window */
    r = cvg_ledger_recent(c.ledger, 0, CVG_MS(1100));
    assert_int_equal(r.offered, 1);
    assert_int_equal(r.good, 0);
    assert_int_equal(r.lost, 0);
    assert_true(r.accuracy == 0);
    dismiss(&c);
}

/* The first request after a century costs no more than any other. */
static void long_silence(void **state)
{
    (void)state;
    struct court c;
    cvg_time late = CVG_S(3000000000);
    prepare(&c);
    world_slo_deadline(c.app, CVG_MS(50));
    convene(&c, 0, CVG_NEVER);
    offer(&c, 0, 1);
    serve(&c, 0, CVG_MS(10));
    clock_t before = clock();
    offer(&c, late, 1);
    assert_true(clock() - before < CLOCKS_PER_SEC / 2);
    serve(&c, late, late + CVG_MS(60));
    cvg_ledger_finish(c.ledger, late + CVG_S(5));
    check_kind(&c, CVG_SLO_DEADLINE, 1, 2);
    dismiss(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadline_is_inclusive),
        cmocka_unit_test(own_deadline_counts),
        cmocka_unit_test(without_deadline_served_is_on_time),
        cmocka_unit_test(lost_requests_meet_nothing),
        cmocka_unit_test(cancelled_leaves_offered),
        cmocka_unit_test(accuracy_of_each_answer),
        cmocka_unit_test(accuracy_over_a_window),
        cmocka_unit_test(mean_of_equal_answers),
        cmocka_unit_test(late_answers_do_not_enter_the_mean),
        cmocka_unit_test(throughput_needs_95_percent),
        cmocka_unit_test(whole_shares_are_exact),
        cmocka_unit_test(throughput_waits_one_second),
        cmocka_unit_test(throughput_without_deadline),
        cmocka_unit_test(throughput_counts_accurate_answers),
        cmocka_unit_test(cancelled_leaves_the_window),
        cmocka_unit_test(windows_are_half_open),
        cmocka_unit_test(energy_of_the_share),
        cmocka_unit_test(joint_needs_every_declared_kind),
        cmocka_unit_test(undeclared_kinds_are_left_out),
        cmocka_unit_test(apps_without_slo_are_left_out_of_joint),
        cmocka_unit_test(apps_do_not_share_windows),
        cmocka_unit_test(warm_up_is_left_out),
        cmocka_unit_test(cancelled_in_the_warm_up),
        cmocka_unit_test(last_partial_window_joins),
        cmocka_unit_test(joined_window_needs_no_more),
        cmocka_unit_test(joined_window_ends_later),
        cmocka_unit_test(only_a_partial_window),
        cmocka_unit_test(endings_long_after),
        cmocka_unit_test(answer_after_an_hour),
        cmocka_unit_test(windows_are_judged_on_the_way),
        cmocka_unit_test(slo_changed_in_mid_run),
        cmocka_unit_test(open_windows_keep_their_slo),
        cmocka_unit_test(two_changes_while_windows_are_open),
        cmocka_unit_test(slo_declared_later),
        cmocka_unit_test(lowest_window),
        cmocka_unit_test(lowest_window_over_all_apps),
        cmocka_unit_test(nothing_answered_has_no_lowest_window),
        cmocka_unit_test(details_of_answers),
        cmocka_unit_test(recent),
        cmocka_unit_test(long_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

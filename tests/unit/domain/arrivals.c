/* Arrivals have the rate and the regularity that was asked for, and nothing
 * but the seed and the app decides where they fall. */
#include "domain/workload.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct gaps { /* of a long run */
    double rate_rps, cv;
    uint64_t n;
};

static struct gaps measure(const struct cvg_stream *stream, uint64_t seed,
                           double load, cvg_span from, cvg_span until)
{
    struct cvg_arrival_source s;
    cvg_arrivals_init(&s, stream, seed, load);
    while (s.next < from) {
        cvg_arrivals_advance(&s);
    }
    struct gaps g = {0};
    double sum = 0, squares = 0;
    for (cvg_span last = s.next; s.next < until; cvg_arrivals_advance(&s)) {
        assert_true(s.next >= last);
        double gap = (double)(s.next - last);
        sum += gap;
        squares += gap * gap;
        last = s.next;
        g.n++;
    }
    double mean = sum / (double)g.n;
    g.rate_rps = (double)g.n / ((double)(until - from) * 1e-9);
    g.cv = sqrt(squares / (double)g.n - mean * mean) / mean;
    return g;
}

static void assert_near(double value, double wanted, double relative)
{
    if (fabs(value - wanted) > relative * wanted) {
        fail_msg("%g is not within %g of %g", value, relative, wanted);
    }
}

static void poisson_has_its_rate_and_cv_1(void **state)
{
    (void)state;
    struct cvg_stream stream = {
        .app = 2, .process = CVG_POISSON, .rate_rps = 300};
    struct gaps g = measure(&stream, 1, 1, 0, CVG_S(2000));
    assert_near(g.rate_rps, 300, 0.01);
    assert_near(g.cv, 1, 0.01);
    g = measure(&stream, 1, 2.5, 0, CVG_S(1000));
    assert_near(g.rate_rps, 750, 0.01);
}

static void gamma_has_its_rate_and_cv(void **state)
{
    (void)state;
    double shapes[] = {0.25, 0.5, 1, 4};
    for (size_t i = 0; i < 4; i++) {
        struct cvg_stream stream = {
            .process = CVG_GAMMA, .rate_rps = 100, .shape = shapes[i]};
        struct gaps g = measure(&stream, 7, 1, 0, CVG_S(10000));
        assert_near(g.rate_rps, 100, 0.01);
        assert_near(g.cv, 1 / sqrt(shapes[i]), 0.02);
    }
}

static void periodic_is_exact_without_jitter(void **state)
{
    (void)state;
    struct cvg_stream stream = {.process = CVG_PERIODIC, .rate_rps = 30};
    struct cvg_arrival_source s;
    cvg_arrivals_init(&s, &stream, 3, 1);
    double phase = s.due_ns, period = 1e9 / 30;
    assert_true(phase >= 0 && phase < period);
    for (int k = 0; k < 100000; k++) {
        double place = phase + k * period;
        assert_true(fabs((double)s.next - place) <= 50); /* in an hour */
        cvg_arrivals_advance(&s);
    }
}

static void phases_fill_the_period(void **state)
{
    (void)state;
    struct cvg_stream stream = {.process = CVG_PERIODIC, .rate_rps = 10};
    double sum = 0;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        struct cvg_arrival_source s;
        cvg_arrivals_init(&s, &stream, seed, 1);
        assert_true(s.next >= 0 && s.next <= CVG_MS(100));
        sum += (double)s.next;
    }
    assert_near(sum / 4000, 50e6, 0.03);
}

static void jitter_is_uniform_and_keeps_the_order(void **state)
{
    (void)state;
    struct cvg_stream stream = {
        .process = CVG_PERIODIC, .rate_rps = 100, .jitter = CVG_MS(4)};
    struct cvg_arrival_source s;
    cvg_arrivals_init(&s, &stream, 3, 1);
    double phase = s.due_ns, sum = 0;
    for (int k = 0; k < 20000; k++) {
        double late = (double)s.next - (phase + k * 1e7);
        assert_true(late >= -1 && late <= 4e6 + 1);
        sum += late;
        cvg_arrivals_advance(&s);
    }
    assert_near(sum / 20000, 2e6, 0.02);
    stream.jitter = CVG_MS(35); /* longer than the period */
    assert_near(measure(&stream, 3, 1, 0, CVG_S(100)).rate_rps, 100, 0.01);
}

static void mmpp_has_the_mean_rate_and_bursts(void **state)
{
    (void)state;
    struct cvg_stream stream = {.process = CVG_MMPP,
                                .n_states = 2,
                                .rates_rps = {5, 90},
                                .stay = {CVG_S(2), CVG_MS(500)}};
    struct gaps g = measure(&stream, 5, 1, 0, CVG_S(100000));
    assert_near(g.rate_rps, (5 * 2 + 90 * 0.5) / 2.5, 0.02);
    assert_true(g.cv > 1.5);
    assert_near(measure(&stream, 5, 3, 0, CVG_S(100000)).rate_rps, 66, 0.02);
}

static void a_silent_stream_ends(void **state)
{
    (void)state;
    struct cvg_stream stream = {
        .process = CVG_MMPP, .n_states = 2, .stay = {CVG_S(2), CVG_MS(500)}};
    struct cvg_arrival_source s;
    cvg_arrivals_init(&s, &stream, 5, 1);
    assert_int_equal(s.next, CVG_NEVER);
    cvg_arrivals_advance(&s);
    assert_int_equal(s.next, CVG_NEVER);
}

/* Load brings more arrivals, never other bursts. */
static void bursts_do_not_move_with_load(void **state)
{
    (void)state;
    struct cvg_stream stream = {.process = CVG_MMPP,
                                .n_states = 2,
                                .rates_rps = {0, 1000},
                                .stay = {CVG_S(1), CVG_S(1)}};
    struct cvg_arrival_source a, b;
    cvg_arrivals_init(&a, &stream, 9, 1);
    cvg_arrivals_init(&b, &stream, 9, 4);
    for (int burst = 0; burst < 50; burst++) {
        cvg_span last;
        do {
            last = a.next;
            cvg_arrivals_advance(&a);
        } while (a.next - last < CVG_MS(20));
        while (b.next < a.next - CVG_MS(20)) {
            cvg_arrivals_advance(&b);
        }
        assert_true(a.state == b.state || b.next - a.next < CVG_MS(20));
    }
}

static void equal_seeds_give_equal_streams(void **state)
{
    (void)state;
    struct cvg_stream stream = {
        .app = 1, .process = CVG_GAMMA, .rate_rps = 50, .shape = 0.5};
    struct cvg_stream other_app = stream;
    other_app.app = 2;
    struct cvg_arrival_source a, b, c, d;
    cvg_arrivals_init(&a, &stream, 1, 1);
    cvg_arrivals_init(&b, &stream, 1, 1);
    cvg_arrivals_init(&c, &stream, 2, 1);
    cvg_arrivals_init(&d, &other_app, 1, 1);
    int as_c = 0, as_d = 0;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(a.next, b.next);
        as_c += a.next == c.next;
        as_d += a.next == d.next;
        cvg_arrivals_advance(&a);
        cvg_arrivals_advance(&b);
        cvg_arrivals_advance(&c);
        cvg_arrivals_advance(&d);
    }
    assert_true(as_c < 5 && as_d < 5);
}

static void a_trace_is_played_as_it_is(void **state)
{
    (void)state;
    struct cvg_trace_row rows[] = {
        {CVG_MS(1), 0, -1}, {CVG_MS(1), CVG_MS(30), -1}, {CVG_MS(7), 0, 0.9}};
    struct cvg_stream stream = {
        .process = CVG_TRACE, .rows = rows, .n_rows = 3};
    struct cvg_arrival_source s;
    cvg_arrivals_init(&s, &stream, 1, 2); /* twice as fast */
    assert_int_equal(s.next, CVG_US(500));
    assert_ptr_equal(cvg_arrivals_row(&s), &rows[0]);
    cvg_arrivals_advance(&s);
    assert_int_equal(s.next, CVG_US(500));
    assert_ptr_equal(cvg_arrivals_row(&s), &rows[1]);
    cvg_arrivals_advance(&s);
    assert_int_equal(s.next, CVG_US(3500));
    assert_true(cvg_arrivals_row(&s)->accuracy == 0.9);
    cvg_arrivals_advance(&s);
    assert_int_equal(s.next, CVG_NEVER);
    assert_null(cvg_arrivals_row(&s));
}

/* Plays a stream whose rate changes to `rate` at `at`; counts before, after. */
static void play(const struct cvg_stream *stream, cvg_span at, double rate,
                 cvg_span until, uint64_t count[2])
{
    struct cvg_arrival_source s;
    cvg_arrivals_init(&s, stream, 11, 1);
    count[0] = count[1] = 0;
    for (; s.next < at; cvg_arrivals_advance(&s)) {
        count[0]++;
    }
    cvg_arrivals_set_rate(&s, at, rate);
    assert_true(s.next >= at);
    for (cvg_span last = at; s.next < until; cvg_arrivals_advance(&s)) {
        assert_true(s.next >= last);
        last = s.next;
        count[1]++;
    }
}

static void a_rate_event_changes_the_rate_from_then_on(void **state)
{
    (void)state;
    struct cvg_stream streams[] = {
        {.process = CVG_POISSON, .rate_rps = 100},
        {.process = CVG_GAMMA, .rate_rps = 100, .shape = 2},
        {.process = CVG_PERIODIC, .rate_rps = 100, .jitter = CVG_MS(5)},
        {.process = CVG_MMPP,
         .n_states = 2,
         .rates_rps = {50, 150},
         .stay = {CVG_S(1), CVG_S(1)}},
    };
    for (size_t i = 0; i < 4; i++) {
        uint64_t count[2];
        play(&streams[i], CVG_S(2000), 300, CVG_S(4000), count);
        assert_near((double)count[0], 200000, 0.03);
        assert_near((double)count[1], 600000, 0.03);
        play(&streams[i], CVG_S(20), 0, CVG_S(4000), count);
        assert_true(count[1] <= 1); /* with jitter one was due already */
    }
}

/* A long gap before the change does not delay what comes after it. */
static void the_gap_of_the_moment_shrinks_too(void **state)
{
    (void)state;
    struct cvg_stream stream = {.process = CVG_PERIODIC, .rate_rps = 0.01};
    struct cvg_arrival_source s;
    cvg_arrivals_init(&s, &stream, 1, 1);
    cvg_arrivals_advance(&s);
    cvg_span left = s.next - CVG_S(100);
    assert_true(left > 0);
    cvg_arrivals_set_rate(&s, CVG_S(100), 1);
    assert_true(llabs(s.next - CVG_S(100) - left / 100) <= 2);
}

/* The longest workload that can be written. */
static void a_year_has_arrivals_to_its_end(void **state)
{
    (void)state;
    const cvg_span hour = CVG_S(3600), year = 8760 * hour;
    struct cvg_stream stream = {.process = CVG_PERIODIC,
                                .rate_rps = 1.0 / 3600};
    struct cvg_arrival_source s;
    cvg_arrivals_init(&s, &stream, 3, 1);
    cvg_span phase = s.next;
    for (int k = 0; k < 8760; k++) {
        assert_true(llabs(s.next - phase - k * hour) <= CVG_US(100));
        cvg_arrivals_advance(&s);
    }
    assert_true(s.next >= year && s.next <= year + hour);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_year_has_arrivals_to_its_end),
        cmocka_unit_test(poisson_has_its_rate_and_cv_1),
        cmocka_unit_test(gamma_has_its_rate_and_cv),
        cmocka_unit_test(periodic_is_exact_without_jitter),
        cmocka_unit_test(phases_fill_the_period),
        cmocka_unit_test(jitter_is_uniform_and_keeps_the_order),
        cmocka_unit_test(mmpp_has_the_mean_rate_and_bursts),
        cmocka_unit_test(a_silent_stream_ends),
        cmocka_unit_test(bursts_do_not_move_with_load),
        cmocka_unit_test(equal_seeds_give_equal_streams),
        cmocka_unit_test(a_trace_is_played_as_it_is),
        cmocka_unit_test(a_rate_event_changes_the_rate_from_then_on),
        cmocka_unit_test(the_gap_of_the_moment_shrinks_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

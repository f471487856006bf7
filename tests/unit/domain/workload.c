/* A workload as a whole: how long it goes on, and how long its requests may
 * wait. */
#include "domain/workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_trace_is_longer_or_shorter_by_the_load(void **state)
{
    (void)state;
    struct cvg_trace_row rows[] = {{CVG_MS(999), 0, -1}, {CVG_MS(2000), 0, -1}};
    struct cvg_stream stream = {
        .process = CVG_TRACE, .rows = rows, .n_rows = 2};
    struct cvg_workload w = {.duration = CVG_MS(2001),
                             .streams = &stream,
                             .n_streams = 1,
                             .trace = true};
    assert_int_equal(cvg_workload_duration(&w, 1), CVG_MS(2001));
    const double loads[] = {0.3, 0.5, 1, 1.1, 2, 7, 1000};
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        struct cvg_arrival_source s;
        cvg_span duration = cvg_workload_duration(&w, loads[i]);
        cvg_arrivals_init(&s, &stream, 1, loads[i]);
        cvg_arrivals_advance(&s); /* the last one is inside */
        assert_true(s.next < duration);
        assert_true(duration <= s.next + (cvg_span)(1e6 / loads[i]) + 3);
    }
    w.trace = false; /* a duration that was written is meant */
    assert_int_equal(cvg_workload_duration(&w, 2), CVG_MS(2001));
}

/* A load that would take longer than there is time is not undefined. */
static void a_trace_may_be_longer_than_time(void **state)
{
    (void)state;
    struct cvg_trace_row row = {CVG_S(3600), 0, -1};
    struct cvg_stream stream = {
        .process = CVG_TRACE, .rows = &row, .n_rows = 1};
    struct cvg_workload w = {.duration = CVG_S(3601),
                             .streams = &stream,
                             .n_streams = 1,
                             .trace = true};
    struct cvg_arrival_source s;
    assert_true(cvg_workload_duration(&w, 1e-9) > INT64_MAX / 4);
    cvg_arrivals_init(&s, &stream, 1, 1e-9);
    assert_true(s.next == CVG_NEVER);
}

static void requests_are_counted_beforehand(void **state)
{
    (void)state;
    struct cvg_trace_row rows[] = {{CVG_MS(1), 0, -1}, {CVG_MS(2), 0, -1}};
    struct cvg_stream streams[] = {
        {.app = 0, .process = CVG_POISSON, .rate_rps = 10},
        {.app = 1,
         .process = CVG_MMPP,
         .n_states = 2,
         .rates_rps = {0, 100},
         .stay = {CVG_S(3), CVG_S(1)}},
        {.app = 2, .process = CVG_TRACE, .rows = rows, .n_rows = 2}};
    struct cvg_workload_event events[] = {
        {.at = CVG_S(2), .type = CVG_WORKLOAD_RATE, .app = 0, .rate_rps = 1},
        {.at = CVG_S(3), .type = CVG_WORKLOAD_RATE, .app = 1, .rate_rps = 0},
        {.at = CVG_S(9), .type = CVG_WORKLOAD_RATE, .app = 0, .rate_rps = 99}};
    struct cvg_workload w = {.duration = CVG_S(4),
                             .streams = streams,
                             .n_streams = 3,
                             .events = events,
                             .n_events = 3};
    /* 2 s at 10/s and 2 s at 1/s; 3 s at 25/s; two rows whatever the load. */
    assert_true(cvg_workload_requests(&w, 1) == 22 + 75 + 2);
    assert_true(cvg_workload_requests(&w, 2) == 2 * (22 + 75) + 2);
}

static void the_largest_deadline_may_be_anywhere(void **state)
{
    (void)state;
    const struct cvg_slo late = {.declared = 1U << CVG_SLO_DEADLINE,
                                 .deadline = CVG_S(40)};
    const struct cvg_slo none = {.deadline = CVG_S(99)};
    struct cvg_app apps[] = {{.slo = none}, {.slo = none}};
    struct cvg_box box = {.apps = apps, .n_apps = 2};
    struct cvg_workload_event events[] = {
        {.type = CVG_WORKLOAD_RATE, .slo = late},
        {.type = CVG_WORKLOAD_SLO, .slo = none}};
    struct cvg_trace_row rows[] = {{0, 0, -1}, {0, CVG_S(20), -1}};
    struct cvg_stream stream = {.process = CVG_TRACE, .rows = rows};
    struct cvg_workload w = {
        .events = events, .n_events = 2, .streams = &stream, .n_streams = 1};
    assert_int_equal(cvg_workload_largest_deadline(&w, &box, 7), 7);
    stream.n_rows = 2;
    assert_int_equal(cvg_workload_largest_deadline(&w, &box, 7), CVG_S(20));
    events[1].slo = late;
    assert_int_equal(cvg_workload_largest_deadline(&w, &box, 7), CVG_S(40));
    apps[1].slo = late;
    apps[1].slo.deadline = CVG_S(50);
    assert_int_equal(cvg_workload_largest_deadline(&w, &box, 7), CVG_S(50));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_is_longer_or_shorter_by_the_load),
        cmocka_unit_test(a_trace_may_be_longer_than_time),
        cmocka_unit_test(requests_are_counted_beforehand),
        cmocka_unit_test(the_largest_deadline_may_be_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

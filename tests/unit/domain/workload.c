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
        cmocka_unit_test(the_largest_deadline_may_be_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

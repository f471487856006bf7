/* What is sent, in which order, with which bounds. */
#include "load/plan.h"
#include <convergo/condition.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct cvg_app apps[2];
    struct cvg_device device;
    struct cvg_box box;
    struct cvg_stream streams[2];
    struct cvg_workload_event events[3];
    struct cvg_workload workload;
    struct cvg__plan plan;
};

static struct fixture make(void)
{
    struct fixture f = {0};
    f.apps[0] = (struct cvg_app){
        .name = "a",
        .slo = {.declared = 1U << CVG_SLO_DEADLINE, .deadline = CVG_MS(50)}};
    f.apps[1] = (struct cvg_app){.name = "b"};
    f.device = (struct cvg_device){.name = "tpu0"};
    f.streams[0] =
        (struct cvg_stream){.app = 0, .process = CVG_PERIODIC, .rate_rps = 100};
    f.streams[1] =
        (struct cvg_stream){.app = 1, .process = CVG_PERIODIC, .rate_rps = 50};
    f.workload = (struct cvg_workload){.duration = CVG_S(2), .n_streams = 2};
    return f;
}

static void start(struct fixture *f, size_t n_events)
{
    f->box = (struct cvg_box){
        .apps = f->apps, .n_apps = 2, .devices = &f->device, .n_devices = 1};
    f->workload.streams = f->streams;
    f->workload.events = f->events;
    f->workload.n_events = n_events;
    assert_int_equal(
        cvg__plan_init(&f->plan, &f->workload, &f->box, 1, 1, NULL), CVG_OK);
}

static void streams_are_merged_in_order(void **state)
{
    (void)state;
    struct fixture f = make();
    start(&f, 0);
    struct cvg__due due;
    cvg_span last = 0;
    int count[2] = {0, 0};
    while (cvg__plan_next(&f.plan, &due)) {
        assert_int_equal(due.type, CVG__DUE_REQUEST);
        assert_true(due.at >= last && due.at < CVG_S(2));
        assert_int_equal(due.overrides, 0);
        last = due.at;
        count[due.app]++;
    }
    assert_int_equal(count[0], 200);
    assert_int_equal(count[1], 100);
    assert_false(cvg__plan_next(&f.plan, &due)); /* and stays at its end */
    cvg__plan_fini(&f.plan);
}

static void events_change_what_follows(void **state)
{
    (void)state;
    struct fixture f = make();
    f.events[0] = (struct cvg_workload_event){
        .at = CVG_MS(500), .type = CVG_WORKLOAD_RATE, .app = 1, .rate_rps = 10};
    f.events[1] = (struct cvg_workload_event){
        .at = CVG_S(1),
        .type = CVG_WORKLOAD_SLO,
        .app = 0,
        .slo = {.declared = 1U << CVG_SLO_ACCURACY, .accuracy = 0.9}};
    start(&f, 2);
    struct cvg__due due;
    int b = 0, told = 0;
    while (cvg__plan_next(&f.plan, &due)) {
        if (due.type == CVG__DUE_SLO) {
            assert_int_equal(due.at, CVG_S(1));
            assert_int_equal(due.slo.deadline, CVG_MS(50));
            told++;
        } else if (due.app == 0) {
            bool after = due.at >= CVG_S(1);
            assert_int_equal(due.overrides, after ? 1U << CVG_SLO_ACCURACY : 0);
            assert_true(due.slo.accuracy == (after ? 0.9 : 0));
            assert_int_equal(told, after);
        }
        b += due.type == CVG__DUE_REQUEST && due.app == 1;
    }
    assert_true(b == 25 + 15 || b == 25 + 16); /* 50/s for 0.5 s, then 10/s */
    cvg__plan_fini(&f.plan);
}

static void a_trace_brings_its_own_bounds(void **state)
{
    (void)state;
    struct fixture f = make();
    struct cvg_trace_row rows[] = {
        {CVG_MS(1), 0, -1}, {CVG_MS(2), CVG_MS(7), -1}, {CVG_MS(3), 0, 0}};
    f.streams[0] = (struct cvg_stream){
        .app = 0, .process = CVG_TRACE, .rows = rows, .n_rows = 3};
    f.workload.n_streams = 1;
    start(&f, 0);
    struct cvg__due due;
    assert_true(cvg__plan_next(&f.plan, &due));
    assert_int_equal(due.overrides, 0);
    assert_int_equal(due.slo.deadline, CVG_MS(50));
    assert_true(cvg__plan_next(&f.plan, &due));
    assert_int_equal(due.overrides, 1U << CVG_SLO_DEADLINE);
    assert_int_equal(due.slo.deadline, CVG_MS(7));
    assert_true(cvg__plan_next(&f.plan, &due));
    assert_int_equal(due.overrides, 1U << CVG_SLO_ACCURACY);
    assert_false(cvg__plan_next(&f.plan, &due));
    cvg__plan_fini(&f.plan);
}

static void nobody_can_break_a_live_device(void **state)
{
    (void)state;
    struct fixture f = make();
    struct cvg_error err;
    f.events[0] = (struct cvg_workload_event){
        .at = CVG_S(1), .type = CVG_WORKLOAD_SLOWDOWN, .factor = 2};
    start(&f, 0);
    cvg__plan_fini(&f.plan);
    f.workload.n_events = 1;
    assert_int_equal(cvg__plan_init(&f.plan, &f.workload, &f.box, 1, 1, &err),
                     CVG_UNSUPPORTED);
    assert_non_null(strstr(err.text, "'tpu0'"));
    f.events[0].at = CVG_S(5); /* after the end: it never happens */
    assert_int_equal(cvg__plan_init(&f.plan, &f.workload, &f.box, 1, 1, &err),
                     CVG_OK);
    cvg__plan_fini(&f.plan);
}

/* An event that changes conditions alone is nothing to judge by: it is sent
 * along with what comes after. */
static void conditions_are_sent_along(void **state)
{
    (void)state;
    struct fixture f = make();
    struct cvg_conditions set = {.text = "always"};
    f.events[0] = (struct cvg_workload_event){.at = CVG_S(1),
                                              .type = CVG_WORKLOAD_SLO,
                                              .app = 1,
                                              .new_conditions = true,
                                              .conditions = &set};
    start(&f, 1);
    struct cvg__due due;
    int with = 0;
    while (cvg__plan_next(&f.plan, &due)) {
        bool changed = due.app == 1 && due.at >= CVG_S(1);
        assert_int_equal(due.type, CVG__DUE_REQUEST);
        assert_ptr_equal(due.conditions, changed ? &set : NULL);
        with += changed;
    }
    assert_in_range(with, 49, 51);
    cvg__plan_fini(&f.plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_merged_in_order),
        cmocka_unit_test(events_change_what_follows),
        cmocka_unit_test(a_trace_brings_its_own_bounds),
        cmocka_unit_test(nobody_can_break_a_live_device),
        cmocka_unit_test(conditions_are_sent_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* link: -Wl,--wrap=calloc -Wl,--wrap=realloc */
/* The bound of a run, by hand: one device, 10 ms a request. */
#include "optimize/bound.h"
#include "support/failing.h"
#include "support/world.h"

#include <math.h>
#include <stdlib.h>

struct story {
    struct world w;
    struct cvg_app *app;
    struct cvg_stream stream;
    struct cvg_workload_event event;
    struct cvg_workload workload;
    double load;
};

/* 10 s of arrivals at a steady rate, each with 50 ms. */
static void begin(struct story *s, double rate_rps)
{
    memset(s, 0, sizeof *s);
    world_init(&s->w);
    world_device(&s->w, "d0", CVG_FCFS, 1, 1);
    world_variant(&s->w, "v0", 0.9);
    world_profile(&s->w, "v0", "d0", 1, 10, 5);
    assert_int_equal(cvg_profile_finish(s->w.box->profile, NULL), CVG_OK);
    s->app = world_app(&s->w, "a0");
    world_slo_deadline(s->app, CVG_MS(50));
    s->stream =
        (struct cvg_stream){.process = CVG_PERIODIC, .rate_rps = rate_rps};
    s->workload = (struct cvg_workload){.duration = CVG_S(10),
                                        .streams = &s->stream,
                                        .n_streams = 1,
                                        .events = &s->event};
}

static struct cvg_bound bound(const struct story *s)
{
    struct cvg_bound b;
    struct cvg_error err = {.text = ""};
    if (cvg_bound_run(s->w.box, &s->workload, s->load, 1, &b, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    return b;
}

static void check_joint(const struct story *s, double expected)
{
    double joint = bound(s).joint;
    if (fabs(joint - expected) > 1e-5) {
        fail_msg("joint %.9g, not %.9g", joint, expected);
    }
}

static void capacity_is_the_run_and_a_deadline(void **state)
{
    (void)state;
    struct story s;
    begin(&s, 50);
    check_joint(&s, 1);
    s.stream.rate_rps = 200;
    check_joint(&s, 1005.0 / 2000);
    /* the warm-up is left out */
    s.workload.warmup = CVG_S(4);
    check_joint(&s, 605.0 / 1200);
    /* twice the load */
    s.workload.warmup = 0;
    s.load = 2;
    check_joint(&s, 1005.0 / 4000);
    world_fini(&s.w);
}

static void nothing_is_asked_for(void **state)
{
    (void)state;
    struct story s;
    begin(&s, 50);
    s.app->slo.declared = 0;
    assert_true(bound(&s).joint < 0);
    assert_true(bound(&s).joint_weighted < 0);
    world_slo_deadline(s.app, CVG_MS(9)); /* nothing can be met */
    assert_true(bound(&s).joint < 1e-5);
    s.workload.n_streams = 0;
    assert_true(bound(&s).joint < 0);
    world_fini(&s.w);
}

/* Of the 100 requests of two seconds without the device, those are met that
 * still have time when it comes back: five at most. */
static void an_outage_loses_requests(void **state)
{
    (void)state;
    struct story s;
    begin(&s, 50);
    s.event = (struct cvg_workload_event){
        .at = CVG_S(4), .type = CVG_WORKLOAD_DEVICE_DOWN, .length = CVG_S(2)};
    s.workload.n_events = 1;
    double joint = bound(&s).joint;
    assert_true(joint >= 0.80 && joint <= 0.811);
    s.event.length = CVG_NEVER;
    check_joint(&s, 0.4);
    s.event.type = CVG_WORKLOAD_SLOWDOWN;
    s.event.factor = 4; /* 25/s from then on */
    s.event.length = CVG_S(2);
    joint = bound(&s).joint;
    assert_true(joint >= 0.90 && joint <= 0.911);
    world_fini(&s.w);
}

static void an_slo_changes(void **state)
{
    (void)state;
    struct story s;
    begin(&s, 50);
    s.event = (struct cvg_workload_event){
        .at = CVG_S(5),
        .type = CVG_WORKLOAD_SLO,
        .slo = {.declared = 1U << CVG_SLO_ENERGY, .energy_j = 0.001}};
    s.workload.n_events = 1;
    check_joint(&s, 0.5);
    world_fini(&s.w);
}

/* Without a deadline what waits at the end is served yet: a queue of 100. */
static void the_drain_counts_without_a_deadline(void **state)
{
    (void)state;
    struct story s;
    begin(&s, 200);
    s.app->slo.declared = 0;
    world_slo_accuracy(s.app, 0.8);
    s.app->queue_limit = 100;
    check_joint(&s, (1000.0 + 100 + 1) / 2000);
    /* a window's throughput waits for nobody: 10 s, and 3 s of grace */
    world_slo_throughput(s.app, 10);
    check_joint(&s, 1300.0 / 2000);
    world_fini(&s.w);
}

/* 400 at once, then one at 20 s: the first have no use for the time between. */
static void a_burst_has_its_own_window(void **state)
{
    (void)state;
    struct story s;
    begin(&s, 1);
    struct cvg_trace_row rows[401] = {0};
    for (size_t i = 0; i < 401; i++) {
        rows[i].at = i < 400 ? 0 : CVG_S(20);
        rows[i].accuracy = -1;
    }
    s.stream =
        (struct cvg_stream){.process = CVG_TRACE, .rows = rows, .n_rows = 401};
    s.workload.duration = CVG_S(20) + 1;
    s.workload.trace = true;
    double joint = bound(&s).joint;
    assert_true(joint >= (205.0 + 1) / 401 - 1e-6);
    assert_true(joint <= (206.0 + 1) / 401 + 1e-5);
    /* a thousand deadlines are put into few kinds, none too strict */
    for (size_t i = 0; i < 400; i++) {
        rows[i].at = CVG_MS(40) * (cvg_span)i;
        rows[i].deadline = CVG_MS(10) + CVG_US(1) * (cvg_span)i;
    }
    check_joint(&s, 1);
    world_fini(&s.w);
}

static void weights_weigh(void **state)
{
    (void)state;
    struct story s;
    begin(&s, 100);
    world_slo_deadline(world_app(&s.w, "a1"), CVG_MS(50));
    s.w.box->apps[0].weight = 3;
    struct cvg_stream streams[] = {s.stream, s.stream};
    streams[1].app = 1;
    s.workload.streams = streams;
    s.workload.n_streams = 2;
    struct cvg_bound b = bound(&s);
    assert_true(fabs(b.joint - 1005.0 / 2000) < 1e-5);
    assert_true(fabs(b.joint_weighted - (3000.0 + 5) / 4000) < 1e-5);
    world_fini(&s.w);
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    struct story s;
    begin(&s, 200);
    for (long n = 0; n < 1000; n++) {
        struct cvg_bound b;
        struct cvg_error err = {.text = ""};
        fail_at = n;
        enum cvg_status status =
            cvg_bound_run(s.w.box, &s.workload, 1, 1, &b, &err);
        bool done = fail_at >= 0;
        fail_at = -1;
        if (done) {
            assert_int_equal(status, CVG_OK);
            assert_true(n > 5);
            world_fini(&s.w);
            return;
        }
        assert_int_equal(status, CVG_NOMEM);
        assert_true(strlen(err.text) > 0);
    }
    fail_msg("it never succeeded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capacity_is_the_run_and_a_deadline),
        cmocka_unit_test(nothing_is_asked_for),
        cmocka_unit_test(an_outage_loses_requests),
        cmocka_unit_test(an_slo_changes),
        cmocka_unit_test(the_drain_counts_without_a_deadline),
        cmocka_unit_test(a_burst_has_its_own_window),
        cmocka_unit_test(weights_weigh),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

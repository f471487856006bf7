/* link: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/* What happens in a run: arrivals, faults, changes, the warm-up, the end. */
#include "support/world.h"
#include <math.h>
#include <stdlib.h>

/* --- allocations are counted, and fail when asked to ---------------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static long allocations;
static long fail_at = -1; /* this many succeed, the next one fails */

static bool fails(void)
{
    allocations++;
    return fail_at >= 0 && fail_at-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

/* --- a small world -------------------------------------------------------- */

/* One device, one variant, one app. */
static void begin(struct world *w, double ms)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "d0", 1, ms, 5);
    world_app(w, "a0");
}

/* All rows are of app 0. */
static struct cvg_stream trace_of(struct cvg_trace_row *rows, size_t n)
{
    return (struct cvg_stream){.process = CVG_TRACE, .rows = rows, .n_rows = n};
}

static const struct cvg_stats *run(struct world *w,
                                   const struct cvg_workload *workload)
{
    w->workload = workload;
    world_start(w, "fifo");
    cvg_sim_run(w->sim);
    return cvg_sim_stats(w->sim);
}

static void assert_near(double value, double wanted, double within)
{
    if (!(fabs(value - wanted) <= within)) {
        fail_msg("%g is not within %g of %g", value, within, wanted);
    }
}

static struct cvg_workload_event device_event(double at_ms,
                                              enum cvg_workload_event_type type,
                                              double length_ms, double factor)
{
    return (struct cvg_workload_event){
        .at = (cvg_span)(at_ms * 1e6),
        .type = type,
        .length = length_ms > 0 ? (cvg_span)(length_ms * 1e6) : CVG_NEVER,
        .factor = factor};
}

/* --- deadlines ------------------------------------------------------------ */

/* A window stays open for the longest deadline of any request: here its two
 * requests are answered 29 s and 44 s after it began, on time. */
static void check_late_windows(cvg_span by_row, bool by_event)
{
    struct world w;
    begin(&w, 15000);
    world_slo_throughput(&w.box->apps[0], 2);
    struct cvg_trace_row rows[] = {{CVG_S(0), by_row, -1},
                                   {CVG_S(1), by_row, -1},
                                   {CVG_S(1), by_row, -1},
                                   {CVG_S(29), by_row, -1}};
    struct cvg_stream stream = trace_of(rows, 4);
    struct cvg_workload_event event = {
        .type = CVG_WORKLOAD_SLO,
        .slo = {.declared = 1U << CVG_SLO_DEADLINE, .deadline = CVG_S(60)}};
    struct cvg_workload workload = {.duration = CVG_S(30),
                                    .streams = &stream,
                                    .n_streams = 1,
                                    .events = &event,
                                    .n_events = by_event};
    const struct cvg_stats *stats = run(&w, &workload);
    assert_int_equal(stats->apps[0].counts.served, 4);
    assert_int_equal(stats->apps[0].slo.met[CVG_SLO_THROUGHPUT], 4);
    world_fini(&w);
}

static void windows_wait_for_the_longest_deadline(void **state)
{
    (void)state;
    check_late_windows(CVG_S(60), false);
    check_late_windows(0, true);
}

/* --- faults --------------------------------------------------------------- */

static void a_device_is_down_for_a_time(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 10);
    struct cvg_trace_row rows[] = {{CVG_MS(0), 0, -1}, {CVG_MS(30), 0, -1}};
    struct cvg_stream stream = trace_of(rows, 2);
    struct cvg_workload_event events[] = {
        device_event(4, CVG_WORKLOAD_DEVICE_DOWN, 20, 0)};
    struct cvg_workload workload = {.duration = CVG_MS(40),
                                    .streams = &stream,
                                    .n_streams = 1,
                                    .events = events,
                                    .n_events = 1};
    run(&w, &workload);
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  24] load v0 on d0\n"
                    "[  24] start r1 v0 on d0\n"
                    "[  34] reply r1\n"
                    "[  34] start r2 v0 on d0\n"
                    "[  44] reply r2\n");
    world_fini(&w);
}

/* The engine hears of a batch only after the overhead; until then its place in
 * the device is empty. A batch whose device goes down in between is lost. */
static void a_batch_is_handed_over(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 10);
    w.overhead = CVG_MS(2);
    struct cvg_trace_row rows[] = {
        {CVG_MS(0), 0, -1}, {CVG_MS(1), 0, -1}, {CVG_MS(35), 0, -1}};
    struct cvg_stream stream = trace_of(rows, 3);
    struct cvg_workload_event events[] = {
        device_event(46, CVG_WORKLOAD_DEVICE_DOWN, 4, 0)};
    struct cvg_workload workload = {.duration = CVG_MS(60),
                                    .streams = &stream,
                                    .n_streams = 1,
                                    .events = events,
                                    .n_events = 1};
    const struct cvg_stats *stats = run(&w, &workload);
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  12] reply r1\n"
                    "[  12] start r2 v0 on d0\n"
                    "[  24] reply r2\n"
                    "[  35] start r3 v0 on d0\n"
                    "[  50] load v0 on d0\n"
                    "[  50] start r3 v0 on d0\n"
                    "[  62] reply r3\n");
    assert_int_equal(stats->apps[0].counts.served, 3);
    world_fini(&w);
}

/* What was said last of a device holds; the end of what was said before it
 * changes nothing. */
static void the_last_word_on_a_device_holds(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 10);
    struct cvg_trace_row rows[] = {{CVG_MS(0), 0, -1}};
    struct cvg_stream stream = trace_of(rows, 1);
    struct cvg_workload_event events[] = {
        device_event(2, CVG_WORKLOAD_DEVICE_DOWN, 10, 0),
        device_event(8, CVG_WORKLOAD_DEVICE_DOWN, 50, 0), /* to 58, not 12 */
        device_event(20, CVG_WORKLOAD_SLOWDOWN, 43, 3),
        device_event(30, CVG_WORKLOAD_SLOWDOWN, 0, 2), /* not 1 from 63 on */
    };
    struct cvg_workload workload = {.duration = CVG_MS(60),
                                    .streams = &stream,
                                    .n_streams = 1,
                                    .events = events,
                                    .n_events = 4};
    run(&w, &workload);
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  58] load v0 on d0\n"
                    "[  58] start r1 v0 on d0\n"
                    "[  78] reply r1\n");
    world_fini(&w);
}

static void a_slowdown_lasts_its_time(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 10);
    struct cvg_trace_row rows[] = {{CVG_MS(0), 0, -1}, {CVG_MS(50), 0, -1}};
    struct cvg_stream stream = trace_of(rows, 2);
    struct cvg_workload_event events[] = {
        device_event(5, CVG_WORKLOAD_SLOWDOWN, 4, 2)};
    struct cvg_workload workload = {.duration = CVG_MS(60),
                                    .streams = &stream,
                                    .n_streams = 1,
                                    .events = events,
                                    .n_events = 1};
    run(&w, &workload);
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[  12] reply r1\n"
                    "[  50] start r2 v0 on d0\n"
                    "[  60] reply r2\n");
    world_fini(&w);
}

/* A load that a failure cut short begins anew; its old end means nothing. */
static void a_failure_cuts_a_load_short(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1)->resident = 1;
    world_variant(&w, "v0", 0.9);
    world_variant(&w, "v1", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 5);
    world_profile(&w, "v1", "d0", 1, 10, 5);
    cvg_profile_set_load(w.box->profile, 0, 0, CVG_MS(100));
    cvg_profile_set_load(w.box->profile, 1, 0, CVG_MS(100));
    world_app(&w, "a0");
    world_start(&w, "fifo");
    struct cvg_arrival named = {.variant = 1};
    world_arrive_with(&w, 0, &named);
    world_device_state(&w, CVG_MS(40), "d0", false);
    world_device_state(&w, CVG_MS(60), "d0", true);
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] unload v0 on d0\n"
                    "[   0] load v1 on d0\n"
                    "[  60] load v1 on d0\n"
                    "[ 160] start r1 v1 on d0\n"
                    "[ 170] reply r1\n");
    world_fini(&w);
}

/* Both are busy from 5 ms on, until the first one ends. */
static void contention_slows_both(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_device(&w, "d1", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_variant(&w, "v1", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 5);
    world_profile(&w, "v1", "d1", 1, 10, 5);
    world_app(&w, "a0");
    w.box->contention = calloc(1, sizeof *w.box->contention);
    w.box->n_contention = 1;
    uint32_t *both = calloc(2, sizeof *both);
    both[1] = 1;
    w.box->contention[0] =
        (struct cvg_contention){.devices = both, .n_devices = 2, .slowdown = 2};
    world_start(&w, "fifo");
    world_arrive_with(&w, 0, &(struct cvg_arrival){.variant = 0});
    world_arrive_with(&w, CVG_MS(5), &(struct cvg_arrival){.variant = 1});
    world_run_until(&w, CVG_S(1));
    CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
                    "[   5] start r2 v1 on d1\n"
                    "[  15] reply r1\n"
                    "[  20] reply r2\n");
    world_fini(&w);
}

/* --- rates ---------------------------------------------------------------- */

/* While its rate is 0 nothing is there to be done, but the run goes on. */
static void a_silent_app_speaks_again(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 1);
    struct cvg_stream stream = {.process = CVG_PERIODIC, .rate_rps = 10};
    struct cvg_workload_event events[] = {
        {.at = CVG_S(10), .type = CVG_WORKLOAD_RATE, .rate_rps = 0},
        {.at = CVG_S(50), .type = CVG_WORKLOAD_RATE, .rate_rps = 20}};
    struct cvg_workload workload = {.duration = CVG_S(60),
                                    .streams = &stream,
                                    .n_streams = 1,
                                    .events = events,
                                    .n_events = 2};
    w.load = 2;
    const struct cvg_stats *stats = run(&w, &workload);
    assert_near((double)stats->apps[0].counts.offered, 200 + 400, 2);
    world_fini(&w);
}

/* A trace in place of a workload is played faster, and is over earlier. */
static void a_trace_at_twice_its_load(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 10);
    struct cvg_trace_row rows[] = {{CVG_MS(0), 0, -1}, {CVG_MS(999), 0, -1}};
    struct cvg_stream stream = trace_of(rows, 2);
    struct cvg_workload workload = {.duration = CVG_MS(1000),
                                    .streams = &stream,
                                    .n_streams = 1,
                                    .trace = true};
    w.load = 2;
    const struct cvg_stats *stats = run(&w, &workload);
    assert_int_equal(stats->apps[0].counts.served, 2);
    assert_int_equal(cvg_sim_measured(w.sim), CVG_MS(500) + 1);
    assert_int_equal(cvg_sim_elapsed(w.sim), CVG_US(509500));
    world_fini(&w);
}

/* --- what is measured ----------------------------------------------------- */

/* Two requests of 10 ms before the end of the warm-up at 55 ms (of the second
 * one 5 ms are left), one after it, and 15 ms of draining. */
static void the_warm_up_is_left_out(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 10);
    w.box->devices[0].idle_w = 1;
    struct cvg_trace_row rows[] = {{CVG_MS(0), 0, -1},
                                   {CVG_MS(50), 0, -1},
                                   {CVG_MS(95), 0, -1},
                                   {CVG_MS(95), 0, -1}};
    struct cvg_stream stream = trace_of(rows, 4);
    struct cvg_workload workload = {.duration = CVG_MS(100),
                                    .warmup = CVG_MS(55),
                                    .streams = &stream,
                                    .n_streams = 1};
    const struct cvg_stats *stats = run(&w, &workload);
    assert_int_equal(stats->apps[0].counts.offered, 2);
    assert_int_equal(stats->apps[0].counts.served, 2);
    assert_int_equal(stats->devices[0].batches, 2);
    assert_int_equal(stats->devices[0].busy, CVG_MS(25));
    assert_int_equal(cvg_sim_measured(w.sim), CVG_MS(45));
    assert_int_equal(cvg_sim_elapsed(w.sim), CVG_MS(60));
    world_fini(&w);
}

/* 10 ms each, due after 25 ms. The fcfs device is late with the third one only;
 * when three share it each has a third of it, and all are late. */
static void check_late_work(enum cvg_discipline discipline, cvg_span late)
{
    struct world w;
    begin(&w, 10);
    w.box->devices[0].discipline = discipline;
    w.box->devices[0].in_flight = 3;
    struct cvg_trace_row rows[] = {{CVG_MS(0), CVG_MS(25), -1},
                                   {CVG_MS(0), CVG_MS(25), -1},
                                   {CVG_MS(0), CVG_MS(25), -1}};
    struct cvg_stream stream = trace_of(rows, 3);
    struct cvg_workload workload = {
        .duration = CVG_MS(100), .streams = &stream, .n_streams = 1};
    const struct cvg_stats *stats = run(&w, &workload);
    assert_int_equal(stats->apps[0].counts.served, 3);
    assert_int_equal(stats->devices[0].worked, CVG_MS(30));
    assert_int_equal(stats->devices[0].worked_late, late);
    world_fini(&w);
}

static void late_work_is_counted(void **state)
{
    (void)state;
    check_late_work(CVG_FCFS, CVG_MS(10));
    check_late_work(CVG_PROCESSOR_SHARING, CVG_MS(30));
}

/* A device that comes back long after is not waited for. */
static void the_end_is_the_last_answer(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 10);
    struct cvg_trace_row rows[] = {{CVG_MS(0), 0, -1}};
    struct cvg_stream stream = trace_of(rows, 1);
    struct cvg_workload_event events[] = {
        device_event(20, CVG_WORKLOAD_DEVICE_DOWN, 3600e3, 0)};
    struct cvg_workload workload = {.duration = CVG_MS(30),
                                    .streams = &stream,
                                    .n_streams = 1,
                                    .events = events,
                                    .n_events = 1};
    run(&w, &workload);
    assert_int_equal(cvg_sim_elapsed(w.sim), CVG_MS(30));
    world_fini(&w);
}

static void a_run_without_arrivals_ends(void **state)
{
    (void)state;
    struct world w;
    begin(&w, 10);
    struct cvg_workload workload = {.duration = CVG_S(30), .warmup = CVG_S(5)};
    const struct cvg_stats *stats = run(&w, &workload);
    assert_int_equal(stats->apps[0].counts.offered, 0);
    assert_int_equal(cvg_sim_elapsed(w.sim), CVG_S(25));
    world_fini(&w);
}

/* --- whole runs ----------------------------------------------------------- */

/* Two devices, faults, noise and four kinds of arrivals. */
static void begin_busy(struct world *w)
{
    world_init(w);
    world_device(w, "d0", CVG_PROCESSOR_SHARING, 2, 3)->resident = 1;
    world_device(w, "d1", CVG_FCFS, 1, 2)->has_switch = true;
    w->box->devices[1].switch_fixed = CVG_MS(1);
    world_variant(w, "v0", 0.8);
    world_variant(w, "v1", 0.9);
    for (uint32_t v = 0; v < 2; v++) {
        for (uint32_t d = 0; d < 2; d++) {
            struct cvg_profile_point p = {.batch = 1,
                                          .mean = CVG_MS(4 + v + d),
                                          .p50 = CVG_MS(4 + v + d),
                                          .p95 = CVG_MS(5 + v + d),
                                          .p99 = CVG_MS(6 + v + d),
                                          .energy_j = 0.01};
            if (w->box->profile == NULL) {
                assert_int_equal(
                    cvg_profile_create(2, 2, &w->box->profile, NULL), CVG_OK);
            }
            assert_int_equal(
                cvg_profile_add(w->box->profile, v, 0, d, &p, NULL), CVG_OK);
        }
        cvg_profile_set_load(w->box->profile, v, 0, CVG_MS(20));
    }
    const char *const names[] = {"a0", "a1", "a2", "a3"};
    for (uint32_t a = 0; a < 4; a++) {
        struct cvg_app *app = world_app(w, names[a]);
        world_slo_deadline(app, CVG_MS(40));
        world_slo_accuracy(app, a % 2 == 0 ? 0.75 : 0.85);
    }
}

static const struct cvg_stream busy_streams[] = {
    {.app = 0, .process = CVG_POISSON, .rate_rps = 150},
    {.app = 1, .process = CVG_PERIODIC, .rate_rps = 100, .jitter = CVG_MS(3)},
    {.app = 2, .process = CVG_GAMMA, .rate_rps = 60, .shape = 0.5},
    {.app = 3,
     .process = CVG_MMPP,
     .n_states = 2,
     .rates_rps = {20, 200},
     .stay = {CVG_S(1), CVG_MS(200)}},
};

/* Faults overlap: 20 s of every 30 something is wrong. */
static void fill_faults(struct cvg_workload_event *events, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        events[i] = device_event((double)i * 7000,
                                 i % 3 == 0   ? CVG_WORKLOAD_DEVICE_DOWN
                                 : i % 3 == 1 ? CVG_WORKLOAD_SLOWDOWN
                                              : CVG_WORKLOAD_DEVICE_UP,
                                 i % 3 == 2 ? 0 : 20000, 1.5);
        events[i].device = (uint32_t)(i / 3 % 2);
    }
}

#define FAULTS 8

static struct cvg_workload busy_workload(struct cvg_workload_event *events)
{
    fill_faults(events, FAULTS);
    return (struct cvg_workload){
        .duration = CVG_S(60),
        .warmup = CVG_S(3),
        .streams = (struct cvg_stream *)busy_streams,
        .n_streams = sizeof busy_streams / sizeof *busy_streams,
        .events = events,
        .n_events = FAULTS,
    };
}

/* However long it is, a run lives on what it was created with. */
static void a_run_allocates_nothing(void **state)
{
    (void)state;
    struct world w;
    struct cvg_workload_event events[FAULTS];
    struct cvg_workload workload = busy_workload(events);
    begin_busy(&w);
    w.workload = &workload;
    world_start(&w, "allocation=none"); /* plans are made off the loop */
    allocations = 0;
    cvg_sim_run(w.sim);
    assert_int_equal(allocations, 0);
    assert_true(cvg_sim_stats(w.sim)->apps[0].counts.served > 5000);
    world_fini(&w);
}

struct summary { /* of a run, enough to tell two apart */
    uint64_t steps;
    double energy_j, latency;
    uint64_t counts[4][4];
    char trace[1 << 16];
};

static void summarise(struct world *w, struct summary *out)
{
    const struct cvg_stats *s = cvg_sim_stats(w->sim);
    memset(out, 0, sizeof *out);
    out->steps = s->steps;
    out->energy_j = s->devices[0].energy_j + s->devices[1].energy_j;
    for (size_t a = 0; a < 4; a++) {
        out->counts[a][0] = s->apps[a].counts.served;
        out->counts[a][1] = s->apps[a].counts.dropped;
        out->counts[a][2] = s->apps[a].slo.joint_met;
        out->counts[a][3] = s->apps[a].counts.on_time;
    }
    memcpy(out->trace, w->trace, w->used);
}

/* In pieces of so many ns; 0: as a whole. */
static void run_busy(uint64_t seed, double load, cvg_span piece,
                     struct summary *out)
{
    static struct world w;
    struct cvg_workload_event events[FAULTS];
    struct cvg_workload workload = busy_workload(events);
    begin_busy(&w);
    w.workload = &workload;
    w.seed = seed;
    w.load = load;
    world_start(&w, "convergo");
    if (piece == 0) {
        cvg_sim_run(w.sim);
    } else {
        for (cvg_time t = piece; cvg_sim_advance(w.sim, t);) {
            t += piece;
        }
        cvg_sim_finish(w.sim);
    }
    summarise(&w, out);
    world_fini(&w);
}

static void equal_options_give_equal_runs(void **state)
{
    (void)state;
    static struct summary a, b;
    run_busy(5, 1, 0, &a);
    run_busy(5, 1, 0, &b);
    assert_memory_equal(&a, &b, sizeof a);
    run_busy(5, 1, CVG_US(12345), &b);
    assert_memory_equal(&a, &b, sizeof a);
    run_busy(6, 1, 0, &b);
    assert_memory_not_equal(&a, &b, sizeof a);
    run_busy(5, 1.01, 0, &b);
    assert_memory_not_equal(&a, &b, sizeof a);
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    struct world w;
    struct cvg_workload_event events[FAULTS];
    struct cvg_workload workload = busy_workload(events);
    struct cvg_error err;
    struct cvg_sim *sim = NULL;
    long n = 0;
    begin_busy(&w);
    assert_int_equal(cvg_profile_finish(w.box->profile, NULL), CVG_OK);
    assert_int_equal(cvg_policy_parse("edf", NULL, &w.policy, NULL), CVG_OK);
    struct cvg_sim_options options = {
        .box = w.box, .workload = &workload, .policy = &w.policy};
    for (enum cvg_status status = CVG_NOMEM; status != CVG_OK; n++) {
        fail_at = n;
        status = cvg_sim_create(&options, &sim, &err);
        fail_at = -1;
        assert_true(status == CVG_OK || status == CVG_NOMEM);
    }
    assert_true(n > 20);
    cvg_sim_destroy(sim);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_wait_for_the_longest_deadline),
        cmocka_unit_test(a_device_is_down_for_a_time),
        cmocka_unit_test(a_batch_is_handed_over),
        cmocka_unit_test(the_last_word_on_a_device_holds),
        cmocka_unit_test(a_slowdown_lasts_its_time),
        cmocka_unit_test(a_failure_cuts_a_load_short),
        cmocka_unit_test(contention_slows_both),
        cmocka_unit_test(a_silent_app_speaks_again),
        cmocka_unit_test(a_trace_at_twice_its_load),
        cmocka_unit_test(the_warm_up_is_left_out),
        cmocka_unit_test(late_work_is_counted),
        cmocka_unit_test(the_end_is_the_last_answer),
        cmocka_unit_test(a_run_without_arrivals_ends),
        cmocka_unit_test(a_run_allocates_nothing),
        cmocka_unit_test(equal_options_give_equal_runs),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

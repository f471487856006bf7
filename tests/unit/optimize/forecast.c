/* link: -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=malloc */
/* Fits, pieces of a workload, and forecasts, on boxes that can be reckoned by
 * hand. */
#include "optimize/forecast.h"
#include "optimize/fit.h"
#include "support/world.h"

#include <math.h>
#include <stdlib.h>

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);

static long fail_at = -1; /* this many succeed, the next one fails */

static bool fails(void)
{
    return fail_at >= 0 && fail_at-- == 0;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

static void assert_near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-6 * fmax(1, fabs(b)))) {
        fail_msg("%.9g is not %.9g", a, b);
    }
}

/* Two devices that switch, two variants, an app for each: small takes 5 ms,
 * large 10 ms, a switch 20 ms. */
static void begin(struct world *w)
{
    world_init(w);
    for (int i = 0; i < 2; i++) {
        struct cvg_device *d =
            world_device(w, i == 0 ? "d0" : "d1", CVG_FCFS, 1, 1);
        d->has_switch = true;
        d->switch_fixed = CVG_MS(20);
    }
    world_variant(w, "small", 0.7);
    world_variant(w, "large", 0.9);
    for (int i = 0; i < 2; i++) {
        world_profile(w, "small", i == 0 ? "d0" : "d1", 1, 5, 1);
        world_profile(w, "large", i == 0 ? "d0" : "d1", 1, 10, 1);
    }
    world_slo_accuracy(world_app(w, "quick"), 0.7);
    world_slo_accuracy(world_app(w, "good"), 0.9);
    assert_int_equal(cvg_profile_finish(w->box->profile, NULL), CVG_OK);
}

static struct cvg_fluid_demand demand_of(const struct world *w,
                                         const double *rates)
{
    return (struct cvg_fluid_demand){
        .box = w->box, .apps = w->box->apps, .rates_rps = rates};
}

static double flow_of(const struct cvg_fit *fit, uint32_t app)
{
    double sum = 0;
    for (size_t i = 0; i < fit->n_flows; i++) {
        sum += fit->flows[i].flow.app == app ? fit->flows[i].flow.rate_rps : 0;
    }
    return sum;
}

static void fits(void **state)
{
    (void)state;
    struct world w;
    struct cvg_fit fit;
    const double rates[] = {100, 50}; /* half a unit each */
    begin(&w);
    struct cvg_fluid_demand demand = demand_of(&w, rates);
    assert_int_equal(cvg_fit(&demand, CVG_FIT_FREE, CVG_ANY, &fit, NULL),
                     CVG_OK);
    assert_near(fit.factor, 2);
    assert_near(fit.price[0], 1);
    assert_near(fit.price[1], 1);
    assert_near(flow_of(&fit, 0), 200);
    assert_near(flow_of(&fit, 1), 100);
    cvg_fit_fini(&fit);
    /* The others stay: half a unit is theirs. */
    assert_int_equal(cvg_fit(&demand, CVG_FIT_FREE, 0, &fit, NULL), CVG_OK);
    assert_near(fit.factor, 3);
    assert_near(flow_of(&fit, 0), 300);
    assert_near(flow_of(&fit, 1), 50);
    cvg_fit_fini(&fit);
    /* Each unit holds one: large on both would do for quick, too. */
    assert_int_equal(cvg_fit(&demand, CVG_FIT_HELD, CVG_ANY, &fit, NULL),
                     CVG_OK);
    assert_near(fit.factor, 2);
    for (size_t i = 0; i < fit.n_flows; i++) {
        assert_int_equal(fit.flows[i].unit, 0);
    }
    assert_near(flow_of(&fit, 0), 200);
    cvg_fit_fini(&fit);
    world_fini(&w);
}

static void others_that_are_too_much(void **state)
{
    (void)state;
    struct world w;
    struct cvg_fit fit;
    const double rates[] = {1, 250};
    begin(&w);
    struct cvg_fluid_demand demand = demand_of(&w, rates);
    assert_int_equal(cvg_fit(&demand, CVG_FIT_FREE, 0, &fit, NULL), CVG_LIMIT);
    world_fini(&w);
}

/* Held: one model a unit, so nothing switches. What does not fit like that is
 * predicted with switches. */
static void forecast_times(void **state)
{
    (void)state;
    struct world w;
    struct cvg_forecast f;
    double rates[] = {100, 50};
    begin(&w);
    struct cvg_fluid_demand demand = demand_of(&w, rates);
    assert_int_equal(cvg_forecast_of(&demand, CVG_PREDICT_EXACT, &f, NULL),
                     CVG_OK);
    assert_true(f.outlook.fits);
    assert_near(f.outlook.factor, 2);
    assert_near(f.load_one.factor, 2);
    assert_near(f.apps[0].headroom, 3);
    assert_near(f.apps[1].headroom, 3);
    assert_near(f.devices[0].rho, 0.5);
    assert_near(f.apps[0].mean_s, 0.0025 * 1.5 / 0.5); /* M/D/1 */
    assert_near(f.apps[1].mean_s, 0.005 * 1.5 / 0.5);
    cvg_forecast_fini(&f);
    demand.slowdown = (const double[]){1, INFINITY};
    rates[0] = rates[1] = 10;
    assert_int_equal(cvg_forecast_of(&demand, CVG_PREDICT_EXACT, &f, NULL),
                     CVG_OK);
    assert_true(f.outlook.fits);
    for (size_t i = 0; i < f.n_shares; i++) {
        assert_int_equal(f.shares[i].flow.device, 0);
    }
    cvg_forecast_fini(&f);
    world_fini(&w);
}

/* An app without SLO asks for nothing, but is served, and so slows others. */
static void without_slo(void **state)
{
    (void)state;
    struct world w;
    struct cvg_forecast f;
    const double rates[] = {100, 50};
    begin(&w);
    w.box->apps[0].slo.declared = 0;
    struct cvg_fluid_demand demand = demand_of(&w, rates);
    assert_int_equal(cvg_forecast_of(&demand, CVG_PREDICT_EXACT, &f, NULL),
                     CVG_OK);
    assert_near(f.outlook.factor, 4); /* of the other */
    assert_true(f.apps[0].mean_s > 0.005);
    assert_true(f.apps[0].headroom < 0);
    cvg_forecast_fini(&f);
    world_fini(&w);
}

/* Each slows the other while that is busy. */
static void contention(void **state)
{
    (void)state;
    struct world w;
    struct cvg_forecast f;
    const double rates[] = {100, 50};
    begin(&w);
    w.box->contention = calloc(1, sizeof *w.box->contention);
    assert_non_null(w.box->contention);
    uint32_t *both = calloc(2, sizeof *both);
    assert_non_null(both);
    both[1] = 1;
    w.box->contention[0] =
        (struct cvg_contention){.devices = both, .n_devices = 2, .slowdown = 2};
    w.box->n_contention = 1;
    struct cvg_fluid_demand demand = demand_of(&w, rates);
    assert_int_equal(cvg_forecast_of(&demand, CVG_PREDICT_EXACT, &f, NULL),
                     CVG_OK);
    /* r = (1 + r) / 2 at its fixed point 1; a few rounds come near. */
    assert_true(f.devices[0].rho > 0.75 && f.devices[0].rho < 1);
    cvg_forecast_fini(&f);
    world_fini(&w);
}

static void pieces(void **state)
{
    (void)state;
    struct world w;
    struct cvg_pieces p;
    struct cvg_stream streams[] = {
        {.app = 0, .process = CVG_POISSON, .rate_rps = 10},
        {.app = 1,
         .process = CVG_MMPP,
         .n_states = 2,
         .rates_rps = {10, 70},
         .stay = {CVG_S(2), CVG_S(1)}}};
    struct cvg_workload_event events[] = {
        {.at = CVG_S(1), .type = CVG_WORKLOAD_RATE, .app = 0, .rate_rps = 5},
        {.at = CVG_S(4),
         .type = CVG_WORKLOAD_SLOWDOWN,
         .device = 1,
         .factor = 2,
         .length = CVG_S(2)},
        {.at = CVG_S(7),
         .type = CVG_WORKLOAD_SLO,
         .app = 1,
         .slo = {.declared = 1U << CVG_SLO_DEADLINE, .deadline = CVG_MS(9)}},
        {.at = CVG_S(8), .type = CVG_WORKLOAD_RATE, .app = 0, .rate_rps = 5},
    };
    struct cvg_workload workload = {.duration = CVG_S(10),
                                    .warmup = CVG_S(2),
                                    .streams = streams,
                                    .n_streams = 2,
                                    .events = events,
                                    .n_events = 4};
    begin(&w);
    assert_int_equal(cvg_pieces_of(w.box, &workload, &p, NULL), CVG_OK);
    assert_int_equal(p.n, 4);
    assert_true(p.has_states && p.has_arrivals && !p.from_trace);
    const cvg_span cuts[] = {CVG_S(2), CVG_S(4), CVG_S(6), CVG_S(7), CVG_S(10)};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(p.items[i].from, cuts[i]);
        assert_int_equal(p.items[i].until, cuts[i + 1]);
        assert_near(p.items[i].rates_rps[0], 5);
        assert_near(p.items[i].rates_rps[1], 30);
        assert_near(p.items[i].peak_rps[1], 70);
        assert_near(p.items[i].slowdown[1], i == 1 ? 2 : 1);
        assert_int_equal(cvg_slo_has(&p.items[i].slos[1], CVG_SLO_DEADLINE),
                         i == 3);
    }
    cvg_pieces_fini(&p);
    world_fini(&w);
}

/* Windows of two seconds at least; the last one is never shorter. */
static void windows_of_a_trace(void **state)
{
    (void)state;
    struct world w;
    struct cvg_pieces p;
    struct cvg_trace_row rows[70];
    struct cvg_stream stream = {
        .app = 1, .process = CVG_TRACE, .rows = rows, .n_rows = 70};
    struct cvg_workload workload = {.duration = CVG_S(7),
                                    .trace = true,
                                    .streams = &stream,
                                    .n_streams = 1};
    for (int i = 0; i < 70; i++) {
        rows[i] = (struct cvg_trace_row){.at = i * CVG_MS(100), .accuracy = -1};
    }
    rows[0].deadline = CVG_MS(5);
    for (int i = 0; i < 10; i++) {
        rows[20 + i].at = CVG_S(2); /* a burst, of the same mean */
    }
    begin(&w);
    assert_int_equal(cvg_pieces_of(w.box, &workload, &p, NULL), CVG_OK);
    assert_int_equal(p.n, 1); /* all alike */
    assert_near(p.items[0].rates_rps[1], 10);
    assert_true(p.from_trace && p.own_bounds);
    cvg_pieces_fini(&p);
    rows[20].at = CVG_S(1);
    assert_int_equal(cvg_pieces_of(w.box, &workload, &p, NULL), CVG_OK);
    assert_int_equal(p.n, 3);
    assert_near(p.items[0].rates_rps[1], 10.5);
    assert_near(p.items[1].rates_rps[1], 9.5);
    assert_int_equal(p.items[2].until, CVG_S(7));
    cvg_pieces_fini(&p);
    workload.duration = 1; /* one request is no rush */
    stream.n_rows = 1;
    assert_int_equal(cvg_pieces_of(w.box, &workload, &p, NULL), CVG_OK);
    assert_near(p.items[0].rates_rps[1], 1);
    cvg_pieces_fini(&p);
    world_fini(&w);
}

static void too_many_pieces(void **state)
{
    (void)state;
    struct world w;
    struct cvg_pieces p;
    struct cvg_error err;
    enum { N = 300 };
    struct cvg_workload_event events[N];
    struct cvg_stream stream = {
        .app = 0, .process = CVG_POISSON, .rate_rps = 10};
    struct cvg_workload workload = {.duration = CVG_S(1000),
                                    .streams = &stream,
                                    .n_streams = 1,
                                    .events = events,
                                    .n_events = N};
    for (int i = 0; i < N; i++) {
        events[i] = (struct cvg_workload_event){.at = CVG_S(i + 1),
                                                .type = CVG_WORKLOAD_RATE,
                                                .rate_rps = i % 2 + 1};
    }
    begin(&w);
    assert_int_equal(cvg_pieces_of(w.box, &workload, &p, &err), CVG_INVALID);
    assert_non_null(strstr(err.text, "more than 256 times"));
    world_fini(&w);
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    struct world w;
    struct cvg_error err;
    const double rates[] = {300, 150}; /* too much: all parts are asked for */
    begin(&w);
    struct cvg_fluid_demand demand = demand_of(&w, rates);
    long n = 0;
    enum cvg_status status = CVG_NOMEM;
    for (; status == CVG_NOMEM; n++) {
        struct cvg_forecast f;
        fail_at = n;
        status = cvg_forecast_of(&demand, CVG_PREDICT_EXACT, &f, &err);
        fail_at = -1;
        if (status == CVG_OK) {
            assert_false(f.outlook.fits);
            cvg_forecast_fini(&f);
        }
        assert_true(status == CVG_OK || status == CVG_NOMEM);
    }
    assert_true(n > 50);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits),
        cmocka_unit_test(others_that_are_too_much),
        cmocka_unit_test(forecast_times),
        cmocka_unit_test(without_slo),
        cmocka_unit_test(contention),
        cmocka_unit_test(pieces),
        cmocka_unit_test(windows_of_a_trace),
        cmocka_unit_test(too_many_pieces),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

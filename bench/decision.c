/* What one scheduling step costs: 8 variants x 8 devices, 10,000 queued.
 *
 * A saturated run on a virtual clock under policy `convergo`: arrivals and
 * ends of batches, each step timed from the event to the actions. Allocations
 * within steps are counted by taking the place of the C library's allocator.
 *
 *     bench_decision [--json FILE] [--policy P] [--queued N] [--steps N] */
#include "base/histogram.h"
#include "base/rng.h"
#include "bench/result.h"
#include <convergo/engine.h>
#include <convergo/policy.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEVICES 8U
#define VARIANTS 8U
#define APPS 4U
#define MAX_BATCH 8U

/* --- counting allocations ------------------------------------------------- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static uint64_t allocations;

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    allocations++;
    return __libc_realloc(p, size);
}

/* --- the box -------------------------------------------------------------- */

static char *name_of(const char *kind, size_t k)
{
    char text[32];
    snprintf(text, sizeof text, "%s%zu", kind, k);
    return strdup(text);
}

static void add_devices(struct cvg_box *box)
{
    box->devices = calloc(DEVICES, sizeof *box->devices);
    box->n_devices = DEVICES;
    for (size_t d = 0; d < DEVICES; d++) {
        box->devices[d] = (struct cvg_device){
            .name = name_of("device", d),
            .backend = strdup("emulated"),
            .discipline = d % 4 == 0 ? CVG_PROCESSOR_SHARING : CVG_FCFS,
            .units = 1,
            .in_flight = d % 4 == 0 ? 2 : 1,
            .threads = 1,
            .memory_bytes = UINT64_MAX,
            .resident = UINT32_MAX,
            .has_cache = d % 4 == 3,
            .cache_bytes = 8 << 20,
            .has_switch = d % 4 == 3,
            .switch_fixed = CVG_MS(2),
            .switch_ns_per_mib = 2.4e6,
        };
    }
}

static void add_variants(struct cvg_box *box)
{
    struct cvg_family *f = calloc(1, sizeof *f);
    f->name = strdup("family");
    f->metric = strdup("top1");
    f->variants = calloc(VARIANTS, sizeof *f->variants);
    f->n_variants = VARIANTS;
    box->families = f;
    box->n_families = 1;
    box->variants = calloc(VARIANTS, sizeof *box->variants);
    box->n_variants = VARIANTS;
    for (uint32_t v = 0; v < VARIANTS; v++) {
        f->variants[v] = v;
        box->variants[v] = (struct cvg_variant){
            .name = name_of("variant", v),
            .n_exits = 1,
            .accuracy = {0.6 + 0.04 * v},
            .weights_bytes = (uint64_t)(v + 1) << 20,
            .memory_bytes = (uint64_t)(v + 1) << 20,
        };
    }
}

static void add_profile(struct cvg_box *box)
{
    cvg_profile_create(VARIANTS, DEVICES, &box->profile, NULL);
    for (uint32_t v = 0; v < VARIANTS; v++) {
        for (uint32_t d = 0; d < DEVICES; d++) {
            for (uint32_t b = 1; b <= MAX_BATCH; b *= 2) {
                double ms = (1 + v) * (0.5 + 0.2 * d) * (0.5 + 0.5 * b);
                struct cvg_profile_point p = {
                    .batch = b,
                    .mean = (cvg_span)(ms * 1e6),
                    .p50 = (cvg_span)(ms * 1e6),
                    .p95 = (cvg_span)(ms * 1.1e6),
                    .p99 = (cvg_span)(ms * 1.2e6),
                    .energy_j = ms * 1e-2,
                };
                cvg_profile_add(box->profile, v, 0, d, &p, NULL);
            }
        }
    }
    cvg_profile_finish(box->profile, NULL);
}

static void add_apps(struct cvg_box *box, uint32_t queued)
{
    box->apps = calloc(APPS, sizeof *box->apps);
    box->n_apps = APPS;
    for (uint32_t a = 0; a < APPS; a++) {
        struct cvg_slo slo = {
            .declared = 1U << CVG_SLO_DEADLINE | 1U << CVG_SLO_ACCURACY |
                        1U << CVG_SLO_THROUGHPUT,
            .deadline = CVG_S(60) + CVG_S(20) * a,
            .accuracy = 0.6 + 0.06 * a,
            .throughput_rps = 100,
            .energy_j = 1,
        };
        if (a == 1) {
            slo.declared |= 1U << CVG_SLO_ENERGY;
        }
        box->apps[a] = (struct cvg_app){
            .name = name_of("app", a),
            .weight = 1 + a,
            .slo = slo,
            .queue_limit = queued,
        };
    }
}

/* --- the run -------------------------------------------------------------- */

struct running { /* a small event list of the ends of batches */
    cvg_time at;
    uint64_t batch;
    cvg_span time;
};

struct run {
    struct cvg_box *box;
    struct cvg_engine *engine;
    struct running running[64];
    uint32_t n_running;
    cvg_time now;
    uint64_t next_id;
    const struct cvg_policy *policy;
    struct cvg_plan plan;
    bool plan_is_ready;
    uint64_t allocations;
    struct cvg_histogram *times;
    bool measuring;
};

static int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void step(struct run *r, struct cvg_event *event)
{
    struct cvg_actions actions;
    event->at = r->now;
    uint64_t before = allocations;
    int64_t start = clock_ns();
    cvg_engine_step(r->engine, event, &actions);
    int64_t end = clock_ns();
    if (r->measuring) {
        cvg_histogram_add(r->times, end - start);
        r->allocations += allocations - before;
    }
    for (size_t i = 0; i < actions.n; i++) {
        const struct cvg_action *a = &actions.items[i];
        if (a->type == CVG_ACT_START) {
            cvg_span time = cvg_profile_time(r->box->profile, a->start.variant,
                                             0, 0, a->start.device,
                                             a->start.n_requests, CVG_MEAN);
            r->running[r->n_running++] =
                (struct running){r->now + time, a->start.batch, time};
        } else if (a->type == CVG_ACT_SOLVE) {
            r->plan_is_ready =
                r->policy->allocation->solve(r->box, a->question, &r->plan,
                                             NULL) == CVG_OK;
        }
    }
}

/* Plans are made off the loop: their making is not timed, their taking in is.
 */
static void give_plan(struct run *r)
{
    struct cvg_event event = {.type = CVG_EV_SOLVED};
    event.solved.answer = &r->plan;
    event.solved.size = sizeof r->plan;
    r->plan_is_ready = false;
    step(r, &event);
}

static void arrive(struct run *r, uint32_t app)
{
    struct cvg_event event = {.type = CVG_EV_ARRIVAL};
    event.arrival.id = ++r->next_id;
    event.arrival.app = app;
    event.arrival.variant = CVG_ANY;
    step(r, &event);
}

static void finish_first(struct run *r)
{
    uint32_t first = 0;
    for (uint32_t i = 1; i < r->n_running; i++) {
        if (r->running[i].at < r->running[first].at) {
            first = i;
        }
    }
    struct running done = r->running[first];
    r->running[first] = r->running[--r->n_running];
    r->now = done.at > r->now ? done.at : r->now;
    struct cvg_event event = {
        .type = CVG_EV_DONE,
        .done = {.batch = done.batch, .run_time = done.time}};
    step(r, &event);
}

/* The app whose queue is shortest, if it is below its share of the waiting. */
static uint32_t app_to_fill(const struct run *r, uint64_t queued)
{
    uint32_t shortest = 0;
    for (uint32_t a = 1; a < APPS; a++) {
        if (cvg_engine_waiting(r->engine, a) <
            cvg_engine_waiting(r->engine, shortest)) {
            shortest = a;
        }
    }
    return cvg_engine_waiting(r->engine, shortest) < queued / APPS ? shortest
                                                                   : APPS;
}

/* Keeps `queued` waiting: as many come, of the same apps, as are served. */
static void saturate(struct run *r, uint64_t queued, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        uint32_t app = app_to_fill(r, queued);
        if (r->plan_is_ready) {
            give_plan(r);
        } else if (app < APPS) {
            arrive(r, app);
        } else {
            finish_first(r);
        }
    }
}

int main(int argc, char **argv)
{
    const char *policy_name = bench_option(argc, argv, "--policy", "convergo");
    uint32_t queued =
        (uint32_t)atoi(bench_option(argc, argv, "--queued", "10000"));
    uint64_t steps =
        (uint64_t)atoll(bench_option(argc, argv, "--steps", "300000"));
    struct run r = {.box = cvg_box_create(), .times = cvg_histogram_create()};
    struct cvg_error err;
    struct cvg_policy policy;
    add_devices(r.box);
    add_variants(r.box);
    add_profile(r.box);
    add_apps(r.box, queued);
    if (cvg_policy_parse(policy_name, NULL, &policy, &err) != CVG_OK) {
        fprintf(stderr, "bench_decision: %s\n", err.text);
        return 2;
    }
    struct cvg_engine_options options = {
        .box = r.box, .policy = &policy, .measure_until = CVG_NEVER};
    if (cvg_engine_create(&options, &r.engine, &err) != CVG_OK) {
        fprintf(stderr, "bench_decision: %s\n", err.text);
        return 1;
    }
    r.policy = &policy;
    saturate(&r, queued, 3ULL * queued);
    r.measuring = true;
    saturate(&r, queued, steps);
    struct bench_result results[] = {
        {"decision_p50_us", (double)cvg_histogram_quantile(r.times, 0.5) / 1e3,
         "us", NAN},
        {"decision_p99_us", (double)cvg_histogram_quantile(r.times, 0.99) / 1e3,
         "us", NAN},
        {"decision_allocations", (double)r.allocations, "count", NAN},
        {"decision_mean_us", cvg_histogram_mean(r.times) / 1e3, "us", NAN},
    };
    cvg_engine_destroy(r.engine);
    cvg_box_destroy(r.box);
    cvg_histogram_destroy(r.times);
    return bench_write(argc, argv, results, sizeof results / sizeof *results);
}

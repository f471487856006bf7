/* What one solution of the fluid program costs in CPU time, at 8 variants of
 * batches up to 32 whose times vary, and 8 apps of every kind of SLO,
 * overloaded.
 *
 *     bench_fluid [--json FILE] [--solves N] */
#include "base/histogram.h"
#include "base/rng.h"
#include "bench/result.h"
#include <convergo/fluid.h>
#include <stdlib.h>
#include <time.h>

#define VARIANTS 8U
#define APPS 8U
#define MAX_BATCH 32U

static char *name_of(const char *kind, size_t k)
{
    char text[32];
    snprintf(text, sizeof text, "%s%zu", kind, k);
    return strdup(text);
}

static void add_devices(struct cvg_box *box, size_t n)
{
    box->devices = calloc(n, sizeof *box->devices);
    box->n_devices = n;
    for (size_t d = 0; d < n; d++) {
        box->devices[d] = (struct cvg_device){.name = name_of("device", d),
                                              .units = 1,
                                              .in_flight = 1,
                                              .memory_bytes = UINT64_MAX,
                                              .resident = UINT32_MAX};
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
        box->variants[v] = (struct cvg_variant){.name = name_of("variant", v),
                                                .n_exits = 1,
                                                .accuracy = {0.6 + 0.04 * v}};
    }
}

static void add_profile(struct cvg_box *box)
{
    cvg_profile_create(VARIANTS, box->n_devices, &box->profile, NULL);
    for (uint32_t v = 0; v < VARIANTS; v++) {
        for (uint32_t d = 0; d < box->n_devices; d++) {
            for (uint32_t b = 1; b <= MAX_BATCH; b *= 2) {
                double ms = (1 + v) * (0.5 + 0.2 * d) * (0.5 + 0.5 * b);
                struct cvg_profile_point p = {
                    .batch = b,
                    .mean = (cvg_span)(ms * 1e6),
                    .p50 = (cvg_span)(ms * 0.98e6),
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

static void add_apps(struct cvg_box *box)
{
    box->apps = calloc(APPS, sizeof *box->apps);
    box->n_apps = APPS;
    for (uint32_t a = 0; a < APPS; a++) {
        struct cvg_app *app = &box->apps[a];
        app->name = name_of("app", a);
        app->weight = 1 + a % 3;
        app->slo.declared = 1U << CVG_SLO_DEADLINE | 1U << CVG_SLO_ACCURACY |
                            (a % 4 == 3 ? 1U << CVG_SLO_ENERGY : 0);
        app->slo.deadline = CVG_MS(20) + CVG_MS(15) * a;
        app->slo.accuracy = 0.6 + 0.03 * a;
        app->slo.energy_j = 0.05;
        app->accuracy_over =
            a % 3 == 2 ? CVG_ACCURACY_PER_WINDOW : CVG_ACCURACY_PER_REQUEST;
    }
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Rates differ from solve to solve, as they do for a planner. */
static void measure(size_t n_devices, int solves, struct cvg_histogram *times)
{
    struct cvg_box *box = cvg_box_create();
    struct cvg_rng rng;
    cvg_rng_init(&rng, 1, 2, 3);
    add_devices(box, n_devices);
    add_variants(box);
    add_profile(box);
    add_apps(box);
    for (int i = 0; i < solves; i++) {
        double rates[APPS];
        for (uint32_t a = 0; a < APPS; a++) {
            rates[a] = 1000 * cvg_rng_uniform(&rng);
        }
        struct cvg_fluid_demand demand = {
            .box = box, .rates_rps = rates, .weighted = true};
        struct cvg_fluid out;
        int64_t start = cpu_ns();
        if (cvg_fluid_solve(&demand, &out, NULL) != CVG_OK) {
            fprintf(stderr, "bench_fluid: not solved\n");
            exit(1);
        }
        cvg_histogram_add(times, cpu_ns() - start);
    }
    cvg_box_destroy(box);
}

static double ms(const struct cvg_histogram *times, double quantile)
{
    return (double)cvg_histogram_quantile(times, quantile) / 1e6;
}

int main(int argc, char **argv)
{
    int solves = atoi(bench_option(argc, argv, "--solves", "1000"));
    struct cvg_histogram *four = cvg_histogram_create();
    struct cvg_histogram *eight = cvg_histogram_create();
    measure(4, solves, four);
    measure(8, solves, eight);
    struct bench_result results[] = {
        {"fluid_4x8_p50_ms", ms(four, 0.5), "ms", NAN},
        {"fluid_4x8_p99_ms", ms(four, 0.99), "ms", NAN},
        {"fluid_8x8_p50_ms", ms(eight, 0.5), "ms", NAN},
        {"fluid_8x8_p99_ms", ms(eight, 0.99), "ms", NAN},
    };
    cvg_histogram_destroy(four);
    cvg_histogram_destroy(eight);
    return bench_write(argc, argv, results, sizeof results / sizeof *results);
}

/* What an allocation of accuracy scaling costs in CPU time: 40 devices of 3
 * types with 45 variants in 9 families, demand different each time, what is
 * held as the last answer left it; and 10,000 devices of 10 types with 450
 * variants in 100 families. How far the answers for 40 devices are from the
 * best ones, which the dynamic program knows.
 *
 *     bench_solve [--json FILE] [--solves N] [--curve all]
 *
 * --curve: sizes in between, as a table for docs/accuracy-scaling.md. */
#include "base/histogram.h"
#include "base/rng.h"
#include "bench/result.h"
#include "optimize/allocation.h"
#include <stdlib.h>
#include <time.h>

struct size {
    uint32_t devices, types, variants, families;
};

static void fail(const char *why)
{
    fprintf(stderr, "bench_solve: %s\n", why);
    exit(1);
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Variants of a family are the slower the more accurate they are; the first
 * half of the types are slow and hardly gain by batches: the slowest third of
 * a family cannot be served there in time. */
static void make(struct cvg__allocation *a, const struct size *size,
                 struct cvg_rng *rng)
{
    if (!cvg__allocation_init(a, size->types, size->variants, size->families)) {
        fail("out of memory");
    }
    for (uint32_t t = 0; t < size->types; t++) {
        a->devices[t] =
            size->devices / size->types + (t < size->devices % size->types);
    }
    for (uint32_t v = 0; v < size->variants; v++) {
        uint32_t q = v % size->families;
        uint32_t step = v / size->families;
        uint32_t steps =
            (size->variants - q + size->families - 1) / size->families;
        double slow = (1 + q % 5) * pow(1.9, step);
        a->query[v] = q;
        a->accuracy[v] = 1 - 0.06 * (steps - 1 - step);
        for (uint32_t t = 0; t < size->types; t++) {
            bool is_slow = t < (size->types + 1) / 2;
            double peak = (is_slow ? 150 : 420 + 30 * t) / slow;
            bool runs = !is_slow || step < steps - steps / 3;
            size_t h = cvg__host(a, t, v);
            a->peak_rps[h] =
                runs ? peak * (0.8 + 0.4 * cvg_rng_uniform(rng)) : 0;
            a->load_s[h] = 0.03 + 0.02 * step;
        }
    }
    for (uint32_t q = 0; q < size->families; q++) {
        a->weight[q] = 1;
    }
    a->horizon_s = 10;
    a->usual_rps = 20;
    cvg__allocation_sort(a);
}

/* Zipf over the families, and all together from half to twice as much as fits
 * with the most accurate. */
static void ask(struct cvg__allocation *a, const struct size *size,
                struct cvg_rng *rng)
{
    double total = size->devices * (8 + 24 * cvg_rng_uniform(rng));
    double sum = 0;
    for (uint32_t q = 0; q < size->families; q++) {
        a->demand_rps[q] = (0.8 + 0.4 * cvg_rng_uniform(rng)) / (q + 1);
        sum += a->demand_rps[q];
    }
    for (uint32_t q = 0; q < size->families; q++) {
        a->demand_rps[q] *= total / sum;
    }
}

struct measured {
    struct cvg_histogram *ns;
    double worst_gap; /* of accuracy, in points; NAN: not compared */
};

static void measure(const struct size *size, int solves, bool compare,
                    struct measured *out)
{
    struct cvg__allocation a;
    struct cvg_rng rng;
    size_t n = (size_t)size->types * size->variants;
    uint32_t *hosts = calloc(n, sizeof *hosts);
    out->ns = cvg_histogram_create();
    out->worst_gap = compare ? 0 : NAN;
    cvg_rng_init(&rng, 1, 2, 3);
    make(&a, size, &rng);
    for (int i = 0; i < solves; i++) {
        ask(&a, size, &rng);
        int64_t start = cpu_ns();
        if (cvg__allocate_milp(&a, NULL) != CVG_OK) {
            fail("not solved");
        }
        cvg_histogram_add(out->ns, cpu_ns() - start);
        double value = a.value, all = 0;
        memcpy(hosts, a.hosts, n * sizeof *hosts);
        if (compare && i % 10 == 0) {
            if (cvg__allocate_dp(&a, NULL) != CVG_OK) {
                fail("not solved by dp");
            }
            for (uint32_t q = 0; q < size->families; q++) {
                all += a.demand_rps[q];
            }
            out->worst_gap =
                fmax(out->worst_gap, 100 * (a.value - value) / all);
        }
        memcpy(a.now, hosts, n * sizeof *hosts);
    }
    free(hosts);
    cvg__allocation_fini(&a);
}

static double ms(const struct measured *m, double quantile)
{
    return (double)cvg_histogram_quantile(m->ns, quantile) / 1e6;
}

static void print_curve(void)
{
    static const struct size sizes[] = {
        {5, 2, 10, 3},        {10, 2, 20, 5},       {20, 3, 45, 9},
        {40, 3, 45, 9},       {80, 3, 45, 9},       {160, 3, 45, 9},
        {160, 5, 150, 17},    {400, 5, 200, 40},    {1000, 10, 450, 100},
        {3000, 10, 450, 100}, {10000, 10, 450, 100}};
    printf("| devices | types | variants | families | p50 ms | p99 ms |\n"
           "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct size *s = &sizes[i];
        struct measured m;
        measure(s, s->variants > 100 ? 10 : 200, false, &m);
        printf("| %u | %u | %u | %u | %.1f | %.1f |\n", s->devices, s->types,
               s->variants, s->families, ms(&m, 0.5), ms(&m, 0.99));
        fflush(stdout);
        cvg_histogram_destroy(m.ns);
    }
}

int main(int argc, char **argv)
{
    if (*bench_option(argc, argv, "--curve", "") != '\0') {
        print_curve();
        return 0;
    }
    int solves = atoi(bench_option(argc, argv, "--solves", "300"));
    struct measured forty, many;
    measure(&(struct size){40, 3, 45, 9}, solves, true, &forty);
    measure(&(struct size){10000, 10, 450, 100}, 5, false, &many);
    struct bench_result results[] = {
        {"solve_40_p50_ms", ms(&forty, 0.5), "ms", NAN},
        {"solve_40_p99_ms", ms(&forty, 0.99), "ms", NAN},
        {"solve_40_worst_gap", forty.worst_gap, "points of accuracy", NAN},
        {"solve_10000_ms", ms(&many, 1), "ms", NAN},
    };
    cvg_histogram_destroy(forty.ns);
    cvg_histogram_destroy(many.ns);
    return bench_write(argc, argv, results, sizeof results / sizeof *results);
}

/* Accuracy scaling (optimize/allocation.h): its methods against all the answers
 * that there are, where those can be gone through, and against each other. */

/* cmocka wants these before its own header */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka */
#include <cmocka.h>

#include "base/rng.h"
#include "optimize/allocation.h"

#include <math.h>

#define GAP 0.0003 /* of a request's accuracy, that `milp` leaves */

static uint64_t seed_now;

static void law(bool holds, const char *text)
{
    if (!holds) {
        fail_msg("seed %d: %s", (int)seed_now, text);
    }
}

static bool near(double a, double b, double share)
{
    return fabs(a - b) <= share * fmax(fmax(fabs(a), fabs(b)), 1);
}

static uint32_t pairs(const struct cvg__allocation *a)
{
    return a->n_types * a->n_variants;
}

static uint32_t query_of(const struct cvg__allocation *a, uint32_t h)
{
    return a->query[h % a->n_variants];
}

static double weighted(const struct cvg__allocation *a, const double *rates)
{
    double sum = 0;
    for (uint32_t q = 0; q < a->n_queries; q++) {
        sum += a->weight[q] * rates[q];
    }
    return sum;
}

/* --- problems ------------------------------------------------------------- */

struct most {
    uint32_t types, devices, variants, queries;
};

static uint32_t below(struct cvg_rng *rng, uint32_t n)
{
    return (uint32_t)(cvg_rng_uniform(rng) * n);
}

/* Some do not run, some take no time to load, some are as accurate as others;
 * mostly the less accurate ones are faster. */
static void add_variants(struct cvg__allocation *a, struct cvg_rng *rng)
{
    for (uint32_t v = 0; v < a->n_variants; v++) {
        a->query[v] = below(rng, a->n_queries);
        a->accuracy[v] = 0.5 + 0.05 * below(rng, 10);
        for (uint32_t t = 0; t < a->n_types; t++) {
            size_t h = cvg__host(a, t, v);
            double peak = (t + 1) * (1.2 - a->accuracy[v]) *
                          (10 + 90 * cvg_rng_uniform(rng));
            a->peak_rps[h] = below(rng, 5) == 0 ? 0 : peak;
            a->load_s[h] = below(rng, 3) == 0 ? 0 : 3 * cvg_rng_uniform(rng);
        }
    }
}

/* What devices hold: some nothing, some what they cannot run. There may have
 * been more of them. */
static void add_now(struct cvg__allocation *a, struct cvg_rng *rng)
{
    for (uint32_t t = 0; t < a->n_types; t++) {
        uint32_t n = a->devices[t] + (below(rng, 8) == 0);
        for (uint32_t i = 0; i < n; i++) {
            if (below(rng, 4) != 0) {
                a->now[cvg__host(a, t, below(rng, a->n_variants))]++;
            }
        }
    }
}

/* From nearly nothing to far more than all devices could serve. */
static void random_problem(struct cvg__allocation *a, struct cvg_rng *rng,
                           const struct most *most)
{
    uint32_t n_types = 1 + below(rng, most->types);
    uint32_t n_variants = 1 + below(rng, most->variants);
    uint32_t n_queries = 1 + below(rng, most->queries);
    double heavy = 60 * pow(10, 2 * cvg_rng_uniform(rng) - 1.2);
    assert_true(cvg__allocation_init(a, n_types, n_variants, n_queries));
    add_variants(a, rng);
    for (uint32_t t = 0; t < n_types; t++) {
        a->devices[t] = below(rng, 10) != 0 ? 1 + below(rng, most->devices) : 0;
    }
    for (uint32_t q = 0; q < n_queries; q++) {
        a->weight[q] = 0.5 + below(rng, 4);
        a->demand_rps[q] = below(rng, 12) == 0
                               ? 0
                               : heavy * cvg_rng_uniform(rng) * n_types *
                                     most->devices / n_queries;
    }
    a->usual_rps = 100 * cvg_rng_uniform(rng);
    a->horizon_s = 1 + 20 * cvg_rng_uniform(rng);
    if (below(rng, 2) == 0) {
        add_now(a, rng);
    }
    cvg__allocation_sort(a);
}

/* As boxes are: nine families of five variants, on 20, 10 and 10 devices of
 * three types; less accurate variants are faster, and there sooner. */
static void medium_problem(struct cvg__allocation *a, uint64_t seed)
{
    static const double faster[] = {1, 2, 5};
    struct cvg_rng rng;
    cvg_rng_init(&rng, seed, 1, 0);
    assert_true(cvg__allocation_init(a, 3, 45, 9));
    for (uint32_t h = 0; h < pairs(a); h++) {
        uint32_t t = h / 45, v = h % 45;
        double speed = faster[t] * (0.9 + 0.2 * cvg_rng_uniform(&rng));
        a->query[v] = v / 5;
        a->accuracy[v] = 0.95 - 0.05 * (v % 5 + cvg_rng_uniform(&rng));
        a->peak_rps[h] = speed * (5 + a->query[v]) * pow(1.6, v % 5);
        a->load_s[h] = 0.3 / (1 + v % 5);
        a->devices[t] = t == 0 ? 20 : 10;
    }
    double heavy = 50 + 150 * cvg_rng_uniform(&rng);
    for (uint32_t q = 0; q < 9; q++) {
        a->weight[q] = 1 + below(&rng, 2);
        a->demand_rps[q] = heavy * cvg_rng_uniform(&rng);
    }
    a->usual_rps = weighted(a, a->demand_rps) / 40;
    a->horizon_s = 10;
    cvg__allocation_sort(a);
}

/* --- what answers are worth, and whether they are any --------------------- */

/* The most accurate variant of the query after that one; n_variants: none, or
 * before the first. */
static uint32_t next_variant(const struct cvg__allocation *a, uint32_t q,
                             uint32_t after)
{
    uint32_t none = a->n_variants, next = none;
    for (uint32_t v = 0; v < none; v++) {
        bool later = after == none || a->accuracy[v] < a->accuracy[after] ||
                     (a->accuracy[v] == a->accuracy[after] && v > after);
        if (a->query[v] == q && later &&
            (next == none || a->accuracy[v] > a->accuracy[next])) {
            next = v;
        }
    }
    return next;
}

/* Of a request served by it. */
static double worth_of(const struct cvg__allocation *a, uint32_t variant)
{
    uint32_t q = a->query[variant];
    double best = 0;
    for (uint32_t h = 0; h < pairs(a); h++) {
        if (query_of(a, h) == q && a->peak_rps[h] > 0 &&
            a->devices[h / a->n_variants] > 0) {
            best = fmax(best, a->accuracy[h % a->n_variants]);
        }
    }
    return a->weight[q] * (CVG__SERVED - (best - a->accuracy[variant]));
}

static double loads_of(const struct cvg__allocation *a, const uint32_t *hosts)
{
    double sum = 0;
    for (uint32_t h = 0; h < pairs(a); h++) {
        sum += hosts[h] > a->now[h] ? (hosts[h] - a->now[h]) * a->load_s[h] : 0;
    }
    return sum * CVG__LOADING * a->usual_rps / a->horizon_s;
}

/* The most accurate serve first. */
static double value_of(const struct cvg__allocation *a, const uint32_t *hosts)
{
    double sum = -loads_of(a, hosts);
    for (uint32_t q = 0; q < a->n_queries; q++) {
        double left = a->demand_rps[q];
        uint32_t v = next_variant(a, q, a->n_variants);
        for (; v < a->n_variants; v = next_variant(a, q, v)) {
            double peak = 0;
            for (uint32_t t = 0; t < a->n_types; t++) {
                size_t h = cvg__host(a, t, v);
                peak += hosts[h] * a->peak_rps[h];
            }
            sum += fmin(peak, left) * worth_of(a, v);
            left -= fmin(peak, left);
        }
    }
    return sum;
}

static void audit_hosts(const struct cvg__allocation *a)
{
    for (uint32_t t = 0; t < a->n_types; t++) {
        uint64_t used = 0;
        for (uint32_t v = 0; v < a->n_variants; v++) {
            size_t h = cvg__host(a, t, v);
            double peak = a->hosts[h] * a->peak_rps[h];
            used += a->hosts[h];
            law(a->peak_rps[h] > 0 || a->hosts[h] == 0, "hosts can serve");
            law(a->rate_rps[h] >= 0, "rates are not negative");
            law(a->rate_rps[h] <= peak * (1 + 1e-12), "rates are possible");
        }
        law(used <= a->devices[t], "there are so many devices");
    }
}

static void audit(const struct cvg__allocation *a)
{
    double value = -loads_of(a, a->hosts);
    audit_hosts(a);
    for (uint32_t q = 0; q < a->n_queries; q++) {
        double sum = a->shed_rps[q];
        law(sum >= 0, "what is shed is not negative");
        for (uint32_t h = 0; h < pairs(a); h++) {
            sum += query_of(a, h) == q ? a->rate_rps[h] : 0;
        }
        law(near(sum, a->demand_rps[q], 1e-9), "all is served or shed");
    }
    for (uint32_t h = 0; h < pairs(a); h++) {
        value += a->rate_rps[h] * worth_of(a, h % a->n_variants);
    }
    law(near(value, a->value, 1e-9), "the value is that of the rates");
    value = value_of(a, a->hosts);
    law(near(value, a->value, 1e-9), "the value is that of the hosts");
}

/* --- methods -------------------------------------------------------------- */

static enum cvg_status improve(struct cvg__allocation *a, struct cvg_error *err)
{
    cvg__allocation_as_it_is(a);
    double before = value_of(a, a->hosts);
    enum cvg_status status = cvg__allocate_improve(a, 20, INFINITY, err);
    cvg__allocation_fill(a);
    law(a->value >= before - 1e-6, "it becomes better");
    return status;
}

static enum cvg_status infaas(struct cvg__allocation *a, struct cvg_error *err)
{
    (void)err;
    cvg__allocate_infaas(a);
    return CVG_OK;
}

typedef enum cvg_status (*method)(struct cvg__allocation *a,
                                  struct cvg_error *err);
static const method methods[] = {cvg__allocate_milp, cvg__allocate_dp, improve,
                                 infaas};
#define METHODS (sizeof methods / sizeof *methods)

/* What the answer was before does not matter. */
static double solve(struct cvg__allocation *a, method by)
{
    struct cvg_error err = {.text = ""};
    memset(a->hosts, 1, pairs(a) * sizeof *a->hosts);
    a->value = -1;
    if (by(a, &err) != CVG_OK) {
        fail_msg("seed %d: %s", (int)seed_now, err.text);
    }
    audit(a);
    return a->value;
}

/* `dp` finds the best, and nothing else is better. Returns by how much `milp`
 * is worse, of the accuracy of all demand; no more than it says. */
static double check_against(struct cvg__allocation *a, double best)
{
    for (size_t m = 0; m < METHODS; m++) {
        double value = solve(a, methods[m]);
        law(value <= best + 1e-6 * fmax(best, 1), "nothing is better");
    }
    law(near(solve(a, cvg__allocate_dp), best, 1e-6), "dp finds the best");
    law(a->exact, "dp is exact");
    double all = fmax(weighted(a, a->demand_rps), 1e-9);
    double less = (best - solve(a, cvg__allocate_milp)) / all;
    law(!a->exact || less <= GAP + 1e-9, "milp is exact where it says so");
    return less;
}

/* --- every answer that there is ------------------------------------------- */

#define MOST_ANSWERS 3000

struct all {
    const struct cvg__allocation *a;
    uint32_t hosts[64];
    uint32_t n;
    double best;
};

/* Hosts before `h` are chosen; that many devices of the type are left. */
static void go_through(struct all *all, uint32_t h, uint32_t left)
{
    const struct cvg__allocation *a = all->a;
    if (h == pairs(a) || all->n > MOST_ANSWERS) {
        all->best = fmax(all->best, value_of(a, all->hosts));
        all->n++;
        return;
    }
    left = h % a->n_variants == 0 ? a->devices[h / a->n_variants] : left;
    uint32_t most = a->peak_rps[h] > 0 ? left : 0;
    for (uint32_t n = 0; n <= most; n++) {
        all->hosts[h] = n;
        go_through(all, h + 1, left - n);
    }
}

/* Where there are too many to go through, `dp` is said to be the best. */
static bool best_of_all(struct cvg__allocation *a, double *best)
{
    struct all all = {.a = a, .best = -INFINITY};
    go_through(&all, 0, 0);
    *best = all.best;
    if (all.n > MOST_ANSWERS) {
        *best = solve(a, cvg__allocate_dp);
    }
    return all.n <= MOST_ANSWERS;
}

static void nothing_is_better(void **state)
{
    (void)state;
    static const struct most like[] = {
        {3, 6, 12, 4}, {3, 4, 5, 3}, {3, 3, 4, 3}, {1, 8, 4, 2}};
    int known = 0, missed = 0, shed = 0, without = 0;
    for (seed_now = 1; seed_now <= 600; seed_now++) {
        struct cvg_rng rng;
        struct cvg__allocation a;
        double best;
        cvg_rng_init(&rng, seed_now, 0, 0);
        random_problem(&a, &rng, &like[seed_now % 4]);
        bool sure = best_of_all(&a, &best);
        bool found = check_against(&a, best) <= GAP + 1e-9;
        law((found && a.exact) || !sure, "milp finds the best, and knows");
        missed += !found;
        known += sure;
        shed += weighted(&a, a.shed_rps) > 0;
        without += a.devices[0] == 0;
        cvg__allocation_fini(&a);
    }
    assert_true(missed < 6);
    assert_true(known > 400 && without > 40 && shed > 150 && shed < 450);
}

/* --- larger ones ---------------------------------------------------------- */

/* A few plans later: demand has changed, devices hold something. */
static void go_on(struct cvg__allocation *a, uint64_t seed)
{
    struct cvg_rng rng;
    double demand[9];
    cvg_rng_init(&rng, seed, 3, 0);
    memcpy(demand, a->demand_rps, sizeof demand);
    for (int i = 0; i < 3; i++) {
        for (uint32_t q = 0; q < 9; q++) {
            a->demand_rps[q] = demand[q] * (0.6 + 0.8 * cvg_rng_uniform(&rng));
        }
        solve(a, cvg__allocate_milp);
        memcpy(a->now, a->hosts, pairs(a) * sizeof *a->now);
    }
    memcpy(a->demand_rps, demand, sizeof demand);
}

/* Also where devices hold nothing yet. */
static void milp_is_nearly_as_good_as_dp(void **state)
{
    (void)state;
    double sum = 0;
    for (seed_now = 1; seed_now <= 16; seed_now++) {
        struct cvg__allocation a;
        medium_problem(&a, seed_now);
        if (seed_now % 4 != 0) {
            go_on(&a, seed_now);
        }
        double less = check_against(&a, solve(&a, cvg__allocate_dp));
        law(less <= 0.004, "milp is nearly as good");
        sum += less;
        cvg__allocation_fini(&a);
    }
    assert_true(sum / 16 <= 0.001);
}

/* Bit for bit, whatever was solved before. */
static void equal_problems_have_equal_answers(void **state)
{
    (void)state;
    for (seed_now = 1; seed_now <= 3 * METHODS; seed_now++) {
        method by = methods[seed_now % METHODS];
        struct cvg__allocation a, b;
        medium_problem(&a, seed_now);
        medium_problem(&b, seed_now);
        solve(&a, by);
        b.demand_rps[0] = 77;
        solve(&b, by);
        b.demand_rps[0] = a.demand_rps[0];
        solve(&b, by);
        size_t n = pairs(&a);
        assert_memory_equal(a.hosts, b.hosts, n * sizeof *a.hosts);
        assert_memory_equal(a.rate_rps, b.rate_rps, n * sizeof *a.rate_rps);
        assert_memory_equal(a.shed_rps, b.shed_rps, 9 * sizeof *a.shed_rps);
        assert_true(a.value == b.value && a.exact == b.exact);
        cvg__allocation_fini(&a);
        cvg__allocation_fini(&b);
    }
}

/* Kicks do no harm, and are spared where it is good enough. */
static void kicks_make_it_better(void **state)
{
    (void)state;
    int better = 0;
    for (seed_now = 1; seed_now <= 20; seed_now++) {
        struct cvg__allocation a;
        medium_problem(&a, seed_now);
        assert_int_equal(cvg__allocate_improve(&a, 0, INFINITY, NULL), CVG_OK);
        double before = value_of(&a, a.hosts);
        double enough = before - 1e-6;
        assert_int_equal(cvg__allocate_improve(&a, 40, enough, NULL), CVG_OK);
        law(value_of(&a, a.hosts) == before, "that was enough");
        assert_int_equal(cvg__allocate_improve(&a, 40, INFINITY, NULL), CVG_OK);
        law(value_of(&a, a.hosts) >= before - 1e-9, "it is not worse");
        better += value_of(&a, a.hosts) > before + 1e-3;
        cvg__allocation_fini(&a);
    }
    assert_true(better > 3);
}

/* --- by hand -------------------------------------------------------------- */

/* "fast", 30/s, and "good", 10/s, on devices of one type. */
static void two_variants(struct cvg__allocation *a, uint32_t devices,
                         double demand_rps)
{
    assert_true(cvg__allocation_init(a, 1, 2, 1));
    a->devices[0] = devices;
    a->accuracy[0] = 0.7;
    a->accuracy[1] = 0.9;
    a->peak_rps[0] = 30;
    a->peak_rps[1] = 10;
    a->demand_rps[0] = demand_rps;
    a->weight[0] = 1;
    a->usual_rps = 30 / CVG__LOADING;
    a->horizon_s = 10;
    cvg__allocation_sort(a);
}

static void check(struct cvg__allocation *a, method by, double value,
                  uint32_t fast, uint32_t good)
{
    assert_true(near(solve(a, by), value, 1e-12));
    assert_int_equal(a->hosts[0], fast);
    assert_int_equal(a->hosts[1], good);
}

/* Serving comes before accuracy; what cannot be served is shed. */
static void one_device(void **state)
{
    (void)state;
    struct cvg__allocation a;
    two_variants(&a, 1, 0);
    for (size_t m = 0; m < METHODS; m++) {
        a.demand_rps[0] = 10;
        check(&a, methods[m], 10 * 50, 0, 1);
        a.demand_rps[0] = 20;
        check(&a, methods[m], 20 * 49.8, 1, 0);
        a.demand_rps[0] = 1000;
        check(&a, methods[m], 30 * 49.8, 1, 0);
        assert_true(near(a.shed_rps[0], 970, 1e-12));
    }
    cvg__allocation_fini(&a);
}

/* 0.2 more of ten requests a second, against 3 that are missed in the horizon
 * while a device loads for a second. */
static void loads_have_their_price(void **state)
{
    (void)state;
    struct cvg__allocation a;
    two_variants(&a, 1, 10);
    a.now[0] = 1;
    for (size_t m = 0; m < 3; m++) { /* all but infaas */
        a.load_s[1] = 1;
        check(&a, methods[m], 498, 1, 0);
        a.horizon_s = 20;
        check(&a, methods[m], 500 - 1.5, 0, 1);
        a.horizon_s = 10;
        a.load_s[1] = 0.5;
        check(&a, methods[m], 500 - 1.5, 0, 1);
    }
    cvg__allocation_fini(&a);
}

/* In proportion to what they could serve; less accurate ones get the rest. */
static void equally_accurate_ones_share(void **state)
{
    (void)state;
    static const double peaks[] = {10, 20, 30, 40};
    static const uint32_t hosts[] = {2, 0, 1, 1};
    struct cvg__allocation a;
    assert_true(cvg__allocation_init(&a, 2, 2, 1));
    a.devices[0] = a.devices[1] = 2;
    a.accuracy[0] = a.accuracy[1] = 0.8;
    a.weight[0] = 2;
    a.demand_rps[0] = 45;
    memcpy(a.peak_rps, peaks, sizeof peaks);
    memcpy(a.hosts, hosts, sizeof hosts);
    cvg__allocation_sort(&a);
    cvg__allocation_fill(&a);
    audit(&a);
    assert_true(near(a.rate_rps[0], 10, 1e-12)); /* 20 of 90 */
    assert_true(near(a.rate_rps[2], 15, 1e-12));
    assert_true(near(a.rate_rps[3], 20, 1e-12));
    a.accuracy[1] = 0.6;
    a.demand_rps[0] = 70;
    cvg__allocation_sort(&a);
    cvg__allocation_fill(&a);
    audit(&a);
    assert_true(near(a.rate_rps[0], 20, 1e-12));
    assert_true(near(a.rate_rps[2], 30, 1e-12));
    assert_true(near(a.rate_rps[3], 20, 1e-12));
    assert_true(near(cvg__allocation_worth(&a, 0), a.value, 1e-12));
    cvg__allocation_fini(&a);
}

/* No types, no variants, no queries, no demand. */
static void there_may_be_nothing(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 16; i++) {
        struct cvg__allocation a;
        uint32_t n_types = i & 1U, n_queries = i >> 1 & 1U;
        uint32_t n_variants = n_queries * (i >> 2 & 1U);
        assert_true(cvg__allocation_init(&a, n_types, n_variants, n_queries));
        a.devices[0] = n_types;
        a.peak_rps[0] = a.load_s[0] = pairs(&a);
        a.weight[0] = a.usual_rps = 1;
        a.demand_rps[0] = n_queries * (i >> 3 & 1U);
        double value =
            pairs(&a) * a.demand_rps[0] * (CVG__SERVED - CVG__LOADING);
        cvg__allocation_sort(&a);
        for (size_t m = 0; m < METHODS; m++) {
            assert_true(near(solve(&a, methods[m]), value, 1e-12));
        }
        cvg__allocation_fini(&a);
    }
}

/* The other ones do not mind. */
static void too_many_devices_for_dp(void **state)
{
    (void)state;
    struct cvg_error err = {.text = ""};
    struct cvg__allocation a;
    medium_problem(&a, 1);
    a.devices[0] = a.devices[1] = a.devices[2] = 99;
    assert_int_equal(cvg__allocate_dp(&a, &err), CVG_LIMIT);
    assert_non_null(strstr(err.text, "'milp'"));
    assert_int_equal(cvg__allocate_dp(&a, NULL), CVG_LIMIT);
    solve(&a, cvg__allocate_milp);
    cvg__allocation_fini(&a);
}

/* --- infaas --------------------------------------------------------------- */

static double capacity(const struct cvg__allocation *a, uint32_t q)
{
    double sum = 0;
    for (uint32_t h = 0; h < pairs(a); h++) {
        sum += query_of(a, h) == q ? a->hosts[h] * a->peak_rps[h] : 0;
    }
    return sum;
}

/* No idle device, and no faster variant on one of its own, would help it. */
static bool has_all(const struct cvg__allocation *a, uint32_t q)
{
    for (uint32_t h = 0; h < pairs(a); h++) {
        uint32_t first = h - h % a->n_variants, used = 0;
        double least = INFINITY; /* peak of what it has of the type */
        for (uint32_t i = first; i < first + a->n_variants; i++) {
            used += a->hosts[i];
            if (a->hosts[i] > 0 && query_of(a, i) == q) {
                least = fmin(least, a->peak_rps[i]);
            }
        }
        least = used < a->devices[h / a->n_variants] ? 0 : least;
        if (query_of(a, h) == q && a->peak_rps[h] > least) {
            return false;
        }
    }
    return true;
}

/* Who has enough keeps enough; who has not gets what is there. */
static void check_infaas(struct cvg__allocation *a)
{
    double before[4];
    cvg__allocation_as_it_is(a);
    for (uint32_t q = 0; q < a->n_queries; q++) {
        before[q] = capacity(a, q);
    }
    solve(a, infaas);
    for (uint32_t q = 0; q < a->n_queries; q++) {
        double after = capacity(a, q), demand = a->demand_rps[q];
        law(after >= fmin(before[q], demand) - 1e-9,
            "nothing is taken that is needed");
        law(after >= demand || has_all(a, q), "a query takes what it can");
    }
}

/* Until it stays as it is. */
static void settle(struct cvg__allocation *a)
{
    size_t bytes = pairs(a) * sizeof *a->now;
    int n = 0;
    do {
        law(n++ < 10, "it settles");
        memcpy(a->now, a->hosts, bytes);
        check_infaas(a);
    } while (memcmp(a->now, a->hosts, bytes) != 0);
}

/* Demand of one query grows: the others stay as they are. It has none: then it
 * has one device. */
static void queries_scale_by_themselves(void **state)
{
    (void)state;
    static const struct most small = {3, 6, 12, 4};
    int grown = 0;
    for (seed_now = 1; seed_now <= 400; seed_now++) {
        struct cvg_rng rng;
        struct cvg__allocation a;
        cvg_rng_init(&rng, seed_now, 2, 0);
        random_problem(&a, &rng, &small);
        check_infaas(&a);
        settle(&a);
        double before = capacity(&a, 0);
        a.demand_rps[0] = 3 * a.demand_rps[0] + 10;
        check_infaas(&a);
        law(capacity(&a, 0) >= before - 1e-9, "it grows");
        grown += capacity(&a, 0) > before + 1e-9;
        for (uint32_t h = 0; h < pairs(&a); h++) {
            law(query_of(&a, h) == 0 || a.hosts[h] == a.now[h],
                "others stay as they are");
        }
        a.demand_rps[0] = 0;
        settle(&a);
        uint32_t n = 0;
        for (uint32_t h = 0; h < pairs(&a); h++) {
            n += query_of(&a, h) == 0 ? a.hosts[h] : 0;
        }
        law(n <= 1, "without demand there is one device");
        cvg__allocation_fini(&a);
    }
    assert_true(grown > 100);
}

/* Idle devices cost no accuracy; when there are none, variants get faster; and
 * all that is taken back when demand falls. */
static void infaas_goes_up_and_down(void **state)
{
    (void)state;
    static const struct {
        double demand_rps;
        uint32_t fast, good;
    } steps[] = {
        {40, 0, 4}, {100, 0, 10}, {195, 5, 5}, {45, 0, 5}, {400, 10, 0}};
    struct cvg__allocation a;
    two_variants(&a, 10, 0);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        a.demand_rps[0] = steps[i].demand_rps;
        settle(&a);
        assert_int_equal(a.hosts[0], steps[i].fast);
        assert_int_equal(a.hosts[1], steps[i].good);
    }
    cvg__allocation_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_better),
        cmocka_unit_test(milp_is_nearly_as_good_as_dp),
        cmocka_unit_test(equal_problems_have_equal_answers),
        cmocka_unit_test(kicks_make_it_better),
        cmocka_unit_test(one_device),
        cmocka_unit_test(loads_have_their_price),
        cmocka_unit_test(equally_accurate_ones_share),
        cmocka_unit_test(there_may_be_nothing),
        cmocka_unit_test(too_many_devices_for_dp),
        cmocka_unit_test(queries_scale_by_themselves),
        cmocka_unit_test(infaas_goes_up_and_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

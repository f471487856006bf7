/* Allocations by linear and mixed-integer programs.
 *
 * The relaxation needs no counts: a device's time is shared as one likes. Its
 * whole devices are kept, the rest is given out by local search, and another
 * search starts from what devices hold now. Where that is not as good as the
 * relaxation says it could be, branch and bound goes on from there, if the
 * program is small enough for that. */
#include "optimize/allocation.h"
#include "optimize/lp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Two answers are alike that differ by less than this share of a request's
 * accuracy, over all requests. */
#define ALIKE 0.0003
/* Of the local search, from each of two starts: kicks x queries x pairs of
 * types, about as long. */
#define MOST_KICKS 200
#define KICK_WORK 40000
/* Branch and bound: nodes x pairs of (type, variant), about as long. */
#define MOST_WORK 8000
#define MOST_PAIRS 80

struct program {
    struct cvg__allocation *a;
    struct cvg__lp lp;
    uint32_t *pairs; /* hosts that can serve something */
    uint32_t n_pairs;
    uint32_t *best; /* [type, variant] the best hosts so far */
    double best_value;
};

static enum cvg_status no_memory(struct cvg_error *err)
{
    return cvg_fail(err, CVG_NOMEM, "out of memory for an allocation");
}

static size_t size(const struct program *p)
{
    return (size_t)p->a->n_types * p->a->n_variants * sizeof *p->best;
}

/* Below that difference a better one need not be looked for. */
static double gap(const struct cvg__allocation *a)
{
    double sum = 0;
    for (uint32_t q = 0; q < a->n_queries; q++) {
        sum += a->weight[q] * a->demand_rps[q];
    }
    return ALIKE * sum;
}

static void list_pairs(struct program *p)
{
    const struct cvg__allocation *a = p->a;
    for (uint32_t i = 0; i < a->n_types * a->n_variants; i++) {
        if (a->peak_rps[i] > 0 && a->devices[i / a->n_variants] > 0) {
            p->pairs[p->n_pairs++] = i;
        }
    }
}

static uint32_t variant_of(const struct program *p, uint32_t pair)
{
    return p->pairs[pair] % p->a->n_variants;
}

static uint32_t type_of(const struct program *p, uint32_t pair)
{
    return p->pairs[pair] / p->a->n_variants;
}

/* --- relaxation and search ------------------------------------------------ */

/* Rows: types, queries. */
static void add_rows(struct program *p)
{
    cvg__lp_fini(&p->lp);
    for (uint32_t t = 0; t < p->a->n_types; t++) {
        cvg__lp_row(&p->lp, -INFINITY, p->a->devices[t]);
    }
    for (uint32_t q = 0; q < p->a->n_queries; q++) {
        cvg__lp_row(&p->lp, -INFINITY, p->a->demand_rps[q]);
    }
}

static void add_column(struct program *p, uint32_t i, double cost)
{
    const struct cvg__allocation *a = p->a;
    uint32_t v = variant_of(p, i);
    double peak = a->peak_rps[p->pairs[i]];
    cvg__lp_column(&p->lp, cvg__worth_of(a, v) - cost / peak, 0);
    cvg__lp_element(&p->lp, (int)type_of(p, i), 1 / peak);
    cvg__lp_element(&p->lp, (int)(a->n_types + a->query[v]), 1);
}

/* Two columns of each pair: what devices serve that hold it now, and what those
 * serve that have to load it. */
static enum cvg_status relax(struct program *p, struct cvg_error *err)
{
    const struct cvg__allocation *a = p->a;
    add_rows(p);
    for (uint32_t i = 0; i < p->n_pairs; i++) {
        add_column(p, i, cvg__load_cost(a, type_of(p, i), variant_of(p, i)));
    }
    for (uint32_t i = 0; i < p->n_pairs; i++) {
        uint32_t h = p->pairs[i];
        if (a->now[h] > 0) {
            int row =
                cvg__lp_row(&p->lp, -INFINITY, a->now[h] * a->peak_rps[h]);
            add_column(p, i, 0);
            cvg__lp_element(&p->lp, row, 1);
        }
    }
    return cvg__lp_solve(&p->lp, err);
}

/* Devices that the relaxation has busy all the time. */
static void round_down(struct program *p)
{
    struct cvg__allocation *a = p->a;
    size_t held = p->n_pairs;
    memset(a->hosts, 0, size(p));
    for (uint32_t i = 0; i < p->n_pairs; i++) {
        uint32_t h = p->pairs[i];
        double rate = p->lp.x[i] + (a->now[h] > 0 ? p->lp.x[held++] : 0);
        a->hosts[h] = (uint32_t)(rate / a->peak_rps[h] + 1e-6);
    }
}

static void keep_if_better(struct program *p)
{
    cvg__allocation_fill(p->a);
    if (p->a->value > p->best_value) {
        p->best_value = p->a->value;
        memcpy(p->best, p->a->hosts, size(p));
    }
}

static uint32_t kicks_of(const struct cvg__allocation *a)
{
    uint32_t changes = a->n_queries * (a->n_types + 1) * (a->n_types + 1);
    uint32_t kicks = KICK_WORK / (changes + 1);
    return kicks < MOST_KICKS ? kicks : MOST_KICKS;
}

static enum cvg_status search(struct program *p, double enough,
                              struct cvg_error *err)
{
    uint32_t kicks = kicks_of(p->a);
    p->best_value = -INFINITY;
    cvg__allocation_as_it_is(p->a);
    enum cvg_status status = cvg__allocate_improve(p->a, kicks, enough, err);
    if (status != CVG_OK) {
        return status;
    }
    keep_if_better(p);
    if (p->best_value >= enough) {
        return CVG_OK;
    }
    round_down(p);
    status = cvg__allocate_improve(p->a, kicks, enough, err);
    if (status == CVG_OK) {
        keep_if_better(p);
    }
    return status;
}

/* --- branch and bound ----------------------------------------------------- */

/* Columns: of each pair the rate, the devices, those that are to be loaded. */
static void add_pair(struct program *p, uint32_t i, struct cvg__whole *whole)
{
    const struct cvg__allocation *a = p->a;
    uint32_t h = p->pairs[i], t = type_of(p, i), v = variant_of(p, i);
    int served = cvg__lp_row(&p->lp, -INFINITY, 0);
    int loaded = cvg__lp_row(&p->lp, -INFINITY, a->now[h]);
    cvg__lp_column(&p->lp, cvg__worth_of(a, v), 0);
    cvg__lp_element(&p->lp, (int)(a->n_types + a->query[v]), 1);
    cvg__lp_element(&p->lp, served, 1);
    whole->most[3 * i + 1] = a->devices[t];
    cvg__lp_column(&p->lp, 0, 0);
    cvg__lp_element(&p->lp, (int)t, 1);
    cvg__lp_element(&p->lp, served, -a->peak_rps[h]);
    cvg__lp_element(&p->lp, loaded, 1);
    cvg__lp_column(&p->lp, -cvg__load_cost(a, t, v), 0);
    cvg__lp_element(&p->lp, loaded, -1);
}

/* The best so far, as a solution of the program. */
static void start_from_best(struct program *p, struct cvg__whole *whole)
{
    struct cvg__allocation *a = p->a;
    memcpy(a->hosts, p->best, size(p));
    cvg__allocation_fill(a);
    for (uint32_t i = 0; i < p->n_pairs; i++) {
        uint32_t h = p->pairs[i];
        whole->start[3 * i] = a->rate_rps[h];
        whole->start[3 * i + 1] = a->hosts[h];
        whole->start[3 * i + 2] =
            a->hosts[h] > a->now[h] ? a->hosts[h] - a->now[h] : 0;
    }
}

static enum cvg_status branch(struct program *p, struct cvg_error *err)
{
    struct cvg__allocation *a = p->a;
    size_t n = 3 * (size_t)p->n_pairs;
    struct cvg__whole whole = {.gap = gap(a),
                               .nodes = MOST_WORK / p->n_pairs + 1};
    whole.most = calloc(n, sizeof *whole.most);
    whole.start = calloc(n, sizeof *whole.start);
    enum cvg_status status = CVG_NOMEM;
    if (whole.most != NULL && whole.start != NULL) {
        add_rows(p);
        for (uint32_t i = 0; i < p->n_pairs; i++) {
            add_pair(p, i, &whole);
        }
        start_from_best(p, &whole);
        status = cvg__lp_solve_whole(&p->lp, &whole, &a->exact, err);
    } else {
        no_memory(err);
    }
    if (status == CVG_OK) {
        for (uint32_t i = 0; i < p->n_pairs; i++) {
            a->hosts[p->pairs[i]] = (uint32_t)(p->lp.x[3 * i + 1] + 0.5);
        }
        keep_if_better(p);
    }
    free(whole.most);
    free(whole.start);
    return status;
}

static enum cvg_status solve(struct program *p, struct cvg_error *err)
{
    struct cvg__allocation *a = p->a;
    list_pairs(p);
    if (p->n_pairs == 0) {
        memset(a->hosts, 0, size(p));
        cvg__allocation_fill(a);
        a->exact = true;
        return CVG_OK;
    }
    enum cvg_status status = relax(p, err);
    double enough = p->lp.objective - gap(a);
    if (status == CVG_OK) {
        status = search(p, enough, err);
    }
    a->exact = status == CVG_OK && p->best_value >= enough;
    if (status == CVG_OK && !a->exact && p->n_pairs <= MOST_PAIRS) {
        status = branch(p, err);
        status = status == CVG_LIMIT ? CVG_OK : status; /* what there is */
    }
    if (status == CVG_OK) {
        memcpy(a->hosts, p->best, size(p));
        cvg__allocation_fill(a);
    }
    return status;
}

enum cvg_status cvg__allocate_milp(struct cvg__allocation *a,
                                   struct cvg_error *err)
{
    struct program p = {.a = a};
    size_t n = (size_t)a->n_types * a->n_variants + 1;
    p.pairs = calloc(n, sizeof *p.pairs);
    p.best = calloc(n, sizeof *p.best);
    enum cvg_status status = CVG_OK;
    if (p.pairs == NULL || p.best == NULL) {
        status = no_memory(err);
    } else {
        status = solve(&p, err);
    }
    cvg__lp_fini(&p.lp);
    free(p.pairs);
    free(p.best);
    return status;
}

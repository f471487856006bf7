/* The program of accuracy scaling, and what a solution of it is worth. */
#include "optimize/allocation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

bool cvg__allocation_init(struct cvg__allocation *a, uint32_t n_types,
                          uint32_t n_variants, uint32_t n_queries)
{
    size_t pairs = (size_t)n_types * n_variants;
    *a = (struct cvg__allocation){.n_types = n_types,
                                  .n_variants = n_variants,
                                  .n_queries = n_queries,
                                  .horizon_s = 1};
    a->devices = calloc(n_types + 1, sizeof *a->devices);
    a->peak_rps = calloc(pairs + 1, sizeof *a->peak_rps);
    a->load_s = calloc(pairs + 1, sizeof *a->load_s);
    a->now = calloc(pairs + 1, sizeof *a->now);
    a->accuracy = calloc(n_variants + 1, sizeof *a->accuracy);
    a->query = calloc(n_variants + 1, sizeof *a->query);
    a->demand_rps = calloc(n_queries + 1, sizeof *a->demand_rps);
    a->weight = calloc(n_queries + 1, sizeof *a->weight);
    a->first = calloc(n_queries + 2, sizeof *a->first);
    a->order = calloc(n_variants + 1, sizeof *a->order);
    a->best = calloc(n_queries + 1, sizeof *a->best);
    a->hosts = calloc(pairs + 1, sizeof *a->hosts);
    a->rate_rps = calloc(pairs + 1, sizeof *a->rate_rps);
    a->shed_rps = calloc(n_queries + 1, sizeof *a->shed_rps);
    bool there = a->devices != NULL && a->peak_rps != NULL &&
                 a->load_s != NULL && a->now != NULL && a->accuracy != NULL &&
                 a->query != NULL && a->demand_rps != NULL &&
                 a->weight != NULL && a->first != NULL && a->order != NULL &&
                 a->best != NULL && a->hosts != NULL && a->rate_rps != NULL &&
                 a->shed_rps != NULL;
    if (!there) {
        cvg__allocation_fini(a);
    }
    return there;
}

void cvg__allocation_fini(struct cvg__allocation *a)
{
    free(a->devices);
    free(a->peak_rps);
    free(a->load_s);
    free(a->now);
    free(a->accuracy);
    free(a->query);
    free(a->demand_rps);
    free(a->weight);
    free(a->first);
    free(a->order);
    free(a->best);
    free(a->hosts);
    free(a->rate_rps);
    free(a->shed_rps);
    *a = (struct cvg__allocation){0};
}

static bool goes_first(const struct cvg__allocation *a, uint32_t v, uint32_t w)
{
    return a->accuracy[v] != a->accuracy[w] ? a->accuracy[v] > a->accuracy[w]
                                            : v < w;
}

void cvg__allocation_sort(struct cvg__allocation *a)
{
    uint32_t n = 0;
    for (uint32_t q = 0; q < a->n_queries; q++) {
        a->first[q] = n;
        a->best[q] = 0;
        for (uint32_t v = 0; v < a->n_variants; v++) {
            if (a->query[v] != q) {
                continue;
            }
            uint32_t k = n++;
            for (; k > a->first[q] && goes_first(a, v, a->order[k - 1]); k--) {
                a->order[k] = a->order[k - 1];
            }
            a->order[k] = v;
            for (uint32_t t = 0; t < a->n_types; t++) {
                if (a->peak_rps[cvg__host(a, t, v)] > 0 && a->devices[t] > 0) {
                    a->best[q] = fmax(a->best[q], a->accuracy[v]);
                }
            }
        }
    }
    a->first[a->n_queries] = n;
}

uint32_t cvg__allocation_idle(const struct cvg__allocation *a, uint32_t type)
{
    uint32_t n = a->devices[type];
    for (uint32_t v = 0; v < a->n_variants; v++) {
        n -= a->hosts[cvg__host(a, type, v)];
    }
    return n;
}

double cvg__allocation_capacity(const struct cvg__allocation *a, uint32_t query)
{
    double sum = 0;
    for (uint32_t k = a->first[query]; k < a->first[query + 1]; k++) {
        for (uint32_t t = 0; t < a->n_types; t++) {
            size_t h = cvg__host(a, t, a->order[k]);
            sum += a->hosts[h] * a->peak_rps[h];
        }
    }
    return sum;
}

double cvg__allocation_worth(const struct cvg__allocation *a, uint32_t query)
{
    double left = a->demand_rps[query];
    double worth = 0;
    for (uint32_t k = a->first[query]; k < a->first[query + 1]; k++) {
        uint32_t v = a->order[k];
        double peak = 0;
        for (uint32_t t = 0; t < a->n_types; t++) {
            size_t h = cvg__host(a, t, v);
            peak += a->hosts[h] * a->peak_rps[h];
            if (a->hosts[h] > a->now[h]) {
                worth -= (a->hosts[h] - a->now[h]) * cvg__load_cost(a, t, v);
            }
        }
        double served = fmin(peak, left);
        left -= served;
        worth += served * cvg__worth_of(a, v);
    }
    return worth;
}

/* Variants order[k] to order[end - 1] are equally accurate. */
static double fill_alike(struct cvg__allocation *a, uint32_t k, uint32_t end,
                         double left)
{
    double peak = 0;
    for (uint32_t i = k; i < end; i++) {
        for (uint32_t t = 0; t < a->n_types; t++) {
            size_t h = cvg__host(a, t, a->order[i]);
            peak += a->hosts[h] * a->peak_rps[h];
        }
    }
    double share = peak > 0 ? fmin(left / peak, 1) : 0;
    for (uint32_t i = k; i < end; i++) {
        for (uint32_t t = 0; t < a->n_types; t++) {
            size_t h = cvg__host(a, t, a->order[i]);
            a->rate_rps[h] = share * (a->hosts[h] * a->peak_rps[h]);
        }
    }
    return peak >= left ? 0 : left - peak;
}

void cvg__allocation_fill(struct cvg__allocation *a)
{
    a->value = 0;
    for (uint32_t q = 0; q < a->n_queries; q++) {
        double left = a->demand_rps[q];
        uint32_t k = a->first[q];
        while (k < a->first[q + 1]) {
            uint32_t end = k + 1;
            while (end < a->first[q + 1] &&
                   a->accuracy[a->order[end]] == a->accuracy[a->order[k]]) {
                end++;
            }
            left = fill_alike(a, k, end, left);
            k = end;
        }
        a->shed_rps[q] = left;
        a->value += cvg__allocation_worth(a, q);
    }
}

void cvg__allocation_as_it_is(struct cvg__allocation *a)
{
    for (uint32_t t = 0; t < a->n_types; t++) {
        uint32_t left = a->devices[t];
        for (uint32_t v = 0; v < a->n_variants; v++) {
            size_t h = cvg__host(a, t, v);
            uint32_t n = a->peak_rps[h] > 0 ? a->now[h] : 0;
            a->hosts[h] = n < left ? n : left;
            left -= a->hosts[h];
        }
    }
}

/* --- devices that are left over ------------------------------------------- */

/* The most accurate variant of the query that the type can serve; NONE. */
static uint32_t best_on(const struct cvg__allocation *a, uint32_t type,
                        uint32_t q)
{
    for (uint32_t k = a->first[q]; k < a->first[q + 1]; k++) {
        if (a->peak_rps[cvg__host(a, type, a->order[k])] > 0) {
            return a->order[k];
        }
    }
    return NONE;
}

/* Demand for each request that could be served. */
static double pressure(const struct cvg__allocation *a, uint32_t q)
{
    double peak = cvg__allocation_capacity(a, q);
    if (a->demand_rps[q] <= 0) {
        return 0;
    }
    return peak > 0 ? a->demand_rps[q] / peak : INFINITY;
}

void cvg__allocation_use_idle(struct cvg__allocation *a)
{
    for (uint32_t t = 0; t < a->n_types; t++) {
        uint32_t left = cvg__allocation_idle(a, t);
        for (uint32_t v = 0; v < a->n_variants && left > 0; v++) {
            size_t h = cvg__host(a, t, v);
            while (left > 0 && a->hosts[h] < a->now[h] &&
                   best_on(a, t, a->query[v]) == v) {
                a->hosts[h]++;
                left--;
            }
        }
        for (; left > 0; left--) {
            uint32_t neediest = NONE;
            for (uint32_t q = 0; q < a->n_queries; q++) {
                if (best_on(a, t, q) != NONE &&
                    (neediest == NONE ||
                     pressure(a, q) > pressure(a, neediest))) {
                    neediest = q;
                }
            }
            if (neediest == NONE) {
                break;
            }
            a->hosts[cvg__host(a, t, best_on(a, t, neediest))]++;
        }
    }
}

/* --- what is held --------------------------------------------------------- */

/* Something else has to be better by that share of a request's accuracy, over
 * all requests. */
#define WORTH_CHANGING 0.001

bool cvg__allocation_is_placed(const struct cvg__allocation *a)
{
    size_t n = (size_t)a->n_types * a->n_variants;
    for (size_t h = 0; h < n; h++) {
        if (a->now[h] > 0) {
            return true;
        }
    }
    return false;
}

enum cvg_status cvg__allocation_stay(struct cvg__allocation *a,
                                     struct cvg_error *err)
{
    size_t n = (size_t)a->n_types * a->n_variants;
    uint32_t *better = malloc((n + 1) * sizeof *better);
    double all = 0;
    if (better == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for an allocation");
    }
    for (uint32_t q = 0; q < a->n_queries; q++) {
        all += a->weight[q] * a->demand_rps[q];
    }
    memcpy(better, a->hosts, n * sizeof *better);
    cvg__allocation_fill(a);
    double value = a->value;
    cvg__allocation_as_it_is(a);
    cvg__allocation_fill(a);
    if (value - a->value > WORTH_CHANGING * all) {
        memcpy(a->hosts, better, n * sizeof *better);
    }
    free(better);
    return CVG_OK;
}

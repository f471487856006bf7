/* Systems that place variants once, and those that change variants only. */
#include "optimize/allocation.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
/* The largest demand of a mix is looked for so long, and so near. */
#define MOST_TRIES 40
#define NEAR 0.01

/* All of a demand, but of queries that nothing can serve? */
static bool serves_all(const struct cvg__allocation *a)
{
    for (uint32_t q = 0; q < a->n_queries; q++) {
        if (a->best[q] > 0 && a->shed_rps[q] > 1e-9 * a->demand_rps[q]) {
            return false;
        }
    }
    return true;
}

static enum cvg_status solve_times(struct cvg__allocation *a,
                                   const double *demand, double factor,
                                   struct cvg_error *err)
{
    for (uint32_t q = 0; q < a->n_queries; q++) {
        a->demand_rps[q] = factor * demand[q];
    }
    return cvg__allocate_milp(a, err);
}

/* As placed for the largest demand of that mix that can still be served. */
static enum cvg_status place_for_most(struct cvg__allocation *a,
                                      struct cvg_error *err)
{
    double low = 0, high = 0, factor = 1;
    double *demand = malloc((a->n_queries + 1) * sizeof *demand);
    enum cvg_status status = CVG_OK;
    if (demand == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for an allocation");
    }
    memcpy(demand, a->demand_rps, a->n_queries * sizeof *demand);
    for (int i = 0; i < MOST_TRIES && status == CVG_OK; i++) {
        status = solve_times(a, demand, factor, err);
        bool all = status == CVG_OK && serves_all(a);
        low = all ? factor : low;
        high = all ? high : factor;
        if (high > 0 && high - low < NEAR * high) {
            break;
        }
        factor = high == 0 ? 2 * low : low == 0 ? high / 2 : (low + high) / 2;
    }
    if (status == CVG_OK) {
        /* Never: then as much of it as can be. */
        status = solve_times(a, demand, low > 0 ? low : 1, err);
    }
    cvg__allocation_use_idle(a);
    memcpy(a->demand_rps, demand, a->n_queries * sizeof *demand);
    free(demand);
    return status;
}

/* The least or most accurate variant of each query only. */
static void keep_one_variant(struct cvg__allocation *a, bool most_accurate)
{
    for (uint32_t q = 0; q < a->n_queries; q++) {
        uint32_t kept = NONE;
        for (uint32_t k = a->first[q]; k < a->first[q + 1]; k++) {
            for (uint32_t t = 0; t < a->n_types; t++) {
                bool runs = a->peak_rps[cvg__host(a, t, a->order[k])] > 0;
                kept = runs && (kept == NONE || !most_accurate) ? a->order[k]
                                                                : kept;
            }
        }
        for (uint32_t k = a->first[q]; k < a->first[q + 1]; k++) {
            for (uint32_t t = 0; t < a->n_types && a->order[k] != kept; t++) {
                a->peak_rps[cvg__host(a, t, a->order[k])] = 0;
            }
        }
    }
    cvg__allocation_sort(a);
}

static enum cvg_status clipper(struct cvg__allocation *a, bool most_accurate,
                               struct cvg_error *err)
{
    keep_one_variant(a, most_accurate);
    if (cvg__allocation_is_placed(a)) {
        cvg__allocation_as_it_is(a);
        cvg__allocation_use_idle(a); /* devices that have come up */
        return CVG_OK;
    }
    return place_for_most(a, err);
}

enum cvg_status cvg__allocate_clipper_ht(struct cvg__allocation *a,
                                         struct cvg_error *err)
{
    return clipper(a, false, err);
}

enum cvg_status cvg__allocate_clipper_ha(struct cvg__allocation *a,
                                         struct cvg_error *err)
{
    return clipper(a, true, err);
}

/* One query alone with the devices that it has. */
static enum cvg_status switch_variants(struct cvg__allocation *a, uint32_t q,
                                       struct cvg_error *err)
{
    struct cvg__allocation one = *a; /* borrows all but: */
    size_t n = (size_t)a->n_types * a->n_variants;
    uint32_t *devices = calloc(a->n_types + 1, sizeof *devices);
    double *demand = calloc(a->n_queries + 1, sizeof *demand);
    uint32_t *hosts = calloc(n + 1, sizeof *hosts);
    uint32_t *now = calloc(n + 1, sizeof *now);
    enum cvg_status status = CVG_NOMEM;
    if (devices != NULL && demand != NULL && hosts != NULL && now != NULL) {
        for (uint32_t t = 0; t < a->n_types; t++) {
            for (uint32_t v = 0; v < a->n_variants; v++) {
                size_t h = cvg__host(a, t, v);
                now[h] = a->query[v] == q ? a->now[h] : 0;
                devices[t] += now[h];
            }
        }
        demand[q] = a->demand_rps[q];
        one.devices = devices;
        one.demand_rps = demand;
        one.hosts = hosts;
        one.now = now;
        status = cvg__allocate_milp(&one, err);
        status = status == CVG_OK ? cvg__allocation_stay(&one, err) : status;
        cvg__allocation_use_idle(&one);
        for (size_t h = 0; h < n; h++) {
            a->hosts[h] += hosts[h];
        }
    } else {
        cvg_fail(err, CVG_NOMEM, "out of memory for an allocation");
    }
    free(devices);
    free(demand);
    free(hosts);
    free(now);
    return status;
}

enum cvg_status cvg__allocate_sommelier(struct cvg__allocation *a,
                                        struct cvg_error *err)
{
    if (!cvg__allocation_is_placed(a)) {
        size_t n = (size_t)a->n_types * a->n_variants;
        double *peaks = malloc((n + 1) * sizeof *peaks);
        if (peaks == NULL) {
            return cvg_fail(err, CVG_NOMEM, "out of memory for an allocation");
        }
        memcpy(peaks, a->peak_rps, n * sizeof *peaks);
        keep_one_variant(a, true);
        enum cvg_status status = place_for_most(a, err);
        memcpy(a->peak_rps, peaks, n * sizeof *peaks);
        free(peaks);
        cvg__allocation_sort(a);
        if (status != CVG_OK) {
            return status;
        }
        memcpy(a->now, a->hosts, n * sizeof *a->now);
    }
    memset(a->hosts, 0, (size_t)a->n_types * a->n_variants * sizeof *a->hosts);
    enum cvg_status status = CVG_OK;
    for (uint32_t q = 0; q < a->n_queries && status == CVG_OK; q++) {
        status = switch_variants(a, q, err);
    }
    cvg__allocation_use_idle(a); /* devices that have come up */
    return status;
}

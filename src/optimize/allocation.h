/* Accuracy scaling: which variants to hold on how many devices of each type,
 * and how much of each query's demand they serve.
 *
 *     maximise    sum  weight * (SERVED - (best accuracy - accuracy)) * rate
 *                 - LOADING * usual rate * load time / horizon, of each load
 *     subject to  rate on (type, variant)    <= devices that hold it * peak
 *                 devices of a type in use   <= those there are
 *                 sum of a query's rates     <= its demand
 *
 * A device holds one variant; a variant answers one query. Devices of one type
 * are alike, so they are counted, and the size of the program does not grow
 * with their number. Serving comes before accuracy: what cannot be served is
 * shed, and no more than that. A variant's peak rate is that of the largest
 * batch that takes half of the deadline: who comes when one has just begun
 * waits for that one and for his own.
 *
 * Ahmad et al., "Proteus: A High-Throughput Inference-Serving System with
 * Accuracy Scaling", ASPLOS 2024, table 1; counts, load times and shedding are
 * ours. */
#ifndef CVG_OPTIMIZE_ALLOCATION_H
#define CVG_OPTIMIZE_ALLOCATION_H

#include <convergo/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A request served, against a request more accurate by all there is. */
#define CVG__SERVED 50.0
/* A request that finds its device loading: most are served elsewhere. */
#define CVG__LOADING 1.5

struct cvg__allocation {
    /* The problem; [type, variant] is [type * n_variants + variant]. */
    uint32_t n_types, n_variants, n_queries;
    uint32_t *devices;  /* [type] that there are */
    double *peak_rps;   /* [type, variant]; 0: it cannot be served there */
    double *load_s;     /* [type, variant] to bring it into memory */
    uint32_t *now;      /* [type, variant] devices that hold it */
    double *accuracy;   /* [variant] 0..1 */
    uint32_t *query;    /* [variant] */
    double *demand_rps; /* [query] headroom included */
    double *weight;     /* [query] */
    double horizon_s;   /* until there will be another answer */
    double usual_rps;   /* by weight, what a device serves: missed in a load */
    /* By cvg__allocation_sort(): the variants of query q, the most accurate
     * first, are order[first[q]] up to order[first[q + 1]]. */
    uint32_t *first, *order;
    double *best; /* [query] accuracy that it can have here; 0: none */

    /* The answer. */
    uint32_t *hosts;  /* [type, variant] devices that are to hold it */
    double *rate_rps; /* [type, variant] that they serve together */
    double *shed_rps; /* [query] */
    double value;
    bool exact; /* no other is better by more than the solver's gap */
};

/* All zero. False: no memory; nothing is owned then. */
bool cvg__allocation_init(struct cvg__allocation *a, uint32_t n_types,
                          uint32_t n_variants, uint32_t n_queries);
void cvg__allocation_fini(struct cvg__allocation *a);
/* When the problem is filled in. */
void cvg__allocation_sort(struct cvg__allocation *a);

static inline size_t cvg__host(const struct cvg__allocation *a, uint32_t type,
                               uint32_t variant)
{
    return (size_t)type * a->n_variants + variant;
}

/* What one device of the type gives a query by holding the variant, at most: of
 * a request served by it. */
static inline double cvg__worth_of(const struct cvg__allocation *a,
                                   uint32_t variant)
{
    uint32_t q = a->query[variant];
    return a->weight[q] * (CVG__SERVED + a->accuracy[variant] - a->best[q]);
}

/* Of bringing the variant into one device of the type. */
static inline double cvg__load_cost(const struct cvg__allocation *a,
                                    uint32_t type, uint32_t variant)
{
    size_t h = cvg__host(a, type, variant);
    return CVG__LOADING * a->usual_rps * a->load_s[h] / a->horizon_s;
}

/* Devices of the type that are to hold nothing. */
uint32_t cvg__allocation_idle(const struct cvg__allocation *a, uint32_t type);
/* What `hosts` could serve of one query, requests a second. */
double cvg__allocation_capacity(const struct cvg__allocation *a,
                                uint32_t query);
/* What `hosts` is worth to one query: the most accurate serve first. */
double cvg__allocation_worth(const struct cvg__allocation *a, uint32_t query);
/* Rates, what is shed, and the value, of `hosts`. Those that are equally
 * accurate share in proportion to what they could serve. */
void cvg__allocation_fill(struct cvg__allocation *a);

/* Is anything held now? */
bool cvg__allocation_is_placed(const struct cvg__allocation *a);
/* `hosts` as they are now, as far as there are devices. */
void cvg__allocation_as_it_is(struct cvg__allocation *a);
/* The same, if that is nearly as good as `hosts`. CVG_NOMEM. */
enum cvg_status cvg__allocation_stay(struct cvg__allocation *a,
                                     struct cvg_error *err);
/* What an idle device holds it keeps, if that is the best it could hold; the
 * others get the best of the query that needs it most. */
void cvg__allocation_use_idle(struct cvg__allocation *a);

/* By Cbc's branch and bound from a solution that the relaxation and a local
 * search give, to a limit of nodes; where there are many devices those alone.
 * CVG_NOMEM; CVG_LIMIT: the solver gave up. */
enum cvg_status cvg__allocate_milp(struct cvg__allocation *a,
                                   struct cvg_error *err);
/* Exact, without a solver: each query by itself for every number of devices
 * that it could have of each type, then all queries together. For few types:
 * CVG_LIMIT if the numbers could be combined in too many ways. */
enum cvg_status cvg__allocate_dp(struct cvg__allocation *a,
                                 struct cvg_error *err);
/* Makes `hosts` better by moving devices, one or two at a time, as long as that
 * is better; then, so many times or until it is worth `enough`, the same again
 * with some devices taken away first. Equal problems have equal answers.
 * CVG_NOMEM. */
enum cvg_status cvg__allocate_improve(struct cvg__allocation *a, uint32_t kicks,
                                      double enough, struct cvg_error *err);
/* What an autoscaler of each query does by itself, from `now`: more devices, or
 * faster variants, whichever costs less accuracy; devices are never taken from
 * another query. Romero et al., "INFaaS", ATC 2021, with the drop of accuracy
 * as the cost, as Proteus compares with it. */
void cvg__allocate_infaas(struct cvg__allocation *a);
/* The most accurate variants, or the least accurate that are any faster, where
 * they are; at first as placed for the largest demand of that mix that they can
 * serve. Crankshaw et al., "Clipper", NSDI 2017, as Proteus compares with it.
 * CVG_NOMEM, CVG_LIMIT. */
enum cvg_status cvg__allocate_clipper_ha(struct cvg__allocation *a,
                                         struct cvg_error *err);
enum cvg_status cvg__allocate_clipper_ht(struct cvg__allocation *a,
                                         struct cvg_error *err);
/* Every query keeps its devices, and changes the variants there. At first they
 * are given out for the largest demand that the most accurate variants could
 * serve. Guo et al., "Sommelier", SIGMOD 2022, as Proteus compares with it.
 * CVG_NOMEM, CVG_LIMIT. */
enum cvg_status cvg__allocate_sommelier(struct cvg__allocation *a,
                                        struct cvg_error *err);

#endif

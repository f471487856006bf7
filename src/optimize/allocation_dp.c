/* Allocations by dynamic programming, exact and without a solver.
 *
 * Of one query, for every number of devices of each type (a count vector): its
 * variants are gone through from the most accurate on, device by device. How
 * far the demand is filled by then and what that is worth is all that matters
 * for the rest, so of each vector only the pairs that no other pair beats are
 * kept. All queries together: the best split of the devices between the queries
 * so far and the next. */
#include "optimize/allocation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_VECTORS 200000U
#define FIRST_NODES 4096U
#define MOST_NODES 4000000U
#define MOST_SUMS 400000000U /* that are tried: a few seconds */
#define NONE UINT32_MAX

struct node { /* devices chosen so far, of one query */
    double filled, worth;
    uint32_t parent; /* with one device less */
    uint32_t host;   /* that device: type * n_variants + variant */
    uint32_t next;   /* of the same count vector */
};

struct option { /* devices for a query that fewer are not as good as */
    uint32_t vector;
    double worth;
};

struct dp {
    struct cvg__allocation *a;
    uint32_t n_vectors;
    uint32_t *step; /* [type] between vectors that differ by one device */
    struct node *nodes;
    uint32_t n_nodes, max_nodes;
    uint32_t *lists;        /* [vector] of nodes */
    struct option *options; /* of the query at hand */
    double *value;          /* [vector] of the queries so far */
    double *before;         /* the same without the last one */
    uint32_t *chosen;       /* [query * n_vectors + vector] of the query */
    uint64_t sums;
    bool no_memory, too_much;
};

/* How many devices of the type a vector has. */
static uint32_t count_of(const struct dp *d, uint32_t vector, uint32_t type)
{
    return vector / d->step[type] % (d->a->devices[type] + 1);
}

/* Could `x` be at least as good as `y`, whatever comes after? What is still to
 * come is worth `most` a request at most. */
static bool beats(const struct node *x, const struct node *y, double most)
{
    return x->worth - y->worth >= fmax(x->filled - y->filled, 0) * most - 1e-9;
}

static void add(struct dp *d, uint32_t vector, struct node node, double most)
{
    uint32_t *link = &d->lists[vector];
    for (uint32_t i = *link; i != NONE; i = d->nodes[i].next) {
        d->sums++;
        if (beats(&d->nodes[i], &node, most)) {
            return;
        }
    }
    d->too_much = d->too_much || d->sums > MOST_SUMS;
    while (*link != NONE) {
        if (beats(&node, &d->nodes[*link], most)) {
            *link = d->nodes[*link].next;
        } else {
            link = &d->nodes[*link].next;
        }
    }
    if (d->n_nodes == d->max_nodes) {
        uint32_t max = 2 * d->max_nodes;
        struct node *more =
            max > MOST_NODES ? NULL : realloc(d->nodes, max * sizeof *more);
        d->too_much = d->too_much || max > MOST_NODES;
        d->no_memory = d->no_memory || (more == NULL && max <= MOST_NODES);
        if (more == NULL) {
            return;
        }
        d->nodes = more;
        d->max_nodes = max;
        /* `link` is the list's head or in the old nodes: look for it again. */
        link = &d->lists[vector];
        while (*link != NONE) {
            link = &d->nodes[*link].next;
        }
    }
    node.next = NONE;
    d->nodes[d->n_nodes] = node;
    *link = d->n_nodes++;
}

/* One device more, of those that the vectors without it have: from the largest
 * vector down it is one in all; from the smallest up as many as there are. */
static void add_device(struct dp *d, uint32_t q, uint32_t type,
                       uint32_t variant, bool loaded)
{
    const struct cvg__allocation *a = d->a;
    size_t host = cvg__host(a, type, variant);
    double cost = loaded ? 0 : cvg__load_cost(a, type, variant);
    double worth = cvg__worth_of(a, variant);
    for (uint32_t k = 0; k < d->n_vectors && !d->too_much; k++) {
        uint32_t from = loaded ? d->n_vectors - 1 - k : k;
        if (count_of(d, from, type) == a->devices[type]) {
            continue;
        }
        for (uint32_t i = d->lists[from]; i != NONE; i = d->nodes[i].next) {
            struct node node = d->nodes[i];
            double served =
                fmin(a->peak_rps[host], a->demand_rps[q] - node.filled);
            if (served <= 0) {
                continue;
            }
            node.filled += served;
            node.worth += served * worth - cost;
            node.parent = i;
            node.host = (uint32_t)host;
            add(d, from + d->step[type], node, worth);
        }
    }
}

/* What is not more than `devices` in any type. */
static void solve_query(struct dp *d, uint32_t q)
{
    const struct cvg__allocation *a = d->a;
    for (uint32_t c = 0; c < d->n_vectors; c++) {
        d->lists[c] = NONE;
    }
    d->n_nodes = 0;
    add(d, 0, (struct node){.parent = NONE, .host = NONE}, 0);
    for (uint32_t k = a->first[q]; k < a->first[q + 1]; k++) {
        uint32_t v = a->order[k];
        for (uint32_t t = 0; t < a->n_types; t++) {
            size_t h = cvg__host(a, t, v);
            if (a->peak_rps[h] <= 0) {
                continue;
            }
            for (uint32_t i = 0; i < a->now[h] && i < a->devices[t]; i++) {
                add_device(d, q, t, v, true);
            }
            if (a->now[h] < a->devices[t]) {
                add_device(d, q, t, v, false);
            }
        }
    }
}

static uint32_t best_node(const struct dp *d, uint32_t vector)
{
    uint32_t best = NONE;
    for (uint32_t i = d->lists[vector]; i != NONE; i = d->nodes[i].next) {
        if (best == NONE || d->nodes[i].worth > d->nodes[best].worth) {
            best = i;
        }
    }
    return best;
}

/* Vectors worth having: none with a device less of some type is as good. */
static uint32_t list_options(struct dp *d, double *most)
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < d->n_vectors; c++) {
        uint32_t i = best_node(d, c);
        double least = -INFINITY;
        for (uint32_t t = 0; t < d->a->n_types; t++) {
            if (count_of(d, c, t) > 0) {
                least = fmax(least, most[c - d->step[t]]);
            }
        }
        most[c] = i == NONE ? least : fmax(least, d->nodes[i].worth);
        if (i != NONE && d->nodes[i].worth > least) {
            d->options[n++] = (struct option){c, d->nodes[i].worth};
        }
    }
    return n;
}

static bool fits(const struct dp *d, uint32_t a, uint32_t b)
{
    for (uint32_t t = 0; t < d->a->n_types; t++) {
        if (count_of(d, a, t) + count_of(d, b, t) > d->a->devices[t]) {
            return false;
        }
    }
    return true;
}

static void add_query(struct dp *d, uint32_t q)
{
    uint32_t *chosen = &d->chosen[(size_t)q * d->n_vectors];
    solve_query(d, q);
    uint32_t n = list_options(d, d->before); /* scratch */
    memcpy(d->before, d->value, d->n_vectors * sizeof *d->value);
    for (uint32_t c = 0; c < d->n_vectors; c++) {
        d->value[c] = -INFINITY;
        chosen[c] = NONE;
    }
    for (uint32_t c = 0; c < d->n_vectors && !d->too_much; c++) {
        d->sums += isfinite(d->before[c]) ? n : 0;
        d->too_much = d->sums > MOST_SUMS;
        for (uint32_t i = 0; isfinite(d->before[c]) && i < n; i++) {
            uint32_t v = d->options[i].vector;
            double value = d->before[c] + d->options[i].worth;
            if (c + v < d->n_vectors && value > d->value[c + v] &&
                fits(d, c, v)) {
                d->value[c + v] = value;
                chosen[c + v] = v;
            }
        }
    }
}

static void take_hosts(struct dp *d)
{
    struct cvg__allocation *a = d->a;
    uint32_t vector = 0;
    for (uint32_t c = 1; c < d->n_vectors; c++) {
        vector = d->value[c] > d->value[vector] ? c : vector;
    }
    for (uint32_t q = a->n_queries; q-- > 0;) {
        uint32_t own = d->chosen[(size_t)q * d->n_vectors + vector];
        solve_query(d, q);
        for (uint32_t i = best_node(d, own);
             i != NONE && d->nodes[i].parent != NONE; i = d->nodes[i].parent) {
            a->hosts[d->nodes[i].host]++;
        }
        vector -= own;
    }
}

static bool count_vectors(struct dp *d)
{
    uint64_t n = 1;
    for (uint32_t t = 0; t < d->a->n_types; t++) {
        d->step[t] = (uint32_t)n;
        n *= d->a->devices[t] + 1;
        if (n > MOST_VECTORS) {
            return false;
        }
    }
    d->n_vectors = (uint32_t)n;
    return true;
}

static enum cvg_status solve(struct dp *d, struct cvg_error *err)
{
    struct cvg__allocation *a = d->a;
    d->step = calloc(a->n_types + 1, sizeof *d->step);
    if (d->step == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for an allocation");
    }
    if (!count_vectors(d)) {
        return cvg_fail(err, CVG_LIMIT,
                        "too many devices of too many types for 'dp': use "
                        "allocation 'milp'");
    }
    d->max_nodes = FIRST_NODES;
    d->nodes = calloc(d->max_nodes, sizeof *d->nodes);
    d->lists = calloc(d->n_vectors, sizeof *d->lists);
    d->options = calloc(d->n_vectors, sizeof *d->options);
    d->value = calloc(d->n_vectors, sizeof *d->value);
    d->before = calloc(d->n_vectors, sizeof *d->before);
    d->chosen =
        calloc((size_t)d->n_vectors * a->n_queries + 1, sizeof *d->chosen);
    d->no_memory = d->nodes == NULL || d->lists == NULL || d->options == NULL ||
                   d->value == NULL || d->before == NULL || d->chosen == NULL;
    for (uint32_t c = 1; !d->no_memory && c < d->n_vectors; c++) {
        d->value[c] = -INFINITY;
    }
    for (uint32_t q = 0; !d->no_memory && !d->too_much && q < a->n_queries;
         q++) {
        add_query(d, q);
    }
    if (d->no_memory) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for an allocation");
    }
    if (d->too_much) {
        return cvg_fail(err, CVG_LIMIT,
                        "too many combinations for 'dp': use "
                        "allocation 'milp'");
    }
    memset(a->hosts, 0, (size_t)a->n_types * a->n_variants * sizeof *a->hosts);
    take_hosts(d);
    cvg__allocation_fill(a);
    a->exact = true;
    return CVG_OK;
}

enum cvg_status cvg__allocate_dp(struct cvg__allocation *a,
                                 struct cvg_error *err)
{
    struct dp d = {.a = a};
    enum cvg_status status = solve(&d, err);
    free(d.step);
    free(d.nodes);
    free(d.lists);
    free(d.options);
    free(d.value);
    free(d.before);
    free(d.chosen);
    return status;
}

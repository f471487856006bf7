/* Each query scales by itself, from what it has. */
#include "optimize/allocation.h"

#include <math.h>

/* Devices are given back, and variants made more accurate again, when that
 * leaves so many times the demand. */
#define EASE 1.1
#define NOTHING UINT32_MAX

struct step { /* of one query: a device gets another variant, or a first one */
    uint32_t type, lost, got; /* variants; lost: NOTHING: an idle device */
    double drop;              /* of accuracy, a request gained */
    double gained_rps;
};

static void consider(const struct cvg__allocation *a, uint32_t type,
                     uint32_t lost, uint32_t got, struct step *best)
{
    double peak = a->peak_rps[cvg__host(a, type, got)];
    double before = lost == NOTHING ? 0 : a->peak_rps[cvg__host(a, type, lost)];
    double from = lost == NOTHING ? a->best[a->query[got]] : a->accuracy[lost];
    struct step s = {type, lost, got, 0, peak - before};
    if (peak <= 0 || s.gained_rps <= 0) {
        return;
    }
    s.drop = (from - a->accuracy[got]) * peak / s.gained_rps;
    bool alike = fabs(s.drop - best->drop) < 1e-12;
    if (s.drop < best->drop - 1e-12 ||
        (alike && s.gained_rps > best->gained_rps)) {
        *best = s;
    }
}

/* The cheapest way to more; gained_rps 0: none. */
static struct step next_step(const struct cvg__allocation *a, uint32_t q)
{
    struct step best = {.drop = INFINITY};
    for (uint32_t t = 0; t < a->n_types; t++) {
        bool has_idle = cvg__allocation_idle(a, t) > 0;
        for (uint32_t k = a->first[q]; k < a->first[q + 1]; k++) {
            uint32_t got = a->order[k];
            if (has_idle) {
                consider(a, t, NOTHING, got, &best);
            }
            for (uint32_t i = a->first[q]; i < a->first[q + 1]; i++) {
                if (a->hosts[cvg__host(a, t, a->order[i])] > 0) {
                    consider(a, t, a->order[i], got, &best);
                }
            }
        }
    }
    return best;
}

static void take(struct cvg__allocation *a, const struct step *s)
{
    if (s->lost != NOTHING) {
        a->hosts[cvg__host(a, s->type, s->lost)]--;
    }
    a->hosts[cvg__host(a, s->type, s->got)]++;
}

/* The query that has least of what it asks for, and a way to more; NOTHING. */
static uint32_t neediest(const struct cvg__allocation *a, struct step *step)
{
    double least = 1;
    uint32_t found = NOTHING;
    for (uint32_t q = 0; q < a->n_queries; q++) {
        double share = a->demand_rps[q] > 0
                           ? cvg__allocation_capacity(a, q) / a->demand_rps[q]
                           : 1;
        if (share < least) {
            struct step s = next_step(a, q);
            if (s.gained_rps > 0) {
                *step = s;
                found = q;
                least = share;
            }
        }
    }
    return found;
}

static void scale_up(struct cvg__allocation *a)
{
    struct step s;
    while (neediest(a, &s) != NOTHING) {
        take(a, &s);
    }
}

/* A device that holds `v`, to be given back or to hold something more accurate:
 * is there one of which the query has no need? */
static bool scale_down_from(struct cvg__allocation *a, uint32_t q, uint32_t v)
{
    double spare = cvg__allocation_capacity(a, q) - EASE * a->demand_rps[q];
    for (uint32_t t = 0; t < a->n_types; t++) {
        size_t h = cvg__host(a, t, v);
        if (a->hosts[h] == 0) {
            continue;
        }
        for (uint32_t k = a->first[q]; a->order[k] != v; k++) {
            size_t other = cvg__host(a, t, a->order[k]);
            if (a->peak_rps[other] > 0 &&
                a->accuracy[a->order[k]] > a->accuracy[v] &&
                a->peak_rps[h] - a->peak_rps[other] <= spare) {
                a->hosts[h]--;
                a->hosts[other]++;
                return true;
            }
        }
        if (a->peak_rps[h] <= spare &&
            cvg__allocation_capacity(a, q) > a->peak_rps[h]) {
            a->hosts[h]--;
            return true;
        }
    }
    return false;
}

static void scale_down(struct cvg__allocation *a, uint32_t q)
{
    /* The least accurate first. */
    for (uint32_t k = a->first[q + 1]; k-- > a->first[q];) {
        while (scale_down_from(a, q, a->order[k])) {
        }
    }
}

void cvg__allocate_infaas(struct cvg__allocation *a)
{
    cvg__allocation_as_it_is(a);
    for (uint32_t q = 0; q < a->n_queries; q++) {
        scale_down(a, q);
    }
    scale_up(a);
    cvg__allocation_fill(a);
}

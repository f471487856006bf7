/* What an application asks for (DESIGN.md sections 1 and 5). */
#ifndef CONVERGO_SLO_H
#define CONVERGO_SLO_H

#include <convergo/time.h>
#include <stdbool.h>
#include <stdint.h>

enum cvg_slo_kind {
    CVG_SLO_DEADLINE,
    CVG_SLO_ACCURACY,
    CVG_SLO_THROUGHPUT,
    CVG_SLO_ENERGY,
    CVG_SLO_KINDS
};

/* "deadline", "accuracy", "throughput", "energy" */
const char *cvg_slo_kind_name(enum cvg_slo_kind kind);

struct cvg_slo {
    uint32_t declared;     /* bit 1 << kind for each kind that is asked for */
    cvg_span deadline;     /* ns after arrival, > 0 */
    double accuracy;       /* 0..1, at least */
    double throughput_rps; /* requests/s, at least */
    double energy_j;       /* joules per request, at most */
};

static inline bool cvg_slo_has(const struct cvg_slo *slo,
                               enum cvg_slo_kind kind)
{
    return (slo->declared >> kind & 1U) != 0;
}

/* The kinds that `by` declares replace those of `slo`; others stay. */
static inline void cvg_slo_merge(struct cvg_slo *slo, const struct cvg_slo *by)
{
    if (cvg_slo_has(by, CVG_SLO_DEADLINE)) {
        slo->deadline = by->deadline;
    }
    if (cvg_slo_has(by, CVG_SLO_ACCURACY)) {
        slo->accuracy = by->accuracy;
    }
    if (cvg_slo_has(by, CVG_SLO_THROUGHPUT)) {
        slo->throughput_rps = by->throughput_rps;
    }
    if (cvg_slo_has(by, CVG_SLO_ENERGY)) {
        slo->energy_j = by->energy_j;
    }
    slo->declared |= by->declared;
}

/* The same kinds, with the same bounds. */
static inline bool cvg_slo_equal(const struct cvg_slo *a,
                                 const struct cvg_slo *b)
{
    return a->declared == b->declared && a->deadline == b->deadline &&
           a->accuracy == b->accuracy &&
           a->throughput_rps == b->throughput_rps && a->energy_j == b->energy_j;
}

/* Is each answer judged by its accuracy, or the mean over a window? */
enum cvg_accuracy_over { CVG_ACCURACY_PER_REQUEST, CVG_ACCURACY_PER_WINDOW };

/* What is best among all that keeps the bounds; NONE: as the policy has it. */
enum cvg_objective {
    CVG_OBJECTIVE_NONE,
    CVG_OBJECTIVE_ACCURACY, /* the most */
    CVG_OBJECTIVE_ENERGY,   /* the least */
    CVG_OBJECTIVE_LATENCY,  /* the least */
    CVG_OBJECTIVES
};
/* "none", "accuracy", "energy", "latency" */
const char *cvg_objective_name(enum cvg_objective objective);

#define CVG_WINDOW CVG_S(1) /* SLO windows, by arrival time */

#endif

/* A run as the bound sees it: what arrives and what it asks for, and how fast
 * the devices are when. */
#ifndef CVG_OPTIMIZE_RUN_H
#define CVG_OPTIMIZE_RUN_H

#include "domain/workload.h"

/* Requests that ask for the same. A bound of a request may be set too loose,
 * never too strict. */
struct cvg__kind {
    uint32_t app;
    cvg_span latest;    /* it must be done so long after it arrived; CVG_NEVER:
                         * any time */
    struct cvg_slo slo; /* accuracy and energy */
};
#define CVG__MAX_KINDS 128U

struct cvg__arrived {
    cvg_span at;
    const struct cvg_trace_row *row; /* NULL: no trace */
    uint32_t app;
    uint32_t kind; /* CVG_ANY: it asks for nothing */
};

struct cvg__run {
    const struct cvg_box *box;
    const struct cvg_workload *workload;
    double load;
    cvg_span from, until;
    struct cvg__arrived *arrived; /* owned; by app, then by time */
    size_t n_arrived, max_arrived;
    struct cvg__kind kinds[CVG__MAX_KINDS];
    uint32_t n_kinds;
};

/* All that arrives between warm-up and end. False: no memory. */
bool cvg__run_draw(struct cvg__run *run, uint64_t seed);
void cvg__run_fini(struct cvg__run *run);

/* The SLO that the app has from `at` on, by the events up to then. */
struct cvg_slo cvg__run_slo(const struct cvg__run *run, uint32_t app,
                            cvg_span at);

/* The part of [from, until) that the device is up for, each moment divided by
 * how slow it is then. ns. */
double cvg__run_capacity(const struct cvg__run *run, uint32_t device,
                         cvg_span from, cvg_span until);
/* How slow it is at its best in [from, until]; INFINITY: it is down. */
double cvg__run_slowdown(const struct cvg__run *run, uint32_t device,
                         cvg_span from, cvg_span until);

/* When an event begins or ends that is after `at`; CVG_NEVER: none does. */
cvg_span cvg__run_next_change(const struct cvg__run *run, cvg_span at);

#endif

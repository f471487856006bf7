/* What to send next: the arrival streams of a workload and its events, merged
 * in the order of time. Pure. */
#ifndef CVG_LOAD_PLAN_H
#define CVG_LOAD_PLAN_H

#include "domain/workload.h"
#include <convergo/box.h>

/* Of all apps together, at their highest. What a machine can send is less. */
#define CVG__PLAN_MAX_RPS 50000

enum cvg__due_type { CVG__DUE_REQUEST, CVG__DUE_SLO };

struct cvg__due {
    enum cvg__due_type type;
    cvg_span at; /* from the start */
    uint32_t app;
    struct cvg_slo slo; /* REQUEST: that it is sent with; SLO: from now on */
    uint32_t overrides; /* kinds in which it differs from the box's */
    /* That an event has given its app; NULL: none has. Borrowed. */
    const struct cvg_conditions *conditions;
};

struct cvg__plan {
    const struct cvg_workload *workload; /* borrowed */
    struct cvg_arrival_source *sources;  /* [n_streams] */
    struct cvg_slo slo[CVG_MAX_APPS];    /* as of now */
    uint32_t changed[CVG_MAX_APPS];      /* kinds that events have changed */
    const struct cvg_conditions *conditions[CVG_MAX_APPS]; /* by events */
    size_t next_event;
};

/* CVG_UNSUPPORTED: it has events on devices, which nobody can make happen to a
 * live server. CVG_CONFIG: more than CVG__PLAN_MAX_RPS. */
enum cvg_status cvg__plan_init(struct cvg__plan *plan,
                               const struct cvg_workload *workload,
                               const struct cvg_box *box, uint64_t seed,
                               double load, struct cvg_error *err);
void cvg__plan_fini(struct cvg__plan *plan);
/* False: nothing more until the workload's end. */
bool cvg__plan_next(struct cvg__plan *plan, struct cvg__due *out);

#endif

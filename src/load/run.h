/* One run of the generator: shared by run.c, which sends and judges, and
 * result.c, which reports. */
#ifndef CVG_LOAD_RUN_H
#define CVG_LOAD_RUN_H

#include "base/histogram.h"
#include "engine/ledger.h"
#include "load/answer.h"
#include "load/inputs.h"
#include "load/load.h"
#include "load/plan.h"
#include "load/pool.h"

struct cvg__run {
    const struct cvg_load_options *o;
    struct cvg__plan plan;
    struct cvg__inputs inputs;
    struct cvg__pool *pool;
    struct cvg_ledger *ledger;
    struct cvg_rng items[CVG_MAX_APPS];

    cvg_time start; /* on the clock; all below is from it */
    struct cvg__due due;
    bool has_due;
    uint64_t sent, answered, outstanding;
    cvg_span longest; /* deadline of any request; 0: none has one */
    cvg_time heard;   /* when the last reply came */
    struct cvg_histogram *late;
    uint64_t no_reply;     /* requests without one */
    uint64_t unable;       /* failed, or found no device that could run them */
    size_t connections;    /* the most that were open */
    char first_error[300]; /* of the first of these */

    /* The server's own counts at the end of the warm-up, and when. */
    json_t *before;
    struct cvg__exchange snapshot;
    char *snapshot_text;
    bool snapshot_sent;

    int epoll, timer;
};

cvg_time cvg__monotonic(void);

/* The report of a finished run; NULL: no memory. */
json_t *cvg__run_report(struct cvg__run *run);

#endif

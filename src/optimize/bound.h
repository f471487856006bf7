/* The fluid bound of a whole run: no policy keeps more (DESIGN.md section 5).
 *
 * The demand is what arrives in that run, the very requests, without those of
 * the warm-up. Events, and windows where arrivals come in bursts, cut the run
 * into pieces; requests that arrive in one can be served in it and in later
 * ones, as long as they have time. Pieces only make the bound tighter: any cut
 * is a true bound. */
#ifndef CVG_OPTIMIZE_BOUND_H
#define CVG_OPTIMIZE_BOUND_H

#include "domain/workload.h"

struct cvg_bound {
    double joint, joint_weighted; /* negative: no request asks for anything */
};

/* Of the run that cvg_sim would make with these options; load 0: 1.
 * CVG_NOMEM; CVG_LIMIT: the solver gave up. */
enum cvg_status cvg_bound_run(const struct cvg_box *box,
                              const struct cvg_workload *workload, double load,
                              uint64_t seed, struct cvg_bound *out,
                              struct cvg_error *err);

#endif

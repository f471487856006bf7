/* How much load a policy takes: the highest one at which enough requests have
 * all their SLOs met. */
#ifndef CVG_CLI_SIM_SEARCH_H
#define CVG_CLI_SIM_SEARCH_H

#include "cli/sim_run.h"

struct cvg__sim_found {
    double load;     /* of those tried the highest that will do; 0: none */
    double joint;    /* there: mean over the seeds */
    double fails_at; /* of those tried the lowest that is too much; 0: none */
    double joint_there;
};

struct cvg__sim_search {
    double joint; /* what will do: a mean joint rate of at least this */
    const struct cvg__sim_job *policies; /* of each: label and policy */
    size_t n_policies;
    uint64_t seed, seeds;
    size_t at_once;
};

/* Bisection for all policies side by side, from load 1 to within half a
 * percent, between 1/32 and 1024 and as far as the workload can be played.
 * found[n_policies] is filled in. CVG_INVALID: no application asks for
 * anything. */
enum cvg_status cvg__sim_search(const struct cvg__sim_search *search,
                                const struct cvg__sim_setup *setup,
                                struct cvg__sim_found *found,
                                struct cvg_error *err);

/* What a reader of the report needs to know of it. Owned by the caller. */
json_t *cvg__sim_found_json(const struct cvg__sim_search *search,
                            const struct cvg__sim_found *found);

#endif

/* One run of `convergo sim`, from its policy, load and seed to its report. */
#ifndef CVG_CLI_SIM_RUN_H
#define CVG_CLI_SIM_RUN_H

#include "config/config.h"
#include "domain/workload.h"
#include <convergo/policy.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* What all runs of one call share; borrowed. */
struct cvg__sim_setup {
    const struct cvg_box *box;
    const struct cvg_workload *workload;
    cvg_span duration;  /* 0: the workload's own */
    cvg_span warmup;    /* negative: the workload's own */
    cvg_span overhead;  /* of each batch: sim.h */
    bool bound;         /* of each run: what no policy could beat */
    FILE *rows;         /* a CSV row per request; NULL: none */
    const char *record; /* the file of the record; NULL: none */
    const struct cvg_config_texts *texts; /* the box's, for the record */
    const char *policy; /* the text given, for the record; NULL: the box's */
    FILE *progress;     /* a terminal, told how far the run is; NULL: none */
    /* For a page: each report gets a member "detail" of what sim_detail.h
     * knows, which is not part of the report's schema. */
    bool details;
    cvg_time timeline_from; /* negative: from the end of the warm-up */
    size_t timeline_most;   /* spans */
};

struct cvg__sim_job {
    const char *label; /* of the policy, as given */
    const struct cvg_policy *policy;
    double load;
    uint64_t seed;
    bool shown; /* on a page, of those that differ in the seed only: it gets a
                 * timeline and shares over time, too */
};

/* Could it be run at that load? CVG_INVALID names the workload, and what is too
 * long or too much of it. */
enum cvg_status cvg__sim_check(const struct cvg__sim_setup *setup, double load,
                               struct cvg_error *err);

/* All of them, each in a process of its own, at_once at a time; reports[n],
 * NULL at first, are owned by the caller, also when one failed. */
enum cvg_status cvg__sim_run_all(const struct cvg__sim_setup *setup,
                                 const struct cvg__sim_job *jobs, size_t n,
                                 size_t at_once, json_t **reports,
                                 struct cvg_error *err);

/* One, here. *out is owned by the caller. */
enum cvg_status cvg__sim_run(const struct cvg__sim_setup *setup,
                             const struct cvg__sim_job *job, json_t **out,
                             struct cvg_error *err);

#endif

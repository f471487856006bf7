/* Bisection for the load. */
#include "cli/sim_search.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define LEAST_LOAD (1.0 / 32)
#define MOST_LOAD 1024.0
#define CLOSE_ENOUGH 1.005

/* The load to try next; 0: the search is over. */
static double next_load(const struct cvg__sim_found *f,
                        const struct cvg__sim_setup *setup)
{
    double load = f->load == 0       ? f->fails_at / 2
                  : f->fails_at == 0 ? f->load * 2
                                     : (f->load + f->fails_at) / 2;
    if (f->load == 0 && f->fails_at == 0) {
        return 1;
    }
    if (f->load > 0 && f->fails_at > 0 &&
        f->fails_at <= CLOSE_ENOUGH * f->load) {
        return 0;
    }
    if (load < LEAST_LOAD || load > MOST_LOAD ||
        cvg__sim_check(setup, load, NULL) != CVG_OK) {
        return 0;
    }
    return load;
}

static double mean_joint(json_t *const *reports, size_t n)
{
    double sum = 0;
    size_t counted = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *joint =
            json_object_get(json_object_get(reports[i], "slo"), "joint");
        if (json_is_number(joint)) {
            sum += json_number_value(joint);
            counted++;
        }
    }
    return counted > 0 ? sum / (double)counted : NAN;
}

static enum cvg_status note(const struct cvg__sim_search *s,
                            struct cvg__sim_found *f, double load, double joint,
                            const char *path, struct cvg_error *err)
{
    if (isnan(joint)) {
        return cvg_fail(err, CVG_INVALID,
                        "%s: at load %g no request of an application with an "
                        "SLO arrives: there is no joint rate to look for",
                        path, load);
    }
    if (joint >= s->joint) {
        f->load = load;
        f->joint = joint;
    } else {
        f->fails_at = load;
        f->joint_there = joint;
    }
    return CVG_OK;
}

/* The next load of each policy whose search is not over; returns how many. */
static size_t plan_round(const struct cvg__sim_search *s,
                         const struct cvg__sim_setup *setup,
                         const struct cvg__sim_found *found,
                         struct cvg__sim_job *jobs, size_t *whose)
{
    size_t n = 0;
    for (size_t p = 0; p < s->n_policies; p++) {
        double load = next_load(&found[p], setup);
        for (uint64_t k = 0; load > 0 && k < s->seeds; k++) {
            whose[n] = p;
            jobs[n] = s->policies[p];
            jobs[n].load = load;
            jobs[n++].seed = s->seed + k;
        }
    }
    return n;
}

struct round {
    struct cvg__sim_job *jobs;
    size_t *whose; /* policy */
    json_t **reports;
    size_t n;
};

static enum cvg_status run_round(const struct cvg__sim_search *s,
                                 const struct cvg__sim_setup *setup,
                                 struct round *r, struct cvg__sim_found *found,
                                 struct cvg_error *err)
{
    enum cvg_status status =
        cvg__sim_run_all(setup, r->jobs, r->n, s->at_once, r->reports, err);
    for (size_t i = 0; i < r->n && status == CVG_OK; i += s->seeds) {
        status = note(s, &found[r->whose[i]], r->jobs[i].load,
                      mean_joint(&r->reports[i], s->seeds),
                      setup->workload->path, err);
    }
    for (size_t i = 0; i < r->n; i++) {
        json_decref(r->reports[i]);
        r->reports[i] = NULL;
    }
    return status;
}

enum cvg_status cvg__sim_search(const struct cvg__sim_search *s,
                                const struct cvg__sim_setup *setup,
                                struct cvg__sim_found *found,
                                struct cvg_error *err)
{
    size_t most = s->n_policies * s->seeds;
    assert(most > 0);
    struct round r = {.jobs = calloc(most, sizeof *r.jobs),
                      .whose = calloc(most, sizeof *r.whose),
                      .reports = calloc(most, sizeof *r.reports)};
    enum cvg_status status = CVG_OK;
    if (r.jobs == NULL || r.whose == NULL || r.reports == NULL) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory");
        goto out;
    }
    for (size_t p = 0; p < s->n_policies; p++) {
        found[p] = (struct cvg__sim_found){0};
    }
    while (status == CVG_OK) {
        r.n = plan_round(s, setup, found, r.jobs, r.whose);
        if (r.n == 0) {
            break;
        }
        status = run_round(s, setup, &r, found, err);
    }
out:
    free(r.jobs);
    free(r.whose);
    free(r.reports);
    return status;
}

static json_t *known(double load, double value)
{
    return load > 0 ? json_real(round(value * 1e6) / 1e6) : json_null();
}

json_t *cvg__sim_found_json(const struct cvg__sim_search *s,
                            const struct cvg__sim_found *f)
{
    return json_pack("{s:f, s:o, s:o, s:o, s:o}", "joint", s->joint, "load",
                     f->load > 0 ? json_real(f->load) : json_null(),
                     "mean_joint", known(f->load, f->joint), "fails_at",
                     f->fails_at > 0 ? json_real(f->fails_at) : json_null(),
                     "mean_joint_there", known(f->fails_at, f->joint_there));
}

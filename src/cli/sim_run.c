/* Simulated runs. */
#include "cli/sim_run.h"

#include "base/units.h"
#include "cli/jobs.h"
#include "cli/sim_detail.h"
#include "cli/sim_rows.h"
#include "optimize/bound.h"
#include "record/record.h"
#include "report/report.h"
#include "sim/sim.h"
#include <time.h>

#define LONGEST CVG_S(8760LL * 3600)
/* Some hours of one core. */
#define MOST_REQUESTS 1e10
/* Ended requests are looked up right after the step that ended them. */
#define ENDED_KEPT 4096
#define PROGRESS_STEPS 200
#define TIMELINE CVG_S(5)

/* --- the workload of a run ------------------------------------------------ */

/* A duration that was given counts as it stands, also that of a trace which is
 * played faster; but a trace has no more than its rows. */
static struct cvg_workload cut(const struct cvg__sim_setup *setup, double load)
{
    struct cvg_workload w = *setup->workload;
    cvg_span own = cvg_workload_duration(&w, load);
    if (setup->duration > 0 && !(w.trace && own < setup->duration)) {
        w.duration = setup->duration;
        w.trace = false;
    }
    if (setup->warmup >= 0) {
        w.warmup = setup->warmup;
    }
    return w;
}

enum cvg_status cvg__sim_check(const struct cvg__sim_setup *setup, double load,
                               struct cvg_error *err)
{
    struct cvg_workload w = cut(setup, load);
    cvg_span duration = cvg_workload_duration(&w, load);
    double requests = cvg_workload_requests(&w, load);
    char length[40], warmup[40];
    cvg_format_span(length, sizeof length, duration);
    cvg_format_span(warmup, sizeof warmup, w.warmup);
    if (duration > LONGEST) {
        return cvg_fail(err, CVG_INVALID,
                        "%s: at load %g it lasts %s; a year (8760h) at most",
                        w.path, load, length);
    }
    if (requests > MOST_REQUESTS) {
        return cvg_fail(err, CVG_INVALID,
                        "%s: at load %g and for %s it brings %.3g requests; "
                        "%g at most",
                        w.path, load, length, requests, MOST_REQUESTS);
    }
    if (w.warmup >= duration) {
        return cvg_fail(err, CVG_INVALID,
                        "%s: at load %g the warm-up of %s leaves nothing of %s",
                        w.path, load, warmup, length);
    }
    return CVG_OK;
}

/* --- the run -------------------------------------------------------------- */

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* In pieces, so that somebody who waits for a run that is alone sees it move.
 */
static void run_telling(struct cvg_sim *sim, cvg_span duration, FILE *progress)
{
    cvg_span step = duration / PROGRESS_STEPS + 1;
    for (cvg_time until = step; cvg_sim_advance(sim, until); until += step) {
        double share = (double)until / (double)duration;
        fprintf(progress, "\r%3.0f %% ", share < 1 ? 100 * share : 100);
        fflush(progress);
    }
    fputs("\r\033[K", progress);
    fflush(progress);
}

static json_t *report(struct cvg_sim *sim, const struct cvg__sim_setup *setup,
                      const struct cvg__sim_job *job,
                      const struct cvg_bound *bound)
{
    struct cvg_run run = {
        .mode = "sim",
        .policy = job->label,
        .parts = job->policy,
        .load = job->load,
        .seed = job->seed,
        .duration = cvg_sim_measured(sim),
        .elapsed = cvg_sim_elapsed(sim),
        .box = setup->box,
        .stats = cvg_sim_stats(sim),
        .decision = cvg_sim_decision_times(sim),
        .bound_joint = bound->joint,
        .bound_joint_weighted = bound->joint_weighted,
    };
    return cvg_report_json(&run);
}

/* Who looks on. */
struct watchers {
    struct cvg__sim_rows *rows;     /* NULL: nobody wants rows */
    struct cvg__sim_detail *detail; /* NULL: nobody wants details */
    struct cvg_recorder *recorder;  /* NULL: nobody wants a record */
};

static void watch(void *context, const struct cvg_event *event,
                  const struct cvg_actions *actions)
{
    const struct watchers *w = context;
    if (w->rows != NULL) {
        cvg__sim_rows_watch(w->rows, event, actions);
    }
    if (w->detail != NULL) {
        cvg__sim_detail_watch(w->detail, event, actions);
    }
    if (w->recorder != NULL) {
        cvg_recorder_step(w->recorder, event, actions);
    }
}

static void ended(void *context, uint32_t device,
                  const struct cvg_model_done *done)
{
    const struct watchers *w = context;
    if (w->detail != NULL) {
        cvg__sim_detail_ended(w->detail, device, done);
    }
}

static enum cvg_status create_detail(const struct cvg__sim_setup *setup,
                                     const struct cvg_workload *workload,
                                     double load, struct cvg__sim_detail **out,
                                     struct cvg_error *err)
{
    cvg_time from =
        setup->timeline_from < 0 ? workload->warmup : setup->timeline_from;
    struct cvg__sim_detail_options options = {
        .box = setup->box,
        .duration = cvg_workload_duration(workload, load),
        .from = from,
        .until = from + TIMELINE,
        .most = setup->timeline_most,
    };
    return cvg__sim_detail_create(&options, out, err);
}

static void add_detail(json_t *report, struct cvg_sim *sim, cvg_span warmup,
                       const struct cvg__sim_detail *detail)
{
    json_t *all =
        json_pack("{s:f, s:o}", "warmup_s", (double)warmup * 1e-9, "latencies",
                  cvg__sim_detail_latencies(cvg_sim_stats(sim)));
    if (detail != NULL) {
        json_object_set_new(all, "shares", cvg__sim_detail_shares(detail));
        json_object_set_new(all, "timeline", cvg__sim_detail_timeline(detail));
    }
    json_object_set_new(report, "detail", all);
}

static enum cvg_status open_record(const struct cvg__sim_setup *setup,
                                   struct cvg_recorder **out,
                                   struct cvg_error *err)
{
    struct cvg_record_options options = {
        .path = setup->record,
        .mode = "sim",
        .texts = setup->texts,
        .policy = setup->policy,
        .waits = true,
    };
    return cvg_recorder_open(&options, out, err);
}

static enum cvg_status close_record(struct watchers *w, struct cvg_error *err)
{
    struct cvg_recorder *recorder = w->recorder;
    w->recorder = NULL;
    return recorder == NULL ? CVG_OK : cvg_recorder_close(recorder, err);
}

static void run_to_the_end(struct cvg_sim *sim, cvg_span duration,
                           FILE *progress)
{
    if (progress != NULL) {
        run_telling(sim, duration, progress);
        cvg_sim_finish(sim);
    } else {
        cvg_sim_run(sim);
    }
}

enum cvg_status cvg__sim_run(const struct cvg__sim_setup *setup,
                             const struct cvg__sim_job *job, json_t **out,
                             struct cvg_error *err)
{
    struct cvg_workload workload = cut(setup, job->load);
    struct cvg__sim_rows rows = {.out = setup->rows, .box = setup->box};
    struct watchers watchers = {.rows = setup->rows != NULL ? &rows : NULL};
    struct cvg_sim_options options = {
        .box = setup->box,
        .workload = &workload,
        .policy = job->policy,
        .load = job->load,
        .seed = job->seed,
        .overhead = setup->overhead,
        .clock = now_ns,
        .context = &watchers,
    };
    struct cvg_bound bound = {-1, -1};
    struct cvg_sim *sim = NULL;
    enum cvg_status status = CVG_OK;
    if (setup->bound) {
        status = cvg_bound_run(setup->box, &workload, job->load, job->seed,
                               &bound, err);
    }
    if (status == CVG_OK && setup->details && job->shown) {
        status =
            create_detail(setup, &workload, job->load, &watchers.detail, err);
    }
    if (status == CVG_OK && setup->record != NULL) {
        status = open_record(setup, &watchers.recorder, err);
    }
    bool watched = watchers.rows != NULL || watchers.detail != NULL ||
                   watchers.recorder != NULL;
    options.ended_kept = watched ? ENDED_KEPT : 1;
    options.watch = watched ? watch : NULL;
    options.ended = watched ? ended : NULL;
    if (status == CVG_OK) {
        status = cvg_sim_create(&options, &sim, err);
    }
    if (status == CVG_OK && watchers.recorder != NULL) {
        status =
            cvg_recorder_begin(watchers.recorder, cvg_sim_engine(sim), err);
    }
    if (status != CVG_OK) {
        goto out;
    }
    rows.engine = cvg_sim_engine(sim);
    if (watchers.rows != NULL) {
        cvg__sim_rows_begin(&rows);
    }
    if (watchers.detail != NULL) {
        cvg__sim_detail_engine(watchers.detail, cvg_sim_engine(sim));
    }
    run_to_the_end(sim, cvg_workload_duration(&workload, job->load),
                   setup->progress);
    *out = report(sim, setup, job, &bound);
    if (*out == NULL) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory for the report");
        goto out;
    }
    if (setup->details) {
        add_detail(*out, sim, workload.warmup, watchers.detail);
    }
    status = watchers.rows != NULL ? cvg__sim_rows_end(&rows, err) : CVG_OK;
    status = status == CVG_OK ? close_record(&watchers, err) : status;
out:
    if (watchers.recorder != NULL) {
        cvg_recorder_discard(watchers.recorder);
    }
    cvg_sim_destroy(sim);
    cvg__sim_detail_destroy(watchers.detail);
    return status;
}

/* --- several -------------------------------------------------------------- */

struct runs {
    const struct cvg__sim_setup *setup;
    const struct cvg__sim_job *jobs;
    size_t n;
};

static enum cvg_status run_one(void *context, size_t job, json_t **out,
                               struct cvg_error *err)
{
    const struct runs *runs = context;
    struct cvg__sim_setup setup = *runs->setup;
    setup.progress = runs->n == 1 ? setup.progress : NULL;
    return cvg__sim_run(&setup, &runs->jobs[job], out, err);
}

static void name_one(void *context, size_t job, char *out, size_t size)
{
    const struct cvg__sim_job *j = &((const struct runs *)context)->jobs[job];
    snprintf(out, size, "policy %s, load %g, seed %llu", j->label, j->load,
             (unsigned long long)j->seed);
}

static void tell(void *context, size_t done)
{
    const struct runs *runs = context;
    FILE *out = runs->setup->progress;
    if (out != NULL && runs->n > 1) {
        fprintf(out, "\r%zu of %zu runs ", done, runs->n);
        fputs(done == runs->n ? "\r\033[K" : "", out);
        fflush(out);
    }
}

enum cvg_status cvg__sim_run_all(const struct cvg__sim_setup *setup,
                                 const struct cvg__sim_job *jobs, size_t n,
                                 size_t at_once, json_t **reports,
                                 struct cvg_error *err)
{
    struct runs runs = {setup, jobs, n};
    struct cvg__jobs all = {
        .n = n,
        .at_once = at_once,
        .run = run_one,
        .name = name_one,
        .progress = tell,
        .context = &runs,
    };
    tell(&runs, 0);
    return cvg__jobs_run(&all, reports, err);
}

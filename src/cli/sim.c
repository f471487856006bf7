/* convergo sim: a workload on a virtual clock, for any number of policies,
 * loads and seeds. */
#include "cli/cli.h"

#include "base/output.h"
#include "base/units.h"
#include "cli/jobs.h"
#include "cli/options.h"
#include "cli/sim_run.h"
#include "cli/sim_search.h"
#include "config/config.h"
#include "report/report.h"
#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_POLICIES 64
#define MAX_LOADS 1000
#define MAX_SEEDS 10000
#define MAX_RUNS 10000
/* Of the timelines on a page: 40 bytes each. */
#define MAX_SPANS 60000
#define MAX_SPANS_OF_RUN 6000

struct sim {
    const char *names[2];                       /* box, workload */
    struct cvg__sim_job policies[MAX_POLICIES]; /* of each: label, policy */
    struct cvg_policy resolved[MAX_POLICIES];
    size_t n_policies;
    bool given; /* the policies, not the box's own */
    double loads[MAX_LOADS];
    size_t n_loads;
    uint64_t seed, seeds, at_once; /* at_once 0: as many as there are cores */
    double find_joint;             /* 0: nothing is looked for */
    const char *json, *requests, *page, *record;

    struct cvg_box *box;
    struct cvg_config_texts texts; /* of the box */
    struct cvg_workload *workload;
    struct cvg__sim_setup setup;
    struct cvg_output json_out, requests_out, page_out;
    struct cvg__sim_found found[MAX_POLICIES];
    struct cvg__sim_job *jobs; /* policies outermost, then loads, then seeds */
    size_t n_jobs;
    json_t **reports; /* [n_jobs] */
    json_t *details;  /* of each report, for the page */
};

/* --- options -------------------------------------------------------------- */

static enum cvg_status set_policy(void *target, const char *value,
                                  struct cvg_error *err)
{
    struct sim *s = target;
    if (s->n_policies == MAX_POLICIES) {
        return cvg_fail(err, CVG_INVALID, "%d policies at most", MAX_POLICIES);
    }
    s->policies[s->n_policies++].label = value;
    s->given = true;
    return CVG_OK;
}

static enum cvg_status add_load(struct sim *s, const char *text,
                                struct cvg_error *err)
{
    double load = 0;
    enum cvg_status status = cvg_parse_number(text, &load, err);
    if (status == CVG_OK && !(load >= 1e-6 && load <= 1e6)) {
        return cvg_fail(err, CVG_INVALID,
                        "give factors from 1e-6 to 1e6, as in 0.5,1,1.5, not "
                        "'%s'",
                        text);
    }
    if (status == CVG_OK && s->n_loads == MAX_LOADS) {
        return cvg_fail(err, CVG_INVALID, "%d loads at most", MAX_LOADS);
    }
    if (status == CVG_OK) {
        s->loads[s->n_loads++] = load;
    }
    return status;
}

static enum cvg_status set_load(void *target, const char *value,
                                struct cvg_error *err)
{
    enum cvg_status status = CVG_OK;
    for (const char *at = value; status == CVG_OK;) {
        char text[64];
        size_t n = strcspn(at, ",");
        snprintf(text, sizeof text, "%.*s", (int)(n < 63 ? n : 63), at);
        status = add_load(target, text, err);
        if (at[n] == '\0') {
            break;
        }
        at += n + 1;
    }
    return status;
}

static enum cvg_status set_seed(void *target, const char *value,
                                struct cvg_error *err)
{
    struct sim *s = target;
    return cvg_parse_count(value, 0, INT64_MAX - MAX_SEEDS, &s->seed, err);
}

static enum cvg_status set_seeds(void *target, const char *value,
                                 struct cvg_error *err)
{
    struct sim *s = target;
    return cvg_parse_count(value, 1, MAX_SEEDS, &s->seeds, err);
}

static enum cvg_status set_jobs(void *target, const char *value,
                                struct cvg_error *err)
{
    struct sim *s = target;
    return cvg_parse_count(value, 1, CVG_MAX_JOBS, &s->at_once, err);
}

static enum cvg_status set_find_load(void *target, const char *value,
                                     struct cvg_error *err)
{
    struct sim *s = target;
    static const char kind[] = "joint=";
    if (strncmp(value, kind, sizeof kind - 1) != 0) {
        return cvg_fail(err, CVG_INVALID,
                        "give joint=RATE, as in joint=0.99, "
                        "not '%s'",
                        value);
    }
    enum cvg_status status =
        cvg_parse_number(value + sizeof kind - 1, &s->find_joint, err);
    if (status == CVG_OK && !(s->find_joint > 0 && s->find_joint <= 1)) {
        return cvg_fail(err, CVG_INVALID,
                        "give a rate above 0 and up to 1, not '%s'",
                        value + sizeof kind - 1);
    }
    return status;
}

static enum cvg_status set_duration(void *target, const char *value,
                                    struct cvg_error *err)
{
    struct sim *s = target;
    enum cvg_status status = cvg_parse_span(value, &s->setup.duration, err);
    if (status == CVG_OK && s->setup.duration == 0) {
        return cvg_fail(err, CVG_INVALID, "give more than 0, not '%s'", value);
    }
    return status;
}

static enum cvg_status set_warmup(void *target, const char *value,
                                  struct cvg_error *err)
{
    struct sim *s = target;
    return cvg_parse_span(value, &s->setup.warmup, err);
}

static enum cvg_status set_overhead(void *target, const char *value,
                                    struct cvg_error *err)
{
    struct sim *s = target;
    enum cvg_status status = cvg_parse_span(value, &s->setup.overhead, err);
    if (status == CVG_OK && s->setup.overhead > CVG_S(1)) {
        return cvg_fail(err, CVG_INVALID, "give 1s or less, not '%s'", value);
    }
    return status;
}

static enum cvg_status set_bound(void *target, const char *value,
                                 struct cvg_error *err)
{
    struct sim *s = target;
    (void)value;
    (void)err;
    s->setup.bound = true;
    return CVG_OK;
}

static enum cvg_status set_json(void *target, const char *value,
                                struct cvg_error *err)
{
    struct sim *s = target;
    (void)err;
    s->json = value;
    return CVG_OK;
}

static enum cvg_status set_requests(void *target, const char *value,
                                    struct cvg_error *err)
{
    struct sim *s = target;
    (void)err;
    s->requests = value;
    return CVG_OK;
}

static enum cvg_status set_record(void *target, const char *value,
                                  struct cvg_error *err)
{
    struct sim *s = target;
    (void)err;
    s->record = value;
    return CVG_OK;
}

static enum cvg_status set_page(void *target, const char *value,
                                struct cvg_error *err)
{
    struct sim *s = target;
    (void)err;
    s->page = value;
    s->setup.details = true;
    return CVG_OK;
}

static enum cvg_status set_timeline(void *target, const char *value,
                                    struct cvg_error *err)
{
    struct sim *s = target;
    return cvg_parse_span(value, &s->setup.timeline_from, err);
}

static const struct cvg_option_row options[] = {
    {"--policy", false, set_policy},       {"--load", false, set_load},
    {"--seed", false, set_seed},           {"--seeds", false, set_seeds},
    {"--find-load", false, set_find_load}, {"--duration", false, set_duration},
    {"--warmup", false, set_warmup},       {"--overhead", false, set_overhead},
    {"--bound", true, set_bound},          {"--jobs", false, set_jobs},
    {"--json", false, set_json},           {"--requests", false, set_requests},
    {"--report", false, set_page},         {"--timeline", false, set_timeline},
    {"--record", false, set_record},
};

/* What one option says must not contradict another. Exit code. */
static int check_options(const struct cvg_verb *verb, struct sim *s)
{
    size_t policies = s->n_policies > 0 ? s->n_policies : 1;
    size_t loads = s->n_loads > 0 ? s->n_loads : 1;
    if (s->names[1] == NULL) {
        return cvg_cli_usage(verb, "give a box and a workload");
    }
    if (s->find_joint > 0 && s->n_loads > 0) {
        return cvg_cli_usage(verb, "--find-load looks for the load: leave out "
                                   "--load");
    }
    if (policies * loads * s->seeds > MAX_RUNS) {
        return cvg_cli_usage(verb,
                             "%zu policies, %zu loads and %zu seeds are "
                             "%zu runs; %d at most",
                             policies, loads, (size_t)s->seeds,
                             (size_t)(policies * loads * s->seeds), MAX_RUNS);
    }
    if ((s->requests != NULL || s->record != NULL) &&
        (policies * loads * s->seeds > 1 || s->find_joint > 0)) {
        return cvg_cli_usage(verb,
                             "%s is for one run: one policy, one load, one "
                             "seed",
                             s->requests != NULL ? "--requests" : "--record");
    }
    if (s->setup.timeline_from >= 0 && s->page == NULL) {
        return cvg_cli_usage(verb, "--timeline is for the page of --report");
    }
    s->setup.timeline_most = MAX_SPANS / (policies * loads);
    if (s->setup.timeline_most > MAX_SPANS_OF_RUN) {
        s->setup.timeline_most = MAX_SPANS_OF_RUN;
    }
    return 0;
}

/* --- what is read before anything runs ------------------------------------ */

static enum cvg_status resolve_policies(struct sim *s, struct cvg_error *err)
{
    enum cvg_status status = CVG_OK;
    if (s->n_policies == 0) {
        const char *name = s->box->policy.name;
        s->policies[0].label = name != NULL ? name : "convergo";
        s->policies[0].policy = &s->resolved[0];
        s->n_policies = 1;
        return cvg_policy_on_box(s->box, NULL, &s->resolved[0], err);
    }
    for (size_t i = 0; i < s->n_policies && status == CVG_OK; i++) {
        s->policies[i].policy = &s->resolved[i];
        status = cvg_policy_on_box(s->box, s->policies[i].label,
                                   &s->resolved[i], err);
    }
    return status;
}

static enum cvg_status read_inputs(struct sim *s, struct cvg_error *err)
{
    enum cvg_status status = cvg_config_load_box_texts(s->names[0], 0, NULL,
                                                       &s->box, &s->texts, err);
    if (status == CVG_OK) {
        status = resolve_policies(s, err);
    }
    if (status == CVG_OK) {
        status =
            cvg_config_load_workload(s->names[1], s->box, &s->workload, err);
    }
    if (status != CVG_OK) {
        return status;
    }
    s->setup.box = s->box;
    s->setup.workload = s->workload;
    s->setup.progress = isatty(STDERR_FILENO) ? stderr : NULL;
    for (size_t i = 0; i < s->n_loads && status == CVG_OK; i++) {
        status = cvg__sim_check(&s->setup, s->loads[i], err);
    }
    return status;
}

/* --- what is written ------------------------------------------------------ */

static enum cvg_status open_output(const struct sim *s, const char *path,
                                   struct cvg_output *out,
                                   struct cvg_error *err)
{
    if (path == NULL) {
        return CVG_OK;
    }
    for (size_t i = 0; i < 2; i++) {
        if (cvg_same_file(path, s->names[i])) {
            return cvg_fail(err, CVG_INVALID,
                            "%s is read: it cannot be written, too", path);
        }
    }
    enum cvg_status status = cvg_output_open(out, path, err);
    if (status == CVG_IO) { /* before anything has run: bad usage */
        err->status = CVG_INVALID;
    }
    return status == CVG_OK ? CVG_OK : err->status;
}

static enum cvg_status check_apart(const char *option, const char *path,
                                   const char *other, const char *other_path,
                                   struct cvg_error *err)
{
    if (path != NULL && other_path != NULL && cvg_same_file(path, other_path)) {
        return cvg_fail(err, CVG_INVALID,
                        "%s and %s cannot both be written to %s", option, other,
                        path);
    }
    return CVG_OK;
}

static enum cvg_status open_outputs(struct sim *s, struct cvg_error *err)
{
    enum cvg_status status =
        check_apart("--json", s->json, "--requests", s->requests, err);
    if (status == CVG_OK) {
        status = check_apart("--json", s->json, "--report", s->page, err);
    }
    if (status == CVG_OK) {
        status =
            check_apart("--requests", s->requests, "--report", s->page, err);
    }
    if (status == CVG_OK) {
        status = open_output(s, s->json, &s->json_out, err);
    }
    if (status == CVG_OK) {
        status = open_output(s, s->requests, &s->requests_out, err);
    }
    if (status == CVG_OK) {
        status = open_output(s, s->page, &s->page_out, err);
    }
    s->setup.rows = s->requests_out.file;
    s->setup.record = s->record;
    s->setup.texts = &s->texts;
    s->setup.policy = s->given ? s->policies[0].label : NULL;
    return status;
}

static void show_found(FILE *out, const struct sim *s)
{
    fputc('\n', out);
    for (size_t p = 0; p < s->n_policies; p++) {
        const struct cvg__sim_found *f = &s->found[p];
        fprintf(out, "%s: ", s->policies[p].label);
        if (f->load > 0) {
            fprintf(out, "joint %.4f at load %.4g", f->joint, f->load);
        } else {
            fprintf(out, "below %g at every load that was tried",
                    s->find_joint);
        }
        if (f->fails_at > 0) {
            fprintf(out, ", %.4f at %.4g", f->joint_there, f->fails_at);
        } else {
            fputs(", and no higher load was tried", out);
        }
        fputc('\n', out);
    }
}

static enum cvg_status write_page(struct sim *s, const json_t *reports,
                                  struct cvg_error *err)
{
    struct cvg_page page = {
        .reports = reports,
        .details = s->details,
        .box = s->box,
        .workload = s->workload,
    };
    if (!cvg_report_page(s->page_out.file, &page) &&
        ferror(s->page_out.file) == 0) {
        return cvg_fail(err, CVG_NOMEM, "%s: out of memory for it", s->page);
    }
    return cvg_output_commit(&s->page_out, err);
}

static bool is_stdout(const char *path)
{
    return path != NULL && strcmp(path, "-") == 0;
}

static enum cvg_status write_reports(struct sim *s, struct cvg_error *err)
{
    json_t *all = json_array();
    for (size_t i = 0; i < s->n_jobs; i++) {
        json_array_append(all, s->reports[i]);
    }
    const json_t *shown = s->n_jobs == 1 ? s->reports[0] : all;
    bool taken =
        is_stdout(s->json) || is_stdout(s->requests) || is_stdout(s->page);
    FILE *out = taken ? stderr : stdout;
    if (s->n_jobs == 1) {
        cvg_report_table(out, shown);
    } else {
        cvg_report_comparison(out, shown);
    }
    if (s->find_joint > 0) {
        show_found(out, s);
    }
    enum cvg_status status = CVG_OK;
    if (s->json_out.file != NULL) {
        cvg_report_print(s->json_out.file, shown);
        status = cvg_output_commit(&s->json_out, err);
    }
    if (status == CVG_OK && s->requests_out.file != NULL) {
        status = cvg_output_commit(&s->requests_out, err);
    }
    if (status == CVG_OK && s->page_out.file != NULL) {
        status = write_page(s, all, err);
    }
    json_decref(all);
    return status;
}

/* --- runs ----------------------------------------------------------------- */

/* As many as may run at once where we are, not as the machine has. */
static size_t cores(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > (int)CVG_MAX_JOBS ? CVG_MAX_JOBS : (size_t)n;
}

static struct cvg__sim_search search_of(const struct sim *s)
{
    return (struct cvg__sim_search){
        .joint = s->find_joint,
        .policies = s->policies,
        .n_policies = s->n_policies,
        .seed = s->seed,
        .seeds = s->seeds,
        .at_once = s->at_once,
    };
}

static void add_jobs(struct sim *s, size_t policy, double load)
{
    for (uint64_t k = 0; k < s->seeds; k++) {
        struct cvg__sim_job *job = &s->jobs[s->n_jobs++];
        *job = s->policies[policy];
        job->load = load;
        job->seed = s->seed + k;
        job->shown = k == 0;
    }
}

static enum cvg_status plan_runs(struct sim *s, struct cvg_error *err)
{
    size_t most = s->n_policies * s->n_loads * s->seeds;
    assert(most > 0); /* no policy given is the box's */
    s->jobs = calloc(most, sizeof *s->jobs);
    s->reports = calloc(most, sizeof(json_t *));
    if (s->jobs == NULL || s->reports == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for %zu runs", most);
    }
    for (size_t p = 0; p < s->n_policies; p++) {
        const struct cvg__sim_found *f = &s->found[p];
        for (size_t i = 0; i < s->n_loads; i++) {
            double load = f->load > 0       ? f->load
                          : f->fails_at > 0 ? f->fails_at
                                            : s->loads[i];
            add_jobs(s, p, load);
        }
    }
    return CVG_OK;
}

/* They are for the page alone. */
static void take_details(struct sim *s)
{
    s->details = json_array();
    for (size_t i = 0; i < s->n_jobs; i++) {
        json_array_append(s->details, json_object_get(s->reports[i], "detail"));
        json_object_del(s->reports[i], "detail");
    }
}

/* The reports of a search are those of the loads that it found. */
static enum cvg_status run_all(struct sim *s, struct cvg_error *err)
{
    struct cvg__sim_search search = search_of(s);
    enum cvg_status status = CVG_OK;
    if (s->find_joint > 0) {
        struct cvg__sim_setup setup = s->setup;
        setup.bound = setup.details = false; /* only of the loads found */
        status = cvg__sim_search(&search, &setup, s->found, err);
    }
    if (status == CVG_OK) {
        status = plan_runs(s, err);
    }
    if (status == CVG_OK) {
        status = cvg__sim_run_all(&s->setup, s->jobs, s->n_jobs, s->at_once,
                                  s->reports, err);
    }
    if (status == CVG_OK && s->setup.details) {
        take_details(s);
    }
    for (size_t i = 0; status == CVG_OK && s->find_joint > 0 && i < s->n_jobs;
         i++) {
        json_object_set_new(
            s->reports[i], "find_load",
            cvg__sim_found_json(&search, &s->found[i / s->seeds]));
    }
    return status;
}

static void fini(struct sim *s)
{
    cvg_output_abandon(&s->json_out);
    cvg_output_abandon(&s->requests_out);
    cvg_output_abandon(&s->page_out);
    json_decref(s->details);
    for (size_t i = 0; i < s->n_jobs; i++) {
        json_decref(s->reports[i]);
    }
    free(s->reports);
    free(s->jobs);
    cvg_workload_destroy(s->workload);
    cvg_config_texts_free(&s->texts);
    cvg_box_destroy(s->box);
    free(s);
}

static int run(const struct cvg_verb *verb, int argc, char **argv)
{
    struct cvg_error err = {.text = ""};
    if (cvg_cli_wants_help(argc, argv)) {
        return cvg_cli_help(verb);
    }
    struct sim *s = calloc(1, sizeof *s);
    if (s == NULL) {
        cvg_fail(&err, CVG_NOMEM, "out of memory");
        return cvg_cli_fail(verb, &err);
    }
    *s = (struct sim){
        .seed = 1, .seeds = 1, .setup = {.warmup = -1, .timeline_from = -1}};
    int code =
        cvg_cli_options(verb, argc, argv, options,
                        sizeof options / sizeof *options, s, s->names, 2);
    if (code == 0) {
        code = check_options(verb, s);
    }
    if (code != 0) {
        fini(s);
        return code;
    }
    if (s->n_loads == 0) {
        s->loads[s->n_loads++] = 1;
    }
    s->at_once = s->at_once > 0 ? s->at_once : cores();
    enum cvg_status status = read_inputs(s, &err);
    status = status == CVG_OK ? open_outputs(s, &err) : status;
    status = status == CVG_OK ? run_all(s, &err) : status;
    status = status == CVG_OK ? write_reports(s, &err) : status;
    fini(s);
    return status == CVG_OK ? 0 : cvg_cli_fail(verb, &err);
}

const struct cvg_verb cvg_verb_sim = {
    .name = "sim",
    .usage = "BOX WORKLOAD [OPTION]...",
    .summary = "simulate a workload: policies, loads and seeds side by side",
    .help =
        "The same engine and policies that serve, on a virtual clock with the\n"
        "profiled times of the box: no model is opened, no hardware needed.\n"
        "Equal inputs give equal reports (decision_us aside).\n\n"
        "  --policy P            a policy or its parts; may be repeated\n"
        "  --load F,F,...        multiplies every rate; a trace is played "
        "that\n"
        "                        many times as fast (1)\n"
        "  --seed N              of arrivals and device noise (1)\n"
        "  --seeds N             N runs, with seeds from --seed on (1)\n"
        "  --find-load joint=R   the highest load at which the mean share of\n"
        "                        requests with all SLOs met is at least R\n"
        "  --bound               what no policy could beat, beside it\n"
        "  --duration TIME       in place of the workload's; cuts a trace\n"
        "  --warmup TIME         in place of the workload's\n"
        "  --overhead TIME       of a live server: from the end of each batch\n"
        "                        until the next can begin (0ms)\n"
        "  --jobs N              runs at once (one a core)\n"
        "  --json FILE           write the reports; - is stdout\n"
        "  --requests FILE       a CSV row for each request, in the order in\n"
        "                        which they ended (of a single run)\n"
        "  --record FILE         every event and action, for convergo replay\n"
        "                        and explain (of a single run); a new file\n"
        "  --report FILE         a page with plots, for a browser\n"
        "  --timeline TIME       its timelines begin then (the end of the "
        "warm-up)\n",
    .run = run,
};

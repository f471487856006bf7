/* convergo bench: a workload against a live server, one run per policy. */
#include "cli/cli.h"

#include "base/units.h"
#include "config/config.h"
#include "load/child.h"
#include "load/load.h"
#include "report/report.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_POLICIES 64
/* More than the queues of our own server hold; another's may have a limit. */
#define OWN_CONNECTIONS 8192
#define REMOTE_CONNECTIONS 500
#define SPARE_DESCRIPTORS 64
#define PATIENCE CVG_S(30)

struct bench {
    const struct cvg_verb *verb;
    const char *target, *workload_path;
    const char *policies[MAX_POLICIES];
    size_t n_policies;
    const char *json, *page, *dataset;
    bool labels;
    uint64_t seed;
    uint64_t connections; /* 0: not given */
    double load;
    cvg_span duration; /* 0: the workload's own */
    cvg_span patience;

    struct cvg_address address; /* of a URL */
    bool remote;
    struct cvg_box *box;
    struct cvg_workload *workload;
};

/* --- options -------------------------------------------------------------- */

static enum cvg_status set_load(struct bench *b, const char *value,
                                struct cvg_error *err)
{
    enum cvg_status status = cvg_parse_number(value, &b->load, err);
    if (status == CVG_OK && !(b->load > 0 && b->load <= 1e6)) {
        status = cvg_fail(err, CVG_INVALID,
                          "give a factor above 0, as in 1.5, not '%s'", value);
    }
    return status;
}

static enum cvg_status set_span(cvg_span *out, const char *value,
                                struct cvg_error *err)
{
    enum cvg_status status = cvg_parse_span(value, out, err);
    if (status == CVG_OK && *out == 0) {
        status =
            cvg_fail(err, CVG_INVALID, "give more than 0, not '%s'", value);
    }
    return status;
}

static enum cvg_status add_policy(struct bench *b, const char *value,
                                  struct cvg_error *err)
{
    if (b->n_policies == MAX_POLICIES) {
        return cvg_fail(err, CVG_INVALID, "%d policies at most", MAX_POLICIES);
    }
    b->policies[b->n_policies++] = value;
    return CVG_OK;
}

/* CVG_NOTFOUND: there is no such option. */
static enum cvg_status set_option(struct bench *b, const char *flag,
                                  const char *value, struct cvg_error *err)
{
    if (strcmp(flag, "--policy") == 0) {
        return add_policy(b, value, err);
    }
    if (strcmp(flag, "--json") == 0) {
        b->json = value;
        return CVG_OK;
    }
    if (strcmp(flag, "--report") == 0) {
        b->page = value;
        return CVG_OK;
    }
    if (strcmp(flag, "--dataset") == 0) {
        b->dataset = value;
        return CVG_OK;
    }
    if (strcmp(flag, "--seed") == 0) {
        return cvg_parse_count(value, 0, INT64_MAX, &b->seed, err);
    }
    if (strcmp(flag, "--connections") == 0) {
        return cvg_parse_count(value, 1, 60000, &b->connections, err);
    }
    if (strcmp(flag, "--load") == 0) {
        return set_load(b, value, err);
    }
    if (strcmp(flag, "--duration") == 0) {
        return set_span(&b->duration, value, err);
    }
    if (strcmp(flag, "--patience") == 0) {
        return set_span(&b->patience, value, err);
    }
    return CVG_NOTFOUND;
}

/* --flag VALUE or --flag=VALUE; moves *at past it. Returns 0 or exit code 2. */
static int take_option(struct bench *b, int argc, char **argv, int *at)
{
    char flag[32];
    struct cvg_error err = {.text = ""};
    size_t n = strcspn(argv[*at], "=");
    const char *value = argv[*at][n] == '=' ? argv[*at] + n + 1 : NULL;
    snprintf(flag, sizeof flag, "%.*s", (int)(n < 31 ? n : 31), argv[*at]);
    if (strcmp(argv[*at], "--labels") == 0) {
        b->labels = true;
        return 0;
    }
    if (value == NULL && *at + 1 < argc) {
        value = argv[++*at];
    }
    enum cvg_status status =
        set_option(b, flag, value == NULL ? "" : value, &err);
    if (status == CVG_NOTFOUND) {
        return cvg_cli_usage(b->verb, "unknown option '%s'", flag);
    }
    if (value == NULL) {
        return cvg_cli_usage(b->verb, "%s needs a value", flag);
    }
    return status == CVG_OK ? 0
                            : cvg_cli_usage(b->verb, "%s: %s", flag, err.text);
}

static int take_options(struct bench *b, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int code = 0;
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            code = take_option(b, argc, argv, &i);
        } else if (b->target == NULL) {
            b->target = argv[i];
        } else if (b->workload_path == NULL) {
            b->workload_path = argv[i];
        } else {
            code = cvg_cli_usage(b->verb, "what is '%s'?", argv[i]);
        }
        if (code != 0) {
            return code;
        }
    }
    if (b->workload_path == NULL) {
        return cvg_cli_usage(b->verb, "give a box (or a server's URL) and a "
                                      "workload");
    }
    b->remote = cvg_is_url(b->target);
    if (b->remote && b->n_policies > 0) {
        return cvg_cli_usage(b->verb, "--policy: a running server has its own");
    }
    if (b->page != NULL && b->json != NULL && strcmp(b->page, b->json) == 0) {
        return cvg_cli_usage(b->verb, "--json and --report: two files");
    }
    return 0;
}

/* --- what is read before anything runs ------------------------------------ */

static void print_warning(void *none, const char *message)
{
    (void)none;
    fprintf(stderr, "%s\n", message);
}

static enum cvg_status read_box(struct bench *b, struct cvg_error *err)
{
    if (!b->remote) {
        const struct cvg_config_notes notes = {.warn = print_warning};
        const struct cvg_config_file file = {.path = b->target};
        return cvg_config_read_box(&file, 1, 0, &notes, &b->box, err);
    }
    enum cvg_status status = cvg_address_parse(b->target, &b->address, err);
    return status == CVG_OK ? cvg_load_remote_box(&b->address, &b->box, err)
                            : status;
}

static enum cvg_status check_policies(const struct bench *b,
                                      struct cvg_error *err)
{
    struct cvg_policy parsed;
    enum cvg_status status = cvg_policy_on_box(b->box, NULL, &parsed, err);
    for (size_t i = 0; i < b->n_policies && status == CVG_OK; i++) {
        status = cvg_policy_on_box(b->box, b->policies[i], &parsed, err);
    }
    return status;
}

static enum cvg_status read_workload(struct bench *b, struct cvg_error *err)
{
    enum cvg_status status =
        cvg_config_load_workload(b->workload_path, b->box, &b->workload, err);
    if (status != CVG_OK) {
        return status;
    }
    struct cvg_workload *w = b->workload;
    w->duration = cvg_workload_duration(w, b->load);
    if (b->duration > 0 && b->duration < w->duration) {
        w->duration = b->duration;
    }
    if (w->warmup >= w->duration) {
        return cvg_fail(err, CVG_INVALID,
                        "%s: the warm-up of %g s leaves nothing of %g s",
                        b->workload_path, (double)w->warmup * 1e-9,
                        (double)w->duration * 1e-9);
    }
    return CVG_OK;
}

static enum cvg_status prepare(struct bench *b, struct cvg_error *err)
{
    enum cvg_status status = read_box(b, err);
    if (status == CVG_OK && !b->remote) {
        status = check_policies(b, err);
    }
    return status == CVG_OK ? read_workload(b, err) : status;
}

/* --- runs ----------------------------------------------------------------- */

static enum cvg_status load_server(const struct bench *b,
                                   const struct cvg_address *server,
                                   const char *policy, json_t **report,
                                   struct cvg_error *err)
{
    struct cvg_load_options options = {
        .server = server,
        .box = b->box,
        .remote = b->remote,
        .workload = b->workload,
        .policy = policy,
        .seed = b->seed,
        .load = b->load,
        .connections = (size_t)b->connections,
        .patience = b->patience,
        .dataset = b->dataset,
        .labels = b->labels,
        .progress = isatty(STDERR_FILENO) ? stderr : NULL};
    return cvg_load_run(&options, report, err);
}

static enum cvg_status run_policy(const struct bench *b, const char *policy,
                                  json_t **report, struct cvg_error *err)
{
    struct cvg_child child;
    struct cvg_address server;
    struct cvg_error of_stop;
    enum cvg_status status =
        cvg_child_start(&child, b->target, policy, b->seed, err);
    if (status != CVG_OK) {
        return status;
    }
    status = cvg_address_parse(child.http, &server, err);
    if (status == CVG_OK) {
        status = load_server(b, &server, policy, report, err);
    }
    /* A server that died explains what went wrong better than its client. */
    enum cvg_status stopped = cvg_child_stop(&child, &of_stop);
    if (stopped != CVG_OK) {
        *err = of_stop;
        json_decref(*report);
        *report = NULL;
        return stopped;
    }
    return status;
}

/* Not one request had a chance: that is no measurement. */
static bool none_could_be_served(const json_t *report)
{
    const json_t *generator = json_object_get(report, "generator");
    json_int_t sent = json_integer_value(json_object_get(generator, "sent"));
    json_int_t unable =
        json_integer_value(json_object_get(generator, "unable"));
    return sent > 0 && unable == sent;
}

static enum cvg_status run_all(const struct bench *b, json_t *reports,
                               struct cvg_error *err)
{
    size_t n = b->n_policies > 0 ? b->n_policies : 1;
    for (size_t i = 0; i < n; i++) {
        const char *policy = b->n_policies > 0 ? b->policies[i] : NULL;
        json_t *report = NULL;
        enum cvg_status status =
            b->remote ? load_server(b, &b->address, NULL, &report, err)
                      : run_policy(b, policy, &report, err);
        if (status != CVG_OK) {
            return status;
        }
        json_array_append_new(reports, report);
        if (none_could_be_served(report)) {
            return cvg_fail(
                err, CVG_DEVICE, "not one request could be served: %.400s",
                json_string_value(json_object_get(
                    json_object_get(report, "generator"), "first_error")));
        }
    }
    return CVG_OK;
}

/* --- what comes out ------------------------------------------------------- */

/* A generator that fell behind has measured itself. */
static void warn(FILE *out, const json_t *report)
{
    const json_t *generator = json_object_get(report, "generator");
    const char *policy = json_string_value(json_object_get(report, "policy"));
    const char *error =
        json_string_value(json_object_get(generator, "first_error"));
    if (json_is_true(json_object_get(generator, "full"))) {
        fprintf(out,
                "warning: policy %s: all %lld connections were in use, and "
                "requests waited for one (counted as\nlatency). Give more "
                "--connections.\n",
                policy,
                (long long)json_integer_value(
                    json_object_get(generator, "connections")));
    } else if (json_is_true(json_object_get(generator, "behind"))) {
        fprintf(out,
                "warning: policy %s: the load generator fell behind: 1 %% of "
                "the requests were sent more\nthan %.1f ms late (counted as "
                "latency). Use a faster machine, or less load.\n",
                policy,
                json_number_value(json_object_get(generator, "late_p99_ms")));
    }
    if (error != NULL) {
        fprintf(out, "policy %s: the first request that failed: %s\n", policy,
                error);
    }
}

static enum cvg_status show(const struct bench *b, const json_t *reports,
                            struct cvg_error *err)
{
    const json_t *shown =
        json_array_size(reports) == 1 ? json_array_get(reports, 0) : reports;
    bool to_stdout = (b->json != NULL && strcmp(b->json, "-") == 0) ||
                     (b->page != NULL && strcmp(b->page, "-") == 0);
    FILE *out = to_stdout ? stderr : stdout;
    cvg_report_table(out, shown);
    size_t i;
    const json_t *report;
    json_array_foreach(reports, i, report)
    {
        warn(out, report);
    }
    enum cvg_status status =
        b->json == NULL ? CVG_OK : cvg_report_write(b->json, shown, err);
    if (status == CVG_OK && b->page != NULL) {
        struct cvg_page page = {
            .reports = reports, .box = b->box, .workload = b->workload};
        status = cvg_report_write_page(b->page, &page, err);
    }
    return status;
}

/* Many connections at once need as many descriptors. */
static void set_connections(struct bench *b)
{
    struct rlimit limit;
    if (b->connections == 0) {
        b->connections = b->remote ? REMOTE_CONNECTIONS : OWN_CONNECTIONS;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur > 2 * SPARE_DESCRIPTORS &&
            b->connections > limit.rlim_cur - SPARE_DESCRIPTORS) {
            b->connections = limit.rlim_cur - SPARE_DESCRIPTORS;
        }
    }
}

static int run(const struct cvg_verb *verb, int argc, char **argv)
{
    struct bench b = {.verb = verb, .seed = 1, .load = 1, .patience = PATIENCE};
    struct cvg_error err = {.text = ""};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return cvg_cli_help(verb);
        }
    }
    int code = take_options(&b, argc, argv);
    if (code != 0) {
        return code;
    }
    set_connections(&b);
    json_t *reports = json_array();
    enum cvg_status status = prepare(&b, &err);
    if (status == CVG_OK) {
        status = run_all(&b, reports, &err);
    }
    if (json_array_size(reports) > 0) {
        struct cvg_error of_show;
        enum cvg_status shown = show(&b, reports, &of_show);
        if (status == CVG_OK && shown != CVG_OK) {
            status = shown;
            err = of_show;
        }
    }
    json_decref(reports);
    cvg_workload_destroy(b.workload);
    cvg_box_destroy(b.box);
    return status == CVG_OK ? 0 : cvg_cli_fail(verb, &err);
}

const struct cvg_verb cvg_verb_bench = {
    .name = "bench",
    .usage = "BOX|URL WORKLOAD [OPTION]...",
    .summary = "load a live server and judge what its client sees",
    .help =
        "BOX starts a server of its own, once per policy; URL (http://...)\n"
        "uses one that runs. Open loop: requests are sent at their instants,\n"
        "answered or not, and latency counts from then; at most 50000/s in\n"
        "all.\n\n"
        "  --policy P        a policy or its parts; may be repeated\n"
        "  --labels          tell right answers from wrong ones\n"
        "  --dataset FILE    items to send, in place of the family's own\n"
        "  --seed N          of arrivals, items and the server (1)\n"
        "  --load F          multiplies every rate (1)\n"
        "  --duration TIME   cuts the workload, as in 15s\n"
        "  --patience TIME   after the last arrival, wait for replies until\n"
        "                    none has come for so long and the largest\n"
        "                    deadline (30s); what is open then has failed\n"
        "  --connections N   open at once at most (8192; of a URL: 500)\n"
        "  --json FILE       write the report; - is stdout\n"
        "  --report FILE     a page with plots, for a browser\n",
    .run = run,
};

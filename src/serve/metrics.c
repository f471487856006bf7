/* Metrics for Prometheus, text format 0.0.4: base units, counters end in
 * _total, histograms rather than summaries, labels bounded by the box. */
#include "serve/handlers.h"

#include "serve/http.h"
#include "serve/server.h"
#include <convergo/stats.h>
#include <stdio.h>
#include <unistd.h>

/* Upper bounds of latency buckets: 100 us to 10 s, three a decade; decisions
 * take from half a microsecond on. */
static const double latency_s[] = {1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3,
                                   1e-2, 2.5e-2, 5e-2, 0.1,  0.25,   0.5,
                                   1,    2.5,    5,    10};
static const double decision_s[] = {5e-7, 1e-6, 2e-6, 5e-6, 1e-5, 2e-5,
                                    5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2};
#define COUNT(a) (sizeof(a) / sizeof *(a))

static void head(struct cvg_text *t, const char *name, const char *type,
                 const char *help)
{
    cvg__text_format(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Names of apps and devices come from a file: quotes and the like are escaped
 * as the format asks for. */
static void label(struct cvg_text *t, const char *name, const char *value)
{
    cvg__text_format(t, "%s=\"", name);
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\n') {
            cvg__text_str(t, "\\n");
            continue;
        }
        if (*c == '"' || *c == '\\') {
            cvg__text_str(t, "\\");
        }
        cvg__text_add(t, c, 1);
    }
    cvg__text_str(t, "\"");
}

static void open_app(struct cvg_text *t, const char *name,
                     const struct cvg_app *app)
{
    cvg__text_str(t, name);
    cvg__text_str(t, "{");
    label(t, "app", app->name);
}

static void value_u64(struct cvg_text *t, uint64_t value)
{
    cvg__text_format(t, "} %llu\n", (unsigned long long)value);
}

static void value(struct cvg_text *t, double x)
{
    cvg__text_format(t, "} %.9g\n", x);
}

static void bucket_labels(struct cvg_text *t, const char *name,
                          const char *part, const struct cvg_app *app)
{
    cvg__text_format(t, "%s%s", name, part);
    if (app != NULL || part[1] == 'b') {
        cvg__text_str(t, "{");
    }
    if (app != NULL) {
        label(t, "app", app->name);
    }
}

static void histogram(struct cvg_text *t, const char *name,
                      const struct cvg_app *app, const struct cvg_histogram *h,
                      const double *bounds, size_t n)
{
    const char *comma = app != NULL ? "," : "";
    const char *close = app != NULL ? "}" : "";
    for (size_t i = 0; i < n; i++) {
        bucket_labels(t, name, "_bucket", app);
        cvg__text_format(t, "%sle=\"%g\"} %llu\n", comma, bounds[i],
                         (unsigned long long)cvg_histogram_below(
                             h, (int64_t)(bounds[i] * 1e9 + 0.5)));
    }
    bucket_labels(t, name, "_bucket", app);
    cvg__text_format(t, "%sle=\"+Inf\"} %llu\n", comma,
                     (unsigned long long)cvg_histogram_count(h));
    bucket_labels(t, name, "_sum", app);
    cvg__text_format(t, "%s %.9g\n", close, cvg_histogram_sum(h) / 1e9);
    bucket_labels(t, name, "_count", app);
    cvg__text_format(t, "%s %llu\n", close,
                     (unsigned long long)cvg_histogram_count(h));
}

/* --- applications --------------------------------------------------------- */

static void outcomes(struct cvg__server *s, struct cvg_text *t)
{
    const struct cvg_stats *stats = cvg_engine_stats(s->engine);
    head(t, "convergo_requests_total", "counter",
         "Requests that ended, by application and outcome.");
    for (size_t a = 0; a < stats->n_apps; a++) {
        const struct cvg_counts *c = &stats->apps[a].counts;
        const uint64_t n[CVG_OUTCOMES] = {c->served, c->dropped, c->rejected,
                                          c->failed, c->cancelled};
        for (int k = 0; k < CVG_OUTCOMES; k++) {
            open_app(t, "convergo_requests_total", &s->box->apps[a]);
            cvg__text_format(t, ",outcome=\"%s\"",
                             cvg_outcome_name((enum cvg_outcome)k));
            value_u64(t, n[k]);
        }
    }
    head(t, "convergo_requests_dropped_total", "counter",
         "Requests that ended without an answer, by reason.");
    for (size_t a = 0; a < stats->n_apps; a++) {
        for (int k = 1; k < CVG_REASONS; k++) {
            open_app(t, "convergo_requests_dropped_total", &s->box->apps[a]);
            cvg__text_format(t, ",reason=\"%s\"",
                             cvg_reason_name((enum cvg_reason)k));
            value_u64(t, stats->apps[a].dropped_for[k]);
        }
    }
}

/* met and offered of one kind, or jointly (CVG_SLO_KINDS). */
static void slo_line(struct cvg__server *s, struct cvg_text *t,
                     const char *name, size_t a, unsigned kind, bool met)
{
    const struct cvg_slo_counts *c = &cvg_engine_stats(s->engine)->apps[a].slo;
    bool joint = kind == CVG_SLO_KINDS;
    open_app(t, name, &s->box->apps[a]);
    cvg__text_format(t, ",kind=\"%s\"",
                     joint ? "joint"
                           : cvg_slo_kind_name((enum cvg_slo_kind)kind));
    value_u64(t, joint ? (met ? c->joint_met : c->joint_offered)
                       : (met ? c->met[kind] : c->offered[kind]));
}

static void slos(struct cvg__server *s, struct cvg_text *t)
{
    static const char *const names[] = {"convergo_slo_offered_total",
                                        "convergo_slo_met_total"};
    static const char *const helps[] = {
        "Requests that were judged for this kind of SLO.",
        "Requests of them for which it held."};
    for (int met = 0; met < 2; met++) {
        head(t, names[met], "counter", helps[met]);
        for (size_t a = 0; a < s->box->n_apps; a++) {
            uint32_t declared =
                cvg_engine_app(s->engine, (uint32_t)a)->slo.declared;
            for (unsigned k = 0; declared != 0 && k <= CVG_SLO_KINDS; k++) {
                if (k == CVG_SLO_KINDS || (declared >> k & 1U) != 0) {
                    slo_line(s, t, names[met], a, k, met != 0);
                }
            }
        }
    }
}

static void latencies(struct cvg__server *s, struct cvg_text *t)
{
    const struct cvg_stats *stats = cvg_engine_stats(s->engine);
    head(t, "convergo_request_seconds", "histogram",
         "Arrival to answer, of served requests.");
    for (size_t a = 0; a < stats->n_apps; a++) {
        histogram(t, "convergo_request_seconds", &s->box->apps[a],
                  stats->apps[a].latency, latency_s, COUNT(latency_s));
    }
    head(t, "convergo_queue_seconds", "histogram",
         "Arrival to the start of its batch, of served requests.");
    for (size_t a = 0; a < stats->n_apps; a++) {
        histogram(t, "convergo_queue_seconds", &s->box->apps[a],
                  stats->apps[a].queued, latency_s, COUNT(latency_s));
    }
    head(t, "convergo_queue_length", "gauge", "Requests that wait now.");
    for (uint32_t a = 0; a < stats->n_apps; a++) {
        open_app(t, "convergo_queue_length", &s->box->apps[a]);
        value_u64(t, cvg_engine_waiting(s->engine, a));
    }
    head(t, "convergo_answers_total", "counter",
         "Served requests, by the variant and exit that answered.");
    for (size_t a = 0; a < stats->n_apps; a++) {
        const uint64_t *by = stats->apps[a].served_by;
        for (size_t i = 0; i < s->box->n_variants * CVG_MAX_EXITS; i++) {
            if (by[i] > 0) {
                open_app(t, "convergo_answers_total", &s->box->apps[a]);
                cvg__text_str(t, ",");
                label(t, "variant", s->box->variants[i / CVG_MAX_EXITS].name);
                cvg__text_format(t, ",exit=\"%zu\"", i % CVG_MAX_EXITS);
                value_u64(t, by[i]);
            }
        }
    }
}

/* --- devices -------------------------------------------------------------- */

static void device_line(struct cvg__server *s, struct cvg_text *t,
                        const char *name, size_t d, double x)
{
    cvg__text_format(t, "%s{", name);
    label(t, "device", s->box->devices[d].name);
    cvg__text_format(t, ",emulated=\"%s\"",
                     s->box->devices[d].emulated ? "true" : "false");
    value(t, x);
}

static void devices(struct cvg__server *s, struct cvg_text *t)
{
    static const struct {
        const char *name, *type, *help;
    } rows[] = {
        {"convergo_device_busy_seconds_total", "counter",
         "Time during which a unit held a batch, summed over units."},
        {"convergo_device_energy_joules_total", "counter",
         "Energy of batches, switches, loads and idle time, by profile and "
         "box."},
        {"convergo_device_batches_total", "counter", "Batches that ran."},
        {"convergo_device_items_total", "counter",
         "Requests in the batches that ran."},
        {"convergo_device_switches_total", "counter",
         "Batches that began with a change of variant."},
        {"convergo_device_loads_total", "counter",
         "Variants brought into memory."},
        {"convergo_device_failures_total", "counter",
         "Batches and loads that failed."},
        {"convergo_device_up", "gauge", "1: it can be used."},
        {"convergo_device_slowdown", "gauge",
         "Observed run time over the profile's, lately."},
    };
    const struct cvg_stats *stats = cvg_engine_stats(s->engine);
    for (size_t r = 0; r < COUNT(rows); r++) {
        head(t, rows[r].name, rows[r].type, rows[r].help);
        for (size_t d = 0; d < stats->n_devices; d++) {
            const struct cvg_device_stats *x = &stats->devices[d];
            const double values[] = {(double)x->busy / 1e9,
                                     cvg__device_energy(s, (uint32_t)d),
                                     (double)x->batches,
                                     (double)x->items,
                                     (double)x->switches,
                                     (double)x->loads,
                                     (double)x->failures,
                                     cvg__device_up(s, (uint32_t)d) ? 1 : 0,
                                     x->slowdown};
            device_line(s, t, rows[r].name, d, values[r]);
        }
    }
}

/* --- the process ---------------------------------------------------------- */

static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%*u %llu", &pages) != 1) {
            pages = 0;
        }
        (void)fclose(file);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void gauge(struct cvg_text *t, const char *name, const char *help,
                  uint64_t x)
{
    head(t, name, "gauge", help);
    cvg__text_format(t, "%s %llu\n", name, (unsigned long long)x);
}

static void counter(struct cvg_text *t, const char *name, const char *help,
                    uint64_t x)
{
    head(t, name, "counter", help);
    cvg__text_format(t, "%s %llu\n", name, (unsigned long long)x);
}

static void record(struct cvg__server *s, struct cvg_text *t)
{
    if (s->recorder == NULL) {
        return;
    }
    struct cvg_recorder_state x = cvg_recorder_state(s->recorder);
    counter(t, "convergo_record_steps_total", "Steps in the record.", x.steps);
    counter(t, "convergo_record_lost_steps_total",
            "Steps that came after recording had stopped.", x.lost);
    gauge(t, "convergo_record_bytes", "Size of the record.", x.bytes);
}

static void process(struct cvg__server *s, struct cvg_text *t)
{
    head(t, "convergo_decision_seconds", "histogram",
         "Time of one step of the engine.");
    histogram(t, "convergo_decision_seconds", NULL, s->decision, decision_s,
              COUNT(decision_s));
    gauge(t, "convergo_ready", "1: all families can be served.",
          cvg__server_ready(s));
    gauge(t, "convergo_connections", "Open connections.",
          cvg__http_connections(s));
    gauge(t, "convergo_requests_live", "Requests that have not ended.",
          cvg_engine_live(s->engine));
    gauge(t, "convergo_requests_bytes",
          "Bytes of the bodies and tensors being handled.", s->bytes);
    gauge(t, "convergo_batches_running", "Batches inside devices.",
          s->n_batches);
    gauge(t, "process_resident_memory_bytes", "Resident memory.",
          resident_bytes());
    struct cvg__planner_counts plans = cvg__planner_counts(s);
    counter(t, "convergo_plans_total", "Plans that were made.", plans.made);
    counter(t, "convergo_plans_failed_total",
            "Plans that could not be made: the last one stays in force.",
            plans.failed);
    record(s, t);
    head(t, "convergo_build_info", "gauge", "1, with the version as a label.");
    cvg__text_str(t, "convergo_build_info{");
    label(t, "version", CVG_VERSION);
    cvg__text_str(t, ",");
    label(t, "policy", s->policy_text);
    cvg__text_str(t, "} 1\n");
}

void cvg__handle_metrics(struct cvg__server *s, struct cvg__call *call)
{
    struct cvg_text *t = &call->text;
    outcomes(s, t);
    slos(s, t);
    latencies(s, t);
    devices(s, t);
    process(s, t);
    cvg__call_reply(call, 200, "text/plain; version=0.0.4; charset=utf-8");
}

/* A run's counts to a report object (DESIGN.md section 6). */
#include "report/report.h"

#include <math.h>

/* Six digits after the point: what is below is noise, and the files stay
 * comparable. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(round(value * 1e6) / 1e6) : json_null();
}

static json_t *ratio(double part, double whole)
{
    return whole > 0 ? number(part / whole) : json_null();
}

static json_t *count(uint64_t n)
{
    return json_integer((json_int_t)n);
}

/* --- sums over apps ---------------------------------------------------------
 */

/* What one app, or all of them together, came to. */
struct tally {
    struct cvg_counts counts;
    struct cvg_slo_counts slo;
    double weighted_met, weighted_offered; /* of joint */
    double accuracy_sum, energy_j;
    double lowest_accuracy; /* of a 10-s window; 2: none */
    uint64_t right, labelled;
};

static void add_counts(struct cvg_counts *sum, const struct cvg_counts *c)
{
    sum->offered += c->offered;
    sum->served += c->served;
    sum->on_time += c->on_time;
    sum->late += c->late;
    sum->dropped += c->dropped;
    sum->rejected += c->rejected;
    sum->failed += c->failed;
    sum->cancelled += c->cancelled;
}

static void add_app(struct tally *t, const struct cvg_app *app,
                    const struct cvg_app_stats *s)
{
    add_counts(&t->counts, &s->counts);
    for (int kind = 0; kind < CVG_SLO_KINDS; kind++) {
        t->slo.met[kind] += s->slo.met[kind];
        t->slo.offered[kind] += s->slo.offered[kind];
    }
    t->slo.joint_met += s->slo.joint_met;
    t->slo.joint_offered += s->slo.joint_offered;
    t->weighted_met += app->weight * (double)s->slo.joint_met;
    t->weighted_offered += app->weight * (double)s->slo.joint_offered;
    t->accuracy_sum += s->accuracy_sum;
    t->energy_j += s->energy_j;
    t->right += s->right;
    t->labelled += s->labelled;
}

/* --- parts of the object -----------------------------------------------------
 */

static json_t *requests_json(const struct cvg_counts *c)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "offered",
                     count(c->offered), "served", count(c->served), "on_time",
                     count(c->on_time), "late", count(c->late), "dropped",
                     count(c->dropped), "rejected", count(c->rejected),
                     "failed", count(c->failed), "cancelled",
                     count(c->cancelled));
}

static json_t *slo_json(const struct tally *t)
{
    json_t *slo = json_object();
    for (int kind = 0; kind < CVG_SLO_KINDS; kind++) {
        json_object_set_new(
            slo, cvg_slo_kind_name((enum cvg_slo_kind)kind),
            ratio((double)t->slo.met[kind], (double)t->slo.offered[kind]));
    }
    json_object_set_new(
        slo, "joint",
        ratio((double)t->slo.joint_met, (double)t->slo.joint_offered));
    json_object_set_new(slo, "joint_weighted",
                        ratio(t->weighted_met, t->weighted_offered));
    return slo;
}

static json_t *accuracy_json(const struct tally *t)
{
    return json_pack(
        "{s:o, s:o, s:o}", "effective",
        ratio(t->accuracy_sum, (double)t->counts.served), "lowest_window",
        t->lowest_accuracy > 1 ? json_null() : number(t->lowest_accuracy),
        "measured", ratio((double)t->right, (double)t->labelled));
}

static json_t *scaled(const struct cvg_histogram *h, double ns, double unit)
{
    return h == NULL || cvg_histogram_count(h) == 0 ? json_null()
                                                    : number(ns / unit);
}

static json_t *quantile(const struct cvg_histogram *h, double q, double unit)
{
    double ns = h == NULL ? 0 : (double)cvg_histogram_quantile(h, q);
    return scaled(h, ns, unit);
}

static json_t *latency_json(const struct cvg_histogram *h)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o}", "mean",
        scaled(h, h == NULL ? 0 : cvg_histogram_mean(h), 1e6), "p50",
        quantile(h, 0.5, 1e6), "p90", quantile(h, 0.9, 1e6), "p95",
        quantile(h, 0.95, 1e6), "p99", quantile(h, 0.99, 1e6), "max",
        scaled(h, h == NULL ? 0 : (double)cvg_histogram_max(h), 1e6));
}

static json_t *decision_json(const struct cvg_histogram *h)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o}", "p50", quantile(h, 0.5, 1e3), "p99",
        quantile(h, 0.99, 1e3), "max",
        scaled(h, h == NULL ? 0 : (double)cvg_histogram_max(h), 1e3), "count",
        count(h == NULL ? 0 : cvg_histogram_count(h)));
}

static json_t *parts_json(const struct cvg_policy *p)
{
    if (p == NULL) {
        return json_pack("{s:n, s:n, s:n, s:n}", "allocation", "order",
                         "batching", "exits");
    }
    return json_pack("{s:s, s:s, s:s, s:s}", "allocation", p->allocation->name,
                     "order", p->order->name, "batching", p->batching->name,
                     "exits", p->exits->name);
}

/* --- apps ----------------------------------------------------------------- */

/* Shares of what served the app: by variant, or by "variant/exit". */
static json_t *shares_json(const struct cvg_box *box,
                           const struct cvg_app_stats *s, bool by_exit)
{
    json_t *shares = json_object();
    double served = (double)s->counts.served;
    for (size_t v = 0; v < box->n_variants; v++) {
        const uint64_t *by = &s->served_by[v * CVG_MAX_EXITS];
        uint64_t sum = 0;
        for (uint32_t exit = 0; exit < CVG_MAX_EXITS; exit++) {
            sum += by[exit];
            if (by_exit && by[exit] > 0) {
                char name[300];
                snprintf(name, sizeof name, "%s/%u", box->variants[v].name,
                         exit);
                json_object_set_new(shares, name,
                                    ratio((double)by[exit], served));
            }
        }
        if (!by_exit && sum > 0) {
            json_object_set_new(shares, box->variants[v].name,
                                ratio((double)sum, served));
        }
    }
    return shares;
}

static json_t *reasons_json(const struct cvg_app_stats *s)
{
    json_t *reasons = json_object();
    for (int r = 0; r < CVG_REASONS; r++) {
        if (s->dropped_for[r] > 0) {
            json_object_set_new(reasons, cvg_reason_name((enum cvg_reason)r),
                                count(s->dropped_for[r]));
        }
    }
    return reasons;
}

static json_t *app_json(const struct cvg_run *run, size_t i)
{
    const struct cvg_app_stats *s = &run->stats->apps[i];
    struct tally t = {.lowest_accuracy = s->lowest_accuracy_window};
    add_app(&t, &run->box->apps[i], s);
    double seconds = (double)run->duration * 1e-9;
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
        run->box->apps[i].name, "requests", requests_json(&s->counts), "slo",
        slo_json(&t), "accuracy", accuracy_json(&t), "latency_ms",
        latency_json(s->latency), "queue_ms", latency_json(s->queued),
        "throughput_rps", ratio((double)s->counts.served, seconds), "energy_j",
        number(s->energy_j), "energy_per_inference_mj",
        ratio(s->energy_j * 1e3, (double)s->counts.served), "variants",
        shares_json(run->box, s, false), "exits",
        shares_json(run->box, s, true), "reasons", reasons_json(s));
}

/* A built-in app is there for requests without an app of their own; as long as
 * none came it is nobody's business. */
static bool shown(const struct cvg_run *run, size_t i)
{
    const struct cvg_counts *c = &run->stats->apps[i].counts;
    return !run->box->apps[i].built_in || c->offered + c->cancelled > 0;
}

static json_t *apps_json(const struct cvg_run *run)
{
    json_t *apps = json_array();
    for (size_t i = 0; i < run->stats->n_apps; i++) {
        if (shown(run, i)) {
            json_array_append_new(apps, app_json(run, i));
        }
    }
    return apps;
}

/* --- devices -------------------------------------------------------------- */

/* The power is the device's, so a unit has a share. */
double cvg_report_device_energy(const struct cvg_run *run, size_t i)
{
    const struct cvg_device *d = &run->box->devices[i];
    const struct cvg_device_stats *s = &run->stats->devices[i];
    double units = d->units;
    double idle_s = ((double)run->elapsed * units - (double)s->busy) * 1e-9;
    return s->energy_j + d->idle_w / units * fmax(idle_s, 0) +
           d->busy_w / units * (double)s->switching * 1e-9;
}

static json_t *device_json(const struct cvg_run *run, size_t i)
{
    const struct cvg_device *d = &run->box->devices[i];
    const struct cvg_device_stats *s = &run->stats->devices[i];
    return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "name", d->name, "emulated", d->emulated, "utilization",
                     ratio((double)s->busy, (double)run->elapsed * d->units),
                     "batches", count(s->batches), "mean_batch",
                     ratio((double)s->items, (double)s->batches), "switches",
                     count(s->switches), "loads", count(s->loads), "failures",
                     count(s->failures), "energy_j",
                     number(cvg_report_device_energy(run, i)), "worked_s",
                     number((double)s->worked * 1e-9), "late_share",
                     ratio((double)s->worked_late, (double)s->worked));
}

static json_t *devices_json(const struct cvg_run *run, double *energy_j)
{
    json_t *devices = json_array();
    *energy_j = 0;
    for (size_t i = 0; i < run->stats->n_devices; i++) {
        *energy_j += cvg_report_device_energy(run, i);
        json_array_append_new(devices, device_json(run, i));
    }
    return devices;
}

/* Of all devices together. */
static json_t *late_share(const struct cvg_run *run)
{
    double late = 0, worked = 0;
    for (size_t i = 0; i < run->stats->n_devices; i++) {
        late += (double)run->stats->devices[i].worked_late;
        worked += (double)run->stats->devices[i].worked;
    }
    return ratio(late, worked);
}

/* --- the whole ------------------------------------------------------------ */

static struct cvg_histogram *all_latencies(const struct cvg_run *run)
{
    struct cvg_histogram *all = cvg_histogram_create();
    for (size_t i = 0; all != NULL && i < run->stats->n_apps; i++) {
        cvg_histogram_merge(all, run->stats->apps[i].latency);
    }
    return all;
}

static json_t *bound(double value)
{
    return value < 0 ? json_null() : number(value);
}

json_t *cvg_report_json(const struct cvg_run *run)
{
    struct tally t = {.lowest_accuracy = run->stats->lowest_accuracy_window};
    for (size_t i = 0; i < run->stats->n_apps; i++) {
        add_app(&t, &run->box->apps[i], &run->stats->apps[i]);
    }
    double energy_j, seconds = (double)run->duration * 1e-9;
    json_t *devices = devices_json(run, &energy_j);
    struct cvg_histogram *latency = all_latencies(run);
    json_t *report = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
        " s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:o}",
        "schema", "convergo.report/1", "mode", run->mode, "policy", run->policy,
        "parts", parts_json(run->parts), "load", number(run->load), "seed",
        count(run->seed), "duration_s", number(seconds), "requests",
        requests_json(&t.counts), "slo", slo_json(&t), "accuracy",
        accuracy_json(&t), "latency_ms", latency_json(latency),
        "throughput_rps", ratio((double)t.counts.served, seconds), "energy_j",
        number(energy_j), "energy_per_inference_mj",
        ratio(energy_j * 1e3, (double)t.counts.served), "late_share",
        late_share(run), "decision_us", decision_json(run->decision), "bound",
        "joint", bound(run->bound_joint), "joint_weighted",
        bound(run->bound_joint_weighted), "apps", apps_json(run), "devices",
        devices);
    cvg_histogram_destroy(latency);
    return report;
}

/* The report of a live run: the client's judgement, beside what the server
 * says of its devices and decisions. */
#include "load/run.h"

#include "load/get.h"
#include "report/report.h"
#include <math.h>
#include <string.h>

#define BEHIND_MS 5 /* later than this at p99, and the numbers are suspect */

static double number_at(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static json_t *rounded(double value)
{
    return json_real(round(value * 1e6) / 1e6);
}

/* --- devices -------------------------------------------------------------- */

static const json_t *device_named(const json_t *report, const char *name)
{
    size_t i;
    const json_t *device;
    json_array_foreach(json_object_get(report, "devices"), i, device)
    {
        const char *its = json_string_value(json_object_get(device, "name"));
        if (its != NULL && strcmp(its, name) == 0) {
            return device;
        }
    }
    return NULL;
}

/* How long the server had been running when it wrote this. */
static double uptime(const json_t *report)
{
    const json_t *elapsed = json_object_get(report, "elapsed_s");
    return elapsed != NULL ? json_number_value(elapsed)
                           : number_at(report, "duration_s");
}

/* Counts since the earlier report; means and shares from what they are means
 * and shares of. */
static void take_off(json_t *device, const json_t *before, double seconds_then,
                     double seconds_now)
{
    static const char *const counts[] = {"batches", "switches", "loads",
                                         "failures"};
    double batches = number_at(device, "batches");
    double batches_then = number_at(before, "batches");
    double items = batches * number_at(device, "mean_batch");
    double items_then = batches_then * number_at(before, "mean_batch");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const json_t *now = json_object_get(device, counts[i]);
        const json_t *then = json_object_get(before, counts[i]);
        if (json_is_integer(now) && json_is_integer(then)) {
            json_object_set_new(device, counts[i],
                                json_integer(json_integer_value(now) -
                                             json_integer_value(then)));
        }
    }
    json_object_set_new(
        device, "mean_batch",
        batches > batches_then
            ? rounded((items - items_then) / (batches - batches_then))
            : json_null());
    json_object_set_new(
        device, "energy_j",
        rounded(number_at(device, "energy_j") - number_at(before, "energy_j")));
    double worked = number_at(device, "worked_s");
    double worked_then = number_at(before, "worked_s");
    double late = worked * number_at(device, "late_share") -
                  worked_then * number_at(before, "late_share");
    json_object_set_new(device, "worked_s", rounded(worked - worked_then));
    json_object_set_new(device, "late_share",
                        worked > worked_then
                            ? rounded(fmax(late, 0) / (worked - worked_then))
                            : json_null());
    if (seconds_now > seconds_then) {
        double busy = number_at(device, "utilization") * seconds_now -
                      number_at(before, "utilization") * seconds_then;
        json_object_set_new(
            device, "utilization",
            rounded(fmin(fmax(busy, 0) / (seconds_now - seconds_then), 1)));
    }
}

static json_t *devices_since(const json_t *before, const json_t *now)
{
    json_t *devices = json_deep_copy(json_object_get(now, "devices"));
    size_t i;
    json_t *device;
    json_array_foreach(devices, i, device)
    {
        const char *name = json_string_value(json_object_get(device, "name"));
        const json_t *then = name == NULL ? NULL : device_named(before, name);
        if (then != NULL) {
            take_off(device, then, uptime(before), uptime(now));
        }
    }
    return devices;
}

static json_t *total_late_share(const json_t *devices)
{
    double late = 0, worked = 0;
    size_t i;
    const json_t *device;
    json_array_foreach(devices, i, device)
    {
        double own = number_at(device, "worked_s");
        late += own * number_at(device, "late_share");
        worked += own;
    }
    return worked > 0 ? rounded(late / worked) : json_null();
}

static double total_energy(const json_t *devices)
{
    double sum = 0;
    size_t i;
    const json_t *device;
    json_array_foreach(devices, i, device)
    {
        sum += number_at(device, "energy_j");
    }
    return sum;
}

/* --- the server's part ---------------------------------------------------- */

static void copy(json_t *report, const json_t *server, const char *key)
{
    json_t *value = json_object_get(server, key);
    if (value != NULL) {
        json_object_set(report, key, value);
    }
}

static void set_energy(json_t *report, double energy_j)
{
    double served = number_at(json_object_get(report, "requests"), "served");
    json_object_set_new(report, "energy_j", rounded(energy_j));
    json_object_set_new(report, "energy_per_inference_mj",
                        served > 0 ? rounded(energy_j * 1e3 / served)
                                   : json_null());
}

/* Without a report of the server the energy is what the replies said. */
static void add_up_replies(json_t *report)
{
    double energy_j = 0;
    size_t i;
    const json_t *app;
    json_array_foreach(json_object_get(report, "apps"), i, app)
    {
        energy_j += number_at(app, "energy_j");
    }
    json_object_set_new(report, "devices", json_array());
    set_energy(report, energy_j);
}

static void add_server(struct cvg__run *run, json_t *report)
{
    json_t *server = NULL;
    struct cvg_error ignored;
    if (cvg__get_json(run->o->server, "/v1/report", CVG_S(10), &server,
                      &ignored) != CVG_OK) {
        add_up_replies(report);
        return;
    }
    copy(report, server, "parts");
    copy(report, server, "decision_us");
    if (run->o->policy == NULL) {
        copy(report, server, "policy");
    }
    json_t *devices = devices_since(run->before, server);
    if (devices != NULL) {
        json_object_set_new(report, "devices", devices);
        set_energy(report, total_energy(devices));
        json_object_set_new(report, "late_share", total_late_share(devices));
    } else {
        add_up_replies(report);
    }
    json_decref(server);
}

/* --- the generator's part ------------------------------------------------- */

static json_t *generator_json(const struct cvg__run *run)
{
    double p99 = (double)cvg_histogram_quantile(run->late, 0.99) * 1e-6;
    double max = (double)cvg_histogram_max(run->late) * 1e-6;
    json_t *generator = json_pack(
        "{s:I, s:I, s:o, s:o, s:b}", "sent", (json_int_t)run->sent,
        "connections", (json_int_t)run->connections, "late_p99_ms",
        rounded(p99), "late_max_ms", rounded(max), "behind", p99 > BEHIND_MS);
    json_object_set_new(generator, "full",
                        json_boolean(run->connections >= run->o->connections));
    json_object_set_new(generator, "no_reply",
                        json_integer((json_int_t)run->no_reply));
    json_object_set_new(generator, "unable",
                        json_integer((json_int_t)run->unable));
    json_object_set_new(generator, "first_error",
                        run->first_error[0] == '\0'
                            ? json_null()
                            : json_string(run->first_error));
    return generator;
}

json_t *cvg__run_report(struct cvg__run *run)
{
    const struct cvg_load_options *o = run->o;
    cvg_span duration = o->workload->duration - o->workload->warmup;
    const char *policy = o->policy != NULL ? o->policy : "?";
    struct cvg_run counted = {.mode = "live",
                              .policy = policy,
                              .load = o->load,
                              .seed = o->seed,
                              .duration = duration,
                              .elapsed = duration,
                              .box = o->box,
                              .stats = cvg_ledger_stats(run->ledger),
                              .bound_joint = -1,
                              .bound_joint_weighted = -1};
    json_t *report = cvg_report_json(&counted);
    if (report != NULL) {
        add_server(run, report);
        json_object_set_new(report, "generator", generator_json(run));
    }
    return report;
}

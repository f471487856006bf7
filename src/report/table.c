/* Report objects as tables for people: per run its apps and its devices, then
 * all runs side by side. Written from the JSON, so that a file from elsewhere
 * looks the same. */
#include "report/grid.h"
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- cells: three or four digits, "-" for what there is not --------------- */

static const json_t *at(const json_t *object, const char *a, const char *b)
{
    const json_t *inner = a == NULL ? object : json_object_get(object, a);
    return json_object_get(inner, b);
}

static void plain_cell(struct cvg_grid *g, const json_t *value)
{
    if (json_is_integer(value)) {
        cvg__grid_cell(g, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else {
        cvg__grid_cell(g, "-");
    }
}

/* A share that is not whole is never shown as 100: one lost request in a
 * million is what the reader looks for. */
static void percent_cell(struct cvg_grid *g, const json_t *value)
{
    if (!json_is_number(value)) {
        cvg__grid_cell(g, "-");
        return;
    }
    double percent = 100 * json_number_value(value);
    if (percent < 100 && percent > 99.99) {
        percent = 99.99;
    }
    cvg__grid_cell(g, "%.*f", percent >= 100 ? 1 : 2, percent);
}

static void amount_cell(struct cvg_grid *g, const json_t *value)
{
    if (!json_is_number(value)) {
        cvg__grid_cell(g, "-");
        return;
    }
    double x = json_number_value(value);
    int digits = fabs(x) < 9.995 ? 2 : fabs(x) < 99.95 ? 1 : 0;
    cvg__grid_cell(g, "%.*f", digits, x);
}

static void accuracy_cell(struct cvg_grid *g, const json_t *value)
{
    if (json_is_number(value)) {
        cvg__grid_cell(g, "%.4f", json_number_value(value));
    } else {
        cvg__grid_cell(g, "-");
    }
}

static const char *text(const json_t *value, const char *instead)
{
    return json_is_string(value) ? json_string_value(value) : instead;
}

/* --- one run -------------------------------------------------------------- */

static const char *const slo_kinds[] = {"deadline", "accuracy", "throughput",
                                        "energy", "joint"};
#define N_SLO_KINDS (sizeof slo_kinds / sizeof *slo_kinds)

static void slo_cells(struct cvg_grid *g, const json_t *of)
{
    for (size_t i = 0; i < N_SLO_KINDS; i++) {
        percent_cell(g, at(of, "slo", slo_kinds[i]));
    }
}

static void app_row(struct cvg_grid *g, const char *name, const json_t *app)
{
    cvg__grid_row(g);
    cvg__grid_cell(g, "%s", name);
    plain_cell(g, at(app, "requests", "offered"));
    plain_cell(g, at(app, "requests", "served"));
    plain_cell(g, at(app, "requests", "on_time"));
    slo_cells(g, app);
    accuracy_cell(g, at(app, "accuracy", "effective"));
    accuracy_cell(g, at(app, "accuracy", "measured"));
    amount_cell(g, at(app, "latency_ms", "p50"));
    amount_cell(g, at(app, "latency_ms", "p95"));
    amount_cell(g, at(app, "latency_ms", "p99"));
    amount_cell(g, at(app, NULL, "energy_per_inference_mj"));
}

static void apps_table(FILE *out, struct cvg_grid *g, const json_t *report)
{
    static const char *const names[] = {
        "app",      "offered", "served",  "on time", "deadline%",
        "accur.%",  "thrpt%",  "energy%", "joint%",  "eff.acc.",
        "measured", "p50 ms",  "p95 ms",  "p99 ms",  "mJ"};
    cvg__grid_init(g, sizeof names / sizeof *names, names);
    size_t i;
    const json_t *app;
    json_array_foreach(json_object_get(report, "apps"), i, app)
    {
        app_row(g, text(json_object_get(app, "name"), "?"), app);
    }
    g->rule_before = g->rows;
    app_row(g, "total", report);
    cvg__grid_print(g, out);
}

static void device_row(struct cvg_grid *g, const json_t *d)
{
    bool emulated = json_is_true(json_object_get(d, "emulated"));
    cvg__grid_row(g);
    cvg__grid_cell(g, "%s%s", text(json_object_get(d, "name"), "?"),
                   emulated ? " (emulated)" : "");
    percent_cell(g, json_object_get(d, "utilization"));
    plain_cell(g, json_object_get(d, "batches"));
    amount_cell(g, json_object_get(d, "mean_batch"));
    plain_cell(g, json_object_get(d, "switches"));
    plain_cell(g, json_object_get(d, "loads"));
    amount_cell(g, json_object_get(d, "energy_j"));
}

static void devices_table(FILE *out, struct cvg_grid *g, const json_t *report)
{
    static const char *const names[] = {"device",     "busy%",    "batches",
                                        "mean batch", "switches", "loads",
                                        "energy J"};
    const json_t *devices = json_object_get(report, "devices");
    if (json_array_size(devices) == 0) {
        return;
    }
    cvg__grid_init(g, sizeof names / sizeof *names, names);
    size_t i;
    const json_t *device;
    json_array_foreach(devices, i, device)
    {
        device_row(g, device);
    }
    fputc('\n', out);
    cvg__grid_print(g, out);
}

static void header_line(FILE *out, const json_t *report)
{
    fprintf(out,
            "policy %s (%s): load %g, seed %" JSON_INTEGER_FORMAT ", %.4g s",
            text(json_object_get(report, "policy"), "?"),
            text(json_object_get(report, "mode"), "?"),
            json_number_value(json_object_get(report, "load")),
            json_integer_value(json_object_get(report, "seed")),
            json_number_value(json_object_get(report, "duration_s")));
    const json_t *p50 = at(report, "decision_us", "p50");
    const json_t *p99 = at(report, "decision_us", "p99");
    if (json_is_number(p50) && json_is_number(p99)) {
        fprintf(out, ", a decision %.3g us (p99 %.3g)", json_number_value(p50),
                json_number_value(p99));
    }
    const json_t *joint = at(report, "bound", "joint");
    if (json_is_number(joint)) {
        fprintf(out, ", bound of joint %.2f %%",
                100 * json_number_value(joint));
    }
    fputs("\n\n", out);
}

static void run_tables(FILE *out, struct cvg_grid *g, const json_t *report)
{
    header_line(out, report);
    apps_table(out, g, report);
    devices_table(out, g, report);
    fputc('\n', out);
}

/* --- several runs --------------------------------------------------------- */

static void comparison_row(struct cvg_grid *g, const json_t *report)
{
    cvg__grid_row(g);
    cvg__grid_cell(g, "%s", text(json_object_get(report, "policy"), "?"));
    cvg__grid_cell(g, "%g", json_number_value(json_object_get(report, "load")));
    plain_cell(g, json_object_get(report, "seed"));
    plain_cell(g, at(report, "requests", "offered"));
    plain_cell(g, at(report, "requests", "on_time"));
    slo_cells(g, report);
    percent_cell(g, at(report, "bound", "joint"));
    accuracy_cell(g, at(report, "accuracy", "effective"));
    accuracy_cell(g, at(report, "accuracy", "measured"));
    amount_cell(g, at(report, "latency_ms", "p50"));
    amount_cell(g, at(report, "latency_ms", "p99"));
    amount_cell(g, json_object_get(report, "energy_per_inference_mj"));
}

static void comparison(FILE *out, struct cvg_grid *g, const json_t *reports)
{
    static const char *const names[] = {
        "policy",   "load",   "seed",    "offered", "on time", "deadline%",
        "accur.%",  "thrpt%", "energy%", "joint%",  "bound%",  "eff.acc.",
        "measured", "p50 ms", "p99 ms",  "mJ"};
    cvg__grid_init(g, sizeof names / sizeof *names, names);
    size_t i;
    const json_t *report;
    json_array_foreach(reports, i, report)
    {
        comparison_row(g, report);
    }
    fputs("all runs\n\n", out);
    cvg__grid_print(g, out);
}

void cvg_report_table(FILE *out, const json_t *reports)
{
    struct cvg_grid *g = malloc(sizeof *g);
    if (g == NULL) {
        fputs("out of memory for the tables\n", out);
        return;
    }
    if (json_is_object(reports)) {
        run_tables(out, g, reports);
    }
    size_t i;
    const json_t *report;
    json_array_foreach(reports, i, report)
    {
        run_tables(out, g, report);
    }
    if (json_array_size(reports) > 1) {
        comparison(out, g, reports);
    }
    free(g);
}

/* Report objects as tables for people: per run its apps and its devices, then
 * all runs side by side. Written from the JSON, so that a file from elsewhere
 * looks the same. */
#include "report/grid.h"
#include "report/mean.h"
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

typedef void cell_writer(struct cvg_grid *g, const json_t *value);

static void mean_cell(struct cvg_grid *g, const struct cvg__group *group,
                      cell_writer *write, const char *a, const char *b)
{
    json_t *mean = cvg__group_mean(group, a, b);
    write(g, mean);
    json_decref(mean);
}

/* How far the mean may be off, in the unit of the cell before; empty when
 * there was one run only. */
static void interval_cell(struct cvg_grid *g, const struct cvg__group *group,
                          double scale, const char *a, const char *b)
{
    double half = scale * cvg__group_interval(group, a, b);
    if (half < 0) {
        cvg__grid_cell(g, "%s", "");
    } else {
        cvg__grid_cell(g, "%.2f", half);
    }
}

static json_int_t seed_of(const json_t *reports, size_t i)
{
    return json_integer_value(
        json_object_get(json_array_get(reports, i), "seed"));
}

static void group_cells(struct cvg_grid *g, const struct cvg__group *group)
{
    const json_t *first = json_array_get(group->reports, group->from);
    json_int_t last = seed_of(group->reports, group->from + group->n - 1);
    cvg__grid_row(g);
    cvg__grid_cell(g, "%s", text(json_object_get(first, "policy"), "?"));
    cvg__grid_cell(g, "%g", json_number_value(json_object_get(first, "load")));
    if (group->n == 1) {
        plain_cell(g, json_object_get(first, "seed"));
    } else {
        cvg__grid_cell(g, "%" JSON_INTEGER_FORMAT "-%" JSON_INTEGER_FORMAT,
                       seed_of(group->reports, group->from), last);
    }
}

static void comparison_row(struct cvg_grid *g, const struct cvg__group *group,
                           bool intervals)
{
    group_cells(g, group);
    mean_cell(g, group, plain_cell, "requests", "offered");
    mean_cell(g, group, plain_cell, "requests", "on_time");
    for (size_t i = 0; i < N_SLO_KINDS; i++) {
        mean_cell(g, group, percent_cell, "slo", slo_kinds[i]);
    }
    if (intervals) {
        interval_cell(g, group, 100, "slo", "joint");
    }
    mean_cell(g, group, percent_cell, "bound", "joint");
    mean_cell(g, group, accuracy_cell, "accuracy", "effective");
    mean_cell(g, group, accuracy_cell, "accuracy", "measured");
    mean_cell(g, group, amount_cell, "latency_ms", "p50");
    mean_cell(g, group, amount_cell, "latency_ms", "p99");
    if (intervals) {
        interval_cell(g, group, 1, "latency_ms", "p99");
    }
    mean_cell(g, group, amount_cell, NULL, "energy_per_inference_mj");
}

/* True: some policy ran at some load with more than one seed. */
static bool has_means(const json_t *reports)
{
    struct cvg__group group = cvg__group_at(reports, 0);
    while (group.n == 1) {
        group = cvg__group_at(reports, group.from + 1);
    }
    return group.n > 1;
}

static void totals_table(FILE *out, struct cvg_grid *g, const json_t *reports)
{
    static const char *const plain[] = {
        "policy",   "load",   "seed",    "offered", "on time", "deadline%",
        "accur.%",  "thrpt%", "energy%", "joint%",  "bound%",  "eff.acc.",
        "measured", "p50 ms", "p99 ms",  "mJ"};
    static const char *const with_intervals[] = {
        "policy",   "load",     "seeds",   "offered", "on time", "deadline%",
        "accur.%",  "thrpt%",   "energy%", "joint%",  "+-",      "bound%",
        "eff.acc.", "measured", "p50 ms",  "p99 ms",  "+-",      "mJ"};
    bool intervals = has_means(reports);
    if (intervals) {
        cvg__grid_init(g, sizeof with_intervals / sizeof *with_intervals,
                       with_intervals);
    } else {
        cvg__grid_init(g, sizeof plain / sizeof *plain, plain);
    }
    for (struct cvg__group group = cvg__group_at(reports, 0); group.n > 0;
         group = cvg__group_at(reports, group.from + group.n)) {
        comparison_row(g, &group, intervals);
    }
    fprintf(out, "all runs%s\n\n",
            intervals ? " (means over the seeds; +- is half the 95 % interval "
                        "of the mean)"
                      : "");
    cvg__grid_print(g, out);
}

/* Whose requests suffer: a column for each app. */
static void apps_joint_table(FILE *out, struct cvg_grid *g,
                             const json_t *reports)
{
    const char *names[CVG_GRID_COLUMNS] = {"policy", "load", "seeds"};
    size_t fixed = 3;
    const json_t *apps = json_object_get(json_array_get(reports, 0), "apps");
    size_t n = json_array_size(apps);
    if (n < 2 || n > CVG_GRID_COLUMNS - fixed) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        names[fixed + i] =
            text(json_object_get(json_array_get(apps, i), "name"), "?");
    }
    cvg__grid_init(g, (int)(fixed + n), names);
    for (struct cvg__group group = cvg__group_at(reports, 0); group.n > 0;
         group = cvg__group_at(reports, group.from + group.n)) {
        group_cells(g, &group);
        group.list = "apps";
        for (group.place = 0; group.place < n; group.place++) {
            mean_cell(g, &group, percent_cell, "slo", "joint");
        }
    }
    fputs("\njoint% of each application\n\n", out);
    cvg__grid_print(g, out);
}

void cvg_report_comparison(FILE *out, const json_t *reports)
{
    struct cvg_grid *g = malloc(sizeof *g);
    if (g == NULL) {
        fputs("out of memory for the tables\n", out);
        return;
    }
    totals_table(out, g, reports);
    apps_joint_table(out, g, reports);
    free(g);
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
    free(g);
    if (json_array_size(reports) > 1) {
        cvg_report_comparison(out, reports);
    }
}

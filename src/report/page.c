/* Reports to a page: means over seeds, into the template. */
#include "report/mean.h"
#include "report/page_box.h"
#include "report/report.h"

#include <string.h>

/* The template, put together from web/report/ when the program is built. */
extern const unsigned char cvg__page_template[];
extern const size_t cvg__page_template_size;

static const char data_here[] = "@DATA@";

/* --- means ---------------------------------------------------------------- */

struct number {
    const char *a, *b; /* as cvg__group_mean() takes them */
    bool interval;     /* how sure the mean is, is shown, too */
};

static const struct number of_all[] = {
    {"requests", "offered", false},  {"requests", "served", false},
    {"requests", "on_time", false},  {"slo", "deadline", true},
    {"slo", "accuracy", true},       {"slo", "throughput", true},
    {"slo", "energy", true},         {"slo", "joint", true},
    {"bound", "joint", false},       {"accuracy", "effective", false},
    {"accuracy", "measured", false}, {"latency_ms", "mean", false},
    {"latency_ms", "p50", true},     {"latency_ms", "p90", true},
    {"latency_ms", "p95", true},     {"latency_ms", "p99", true},
    {"latency_ms", "max", false},    {NULL, "energy_per_inference_mj", false},
    {NULL, "throughput_rps", false}, {NULL, "energy_j", false},
};

static const struct number of_device[] = {
    {NULL, "utilization", false}, {NULL, "batches", false},
    {NULL, "mean_batch", false},  {NULL, "switches", false},
    {NULL, "loads", false},       {NULL, "energy_j", false},
};

/* {"b": mean, "a": {"b": mean}}, and the same of "interval". */
static json_t *means(const struct cvg__group *group,
                     const struct number *numbers, size_t n)
{
    json_t *mean = json_object(), *interval = json_object();
    for (size_t i = 0; i < n; i++) {
        const char *a = numbers[i].a, *b = numbers[i].b;
        char name[64];
        snprintf(name, sizeof name, "%s%s%s", a == NULL ? "" : a,
                 a == NULL ? "" : ".", b);
        json_object_set_new(mean, name, cvg__group_mean(group, a, b));
        double half =
            numbers[i].interval ? cvg__group_interval(group, a, b) : -1;
        if (half >= 0) {
            json_object_set_new(interval, name, json_real(half));
        }
    }
    return json_pack("{s:o, s:o}", "mean", mean, "interval", interval);
}

/* Of each app, or each device. */
static json_t *list_means(const struct cvg__group *group, const char *list,
                          const struct number *numbers, size_t n)
{
    json_t *all = json_array();
    const json_t *first = json_array_get(group->reports, group->from);
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(first, list), i, one)
    {
        struct cvg__group part = *group;
        part.list = list;
        part.place = i;
        json_t *mean = means(&part, numbers, n);
        json_object_set(mean, "name", json_object_get(one, "name"));
        json_object_set(mean, "emulated", json_object_get(one, "emulated"));
        json_array_append_new(all, mean);
    }
    return all;
}

/* --- details -------------------------------------------------------------- */

/* counts of a distribution that begin at `first`, added to those of `sum`. */
static void add_distribution(json_t *sum, const json_t *one)
{
    json_t *counts = json_object_get(sum, "counts");
    json_int_t first = json_integer_value(json_object_get(sum, "first"));
    json_int_t from = json_integer_value(json_object_get(one, "first"));
    size_t i;
    const json_t *n;
    if (json_array_size(counts) == 0) {
        first = from;
    }
    for (; from < first; first--) {
        json_array_insert_new(counts, 0, json_integer(0));
    }
    json_array_foreach(json_object_get(one, "counts"), i, n)
    {
        size_t at = (size_t)(from - first) + i;
        while (json_array_size(counts) <= at) {
            json_array_append_new(counts, json_integer(0));
        }
        json_int_t so_far = json_integer_value(json_array_get(counts, at));
        json_array_set_new(counts, at,
                           json_integer(so_far + json_integer_value(n)));
    }
    json_object_set_new(sum, "first", json_integer(first));
}

static json_t *all_latencies(const struct cvg__group *group,
                             const json_t *details)
{
    json_t *sum = NULL;
    for (size_t k = 0; k < group->n; k++) {
        const json_t *apps = json_object_get(
            json_array_get(details, group->from + k), "latencies");
        if (sum == NULL) {
            sum = json_deep_copy(apps);
            continue;
        }
        for (size_t i = 0; i < json_array_size(sum); i++) {
            add_distribution(json_array_get(sum, i), json_array_get(apps, i));
        }
    }
    return sum == NULL ? json_null() : sum;
}

/* Of the first of its seeds. */
static void add_details(json_t *json, const struct cvg__group *group,
                        const json_t *details)
{
    const json_t *first = json_array_get(details, group->from);
    static const char *const names[] = {"warmup_s", "shares", "timeline"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *value = json_object_get(first, names[i]);
        if (value != NULL) {
            json_object_set(json, names[i], value);
        }
    }
    if (json_object_get(first, "latencies") != NULL) {
        json_object_set_new(json, "latencies", all_latencies(group, details));
    }
}

/* --- the data ------------------------------------------------------------- */

static json_t *seeds_json(const struct cvg__group *group)
{
    json_t *seeds = json_array();
    for (size_t i = 0; i < group->n; i++) {
        const json_t *one = json_array_get(group->reports, group->from + i);
        json_array_append(seeds, json_object_get(one, "seed"));
    }
    return seeds;
}

static json_t *group_json(const struct cvg__group *group, const json_t *details)
{
    static const char *const names[] = {"policy", "parts",      "load",
                                        "mode",   "duration_s", "find_load"};
    const json_t *first = json_array_get(group->reports, group->from);
    json_t *json = means(group, of_all, sizeof of_all / sizeof *of_all);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *value = json_object_get(first, names[i]);
        if (value != NULL) {
            json_object_set(json, names[i], value);
        }
    }
    json_object_set_new(json, "seeds", seeds_json(group));
    json_object_set_new(
        json, "apps",
        list_means(group, "apps", of_all, sizeof of_all / sizeof *of_all));
    json_object_set_new(json, "devices",
                        list_means(group, "devices", of_device,
                                   sizeof of_device / sizeof *of_device));
    add_details(json, group, details);
    return json;
}

static json_t *data_of(const struct cvg_page *page)
{
    json_t *groups = json_array();
    for (struct cvg__group group = cvg__group_at(page->reports, 0); group.n > 0;
         group = cvg__group_at(page->reports, group.from + group.n)) {
        json_array_append_new(groups, group_json(&group, page->details));
    }
    json_t *data =
        json_pack("{s:s, s:o}", "version", CVG_VERSION, "groups", groups);
    if (data != NULL && page->box != NULL) {
        cvg__page_add_box(data, page->box);
        if (page->workload != NULL) {
            cvg__page_add_workload(data, page->workload, page->box);
        }
    }
    return data;
}

/* --- the page ------------------------------------------------------------- */

/* In JSON a '<' stands in texts only. Written as an escape, no text can end the
 * element that holds the data, whatever is in it. */
static int write_escaped(const char *text, size_t size, void *context)
{
    FILE *out = context;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '<') {
            fputs("\\u003c", out);
        } else {
            fputc(text[i], out);
        }
    }
    return ferror(out) == 0 ? 0 : -1;
}

bool cvg_report_page(FILE *out, const struct cvg_page *page)
{
    const unsigned char *begin = cvg__page_template;
    const unsigned char *end = begin + cvg__page_template_size;
    const unsigned char *here =
        memmem(begin, cvg__page_template_size, data_here, sizeof data_here - 1);
    json_t *data = data_of(page);
    if (data == NULL || here == NULL) {
        json_decref(data);
        return false;
    }
    const unsigned char *rest = here + sizeof data_here - 1;
    fwrite(begin, 1, (size_t)(here - begin), out);
    bool ok = json_dump_callback(data, write_escaped, out,
                                 JSON_COMPACT | JSON_ENSURE_ASCII |
                                     JSON_REAL_PRECISION(7)) == 0;
    fwrite(rest, 1, (size_t)(end - rest), out);
    json_decref(data);
    return ok && ferror(out) == 0;
}

enum cvg_status cvg_report_write_page(const char *path,
                                      const struct cvg_page *page,
                                      struct cvg_error *err)
{
    struct cvg_output output;
    enum cvg_status status = cvg_output_open(&output, path, err);
    if (status != CVG_OK) {
        return status;
    }
    if (!cvg_report_page(output.file, page) && ferror(output.file) == 0) {
        cvg_output_abandon(&output);
        return cvg_fail(err, CVG_NOMEM, "%s: out of memory for it", path);
    }
    return cvg_output_commit(&output, err);
}

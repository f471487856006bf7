/* convergo profile: measures the variants of a box on its real devices. */
#include "cli/profile.h"

#include "base/units.h"
#include "cli/cli.h"
#include "config/config.h"
#include "report/report.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- options -------------------------------------------------------------- */

static enum cvg_status parse_batches(const char *text,
                                     struct cvg_profiling_options *o,
                                     struct cvg_error *err)
{
    char *copy = strdup(text);
    char *state = NULL;
    enum cvg_status status = CVG_OK;
    o->n_batches = 0;
    if (copy == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory");
    }
    for (char *word = strtok_r(copy, ",", &state);
         word != NULL && status == CVG_OK; word = strtok_r(NULL, ",", &state)) {
        uint64_t batch = 0;
        status = cvg_parse_count(word, 1, CVG_MAX_BATCH, &batch, err);
        for (size_t k = 0; k < o->n_batches && status == CVG_OK; k++) {
            if (o->batches[k] == batch) {
                status = cvg_fail(err, CVG_CONFIG, "%s stands twice", word);
            }
        }
        if (status == CVG_OK && o->n_batches == CVG_PROFILE_SIZES) {
            status = cvg_fail(err, CVG_CONFIG, "at most %u sizes",
                              CVG_PROFILE_SIZES);
        }
        if (status == CVG_OK) {
            o->batches[o->n_batches++] = (uint32_t)batch;
        }
    }
    if (status == CVG_OK && o->n_batches == 0) {
        status = cvg_fail(err, CVG_CONFIG, "sizes such as 1,2,4,8 are needed");
    }
    free(copy);
    return status;
}

static enum cvg_status parse_seconds(const char *text,
                                     struct cvg_profiling_options *o,
                                     struct cvg_error *err)
{
    double seconds = 0;
    enum cvg_status status = cvg_parse_number(text, &seconds, err);
    if (status != CVG_OK) { /* "5s" and "500ms" will do, too */
        return cvg_parse_span(text, &o->limits.at_most, err);
    }
    if (seconds <= 0 || seconds > 86400) {
        return cvg_fail(err, CVG_CONFIG,
                        "more than 0 and at most 86400, got %s", text);
    }
    o->limits.at_most = (cvg_span)(seconds * 1e9);
    return CVG_OK;
}

static enum cvg_status add_name(const char *text, const char **names, size_t *n,
                                struct cvg_error *err)
{
    if (*n == CVG_PROFILE_NAMES) {
        return cvg_fail(err, CVG_CONFIG, "at most %u", CVG_PROFILE_NAMES);
    }
    names[(*n)++] = text;
    return CVG_OK;
}

/* One option and its value. CVG_NOTFOUND: there is no such option. */
static enum cvg_status parse_option(const char *name, const char *value,
                                    struct cvg_profiling_options *o,
                                    struct cvg_error *err)
{
    const struct {
        const char *name;
        const char **to;
    } texts[] = {{"-o", &o->out},
                 {"--variants-out", &o->variants_out},
                 {"--dataset", &o->dataset},
                 {"--json", &o->json}};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        if (strcmp(name, texts[k].name) == 0) {
            *texts[k].to = value;
            return CVG_OK;
        }
    }
    if (strcmp(name, "--variant") == 0) {
        return add_name(value, o->variants, &o->n_variants, err);
    }
    if (strcmp(name, "--device") == 0) {
        return add_name(value, o->devices, &o->n_devices, err);
    }
    if (strcmp(name, "--batches") == 0) {
        return parse_batches(value, o, err);
    }
    if (strcmp(name, "--seconds") == 0) {
        return parse_seconds(value, o, err);
    }
    if (strcmp(name, "--runs") == 0) {
        uint64_t runs = 0;
        enum cvg_status status = cvg_parse_count(value, 1, 100000, &runs, err);
        o->limits.runs = (uint32_t)runs;
        return status;
    }
    return CVG_NOTFOUND;
}

/* 0: go on; otherwise the exit code, negative for 0. */
static int parse(const struct cvg_verb *verb, int argc, char **argv,
                 struct cvg_profiling_options *o)
{
    for (int i = 1; i < argc; i++) {
        struct cvg_error err = {.text = ""};
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            cvg_cli_help(verb);
            return -1;
        }
        if (argv[i][0] != '-') {
            if (o->box != NULL) {
                return cvg_cli_usage(verb, "unexpected '%s'", argv[i]);
            }
            o->box = argv[i];
            continue;
        }
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        enum cvg_status status = parse_option(argv[i], value, o, &err);
        if (status == CVG_NOTFOUND) {
            return cvg_cli_usage(verb, "unexpected '%s'", argv[i]);
        }
        if (++i == argc) {
            return cvg_cli_usage(verb, "%s needs a value", argv[i - 1]);
        }
        if (status != CVG_OK) {
            return cvg_cli_usage(verb, "%s: %s", argv[i - 1], err.text);
        }
    }
    if (o->box == NULL || o->out == NULL) {
        return cvg_cli_usage(verb, "%s is needed",
                             o->box == NULL ? "BOX" : "-o FILE");
    }
    return 0;
}

/* --- the verb ------------------------------------------------------------- */

static void print_results(const struct cvg_profiling *p)
{
    size_t k;
    json_t *row;
    printf("%-20s %-20s %4s %5s %9s %9s %9s %9s %9s %7s\n", "device", "variant",
           "exit", "batch", "mean ms", "p50", "p95", "p99", "mJ", "samples");
    json_array_foreach(p->rows, k, row)
    {
        printf("%-20s %-20s %4lld %5lld %9.4f %9.4f %9.4f %9.4f %9.3f %7lld\n",
               json_string_value(json_object_get(row, "device")),
               json_string_value(json_object_get(row, "variant")),
               json_integer_value(json_object_get(row, "exit")),
               json_integer_value(json_object_get(row, "batch")),
               json_real_value(json_object_get(row, "mean_ms")),
               json_real_value(json_object_get(row, "p50_ms")),
               json_real_value(json_object_get(row, "p95_ms")),
               json_real_value(json_object_get(row, "p99_ms")),
               json_real_value(json_object_get(row, "energy_mj")),
               json_integer_value(json_object_get(row, "samples")));
    }
    json_array_foreach(p->answers, k, row)
    {
        printf("%-20s exit %lld: accuracy %.4f of %lld, %.2f MiB in memory\n",
               json_string_value(json_object_get(row, "variant")),
               json_integer_value(json_object_get(row, "exit")),
               json_real_value(json_object_get(row, "accuracy")),
               json_integer_value(json_object_get(row, "samples")),
               json_real_value(json_object_get(row, "memory_mib")));
    }
}

static enum cvg_status write_all(const struct cvg_profiling *p,
                                 struct cvg_error *err)
{
    const struct cvg_profiling_options *o = p->options;
    enum cvg_status status = cvg_rows_write(&p->profile, o->out, err);
    if (status == CVG_OK && p->writes_variants) {
        status = cvg_rows_write(&p->accuracy, p->variants_path, err);
    }
    if (status == CVG_OK && o->json != NULL) {
        json_t *json = json_pack("{s:s, s:s, s:O, s:O}", "schema",
                                 "convergo.profile/1", "source", p->source,
                                 "rows", p->rows, "variants", p->answers);
        status = json == NULL ? cvg_fail(err, CVG_NOMEM, "out of memory")
                              : cvg_report_write(o->json, json, err);
        json_decref(json);
    }
    if (status == CVG_OK && (o->json == NULL || strcmp(o->json, "-") != 0)) {
        print_results(p);
    }
    return status;
}

static int run_profile(const struct cvg_verb *verb, int argc, char **argv)
{
    struct cvg_profiling_options options = {
        .batches = {1, 2, 4, 8},
        .n_batches = 4,
        .limits = {.runs = 200, .at_least = CVG_MS(250), .at_most = CVG_S(5)}};
    struct cvg_profiling p = {.options = &options};
    struct cvg_error err = {.text = ""};
    int code = parse(verb, argc, argv, &options);
    if (code != 0) {
        return code < 0 ? 0 : code;
    }
    enum cvg_status status =
        cvg_config_load_box(options.box, CVG_LOAD_UNMEASURED, &p.box, &err);
    if (status == CVG_OK) {
        status = cvg_config_check_models(p.box, &err);
    }
    if (status == CVG_OK) {
        status = cvg_profiling_plan(&p, &err);
    }
    if (status == CVG_OK) {
        status = cvg_profiling_measure(&p, &err);
    }
    if (status == CVG_OK) {
        status = write_all(&p, &err);
    }
    cvg_profiling_fini(&p);
    return status == CVG_OK ? 0 : cvg_cli_fail(verb, &err);
}

const struct cvg_verb cvg_verb_profile = {
    .name = "profile",
    .usage = "BOX [--variant V]... [--device D]... [--batches 1,2,4,8] "
             "[--dataset D] -o profile.csv",
    .summary = "Measure the variants of a box on its real devices.",
    .help =
        "Times each variant on each device that is not emulated, alone and\n"
        "after a warm-up. Rows of other variants and devices that are in the\n"
        "file already stay.\n\n"
        "  --variant V         only this variant; may be given several times\n"
        "  --device D          only this device; may be given several times\n"
        "  --batches LIST      batch sizes (1,2,4,8)\n"
        "  --runs N            at least N runs of each (200), ...\n"
        "  --seconds S         ... but no longer than S seconds (5)\n"
        "  --dataset D         labelled items to measure accuracy with, in\n"
        "                      place of the family's `dataset`; writes\n"
        "                      variants.csv beside the profile\n"
        "  -o FILE             profile.csv to write\n"
        "  --variants-out FILE variants.csv to write: accuracy, memory\n"
        "  --json FILE         what was measured, as JSON (- is standard "
        "output)\n"
        "  --help              show this\n",
    .run = run_profile,
};

/* convergo check FILE...: are these files right, and what is in them? */
#include "cli/cli.h"

#include "base/units.h"
#include "config/config.h"
#include "report/report.h"
#include <convergo/policy.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct check {
    const struct cvg_verb *verb;
    struct cvg_box *box; /* the last one on the command line; owned */
    const char *box_path;
    const char *path; /* of the file at hand */
    json_t *files;    /* owned */
    json_t *warnings; /* of the file at hand; borrowed from its object */
    json_t *summary;
    bool quiet; /* standard output is for the JSON */
    int exit_code;
};

/* --- what is said ----------------------------------------------------------
 */

/* A path may be any bytes; JSON is UTF-8. */
static json_t *text_json(const char *text)
{
    json_t *string = json_string(text);
    return string != NULL ? string : json_string("(not UTF-8)");
}

static void take_warning(void *context, const char *message)
{
    struct check *check = context;
    fprintf(stderr, "%s\n", message);
    json_array_append_new(check->warnings, text_json(message));
}

static void warn(struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void warn(struct check *check, const char *format, ...)
{
    char text[512];
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(message, sizeof message, "%s: warning: %s", check->path, text);
    take_warning(check, message);
}

/* "3 devices", "1 family". */
static const char *plural(size_t n, const char *one, const char *many,
                          char out[40])
{
    snprintf(out, 40, "%zu %s", n, n == 1 ? one : many);
    return out;
}

static void say_ok(const struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say_ok(const struct check *check, const char *format, ...)
{
    if (check->quiet) {
        return;
    }
    va_list args;
    printf("%s: ok: ", check->path);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static void note(struct check *check, const char *key, size_t n)
{
    json_object_set_new(check->summary, key, json_integer((json_int_t)n));
}

/* --- a box -----------------------------------------------------------------
 */

static size_t named_apps(const struct cvg_box *box)
{
    size_t n = 0;
    while (n < box->n_apps && !box->apps[n].built_in) {
        n++;
    }
    return n;
}

static void warn_datasets(struct check *check, const struct cvg_box *box)
{
    for (size_t i = 0; i < box->n_families; i++) {
        const struct cvg_family *family = &box->families[i];
        if (family->dataset != NULL && access(family->dataset, R_OK) != 0) {
            warn(check, "the dataset of family '%s' cannot be read: %s: %m",
                 family->name, family->dataset);
        }
    }
}

static void describe_box(struct check *check, const struct cvg_box *box)
{
    char devices[40];
    char units[40];
    char families[40];
    char variants[40];
    char apps[40];
    size_t n_apps = named_apps(box);
    warn_datasets(check, box);
    say_ok(check, "box with %s (%s), %s, %s, %s",
           plural(box->n_devices, "device", "devices", devices),
           plural(cvg_box_units(box), "unit", "units", units),
           plural(box->n_families, "family", "families", families),
           plural(box->n_variants, "variant", "variants", variants),
           plural(n_apps, "app", "apps", apps));
    note(check, "devices", box->n_devices);
    note(check, "units", cvg_box_units(box));
    note(check, "families", box->n_families);
    note(check, "variants", box->n_variants);
    note(check, "apps", n_apps);
}

static enum cvg_status check_box(struct check *check, struct cvg_error *err)
{
    struct cvg_config_notes notes = {.warn = take_warning, .context = check};
    struct cvg_config_file file = {.path = check->path};
    struct cvg_box *box;
    enum cvg_status status =
        cvg_config_read_box(&file, 1, 0, &notes, &box, err);
    if (status == CVG_OK) {
        struct cvg_policy policy;
        status = cvg_policy_from_spec(&box->policy, &policy, err);
        if (status != CVG_OK) {
            cvg_box_destroy(box);
        }
    }
    if (status != CVG_OK) {
        return status;
    }
    cvg_box_destroy(check->box);
    check->box = box;
    check->box_path = check->path;
    describe_box(check, box);
    return CVG_OK;
}

/* --- a workload ------------------------------------------------------------
 */

static double mean_rate(const struct cvg_stream *stream, cvg_span duration)
{
    double arrivals = 0;
    double ns = 0;
    size_t rows = 0;
    switch (stream->process) {
    case CVG_MMPP:
        for (uint32_t i = 0; i < stream->n_states; i++) {
            arrivals += stream->rates_rps[i] * (double)stream->stay[i];
            ns += (double)stream->stay[i];
        }
        return arrivals / ns;
    case CVG_TRACE:
        while (rows < stream->n_rows && stream->rows[rows].at < duration) {
            rows++;
        }
        return (double)rows / ((double)duration * 1e-9);
    default:
        return stream->rate_rps;
    }
}

static void warn_late_events(struct check *check,
                             const struct cvg_workload *workload)
{
    for (size_t i = 0; i < workload->n_events; i++) {
        if (workload->events[i].at >= workload->duration) {
            char at[32];
            cvg_format_span(at, sizeof at, workload->events[i].at);
            warn(check, "the event at %s comes after the last arrival", at);
        }
    }
}

static void describe_workload(struct check *check,
                              const struct cvg_workload *workload,
                              const char *kind, const char *against)
{
    char duration[32];
    char apps[40];
    char events[40];
    double rate = 0;
    for (size_t i = 0; i < workload->n_streams; i++) {
        rate += mean_rate(&workload->streams[i], workload->duration);
    }
    warn_late_events(check, workload);
    cvg_format_span(duration, sizeof duration, workload->duration);
    say_ok(check, "%s of %s, %s, %.6g requests/s, %s; names %s%s", kind,
           duration, plural(workload->n_streams, "app", "apps", apps), rate,
           plural(workload->n_events, "event", "events", events),
           against != NULL ? "checked against " : "not checked: no box before",
           against != NULL ? against : " it and no box.yaml beside it");
    note(check, "apps", workload->n_streams);
    note(check, "events", workload->n_events);
    json_object_set_new(check->summary, "duration_s",
                        json_real((double)workload->duration * 1e-9));
    json_object_set_new(check->summary, "rate_rps", json_real(rate));
    json_object_set_new(check->summary, "box",
                        against != NULL ? text_json(against) : json_null());
}

/* "DIR/box.yaml" of "DIR/workload.yaml"; owned. NULL: no memory. */
static char *box_beside(const char *path)
{
    const char *slash = strrchr(path, '/');
    int folder = slash != NULL ? (int)(slash - path) + 1 : 0;
    char *beside;
    return asprintf(&beside, "%.*sbox.yaml", folder, path) >= 0 ? beside : NULL;
}

static enum cvg_status read_workload(struct check *check, const char *kind,
                                     const struct cvg_box *box,
                                     const char *box_path,
                                     struct cvg_error *err)
{
    struct cvg_workload *workload;
    enum cvg_status status =
        cvg_config_load_workload(check->path, box, &workload, err);
    if (status != CVG_OK) {
        return status;
    }
    describe_workload(check, workload, kind, box != NULL ? box_path : NULL);
    cvg_workload_destroy(workload);
    return CVG_OK;
}

/* Without a box before it on the command line, the one beside it will do. */
static enum cvg_status check_workload(struct check *check, const char *kind,
                                      struct cvg_error *err)
{
    if (check->box != NULL) {
        return read_workload(check, kind, check->box, check->box_path, err);
    }
    char *beside = box_beside(check->path);
    struct cvg_box *box = NULL;
    if (beside == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory");
    }
    if (access(beside, F_OK) == 0) {
        struct cvg_error why = {.status = CVG_OK};
        if (cvg_config_load_box(beside, 0, &box, &why) != CVG_OK) {
            warn(check, "the box beside it is wrong: %s", why.text);
        }
    }
    enum cvg_status status = read_workload(check, kind, box, beside, err);
    cvg_box_destroy(box);
    free(beside);
    return status;
}

/* --- CSV files and datasets ------------------------------------------------
 */

static enum cvg_status check_csv(struct check *check, enum cvg_file_kind kind,
                                 struct cvg_error *err)
{
    struct cvg_csv_summary sum;
    char rows[40];
    char variants[40];
    char devices[40];
    enum cvg_status status = cvg_config_check_csv(check->path, kind, &sum, err);
    if (status != CVG_OK) {
        return status;
    }
    plural(sum.rows, "row", "rows", rows);
    plural(sum.variants, "variant", "variants", variants);
    plural(sum.devices, "device", "devices", devices);
    note(check, "rows", sum.rows);
    note(check, "variants", sum.variants);
    if (kind == CVG_FILE_PROFILE) {
        note(check, "devices", sum.devices);
        say_ok(check, "profile with %s: %s on %s", rows, variants, devices);
    } else {
        say_ok(check, "variants file with %s: %s", rows, variants);
    }
    return CVG_OK;
}

static enum cvg_status check_variant(struct check *check, struct cvg_error *err)
{
    struct cvg_variant_file file;
    char stages[40];
    enum cvg_status status = cvg_config_load_variant(check->path, &file, err);
    if (status != CVG_OK) {
        return status;
    }
    plural(file.n_stages, "stage", "stages", stages);
    note(check, "stages", file.n_stages);
    say_ok(check, "variant of %s", stages);
    cvg_variant_file_free(&file);
    return CVG_OK;
}

static enum cvg_status check_dataset(struct check *check, struct cvg_error *err)
{
    struct cvg_dataset dataset;
    enum cvg_status status = cvg_dataset_open(check->path, &dataset, err);
    if (status != CVG_OK) {
        return status;
    }
    int32_t low = cvg_dataset_label(&dataset, 0);
    int32_t high = low;
    for (uint32_t i = 0; i < dataset.count; i++) {
        int32_t label = cvg_dataset_label(&dataset, i);
        low = label < low ? label : low;
        high = label > high ? label : high;
    }
    say_ok(check, "dataset of %u items of %u bytes, labels %d to %d",
           dataset.count, dataset.item_bytes, low, high);
    note(check, "items", dataset.count);
    note(check, "item_bytes", dataset.item_bytes);
    cvg_dataset_close(&dataset);
    return CVG_OK;
}

/* --- the files of the command line -----------------------------------------
 */

static enum cvg_status check_content(struct check *check,
                                     enum cvg_file_kind kind,
                                     struct cvg_error *err)
{
    switch (kind) {
    case CVG_FILE_BOX:
        return check_box(check, err);
    case CVG_FILE_WORKLOAD:
    case CVG_FILE_TRACE:
        return check_workload(check, cvg_file_kind_name(kind), err);
    case CVG_FILE_PROFILE:
    case CVG_FILE_VARIANTS:
        return check_csv(check, kind, err);
    case CVG_FILE_VARIANT:
        return check_variant(check, err);
    case CVG_FILE_DATASET:
        return check_dataset(check, err);
    case CVG_FILE_UNKNOWN:
        break;
    }
    return cvg_fail(err, CVG_CONFIG,
                    "%.300s: neither a box (devices, families, apps), a "
                    "workload (duration, apps), a variant (stages), a profile, "
                    "variants or trace CSV by its header, nor a dataset "
                    "(CVGDATA1)",
                    check->path);
}

static void check_file(struct check *check, const char *path)
{
    struct cvg_error err = {.status = CVG_OK};
    enum cvg_file_kind kind = CVG_FILE_UNKNOWN;
    json_t *object = json_object();
    check->path = path;
    check->warnings = json_array();
    check->summary = json_object();
    enum cvg_status status = cvg_config_recognise(path, &kind, &err);
    if (status == CVG_OK) {
        status = check_content(check, kind, &err);
    }
    if (status != CVG_OK) {
        int code = cvg_cli_fail(check->verb, &err);
        check->exit_code = code > check->exit_code ? code : check->exit_code;
    }
    json_object_set_new(object, "file", text_json(path));
    json_object_set_new(object, "kind", json_string(cvg_file_kind_name(kind)));
    json_object_set_new(object, "ok", json_boolean(status == CVG_OK));
    json_object_set_new(object, "error",
                        status == CVG_OK ? json_null() : text_json(err.text));
    json_object_set_new(object, "warnings", check->warnings);
    json_object_set_new(object, "summary", check->summary);
    json_array_append_new(check->files, object);
}

static int write_json(const struct check *check, const char *path)
{
    struct cvg_error err;
    json_t *object = json_object();
    json_object_set_new(object, "schema", json_string("convergo.check/1"));
    json_object_set_new(object, "ok", json_boolean(check->exit_code == 0));
    json_object_set(object, "files", check->files);
    enum cvg_status status = cvg_report_write(path, object, &err);
    json_decref(object);
    return status == CVG_OK ? 0 : cvg_cli_fail(check->verb, &err);
}

struct options {
    const char *json;
    const char **files;
    int n_files;
};

/* Returns an exit code, or -1: go on. */
static int read_options(const struct cvg_verb *verb, int argc, char **argv,
                        struct options *out)
{
    bool only_files = false;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (only_files || arg[0] != '-' || arg[1] == '\0') {
            out->files[out->n_files++] = arg;
        } else if (strcmp(arg, "--") == 0) {
            only_files = true;
        } else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            return cvg_cli_help(verb);
        } else if (strcmp(arg, "--json") != 0) {
            return cvg_cli_usage(verb, "unknown option '%s'", arg);
        } else if (++i == argc) {
            return cvg_cli_usage(verb, "--json needs a file name, or -");
        } else {
            out->json = argv[i];
        }
    }
    return out->n_files > 0 ? -1 : cvg_cli_usage(verb, "no file given");
}

static int check_files(const struct cvg_verb *verb,
                       const struct options *options)
{
    struct check check = {
        .verb = verb,
        .files = json_array(),
        .quiet = options->json != NULL && strcmp(options->json, "-") == 0,
    };
    for (int i = 0; i < options->n_files; i++) {
        check_file(&check, options->files[i]);
    }
    int code = options->json != NULL ? write_json(&check, options->json) : 0;
    json_decref(check.files);
    cvg_box_destroy(check.box);
    return code > check.exit_code ? code : check.exit_code;
}

static int run_check(const struct cvg_verb *verb, int argc, char **argv)
{
    struct options options = {
        .files = calloc((size_t)argc + 1, sizeof *options.files)};
    if (options.files == NULL) {
        return 1;
    }
    int code = read_options(verb, argc, argv, &options);
    if (code < 0) {
        code = check_files(verb, &options);
    }
    free(options.files);
    return code;
}

const struct cvg_verb cvg_verb_check = {
    .name = "check",
    .usage = "FILE... [--json FILE]",
    .summary = "Check boxes, workloads, profiles, traces and datasets.",
    .help =
        "Each file is recognised by its content. A workload or trace is\n"
        "checked against the last box before it, else against box.yaml\n"
        "beside it. No model is opened. Exit 0: all are right; 2: some are "
        "not.\n\n"
        "  --json FILE   write what was found as JSON (- is standard output)\n"
        "  --help        show this\n",
    .run = run_check,
};

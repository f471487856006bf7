/* convergo version: which program is this, and how was it built? */
#include "cli/cli.h"

#include "device/ort.h"
#include "report/report.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#ifndef CVG_VERSION
#define CVG_VERSION "0.1.0"
#endif

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* Sanitizers as gcc or clang tells of them. */
#ifdef __has_feature
#define HAS(feature) __has_feature(feature)
#else
#define HAS(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS(address_sanitizer)
#define ADDRESS " address-sanitizer"
#else
#define ADDRESS ""
#endif
#if defined(__SANITIZE_THREAD__) || HAS(thread_sanitizer)
#define THREAD " thread-sanitizer"
#else
#define THREAD ""
#endif
#ifdef __OPTIMIZE__
#define OPTIMISED " optimised"
#else
#define OPTIMISED " unoptimised"
#endif
#ifdef NDEBUG
#define ASSERTS ""
#else
#define ASSERTS " asserts"
#endif
#ifdef _FORTIFY_SOURCE
#define FORTIFIED " fortified"
#else
#define FORTIFIED ""
#endif

static const char build[] = "c17" OPTIMISED ASSERTS FORTIFIED ADDRESS THREAD;

static void print_version(const struct cvg_ort *ort, const char *why)
{
    printf("convergo %s\n", CVG_VERSION);
    printf("compiler     %s\n", COMPILER);
    printf("build        %s\n", build);
    if (ort != NULL) {
        printf("onnxruntime  %s, API %d (%s)\n", ort->version, CVG_ORT_API,
               ort->path);
    } else {
        printf("onnxruntime  not found, API %d wanted (%s)\n", CVG_ORT_API,
               why);
    }
}

static json_t *version_json(const struct cvg_ort *ort)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:{s:i, s:s?, s:s?}}", "schema",
                     "convergo.version/1", "version", CVG_VERSION, "compiler",
                     COMPILER, "build", build, "onnxruntime", "api",
                     CVG_ORT_API, "version", ort != NULL ? ort->version : NULL,
                     "path", ort != NULL ? ort->path : NULL);
}

static int write_version(const struct cvg_verb *verb, const char *path,
                         const struct cvg_ort *ort)
{
    struct cvg_error err;
    json_t *object = version_json(ort);
    enum cvg_status status = object != NULL
                                 ? cvg_report_write(path, object, &err)
                                 : cvg_fail(&err, CVG_NOMEM, "out of memory");
    json_decref(object);
    return status == CVG_OK ? 0 : cvg_cli_fail(verb, &err);
}

static int run_version(const struct cvg_verb *verb, int argc, char **argv)
{
    const char *json = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return cvg_cli_help(verb);
        }
        if (strcmp(argv[i], "--json") != 0) {
            return cvg_cli_usage(verb, "unexpected '%s'", argv[i]);
        }
        if (++i == argc) {
            return cvg_cli_usage(verb, "--json needs a file name, or -");
        }
        json = argv[i];
    }
    struct cvg_error why = {.text = ""};
    const struct cvg_ort *ort = cvg_ort_get(&why);
    if (json == NULL || strcmp(json, "-") != 0) {
        print_version(ort, why.text);
    }
    return json != NULL ? write_version(verb, json, ort) : 0;
}

const struct cvg_verb cvg_verb_version = {
    .name = "version",
    .usage = "[--json FILE]",
    .summary = "Say which program this is and how it was built.",
    .help = "  --json FILE   write it as JSON (- is standard output)\n"
            "  --help        show this\n",
    .run = run_version,
};

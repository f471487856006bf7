/* How every benchmark reports: a line per figure, and JSON on request. */
#ifndef CVG_BENCH_RESULT_H
#define CVG_BENCH_RESULT_H

#include <math.h>
#include <stdio.h>
#include <string.h>

struct bench_result {
    const char *name;
    double value;
    const char *unit;
    double control; /* measured in the same run; NAN: none */
};

/* The text after `name` on the command line, else `fallback`. */
static inline const char *bench_option(int argc, char **argv, const char *name,
                                       const char *fallback)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return argv[i + 1];
        }
    }
    return fallback;
}

static inline void bench_write_json(FILE *out, const struct bench_result *r)
{
    fprintf(out, "  {\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", ",
            r->name, r->value, r->unit);
    if (isnan(r->control)) {
        fprintf(out, "\"control\": null, \"ratio\": null}");
    } else {
        fprintf(out, "\"control\": %.6g, \"ratio\": %.6g}", r->control,
                r->value / r->control);
    }
}

/* Prints the figures; with `--json FILE` writes them there, too. Returns the
 * exit code. */
static inline int bench_write(int argc, char **argv,
                              const struct bench_result *results, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        printf("%-24s %10.4g %s", results[i].name, results[i].value,
               results[i].unit);
        if (!isnan(results[i].control)) {
            printf("  (control %.4g, ratio %.3f)", results[i].control,
                   results[i].value / results[i].control);
        }
        printf("\n");
    }
    const char *path = bench_option(argc, argv, "--json", NULL);
    if (path == NULL) {
        return 0;
    }
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        fprintf(stderr, "cannot write %s\n", path);
        return 1;
    }
    fprintf(out, "[\n");
    for (size_t i = 0; i < n; i++) {
        bench_write_json(out, &results[i]);
        fprintf(out, "%s\n", i + 1 < n ? "," : "");
    }
    fprintf(out, "]\n");
    return fclose(out) == 0 ? 0 : 1;
}

#endif

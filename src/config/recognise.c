/* What kind of file is it? By its content, for `convergo check`. */
#include "config/csv.h"
#include "config/name_set.h"
#include "config/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *cvg_file_kind_name(enum cvg_file_kind kind)
{
    static const char *const names[] = {
        "unknown", "box",      "workload", "trace",
        "profile", "variants", "variant",  "dataset",
    };
    return names[kind];
}

/* --- by the first bytes ----------------------------------------------------
 */

#define HEAD 4096U

static enum cvg_status read_head(const char *path, char *head, size_t *size,
                                 struct cvg_error *err)
{
    FILE *stream = fopen(path, "rbe");
    if (stream == NULL) {
        return cvg_fail(err, CVG_NOTFOUND, "%.300s: cannot open: %s", path,
                        strerror(errno));
    }
    *size = fread(head, 1, HEAD, stream);
    head[*size] = '\0';
    bool failed = ferror(stream) != 0;
    if (failed) {
        cvg_fail(err, CVG_CONFIG, "%.300s: cannot read: %s", path,
                 strerror(errno));
    }
    fclose(stream);
    return failed ? CVG_CONFIG : CVG_OK;
}

/* The kinds of CSV differ in their headers; a wrong one is then named by the
 * reader of that kind. */
static enum cvg_file_kind kind_of_csv(const char *head, size_t size)
{
    if (cvg__csv_begins_with(head, size, "arrival_ms")) {
        return CVG_FILE_TRACE;
    }
    if (cvg__csv_begins_with(head, size, "variant,exit,accuracy")) {
        return CVG_FILE_VARIANTS;
    }
    if (cvg__csv_begins_with(head, size, "variant,")) {
        return strstr(head, "mean_ms") != NULL ||
                       strstr(head, "accuracy") == NULL
                   ? CVG_FILE_PROFILE
                   : CVG_FILE_VARIANTS;
    }
    return CVG_FILE_UNKNOWN;
}

/* --- by the keys of a YAML file --------------------------------------------
 */

static int count_keys(struct cvg_value root, const char *const *paths)
{
    int n = 0;
    for (; *paths != NULL; paths++) {
        n += cvg__yaml_at(root, *paths).node != NULL;
    }
    return n;
}

static enum cvg_file_kind kind_of_map(struct cvg_value root)
{
    static const char *const of_box[] = {
        "profiles", "variants",   "devices", "families",      "models",
        "policy",   "contention", "server",  "apps/0/family", NULL};
    static const char *const of_workload[] = {"duration", "warmup", "events",
                                              "apps/0/arrivals", NULL};
    static const char *const of_variant[] = {"stages", NULL};
    int box = count_keys(root, of_box);
    int workload = count_keys(root, of_workload);
    return box > workload                     ? CVG_FILE_BOX
           : workload > 0                     ? CVG_FILE_WORKLOAD
           : count_keys(root, of_variant) > 0 ? CVG_FILE_VARIANT
                                              : CVG_FILE_UNKNOWN;
}

static enum cvg_status kind_of_yaml(const char *path, enum cvg_file_kind *out,
                                    struct cvg_error *err)
{
    struct cvg_config_file file = {.path = path};
    struct cvg_files files = {.items = &file, .n = 1};
    struct cvg_source source = {path, err};
    struct cvg_yaml yaml;
    struct cvg_value root;
    char *text;
    size_t size;
    enum cvg_status status =
        cvg__read_file(&files, path, CVG_YAML_LIMIT, &text, &size, err);
    if (status != CVG_OK) {
        return status;
    }
    status = cvg__yaml_open(&yaml, &source, text, size);
    if (status == CVG_OK) {
        status = cvg__yaml_root(&yaml, &root);
    }
    if (status == CVG_OK) {
        *out = kind_of_map(root);
    }
    cvg__yaml_close(&yaml);
    return status;
}

enum cvg_status cvg_config_recognise(const char *path, enum cvg_file_kind *out,
                                     struct cvg_error *err)
{
    char head[HEAD + 1];
    size_t size = 0;
    *out = CVG_FILE_UNKNOWN;
    enum cvg_status status = read_head(path, head, &size, err);
    if (status != CVG_OK) {
        return status;
    }
    if (size >= 8 && memcmp(head, "CVGDATA1", 8) == 0) {
        *out = CVG_FILE_DATASET;
        return CVG_OK;
    }
    *out = kind_of_csv(head, size);
    size_t length = strlen(path);
    bool csv = length > 4 && strcmp(path + length - 4, ".csv") == 0;
    return *out != CVG_FILE_UNKNOWN || csv ? CVG_OK
                                           : kind_of_yaml(path, out, err);
}

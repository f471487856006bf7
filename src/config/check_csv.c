/* A profile.csv or variants.csv by itself, without the box that names it. */
#include "config/rows.h"

#include "config/name_set.h"
#include <stdio.h>
#include <string.h>

struct check {
    struct cvg_csv csv;
    struct cvg_name_set variants, devices, rows;
    size_t n;
};

/* Rows are the same if what they are about is. */
static enum cvg_status check_row_is_new(struct check *check, const char *key,
                                        const char *what)
{
    uint32_t number;
    bool is_new;
    if (!cvg__name_set_add(&check->rows, key, &number, &is_new)) {
        return cvg__source_nomem(&check->csv.source);
    }
    return is_new ? CVG_OK
                  : cvg__source_fail(&check->csv.source, check->csv.places[0],
                                     "a second row for %s", what);
}

static enum cvg_status check_profile_row(struct check *check)
{
    struct cvg_profile_row row;
    enum cvg_status status = cvg__profile_row(&check->csv, &row);
    uint32_t v;
    uint32_t d;
    if (status != CVG_OK) {
        return status;
    }
    if (!cvg__name_set_add(&check->variants, row.variant, &v, NULL) ||
        !cvg__name_set_add(&check->devices, row.device, &d, NULL)) {
        return cvg__source_nomem(&check->csv.source);
    }
    char key[64];
    char what[300];
    snprintf(key, sizeof key, "%u/%u/%u/%u", v, row.exit, d, row.point.batch);
    snprintf(what, sizeof what,
             "variant '%.80s', exit %u, device '%.80s', batch %u", row.variant,
             row.exit, row.device, row.point.batch);
    return check_row_is_new(check, key, what);
}

static enum cvg_status check_variants_row(struct check *check)
{
    struct cvg_variants_row row;
    enum cvg_status status = cvg__variants_row(&check->csv, &row);
    uint32_t v;
    if (status != CVG_OK) {
        return status;
    }
    if (!cvg__name_set_add(&check->variants, row.variant, &v, NULL)) {
        return cvg__source_nomem(&check->csv.source);
    }
    char key[64];
    char what[200];
    snprintf(key, sizeof key, "%u/%u", v, row.exit);
    snprintf(what, sizeof what, "variant '%.80s', exit %u", row.variant,
             row.exit);
    return check_row_is_new(check, key, what);
}

static enum cvg_status check_rows(struct check *check,
                                  enum cvg_status (*row)(struct check *check))
{
    for (;;) {
        enum cvg_status status = cvg__csv_next(&check->csv);
        if (status != CVG_OK || check->csv.n == 0) {
            return status;
        }
        status = row(check);
        if (status != CVG_OK) {
            return status;
        }
        check->n++;
    }
}

static enum cvg_status check_text(struct check *check,
                                  const struct cvg_source *source, char *text,
                                  size_t size, enum cvg_file_kind kind)
{
    bool profile = kind == CVG_FILE_PROFILE;
    enum cvg_status status = cvg__csv_open(
        &check->csv, source, text, size,
        profile ? cvg__profile_columns : cvg__variants_columns,
        profile ? (size_t)CVG_PROFILE_COLUMNS : (size_t)CVG_VARIANTS_COLUMNS);
    return status == CVG_OK ? check_rows(check, profile ? check_profile_row
                                                        : check_variants_row)
                            : status;
}

enum cvg_status cvg_config_check_csv(const char *path, enum cvg_file_kind kind,
                                     struct cvg_csv_summary *out,
                                     struct cvg_error *err)
{
    struct cvg_config_file file = {.path = path};
    struct cvg_files files = {.items = &file, .n = 1};
    struct cvg_source source = {path, err};
    struct check check = {.n = 0};
    char *text;
    size_t size;
    enum cvg_status status =
        cvg__read_file(&files, path, CVG_CSV_LIMIT, &text, &size, err);
    if (status != CVG_OK) {
        return status;
    }
    status = check_text(&check, &source, text, size, kind);
    *out = (struct cvg_csv_summary){check.n, check.variants.n, check.devices.n};
    cvg__csv_close(&check.csv);
    cvg__name_set_fini(&check.variants);
    cvg__name_set_fini(&check.devices);
    cvg__name_set_fini(&check.rows);
    return status;
}

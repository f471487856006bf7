/* CSV tables that are read, changed in part, and written whole. */
#include "cli/profile_rows.h"

#include "base/output.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum cvg_status read_rows(struct cvg_csv *csv, struct cvg_rows *rows,
                                 struct cvg_error *err)
{
    enum cvg_status status = cvg__csv_next(csv);
    while (status == CVG_OK && csv->n > 0) {
        const char *cells[CVG_CSV_COLUMNS];
        for (size_t k = 0; k < rows->n_columns; k++) {
            cells[k] = cvg__csv_text(csv, k);
        }
        status = cvg_rows_insert(rows, rows->n, cells, err);
        if (status == CVG_OK) {
            status = cvg__csv_next(csv);
        }
    }
    return status;
}

enum cvg_status cvg_rows_read(const char *path,
                              const struct cvg_column *columns,
                              size_t n_columns, struct cvg_rows *out,
                              struct cvg_error *err)
{
    *out = (struct cvg_rows){.columns = columns, .n_columns = n_columns};
    if (access(path, F_OK) != 0) {
        return CVG_OK;
    }
    const struct cvg_config_file file = {.path = path};
    const struct cvg_files files = {.items = &file, .n = 1};
    const struct cvg_source source = {.path = path, .err = err};
    char *text = NULL;
    size_t size = 0;
    enum cvg_status status =
        cvg__read_file(&files, path, CVG_CSV_LIMIT, &text, &size, err);
    if (status != CVG_OK) {
        return status;
    }
    struct cvg_csv csv;
    status = cvg__csv_open(&csv, &source, text, size, columns, n_columns);
    if (status == CVG_OK) {
        status = read_rows(&csv, out, err);
    }
    cvg__csv_close(&csv);
    return status;
}

static void free_row(struct cvg_rows_row *row)
{
    for (size_t k = 0; k < CVG_CSV_COLUMNS; k++) {
        free(row->cells[k]);
        row->cells[k] = NULL;
    }
}

void cvg_rows_free(struct cvg_rows *rows)
{
    for (size_t k = 0; k < rows->n; k++) {
        free_row(&rows->rows[k]);
    }
    free(rows->rows);
    rows->rows = NULL;
    rows->n = 0;
}

static bool matches(const struct cvg_rows_row *row,
                    const struct cvg_rows_key *keys, size_t n_keys)
{
    for (size_t k = 0; k < n_keys; k++) {
        if (strcmp(row->cells[keys[k].column], keys[k].value) != 0) {
            return false;
        }
    }
    return true;
}

size_t cvg_rows_remove(struct cvg_rows *rows, const struct cvg_rows_key *keys,
                       size_t n_keys, size_t keep, char **kept)
{
    size_t left = 0;
    size_t first = SIZE_MAX;
    for (size_t k = 0; k < rows->n; k++) {
        if (!matches(&rows->rows[k], keys, n_keys)) {
            rows->rows[left++] = rows->rows[k];
            continue;
        }
        if (first == SIZE_MAX) {
            first = left;
            if (kept != NULL) {
                *kept = rows->rows[k].cells[keep];
                rows->rows[k].cells[keep] = NULL;
            }
        }
        free_row(&rows->rows[k]);
    }
    rows->n = left;
    return first == SIZE_MAX ? left : first;
}

enum cvg_status cvg_rows_insert(struct cvg_rows *rows, size_t at,
                                const char *const *cells, struct cvg_error *err)
{
    assert(at <= rows->n);
    struct cvg_rows_row row = {{NULL}};
    struct cvg_rows_row *grown =
        realloc(rows->rows, (rows->n + 1) * sizeof *grown);
    bool ok = grown != NULL;
    if (ok) {
        rows->rows = grown;
    }
    for (size_t k = 0; ok && k < rows->n_columns; k++) {
        row.cells[k] = strdup(cells[k]);
        ok = row.cells[k] != NULL;
    }
    if (!ok) {
        free_row(&row);
        return cvg_fail(err, CVG_NOMEM, "out of memory for a row");
    }
    memmove(&grown[at + 1], &grown[at], (rows->n - at) * sizeof *grown);
    grown[at] = row;
    rows->n++;
    return CVG_OK;
}

/* --- writing -------------------------------------------------------------- */

static void put_cell(FILE *file, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, file);
        return;
    }
    fputc('"', file);
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            fputc('"', file);
        }
        fputc(*text, file);
    }
    fputc('"', file);
}

static bool is_empty(const struct cvg_rows *rows, size_t column)
{
    for (size_t r = 0; r < rows->n; r++) {
        if (rows->rows[r].cells[column][0] != '\0') {
            return false;
        }
    }
    return true;
}

/* Without the optional ones at the end that nothing is in. */
static size_t columns_in_use(const struct cvg_rows *rows)
{
    size_t n = rows->n_columns;
    while (n > 0 && rows->columns[n - 1].optional && is_empty(rows, n - 1)) {
        n--;
    }
    return n;
}

static void put_table(FILE *file, const struct cvg_rows *rows)
{
    size_t n = columns_in_use(rows);
    for (size_t k = 0; k < n; k++) {
        fprintf(file, "%s%s", k == 0 ? "" : ",", rows->columns[k].name);
    }
    fputc('\n', file);
    for (size_t r = 0; r < rows->n; r++) {
        for (size_t k = 0; k < n; k++) {
            if (k > 0) {
                fputc(',', file);
            }
            put_cell(file, rows->rows[r].cells[k]);
        }
        fputc('\n', file);
    }
}

enum cvg_status cvg_rows_write(const struct cvg_rows *rows, const char *path,
                               struct cvg_error *err)
{
    struct cvg_output output;
    enum cvg_status status = cvg_output_open(&output, path, err);
    if (status != CVG_OK) {
        return status;
    }
    put_table(output.file, rows);
    return cvg_output_commit(&output, err);
}

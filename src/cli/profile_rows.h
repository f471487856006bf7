/* profile.csv and variants.csv as tables of text that rows can be put into:
 * what was not measured now stays as it was. Comments are not kept. */
#ifndef CVG_CLI_PROFILE_ROWS_H
#define CVG_CLI_PROFILE_ROWS_H

#include "config/csv.h"

struct cvg_rows_row {
    char *cells[CVG_CSV_COLUMNS]; /* owned */
};

struct cvg_rows {
    const struct cvg_column *columns; /* borrowed */
    size_t n_columns;
    struct cvg_rows_row *rows;
    size_t n;
};

/* A file that is not there gives an empty table. CVG_CONFIG: a file that is no
 * such CSV. In any case the caller calls cvg_rows_free(). */
enum cvg_status cvg_rows_read(const char *path,
                              const struct cvg_column *columns,
                              size_t n_columns, struct cvg_rows *out,
                              struct cvg_error *err);
void cvg_rows_free(struct cvg_rows *rows);

/* Takes out the rows of which these cells have these values; returns where the
 * first of them stood, or the end. `kept` (may be NULL) gets a copy of that
 * row's cell `keep`, owned by the caller, if there was one. */
struct cvg_rows_key {
    size_t column;
    const char *value;
};
size_t cvg_rows_remove(struct cvg_rows *rows, const struct cvg_rows_key *keys,
                       size_t n_keys, size_t keep, char **kept);

/* Puts a row of n_columns cells, which are copied, before row `at`. */
enum cvg_status cvg_rows_insert(struct cvg_rows *rows, size_t at,
                                const char *const *cells,
                                struct cvg_error *err);

/* By way of base/output.h. */
enum cvg_status cvg_rows_write(const struct cvg_rows *rows, const char *path,
                               struct cvg_error *err);

#endif

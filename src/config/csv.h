/* CSV as in RFC 4180: quoted fields, CRLF or LF, the last line with or without
 * its end. Beyond it, empty lines and lines that begin with '#' are skipped.
 * The first record is the header. */
#ifndef CVG_CONFIG_CSV_H
#define CVG_CONFIG_CSV_H

#include "config/fields.h"

#define CVG_CSV_COLUMNS 32U

struct cvg_column {
    const char *name;
    bool optional; /* may be left out; these come last */
};

struct cvg_csv {
    struct cvg_source source;
    char *text; /* owned; fields are unquoted in place */
    char *next, *end;
    struct cvg_place at; /* of `next` */
    size_t n;            /* fields of the record; 0: the end of the file */
    char *fields[CVG_CSV_COLUMNS];
    struct cvg_place places[CVG_CSV_COLUMNS];
    const struct cvg_column *columns;
    size_t n_columns;           /* of the header */
    int where[CVG_CSV_COLUMNS]; /* columns[i] is the where[i]-th field, or -1 */
};

/* Takes `text` (owned from now on, also on error) and reads the header: the
 * `n` columns in that order, optional ones may be missing. In any case the
 * caller calls cvg__csv_close(). */
enum cvg_status cvg__csv_open(struct cvg_csv *csv,
                              const struct cvg_source *source, char *text,
                              size_t size, const struct cvg_column *columns,
                              size_t n);
void cvg__csv_close(struct cvg_csv *csv);

/* The next row, which has as many fields as the header; csv->n = 0 at the end.
 */
enum cvg_status cvg__csv_next(struct cvg_csv *csv);

/* Does `text` begin with a header that starts with this column? */
bool cvg__csv_begins_with(const char *text, size_t size, const char *columns);

/* A field of the row by its place in the table of columns; "" if the file lacks
 * that column. */
const char *cvg__csv_text(const struct cvg_csv *csv, size_t column);
/* "file:line:column: COLUMN: ..." */
enum cvg_status cvg__csv_fail(const struct cvg_csv *csv, size_t column,
                              const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Values. Those with `fallback` take it where the field is empty. */
enum cvg_status cvg__csv_name(const struct cvg_csv *csv, size_t column,
                              const char **out);
enum cvg_status cvg__csv_count(const struct cvg_csv *csv, size_t column,
                               uint64_t min, uint64_t max, uint32_t *out);
enum cvg_status cvg__csv_number(const struct cvg_csv *csv, size_t column,
                                const struct cvg_range *range, double *out);
enum cvg_status cvg__csv_number_or(const struct cvg_csv *csv, size_t column,
                                   const struct cvg_range *range,
                                   double fallback, double *out);
/* Milliseconds, read as a span; the range is in ms. */
enum cvg_status cvg__csv_ms(const struct cvg_csv *csv, size_t column,
                            const struct cvg_range *range, cvg_span *out);
enum cvg_status cvg__csv_ms_or(const struct cvg_csv *csv, size_t column,
                               const struct cvg_range *range, cvg_span fallback,
                               cvg_span *out);

#endif

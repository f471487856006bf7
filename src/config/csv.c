/* CSV as in RFC 4180, and typed access to its fields. */
#include "config/csv.h"

#include "base/units.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- records ---------------------------------------------------------------
 */

static bool at_line_end(const struct cvg_csv *csv)
{
    const char *p = csv->next;
    return p == csv->end || *p == '\n' ||
           (*p == '\r' && (p + 1 == csv->end || p[1] == '\n'));
}

static void skip_line_end(struct cvg_csv *csv)
{
    if (csv->next < csv->end && *csv->next == '\r') {
        csv->next++;
    }
    if (csv->next < csv->end) {
        csv->next++;
    }
    csv->at = (struct cvg_place){csv->at.line + 1, 1};
}

static void skip_comments_and_empty_lines(struct cvg_csv *csv)
{
    while (csv->next < csv->end && (*csv->next == '#' || at_line_end(csv))) {
        const char *newline =
            memchr(csv->next, '\n', (size_t)(csv->end - csv->next));
        csv->next +=
            newline != NULL ? newline - csv->next : csv->end - csv->next;
        skip_line_end(csv);
    }
}

static void step(struct cvg_csv *csv)
{
    csv->at.column++;
    if (*csv->next == '\n') {
        csv->at = (struct cvg_place){csv->at.line + 1, 1};
    }
    csv->next++;
}

/* Text up to the next comma or the end of the line. */
static enum cvg_status read_plain(struct cvg_csv *csv)
{
    while (!at_line_end(csv) && *csv->next != ',') {
        if (*csv->next == '"') {
            return cvg__source_fail(&csv->source, csv->at,
                                    "a quote inside an unquoted field");
        }
        step(csv);
    }
    return CVG_OK;
}

/* "..." with "" for a quote; moved together in place. *length: what is left. */
static enum cvg_status read_quoted(struct cvg_csv *csv, size_t *length)
{
    struct cvg_place opened = csv->at;
    char *out = csv->next;
    char *begin = out;
    step(csv);
    for (;;) {
        if (csv->next == csv->end) {
            return cvg__source_fail(&csv->source, opened,
                                    "a quoted field without its end");
        }
        if (*csv->next == '"') {
            step(csv);
            if (csv->next == csv->end || *csv->next != '"') {
                break;
            }
        }
        *out++ = *csv->next;
        step(csv);
    }
    *length = (size_t)(out - begin);
    if (!at_line_end(csv) && *csv->next != ',') {
        return cvg__source_fail(&csv->source, csv->at,
                                "text behind the end of a quoted field");
    }
    return CVG_OK;
}

/* Fields are ended by a NUL only after the separator behind them was seen. */
static enum cvg_status read_field(struct cvg_csv *csv, bool *last)
{
    if (csv->n == CVG_CSV_COLUMNS) {
        return cvg__source_fail(&csv->source, csv->at,
                                "more than %u fields in a line",
                                CVG_CSV_COLUMNS);
    }
    char *begin = csv->next;
    csv->places[csv->n] = csv->at;
    csv->fields[csv->n++] = begin;
    size_t length = 0;
    enum cvg_status status;
    if (!at_line_end(csv) && *begin == '"') {
        status = read_quoted(csv, &length);
    } else {
        status = read_plain(csv);
        length = (size_t)(csv->next - begin);
    }
    if (status != CVG_OK) {
        return status;
    }
    if (memchr(begin, '\0', length) != NULL) {
        return cvg__source_fail(&csv->source, csv->places[csv->n - 1],
                                "a NUL character is in the text");
    }
    *last = at_line_end(csv);
    if (*last) {
        skip_line_end(csv);
    } else {
        step(csv);
    }
    begin[length] = '\0';
    return CVG_OK;
}

static enum cvg_status read_record(struct cvg_csv *csv)
{
    csv->n = 0;
    skip_comments_and_empty_lines(csv);
    bool last = csv->next == csv->end;
    enum cvg_status status = CVG_OK;
    while (status == CVG_OK && !last) {
        status = read_field(csv, &last);
    }
    return status;
}

enum cvg_status cvg__csv_next(struct cvg_csv *csv)
{
    enum cvg_status status = read_record(csv);
    if (status == CVG_OK && csv->n != 0 && csv->n != csv->n_columns) {
        return cvg__source_fail(&csv->source, csv->places[0],
                                "the row has %zu field%s, the header %zu",
                                csv->n, csv->n == 1 ? "" : "s", csv->n_columns);
    }
    return status;
}

/* --- the header ------------------------------------------------------------
 */

/* "variant,exit,...,source[,switch_ms][,load_ms]" */
static void describe_header(const struct cvg_column *columns, size_t n,
                            char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n && used < size; i++) {
        const char *form = columns[i].optional ? "[,%s]" : ",%s";
        int length = snprintf(out + used, size - used, i == 0 ? "%s" : form,
                              columns[i].name);
        used += (size_t)length;
    }
}

/* The `field`-th column is not `expected` (NULL: not expected at all). */
static enum cvg_status bad_header(const struct cvg_csv *csv, size_t field,
                                  const char *expected, size_t n)
{
    char header[200];
    describe_header(csv->columns, n, header, sizeof header);
    if (field >= csv->n) {
        return cvg__source_fail(&csv->source, csv->places[0],
                                "the header lacks column %zu, '%s': %s is "
                                "expected",
                                field + 1, expected, header);
    }
    if (expected == NULL) {
        return cvg__source_fail(&csv->source, csv->places[field],
                                "unexpected column '%.40s' in the header: %s "
                                "is expected",
                                csv->fields[field], header);
    }
    return cvg__source_fail(&csv->source, csv->places[field],
                            "column %zu of the header is '%.40s', not '%s': "
                            "%s is expected",
                            field + 1, csv->fields[field], expected, header);
}

static enum cvg_status read_header(struct cvg_csv *csv, size_t n)
{
    enum cvg_status status = read_record(csv);
    if (status != CVG_OK) {
        return status;
    }
    if (csv->n == 0) {
        char header[200];
        describe_header(csv->columns, n, header, sizeof header);
        return cvg__source_fail(&csv->source, (struct cvg_place){1, 1},
                                "the file is empty: the header %s is expected",
                                header);
    }
    size_t field = 0;
    for (size_t i = 0; i < n; i++) {
        bool here = field < csv->n &&
                    strcmp(csv->fields[field], csv->columns[i].name) == 0;
        if (!here && !csv->columns[i].optional) {
            return bad_header(csv, field, csv->columns[i].name, n);
        }
        csv->where[i] = here ? (int)field++ : -1;
    }
    csv->n_columns = csv->n;
    return field == csv->n ? CVG_OK : bad_header(csv, field, NULL, n);
}

static size_t byte_order_mark(const char *text, size_t size)
{
    return size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

enum cvg_status cvg__csv_open(struct cvg_csv *csv,
                              const struct cvg_source *source, char *text,
                              size_t size, const struct cvg_column *columns,
                              size_t n)
{
    *csv = (struct cvg_csv){
        .source = *source,
        .text = text,
        .next = text + byte_order_mark(text, size),
        .end = text + size,
        .at = {1, 1},
        .columns = columns,
    };
    return read_header(csv, n);
}

void cvg__csv_close(struct cvg_csv *csv)
{
    free(csv->text);
    csv->text = NULL;
}

bool cvg__csv_begins_with(const char *text, size_t size, const char *columns)
{
    struct cvg_csv csv = {.next = (char *)(uintptr_t)text};
    csv.next += byte_order_mark(text, size);
    csv.end = (char *)(uintptr_t)text + size;
    skip_comments_and_empty_lines(&csv);
    size_t length = strlen(columns);
    return (size_t)(csv.end - csv.next) >= length &&
           memcmp(csv.next, columns, length) == 0;
}

/* --- values ----------------------------------------------------------------
 */

const char *cvg__csv_text(const struct cvg_csv *csv, size_t column)
{
    return csv->where[column] >= 0 ? csv->fields[csv->where[column]] : "";
}

enum cvg_status cvg__csv_fail(const struct cvg_csv *csv, size_t column,
                              const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int field = csv->where[column];
    return cvg__source_fail(&csv->source, csv->places[field >= 0 ? field : 0],
                            "%s: %s", csv->columns[column].name, text);
}

enum cvg_status cvg__csv_name(const struct cvg_csv *csv, size_t column,
                              const char **out)
{
    *out = cvg__csv_text(csv, column);
    return **out != '\0' ? CVG_OK : cvg__csv_fail(csv, column, "it is empty");
}

enum cvg_status cvg__csv_count(const struct cvg_csv *csv, size_t column,
                               uint64_t min, uint64_t max, uint32_t *out)
{
    struct cvg_error why;
    uint64_t count = 0;
    enum cvg_status status =
        cvg_parse_count(cvg__csv_text(csv, column), min, max, &count, &why);
    *out = (uint32_t)count;
    return status == CVG_OK ? CVG_OK
                            : cvg__csv_fail(csv, column, "%s", why.text);
}

enum cvg_status cvg__csv_number(const struct cvg_csv *csv, size_t column,
                                const struct cvg_range *range, double *out)
{
    struct cvg_error why;
    const char *text = cvg__csv_text(csv, column);
    if (cvg_parse_number(text, out, &why) != CVG_OK) {
        return cvg__csv_fail(csv, column, "%s", why.text);
    }
    if (!(*out >= range->min && *out <= range->max) ||
        (range->above && *out == range->min)) {
        return cvg__csv_fail(csv, column, "'%.80s' is out of range: %s", text,
                             range->text);
    }
    return CVG_OK;
}

enum cvg_status cvg__csv_number_or(const struct cvg_csv *csv, size_t column,
                                   const struct cvg_range *range,
                                   double fallback, double *out)
{
    *out = fallback;
    return *cvg__csv_text(csv, column) == '\0'
               ? CVG_OK
               : cvg__csv_number(csv, column, range, out);
}

enum cvg_status cvg__csv_ms(const struct cvg_csv *csv, size_t column,
                            const struct cvg_range *range, cvg_span *out)
{
    double ms;
    enum cvg_status status = cvg__csv_number(csv, column, range, &ms);
    if (status != CVG_OK) {
        return status;
    }
    *out = (cvg_span)llround(ms * 1e6);
    if (range->above && *out == 0) {
        return cvg__csv_fail(csv, column,
                             "'%.80s' is less than a nanosecond: %s",
                             cvg__csv_text(csv, column), range->text);
    }
    return CVG_OK;
}

enum cvg_status cvg__csv_ms_or(const struct cvg_csv *csv, size_t column,
                               const struct cvg_range *range, cvg_span fallback,
                               cvg_span *out)
{
    *out = fallback;
    return *cvg__csv_text(csv, column) == '\0'
               ? CVG_OK
               : cvg__csv_ms(csv, column, range, out);
}

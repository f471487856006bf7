/* A trace: arrival_ms,app[,deadline_ms[,min_accuracy]], sorted. */
#include "config/workload_reader.h"

#include "config/csv.h"
#include "config/names.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ARRIVAL, APP, DEADLINE, ACCURACY, COLUMNS };
static const struct cvg_column columns[COLUMNS] = {
    {"arrival_ms", false},
    {"app", false},
    {"deadline_ms", true},
    {"min_accuracy", true},
};

struct trace { /* one being read */
    struct cvg_workload_reader *reader;
    struct cvg_csv csv;
    uint32_t only;             /* this app's rows, or CVG_ANY: all */
    struct cvg_stream *stream; /* of `only` */
    size_t *capacities;        /* of the rows of each stream */
    cvg_span last;
};

/* Columns that the file lacks count as empty. The optional ones build on each
 * other: without a deadline_ms column there is no min_accuracy. */
static enum cvg_status check_columns(const struct trace *trace)
{
    const struct cvg_csv *csv = &trace->csv;
    if (csv->where[ACCURACY] >= 0 && csv->where[DEADLINE] < 0) {
        return cvg__csv_fail(csv, ACCURACY,
                             "the header lacks deadline_ms before it");
    }
    return CVG_OK;
}

static enum cvg_status read_row(struct trace *trace, struct cvg_trace_row *row)
{
    static const struct cvg_range at_range = {0, 8760 * 3600e3, false,
                                              "0 to 3.1536e10 (a year)"};
    static const struct cvg_range deadline_range = {
        0, 600e3, true, "more than 0, at most 600000"};
    static const struct cvg_range share = {0, 1, false, "0 to 1"};
    const struct cvg_csv *csv = &trace->csv;
    enum cvg_status status = cvg__csv_ms(csv, ARRIVAL, &at_range, &row->at);
    if (status != CVG_OK) {
        return status;
    }
    if (row->at < trace->last) {
        return cvg__csv_fail(csv, ARRIVAL,
                             "'%.40s' is before the arrival of the row above: "
                             "rows must be sorted",
                             cvg__csv_text(csv, ARRIVAL));
    }
    trace->last = row->at;
    status = cvg__csv_ms_or(csv, DEADLINE, &deadline_range, 0, &row->deadline);
    return status == CVG_OK
               ? cvg__csv_number_or(csv, ACCURACY, &share, -1, &row->accuracy)
               : status;
}

/* --- where a row goes ------------------------------------------------------
 */

static struct cvg_stream *find_stream(struct cvg_workload *workload,
                                      uint32_t app)
{
    size_t i = 0;
    while (i < workload->n_streams && workload->streams[i].app < app) {
        i++;
    }
    return i < workload->n_streams && workload->streams[i].app == app
               ? &workload->streams[i]
               : NULL;
}

/* Streams stay sorted by app. NULL: no memory. */
static struct cvg_stream *insert_stream(struct trace *trace, uint32_t app)
{
    struct cvg_workload *workload = trace->reader->workload;
    size_t n = workload->n_streams;
    struct cvg_stream *streams =
        realloc(workload->streams, (n + 1) * sizeof *streams);
    if (streams == NULL) {
        return NULL;
    }
    workload->streams = streams;
    size_t *capacities =
        realloc(trace->capacities, (n + 1) * sizeof *capacities);
    if (capacities == NULL) {
        return NULL;
    }
    trace->capacities = capacities;
    size_t i = n;
    for (; i > 0 && streams[i - 1].app > app; i--) {
        streams[i] = streams[i - 1];
        capacities[i] = capacities[i - 1];
    }
    streams[i] = (struct cvg_stream){.app = app, .process = CVG_TRACE};
    capacities[i] = 0;
    workload->n_streams++;
    return &streams[i];
}

static enum cvg_status find_app(struct trace *trace, uint32_t *app)
{
    const struct cvg_csv *csv = &trace->csv;
    struct cvg_hint hint;
    const char *name;
    enum cvg_status status = cvg__csv_name(csv, APP, &name);
    if (status != CVG_OK) {
        return status;
    }
    status = cvg__find_app(trace->reader, name, app, &hint);
    if (status == CVG_NOTFOUND && trace->only != CVG_ANY) {
        return CVG_OK; /* rows of other boxes' apps are not ours */
    }
    if (status == CVG_NOTFOUND) {
        return cvg__csv_fail(csv, APP, "unknown app '%.80s'%s", name,
                             hint.text);
    }
    if (status == CVG_OK && trace->only == CVG_ANY && *app >= CVG_MAX_APPS) {
        return cvg__csv_fail(csv, APP, "more than %u apps", CVG_MAX_APPS);
    }
    return status == CVG_OK ? CVG_OK : cvg__source_nomem(&csv->source);
}

static bool append(struct cvg_stream *stream, size_t *capacity,
                   const struct cvg_trace_row *row)
{
    if (stream->n_rows == *capacity) {
        size_t grown = *capacity == 0 ? 64 : 2 * *capacity;
        struct cvg_trace_row *rows =
            realloc(stream->rows, grown * sizeof *rows);
        if (rows == NULL) {
            return false;
        }
        stream->rows = rows;
        *capacity = grown;
    }
    assert(stream->rows != NULL);
    stream->rows[stream->n_rows++] = *row;
    return true;
}

static enum cvg_status add_row(struct trace *trace)
{
    struct cvg_workload *workload = trace->reader->workload;
    struct cvg_trace_row row;
    uint32_t app;
    enum cvg_status status = read_row(trace, &row);
    if (status == CVG_OK) {
        status = find_app(trace, &app);
    }
    if (status != CVG_OK || (trace->only != CVG_ANY && app != trace->only)) {
        return status;
    }
    struct cvg_stream *stream = trace->stream;
    size_t *capacity = trace->capacities;
    if (trace->only == CVG_ANY) {
        stream = find_stream(workload, app);
        if (stream == NULL) {
            stream = insert_stream(trace, app);
        }
        if (stream == NULL) {
            return cvg__source_nomem(&trace->csv.source);
        }
        capacity = &trace->capacities[stream - workload->streams];
    }
    return append(stream, capacity, &row)
               ? CVG_OK
               : cvg__source_nomem(&trace->csv.source);
}

/* --- the file --------------------------------------------------------------
 */

static enum cvg_status read_rows(struct trace *trace)
{
    size_t n = 0;
    enum cvg_status status = check_columns(trace);
    while (status == CVG_OK) {
        status = cvg__csv_next(&trace->csv);
        if (status != CVG_OK || trace->csv.n == 0) {
            break;
        }
        n++;
        status = add_row(trace);
    }
    if (status == CVG_OK && n == 0) {
        return cvg__source_fail(&trace->csv.source, (struct cvg_place){0, 0},
                                "the trace has no arrival");
    }
    return status;
}

enum cvg_status cvg__read_trace(struct cvg_workload_reader *reader,
                                const char *path, char *text, size_t size,
                                uint32_t only, struct cvg_stream *stream)
{
    struct cvg_source source = {path, reader->reader.source.err};
    size_t capacity = 0;
    struct trace trace = {.reader = reader, .only = only, .stream = stream};
    if (only != CVG_ANY) {
        trace.capacities = &capacity;
    }
    enum cvg_status status =
        cvg__csv_open(&trace.csv, &source, text, size, columns, COLUMNS);
    if (status == CVG_OK) {
        status = read_rows(&trace);
    }
    cvg__csv_close(&trace.csv);
    if (only == CVG_ANY) {
        free(trace.capacities);
    }
    return status;
}

/* apps of workload.yaml: a process of arrivals for each. Each process has a
 * table of its own, so that a key of another one is an error. */
#include "config/workload_reader.h"

#include "config/names.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) .offset = offsetof(struct cvg_stream, member)

static const struct cvg_range rate_range = {0, 1e9, true,
                                            "more than 0/s, at most 1e9/s"};
static const struct cvg_range state_rate_range = {0, 1e9, false,
                                                  "0/s to 1e9/s"};
static const struct cvg_range jitter_range = {0, 3600e9, false, "0ms to 1h"};
static const struct cvg_range stay_range = {0, 8760 * 3600e9, true,
                                            "more than 0s, at most 8760h"};
/* Below, a gap of mean 1 underflows to nothing but bursts. */
static const struct cvg_range shape_range = {0.001, 1e6, false,
                                             "0.001 to 1000000"};

/* --- mmpp ------------------------------------------------------------------
 */

static enum cvg_status too_many_states(struct cvg_reader *reader,
                                       struct cvg_value value, const char *key)
{
    return cvg__source_fail(&reader->source, value.at,
                            "%s: more than %u states", key, CVG_MAX_STATES);
}

static enum cvg_status add_rate(struct cvg_reader *reader,
                                struct cvg_value value,
                                const struct cvg_field *field, void *target)
{
    struct cvg_stream *stream = target;
    struct cvg_field rate = {
        .key = field->key, .type = CVG_FIELD_RATE, .range = &state_rate_range};
    if (stream->n_states == CVG_MAX_STATES) {
        return too_many_states(reader, value, field->key);
    }
    return cvg__read_scalar(reader, value, &rate,
                            &stream->rates_rps[stream->n_states++]);
}

/* Stays are read after the rates, whose number is n_states. */
static enum cvg_status set_stays(struct cvg_reader *reader,
                                 struct cvg_value value,
                                 const struct cvg_field *field, void *target)
{
    struct cvg_stream *stream = target;
    struct cvg_field stay = {
        .key = field->key, .type = CVG_FIELD_SPAN, .range = &stay_range};
    size_t n;
    enum cvg_status status = cvg__expect_list(
        &reader->source, value, field->key, 1, CVG_MAX_STATES, &n);
    if (status == CVG_OK && n != stream->n_states) {
        return cvg__source_fail(&reader->source, value.at,
                                "%s: %zu given, but %u rates: give one for "
                                "each",
                                field->key, n, stream->n_states);
    }
    void *iterator = NULL;
    struct fy_node *node;
    cvg_span *out = stream->stay;
    while (status == CVG_OK && cvg__yaml_next_item(value, &iterator, &node)) {
        struct cvg_value item;
        status = cvg__yaml_value(&reader->source, node, value.at, &item);
        if (status == CVG_OK) {
            status = cvg__read_scalar(reader, item, &stay, out++);
        }
    }
    return status;
}

static enum cvg_status finish_mmpp(struct cvg_reader *reader,
                                   struct cvg_value map, void *target,
                                   uint64_t given)
{
    (void)given;
    const struct cvg_stream *stream = target;
    for (uint32_t i = 0; i < stream->n_states; i++) {
        if (stream->rates_rps[i] > 0) {
            return CVG_OK;
        }
    }
    return cvg__source_fail(&reader->source, cvg__yaml_at(map, "rates").at,
                            "rates: all are 0: at least one must be more");
}

/* --- trace -----------------------------------------------------------------
 */

static enum cvg_status open_trace(struct cvg_workload_reader *reader,
                                  struct cvg_value value, const char *key,
                                  char *path, struct cvg_stream *stream)
{
    char *text;
    size_t size;
    struct cvg_error why;
    enum cvg_status status =
        cvg__read_file(reader->files, path, CVG_CSV_LIMIT, &text, &size, &why);
    if (status != CVG_OK) {
        cvg__source_fail(&reader->reader.source, value.at, "%s: %s", key,
                         why.text);
        if (reader->reader.source.err != NULL) {
            reader->reader.source.err->status = status;
        }
        return status;
    }
    status = cvg__read_trace(reader, path, text, size, stream->app, stream);
    if (status == CVG_OK && stream->n_rows == 0) {
        return cvg__source_fail(&reader->reader.source, value.at,
                                "%s: '%.200s' has no row of this app", key,
                                path);
    }
    return status;
}

static enum cvg_status set_file(struct cvg_reader *reader,
                                struct cvg_value value,
                                const struct cvg_field *field, void *target)
{
    struct cvg_field file = {.key = field->key, .type = CVG_FIELD_FILE};
    char *path = NULL;
    enum cvg_status status = cvg__read_scalar(reader, value, &file, &path);
    if (status == CVG_OK) {
        status = open_trace(cvg__workload_reader(reader), value, field->key,
                            path, target);
    }
    free(path);
    return status;
}

/* --- processes -------------------------------------------------------------
 */

#define PROCESS_FIELD                                                          \
    {                                                                          \
        .key = "process", .type = CVG_FIELD_LATER, .required = true            \
    }
#define RATE_FIELD                                                             \
    {                                                                          \
        .key = "rate", .type = CVG_FIELD_RATE, .required = true,               \
        .range = &rate_range, AT(rate_rps)                                     \
    }

static const struct cvg_field periodic_fields[] = {
    PROCESS_FIELD,
    RATE_FIELD,
    {.key = "jitter",
     .type = CVG_FIELD_SPAN,
     .range = &jitter_range,
     AT(jitter)},
};
static const struct cvg_field poisson_fields[] = {PROCESS_FIELD, RATE_FIELD};
static const struct cvg_field gamma_fields[] = {
    PROCESS_FIELD,
    RATE_FIELD,
    {.key = "shape",
     .type = CVG_FIELD_NUMBER,
     .required = true,
     .range = &shape_range,
     AT(shape)},
};
static const struct cvg_field mmpp_fields[] = {
    PROCESS_FIELD,
    {.key = "rates", .type = CVG_FIELD_EACH, .required = true, .set = add_rate},
    {.key = "stay", .type = CVG_FIELD_SET, .required = true, .set = set_stays},
};
static const struct cvg_field trace_fields[] = {
    PROCESS_FIELD,
    {.key = "file", .type = CVG_FIELD_SET, .required = true, .set = set_file},
};

/* In the order of enum cvg_process. */
static const struct cvg_table process_tables[] = {
    {"a periodic process", periodic_fields, CVG_TABLE_SIZE(periodic_fields),
     NULL},
    {"a poisson process", poisson_fields, CVG_TABLE_SIZE(poisson_fields), NULL},
    {"a gamma process", gamma_fields, CVG_TABLE_SIZE(gamma_fields), NULL},
    {"an mmpp process", mmpp_fields, CVG_TABLE_SIZE(mmpp_fields), finish_mmpp},
    {"a trace", trace_fields, CVG_TABLE_SIZE(trace_fields), NULL},
};
static const char *const process_names[] = {"periodic", "poisson", "gamma",
                                            "mmpp",     "trace",   NULL};

static enum cvg_status set_arrivals(struct cvg_reader *reader,
                                    struct cvg_value value,
                                    const struct cvg_field *field, void *target)
{
    struct cvg_stream *stream = target;
    struct cvg_field choice = {
        .key = "process", .type = CVG_FIELD_CHOICE, .names = process_names};
    if (value.node == NULL || !fy_node_is_mapping(value.node)) {
        return cvg__source_fail(&reader->source, value.at,
                                "%s: a map is expected: {process: poisson, "
                                "rate: 30/s}",
                                field->key);
    }
    struct cvg_value process = cvg__yaml_at(value, "process");
    if (process.node == NULL) {
        return cvg__source_fail(&reader->source, value.at,
                                "%s: the key 'process' is missing", field->key);
    }
    unsigned k = 0;
    enum cvg_status status = cvg__read_scalar(reader, process, &choice, &k);
    if (status != CVG_OK) {
        return status;
    }
    stream->process = (enum cvg_process)k;
    stream->at =
        cvg__yaml_at(value, stream->process == CVG_MMPP ? "rates" : "rate").at;
    return cvg__read_map(reader, value, &process_tables[k], stream);
}

/* --- an entry --------------------------------------------------------------
 */

static enum cvg_status set_new_app(struct cvg_reader *reader,
                                   struct cvg_value value,
                                   const struct cvg_field *field, void *target)
{
    const struct cvg_stream *stream = target;
    const struct cvg_workload *workload =
        cvg__workload_reader(reader)->workload;
    enum cvg_status status = cvg__set_app(reader, value, field, target);
    for (size_t i = 0; status == CVG_OK && &workload->streams[i] != stream;
         i++) {
        if (workload->streams[i].app == stream->app) {
            status = cvg__source_fail(
                &reader->source, value.at,
                "%s: '%.80s' has arrivals already: one entry for each app",
                field->key, fy_node_get_scalar0(value.node));
        }
    }
    return status;
}

/* The app comes first: the rows of a trace are picked by it. */
static const struct cvg_field stream_fields[] = {
    {.key = "app",
     .type = CVG_FIELD_SET,
     .required = true,
     .set = set_new_app,
     AT(app)},
    {.key = "arrivals",
     .type = CVG_FIELD_SET,
     .required = true,
     .set = set_arrivals},
};
static const struct cvg_table stream_table = {
    "an entry of apps", stream_fields, CVG_TABLE_SIZE(stream_fields), NULL};

const struct cvg_items cvg__stream_items = {
    .table = &stream_table,
    .size = sizeof(struct cvg_stream),
    .count_offset = offsetof(struct cvg_workload, n_streams),
    .min = 1,
    .max = CVG_MAX_APPS,
};

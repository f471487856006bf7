/* workload.yaml: the outermost map; and a trace in its place. */
#include "config/workload_reader.h"

#include "config/names.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* --- names -----------------------------------------------------------------
 */

static enum cvg_status number_name(struct cvg_name_set *set, const char *name,
                                   uint32_t *out)
{
    return cvg__name_set_add(set, name, out, NULL) ? CVG_OK : CVG_NOMEM;
}

enum cvg_status cvg__find_app(struct cvg_workload_reader *reader,
                              const char *name, uint32_t *out,
                              struct cvg_hint *hint)
{
    const struct cvg_box *box = reader->box;
    if (box == NULL) {
        return number_name(&reader->apps, name, out);
    }
    *out = cvg_box_find_app(box, name);
    if (*out != CVG_ANY) {
        return CVG_OK;
    }
    *hint = cvg__hint_items(name, box->apps, box->n_apps, sizeof *box->apps);
    return CVG_NOTFOUND;
}

enum cvg_status cvg__find_device(struct cvg_workload_reader *reader,
                                 const char *name, uint32_t *out,
                                 struct cvg_hint *hint)
{
    const struct cvg_box *box = reader->box;
    if (box == NULL) {
        return number_name(&reader->devices, name, out);
    }
    *out = cvg_box_find_device(box, name);
    if (*out != CVG_ANY) {
        return CVG_OK;
    }
    *hint = cvg__hint_items(name, box->devices, box->n_devices,
                            sizeof *box->devices);
    return CVG_NOTFOUND;
}

enum cvg_status cvg__set_app(struct cvg_reader *reader, struct cvg_value value,
                             const struct cvg_field *field, void *target)
{
    uint32_t *app = (void *)((char *)target + field->offset);
    struct cvg_hint hint;
    const char *name;
    enum cvg_status status =
        cvg__yaml_text(&reader->source, value, field->key, &name);
    if (status != CVG_OK) {
        return status;
    }
    status = cvg__find_app(cvg__workload_reader(reader), name, app, &hint);
    if (status == CVG_NOTFOUND) {
        return cvg__source_fail(&reader->source, value.at,
                                "%s: unknown app '%.80s'%s", field->key, name,
                                hint.text);
    }
    return status == CVG_OK ? CVG_OK : cvg__source_nomem(&reader->source);
}

/* --- the outermost map -----------------------------------------------------
 */

static int by_app(const void *a, const void *b)
{
    const struct cvg_stream *x = a;
    const struct cvg_stream *y = b;
    return (x->app > y->app) - (x->app < y->app);
}

static enum cvg_status finish_workload(struct cvg_reader *reader,
                                       struct cvg_value map, void *target,
                                       uint64_t given)
{
    (void)given;
    struct cvg_workload *workload = target;
    if (workload->warmup >= workload->duration) {
        return cvg__source_fail(&reader->source, cvg__yaml_at(map, "warmup").at,
                                "warmup: it must be shorter than the duration, "
                                "which it is part of");
    }
    enum cvg_status status = cvg__check_events(cvg__workload_reader(reader));
    qsort(workload->streams, workload->n_streams, sizeof *workload->streams,
          by_app);
    return status;
}

/* A year: what a span can hold, many times over. */
static const struct cvg_range duration_range = {0, 8760 * 3600e9, true,
                                                "more than 0s, at most 8760h"};
static const struct cvg_range warmup_range = {0, 8760 * 3600e9, false,
                                              "0s to 8760h"};

#define AT(member) .offset = offsetof(struct cvg_workload, member)

static const struct cvg_field workload_fields[] = {
    {.key = "version",
     .type = CVG_FIELD_SET,
     .required = true,
     .set = cvg__set_version},
    {.key = "duration",
     .type = CVG_FIELD_SPAN,
     .required = true,
     .range = &duration_range,
     AT(duration)},
    {.key = "warmup",
     .type = CVG_FIELD_SPAN,
     .range = &warmup_range,
     AT(warmup)},
    {.key = "apps",
     .type = CVG_FIELD_ITEMS,
     .required = true,
     .items = &cvg__stream_items,
     AT(streams)},
    {.key = "events",
     .type = CVG_FIELD_ITEMS,
     .items = &cvg__event_items,
     AT(events)},
};
static const struct cvg_table workload_table = {"a workload", workload_fields,
                                                CVG_TABLE_SIZE(workload_fields),
                                                finish_workload};

/* --- the whole -------------------------------------------------------------
 */

static enum cvg_status read_yaml(struct cvg_workload_reader *reader, char *text,
                                 size_t size)
{
    struct cvg_yaml yaml;
    enum cvg_status status =
        cvg__yaml_open(&yaml, &reader->reader.source, text, size);
    if (status == CVG_OK) {
        status = cvg__yaml_root(&yaml, &reader->root);
    }
    if (status == CVG_OK) {
        status = cvg__read_map(&reader->reader, reader->root, &workload_table,
                               reader->workload);
    }
    cvg__yaml_close(&yaml);
    return status;
}

/* A trace ends with its last arrival, which is inside the duration. */
static enum cvg_status read_trace(struct cvg_workload_reader *reader,
                                  char *text, size_t size)
{
    struct cvg_workload *workload = reader->workload;
    workload->trace = true;
    enum cvg_status status = cvg__read_trace(reader, reader->reader.source.path,
                                             text, size, CVG_ANY, NULL);
    for (size_t i = 0; status == CVG_OK && i < workload->n_streams; i++) {
        const struct cvg_stream *stream = &workload->streams[i];
        cvg_span last = stream->rows[stream->n_rows - 1].at;
        cvg_span end = (last / CVG_MS(1) + 1) * CVG_MS(1);
        workload->duration =
            end > workload->duration ? end : workload->duration;
    }
    return status;
}

static bool is_csv(const char *path)
{
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".csv") == 0;
}

static enum cvg_status fill_workload(struct cvg_workload_reader *reader)
{
    const struct cvg_source *source = &reader->reader.source;
    bool csv = is_csv(source->path);
    char *text;
    size_t size;
    reader->workload = calloc(1, sizeof *reader->workload);
    if (reader->workload != NULL) {
        reader->workload->path = strdup(source->path);
    }
    if (reader->workload == NULL || reader->workload->path == NULL) {
        return cvg__source_nomem(source);
    }
    enum cvg_status status = cvg__read_file(
        reader->files, source->path, csv ? CVG_CSV_LIMIT : CVG_YAML_LIMIT,
        &text, &size, source->err);
    if (status != CVG_OK) {
        return status;
    }
    return csv ? read_trace(reader, text, size) : read_yaml(reader, text, size);
}

enum cvg_status cvg_config_read_workload(const struct cvg_config_file *files,
                                         size_t n_files,
                                         const struct cvg_box *box,
                                         struct cvg_workload **out,
                                         struct cvg_error *err)
{
    struct cvg_files held = {.items = files, .n = n_files};
    struct cvg_workload_reader reader = {
        .reader = {.source = {files[0].path, err}},
        .files = &held,
        .box = box,
    };
    reader.reader.context = &reader;
    *out = NULL;
    enum cvg_status status = fill_workload(&reader);
    cvg__name_set_fini(&reader.apps);
    cvg__name_set_fini(&reader.devices);
    if (status != CVG_OK) {
        cvg_workload_destroy(reader.workload);
        return status;
    }
    *out = reader.workload;
    return CVG_OK;
}

enum cvg_status cvg_config_load_workload(const char *path,
                                         const struct cvg_box *box,
                                         struct cvg_workload **out,
                                         struct cvg_error *err)
{
    struct cvg_config_file file = {.path = path};
    return cvg_config_read_workload(&file, 1, box, out, err);
}

enum cvg_status cvg_config_parse_workload(const char *text, size_t size,
                                          const char *path,
                                          const struct cvg_box *box,
                                          struct cvg_workload **out,
                                          struct cvg_error *err)
{
    struct cvg_config_file file = {path, text, size};
    return cvg_config_read_workload(&file, 1, box, out, err);
}

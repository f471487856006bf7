/* What the files that read a workload share. */
#ifndef CVG_CONFIG_WORKLOAD_READER_H
#define CVG_CONFIG_WORKLOAD_READER_H

#include "config/fields.h"
#include "config/name_set.h"

struct cvg_workload_reader { /* context of the setters */
    struct cvg_reader reader;
    const struct cvg_files *files;
    const struct cvg_box *box; /* NULL: names are not compared */
    /* Without a box, apps and devices are numbered as they come. */
    struct cvg_name_set apps, devices;
    struct cvg_workload *workload;
    struct cvg_value root; /* of workload.yaml, while it is open */
};

static inline struct cvg_workload_reader *cvg__workload_reader(
    const struct cvg_reader *reader)
{
    return reader->context;
}

/* The index of an app or device. CVG_NOTFOUND: the box has none of that name,
 * and *hint tells what may have been meant. CVG_NOMEM. */
struct cvg_hint;
enum cvg_status cvg__find_app(struct cvg_workload_reader *reader,
                              const char *name, uint32_t *out,
                              struct cvg_hint *hint);
enum cvg_status cvg__find_device(struct cvg_workload_reader *reader,
                                 const char *name, uint32_t *out,
                                 struct cvg_hint *hint);
/* For setters: the app that `value` names. */
enum cvg_status cvg__set_app(struct cvg_reader *reader, struct cvg_value value,
                             const struct cvg_field *field, void *target);

/* streams.c */
extern const struct cvg_items cvg__stream_items;
/* events.c: struct cvg_workload_event; sorted by cvg__sort_events(). */
extern const struct cvg_items cvg__event_items;
enum cvg_status cvg__check_events(struct cvg_workload_reader *reader);

/* trace.c: reads a trace CSV (`text` is owned from now on). `only` is the one
 * app whose rows go into `stream`; CVG_ANY: all rows go into the streams of the
 * workload, and their apps must be known. */
enum cvg_status cvg__read_trace(struct cvg_workload_reader *reader,
                                const char *path, char *text, size_t size,
                                uint32_t only, struct cvg_stream *stream);

#endif

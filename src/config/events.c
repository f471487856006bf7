/* events of workload.yaml: what happens to devices and apps during a run. */
#include "config/workload_reader.h"

#include "config/box_reader.h"
#include "config/names.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) .offset = offsetof(struct cvg_workload_event, member)

static enum cvg_status set_device(struct cvg_reader *reader,
                                  struct cvg_value value,
                                  const struct cvg_field *field, void *target)
{
    struct cvg_workload_event *event = target;
    struct cvg_hint hint;
    const char *name;
    enum cvg_status status =
        cvg__yaml_text(&reader->source, value, field->key, &name);
    if (status != CVG_OK) {
        return status;
    }
    status = cvg__find_device(cvg__workload_reader(reader), name,
                              &event->device, &hint);
    if (status == CVG_NOTFOUND) {
        return cvg__source_fail(&reader->source, value.at,
                                "%s: unknown device '%.80s'%s", field->key,
                                name, hint.text);
    }
    return status == CVG_OK ? CVG_OK : cvg__source_nomem(&reader->source);
}

static enum cvg_status set_state(struct cvg_reader *reader,
                                 struct cvg_value value,
                                 const struct cvg_field *field, void *target)
{
    static const char *const states[] = {"down", "up", NULL};
    struct cvg_workload_event *event = target;
    struct cvg_field choice = {
        .key = field->key, .type = CVG_FIELD_CHOICE, .names = states};
    unsigned k = 0;
    enum cvg_status status = cvg__read_scalar(reader, value, &choice, &k);
    event->type = k == 0 ? CVG_WORKLOAD_DEVICE_DOWN : CVG_WORKLOAD_DEVICE_UP;
    return status;
}

static enum cvg_status set_slo(struct cvg_reader *reader,
                               struct cvg_value value,
                               const struct cvg_field *field, void *target)
{
    struct cvg_workload_event *event = target;
    enum cvg_status status =
        cvg__read_map(reader, value, &cvg__slo_table, &event->slo);
    if (status == CVG_OK && event->slo.declared == 0) {
        return cvg__source_fail(&reader->source, value.at,
                                "%s: it is empty: give what changes, for "
                                "example {deadline: 20ms}",
                                field->key);
    }
    return status;
}

/* --- which keys go together ------------------------------------------------
 */

enum { AT_KEY, DEVICE, STATE, SLOWDOWN, FOR, APP, SLO, RATE, CONDITIONS };

static const struct cvg_range at_range = {0, 8760 * 3600e9, false,
                                          "0s to 8760h"};
static const struct cvg_range for_range = {0, 8760 * 3600e9, true,
                                           "more than 0s, at most 8760h"};
static const struct cvg_range slowdown_range = {1, 1000, false, "1 to 1000"};
static const struct cvg_range rate_range = {0, 1e9, false, "0/s to 1e9/s"};

static const struct cvg_field event_fields[] = {
    [AT_KEY] = {.key = "at",
                .type = CVG_FIELD_SPAN,
                .required = true,
                .range = &at_range,
                AT(at)},
    [DEVICE] = {.key = "device", .type = CVG_FIELD_SET, .set = set_device},
    [STATE] = {.key = "state", .type = CVG_FIELD_SET, .set = set_state},
    [SLOWDOWN] = {.key = "slowdown",
                  .type = CVG_FIELD_NUMBER,
                  .range = &slowdown_range,
                  AT(factor)},
    [FOR] = {.key = "for",
             .type = CVG_FIELD_SPAN,
             .range = &for_range,
             AT(length)},
    [APP] = {.key = "app", .type = CVG_FIELD_SET, .set = cvg__set_app, AT(app)},
    [SLO] = {.key = "slo", .type = CVG_FIELD_SET, .set = set_slo},
    [RATE] = {.key = "rate",
              .type = CVG_FIELD_RATE,
              .range = &rate_range,
              AT(rate_rps)},
    [CONDITIONS] = {.key = "conditions",
                    .type = CVG_FIELD_SET,
                    .set = cvg__read_conditions,
                    AT(conditions)},
};

#define BIT(key) (1U << (key))

static enum cvg_status finish_event(struct cvg_reader *reader,
                                    struct cvg_value map, void *target,
                                    uint64_t given)
{
    struct cvg_workload_event *event = target;
    uint64_t keys = given & ~(uint64_t)BIT(AT_KEY);
    bool timed = (keys & BIT(FOR)) != 0;
    event->new_conditions = (keys & BIT(CONDITIONS)) != 0;
    switch (keys & ~(uint64_t)BIT(FOR)) {
    case BIT(DEVICE) | BIT(STATE): /* the type is set */
        timed = timed && event->type == CVG_WORKLOAD_DEVICE_UP;
        break;
    case BIT(DEVICE) | BIT(SLOWDOWN):
        event->type = CVG_WORKLOAD_SLOWDOWN;
        timed = false;
        break;
    case BIT(APP) | BIT(SLO):
    case BIT(APP) | BIT(CONDITIONS):
    case BIT(APP) | BIT(SLO) | BIT(CONDITIONS):
        event->type = CVG_WORKLOAD_SLO;
        break;
    case BIT(APP) | BIT(RATE):
        event->type = CVG_WORKLOAD_RATE;
        break;
    default:
        return cvg__source_fail(
            &reader->source, map.at,
            "event: give 'device' with 'state' or "
            "'slowdown', or 'app' with 'slo', 'conditions' or 'rate'");
    }
    if (timed) {
        return cvg__source_fail(&reader->source,
                                cvg__yaml_key_place(map, "for"),
                                "for: it goes with 'state: down' or "
                                "'slowdown' only");
    }
    return CVG_OK;
}

static void init_event(void *item)
{
    struct cvg_workload_event *event = item;
    event->length = CVG_NEVER;
    event->device = CVG_ANY;
    event->app = CVG_ANY;
}

static const struct cvg_table event_table = {
    "event", event_fields, CVG_TABLE_SIZE(event_fields), finish_event};

const struct cvg_items cvg__event_items = {
    .table = &event_table,
    .size = sizeof(struct cvg_workload_event),
    .count_offset = offsetof(struct cvg_workload, n_events),
    .min = 0,
    .max = 100000,
    .init = init_event,
};

/* --- against the streams ---------------------------------------------------
 */

static const struct cvg_stream *find_stream(const struct cvg_workload *workload,
                                            uint32_t app)
{
    for (size_t i = 0; i < workload->n_streams; i++) {
        if (workload->streams[i].app == app) {
            return &workload->streams[i];
        }
    }
    return NULL;
}

/* A rate is changed where there is one. */
static enum cvg_status check_rate(struct cvg_workload_reader *reader, size_t i)
{
    struct cvg_workload_event *event = &reader->workload->events[i];
    const struct cvg_stream *stream = find_stream(reader->workload, event->app);
    char path[64];
    snprintf(path, sizeof path, "events/%zu/rate", i);
    event->rate_at = cvg__yaml_at(reader->root, path).at;
    if (stream != NULL && stream->process != CVG_TRACE) {
        return CVG_OK;
    }
    return cvg__source_fail(&reader->reader.source, event->rate_at,
                            stream == NULL
                                ? "rate: the app has no arrivals in this "
                                  "workload whose rate could change"
                                : "rate: the arrivals of the app are a trace, "
                                  "which has no rate");
}

/* qsort is not stable: events of one instant stay in the order of the file. */
struct numbered {
    struct cvg_workload_event event;
    size_t number;
};

static int by_time(const void *a, const void *b)
{
    const struct numbered *x = a;
    const struct numbered *y = b;
    if (x->event.at != y->event.at) {
        return x->event.at < y->event.at ? -1 : 1;
    }
    return (x->number > y->number) - (x->number < y->number);
}

static enum cvg_status sort_events(struct cvg_workload_reader *reader)
{
    struct cvg_workload *workload = reader->workload;
    size_t n = workload->n_events;
    struct numbered *order = calloc(n + 1, sizeof *order);
    if (order == NULL) {
        return cvg__source_nomem(&reader->reader.source);
    }
    for (size_t i = 0; i < n; i++) {
        order[i] = (struct numbered){workload->events[i], i};
    }
    qsort(order, n, sizeof *order, by_time);
    for (size_t i = 0; i < n; i++) {
        workload->events[i] = order[i].event;
    }
    free(order);
    return CVG_OK;
}

enum cvg_status cvg__check_events(struct cvg_workload_reader *reader)
{
    const struct cvg_workload *workload = reader->workload;
    for (size_t i = 0; i < workload->n_events; i++) {
        enum cvg_status status = workload->events[i].type == CVG_WORKLOAD_RATE
                                     ? check_rate(reader, i)
                                     : CVG_OK;
        if (status != CVG_OK) {
            return status;
        }
    }
    return sort_events(reader);
}

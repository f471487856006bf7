/* apps of box.yaml, and what they ask for. */
#include "config/box_reader.h"

#include "config/names.h"
#include <stddef.h>
#include <string.h>

/* --- slo -------------------------------------------------------------------
 */

static const struct cvg_range deadline_range = {0, 600e9, true,
                                                "more than 0, at most 10min"};
static const struct cvg_range share_range = {0, 1, false, "0 to 1"};
static const struct cvg_range rate_range = {0, 1e9, true,
                                            "more than 0/s, at most 1e9/s"};
static const struct cvg_range energy_range = {0, 1e9, true, "more than 0J"};

#define AT(member) .offset = offsetof(struct cvg_slo, member)

/* In the order of enum cvg_slo_kind. */
static const struct cvg_field slo_fields[CVG_SLO_KINDS] = {
    {.key = "deadline",
     .type = CVG_FIELD_SPAN,
     .range = &deadline_range,
     AT(deadline)},
    {.key = "accuracy",
     .type = CVG_FIELD_NUMBER,
     .range = &share_range,
     AT(accuracy)},
    {.key = "throughput",
     .type = CVG_FIELD_RATE,
     .range = &rate_range,
     AT(throughput_rps)},
    {.key = "energy",
     .type = CVG_FIELD_ENERGY,
     .range = &energy_range,
     AT(energy_j)},
};
#undef AT

static enum cvg_status finish_slo(struct cvg_reader *reader,
                                  struct cvg_value map, void *target,
                                  uint64_t given)
{
    (void)reader;
    (void)map;
    struct cvg_slo *slo = target;
    slo->declared = (uint32_t)given;
    return CVG_OK;
}

const struct cvg_table cvg__slo_table = {"slo", slo_fields, CVG_SLO_KINDS,
                                         finish_slo};

/* --- an app ----------------------------------------------------------------
 */

static enum cvg_status set_family(struct cvg_reader *reader,
                                  struct cvg_value value,
                                  const struct cvg_field *field, void *target)
{
    struct cvg_app *app = target;
    const struct cvg_box *box = cvg__box_reader(reader)->box;
    const char *name;
    enum cvg_status status =
        cvg__yaml_text(&reader->source, value, field->key, &name);
    if (status != CVG_OK) {
        return status;
    }
    app->family = cvg_box_find_family(box, name);
    if (app->family == CVG_ANY) {
        return cvg__source_fail(
            &reader->source, value.at, "%s: unknown family '%.80s'%s",
            field->key, name,
            cvg__hint_items(name, box->families, box->n_families,
                            sizeof *box->families)
                .text);
    }
    return CVG_OK;
}

static enum cvg_status add_relaxed(struct cvg_reader *reader,
                                   struct cvg_value value,
                                   const struct cvg_field *field, void *target)
{
    static const char *const kinds[] = {"deadline", "accuracy", "throughput",
                                        "energy", NULL};
    struct cvg_app *app = target;
    struct cvg_field choice = {
        .key = field->key, .type = CVG_FIELD_CHOICE, .names = kinds};
    unsigned kind = 0;
    enum cvg_status status = cvg__read_scalar(reader, value, &choice, &kind);
    if (status != CVG_OK) {
        return status;
    }
    for (size_t i = 0; i < app->n_relax; i++) {
        if (app->relax[i] == (enum cvg_slo_kind)kind) {
            return cvg__source_fail(&reader->source, value.at,
                                    "%s: '%s' stands there twice", field->key,
                                    kinds[kind]);
        }
    }
    app->relax[app->n_relax++] = (enum cvg_slo_kind)kind;
    return CVG_OK;
}

/* An empty list is the default in so many words: nothing gives way. */
static enum cvg_status set_relax(struct cvg_reader *reader,
                                 struct cvg_value value,
                                 const struct cvg_field *field, void *target)
{
    struct cvg_field each = {.key = field->key, .set = add_relaxed};
    bool empty = value.node != NULL && fy_node_is_sequence(value.node) &&
                 fy_node_sequence_is_empty(value.node);
    return empty ? CVG_OK : cvg__read_each(reader, value, &each, target);
}

static const struct cvg_range weight_range = {0, 1e6, true,
                                              "more than 0, at most 1000000"};
static const struct cvg_range queue_range = {.min = 1, .max = 1000000};
static const char *const accuracy_over[] = {"request", "window", NULL};
/* In the order of enum cvg_objective. */
static const char *const objectives[] = {"none", "accuracy", "energy",
                                         "latency", NULL};

#define AT(member) .offset = offsetof(struct cvg_app, member)

static const struct cvg_field app_fields[] = {
    {.key = "name", .type = CVG_FIELD_NAME, .required = true, AT(name)},
    {.key = "family",
     .type = CVG_FIELD_SET,
     .required = true,
     .set = set_family},
    {.key = "weight",
     .type = CVG_FIELD_NUMBER,
     .range = &weight_range,
     AT(weight)},
    {.key = "slo", .type = CVG_FIELD_MAP, .table = &cvg__slo_table, AT(slo)},
    {.key = "accuracy_over",
     .type = CVG_FIELD_CHOICE,
     .names = accuracy_over,
     AT(accuracy_over)},
    {.key = "objective",
     .type = CVG_FIELD_CHOICE,
     .names = objectives,
     AT(objective)},
    {.key = "relax", .type = CVG_FIELD_SET, .set = set_relax},
    {.key = "queue",
     .type = CVG_FIELD_COUNT,
     .range = &queue_range,
     AT(queue_limit)},
    {.key = "conditions",
     .type = CVG_FIELD_SET,
     .set = cvg__read_conditions,
     AT(conditions)},
};

static void init_app(void *item)
{
    struct cvg_app *app = item;
    app->weight = 1;
    app->queue_limit = 1000;
}

static const struct cvg_table app_table = {"app", app_fields,
                                           CVG_TABLE_SIZE(app_fields), NULL};

const struct cvg_items cvg__app_items = {
    .table = &app_table,
    .size = sizeof(struct cvg_app),
    .count_offset = offsetof(struct cvg_box, n_apps),
    .min = 0,
    .max = CVG_MAX_APPS,
    .init = init_app,
    .named = true,
};

/* box.yaml: the outermost map, and the order in which a box is put together. */
#include "config/box_reader.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- policy ----------------------------------------------------------------
 */

#define POLICY_FIELD(name)                                                     \
    {                                                                          \
        .key = #name, .type = CVG_FIELD_TEXT,                                  \
        .offset = offsetof(struct cvg_policy_spec, name)                       \
    }

static const struct cvg_range some_time = {1e6, 600e9, false, "1ms to 10min"};
static const struct cvg_range times = {1, 100, false, "1 to 100"};
static const struct cvg_range share = {0, 1, false, "0 to 1"};
static const struct cvg_range some_power = {0, 1e6, true,
                                            "more than 0, at most 1000000W"};
static const struct cvg_range deviations = {0, 10, false, "0 to 10"};

#define PLAN_FIELD(name, kind, how_much)                                       \
    {                                                                          \
        .key = #name, .type = CVG_FIELD_##kind, .range = &(how_much),          \
        .offset = offsetof(struct cvg_policy_spec, name)                       \
    }

static const struct cvg_field policy_fields[] = {
    POLICY_FIELD(name),
    POLICY_FIELD(allocation),
    POLICY_FIELD(order),
    POLICY_FIELD(batching),
    POLICY_FIELD(exits),
    PLAN_FIELD(period, SPAN, some_time),
    PLAN_FIELD(smoothing, SPAN, some_time),
    PLAN_FIELD(burst, NUMBER, times),
    PLAN_FIELD(headroom, NUMBER, times),
    PLAN_FIELD(margin, NUMBER, deviations),
    PLAN_FIELD(confidence, NUMBER, share),
    {.key = "budget",
     .type = CVG_FIELD_BUDGET,
     .range = &some_power,
     .offset = offsetof(struct cvg_policy_spec, budget_w)},
};
#define BUDGET_FIELD (CVG_TABLE_SIZE(policy_fields) - 1)
#define CONFIDENCE_FIELD (BUDGET_FIELD - 1)
#define MARGIN_FIELD (BUDGET_FIELD - 2)

static enum cvg_status check_policy(struct cvg_reader *reader,
                                    struct cvg_value map, void *target,
                                    uint64_t given)
{
    struct cvg_policy_spec *spec = target;
    spec->has_margin = (given >> MARGIN_FIELD & 1U) != 0;
    spec->has_confidence = (given >> CONFIDENCE_FIELD & 1U) != 0;
    if (given == 0) {
        return cvg__source_fail(&reader->source, map.at,
                                "policy: it is empty: give a name, or parts "
                                "(allocation, order, batching, exits)");
    }
    return CVG_OK;
}

static const struct cvg_table policy_table = {
    "policy", policy_fields, CVG_TABLE_SIZE(policy_fields), check_policy};

/* Nowhere if the map does not have it. */
static struct cvg_place part_place(struct cvg_value policy, const char *part)
{
    struct cvg_value value = cvg__yaml_at(policy, part);
    return value.node != NULL ? value.at : (struct cvg_place){0, 0};
}

/* Whether there is a policy of that name is known above this folder. */
static void note_places(struct cvg_policy_spec *policy, const char *file,
                        struct cvg_value value)
{
    policy->file = file;
    policy->name_at = value.at;
    if (fy_node_is_mapping(value.node)) {
        struct cvg_place name = part_place(value, "name");
        policy->name_at = name.line > 0 ? name : value.at;
        policy->allocation_at = part_place(value, "allocation");
        policy->order_at = part_place(value, "order");
        policy->batching_at = part_place(value, "batching");
        policy->exits_at = part_place(value, "exits");
    }
}

/* "policy: edf", or a map with a name or parts. */
static enum cvg_status set_policy(struct cvg_reader *reader,
                                  struct cvg_value value,
                                  const struct cvg_field *field, void *target)
{
    (void)field;
    struct cvg_box *box = target;
    enum cvg_status status;
    if (value.node != NULL && fy_node_is_mapping(value.node)) {
        status = cvg__read_map(reader, value, &policy_table, &box->policy);
    } else {
        static const struct cvg_field plain = {.key = "policy",
                                               .type = CVG_FIELD_TEXT};
        status = cvg__read_scalar(reader, value, &plain, &box->policy.name);
    }
    if (status == CVG_OK) {
        note_places(&box->policy, box->path, value);
    }
    return status;
}

/* --- server ----------------------------------------------------------------
 */

/* "HOST:PORT", "[::1]:8000", or "off". */
static bool is_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    if (strcmp(text, "off") == 0) {
        return true;
    }
    if (colon == NULL || strpbrk(text, " \t/") != NULL) {
        return false;
    }
    size_t digits = strspn(colon + 1, "0123456789");
    bool bare_v6 = memchr(text, ':', (size_t)(colon - text)) != NULL &&
                   (text[0] != '[' || colon[-1] != ']');
    return digits > 0 && digits <= 5 && colon[1 + digits] == '\0' &&
           strtol(colon + 1, NULL, 10) <= 65535 && !bare_v6;
}

static enum cvg_status set_address(struct cvg_reader *reader,
                                   struct cvg_value value,
                                   const struct cvg_field *field, void *target)
{
    const char *text;
    enum cvg_status status =
        cvg__yaml_text(&reader->source, value, field->key, &text);
    if (status != CVG_OK) {
        return status;
    }
    if (!is_address(text)) {
        return cvg__source_fail(&reader->source, value.at,
                                "%s: '%.80s' is no address: give HOST:PORT, "
                                "for example 127.0.0.1:8000, or off",
                                field->key, text);
    }
    struct cvg_field plain = {.key = field->key, .type = CVG_FIELD_TEXT};
    return cvg__read_scalar(reader, value, &plain,
                            (char *)target + field->offset);
}

#define ADDRESS_FIELD(name)                                                    \
    {                                                                          \
        .key = #name, .type = CVG_FIELD_SET, .set = set_address,               \
        .offset = offsetof(struct cvg_server_settings, name)                   \
    }

static const struct cvg_field server_fields[] = {
    ADDRESS_FIELD(http),
    ADDRESS_FIELD(grpc),
    ADDRESS_FIELD(metrics),
    {.key = "socket",
     .type = CVG_FIELD_FILE,
     .offset = offsetof(struct cvg_server_settings, socket)},
};
static const struct cvg_table server_table = {
    "server", server_fields, CVG_TABLE_SIZE(server_fields), NULL};

/* --- the outermost map -----------------------------------------------------
 */

static enum cvg_status set_models(struct cvg_reader *reader,
                                  struct cvg_value value,
                                  const struct cvg_field *field, void *target)
{
    struct cvg_box *box = target;
    struct cvg_field plain = {.key = field->key, .type = CVG_FIELD_FILE};
    box->models_at = value.at;
    return cvg__read_scalar(reader, value, &plain, &box->models);
}

/* Most verbs never open a model: they do not ask. */
enum cvg_status cvg_config_check_models(const struct cvg_box *box,
                                        struct cvg_error *err)
{
    struct cvg_source source = {box->path != NULL ? box->path : "the box", err};
    struct stat st;
    if (box->models == NULL) {
        return cvg__source_fail(&source, (struct cvg_place){1, 1},
                                "a box: the key 'models' is missing: it names "
                                "the folder of the models");
    }
    int why = stat(box->models, &st) != 0 ? errno
              : S_ISDIR(st.st_mode)       ? 0
                                          : ENOTDIR;
    return why == 0 ? CVG_OK
                    : cvg__source_fail(&source, box->models_at,
                                       "models: %.300s: no model repository: "
                                       "%s",
                                       box->models, strerror(why));
}

static const struct cvg_field box_fields[] = {
    {.key = "version",
     .type = CVG_FIELD_SET,
     .required = true,
     .set = cvg__set_version},
    {.key = "models", .type = CVG_FIELD_SET, .set = set_models},
    {.key = "profiles", .type = CVG_FIELD_LATER, .required = true},
    {.key = "variants", .type = CVG_FIELD_LATER, .required = true},
    {.key = "policy", .type = CVG_FIELD_SET, .set = set_policy},
    {.key = "server",
     .type = CVG_FIELD_MAP,
     .table = &server_table,
     .offset = offsetof(struct cvg_box, server)},
    {.key = "devices",
     .type = CVG_FIELD_ITEMS,
     .required = true,
     .items = &cvg__device_items,
     .offset = offsetof(struct cvg_box, devices)},
    {.key = "contention",
     .type = CVG_FIELD_ITEMS,
     .items = &cvg__contention_items,
     .offset = offsetof(struct cvg_box, contention)},
    {.key = "families",
     .type = CVG_FIELD_ITEMS,
     .required = true,
     .items = &cvg__family_items,
     .offset = offsetof(struct cvg_box, families)},
    {.key = "apps",
     .type = CVG_FIELD_ITEMS,
     .required = true,
     .items = &cvg__app_items,
     .offset = offsetof(struct cvg_box, apps)},
};
static const struct cvg_table box_table = {"a box", box_fields,
                                           CVG_TABLE_SIZE(box_fields), NULL};

struct cvg_place cvg__variant_place(const struct cvg_box_reader *reader,
                                    uint32_t variant)
{
    const struct cvg_box *box = reader->box;
    uint32_t f = box->variants[variant].family;
    size_t k = 0;
    while (box->families[f].variants[k] != variant) {
        k++;
    }
    char path[64];
    snprintf(path, sizeof path, "families/%u/variants/%zu", f, k);
    return cvg__yaml_at(reader->root, path).at;
}

/* --- the CSV files ---------------------------------------------------------
 */

#define MAX_CSV_FILES 64U

static enum cvg_status open_csv(struct cvg_box_reader *reader,
                                struct cvg_value value, const char *key,
                                char **path, char **text, size_t *size)
{
    struct cvg_field field = {.key = key, .type = CVG_FIELD_FILE};
    enum cvg_status status =
        cvg__read_scalar(&reader->reader, value, &field, path);
    if (status != CVG_OK) {
        return status;
    }
    struct cvg_error why;
    status =
        cvg__read_file(reader->files, *path, CVG_CSV_LIMIT, text, size, &why);
    if (status == CVG_OK) {
        return CVG_OK;
    }
    if (status == CVG_NOTFOUND && (reader->flags & CVG_LOAD_UNMEASURED) != 0) {
        *text = NULL; /* not measured yet */
        return CVG_OK;
    }
    cvg__source_fail(&reader->reader.source, value.at, "%s: %s", key, why.text);
    if (reader->reader.source.err != NULL) {
        reader->reader.source.err->status = status;
    }
    return status;
}

typedef enum cvg_status csv_read(struct cvg_box_reader *reader,
                                 const char *path, char *text, size_t size);

static enum cvg_status read_csv(struct cvg_box_reader *reader,
                                struct cvg_value value, const char *key,
                                csv_read *read)
{
    char *path = NULL;
    char *text = NULL;
    size_t size = 0;
    enum cvg_status status = open_csv(reader, value, key, &path, &text, &size);
    if (status == CVG_OK && text != NULL) {
        status = read(reader, path, text, size);
    }
    free(path);
    return status;
}

enum cvg_status cvg__each_csv(struct cvg_box_reader *reader, const char *key,
                              csv_read *read)
{
    const struct cvg_source *source = &reader->reader.source;
    struct cvg_value list = cvg__yaml_at(reader->root, key);
    size_t n;
    enum cvg_status status =
        cvg__expect_list(source, list, key, 1, MAX_CSV_FILES, &n);
    void *iterator = NULL;
    struct fy_node *node;
    while (status == CVG_OK && cvg__yaml_next_item(list, &iterator, &node)) {
        struct cvg_value value;
        status = cvg__yaml_value(source, node, list.at, &value);
        if (status == CVG_OK) {
            status = read_csv(reader, value, key, read);
        }
    }
    return status;
}

/* --- the whole -------------------------------------------------------------
 */

static enum cvg_status add_built_in_apps(struct cvg_box_reader *reader)
{
    struct cvg_error why;
    enum cvg_status status = cvg_box_add_built_in_apps(reader->box, &why);
    if (status == CVG_CONFIG) {
        return cvg__source_fail(&reader->reader.source,
                                cvg__yaml_key_place(reader->root, "apps"),
                                "apps: %s", why.text);
    }
    return status == CVG_OK ? CVG_OK
                            : cvg__source_nomem(&reader->reader.source);
}

static enum cvg_status fill_box(struct cvg_box_reader *reader)
{
    struct cvg_box *box = reader->box;
    struct cvg_error *err = reader->reader.source.err;
    enum cvg_status status =
        cvg__read_map(&reader->reader, reader->root, &box_table, box);
    if (status == CVG_OK) {
        status = cvg__read_variants(reader);
    }
    if (status == CVG_OK) {
        status = cvg_profile_create(box->n_variants, box->n_devices,
                                    &box->profile, err);
    }
    if (status == CVG_OK) {
        status = cvg__read_profiles(reader);
    }
    if (status == CVG_OK) {
        status = cvg_profile_finish(box->profile, err);
    }
    if (status == CVG_OK && (reader->flags & CVG_LOAD_UNMEASURED) == 0) {
        status = cvg__check_fit(reader);
    }
    if (status == CVG_OK) {
        cvg__warn_box(reader);
        status = add_built_in_apps(reader);
    }
    return status;
}

static enum cvg_status read_opened(struct cvg_box_reader *reader,
                                   const struct cvg_yaml *yaml)
{
    enum cvg_status status = cvg__yaml_root(yaml, &reader->root);
    if (status != CVG_OK) {
        return status;
    }
    reader->box = cvg_box_create();
    if (reader->box == NULL) {
        return cvg__source_nomem(&reader->reader.source);
    }
    reader->box->path = strdup(reader->reader.source.path);
    return reader->box->path != NULL
               ? fill_box(reader)
               : cvg__source_nomem(&reader->reader.source);
}

static enum cvg_status read_box(const struct cvg_files *files, unsigned flags,
                                const struct cvg_config_notes *notes,
                                struct cvg_box **out, struct cvg_error *err)
{
    const char *path = files->items[0].path;
    struct cvg_box_reader reader = {
        .reader = {.source = {path, err}},
        .files = files,
        .flags = flags,
        .notes = notes,
    };
    reader.reader.context = &reader;
    char *text;
    size_t size;
    *out = NULL;
    enum cvg_status status =
        cvg__read_file(files, path, CVG_YAML_LIMIT, &text, &size, err);
    if (status != CVG_OK) {
        return status;
    }
    struct cvg_yaml yaml;
    status = cvg__yaml_open(&yaml, &reader.reader.source, text, size);
    if (status == CVG_OK) {
        status = read_opened(&reader, &yaml);
    }
    cvg__yaml_close(&yaml);
    free(reader.exits);
    cvg__name_set_fini(&reader.other_variants);
    cvg__name_set_fini(&reader.other_devices);
    if (status != CVG_OK) {
        cvg_box_destroy(reader.box);
        return status;
    }
    *out = reader.box;
    return CVG_OK;
}

enum cvg_status cvg_config_read_box(const struct cvg_config_file *files,
                                    size_t n_files, unsigned flags,
                                    const struct cvg_config_notes *notes,
                                    struct cvg_box **out, struct cvg_error *err)
{
    struct cvg_files held = {.items = files, .n = n_files};
    return read_box(&held, flags, notes, out, err);
}

enum cvg_status cvg_config_load_box_texts(const char *path, unsigned flags,
                                          const struct cvg_config_notes *notes,
                                          struct cvg_box **out,
                                          struct cvg_config_texts *texts,
                                          struct cvg_error *err)
{
    struct cvg_config_texts kept = {0};
    struct cvg_config_file file = {.path = path};
    struct cvg_files files = {.items = &file, .n = 1, .keep = &kept};
    enum cvg_status status = read_box(&files, flags, notes, out, err);
    if (status == CVG_OK) {
        *texts = kept;
    } else {
        cvg_config_texts_free(&kept);
    }
    return status;
}

enum cvg_status cvg_config_load_box(const char *path, unsigned flags,
                                    struct cvg_box **out, struct cvg_error *err)
{
    struct cvg_config_file file = {.path = path};
    return cvg_config_read_box(&file, 1, flags, NULL, out, err);
}

enum cvg_status cvg_config_parse_box(const char *text, size_t size,
                                     const char *path, unsigned flags,
                                     struct cvg_box **out,
                                     struct cvg_error *err)
{
    struct cvg_config_file file = {path, text, size};
    return cvg_config_read_box(&file, 1, flags, NULL, out, err);
}

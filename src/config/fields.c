/* The table-driven reader: a map of a YAML file into a struct. */
#include "config/fields.h"

#include "base/units.h"
#include "config/names.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- single values ---------------------------------------------------------
 */

/* A message of base/units.h, put at the place of the value. */
static enum cvg_status refuse(struct cvg_reader *reader, struct cvg_value value,
                              const char *key, const struct cvg_error *why)
{
    return cvg__source_fail(&reader->source, value.at, "%s: %s", key,
                            why->text);
}

static enum cvg_status check_range(struct cvg_reader *reader,
                                   struct cvg_value value,
                                   const struct cvg_field *field,
                                   const char *text, double number)
{
    const struct cvg_range *range = field->range;
    if (range == NULL || (number <= range->max && number >= range->min &&
                          !(range->above && number == range->min))) {
        return CVG_OK;
    }
    return cvg__source_fail(&reader->source, value.at,
                            "%s: '%.80s' is out of range: %s", field->key, text,
                            range->text);
}

static enum cvg_status read_text(struct cvg_reader *reader,
                                 struct cvg_value value,
                                 const struct cvg_field *field,
                                 const char *text, char **out)
{
    enum cvg_field_type type = field->type;
    bool name = type == CVG_FIELD_NAME || type == CVG_FIELD_PATH;
    bool slash = type == CVG_FIELD_PATH;
    if (*text == '\0') {
        return cvg__source_fail(&reader->source, value.at, "%s: it is empty",
                                field->key);
    }
    if (name && !cvg__name_is_valid(text, slash)) {
        return cvg__source_fail(&reader->source, value.at,
                                "%s: '%.80s' is no valid name: %s", field->key,
                                text, cvg__name_rule(slash));
    }
    assert(*out == NULL);
    *out = type == CVG_FIELD_FILE ? cvg__resolve_path(reader->source.path, text)
                                  : strdup(text);
    return *out != NULL ? CVG_OK : cvg__source_nomem(&reader->source);
}

static enum cvg_status read_choice(struct cvg_reader *reader,
                                   struct cvg_value value,
                                   const struct cvg_field *field,
                                   const char *text, unsigned *out)
{
    size_t n = 0;
    for (; field->names[n] != NULL; n++) {
        if (strcmp(field->names[n], text) == 0) {
            *out = (unsigned)n;
            return CVG_OK;
        }
    }
    return cvg__source_fail(&reader->source, value.at,
                            "%s: unknown value '%.80s'%s", field->key, text,
                            cvg__hint(text, field->names, n).text);
}

static enum cvg_status read_count(const struct cvg_field *field,
                                  const char *text, uint32_t *out,
                                  struct cvg_error *err)
{
    uint64_t count = 0;
    enum cvg_status status =
        cvg_parse_count(text, (uint64_t)field->range->min,
                        (uint64_t)field->range->max, &count, err);
    *out = (uint32_t)count;
    return status;
}

/* A value with a unit; *number: the same, for the range. */
static enum cvg_status read_quantity(const struct cvg_field *field,
                                     const char *text, void *out,
                                     double *number, struct cvg_error *err)
{
    enum cvg_status status;
    switch (field->type) {
    case CVG_FIELD_SPAN:
        *(cvg_span *)out = 0;
        status = cvg_parse_span(text, out, err);
        *number = (double)*(cvg_span *)out;
        return status;
    case CVG_FIELD_BYTES:
        *(uint64_t *)out = 0;
        status = cvg_parse_bytes(text, out, err);
        *number = (double)*(uint64_t *)out;
        return status;
    case CVG_FIELD_RATE:
        status = cvg_parse_rate(text, number, err);
        break;
    case CVG_FIELD_POWER:
        status = cvg_parse_power(text, number, err);
        break;
    case CVG_FIELD_ENERGY:
        status = cvg_parse_energy(text, number, err);
        break;
    case CVG_FIELD_BUDGET:
        status = cvg_parse_energy_rate(text, number, err);
        break;
    default:
        status = cvg_parse_number(text, number, err);
        break;
    }
    *(double *)out = *number;
    return status;
}

enum cvg_status cvg__read_scalar(struct cvg_reader *reader,
                                 struct cvg_value value,
                                 const struct cvg_field *field, void *out)
{
    const char *text;
    enum cvg_status status =
        cvg__yaml_text(&reader->source, value, field->key, &text);
    if (status != CVG_OK) {
        return status;
    }
    struct cvg_error why = {.status = CVG_OK};
    double number = 0;
    switch (field->type) {
    case CVG_FIELD_TEXT:
    case CVG_FIELD_NAME:
    case CVG_FIELD_PATH:
    case CVG_FIELD_FILE:
        return read_text(reader, value, field, text, out);
    case CVG_FIELD_CHOICE:
        return read_choice(reader, value, field, text, out);
    case CVG_FIELD_COUNT:
        status = read_count(field, text, out, &why);
        return status == CVG_OK ? CVG_OK
                                : refuse(reader, value, field->key, &why);
    default:
        status = read_quantity(field, text, out, &number, &why);
        return status == CVG_OK
                   ? check_range(reader, value, field, text, number)
                   : refuse(reader, value, field->key, &why);
    }
}

/* --- lists -----------------------------------------------------------------
 */

enum cvg_status cvg__expect_list(const struct cvg_source *source,
                                 struct cvg_value value, const char *key,
                                 size_t min, size_t max, size_t *n)
{
    if (value.node == NULL || !fy_node_is_sequence(value.node)) {
        return cvg__source_fail(source, value.at,
                                "%s: a list is expected: [..., ...]", key);
    }
    *n = (size_t)fy_node_sequence_item_count(value.node);
    if (*n < min) {
        return cvg__source_fail(source, value.at,
                                "%s: %zu given, at least %zu %s needed", key,
                                *n, min, min == 1 ? "is" : "are");
    }
    if (*n > max) {
        return cvg__source_fail(source, value.at,
                                "%s: %zu given, at most %zu are allowed", key,
                                *n, max);
    }
    return CVG_OK;
}

enum cvg_status cvg__read_each(struct cvg_reader *reader, struct cvg_value list,
                               const struct cvg_field *field, void *target)
{
    size_t n;
    enum cvg_status status = cvg__expect_list(&reader->source, list, field->key,
                                              1, CVG_MAX_VARIANTS, &n);
    void *iterator = NULL;
    struct fy_node *node;
    while (status == CVG_OK && cvg__yaml_next_item(list, &iterator, &node)) {
        struct cvg_value item;
        status = cvg__yaml_value(&reader->source, node, list.at, &item);
        if (status == CVG_OK) {
            status = field->set(reader, item, field, target);
        }
    }
    return status;
}

/* Has one of the `n` items before `last` the same name? */
static enum cvg_status check_name_is_new(struct cvg_reader *reader,
                                         struct cvg_value value,
                                         const struct cvg_items *items,
                                         const char *array, size_t n)
{
    const char *const *last = (const void *)(array + n * items->size);
    for (size_t i = 0; i < n; i++) {
        const char *const *name = (const void *)(array + i * items->size);
        if (strcmp(*name, *last) == 0) {
            return cvg__source_fail(
                &reader->source, cvg__yaml_at(value, "name").at,
                "name: '%.80s' is the name of another %s already", *last,
                items->table->what);
        }
    }
    return CVG_OK;
}

static enum cvg_status read_item(struct cvg_reader *reader,
                                 struct cvg_value value,
                                 const struct cvg_items *items, char *array,
                                 size_t *count)
{
    char *item = array + *count * items->size;
    size_t before = *count;
    if (items->init != NULL) {
        items->init(item);
    }
    *count = before + 1; /* from here on its owner frees it */
    enum cvg_status status = cvg__read_map(reader, value, items->table, item);
    if (status != CVG_OK || !items->named) {
        return status;
    }
    return check_name_is_new(reader, value, items, array, before);
}

static enum cvg_status read_items(struct cvg_reader *reader,
                                  struct cvg_value list,
                                  const struct cvg_field *field, void *target)
{
    const struct cvg_items *items = field->items;
    void **array = (void *)((char *)target + field->offset);
    size_t *count = (void *)((char *)target + items->count_offset);
    size_t n;
    enum cvg_status status = cvg__expect_list(&reader->source, list, field->key,
                                              items->min, items->max, &n);
    if (status != CVG_OK) {
        return status;
    }
    *array = calloc(n > 0 ? n : 1, items->size);
    if (*array == NULL) {
        return cvg__source_nomem(&reader->source);
    }
    void *iterator = NULL;
    struct fy_node *node;
    while (status == CVG_OK && cvg__yaml_next_item(list, &iterator, &node)) {
        struct cvg_value value;
        status = cvg__yaml_value(&reader->source, node, list.at, &value);
        if (status == CVG_OK) {
            status = read_item(reader, value, items, *array, count);
        }
    }
    return status;
}

/* --- maps ------------------------------------------------------------------
 */

static enum cvg_status unknown_key(struct cvg_reader *reader,
                                   struct cvg_place at, const char *key,
                                   const struct cvg_table *table)
{
    const char *names[CVG_MAX_FIELDS];
    for (size_t i = 0; i < table->n; i++) {
        names[i] = table->fields[i].key;
    }
    return cvg__source_fail(&reader->source, at, "unknown key '%.80s' in %s%s",
                            key, table->what,
                            cvg__hint(key, names, table->n).text);
}

/* Which field a key names; table->n: none. */
static size_t find_field(const struct cvg_table *table, const char *key)
{
    size_t i = 0;
    while (i < table->n && strcmp(table->fields[i].key, key) != 0) {
        i++;
    }
    return i;
}

struct found { /* what a map has for each field of its table */
    struct fy_node *nodes[CVG_MAX_FIELDS];
    struct cvg_place keys[CVG_MAX_FIELDS];
    uint64_t given;
};

static enum cvg_status note_key(struct cvg_reader *reader, struct cvg_value map,
                                const struct cvg_table *table,
                                struct fy_node *key_node,
                                struct fy_node *value_node, struct found *found)
{
    struct cvg_value key_value;
    const char *key;
    enum cvg_status status =
        cvg__yaml_value(&reader->source, key_node, map.at, &key_value);
    if (status == CVG_OK) {
        status = cvg__yaml_text(&reader->source, key_value, "key", &key);
    }
    if (status != CVG_OK) {
        return status;
    }
    size_t i = find_field(table, key);
    if (i == table->n) {
        return unknown_key(reader, key_value.at, key, table);
    }
    if ((found->given >> i & 1U) != 0) {
        return cvg__source_fail(&reader->source, key_value.at,
                                "key '%s' stands twice in %s, first in line %u",
                                key, table->what, found->keys[i].line);
    }
    found->given |= UINT64_C(1) << i;
    found->nodes[i] = value_node;
    found->keys[i] = key_value.at;
    return CVG_OK;
}

static enum cvg_status find_keys(struct cvg_reader *reader,
                                 struct cvg_value map,
                                 const struct cvg_table *table,
                                 struct found *found)
{
    void *iterator = NULL;
    struct fy_node *key;
    struct fy_node *value;
    enum cvg_status status = CVG_OK;
    while (status == CVG_OK &&
           cvg__yaml_next_pair(map, &iterator, &key, &value)) {
        status = note_key(reader, map, table, key, value, found);
    }
    return status;
}

static enum cvg_status read_field(struct cvg_reader *reader,
                                  struct cvg_value value,
                                  const struct cvg_field *field, void *target)
{
    switch (field->type) {
    case CVG_FIELD_MAP:
        return cvg__read_map(reader, value, field->table,
                             (char *)target + field->offset);
    case CVG_FIELD_ITEMS:
        return read_items(reader, value, field, target);
    case CVG_FIELD_EACH:
        return cvg__read_each(reader, value, field, target);
    case CVG_FIELD_SET:
        return field->set(reader, value, field, target);
    case CVG_FIELD_LATER:
        return CVG_OK;
    default:
        return cvg__read_scalar(reader, value, field,
                                (char *)target + field->offset);
    }
}

enum cvg_status cvg__set_version(struct cvg_reader *reader,
                                 struct cvg_value value,
                                 const struct cvg_field *field, void *target)
{
    static const struct cvg_range one = {.min = 1, .max = 1};
    struct cvg_field plain = {
        .key = field->key, .type = CVG_FIELD_COUNT, .range = &one};
    uint32_t version;
    (void)target;
    return cvg__read_scalar(reader, value, &plain, &version);
}

static enum cvg_status read_found(struct cvg_reader *reader,
                                  struct cvg_value map,
                                  const struct cvg_field *field,
                                  struct fy_node *node, struct cvg_place key,
                                  bool given, const char *what, void *target)
{
    if (!given && field->required) {
        return cvg__source_fail(&reader->source, map.at,
                                "%s: the key '%s' is missing", what,
                                field->key);
    }
    if (!given) {
        return CVG_OK;
    }
    struct cvg_value value;
    enum cvg_status status =
        cvg__yaml_value(&reader->source, node, key, &value);
    return status == CVG_OK ? read_field(reader, value, field, target) : status;
}

enum cvg_status cvg__read_map(struct cvg_reader *reader, struct cvg_value map,
                              const struct cvg_table *table, void *target)
{
    assert(table->n <= CVG_MAX_FIELDS);
    if (map.node == NULL || !fy_node_is_mapping(map.node)) {
        return cvg__source_fail(&reader->source, map.at,
                                "%s: a map is expected: {%s: ...}", table->what,
                                table->fields[0].key);
    }
    struct found found = {.given = 0};
    enum cvg_status status = find_keys(reader, map, table, &found);
    for (size_t i = 0; status == CVG_OK && i < table->n; i++) {
        status = read_found(reader, map, &table->fields[i], found.nodes[i],
                            found.keys[i], (found.given >> i & 1U) != 0,
                            table->what, target);
    }
    if (status == CVG_OK && table->finish != NULL) {
        status = table->finish(reader, map, target, found.given);
    }
    return status;
}

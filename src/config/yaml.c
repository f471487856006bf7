/* A YAML document as a tree of values that know their places. */
#include "config/yaml.h"

#include <stdlib.h>
#include <string.h>

static enum cvg_status create_parser(struct cvg_yaml *yaml)
{
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    yaml->diag = fy_diag_create(&diag_cfg);
    if (yaml->diag == NULL) {
        return cvg__source_nomem(&yaml->source);
    }
    /* Collected, never printed: 0.7.12 reads beyond its buffer when it shows a
     * source line with many tabs. */
    fy_diag_set_collect_errors(yaml->diag, true);
    /* Duplicate keys are found by the tables, which name both lines. */
    struct fy_parse_cfg cfg = {
        .flags = FYPCF_JSON_NONE | FYPCF_DEFAULT_VERSION_1_2 |
                 FYPCF_ALLOW_DUPLICATE_KEYS,
        .diag = yaml->diag,
    };
    yaml->parser = fy_parser_create(&cfg);
    return yaml->parser != NULL ? CVG_OK : cvg__source_nomem(&yaml->source);
}

/* The first thing that libfyaml has found. */
static enum cvg_status parse_failed(const struct cvg_yaml *yaml)
{
    void *iterator = NULL;
    const struct fy_diag_error *first =
        fy_diag_errors_iterate(yaml->diag, &iterator);
    struct cvg_place at = {0, 0};
    if (first == NULL || first->msg == NULL) {
        return cvg__source_fail(&yaml->source, at, "no valid YAML");
    }
    if (first->line > 0 && first->column > 0) {
        at = (struct cvg_place){(uint32_t)first->line, (uint32_t)first->column};
    }
    return cvg__source_fail(&yaml->source, at, "%s", first->msg);
}

static enum cvg_status load_document(struct cvg_yaml *yaml, size_t size)
{
    if (fy_parser_set_string(yaml->parser, yaml->text, size) != 0) {
        return cvg__source_nomem(&yaml->source);
    }
    yaml->document = fy_parse_load_document(yaml->parser);
    if (fy_diag_got_error(yaml->diag)) {
        return parse_failed(yaml);
    }
    if (yaml->document == NULL || fy_document_root(yaml->document) == NULL) {
        return cvg__source_fail(&yaml->source, (struct cvg_place){1, 1},
                                "the document is empty");
    }
    return CVG_OK;
}

static enum cvg_status expect_end(struct cvg_yaml *yaml)
{
    struct fy_document *second = fy_parse_load_document(yaml->parser);
    struct cvg_value root = {NULL, {0, 0}};
    if (second != NULL) {
        struct cvg_source quiet = {yaml->source.path, NULL};
        cvg__yaml_value(&quiet, fy_document_root(second), root.at, &root);
        fy_parse_document_destroy(yaml->parser, second);
    }
    if (fy_diag_got_error(yaml->diag)) {
        return parse_failed(yaml);
    }
    if (second != NULL) {
        return cvg__source_fail(&yaml->source, root.at,
                                "a second document begins; one is expected");
    }
    return CVG_OK;
}

static struct cvg_place scalar_place(struct fy_node *node)
{
    struct fy_token *token = fy_node_get_scalar_token(node);
    const struct fy_mark *mark =
        token != NULL ? fy_token_start_mark(token) : NULL;
    if (mark == NULL || mark->line < 0 || mark->column < 0) {
        return (struct cvg_place){0, 0};
    }
    /* The mark of a quoted text or an alias is behind its first character. */
    enum fy_node_style style = fy_node_get_style(node);
    bool behind = style == FYNS_SINGLE_QUOTED || style == FYNS_DOUBLE_QUOTED ||
                  style == FYNS_ALIAS;
    return (struct cvg_place){(uint32_t)mark->line + 1,
                              (uint32_t)mark->column + (behind ? 0 : 1)};
}

/* --- what libfyaml 0.7.12 cannot read without losing memory --------------- */

#define MAX_QUOTES 3U

/* Quotes written twice inside a 'single quoted' scalar. */
static size_t count_quotes(const struct cvg_yaml *yaml, struct fy_node *node)
{
    struct fy_token *token = fy_node_get_scalar_token(node);
    if (token == NULL || fy_node_get_style(node) != FYNS_SINGLE_QUOTED) {
        return 0;
    }
    size_t n = 0;
    size_t end = fy_token_end_mark(token)->input_pos;
    for (size_t i = fy_token_start_mark(token)->input_pos; i < end; i++) {
        n += yaml->text[i] == '\'';
    }
    return n / 2;
}

static enum cvg_status check_quotes(const struct cvg_yaml *yaml,
                                    struct fy_node *node);

static enum cvg_status check_pairs(const struct cvg_yaml *yaml,
                                   struct cvg_value map)
{
    void *iterator = NULL;
    struct fy_node *key;
    struct fy_node *value;
    enum cvg_status status = CVG_OK;
    while (status == CVG_OK &&
           cvg__yaml_next_pair(map, &iterator, &key, &value)) {
        status = check_quotes(yaml, key);
        if (status == CVG_OK) {
            status = check_quotes(yaml, value);
        }
    }
    return status;
}

/* Nesting is bounded by libfyaml, so the recursion is. */
static enum cvg_status check_quotes(const struct cvg_yaml *yaml,
                                    struct fy_node *node)
{
    struct cvg_value value = {node, {0, 0}};
    enum cvg_status status = CVG_OK;
    if (node == NULL) {
        return CVG_OK;
    }
    if (fy_node_is_mapping(node)) {
        return check_pairs(yaml, value);
    }
    if (fy_node_is_sequence(node)) {
        void *iterator = NULL;
        struct fy_node *item;
        while (status == CVG_OK &&
               cvg__yaml_next_item(value, &iterator, &item)) {
            status = check_quotes(yaml, item);
        }
        return status;
    }
    if (count_quotes(yaml, node) > MAX_QUOTES) {
        return cvg__source_fail(&yaml->source, scalar_place(node),
                                "more than %u quotes in a single quoted text: "
                                "put it in double quotes",
                                MAX_QUOTES);
    }
    return CVG_OK;
}

enum cvg_status cvg__yaml_open(struct cvg_yaml *yaml,
                               const struct cvg_source *source, char *text,
                               size_t size)
{
    *yaml = (struct cvg_yaml){.source = *source, .text = text};
    enum cvg_status status = cvg__check_text(source, text, size);
    if (status == CVG_OK) {
        status = create_parser(yaml);
    }
    if (status == CVG_OK) {
        status = load_document(yaml, size);
    }
    if (status == CVG_OK) {
        status = expect_end(yaml);
    }
    return status == CVG_OK
               ? check_quotes(yaml, fy_document_root(yaml->document))
               : status;
}

void cvg__yaml_close(struct cvg_yaml *yaml)
{
    if (yaml->document != NULL) {
        fy_parse_document_destroy(yaml->parser, yaml->document);
    }
    if (yaml->diag != NULL) {
        fy_diag_reset_error(yaml->diag); /* else the collected ones leak */
    }
    if (yaml->parser != NULL) {
        fy_parser_destroy(yaml->parser);
    }
    if (yaml->diag != NULL) {
        fy_diag_unref(yaml->diag);
    }
    free(yaml->text);
    *yaml = (struct cvg_yaml){.text = NULL};
}

/* A map or list stands where its first scalar does. */
static struct cvg_place node_place(struct fy_node *node)
{
    struct cvg_value value = {node, {0, 0}};
    while (value.node != NULL && !fy_node_is_scalar(value.node)) {
        void *iterator = NULL;
        struct fy_node *first = NULL;
        struct fy_node *second = NULL;
        if (fy_node_is_mapping(value.node)) {
            cvg__yaml_next_pair(value, &iterator, &first, &second);
        } else {
            cvg__yaml_next_item(value, &iterator, &first);
        }
        value.node = first;
    }
    return value.node != NULL ? scalar_place(value.node)
                              : (struct cvg_place){0, 0};
}

enum cvg_status cvg__yaml_value(const struct cvg_source *source,
                                struct fy_node *node, struct cvg_place fallback,
                                struct cvg_value *out)
{
    struct cvg_place at =
        node != NULL ? node_place(node) : (struct cvg_place){0, 0};
    *out = (struct cvg_value){node, at.line > 0 ? at : fallback};
    if (node != NULL && fy_node_is_alias(node)) {
        /* An anchor cannot stand on an alias, so one step is enough. */
        out->node = fy_node_resolve_alias(node);
        if (out->node == NULL || fy_node_is_alias(out->node)) {
            return cvg__source_fail(source, out->at,
                                    "alias of an unknown anchor");
        }
    }
    if (out->node != NULL && fy_node_get_tag_token(out->node) != NULL) {
        return cvg__source_fail(source, out->at, "tags are not used here");
    }
    return CVG_OK;
}

enum cvg_status cvg__yaml_root(const struct cvg_yaml *yaml,
                               struct cvg_value *out)
{
    enum cvg_status status =
        cvg__yaml_value(&yaml->source, fy_document_root(yaml->document),
                        (struct cvg_place){1, 1}, out);
    if (status != CVG_OK) {
        return status;
    }
    if (!fy_node_is_mapping(out->node)) {
        return cvg__source_fail(&yaml->source, out->at,
                                "a map of keys and values is expected");
    }
    return CVG_OK;
}

enum cvg_status cvg__yaml_text(const struct cvg_source *source,
                               struct cvg_value value, const char *what,
                               const char **out)
{
    if (value.node != NULL && !fy_node_is_scalar(value.node)) {
        return cvg__source_fail(
            source, value.at, "%s: a single value is expected, not a %s", what,
            fy_node_is_mapping(value.node) ? "map" : "list");
    }
    if (value.node == NULL || fy_node_is_null(value.node)) {
        return cvg__source_fail(source, value.at, "%s: it has no value", what);
    }
    size_t length = 0;
    const char *text = fy_node_get_scalar0(value.node);
    if (text == NULL || fy_node_get_scalar(value.node, &length) == NULL) {
        return cvg__source_nomem(source);
    }
    if (strlen(text) != length) {
        return cvg__source_fail(source, value.at,
                                "%s: a NUL character is in the text", what);
    }
    *out = text;
    return CVG_OK;
}

bool cvg__yaml_next_pair(struct cvg_value map, void **iterator,
                         struct fy_node **key, struct fy_node **value)
{
    struct fy_node_pair *pair = fy_node_mapping_iterate(map.node, iterator);
    if (pair == NULL) {
        return false;
    }
    *key = fy_node_pair_key(pair);
    *value = fy_node_pair_value(pair);
    return true;
}

bool cvg__yaml_next_item(struct cvg_value list, void **iterator,
                         struct fy_node **item)
{
    *item = fy_node_sequence_iterate(list.node, iterator);
    return *item != NULL;
}

/* The key `name` (of `length` bytes) of a map; *at: where the key stands. */
static struct fy_node *find_key(struct cvg_value map, const char *name,
                                size_t length, struct cvg_place *at)
{
    void *iterator = NULL;
    struct fy_node *key;
    struct fy_node *value;
    while (cvg__yaml_next_pair(map, &iterator, &key, &value)) {
        size_t n = 0;
        const char *text = key != NULL && fy_node_is_scalar(key)
                               ? fy_node_get_scalar(key, &n)
                               : NULL;
        if (text != NULL && n == length && memcmp(text, name, n) == 0) {
            *at = node_place(key);
            return value;
        }
    }
    return NULL;
}

struct cvg_value cvg__yaml_at(struct cvg_value root, const char *path)
{
    struct cvg_source quiet = {"", NULL};
    struct cvg_value value = root;
    while (*path != '\0' && value.node != NULL) {
        size_t length = strcspn(path, "/");
        struct fy_node *next = NULL;
        struct cvg_place at = value.at;
        if (fy_node_is_mapping(value.node)) {
            next = find_key(value, path, length, &at);
        } else if (fy_node_is_sequence(value.node)) {
            next = fy_node_sequence_get_by_index(value.node, atoi(path));
        }
        if (next == NULL || cvg__yaml_value(&quiet, next, at, &value)) {
            return (struct cvg_value){NULL, value.at};
        }
        path += length + (path[length] == '/');
    }
    return value;
}

struct cvg_place cvg__yaml_key_place(struct cvg_value map, const char *key)
{
    struct cvg_place at = map.at;
    find_key(map, key, strlen(key), &at);
    return at;
}

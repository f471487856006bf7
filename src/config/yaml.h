/* A YAML document as a tree of values that know their places (libfyaml).
 *
 * Bounded: the text by CVG_YAML_LIMIT, the nesting by libfyaml (64). Aliases
 * are followed one by one where a value is read, never copied out, so a tree of
 * them costs no more than what the tables of fields.h ask for. Tags, a second
 * document and an empty one are errors. */
#ifndef CVG_CONFIG_YAML_H
#define CVG_CONFIG_YAML_H

#include "config/source.h"
#include <libfyaml.h>

struct cvg_yaml {
    struct cvg_source source;
    char *text; /* owned; libfyaml keeps pointers into it */
    struct fy_diag *diag;
    struct fy_parser *parser;
    struct fy_document *document;
};

struct cvg_value {
    struct fy_node *node; /* never an alias; NULL: the value is not there */
    struct cvg_place at;
};

/* Takes `text` (owned from now on, also on error) and parses it. In any case
 * the caller calls cvg__yaml_close(). */
enum cvg_status cvg__yaml_open(struct cvg_yaml *yaml,
                               const struct cvg_source *source, char *text,
                               size_t size);
void cvg__yaml_close(struct cvg_yaml *yaml);

/* The root, which must be a map. */
enum cvg_status cvg__yaml_root(const struct cvg_yaml *yaml,
                               struct cvg_value *out);

/* A node as a value: follows aliases, refuses tags. `fallback` is its place if
 * it has none of its own (an empty one). */
enum cvg_status cvg__yaml_value(const struct cvg_source *source,
                                struct fy_node *node, struct cvg_place fallback,
                                struct cvg_value *out);

/* The text of a scalar; borrowed from the document. `what` names it in
 * messages. An empty value is an error unless it is quoted. */
enum cvg_status cvg__yaml_text(const struct cvg_source *source,
                               struct cvg_value value, const char *what,
                               const char **out);

/* Walks a map or list: call with *iterator = NULL at first. False: the end. */
bool cvg__yaml_next_pair(struct cvg_value map, void **iterator,
                         struct fy_node **key, struct fy_node **value);
bool cvg__yaml_next_item(struct cvg_value list, void **iterator,
                         struct fy_node **item);

/* "families/0/variants/2" from `root`; node NULL if there is none. */
struct cvg_value cvg__yaml_at(struct cvg_value root, const char *path);

/* Where a key of a map stands; else where the map does. */
struct cvg_place cvg__yaml_key_place(struct cvg_value map, const char *key);

#endif

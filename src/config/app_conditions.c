/* Conditions in a file: one text, or a list of texts, one for each exit. */
#include "config/box_reader.h"

#include <convergo/condition.h>
#include <stdlib.h>
#include <string.h>

/* The column is that in the text; its place is told before. */
static enum cvg_status refuse(struct cvg_reader *reader, struct cvg_value value,
                              const char *key, const struct cvg_error *why)
{
    return why->status == CVG_NOMEM
               ? cvg__source_nomem(&reader->source)
               : cvg__source_fail(&reader->source, value.at, "%s: %s", key,
                                  why->text);
}

static enum cvg_status read_text(struct cvg_reader *reader,
                                 struct cvg_value value, const char *key,
                                 const char *text,
                                 const struct cvg_conditions **out)
{
    struct cvg_error why = {.status = CVG_OK};
    struct cvg_conditions *set = NULL;
    if (cvg_conditions_parse(text, &set, &why) != CVG_OK) {
        return refuse(reader, value, key, &why);
    }
    cvg_conditions_free(*out);
    *out = set;
    return CVG_OK;
}

struct joined { /* the texts of a list, as one */
    char *text; /* owned */
    size_t length;
};

static enum cvg_status add_text(struct cvg_reader *reader,
                                struct cvg_value value,
                                const struct cvg_field *field, void *target)
{
    struct joined *all = target;
    struct cvg_error why = {.status = CVG_OK};
    struct cvg_condition one;
    const char *text;
    enum cvg_status status =
        cvg__yaml_text(&reader->source, value, field->key, &text);
    if (status != CVG_OK) {
        return status;
    }
    if (cvg_condition_parse(text, &one, &why) != CVG_OK) {
        return refuse(reader, value, field->key, &why);
    }
    size_t n = strlen(text);
    char *more = realloc(all->text, all->length + n + 2);
    if (more == NULL) {
        return cvg__source_nomem(&reader->source);
    }
    all->text = more;
    if (all->length > 0) {
        more[all->length++] = ';';
    }
    memcpy(more + all->length, text, n + 1);
    all->length += n;
    return CVG_OK;
}

enum cvg_status cvg__read_conditions(struct cvg_reader *reader,
                                     struct cvg_value value,
                                     const struct cvg_field *field,
                                     void *target)
{
    const struct cvg_conditions **out =
        (void *)((char *)target + field->offset);
    const char *text;
    if (value.node == NULL || !fy_node_is_sequence(value.node)) {
        enum cvg_status status =
            cvg__yaml_text(&reader->source, value, field->key, &text);
        return status == CVG_OK
                   ? read_text(reader, value, field->key, text, out)
                   : status;
    }
    struct cvg_field each = {.key = field->key, .set = add_text};
    struct joined all = {.length = 0};
    enum cvg_status status = cvg__read_each(reader, value, &each, &all);
    if (status == CVG_OK) {
        status = read_text(reader, value, field->key, all.text, out);
    }
    free(all.text);
    return status;
}

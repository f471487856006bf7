/* families of box.yaml, and the variants that they name. */
#include "config/box_reader.h"

#include "config/names.h"
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A new variant of family `f` in the box; its figures come from the CSV. */
static enum cvg_status new_variant(struct cvg_box *box, const char *name,
                                   uint32_t f, uint32_t *out)
{
    struct cvg_variant *variants =
        realloc(box->variants, (box->n_variants + 1) * sizeof *variants);
    if (variants == NULL) {
        return CVG_NOMEM;
    }
    box->variants = variants;
    char *copy = strdup(name);
    if (copy == NULL) {
        return CVG_NOMEM;
    }
    *out = (uint32_t)box->n_variants;
    variants[box->n_variants++] = (struct cvg_variant){
        .name = copy,
        .family = f,
        .n_exits = 1,
    };
    for (size_t stage = 0; stage < CVG_MAX_EXITS; stage++) {
        variants[*out].flop[stage] = NAN; /* until a row says */
    }
    return CVG_OK;
}

static enum cvg_status append_to_family(struct cvg_family *family,
                                        uint32_t variant)
{
    uint32_t *variants =
        realloc(family->variants, (family->n_variants + 1) * sizeof *variants);
    if (variants == NULL) {
        return CVG_NOMEM;
    }
    family->variants = variants;
    variants[family->n_variants++] = variant;
    return CVG_OK;
}

/* A variant belongs to one family, and stands there once. */
static enum cvg_status check_variant_is_new(struct cvg_reader *reader,
                                            struct cvg_value value,
                                            const char *name,
                                            const struct cvg_family *family)
{
    const struct cvg_box *box = cvg__box_reader(reader)->box;
    uint32_t known = cvg_box_find_variant(box, name);
    if (known == CVG_ANY) {
        return CVG_OK;
    }
    const struct cvg_family *other =
        &box->families[box->variants[known].family];
    if (other == family) {
        return cvg__source_fail(&reader->source, value.at,
                                "variants: '%s' stands there twice", name);
    }
    return cvg__source_fail(&reader->source, value.at,
                            "variants: '%s' is already in family '%s': a "
                            "variant belongs to one family",
                            name, other->name);
}

static enum cvg_status add_variant(struct cvg_reader *reader,
                                   struct cvg_value value,
                                   const struct cvg_field *field, void *target)
{
    struct cvg_family *family = target;
    struct cvg_box *box = cvg__box_reader(reader)->box;
    struct cvg_field plain = {.key = field->key, .type = CVG_FIELD_NAME};
    char *name = NULL;
    uint32_t variant = 0;
    enum cvg_status status = cvg__read_scalar(reader, value, &plain, &name);
    if (status != CVG_OK) {
        return status;
    }
    status = check_variant_is_new(reader, value, name, family);
    if (status == CVG_OK && box->n_variants >= CVG_MAX_VARIANTS) {
        status = cvg__source_fail(&reader->source, value.at,
                                  "variants: more than %u in the box",
                                  CVG_MAX_VARIANTS);
    }
    if (status == CVG_OK) {
        status = new_variant(box, name, (uint32_t)(family - box->families),
                             &variant);
        if (status == CVG_OK) {
            status = append_to_family(family, variant);
        }
        if (status != CVG_OK) {
            cvg__source_nomem(&reader->source);
        }
    }
    free(name);
    return status;
}

#define AT(member) .offset = offsetof(struct cvg_family, member)

/* The name comes first: messages about the variants use it. */
static const struct cvg_field family_fields[] = {
    {.key = "name", .type = CVG_FIELD_PATH, .required = true, AT(name)},
    {.key = "metric", .type = CVG_FIELD_TEXT, .required = true, AT(metric)},
    {.key = "variants",
     .type = CVG_FIELD_EACH,
     .required = true,
     .set = add_variant},
    {.key = "dataset", .type = CVG_FIELD_FILE, AT(dataset)},
};
static const struct cvg_table family_table = {
    "family", family_fields, CVG_TABLE_SIZE(family_fields), NULL};

const struct cvg_items cvg__family_items = {
    .table = &family_table,
    .size = sizeof(struct cvg_family),
    .count_offset = offsetof(struct cvg_box, n_families),
    .min = 1,
    .max = CVG_MAX_APPS,
    .named = true,
};

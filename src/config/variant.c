/* variant.yaml: the stages of a model with several exits. */
#include "config/fields.h"

#include <convergo/box.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct stage {
    char *file;
};

struct stages {
    struct stage *items;
    size_t n;
};

static const struct cvg_field stage_fields[] = {
    {.key = "file",
     .type = CVG_FIELD_NAME,
     .required = true,
     .offset = offsetof(struct stage, file)},
};
static const struct cvg_table stage_table = {
    .what = "stage",
    .fields = stage_fields,
    .n = CVG_TABLE_SIZE(stage_fields),
};
static const struct cvg_items stage_items = {
    .table = &stage_table,
    .size = sizeof(struct stage),
    .count_offset = offsetof(struct stages, n),
    .min = 1,
    .max = CVG_MAX_EXITS,
};
static const struct cvg_field variant_fields[] = {
    {.key = "version",
     .type = CVG_FIELD_SET,
     .required = true,
     .set = cvg__set_version},
    {.key = "stages",
     .type = CVG_FIELD_ITEMS,
     .required = true,
     .offset = offsetof(struct stages, items),
     .items = &stage_items},
};
static const struct cvg_table variant_table = {
    .what = "variant",
    .fields = variant_fields,
    .n = CVG_TABLE_SIZE(variant_fields),
};

static enum cvg_status hand_over(struct stages *stages,
                                 const struct cvg_source *source,
                                 struct cvg_variant_file *out)
{
    out->stages = calloc(stages->n, sizeof *out->stages);
    if (out->stages == NULL) {
        return cvg__source_nomem(source);
    }
    for (size_t k = 0; k < stages->n; k++) {
        out->stages[k] = stages->items[k].file;
        stages->items[k].file = NULL;
    }
    out->n_stages = stages->n;
    return CVG_OK;
}

/* Takes `text`. */
static enum cvg_status read_text(const struct cvg_source *source, char *text,
                                 size_t size, struct cvg_variant_file *out)
{
    struct cvg_reader reader = {.source = *source};
    struct cvg_yaml yaml;
    struct cvg_value root;
    struct stages stages = {0};
    enum cvg_status status = cvg__yaml_open(&yaml, source, text, size);
    if (status == CVG_OK) {
        status = cvg__yaml_root(&yaml, &root);
    }
    if (status == CVG_OK) {
        status = cvg__read_map(&reader, root, &variant_table, &stages);
    }
    if (status == CVG_OK) {
        status = hand_over(&stages, source, out);
    }
    cvg__yaml_close(&yaml);
    for (size_t k = 0; k < stages.n; k++) {
        free(stages.items[k].file);
    }
    free(stages.items);
    return status;
}

static enum cvg_status read_variant(const struct cvg_config_file *file,
                                    struct cvg_variant_file *out,
                                    struct cvg_error *err)
{
    const struct cvg_files files = {.items = file, .n = 1};
    const struct cvg_source source = {file->path, err};
    char *text = NULL;
    size_t size = 0;
    *out = (struct cvg_variant_file){0};
    enum cvg_status status =
        cvg__read_file(&files, file->path, CVG_YAML_LIMIT, &text, &size, err);
    return status == CVG_OK ? read_text(&source, text, size, out) : status;
}

enum cvg_status cvg_config_load_variant(const char *path,
                                        struct cvg_variant_file *out,
                                        struct cvg_error *err)
{
    const struct cvg_config_file file = {.path = path};
    return read_variant(&file, out, err);
}

enum cvg_status cvg_config_parse_variant(const char *text, size_t size,
                                         const char *path,
                                         struct cvg_variant_file *out,
                                         struct cvg_error *err)
{
    const struct cvg_config_file file = {path, text, size};
    return read_variant(&file, out, err);
}

void cvg_variant_file_free(struct cvg_variant_file *file)
{
    for (size_t k = 0; k < file->n_stages; k++) {
        free(file->stages[k]);
    }
    free(file->stages);
    *file = (struct cvg_variant_file){0};
}

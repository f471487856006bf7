/* One input of an infer request: its description, then its data, from JSON or
 * from the binary part of the body. */
#include "serve/oip_parse.h"

#include "serve/json_tensor.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Binary data that may be used where they lie: any type needs at most this. */
#define ALIGNMENT 8U

struct given { /* one input as the request describes it */
    char name[CVG__NAME_MAX + 1];
    char what[CVG__NAME_MAX + 16]; /* "input 'x'" for messages */
    bool has_shape, has_type, has_data, has_binary;
    enum cvg_type type;
    uint32_t n_dims;
    int64_t dims[CVG_MAX_DIMS];
    struct cvg_json data; /* where `data` began, if it was put off */
    int64_t binary;       /* binary_data_size */
    struct cvg__infer_input *slot;
};

void cvg__shape_text(char *out, size_t size, const int64_t *dims, uint32_t n)
{
    size_t len = 0;
    len += (size_t)snprintf(out, size, "[");
    for (uint32_t i = 0; i < n && len < size; i++) {
        len += (size_t)snprintf(out + len, size - len, "%s%lld",
                                i > 0 ? "," : "", (long long)dims[i]);
    }
    if (len < size) {
        (void)snprintf(out + len, size - len, "]");
    }
}

static bool read_shape(struct cvg__parse *p, struct given *g)
{
    bool first = true, more;
    if (g->has_shape) {
        return cvg__parse_fail(p, "%s: shape is given twice", g->what);
    }
    if (!cvg__json_enter(&p->json, '[')) {
        return false;
    }
    for (g->n_dims = 0;;) {
        if (!cvg__json_element(&p->json, &first, &more)) {
            return false;
        }
        if (!more) {
            break;
        }
        if (g->n_dims == p->limits->dims) {
            return cvg__parse_fail(p,
                                   "%s: more dimensions than the limit of %u",
                                   g->what, p->limits->dims);
        }
        if (!cvg__json_i64(&p->json, &g->dims[g->n_dims], "a dimension")) {
            return false;
        }
        g->n_dims++;
    }
    g->has_shape = true;
    return true;
}

static bool read_datatype(struct cvg__parse *p, struct given *g)
{
    char name[16];
    if (!cvg__json_string(&p->json, name, sizeof name, "datatype")) {
        return false;
    }
    if (!cvg_type_from_name(name, &g->type)) {
        return cvg__parse_fail(p, "%s: unknown datatype '%s'", g->what, name);
    }
    g->has_type = true;
    return true;
}

static bool input_parameter(struct cvg__parse *p, const char *key,
                            void *context)
{
    struct given *g = context;
    if (strcmp(key, "binary_data_size") == 0) {
        g->has_binary = true;
        return cvg__parse_count(p, key, 0, INT64_MAX / 2, &g->binary);
    }
    if (strncmp(key, "shared_memory_", 14) == 0) {
        return cvg__parse_fail(
            p, "%s: shared memory is not available on this server", g->what);
    }
    return cvg__json_skip(&p->json);
}

static struct cvg__infer_input *find_input(struct cvg__parse *p,
                                           const char *name)
{
    for (size_t i = 0; i < p->model->n_inputs; i++) {
        if (strcmp(p->model->inputs[i].name, name) == 0) {
            return &p->infer->inputs[i];
        }
    }
    return NULL;
}

static bool resolve_input(struct cvg__parse *p, struct given *g)
{
    char known[200];
    g->slot = find_input(p, g->name);
    if (g->slot == NULL) {
        cvg__parse_names(known, sizeof known, p->model->inputs,
                         p->model->n_inputs);
        return cvg__parse_fail(p, "unknown input '%s'; the model has %s",
                               g->name, known);
    }
    if (g->slot->given) {
        return cvg__parse_fail(p, "%s is given twice", g->what);
    }
    g->slot->given = true;
    return true;
}

/* The shape is the model's, with any number of rows in place of the batch. */
static bool shape_fits(struct cvg__parse *p, const struct given *g,
                       const struct cvg_tensor_info *info)
{
    bool fits = g->n_dims == info->n_dims && g->n_dims > 0;
    for (uint32_t i = 0; fits && i < g->n_dims; i++) {
        fits = g->dims[i] > 0 &&
               (i == 0 || info->dims[i] < 0 || g->dims[i] == info->dims[i]);
    }
    if (!fits) {
        int64_t dims[CVG_MAX_DIMS];
        char want[200], got[200];
        memcpy(dims, info->dims, sizeof dims);
        dims[0] = -1;
        cvg__shape_text(want, sizeof want, dims, info->n_dims);
        cvg__shape_text(got, sizeof got, g->dims, g->n_dims);
        return cvg__parse_fail(p, "%s: expected shape %s, got %s", g->what,
                               want, got);
    }
    if (g->dims[0] > p->limits->rows) {
        return cvg__parse_fail(p, "%s: %lld rows, the limit is %u", g->what,
                               (long long)g->dims[0], p->limits->rows);
    }
    return true;
}

/* Type and shape against the model; sizes of the tensor. */
static bool describe_input(struct cvg__parse *p, struct given *g)
{
    size_t index = (size_t)(g->slot - p->infer->inputs);
    const struct cvg_tensor_info *info = &p->model->inputs[index];
    struct cvg_tensor *t = &g->slot->tensor;
    if (!g->has_shape || !g->has_type) {
        return cvg__parse_fail(p, "%s: %s is missing", g->what,
                               g->has_shape ? "datatype" : "shape");
    }
    if (g->type != info->type) {
        return cvg__parse_fail(p, "%s: expected datatype %s, got %s", g->what,
                               cvg_type_name(info->type),
                               cvg_type_name(g->type));
    }
    if (g->type == CVG_TYPE_BYTES) {
        return cvg__parse_fail(
            p, "%s: no device here runs models with BYTES inputs", g->what);
    }
    if (!shape_fits(p, g, info)) {
        return false;
    }
    size_t bytes = cvg_type_size(g->type);
    for (uint32_t i = 0; i < g->n_dims; i++) {
        if (__builtin_mul_overflow(bytes, (size_t)g->dims[i], &bytes)) {
            return cvg__parse_fail(
                p, "%s: a shape of more bytes than can be counted", g->what);
        }
    }
    t->type = g->type;
    t->n_dims = g->n_dims;
    memcpy(t->dims, g->dims, sizeof t->dims);
    t->bytes = bytes;
    return true;
}

static bool allocate_input(struct cvg__parse *p, struct cvg__infer_input *slot)
{
    slot->tensor.data = malloc(slot->tensor.bytes);
    slot->owned = slot->tensor.data != NULL;
    if (!slot->owned) {
        cvg_fail(p->err, CVG_NOMEM, "no memory for a tensor of %zu bytes",
                 slot->tensor.bytes);
    }
    return slot->owned;
}

static bool take_json(struct cvg__parse *p, struct given *g,
                      struct cvg_json *at)
{
    struct cvg_tensor *t = &g->slot->tensor;
    size_t n = t->bytes / cvg_type_size(t->type);
    /* Each value takes a character and a comma: a claim that the body cannot
     * hold is refused before any memory is set aside for it. */
    if (n > p->room / 2 + 1) {
        return cvg__parse_fail(
            p, "%s: its shape asks for %zu values, got fewer", g->what, n);
    }
    return allocate_input(p, g->slot) &&
           cvg__json_tensor_read(at, t->type, n, t->data, g->what);
}

static bool take_binary(struct cvg__parse *p, struct given *g)
{
    struct cvg_tensor *t = &g->slot->tensor;
    if ((uint64_t)g->binary != t->bytes) {
        return cvg__parse_fail(
            p,
            "%s: binary_data_size is %lld, but its shape and datatype "
            "take %zu bytes",
            g->what, (long long)g->binary, t->bytes);
    }
    if (t->bytes > p->blob_left) {
        return cvg__parse_fail(
            p,
            "%s: binary_data_size is %lld, but only %zu bytes of "
            "binary data are left after the JSON",
            g->what, (long long)g->binary, p->blob_left);
    }
    size_t align = cvg_type_size(t->type);
    align = align > ALIGNMENT ? ALIGNMENT : align;
    if ((uintptr_t)p->blob % align == 0) {
        t->data = p->blob;
    } else if (allocate_input(p, g->slot)) {
        memcpy(t->data, p->blob, t->bytes);
    } else {
        return false;
    }
    p->blob += t->bytes;
    p->blob_left -= t->bytes;
    return true;
}

/* input 'NAME', without printf: only errors need it, but each could be one. */
static void say_what(struct given *g)
{
    size_t n = strlen(g->name);
    memcpy(g->what, "input '", 7);
    memcpy(g->what + 7, g->name, n);
    memcpy(g->what + 7 + n, "'", 2);
}

static bool input_key(struct cvg__parse *p, const char *key, void *context)
{
    struct given *g = context;
    if (strcmp(key, "name") == 0) {
        if (g->slot != NULL) {
            return cvg__parse_fail(p, "%s has two names", g->what);
        }
        if (!cvg__json_string(&p->json, g->name, sizeof g->name,
                              "the name of an input")) {
            return false;
        }
        say_what(g);
        return resolve_input(p, g);
    }
    if (strcmp(key, "shape") == 0) {
        return read_shape(p, g);
    }
    if (strcmp(key, "datatype") == 0) {
        return read_datatype(p, g);
    }
    if (strcmp(key, "parameters") == 0) {
        return cvg__parse_object(p, g, input_parameter);
    }
    if (strcmp(key, "data") == 0) {
        if (g->has_data) {
            return cvg__parse_fail(p, "%s: data is given twice", g->what);
        }
        g->has_data = true;
        if (g->slot == NULL || !g->has_shape || !g->has_type) {
            /* It came before what describes it: look again at the end. */
            g->data = p->json;
            return cvg__json_skip(&p->json);
        }
        return describe_input(p, g) && take_json(p, g, &p->json);
    }
    return cvg__json_skip(&p->json);
}

bool cvg__parse_input(struct cvg__parse *p)
{
    struct given g = {.what = "an input"};
    if (!cvg__parse_object(p, &g, input_key)) {
        return false;
    }
    if (g.slot == NULL) {
        return cvg__parse_fail(p, "an input has no name");
    }
    if (g.has_data && g.has_binary) {
        return cvg__parse_fail(
            p, "%s: both data and binary_data_size are given", g.what);
    }
    if (!g.has_data && !g.has_binary) {
        return cvg__parse_fail(
            p, "%s: it has neither data nor binary_data_size", g.what);
    }
    if (g.has_binary) {
        return describe_input(p, &g) && take_binary(p, &g);
    }
    return g.data.at == NULL ||
           (describe_input(p, &g) && take_json(p, &g, &g.data));
}

bool cvg__parse_raw_input(struct cvg__parse *p)
{
    struct cvg__infer *r = p->infer;
    if (p->model->n_inputs != 1) {
        return cvg__parse_fail(
            p,
            "a raw body (Inference-Header-Content-Length: 0) needs a "
            "model of one input, this one has %zu",
            p->model->n_inputs);
    }
    const struct cvg_tensor_info *info = &p->model->inputs[0];
    struct given g = {.has_shape = true,
                      .has_type = true,
                      .has_binary = true,
                      .type = info->type,
                      .n_dims = info->n_dims,
                      .binary = (int64_t)p->blob_left,
                      .slot = &r->inputs[0]};
    size_t known = cvg_type_size(info->type);
    uint32_t open = CVG_MAX_DIMS;
    (void)snprintf(g.what, sizeof g.what, "input '%.128s'", info->name);
    for (uint32_t i = 0; i < info->n_dims; i++) {
        g.dims[i] = i == 0 ? 1 : info->dims[i];
        if (g.dims[i] < 0 && open != CVG_MAX_DIMS) {
            return cvg__parse_fail(
                p,
                "%s has several variable dimensions: a raw body "
                "does not tell them",
                g.what);
        }
        open = g.dims[i] < 0 ? i : open;
        if (g.dims[i] > 0 &&
            __builtin_mul_overflow(known, (size_t)g.dims[i], &known)) {
            return cvg__parse_fail(p, "%s is too large", g.what);
        }
    }
    if (open != CVG_MAX_DIMS && known > 0) {
        g.dims[open] = (int64_t)(p->blob_left / known);
    }
    r->inputs[0].given = true;
    return describe_input(p, &g) && take_binary(p, &g);
}

void cvg__infer_row(const struct cvg__infer *infer, uint32_t row, size_t k,
                    struct cvg_tensor *out)
{
    const struct cvg_tensor *whole = &infer->inputs[k].tensor;
    size_t bytes = whole->bytes / infer->rows;
    out->type = whole->type;
    out->n_dims = whole->n_dims - 1;
    for (uint32_t i = 0; i < out->n_dims; i++) {
        out->dims[i] = whole->dims[i + 1];
    }
    out->data = (unsigned char *)whole->data + row * bytes;
    out->bytes = bytes;
}

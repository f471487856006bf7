/* The reply to an infer request: JSON, then the binary outputs. */
#include "serve/oip.h"

#include "serve/json_tensor.h"
#include <string.h>

/* Copying less than this costs less than sending it apart. */
#define APART_LEAST (64U * 1024U)

struct reply {
    struct cvg_text *t;
    const struct cvg__infer *infer;
    const struct cvg_tensor *rows;
    struct cvg_error *err;
};

static const struct cvg_tensor *cell(const struct reply *r, uint32_t row,
                                     uint32_t k)
{
    return &r->rows[(size_t)row * r->infer->model->n_outputs + k];
}

static bool same_shape(const struct cvg_tensor *a, const struct cvg_tensor *b)
{
    return a->type == b->type && a->n_dims == b->n_dims &&
           a->bytes == b->bytes &&
           memcmp(a->dims, b->dims, a->n_dims * sizeof *a->dims) == 0;
}

/* Do the rows of output `k` join into one tensor of the promised type? */
static enum cvg_status check_output(const struct reply *r, uint32_t k)
{
    const struct cvg_tensor_info *info = &r->infer->model->outputs[k];
    const struct cvg_tensor *first = cell(r, 0, k);
    if (first->type != info->type) {
        return cvg_fail(r->err, CVG_DEVICE,
                        "output '%s': the model promises %s, the device gave "
                        "%s",
                        info->name, cvg_type_name(info->type),
                        cvg_type_name(first->type));
    }
    for (uint32_t row = 0; row < r->infer->rows; row++) {
        const struct cvg_tensor *c = cell(r, row, k);
        if (c->data == NULL || !same_shape(first, c)) {
            return cvg_fail(r->err, CVG_DEVICE,
                            "output '%s': row %u has no data or another shape "
                            "than row 0",
                            info->name, row);
        }
    }
    return CVG_OK;
}

static void write_kinds(struct cvg_text *t, uint32_t kinds)
{
    bool first = true;
    cvg__text_str(t, "\"");
    for (unsigned k = 0; k < CVG_SLO_KINDS; k++) {
        if ((kinds >> k & 1U) != 0) {
            cvg__text_str(t, first ? "" : ",");
            cvg__text_str(t, cvg_slo_kind_name((enum cvg_slo_kind)k));
            first = false;
        }
    }
    cvg__text_str(t, "\"");
}

static void write_parameters(struct cvg_text *t,
                             const struct cvg__infer_result *result)
{
    cvg__text_str(t, "\"parameters\":{\"variant\":");
    cvg__text_json(t, result->variant);
    cvg__text_str(t, ",\"exit\":");
    cvg__text_u64(t, result->exit);
    cvg__text_str(t, ",\"device\":");
    cvg__text_json(t, result->device);
    cvg__text_str(t, result->emulated ? ",\"emulated\":true"
                                      : ",\"emulated\":false");
    cvg__text_str(t, ",\"accuracy\":");
    cvg__text_fixed(t, result->accuracy, 6);
    cvg__text_str(t, ",\"energy_mj\":");
    cvg__text_fixed(t, result->energy_j * 1e3, 6);
    cvg__text_str(t, ",\"queue_us\":");
    cvg__text_i64(t, result->queued / 1000);
    cvg__text_str(t, ",\"run_us\":");
    cvg__text_i64(t, result->ran / 1000);
    cvg__text_str(t, result->deadline_met ? ",\"deadline_met\":true"
                                          : ",\"deadline_met\":false");
    cvg__text_str(t, ",\"request_id\":\"");
    cvg__text_u64(t, result->request_id);
    cvg__text_str(t, "\"");
    if (result->relaxed != 0) {
        cvg__text_str(t, ",\"relaxed\":");
        write_kinds(t, result->relaxed);
    }
    cvg__text_str(t, "}");
}

static void write_data(const struct reply *r, uint32_t k)
{
    cvg__text_str(r->t, ",\"data\":[");
    for (uint32_t row = 0; row < r->infer->rows; row++) {
        const struct cvg_tensor *c = cell(r, row, k);
        cvg__text_str(r->t, row > 0 ? "," : "");
        cvg__json_tensor_write(r->t, c->type, c->data,
                               c->bytes / cvg_type_size(c->type));
    }
    cvg__text_str(r->t, "]}");
}

static void write_output(const struct reply *r,
                         const struct cvg__infer_output *output)
{
    const struct cvg_tensor_info *info =
        &r->infer->model->outputs[output->index];
    const struct cvg_tensor *first = cell(r, 0, output->index);
    cvg__text_str(r->t, "{\"name\":");
    cvg__text_json(r->t, info->name);
    cvg__text_str(r->t, ",\"datatype\":\"");
    cvg__text_str(r->t, cvg_type_name(info->type));
    cvg__text_str(r->t, "\",\"shape\":[");
    cvg__text_u64(r->t, r->infer->rows);
    for (uint32_t i = 0; i < first->n_dims; i++) {
        cvg__text_str(r->t, ",");
        cvg__text_i64(r->t, first->dims[i]);
    }
    cvg__text_str(r->t, "]");
    if (output->binary) {
        cvg__text_str(r->t, ",\"parameters\":{\"binary_data_size\":");
        cvg__text_u64(r->t, (uint64_t)first->bytes * r->infer->rows);
        cvg__text_str(r->t, "}}");
    } else {
        write_data(r, output->index);
    }
}

static void write_json(const struct reply *r,
                       const struct cvg__infer_result *result)
{
    const struct cvg__infer *infer = r->infer;
    cvg__text_str(r->t, "{\"model_name\":");
    cvg__text_json(r->t, result->model_name);
    cvg__text_str(r->t, ",\"model_version\":");
    cvg__text_json(r->t, result->model_version);
    if (infer->id.len > 0) {
        cvg__text_str(r->t, ",\"id\":");
        cvg__text_add(r->t, infer->id.data, infer->id.len);
    }
    cvg__text_str(r->t, ",");
    write_parameters(r->t, result);
    cvg__text_str(r->t, ",\"outputs\":[");
    for (uint32_t i = 0; i < infer->n_outputs; i++) {
        cvg__text_str(r->t, i > 0 ? "," : "");
        write_output(r, &infer->outputs[i]);
    }
    cvg__text_str(r->t, "]}");
}

struct blobs { /* the binary outputs of all rows */
    size_t n, bytes;
};

static struct blobs count_blobs(const struct reply *r)
{
    struct blobs b = {0};
    for (uint32_t i = 0; i < r->infer->n_outputs; i++) {
        const struct cvg__infer_output *output = &r->infer->outputs[i];
        size_t n = output->binary ? r->infer->rows : 0;
        b.n += n;
        b.bytes += n * cell(r, 0, output->index)->bytes;
    }
    return b;
}

/* The binary outputs, in the order of the outputs: many or small ones behind
 * the JSON, so that all leaves in one piece. */
static void write_blobs(const struct reply *r, const struct blobs *b,
                        struct cvg__apart *apart)
{
    bool lie_apart = b->n <= CVG__APART_MOST && b->bytes >= APART_LEAST;
    for (uint32_t i = 0; i < r->infer->n_outputs; i++) {
        const struct cvg__infer_output *output = &r->infer->outputs[i];
        for (uint32_t row = 0; output->binary && row < r->infer->rows; row++) {
            const struct cvg_tensor *c = cell(r, row, output->index);
            if (lie_apart) {
                apart->pieces[apart->n++] =
                    (struct cvg__piece){c->data, c->bytes};
            } else {
                cvg__text_add(r->t, c->data, c->bytes);
            }
        }
    }
}

enum cvg_status cvg__infer_reply(struct cvg_text *t,
                                 const struct cvg__infer *infer,
                                 const struct cvg__infer_result *result,
                                 const struct cvg_tensor *rows, int64_t *header,
                                 struct cvg__apart *apart,
                                 struct cvg_error *err)
{
    apart->n = 0;
    struct reply r = {.t = t, .infer = infer, .rows = rows, .err = err};
    for (uint32_t i = 0; i < infer->n_outputs; i++) {
        enum cvg_status status = check_output(&r, infer->outputs[i].index);
        if (status != CVG_OK) {
            return status;
        }
    }
    size_t before = t->len;
    write_json(&r, result);
    const struct blobs blobs = count_blobs(&r);
    *header =
        blobs.n > 0 ? (int64_t)(t->len - before) : (int64_t)CVG__HEADER_ABSENT;
    write_blobs(&r, &blobs, apart);
    return cvg__text_ok(t) ? CVG_OK
                           : cvg_fail(err, CVG_NOMEM, "no memory for a reply");
}

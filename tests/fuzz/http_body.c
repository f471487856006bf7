/* A whole infer body with the value of Inference-Header-Content-Length in
 * front: two bytes, little endian; 0xffff means that there is none. What is
 * taken is answered, too. The model has two inputs and two outputs. */
#include "serve/oip.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cvg_tensor_info inputs[] = {
    {.name = "a", .type = CVG_TYPE_FP32, .n_dims = 2, .dims = {-1, 2}},
    {.name = "n", .type = CVG_TYPE_INT64, .n_dims = 2, .dims = {-1, -1}},
};
static struct cvg_tensor_info outputs[] = {
    {.name = "y", .type = CVG_TYPE_FP32, .n_dims = 2, .dims = {-1, 2}},
    {.name = "h", .type = CVG_TYPE_FP16, .n_dims = 2, .dims = {-1, 1}},
};
static const struct cvg_model_info model = {
    .inputs = inputs, .outputs = outputs, .n_inputs = 2, .n_outputs = 2};
static const struct cvg__oip_limits limits = {
    .json_depth = 32, .dims = 16, .tensors = 256, .rows = 256};

/* Answers with zeros; every row must lie inside the request's tensors. */
static void reply(const struct cvg__infer *infer)
{
    static unsigned char zeros[8];
    size_t n = (size_t)infer->rows * 2;
    struct cvg_tensor *rows = calloc(n, sizeof *rows);
    struct cvg_text text = {0};
    struct cvg__apart apart;
    int64_t header;
    volatile unsigned char sum = 0;
    for (uint32_t r = 0; rows != NULL && r < infer->rows; r++) {
        for (uint32_t k = 0; k < 2; k++) {
            struct cvg_tensor in;
            cvg__infer_row(infer, r, k, &in);
            for (size_t i = 0; i < in.bytes; i++) {
                sum = (unsigned char)(sum + ((unsigned char *)in.data)[i]);
            }
            rows[r * 2 + k] = (struct cvg_tensor){.n_dims = 1,
                                                  .dims = {k == 0 ? 2 : 1},
                                                  .type = outputs[k].type,
                                                  .data = zeros,
                                                  .bytes = k == 0 ? 8 : 2};
        }
    }
    const struct cvg__infer_result result = {
        .model_name = "m", .model_version = "1", .variant = "v", .device = "d"};
    if (rows == NULL || cvg__infer_reply(&text, infer, &result, rows, &header,
                                         &apart, NULL) != CVG_OK) {
        abort();
    }
    free(rows);
    cvg__text_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cvg__infer infer; /* used again and again, as in a pool */
    struct cvg_error err;
    if (size < 2) {
        return 0;
    }
    int64_t header = data[0] | data[1] << 8;
    size -= 2;
    unsigned char *body = malloc(size > 0 ? size : 1);
    if (body == NULL) {
        return 0;
    }
    memcpy(body, data + 2, size);
    if (cvg__infer_parse(&infer, &model, &limits, body, size,
                         header == 0xffff ? CVG__HEADER_ABSENT : header,
                         &err) == CVG_OK) {
        reply(&infer);
    }
    cvg__infer_reset(&infer);
    struct cvg__infer bounds = {.rows = 0};
    for (int of_app = 0; of_app < 2; of_app++) {
        (void)cvg__bounds_parse(&bounds, of_app, body, size, &err);
    }
    free(body);
    return 0;
}

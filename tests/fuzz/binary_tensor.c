/* Binary tensors: the JSON is right but for its numbers (two shapes and two
 * sizes, from the input); the data are what is left of it. Also raw bodies. */
#include "serve/oip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cvg_tensor_info inputs[] = {
    {.name = "a", .type = CVG_TYPE_INT16, .n_dims = 3, .dims = {-1, -1, 2}},
    {.name = "b", .type = CVG_TYPE_FP64, .n_dims = 1, .dims = {-1}},
};
static const struct cvg_model_info model = {.inputs = inputs, .n_inputs = 2};
static const struct cvg_model_info one = {.inputs = inputs, .n_inputs = 1};
static const struct cvg__oip_limits limits = {
    .json_depth = 32, .dims = 16, .tensors = 256, .rows = 256};

static void touch(const struct cvg__infer *infer)
{
    volatile unsigned char sum = 0;
    for (uint32_t r = 0; r < infer->rows; r++) {
        for (size_t k = 0; k < infer->n_inputs; k++) {
            struct cvg_tensor t;
            cvg__infer_row(infer, r, k, &t);
            if ((uintptr_t)t.data % cvg_type_size(t.type) != 0) {
                abort();
            }
            for (size_t i = 0; i < t.bytes; i++) {
                sum = (unsigned char)(sum + ((unsigned char *)t.data)[i]);
            }
        }
    }
}

static void try_body(const struct cvg_model_info *m, const void *bytes,
                     size_t size, size_t shift, int64_t header)
{
    struct cvg__infer infer = {0};
    struct cvg_error err;
    unsigned char *memory = malloc(size + shift + 1);
    if (memory != NULL) {
        memcpy(memory + shift, bytes, size);
        if (cvg__infer_parse(&infer, m, &limits, memory + shift, size, header,
                             &err) == CVG_OK) {
            touch(&infer);
        }
        cvg__infer_fini(&infer);
    }
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t n[6];
    char body[4096];
    if (size < 1 + sizeof n || size > 2048) {
        return 0;
    }
    memcpy(n, data + 1, sizeof n);
    int len = snprintf(
        body, sizeof body,
        "{\"inputs\":[{\"name\":\"a\",\"shape\":[%lld,%lld,2],\"datatype\":"
        "\"INT16\",\"parameters\":{\"binary_data_size\":%lld}},{\"name\":\"b\","
        "\"shape\":[%lld],\"datatype\":\"FP64\",\"parameters\":"
        "{\"binary_data_size\":%lld}}]}",
        (long long)n[0], (long long)n[1], (long long)n[2], (long long)n[3],
        (long long)n[4]);
    size_t rest = size - 1 - sizeof n;
    memcpy(body + len, data + 1 + sizeof n, rest);
    size_t shift = data[0] % 16;
    try_body(&model, body, (size_t)len + rest, shift, len + n[5] % 3);
    try_body(&one, data + 1 + sizeof n, rest, shift, 0);
    return 0;
}

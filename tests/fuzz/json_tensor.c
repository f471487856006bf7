/* Tensor data in JSON: the first byte is the type, the second how many values
 * are wanted. What is read is written and must read back to the same bytes. */
#include "serve/json_tensor.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_all(const void *text, size_t size, enum cvg_type type,
                     size_t n, void *out)
{
    struct cvg_json j;
    struct cvg_error err;
    cvg__json_init(&j, text, size, 32, &err);
    return cvg__json_tensor_read(&j, type, n, out, "x") && cvg__json_finish(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    enum cvg_type type = (enum cvg_type)(data[0] % CVG_TYPES);
    size_t n = data[1];
    size_t bytes = n * cvg_type_size(type);
    char *text = malloc(size - 2 > 0 ? size - 2 : 1);
    void *first = malloc(bytes > 0 ? bytes : 1);
    void *second = malloc(bytes > 0 ? bytes : 1);
    struct cvg_text out = {0};
    memcpy(text, data + 2, size - 2);
    if (read_all(text, size - 2, type, n, first)) {
        cvg__text_str(&out, "[");
        cvg__json_tensor_write(&out, type, first, n);
        cvg__text_str(&out, "]");
        if (!read_all(out.data, out.len, type, n, second) ||
            memcmp(first, second, bytes) != 0) {
            abort();
        }
    }
    cvg__text_fini(&out);
    free(second);
    free(first);
    free(text);
    return 0;
}

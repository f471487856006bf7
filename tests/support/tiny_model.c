/* A protobuf encoder just large enough for an ONNX model of one node. */
#include "support/tiny_model.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct bytes {
    unsigned char data[512];
    size_t n;
};

static void put_varint(struct bytes *b, uint64_t value)
{
    for (; value >= 128; value >>= 7) {
        b->data[b->n++] = (unsigned char)(value | 128);
    }
    b->data[b->n++] = (unsigned char)value;
}

static void put_number(struct bytes *b, unsigned field, uint64_t value)
{
    put_varint(b, field << 3);
    put_varint(b, value);
}

static void put_block(struct bytes *b, unsigned field, const void *data,
                      size_t n)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, n);
    memcpy(b->data + b->n, data, n);
    b->n += n;
}

static void put_text(struct bytes *b, unsigned field, const char *text)
{
    put_block(b, field, text, strlen(text));
}

static void put_message(struct bytes *b, unsigned field,
                        const struct bytes *message)
{
    put_block(b, field, message->data, message->n);
}

static void put_dim(struct bytes *shape, const char *name, int64_t size)
{
    struct bytes dim = {.n = 0};
    if (size < 0) {
        put_text(&dim, 2, name);
    } else {
        put_number(&dim, 1, (uint64_t)size);
    }
    put_message(shape, 1, &dim);
}

/* onnx.TensorProto.DataType */
static const unsigned char element_types[CVG_TYPES] = {
    [CVG_TYPE_BOOL] = 9,    [CVG_TYPE_UINT8] = 2,   [CVG_TYPE_UINT16] = 4,
    [CVG_TYPE_UINT32] = 12, [CVG_TYPE_UINT64] = 13, [CVG_TYPE_INT8] = 3,
    [CVG_TYPE_INT16] = 5,   [CVG_TYPE_INT32] = 6,   [CVG_TYPE_INT64] = 7,
    [CVG_TYPE_FP16] = 10,   [CVG_TYPE_FP32] = 1,    [CVG_TYPE_FP64] = 11,
    [CVG_TYPE_BYTES] = 8,   [CVG_TYPE_BF16] = 16,
};

static void put_value(struct bytes *graph, unsigned field, const char *name,
                      const struct tiny_model *model)
{
    struct bytes shape = {.n = 0};
    struct bytes tensor = {.n = 0};
    struct bytes type = {.n = 0};
    struct bytes value = {.n = 0};
    put_dim(&shape, "batch", model->batch);
    if (model->width != -2) {
        put_dim(&shape, "width", model->width);
    }
    put_number(&tensor, 1, element_types[model->type]);
    put_message(&tensor, 2, &shape);
    put_message(&type, 1, &tensor);
    put_text(&value, 1, name);
    put_message(&value, 2, &type);
    put_message(graph, field, &value);
}

static struct bytes encode(const struct tiny_model *model)
{
    struct bytes node = {.n = 0};
    struct bytes graph = {.n = 0};
    struct bytes opset = {.n = 0};
    struct bytes out = {.n = 0};
    put_text(&node, 1, "x");
    if (strcmp(model->op, "Identity") != 0) {
        put_text(&node, 1, "x");
    }
    put_text(&node, 2, "y");
    put_text(&node, 4, model->op);
    put_message(&graph, 1, &node);
    put_text(&graph, 2, "tiny");
    put_value(&graph, 11, "x", model);
    put_value(&graph, 12, "y", model);
    put_number(&opset, 2, 13);
    put_number(&out, 1, 7); /* IR version */
    put_message(&out, 7, &graph);
    put_message(&out, 8, &opset);
    return out;
}

bool tiny_model_write(const char *folder, const char *variant, unsigned version,
                      const struct tiny_model *model)
{
    struct bytes bytes = encode(model);
    return tiny_file_write(folder, variant, version, bytes.data, bytes.n);
}

bool tiny_file_write(const char *folder, const char *variant, unsigned version,
                     const void *data, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, variant);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%u", folder, variant, version);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%u/model.onnx", folder, variant,
             version);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return false;
    }
    bool whole = fwrite(data, 1, size, file) == size;
    return fclose(file) == 0 && whole;
}

bool tiny_folder_make(char *path)
{
    const char *parent = getenv("TMPDIR");
    snprintf(path, 256, "%.200s/convergo-test-XXXXXX",
             parent == NULL ? "/tmp" : parent);
    return mkdtemp(path) != NULL;
}

static int remove_one(const char *path, const struct stat *st, int kind,
                      struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

void tiny_folder_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

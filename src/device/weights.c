/* The weights of an ONNX file: how many of them are zero.
 *
 * Reads just the path to them through the file's protobuf: the model's graph
 * (field 7), its initialisers (5), their type (2) and their bytes (raw_data, 9;
 * float_data, 4). Whatever else there is, is skipped by its length. */
#include "device/measure.h"

#include "device/repository.h"
#include <string.h>

struct span { /* of bytes yet to be read */
    const unsigned char *at, *end;
};

struct field {
    uint32_t number;
    uint32_t wire; /* 0: varint, 1: 8 bytes, 2: block, 5: 4 bytes */
    uint64_t value;
    struct span block;
};

static bool read_varint(struct span *in, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
        unsigned char byte = *in->at++;
        *out |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            return true;
        }
    }
    return false;
}

/* False: the end, or not protobuf (then some bytes are left). */
static bool read_field(struct span *in, struct field *out)
{
    uint64_t key = 0;
    uint64_t length = 0;
    struct span rest = *in;
    if (rest.at == rest.end || !read_varint(&rest, &key)) {
        return false;
    }
    out->number = (uint32_t)(key >> 3);
    out->wire = (uint32_t)key & 7;
    if (out->wire == 0) {
        if (!read_varint(&rest, &out->value)) {
            return false;
        }
    } else if (out->wire == 1 || out->wire == 5) {
        length = out->wire == 1 ? 8 : 4;
    } else if (out->wire != 2 || !read_varint(&rest, &length)) {
        return false;
    }
    if (length > (uint64_t)(rest.end - rest.at)) {
        return false;
    }
    out->block = (struct span){rest.at, rest.at + length};
    rest.at += length;
    *in = rest;
    return true;
}

/* Bytes of an element by onnx.TensorProto.DataType; 0: not counted. */
static size_t element_size(uint64_t type)
{
    static const unsigned char sizes[] = {0, 4, 1, 1, 2, 2, 4, 8, 0,
                                          1, 2, 8, 4, 8, 0, 0, 2};
    return type < sizeof sizes ? sizes[type] : 0;
}

static void count(struct span bytes, size_t size, uint64_t *zeros,
                  uint64_t *all)
{
    static const unsigned char zero[8];
    for (; size > 0 && (size_t)(bytes.end - bytes.at) >= size;
         bytes.at += size) {
        *all += 1;
        *zeros += memcmp(bytes.at, zero, size) == 0;
    }
}

static bool count_tensor(struct span tensor, uint64_t *zeros, uint64_t *all)
{
    struct field field;
    struct span raw = {NULL, NULL};
    struct span floats = {NULL, NULL};
    uint64_t type = 0;
    while (read_field(&tensor, &field)) {
        if (field.number == 2 && field.wire == 0) {
            type = field.value;
        } else if (field.number == 9 && field.wire == 2) {
            raw = field.block;
        } else if (field.number == 4 && field.wire == 2) {
            floats = field.block;
        }
    }
    if (raw.at != NULL) {
        count(raw, element_size(type), zeros, all);
    } else if (floats.at != NULL) {
        count(floats, sizeof(float), zeros, all);
    }
    return tensor.at == tensor.end;
}

static bool count_graph(struct span graph, uint64_t *zeros, uint64_t *all)
{
    struct field field;
    while (read_field(&graph, &field)) {
        if (field.number == 5 && field.wire == 2 &&
            !count_tensor(field.block, zeros, all)) {
            return false;
        }
    }
    return graph.at == graph.end;
}

/* False: not protobuf. */
static bool count_model(const struct cvg_model_file *file, uint64_t *zeros,
                        uint64_t *all)
{
    struct span model = {file->data, (unsigned char *)file->data + file->size};
    struct field field;
    bool well = true;
    while (read_field(&model, &field)) {
        if (field.number == 7 && field.wire == 2) {
            well = count_graph(field.block, zeros, all) && well;
        }
    }
    return well && model.at == model.end;
}

enum cvg_status cvg_measure_weights(const char *models, const char *variant,
                                    uint64_t *file_bytes, double *sparsity,
                                    struct cvg_error *err)
{
    struct cvg_model_files files;
    enum cvg_status status = cvg_model_files_read(models, variant, &files, err);
    uint64_t zeros = 0;
    uint64_t all = 0;
    *file_bytes = 0;
    if (status != CVG_OK) {
        return status;
    }
    for (uint32_t k = 0; k < files.n && status == CVG_OK; k++) {
        *file_bytes += files.stages[k].size;
        if (!count_model(&files.stages[k], &zeros, &all)) {
            status = cvg_fail(err, CVG_CONFIG, "%s: not an ONNX file",
                              files.stages[k].path);
        }
    }
    *sparsity = all > 0 ? (double)zeros / (double)all : 0;
    cvg_model_files_free(&files);
    return status;
}

enum cvg_status cvg_measure_stages(const char *models, const char *variant,
                                   uint32_t *out, struct cvg_error *err)
{
    struct cvg_model_files files;
    enum cvg_status status = cvg_model_files_read(models, variant, &files, err);
    if (status == CVG_OK) {
        *out = files.n;
        cvg_model_files_free(&files);
    }
    return status;
}

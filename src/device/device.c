/* The table of backends, and what they share. */
#include <convergo/device.h>

#include "device/backends.h"
#include "device/features.h"
#include <stdlib.h>
#include <string.h>

static const struct cvg_backend_ops *const backends[] = {
    &cvg_backend_onnxruntime,
    &cvg_backend_emulated,
};
#define N_BACKENDS (sizeof backends / sizeof *backends)

const struct cvg_backend_ops *cvg_backend_find(const char *name)
{
    for (size_t k = 0; k < N_BACKENDS; k++) {
        if (strcmp(backends[k]->name, name) == 0) {
            return backends[k];
        }
    }
    return NULL;
}

const struct cvg_backend_ops *cvg_backend_at(size_t k)
{
    return k < N_BACKENDS ? backends[k] : NULL;
}

static const struct {
    const char *name;
    size_t size;
} types[CVG_TYPES] = {
    [CVG_TYPE_BOOL] = {"BOOL", 1},     [CVG_TYPE_UINT8] = {"UINT8", 1},
    [CVG_TYPE_UINT16] = {"UINT16", 2}, [CVG_TYPE_UINT32] = {"UINT32", 4},
    [CVG_TYPE_UINT64] = {"UINT64", 8}, [CVG_TYPE_INT8] = {"INT8", 1},
    [CVG_TYPE_INT16] = {"INT16", 2},   [CVG_TYPE_INT32] = {"INT32", 4},
    [CVG_TYPE_INT64] = {"INT64", 8},   [CVG_TYPE_FP16] = {"FP16", 2},
    [CVG_TYPE_FP32] = {"FP32", 4},     [CVG_TYPE_FP64] = {"FP64", 8},
    [CVG_TYPE_BYTES] = {"BYTES", 0},   [CVG_TYPE_BF16] = {"BF16", 2},
};

const char *cvg_type_name(enum cvg_type type)
{
    return (unsigned)type < CVG_TYPES ? types[type].name : "?";
}

size_t cvg_type_size(enum cvg_type type)
{
    return (unsigned)type < CVG_TYPES ? types[type].size : 0;
}

bool cvg_type_from_name(const char *name, enum cvg_type *out)
{
    for (int k = 0; k < CVG_TYPES; k++) {
        if (strcmp(types[k].name, name) == 0) {
            *out = (enum cvg_type)k;
            return true;
        }
    }
    return false;
}

static void free_tensors(struct cvg_tensor_info *tensors, size_t n)
{
    for (size_t k = 0; tensors != NULL && k < n; k++) {
        free(tensors[k].name);
    }
    free(tensors);
}

void cvg_tensor_release(struct cvg_tensor *output)
{
    struct cvg_memory *memory = output->memory;
    if (output->data == NULL) {
        return;
    }
    if (memory == NULL) {
        free(output->data);
    } else if (__atomic_sub_fetch(&memory->users, 1, __ATOMIC_ACQ_REL) == 0) {
        memory->free(memory);
    }
    output->data = NULL;
    output->memory = NULL;
}

void cvg_features_release(struct cvg_features *features)
{
    for (size_t k = 0; features != NULL && k < features->n; k++) {
        cvg_tensor_release(&features->tensors[k]);
    }
    free(features);
}

void cvg_model_info_free(struct cvg_model_info *info)
{
    free_tensors(info->inputs, info->n_inputs);
    free_tensors(info->outputs, info->n_outputs);
    *info = (struct cvg_model_info){0};
}

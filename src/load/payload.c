/* Infer requests, written. */
#include "load/payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t element_bytes(const char *datatype)
{
    static const struct {
        const char *name;
        size_t bytes;
    } types[] = {{"BOOL", 1},  {"UINT8", 1}, {"INT8", 1},   {"UINT16", 2},
                 {"INT16", 2}, {"FP16", 2},  {"BF16", 2},   {"UINT32", 4},
                 {"INT32", 4}, {"FP32", 4},  {"UINT64", 8}, {"INT64", 8},
                 {"FP64", 8}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, datatype) == 0) {
            return types[i].bytes;
        }
    }
    return 0;
}

static enum cvg_status read_shape(const json_t *shape, const char *model,
                                  struct cvg__input *out, struct cvg_error *err)
{
    out->n_dims = json_array_size(shape);
    out->bytes = out->element_bytes;
    if (out->n_dims == 0 || out->n_dims > CVG__LOAD_DIMS) {
        return cvg_fail(err, CVG_UNSUPPORTED,
                        "model '%s': its input has %zu dimensions", model,
                        out->n_dims);
    }
    for (size_t i = 0; i < out->n_dims; i++) {
        json_int_t dim = json_integer_value(json_array_get(shape, i));
        if (i == 0) {
            dim = 1; /* the batch: one item */
        }
        if (dim < 1 ||
            __builtin_mul_overflow(out->bytes, (size_t)dim, &out->bytes) ||
            out->bytes > (64U << 20)) {
            return cvg_fail(err, CVG_UNSUPPORTED,
                            "model '%s': dimension %zu of its input is "
                            "variable or too large to be filled",
                            model, i);
        }
        out->dims[i] = dim;
    }
    return CVG_OK;
}

enum cvg_status cvg__input_read(const json_t *metadata, const char *model,
                                struct cvg__input *out, struct cvg_error *err)
{
    const json_t *inputs = json_object_get(metadata, "inputs");
    const json_t *input = json_array_get(inputs, 0);
    const char *name = json_string_value(json_object_get(input, "name"));
    const char *type = json_string_value(json_object_get(input, "datatype"));
    if (json_array_size(inputs) != 1 || name == NULL || type == NULL) {
        return cvg_fail(err, CVG_UNSUPPORTED,
                        "model '%s' has %zu inputs; only models with one can "
                        "be loaded",
                        model, json_array_size(inputs));
    }
    out->element_bytes = element_bytes(type);
    if (out->element_bytes == 0) {
        return cvg_fail(err, CVG_UNSUPPORTED,
                        "model '%s': input '%s' is of type %s, which cannot "
                        "be filled",
                        model, name, type);
    }
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->datatype, sizeof out->datatype, "%s", type);
    return read_shape(json_object_get(input, "shape"), model, out, err);
}

/* --- the request ---------------------------------------------------------- */

static json_t *parameters_json(const struct cvg__payload *p)
{
    json_t *parameters = json_pack("{s:b}", "binary_data_output", 1);
    if (p->app != NULL) {
        json_object_set_new(parameters, "slo_app", json_string(p->app));
    }
    if ((p->overrides >> CVG_SLO_DEADLINE & 1U) != 0) {
        json_object_set_new(parameters, "slo_deadline_us",
                            json_integer((p->bounds.deadline + 500) / 1000));
    }
    if ((p->overrides >> CVG_SLO_ACCURACY & 1U) != 0) {
        json_object_set_new(parameters, "slo_min_accuracy",
                            json_real(p->bounds.accuracy));
    }
    if ((p->overrides >> CVG_SLO_ENERGY & 1U) != 0) {
        json_object_set_new(parameters, "slo_max_energy_mj",
                            json_real(p->bounds.energy_j * 1e3));
    }
    if (p->conditions != NULL) {
        json_object_set_new(parameters, "slo_conditions",
                            json_string(p->conditions));
    }
    return parameters;
}

static char *json_text(const struct cvg__payload *p)
{
    json_t *shape = json_array();
    for (size_t i = 0; i < p->input->n_dims; i++) {
        json_array_append_new(shape, json_integer(p->input->dims[i]));
    }
    json_t *request =
        json_pack("{s:o, s:[{s:s, s:o, s:s, s:{s:I}}]}", "parameters",
                  parameters_json(p), "inputs", "name", p->input->name, "shape",
                  shape, "datatype", p->input->datatype, "parameters",
                  "binary_data_size", (json_int_t)p->input->bytes);
    char *text = json_dumps(request, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(request);
    return text;
}

char *cvg__payload_text(const struct cvg__payload *p, size_t *size)
{
    char *json = json_text(p), *text = NULL;
    if (json == NULL) {
        return NULL;
    }
    size_t n = strlen(json);
    int written = asprintf(&text,
                           "POST /v2/models/%s/infer HTTP/1.1\r\n"
                           "Host: %s\r\n"
                           "Content-Type: application/octet-stream\r\n"
                           "Inference-Header-Content-Length: %zu\r\n"
                           "Content-Length: %zu\r\n\r\n%s",
                           p->model, p->host, n, n + p->input->bytes, json);
    free(json);
    if (written < 0) {
        return NULL;
    }
    *size = (size_t)written;
    return text;
}

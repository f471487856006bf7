/* What the server is, what its models take and give. */
#include "serve/handlers.h"

#include "serve/server.h"
#include <string.h>

uint32_t cvg__named_model(struct cvg__server *s, struct cvg__call *call)
{
    uint32_t index = cvg__model_find(s, call->model);
    if (index == CVG_ANY) {
        cvg__call_error(call, 404, "unknown model '%s'", call->model);
        return CVG_ANY;
    }
    if (call->version[0] != '\0' &&
        strcmp(call->version, s->models[index].version) != 0) {
        cvg__call_error(call, 404,
                        "model '%s' has no version '%s'; there is '%s'",
                        call->model, call->version, s->models[index].version);
        return CVG_ANY;
    }
    return index;
}

void cvg__handle_server(struct cvg__server *s, struct cvg__call *call)
{
    (void)s;
    cvg__text_str(&call->text,
                  "{\"name\":\"convergo\",\"version\":\"" CVG_VERSION
                  "\",\"extensions\":[\"binary_tensor_data\","
                  "\"model_configuration\",\"model_repository\","
                  "\"parameters\","
                  "\"schedule_policy\",\"statistics\"]}");
    cvg__call_reply(call, 200, "application/json");
}

/* The backends of the devices that can run it. */
static const char *platform_of(const struct cvg__server *s,
                               const struct cvg__model *m)
{
    if (m->variant == CVG_ANY) {
        return "convergo_family";
    }
    for (uint32_t d = 0; d < s->box->n_devices; d++) {
        if (cvg_profile_max_batch(s->box->profile, m->variant, 0, 0, d) > 0) {
            return strcmp(s->box->devices[d].backend, "onnxruntime") == 0
                       ? "onnxruntime_onnx"
                       : s->box->devices[d].backend;
        }
    }
    return "";
}

static void write_tensors(struct cvg_text *t, const struct cvg_tensor_info *x,
                          size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cvg__text_str(t, i > 0 ? ",{\"name\":" : "{\"name\":");
        cvg__text_json(t, x[i].name);
        cvg__text_str(t, ",\"datatype\":");
        cvg__text_json(t, cvg_type_name(x[i].type));
        cvg__text_str(t, ",\"shape\":[");
        for (uint32_t k = 0; k < x[i].n_dims; k++) {
            cvg__text_str(t, k > 0 ? "," : "");
            /* any number of rows, each a request of its own */
            cvg__text_i64(t, k == 0 ? -1 : x[i].dims[k]);
        }
        cvg__text_str(t, "]}");
    }
}

/* The model of the path, if what it takes is known; else answered. */
static const struct cvg__model *described(struct cvg__server *s,
                                          struct cvg__call *call)
{
    uint32_t index = cvg__named_model(s, call);
    if (index == CVG_ANY) {
        return NULL;
    }
    if (s->models[index].info == NULL) {
        cvg__call_error(call, 503, "model '%s' cannot be used: %s",
                        s->models[index].name, s->models[index].reason);
        return NULL;
    }
    return &s->models[index];
}

void cvg__handle_model(struct cvg__server *s, struct cvg__call *call)
{
    const struct cvg__model *m = described(s, call);
    struct cvg_text *t = &call->text;
    if (m == NULL) {
        return;
    }
    cvg__text_str(t, "{\"name\":");
    cvg__text_json(t, m->name);
    cvg__text_str(t, ",\"versions\":[");
    cvg__text_json(t, m->version);
    cvg__text_str(t, "],\"platform\":");
    cvg__text_json(t, platform_of(s, m));
    cvg__text_str(t, ",\"inputs\":[");
    write_tensors(t, m->info->inputs, m->info->n_inputs);
    cvg__text_str(t, "],\"outputs\":[");
    write_tensors(t, m->info->outputs, m->info->n_outputs);
    cvg__text_str(t, "]}");
    cvg__call_reply(call, 200, "application/json");
}

void cvg__handle_model_ready(struct cvg__server *s, struct cvg__call *call)
{
    uint32_t index = cvg__named_model(s, call);
    if (index == CVG_ANY) {
        return;
    }
    bool ready = cvg__model_ready(s, index) && s->state == CVG__SERVING;
    cvg__text_str(&call->text, "{\"name\":");
    cvg__text_json(&call->text, s->models[index].name);
    cvg__text_str(&call->text,
                  ready ? ",\"ready\":true}" : ",\"ready\":false}");
    cvg__call_reply(call, ready ? 200 : 503, "application/json");
}

/* --- configuration, as Triton's clients read it --------------------------- */

static void write_config_tensors(struct cvg_text *t,
                                 const struct cvg_tensor_info *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cvg__text_str(t, i > 0 ? ",{\"name\":" : "{\"name\":");
        cvg__text_json(t, x[i].name);
        /* Their one type without a number is called otherwise. */
        cvg__text_format(
            t, ",\"data_type\":\"TYPE_%s\",\"dims\":[",
            x[i].type == CVG_TYPE_BYTES ? "STRING" : cvg_type_name(x[i].type));
        for (uint32_t k = 1; k < x[i].n_dims; k++) {
            cvg__text_str(t, k > 1 ? "," : "");
            cvg__text_i64(t, x[i].dims[k]);
        }
        cvg__text_str(t, "]}");
    }
}

void cvg__handle_config(struct cvg__server *s, struct cvg__call *call)
{
    const struct cvg__model *m = described(s, call);
    struct cvg_text *t = &call->text;
    if (m == NULL) {
        return;
    }
    cvg__text_str(t, "{\"name\":");
    cvg__text_json(t, m->name);
    cvg__text_str(t, ",\"platform\":");
    cvg__text_json(t, platform_of(s, m));
    cvg__text_str(t, ",\"backend\":");
    cvg__text_json(t, platform_of(s, m));
    cvg__text_str(t, ",\"version_policy\":{\"latest\":{\"num_versions\":1}}");
    cvg__text_format(t, ",\"max_batch_size\":%u", s->oip_limits.rows);
    cvg__text_str(t, ",\"input\":[");
    write_config_tensors(t, m->info->inputs, m->info->n_inputs);
    cvg__text_str(t, "],\"output\":[");
    write_config_tensors(t, m->info->outputs, m->info->n_outputs);
    cvg__text_str(t, "]}");
    cvg__call_reply(call, 200, "application/json");
}

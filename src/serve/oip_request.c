/* An infer request: its JSON, and the binary data after it. */
#include "serve/oip_parse.h"

#include "base/nearest.h"
#include "serve/json_tensor.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cvg__name_valid(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > CVG__NAME_MAX || name[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' &&
            c != '-') {
            return false;
        }
    }
    return true;
}

/* --- memory --------------------------------------------------------------- */

static void free_inputs(struct cvg__infer *infer)
{
    for (size_t i = 0; i < infer->n_inputs; i++) {
        if (infer->inputs[i].owned) {
            free(infer->inputs[i].tensor.data);
        }
        infer->inputs[i] = (struct cvg__infer_input){0};
    }
}

void cvg__infer_reset(struct cvg__infer *infer)
{
    if (infer->inputs != NULL) {
        free_inputs(infer);
    }
    *infer = (struct cvg__infer){.inputs = infer->inputs,
                                 .outputs = infer->outputs,
                                 .room_inputs = infer->room_inputs,
                                 .room_outputs = infer->room_outputs};
}

void cvg__infer_fini(struct cvg__infer *infer)
{
    cvg__infer_reset(infer);
    free(infer->inputs);
    free(infer->outputs);
    *infer = (struct cvg__infer){0};
}

static bool make_room(struct cvg__infer *infer,
                      const struct cvg_model_info *model)
{
    if (infer->room_inputs < model->n_inputs) {
        free(infer->inputs);
        infer->inputs = calloc(model->n_inputs, sizeof *infer->inputs);
        infer->room_inputs = infer->inputs != NULL ? model->n_inputs : 0;
    }
    if (infer->room_outputs < model->n_outputs) {
        free(infer->outputs);
        infer->outputs = calloc(model->n_outputs, sizeof *infer->outputs);
        infer->room_outputs = infer->outputs != NULL ? model->n_outputs : 0;
    }
    return infer->room_inputs >= model->n_inputs &&
           infer->room_outputs >= model->n_outputs;
}

size_t cvg__infer_bytes(const struct cvg__infer *infer)
{
    size_t sum = 0;
    for (size_t i = 0; i < infer->n_inputs; i++) {
        sum += infer->inputs[i].owned ? infer->inputs[i].tensor.bytes : 0;
    }
    return sum;
}

/* --- for both files ------------------------------------------------------- */

bool cvg__parse_fail(struct cvg__parse *p, const char *format, ...)
{
    char text[480];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cvg_fail(p->err, CVG_INVALID, "%s", text);
    return false;
}

bool cvg__parse_count(struct cvg__parse *p, const char *key, int64_t min,
                      int64_t max, int64_t *out)
{
    if (!cvg__json_i64(&p->json, out, key)) {
        return false;
    }
    if (*out < min || *out > max) {
        return cvg__parse_fail(p, "%s must be between %lld and %lld, got %lld",
                               key, (long long)min, (long long)max,
                               (long long)*out);
    }
    return true;
}

bool cvg__parse_object(struct cvg__parse *p, void *context,
                       bool (*each)(struct cvg__parse *p, const char *key,
                                    void *context))
{
    char key[48];
    bool first = true, more;
    if (!cvg__json_enter(&p->json, '{')) {
        return false;
    }
    for (;;) {
        if (!cvg__json_key(&p->json, &first, key, sizeof key, &more)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (!each(p, key, context)) {
            return false;
        }
    }
}

void cvg__parse_names(char *out, size_t size,
                      const struct cvg_tensor_info *tensors, size_t n)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n && i < 8 && len < size; i++) {
        len += (size_t)snprintf(out + len, size - len, "%s'%.40s'",
                                i > 0 ? ", " : "", tensors[i].name);
    }
    if (n > 8 && len < size) {
        (void)snprintf(out + len, size - len, " and %zu more", n - 8);
    }
}

/* --- parameters of the request -------------------------------------------- */

static bool read_micros(struct cvg__parse *p, const char *key, int64_t min,
                        cvg_span *out)
{
    int64_t us;
    if (!cvg__parse_count(p, key, min, INT64_MAX / 4000, &us)) {
        return false;
    }
    *out = CVG_US(us);
    return true;
}

static bool read_bound(struct cvg__parse *p, const char *key, double max,
                       double *out)
{
    if (!cvg__json_double(&p->json, out, key)) {
        return false;
    }
    if (*out < 0 || *out > max) {
        return cvg__parse_fail(p, "%s must be between 0 and %g, got %g", key,
                               max, *out);
    }
    return true;
}

static const char *const bound_keys[] = {"slo_deadline_us", "slo_min_accuracy",
                                         "slo_max_energy_mj", "slo_conditions",
                                         "slo_objective"};
#define N_BOUND_KEYS (sizeof bound_keys / sizeof *bound_keys)
#define N_OWN_KEYS (N_BOUND_KEYS - 1) /* the last is of applications only */

/* Is it one of the first `n`? */
static bool is_bound(const char *key, size_t n)
{
    size_t i = 0;
    while (i < n && strcmp(bound_keys[i], key) != 0) {
        i++;
    }
    return i < n;
}

static bool read_objective(struct cvg__parse *p, const char *key)
{
    char name[16];
    const char *names[CVG_OBJECTIVES];
    if (!cvg__json_string(&p->json, name, sizeof name, key)) {
        return false;
    }
    for (unsigned k = 0; k < CVG_OBJECTIVES; k++) {
        names[k] = cvg_objective_name((enum cvg_objective)k);
        if (strcmp(name, names[k]) == 0) {
            p->infer->has_objective = true;
            p->infer->objective = (enum cvg_objective)k;
            return true;
        }
    }
    return cvg__parse_fail(p, "%s: unknown value '%s'%s", key, name,
                           cvg__hint(name, names, CVG_OBJECTIVES).text);
}

/* One of `bound_keys`: in place of what the application asks for. */
static bool read_bound_of(struct cvg__parse *p, const char *key)
{
    struct cvg__infer *r = p->infer;
    enum cvg_slo_kind kind;
    if (strcmp(key, "slo_deadline_us") == 0) {
        kind = CVG_SLO_DEADLINE;
        if (!read_micros(p, key, 1, &r->bounds.deadline)) {
            return false;
        }
    } else if (strcmp(key, "slo_min_accuracy") == 0) {
        kind = CVG_SLO_ACCURACY;
        if (!read_bound(p, key, 1, &r->bounds.accuracy)) {
            return false;
        }
    } else if (strcmp(key, "slo_max_energy_mj") == 0) {
        kind = CVG_SLO_ENERGY;
        if (!read_bound(p, key, 1e12, &r->bounds.energy_j)) {
            return false;
        }
        r->bounds.energy_j /= 1e3;
    } else {
        return cvg__json_raw_string(&p->json, &r->conditions);
    }
    r->overrides |= 1U << kind;
    r->bounds.declared |= 1U << kind;
    return true;
}

static bool slo_parameter(struct cvg__parse *p, const char *key)
{
    struct cvg__infer *r = p->infer;
    if (is_bound(key, N_OWN_KEYS)) {
        return read_bound_of(p, key);
    }
    if (strcmp(key, "slo_app") == 0) {
        return cvg__json_string(&p->json, r->app, sizeof r->app, key);
    }
    return cvg__parse_fail(
        p,
        "unknown parameter '%.40s'; known: slo_deadline_us, "
        "slo_min_accuracy, slo_max_energy_mj, slo_conditions, slo_app",
        key);
}

/* A key of an object that holds nothing but bounds. */
static bool bound_key(struct cvg__parse *p, const char *key, void *context)
{
    const size_t *n = context; /* of the keys that may be there */
    if (!is_bound(key, *n)) {
        return cvg__parse_fail(p, "unknown key '%.40s'%s", key,
                               cvg__hint(key, bound_keys, *n).text);
    }
    if (strcmp(key, "slo_objective") == 0) {
        return read_objective(p, key);
    }
    if (strcmp(key, "slo_conditions") == 0 &&
        cvg__json_peek(&p->json) == CVG_JSON_NULL) {
        p->infer->no_conditions = true;
        p->infer->conditions.len = 0; /* of several the last counts */
        return cvg__json_skip(&p->json);
    }
    p->infer->no_conditions =
        p->infer->no_conditions && strcmp(key, "slo_conditions") != 0;
    return read_bound_of(p, key);
}

enum cvg_status cvg__bounds_parse(struct cvg__infer *out, bool of_app,
                                  const void *body, size_t size,
                                  struct cvg_error *err)
{
    struct cvg__parse p = {.infer = out, .err = err};
    size_t n = of_app ? N_BOUND_KEYS : N_OWN_KEYS;
    cvg__json_init(&p.json, body, size, 2, err);
    bool ok = cvg__parse_object(&p, &n, bound_key) &&
              cvg__json_finish(&p.json) &&
              (out->overrides != 0 || out->conditions.len > 0 ||
               out->no_conditions || out->has_objective ||
               cvg__parse_fail(&p, "nothing is given that would change: "
                                   "slo_deadline_us, slo_min_accuracy, "
                                   "slo_max_energy_mj or slo_conditions"));
    return ok ? CVG_OK : CVG_INVALID;
}

/* A sequence needs a state between its requests, which nothing here keeps:
 * better to say so than to answer as if it did. Absent = 0 = "". */
static bool no_sequences(struct cvg__parse *p, const char *key)
{
    int64_t number = 1;
    char text[2];
    bool ok = cvg__json_peek(&p->json) == CVG_JSON_NUMBER
                  ? cvg__json_i64(&p->json, &number, key) && number == 0
                  : cvg__json_string(&p->json, text, sizeof text, key) &&
                        text[0] == '\0';
    return ok || cvg__parse_fail(p, "sequences are not supported (%s)", key);
}

static bool request_parameter(struct cvg__parse *p, const char *key)
{
    struct cvg__infer *r = p->infer;
    int64_t number;
    if (strcmp(key, "binary_data_output") == 0) {
        return cvg__json_bool(&p->json, &r->binary_output, key);
    }
    if (strcmp(key, "priority") == 0) {
        if (!cvg__parse_count(p, key, 0, INT32_MAX, &number)) {
            return false;
        }
        r->priority = (int32_t)number;
        return true;
    }
    if (strcmp(key, "timeout") == 0) {
        return read_micros(p, key, 0, &r->timeout);
    }
    if (strncmp(key, "slo_", 4) == 0) {
        return slo_parameter(p, key);
    }
    if (strcmp(key, "sequence_id") == 0) {
        return no_sequences(p, key);
    }
    return cvg__json_skip(&p->json); /* other people's own */
}

/* Calls `each` for every element of the array that comes next. */
static bool array(struct cvg__parse *p, const char *what,
                  bool (*each)(struct cvg__parse *p))
{
    bool first = true, more;
    unsigned n = 0;
    if (cvg__json_peek(&p->json) != CVG_JSON_ARRAY) {
        return cvg__json_fail(&p->json, "%s must be an array, got %s", what,
                              cvg__json_kind_name(cvg__json_peek(&p->json)));
    }
    if (!cvg__json_enter(&p->json, '[')) {
        return false;
    }
    for (;;) {
        if (!cvg__json_element(&p->json, &first, &more)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (n++ == p->limits->tensors) {
            return cvg__parse_fail(p, "more %s than the limit of %u", what,
                                   p->limits->tensors);
        }
        if (!each(p)) {
            return false;
        }
    }
}

static bool request_parameter_key(struct cvg__parse *p, const char *key,
                                  void *none)
{
    (void)none;
    return request_parameter(p, key);
}

/* --- an output ------------------------------------------------------------ */

struct wanted {
    char name[CVG__NAME_MAX + 1];
    bool has_name, has_binary, binary;
};

static bool output_parameter(struct cvg__parse *p, const char *key,
                             void *context)
{
    struct wanted *w = context;
    if (strcmp(key, "binary_data") == 0) {
        w->has_binary = true;
        return cvg__json_bool(&p->json, &w->binary, key);
    }
    if (strncmp(key, "shared_memory_", 14) == 0) {
        return cvg__parse_fail(p,
                               "shared memory is not available on this server");
    }
    if (strcmp(key, "classification") == 0) {
        int64_t n;
        return cvg__parse_count(p, key, 0, INT64_MAX, &n) &&
               (n == 0 ||
                cvg__parse_fail(p, "classification is not supported"));
    }
    return cvg__json_skip(&p->json);
}

static bool output_key(struct cvg__parse *p, const char *key, void *context)
{
    struct wanted *w = context;
    if (strcmp(key, "name") == 0) {
        w->has_name = true;
        return cvg__json_string(&p->json, w->name, sizeof w->name,
                                "the name of an output");
    }
    if (strcmp(key, "parameters") == 0) {
        return cvg__parse_object(p, w, output_parameter);
    }
    return cvg__json_skip(&p->json);
}

static bool add_output(struct cvg__parse *p, const struct wanted *w)
{
    struct cvg__infer *r = p->infer;
    char known[200];
    uint32_t k = 0;
    while (k < p->model->n_outputs &&
           strcmp(p->model->outputs[k].name, w->name) != 0) {
        k++;
    }
    if (k == p->model->n_outputs) {
        cvg__parse_names(known, sizeof known, p->model->outputs,
                         p->model->n_outputs);
        return cvg__parse_fail(p, "unknown output '%s'; the model has %s",
                               w->name, known);
    }
    for (uint32_t i = 0; i < r->n_outputs; i++) {
        if (r->outputs[i].index == k) {
            return cvg__parse_fail(p, "output '%s' is asked for twice",
                                   w->name);
        }
    }
    r->outputs[r->n_outputs++] =
        (struct cvg__infer_output){.index = k,
                                   .binary = w->has_binary && w->binary,
                                   .said = w->has_binary};
    return true;
}

static bool read_output(struct cvg__parse *p)
{
    struct wanted w = {0};
    if (!cvg__parse_object(p, &w, output_key)) {
        return false;
    }
    return w.has_name ? add_output(p, &w)
                      : cvg__parse_fail(p, "an output has no name");
}

/* --- the whole ------------------------------------------------------------ */

struct seen {
    bool inputs, outputs;
};

static bool top_key(struct cvg__parse *p, const char *key, void *context)
{
    struct seen *seen = context;
    if (strcmp(key, "id") == 0) {
        return cvg__json_raw_string(&p->json, &p->infer->id);
    }
    if (strcmp(key, "parameters") == 0) {
        return cvg__parse_object(p, NULL, request_parameter_key);
    }
    if (strcmp(key, "inputs") == 0) {
        if (seen->inputs) {
            return cvg__parse_fail(p, "inputs are given twice");
        }
        seen->inputs = true;
        return array(p, "inputs", cvg__parse_input);
    }
    if (strcmp(key, "outputs") == 0) {
        if (seen->outputs) {
            return cvg__parse_fail(p, "outputs are given twice");
        }
        seen->outputs = true;
        return array(p, "outputs", read_output);
    }
    return cvg__json_skip(&p->json);
}

static bool settle_inputs(struct cvg__parse *p)
{
    struct cvg__infer *r = p->infer;
    for (size_t i = 0; i < p->model->n_inputs; i++) {
        const struct cvg_tensor_info *info = &p->model->inputs[i];
        if (!r->inputs[i].given) {
            return cvg__parse_fail(
                p, "input '%s' is missing (the model needs %zu)", info->name,
                p->model->n_inputs);
        }
        uint32_t rows = (uint32_t)r->inputs[i].tensor.dims[0];
        if (r->rows != 0 && rows != r->rows) {
            return cvg__parse_fail(p, "input '%s' has %u rows, the others %u",
                                   info->name, rows, r->rows);
        }
        r->rows = rows;
    }
    return true;
}

static bool settle_outputs(struct cvg__parse *p)
{
    struct cvg__infer *r = p->infer;
    r->all_outputs = r->n_outputs == 0;
    for (uint32_t k = 0; r->all_outputs && k < p->model->n_outputs; k++) {
        r->outputs[k] = (struct cvg__infer_output){.index = k};
    }
    if (r->all_outputs) {
        r->n_outputs = (uint32_t)p->model->n_outputs;
    }
    for (uint32_t i = 0; i < r->n_outputs; i++) {
        struct cvg__infer_output *out = &r->outputs[i];
        const struct cvg_tensor_info *info = &p->model->outputs[out->index];
        if (!out->said) {
            out->binary = r->binary_output;
        }
        if (!out->binary && !cvg__json_tensor_possible(info->type)) {
            return cvg__parse_fail(
                p,
                "output '%s' is %s, which only comes as binary data: "
                "ask for binary_data",
                info->name, cvg_type_name(info->type));
        }
    }
    return true;
}

static bool parse_json(struct cvg__parse *p)
{
    struct seen seen = {0};
    if (cvg__json_peek(&p->json) != CVG_JSON_OBJECT) {
        return cvg__json_fail(&p->json,
                              "the body must be a JSON object, got %s",
                              cvg__json_kind_name(cvg__json_peek(&p->json)));
    }
    if (!cvg__parse_object(p, &seen, top_key) || !cvg__json_finish(&p->json)) {
        return false;
    }
    if (!seen.inputs) {
        return cvg__parse_fail(p, "the request has no inputs");
    }
    if (p->blob_left != 0) {
        return cvg__parse_fail(p, "%zu bytes of binary data belong to no input",
                               p->blob_left);
    }
    return settle_inputs(p) && settle_outputs(p);
}

/* A raw body: what comes back is binary too. */
static bool parse_raw(struct cvg__parse *p)
{
    p->infer->binary_output = true;
    return cvg__parse_raw_input(p) && settle_inputs(p) && settle_outputs(p);
}

enum cvg_status cvg__infer_parse(struct cvg__infer *infer,
                                 const struct cvg_model_info *model,
                                 const struct cvg__oip_limits *limits,
                                 unsigned char *body, size_t size,
                                 int64_t header, struct cvg_error *err)
{
    struct cvg_error own;
    struct cvg__parse p = {.infer = infer,
                           .model = model,
                           .limits = limits,
                           .room = size,
                           .err = err != NULL ? err : &own};
    p.err->status = CVG_INVALID;
    cvg__infer_reset(infer);
    if (!make_room(infer, model)) {
        return cvg_fail(p.err, CVG_NOMEM, "no memory for a request");
    }
    infer->model = model;
    infer->n_inputs = model->n_inputs;
    if (header > (int64_t)size || header < CVG__HEADER_ABSENT) {
        return cvg_fail(p.err, CVG_INVALID,
                        "Inference-Header-Content-Length is %lld, but the "
                        "body has %zu bytes",
                        (long long)header, size);
    }
    size_t text = header == CVG__HEADER_ABSENT ? size : (size_t)header;
    p.blob = body + text;
    p.blob_left = size - text;
    cvg__json_init(&p.json, body, text, limits->json_depth, p.err);
    return (header == 0 ? parse_raw(&p) : parse_json(&p)) ? CVG_OK
                                                          : p.err->status;
}

/* Replies, judged. */
#include "load/answer.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* --- arg-max -------------------------------------------------------------- */

static double element(const char *type, const void *at)
{
#define READ(name, ctype)                                                      \
    if (strcmp(type, name) == 0) {                                             \
        ctype value;                                                           \
        memcpy(&value, at, sizeof value);                                      \
        return (double)value;                                                  \
    }
    READ("FP32", float)
    READ("FP64", double)
    READ("INT8", int8_t)
    READ("UINT8", uint8_t)
    READ("INT32", int32_t)
    READ("INT64", int64_t)
#undef READ
    return 0;
}

static size_t readable_bytes(const char *type)
{
    static const struct {
        const char *name;
        size_t bytes;
    } types[] = {{"FP32", 4},  {"FP64", 8},  {"INT8", 1},
                 {"UINT8", 1}, {"INT32", 4}, {"INT64", 8}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, type) == 0) {
            return types[i].bytes;
        }
    }
    return 0;
}

static int64_t best_of_bytes(const char *type, const char *at, size_t bytes)
{
    size_t step = readable_bytes(type);
    int64_t best = -1;
    double most = 0;
    for (size_t i = 0; step > 0 && i < bytes / step; i++) {
        double value = element(type, at + i * step);
        if (best < 0 || value > most) {
            best = (int64_t)i;
            most = value;
        }
    }
    return best;
}

static int64_t best_of_json(const json_t *data)
{
    int64_t best = -1;
    double most = 0;
    size_t i;
    const json_t *value;
    json_array_foreach(data, i, value)
    {
        double x = json_number_value(value);
        if (json_is_number(value) && (best < 0 || x > most)) {
            best = (int64_t)i;
            most = x;
        }
    }
    return best;
}

static int64_t best_of(const json_t *output, const struct cvg__http *reply)
{
    const json_t *size = json_object_get(json_object_get(output, "parameters"),
                                         "binary_data_size");
    const char *type = json_string_value(json_object_get(output, "datatype"));
    if (!json_is_integer(size)) {
        return best_of_json(json_object_get(output, "data"));
    }
    size_t header =
        (size_t)(reply->inference_header < 0 ? (int64_t)reply->content_length
                                             : reply->inference_header);
    json_int_t bytes = json_integer_value(size);
    if (type == NULL || bytes < 0 ||
        (size_t)bytes > reply->content_length - header) {
        return -1;
    }
    return best_of_bytes(type, reply->body + header, (size_t)bytes);
}

/* --- served --------------------------------------------------------------- */

static void failed(struct cvg__answer *a, const char *why)
{
    a->outcome = CVG_OUTCOME_FAILED;
    snprintf(a->error, sizeof a->error, "%s", why);
}

static void served(const struct cvg__http *reply, struct cvg__answer *a)
{
    json_error_t error;
    size_t bytes = reply->inference_header >= 0
                       ? (size_t)reply->inference_header
                       : reply->content_length;
    json_t *json = json_loadb(reply->body, bytes, 0, &error);
    const json_t *p = json_object_get(json, "parameters");
    const char *variant = json_string_value(json_object_get(p, "variant"));
    if (variant == NULL) {
        failed(a, json == NULL ? "the reply is no JSON"
                               : "the reply does not name a variant");
        json_decref(json);
        return;
    }
    a->outcome = CVG_OUTCOME_SERVED;
    snprintf(a->variant, sizeof a->variant, "%s", variant);
    json_int_t exit = json_integer_value(json_object_get(p, "exit"));
    a->exit = exit < 0 || exit >= CVG_MAX_EXITS ? 0 : (uint32_t)exit;
    a->accuracy = json_number_value(json_object_get(p, "accuracy"));
    a->energy_j = json_number_value(json_object_get(p, "energy_mj")) * 1e-3;
    const json_t *queued = json_object_get(p, "queue_us");
    a->queued =
        json_is_integer(queued) ? CVG_US(json_integer_value(queued)) : -1;
    a->best =
        best_of(json_array_get(json_object_get(json, "outputs"), 0), reply);
    json_decref(json);
}

/* --- not served ----------------------------------------------------------- */

static void read_error(const struct cvg__http *reply, struct cvg__answer *a)
{
    json_error_t error;
    json_t *json = json_loadb(reply->body, reply->content_length, 0, &error);
    const char *text = json_string_value(json_object_get(json, "error"));
    snprintf(a->error, sizeof a->error, "status %d: %s", reply->status,
             text == NULL ? "no text" : text);
    json_decref(json);
}

/* The server's text holds the reason's. */
static enum cvg_reason reason_in(const char *text, enum cvg_reason otherwise)
{
    for (int r = CVG_REASON_NONE + 1; r < CVG_REASONS; r++) {
        if (strstr(text, cvg_reason_text((enum cvg_reason)r)) != NULL) {
            return (enum cvg_reason)r;
        }
    }
    return otherwise;
}

void cvg__answer_read(const struct cvg__http *reply, struct cvg__answer *a)
{
    *a = (struct cvg__answer){.best = -1, .queued = -1};
    if (reply->status == 200) {
        served(reply, a);
        return;
    }
    read_error(reply, a);
    switch (reply->status) {
    case 429:
        a->outcome = CVG_OUTCOME_REJECTED;
        a->reason = reason_in(a->error, CVG_REASON_QUEUE_FULL);
        break;
    case 503:
        if (strstr(a->error, "draining") != NULL) {
            a->outcome = CVG_OUTCOME_REJECTED;
            a->reason = CVG_REASON_DRAINING;
            break;
        }
        a->outcome = CVG_OUTCOME_DROPPED;
        a->reason = reason_in(a->error, CVG_REASON_UNAVAILABLE);
        break;
    case 504:
        a->outcome = CVG_OUTCOME_DROPPED;
        a->reason = reason_in(a->error, CVG_REASON_DEADLINE);
        break;
    default:
        a->outcome = CVG_OUTCOME_FAILED;
        a->reason = reason_in(a->error, CVG_REASON_NONE);
    }
}

/* A box as far as its server tells of it. */
#include "load/load.h"

#include "load/get.h"
#include <stdlib.h>
#include <string.h>

#define OTHER "other" /* stands for variants that the server did not list */

static enum cvg_status no_memory(struct cvg_error *err)
{
    return cvg_fail(err, CVG_NOMEM, "out of memory for the server's apps");
}

static bool number_of(const json_t *slo, const char *key, double *out)
{
    const json_t *value = json_object_get(slo, key);
    *out = json_number_value(value);
    return json_is_number(value);
}

static struct cvg_slo read_slo(const json_t *json)
{
    struct cvg_slo slo = {0};
    double value;
    if (number_of(json, "deadline_us", &value)) {
        slo.declared |= 1U << CVG_SLO_DEADLINE;
        slo.deadline = (cvg_span)(value * 1e3);
    }
    if (number_of(json, "min_accuracy", &value)) {
        slo.declared |= 1U << CVG_SLO_ACCURACY;
        slo.accuracy = value;
    }
    if (number_of(json, "throughput_rps", &value)) {
        slo.declared |= 1U << CVG_SLO_THROUGHPUT;
        slo.throughput_rps = value;
    }
    if (number_of(json, "max_energy_mj", &value)) {
        slo.declared |= 1U << CVG_SLO_ENERGY;
        slo.energy_j = value * 1e-3;
    }
    return slo;
}

/* Index of the family, added if it is new; CVG_ANY: no memory. */
static uint32_t family_index(struct cvg_box *box, const char *name)
{
    uint32_t found = cvg_box_find_family(box, name);
    if (found != CVG_ANY) {
        return found;
    }
    struct cvg_family *families =
        realloc(box->families, (box->n_families + 1) * sizeof *box->families);
    if (families == NULL) {
        return CVG_ANY;
    }
    box->families = families;
    families[box->n_families] = (struct cvg_family){.name = strdup(name)};
    return (uint32_t)box->n_families++;
}

static enum cvg_status add_app(struct cvg_box *box, const json_t *json,
                               struct cvg_error *err)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *family = json_string_value(json_object_get(json, "family"));
    const char *over =
        json_string_value(json_object_get(json, "accuracy_over"));
    double weight = json_number_value(json_object_get(json, "weight"));
    if (name == NULL || family == NULL) {
        return cvg_fail(err, CVG_IO,
                        "GET /v1/apps: an app without name or family");
    }
    box->apps[box->n_apps++] = (struct cvg_app){
        .name = strdup(name),
        .family = family_index(box, family),
        .weight = weight > 0 ? weight : 1,
        .slo = read_slo(json_object_get(json, "slo")),
        .accuracy_over = over != NULL && strcmp(over, "window") == 0
                             ? CVG_ACCURACY_PER_WINDOW
                             : CVG_ACCURACY_PER_REQUEST,
        .built_in = json_is_true(json_object_get(json, "built_in"))};
    bool ok = box->apps[box->n_apps - 1].name != NULL &&
              box->apps[box->n_apps - 1].family != CVG_ANY;
    return ok ? CVG_OK : no_memory(err);
}

static enum cvg_status read_apps(struct cvg_box *box, const json_t *reply,
                                 struct cvg_error *err)
{
    const json_t *apps =
        json_is_array(reply) ? reply : json_object_get(reply, "apps");
    size_t n = json_array_size(apps);
    if (n == 0 || n > CVG_MAX_APPS) {
        return cvg_fail(err, CVG_IO,
                        "GET /v1/apps: %zu apps; is this a Convergo server?",
                        n);
    }
    box->apps = calloc(n, sizeof *box->apps);
    enum cvg_status status = box->apps == NULL ? no_memory(err) : CVG_OK;
    for (size_t i = 0; i < n && status == CVG_OK; i++) {
        status = add_app(box, json_array_get(apps, i), err);
    }
    return status;
}

/* All models that the server counts for; families among them do no harm. */
static enum cvg_status read_variants(struct cvg_box *box, const json_t *stats,
                                     struct cvg_error *err)
{
    const json_t *models = json_object_get(stats, "model_stats");
    size_t n = json_array_size(models);
    n = n < CVG_MAX_VARIANTS ? n : CVG_MAX_VARIANTS - 1;
    box->variants = calloc(n + 1, sizeof *box->variants);
    if (box->variants == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i <= n; i++) {
        const char *name = json_string_value(
            json_object_get(json_array_get(models, i), "name"));
        box->variants[i].name = strdup(i == n || name == NULL ? OTHER : name);
        box->variants[i].n_exits = 1;
        if (box->variants[i].name == NULL) {
            return no_memory(err);
        }
        box->n_variants++;
    }
    return CVG_OK;
}

static enum cvg_status fill(struct cvg_box *box,
                            const struct cvg_address *server,
                            struct cvg_error *err)
{
    json_t *reply = NULL;
    enum cvg_status status =
        cvg__get_json(server, "/v1/apps", CVG_S(10), &reply, err);
    if (status == CVG_OK) {
        status = read_apps(box, reply, err);
    }
    json_decref(reply);
    reply = NULL;
    if (status == CVG_OK) {
        struct cvg_error ignored; /* without names, all are "other" */
        (void)cvg__get_json(server, "/v2/models/stats", CVG_S(10), &reply,
                            &ignored);
        status = read_variants(box, reply, err);
    }
    json_decref(reply);
    return status;
}

enum cvg_status cvg_load_remote_box(const struct cvg_address *server,
                                    struct cvg_box **out, struct cvg_error *err)
{
    struct cvg_box *box = cvg_box_create();
    if (box == NULL) {
        return no_memory(err);
    }
    enum cvg_status status = fill(box, server, err);
    if (status != CVG_OK) {
        cvg_box_destroy(box);
        return status;
    }
    *out = box;
    return CVG_OK;
}

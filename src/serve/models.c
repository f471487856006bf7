/* What clients can name: families, and variants one by one. What a variant
 * takes and gives is read from the model itself; all variants of a family must
 * agree, for the choice between them is ours. */
#include "serve/server.h"

#include "serve/log.h"
#include <convergo/stats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Asks the devices that can run it, one after the other. */
static void describe(struct cvg__server *s, struct cvg__model *m)
{
    struct cvg_device_env env = cvg__drive_env(s);
    (void)snprintf(m->reason, sizeof m->reason,
                   "no device has a profile of it");
    for (uint32_t d = 0; d < s->box->n_devices && m->info == NULL; d++) {
        if (cvg_profile_max_batch(s->box->profile, m->variant, 0, 0, d) == 0) {
            continue;
        }
        struct cvg_error err = {.text = ""};
        if (s->devices[d].ops->describe(&env, d, m->variant, &m->own, &err) ==
            CVG_OK) {
            m->info = &m->own;
            (void)snprintf(m->version, sizeof m->version, "%u", m->own.version);
        } else {
            (void)snprintf(m->reason, sizeof m->reason, "%.255s", err.text);
        }
    }
    if (m->info == NULL) {
        cvg__log('E', "event=model_unreadable variant=%s error=\"%s\"", m->name,
                 m->reason);
    }
}

static bool same_tensors(const struct cvg_tensor_info *a, size_t n_a,
                         const struct cvg_tensor_info *b, size_t n_b)
{
    if (n_a != n_b) {
        return false;
    }
    for (size_t i = 0; i < n_a; i++) {
        if (strcmp(a[i].name, b[i].name) != 0 || a[i].type != b[i].type ||
            a[i].n_dims != b[i].n_dims ||
            memcmp(a[i].dims, b[i].dims, a[i].n_dims * sizeof a[i].dims[0]) !=
                0) {
            return false;
        }
    }
    return true;
}

static bool same_info(const struct cvg_model_info *a,
                      const struct cvg_model_info *b)
{
    return same_tensors(a->inputs, a->n_inputs, b->inputs, b->n_inputs) &&
           same_tensors(a->outputs, a->n_outputs, b->outputs, b->n_outputs);
}

static enum cvg_status join_family(struct cvg__server *s,
                                   struct cvg__model *family,
                                   struct cvg_error *err)
{
    const struct cvg_family *f = &s->box->families[family->family];
    const struct cvg__model *first = NULL;
    for (size_t i = 0; i < f->n_variants; i++) {
        const struct cvg__model *v =
            &s->models[s->box->n_families + f->variants[i]];
        if (v->info == NULL) {
            continue;
        }
        if (first != NULL && !same_info(first->info, v->info)) {
            return cvg_fail(err, CVG_CONFIG,
                            "family '%s': variants '%s' and '%s' differ in "
                            "their inputs or outputs; see their metadata",
                            f->name, first->name, v->name);
        }
        first = first != NULL ? first : v;
    }
    if (first != NULL) {
        family->info = first->info;
    } else {
        (void)snprintf(family->reason, sizeof family->reason,
                       "none of its variants can be read");
    }
    return CVG_OK;
}

/* The only application of the family, else the built-in one. */
static void find_app(struct cvg__server *s, uint32_t family)
{
    uint32_t own = CVG_ANY, built_in = CVG_ANY, n = 0;
    for (uint32_t a = 0; a < s->box->n_apps; a++) {
        if (s->box->apps[a].family == family) {
            if (s->box->apps[a].built_in) {
                built_in = a;
            } else {
                own = a;
                n++;
            }
        }
    }
    s->family_app[family] = n == 1 ? own : built_in;
}

static enum cvg_status allocate(struct cvg__server *s, struct cvg_error *err)
{
    s->n_models = s->box->n_families + s->box->n_variants;
    s->models = calloc(s->n_models, sizeof *s->models);
    s->family_app = calloc(s->box->n_families, sizeof *s->family_app);
    if (s->models == NULL || s->family_app == NULL) {
        return cvg_fail(err, CVG_NOMEM, "no memory for models");
    }
    return CVG_OK;
}

enum cvg_status cvg__models_open(struct cvg__server *s, struct cvg_error *err)
{
    const struct cvg_box *box = s->box;
    enum cvg_status status = allocate(s, err);
    size_t readable = 0;
    for (uint32_t v = 0; status == CVG_OK && v < box->n_variants; v++) {
        struct cvg__model *m = &s->models[box->n_families + v];
        m->name = box->variants[v].name;
        m->family = box->variants[v].family;
        m->variant = v;
        m->batches = calloc(CVG_MAX_BATCH + 1, sizeof *m->batches);
        (void)snprintf(m->version, sizeof m->version, "1");
        describe(s, m);
        readable += m->info != NULL;
        if (m->batches == NULL) {
            status = cvg_fail(err, CVG_NOMEM, "no memory for models");
        }
    }
    if (status == CVG_OK && readable == 0 && box->n_variants > 0) {
        return cvg_fail(err, CVG_DEVICE, "no model can be used; %s: %s",
                        s->models[box->n_families].name,
                        s->models[box->n_families].reason);
    }
    for (uint32_t f = 0; status == CVG_OK && f < box->n_families; f++) {
        struct cvg__model *m = &s->models[f];
        m->name = box->families[f].name;
        m->family = f;
        m->variant = CVG_ANY;
        (void)snprintf(m->version, sizeof m->version, "1");
        find_app(s, f);
        status = join_family(s, m, err);
    }
    return status;
}

void cvg__models_close(struct cvg__server *s)
{
    for (size_t i = 0; s->models != NULL && i < s->n_models; i++) {
        struct cvg__model *m = &s->models[i];
        if (m->info == &m->own) {
            cvg_model_info_free(&m->own);
        }
        free(m->batches);
    }
    free(s->models);
    free(s->family_app);
    s->models = NULL;
    s->family_app = NULL;
}

uint32_t cvg__model_find(const struct cvg__server *s, const char *name)
{
    uint32_t family = cvg_box_find_family(s->box, name);
    if (family != CVG_ANY) {
        return family;
    }
    uint32_t variant = cvg_box_find_variant(s->box, name);
    return variant == CVG_ANY ? CVG_ANY
                              : (uint32_t)s->box->n_families + variant;
}

/* --- readiness ------------------------------------------------------------ */

static bool variant_ready(const struct cvg__server *s, uint32_t v)
{
    for (uint32_t d = 0; d < s->box->n_devices; d++) {
        if (cvg__device_up(s, d) && cvg_engine_resident(s->engine, d, v)) {
            return true;
        }
    }
    return false;
}

bool cvg__model_ready(const struct cvg__server *s, uint32_t model)
{
    const struct cvg__model *m = &s->models[model];
    if (m->info == NULL || s->state == CVG__STARTING) {
        return false;
    }
    if (m->variant != CVG_ANY) {
        return variant_ready(s, m->variant);
    }
    const struct cvg_family *f = &s->box->families[m->family];
    for (size_t i = 0; i < f->n_variants; i++) {
        if (variant_ready(s, f->variants[i])) {
            return true;
        }
    }
    return false;
}

static bool all_well(const struct cvg__server *s)
{
    for (uint32_t d = 0; d < s->box->n_devices; d++) {
        if (!cvg__device_up(s, d)) {
            return false;
        }
    }
    return s->load_errors == 0 && !s->device_errors;
}

bool cvg__server_ready(const struct cvg__server *s)
{
    if (s->state != CVG__SERVING) {
        return false;
    }
    for (uint32_t f = 0; f < s->box->n_families; f++) {
        if (!cvg__model_ready(s, f)) {
            return false;
        }
    }
    return !s->options->strict_readiness || all_well(s);
}

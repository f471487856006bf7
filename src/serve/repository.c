/* The model repository: what there is, and an operator's load and unload,
 * which are answered when they are done. */
#include "serve/handlers.h"

#include "serve/server.h"
#include <string.h>

#define PATIENCE CVG_S(60)

static const char *state_of(const struct cvg__server *s, uint32_t model,
                            const char **reason)
{
    const struct cvg__model *m = &s->models[model];
    *reason = "";
    if (m->info == NULL) {
        *reason = m->reason;
        return "UNAVAILABLE";
    }
    if (cvg__model_ready(s, model)) {
        return "READY";
    }
    *reason = s->state == CVG__STARTING ? "loading" : "not loaded";
    return "UNAVAILABLE";
}

void cvg__handle_repository_index(struct cvg__server *s, struct cvg__call *call)
{
    struct cvg_text *t = &call->text;
    cvg__text_str(t, "[");
    for (uint32_t i = 0; i < s->n_models; i++) {
        const char *reason;
        const char *state = state_of(s, i, &reason);
        cvg__text_str(t, i > 0 ? ",{\"name\":" : "{\"name\":");
        cvg__text_json(t, s->models[i].name);
        cvg__text_str(t, ",\"version\":");
        cvg__text_json(t, s->models[i].version);
        cvg__text_str(t, ",\"state\":");
        cvg__text_json(t, state);
        cvg__text_str(t, ",\"reason\":");
        cvg__text_json(t, reason);
        cvg__text_str(t, "}");
    }
    cvg__text_str(t, "]");
    cvg__call_reply(call, 200, "application/json");
}

/* Does a device hold the variant; or, `in_part`, is it at least on its way in
 * or out of one? */
static bool anywhere(const struct cvg__server *s, uint32_t v, bool in_part)
{
    for (uint32_t d = 0; d < s->box->n_devices; d++) {
        enum cvg_residency is = cvg_engine_residency(s->engine, d, v);
        if (in_part ? is != CVG_ABSENT : is == CVG_RESIDENT) {
            return true;
        }
    }
    return false;
}

/* Calls `each` for the variants that the model stands for. */
static void each_variant(struct cvg__server *s, uint32_t model,
                         void (*each)(struct cvg__server *s, uint32_t variant,
                                      void *context),
                         void *context)
{
    const struct cvg__model *m = &s->models[model];
    if (m->variant != CVG_ANY) {
        each(s, m->variant, context);
        return;
    }
    const struct cvg_family *f = &s->box->families[m->family];
    for (size_t i = 0; i < f->n_variants; i++) {
        each(s, f->variants[i], context);
    }
}

static void count_loaded(struct cvg__server *s, uint32_t variant, void *context)
{
    *(size_t *)context += anywhere(s, variant, false);
}

static void count_left(struct cvg__server *s, uint32_t variant, void *context)
{
    *(size_t *)context += anywhere(s, variant, true);
}

static void want(struct cvg__server *s, uint32_t variant, void *context)
{
    cvg__drive(
        s, &(struct cvg_event){.type = CVG_EV_MODEL,
                               .model = {.variant = variant,
                                         .wanted = *(const bool *)context}});
}

/* Loaded somewhere (a family: one of its variants); unloaded everywhere. */
static bool is_done(struct cvg__server *s, const struct cvg__call *call)
{
    size_t n = 0;
    bool wanted = call->repository.wanted;
    each_variant(s, call->repository.model, wanted ? count_loaded : count_left,
                 &n);
    return wanted ? n > 0 : n == 0;
}

static void answer(struct cvg__call *call)
{
    call->text.len = 0; /* 200, empty */
    cvg__call_reply(call, 200, "application/json");
}

static void change(struct cvg__server *s, struct cvg__call *call, bool wanted)
{
    uint32_t index = cvg__named_model(s, call);
    if (index == CVG_ANY) {
        return;
    }
    if (s->state != CVG__SERVING) {
        cvg__call_error(call, 503, "the server is not ready");
        return;
    }
    if (wanted && s->models[index].info == NULL) {
        cvg__call_error(call, 400, "model '%s' cannot be loaded: %s",
                        s->models[index].name, s->models[index].reason);
        return;
    }
    call->repository.model = index;
    call->repository.wanted = wanted;
    call->repository.until = cvg__now() + PATIENCE;
    call->repository.failures = s->load_failures;
    each_variant(s, index, want, &wanted);
    if (is_done(s, call)) {
        answer(call);
        return;
    }
    call->repository.waits = true;
    call->next = s->waiters;
    s->waiters = call;
}

void cvg__handle_load(struct cvg__server *s, struct cvg__call *call)
{
    change(s, call, true);
}

void cvg__handle_unload(struct cvg__server *s, struct cvg__call *call)
{
    change(s, call, false);
}

void cvg__repository_forget(struct cvg__call *call)
{
    if (!call->repository.waits) {
        return;
    }
    struct cvg__call **at = &call->server->waiters;
    while (*at != call) {
        at = &(*at)->next;
    }
    *at = call->next;
    call->next = NULL;
    call->repository.waits = false;
}

void cvg__repository_check(struct cvg__server *s)
{
    struct cvg__call *next;
    cvg_time now = cvg__now();
    for (struct cvg__call *call = s->waiters; call != NULL; call = next) {
        next = call->next;
        uint32_t model = call->repository.model;
        bool failed = call->repository.wanted && s->loads_pending == 0 &&
                      call->repository.failures < s->load_failures;
        if (is_done(s, call)) {
            cvg__repository_forget(call);
            answer(call);
        } else if (failed || now >= call->repository.until) {
            cvg__repository_forget(call);
            cvg__call_error(call, 500, "model '%s' could not be %s: %s",
                            s->models[model].name,
                            call->repository.wanted ? "loaded" : "unloaded",
                            failed ? s->load_error
                                   : "it takes longer than a minute");
        }
    }
}

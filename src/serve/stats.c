/* Statistics in the form that clients of Triton know (perf_analyzer reads
 * them). A family counts what was asked of it, a variant what it answered. */
#include "serve/handlers.h"

#include "serve/server.h"

static void write_duration(struct cvg_text *t, const char *name,
                           const struct cvg__duration *d)
{
    cvg__text_format(t, "\"%s\":{\"count\":%llu,\"ns\":%llu}", name,
                     (unsigned long long)(d != NULL ? d->count : 0),
                     (unsigned long long)(d != NULL ? d->ns : 0));
}

static void write_batches(struct cvg_text *t, const struct cvg__model *m)
{
    bool first = true;
    cvg__text_str(t, "\"batch_stats\":[");
    for (unsigned n = 1; m->batches != NULL && n <= CVG_MAX_BATCH; n++) {
        if (m->batches[n].count == 0) {
            continue;
        }
        cvg__text_format(t, "%s{\"batch_size\":%u,", first ? "" : ",", n);
        write_duration(t, "compute_input", NULL);
        cvg__text_str(t, ",");
        write_duration(t, "compute_infer", &m->batches[n]);
        cvg__text_str(t, ",");
        write_duration(t, "compute_output", NULL);
        cvg__text_str(t, "}");
        first = false;
    }
    cvg__text_str(t, "]");
}

static void write_model(struct cvg_text *t, const struct cvg__model *m)
{
    const struct {
        const char *name;
        const struct cvg__duration *duration;
    } durations[] = {
        {"success", &m->success},     {"fail", &m->fail},
        {"queue", &m->queue},         {"compute_input", NULL},
        {"compute_infer", &m->infer}, {"compute_output", NULL},
        {"cache_hit", NULL},          {"cache_miss", NULL},
    };
    cvg__text_str(t, "{\"name\":");
    cvg__text_json(t, m->name);
    cvg__text_str(t, ",\"version\":");
    cvg__text_json(t, m->version);
    cvg__text_format(t,
                     ",\"last_inference\":%llu,\"inference_count\":%llu,"
                     "\"execution_count\":%llu,\"inference_stats\":{",
                     (unsigned long long)m->last_ms,
                     (unsigned long long)m->inferences,
                     (unsigned long long)m->executions);
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        cvg__text_str(t, i > 0 ? "," : "");
        write_duration(t, durations[i].name, durations[i].duration);
    }
    cvg__text_str(t, "},");
    write_batches(t, m);
    cvg__text_str(t, ",\"memory_usage\":[]}");
}

/* A family's batches are those of its variants. */
static uint64_t executions_of(const struct cvg__server *s,
                              const struct cvg__model *m)
{
    if (m->variant != CVG_ANY) {
        return m->executions;
    }
    const struct cvg_family *f = &s->box->families[m->family];
    uint64_t sum = 0;
    for (size_t i = 0; i < f->n_variants; i++) {
        sum += s->models[s->box->n_families + f->variants[i]].executions;
    }
    return sum;
}

void cvg__handle_stats(struct cvg__server *s, struct cvg__call *call)
{
    uint32_t from = 0, to = (uint32_t)s->n_models;
    if (call->model[0] != '\0') {
        from = cvg__named_model(s, call);
        if (from == CVG_ANY) {
            return;
        }
        to = from + 1;
    }
    cvg__text_str(&call->text, "{\"model_stats\":[");
    for (uint32_t i = from; i < to; i++) {
        struct cvg__model m = s->models[i];
        m.executions = executions_of(s, &s->models[i]);
        cvg__text_str(&call->text, i > from ? "," : "");
        write_model(&call->text, &m);
    }
    cvg__text_str(&call->text, "]}");
    cvg__call_reply(call, 200, "application/json");
}

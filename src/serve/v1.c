/* Our own: applications, devices, the run so far, and why a request went the
 * way it did, as JSON and in words. */
#include "serve/handlers.h"

#include "base/units.h"
#include "report/report.h"
#include "serve/server.h"
#include <convergo/condition.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reply_json(struct cvg__call *call, json_t *json)
{
    char *text = json != NULL
                     ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(12))
                     : NULL;
    json_decref(json);
    if (text == NULL) {
        cvg__call_error(call, 500, "no memory for the answer");
        return;
    }
    cvg__text_str(&call->text, text);
    free(text);
    cvg__call_reply(call, 200, "application/json");
}

static json_t *ms_of(cvg_span span)
{
    return json_real((double)span / 1e6);
}

static void set(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value);
}

/* --- applications --------------------------------------------------------- */

static json_t *slo_json(const struct cvg_slo *slo)
{
    json_t *out = json_object();
    if (cvg_slo_has(slo, CVG_SLO_DEADLINE)) {
        set(out, "deadline_us", json_integer(slo->deadline / 1000));
    }
    if (cvg_slo_has(slo, CVG_SLO_ACCURACY)) {
        set(out, "min_accuracy", json_real(slo->accuracy));
    }
    if (cvg_slo_has(slo, CVG_SLO_THROUGHPUT)) {
        set(out, "throughput_rps", json_real(slo->throughput_rps));
    }
    if (cvg_slo_has(slo, CVG_SLO_ENERGY)) {
        set(out, "max_energy_mj", json_real(slo->energy_j * 1e3));
    }
    return out;
}

static json_t *conditions_json(const struct cvg_conditions *set)
{
    return set != NULL ? json_string(set->text) : json_null();
}

static json_t *kinds_json(uint32_t kinds)
{
    json_t *out = json_array();
    for (unsigned k = 0; k < CVG_SLO_KINDS; k++) {
        if ((kinds >> k & 1U) != 0) {
            (void)json_array_append_new(
                out, json_string(cvg_slo_kind_name((enum cvg_slo_kind)k)));
        }
    }
    return out;
}

static json_t *counts_json(const struct cvg_counts *c)
{
    json_t *out = json_object();
    set(out, "offered", json_integer((json_int_t)c->offered));
    set(out, "served", json_integer((json_int_t)c->served));
    set(out, "on_time", json_integer((json_int_t)c->on_time));
    set(out, "late", json_integer((json_int_t)c->late));
    set(out, "dropped", json_integer((json_int_t)c->dropped));
    set(out, "rejected", json_integer((json_int_t)c->rejected));
    set(out, "failed", json_integer((json_int_t)c->failed));
    set(out, "cancelled", json_integer((json_int_t)c->cancelled));
    return out;
}

static json_t *share(uint64_t met, uint64_t offered)
{
    return offered > 0 ? json_real((double)met / (double)offered) : json_null();
}

static json_t *met_json(const struct cvg_slo *slo,
                        const struct cvg_slo_counts *c)
{
    json_t *out = json_object();
    for (unsigned k = 0; k < CVG_SLO_KINDS; k++) {
        if ((slo->declared >> k & 1U) != 0) {
            set(out, cvg_slo_kind_name((enum cvg_slo_kind)k),
                share(c->met[k], c->offered[k]));
        }
    }
    if (slo->declared != 0) {
        set(out, "joint", share(c->joint_met, c->joint_offered));
    }
    return out;
}

static json_t *app_json(struct cvg__server *s, uint32_t a)
{
    const struct cvg_app *app = cvg_engine_app(s->engine, a);
    const struct cvg_app_stats *stats = &cvg_engine_stats(s->engine)->apps[a];
    json_t *out = json_object();
    set(out, "name", json_string(app->name));
    set(out, "family", json_string(s->box->families[app->family].name));
    set(out, "built_in", json_boolean(app->built_in));
    set(out, "weight", json_real(app->weight));
    set(out, "slo", slo_json(&app->slo));
    set(out, "conditions", conditions_json(app->conditions));
    set(out, "objective", json_string(cvg_objective_name(app->objective)));
    json_t *relax = json_array();
    for (size_t i = 0; i < app->n_relax; i++) {
        (void)json_array_append_new(
            relax, json_string(cvg_slo_kind_name(app->relax[i])));
    }
    set(out, "relax", relax);
    set(out, "queue_limit", json_integer(app->queue_limit));
    set(out, "waiting",
        json_integer((json_int_t)cvg_engine_waiting(s->engine, a)));
    set(out, "requests", counts_json(&stats->counts));
    set(out, "met", met_json(&app->slo, &stats->slo));
    return out;
}

void cvg__handle_apps(struct cvg__server *s, struct cvg__call *call)
{
    json_t *apps = json_array();
    for (uint32_t a = 0; a < s->box->n_apps; a++) {
        (void)json_array_append_new(apps, app_json(s, a));
    }
    reply_json(call, json_pack("{s:o}", "apps", apps));
}

void cvg__reply_app(struct cvg__server *s, struct cvg__call *call, uint32_t a)
{
    reply_json(call, app_json(s, a));
}

/* --- devices -------------------------------------------------------------- */

static struct cvg_run run_so_far(struct cvg__server *s)
{
    cvg_span elapsed = cvg__now() - s->began;
    return (struct cvg_run){.mode = "live",
                            .policy = s->policy_text,
                            .parts = &s->policy,
                            .load = 1,
                            .seed = s->options->seed,
                            .duration = elapsed,
                            .elapsed = elapsed,
                            .box = s->box,
                            .stats = cvg_engine_stats(s->engine),
                            .decision = s->decision,
                            .bound_joint = -1,
                            .bound_joint_weighted = -1};
}

double cvg__device_energy(struct cvg__server *s, uint32_t d)
{
    struct cvg_run run = run_so_far(s);
    return cvg_report_device_energy(&run, d);
}

static json_t *device_json(struct cvg__server *s, uint32_t d)
{
    const struct cvg_device *device = &s->box->devices[d];
    const struct cvg_device_stats *x = &cvg_engine_stats(s->engine)->devices[d];
    json_t *out = json_object();
    set(out, "name", json_string(device->name));
    set(out, "kind", json_string(cvg_device_kind_name(device->kind)));
    set(out, "backend", json_string(device->backend));
    set(out, "emulated", json_boolean(device->emulated));
    if (device->emulated) {
        set(out, "profile", json_string(device->profile));
    }
    set(out, "units", json_integer(device->units));
    set(out, "in_flight", json_integer(device->in_flight));
    set(out, "up", json_boolean(cvg__device_up(s, d)));
    set(out, "slowdown", json_real(x->slowdown));
    set(out, "batches", json_integer((json_int_t)x->batches));
    set(out, "items", json_integer((json_int_t)x->items));
    set(out, "failures", json_integer((json_int_t)x->failures));
    set(out, "switches", json_integer((json_int_t)x->switches));
    set(out, "loads", json_integer((json_int_t)x->loads));
    set(out, "busy_s", json_real((double)x->busy / 1e9));
    set(out, "energy_j", json_real(cvg__device_energy(s, d)));
    json_t *loaded = json_array();
    for (uint32_t v = 0; v < s->box->n_variants; v++) {
        if (cvg_engine_resident(s->engine, d, v)) {
            (void)json_array_append_new(loaded,
                                        json_string(s->box->variants[v].name));
        }
    }
    set(out, "loaded", loaded);
    return out;
}

void cvg__handle_devices(struct cvg__server *s, struct cvg__call *call)
{
    json_t *devices = json_array();
    for (uint32_t d = 0; d < s->box->n_devices; d++) {
        (void)json_array_append_new(devices, device_json(s, d));
    }
    reply_json(call, json_pack("{s:o}", "devices", devices));
}

/* --- the report ----------------------------------------------------------- */

void cvg__handle_report(struct cvg__server *s, struct cvg__call *call)
{
    struct cvg_run run = run_so_far(s);
    reply_json(call, cvg_report_json(&run));
}

/* --- one request ---------------------------------------------------------- */

static void set_number(json_t *object, const char *key, double x)
{
    set(object, key, isfinite(x) ? json_real(x) : json_null());
}

static void set_since(json_t *object, const char *key, cvg_time from,
                      cvg_time at)
{
    set(object, key, at == CVG_NEVER ? json_null() : ms_of(at - from));
}

static json_t *asked_json(const struct cvg__server *s,
                          const struct cvg_request *r)
{
    json_t *out = json_object();
    set(out, "variant",
        r->variant == CVG_ANY ? json_null()
                              : json_string(s->box->variants[r->variant].name));
    set_since(out, "deadline_ms", r->arrival, r->deadline);
    set_since(out, "timeout_ms", r->arrival, r->expires);
    set_number(out, "min_accuracy", r->min_accuracy);
    set_number(out, "max_energy_mj", r->max_energy_j * 1e3);
    set(out, "priority", json_integer(r->priority));
    if (r->conditions != NULL) { /* of who has ended nothing is known */
        set(out, "conditions", conditions_json(r->conditions));
    }
    return out;
}

static json_t *chosen_json(const struct cvg__server *s,
                           const struct cvg_explanation *why)
{
    if (why->variant == CVG_ANY || why->device == CVG_ANY) {
        return json_null();
    }
    json_t *out = json_object();
    set(out, "variant", json_string(s->box->variants[why->variant].name));
    set(out, "exit", json_integer(why->exit));
    set(out, "device", json_string(s->box->devices[why->device].name));
    set(out, "emulated", json_boolean(s->box->devices[why->device].emulated));
    set(out, "unit", json_integer(why->unit));
    set(out, "batch", json_integer(why->batch_size));
    set(out, "accuracy", json_real(why->accuracy));
    set(out, "energy_mj", json_real(why->energy_j * 1e3));
    set(out, "binding", kinds_json(why->binding));
    return out;
}

static void say(struct cvg_text *t, cvg_span span)
{
    char text[32];
    cvg_format_span(text, sizeof text, span);
    cvg__text_str(t, text);
}

static void say_start(const struct cvg__server *s, struct cvg_text *t,
                      const struct cvg_explanation *why)
{
    if (why->started == CVG_NEVER || why->variant == CVG_ANY) {
        cvg__text_str(t, "It was never started. ");
        return;
    }
    cvg__text_str(t, "After ");
    say(t, why->started - why->request.arrival);
    cvg__text_format(t, " it was started with %s on %s%s in a batch of %u",
                     s->box->variants[why->variant].name,
                     s->box->devices[why->device].name,
                     s->box->devices[why->device].emulated ? " (emulated)" : "",
                     why->batch_size);
    cvg__text_format(t, ", %u of its application waiting", why->waiting);
    if (why->predicted != CVG_NEVER) {
        cvg__text_str(t, "; it was to take ");
        say(t, why->predicted - why->started);
    }
    if (why->ended && why->finished != CVG_NEVER) {
        cvg__text_str(t, " and took ");
        say(t, why->finished - why->started);
    }
    cvg__text_str(t, ". ");
    for (unsigned k = 0; k < CVG_SLO_KINDS; k++) {
        if ((why->binding >> k & 1U) != 0) {
            cvg__text_format(t, "Its bound on %s ruled other ways out. ",
                             cvg_slo_kind_name((enum cvg_slo_kind)k));
        }
        if ((why->request.relaxed >> k & 1U) != 0) {
            cvg__text_format(t, "Its %s gave way. ",
                             cvg_slo_kind_name((enum cvg_slo_kind)k));
        }
    }
}

/* Only what was served was in time; of the others it says where the deadline
 * was. */
static void say_deadline(struct cvg_text *t, const struct cvg_explanation *why)
{
    cvg_time deadline = why->request.deadline;
    bool late = why->finished > deadline;
    bool served = why->outcome == CVG_OUTCOME_SERVED;
    if (deadline == CVG_NEVER) {
        return;
    }
    cvg__text_str(t, served && late ? ", late by "
                     : served       ? ", in time by "
                                    : ", ");
    say(t, late ? why->finished - deadline : deadline - why->finished);
    if (!served) {
        cvg__text_str(t, late ? " after its deadline" : " before its deadline");
    }
}

/* The same for a person: one paragraph. */
static void say_all(const struct cvg__server *s, struct cvg_text *t,
                    const struct cvg_explanation *why)
{
    const struct cvg_request *r = &why->request;
    cvg__text_format(t, "Request %llu of application %s. ",
                     (unsigned long long)r->id, s->box->apps[r->app].name);
    say_start(s, t, why);
    if (!why->ended) {
        cvg__text_str(t, "It has not ended.");
        return;
    }
    cvg__text_format(t, "It was %s", cvg_outcome_name(why->outcome));
    if (why->reason != CVG_REASON_NONE) {
        cvg__text_format(t, ": %s", cvg_reason_text(why->reason));
    }
    if (why->finished != CVG_NEVER) {
        cvg__text_str(t, ", ");
        say(t, why->finished - r->arrival);
        cvg__text_str(t, " after it arrived");
        say_deadline(t, why);
    }
    cvg__text_str(t, ".");
}

static json_t *explanation_json(const struct cvg__server *s,
                                const struct cvg_explanation *why)
{
    const struct cvg_request *r = &why->request;
    struct cvg_text words = {0};
    char id[24];
    json_t *out = json_object();
    (void)snprintf(id, sizeof id, "%llu", (unsigned long long)r->id);
    set(out, "request_id", json_string(id));
    set(out, "app", json_string(s->box->apps[r->app].name));
    set(out, "ended", json_boolean(why->ended));
    set(out, "outcome",
        why->ended ? json_string(cvg_outcome_name(why->outcome)) : json_null());
    set(out, "reason",
        why->reason == CVG_REASON_NONE
            ? json_null()
            : json_string(cvg_reason_name(why->reason)));
    set(out, "asked", asked_json(s, r));
    set(out, "chosen", chosen_json(s, why));
    set(out, "relaxed", kinds_json(r->relaxed));
    set(out, "attempts", json_integer(why->attempts));
    set(out, "waiting", json_integer(why->waiting));
    set_since(out, "started_ms", r->arrival, why->started);
    set_since(out, "predicted_ms", r->arrival, why->predicted);
    set_since(out, "finished_ms", r->arrival, why->finished);
    say_all(s, &words, why);
    set(out, "text", json_stringn(words.data, words.len));
    cvg__text_fini(&words);
    return out;
}

bool cvg__request_id(struct cvg__call *call, uint64_t *out)
{
    size_t digits = strspn(call->item, "0123456789");
    if (digits == 0 || digits > 19 || call->item[digits] != '\0') {
        cvg__call_error(call, 400,
                        "a request's id is a number, or while it lives the "
                        "`id` that its client gave it, got '%s'",
                        call->item);
        return false;
    }
    *out = strtoull(call->item, NULL, 10);
    return true;
}

void cvg__handle_explain(struct cvg__server *s, struct cvg__call *call)
{
    struct cvg_explanation why;
    uint64_t id;
    if (!cvg__request_id(call, &id)) {
        return;
    }
    if (cvg_engine_explain(s->engine, id, &why) != CVG_OK) {
        cvg__call_error(call, 404,
                        "request %s is not known, or ended too long ago",
                        call->item);
        return;
    }
    reply_json(call, explanation_json(s, &why));
}

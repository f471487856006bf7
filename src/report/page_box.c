/* A box and a workload as JSON, in the units that people read. */
#include "report/page_box.h"

static json_t *seconds(cvg_span span)
{
    return json_real((double)span * 1e-9);
}

/* Kinds that are not declared are left out. */
static json_t *slo_json(const struct cvg_slo *slo)
{
    json_t *json = json_object();
    if (cvg_slo_has(slo, CVG_SLO_DEADLINE)) {
        json_object_set_new(json, "deadline_ms",
                            json_real((double)slo->deadline * 1e-6));
    }
    if (cvg_slo_has(slo, CVG_SLO_ACCURACY)) {
        json_object_set_new(json, "accuracy", json_real(slo->accuracy));
    }
    if (cvg_slo_has(slo, CVG_SLO_THROUGHPUT)) {
        json_object_set_new(json, "throughput_rps",
                            json_real(slo->throughput_rps));
    }
    if (cvg_slo_has(slo, CVG_SLO_ENERGY)) {
        json_object_set_new(json, "energy_mj", json_real(1e3 * slo->energy_j));
    }
    return json;
}

static json_t *device_json(const struct cvg_device *d)
{
    json_t *sources = json_array();
    for (size_t i = 0; i < d->n_sources; i++) {
        json_array_append_new(sources, json_string(d->sources[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:i, s:o}", "name", d->name,
                     "kind", cvg_device_kind_name(d->kind), "backend",
                     d->backend, "profile", d->profile, "emulated", d->emulated,
                     "units", (int)d->units, "sources", sources);
}

static json_t *app_json(const struct cvg_box *box, const struct cvg_app *app)
{
    return json_pack("{s:s, s:s, s:f, s:o}", "name", app->name, "family",
                     box->families[app->family].name, "weight", app->weight,
                     "slo", slo_json(&app->slo));
}

static json_t *variant_json(const struct cvg_variant *v)
{
    return json_pack("{s:s, s:f}", "name", v->name, "accuracy",
                     v->accuracy[v->n_exits - 1]);
}

void cvg__page_add_box(json_t *page, const struct cvg_box *box)
{
    json_t *devices = json_array(), *apps = json_array();
    json_t *variants = json_array();
    for (size_t i = 0; i < box->n_devices; i++) {
        json_array_append_new(devices, device_json(&box->devices[i]));
    }
    for (size_t i = 0; i < box->n_apps; i++) {
        json_array_append_new(apps, app_json(box, &box->apps[i]));
    }
    for (size_t i = 0; i < box->n_variants; i++) {
        json_array_append_new(variants, variant_json(&box->variants[i]));
    }
    json_object_set_new(
        page, "box", box->path == NULL ? json_null() : json_string(box->path));
    json_object_set_new(page, "devices", devices);
    json_object_set_new(page, "apps", apps);
    json_object_set_new(page, "variants", variants);
}

static json_t *event_json(const struct cvg_workload_event *e,
                          const struct cvg_box *box)
{
    json_t *json = json_pack("{s:o}", "at_s", seconds(e->at));
    if (e->type == CVG_WORKLOAD_SLO || e->type == CVG_WORKLOAD_RATE) {
        json_object_set_new(json, "app", json_string(box->apps[e->app].name));
    } else {
        json_object_set_new(json, "device",
                            json_string(box->devices[e->device].name));
        if (e->length != CVG_NEVER) {
            json_object_set_new(json, "for_s", seconds(e->length));
        }
    }
    switch (e->type) {
    case CVG_WORKLOAD_DEVICE_DOWN:
        json_object_set_new(json, "kind", json_string("down"));
        break;
    case CVG_WORKLOAD_DEVICE_UP:
        json_object_set_new(json, "kind", json_string("up"));
        break;
    case CVG_WORKLOAD_SLOWDOWN:
        json_object_set_new(json, "kind", json_string("slowdown"));
        json_object_set_new(json, "factor", json_real(e->factor));
        break;
    case CVG_WORKLOAD_SLO:
        json_object_set_new(json, "kind", json_string("slo"));
        json_object_set_new(json, "slo", slo_json(&e->slo));
        break;
    case CVG_WORKLOAD_RATE:
        json_object_set_new(json, "kind", json_string("rate"));
        json_object_set_new(json, "rate_rps", json_real(e->rate_rps));
        break;
    }
    return json;
}

void cvg__page_add_workload(json_t *page, const struct cvg_workload *w,
                            const struct cvg_box *box)
{
    json_t *events = json_array();
    for (size_t i = 0; i < w->n_events; i++) {
        json_array_append_new(events, event_json(&w->events[i], box));
    }
    json_object_set_new(page, "workload",
                        w->path == NULL ? json_null() : json_string(w->path));
    json_object_set_new(page, "events", events);
}

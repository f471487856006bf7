/* A plan as JSON (DESIGN.md section 6: convergo.plan/1). */
#include "cli/plan.h"

#include <math.h>

static void set(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value);
}

/* Six digits after the point are more than any of it is known to. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(round(x * 1e6) / 1e6) : json_null();
}

/* Negative and infinite: there is none. */
static json_t *if_any(double x, double scale)
{
    return x >= 0 ? number(x * scale) : json_null();
}

static json_t *bound_json(double joint, double joint_weighted)
{
    json_t *out = json_object();
    set(out, "joint", if_any(joint, 1));
    set(out, "joint_weighted", if_any(joint_weighted, 1));
    return out;
}

static json_t *device_name(const struct cvg__planned *p, uint32_t device)
{
    return device == CVG_ANY ? json_null()
                             : json_string(p->box->devices[device].name);
}

/* --- apps and devices ----------------------------------------------------- */

static json_t *share_json(const struct cvg__planned *p,
                          const struct cvg_share *s)
{
    json_t *out = json_object();
    set(out, "device", device_name(p, s->flow.device));
    set(out, "unit", s->unit == CVG_ANY ? json_null() : json_integer(s->unit));
    set(out, "variant", json_string(p->box->variants[s->flow.variant].name));
    set(out, "exit", json_integer(s->flow.exit));
    set(out, "batch", json_integer(s->served.batch));
    set(out, "rate", number(s->flow.rate_rps));
    set(out, "switch_chance", number(s->response.switch_chance));
    set(out, "mean_ms", number(1e3 * s->response.mean_s));
    return out;
}

static json_t *app_json(const struct cvg__planned *p, uint32_t app)
{
    const struct cvg_piece *piece = &p->pieces.items[p->worst];
    const struct cvg_slo *slo = &piece->slos[app];
    json_t *out = json_object(), *times = json_object(), *shares = json_array();
    double margin = NAN;
    (void)cvg__planned_margin(p, app, &margin);
    set(out, "name", json_string(p->box->apps[app].name));
    set(out, "rate_rps", number(piece->rates_rps[app]));
    set(times, "mean", if_any(p->forecast.apps[app].mean_s, 1e3));
    set(times, "p95", if_any(p->forecast.apps[app].p95_s, 1e3));
    set(out, "predicted_ms", times);
    set(out, "slo_ms",
        cvg_slo_has(slo, CVG_SLO_DEADLINE)
            ? number(1e-6 * (double)slo->deadline)
            : json_null());
    set(out, "margin", number(margin));
    set(out, "headroom", if_any(p->forecast.apps[app].headroom, 1));
    for (size_t i = 0; i < p->forecast.n_shares; i++) {
        if (p->forecast.shares[i].flow.app == app) {
            (void)json_array_append_new(shares,
                                        share_json(p, &p->forecast.shares[i]));
        }
    }
    set(out, "shares", shares);
    return out;
}

static json_t *apps_json(const struct cvg__planned *p)
{
    json_t *out = json_array();
    for (uint32_t a = 0; a < p->box->n_apps; a++) {
        if (!p->box->apps[a].built_in) {
            (void)json_array_append_new(out, app_json(p, a));
        }
    }
    return out;
}

static json_t *devices_json(const struct cvg__planned *p)
{
    json_t *out = json_array();
    for (uint32_t d = 0; d < p->box->n_devices; d++) {
        json_t *device = json_object();
        set(device, "name", device_name(p, d));
        set(device, "emulated", json_boolean(p->box->devices[d].emulated));
        set(device, "rho", number(p->forecast.devices[d].rho));
        set(device, "price", number(p->forecast.devices[d].price));
        (void)json_array_append_new(out, device);
    }
    return out;
}

/* --- what breaks ---------------------------------------------------------- */

static json_t *nearest_json(const struct cvg_would_do *n)
{
    json_t *out = json_object();
    if (n->known[CVG_SLO_DEADLINE]) {
        set(out, "deadline_ms", number(1e-6 * (double)n->deadline));
    }
    if (n->known[CVG_SLO_ACCURACY]) {
        set(out, "accuracy", number(n->accuracy));
    }
    if (n->known[CVG_SLO_THROUGHPUT]) {
        set(out, "throughput_rps", number(n->throughput_rps));
    }
    if (n->known[CVG_SLO_ENERGY]) {
        set(out, "energy_mj", number(1e3 * n->energy_j));
    }
    return out;
}

static json_t *breaks_json(const struct cvg__planned *p,
                           const struct cvg_break *breaks, size_t n,
                           bool with_kind)
{
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *b = json_object();
        set(b, "app", json_string(p->box->apps[breaks[i].app].name));
        if (with_kind) {
            set(b, "kind", json_string(cvg_slo_kind_name(breaks[i].kind)));
        }
        set(b, "nearest", nearest_json(&breaks[i].nearest));
        (void)json_array_append_new(out, b);
    }
    return out;
}

/* --- all ------------------------------------------------------------------ */

static json_t *outlook_json(const struct cvg_outlook *o)
{
    json_t *out = json_object();
    set(out, "feasible", json_boolean(o->fits));
    set(out, "bound", bound_json(o->joint, o->joint_weighted));
    set(out, "load", number(o->factor));
    return out;
}

static json_t *pieces_json(const struct cvg__planned *p)
{
    json_t *out = json_array();
    for (size_t i = 0; i < p->pieces.n; i++) {
        json_t *piece = outlook_json(&p->outlooks[i]);
        set(piece, "from_s", number(1e-9 * (double)p->pieces.items[i].from));
        set(piece, "until_s", number(1e-9 * (double)p->pieces.items[i].until));
        set(piece, "worst", json_boolean(i == p->worst));
        (void)json_array_append_new(out, piece);
    }
    return out;
}

static json_t *notes_json(const struct cvg__planned *p)
{
    json_t *out = json_array();
    for (size_t i = 0; cvg__plan_note(p, i) != NULL; i++) {
        (void)json_array_append_new(out, json_string(cvg__plan_note(p, i)));
    }
    return out;
}

json_t *cvg__plan_json(const struct cvg__planned *p)
{
    const struct cvg_forecast *f = &p->forecast;
    json_t *out = json_object(), *one = json_object();
    set(out, "schema", json_string("convergo.plan/1"));
    set(out, "model", json_string(cvg_predict_model_name(p->model)));
    set(out, "feasible", json_boolean(p->fits));
    set(out, "verdict", json_string(cvg__planned_verdict(p)));
    set(out, "bound", bound_json(p->joint, p->joint_weighted));
    set(out, "load", number(f->outlook.factor));
    set(one, "factor", number(f->load_one.factor));
    set(one, "exact", json_boolean(f->load_one.exact));
    set(one, "left_out", json_integer(f->load_one.left_out));
    set(out, "load_one", one);
    set(out, "binding", device_name(p, f->outlook.binding));
    set(out, "apps", apps_json(p));
    set(out, "devices", devices_json(p));
    set(out, "breaks", breaks_json(p, f->breaks, f->n_breaks, true));
    set(out, "reliefs", breaks_json(p, f->reliefs, f->n_reliefs, false));
    set(out, "pieces", pieces_json(p));
    set(out, "peak", p->has_peak ? outlook_json(&p->peak) : json_null());
    set(out, "notes", notes_json(p));
    return out;
}

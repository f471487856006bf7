/* The fluid program of one moment: what each app's requests should run on. */
#include <convergo/fluid.h>

#include "optimize/columns.h"
#include "optimize/lp.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NO_FLOW 1e-9 /* requests a second */

struct program {
    const struct cvg_fluid_demand *demand;
    const struct cvg_box *box;
    const struct cvg_app *apps;
    struct cvg__columns columns;
    struct cvg__lp lp;
    int app_row[CVG_MAX_APPS]; /* negative: it asks for nothing */
    int mean_row[CVG_MAX_APPS];
    int device_row[CVG_MAX_DEVICES];
};

static double slowdown_of(const struct program *p, uint32_t device)
{
    return p->demand->slowdown == NULL ? 1 : p->demand->slowdown[device];
}

static double weight_of(const struct program *p, uint32_t app)
{
    return p->demand->weighted ? p->apps[app].weight : 1;
}

/* --- the program ---------------------------------------------------------- */

static struct cvg__wish wish_of(const struct program *p, uint32_t app)
{
    const struct cvg_app *a = &p->apps[app];
    double share = p->demand->deadline_share;
    return (struct cvg__wish){
        .box = p->box,
        .enabled = p->demand->enabled,
        .app = app,
        .family = a->family,
        .accuracy_over = a->accuracy_over,
        .slo = a->slo,
        .latest_ns = cvg_slo_has(&a->slo, CVG_SLO_DEADLINE)
                         ? (double)a->slo.deadline * (share > 0 ? share : 1)
                         : INFINITY,
    };
}

static bool add_app(struct program *p, uint32_t app)
{
    struct cvg__wish wish = wish_of(p, app);
    p->app_row[app] = -1;
    if (wish.slo.declared == 0) {
        return true;
    }
    p->app_row[app] = cvg__lp_row(&p->lp, -INFINITY, p->demand->rates_rps[app]);
    p->mean_row[app] =
        cvg__wish_of_mean(&wish) ? cvg__lp_row(&p->lp, 0, INFINITY) : -1;
    for (uint32_t d = 0; d < p->box->n_devices; d++) {
        if (!cvg__columns_add(&p->columns, &wish, d, slowdown_of(p, d))) {
            return false;
        }
    }
    return true;
}

static void add_column(struct program *p, const struct cvg__column *c)
{
    double time_s = c->time_s * slowdown_of(p, c->device);
    cvg__lp_column(&p->lp, weight_of(p, c->app) * c->value, time_s);
    cvg__lp_element(&p->lp, p->app_row[c->app], 1);
    cvg__lp_element(&p->lp, p->device_row[c->device], time_s);
    if (p->mean_row[c->app] >= 0 && c->gain != 0) {
        cvg__lp_element(&p->lp, p->mean_row[c->app], c->gain);
    }
}

static bool build(struct program *p)
{
    for (uint32_t d = 0; d < p->box->n_devices; d++) {
        p->device_row[d] =
            cvg__lp_row(&p->lp, -INFINITY, p->box->devices[d].units);
    }
    for (uint32_t a = 0; a < p->box->n_apps; a++) {
        if (!add_app(p, a)) {
            return false;
        }
    }
    for (size_t i = 0; i < p->columns.n; i++) {
        add_column(p, &p->columns.items[i]);
    }
    return true;
}

/* --- the answer ----------------------------------------------------------- */

static int by_app_and_device(const void *x, const void *y)
{
    const struct cvg_flow *a = x;
    const struct cvg_flow *b = y;
    const uint32_t p[] = {a->app, a->device, a->variant, a->exit, a->batch};
    const uint32_t q[] = {b->app, b->device, b->variant, b->exit, b->batch};
    for (int i = 0; i < 5; i++) {
        if (p[i] != q[i]) {
            return p[i] < q[i] ? -1 : 1;
        }
    }
    return 0;
}

static void take_flow(const struct program *p, size_t i, struct cvg_fluid *out)
{
    const struct cvg__column *c = &p->columns.items[i];
    double rate_rps = p->lp.x[i];
    if (rate_rps <= NO_FLOW) {
        return;
    }
    out->met_rps[c->app] += c->value * rate_rps;
    out->busy[c->device] += rate_rps * c->time_s * slowdown_of(p, c->device) /
                            p->box->devices[c->device].units;
    if (out->n_flows < CVG_MAX_FLOWS) { /* it is: a basic solution */
        out->flows[out->n_flows++] = (struct cvg_flow){
            .app = c->app,
            .variant = c->variant,
            .exit = c->exit,
            .device = c->device,
            .batch = c->batch,
            .rate_rps = rate_rps,
        };
    }
}

static double not_negative(double x)
{
    return x > 0 ? x : 0; /* -0 becomes 0, too */
}

static void answer(const struct program *p, struct cvg_fluid *out)
{
    double offered = 0, met = 0;
    for (size_t i = 0; i < p->columns.n; i++) {
        take_flow(p, i, out);
    }
    qsort(out->flows, out->n_flows, sizeof *out->flows, by_app_and_device);
    for (uint32_t a = 0; a < p->box->n_apps; a++) {
        if (p->app_row[a] >= 0) {
            offered += weight_of(p, a) * p->demand->rates_rps[a];
            met += weight_of(p, a) * out->met_rps[a];
            out->worth[a] = not_negative(p->lp.dual[p->app_row[a]]);
        }
    }
    for (uint32_t d = 0; d < p->box->n_devices; d++) {
        out->price[d] = not_negative(p->lp.dual[p->device_row[d]]);
        out->busy[d] = fmin(out->busy[d], 1);
    }
    out->joint = offered > 0 ? fmin(met / offered, 1) : -1;
}

enum cvg_status cvg_fluid_solve(const struct cvg_fluid_demand *demand,
                                struct cvg_fluid *out, struct cvg_error *err)
{
    /* Every byte is set: answers are compared and recorded as bytes. */
    memset(out, 0, sizeof *out);
    struct program *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for the fluid bound");
    }
    p->demand = demand;
    p->box = demand->box;
    p->apps = demand->apps != NULL ? demand->apps : demand->box->apps;
    enum cvg_status status =
        build(p)
            ? cvg__lp_solve(&p->lp, err)
            : cvg_fail(err, CVG_NOMEM, "out of memory for the fluid bound");
    if (status == CVG_OK) {
        answer(p, out);
    }
    cvg__columns_fini(&p->columns);
    cvg__lp_fini(&p->lp);
    free(p);
    return status;
}

/* The highest load that can be held, and what units hold at it.
 *
 * x[way] is a share of its app's rate, f the factor on all rates:
 *
 *     maximise    f
 *     subject to  sum of x over the ways of an app = f
 *                 sum of rate * time * x on a unit <= 1
 *                 and on a unit that pays for changes, with z[variant] 0 or 1:
 *                 sum of rate * time * x of a variant <= z[variant]
 *                 sum of the cache that the variants need * z <= 1
 *
 * Devices without such cost are one row with all their units. */
#include "optimize/fit.h"

#include "optimize/columns.h"
#include "optimize/lp.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct place { /* of a column of the program */
    size_t way;
    uint32_t unit;
};

struct program {
    const struct cvg_fluid_demand *demand;
    const struct cvg_box *box;
    const struct cvg_app *apps;
    struct cvg__columns columns;
    struct cvg__lp lp;
    uint32_t grows; /* the app whose rate f is on; CVG_ANY: all */
    bool costs;     /* of equally good answers the one that takes least time */
    int factor;     /* column f */
    int app_row[CVG_MAX_APPS]; /* negative: left out, or asks for nothing */
    int mean_row[CVG_MAX_APPS];
    int device_row[CVG_MAX_DEVICES];
    bool *only;           /* [n_variants], scratch */
    double *whole;        /* [columns of lp]: 1: 0 or 1, 0: any number */
    struct place *places; /* [n_places] of the columns that are ways */
    size_t n_places, max_places;
    uint32_t n_met, left_out; /* apps */
    bool is_left_out[CVG_MAX_APPS];
};

/* --- ways ----------------------------------------------------------------- */

static double slowdown_of(const struct program *p, uint32_t device)
{
    return p->demand->slowdown == NULL ? 1 : p->demand->slowdown[device];
}

static bool is_enabled(const struct program *p, uint32_t variant)
{
    return p->demand->enabled == NULL || p->demand->enabled[variant];
}

/* Does it take time to change the variant? */
static bool pays(const struct cvg_box *box, uint32_t device)
{
    for (uint32_t v = 0; v < box->n_variants; v++) {
        if (cvg_box_can_run(box, device, v) &&
            cvg_box_switch_time(box, device, v) > 0) {
            return true;
        }
    }
    return false;
}

/* The share of a unit's cache that the variant needs. */
static double need(const struct cvg_box *box, uint32_t device, uint32_t variant)
{
    const struct cvg_device *d = &box->devices[device];
    if (!d->has_cache || d->cache_bytes == 0) {
        return 1;
    }
    return (double)cvg_box_cache_need(box, device, variant) /
           (double)d->cache_bytes;
}

static struct cvg__wish wish_of(const struct program *p, uint32_t app)
{
    const struct cvg_app *a = &p->apps[app];
    return (struct cvg__wish){
        .box = p->box,
        .enabled = p->only,
        .app = app,
        .family = a->family,
        .accuracy_over = a->accuracy_over,
        .slo = a->slo,
        .latest_ns = cvg_slo_has(&a->slo, CVG_SLO_DEADLINE)
                         ? (double)a->slo.deadline
                         : INFINITY,
        .certain = true,
    };
}

/* Each variant by itself: which of them a unit holds is the question. */
static bool add_ways(struct program *p, uint32_t app)
{
    struct cvg__wish wish = wish_of(p, app);
    const struct cvg_family *f = &p->box->families[wish.family];
    for (uint32_t d = 0; d < p->box->n_devices; d++) {
        for (size_t i = 0; i < f->n_variants; i++) {
            uint32_t v = f->variants[i];
            p->only[v] = is_enabled(p, v);
            bool added =
                cvg__columns_add(&p->columns, &wish, d, slowdown_of(p, d));
            p->only[v] = false;
            if (!added) {
                return false;
            }
        }
    }
    return true;
}

/* Only ways by which a request is met. Is there one that is good enough? */
static bool keep_met(struct program *p, size_t from)
{
    size_t kept = from;
    bool enough = false;
    for (size_t i = from; i < p->columns.n; i++) {
        if (p->columns.items[i].value > 0) {
            p->columns.items[kept++] = p->columns.items[i];
            enough = enough || p->columns.items[i].gain >= -1e-12;
        }
    }
    p->columns.n = enough ? kept : from;
    return enough;
}

static bool find_ways(struct program *p)
{
    for (uint32_t a = 0; a < p->box->n_apps; a++) {
        size_t from = p->columns.n;
        p->app_row[a] = -1;
        if (p->apps[a].slo.declared == 0) {
            continue;
        }
        if (!add_ways(p, a)) {
            return false;
        }
        if (!keep_met(p, from)) {
            p->left_out++;
            p->is_left_out[a] = true;
            continue;
        }
        p->n_met++;
        p->app_row[a] = 0;
        if (p->demand->rates_rps[a] <= 0) {
            p->app_row[a] = -1; /* any factor is met */
            p->columns.n = from;
        }
    }
    return true;
}

/* --- the program ---------------------------------------------------------- */

static void add_rows(struct program *p)
{
    p->factor = cvg__lp_column(&p->lp, 1, 0);
    for (uint32_t a = 0; a < p->box->n_apps; a++) {
        if (p->app_row[a] >= 0) {
            double own = p->grows == CVG_ANY || p->grows == a ? 0 : 1;
            p->app_row[a] = cvg__lp_row(&p->lp, own, own);
            p->mean_row[a] = cvg__lp_row(&p->lp, 0, INFINITY);
            if (own == 0) {
                cvg__lp_element(&p->lp, p->app_row[a], -1);
            }
        }
    }
}

static void note_place(struct program *p, const struct cvg__column *c,
                       uint32_t unit)
{
    if (p->n_places == p->max_places) {
        size_t max = p->max_places == 0 ? 256 : 2 * p->max_places;
        struct place *more = realloc(p->places, max * sizeof *more);
        if (more == NULL) {
            p->lp.failed = true;
            return;
        }
        p->places = more;
        p->max_places = max;
    }
    p->places[p->n_places++] =
        (struct place){.way = (size_t)(c - p->columns.items), .unit = unit};
}

static void begin_way(struct program *p, const struct cvg__column *c,
                      uint32_t unit, double cost)
{
    note_place(p, c, unit);
    cvg__lp_column(&p->lp, 0, cost);
    cvg__lp_element(&p->lp, p->app_row[c->app], 1);
    if (c->gain != 0) {
        cvg__lp_element(&p->lp, p->mean_row[c->app], c->gain);
    }
}

static double load_of(const struct program *p, const struct cvg__column *c)
{
    return p->demand->rates_rps[c->app] * c->time_s * slowdown_of(p, c->device);
}

static void add_way(struct program *p, const struct cvg__column *c,
                    uint32_t unit, int row)
{
    begin_way(p, c, unit, p->costs ? load_of(p, c) : 0);
    cvg__lp_element(&p->lp, row, load_of(p, c));
}

/* --- whole numbers -------------------------------------------------------- */

/* One unit of a device that pays: what it holds, and the ways it has then. */
static void add_unit(struct program *p, uint32_t device, uint32_t number)
{
    int unit = cvg__lp_row(&p->lp, -INFINITY, 1);
    int cache = cvg__lp_row(&p->lp, -INFINITY, 1);
    for (uint32_t v = 0; v < p->box->n_variants; v++) {
        int held = -1;
        for (size_t i = 0; i < p->columns.n; i++) {
            const struct cvg__column *c = &p->columns.items[i];
            if (c->device != device || c->variant != v) {
                continue;
            }
            if (held < 0) {
                held = cvg__lp_row(&p->lp, -INFINITY, 0);
                cvg__lp_column(&p->lp, 0, 0);
                cvg__lp_element(&p->lp, held, -1);
                cvg__lp_element(&p->lp, cache, need(p->box, device, v));
            }
            add_way(p, c, number, unit);
            cvg__lp_element(&p->lp, held, load_of(p, c));
        }
    }
}

static void add_device(struct program *p, uint32_t device)
{
    uint32_t units = p->box->devices[device].units;
    if (pays(p->box, device)) {
        for (uint32_t u = 0; u < units; u++) {
            add_unit(p, device, u);
        }
        return;
    }
    int row = cvg__lp_row(&p->lp, -INFINITY, units);
    for (size_t i = 0; i < p->columns.n; i++) {
        if (p->columns.items[i].device == device) {
            add_way(p, &p->columns.items[i], CVG_ANY, row);
        }
    }
}

/* The columns that begin with a -1 are z: all but the first, which is f. */
static bool mark_whole(struct program *p)
{
    p->whole = calloc(p->lp.n_columns + 1, sizeof *p->whole);
    for (size_t i = 1; p->whole != NULL && i < p->lp.n_columns; i++) {
        p->whole[i] = p->lp.elements[p->lp.starts[i]] == -1 ? 1 : 0;
    }
    return p->whole != NULL && !p->lp.failed;
}

/* Nodes of branch and bound. */
#define MOST_NODES 2000U

static enum cvg_status no_memory(struct cvg_error *err)
{
    return cvg_fail(err, CVG_NOMEM, "out of memory for the load that is held");
}

static enum cvg_status solve_held(struct program *p, bool *exact,
                                  struct cvg_error *err)
{
    add_rows(p);
    for (uint32_t d = 0; d < p->box->n_devices; d++) {
        add_device(p, d);
    }
    if (p->lp.failed || !mark_whole(p)) {
        return no_memory(err);
    }
    const struct cvg__whole whole = {.most = p->whole, .nodes = MOST_NODES};
    return cvg__lp_solve_whole(&p->lp, &whole, exact, err);
}

/* --- creating ------------------------------------------------------------- */

static void destroy(struct program *p)
{
    if (p == NULL) {
        return;
    }
    cvg__columns_fini(&p->columns);
    cvg__lp_fini(&p->lp);
    free(p->only);
    free(p->whole);
    free(p->places);
    free(p);
}

static struct program *create(const struct cvg_fluid_demand *demand)
{
    struct program *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    size_t n = demand->box->n_variants;
    p->demand = demand;
    p->box = demand->box;
    p->grows = CVG_ANY;
    p->apps = demand->apps != NULL ? demand->apps : demand->box->apps;
    p->only = calloc(n + 1, sizeof *p->only);
    if (p->only == NULL || !find_ways(p)) {
        destroy(p);
        return NULL;
    }
    return p;
}

/* As if changing variants cost nothing. */
static enum cvg_status solve_free(struct program *p, struct cvg_error *err)
{
    cvg__lp_fini(&p->lp);
    p->n_places = 0;
    add_rows(p);
    for (uint32_t d = 0; d < p->box->n_devices; d++) {
        p->device_row[d] =
            cvg__lp_row(&p->lp, -INFINITY, p->box->devices[d].units);
    }
    for (size_t i = 0; i < p->columns.n; i++) {
        const struct cvg__column *c = &p->columns.items[i];
        add_way(p, c, CVG_ANY, p->device_row[c->device]);
    }
    return cvg__lp_solve(&p->lp, err);
}

/* --- a fit ---------------------------------------------------------------- */

#define NO_FLOW 1e-9 /* share of its app's rate */

void cvg_fit_fini(struct cvg_fit *fit)
{
    free(fit->flows);
    fit->flows = NULL;
    fit->n_flows = 0;
}

/* The columns of ways stand in the order of their places; between them may be
 * those of f and z, which have no element in a row of an app and 1 there. */
static bool take_flows(const struct program *p, struct cvg_fit *out)
{
    size_t place = 0;
    out->flows = calloc(p->n_places + 1, sizeof *out->flows);
    for (size_t i = 1; out->flows != NULL && i < p->lp.n_columns; i++) {
        if (p->lp.elements[p->lp.starts[i]] == -1) {
            continue; /* z */
        }
        const struct place *at = &p->places[place++];
        const struct cvg__column *c = &p->columns.items[at->way];
        if (p->lp.x[i] > NO_FLOW) {
            out->flows[out->n_flows++] = (struct cvg_fit_flow){
                .flow = {.app = c->app,
                         .variant = c->variant,
                         .exit = c->exit,
                         .device = c->device,
                         .batch = c->batch,
                         .rate_rps = p->lp.x[i] * p->demand->rates_rps[c->app]},
                .unit = at->unit,
            };
        }
    }
    return out->flows != NULL;
}

static enum cvg_status take_fit(const struct program *p, enum cvg_fit_how how,
                                struct cvg_fit *out, struct cvg_error *err)
{
    out->factor = p->lp.objective;
    for (uint32_t d = 0; d < p->box->n_devices && how == CVG_FIT_FREE; d++) {
        out->price[d] = fmax(p->lp.dual[p->device_row[d]], 0);
    }
    return take_flows(p, out) ? CVG_OK : no_memory(err);
}

enum cvg_status cvg_fit(const struct cvg_fluid_demand *demand,
                        enum cvg_fit_how how, uint32_t grows,
                        struct cvg_fit *out, struct cvg_error *err)
{
    struct program *p = create(demand);
    *out = (struct cvg_fit){.factor = INFINITY, .exact = true};
    if (p == NULL) {
        return no_memory(err);
    }
    out->left_out = p->left_out;
    memcpy(out->is_left_out, p->is_left_out, sizeof out->is_left_out);
    p->grows = grows;
    p->costs = how == CVG_FIT_FREE;
    enum cvg_status status = CVG_OK;
    bool grows_at_all = grows == CVG_ANY || p->app_row[grows] >= 0;
    if (p->columns.n > 0 && grows_at_all) {
        status = how == CVG_FIT_FREE ? solve_free(p, err)
                                     : solve_held(p, &out->exact, err);
        status = status == CVG_OK ? take_fit(p, how, out, err) : status;
    } else if (p->n_met == 0 && p->left_out > 0) {
        out->factor = 0;
    }
    destroy(p);
    return status;
}

enum cvg_status cvg_load_one(const struct cvg_fluid_demand *demand,
                             struct cvg_load_one *out, struct cvg_error *err)
{
    struct cvg_fit fit;
    enum cvg_status status = cvg_fit(demand, CVG_FIT_HELD, CVG_ANY, &fit, err);
    if (status == CVG_OK) {
        *out = (struct cvg_load_one){
            .factor = fit.factor, .exact = fit.exact, .left_out = fit.left_out};
        cvg_fit_fini(&fit);
    }
    return status;
}

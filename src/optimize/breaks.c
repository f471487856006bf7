/* What breaks where not all fits, and the nearest bounds that would do.
 *
 * A looser bound never makes anything worse, so the nearest one is found by
 * halving, each try a linear program. What is named is rounded to four digits
 * to the looser side and has been tried. Apps that cannot be met even alone
 * are set aside for all others: nothing these do would help them. */
#include "optimize/forecast.h"

#include "optimize/fit.h"
#include <math.h>
#include <stdlib.h>

#define ENOUGH (1 - 1e-9)
#define MOST_RELIEFS 8U
#define CERTAIN 0.989 /* of an app's requests: less than that breaks it */

struct question {
    struct cvg_fluid_demand demand;
    const struct cvg_outlook *outlook;
    struct cvg_app apps[CVG_MAX_APPS]; /* as asked in this try */
    const struct cvg_app *asked;       /* as the user does */
    uint32_t app;                      /* whose bound is looked for */
    enum cvg_status status;            /* of what went wrong in a try */
    struct cvg_error *err;
};

/* --- tries ---------------------------------------------------------------- */

/* Apps that break by themselves ask for nothing while another is looked at. */
static void ask(struct question *q)
{
    for (uint32_t a = 0; a < q->demand.box->n_apps; a++) {
        q->apps[a] = q->asked[a];
        if (q->outlook->is_left_out[a] && a != q->app) {
            q->apps[a].slo.declared = 0;
        }
    }
}

static bool fits(struct question *q)
{
    struct cvg_fit fit;
    if (q->status != CVG_OK) {
        return false;
    }
    q->status = cvg_fit(&q->demand, CVG_FIT_FREE, CVG_ANY, &fit, q->err);
    if (q->status != CVG_OK) {
        return false;
    }
    bool enough = fit.left_out == 0 && fit.factor >= ENOUGH;
    cvg_fit_fini(&fit);
    return enough;
}

static void set(struct question *q, enum cvg_slo_kind kind, double value)
{
    struct cvg_slo *slo = &q->apps[q->app].slo;
    if (kind == CVG_SLO_DEADLINE) {
        slo->deadline = (cvg_span)value;
    } else if (kind == CVG_SLO_ACCURACY) {
        slo->accuracy = value;
    } else {
        slo->energy_j = value;
    }
}

static double get(const struct cvg_slo *slo, enum cvg_slo_kind kind)
{
    return kind == CVG_SLO_DEADLINE   ? (double)slo->deadline
           : kind == CVG_SLO_ACCURACY ? slo->accuracy
                                      : slo->energy_j;
}

static bool fits_with(struct question *q, enum cvg_slo_kind kind, double value)
{
    ask(q);
    set(q, kind, value);
    return fits(q);
}

/* --- rounding ------------------------------------------------------------- */

/* To four digits, up or down. What is that already, but for the last bits,
 * stays. */
static double round_to(double value, bool up)
{
    double unit = pow(10, floor(log10(value)) - 3);
    double n = value / unit;
    return (up ? ceil(n - 1e-9) : floor(n + 1e-9)) * unit;
}

/* --- the nearest value ---------------------------------------------------- */

#define PRECISE 1e-5
#define LONGEST 3.6e15 /* an hour, ns: nobody waits longer for capacity */
#define MOST_ENERGY 1e6

/* The value in four digits, to the stricter side if that will do: halving stops
 * a little to the looser one. */
static bool round_value(struct question *q, enum cvg_slo_kind kind,
                        double value, bool up, double *out)
{
    *out = value > 0 ? round_to(value, !up) : 0;
    if (!fits_with(q, kind, *out)) {
        *out = value > 0 ? round_to(value, up) : 0;
    }
    return fits_with(q, kind, *out);
}

/* A bound from above: deadline, energy. False: none would do. */
static bool least_above(struct question *q, enum cvg_slo_kind kind, double *out)
{
    double low = get(&q->asked[q->app].slo, kind), high = low;
    double most = kind == CVG_SLO_DEADLINE ? LONGEST : MOST_ENERGY;
    if (!fits_with(q, kind, most)) {
        return false;
    }
    do {
        low = high;
        high = fmax(2 * high, 1e-9);
    } while (high < most && !fits_with(q, kind, high));
    while (high > low * (1 + PRECISE) && q->status == CVG_OK) {
        double middle = sqrt(fmax(low, high * 1e-3) * high);
        *(fits_with(q, kind, middle) ? &high : &low) = middle;
    }
    return round_value(q, kind, high, true, out);
}

/* A bound from below: accuracy. */
static bool most_below(struct question *q, enum cvg_slo_kind kind, double *out)
{
    double high = get(&q->asked[q->app].slo, kind), low = 0;
    if (!fits_with(q, kind, low)) {
        return false;
    }
    while (high - low > PRECISE && q->status == CVG_OK) {
        double middle = (low + high) / 2;
        *(fits_with(q, kind, middle) ? &low : &high) = middle;
    }
    return round_value(q, kind, low, false, out);
}

/* Of its rate: what one program says. */
static bool most_of_rate(struct question *q, double *out)
{
    struct cvg_fit fit;
    ask(q);
    if (q->outlook->is_left_out[q->app] ||
        cvg_fit(&q->demand, CVG_FIT_FREE, q->app, &fit, q->err) != CVG_OK) {
        return false; /* the others are too much by themselves */
    }
    double rate = fit.factor * q->demand.rates_rps[q->app];
    cvg_fit_fini(&fit);
    *out = rate > 1e-6 && rate < INFINITY ? round_to(rate, false) : 0;
    return *out > 0;
}

static bool find_nearest(struct question *q, uint32_t app,
                         struct cvg_would_do *out)
{
    const struct cvg_slo *slo = &q->asked[app].slo;
    double value;
    bool any = false;
    q->app = app;
    *out = (struct cvg_would_do){.accuracy = 0};
    for (int k = 0; k < CVG_SLO_KINDS; k++) {
        enum cvg_slo_kind kind = (enum cvg_slo_kind)k;
        if (kind == CVG_SLO_THROUGHPUT) {
            out->known[k] = most_of_rate(q, &out->throughput_rps);
        } else if (cvg_slo_has(slo, kind) && kind == CVG_SLO_ACCURACY) {
            out->known[k] = most_below(q, kind, &out->accuracy);
        } else if (cvg_slo_has(slo, kind)) {
            out->known[k] = least_above(q, kind, &value);
            if (out->known[k] && kind == CVG_SLO_DEADLINE) {
                out->deadline = (cvg_span)value;
            } else if (out->known[k]) {
                out->energy_j = value;
            }
        }
        any = any || out->known[k];
    }
    return any;
}

/* --- who breaks ----------------------------------------------------------- */

static double met_of(const struct question *q, uint32_t app)
{
    double rate = q->demand.rates_rps[app];
    return rate > 0 ? q->outlook->met_rps[app] / rate : 1;
}

static bool asks(const struct question *q, uint32_t app)
{
    return q->asked[app].slo.declared != 0;
}

/* Of those that have no room, what the bound by weight gives up: the least met
 * if it is certain of none. */
static bool breaks(const struct question *q, uint32_t app)
{
    double least = 1;
    if (q->outlook->is_left_out[app] || !asks(q, app)) {
        return q->outlook->is_left_out[app];
    }
    if (q->outlook->factor >= ENOUGH) {
        return false;
    }
    for (uint32_t a = 0; a < q->demand.box->n_apps; a++) {
        if (asks(q, a) && !q->outlook->is_left_out[a]) {
            least = fmin(least, met_of(q, a));
        }
    }
    return met_of(q, app) <= fmax(least, CERTAIN);
}

static const enum cvg_slo_kind by_itself[] = {
    CVG_SLO_DEADLINE, CVG_SLO_ACCURACY, CVG_SLO_ENERGY, CVG_SLO_THROUGHPUT};
static const enum cvg_slo_kind by_room[] = {
    CVG_SLO_THROUGHPUT, CVG_SLO_DEADLINE, CVG_SLO_ACCURACY, CVG_SLO_ENERGY};

/* The kind by which it breaks: of one that cannot be met even alone the bound
 * that would do if it were looser; of one without room what is missed first. */
static enum cvg_slo_kind kind_of(const struct question *q, uint32_t app,
                                 const struct cvg_would_do *nearest)
{
    const struct cvg_slo *slo = &q->asked[app].slo;
    bool alone = q->outlook->is_left_out[app];
    const enum cvg_slo_kind *kinds = alone ? by_itself : by_room;
    for (int i = 0; i < CVG_SLO_KINDS && alone; i++) {
        if (nearest->known[kinds[i]]) {
            return kinds[i];
        }
    }
    for (int i = 0; i < CVG_SLO_KINDS; i++) {
        if (cvg_slo_has(slo, kinds[i])) {
            return kinds[i];
        }
    }
    return CVG_SLO_DEADLINE;
}

static void find_all(struct question *q, struct cvg_forecast *out)
{
    for (uint32_t a = 0; a < q->demand.box->n_apps; a++) {
        struct cvg_break b = {.app = a};
        bool broken = breaks(q, a);
        if (!asks(q, a) || (!broken && (out->n_reliefs == MOST_RELIEFS ||
                                        q->outlook->factor >= ENOUGH))) {
            continue;
        }
        bool any = find_nearest(q, a, &b.nearest);
        b.kind = kind_of(q, a, &b.nearest);
        if (broken) {
            out->breaks[out->n_breaks++] = b;
        } else if (any) {
            out->reliefs[out->n_reliefs++] = b;
        }
    }
}

enum cvg_status cvg__find_breaks(const struct cvg_fluid_demand *demand,
                                 struct cvg_forecast *out,
                                 struct cvg_error *err)
{
    struct question *q = calloc(1, sizeof *q);
    size_t n = demand->box->n_apps + 1;
    out->breaks = calloc(n, sizeof *out->breaks);
    out->reliefs = calloc(n, sizeof *out->reliefs);
    enum cvg_status status = CVG_NOMEM;
    if (q != NULL && out->breaks != NULL && out->reliefs != NULL) {
        q->demand = *demand;
        q->demand.apps = q->apps;
        q->outlook = &out->outlook;
        q->asked = demand->apps;
        q->err = err;
        find_all(q, out);
        status = q->status;
    } else {
        (void)cvg_fail(err, status, "out of memory for what breaks");
    }
    free(q);
    return status;
}

/* The shares of a forecast, and how long answers take with them. */
#include "optimize/forecast.h"

#include "optimize/fit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENOUGH (1 - 1e-9)
#define LEAST_WEIGHT 1e-3 /* of apps without SLO, of the least one's */
#define BATCH_STEPS 16    /* from the smallest batch to the program's */
#define ROUNDS 4          /* of how busy devices are and how slow they make */

struct times {
    struct cvg_fluid_demand demand;
    struct cvg_app apps[CVG_MAX_APPS]; /* as the shares are chosen for */
    enum cvg_predict_model model;
    struct cvg_forecast *out;
    struct cvg_class classes[CVG_PREDICT_CLASSES]; /* of the station at hand */
    struct cvg_response responses[CVG_PREDICT_CLASSES];
    size_t index[CVG_PREDICT_CLASSES]; /* their shares */
    size_t n;
    double slower[CVG_MAX_DEVICES]; /* by others that are busy, >= 1 */
};

static enum cvg_status no_memory(struct cvg_error *err)
{
    return cvg_fail(err, CVG_NOMEM, "out of memory for predicted times");
}

/* --- what the shares are chosen for --------------------------------------- */

static const uint32_t only_throughput = 1U << CVG_SLO_THROUGHPUT;

/* Apps without SLO are to be served, too. */
static void take_apps(struct times *t, const struct cvg_app *asked)
{
    uint32_t n = (uint32_t)t->demand.box->n_apps;
    double least = INFINITY;
    for (uint32_t a = 0; a < n; a++) {
        t->apps[a] = asked[a];
        least =
            asked[a].slo.declared != 0 ? fmin(least, asked[a].weight) : least;
    }
    for (uint32_t a = 0; a < n; a++) {
        if (t->demand.rates_rps[a] > 0 && asked[a].slo.declared == 0) {
            t->apps[a].slo.declared = only_throughput;
            t->apps[a].weight =
                least < INFINITY ? least * LEAST_WEIGHT : t->apps[a].weight;
        }
    }
}

/* Takes what cannot be met from apps that break by themselves: the deadline,
 * then all. */
static enum cvg_status free_apps(struct times *t, struct cvg_error *err)
{
    const uint32_t all_but_deadline = ~(1U << CVG_SLO_DEADLINE);
    struct cvg_fit fit = {.left_out = 1};
    enum cvg_status status = CVG_OK;
    for (int round = 0; round < 3 && status == CVG_OK && fit.left_out > 0;
         round++) {
        status = cvg_fit(&t->demand, CVG_FIT_FREE, CVG_ANY, &fit, err);
        for (uint32_t a = 0; a < t->demand.box->n_apps && status == CVG_OK;
             a++) {
            struct cvg_slo *slo = &t->apps[a].slo;
            if (fit.is_left_out[a]) {
                slo->declared &= round == 0 ? all_but_deadline : 0;
                slo->declared |= only_throughput;
            }
        }
        if (status == CVG_OK) {
            cvg_fit_fini(&fit);
        }
    }
    return status;
}

/* --- shares --------------------------------------------------------------- */

static enum cvg_status take_fit(struct times *t, enum cvg_fit_how how,
                                bool *taken, struct cvg_error *err)
{
    struct cvg_fit fit;
    enum cvg_status status = cvg_fit(&t->demand, how, CVG_ANY, &fit, err);
    *taken = status == CVG_OK && fit.factor >= ENOUGH && fit.factor < INFINITY;
    if (*taken) {
        t->out->shares = calloc(fit.n_flows + 1, sizeof *t->out->shares);
        if (t->out->shares == NULL) {
            status = no_memory(err);
        }
    }
    for (size_t i = 0; *taken && status == CVG_OK && i < fit.n_flows; i++) {
        struct cvg_share *s = &t->out->shares[t->out->n_shares++];
        s->flow = fit.flows[i].flow;
        s->flow.rate_rps /= fit.factor;
        s->unit = fit.flows[i].unit;
    }
    if (status == CVG_OK || *taken) {
        cvg_fit_fini(&fit);
    }
    return status;
}

static enum cvg_status take_bound(struct times *t, struct cvg_error *err)
{
    struct cvg_fluid_demand demand = t->demand;
    struct cvg_fluid *fluid = calloc(1, sizeof *fluid);
    t->out->shares = calloc(CVG_MAX_FLOWS, sizeof *t->out->shares);
    if (fluid == NULL || t->out->shares == NULL) {
        free(fluid);
        return no_memory(err);
    }
    demand.weighted = true;
    enum cvg_status status = cvg_fluid_solve(&demand, fluid, err);
    for (size_t i = 0; status == CVG_OK && i < fluid->n_flows; i++) {
        t->out->shares[t->out->n_shares++] =
            (struct cvg_share){.flow = fluid->flows[i], .unit = CVG_ANY};
    }
    free(fluid);
    return status;
}

static int by_app(const void *x, const void *y)
{
    const struct cvg_share *a = x;
    const struct cvg_share *b = y;
    const uint32_t p[] = {a->flow.app,     a->flow.device, a->unit,
                          a->flow.variant, a->flow.exit,   a->flow.batch};
    const uint32_t q[] = {b->flow.app,     b->flow.device, b->unit,
                          b->flow.variant, b->flow.exit,   b->flow.batch};
    for (int i = 0; i < 6; i++) {
        if (p[i] != q[i]) {
            return p[i] < q[i] ? -1 : 1;
        }
    }
    return 0;
}

static enum cvg_status choose_shares(struct times *t, struct cvg_error *err)
{
    bool taken = false;
    enum cvg_status status = take_fit(t, CVG_FIT_HELD, &taken, err);
    if (status == CVG_OK && !taken) {
        status = take_fit(t, CVG_FIT_FREE, &taken, err);
    }
    if (status == CVG_OK && !taken) {
        status = take_bound(t, err);
    }
    if (status == CVG_OK && t->out->n_shares > 1) {
        qsort(t->out->shares, t->out->n_shares, sizeof *t->out->shares, by_app);
    }
    /* More classes than a prediction takes would stay like this. */
    for (size_t i = 0; i < t->out->n_shares; i++) {
        struct cvg_share *s = &t->out->shares[i];
        s->served.rate_rps = s->flow.rate_rps;
        s->response = (struct cvg_response){
            .of = &s->served, .mean_s = INFINITY, .wait_s = INFINITY};
    }
    return status;
}

/* --- stations ------------------------------------------------------------- */

static double slowdown_of(const struct times *t, uint32_t device)
{
    double own = t->demand.slowdown == NULL ? 1 : t->demand.slowdown[device];
    return own * t->slower[device];
}

static uint32_t batch_of(const struct times *t, const struct cvg_flow *f,
                         int step)
{
    uint32_t least = cvg_profile_min_batch(t->demand.box->profile, f->variant,
                                           0, f->exit, f->device);
    double n = least + (double)(f->batch - least) * step / BATCH_STEPS;
    return (uint32_t)ceil(n - 1e-9);
}

static bool belongs(const struct cvg_share *s, uint32_t device, uint32_t unit)
{
    return s->flow.device == device && s->unit == unit;
}

/* Its load with batches of that size. */
static double predict(struct times *t, uint32_t device, uint32_t unit, int step)
{
    const struct cvg_device *d = &t->demand.box->devices[device];
    t->n = 0;
    for (size_t i = 0; i < t->out->n_shares; i++) {
        const struct cvg_share *s = &t->out->shares[i];
        if (belongs(s, device, unit) && t->n < CVG_PREDICT_CLASSES) {
            t->index[t->n] = i;
            cvg_class_init(&t->classes[t->n++], t->demand.box, device,
                           s->flow.variant, s->flow.exit,
                           batch_of(t, &s->flow, step), s->flow.rate_rps,
                           slowdown_of(t, device));
        }
    }
    struct cvg_station station = {
        .discipline = d->discipline,
        .units = unit == CVG_ANY ? d->units : 1,
        .in_flight = d->in_flight,
        .classes = t->classes,
        .n = t->n,
    };
    return t->n == 0 ? 0
                     : cvg_predict_station(&station, t->model, t->responses);
}

/* All waits together, in requests: their number that is there at a time. */
static double present(const struct times *t)
{
    double sum = 0;
    for (size_t i = 0; i < t->n; i++) {
        sum += t->classes[i].rate_rps * t->responses[i].mean_s;
    }
    return sum;
}

/* Predicts with the batches that have requests wait least. */
static double settle(struct times *t, uint32_t device, uint32_t unit)
{
    int best = BATCH_STEPS;
    double least = INFINITY;
    for (int step = 0; step <= BATCH_STEPS; step++) {
        (void)predict(t, device, unit, step);
        if (present(t) < least) {
            least = present(t);
            best = step;
        }
    }
    double rho = predict(t, device, unit, best);
    for (size_t i = 0; i < t->n; i++) {
        struct cvg_share *s = &t->out->shares[t->index[i]];
        s->served = t->classes[i];
        s->response = t->responses[i];
        s->response.of = &s->served;
    }
    return rho;
}

/* A device is as slow as its neighbours make it while they are busy. */
static void slow_down(struct times *t)
{
    const struct cvg_box *box = t->demand.box;
    for (uint32_t d = 0; d < box->n_devices; d++) {
        t->slower[d] = 1;
    }
    for (size_t i = 0; i < box->n_contention; i++) {
        const struct cvg_contention *c = &box->contention[i];
        for (size_t k = 0; k < c->n_devices; k++) {
            double others = 1;
            for (size_t j = 0; j < c->n_devices; j++) {
                others *=
                    j == k ? 1 : fmin(t->out->devices[c->devices[j]].rho, 1);
            }
            t->slower[c->devices[k]] *= 1 + (c->slowdown - 1) * others;
        }
    }
}

static void predict_devices(struct times *t)
{
    const struct cvg_box *box = t->demand.box;
    int rounds = box->n_contention > 0 ? ROUNDS : 1;
    for (int round = 0; round < rounds; round++) {
        slow_down(t);
        for (uint32_t d = 0; d < box->n_devices; d++) {
            double rho = settle(t, d, CVG_ANY);
            for (uint32_t u = 0; u < box->devices[d].units; u++) {
                rho = fmax(rho, settle(t, d, u));
            }
            t->out->devices[d].rho = rho;
        }
    }
}

/* --- apps ----------------------------------------------------------------- */

static enum cvg_status predict_apps(struct times *t, struct cvg_error *err)
{
    struct cvg_forecast *out = t->out;
    const struct cvg_response **of =
        calloc(out->n_shares + 1, sizeof(struct cvg_response *));
    if (of == NULL) {
        return no_memory(err);
    }
    for (uint32_t a = 0; a < t->demand.box->n_apps; a++) {
        size_t n = 0;
        double rate = 0, sum = 0;
        for (size_t i = 0; i < out->n_shares; i++) {
            const struct cvg_share *s = &out->shares[i];
            if (s->flow.app == a) {
                of[n++] = &s->response;
                rate += s->flow.rate_rps;
                sum += s->flow.rate_rps * s->response.mean_s;
            }
        }
        out->apps[a].mean_s = n == 0 ? -1 : sum / rate;
        out->apps[a].p95_s = n == 0 ? -1 : cvg_response_quantile(of, n, 0.95);
    }
    free(of);
    return CVG_OK;
}

enum cvg_status cvg__find_times(const struct cvg_fluid_demand *demand,
                                enum cvg_predict_model model,
                                struct cvg_forecast *out, struct cvg_error *err)
{
    struct times *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return no_memory(err);
    }
    t->demand = *demand;
    t->demand.apps = t->apps;
    t->model = model;
    t->out = out;
    take_apps(t, demand->apps);
    enum cvg_status status = free_apps(t, err);
    if (status == CVG_OK) {
        status = choose_shares(t, err);
    }
    if (status == CVG_OK) {
        predict_devices(t);
        status = predict_apps(t, err);
    }
    free(t);
    return status;
}

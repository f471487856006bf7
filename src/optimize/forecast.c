/* A forecast: the programs that say whether it fits, and its parts. */
#include "optimize/forecast.h"

#include "optimize/fit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENOUGH (1 - 1e-9) /* the solver's own precision */

static enum cvg_status solve_bounds(const struct cvg_fluid_demand *demand,
                                    struct cvg_fluid *fluid,
                                    struct cvg_outlook *out,
                                    struct cvg_error *err)
{
    struct cvg_fluid_demand d = *demand;
    enum cvg_status status = cvg_fluid_solve(&d, fluid, err);
    if (status == CVG_OK) {
        out->joint = fluid->joint;
        d.weighted = true;
        status = cvg_fluid_solve(&d, fluid, err);
    }
    if (status == CVG_OK) {
        out->joint_weighted = fluid->joint;
        memcpy(out->met_rps, fluid->met_rps, sizeof out->met_rps);
    }
    return status;
}

/* The device of which one more unit for each that there is would help most. */
static uint32_t binding_of(const struct cvg_box *box, const double *price)
{
    uint32_t best = CVG_ANY;
    double most = 1e-9;
    for (uint32_t d = 0; d < box->n_devices; d++) {
        double worth = price[d] * box->devices[d].units;
        if (worth > most * (1 + 1e-9)) {
            most = worth;
            best = d;
        }
    }
    return best;
}

static enum cvg_status look(const struct cvg_fluid_demand *demand,
                            struct cvg_outlook *out, double *price,
                            struct cvg_error *err)
{
    struct cvg_fit fit;
    struct cvg_fluid *fluid = malloc(sizeof *fluid);
    *out = (struct cvg_outlook){.binding = CVG_ANY};
    if (fluid == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for a forecast");
    }
    enum cvg_status status = solve_bounds(demand, fluid, out, err);
    free(fluid);
    if (status == CVG_OK) {
        status = cvg_fit(demand, CVG_FIT_FREE, CVG_ANY, &fit, err);
    }
    if (status != CVG_OK) {
        return status;
    }
    out->factor = fit.factor;
    out->left_out = fit.left_out;
    memcpy(out->is_left_out, fit.is_left_out, sizeof out->is_left_out);
    out->fits = fit.left_out == 0 && fit.factor >= ENOUGH;
    out->binding = binding_of(demand->box, fit.price);
    memcpy(price, fit.price, sizeof fit.price);
    cvg_fit_fini(&fit);
    return CVG_OK;
}

enum cvg_status cvg_outlook_of(const struct cvg_fluid_demand *demand,
                               struct cvg_outlook *out, struct cvg_error *err)
{
    double price[CVG_MAX_DEVICES] = {0};
    return look(demand, out, price, err);
}

static enum cvg_status find_headroom(const struct cvg_fluid_demand *demand,
                                     uint32_t app, double *out,
                                     struct cvg_error *err)
{
    struct cvg_fit fit;
    enum cvg_status status = cvg_fit(demand, CVG_FIT_FREE, app, &fit, err);
    if (status == CVG_OK) {
        *out = fmax(fit.factor, 1);
        cvg_fit_fini(&fit);
    } else if (status == CVG_LIMIT) {
        *out = 1; /* it fits, but so tightly that the solver is not sure */
        status = CVG_OK;
    }
    return status;
}

void cvg_forecast_fini(struct cvg_forecast *f)
{
    free(f->shares);
    free(f->breaks);
    free(f->reliefs);
    f->shares = NULL;
    f->breaks = f->reliefs = NULL;
    f->n_shares = f->n_breaks = f->n_reliefs = 0;
}

enum cvg_status cvg_forecast_of(const struct cvg_fluid_demand *demand,
                                enum cvg_predict_model model,
                                struct cvg_forecast *out, struct cvg_error *err)
{
    const struct cvg_box *box = demand->box;
    double price[CVG_MAX_DEVICES] = {0};
    *out = (struct cvg_forecast){.shares = NULL};
    enum cvg_status status = look(demand, &out->outlook, price, err);
    if (status == CVG_OK) {
        status = cvg_load_one(demand, &out->load_one, err);
    }
    for (uint32_t d = 0; d < box->n_devices && status == CVG_OK; d++) {
        out->devices[d].price = price[d];
    }
    for (uint32_t a = 0; a < box->n_apps && status == CVG_OK; a++) {
        out->apps[a].headroom = -1;
        if (out->outlook.fits && demand->apps[a].slo.declared != 0) {
            status = find_headroom(demand, a, &out->apps[a].headroom, err);
        }
    }
    if (status == CVG_OK && !out->outlook.fits) {
        status = cvg__find_breaks(demand, out, err);
    }
    if (status == CVG_OK) {
        status = cvg__find_times(demand, model, out, err);
    }
    if (status != CVG_OK) {
        cvg_forecast_fini(out);
    }
    return status;
}

/* What becomes of one piece of a workload, without running it: does it fit,
 * what binds, how late will answers be, what breaks and what would do.
 *
 * It fits if every request can be met: by ways that keep all bounds, each in
 * time with probability 0.99 or more alone on its unit, and with room for all
 * (a free cvg_fit() of 1 or more). That counts neither queues nor switching.
 * Those are in the predicted times (convergo/predict.h), of the shares that
 * such a program chooses:
 *
 *     1. if it fits without changing variants: those of load 1.0,
 *     2. else, if it fits at all: those of the highest load that does,
 *        both scaled back to the rates, so that the load is spread as evenly
 *        as the box allows;
 *     3. else: those of the fluid bound by weight, which gives some up.
 *
 * Apps without SLO take part in these with the least weight. One that cannot be
 * met even alone has its deadline, then all its bounds taken from it, so that
 * there is a time to compare. Batches are up to those of the program: so much
 * of them as has requests wait least. Devices that slow each other do so in
 * proportion to how busy the others are. */
#ifndef CVG_OPTIMIZE_FORECAST_H
#define CVG_OPTIMIZE_FORECAST_H

#include "optimize/pieces.h"
#include <convergo/predict.h>

/* The part that is cheap: a few linear programs. */
struct cvg_outlook {
    bool fits;
    double joint, joint_weighted; /* fluid bound; negative: none asks */
    /* The highest factor on all rates; INFINITY: no load can be too much. Of
     * the apps that can be met alone. */
    double factor;
    uint32_t left_out; /* apps that cannot */
    bool is_left_out[CVG_MAX_APPS];
    double met_rps[CVG_MAX_APPS]; /* of the weighted bound */
    uint32_t binding; /* the device that limits the factor; CVG_ANY: none */
};
enum cvg_status cvg_outlook_of(const struct cvg_fluid_demand *demand,
                               struct cvg_outlook *out, struct cvg_error *err);

struct cvg_share {        /* of an app's requests */
    struct cvg_flow flow; /* with the batch that is predicted with */
    uint32_t unit;        /* of its device; CVG_ANY: any */
    struct cvg_class served;
    struct cvg_response response;
};

/* The values of one bound each that would do, with all else as it is. */
struct cvg_would_do {
    bool known[CVG_SLO_KINDS];
    cvg_span deadline;
    double accuracy;
    double throughput_rps; /* the rate at which its requests may come */
    double energy_j;
};

struct cvg_break {
    uint32_t app;
    enum cvg_slo_kind kind;
    struct cvg_would_do nearest;
};

struct cvg_forecast {
    struct cvg_outlook outlook;
    struct cvg_load_one load_one; /* without changing variants */
    struct cvg_share *shares;     /* owned; by app */
    size_t n_shares;
    struct { /* [n_apps] */
        /* Of its rate that fits with the others as they are; INFINITY: any.
         * Negative: it, or the rest, does not fit, or sends nothing. */
        double headroom;
        double mean_s, p95_s; /* INFINITY: without end; negative: none */
    } apps[CVG_MAX_APPS];
    struct {
        double rho;   /* of the busiest unit, switching included */
        double price; /* what a unit more would add to the factor */
    } devices[CVG_MAX_DEVICES];
    struct cvg_break *breaks; /* owned; the apps that break */
    size_t n_breaks;
    /* Owned; other apps of which one bound would do. `kind` means nothing. */
    struct cvg_break *reliefs;
    size_t n_reliefs;
};

/* *out is the caller's, of cvg_forecast_fini() after CVG_OK. CVG_NOMEM;
 * CVG_LIMIT: a solver gave up. */
enum cvg_status cvg_forecast_of(const struct cvg_fluid_demand *demand,
                                enum cvg_predict_model model,
                                struct cvg_forecast *out,
                                struct cvg_error *err);
void cvg_forecast_fini(struct cvg_forecast *forecast);

/* Parts of it, each in a file of its own. `demand` as above. */

/* breaks and reliefs, of an outlook that does not fit. */
enum cvg_status cvg__find_breaks(const struct cvg_fluid_demand *demand,
                                 struct cvg_forecast *out,
                                 struct cvg_error *err);
/* shares, the times of apps, rho of devices. */
enum cvg_status cvg__find_times(const struct cvg_fluid_demand *demand,
                                enum cvg_predict_model model,
                                struct cvg_forecast *out,
                                struct cvg_error *err);

#endif

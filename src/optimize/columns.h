/* The columns of the programs: ways to run an app's requests on a device, and
 * what a request costs and earns by each.
 *
 * Only columns that a best solution can need are kept: of those of one app on
 * one device, the corners of the concave frontier of what a request earns over
 * the time it takes. A column below it is no better than a mix of two others,
 * or of one and of doing nothing, so solutions and duals stay the same. */
#ifndef CVG_OPTIMIZE_COLUMNS_H
#define CVG_OPTIMIZE_COLUMNS_H

#include <convergo/box.h>

struct cvg__column {
    uint32_t app, variant, exit, device, batch;
    double time_s; /* of a unit, for one request, as profiled */
    double value;  /* the chance that the request counts */
    /* What it adds to the mean over the app's accuracy, times the chance that
     * it is on time; 0 for an app that is judged by each answer. */
    double gain;
};

struct cvg__columns { /* all zero: none */
    struct cvg__column *items;
    size_t n, max;
};

void cvg__columns_fini(struct cvg__columns *columns);

struct cvg__wish { /* what is asked for requests of an app */
    const struct cvg_box *box;
    const bool *enabled; /* [n_variants]; NULL: all */
    uint32_t app;
    uint32_t family;
    enum cvg_accuracy_over accuracy_over;
    /* Accuracy and energy, if declared. */
    struct cvg_slo slo;
    double latest_ns; /* service may take so long; INFINITY: any time */
    /* Counts as certain from a chance of 0.99 on, and not at all below. */
    bool certain;
    /* Batches are no larger than what comes in while the first can wait: at
     * that rate, until service must begin to end by `fills_ns`. 0: any. */
    double fills_rps, fills_ns;
};

/* Adds the columns of a device that takes `slowdown` times as long as it was
 * profiled. False: no memory. */
bool cvg__columns_add(struct cvg__columns *columns,
                      const struct cvg__wish *wish, uint32_t device,
                      double slowdown);

/* Is the accuracy of the wish one of a mean? */
static inline bool cvg__wish_of_mean(const struct cvg__wish *wish)
{
    return wish->accuracy_over == CVG_ACCURACY_PER_WINDOW &&
           cvg_slo_has(&wish->slo, CVG_SLO_ACCURACY);
}

#endif

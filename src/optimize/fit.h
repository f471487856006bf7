/* How much of a demand can be met, and by what: what each unit should hold, so
 * that as much as possible can be met without changing variants where that
 * costs time, or as if changing cost nothing. */
#ifndef CVG_OPTIMIZE_FIT_H
#define CVG_OPTIMIZE_FIT_H

#include <convergo/fluid.h>

/* One way that a fit uses, on which unit of its device; CVG_ANY: on any. */
struct cvg_fit_flow {
    struct cvg_flow flow;
    uint32_t unit;
};

/* The highest factor on rates at which every request can still be met, by ways
 * that are in time with probability 0.99 or more (as in cvg_load_one()). */
struct cvg_fit {
    double factor; /* INFINITY: no load can be too much; 0: no app can be met */
    bool exact;    /* false: it may be more */
    uint32_t left_out; /* apps that cannot be met so even alone */
    bool is_left_out[CVG_MAX_APPS];
    /* What one unit more would add to the factor; of a free fit only. */
    double price[CVG_MAX_DEVICES];
    struct cvg_fit_flow *flows; /* owned, at that factor: cvg_fit_fini() */
    size_t n_flows;
};

enum cvg_fit_how {
    CVG_FIT_FREE, /* as if changing variants cost nothing: a linear program */
    CVG_FIT_HELD  /* never changing them: the program of cvg_load_one() */
};

/* The factor is on the rate of app `grows`, with those of the others as they
 * are, or on all rates (CVG_ANY). CVG_NOMEM; CVG_LIMIT: the solver gave up, or
 * the others by themselves are too much. On an error there is nothing to free.
 */
enum cvg_status cvg_fit(const struct cvg_fluid_demand *demand,
                        enum cvg_fit_how how, uint32_t grows,
                        struct cvg_fit *out, struct cvg_error *err);
void cvg_fit_fini(struct cvg_fit *fit);

#endif

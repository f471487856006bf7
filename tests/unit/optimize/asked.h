/* A question put to the planner, and its answer. */
#ifndef CVG_UNIT_OPTIMIZE_ASKED_H
#define CVG_UNIT_OPTIMIZE_ASKED_H

#include <convergo/plan.h>

#include "support/world.h"

#include <math.h>

struct asked {
    struct world w;
    struct cvg_question q;
    struct cvg_plan plan;
};

/* The box as it stands: all is up, enabled, as fast as profiled. */
static inline void ready(struct asked *t)
{
    const struct cvg_box *box = t->w.box;
    assert_int_equal(cvg_profile_finish(t->w.box->profile, NULL), CVG_OK);
    for (size_t a = 0; a < box->n_apps; a++) {
        t->q.slos[a] = box->apps[a].slo;
    }
    for (size_t d = 0; d < box->n_devices; d++) {
        t->q.slowdown[d] = 1;
    }
    for (size_t v = 0; v < box->n_variants; v++) {
        t->q.enabled[v] = true;
    }
}

static inline void begin(struct asked *t)
{
    memset(t, 0, sizeof *t);
    world_init(&t->w);
}

static inline void make(struct asked *t)
{
    struct cvg_error err = {.text = ""};
    if (cvg_plan_make(t->w.box, &t->q, &t->plan, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
}

/* The plan becomes the last one of the next question. */
static inline void go_on(struct asked *t, bool settled)
{
    t->q.n_flows = t->plan.n_flows;
    memcpy(t->q.flows, t->plan.flows, sizeof t->q.flows);
    t->q.settled = settled;
}

static inline bool near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fmax(fmax(fabs(a), fabs(b)), 1);
}

/* Requests of the app a second by that variant on that device. */
static inline double rate_on(const struct cvg_plan *plan, uint32_t app,
                             uint32_t variant, uint32_t device)
{
    double rate = 0;
    for (uint32_t i = 0; i < plan->n_flows; i++) {
        const struct cvg_flow *f = &plan->flows[i];
        if ((app == CVG_ANY || f->app == app) &&
            (variant == CVG_ANY || f->variant == variant) &&
            (device == CVG_ANY || f->device == device)) {
            rate += f->rate_rps;
        }
    }
    return rate;
}

#endif

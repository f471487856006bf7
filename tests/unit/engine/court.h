/* A ledger in a box of one variant and one device, for its tests. */
#ifndef CVG_TESTS_ENGINE_COURT_H
#define CVG_TESTS_ENGINE_COURT_H

#include "engine/ledger.h"
#include "support/world.h"
#include <math.h>

struct court { /* a box of one variant and one device, and its ledger */
    struct world w;
    struct cvg_ledger *ledger;
    struct cvg_app *app; /* the first one */
};

/* Apps are added between prepare() and convene(). */
static inline void prepare(struct court *c)
{
    world_init(&c->w);
    world_device(&c->w, "d0", CVG_FCFS, 1, 1);
    world_variant(&c->w, "v0", 0.9);
    c->app = world_app(&c->w, "a0");
    c->ledger = NULL;
}

static inline void convene(struct court *c, cvg_time from, cvg_time until)
{
    struct cvg_ledger_options options = {
        .box = c->w.box, .from = from, .until = until};
    assert_int_equal(cvg_ledger_create(&options, &c->ledger, NULL), CVG_OK);
}

static inline void dismiss(struct court *c)
{
    cvg_ledger_destroy(c->ledger);
    world_fini(&c->w);
}

static inline const struct cvg_app_stats *stats_of(struct court *c,
                                                   uint32_t app)
{
    return &cvg_ledger_stats(c->ledger)->apps[app];
}

/* An ending by the app's own bounds; served unless changed. */
static inline struct cvg_ending ending(const struct court *c, uint32_t app,
                                       cvg_time arrival, cvg_time finished)
{
    const struct cvg_app *a = &c->w.box->apps[app];
    struct cvg_ending e = {.app = app,
                           .arrival = arrival,
                           .finished = finished,
                           .deadline = CVG_NEVER,
                           .outcome = CVG_OUTCOME_SERVED,
                           .accuracy = 0.9,
                           .max_energy_j = INFINITY,
                           .queued = 0,
                           .right = -1};
    if (cvg_slo_has(&a->slo, CVG_SLO_DEADLINE)) {
        e.deadline = arrival + a->slo.deadline;
    }
    if (cvg_slo_has(&a->slo, CVG_SLO_ACCURACY) &&
        a->accuracy_over == CVG_ACCURACY_PER_REQUEST) {
        e.min_accuracy = a->slo.accuracy;
    }
    if (cvg_slo_has(&a->slo, CVG_SLO_ENERGY)) {
        e.max_energy_j = a->slo.energy_j;
    }
    return e;
}

#endif

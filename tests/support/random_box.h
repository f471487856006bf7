/* Random small boxes with SLOs of every kind, for laws that hold for all. */
#ifndef CVG_TESTS_RANDOM_BOX_H
#define CVG_TESTS_RANDOM_BOX_H

#include "base/rng.h"
#include "support/world.h"

struct random_box {
    uint32_t max_devices, max_variants, max_apps, max_exits;
    bool noise;         /* times vary */
    bool means;         /* some apps are judged by the mean accuracy */
    bool switches;      /* some devices pay for changing the variant */
    bool least_one_slo; /* every app asks for something */
};

/* 0 <= result < n */
uint32_t random_below(struct cvg_rng *rng, uint32_t n);

/* Into a world after world_init(); its profile is finished. */
void random_box_fill(struct world *w, struct cvg_rng *rng,
                     const struct random_box *like);

#endif

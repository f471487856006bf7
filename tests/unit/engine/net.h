/* A model of four exits, and requests to it, for stories at exits. */
#ifndef CVG_TESTS_ENGINE_NET_H
#define CVG_TESTS_ENGINE_NET_H

#include "support/world.h"
#include <convergo/condition.h>

/* "net" on "d0": stages of 10, 20, 30 and 40 ms (with one more, 2 ms more) and
 * 1, 2, 3 and 4 mJ; the third exit is more accurate than the last. */
static inline void net(struct world *w, uint32_t devices)
{
    static const char *const names[] = {"d0", "d1"};
    world_init(w);
    for (uint32_t d = 0; d < devices; d++) {
        world_device(w, names[d], CVG_FCFS, 1, 1);
    }
    struct cvg_variant *v = world_variant(w, "net", 0.5);
    world_exit(v, 0.7);
    world_exit(v, 0.9);
    world_exit(v, 0.8);
    for (uint32_t stage = 0; stage < 4; stage++) {
        for (uint32_t d = 0; d < devices; d++) {
            double ms = 10 * (stage + 1);
            double mj = stage + 1;
            world_profile_stage(w, "net", stage, names[d], 1, ms, mj);
            world_profile_stage(w, "net", stage, names[d], 4, ms + 6, 4 * mj);
        }
    }
    world_app(w, "a0");
    world_app(w, "a1");
}

/* Owned by the caller. */
static inline struct cvg_conditions *conditions(const char *text)
{
    struct cvg_conditions *set = NULL;
    struct cvg_error err = {.text = ""};
    if (cvg_conditions_parse(text, &set, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    return set;
}

static inline void finish(struct world *w)
{
    assert_int_equal(cvg_engine_live(world_engine(w)), 0);
    world_fini(w);
}

static inline void arrive_at(struct world *w, cvg_time at, double accuracy,
                             double mj, cvg_span deadline)
{
    struct cvg_arrival a = {.variant = CVG_ANY};
    a.bounds = (struct cvg_slo){
        .accuracy = accuracy, .energy_j = mj * 1e-3, .deadline = deadline};
    a.overrides = (deadline > 0 ? 1U << CVG_SLO_DEADLINE : 0) |
                  (accuracy > 0 ? 1U << CVG_SLO_ACCURACY : 0) |
                  (mj > 0 ? 1U << CVG_SLO_ENERGY : 0);
    world_arrive_with(w, at, &a);
}

#endif

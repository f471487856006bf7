/* A simulation's inside: shared by the files of this folder. */
#ifndef CVG_SIM_STATE_H
#define CVG_SIM_STATE_H

#include "device/model.h"
#include "sim/agenda.h"
#include "sim/sim.h"

struct cvg__sim_device {
    struct cvg_device_model *model;
    uint32_t first_unit;
    double slowdown; /* by workload events, contention apart */
    /* The fault of each kind that rules, from 1; the ends of earlier ones
     * change nothing. */
    uint32_t outage, slowness;
};

struct cvg_sim {
    struct cvg_sim_options options;
    const struct cvg_box *box;
    cvg_time measure_from, measure_until;
    struct cvg_engine *engine;
    struct cvg__sim_device *devices; /* [device] */
    bool *busy;                      /* [device] */
    struct cvg_arrival_source *sources;
    size_t n_sources;
    size_t next_source; /* whose arrival comes first; n_sources: none has one */
    size_t next_workload_event;
    struct cvg__agenda agenda;
    struct cvg_plan plan; /* until it is delivered; there is never another */
    uint32_t faults;      /* so far */
    cvg_time now;
    uint64_t last_id;
    uint64_t steps;
    struct cvg_histogram *decision;

    /* Of the devices, at the end of the warm-up. */
    bool warm;
    struct cvg_device_stats *before;
    struct cvg_stats stats; /* what the caller sees */
};

/* Which source is next? To be called when the next arrival of one changed. */
void cvg__sim_pick_source(struct cvg_sim *sim);

#endif

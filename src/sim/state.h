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

/* Of a batch that has come to an exit: how sure it is of its answers. */
struct cvg__sim_answers {
    uint64_t batch; /* 0: unused */
    uint32_t device, n;
    double confidence[CVG_MAX_BATCH];
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
    /* As many as units can hold; NULL: nobody asks at exits. */
    struct cvg__sim_answers *answers;
    size_t n_answers;
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

/* confidence.c: false: no memory. */
bool cvg__confidence_init(struct cvg_sim *sim, size_t most_batches);
/* Draws it for a batch that begins, request by request: the same request is as
 * easy at every exit. */
void cvg__confidence_draw(struct cvg_sim *sim, const struct cvg_start *start);
/* Into the event of its end, until the next one. */
void cvg__confidence_tell(struct cvg_sim *sim, struct cvg_done *done);
/* The device has lost its batches. */
void cvg__confidence_forget(struct cvg_sim *sim, uint32_t device);

/* Which source is next? To be called when the next arrival of one changed. */
void cvg__sim_pick_source(struct cvg_sim *sim);

#endif

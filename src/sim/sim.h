/* The engine on a virtual clock: arrivals, device models, faults.
 *
 * The same engine that serves, driven by a workload and by the device models
 * that the emulated backend uses. Equal options give equal runs. Memory does
 * not grow with the length of a run: arrivals are drawn one by one, and of
 * requests that have ended only counts are kept. */
#ifndef CVG_SIM_SIM_H
#define CVG_SIM_SIM_H

#include "domain/workload.h"
#include <convergo/engine.h>
#include <convergo/stats.h>

struct cvg_model_done; /* device/model.h */

struct cvg_sim_options {
    const struct cvg_box *box;           /* borrowed, as all below */
    const struct cvg_workload *workload; /* NULL: only what is injected */
    const struct cvg_policy *policy;
    double load;   /* multiplies rates, plays traces faster; 0: 1 */
    uint64_t seed; /* of arrivals and of device noise */
    /* From the end of a batch until the engine knows of it, during which its
     * place in the device is empty: what a server's threads take to hand over
     * the answers. */
    cvg_span overhead;
    /* May be NULL: told of every event before and of its actions after it. */
    void (*watch)(void *context, const struct cvg_event *event,
                  const struct cvg_actions *actions);
    /* May be NULL: told of every batch that a device has ended, before the
     * engine is. */
    void (*ended)(void *context, uint32_t device,
                  const struct cvg_model_done *done);
    void *context; /* of both */
    /* May be NULL: ns on a clock, to time every 16th step. */
    int64_t (*clock)(void);
    uint32_t time_every; /* steps between two timed ones; 0: 16 */
    /* Of requests that are injected; the workload's own are known. */
    cvg_span largest_deadline;
    /* Ended requests that can still be explained; 0: the engine's default. */
    uint32_t ended_kept;
    /* From the question of a plan to its answer; 0: 20 ms. */
    cvg_span planner_delay;
};

struct cvg_sim;

/* *out is owned by the caller: cvg_sim_destroy(). CVG_NOMEM, and what the
 * engine says. A run allocates nothing more, beside what making a plan does. */
enum cvg_status cvg_sim_create(const struct cvg_sim_options *options,
                               struct cvg_sim **out, struct cvg_error *err);
void cvg_sim_destroy(struct cvg_sim *sim);

/* A request at `at` (not before now); returns its id, 0: no memory. */
uint64_t cvg_sim_arrive(struct cvg_sim *sim, cvg_time at,
                        const struct cvg_arrival *arrival);
/* Any other event at `at`; a DEVICE event acts on the device model, too.
 * False: no memory. */
bool cvg_sim_inject(struct cvg_sim *sim, const struct cvg_event *event);

/* Runs until nothing is left to happen before or at `until`. */
void cvg_sim_run_until(struct cvg_sim *sim, cvg_time until);

/* Runs the whole workload and drains; judges the last windows. The same in
 * pieces: advance() returns false when all has arrived and ended. */
void cvg_sim_run(struct cvg_sim *sim);
bool cvg_sim_advance(struct cvg_sim *sim, cvg_time until);
void cvg_sim_finish(struct cvg_sim *sim);

cvg_time cvg_sim_now(const struct cvg_sim *sim);
struct cvg_engine *cvg_sim_engine(struct cvg_sim *sim);
/* The engine's counts, devices without what they did in the warm-up.
 * Borrowed, until the next call. */
const struct cvg_stats *cvg_sim_stats(struct cvg_sim *sim);
/* From the end of the warm-up: to the end of arrivals, and to now if that is
 * later. */
cvg_span cvg_sim_measured(const struct cvg_sim *sim);
cvg_span cvg_sim_elapsed(const struct cvg_sim *sim);
/* ns per timed step; empty without a clock. */
const struct cvg_histogram *cvg_sim_decision_times(const struct cvg_sim *sim);

#endif

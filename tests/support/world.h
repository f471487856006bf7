/* A small world on a virtual clock, for stories: a box made in a few lines,
 * requests at given instants, and the decisions as text.
 *
 *     struct world w;
 *     world_init(&w);
 *     world_device(&w, "d0", CVG_FCFS, 1, 1);
 *     world_variant(&w, "v0", 0.9);
 *     world_profile(&w, "v0", "d0", 1, 10, 0);     batch 1: 10 ms, 0 mJ
 *     world_app(&w, "a0");
 *     world_start(&w, "edf");
 *     world_arrive(&w, 0, "a0", CVG_MS(100));      at 0 ms, deadline 100 ms
 *     world_run_until(&w, CVG_MS(15));
 *     CHECK_TRACE(&w, "[   0] start r1 v0 on d0\n"
 *                     "[  10] reply r1\n");
 *     world_fini(&w);
 */
#ifndef CVG_TESTS_WORLD_H
#define CVG_TESTS_WORLD_H

/* cmocka wants these before its own header */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka */
#include <cmocka.h>

#include "sim/sim.h"

struct world {
    struct cvg_box *box;
    struct cvg_policy policy;
    struct cvg_sim *sim;
    /* For world_start(): borrowed, may be NULL; 0: 1 for both. */
    const struct cvg_workload *workload;
    double load;
    uint64_t seed;
    cvg_span overhead; /* of each batch */
    char trace[1 << 16];
    size_t used;
    uint64_t ended[CVG_OUTCOMES]; /* how many ended so */
    uint64_t replies, drops;
    /* Called after every step, beside the trace; may be NULL. */
    void (*watch)(struct world *w, const struct cvg_event *event,
                  const struct cvg_actions *actions);
    void *context;
};

void world_init(struct world *w);
void world_fini(struct world *w);

/* Pointers stay valid until the next call that adds one of the same. */
struct cvg_device *world_device(struct world *w, const char *name,
                                enum cvg_discipline discipline, uint32_t units,
                                uint32_t in_flight);
struct cvg_variant *world_variant(struct world *w, const char *name,
                                  double accuracy);
/* One more stage, with an exit of that accuracy. */
void world_exit(struct cvg_variant *variant, double accuracy);
void world_profile(struct world *w, const char *variant, const char *device,
                   uint32_t batch, double ms, double mj);
/* Figures of that stage alone. */
void world_profile_stage(struct world *w, const char *variant, uint32_t stage,
                         const char *device, uint32_t batch, double ms,
                         double mj);
/* All variants so far are of the one family. */
struct cvg_app *world_app(struct world *w, const char *name);
void world_slo_deadline(struct cvg_app *app, cvg_span deadline);
void world_slo_accuracy(struct cvg_app *app, double accuracy);
void world_slo_throughput(struct cvg_app *app, double rps);
void world_slo_energy(struct cvg_app *app, double mj);

void world_start(struct world *w, const char *policy);
/* Its id: 1, 2, ... in the order of the calls. deadline 0: the app's. */
uint64_t world_arrive(struct world *w, cvg_time at, const char *app,
                      cvg_span deadline);
void world_arrive_with(struct world *w, cvg_time at,
                       const struct cvg_arrival *arrival);
void world_cancel(struct world *w, cvg_time at, uint64_t request);
void world_device_state(struct world *w, cvg_time at, const char *device,
                        bool up);
void world_run_until(struct world *w, cvg_time until);
struct cvg_engine *world_engine(struct world *w);
/* Judges all windows; the counts are final. */
const struct cvg_stats *world_finish(struct world *w);

#define CHECK_TRACE(w, expected) assert_string_equal((w)->trace, expected)

#endif

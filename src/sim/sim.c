/* A simulation from its options to its counts. */
#include "sim/state.h"

#include "base/histogram.h"
#include <stdlib.h>
#include <string.h>

#define PLANNER_DELAY CVG_MS(20)
#define LEAST_DEADLINE CVG_S(10) /* windows are kept open for */

/* --- create --------------------------------------------------------------- */

/* A device begins with what the allocation wants on it. */
static void preset_caches(struct cvg_sim *sim, uint32_t device)
{
    for (uint32_t k = 0;; k++) {
        uint32_t v = cvg_engine_initial(sim->engine, device, k);
        if (v == CVG_ANY) {
            return;
        }
        if (cvg_engine_resident(sim->engine, device, v)) {
            cvg_device_model_preset(sim->devices[device].model, v);
        }
    }
}

static enum cvg_status create_devices(struct cvg_sim *sim,
                                      struct cvg_error *err)
{
    uint32_t unit = 0;
    for (uint32_t d = 0; d < sim->box->n_devices; d++) {
        struct cvg__sim_device *device = &sim->devices[d];
        device->first_unit = unit;
        device->slowdown = 1;
        unit += sim->box->devices[d].units;
        enum cvg_status status = cvg_device_model_create(
            sim->box, d, sim->options.seed, &device->model, err);
        if (status != CVG_OK) {
            return status;
        }
        preset_caches(sim, d);
    }
    return CVG_OK;
}

/* Of all requests; 0: nothing is known of them. */
static cvg_span largest_deadline(const struct cvg_sim *sim)
{
    const struct cvg_sim_options *o = &sim->options;
    cvg_span own = o->workload == NULL
                       ? 0
                       : cvg_workload_largest_deadline(o->workload, sim->box,
                                                       LEAST_DEADLINE);
    return own > o->largest_deadline ? own : o->largest_deadline;
}

static enum cvg_status create_engine(struct cvg_sim *sim, struct cvg_error *err)
{
    const struct cvg_sim_options *o = &sim->options;
    struct cvg_engine_options options = {
        .box = sim->box,
        .policy = o->policy,
        .seed = o->seed,
        .measure_from = sim->measure_from,
        .measure_until = sim->measure_until,
        .largest_deadline = largest_deadline(sim),
        .ended_kept = o->ended_kept,
    };
    return cvg_engine_create(&options, &sim->engine, err);
}

static size_t most_batches(const struct cvg_sim *sim)
{
    size_t n = 0;
    for (size_t d = 0; d < sim->box->n_devices; d++) {
        const struct cvg_device *device = &sim->box->devices[d];
        n += (size_t)device->units * device->in_flight;
    }
    return n;
}

/* A load or unload of each variant on each device, the end of each fault, and
 * the batches whose end is not known yet, and a plan: no more can be to come at
 * once, but for what is injected. */
static size_t most_pending(const struct cvg_sim *sim)
{
    const struct cvg_workload *w = sim->options.workload;
    return sim->box->n_devices * sim->box->n_variants +
           (w == NULL ? 0 : w->n_events) + 1 + most_batches(sim);
}

static bool allocate(struct cvg_sim *sim)
{
    size_t n = sim->box->n_devices + 1;
    sim->devices = calloc(n, sizeof *sim->devices);
    sim->busy = calloc(n, sizeof *sim->busy);
    sim->before = calloc(n, sizeof *sim->before);
    sim->stats.devices = calloc(n, sizeof *sim->stats.devices);
    sim->sources = calloc(sim->n_sources + 1, sizeof *sim->sources);
    sim->decision = cvg_histogram_create();
    return sim->devices != NULL && sim->busy != NULL && sim->before != NULL &&
           sim->stats.devices != NULL && sim->sources != NULL &&
           sim->decision != NULL &&
           cvg__confidence_init(sim, most_batches(sim)) &&
           cvg__agenda_reserve(&sim->agenda, most_pending(sim));
}

static void set_times(struct cvg_sim *sim)
{
    const struct cvg_workload *w = sim->options.workload;
    sim->measure_until = CVG_NEVER;
    if (w != NULL) {
        sim->measure_from = w->warmup;
        sim->measure_until = cvg_workload_duration(w, sim->options.load);
        sim->n_sources = w->n_streams;
    }
}

static void init_sources(struct cvg_sim *sim)
{
    const struct cvg_sim_options *o = &sim->options;
    for (size_t i = 0; i < sim->n_sources; i++) {
        cvg_arrivals_init(&sim->sources[i], &o->workload->streams[i], o->seed,
                          o->load);
    }
    cvg__sim_pick_source(sim);
}

enum cvg_status cvg_sim_create(const struct cvg_sim_options *o,
                               struct cvg_sim **out, struct cvg_error *err)
{
    struct cvg_sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for a simulation");
    }
    sim->options = *o;
    sim->box = o->box;
    if (sim->options.load <= 0) {
        sim->options.load = 1;
    }
    if (sim->options.planner_delay <= 0) {
        sim->options.planner_delay = PLANNER_DELAY;
    }
    set_times(sim);
    enum cvg_status status =
        allocate(sim)
            ? CVG_OK
            : cvg_fail(err, CVG_NOMEM, "out of memory for a simulation");
    if (status == CVG_OK) {
        status = create_engine(sim, err);
    }
    if (status == CVG_OK) {
        status = create_devices(sim, err);
    }
    if (status != CVG_OK) {
        cvg_sim_destroy(sim);
        return status;
    }
    init_sources(sim);
    *out = sim;
    return CVG_OK;
}

void cvg_sim_destroy(struct cvg_sim *sim)
{
    if (sim == NULL) {
        return;
    }
    for (size_t d = 0; sim->devices != NULL && d < sim->box->n_devices; d++) {
        cvg_device_model_destroy(sim->devices[d].model);
    }
    cvg_engine_destroy(sim->engine);
    cvg_histogram_destroy(sim->decision);
    cvg__agenda_fini(&sim->agenda);
    free(sim->devices);
    free(sim->busy);
    free(sim->before);
    free(sim->stats.devices);
    free(sim->sources);
    free(sim->answers);
    free(sim);
}

/* --- what can be asked ---------------------------------------------------- */

cvg_time cvg_sim_now(const struct cvg_sim *sim)
{
    return sim->now;
}

struct cvg_engine *cvg_sim_engine(struct cvg_sim *sim)
{
    return sim->engine;
}

const struct cvg_histogram *cvg_sim_decision_times(const struct cvg_sim *sim)
{
    return sim->decision;
}

static void take_off(struct cvg_device_stats *s,
                     const struct cvg_device_stats *before)
{
    s->batches -= before->batches;
    s->items -= before->items;
    s->failures -= before->failures;
    s->switches -= before->switches;
    s->loads -= before->loads;
    s->busy -= before->busy;
    s->switching -= before->switching;
    s->worked -= before->worked;
    s->worked_late -= before->worked_late;
    s->energy_j -= before->energy_j;
}

const struct cvg_stats *cvg_sim_stats(struct cvg_sim *sim)
{
    const struct cvg_stats *now = cvg_engine_stats(sim->engine);
    struct cvg_device_stats *devices = sim->stats.devices;
    sim->stats = *now;
    sim->stats.devices = devices;
    for (size_t d = 0; d < now->n_devices; d++) {
        devices[d] = now->devices[d];
        take_off(&devices[d], &sim->before[d]);
    }
    return &sim->stats;
}

cvg_span cvg_sim_measured(const struct cvg_sim *sim)
{
    cvg_time until =
        sim->measure_until == CVG_NEVER ? sim->now : sim->measure_until;
    return until - sim->measure_from;
}

cvg_span cvg_sim_elapsed(const struct cvg_sim *sim)
{
    cvg_span measured = cvg_sim_measured(sim);
    cvg_span elapsed = sim->now - sim->measure_from;
    return elapsed > measured ? elapsed : measured;
}

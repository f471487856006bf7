/* The virtual-time driver.
 *
 * One loop: the earliest of what devices, loads, the workload's events, its
 * arrivals, injected events and the engine's wake-up have next. At equal times
 * they happen in that order, so that a run does not depend on how it is asked
 * for. */
#include "sim/sim.h"

#include "base/histogram.h"
#include "device/model.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct pending { /* something that will happen */
    cvg_time at;
    struct cvg_event event;
};

struct cvg_sim {
    struct cvg_sim_options options;
    const struct cvg_box *box;
    struct cvg_engine *engine;
    struct cvg_device_model **models; /* [device] */
    double *slowdown;                 /* [device], by workload events */
    bool *busy;                       /* [device] */
    uint32_t *first_unit;             /* [device] */
    struct cvg_arrival_source *sources;
    size_t n_sources;
    size_t next_workload_event;
    struct pending *pending; /* sorted; loads, faults, injected events */
    size_t n_pending, max_pending;
    cvg_time now;
    uint64_t last_id;
    uint64_t steps;
    struct cvg_histogram *decision;
};

/* --- create --------------------------------------------------------------- */

static enum cvg_status create_models(struct cvg_sim *sim, struct cvg_error *err)
{
    uint32_t unit = 0;
    for (uint32_t d = 0; d < sim->box->n_devices; d++) {
        sim->first_unit[d] = unit;
        unit += sim->box->devices[d].units;
        sim->slowdown[d] = 1;
        enum cvg_status status = cvg_device_model_create(
            sim->box, d, sim->options.seed, &sim->models[d], err);
        if (status != CVG_OK) {
            return status;
        }
        for (uint32_t k = 0;; k++) {
            uint32_t v = cvg_engine_initial(sim->engine, d, k);
            if (v == CVG_ANY) {
                break;
            }
            if (cvg_engine_resident(sim->engine, d, v)) {
                cvg_device_model_preset(sim->models[d], v);
            }
        }
    }
    return CVG_OK;
}

static cvg_span largest_deadline(const struct cvg_box *box)
{
    cvg_span largest = CVG_S(10);
    for (size_t a = 0; a < box->n_apps; a++) {
        if (cvg_slo_has(&box->apps[a].slo, CVG_SLO_DEADLINE) &&
            box->apps[a].slo.deadline > largest) {
            largest = box->apps[a].slo.deadline;
        }
    }
    return largest;
}

static cvg_span scaled_duration(const struct cvg_sim_options *o)
{
    return o->workload == NULL ? 0 : o->workload->duration;
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
    size_t n = o->box->n_devices + 1;
    sim->models = calloc(n, sizeof(struct cvg_device_model *));
    sim->slowdown = calloc(n, sizeof *sim->slowdown);
    sim->busy = calloc(n, sizeof *sim->busy);
    sim->first_unit = calloc(n, sizeof *sim->first_unit);
    sim->n_sources = o->workload == NULL ? 0 : o->workload->n_streams;
    sim->sources = calloc(sim->n_sources + 1, sizeof *sim->sources);
    sim->decision = cvg_histogram_create();
    enum cvg_status status = CVG_OK;
    if (sim->models == NULL || sim->slowdown == NULL || sim->busy == NULL ||
        sim->first_unit == NULL || sim->sources == NULL ||
        sim->decision == NULL) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory for a simulation");
    }
    struct cvg_engine_options engine = {
        .box = o->box,
        .policy = o->policy,
        .seed = o->seed,
        .measure_from = o->workload == NULL ? 0 : o->workload->warmup,
        .measure_until = o->workload == NULL ? CVG_NEVER : scaled_duration(o),
        .largest_deadline = largest_deadline(o->box),
    };
    if (status == CVG_OK) {
        status = cvg_engine_create(&engine, &sim->engine, err);
    }
    if (status == CVG_OK) {
        status = create_models(sim, err);
    }
    if (status != CVG_OK) {
        cvg_sim_destroy(sim);
        return status;
    }
    for (size_t i = 0; o->workload != NULL && i < sim->n_sources; i++) {
        cvg_arrivals_init(&sim->sources[i], &o->workload->streams[i], o->seed,
                          sim->options.load);
    }
    *out = sim;
    return CVG_OK;
}

void cvg_sim_destroy(struct cvg_sim *sim)
{
    if (sim == NULL) {
        return;
    }
    for (size_t d = 0; sim->models != NULL && d < sim->box->n_devices; d++) {
        cvg_device_model_destroy(sim->models[d]);
    }
    cvg_engine_destroy(sim->engine);
    cvg_histogram_destroy(sim->decision);
    free(sim->models);
    free(sim->slowdown);
    free(sim->busy);
    free(sim->first_unit);
    free(sim->sources);
    free(sim->pending);
    free(sim);
}

/* --- what will happen ----------------------------------------------------- */

static void add_pending(struct cvg_sim *sim, cvg_time at,
                        const struct cvg_event *event)
{
    if (sim->n_pending == sim->max_pending) {
        size_t max = sim->max_pending == 0 ? 64 : sim->max_pending * 2;
        struct pending *p = realloc(sim->pending, max * sizeof *p);
        if (p == NULL) {
            abort(); /* a simulation without memory has no result */
        }
        sim->pending = p;
        sim->max_pending = max;
    }
    size_t k = sim->n_pending++;
    while (k > 0 && sim->pending[k - 1].at > at) {
        sim->pending[k] = sim->pending[k - 1];
        k--;
    }
    sim->pending[k] = (struct pending){.at = at, .event = *event};
    sim->pending[k].event.at = at;
}

uint64_t cvg_sim_arrive(struct cvg_sim *sim, cvg_time at,
                        const struct cvg_arrival *arrival)
{
    struct cvg_event event = {.type = CVG_EV_ARRIVAL, .arrival = *arrival};
    if (event.arrival.id == 0) {
        event.arrival.id = ++sim->last_id;
    }
    add_pending(sim, at, &event);
    return event.arrival.id;
}

void cvg_sim_inject(struct cvg_sim *sim, const struct cvg_event *event)
{
    add_pending(sim, event->at, event);
}

/* --- devices -------------------------------------------------------------- */

static void update_contention(struct cvg_sim *sim)
{
    bool changed = false;
    for (uint32_t d = 0; d < sim->box->n_devices; d++) {
        bool busy = cvg_device_model_busy(sim->models[d]);
        changed = changed || busy != sim->busy[d];
        sim->busy[d] = busy;
    }
    if (!changed || sim->box->n_contention == 0) {
        return;
    }
    for (uint32_t d = 0; d < sim->box->n_devices; d++) {
        double factor = cvg_contention_factor(sim->box, d, sim->busy);
        cvg_device_model_set_slowdown(sim->models[d], sim->now,
                                      factor * sim->slowdown[d]);
    }
}

static void act(struct cvg_sim *sim, const struct cvg_actions *actions)
{
    for (size_t i = 0; i < actions->n; i++) {
        const struct cvg_action *a = &actions->items[i];
        if (a->type == CVG_ACT_START) {
            struct cvg_model_batch batch = {
                .id = a->start.batch,
                .unit = a->start.unit - sim->first_unit[a->start.device],
                .variant = a->start.variant,
                .first = a->start.first,
                .last = a->start.last,
                .n = a->start.n_requests,
            };
            cvg_device_model_submit(sim->models[a->start.device], sim->now,
                                    &batch);
        } else if (a->type == CVG_ACT_LOAD || a->type == CVG_ACT_UNLOAD) {
            bool load = a->type == CVG_ACT_LOAD;
            struct cvg_event done = {.type = load ? CVG_EV_LOADED
                                                  : CVG_EV_UNLOADED};
            done.model_on.device = a->model_on.device;
            done.model_on.variant = a->model_on.variant;
            cvg_span time =
                load ? cvg_device_model_load_time(
                           sim->models[a->model_on.device], a->model_on.variant)
                     : 0;
            add_pending(sim, sim->now + time, &done);
        }
    }
    update_contention(sim);
}

static void step(struct cvg_sim *sim, struct cvg_event *event)
{
    struct cvg_actions actions;
    uint32_t every = sim->options.time_every > 0 ? sim->options.time_every : 16;
    bool timed = sim->options.clock != NULL && sim->steps % every == 0;
    int64_t before = timed ? sim->options.clock() : 0;
    event->at = sim->now;
    cvg_engine_step(sim->engine, event, &actions);
    if (timed) {
        cvg_histogram_add(sim->decision, sim->options.clock() - before);
    }
    sim->steps++;
    if (sim->options.watch != NULL) {
        sim->options.watch(sim->options.context, event, &actions);
    }
    act(sim, &actions);
}

static void complete(struct cvg_sim *sim, uint32_t device)
{
    struct cvg_model_done done;
    while (cvg_device_model_pop(sim->models[device], sim->now, &done)) {
        struct cvg_event event = {
            .type = CVG_EV_DONE,
            .done = {.batch = done.id,
                     .status = CVG_OK,
                     .run_time = done.finished - done.begun},
        };
        step(sim, &event);
    }
}

/* The box is slower; the engine has to find that out by itself. */
static void slow_down(struct cvg_sim *sim, uint32_t device, double factor)
{
    sim->slowdown[device] = factor;
    cvg_device_model_set_slowdown(
        sim->models[device], sim->now,
        factor * cvg_contention_factor(sim->box, device, sim->busy));
}

static void happen(struct cvg_sim *sim, const struct pending *p)
{
    struct cvg_event event = p->event;
    if (event.type == CVG_EV_DEVICE && event.device.slowdown > 0) {
        slow_down(sim, event.device.device, event.device.slowdown);
        return;
    }
    if (event.type == CVG_EV_DEVICE) {
        uint32_t device = event.device.device;
        if (!event.device.up) {
            cvg_device_model_down(sim->models[device], sim->now, NULL, NULL);
        }
    }
    step(sim, &event);
}

/* --- the workload --------------------------------------------------------- */

static struct cvg_arrival_source *source_of(struct cvg_sim *sim, uint32_t app)
{
    for (size_t i = 0; i < sim->n_sources; i++) {
        if (sim->sources[i].stream->app == app) {
            return &sim->sources[i];
        }
    }
    return NULL;
}

static void fault(struct cvg_sim *sim, cvg_time at, uint32_t device, bool up,
                  double slowdown)
{
    struct cvg_event event = {.type = CVG_EV_DEVICE};
    event.device.device = device;
    event.device.up = up;
    event.device.slowdown = slowdown;
    add_pending(sim, at, &event);
}

static void workload_event(struct cvg_sim *sim,
                           const struct cvg_workload_event *e)
{
    struct cvg_event event = {.type = CVG_EV_APP};
    struct cvg_arrival_source *source;
    switch (e->type) {
    case CVG_WORKLOAD_DEVICE_DOWN:
        fault(sim, sim->now, e->device, false, 0);
        if (e->length != CVG_NEVER) {
            fault(sim, sim->now + e->length, e->device, true, 0);
        }
        break;
    case CVG_WORKLOAD_DEVICE_UP:
        fault(sim, sim->now, e->device, true, 0);
        break;
    case CVG_WORKLOAD_SLOWDOWN:
        fault(sim, sim->now, e->device, true, e->factor);
        if (e->length != CVG_NEVER) {
            fault(sim, sim->now + e->length, e->device, true, 1);
        }
        break;
    case CVG_WORKLOAD_SLO:
        event.app.app = e->app;
        event.app.slo = e->slo;
        step(sim, &event);
        break;
    case CVG_WORKLOAD_RATE:
        source = source_of(sim, e->app);
        if (source != NULL) {
            cvg_arrivals_set_rate(source, sim->now, e->rate_rps);
        }
        break;
    }
}

static void arrive(struct cvg_sim *sim, struct cvg_arrival_source *source)
{
    const struct cvg_trace_row *row = cvg_arrivals_row(source);
    struct cvg_event event = {
        .type = CVG_EV_ARRIVAL,
        .arrival = {.id = ++sim->last_id,
                    .app = source->stream->app,
                    .variant = CVG_ANY},
    };
    if (row != NULL) {
        if (row->deadline > 0) {
            event.arrival.overrides |= 1U << CVG_SLO_DEADLINE;
            event.arrival.bounds.deadline = row->deadline;
        }
        if (row->accuracy >= 0) {
            event.arrival.overrides |= 1U << CVG_SLO_ACCURACY;
            event.arrival.bounds.accuracy = row->accuracy;
        }
    }
    cvg_arrivals_advance(source);
    step(sim, &event);
}

/* --- the loop ------------------------------------------------------------- */

enum next_kind { DEVICE, PENDING, WORKLOAD, ARRIVAL, WAKE, NOTHING };

struct next {
    cvg_time at;
    enum next_kind kind;
    size_t index;
};

static void sooner(struct next *next, cvg_time at, enum next_kind kind,
                   size_t index)
{
    if (at != CVG_NEVER && at < next->at) {
        *next = (struct next){at, kind, index};
    }
}

static struct next find_next(const struct cvg_sim *sim)
{
    const struct cvg_workload *w = sim->options.workload;
    struct next next = {CVG_NEVER, NOTHING, 0};
    for (size_t d = 0; d < sim->box->n_devices; d++) {
        sooner(&next, cvg_device_model_next(sim->models[d]), DEVICE, d);
    }
    if (sim->n_pending > 0) {
        sooner(&next, sim->pending[0].at, PENDING, 0);
    }
    if (w != NULL && sim->next_workload_event < w->n_events) {
        sooner(&next, w->events[sim->next_workload_event].at, WORKLOAD, 0);
    }
    for (size_t i = 0; w != NULL && i < sim->n_sources; i++) {
        if (sim->sources[i].next < w->duration) {
            sooner(&next, sim->sources[i].next, ARRIVAL, i);
        }
    }
    sooner(&next, cvg_engine_next_wake(sim->engine), WAKE, 0);
    return next;
}

static void go(struct cvg_sim *sim, const struct next *next)
{
    sim->now = next->at > sim->now ? next->at : sim->now;
    struct cvg_event timer = {.type = CVG_EV_TIMER};
    struct pending first;
    switch (next->kind) {
    case DEVICE:
        complete(sim, (uint32_t)next->index);
        break;
    case PENDING:
        first = sim->pending[0];
        sim->n_pending--;
        memmove(sim->pending, sim->pending + 1,
                sim->n_pending * sizeof *sim->pending);
        happen(sim, &first);
        break;
    case WORKLOAD:
        workload_event(
            sim, &sim->options.workload->events[sim->next_workload_event++]);
        break;
    case ARRIVAL:
        arrive(sim, &sim->sources[next->index]);
        break;
    case WAKE:
        step(sim, &timer);
        break;
    case NOTHING:
        break;
    }
}

void cvg_sim_run_until(struct cvg_sim *sim, cvg_time until)
{
    struct next next = find_next(sim);
    while (next.kind != NOTHING && next.at <= until) {
        go(sim, &next);
        next = find_next(sim);
    }
    sim->now = until > sim->now ? until : sim->now;
}

static bool arrivals_left(const struct cvg_sim *sim)
{
    for (size_t i = 0; i < sim->n_sources; i++) {
        if (sim->sources[i].next < sim->options.workload->duration) {
            return true;
        }
    }
    return sim->n_pending > 0;
}

void cvg_sim_run(struct cvg_sim *sim)
{
    struct next next = find_next(sim);
    while (next.kind != NOTHING &&
           (arrivals_left(sim) || cvg_engine_live(sim->engine) > 0)) {
        go(sim, &next);
        next = find_next(sim);
    }
    cvg_engine_finish(sim->engine, sim->now);
}

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

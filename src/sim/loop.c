/* The virtual-time driver.
 *
 * One loop: the earliest of what devices, loads, the workload's events, its
 * arrivals, injected events and the engine's wake-up have next. At equal times
 * they happen in that order, so that a run does not depend on how it is asked
 * for. */
#include "sim/state.h"

#include "base/histogram.h"
#include <assert.h>

/* --- devices -------------------------------------------------------------- */

static void set_speed(struct cvg_sim *sim, uint32_t device)
{
    struct cvg__sim_device *d = &sim->devices[device];
    cvg_device_model_set_slowdown(
        d->model, sim->now,
        d->slowdown * cvg_contention_factor(sim->box, device, sim->busy));
}

static void update_contention(struct cvg_sim *sim)
{
    bool changed = false;
    if (sim->box->n_contention == 0) {
        return;
    }
    for (uint32_t d = 0; d < sim->box->n_devices; d++) {
        bool busy = cvg_device_model_busy(sim->devices[d].model);
        changed = changed || busy != sim->busy[d];
        sim->busy[d] = busy;
    }
    for (uint32_t d = 0; changed && d < sim->box->n_devices; d++) {
        set_speed(sim, d);
    }
}

static void start(struct cvg_sim *sim, const struct cvg_start *start)
{
    const struct cvg__sim_device *d = &sim->devices[start->device];
    struct cvg_model_batch batch = {
        .id = start->batch,
        .unit = start->unit - d->first_unit,
        .variant = start->variant,
        .first = start->first,
        .last = start->last,
        .n = start->n_requests,
    };
    cvg_device_model_submit(d->model, sim->now, &batch);
    cvg__confidence_draw(sim, start);
}

static void load(struct cvg_sim *sim, const struct cvg_action *a)
{
    bool in = a->type == CVG_ACT_LOAD;
    uint32_t device = a->model_on.device, variant = a->model_on.variant;
    struct cvg__item done = {
        .at = sim->now,
        .event = {.type = in ? CVG_EV_LOADED : CVG_EV_UNLOADED}};
    done.event.model_on.device = device;
    done.event.model_on.variant = variant;
    if (in) {
        done.at +=
            cvg_device_model_load_time(sim->devices[device].model, variant);
    }
    bool added = cvg__agenda_add(&sim->agenda, &done);
    assert(added); /* there is room for one of each */
    (void)added;
}

/* What is known now is asked; the answer takes its time. */
static void solve(struct cvg_sim *sim, const struct cvg_question *question)
{
    const struct cvg_allocation_ops *allocation =
        sim->options.policy->allocation;
    struct cvg__item answer = {.at = sim->now + sim->options.planner_delay,
                               .event = {.type = CVG_EV_SOLVE_FAILED}};
    if (allocation->solve(sim->box, question, &sim->plan, NULL) == CVG_OK) {
        answer.event.type = CVG_EV_SOLVED;
        answer.event.solved.answer = &sim->plan;
        answer.event.solved.size = sizeof sim->plan;
    }
    bool added = cvg__agenda_add(&sim->agenda, &answer);
    assert(added); /* there is room for one */
    (void)added;
}

static void act(struct cvg_sim *sim, const struct cvg_actions *actions)
{
    for (size_t i = 0; i < actions->n; i++) {
        const struct cvg_action *a = &actions->items[i];
        if (a->type == CVG_ACT_START) {
            start(sim, &a->start);
        } else if (a->type == CVG_ACT_LOAD || a->type == CVG_ACT_UNLOAD) {
            load(sim, a);
        } else if (a->type == CVG_ACT_SOLVE) {
            solve(sim, a->question);
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
    if (event->type == CVG_EV_DONE && sim->answers != NULL) {
        cvg__confidence_tell(sim, &event->done);
    }
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

static void tell_later(struct cvg_sim *sim, const struct cvg_event *event)
{
    struct cvg__item item = {.at = sim->now + sim->options.overhead,
                             .event = *event};
    bool added = cvg__agenda_add(&sim->agenda, &item);
    assert(added); /* there is room for all that the units hold */
    (void)added;
}

static void complete(struct cvg_sim *sim, uint32_t device)
{
    struct cvg_model_done done;
    while (cvg_device_model_pop(sim->devices[device].model, sim->now, &done)) {
        struct cvg_event event = {
            .type = CVG_EV_DONE,
            .done = {.batch = done.id,
                     .status = CVG_OK,
                     .run_time = done.finished - done.begun},
        };
        if (sim->options.ended != NULL) {
            sim->options.ended(sim->options.context, device, &done);
        }
        if (sim->options.overhead > 0) {
            tell_later(sim, &event);
            update_contention(sim);
        } else {
            step(sim, &event);
        }
    }
}

/* --- faults --------------------------------------------------------------- */

/* A slowdown is the world's: the engine has to find it out by itself. */
static void device_event(struct cvg_sim *sim, struct cvg_event *event)
{
    uint32_t device = event->device.device;
    struct cvg__sim_device *d = &sim->devices[device];
    if (event->device.slowdown > 0) {
        d->slowdown = event->device.slowdown;
        set_speed(sim, device);
        return;
    }
    if (!event->device.up) {
        cvg_device_model_down(d->model, sim->now, NULL, NULL);
        cvg__confidence_forget(sim, device);
        cvg__agenda_forget_loads(&sim->agenda, device);
    }
    step(sim, event);
}

static void happen(struct cvg_sim *sim, const struct cvg__item *item)
{
    struct cvg_event event = item->event;
    if (event.type != CVG_EV_DEVICE) {
        step(sim, &event);
        return;
    }
    const struct cvg__sim_device *d = &sim->devices[event.device.device];
    uint32_t rules = event.device.slowdown > 0 ? d->slowness : d->outage;
    if (item->fault == 0 || item->fault == rules) {
        device_event(sim, &event);
    }
}

/* Begins now, and ends `length` later if nothing else was said of the device
 * in between. slowdown 0: it is an outage, or the end of one. */
static void fault(struct cvg_sim *sim, const struct cvg_workload_event *e,
                  bool up, double slowdown)
{
    struct cvg__sim_device *d = &sim->devices[e->device];
    struct cvg_event event = {.type = CVG_EV_DEVICE, .at = sim->now};
    event.device.device = e->device;
    event.device.up = up;
    event.device.slowdown = slowdown;
    uint32_t number = ++sim->faults;
    *(slowdown > 0 ? &d->slowness : &d->outage) = number;
    device_event(sim, &event);
    if (e->length != CVG_NEVER) {
        struct cvg__item end = {
            .at = sim->now + e->length, .fault = number, .event = event};
        end.event.device.up = true;
        end.event.device.slowdown = slowdown > 0 ? 1 : 0;
        bool added = cvg__agenda_add(&sim->agenda, &end);
        assert(added); /* there is room for one of each */
        (void)added;
    }
}

/* --- the workload --------------------------------------------------------- */

void cvg__sim_pick_source(struct cvg_sim *sim)
{
    cvg_span first = sim->measure_until;
    sim->next_source = sim->n_sources;
    for (size_t i = 0; i < sim->n_sources; i++) {
        if (sim->sources[i].next < first) {
            first = sim->sources[i].next;
            sim->next_source = i;
        }
    }
}

static void change_rate(struct cvg_sim *sim, uint32_t app, double rate_rps)
{
    for (size_t i = 0; i < sim->n_sources; i++) {
        if (sim->sources[i].stream->app == app) {
            cvg_arrivals_set_rate(&sim->sources[i], sim->now, rate_rps);
        }
    }
    cvg__sim_pick_source(sim);
}

static void workload_event(struct cvg_sim *sim,
                           const struct cvg_workload_event *e)
{
    struct cvg_event event = {.type = CVG_EV_APP};
    switch (e->type) {
    case CVG_WORKLOAD_DEVICE_DOWN:
        fault(sim, e, false, 0);
        break;
    case CVG_WORKLOAD_DEVICE_UP:
        fault(sim, e, true, 0);
        break;
    case CVG_WORKLOAD_SLOWDOWN:
        fault(sim, e, true, e->factor);
        break;
    case CVG_WORKLOAD_SLO:
        event.app.app = e->app;
        event.app.slo = e->slo;
        event.app.new_conditions = e->new_conditions;
        event.app.conditions = e->conditions;
        event.app.new_objective = e->new_objective;
        event.app.objective = e->objective;
        step(sim, &event);
        break;
    case CVG_WORKLOAD_RATE:
        change_rate(sim, e->app, e->rate_rps);
        break;
    }
}

static void arrive(struct cvg_sim *sim)
{
    struct cvg_arrival_source *source = &sim->sources[sim->next_source];
    const struct cvg_trace_row *row = cvg_arrivals_row(source);
    struct cvg_event event = {
        .type = CVG_EV_ARRIVAL,
        .arrival = {.id = ++sim->last_id,
                    .app = source->stream->app,
                    .variant = CVG_ANY},
    };
    if (row != NULL && row->deadline > 0) {
        event.arrival.overrides |= 1U << CVG_SLO_DEADLINE;
        event.arrival.bounds.deadline = row->deadline;
    }
    if (row != NULL && row->accuracy >= 0) {
        event.arrival.overrides |= 1U << CVG_SLO_ACCURACY;
        event.arrival.bounds.accuracy = row->accuracy;
    }
    cvg_arrivals_advance(source);
    cvg__sim_pick_source(sim);
    step(sim, &event);
}

uint64_t cvg_sim_arrive(struct cvg_sim *sim, cvg_time at,
                        const struct cvg_arrival *arrival)
{
    struct cvg__item item = {
        .at = at, .event = {.type = CVG_EV_ARRIVAL, .arrival = *arrival}};
    if (item.event.arrival.id == 0) {
        item.event.arrival.id = ++sim->last_id;
    }
    return cvg__agenda_add(&sim->agenda, &item) ? item.event.arrival.id : 0;
}

bool cvg_sim_inject(struct cvg_sim *sim, const struct cvg_event *event)
{
    struct cvg__item item = {.at = event->at, .event = *event};
    return cvg__agenda_add(&sim->agenda, &item);
}

/* --- the end of the warm-up ----------------------------------------------- */

/* Units hold what they held after the last step until the next one. */
static uint32_t units_in_use(const struct cvg_sim *sim, uint32_t device)
{
    uint32_t n = 0;
    for (uint32_t u = 0; u < sim->box->devices[device].units; u++) {
        n += cvg_device_model_held(sim->devices[device].model, u) > 0;
    }
    return n;
}

static void end_warmup(struct cvg_sim *sim)
{
    const struct cvg_stats *stats = cvg_engine_stats(sim->engine);
    cvg_span since = sim->measure_from - sim->now;
    sim->warm = true;
    for (uint32_t d = 0; sim->measure_from > 0 && d < stats->n_devices; d++) {
        sim->before[d] = stats->devices[d];
        sim->before[d].busy += since * units_in_use(sim, d);
    }
}

/* --- the loop ------------------------------------------------------------- */

enum next_kind { DEVICE, PENDING, WORKLOAD, ARRIVAL, WAKE, NOTHING };

struct next {
    cvg_time at;
    enum next_kind kind;
    uint32_t device;
};

static void sooner(struct next *next, cvg_time at, enum next_kind kind)
{
    if (at < next->at) {
        next->at = at;
        next->kind = kind;
    }
}

static struct next find_next(const struct cvg_sim *sim)
{
    const struct cvg_workload *w = sim->options.workload;
    const struct cvg__item *pending = cvg__agenda_first(&sim->agenda);
    struct next next = {CVG_NEVER, NOTHING, 0};
    for (uint32_t d = 0; d < sim->box->n_devices; d++) {
        cvg_time at = cvg_device_model_next(sim->devices[d].model);
        if (at < next.at) {
            next = (struct next){at, DEVICE, d};
        }
    }
    if (pending != NULL) {
        sooner(&next, pending->at, PENDING);
    }
    if (w != NULL && sim->next_workload_event < w->n_events) {
        sooner(&next, w->events[sim->next_workload_event].at, WORKLOAD);
    }
    if (sim->next_source < sim->n_sources) {
        sooner(&next, sim->sources[sim->next_source].next, ARRIVAL);
    }
    sooner(&next, cvg_engine_next_wake(sim->engine), WAKE);
    return next;
}

static void go(struct cvg_sim *sim, const struct next *next)
{
    struct cvg_event timer = {.type = CVG_EV_TIMER};
    struct cvg__item item;
    if (!sim->warm && next->at >= sim->measure_from) {
        end_warmup(sim);
    }
    sim->now = next->at > sim->now ? next->at : sim->now;
    switch (next->kind) {
    case DEVICE:
        complete(sim, next->device);
        break;
    case PENDING:
        item = cvg__agenda_take(&sim->agenda);
        happen(sim, &item);
        break;
    case WORKLOAD:
        workload_event(
            sim, &sim->options.workload->events[sim->next_workload_event++]);
        break;
    case ARRIVAL:
        arrive(sim);
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

/* An event may yet give a silent stream a rate again. */
static bool events_left(const struct cvg_sim *sim)
{
    const struct cvg_workload *w = sim->options.workload;
    return w != NULL && sim->next_workload_event < w->n_events &&
           w->events[sim->next_workload_event].at < sim->measure_until;
}

/* What is to happen after that (a device comes up again) is of no use. */
static bool all_ended(const struct cvg_sim *sim)
{
    return sim->next_source == sim->n_sources && sim->agenda.n_arrivals == 0 &&
           cvg_engine_live(sim->engine) == 0 && !events_left(sim);
}

bool cvg_sim_advance(struct cvg_sim *sim, cvg_time until)
{
    while (!all_ended(sim)) {
        struct next next = find_next(sim);
        if (next.at > until) {
            return true;
        }
        if (next.kind == NOTHING) {
            return false;
        }
        go(sim, &next);
    }
    return false;
}

void cvg_sim_finish(struct cvg_sim *sim)
{
    if (!sim->warm) { /* nothing came after the warm-up */
        end_warmup(sim);
    }
    cvg_engine_finish(sim->engine, sim->now);
}

void cvg_sim_run(struct cvg_sim *sim)
{
    cvg_sim_advance(sim, CVG_NEVER);
    cvg_sim_finish(sim);
}

/* The picture that policies see, and the calls by which they choose. */
#include "engine/state.h"

#include <assert.h>
#include <math.h>

static struct cvg_engine *engine_of(const struct cvg_view *view)
{
    return (struct cvg_engine *)view->engine;
}

static const struct slot *slot_of(const struct cvg_request *request)
{
    return (const struct slot *)request; /* its first member */
}

void cvg__view_refresh(struct cvg_engine *e)
{
    e->view = (struct cvg_view){
        .now = e->now,
        .box = e->box,
        .profile = e->profile,
        .units = e->units,
        .n_units = e->n_units,
        .apps = e->apps,
        .n_apps = (uint32_t)e->box->n_apps,
        .engine = e,
    };
}

/* --- queues --------------------------------------------------------------- */

static const struct cvg_request *skip_taken(const struct cvg_engine *e,
                                            uint32_t i)
{
    while (i != NONE && e->slots[i].taken) {
        i = e->slots[i].next;
    }
    return i == NONE ? NULL : &e->slots[i].request;
}

const struct cvg_request *cvg_view_first(const struct cvg_view *view,
                                         uint32_t app)
{
    const struct cvg_engine *e = engine_of(view);
    return skip_taken(e, e->queues[app].first);
}

const struct cvg_request *cvg_view_next(const struct cvg_view *view,
                                        const struct cvg_request *request)
{
    return skip_taken(engine_of(view), slot_of(request)->next);
}

uint64_t cvg_view_devices(const struct cvg_view *view,
                          const struct cvg_request *request)
{
    (void)view;
    return slot_of(request)->devices;
}

uint64_t cvg_view_usable(const struct cvg_view *view,
                         const struct cvg_request *request, uint32_t device)
{
    const struct cvg_engine *e = engine_of(view);
    return request->plain != 0
               ? e->usable[request->app * e->box->n_devices + device]
               : UINT64_MAX;
}

const struct cvg_request *cvg_view_next_on(const struct cvg_view *view,
                                           uint32_t app,
                                           const struct cvg_request *after,
                                           uint64_t devices, cvg_time due)
{
    const struct cvg_engine *e = engine_of(view);
    uint32_t from =
        after == NULL ? NONE : (uint32_t)(slot_of(after) - e->slots);
    uint32_t i = cvg__queue_next(e, app, from, devices, due);
    return i == NONE ? NULL : &e->slots[i].request;
}

uint32_t cvg_view_waiting(const struct cvg_view *view, uint32_t app)
{
    return engine_of(view)->queues[app].n;
}

uint32_t cvg_view_choosy(const struct cvg_view *view, uint32_t app)
{
    return engine_of(view)->queues[app].n_choosy;
}

bool cvg_view_is_choosy(const struct cvg_view *view,
                        const struct cvg_request *request)
{
    (void)view;
    return cvg__is_choosy(slot_of(request));
}

bool cvg_view_before(const struct cvg_view *view, const struct cvg_request *a,
                     const struct cvg_request *b)
{
    (void)view;
    return cvg__before(slot_of(a), slot_of(b));
}

cvg_span cvg_view_fastest(const struct cvg_view *view,
                          const struct cvg_request *request)
{
    return cvg__reach(engine_of(view), request)->up;
}

const struct cvg_plan *cvg_view_plan(const struct cvg_view *view)
{
    const struct cvg_engine *e = engine_of(view);
    return e->demand.plans > 0 ? &e->plan : NULL;
}

uint64_t cvg_view_plans(const struct cvg_view *view)
{
    return engine_of(view)->demand.plans;
}

struct cvg_recent cvg_view_recent(const struct cvg_view *view, uint32_t app)
{
    return cvg_ledger_recent(engine_of(view)->ledger, app, view->now);
}

/* --- devices and units ---------------------------------------------------- */

bool cvg_view_up(const struct cvg_view *view, uint32_t device)
{
    const struct device_state *d = &engine_of(view)->devices[device];
    return d->up && d->quarantined_until == 0;
}

bool cvg_view_free(const struct cvg_view *view, const struct cvg_unit *unit)
{
    return cvg_view_up(view, unit->device) &&
           unit->n_held < view->box->devices[unit->device].in_flight;
}

enum cvg_residency cvg_view_residency(const struct cvg_view *view,
                                      uint32_t device, uint32_t variant)
{
    return cvg__residency(engine_of(view), device, variant)->state;
}

bool cvg_view_load_failed(const struct cvg_view *view, uint32_t device,
                          uint32_t variant)
{
    return cvg__residency(engine_of(view), device, variant)->failed;
}

bool cvg_view_has_room(const struct cvg_view *view, uint32_t device,
                       uint32_t variant)
{
    return cvg__has_room(engine_of(view), device, variant);
}

bool cvg_view_enabled(const struct cvg_view *view, uint32_t variant)
{
    return engine_of(view)->enabled[variant];
}

bool cvg_view_goes_on(const struct cvg_view *view)
{
    return engine_of(view)->policy.exits->next != NULL;
}

double cvg_view_energy(const struct cvg_view *view)
{
    return engine_of(view)->energy_begun_j;
}

double cvg_view_slowdown(const struct cvg_view *view, uint32_t device)
{
    return cvg__slowdown(engine_of(view), device);
}

cvg_span cvg_view_switch(const struct cvg_view *view,
                         const struct cvg_unit *unit, uint32_t variant)
{
    return cvg_unit_cache_switch(
        &engine_of(view)->unit_states[unit->index].cache, variant);
}

/* Work left in a batch of the unit now, ns. */
static double left_now(const struct cvg_engine *e, const struct cvg_unit *unit,
                       uint32_t i)
{
    const struct unit_state *u = &e->unit_states[unit->index];
    const struct batch *b = &e->batches[u->batches[i]];
    double elapsed = (double)(e->now - u->touched);
    if (e->box->devices[unit->device].discipline == CVG_FCFS) {
        elapsed = i == 0 ? elapsed : 0;
    } else {
        elapsed /= unit->n_held;
    }
    return fmax((double)b->work - b->done - elapsed, 0);
}

cvg_time cvg_view_finish(const struct cvg_view *view,
                         const struct cvg_unit *unit, uint32_t variant,
                         uint32_t first, uint32_t last, uint32_t n,
                         enum cvg_quantile quantile)
{
    struct cvg_engine *e = engine_of(view);
    uint32_t d = unit->device;
    uint32_t min = cvg_profile_min_batch(e->profile, variant, first, last, d);
    e->stats->evaluations++;
    if (min == 0 || n < min ||
        n > cvg_profile_max_batch(e->profile, variant, first, last, d)) {
        return CVG_NEVER;
    }
    double service =
        (double)cvg__run_time(e, variant, first, last, d, n, quantile) +
        (double)cvg_view_switch(view, unit, variant) * cvg__slowdown(e, d);
    double end = service;
    bool fcfs = e->box->devices[d].discipline == CVG_FCFS;
    for (uint32_t i = 0; i < unit->n_held; i++) {
        double other = left_now(e, unit, i);
        end += fcfs ? other : fmin(other, service);
    }
    return e->now + (cvg_span)end;
}

bool cvg_view_good_enough(const struct cvg_view *view,
                          const struct cvg_request *request, uint32_t variant,
                          uint32_t exit, uint32_t device, uint32_t n)
{
    if (request->variant != CVG_ANY && request->variant != variant) {
        return false;
    }
    if (view->box->variants[variant].accuracy[exit] <
        request->min_accuracy - 1e-12) {
        return false;
    }
    return request->max_energy_j == INFINITY ||
           cvg_profile_energy(view->profile, variant, 0, exit, device, n) <=
               request->max_energy_j * n * (1 + 1e-12);
}

/* --- choices -------------------------------------------------------------- */

/* Batches that this call has begun on the unit. */
static uint32_t begun_on(const struct cvg_choices *c, uint32_t unit)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_starts; i++) {
        n += c->starts[i] != CVG_ANY &&
             c->engine->batches[c->starts[i]].unit == unit;
    }
    return n;
}

/* Where one more start goes: in place of one that was trimmed to nothing. */
static uint32_t start_handle(struct cvg_choices *c)
{
    for (uint32_t i = 0; i < c->n_starts; i++) {
        if (c->starts[i] == CVG_ANY) {
            return i;
        }
    }
    return c->n_starts++;
}

int cvg_choose_start(struct cvg_choices *c, uint32_t unit, uint32_t variant,
                     uint32_t first, uint32_t last)
{
    struct cvg_engine *e = c->engine;
    uint32_t device = e->units[unit].device;
    if (!cvg_view_up(&e->view, device) ||
        e->units[unit].n_held + begun_on(c, unit) >=
            e->box->devices[device].in_flight ||
        cvg__residency(e, device, variant)->state != CVG_RESIDENT) {
        return -1;
    }
    struct batch *b = cvg__batch_take(e);
    b->unit = unit;
    b->variant = variant;
    b->first = first;
    b->last = last;
    uint32_t handle = start_handle(c);
    c->starts[handle] = (uint32_t)(b - e->batches);
    return (int)handle;
}

bool cvg_choose_switch(struct cvg_choices *c, uint32_t unit, uint32_t variant)
{
    int batch = cvg_choose_start(c, unit, variant, 0, 0);
    if (batch >= 0) {
        c->engine->batches[c->starts[batch]].only_switches = true;
    }
    return batch >= 0;
}

static struct batch *chosen_batch(struct cvg_choices *c, int batch)
{
    assert(batch >= 0 && (uint32_t)batch < c->n_starts &&
           c->starts[batch] != CVG_ANY);
    return &c->engine->batches[c->starts[batch]];
}

bool cvg_choose_request(struct cvg_choices *c, int batch,
                        const struct cvg_request *request)
{
    struct cvg_engine *e = c->engine;
    struct batch *b = chosen_batch(c, batch);
    uint32_t slot = (uint32_t)((const struct slot *)request - e->slots);
    assert(e->slots[slot].state == SLOT_WAITING && !e->slots[slot].taken);
    if (b->n >= cvg_profile_max_batch(e->profile, b->variant, b->first, b->last,
                                      e->units[b->unit].device)) {
        return false;
    }
    e->slots[slot].taken = true;
    b->slots[b->n++] = slot;
    return true;
}

void cvg_choose_trim(struct cvg_choices *c, int batch, uint32_t n)
{
    struct batch *b = chosen_batch(c, batch);
    while (b->n > n) {
        c->engine->slots[b->slots[--b->n]].taken = false;
    }
    if (n == 0) {
        cvg__batch_give(c->engine, b);
        c->starts[batch] = CVG_ANY;
    }
}

void cvg_choose_binding(struct cvg_choices *c, int batch, uint32_t kinds)
{
    chosen_batch(c, batch)->binding = kinds;
}

bool cvg_chosen(const struct cvg_view *view, const struct cvg_request *request)
{
    (void)view;
    return slot_of(request)->taken;
}

bool cvg_choose_drop(struct cvg_choices *c, const struct cvg_request *request,
                     enum cvg_reason reason)
{
    struct cvg_engine *e = c->engine;
    uint32_t slot = (uint32_t)((const struct slot *)request - e->slots);
    if (c->n_drops == MAX_CHOICE_DROPS || e->slots[slot].taken) {
        return false;
    }
    e->slots[slot].taken = true;
    c->drops[c->n_drops++] =
        (struct choice_drop){.slot = slot, .reason = reason};
    return true;
}

static bool choose_model(struct cvg_choices *c, uint32_t device,
                         uint32_t variant, bool load)
{
    if (c->n_loads == MAX_CHOICE_LOADS) {
        return false;
    }
    c->loads[c->n_loads++] = (struct choice_load){
        .device = device, .variant = variant, .load = load};
    return true;
}

bool cvg_choose_load(struct cvg_choices *c, uint32_t device, uint32_t variant)
{
    return choose_model(c, device, variant, true);
}

bool cvg_choose_unload(struct cvg_choices *c, uint32_t device, uint32_t variant)
{
    return choose_model(c, device, variant, false);
}

void cvg_choose_wake(struct cvg_choices *c, cvg_time when)
{
    c->wake = when < c->wake ? when : c->wake;
}

/* The engine: one step from an event to the actions. */
#include "engine/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ENDED_KEPT 65536U
#define DEFAULT_DROPS_PER_STEP 256U
#define DEFAULT_ATTEMPTS 3U

/* --- create and destroy --------------------------------------------------- */

static uint32_t largest_batch(const struct cvg_box *box)
{
    uint32_t largest = 1;
    for (uint32_t v = 0; v < box->n_variants; v++) {
        for (uint32_t d = 0; d < box->n_devices; d++) {
            uint32_t max = cvg_profile_max_batch(box->profile, v, 0, 0, d);
            largest = max > largest ? max : largest;
        }
    }
    return largest;
}

static void measure(struct cvg_engine *e)
{
    uint32_t queued = 0;
    e->n_units = cvg_box_units(e->box);
    e->max_batch = largest_batch(e->box);
    for (size_t d = 0; d < e->box->n_devices; d++) {
        e->n_batches += e->box->devices[d].units * e->box->devices[d].in_flight;
    }
    for (size_t a = 0; a < e->box->n_apps; a++) {
        queued += e->box->apps[a].queue_limit;
    }
    /* Batches that fail go back to their queues above the limit, in each app.
     */
    uint32_t running = e->n_batches * e->max_batch;
    e->n_slots = queued + (uint32_t)(e->box->n_apps + 1) * running + 1;
    /* At exits wait, and those that were running when there was no more place.
     * Where a lost device gives all of them back, an app after the other, there
     * may be more: then who arrives is rejected. */
    uint32_t paused =
        cvg_box_has_exits(e->box) ? CVG_MOST_PAUSED * e->n_units + running : 0;
    e->n_slots += paused;
    /* A step ends at most: what one device down gives back or ends, each with
     * features to release, the drops of the policy and of time, a start per
     * batch, a load and an unload of each variant. */
    e->max_actions = 8 * running + 2 * paused + e->n_batches +
                     2 * e->drops_per_step + MAX_CHOICE_DROPS +
                     2 * (uint32_t)(e->box->n_devices * e->box->n_variants) +
                     16;
}

static void *zeroed(size_t n, size_t size)
{
    return calloc(n + 1, size); /* never of size 0, which may be NULL */
}

static bool allocate(struct cvg_engine *e)
{
    const struct cvg_box *box = e->box;
    size_t pairs = box->n_devices * box->n_variants;
    e->apps = zeroed(box->n_apps, sizeof *e->apps);
    e->reach = zeroed(box->n_apps, sizeof *e->reach);
    e->usable = zeroed(box->n_apps * box->n_devices, sizeof *e->usable);
    e->enabled = zeroed(box->n_variants, sizeof *e->enabled);
    e->slots = zeroed(e->n_slots, sizeof *e->slots);
    e->queues = zeroed(box->n_apps, sizeof *e->queues);
    e->spare = zeroed(box->n_apps, sizeof *e->spare);
    e->alone = zeroed(box->n_apps * box->n_devices, sizeof *e->alone);
    e->demand.counts =
        zeroed(CVG_DEMAND_BUCKETS * box->n_apps, sizeof *e->demand.counts);
    e->heap = zeroed(e->n_slots, sizeof *e->heap);
    e->units = zeroed(e->n_units, sizeof *e->units);
    e->unit_states = zeroed(e->n_units, sizeof *e->unit_states);
    e->first_unit = zeroed(box->n_devices, sizeof *e->first_unit);
    e->batches = zeroed(e->n_batches, sizeof *e->batches);
    e->batch_slots =
        zeroed((size_t)e->n_batches * e->max_batch, sizeof *e->batch_slots);
    e->devices = zeroed(box->n_devices, sizeof *e->devices);
    e->residency = zeroed(pairs, sizeof *e->residency);
    e->want = zeroed(pairs, sizeof *e->want);
    e->choices.starts = zeroed(e->n_batches, sizeof *e->choices.starts);
    e->actions = zeroed(e->max_actions, sizeof *e->actions);
    e->action_ids =
        zeroed((size_t)e->n_batches * e->max_batch, sizeof *e->action_ids);
    e->ended = zeroed(e->max_ended, sizeof *e->ended);
    e->ended_ids = zeroed(e->max_ended, sizeof *e->ended_ids);
    return e->apps != NULL && e->reach != NULL && e->usable != NULL &&
           e->enabled != NULL && e->slots != NULL && e->queues != NULL &&
           e->spare != NULL && e->alone != NULL && e->demand.counts != NULL &&
           e->heap != NULL && e->units != NULL && e->unit_states != NULL &&
           e->first_unit != NULL && e->batches != NULL &&
           e->batch_slots != NULL && e->devices != NULL &&
           e->residency != NULL && e->want != NULL &&
           e->choices.starts != NULL && e->actions != NULL &&
           e->action_ids != NULL && e->ended != NULL && e->ended_ids != NULL &&
           cvg_id_map_reserve(&e->by_id, e->n_slots);
}

static bool allocate_part(size_t (*size_of)(const struct cvg_box *),
                          const struct cvg_box *box, void **state)
{
    size_t size = size_of == NULL ? 0 : size_of(box);
    *state = zeroed(size, 1);
    return *state != NULL;
}

static bool allocate_parts(struct cvg_engine *e)
{
    const struct cvg_policy *p = &e->policy;
    return allocate_part(p->order->state_size, e->box, &e->order_state) &&
           allocate_part(p->batching->state_size, e->box, &e->batching_state) &&
           allocate_part(p->exits->state_size, e->box, &e->exits_state) &&
           allocate_part(p->allocation->state_size, e->box,
                         &e->allocation_state);
}

static void link_slots(struct cvg_engine *e)
{
    for (uint32_t i = 0; i < e->n_slots; i++) {
        e->slots[i].next = i + 1 < e->n_slots ? i + 1 : NONE;
    }
    for (size_t a = 0; a < e->box->n_apps; a++) {
        e->queues[a] = (struct queue){.root = NONE, .first = NONE};
        e->apps[a] = e->box->apps[a];
    }
    for (uint32_t i = 0; i < e->n_batches; i++) {
        e->batches[i].slots = &e->batch_slots[(size_t)i * e->max_batch];
        e->batches[i].next_free = i + 1 < e->n_batches ? i + 1 : NONE;
    }
}

static void link_units(struct cvg_engine *e)
{
    uint32_t unit = 0;
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        e->first_unit[d] = unit;
        e->devices[d] = (struct device_state){
            .up = true, .known_slowdown = 1, .learned = 1};
        e->stats->devices[d].up = true;
        e->stats->devices[d].slowdown = 1;
        for (uint32_t k = 0; k < e->box->devices[d].units; k++, unit++) {
            e->units[unit].index = unit;
            e->units[unit].device = d;
            e->units[unit].free_at = e->now;
            e->unit_states[unit].touched = e->now;
            cvg_unit_cache_init(&e->unit_states[unit].cache, e->box, d);
        }
    }
    for (size_t v = 0; v < e->box->n_variants; v++) {
        e->enabled[v] = true;
    }
}

static enum cvg_status start_policy(struct cvg_engine *e, struct cvg_error *err)
{
    cvg__view_refresh(e);
    cvg__refresh_reach(e);
    enum cvg_status status = e->policy.allocation->residency(
        e->allocation_state, &e->view, e->want, err);
    if (status != CVG_OK) {
        return status;
    }
    cvg__initial_residency(e);
    cvg__refresh_reach(e);
    cvg__count_free(e);
    e->choices.engine = e;
    if (e->policy.order->init != NULL) {
        e->policy.order->init(e->order_state, &e->view);
    }
    return CVG_OK;
}

enum cvg_status cvg_engine_create(const struct cvg_engine_options *o,
                                  struct cvg_engine **out,
                                  struct cvg_error *err)
{
    struct cvg_engine *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for the engine");
    }
    e->options = *o;
    e->box = o->box;
    e->profile = o->box->profile;
    e->policy = *o->policy;
    e->options.policy = &e->policy;
    e->now = o->start;
    e->max_ended = o->ended_kept > 0 ? o->ended_kept : DEFAULT_ENDED_KEPT;
    e->drops_per_step =
        o->drops_per_step > 0 ? o->drops_per_step : DEFAULT_DROPS_PER_STEP;
    e->attempts = o->attempts > 0 ? o->attempts : DEFAULT_ATTEMPTS;
    e->drops_again = CVG_NEVER;
    e->policy_wake = CVG_NEVER;
    e->next_probe = CVG_NEVER;
    e->watch_at = CVG_NEVER;
    cvg__demand_init(e);
    e->demand.begun = CVG_NEVER;
    e->demand.asked_at = CVG_NEVER;
    e->demand.arranged_at = CVG_NEVER;
    measure(e);
    if (e->n_batches >> BATCH_BITS != 0) {
        cvg_engine_destroy(e);
        return cvg_fail(err, CVG_LIMIT,
                        "the units hold more than %u batches together",
                        1U << BATCH_BITS);
    }
    struct cvg_ledger_options ledger = {
        .box = o->box,
        .from = o->measure_from,
        .until =
            o->measure_until > o->measure_from ? o->measure_until : CVG_NEVER,
        .largest_deadline = o->largest_deadline,
    };
    enum cvg_status status = cvg_ledger_create(&ledger, &e->ledger, err);
    if (status == CVG_OK && !(allocate(e) && allocate_parts(e))) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory for the engine");
    }
    if (status != CVG_OK) {
        cvg_engine_destroy(e);
        return status;
    }
    e->stats = cvg_ledger_stats(e->ledger);
    link_slots(e);
    link_units(e);
    cvg__spare_init(e);
    status = start_policy(e, err);
    if (status != CVG_OK) {
        cvg_engine_destroy(e);
        return status;
    }
    *out = e;
    return CVG_OK;
}

void cvg_engine_destroy(struct cvg_engine *e)
{
    if (e == NULL) {
        return;
    }
    cvg_ledger_destroy(e->ledger);
    free(e->order_state);
    free(e->batching_state);
    free(e->exits_state);
    free(e->allocation_state);
    free(e->apps);
    free(e->reach);
    free(e->usable);
    free(e->enabled);
    free(e->slots);
    cvg_id_map_fini(&e->by_id);
    free(e->queues);
    free(e->spare);
    free(e->alone);
    free(e->demand.counts);
    free(e->heap);
    free(e->units);
    free(e->unit_states);
    free(e->first_unit);
    free(e->batches);
    free(e->batch_slots);
    free(e->devices);
    free(e->residency);
    free(e->want);
    free(e->choices.starts);
    free(e->actions);
    free(e->action_ids);
    free(e->ended);
    free(e->ended_ids);
    free(e);
}

/* --- one step ------------------------------------------------------------- */

struct cvg_action *cvg__act(struct cvg_engine *e, enum cvg_action_type type)
{
    assert(e->n_actions < e->max_actions);
    struct cvg_action *act = &e->actions[e->n_actions++];
    act->type = type;
    return act;
}

static void change_slo(struct cvg_engine *e, uint32_t app,
                       const struct cvg_slo *slo)
{
    e->demand.changed = true;
    e->demand.shaken = true;
    cvg_slo_merge(&e->apps[app].slo, slo);
    cvg_ledger_set_slo(e->ledger, app, e->now, &e->apps[app].slo);
    cvg__refresh_reach(e);
}

static void change_app(struct cvg_engine *e, const struct cvg_event *event)
{
    uint32_t app = event->app.app;
    if (event->app.slo.declared != 0) {
        change_slo(e, app, &event->app.slo);
    }
    if (event->app.new_objective) {
        e->apps[app].objective = event->app.objective;
        e->settled = false;
    }
    if (event->app.new_conditions) {
        e->apps[app].conditions = event->app.conditions;
    }
    for (uint32_t i = 0; i < e->n_slots; i++) {
        struct slot *s = &e->slots[i];
        if (s->state == SLOT_WAITING && s->request.app == app) {
            cvg__set_bounds(e, s);
            cvg__rekey(e, i);
        } else if (s->state == SLOT_PAUSED && s->request.app == app) {
            cvg__rebound_paused(e, i);
        } else if (s->state == SLOT_RUNNING && s->request.app == app) {
            cvg__set_conditions(e, s);
        }
    }
}

static void apply(struct cvg_engine *e, const struct cvg_event *event)
{
    switch (event->type) {
    case CVG_EV_ARRIVAL:
        cvg__arrive(e, &event->arrival);
        break;
    case CVG_EV_CANCEL:
        cvg__cancel(e, event->request, CVG_OUTCOME_CANCELLED);
        break;
    case CVG_EV_GIVE_UP:
        cvg__cancel(e, event->request, CVG_OUTCOME_DROPPED);
        break;
    case CVG_EV_DONE:
        cvg__batch_done(e, &event->done, true);
        break;
    case CVG_EV_START_FAILED:
        cvg__batch_done(e, &event->done, false);
        break;
    case CVG_EV_LOADED:
    case CVG_EV_LOAD_FAILED:
    case CVG_EV_UNLOADED:
    case CVG_EV_MODEL:
        cvg__model_event(e, event);
        break;
    case CVG_EV_DEVICE:
        cvg__device_event(e, event);
        break;
    case CVG_EV_DRAIN:
        e->draining = true;
        break;
    case CVG_EV_APP:
        change_app(e, event);
        break;
    case CVG_EV_BOUNDS:
        cvg__change_bounds(e, &event->bounds);
        break;
    case CVG_EV_SOLVED:
        cvg__demand_answered(e, event->solved.answer, event->solved.size);
        break;
    case CVG_EV_SOLVE_FAILED:
        cvg__demand_answered(e, NULL, 0);
        break;
    case CVG_EV_TIMER:
        break;
    case CVG_EVENTS:
        assert(!"an event");
    }
}

/* A batch that is too small to run there is not begun. */
static void start_chosen(struct cvg_engine *e, uint32_t index)
{
    struct batch *b = &e->batches[index];
    uint32_t min = cvg_profile_min_batch(e->profile, b->variant, b->first,
                                         b->last, e->units[b->unit].device);
    if (b->only_switches || (b->n > 0 && b->n >= min)) {
        cvg__batch_start(e, index);
        return;
    }
    for (uint32_t k = 0; k < b->n; k++) {
        e->slots[b->slots[k]].taken = false;
    }
    cvg__batch_give(e, b);
}

static void choose(struct cvg_engine *e)
{
    struct cvg_choices *c = &e->choices;
    c->n_starts = 0;
    c->n_loads = 0;
    c->n_drops = 0;
    c->wake = CVG_NEVER;
    if (e->policy.joint) {
        e->policy.order->choose(e->order_state, &e->view, c);
    } else {
        e->policy.compose(&e->policy, e->allocation_state, e->order_state,
                          e->batching_state, e->exits_state, &e->view, c);
    }
    for (uint32_t i = 0; i < c->n_drops; i++) {
        cvg__end_unserved(e, c->drops[i].slot, CVG_OUTCOME_DROPPED,
                          c->drops[i].reason);
    }
    for (uint32_t i = 0; i < c->n_starts; i++) {
        if (c->starts[i] != CVG_ANY) {
            start_chosen(e, c->starts[i]);
        }
    }
    for (uint32_t i = 0; i < c->n_loads; i++) {
        const struct choice_load *l = &c->loads[i];
        if (l->load) {
            cvg__load(e, l->device, l->variant);
        } else {
            cvg__unload(e, l->device, l->variant);
        }
    }
    e->policy_wake = c->wake;
    /* Having acted, it has not seen the units and queues as they are now. */
    e->settled = e->policy.order->indifferent != NULL && c->n_starts == 0 &&
                 c->n_drops == 0 && c->n_loads == 0;
}

void cvg_engine_step(struct cvg_engine *e, const struct cvg_event *event,
                     struct cvg_actions *out)
{
    assert(event->at >= e->now);
    e->now = event->at;
    e->view.now = event->at;
    e->n_actions = 0;
    e->n_action_ids = 0;
    e->stats->steps++;
    if (e->now >= e->next_probe) {
        cvg__probe(e);
    }
    cvg__demand_advance(e);
    apply(e, event);
    cvg__watch(e);
    cvg__expire(e);
    cvg_ledger_advance(e->ledger, e->now);
    if (e->options.look != NULL) {
        e->options.look(e->options.look_context, &e->view);
    }
    bool settled = e->settled && event->type == CVG_EV_ARRIVAL &&
                   !e->residency_changed && e->now < e->policy_wake;
    cvg__resume_first(e);
    bool solved =
        event->type == CVG_EV_SOLVED; /* there may be loads to ask for */
    if ((e->n_waiting == 0 && !solved) ||
        (e->n_free_units == 0 && !(solved && e->policy.allocation->routed))) {
        e->policy_wake = CVG_NEVER;
        e->settled = false;
    } else if (event->type == CVG_EV_ARRIVAL && event->arrival.more) {
        e->policy_wake = e->now; /* should the others not come after all */
        e->settled = false;
    } else if (!settled) {
        if (e->residency_changed) {
            cvg__reconsider(e);
        }
        choose(e);
    }
    cvg__resume_rest(e);
    cvg__retry_loads(e);
    cvg__demand_ask(e);
    e->next_probe = cvg__next_probe(e);
    cvg__keep_watching(e);
    out->items = e->actions;
    out->n = e->n_actions;
}

cvg_time cvg_engine_next_wake(const struct cvg_engine *e)
{
    cvg_time next = e->drops_again;
    if (e->n_heap > 0) {
        /* Given up after that instant, not at it. */
        cvg_time drop = e->slots[e->heap[0]].drop_at + 1;
        drop = drop > e->now ? drop : e->now;
        next = drop < next ? drop : next;
    }
    next = e->policy_wake < next ? e->policy_wake : next;
    next = e->watch_at < next ? e->watch_at : next;
    return e->next_probe < next ? e->next_probe : next;
}

/* --- what can be asked ---------------------------------------------------- */

const struct cvg_engine_options *cvg_engine_options(const struct cvg_engine *e)
{
    return &e->options;
}

const struct cvg_app *cvg_engine_app(const struct cvg_engine *e, uint32_t app)
{
    return &e->apps[app];
}

size_t cvg_engine_live(const struct cvg_engine *e)
{
    return e->n_live;
}

size_t cvg_engine_waiting(const struct cvg_engine *e, uint32_t app)
{
    return e->queues[app].n;
}

size_t cvg_engine_running(const struct cvg_engine *e)
{
    return e->n_running;
}

bool cvg_engine_is_live(const struct cvg_engine *e, uint64_t request)
{
    return cvg_id_map_get(&e->by_id, request) != NULL;
}

const struct cvg_stats *cvg_engine_stats(struct cvg_engine *e)
{
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        e->stats->devices[d].busy = e->devices[d].busy;
        e->stats->devices[d].slowdown = cvg__slowdown(e, d);
    }
    /* Up to now; the units themselves are left as they are: asking must not
     * round what later steps decide from. */
    for (uint32_t u = 0; u < e->n_units; u++) {
        if (e->units[u].n_held > 0) {
            e->stats->devices[e->units[u].device].busy +=
                e->now - e->unit_states[u].touched;
        }
    }
    return e->stats;
}

void cvg_engine_finish(struct cvg_engine *e, cvg_time now)
{
    e->now = now > e->now ? now : e->now;
    cvg_ledger_finish(e->ledger, now);
}

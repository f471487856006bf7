/* The life of a request: it arrives, waits, runs, and ends exactly once. */
#include "engine/state.h"

#include <assert.h>
#include <math.h>

/* What has given way waits behind everything that can still be met. */
#define BEHIND_ALL (INT64_MAX / 2)

static int64_t key_of(struct cvg_engine *e, const struct slot *s)
{
    if ((s->request.relaxed >> CVG_SLO_DEADLINE & 1U) != 0) {
        return BEHIND_ALL + s->request.arrival / 2;
    }
    return e->policy.order->key(e->order_state, &e->view, &s->request);
}

void cvg__set_key(struct cvg_engine *e, uint32_t slot)
{
    e->slots[slot].key = key_of(e, &e->slots[slot]);
}

/* Its place, by its bounds as they are now. */
static void enter(struct cvg_engine *e, uint32_t slot)
{
    struct slot *s = &e->slots[slot];
    s->key = key_of(e, s);
    s->devices = cvg__reach(e, &s->request)->devices;
    s->drop_at = cvg__drop_at(e, s);
    cvg__queue_insert(e, slot);
    cvg__expiry_insert(e, slot);
}

void cvg__rekey(struct cvg_engine *e, uint32_t slot)
{
    cvg__queue_remove(e, slot);
    cvg__expiry_remove(e, slot);
    enter(e, slot);
}

static void wait_in_queue(struct cvg_engine *e, uint32_t slot)
{
    struct slot *s = &e->slots[slot];
    s->state = SLOT_WAITING;
    s->taken = false;
    s->batch = NONE;
    enter(e, slot);
}

/* 1 is the highest; who gives none goes after who does. */
static int32_t level_of(const struct cvg_engine *e, int32_t priority)
{
    if (e->policy.order->ignores_priority) {
        return 0;
    }
    return priority > 0 ? priority : INT32_MAX;
}

static uint32_t take_slot(struct cvg_engine *e, const struct cvg_arrival *a)
{
    uint32_t i = e->free_slot;
    assert(i != NONE);
    struct slot *s = &e->slots[i];
    e->free_slot = s->next;
    e->n_live++;
    *s = (struct slot){
        .request = {.id = a->id,
                    .app = a->app,
                    .variant = a->variant,
                    .arrival = e->now,
                    .expires = a->timeout > 0 ? e->now + a->timeout : CVG_NEVER,
                    .priority = a->priority},
        .overrides = a->overrides,
        .bounds = a->bounds,
        .conditions = a->conditions,
        .level = level_of(e, a->priority),
        .heap_place = NONE,
        .stranded = CVG_NEVER,
        .batch = NONE,
        .variant = CVG_ANY,
        .exit = CVG_ANY,
        .unit = CVG_ANY,
        .started = CVG_NEVER,
        .predicted = CVG_NEVER,
    };
    cvg__set_bounds(e, s);
    return i;
}

static void give_slot(struct cvg_engine *e, uint32_t slot)
{
    struct slot *s = &e->slots[slot];
    cvg_id_map_remove(&e->by_id, s->request.id);
    s->state = SLOT_FREE;
    s->next = e->free_slot;
    e->free_slot = slot;
    e->n_live--;
}

/* Long queues of batches of days would not fit into a span. */
#define LONGEST_BACKLOG_NS 1e18
#define LOOKED_AT 16U /* requests of a queue, for what they are like */

/* How long what an app has waiting would take, ns, by the first few (they may
 * name variants slower than the app's fastest); adds the devices that could run
 * them. */
static double work_of(struct cvg_engine *e, uint32_t app, uint64_t *devices)
{
    double sum = 0;
    uint32_t n = 0;
    for (uint32_t i = e->queues[app].first; i != NONE && n < LOOKED_AT;
         i = e->slots[i].next) {
        cvg_span each = cvg__reach(e, &e->slots[i].request)->profile;
        sum += each != CVG_NEVER ? (double)each : 0;
        *devices |= e->slots[i].devices;
        n++;
    }
    return n > 0 ? sum / n * e->queues[app].n : 0;
}

/* Time until the backlog before this request has been worked off: what a
 * rejected client is told to wait. Devices count that could run it or its app's
 * others; apps, that wait for one of these. */
static cvg_span backlog(struct cvg_engine *e, const struct cvg_request *r)
{
    uint64_t devices = cvg__reach(e, r)->devices;
    double work = work_of(e, r->app, &devices);
    devices = devices != 0 ? devices : UINT64_MAX;
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        uint64_t its = 0;
        double more = a != r->app ? work_of(e, a, &its) : 0;
        work += (its & devices) != 0 ? more : 0;
    }
    uint32_t units = 0;
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        bool counts = (devices & cvg_device_bit(d)) != 0;
        units += counts ? e->box->devices[d].units : 0;
    }
    double wait = work / (units > 0 ? units : 1);
    return (cvg_span)fmin(wait, LONGEST_BACKLOG_NS) + CVG_MS(1);
}

static struct cvg_ending ending_of(const struct cvg_engine *e,
                                   const struct slot *s,
                                   enum cvg_outcome outcome,
                                   enum cvg_reason reason)
{
    return (struct cvg_ending){
        .app = s->request.app,
        .arrival = s->request.arrival,
        .finished = e->now,
        .deadline = s->request.deadline,
        .outcome = outcome,
        .reason = reason,
        .min_accuracy = s->asked_accuracy,
        .max_energy_j = s->asked_energy_j,
        .queued = -1,
        .right = -1,
    };
}

void cvg__end_unserved(struct cvg_engine *e, uint32_t slot,
                       enum cvg_outcome outcome, enum cvg_reason reason)
{
    struct slot *s = &e->slots[slot];
    if (s->state == SLOT_WAITING) {
        cvg__queue_remove(e, slot);
        cvg__expiry_remove(e, slot);
    }
    struct cvg_ending end = ending_of(e, s, outcome, reason);
    cvg_ledger_end(e->ledger, &end);
    cvg__remember(e, s, outcome, reason, 0);
    if (outcome != CVG_OUTCOME_CANCELLED) {
        bool retry =
            reason == CVG_REASON_QUEUE_FULL || reason == CVG_REASON_DEADLINE ||
            reason == CVG_REASON_UNAVAILABLE || reason == CVG_REASON_POLICY;
        cvg__act(e, CVG_ACT_DROP)->drop = (struct cvg_drop){
            .request = s->request.id,
            .outcome = outcome,
            .reason = reason,
            .retry_after = retry ? backlog(e, &s->request) : 0,
        };
    }
    give_slot(e, slot);
}

void cvg__end_served(struct cvg_engine *e, uint32_t slot)
{
    struct slot *s = &e->slots[slot];
    double accuracy = e->box->variants[s->variant].accuracy[s->exit];
    struct cvg_ending end =
        ending_of(e, s, CVG_OUTCOME_SERVED, CVG_REASON_NONE);
    end.variant = s->variant;
    end.exit = s->exit;
    end.accuracy = accuracy;
    end.energy_j = s->energy_j;
    end.queued = s->started - s->request.arrival;
    cvg_ledger_end(e->ledger, &end);
    cvg__remember(e, s, CVG_OUTCOME_SERVED, CVG_REASON_NONE, s->energy_j);
    cvg__act(e, CVG_ACT_REPLY)->reply = (struct cvg_reply){
        .request = s->request.id,
        .batch = s->answer_batch,
        .index = s->answer_index,
        .app = s->request.app,
        .variant = s->variant,
        .exit = s->exit,
        .device = e->units[s->unit].device,
        .accuracy = accuracy,
        .energy_j = s->energy_j,
        .queued = end.queued,
        .ran = e->now - s->started,
        .deadline_met =
            s->request.deadline == CVG_NEVER || e->now <= s->request.deadline,
        .relaxed = s->request.relaxed,
    };
    give_slot(e, slot);
}

/* Could it be met on this box, all devices up and idle? Else its app's kinds
 * give way one after the other. */
static bool feasible_at_all(struct cvg_engine *e, struct slot *s)
{
    for (;;) {
        const struct cvg_request *r = &s->request;
        cvg_span fastest = cvg__reach(e, r)->profile;
        bool in_time =
            !e->policy.order->drops || r->deadline == CVG_NEVER ||
            (r->relaxed >> CVG_SLO_DEADLINE & 1U) != 0 ||
            (fastest != CVG_NEVER && r->arrival + fastest <= r->deadline);
        if (fastest != CVG_NEVER && in_time) {
            return true;
        }
        if (!cvg__relax(e, s)) {
            return false;
        }
    }
}

static void refuse(struct cvg_engine *e, uint32_t slot,
                   const struct cvg_arrival *a)
{
    struct cvg_nearest nearest;
    cvg_engine_infeasible(e, a, &nearest);
    cvg__end_unserved(e, slot, CVG_OUTCOME_DROPPED,
                      nearest.reason == CVG_REASON_NONE ? CVG_REASON_INFEASIBLE
                                                        : nearest.reason);
}

void cvg__arrive(struct cvg_engine *e, const struct cvg_arrival *a)
{
    cvg_ledger_offer(e->ledger, a->app, e->now);
    cvg__demand_offer(e, a->app);
    uint32_t i = take_slot(e, a);
    struct slot *s = &e->slots[i];
    cvg_id_map_put(&e->by_id, a->id, s);
    if (e->draining) {
        cvg__end_unserved(e, i, CVG_OUTCOME_REJECTED, CVG_REASON_DRAINING);
    } else if (e->queues[a->app].n >= e->apps[a->app].queue_limit ||
               e->free_slot == NONE) { /* the last one is for who is rejected */
        cvg__end_unserved(e, i, CVG_OUTCOME_REJECTED, CVG_REASON_QUEUE_FULL);
    } else if (a->variant != CVG_ANY && !e->enabled[a->variant]) {
        /* An operator took it out: that is no fault to wait for. */
        cvg__end_unserved(e, i, CVG_OUTCOME_DROPPED, CVG_REASON_UNAVAILABLE);
    } else if (!feasible_at_all(e, s)) {
        refuse(e, i, a);
    } else {
        if (e->policy.exits->next != NULL) {
            cvg__spare_arrived(e, s);
        }
        wait_in_queue(e, i);
        e->settled = e->settled && e->policy.order->indifferent(
                                       e->order_state, &e->view, &s->request);
    }
}

void cvg__end_cancelled(struct cvg_engine *e, uint32_t slot)
{
    if (e->slots[slot].given_up) {
        cvg__end_unserved(e, slot, CVG_OUTCOME_DROPPED, CVG_REASON_GIVEN_UP);
    } else {
        cvg__end_unserved(e, slot, CVG_OUTCOME_CANCELLED, CVG_REASON_NONE);
    }
}

void cvg__cancel(struct cvg_engine *e, uint64_t id, enum cvg_outcome outcome)
{
    struct slot *s = cvg_id_map_get(&e->by_id, id);
    if (s == NULL) {
        return; /* it has just ended: the client will see that */
    }
    s->given_up = outcome == CVG_OUTCOME_DROPPED;
    if (s->state == SLOT_WAITING) {
        cvg__end_cancelled(e, (uint32_t)(s - e->slots));
    } else if (s->state == SLOT_PAUSED) {
        cvg__drop_paused(e, (uint32_t)(s - e->slots));
        cvg__end_cancelled(e, (uint32_t)(s - e->slots));
    } else {
        s->cancelled = true;
        s->conditions = NULL; /* whoever lent them has done with it */
        cvg__set_conditions(e, s);
    }
}

/* Kinds that are named anew have not given way. */
static void take_bounds(struct slot *s, const struct cvg_bounds *b)
{
    struct cvg_slo slo = b->slo;
    slo.declared = b->overrides;
    cvg_slo_merge(&s->bounds, &slo);
    s->overrides |= b->overrides;
    s->request.relaxed &= ~b->overrides;
    s->conditions = b->new_conditions ? b->conditions : s->conditions;
}

void cvg__change_bounds(struct cvg_engine *e, const struct cvg_bounds *b)
{
    struct slot *s = cvg_id_map_get(&e->by_id, b->request);
    if (s == NULL || s->cancelled) {
        return; /* it has just ended */
    }
    uint32_t i = (uint32_t)(s - e->slots);
    if (s->state == SLOT_WAITING) { /* it may become choosy: not in between */
        cvg__queue_remove(e, i);
        cvg__expiry_remove(e, i);
        take_bounds(s, b);
        cvg__set_bounds(e, s);
        bool feasible = feasible_at_all(e, s);
        enter(e, i);
        if (!feasible) {
            refuse(e, i,
                   &(struct cvg_arrival){.app = s->request.app,
                                         .variant = s->request.variant,
                                         .overrides = s->overrides,
                                         .bounds = s->bounds});
        }
    } else if (s->state == SLOT_PAUSED) {
        take_bounds(s, b);
        cvg__rebound_paused(e, i);
    } else {
        take_bounds(s, b);
        cvg__set_conditions(e, s);
    }
}

void cvg__requeue(struct cvg_engine *e, uint32_t i)
{
    struct slot *s = &e->slots[i];
    if (s->cancelled) {
        cvg__end_cancelled(e, i);
    } else if (s->attempts >= e->attempts) {
        cvg__end_unserved(e, i, CVG_OUTCOME_FAILED, CVG_REASON_DEVICE_FAILED);
    } else {
        cvg__set_bounds(e, s); /* its app's SLO may have changed meanwhile */
        wait_in_queue(e, i);
    }
}

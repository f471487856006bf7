/* Requests between two stages.
 *
 * A batch that has come to an exit may split: some of its requests are answered
 * there, the others go on. These are paused, each with the answer that it has
 * and with its features on the device, until a unit of that device is free and
 * nobody goes before them; what was together mostly goes on together. When no
 * further stage could be done in time, the answer is what they have.
 *
 * Liang et al., "Delen", IoTDI 2023; there a request's own thread runs its
 * stages one after the other, and time in a queue does not count. */
#include "engine/state.h"
#include <convergo/condition.h>

#include <assert.h>
#include <math.h>

/* --- at an exit ------------------------------------------------------------ */

static struct cvg_at_exit at_exit(const struct cvg_engine *e,
                                  const struct slot *s)
{
    return (struct cvg_at_exit){
        .unit = s->unit,
        .device = e->units[s->unit].device,
        .variant = s->variant,
        .exit = s->exit,
        .n = s->batch_size,
        .confidence = s->confidence,
        .accuracy = e->box->variants[s->variant].accuracy[s->exit],
        .energy_j = s->energy_j,
        .response_time = e->now - s->request.arrival,
    };
}

bool cvg__keeps_features(const struct cvg_engine *e, const struct batch *b)
{
    if (b->last + 1 >= e->box->variants[b->variant].n_exits) {
        return false;
    }
    bool keeps = e->policy.exits->next != NULL;
    for (uint32_t k = 0; !keeps && k < b->n; k++) {
        const struct slot *s = &e->slots[b->slots[k]];
        keeps = s->request.conditions != NULL || s->aim > b->last;
    }
    return keeps;
}

/* NAN, if one of its stages is unknown. */
static double computation(const struct cvg_variant *v, uint32_t exit)
{
    double flop = 0;
    for (uint32_t stage = 0; stage <= exit; stage++) {
        flop += v->flop[stage];
    }
    return flop;
}

static bool condition_holds(const struct cvg_engine *e, const struct slot *s,
                            const struct cvg_at_exit *at)
{
    const struct cvg_variant *v = &e->box->variants[s->variant];
    struct cvg_metrics m;
    m.value[CVG_METRIC_RESPONSE_TIME] = (double)at->response_time;
    m.value[CVG_METRIC_CONFIDENCE] = at->confidence < 0 ? NAN : at->confidence;
    m.value[CVG_METRIC_ACCURACY] = at->accuracy;
    m.value[CVG_METRIC_ENERGY] = at->energy_j;
    m.value[CVG_METRIC_COMPUTATION] = computation(v, at->exit);
    m.value[CVG_METRIC_EXIT] = at->exit;
    return cvg_conditions_hold(s->request.conditions, at->exit, &m);
}

/* Its conditions say; else the rule; else where it was to go to. */
static uint32_t wanted_exit(struct cvg_engine *e, const struct slot *s)
{
    struct cvg_at_exit at = at_exit(e, s);
    if (s->request.conditions != NULL) {
        return condition_holds(e, s, &at) ? s->exit : s->exit + 1;
    }
    return e->policy.exits->next != NULL
               ? e->policy.exits->next(e->exits_state, &e->view, &s->request,
                                       &at)
               : s->aim;
}

/* The exit that it goes on to; the one that it has come to: none. */
static uint32_t next_exit(struct cvg_engine *e, const struct slot *s)
{
    uint32_t last = e->box->variants[s->variant].n_exits - 1;
    if (!s->kept) {
        return s->exit;
    }
    uint32_t device = e->units[s->unit].device;
    uint32_t next = wanted_exit(e, s);
    next = next > last ? last : next;
    while (next > s->exit &&
           cvg_profile_min_batch(e->profile, s->variant, s->exit + 1, next,
                                 device) != 1) {
        next--; /* it could not go that far there, or not alone */
    }
    return next > s->exit ? next : s->exit;
}

bool cvg__has_good_answer(const struct cvg_engine *e, const struct slot *s)
{
    double accuracy = e->box->variants[s->variant].accuracy[s->exit];
    return s->has_answer && accuracy >= s->request.min_accuracy - 1e-12;
}

/* Of an app that is judged by a mean: is that as it should be, or does this
 * answer raise it? */
static bool keeps_mean(const struct cvg_engine *e, const struct slot *s)
{
    const struct cvg_app *app = &e->apps[s->request.app];
    return app->accuracy_over == CVG_ACCURACY_PER_REQUEST ||
           !cvg_slo_has(&app->slo, CVG_SLO_ACCURACY) ||
           e->box->variants[s->variant].accuracy[s->exit] >=
               app->slo.accuracy ||
           cvg_view_recent(&e->view, s->request.app).accuracy >=
               app->slo.accuracy;
}

/* It goes on for the sake of accuracy alone: its answer will do, and its
 * conditions do not want more. */
static bool is_optional(const struct cvg_engine *e, const struct slot *s)
{
    return e->policy.exits->optional && cvg__has_good_answer(e, s) &&
           s->request.conditions == NULL && keeps_mean(e, s);
}

/* Is it answered in time with what it has, rather than late with more? The
 * published rule is not, where the order gives nothing up. */
static bool keeps_due(const struct cvg_engine *e, const struct slot *s)
{
    return cvg__has_good_answer(e, s) &&
           (e->policy.order->drops || e->policy.exits->optional) &&
           cvg_request_due(&s->request) != CVG_NEVER;
}

/* No request is kept waiting without end for a better answer. */
#define PATIENCE CVG_S(1)

/* After that nothing more could be had in time: not the next stage, or, where
 * that would not do, not all that are needed. */
static cvg_time last_moment(const struct cvg_engine *e, const struct slot *s)
{
    bool good = cvg__has_good_answer(e, s);
    cvg_time due = cvg_request_due(&s->request);
    if (due != CVG_NEVER && (e->policy.order->drops || keeps_due(e, s))) {
        return due - cvg__run_time(e, s->variant, s->exit + 1,
                                   good ? s->exit + 1 : s->until,
                                   e->units[s->unit].device, 1, CVG_MEAN);
    }
    return is_optional(e, s) ? s->paused_at + PATIENCE : CVG_NEVER;
}

/* What going on would be worth: accuracy for the time that it takes. */
static double worth(const struct cvg_engine *e, const struct slot *s)
{
    const struct cvg_variant *v = &e->box->variants[s->variant];
    cvg_span time = cvg__run_time(e, s->variant, s->exit + 1, s->until,
                                  e->units[s->unit].device, 1, CVG_MEAN);
    return e->box->apps[s->request.app].weight *
           (v->accuracy[s->until] - v->accuracy[s->exit]) /
           (double)(time > 0 ? time : 1);
}

/* Looks where it goes, by its bounds as they are now. False: nowhere. */
static bool goes_on(struct cvg_engine *e, struct slot *s)
{
    s->until = next_exit(e, s);
    if (s->until > s->exit) {
        s->worth = worth(e, s);
    }
    return s->until > s->exit;
}

static bool is_crowded(const struct cvg_engine *e, uint32_t device)
{
    return e->devices[device].n_paused >=
           CVG_MOST_PAUSED * e->box->devices[device].units;
}

static bool has_place(const struct cvg_engine *e, const struct slot *s)
{
    return !is_crowded(e, e->units[s->unit].device) || !is_optional(e, s);
}

void cvg__release_kept(struct cvg_engine *e, uint32_t slot)
{
    const struct slot *s = &e->slots[slot];
    if (!s->kept) {
        return;
    }
    struct cvg_action *act = cvg__act(e, CVG_ACT_RELEASE);
    act->release.request = s->request.id;
    act->release.device = e->units[s->unit].device;
}

/* --- the paused ------------------------------------------------------------- */

static void pause(struct cvg_engine *e, uint32_t slot)
{
    struct slot *s = &e->slots[slot];
    uint32_t device = e->units[s->unit].device;
    struct device_state *d = &e->devices[device];
    s->state = SLOT_PAUSED;
    s->batch = NONE;
    s->taken = false;
    s->prev = NONE;
    s->next = d->n_paused > 0 ? d->paused : NONE;
    if (s->next != NONE) {
        e->slots[s->next].prev = slot;
    }
    d->paused = slot;
    d->n_paused++;
    e->n_paused++;
    cvg__residency(e, device, s->variant)->runs++; /* its features are there */
    s->paused_at = e->now;
    s->drop_at = last_moment(e, s);
    cvg__expiry_insert(e, slot);
}

/* To run or to end. */
static void unpause(struct cvg_engine *e, uint32_t slot)
{
    struct slot *s = &e->slots[slot];
    uint32_t device = e->units[s->unit].device;
    struct device_state *d = &e->devices[device];
    assert(s->state == SLOT_PAUSED);
    if (s->prev != NONE) {
        e->slots[s->prev].next = s->next;
    } else {
        d->paused = s->next;
    }
    if (s->next != NONE) {
        e->slots[s->next].prev = s->prev;
    }
    d->n_paused--;
    e->n_paused--;
    cvg__expiry_remove(e, slot);
    cvg__model_ran(e, device, s->variant);
    s->state = SLOT_RUNNING;
}

void cvg__at_exit(struct cvg_engine *e, uint32_t slot, const struct batch *b,
                  double confidence)
{
    struct slot *s = &e->slots[slot];
    s->has_answer = true;
    s->answer_batch = b->id;
    s->answer_index = s->index_in_batch;
    s->confidence = confidence;
    s->batch_size = b->n;
    if (s->kept) { /* they may have changed meanwhile */
        cvg__set_bounds(e, s);
        cvg__set_key(e, slot);
    }
    if (goes_on(e, s) && has_place(e, s)) {
        pause(e, slot);
        return;
    }
    cvg__release_kept(e, slot);
    cvg__end_served(e, slot);
}

void cvg__drop_paused(struct cvg_engine *e, uint32_t slot)
{
    cvg__release_kept(e, slot);
    unpause(e, slot);
}

static void answer(struct cvg_engine *e, uint32_t slot)
{
    cvg__drop_paused(e, slot);
    cvg__end_served(e, slot);
}

void cvg__rebound_paused(struct cvg_engine *e, uint32_t slot)
{
    cvg__set_bounds(e, &e->slots[slot]);
    cvg__set_key(e, slot);
    e->slots[slot].drop_at = last_moment(e, &e->slots[slot]);
    cvg__expiry_update(e, slot);
}

void cvg__expire_paused(struct cvg_engine *e, uint32_t slot)
{
    struct slot *s = &e->slots[slot];
    for (;;) {
        if (cvg__has_good_answer(e, s)) {
            answer(e, slot);
            return;
        }
        if (!cvg__relax(e, s)) {
            break;
        }
        cvg__set_key(e, slot);
        s->drop_at = last_moment(e, s);
        if (s->drop_at >= e->now) {
            cvg__expiry_update(e, slot);
            return;
        }
    }
    cvg__drop_paused(e, slot);
    cvg__end_unserved(e, slot, CVG_OUTCOME_DROPPED, CVG_REASON_DEADLINE);
}

void cvg__lose_paused(struct cvg_engine *e, uint32_t device)
{
    while (e->devices[device].n_paused > 0) {
        uint32_t slot = e->devices[device].paused;
        unpause(e, slot);
        if (cvg__has_good_answer(e, &e->slots[slot])) {
            cvg__end_served(e, slot);
        } else {
            cvg__requeue(e, slot);
        }
    }
}

/* --- on they go ------------------------------------------------------------- */

/* Who goes on of need comes first. Of the others, those for whom it is worth
 * most. */
static bool resumes_before(const struct cvg_engine *e, const struct slot *a,
                           const struct slot *b)
{
    bool optional = is_optional(e, a);
    if (optional != is_optional(e, b)) {
        return !optional;
    }
    if (optional && a->worth != b->worth) {
        return a->worth > b->worth;
    }
    return cvg__before(a, b);
}

/* The first of the paused that a unit of the device could take on. */
static uint32_t first_paused(const struct cvg_engine *e, uint32_t device)
{
    const struct device_state *d = &e->devices[device];
    uint32_t best = d->n_paused > 0 ? d->paused : NONE;
    for (uint32_t i = best; i != NONE; i = e->slots[i].next) {
        if (resumes_before(e, &e->slots[i], &e->slots[best])) {
            best = i;
        }
    }
    return best;
}

/* When it would be done there, in a batch of n: the slow one of twenty, behind
 * what the unit holds. */
static cvg_time finish_on(const struct cvg_engine *e, const struct slot *s,
                          uint32_t unit, uint32_t last, uint32_t n)
{
    return cvg_view_finish(&e->view, &e->units[unit], s->variant, s->exit + 1,
                           last, n, CVG_P95);
}

/* Bounds may have changed while it waited, the unit may hold something else,
 * and others may not bear what is optional. True: it goes on. */
static bool still_goes_on(struct cvg_engine *e, uint32_t slot, uint32_t unit,
                          cvg_span spare)
{
    struct slot *s = &e->slots[slot];
    if (goes_on(e, s) &&
        (!is_optional(e, s) ||
         cvg__run_time(e, s->variant, s->exit + 1, s->until,
                       e->units[unit].device, 1, CVG_MEAN) <= spare) &&
        (!keeps_due(e, s) || finish_on(e, s, unit, s->exit + 1, 1) <=
                                 cvg_request_due(&s->request))) {
        return true;
    }
    answer(e, slot);
    return false;
}

/* Does somebody who waits for a first answer there go before? */
static bool goes_before(const struct cvg_engine *e, uint32_t device,
                        const struct slot *paused)
{
    bool optional = is_optional(e, paused);
    if (!optional && is_crowded(e, device)) {
        return false;
    }
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        uint32_t i = cvg__queue_next(e, a, NONE, cvg_device_bit(device), 0);
        if (i != NONE && (optional || cvg__before(&e->slots[i], paused))) {
            return true;
        }
    }
    return false;
}

static void add_paused(struct cvg_engine *e, struct batch *b, uint32_t slot)
{
    cvg_time due = cvg_request_due(&e->slots[slot].request);
    unpause(e, slot);
    b->slots[b->n++] = slot;
    b->due = due < b->due ? due : b->due;
}

/* Would one more make nobody late in it, who is not so already? */
static bool has_time_for(const struct cvg_engine *e, const struct batch *b,
                         uint32_t slot, cvg_span spare)
{
    const struct slot *s = &e->slots[slot];
    cvg_time due = cvg_request_due(&s->request);
    cvg_time without = finish_on(e, s, b->unit, b->last, b->n);
    cvg_time with = finish_on(e, s, b->unit, b->last, b->n + 1);
    return with - e->now <= spare && (with <= b->due || without > b->due) &&
           (with <= due || finish_on(e, s, b->unit, b->last, 1) > due);
}

/* The first of those that go the same way; NONE. */
static uint32_t companion(const struct cvg_engine *e, const struct batch *b)
{
    const struct device_state *d = &e->devices[e->units[b->unit].device];
    uint32_t best = NONE;
    for (uint32_t i = d->n_paused > 0 ? d->paused : NONE; i != NONE;
         i = e->slots[i].next) {
        const struct slot *s = &e->slots[i];
        if (s->variant == b->variant && s->exit + 1 == b->first &&
            (best == NONE || resumes_before(e, s, &e->slots[best]))) {
            best = i;
        }
    }
    return best;
}

/* With the first go the others that go the same way, in their order. */
static void resume(struct cvg_engine *e, uint32_t unit, uint32_t first,
                   cvg_span spare)
{
    const struct slot *s = &e->slots[first];
    uint32_t device = e->units[unit].device;
    bool optional = is_optional(e, s);
    struct batch *b = cvg__batch_take(e);
    spare = optional ? spare : CVG_NEVER;
    b->unit = unit;
    b->variant = s->variant;
    b->first = s->exit + 1;
    b->last = s->until;
    b->due = CVG_NEVER;
    uint32_t max = cvg_profile_max_batch(e->profile, b->variant, b->first,
                                         b->last, device);
    max = max < e->max_batch ? max : e->max_batch;
    cvg__residency(e, device, b->variant)->runs++; /* while they change over */
    add_paused(e, b, first);
    uint32_t next;
    while (b->n < max && (next = companion(e, b)) != NONE &&
           has_time_for(e, b, next, spare)) {
        if (!still_goes_on(e, next, unit, spare)) {
            continue; /* answered */
        }
        uint32_t until = e->slots[next].until;
        b->last = until < b->last ? until : b->last;
        add_paused(e, b, next);
    }
    if (optional) {
        cvg__spare_spend(e, unit,
                         cvg__run_time(e, b->variant, b->first, b->last, device,
                                       b->n, CVG_MEAN));
    }
    cvg__batch_resume(e, (uint32_t)(b - e->batches));
    cvg__model_ran(e, device, b->variant);
}

/* How long what is optional may take there: as those can bear it who will come,
 * and, where the policy holds somebody back, until it looks again. */
static cvg_span spare_time(struct cvg_engine *e, uint32_t unit)
{
    uint64_t device = cvg_device_bit(e->units[unit].device);
    cvg_span most = cvg__spare_time(e, unit);
    for (uint32_t a = 0; e->n_waiting > 0 && a < e->box->n_apps; a++) {
        if (e->policy_wake != CVG_NEVER && e->policy_wake - e->now < most &&
            cvg__queue_next(e, a, NONE, device, 0) != NONE) {
            most = e->policy_wake - e->now;
        }
    }
    return most;
}

static void resume_on(struct cvg_engine *e, uint32_t unit, bool first_only)
{
    uint32_t device = e->units[unit].device;
    while (e->devices[device].n_paused > 0 &&
           cvg_view_free(&e->view, &e->units[unit])) {
        cvg_span spare = spare_time(e, unit);
        uint32_t i = first_paused(e, device);
        if (first_only && goes_before(e, device, &e->slots[i])) {
            return;
        }
        if (still_goes_on(e, i, unit, spare)) {
            resume(e, unit, i, spare);
        }
    }
}

static void resume_all(struct cvg_engine *e, bool first_only)
{
    for (uint32_t u = 0; e->n_paused > 0 && u < e->n_units; u++) {
        resume_on(e, u, first_only);
    }
}

void cvg__resume_first(struct cvg_engine *e)
{
    resume_all(e, true);
}

void cvg__resume_rest(struct cvg_engine *e)
{
    resume_all(e, false);
}

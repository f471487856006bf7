/* Events and actions as bytes, and back. */
#include "record/steps.h"

#include <stdlib.h>
#include <string.h>

/* --- bounds --------------------------------------------------------------- */

_Static_assert(CVG_SLO_KINDS == 4, "two sets of kinds fit into a byte");

static void code_bounds(struct cvg_codec *c, struct cvg_slo *slo,
                        uint32_t kinds)
{
    if ((kinds >> CVG_SLO_DEADLINE & 1U) != 0) {
        cvg__code_span(c, &slo->deadline);
    }
    if ((kinds >> CVG_SLO_ACCURACY & 1U) != 0) {
        cvg__code_finite(c, &slo->accuracy);
    }
    if ((kinds >> CVG_SLO_THROUGHPUT & 1U) != 0) {
        cvg__code_finite(c, &slo->throughput_rps);
    }
    if ((kinds >> CVG_SLO_ENERGY & 1U) != 0) {
        cvg__code_finite(c, &slo->energy_j);
    }
}

static void code_slo(struct cvg_codec *c, struct cvg_slo *slo)
{
    slo->declared = cvg__code_kind(c, slo->declared, 1U << CVG_SLO_KINDS);
    code_bounds(c, slo, slo->declared);
}

/* --- conditions ----------------------------------------------------------- */

/* False: no memory. */
static bool read_conditions(struct cvg_codec *c, uint32_t length,
                            const struct cvg_conditions **set)
{
    char *text = malloc((size_t)length + 1);
    struct cvg_shared_set *shared = NULL;
    if (text == NULL) {
        return false;
    }
    memcpy(text, c->in, length);
    text[length] = '\0';
    c->in += length;
    enum cvg_status status = cvg_shared_sets_take(c->sets, text, &shared, NULL);
    c->bad = c->bad || status == CVG_CONFIG || strlen(text) != length;
    *set = status == CVG_OK ? shared->set : NULL;
    free(text);
    return status != CVG_NOMEM;
}

/* As text, so that a record needs nothing beside it; no text: none. False: no
 * memory. */
static bool code_conditions(struct cvg_codec *c,
                            const struct cvg_conditions **set)
{
    bool writes = c->out != NULL;
    const char *text = writes && *set != NULL ? (*set)->text : "";
    uint32_t length = (uint32_t)strlen(text);
    cvg__code_length(c, &length, 1);
    if (writes) {
        memcpy(c->out, text, length);
        c->out += length;
        return true;
    }
    *set = NULL;
    return c->bad || length == 0 || read_conditions(c, length, set);
}

static size_t conditions_room(const struct cvg_conditions *set)
{
    return set != NULL ? strlen(set->text) : 0;
}

/* --- events --------------------------------------------------------------- */

enum arrival_flag {
    ARRIVAL_MORE = 1,       /* of its call follow */
    ARRIVAL_CONDITIONS = 2, /* stand at its end */
    ARRIVAL_FLAGS = 4
};

/* False: no memory. */
static bool code_arrival(struct cvg_codec *c, struct cvg_arrival *a)
{
    int64_t priority = a->priority;
    uint8_t kinds =
        (uint8_t)(a->overrides | a->bounds.declared << CVG_SLO_KINDS);
    cvg__code_id(c, &a->id, &c->last.request);
    cvg__code_u32(c, &a->app, c->box->n_apps);
    cvg__code_or_any(c, &a->variant, c->box->n_variants);
    cvg__code_signed(c, &priority);
    cvg__code_byte(c, &kinds);
    a->overrides = kinds & ((1U << CVG_SLO_KINDS) - 1);
    a->bounds.declared = kinds >> CVG_SLO_KINDS;
    code_bounds(c, &a->bounds, a->overrides | a->bounds.declared);
    cvg__code_span(c, &a->timeout);
    uint32_t flags = (a->more ? ARRIVAL_MORE : 0U) |
                     (a->conditions != NULL ? ARRIVAL_CONDITIONS : 0U);
    flags = cvg__code_kind(c, flags, ARRIVAL_FLAGS);
    a->more = (flags & ARRIVAL_MORE) != 0;
    c->bad =
        c->bad || a->id == 0 || priority < INT32_MIN || priority > INT32_MAX;
    a->priority = (int32_t)priority;
    return (flags & ARRIVAL_CONDITIONS) == 0 ||
           code_conditions(c, &a->conditions);
}

static bool grow(void **items, size_t *max, size_t n, size_t size)
{
    if (n <= *max) {
        return true;
    }
    size_t more = *max == 0 ? 16 : *max;
    while (more < n) {
        more *= 2;
    }
    void *grown = realloc(*items, more * size);
    if (grown != NULL) {
        *items = grown;
        *max = more;
    }
    return grown != NULL;
}

/* False: no memory. `step` is NULL when writing. */
static bool code_done(struct cvg_codec *c, struct cvg_done *d,
                      struct cvg_code_step *step)
{
    cvg__code_id(c, &d->batch, &c->last.batch);
    d->status = cvg__code_kind(c, d->status, CVG_LOST + 1);
    cvg__code_signed(c, &d->run_time); /* a device may say anything */
    c->bad = c->bad || d->run_time <= -CVG__CODE_TIME_MAX ||
             d->run_time >= CVG__CODE_TIME_MAX;
    cvg__code_length(c, &d->n_confidence, 8);
    if (step != NULL && !grow((void **)&step->confidence, &step->max_confidence,
                              d->n_confidence, sizeof *step->confidence)) {
        return false;
    }
    for (uint32_t i = 0; i < d->n_confidence; i++) {
        double x = step != NULL ? 0 : d->confidence[i];
        cvg__code_finite(c, &x);
        if (step != NULL) {
            step->confidence[i] = x;
        }
    }
    cvg__code_length(c, &d->n_refused, 1);
    if (step != NULL && !grow((void **)&step->refused, &step->max_refused,
                              d->n_refused, sizeof *step->refused)) {
        return false;
    }
    for (uint32_t i = 0; i < d->n_refused; i++) {
        bool x = step == NULL && d->refused[i];
        cvg__code_flag(c, &x);
        if (step != NULL) {
            step->refused[i] = x;
        }
    }
    if (step != NULL) {
        d->confidence = d->n_confidence > 0 ? step->confidence : NULL;
        d->refused = d->n_refused > 0 ? step->refused : NULL;
    }
    return true;
}

static void code_flow(struct cvg_codec *c, struct cvg_flow *f)
{
    cvg__code_u32(c, &f->app, c->box->n_apps);
    cvg__code_u32(c, &f->variant, c->box->n_variants);
    cvg__code_u32(c, &f->exit, CVG_MAX_EXITS);
    cvg__code_u32(c, &f->device, c->box->n_devices);
    cvg__code_u32(c, &f->batch, CVG_MAX_BATCH + 1);
    cvg__code_finite(c, &f->rate_rps);
}

static void code_flows(struct cvg_codec *c, uint32_t *n, struct cvg_flow *flows)
{
    cvg__code_u32(c, n, CVG_MAX_FLOWS + 1);
    for (uint32_t i = 0; i < *n; i++) {
        code_flow(c, &flows[i]);
    }
}

static void code_plan(struct cvg_codec *c, struct cvg_plan *p)
{
    cvg__code_finite(c, &p->factor);
    for (size_t a = 0; a < c->box->n_apps; a++) {
        cvg__code_finite(c, &p->rates_rps[a]);
        cvg__code_finite(c, &p->served_rps[a]);
        cvg__code_flag(c, &p->given_up[a]);
        cvg__code_finite(c, &p->worth[a]);
        cvg__code_finite(c, &p->accuracy[a]);
    }
    for (size_t d = 0; d < c->box->n_devices; d++) {
        cvg__code_finite(c, &p->price[d]);
        cvg__code_finite(c, &p->busy[d]);
    }
    cvg__code_flag(c, &p->frugal);
    code_flows(c, &p->n_flows, p->flows);
}

/* An answer that is no plan is no answer to the engine either. */
static void code_solved(struct cvg_codec *c, struct cvg_event *e,
                        struct cvg_plan *answer)
{
    bool there = e->solved.size == sizeof *answer && e->solved.answer != NULL;
    cvg__code_flag(c, &there);
    if (!there) {
        e->solved.answer = NULL;
        e->solved.size = 0;
        return;
    }
    if (c->out != NULL && e->solved.answer != NULL) {
        memcpy(answer, e->solved.answer, sizeof *answer);
    }
    code_plan(c, answer);
    e->solved.answer = answer;
    e->solved.size = sizeof *answer;
}

static void code_model_on(struct cvg_codec *c, uint32_t *device,
                          uint32_t *variant)
{
    cvg__code_u32(c, device, c->box->n_devices);
    cvg__code_u32(c, variant, c->box->n_variants);
}

#define LARGEST_SLOWDOWN 1e6
static void code_device(struct cvg_codec *c, struct cvg_event *e)
{
    cvg__code_u32(c, &e->device.device, c->box->n_devices);
    cvg__code_flag(c, &e->device.up);
    cvg__code_finite(c, &e->device.slowdown);
    c->bad = c->bad || (e->device.slowdown != 0 && e->device.slowdown < 1) ||
             e->device.slowdown > LARGEST_SLOWDOWN;
}

/* What an app asks for. False: no memory. */
static bool code_app(struct cvg_codec *c, struct cvg_event *e)
{
    cvg__code_u32(c, &e->app.app, c->box->n_apps);
    code_slo(c, &e->app.slo);
    cvg__code_flag(c, &e->app.new_objective);
    e->app.objective = cvg__code_kind(c, e->app.objective, CVG_OBJECTIVES);
    cvg__code_flag(c, &e->app.new_conditions);
    return code_conditions(c, &e->app.conditions);
}

/* What a request asks for. False: no memory. */
static bool code_new_bounds(struct cvg_codec *c, struct cvg_bounds *b)
{
    cvg__code_id(c, &b->request, &c->last.request);
    b->overrides = cvg__code_kind(c, b->overrides, 1U << CVG_SLO_KINDS);
    code_bounds(c, &b->slo, b->overrides);
    cvg__code_flag(c, &b->new_conditions);
    return code_conditions(c, &b->conditions);
}

static bool code_event(struct cvg_codec *c, struct cvg_event *e,
                       struct cvg_code_step *step, struct cvg_plan *answer)
{
    cvg_span passed = e->at - c->last.at;
    e->type = cvg__code_kind(c, e->type, CVG_EVENTS);
    cvg__code_span(c, &passed);
    e->at = c->last.at + passed;
    c->bad = c->bad || e->at >= CVG__CODE_TIME_MAX;
    c->last.at = e->at;
    switch (e->type) {
    case CVG_EV_ARRIVAL:
        return code_arrival(c, &e->arrival);
    case CVG_EV_CANCEL:
    case CVG_EV_GIVE_UP:
        cvg__code_id(c, &e->request, &c->last.request);
        break;
    case CVG_EV_DONE:
    case CVG_EV_START_FAILED:
        return code_done(c, &e->done, step);
    case CVG_EV_LOADED:
    case CVG_EV_LOAD_FAILED:
    case CVG_EV_UNLOADED:
        code_model_on(c, &e->model_on.device, &e->model_on.variant);
        break;
    case CVG_EV_DEVICE:
        code_device(c, e);
        break;
    case CVG_EV_MODEL:
        cvg__code_u32(c, &e->model.variant, c->box->n_variants);
        cvg__code_flag(c, &e->model.wanted);
        break;
    case CVG_EV_APP:
        return code_app(c, e);
    case CVG_EV_BOUNDS:
        return code_new_bounds(c, &e->bounds);
    case CVG_EV_SOLVED:
        code_solved(c, e, answer);
        break;
    case CVG_EV_TIMER:
    case CVG_EV_DRAIN:
    case CVG_EV_SOLVE_FAILED:
    case CVG_EVENTS:
        break;
    }
    return true;
}

/* --- actions -------------------------------------------------------------- */

/* False: no memory. The ids are put into `step` (NULL when writing). */
static bool code_start(struct cvg_codec *c, struct cvg_start *s,
                       struct cvg_code_step *step)
{
    cvg__code_id(c, &s->batch, &c->last.batch);
    cvg__code_u32(c, &s->unit, CVG_MAX_UNITS);
    cvg__code_u32(c, &s->device, c->box->n_devices);
    cvg__code_u32(c, &s->variant, c->box->n_variants);
    cvg__code_u32(c, &s->first, CVG_MAX_EXITS);
    cvg__code_u32(c, &s->last, CVG_MAX_EXITS);
    cvg__code_flag(c, &s->keep);
    cvg__code_instant(c, &s->predicted);
    cvg__code_length(c, &s->n_requests, 1);
    if (step != NULL && !grow((void **)&step->ids, &step->max_ids,
                              step->n_ids + s->n_requests, sizeof *step->ids)) {
        return false;
    }
    for (uint32_t i = 0; i < s->n_requests; i++) {
        uint64_t id = step != NULL ? 0 : s->requests[i];
        cvg__code_id(c, &id, &c->last.request);
        if (step != NULL) {
            step->ids[step->n_ids++] = id;
        }
    }
    return true;
}

/* The requests of a batch are answered one after the other: most of what
 * there is to say was said of the one before. */
enum reply_flag {
    REPLY_MET = 1,
    REPLY_RELAXED = 2,
    SAME_BATCH = 4, /* variant, exit and device too */
    SAME_ACCURACY = 8,
    SAME_ENERGY = 16,
    SAME_RAN = 32,
    REPLY_FLAGS = 64
};

/* Bit for bit: -0 is not 0 here. */
static bool same_real(double a, double b)
{
    uint64_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x == y;
}

static uint32_t flags_of(const struct cvg_reply *r,
                         const struct cvg_reply *last)
{
    bool same = r->batch == last->batch && r->variant == last->variant &&
                r->exit == last->exit && r->device == last->device;
    return (r->deadline_met ? REPLY_MET : 0U) |
           (r->relaxed != 0 ? REPLY_RELAXED : 0U) | (same ? SAME_BATCH : 0U) |
           (same_real(r->accuracy, last->accuracy) ? SAME_ACCURACY : 0U) |
           (same_real(r->energy_j, last->energy_j) ? SAME_ENERGY : 0U) |
           (r->ran == last->ran ? SAME_RAN : 0U);
}

static void code_reply_batch(struct cvg_codec *c, struct cvg_reply *r,
                             bool same)
{
    const struct cvg_reply *last = &c->last.reply;
    if (same) {
        r->batch = last->batch;
        r->variant = last->variant;
        r->exit = last->exit;
        r->device = last->device;
        return;
    }
    cvg__code_id(c, &r->batch, &c->last.batch);
    cvg__code_u32(c, &r->variant, c->box->n_variants);
    cvg__code_u32(c, &r->exit, CVG_MAX_EXITS);
    cvg__code_u32(c, &r->device, c->box->n_devices);
}

static void code_reply(struct cvg_codec *c, struct cvg_reply *r)
{
    const struct cvg_reply *last = &c->last.reply;
    uint32_t flags = c->out != NULL ? flags_of(r, last) : 0;
    flags = cvg__code_kind(c, flags, REPLY_FLAGS);
    cvg__code_id(c, &r->request, &c->last.request);
    code_reply_batch(c, r, (flags & SAME_BATCH) != 0);
    cvg__code_u32(c, &r->index, CVG_MAX_BATCH);
    cvg__code_u32(c, &r->app, c->box->n_apps);
    if ((flags & SAME_ACCURACY) != 0) {
        r->accuracy = last->accuracy;
    } else {
        cvg__code_real(c, &r->accuracy);
    }
    if ((flags & SAME_ENERGY) != 0) {
        r->energy_j = last->energy_j;
    } else {
        cvg__code_real(c, &r->energy_j);
    }
    cvg__code_signed(c, &r->queued);
    if ((flags & SAME_RAN) != 0) {
        r->ran = last->ran;
    } else {
        cvg__code_signed(c, &r->ran);
    }
    r->deadline_met = (flags & REPLY_MET) != 0;
    if ((flags & REPLY_RELAXED) != 0) {
        cvg__code_u32(c, &r->relaxed, 1U << CVG_SLO_KINDS);
    } else {
        r->relaxed = 0;
    }
    c->last.reply = *r;
}

static void code_drop(struct cvg_codec *c, struct cvg_drop *d)
{
    cvg__code_id(c, &d->request, &c->last.request);
    d->outcome = cvg__code_kind(c, d->outcome, CVG_OUTCOMES);
    d->reason = cvg__code_kind(c, d->reason, CVG_REASONS);
    cvg__code_signed(c, &d->retry_after);
}

static void code_failed(struct cvg_codec *c, struct cvg_question *q)
{
    cvg__code_u32(c, &q->n_failed, CVG_MAX_FAILED + 1);
    for (uint32_t i = 0; i < q->n_failed; i++) {
        code_model_on(c, &q->failed[i].device, &q->failed[i].variant);
    }
}

static void code_question(struct cvg_codec *c, struct cvg_question *q)
{
    for (size_t a = 0; a < c->box->n_apps; a++) {
        cvg__code_real(c, &q->rates_rps[a]);
        cvg__code_real(c, &q->dispersion[a]);
        code_slo(c, &q->slos[a]);
    }
    for (size_t d = 0; d < c->box->n_devices; d++) {
        cvg__code_real(c, &q->slowdown[d]);
    }
    for (size_t v = 0; v < c->box->n_variants; v++) {
        cvg__code_flag(c, &q->enabled[v]);
    }
    code_failed(c, q);
    code_flows(c, &q->n_flows, q->flows);
    cvg__code_flag(c, &q->settled);
}

static bool code_action(struct cvg_codec *c, struct cvg_action *a,
                        struct cvg_code_step *step, struct cvg_question *q)
{
    a->type = cvg__code_kind(c, a->type, CVG_ACTIONS);
    switch (a->type) {
    case CVG_ACT_START:
        return code_start(c, &a->start, step);
    case CVG_ACT_REPLY:
        code_reply(c, &a->reply);
        break;
    case CVG_ACT_DROP:
        code_drop(c, &a->drop);
        break;
    case CVG_ACT_LOAD:
    case CVG_ACT_UNLOAD:
        code_model_on(c, &a->model_on.device, &a->model_on.variant);
        break;
    case CVG_ACT_ABORT:
        cvg__code_id(c, &a->batch, &c->last.batch);
        break;
    case CVG_ACT_SOLVE:
        if (c->out != NULL) {
            *q = *a->question;
        }
        code_question(c, q);
        a->question = q;
        break;
    case CVG_ACT_RELEASE:
        cvg__code_id(c, &a->release.request, &c->last.request);
        cvg__code_u32(c, &a->release.device, c->box->n_devices);
        break;
    case CVG_ACTIONS:
        break;
    }
    return true;
}

/* --- whole steps ---------------------------------------------------------- */

#define MOST_VARINT 10U
#define MOST_FIELDS 20U /* of an event or action, arrays apart */

size_t cvg__code_room(const struct cvg_event *event,
                      const struct cvg_actions *actions)
{
    size_t room = (2 + actions->n) * MOST_FIELDS * MOST_VARINT;
    if (event->type == CVG_EV_DONE || event->type == CVG_EV_START_FAILED) {
        room += event->done.n_confidence * 8 + event->done.n_refused;
    } else if (event->type == CVG_EV_SOLVED) {
        room += sizeof(struct cvg_plan) * 2;
    } else if (event->type == CVG_EV_ARRIVAL) {
        room += conditions_room(event->arrival.conditions);
    } else if (event->type == CVG_EV_APP) {
        room += conditions_room(event->app.conditions);
    } else if (event->type == CVG_EV_BOUNDS) {
        room += conditions_room(event->bounds.conditions);
    }
    for (size_t i = 0; i < actions->n; i++) {
        const struct cvg_action *a = &actions->items[i];
        if (a->type == CVG_ACT_START) {
            room += a->start.n_requests * MOST_VARINT;
        } else if (a->type == CVG_ACT_SOLVE) {
            room += sizeof(struct cvg_question) * 2;
        }
    }
    return room;
}

void cvg__code_write_event(struct cvg_codec *c, const struct cvg_event *event)
{
    struct cvg_plan answer;
    struct cvg_event copy = *event;
    (void)code_event(c, &copy, NULL, &answer);
}

void cvg__code_write_actions(struct cvg_codec *c,
                             const struct cvg_actions *actions)
{
    struct cvg_question question;
    uint64_t n = actions->n;
    cvg__code_count(c, &n, UINT64_MAX);
    for (size_t i = 0; i < actions->n; i++) {
        struct cvg_action copy = actions->items[i];
        (void)code_action(c, &copy, NULL, &question);
    }
}

enum cvg_status cvg__code_read_event(struct cvg_codec *c,
                                     struct cvg_code_step *step)
{
    step->event = (struct cvg_event){.type = CVG_EV_TIMER, .at = c->last.at};
    step->answer = (struct cvg_plan){.n_flows = 0};
    bool ok = code_event(c, &step->event, step, &step->answer);
    return c->bad ? CVG_CONFIG : ok ? CVG_OK : CVG_NOMEM;
}

enum cvg_status cvg__code_read_actions(struct cvg_codec *c,
                                       struct cvg_code_step *step)
{
    uint32_t n = 0;
    step->n_ids = 0;
    step->n_actions = 0;
    cvg__code_length(c, &n, 1);
    if (!grow((void **)&step->actions, &step->max_actions, n,
              sizeof *step->actions)) {
        return CVG_NOMEM;
    }
    for (; step->n_actions < n && !c->bad; step->n_actions++) {
        struct cvg_action *a = &step->actions[step->n_actions];
        memset(a, 0, sizeof *a);
        if (!code_action(c, a, step, &step->question)) {
            return CVG_NOMEM;
        }
    }
    /* Only now do the ids stay where they are. */
    const uint64_t *ids = step->ids;
    for (size_t i = 0; i < step->n_actions; i++) {
        struct cvg_start *start = &step->actions[i].start;
        if (step->actions[i].type == CVG_ACT_START && start->n_requests > 0) {
            start->requests = ids;
            ids += start->n_requests;
        }
    }
    return c->bad ? CVG_CONFIG : CVG_OK;
}

void cvg__code_step_fini(struct cvg_code_step *step)
{
    free(step->actions);
    free(step->ids);
    free(step->confidence);
    free(step->refused);
}

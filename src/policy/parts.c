/* Four parts make a policy: list scheduling in the order of the keys.
 *
 * Waiting requests of all apps are taken in the order of their keys. Each goes
 * where the order part prefers, given what the units hold and what was planned
 * before it in this call: into a batch that is being formed, if that keeps
 * everybody's deadline, or into a new one. What is planned for a unit that has
 * room is begun; the rest of the plan only keeps later requests from counting
 * on the same unit, and is made again at the next call. */
#include "policy/parts.h"
#include "policy/exits.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>

struct plan {        /* of one unit */
    uint32_t room;   /* batches that can still be begun now */
    uint32_t queued; /* batches it holds or is to get */
    bool closed;     /* it got what it can have in an earlier pass */
    bool forming;
    struct begun
        *begun; /* the batch being formed; NULL: a later one, or none */
    uint32_t variant, last, n;
    cvg_time begins; /* the batch being formed, switch included */
    cvg_time ends;   /* all of the plan */
    cvg_time due;    /* earliest of its members */
};

struct begun { /* a batch that begins now, if the batching rule agrees */
    int handle;
    uint32_t unit, variant, last, n;
    cvg_span window; /* the least that a member has or had in all */
    cvg_time due;    /* the earliest of its members */
    uint64_t apps;   /* of its members, bits */
};

struct scheduling {
    const struct cvg_policy *policy;
    void *exits_state;
    const struct cvg_view *view;
    struct cvg_choices *choices;
    struct plan plans[CVG_MAX_UNITS];
    struct begun begun[CVG_MAX_UNITS];
    uint32_t n_begun;
    uint64_t waiting;        /* apps whose batches have been held back, bits */
    cvg__is_other *is_other; /* NULL: all requests are ours */
    const void *context;     /* of that */
    uint32_t room;    /* over all units: batches to begin, requests to add */
    uint64_t devices; /* that have room */
};

/* --- where could it go ---------------------------------------------------- */

static cvg_span service(const struct scheduling *s, uint32_t device,
                        uint32_t variant, uint32_t last, uint32_t n)
{
    return (cvg_span)((double)cvg_profile_time(s->view->profile, variant, 0,
                                               last, device, n, CVG_MEAN) *
                      cvg_view_slowdown(s->view, device));
}

static bool can_join(const struct plan *p, uint32_t variant, uint32_t last,
                     uint32_t max)
{
    return p->forming && p->variant == variant && p->last == last && p->n < max;
}

/* When it would be done in a batch of its own after all that is planned. */
static cvg_time finish_alone(const struct scheduling *s,
                             const struct cvg_unit *unit, uint32_t variant,
                             uint32_t last, uint32_t min)
{
    const struct plan *p = &s->plans[unit->index];
    if (!p->forming) {
        return cvg_view_finish(s->view, unit, variant, 0, last, min, CVG_MEAN);
    }
    cvg_span change =
        p->variant == variant ? 0 : cvg_view_switch(s->view, unit, variant);
    return p->ends + change + service(s, unit->device, variant, last, min);
}

/* Among ways that keep all bounds; of equal ones the one that is done first. */
static bool is_preferred(enum cvg_objective objective, const struct cvg_way *a,
                         const struct cvg_way *b)
{
    if (objective == CVG_OBJECTIVE_ENERGY && a->energy_j != b->energy_j) {
        return a->energy_j < b->energy_j;
    }
    if (objective == CVG_OBJECTIVE_ACCURACY && a->accuracy != b->accuracy) {
        return a->accuracy > b->accuracy;
    }
    return a->finish < b->finish;
}

static enum cvg_objective objective_of(const struct scheduling *s,
                                       const struct cvg_request *r)
{
    return s->view->apps[r->app].objective;
}

static bool is_better(const struct scheduling *s, const struct cvg_request *r,
                      const struct cvg_way *a, const struct cvg_way *b)
{
    if (b->finish == CVG_NEVER) {
        return true;
    }
    cvg_time due = cvg_request_due(r);
    if ((a->finish <= due) != (b->finish <= due)) {
        return a->finish <= due;
    }
    if (objective_of(s, r) != CVG_OBJECTIVE_NONE && a->finish <= due) {
        return is_preferred(objective_of(s, r), a, b);
    }
    if (s->policy->order->prefer != NULL && a->finish <= due) {
        return s->policy->order->prefer(s->view, r, a, b);
    }
    return a->finish < b->finish;
}

/* Is a way that is done at `earliest`, if not later, not better for sure? Most
 * are not, and the exact prediction costs more than all else. */
static bool is_no_better(const struct scheduling *s,
                         const struct cvg_request *r, cvg_time earliest,
                         const struct cvg_way *best)
{
    if (best->finish == CVG_NEVER) {
        return false;
    }
    enum cvg_objective objective = objective_of(s, r);
    bool soonest =
        objective == CVG_OBJECTIVE_LATENCY ||
        (objective == CVG_OBJECTIVE_NONE && s->policy->order->prefer == NULL);
    if (soonest) {
        return earliest >= best->finish;
    }
    cvg_time due = cvg_request_due(r);
    return best->finish <= due && earliest > due;
}

/* A mean over a window is held by holding it with every answer. */
static double wanted_accuracy(const struct scheduling *s,
                              const struct cvg_request *r)
{
    const struct cvg_app *app = &s->view->apps[r->app];
    bool mean = app->accuracy_over == CVG_ACCURACY_PER_WINDOW &&
                cvg_slo_has(&app->slo, CVG_SLO_ACCURACY) &&
                r->variant == CVG_ANY &&
                (r->relaxed >> CVG_SLO_ACCURACY & 1U) == 0;
    return mean ? fmax(r->min_accuracy, app->slo.accuracy) : r->min_accuracy;
}

static void consider(const struct scheduling *s, const struct cvg_request *r,
                     double wanted, const struct cvg_unit *unit,
                     uint32_t variant, struct cvg_way *best)
{
    const struct cvg_profile *profile = s->view->profile;
    const struct plan *p = &s->plans[unit->index];
    uint32_t device = unit->device;
    uint32_t last =
        cvg__exits_begin(s->policy->exits, s->exits_state, s->view, r, variant);
    uint32_t min = cvg_profile_min_batch(profile, variant, 0, last, device);
    uint32_t max = cvg_profile_max_batch(profile, variant, 0, last, device);
    double accuracy = cvg__exits_within_reach(s->view, r, variant, last);
    /* Too few wait for a batch of that? Then another way, or for more. */
    if (min == 0 || min > cvg_view_waiting(s->view, r->app) ||
        accuracy < wanted - 1e-12 ||
        cvg_view_residency(s->view, device, variant) != CVG_RESIDENT) {
        return;
    }
    struct cvg_way way = {.unit = unit->index,
                          .device = device,
                          .variant = variant,
                          .exit = last,
                          .accuracy = accuracy,
                          .queued = p->queued};
    if (can_join(p, variant, last, max)) {
        way.n = p->n + 1;
        uint32_t size = way.n > min ? way.n : min;
        way.finish = p->begins + service(s, device, variant, last, size);
        cvg_time due = cvg_request_due(r);
        bool harms = way.finish > p->due && p->ends <= p->due;
        if (!harms && (way.finish <= due || !s->policy->order->drops)) {
            way.service = service(s, device, variant, last, size);
            way.energy_j =
                cvg_profile_energy(profile, variant, 0, last, device, size) /
                size;
            if (is_better(s, r, &way, best)) {
                *best = way;
            }
            return;
        }
    }
    way.n = 1; /* of a batch that is begun when it has reached `min` */
    way.service = service(s, device, variant, last, min);
    cvg_time from = p->forming ? p->ends : s->view->now;
    if (is_no_better(s, r, from + way.service, best)) {
        return;
    }
    way.finish = finish_alone(s, unit, variant, last, min);
    way.energy_j =
        cvg_profile_energy(profile, variant, 0, last, device, min) / min;
    if (is_better(s, r, &way, best)) {
        *best = way;
    }
}

static struct cvg_way best_above(const struct scheduling *s,
                                 const struct cvg_request *r, double wanted)
{
    struct cvg_way best = {.finish = CVG_NEVER};
    const struct cvg_family *family =
        &s->view->box->families[s->view->apps[r->app].family];
    for (uint32_t u = 0; u < s->view->n_units; u++) {
        const struct cvg_unit *unit = &s->view->units[u];
        if (!cvg_view_up(s->view, unit->device) || s->plans[u].closed) {
            continue;
        }
        uint64_t usable = cvg_view_usable(s->view, r, unit->device);
        for (size_t i = 0; i < family->n_variants; i++) {
            uint32_t v = family->variants[i];
            if ((usable >> (i & 63U) & 1U) != 0 &&
                cvg_view_enabled(s->view, v) &&
                (r->variant == CVG_ANY || r->variant == v)) {
                consider(s, r, wanted, unit, v, &best);
            }
        }
    }
    return best;
}

static struct cvg_way best_way(const struct scheduling *s,
                               const struct cvg_request *r)
{
    double wanted = wanted_accuracy(s, r);
    struct cvg_way best = best_above(s, r, wanted);
    if (best.finish == CVG_NEVER && wanted > r->min_accuracy) {
        /* Nothing there reaches the mean: any answer is better than none. */
        best = best_above(s, r, r->min_accuracy);
    }
    return best;
}

/* --- take it -------------------------------------------------------------- */

static void add(struct scheduling *s, struct begun *b,
                const struct cvg_request *r)
{
    cvg_time due = cvg_request_due(r);
    cvg_span window = due == CVG_NEVER ? CVG_NEVER : due - r->arrival;
    b->n++;
    b->due = due < b->due ? due : b->due;
    b->window = window < b->window ? window : b->window;
    b->apps |= UINT64_C(1) << r->app % 64;
    cvg_choose_request(s->choices, b->handle, r);
}

static void join_batch(struct scheduling *s, const struct cvg_request *r,
                       const struct cvg_way *way)
{
    struct plan *p = &s->plans[way->unit];
    cvg_time due = cvg_request_due(r);
    p->n = way->n;
    p->ends = way->finish;
    p->due = due < p->due ? due : p->due;
    if (p->begun != NULL) {
        add(s, p->begun, r);
    }
}

static struct begun *begin_now(struct scheduling *s, struct plan *p,
                               const struct cvg_way *way)
{
    if (p->room == 0 || s->n_begun == CVG_MAX_UNITS) {
        return NULL;
    }
    p->room--;
    s->room--;
    int handle =
        cvg_choose_start(s->choices, way->unit, way->variant, 0, way->exit);
    if (handle < 0) {
        return NULL;
    }
    struct begun *b = &s->begun[s->n_begun++];
    *b = (struct begun){.handle = handle,
                        .unit = way->unit,
                        .variant = way->variant,
                        .last = way->exit,
                        .window = CVG_NEVER,
                        .due = CVG_NEVER};
    return b;
}

static void begin_batch(struct scheduling *s, const struct cvg_request *r,
                        const struct cvg_way *way)
{
    struct plan *p = &s->plans[way->unit];
    p->forming = true;
    p->variant = way->variant;
    p->last = way->exit;
    p->n = way->n;
    p->begins = way->finish - way->service;
    p->ends = way->finish;
    p->due = cvg_request_due(r);
    p->queued++;
    p->begun = begin_now(s, p, way);
    if (p->begun != NULL) {
        add(s, p->begun, r);
    }
}

/* Late in the plan: hopeless, if it were late even without the others. */
static bool late_even_alone(const struct scheduling *s,
                            const struct cvg_request *r)
{
    struct scheduling alone;
    alone.policy = s->policy;
    alone.exits_state = s->exits_state;
    alone.view = s->view;
    for (uint32_t u = 0; u < s->view->n_units; u++) {
        alone.plans[u] = (struct plan){.due = CVG_NEVER};
    }
    return best_above(&alone, r, r->min_accuracy).finish > cvg_request_due(r);
}

static void schedule(struct scheduling *s, const struct cvg_request *r)
{
    struct cvg_way way = best_way(s, r);
    if (way.finish == CVG_NEVER) {
        return; /* nothing that could run it is in memory */
    }
    if (way.finish > cvg_request_due(r) && s->policy->order->drops) {
        if (late_even_alone(s, r)) {
            cvg_choose_drop(s->choices, r, CVG_REASON_DEADLINE);
        }
        return; /* others go first now; there may be a place later */
    }
    const struct plan *p = &s->plans[way.unit];
    bool joins =
        can_join(p, way.variant, way.exit, CVG_MAX_BATCH) && way.n == p->n + 1;
    if (joins) {
        join_batch(s, r, &way);
    } else {
        begin_batch(s, r, &way);
    }
}

/* --- the order ------------------------------------------------------------ */

struct cursors { /* the next waiting request of each app */
    const struct cvg_request *at[CVG_MAX_APPS];
    uint32_t n;
    uint64_t devices; /* only what one of these could run; 0: all */
};

static const struct cvg_request *next_of(const struct cvg_view *view,
                                         const struct cursors *c,
                                         const struct cvg_request *r)
{
    return c->devices == 0 ? cvg_view_next(view, r)
                           : cvg_view_next_on(view, r->app, r, c->devices, 0);
}

/* From now on only what one of the devices could run. */
static void restrict_to(const struct cvg_view *view, struct cursors *c,
                        uint64_t devices)
{
    c->devices = devices;
    for (uint32_t a = 0; a < c->n; a++) {
        const struct cvg_request *r = c->at[a];
        if (r != NULL && (cvg_view_devices(view, r) & devices) == 0) {
            c->at[a] = next_of(view, c, r);
        }
    }
}

static const struct cvg_request *take_first(const struct cvg_view *view,
                                            struct cursors *c)
{
    uint32_t best = CVG_ANY;
    for (uint32_t a = 0; a < c->n; a++) {
        if (c->at[a] != NULL &&
            (best == CVG_ANY || cvg_view_before(view, c->at[a], c->at[best]))) {
            best = a;
        }
    }
    if (best == CVG_ANY) {
        return NULL;
    }
    const struct cvg_request *r = c->at[best];
    c->at[best] = next_of(view, c, r);
    return r;
}

/* How many waiting requests are worth looking at: what could be begun, and a
 * few that would go to units that are busy. */
static uint32_t horizon(const struct scheduling *s)
{
    uint32_t n = 2 * s->view->n_units;
    const struct cvg_box *box = s->view->box;
    for (uint32_t u = 0; u < s->view->n_units; u++) {
        uint32_t largest = 0;
        for (uint32_t v = 0; s->plans[u].room > 0 && v < box->n_variants; v++) {
            uint32_t max = cvg_profile_max_batch(s->view->profile, v, 0, 0,
                                                 s->view->units[u].device);
            largest = max > largest ? max : largest;
        }
        n += largest * s->plans[u].room;
    }
    return n;
}

/* What the batching rule says of each batch that could begin. True: some are
 * held back. */
static bool apply_batching(struct scheduling *s, void *batching_state)
{
    const struct cvg_profile *profile = s->view->profile;
    uint64_t held_back = 0;
    for (uint32_t i = 0; i < s->n_begun; i++) {
        const struct begun *b = &s->begun[i];
        const struct cvg_unit *unit = &s->view->units[b->unit];
        const struct cvg_forming batch = {
            .unit = unit,
            .variant = b->variant,
            .exit = b->last,
            .n = b->n,
            .min = cvg_profile_min_batch(profile, b->variant, 0, b->last,
                                         unit->device),
            .max = cvg_profile_max_batch(profile, b->variant, 0, b->last,
                                         unit->device),
            .window = b->window,
            .due = b->due,
        };
        cvg_time until = CVG_NEVER;
        uint32_t n =
            s->policy->batching->size(batching_state, s->view, &batch, &until);
        /* No rule can choose a batch that the model does not have. */
        n = n > 0 && n < batch.min ? batch.min : n;
        if (n < b->n) {
            cvg_choose_trim(s->choices, b->handle, n);
        }
        if (n == 0) {
            cvg_choose_wake(s->choices, until);
            held_back |= b->apps;
        } else {
            s->plans[b->unit].closed = true;
            if (n < b->n && s->plans[b->unit].room > 0) {
                cvg_choose_wake(s->choices, s->view->now); /* for the others */
            }
        }
    }
    s->waiting |= held_back;
    return held_back != 0;
}

/* One pass over the requests of apps that need not wait. */
static void plan_all(struct scheduling *s)
{
    const struct cvg_view *view = s->view;
    s->room = 0;
    s->devices = 0;
    s->n_begun = 0;
    for (uint32_t u = 0; u < view->n_units; u++) {
        const struct cvg_unit *unit = &view->units[u];
        uint32_t in_flight = view->box->devices[unit->device].in_flight;
        bool closed = s->plans[u].closed;
        uint32_t room =
            !closed && cvg_view_free(view, unit) ? in_flight - unit->n_held : 0;
        s->plans[u] = (struct plan){
            .room = room, .queued = unit->n_held, .closed = closed};
        s->room += room;
        s->devices |= room > 0 ? cvg_device_bit(unit->device) : 0;
    }
    struct cursors cursors = {.n = view->n_apps};
    for (uint32_t a = 0; a < view->n_apps; a++) {
        bool waits = (s->waiting >> a % 64 & 1U) != 0;
        cursors.at[a] = waits ? NULL : cvg_view_first(view, a);
    }
    /* Requests for busy devices only are planned, too, but however many of
     * them wait, they do not keep the others from being looked at. */
    uint32_t left = horizon(s);
    uint32_t left_of_others = left;
    const struct cvg_request *r;
    while (left > 0 && (r = take_first(view, &cursors)) != NULL) {
        if (s->is_other != NULL && s->is_other(s->context, r)) {
            continue;
        }
        if ((cvg_view_devices(view, r) & s->devices) != 0) {
            left--;
        } else if (--left_of_others == 0) {
            restrict_to(view, &cursors, s->devices);
        }
        schedule(s, r);
    }
}

void cvg__compose_but(const struct cvg_policy *policy, void *batching_state,
                      void *exits_state, const struct cvg_view *view,
                      struct cvg_choices *choices, uint64_t apps,
                      cvg__is_other *is_other, const void *context)
{
    struct scheduling s;
    s.policy = policy;
    s.exits_state = exits_state;
    s.view = view;
    s.choices = choices;
    s.waiting = apps;
    s.is_other = is_other;
    s.context = context;
    for (uint32_t u = 0; u < view->n_units; u++) {
        s.plans[u].closed = false;
    }
    /* Who waits for a fuller batch is in nobody's way: the others are planned
     * again without him. */
    do {
        plan_all(&s);
    } while (apply_batching(&s, batching_state));
    cvg__load_for_homeless_but(view, choices, is_other, context);
}

void cvg__compose(const struct cvg_policy *policy, void *allocation_state,
                  void *order_state, void *batching_state, void *exits_state,
                  const struct cvg_view *view, struct cvg_choices *choices)
{
    (void)allocation_state;
    (void)order_state;
    cvg__compose_but(policy, batching_state, exits_state, view, choices, 0,
                     NULL, NULL);
}

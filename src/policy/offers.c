/* Batches that could be begun on a unit. */
#include "policy/offers.h"

#include "policy/loads.h"

#include <math.h>
#include <string.h>

#define SCAN 8U            /* requests looked at beyond the head of a queue */
#define SAFETY CVG_US(300) /* between a predicted finish and a deadline */
/* How long a request without deadline waits for a batch that keeps its energy
 * bound. */
#define PATIENCE CVG_S(1)

/* So many batches are reserved in a call; what then waits is offered only to
 * units with room, so that a crowd for one device does not keep it from
 * another. */
#define RESERVATIONS(view) ((view)->n_units + (view)->n_apps)

/* --- state ---------------------------------------------------------------- */

size_t cvg__offers_extra(const struct cvg_box *box)
{
    return (box->n_apps + 1) * cvg__ways_size(box) +
           box->n_apps * box->n_devices * sizeof(double);
}

/* The fastest that anything of the app's family could be done there. */
static double soonest_ns(const struct cvg_view *view, uint32_t app,
                         uint32_t device)
{
    const struct cvg_profile *p = view->profile;
    const struct cvg_family *family =
        &view->box->families[view->apps[app].family];
    double soonest = INFINITY;
    for (size_t i = 0; i < family->n_variants; i++) {
        uint32_t v = family->variants[i];
        for (uint32_t x = 0; x < view->box->variants[v].n_exits; x++) {
            uint32_t n = cvg_profile_min_batch(p, v, 0, x, device);
            if (n > 0) {
                soonest = fmin(soonest, (double)cvg_profile_time(
                                            p, v, 0, x, device, n, CVG_MEAN));
            }
        }
    }
    return soonest;
}

void cvg__offers_init(struct cvg__offers *o, const struct cvg_view *view,
                      void *extra)
{
    char *memory = extra;
    size_t size = cvg__ways_size(view->box);
    cvg__ways_init(&o->own, view->box, memory);
    for (uint32_t a = 0; a < view->n_apps; a++) {
        cvg__ways_init(&o->apps[a], view->box, memory + (a + 1) * size);
    }
    o->soonest_ns = (double *)(memory + (view->n_apps + 1) * size);
    for (uint32_t a = 0; a < view->n_apps; a++) {
        for (uint32_t d = 0; d < view->box->n_devices; d++) {
            o->soonest_ns[a * view->box->n_devices + d] =
                soonest_ns(view, a, d);
        }
    }
}

int64_t cvg__offers_key(void *state, const struct cvg_view *view,
                        const struct cvg_request *request)
{
    (void)state;
    (void)view;
    return request->deadline;
}

const struct cvg__ways *cvg__offers_ways(struct cvg__offers *o,
                                         const struct cvg_view *view,
                                         uint32_t app)
{
    const struct cvg_slo *slo = &view->apps[app].slo;
    bool each = view->apps[app].accuracy_over == CVG_ACCURACY_PER_REQUEST;
    struct cvg_request r = {
        .app = app,
        .variant = CVG_ANY,
        .deadline =
            cvg_slo_has(slo, CVG_SLO_DEADLINE) ? slo->deadline : CVG_NEVER,
        .min_accuracy =
            each && cvg_slo_has(slo, CVG_SLO_ACCURACY) ? slo->accuracy : 0,
        .max_energy_j =
            cvg_slo_has(slo, CVG_SLO_ENERGY) ? slo->energy_j : INFINITY,
        .plain = 1,
    };
    return cvg__ways_of(&o->apps[app], view, &r, &o->own);
}

/* --- a call --------------------------------------------------------------- */

void cvg__offers_call(struct cvg__offers *o, const struct cvg_view *view)
{
    memset(o->reserved, 0, view->n_units * sizeof *o->reserved);
    o->n_reserved = 0;
    memset(o->begun, 0, view->n_units * sizeof *o->begun);
    memset(o->after, 0, view->n_apps * sizeof(const struct cvg_request *));
    memset(o->spoken_for, 0, view->n_apps * sizeof *o->spoken_for);
}

bool cvg__offers_room(const struct cvg__offers *o, const struct cvg_view *view,
                      const struct cvg_unit *unit)
{
    return !o->begun[unit->index] && cvg_view_free(view, unit);
}

static bool overdue(const struct cvg_view *view, const struct cvg_request *r)
{
    return cvg_request_due(r) == CVG_NEVER &&
           view->now - r->arrival >= PATIENCE;
}

void cvg__offers_end(struct cvg__offers *o, const struct cvg_view *view,
                     struct cvg_choices *choices)
{
    bool again = false;
    for (uint32_t u = 0; u < view->n_units; u++) {
        const struct cvg_unit *unit = &view->units[u];
        uint32_t held = unit->n_held + o->begun[u];
        again = again || (o->begun[u] &&
                          held < view->box->devices[unit->device].in_flight);
    }
    bool waiting = false;
    for (uint32_t a = 0; a < view->n_apps; a++) {
        const struct cvg_request *r = cvg_view_first(view, a);
        waiting = waiting || r != NULL;
        if (r != NULL && cvg_request_due(r) == CVG_NEVER &&
            r->arrival + PATIENCE > view->now) {
            cvg_choose_wake(choices, r->arrival + PATIENCE);
        }
    }
    if (again && waiting) {
        cvg_choose_wake(choices, view->now);
    }
    cvg__load_for_homeless(view, choices);
}

/* --- what a unit could do ------------------------------------------------- */

static bool usable(const struct cvg_view *view, const struct cvg__way *way)
{
    return cvg_view_enabled(view, way->variant) &&
           cvg_view_residency(view, way->device, way->variant) == CVG_RESIDENT;
}

/* What an answer must reach: a mean over a window is held by holding it with
 * every answer, if anything can. */
static double wanted_accuracy(const struct cvg_view *view,
                              const struct cvg_request *r,
                              const struct cvg__ways *ways)
{
    const struct cvg_app *app = &view->apps[r->app];
    if (app->accuracy_over != CVG_ACCURACY_PER_WINDOW ||
        !cvg_slo_has(&app->slo, CVG_SLO_ACCURACY) ||
        (r->relaxed >> CVG_SLO_ACCURACY & 1U) != 0) {
        return 0;
    }
    for (uint32_t i = 0; i < ways->n; i++) {
        const struct cvg__way *way = &ways->ways[i];
        if (way->accuracy >= app->slo.accuracy &&
            cvg_view_up(view, way->device) && usable(view, way)) {
            return app->slo.accuracy;
        }
    }
    return 0;
}

static double p95_ns(const struct cvg__offers *o, const struct cvg_view *view,
                     uint32_t device, const struct cvg__way *way, uint32_t n)
{
    (void)o;
    return (double)cvg_profile_time(view->profile, way->variant, 0, way->exit,
                                    device, n, CVG_P95) *
           cvg_view_slowdown(view, device);
}

static double mean_ns(const struct cvg_view *view, uint32_t device,
                      const struct cvg__way *way, uint32_t n)
{
    return (double)cvg_profile_time(view->profile, way->variant, 0, way->exit,
                                    device, n, CVG_MEAN) *
           cvg_view_slowdown(view, device);
}

static bool is_shared(const struct cvg_view *view, const struct cvg_unit *unit)
{
    return view->box->devices[unit->device].discipline != CVG_FCFS;
}

/* What is before a new batch on the unit, ns: all of it on an fcfs unit, or
 * where it has no room. What shares a unit with room takes turns with the
 * batch, which then waits for no more of it than it is long itself. */
static double before_ns(const struct cvg__offers *o,
                        const struct cvg_view *view,
                        const struct cvg_unit *unit, double service)
{
    cvg_span left = unit->n_held > 0 && unit->free_at > view->now
                        ? unit->free_at - view->now
                        : 0;
    double before = (double)left;
    if (is_shared(view, unit) && cvg__offers_room(o, view, unit)) {
        before = 0;
        for (uint32_t i = 0; i < unit->n_held; i++) {
            cvg_span held = unit->held[i].predicted - view->now;
            before += fmin(held > 0 ? (double)held : 0, service);
        }
        before = fmin(before, (double)left);
    }
    return before + (double)o->reserved[unit->index];
}

static cvg_time finish_of(const struct cvg__offers *o,
                          const struct cvg_view *view,
                          const struct cvg__offer *batch, uint32_t n)
{
    double service = (double)batch->change +
                     (o->likely_ns != NULL ? o->likely_ns : p95_ns)(
                         o, view, batch->unit->device, &batch->way, n);
    return view->now +
           (cvg_span)(before_ns(o, view, batch->unit, service) + service);
}

/* The largest n of min..max that is in time for the first request; 0: none. */
static uint32_t largest_in_time(const struct cvg__offers *o,
                                const struct cvg_view *view,
                                const struct cvg__offer *batch, uint32_t max)
{
    cvg_time due = cvg_request_due(batch->first);
    if (due == CVG_NEVER) {
        return max;
    }
    uint32_t fits = batch->min - 1; /* is in time, or nothing is */
    uint32_t late = max + 1;
    uint32_t n = max;
    while (late - fits > 1) {
        if (finish_of(o, view, batch, n) + SAFETY <= due) {
            fits = n;
        } else {
            late = n;
        }
        n = fits + (late - fits) / 2;
    }
    return fits < batch->min ? 0 : fits;
}

/* Completes a batch of which unit, first and way are known. *soonest: when its
 * smallest would be done, if that is less. */
static bool fit(const struct cvg__offers *o, const struct cvg_view *view,
                struct cvg__offer *batch, uint32_t waiting, cvg_time *soonest)
{
    const struct cvg__way *way = &batch->way;
    uint32_t device = batch->unit->device;
    batch->min = overdue(view, batch->first)
                     ? cvg_profile_min_batch(view->profile, way->variant, 0,
                                             way->exit, device)
                     : way->min;
    uint32_t max = way->max < waiting ? way->max : waiting;
    if (max < batch->min) {
        return false;
    }
    double slowdown = cvg_view_slowdown(view, device);
    batch->change =
        (cvg_span)((double)cvg_view_switch(view, batch->unit, way->variant) *
                   slowdown);
    batch->n = largest_in_time(o, view, batch, max);
    if (batch->n == 0) {
        cvg_time finish = finish_of(o, view, batch, batch->min) + SAFETY;
        *soonest = finish < *soonest ? finish : *soonest;
        return false;
    }
    double service = mean_ns(view, device, way, batch->n);
    batch->time = batch->change + (cvg_span)service;
    batch->begin = view->now + (cvg_span)before_ns(o, view, batch->unit, 0);
    batch->finish = finish_of(o, view, batch, batch->n);
    double least =
        (double)batch->change + mean_ns(view, device, way, batch->min);
    batch->alone =
        view->now + (cvg_span)(before_ns(o, view, batch->unit, least) + least);
    return true;
}

uint32_t cvg__offers_on(struct cvg__offers *o, const struct cvg_view *view,
                        const struct cvg_unit *unit, uint32_t app,
                        uint32_t variant, struct cvg__offer *out)
{
    double soonest = o->soonest_ns[app * view->box->n_devices + unit->device];
    uint32_t waiting = cvg_view_waiting(view, app);
    if (soonest == INFINITY || waiting <= o->spoken_for[app]) {
        return 0;
    }
    waiting -= o->spoken_for[app];
    uint64_t bit = cvg_device_bit(unit->device);
    cvg_time from =
        view->now + (cvg_span)(before_ns(o, view, unit, soonest) +
                               soonest * cvg_view_slowdown(view, unit->device));
    const struct cvg_request *r =
        cvg_view_next_on(view, app, o->after[app], bit, from);
    for (uint32_t k = 0; r != NULL && k < SCAN; k++) {
        const struct cvg__ways *ways =
            cvg__ways_of(&o->apps[app], view, r, &o->own);
        double wanted = wanted_accuracy(view, r, ways) - 1e-12;
        cvg_time plain_from = CVG_NEVER;
        uint32_t n = 0;
        for (uint32_t i = ways->from[unit->device];
             i < ways->from[unit->device + 1]; i++) {
            struct cvg__offer *batch = &out[n];
            *batch = (struct cvg__offer){
                .unit = unit, .first = r, .way = ways->ways[i]};
            n += (variant == CVG_ANY || variant == batch->way.variant) &&
                 batch->way.accuracy >= wanted && usable(view, &batch->way) &&
                 fit(o, view, batch, waiting, &plain_from);
        }
        if (n > 0) {
            return n;
        }
        /* The next that could be in time, if it is one like this one. */
        from = r->plain != 0 && plain_from != CVG_NEVER ? plain_from : from;
        r = cvg_view_next_on(view, app, r, bit, from);
    }
    return 0;
}

bool cvg__offers_left(const struct cvg__offers *o, const struct cvg_view *view)
{
    if (o->n_reserved >= 2 * RESERVATIONS(view)) {
        return false;
    }
    for (uint32_t u = 0; u < view->n_units; u++) {
        if (cvg__offers_room(o, view, &view->units[u])) {
            return true;
        }
    }
    return false;
}

/* Between the ways of one request the policy chooses; the first request that
 * any unit can have done in time goes first. */
static bool goes_before(const struct cvg__offers *o,
                        const struct cvg_view *view, cvg__better *is_better,
                        const struct cvg__offer *a,
                        const struct cvg__offer *than)
{
    return a->first == than->first
               ? is_better(o, view, a, than)
               : cvg_view_before(view, a->first, than->first);
}

bool cvg__offers_best(struct cvg__offers *o, const struct cvg_view *view,
                      uint32_t app, cvg__better *is_better,
                      struct cvg__offer *best)
{
    bool found = false;
    bool busy_too = o->n_reserved < RESERVATIONS(view);
    for (uint32_t u = 0; u < view->n_units; u++) {
        const struct cvg_unit *unit = &view->units[u];
        struct cvg__offer on[CVG__WAYS_PER_DEVICE];
        bool counts = busy_too ? cvg_view_up(view, unit->device)
                               : cvg__offers_room(o, view, unit);
        uint32_t n =
            counts ? cvg__offers_on(o, view, unit, app, CVG_ANY, on) : 0;
        for (uint32_t i = 0; i < n; i++) {
            if (!found || goes_before(o, view, is_better, &on[i], best)) {
                *best = on[i];
                found = true;
            }
        }
    }
    return found;
}

uint32_t cvg__offers_most_urgent(const struct cvg__offers *o,
                                 const struct cvg_view *view,
                                 const bool *settled)
{
    uint32_t best = CVG_ANY;
    const struct cvg_request *first = NULL;
    for (uint32_t a = 0; a < view->n_apps; a++) {
        const struct cvg_request *r = o->after[a] != NULL
                                          ? cvg_view_next(view, o->after[a])
                                          : cvg_view_first(view, a);
        if (!settled[a] && r != NULL &&
            (best == CVG_ANY || cvg_view_before(view, r, first))) {
            best = a;
            first = r;
        }
    }
    return best;
}

bool cvg__offer_harms(const struct cvg_view *view,
                      const struct cvg__offer *batch)
{
    const struct cvg_unit *unit = batch->unit;
    for (uint32_t i = 0; is_shared(view, unit) && i < unit->n_held; i++) {
        const struct cvg_held *h = &unit->held[i];
        cvg_span left = h->predicted - view->now;
        cvg_span delay = left < batch->time ? left : batch->time;
        if (h->due != CVG_NEVER && h->predicted <= h->due &&
            h->predicted + delay > h->due) {
            return true;
        }
    }
    return false;
}

double cvg__offer_energy(const struct cvg_view *view,
                         const struct cvg__offer *batch)
{
    uint32_t device = batch->unit->device;
    double switching =
        view->box->devices[device].busy_w * (double)batch->change * 1e-9;
    return (switching + cvg_profile_energy(view->profile, batch->way.variant, 0,
                                           batch->way.exit, device, batch->n)) /
           batch->n;
}

/* --- taking one ----------------------------------------------------------- */

/* Is the request served well by the batch that another one leads? */
static bool belongs(const struct cvg_view *view, const struct cvg__offer *batch,
                    const struct cvg_request *r)
{
    if (r == batch->first) {
        return true;
    }
    if (overdue(view, r)) { /* whatever energy that takes */
        return (r->variant == CVG_ANY || r->variant == batch->way.variant) &&
               batch->way.accuracy >= r->min_accuracy - 1e-12;
    }
    return cvg_view_good_enough(view, r, batch->way.variant, batch->way.exit,
                                batch->unit->device, batch->n);
}

static const struct cvg_request *next_of(const struct cvg_view *view,
                                         const struct cvg__offer *batch,
                                         const struct cvg_request *r)
{
    return cvg_view_next_on(view, r->app, r,
                            cvg_device_bit(batch->unit->device), batch->finish);
}

bool cvg__offer_take(struct cvg__offers *o, const struct cvg_view *view,
                     struct cvg_choices *choices,
                     const struct cvg__offer *batch)
{
    if (cvg__offers_room(o, view, batch->unit) &&
        !cvg__offer_harms(view, batch) &&
        cvg__offer_begin(o, view, choices, batch)) {
        return true;
    }
    cvg__offer_reserve(o, view, batch);
    return false;
}

bool cvg__offer_begin(struct cvg__offers *o, const struct cvg_view *view,
                      struct cvg_choices *choices,
                      const struct cvg__offer *batch)
{
    int handle = cvg_choose_start(choices, batch->unit->index,
                                  batch->way.variant, 0, batch->way.exit);
    if (handle < 0) {
        return false;
    }
    uint32_t app = batch->first->app;
    uint32_t n = 0;
    const struct cvg_request *r = batch->first;
    for (uint32_t k = 0; r != NULL && n < batch->n && k < batch->n + SCAN;
         k++) {
        const struct cvg_request *next = next_of(view, batch, r);
        if (belongs(view, batch, r)) {
            n += cvg_choose_request(choices, handle, r);
        }
        r = next;
    }
    if (n < batch->min) {
        cvg_choose_trim(choices, handle, 0);
        return false;
    }
    o->begun[batch->unit->index] = true;
    o->spoken_for[app] += n;
    o->reserved[batch->unit->index] += batch->time;
    return true;
}

void cvg__offer_reserve(struct cvg__offers *o, const struct cvg_view *view,
                        const struct cvg__offer *batch)
{
    const struct cvg_request *r = batch->first;
    uint32_t app = r->app;
    for (uint32_t k = 0; r != NULL && k < batch->n; k++) {
        o->after[app] = r;
        r = next_of(view, batch, r);
    }
    o->n_reserved++;
    o->spoken_for[app] += batch->n;
    o->reserved[batch->unit->index] += batch->time;
}

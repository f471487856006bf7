/* Convergo: all SLOs of all apps together (DESIGN.md section 7).
 *
 * Prioritise: requests of an app wait in the order of their deadlines; between
 * apps urgency decides, then what a unit's time buys. Constrain: a way to run
 * requests is a (device, variant, exit, batch size) that is accurate enough,
 * within the energy bound as a batch of that size, and predicted, by a high
 * quantile, to be in time for the first of them. Combine: for every free unit
 * the best such batch over all apps, at the going price of each device, unless
 * the same requests are better served by waiting for another. Learn: prices
 * follow how busy devices are; times follow what was measured (the engine's
 * slowdown of each device).
 *
 * After Jiang et al., "Convergo: Multi-SLO-Aware Scheduling for Heterogeneous
 * AI Accelerators on Edge Devices", IEEE EDGE 2025, whose abstract names the
 * three steps; the rest is ours. */
#include "policy/loads.h"
#include "policy/parts.h"
#include "policy/ways.h"

#include <math.h>
#include <string.h>

#define SCAN 12U           /* requests looked at beyond the head of a queue */
#define SAFETY CVG_US(300) /* between a predicted finish and a deadline */

/* What a device costs per ns: nothing much while idle, more and more as it
 * fills up. */
#define PRICE_IDLE 0.05
/* A batch goes to a dearer unit only if no other that is in time costs less
 * than this share of it. */
#define WORTH_WAITING 0.7
/* Below this utilisation a device can afford more accuracy than asked for. */
#define AMPLE 0.5
/* What serving an app without SLO is worth, and one whose window is lost: these
 * requests cannot be jointly satisfied. */
#define WITHOUT_SLO 0.01
#define WINDOW_LOST 0.3
/* How long a request without deadline is passed over before it must go. */
#define PATIENCE CVG_S(1)
/* How fast a device's utilisation is forgotten. */
#define MEMORY_NS 5e8

struct device_price {
    double busy;   /* utilisation, an exponential average */
    cvg_time seen; /* when it was last brought up to date */
};

struct on_device {     /* of an app */
    double soonest_ns; /* fastest that anything of its family could be done */
    uint64_t call;     /* in which it was last offered to that device ... */
    const struct cvg_request *last; /* ... and up to which one it was looked
                                     * at; NULL: to the end */
};

struct state {
    struct device_price prices[CVG_MAX_DEVICES];
    cvg_time favoured[CVG_MAX_APPS]; /* when it last went before its turn */
    /* This call: when a unit that was given a batch should be done with it; 0:
     * none was. The view shows units as they were before. */
    cvg_time begun[CVG_MAX_UNITS];
    bool second_pass;
    uint64_t call; /* of choose(), counted */
    uint32_t max_batch;
    struct on_device *on_device; /* [app * n_devices + device] */
    struct cvg__ways own;        /* of a request that has bounds of its own */
    struct cvg__ways apps[CVG_MAX_APPS];
};

struct candidate { /* a batch that could be begun on a unit now */
    const struct cvg_unit *unit;
    uint32_t app;
    struct cvg__way way;
    const struct cvg_request *first;
    uint32_t n;
    cvg_span time;    /* of the unit: switch and service */
    cvg_time finish;  /* predicted, high quantile */
    cvg_span slack;   /* of the first request, beyond the finish */
    double cost;      /* price x time per request */
    double value;     /* weight gained per ns of the unit's time */
    bool must_go;     /* it has waited for its turn */
    uint32_t binding; /* kinds that ruled out a cheaper way */
};

/* --- prices --------------------------------------------------------------- */

/* Share of the device's units that hold a batch now. */
static double load_now(const struct cvg_view *view, uint32_t device)
{
    uint32_t busy = 0;
    uint32_t units = 0;
    for (uint32_t u = 0; u < view->n_units; u++) {
        if (view->units[u].device == device) {
            units++;
            busy += view->units[u].n_held > 0;
        }
    }
    return units == 0 ? 0 : (double)busy / units;
}

static void update_prices(struct state *s, const struct cvg_view *view)
{
    for (uint32_t d = 0; d < view->box->n_devices; d++) {
        struct device_price *p = &s->prices[d];
        double elapsed = (double)(view->now - p->seen);
        if (elapsed <= 0) {
            continue;
        }
        double keep = exp(-elapsed / MEMORY_NS);
        p->busy = p->busy * keep + load_now(view, d) * (1 - keep);
        p->seen = view->now;
    }
}

static double price(const struct state *s, uint32_t device)
{
    double busy = s->prices[device].busy;
    return PRICE_IDLE + busy * busy;
}

/* Price of a profiled ns of the device. */
static double going_rate(const struct state *s, const struct cvg_view *view,
                         uint32_t device)
{
    return price(s, device) * cvg_view_slowdown(view, device);
}

/* --- what could be begun on a unit ---------------------------------------- */

/* Cost of a unit's time per request when `n` go together, ns x price. A switch
 * is paid twice: what it puts out will be wanted again. */
static double cost_each(const struct state *s, const struct cvg_view *view,
                        const struct cvg_unit *unit, const struct cvg__way *way,
                        uint32_t n, cvg_span *time)
{
    double slowdown = cvg_view_slowdown(view, unit->device);
    cvg_span change = cvg_view_switch(view, unit, way->variant);
    cvg_span service = cvg_profile_time(view->profile, way->variant, 0,
                                        way->exit, unit->device, n, CVG_MEAN);
    *time = (cvg_span)((double)(service + change) * slowdown);
    return price(s, unit->device) *
           ((double)(service + 2 * change) * slowdown) / n;
}

/* Does a batch beside those that a shared unit holds make one of them late? */
static bool harms(const struct cvg_view *view, const struct cvg_unit *unit,
                  cvg_span time)
{
    if (view->box->devices[unit->device].discipline == CVG_FCFS) {
        return false;
    }
    for (uint32_t i = 0; i < unit->n_held; i++) {
        const struct cvg_held *h = &unit->held[i];
        cvg_span left = h->predicted - view->now;
        cvg_span delay = left < time ? left : time;
        if (h->due != CVG_NEVER && h->predicted <= h->due &&
            h->predicted + delay > h->due) {
            return true;
        }
    }
    return false;
}

/* The largest batch by this way that is in time for its first request; 0:
 * none. */
static uint32_t largest_in_time(const struct cvg_view *view,
                                const struct cvg_unit *unit,
                                const struct cvg__way *way, uint32_t min,
                                uint32_t waiting, cvg_time due,
                                cvg_time *finish)
{
    uint32_t n = way->max < waiting ? way->max : waiting;
    for (; n >= min && n > 0; n--) {
        *finish =
            cvg_view_finish(view, unit, way->variant, 0, way->exit, n, CVG_P95);
        if (due == CVG_NEVER || *finish + SAFETY <= due) {
            return n;
        }
    }
    return 0;
}

static bool usable(const struct cvg_view *view, const struct cvg__way *way)
{
    return cvg_view_enabled(view, way->variant) &&
           cvg_view_residency(view, way->device, way->variant) == CVG_RESIDENT;
}

/* A request without deadline that was passed over for long enough: it makes no
 * more conditions. */
static bool overdue(const struct cvg_view *view, const struct cvg_request *r)
{
    return cvg_request_due(r) == CVG_NEVER &&
           view->now - r->arrival >= PATIENCE;
}

/* Nobody starves: once in a while an app whose requests are overdue goes before
 * its turn. No more often, or apps without SLO would crowd out the others. */
static bool must_go(const struct state *s, const struct cvg_view *view,
                    const struct cvg_request *r)
{
    return overdue(view, r) && view->now - s->favoured[r->app] >= PATIENCE;
}

/* The smallest batch to begin. A request that must go does so even where only
 * a larger batch would keep its energy bound. */
static uint32_t smallest(const struct cvg_view *view,
                         const struct cvg__way *way,
                         const struct cvg_request *first)
{
    return overdue(view, first)
               ? cvg_profile_min_batch(view->profile, way->variant, 0,
                                       way->exit, way->device)
               : way->min;
}

static bool holds_mean(const struct cvg_view *view, const struct cvg_request *r)
{
    const struct cvg_app *app = &view->apps[r->app];
    return app->accuracy_over == CVG_ACCURACY_PER_WINDOW &&
           cvg_slo_has(&app->slo, CVG_SLO_ACCURACY) &&
           (r->relaxed >> CVG_SLO_ACCURACY & 1U) == 0 && !overdue(view, r);
}

/* Is there anything that reaches the mean? Else any answer is better than
 * none. */
static bool mean_in_reach(const struct cvg_view *view,
                          const struct cvg_request *r,
                          const struct cvg__ways *ways)
{
    for (uint32_t i = 0; i < ways->n; i++) {
        const struct cvg__way *way = &ways->ways[i];
        if (way->accuracy >= view->apps[r->app].slo.accuracy &&
            cvg_view_up(view, way->device) && usable(view, way)) {
            return true;
        }
    }
    return false;
}

/* What an answer must reach so that the mean of the app's window holds with a
 * batch of n; 0: anything will do, or the bound is the request's own, which its
 * ways keep already. */
static double accuracy_floor(const struct cvg_view *view,
                             const struct cvg_request *r,
                             const struct cvg__ways *ways, uint32_t n)
{
    if (!holds_mean(view, r) || !mean_in_reach(view, r, ways)) {
        return 0;
    }
    double wanted = view->apps[r->app].slo.accuracy;
    struct cvg_recent recent = cvg_view_recent(view, r->app);
    double in_hand =
        recent.accuracy > 0 ? (recent.accuracy - wanted) * recent.good : 0;
    return wanted - in_hand / n;
}

/* While the device is mostly idle, an app that asks for no accuracy gets the
 * best that there is; when it fills up, the cheapest. */
static bool can_afford_accuracy(const struct state *s,
                                const struct cvg_view *view,
                                const struct cvg_request *r, uint32_t device)
{
    return !cvg_slo_has(&view->apps[r->app].slo, CVG_SLO_ACCURACY) &&
           s->prices[device].busy < AMPLE;
}

static bool make_candidate(const struct state *s, const struct cvg_view *view,
                           const struct cvg_unit *unit,
                           const struct cvg_request *first, uint32_t waiting,
                           const struct cvg__ways *ways,
                           const struct cvg__way *way, struct candidate *c)
{
    cvg_time due = cvg_request_due(first);
    c->n = largest_in_time(view, unit, way, smallest(view, way, first), waiting,
                           due, &c->finish);
    if (c->n == 0 ||
        way->accuracy < accuracy_floor(view, first, ways, c->n) - 1e-12) {
        return false;
    }
    c->unit = unit;
    c->app = first->app;
    c->way = *way;
    c->first = first;
    c->cost = cost_each(s, view, unit, way, c->n, &c->time);
    c->slack = due != CVG_NEVER ? due - c->finish : CVG_NEVER;
    c->must_go = must_go(s, view, first);
    c->binding = ways->ruled_out[unit->device];
    if (c->n < way->max && c->n < waiting) {
        c->binding |= 1U << CVG_SLO_DEADLINE; /* a larger batch would be late */
    }
    return !harms(view, unit, c->time);
}

/* The best way to serve the app from this unit, its requests from `first` on.
 * False: none is in time. */
static bool best_on_unit(const struct state *s, const struct cvg_view *view,
                         const struct cvg_unit *unit,
                         const struct cvg_request *first, uint32_t waiting,
                         const struct cvg__ways *ways, struct candidate *best)
{
    bool found = false;
    double rate = going_rate(s, view, unit->device);
    bool first_is_best = can_afford_accuracy(s, view, first, unit->device);
    for (uint32_t i = ways->from[unit->device];
         i < ways->from[unit->device + 1]; i++) {
        const struct cvg__way *way = &ways->ways[i];
        struct candidate c = {0};
        /* At its best it costs each_ns. */
        if ((found && rate * way->each_ns >= best->cost) ||
            !usable(view, way) ||
            !make_candidate(s, view, unit, first, waiting, ways, way, &c) ||
            (found && c.cost >= best->cost)) {
            continue;
        }
        *best = c;
        found = true;
        if (first_is_best) {
            break;
        }
    }
    return found;
}

/* How long until the unit should have room for a batch of its own. */
static cvg_span wait_for(const struct state *s, const struct cvg_view *view,
                         const struct cvg_unit *unit)
{
    cvg_time free_at = s->begun[unit->index];
    if (unit->n_held > 0 && unit->free_at > free_at) {
        free_at = unit->free_at;
    }
    return free_at > view->now ? free_at - view->now : 0;
}

/* Would that unit serve these requests in time for less, even if they wait for
 * it? What else waits for it is not known; twice the time leaves room for one
 * more batch. An idle unit is not waited for once it has had its turn. */
static bool better_on(struct state *s, const struct cvg_view *view,
                      const struct candidate *c, const struct cvg__way *way,
                      const struct cvg_unit *unit)
{
    cvg_time due = cvg_request_due(c->first);
    uint32_t n = way->max < c->n ? way->max : c->n;
    n = n < way->min ? way->min : n;
    bool idle = unit->n_held == 0 && s->begun[unit->index] == 0;
    cvg_span time;
    double cost = cost_each(s, view, unit, way, n, &time);
    if (cost > WORTH_WAITING * c->cost || (idle && s->second_pass)) {
        return false;
    }
    cvg_time finish =
        view->now + wait_for(s, view, unit) + (idle ? time : 2 * time) + SAFETY;
    return due == CVG_NEVER || finish <= due;
}

/* Is there another device worth waiting for? */
static bool better_elsewhere(struct state *s, const struct cvg_view *view,
                             const struct candidate *c,
                             const struct cvg__ways *ways)
{
    for (uint32_t u = 0; u < view->n_units; u++) {
        const struct cvg_unit *unit = &view->units[u];
        if (unit->device == c->unit->device ||
            !cvg_view_up(view, unit->device)) {
            continue;
        }
        double rate = going_rate(s, view, unit->device);
        for (uint32_t i = ways->from[unit->device];
             i < ways->from[unit->device + 1]; i++) {
            const struct cvg__way *way = &ways->ways[i];
            /* At its best it costs each_ns: mostly that is too much. */
            if (rate * way->each_ns <= WORTH_WAITING * c->cost &&
                usable(view, way) && better_on(s, view, c, way, unit)) {
                return true;
            }
        }
    }
    return false;
}

/* A second batch on a shared unit, or one queued inside a device, only takes
 * time from the first: it is begun only if it cannot wait until that is done.
 */
static bool can_wait(const struct candidate *c)
{
    cvg_time due = cvg_request_due(c->first);
    return c->unit->n_held > 0 &&
           (due == CVG_NEVER || c->unit->free_at + 2 * c->time + SAFETY <= due);
}

/* --- which app first ------------------------------------------------------ */

/* Is the app's guaranteed throughput of this window out of reach? Then its
 * requests of this window can no longer be jointly satisfied. */
static bool window_is_lost(const struct cvg_view *view, uint32_t app)
{
    const struct cvg_slo *slo = &view->apps[app].slo;
    if (!cvg_slo_has(slo, CVG_SLO_THROUGHPUT)) {
        return false;
    }
    struct cvg_recent recent = cvg_view_recent(view, app);
    double offered = recent.offered > slo->throughput_rps
                         ? (double)recent.offered
                         : slo->throughput_rps;
    double allowed = offered - floor(0.95 * slo->throughput_rps);
    return (double)recent.lost > allowed;
}

static double weight_of(const struct cvg_view *view, uint32_t app)
{
    double weight = view->apps[app].weight;
    if (view->apps[app].slo.declared == 0) {
        return WITHOUT_SLO * weight;
    }
    return window_is_lost(view, app) ? WINDOW_LOST * weight : weight;
}

/* Between two batches for the same unit: the one that cannot wait for the
 * other goes first; if both can, or neither, what the time buys decides. */
static bool goes_first(const struct candidate *a, const struct candidate *b)
{
    if (a->must_go != b->must_go) {
        return a->must_go;
    }
    bool a_waits = a->slack == CVG_NEVER || a->slack >= b->time;
    bool b_waits = b->slack == CVG_NEVER || b->slack >= a->time;
    if (a_waits != b_waits) {
        return b_waits;
    }
    return a->value > b->value;
}

/* When a request without deadline may go before its turn. */
static cvg_time its_turn(const struct state *s, const struct cvg_request *r)
{
    cvg_time last = s->favoured[r->app];
    return (last > r->arrival ? last : r->arrival) + PATIENCE;
}

static struct on_device *on_device_of(const struct state *s,
                                      const struct cvg_view *view, uint32_t app,
                                      uint32_t device)
{
    return &s->on_device[(size_t)app * view->box->n_devices + device];
}

/* The next request of the app that the unit could run, and in time if it were
 * idle. */
static const struct cvg_request *next_here(const struct state *s,
                                           const struct cvg_view *view,
                                           const struct cvg_unit *unit,
                                           uint32_t app,
                                           const struct cvg_request *after)
{
    double soonest = on_device_of(s, view, app, unit->device)->soonest_ns *
                     cvg_view_slowdown(view, unit->device);
    return soonest == INFINITY
               ? NULL
               : cvg_view_next_on(view, app, after,
                                  cvg_device_bit(unit->device),
                                  view->now + (cvg_span)soonest);
}

/* The app's requests up to `r` (NULL: all) are looked at for the unit. */
static void looked_at(const struct state *s, const struct cvg_view *view,
                      const struct cvg_unit *unit, uint32_t app,
                      const struct cvg_request *r)
{
    struct on_device *here = on_device_of(s, view, app, unit->device);
    /* The size of a batch depends on those behind its first, too. */
    if (cvg_view_waiting(view, app) < SCAN + s->max_batch) {
        r = NULL;
    }
    if (here->call != s->call) { /* for its first unit */
        here->call = s->call;
        here->last = r;
    } else if (here->last != NULL &&
               (r == NULL || cvg_view_before(view, here->last, r))) {
        here->last = r;
    }
}

/* The first request of the app that this unit could still serve in time. */
static bool candidate_of(struct state *s, const struct cvg_view *view,
                         struct cvg_choices *choices,
                         const struct cvg_unit *unit, uint32_t app,
                         struct candidate *c)
{
    uint32_t waiting = cvg_view_waiting(view, app);
    const struct cvg_request *r =
        waiting > 0 ? next_here(s, view, unit, app, NULL) : NULL;
    looked_at(s, view, unit, app, r);
    for (uint32_t k = 0; r != NULL && k < SCAN; k++) {
        const struct cvg__ways *ways =
            cvg__ways_of(&s->apps[r->app], view, r, &s->own);
        if (!best_on_unit(s, view, unit, r, waiting - k, ways, c)) {
            r = next_here(s, view, unit, app, r);
            looked_at(s, view, unit, app, r);
            continue;
        }
        bool waits = can_wait(c) || better_elsewhere(s, view, c, ways);
        if (waits && !c->must_go) {
            /* Think again when it is about to be too late for this unit. */
            cvg_choose_wake(choices, c->slack == CVG_NEVER
                                         ? its_turn(s, r)
                                         : view->now + c->slack + 1);
            return false;
        }
        c->value = weight_of(view, app) * c->n / (double)c->time;
        return true;
    }
    return false;
}

/* Is the request served well by the batch that another one leads? */
static bool belongs(const struct cvg_view *view, const struct candidate *c,
                    const struct cvg_request *r)
{
    if (r == c->first || overdue(view, r)) {
        return true;
    }
    cvg_time due = cvg_request_due(r);
    return (due == CVG_NEVER || c->finish <= due) &&
           cvg_view_good_enough(view, r, c->way.variant, c->way.exit,
                                c->way.device, c->n);
}

/* Fills the batch with requests of the app that are served well by it. */
static uint32_t gather(const struct cvg_view *view, struct cvg_choices *choices,
                       int batch, const struct candidate *c)
{
    uint32_t n = 0;
    uint32_t looked = 0;
    const struct cvg_request *r = c->first;
    while (r != NULL && n < c->n && looked < c->n + SCAN) {
        const struct cvg_request *next = cvg_view_next_on(
            view, c->app, r, cvg_device_bit(c->unit->device), c->finish);
        if (belongs(view, c, r)) {
            n += cvg_choose_request(choices, batch, r);
        }
        looked++;
        r = next;
    }
    return n;
}

static bool begin(const struct cvg_view *view, struct cvg_choices *choices,
                  const struct candidate *c)
{
    int batch = cvg_choose_start(choices, c->unit->index, c->way.variant, 0,
                                 c->way.exit);
    if (batch < 0) {
        return false;
    }
    if (gather(view, choices, batch, c) < smallest(view, &c->way, c->first)) {
        cvg_choose_trim(choices, batch, 0);
        return false;
    }
    cvg_choose_binding(choices, batch, c->binding);
    return true;
}

/* --- the policy ----------------------------------------------------------- */

static size_t state_size(const struct cvg_box *box)
{
    return sizeof(struct state) + (box->n_apps + 1) * cvg__ways_size(box) +
           box->n_apps * box->n_devices * sizeof(struct on_device);
}

/* Also notes the largest batch of all. */
static double soonest_ns(struct state *s, const struct cvg_view *view,
                         uint32_t app, uint32_t device)
{
    const struct cvg_profile *p = view->profile;
    const struct cvg_family *family =
        &view->box->families[view->apps[app].family];
    double soonest = INFINITY;
    for (size_t i = 0; i < family->n_variants; i++) {
        uint32_t v = family->variants[i];
        for (uint32_t x = 0; x < view->box->variants[v].n_exits; x++) {
            uint32_t n = cvg_profile_min_batch(p, v, 0, x, device);
            uint32_t max = cvg_profile_max_batch(p, v, 0, x, device);
            s->max_batch = max > s->max_batch ? max : s->max_batch;
            if (n > 0) {
                soonest = fmin(soonest, (double)cvg_profile_time(
                                            p, v, 0, x, device, n, CVG_MEAN));
            }
        }
    }
    return soonest;
}

static void init(void *state, const struct cvg_view *view)
{
    struct state *s = state;
    char *memory = (char *)(s + 1);
    size_t size = cvg__ways_size(view->box);
    cvg__ways_init(&s->own, view->box, memory);
    for (uint32_t a = 0; a < view->n_apps; a++) {
        cvg__ways_init(&s->apps[a], view->box, memory + (a + 1) * size);
    }
    s->on_device = (struct on_device *)(memory + (view->n_apps + 1) * size);
    for (uint32_t a = 0; a < view->n_apps; a++) {
        for (uint32_t d = 0; d < view->box->n_devices; d++) {
            on_device_of(s, view, a, d)->soonest_ns = soonest_ns(s, view, a, d);
        }
    }
}

static int64_t key(void *state, const struct cvg_view *view,
                   const struct cvg_request *request)
{
    (void)state;
    (void)view;
    /* Without deadline: after all others, by arrival. */
    return request->deadline == CVG_NEVER ? INT64_MAX / 4 + request->arrival / 4
                                          : request->deadline;
}

static bool serve_unit(struct state *s, const struct cvg_view *view,
                       struct cvg_choices *choices, const struct cvg_unit *unit)
{
    struct candidate best = {0};
    bool found = false;
    for (uint32_t a = 0; a < view->n_apps; a++) {
        struct candidate c;
        if (candidate_of(s, view, choices, unit, a, &c) &&
            (!found || goes_first(&c, &best))) {
            best = c;
            found = true;
        }
    }
    if (found && begin(view, choices, &best)) {
        s->begun[unit->index] = view->now + best.time;
        if (overdue(view, best.first)) {
            s->favoured[best.app] = view->now;
        }
        return true;
    }
    return false;
}

static void wake_for_patience(const struct state *s,
                              const struct cvg_view *view,
                              struct cvg_choices *choices, uint32_t app)
{
    const struct cvg_request *r = cvg_view_first(view, app);
    if (r != NULL && cvg_request_due(r) == CVG_NEVER &&
        its_turn(s, r) > view->now) {
        cvg_choose_wake(choices, its_turn(s, r));
    }
}

/* Offers every unit with room what it could do. Returns how many are left with
 * nothing at all. */
static uint32_t serve_units(struct state *s, const struct cvg_view *view,
                            struct cvg_choices *choices)
{
    uint32_t idle = 0;
    for (uint32_t u = 0; u < view->n_units; u++) {
        const struct cvg_unit *unit = &view->units[u];
        if (s->begun[u] == 0 && cvg_view_free(view, unit) &&
            !serve_unit(s, view, choices, unit)) {
            idle += unit->n_held == 0;
        }
    }
    return idle;
}

static void choose(void *state, const struct cvg_view *view,
                   struct cvg_choices *choices)
{
    struct state *s = state;
    s->call++;
    update_prices(s, view);
    memset(s->begun, 0, view->n_units * sizeof *s->begun);
    s->second_pass = false;
    uint32_t idle = serve_units(s, view, choices);
    if (idle > 0) {
        /* Some waited for units that did not want them. */
        s->second_pass = true;
        serve_units(s, view, choices);
    }
    for (uint32_t a = 0; a < view->n_apps; a++) {
        if (cvg_view_waiting(view, a) > 0) {
            wake_for_patience(s, view, choices, a);
        }
    }
    cvg__load_for_homeless(view, choices);
}

/* It goes behind all that was looked at for each device that could run it. */
static bool indifferent(void *state, const struct cvg_view *view,
                        const struct cvg_request *r)
{
    const struct state *s = state;
    uint64_t devices = cvg_view_devices(view, r);
    for (uint32_t d = 0; d < view->box->n_devices; d++) {
        const struct on_device *there = on_device_of(s, view, r->app, d);
        if ((devices & cvg_device_bit(d)) != 0 && there->call == s->call &&
            (there->last == NULL || !cvg_view_before(view, there->last, r))) {
            return false;
        }
    }
    return devices != 0;
}

const struct cvg_order_ops cvg_order_convergo = {
    .name = "convergo",
    .drops = true,
    .state_size = state_size,
    .init = init,
    .key = key,
    .choose = choose,
    .indifferent = indifferent,
};

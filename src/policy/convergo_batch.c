/* The batches that could be begun on a unit now: accurate enough, within the
 * energy bound as a batch of that size, predicted to be in time by a high
 * quantile, and worth the unit's time. */
#include "policy/convergo.h"

#include <math.h>

#define SCAN 12U /* requests looked at beyond the head of a queue */

/* A way that costs hardly more than the cheapest makes a home, too. */
#define AS_CHEAP 1.1
/* In overload a request costs at most so many times what the plan takes. */
#define DEAR 1.15
/* A smaller batch gives way to a full one behind it if that is cheaper so. */
#define CHEAPER 0.97
/* While an app's window is behind, others pay so many times the price. */
#define BEHIND 1.1
/* How far the load could grow where there is room. */
#define ROOM 1.4
/* Where there is none, times are taken at that part of the way from the 95th to
 * the 99th percentile. */
#define CERTAIN 0.25
/* What a shared unit holds may turn out to be that much more work ... */
#define LONGER 0.1
/* ... and so many more will want a part of the unit before it is done. */
#define MORE_TO_COME 6
#define PRESSING 0.5

bool cvg__convergo_overdue(const struct cvg_view *view,
                           const struct cvg_request *r)
{
    return cvg_request_due(r) == CVG_NEVER &&
           view->now - r->arrival >= CVG__PATIENCE;
}

static bool must_go(const struct cvg__convergo *s, const struct cvg_view *view,
                    const struct cvg_request *r)
{
    return cvg__convergo_overdue(view, r) &&
           view->now - s->apps[r->app].favoured >= CVG__PATIENCE;
}

const struct cvg_request *cvg__convergo_next(const struct cvg__convergo *s,
                                             const struct cvg_view *view,
                                             const struct cvg_unit *unit,
                                             uint32_t app,
                                             const struct cvg_request *after)
{
    double soonest = cvg__place_of(s, view, app, unit->device)->soonest_ns *
                     cvg_view_slowdown(view, unit->device);
    return soonest == INFINITY
               ? NULL
               : cvg_view_next_on(view, app, after,
                                  cvg_device_bit(unit->device),
                                  view->now + (cvg_span)soonest);
}

static bool usable(const struct cvg_view *view, const struct cvg__way *way)
{
    return cvg_view_enabled(view, way->variant) &&
           cvg_view_residency(view, way->device, way->variant) == CVG_RESIDENT;
}

/* The smallest batch to begin. A request that must go does so even where only
 * a larger batch would keep its energy bound. */
static uint32_t smallest(const struct cvg_view *view,
                         const struct cvg__way *way,
                         const struct cvg_request *first)
{
    return cvg__convergo_overdue(view, first)
               ? cvg_profile_min_batch(view->profile, way->variant, 0,
                                       way->exit, way->device)
               : way->min;
}

/* --- in time -------------------------------------------------------------- */

/* When a batch of n should be done at the latest, with what more urgent apps
 * will take of a shared unit meanwhile. */
static cvg_time finish_of(const struct cvg__convergo *s,
                          const struct cvg_view *view,
                          const struct cvg_unit *unit, uint32_t app,
                          const struct cvg__way *way, uint32_t n)
{
    cvg_time finish =
        cvg_view_finish(view, unit, way->variant, 0, way->exit, n, CVG_P99);
    if (finish == CVG_NEVER || s->plan == NULL) {
        return finish;
    }
    if (s->plan->factor < ROOM) { /* else with all the more certainty */
        cvg_time sooner =
            cvg_view_finish(view, unit, way->variant, 0, way->exit, n, CVG_P95);
        finish = sooner + (cvg_time)(CERTAIN * (double)(finish - sooner));
    }
    double time = (double)(finish - view->now);
    double share =
        cvg__convergo_share(s, view, app, unit->device, finish - view->now);
    return view->now + (cvg_span)(time / (1 - share));
}

static bool in_time(cvg_time finish, cvg_time due)
{
    return finish != CVG_NEVER &&
           (due == CVG_NEVER || finish + CVG__SAFETY <= due);
}

/* The largest batch by this way that is in time for its first request; 0:
 * none. Larger batches are not faster. */
static uint32_t largest_in_time(const struct cvg__convergo *s,
                                const struct cvg_view *view,
                                const struct cvg_unit *unit,
                                const struct cvg__way *way,
                                const struct cvg_request *first,
                                uint32_t waiting, cvg_time *finish)
{
    cvg_time due = cvg_request_due(first);
    uint32_t low = smallest(view, way, first);
    uint32_t high = way->max < waiting ? way->max : waiting;
    uint32_t best = 0;
    while (low <= high) {
        /* The largest first: mostly it is. */
        uint32_t n =
            best == 0 && high == (way->max < waiting ? way->max : waiting)
                ? high
                : low + (high - low) / 2;
        cvg_time at = finish_of(s, view, unit, first->app, way, n);
        if (in_time(at, due)) {
            best = n;
            *finish = at;
            low = n + 1;
        } else {
            high = n - 1;
        }
    }
    return best;
}

/* Does a batch beside those that a shared unit holds make one of them late? */
static bool delays(const struct cvg_view *view, const struct cvg_unit *unit,
                   cvg_span time)
{
    if (view->box->devices[unit->device].discipline == CVG_FCFS) {
        return false;
    }
    for (uint32_t i = 0; i < unit->n_held; i++) {
        const struct cvg_held *h = &unit->held[i];
        cvg_span left = h->predicted > view->now ? h->predicted - view->now : 0;
        cvg_span delay = left < time ? left : time;
        cvg_span margin = CVG__SAFETY + (cvg_span)(LONGER * (double)h->work) +
                          MORE_TO_COME * delay;
        if (h->due != CVG_NEVER && h->predicted <= h->due &&
            h->predicted + delay + margin > h->due) {
            return true;
        }
    }
    return false;
}

/* --- the mean accuracy of a window ---------------------------------------- */

static bool holds_mean(const struct cvg_view *view, const struct cvg_request *r)
{
    const struct cvg_app *app = &view->apps[r->app];
    return app->accuracy_over == CVG_ACCURACY_PER_WINDOW &&
           cvg_slo_has(&app->slo, CVG_SLO_ACCURACY) &&
           (r->relaxed >> CVG_SLO_ACCURACY & 1U) == 0 &&
           !cvg__convergo_overdue(view, r);
}

/* Is there anything that reaches the mean? Else any answer is better than
 * none. */
static bool mean_in_reach(const struct cvg_view *view,
                          const struct cvg__ways *ways, double wanted)
{
    for (uint32_t i = 0; i < ways->n; i++) {
        const struct cvg__way *way = &ways->ways[i];
        if (way->accuracy >= wanted - 1e-12 && cvg_view_up(view, way->device) &&
            usable(view, way)) {
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
    double wanted = cvg__wanted_mean(view, r->app);
    if (!holds_mean(view, r) || !mean_in_reach(view, ways, wanted)) {
        return 0;
    }
    struct cvg_recent recent = cvg_view_recent(view, r->app);
    double in_hand =
        recent.accuracy > 0 ? (recent.accuracy - wanted) * recent.good : 0;
    return wanted - in_hand / n;
}

/* --- what it costs -------------------------------------------------------- */

static bool is_a_home(const struct cvg__convergo *s,
                      const struct cvg_view *view, uint32_t device)
{
    for (uint32_t a = 0; a < view->n_apps; a++) {
        if (cvg__place_of(s, view, a, device)->rate_rps > 0) {
            return true;
        }
    }
    return false;
}

/* When a request of which its homes have not taken care goes elsewhere, though
 * that costs more energy. */
static cvg_time presses_at(const struct cvg__convergo *s,
                           const struct cvg_request *r)
{
    cvg_time due = cvg_request_due(r);
    return s->plan == NULL || !s->plan->frugal || due == CVG_NEVER
               ? CVG_NEVER
               : r->arrival + (cvg_span)(PRESSING * (double)(due - r->arrival));
}

/* Unplanned, a switch is paid twice: what it puts out will be wanted again. */
static void work_out_costs(const struct cvg__convergo *s,
                           const struct cvg_view *view,
                           struct cvg__candidate *c)
{
    uint32_t d = c->unit->device;
    const struct cvg__way *way = &c->way;
    double slowdown = cvg_view_slowdown(view, d);
    double change = (double)cvg_view_switch(view, c->unit, way->variant);
    double service = (double)cvg_profile_time(view->profile, way->variant, 0,
                                              way->exit, d, c->n, CVG_MEAN);
    bool planned = cvg__convergo_planned(s, c->app, d, way->variant);
    double changes = planned ? 0 : 2 * change;
    c->time = (cvg_span)((service + change) * slowdown);
    c->cost = s->price[d] * (service + changes) / c->n;
    double full = s->price[d] * (way->each_ns + changes / way->max);
    bool as_good = full <= AS_CHEAP * s->apps[c->app].cost &&
                   (change == 0 || !is_a_home(s, view, d));
    bool spares = s->plan != NULL && s->plan->frugal &&
                  view->now < presses_at(s, c->first) &&
                  cvg__convergo_has_home(s, view, c->app, CVG_ANY);
    c->home = s->plan == NULL || planned || (as_good && !spares);
}

/* Of a request by the cheapest way, at full batches. */
static double cheapest(const struct cvg__convergo *s,
                       const struct cvg_view *view,
                       const struct cvg__ways *ways)
{
    double best = INFINITY;
    for (uint32_t i = 0; i < ways->n; i++) {
        uint32_t d = ways->ways[i].device;
        double cost = s->price[d] * ways->ways[i].each_ns;
        best = cost < best && cvg_view_up(view, d) ? cost : best;
    }
    return best;
}

/* --- candidates ----------------------------------------------------------- */

static bool make_candidate(const struct cvg__convergo *s,
                           const struct cvg_view *view,
                           const struct cvg_unit *unit,
                           const struct cvg_request *first, uint32_t waiting,
                           const struct cvg__ways *ways,
                           const struct cvg__way *way, struct cvg__candidate *c)
{
    cvg_time due = cvg_request_due(first);
    *c = (struct cvg__candidate){
        .unit = unit, .app = first->app, .way = *way, .first = first};
    c->n = largest_in_time(s, view, unit, way, first, waiting, &c->finish);
    if (c->n == 0 ||
        way->accuracy < accuracy_floor(view, first, ways, c->n) - 1e-12) {
        return false;
    }
    work_out_costs(s, view, c);
    c->slack = due != CVG_NEVER ? due - c->finish : CVG_NEVER;
    c->must_go = must_go(s, view, first);
    c->binding = ways->ruled_out[unit->device];
    if (c->n < way->max && c->n < waiting) {
        c->binding |= 1U << CVG_SLO_DEADLINE; /* a larger batch would be late */
    }
    return !delays(view, unit, c->time);
}

/* In overload a unit's time is not for what costs more than planned. */
static bool is_too_dear(const struct cvg__convergo *s,
                        const struct cvg__candidate *c)
{
    const struct cvg__app_state *app = &s->apps[c->app];
    return s->plan != NULL && s->plan->factor < 1 && !c->must_go &&
           c->cost > DEAR * app->planned_cost;
}

/* Nobody asks for accuracy, nobody is short of time: the best costs nothing. */
static bool can_afford_accuracy(const struct cvg__convergo *s,
                                const struct cvg_view *view,
                                const struct cvg_request *r, uint32_t device)
{
    return s->at_ease && r->min_accuracy == 0 &&
           !cvg_slo_has(&view->apps[r->app].slo, CVG_SLO_ACCURACY) &&
           (s->plan == NULL ||
            cvg__place_of(s, view, r->app, device)->rate_rps > 0);
}

/* Whatever the moment, it costs too much, or it is no home. */
static bool is_out_of_question(const struct cvg__convergo *s,
                               const struct cvg_request *r,
                               const struct cvg__way *way, double price,
                               bool spills)
{
    const struct cvg__app_state *app = &s->apps[r->app];
    double at_best = price * way->each_ns;
    if (s->plan == NULL || cvg_request_due(r) == CVG_NEVER) {
        return false; /* it may have to go */
    }
    if (s->plan->factor < 1 && at_best > DEAR * app->planned_cost) {
        return true;
    }
    return !spills && at_best > AS_CHEAP * app->cost &&
           !cvg__convergo_planned(s, r->app, way->device, way->variant);
}

/* The cheapest way to serve a request from this unit, and those behind it.
 * False: none is in time. *hopeless: none ever would be. */
static bool best_way(struct cvg__convergo *s, const struct cvg_view *view,
                     const struct cvg_unit *unit,
                     const struct cvg_request *first, uint32_t waiting,
                     bool spills, struct cvg__candidate *best, bool *hopeless)
{
    struct cvg__app_state *app = &s->apps[first->app];
    const struct cvg__ways *ways =
        cvg__ways_of(&app->ways, view, first, &s->own);
    bool found = false;
    if (ways != &app->ways || app->cost == 0) { /* 0: as of no plan yet */
        app->cost = cheapest(s, view, ways);
    }
    double price = s->price[unit->device];
    bool first_is_best = can_afford_accuracy(s, view, first, unit->device);
    spills = spills || view->now >= presses_at(s, first);
    *hopeless = true;
    for (uint32_t i = ways->from[unit->device];
         i < ways->from[unit->device + 1] && !(found && first_is_best); i++) {
        struct cvg__candidate c;
        if (!first_is_best &&
            is_out_of_question(s, first, &ways->ways[i], price, spills)) {
            continue;
        }
        *hopeless = false;
        /* At its best it costs each_ns: mostly the first way is it. */
        if ((found && price * ways->ways[i].each_ns >= best->cost) ||
            !usable(view, &ways->ways[i]) ||
            !make_candidate(s, view, unit, first, waiting, ways, &ways->ways[i],
                            &c)) {
            continue;
        }
        c.home = c.home || first_is_best;
        if ((c.home || spills || c.must_go) && !is_too_dear(s, &c) &&
            (!found || c.cost < best->cost)) {
            *best = c;
            found = true;
        }
    }
    return found;
}

/* Where some will be lost: rather those that stand in the way of a full batch.
 */
static void prefer_full(struct cvg__convergo *s, const struct cvg_view *view,
                        uint32_t waiting, bool spills,
                        struct cvg__candidate *best)
{
    cvg_time full =
        finish_of(s, view, best->unit, best->app, &best->way, best->way.max);
    const struct cvg_request *later =
        full == CVG_NEVER ? NULL
                          : cvg_view_next_on(view, best->app, NULL,
                                             cvg_device_bit(best->unit->device),
                                             full + CVG__SAFETY);
    struct cvg__candidate c;
    bool hopeless;
    if (later != NULL && later != best->first &&
        best_way(s, view, best->unit, later, waiting, spills, &c, &hopeless) &&
        c.n > best->n && c.cost < CHEAPER * best->cost) {
        *best = c;
    }
}

/* A second batch on a shared unit, or one queued inside a device, only takes
 * time from the first: it is begun only if it cannot wait until that is done.
 * On a shared unit it had better wait, too, if it would be done no sooner: half
 * of the unit for as long as both run, or all of it afterwards. */
static bool can_wait(const struct cvg_view *view,
                     const struct cvg__candidate *c)
{
    cvg_time due = cvg_request_due(c->first);
    const struct cvg_device *device = &view->box->devices[c->unit->device];
    cvg_time free_at = c->unit->free_at;
    if (c->unit->n_held == 0) {
        return false;
    }
    /* What is overdue should be done any moment, but does not block for long.
     */
    cvg_span left = free_at - view->now;
    bool no_sooner = device->discipline == CVG_PROCESSOR_SHARING &&
                     c->time >= left && c->time >= -left;
    return no_sooner || due == CVG_NEVER ||
           free_at + 2 * c->time + CVG__SAFETY <= due;
}

static bool somebody_is_behind(const struct cvg__convergo *s,
                               const struct cvg_view *view, uint32_t device)
{
    for (uint32_t a = 0; a < view->n_apps; a++) {
        if (s->apps[a].behind && cvg_view_waiting(view, a) > 0 &&
            cvg__place_of(s, view, a, device)->rate_rps > 0) {
            return true;
        }
    }
    return false;
}

/* How long until the unit has room again: until the batch ends, or on a shared
 * unit another, each slower by it. */
static cvg_span blocked_by(const struct cvg_view *view,
                           const struct cvg__candidate *c)
{
    cvg_span blocked = c->finish - view->now;
    bool fcfs = view->box->devices[c->unit->device].discipline == CVG_FCFS;
    for (uint32_t i = 0; !fcfs && i < c->unit->n_held; i++) {
        cvg_span free = c->unit->held[i].predicted + c->time - view->now;
        blocked = free < blocked ? free : blocked;
    }
    return blocked;
}

/* What the batch is worth, less what it spoils, against what its time is worth
 * to others. */
static bool is_worth_it(const struct cvg__convergo *s,
                        const struct cvg_view *view, struct cvg__candidate *c)
{
    const struct cvg__app_state *app = &s->apps[c->app];
    uint32_t d = c->unit->device;
    cvg_span back =
        c->home ? 0 : cvg_view_switch(view, c->unit, c->way.variant);
    cvg_span blocked = blocked_by(view, c);
    double gain = app->worth * c->n -
                  cvg__convergo_harm(s, view, c->unit, c->app, blocked + back);
    double charge = s->charge[d] * (double)(c->time + back);
    c->value = gain / (double)c->time;
    c->elsewhere = cvg__convergo_has_other(s, view, c->unit, c->app,
                                           cvg_request_due(c->first));
    if (c->must_go || s->plan == NULL) {
        return true;
    }
    if (gain <= 0 || (!c->home && gain < charge)) {
        return false;
    }
    return app->behind || s->plan->factor >= 1 ||
           !somebody_is_behind(s, view, d) || gain >= BEHIND * charge;
}

/* Behind `r` (NULL: nowhere) one more request of the app would change nothing
 * for the units of that device. */
static void settle(const struct cvg__convergo *s, const struct cvg_view *view,
                   const struct cvg_unit *unit, uint32_t app,
                   const struct cvg_request *r)
{
    struct cvg__place_of_app *here = cvg__place_of(s, view, app, unit->device);
    if (here->call != s->call) { /* for its first unit */
        here->call = s->call;
        here->settled = r;
    } else if (here->settled != NULL &&
               (r == NULL || cvg_view_before(view, here->settled, r))) {
        here->settled = r;
    }
}

bool cvg__convergo_candidate(struct cvg__convergo *s,
                             const struct cvg_view *view,
                             struct cvg_choices *choices,
                             const struct cvg_unit *unit, uint32_t app,
                             bool spills, struct cvg__candidate *c)
{
    uint32_t waiting = cvg_view_waiting(view, app);
    const struct cvg_request *r =
        waiting > 0 ? cvg__convergo_next(s, view, unit, app, NULL) : NULL;
    bool found = false;
    uint32_t k = 0;
    bool hopeless = false;        /* of those with just the app's own bounds */
    cvg_time presses = CVG_NEVER; /* the next to do so */
    while (r != NULL && k < SCAN && !found) {
        bool none = hopeless && r->plain != 0;
        found =
            !none && best_way(s, view, unit, r, waiting - k, spills, c, &none);
        hopeless = hopeless || (none && r->plain != 0);
        k += none ? SCAN / 4 : !found; /* the others are mostly alike */
        cvg_time when = presses_at(s, r);
        presses = when > view->now && when < presses ? when : presses;
        r = found ? r : cvg__convergo_next(s, view, unit, app, r);
    }
    bool may_grow = found && c->n < c->way.max &&
                    (c->n == waiting - k || s->apps[app].crowded);
    settle(s, view, unit, app, may_grow ? NULL : r);
    if (!found) {
        if (presses != CVG_NEVER) {
            cvg_choose_wake(choices, presses);
        }
        return false;
    }
    if (s->apps[app].crowded && c->n < c->way.max) {
        prefer_full(s, view, waiting, spills, c);
    }
    bool waits = can_wait(view, c) ||
                 cvg__convergo_elsewhere(s, view, unit, app, c->cost, c->slack);
    if ((waits && !c->must_go) || !is_worth_it(s, view, c)) {
        /* Think again at the last moment for this unit, and after it. */
        cvg_time last = s->apps[app].favoured > c->first->arrival
                            ? s->apps[app].favoured
                            : c->first->arrival;
        cvg_span left =
            c->slack > CVG__SAFETY ? c->slack - CVG__SAFETY : c->slack + 1;
        cvg_choose_wake(choices, c->slack == CVG_NEVER ? last + CVG__PATIENCE
                                                       : view->now + left);
        return false;
    }
    return true;
}

/* --- beginning ------------------------------------------------------------ */

/* Is the request served well by the batch that another one leads? */
static bool belongs(const struct cvg_view *view, const struct cvg__candidate *c,
                    const struct cvg_request *r)
{
    if (r == c->first || cvg__convergo_overdue(view, r)) {
        return true;
    }
    cvg_time due = cvg_request_due(r);
    return (due == CVG_NEVER || c->finish <= due) &&
           cvg_view_good_enough(view, r, c->way.variant, c->way.exit,
                                c->way.device, c->n);
}

/* Fills the batch with requests of the app that are served well by it. */
static uint32_t gather(const struct cvg_view *view, struct cvg_choices *choices,
                       int batch, const struct cvg__candidate *c)
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

bool cvg__convergo_begin(const struct cvg_view *view,
                         struct cvg_choices *choices,
                         const struct cvg__candidate *c)
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

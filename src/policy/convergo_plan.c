/* What the plan says of apps and devices. */
#include "policy/convergo.h"

#include <math.h>
#include <string.h>

/* Where the plan leaves a device idle its time still costs a little, so that of
 * two ways the faster is the better. Share of the highest price. */
#define LEAST_PRICE 0.02
/* Up to that share of full load a device's time is free; from there on it costs
 * more and more, at full load its price. */
#define AT_EASE 0.6
/* The same of one device that has no price of its own. */
#define DEVICE_AT_EASE 0.75
/* A flow of less than that share of its app is no home. */
#define LEAST_SHARE 0.02
/* Another home is worth waiting for at that share of the cost. */
#define WORTH_WAITING 0.95
/* How often the room left on a shared unit is taken at the wrong moment. */
#define ROOM_LEFT 0.2
/* An urgent request needs so many times its time to be safe. */
#define ELBOW_ROOM 2

/* From nothing at ease to 1 at full load. */
static double crowding(double load, double at_ease)
{
    double crowd = fmin(fmax((load - at_ease) / (1 - at_ease), 0), 1);
    return crowd * crowd;
}

/* What a unit of the device serves in a second, by weight. */
static double earnings(const struct cvg__convergo *s,
                       const struct cvg_view *view, uint32_t device)
{
    double sum = 0;
    for (uint32_t i = 0; i < s->plan->n_flows; i++) {
        const struct cvg_flow *f = &s->plan->flows[i];
        if (f->device == device && !s->plan->given_up[f->app]) {
            sum += f->rate_rps * view->apps[f->app].weight;
        }
    }
    return sum / view->box->devices[device].units;
}

static void take_prices(struct cvg__convergo *s, const struct cvg_view *view)
{
    const struct cvg_plan *plan = s->plan;
    double load = plan->factor > 1 ? 1 / plan->factor : 1;
    double highest = 0;
    s->at_ease = load <= AT_EASE;
    for (uint32_t d = 0; d < view->box->n_devices; d++) {
        highest = fmax(highest, plan->price[d]);
    }
    for (uint32_t d = 0; d < view->box->n_devices; d++) {
        double price = fmax(plan->price[d], 0);
        double least = highest > 0 ? LEAST_PRICE * highest : 1;
        double busy = plan->busy[d] * load;
        /* A device that is nearly full has no price yet, but what comes in
         * between makes others wait. */
        double charge =
            fmax(price * crowding(load, AT_EASE),
                 earnings(s, view, d) * load * crowding(busy, DEVICE_AT_EASE));
        /* Devices are as slow as when the plan was made: a way is not too dear
         * because it has become slower since. */
        s->price[d] = (price + least) * cvg_view_slowdown(view, d) * 1e-9;
        s->charge[d] = charge * 1e-9;
        s->spare[d] = fmax(view->box->devices[d].units * (1 - busy), 0);
    }
}

/* Of a request by that flow. */
static double cost_of(const struct cvg__convergo *s,
                      const struct cvg_view *view, const struct cvg_flow *f)
{
    double time = (double)cvg_profile_time(
        view->profile, f->variant, 0, f->exit, f->device, f->batch, CVG_MEAN);
    return s->price[f->device] * time / f->batch;
}

static void take_flow(struct cvg__convergo *s, const struct cvg_view *view,
                      const struct cvg_flow *f)
{
    struct cvg__app_state *app = &s->apps[f->app];
    struct cvg__place_of_app *here = cvg__place_of(s, view, f->app, f->device);
    if (f->rate_rps < LEAST_SHARE * app->served_rps) {
        return;
    }
    uint32_t one =
        cvg_profile_min_batch(view->profile, f->variant, 0, f->exit, f->device);
    if (one == 0) {
        return; /* a plan from elsewhere */
    }
    app->planned_cost = fmax(app->planned_cost, cost_of(s, view, f));
    if (app->given_up) {
        return; /* it may have what the others leave */
    }
    here->rate_rps += f->rate_rps / fmax(s->plan->factor, 1);
    here->alone_ns =
        fmax(here->alone_ns,
             (double)cvg_profile_time(view->profile, f->variant, 0, f->exit,
                                      f->device, one, CVG_MEAN) /
                 one);
}

void cvg__convergo_plan(struct cvg__convergo *s, const struct cvg_view *view)
{
    if (s->plans == cvg_view_plans(view)) {
        return;
    }
    s->plans = cvg_view_plans(view);
    s->plan = cvg_view_plan(view);
    take_prices(s, view);
    for (uint32_t a = 0; a < view->n_apps; a++) {
        struct cvg__app_state *app = &s->apps[a];
        app->rate_rps = s->plan->rates_rps[a];
        app->served_rps = s->plan->served_rps[a];
        app->given_up = s->plan->given_up[a];
        app->planned_cost = 0;
        app->cost = 0;
        app->ways.known = false;
        for (uint32_t d = 0; d < view->box->n_devices; d++) {
            struct cvg__place_of_app *here = cvg__place_of(s, view, a, d);
            here->rate_rps = 0;
            here->alone_ns = 0;
        }
    }
    for (uint32_t i = 0; i < s->plan->n_flows; i++) {
        take_flow(s, view, &s->plan->flows[i]);
    }
    for (uint32_t a = 0; a < view->n_apps; a++) {
        s->apps[a].planned_cost += s->plan->worth[a];
    }
}

bool cvg__convergo_planned(const struct cvg__convergo *s, uint32_t app,
                           uint32_t device, uint32_t variant)
{
    for (uint32_t i = 0; s->plan != NULL && i < s->plan->n_flows; i++) {
        const struct cvg_flow *f = &s->plan->flows[i];
        if (f->app == app && f->device == device && f->variant == variant) {
            return !s->apps[app].given_up &&
                   f->rate_rps >= LEAST_SHARE * s->apps[app].served_rps;
        }
    }
    return false;
}

static bool has_deadline(const struct cvg_view *view, uint32_t app)
{
    return cvg_slo_has(&view->apps[app].slo, CVG_SLO_DEADLINE);
}

double cvg__convergo_share(const struct cvg__convergo *s,
                           const struct cvg_view *view, uint32_t app,
                           uint32_t device, cvg_span time)
{
    double share = 0;
    if (view->box->devices[device].discipline == CVG_FCFS) {
        return 0;
    }
    for (uint32_t a = 0; a < view->n_apps; a++) {
        const struct cvg__place_of_app *there =
            cvg__place_of(s, view, a, device);
        if (a != app && there->rate_rps > 0 && has_deadline(view, a) &&
            view->apps[a].slo.deadline < time) {
            share += there->rate_rps * there->alone_ns * 1e-9;
        }
    }
    /* Each of those inside has its share. */
    return fmin(share, 1 - 1.0 / view->box->devices[device].in_flight);
}

/* --- harm ----------------------------------------------------------------- */

/* How long an urgent request of the app could wait before it runs there. */
static double patience_of(const struct cvg__convergo *s,
                          const struct cvg_view *view, uint32_t app,
                          uint32_t device)
{
    return (double)view->apps[app].slo.deadline -
           ELBOW_ROOM * cvg__place_of(s, view, app, device)->soonest_ns;
}

/* How long until the unit has room for an urgent request. */
static double blocked_ns(const struct cvg__convergo *s,
                         const struct cvg_view *view,
                         const struct cvg_unit *unit)
{
    const struct cvg_device *d = &view->box->devices[unit->device];
    cvg_time begun = s->begun[unit->index];
    cvg_time until;
    if (d->discipline == CVG_FCFS) {
        until =
            unit->n_held > 0 && unit->free_at > begun ? unit->free_at : begun;
    } else {
        if (unit->n_held + (begun != 0) < d->in_flight) {
            return 0;
        }
        until = begun != 0 ? begun : CVG_NEVER;
        for (uint32_t i = 0; i < unit->n_held; i++) {
            cvg_time done = unit->held[i].predicted;
            until = done < until ? done : until;
        }
    }
    return until > view->now ? (double)(until - view->now) : 0;
}

/* Who waited for what is not in memory might wait for ever: others load there
 * what they need. */
bool cvg__convergo_has_home(const struct cvg__convergo *s,
                            const struct cvg_view *view, uint32_t app,
                            uint32_t device)
{
    for (uint32_t i = 0; i < s->plan->n_flows; i++) {
        const struct cvg_flow *f = &s->plan->flows[i];
        if (f->app == app && (device == CVG_ANY || f->device == device) &&
            cvg_view_up(view, f->device) &&
            cvg_view_residency(view, f->device, f->variant) == CVG_RESIDENT) {
            return true;
        }
    }
    return false;
}

bool cvg__convergo_elsewhere(const struct cvg__convergo *s,
                             const struct cvg_view *view,
                             const struct cvg_unit *but, uint32_t app,
                             double cost, cvg_span slack)
{
    uint32_t waiting = cvg_view_waiting(view, app);
    for (uint32_t u = 0; u < view->n_units; u++) {
        const struct cvg_unit *unit = &view->units[u];
        uint32_t d = unit->device;
        const struct cvg__place_of_app *there = cvg__place_of(s, view, app, d);
        if (unit == but || there->rate_rps <= 0 || !cvg_view_up(view, d) ||
            s->price[d] * there->alone_ns > WORTH_WAITING * cost) {
            continue;
        }
        double wait =
            blocked_ns(s, view, unit) + (waiting + 1) * there->alone_ns;
        if (wait + CVG__SAFETY <= (double)slack &&
            cvg__convergo_has_home(s, view, app, d)) {
            return true;
        }
    }
    return false;
}

bool cvg__convergo_has_other(const struct cvg__convergo *s,
                             const struct cvg_view *view,
                             const struct cvg_unit *but, uint32_t app,
                             cvg_time due)
{
    for (uint32_t u = 0; u < view->n_units && due != CVG_NEVER; u++) {
        const struct cvg_unit *unit = &view->units[u];
        uint32_t d = unit->device;
        const struct cvg__place_of_app *there = cvg__place_of(s, view, app, d);
        if (unit != but && there->rate_rps > 0 && cvg_view_up(view, d) &&
            blocked_ns(s, view, unit) + 1.3 * there->alone_ns <=
                (double)(due - view->now)) {
            return true;
        }
    }
    return false;
}

/* Share of a device's time that goes to apps which could wait for so long. */
static double put_off(const struct cvg__convergo *s,
                      const struct cvg_view *view, uint32_t app,
                      uint32_t device, cvg_span time)
{
    double share = 0;
    for (uint32_t a = 0; a < view->n_apps; a++) {
        const struct cvg__place_of_app *there =
            cvg__place_of(s, view, a, device);
        if (a != app && there->rate_rps > 0 && !s->apps[a].spills &&
            patience_of(s, view, a, device) > (double)time) {
            share += there->rate_rps * there->alone_ns * 1e-9;
        }
    }
    return share;
}

/* Requests of the app a second that its other units could take meanwhile. */
static double taken_elsewhere(const struct cvg__convergo *s,
                              const struct cvg_view *view,
                              const struct cvg_unit *but, uint32_t app,
                              cvg_span time)
{
    double rate = 0;
    for (uint32_t u = 0; u < view->n_units; u++) {
        const struct cvg_unit *unit = &view->units[u];
        uint32_t d = unit->device;
        const struct cvg__place_of_app *there = cvg__place_of(s, view, app, d);
        if (unit == but || there->rate_rps <= 0 || !cvg_view_up(view, d) ||
            blocked_ns(s, view, unit) > patience_of(s, view, app, d)) {
            continue;
        }
        double units = view->box->devices[d].units;
        double free = fmin(s->spare[d] + put_off(s, view, app, d, time), units);
        rate += (there->rate_rps + free / (there->alone_ns * 1e-9)) / units;
    }
    return rate;
}

double cvg__convergo_harm(const struct cvg__convergo *s,
                          const struct cvg_view *view,
                          const struct cvg_unit *unit, uint32_t app,
                          cvg_span time)
{
    const struct cvg_device *d = &view->box->devices[unit->device];
    double harm = 0;
    if (s->plan == NULL) {
        return 0;
    }
    /* Where a shared unit has room for one more, it is blocked only when that
     * is taken, too. */
    bool has_room =
        d->discipline != CVG_FCFS && d->in_flight > unit->n_held + 1;
    for (uint32_t a = 0; a < view->n_apps; a++) {
        const struct cvg__app_state *other = &s->apps[a];
        if (a == app ||
            cvg__place_of(s, view, a, unit->device)->rate_rps <= 0 ||
            !has_deadline(view, a)) {
            continue;
        }
        double lost_s =
            ((double)time - patience_of(s, view, a, unit->device)) * 1e-9;
        if (lost_s > 0) {
            double left =
                other->rate_rps - taken_elsewhere(s, view, unit, a, time);
            harm += other->worth * lost_s * fmax(left, 0);
        }
    }
    return has_room ? ROOM_LEFT * harm : harm;
}

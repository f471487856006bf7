/* Devices serve the shares of the demand that the plan gives them.
 *
 * A route is an app on a device that holds one of its variants. Each arrival is
 * counted towards a route, by smooth weighted round robin over the shares, and
 * never towards a device that is loading. That count is how long the device's
 * queue is, as far as batching goes; which requests run is decided only when a
 * batch begins: the first of the app, in the order of the keys, that the device
 * can have done in time. So nobody waits behind a device that is slow or gone.
 *
 * The load balancers and workers of Ahmad et al., "Proteus", ASPLOS 2024,
 * sections 3 and 5; there a request is bound to its worker on arrival. */
#include "policy/routes.h"

#include <stddef.h>
#include <string.h>

struct route {
    uint32_t app, device, variant, exit, batch;
    uint32_t keeps_up; /* the smallest batch that serves the rate */
    double rate_rps;
    double credit;    /* of smooth weighted round robin */
    uint32_t pending; /* requests that count towards it */
    uint32_t behind;  /* batches in a row that were smaller than keeps up */
    bool open;        /* the variant is there, and who comes is in time */
};

struct routes {
    uint64_t plans;                    /* the plan that is taken in */
    struct route items[CVG_MAX_FLOWS]; /* by app, then device */
    uint32_t n;
    uint32_t first[CVG_MAX_APPS + 1];  /* of each app */
    uint32_t by_device[CVG_MAX_FLOWS]; /* of each device */
    uint32_t on[CVG_MAX_DEVICES + 1];  /* where those begin */
    uint32_t counted[CVG_MAX_APPS];    /* sum of pending */
    bool served[CVG_MAX_APPS];         /* it has an open route */
};

size_t cvg__routes_size(const struct cvg_box *box)
{
    (void)box;
    return sizeof(struct routes);
}

struct routing { /* one call */
    const struct cvg_policy *policy;
    void *batching_state;
    const struct cvg_view *view;
    struct cvg_choices *choices;
    struct routes *routes;
};

/* --- the plan ------------------------------------------------------------- */

static const struct route *find(const struct routes *r,
                                const struct cvg_flow *f)
{
    for (uint32_t i = 0; i < r->n; i++) {
        const struct route *route = &r->items[i];
        if (route->app == f->app && route->device == f->device &&
            route->variant == f->variant) {
            return route;
        }
    }
    return NULL;
}

static void index_by_device(struct routes *r, uint32_t n_devices)
{
    uint32_t n = 0;
    for (uint32_t d = 0; d < n_devices; d++) {
        r->on[d] = n;
        for (uint32_t i = 0; i < r->n; i++) {
            if (r->items[i].device == d) {
                r->by_device[n++] = i;
            }
        }
    }
    r->on[n_devices] = n;
}

static uint32_t keeps_up(const struct cvg_view *view, const struct cvg_flow *f)
{
    uint32_t n =
        cvg_profile_min_batch(view->profile, f->variant, 0, f->exit, f->device);
    for (; n < f->batch; n++) {
        cvg_span time = cvg_profile_time(view->profile, f->variant, 0, f->exit,
                                         f->device, n, CVG_MEAN);
        if (n * 1e9 >= f->rate_rps * (double)time) {
            break;
        }
    }
    return n;
}

/* Those that go on keep who counts towards them. */
static void take_plan(struct routes *r, const struct cvg_view *view)
{
    const struct cvg_plan *plan = cvg_view_plan(view);
    struct route items[CVG_MAX_FLOWS];
    uint32_t n = 0, app = 0;
    memset(r->counted, 0, sizeof r->counted);
    for (uint32_t i = 0; i < plan->n_flows; i++) {
        const struct cvg_flow *f = &plan->flows[i];
        const struct route *before = find(r, f);
        while (app < f->app) {
            r->first[++app] = n;
        }
        if (cvg_profile_max_batch(view->profile, f->variant, 0, f->exit,
                                  f->device) == 0) {
            continue; /* a plan from elsewhere */
        }
        items[n++] = (struct route){
            .app = f->app,
            .device = f->device,
            .variant = f->variant,
            .exit = f->exit,
            .batch = f->batch,
            .keeps_up = keeps_up(view, f),
            .rate_rps = f->rate_rps,
            .credit = before != NULL ? before->credit : 0,
            .pending = before != NULL ? before->pending : 0,
            .behind = before != NULL ? before->behind : 0,
            .open = before != NULL && before->open,
        };
        r->counted[f->app] += items[n - 1].pending;
    }
    while (app < view->n_apps) {
        r->first[++app] = n;
    }
    memcpy(r->items, items, n * sizeof *items);
    r->n = n;
    index_by_device(r, (uint32_t)view->box->n_devices);
    r->plans = cvg_view_plans(view);
}

/* When one of its units could begin, at the earliest. Those that are overdue
 * will take as long again. */
static void when_ready(const struct cvg_view *view,
                       cvg_time ready[CVG_MAX_DEVICES])
{
    for (uint32_t d = 0; d < view->box->n_devices; d++) {
        ready[d] = CVG_NEVER;
    }
    for (uint32_t u = 0; u < view->n_units; u++) {
        const struct cvg_unit *unit = &view->units[u];
        cvg_span off = unit->free_at - view->now;
        off = unit->n_held == 0 ? 0 : off < 0 ? -off : off;
        if (view->now + off < ready[unit->device]) {
            ready[unit->device] = view->now + off;
        }
    }
}

static uint32_t min_batch(const struct cvg_view *view,
                          const struct route *route)
{
    return cvg_profile_min_batch(view->profile, route->variant, 0, route->exit,
                                 route->device);
}

/* Would a request be late there that arrives now? The device has more to do, or
 * hangs. */
static bool is_stuck(const struct cvg_view *view, const struct route *route,
                     cvg_time ready)
{
    const struct cvg_slo *slo = &view->apps[route->app].slo;
    if (ready <= view->now || !cvg_slo_has(slo, CVG_SLO_DEADLINE)) {
        return false;
    }
    cvg_span time =
        cvg_profile_time(view->profile, route->variant, 0, route->exit,
                         route->device, min_batch(view, route), CVG_MEAN);
    return (double)(ready - view->now) +
               (double)time * cvg_view_slowdown(view, route->device) >
           (double)slo->deadline;
}

static void forget_counts(struct routes *r, uint32_t app)
{
    for (uint32_t i = r->first[app]; i < r->first[app + 1]; i++) {
        r->items[i].pending = 0;
    }
    r->counted[app] = 0;
}

/* Which routes can be used. One that opens has its share of who waits. */
static void look_at_routes(struct routing *s)
{
    const struct cvg_view *view = s->view;
    struct routes *r = s->routes;
    cvg_time ready[CVG_MAX_DEVICES];
    when_ready(view, ready);
    for (uint32_t a = 0; a < view->n_apps; a++) {
        bool opens = false;
        r->served[a] = false;
        for (uint32_t i = r->first[a]; i < r->first[a + 1]; i++) {
            struct route *route = &r->items[i];
            bool open = cvg_view_up(view, route->device) &&
                        cvg_view_enabled(view, route->variant) &&
                        cvg_view_residency(view, route->device,
                                           route->variant) == CVG_RESIDENT &&
                        !is_stuck(view, route, ready[route->device]);
            opens = opens || (open && !route->open);
            route->open = open;
            if (!open && route->pending > 0) {
                r->counted[a] -= route->pending;
                route->pending = 0;
            }
            r->served[a] = r->served[a] || open;
        }
        if (opens) {
            forget_counts(r, a);
        }
    }
}

/* --- strays: requests that no route serves ---------------------------------- */

/* What is to come is waited for that long. */
#define PATIENCE CVG_S(1)

/* Will a route of its app serve it? */
static bool is_routed(const void *context, const struct cvg_request *r)
{
    const struct routing *s = context;
    const struct routes *routes = s->routes;
    if (cvg_view_is_choosy(s->view, r)) {
        return false;
    }
    for (uint32_t i = routes->first[r->app]; i < routes->first[r->app + 1];
         i++) {
        const struct route *route = &routes->items[i];
        bool comes =
            s->view->now - r->arrival < PATIENCE &&
            cvg_view_up(s->view, route->device) &&
            cvg_view_enabled(s->view, route->variant) &&
            !cvg_view_load_failed(s->view, route->device, route->variant);
        if ((route->open || comes) &&
            min_batch(s->view, route) <= cvg_view_waiting(s->view, r->app) &&
            cvg_view_good_enough(s->view, r, route->variant, route->exit,
                                 route->device, min_batch(s->view, route))) {
            return true;
        }
    }
    return false;
}

/* Apps none of whose requests want what the plan does not hold. Who does is
 * seldom, and goes first. */
static uint64_t apps_without_strays(const struct routing *s)
{
    uint64_t apps = UINT64_MAX;
    for (uint32_t a = 0; a < s->view->n_apps; a++) {
        const struct cvg_request *first = cvg_view_first(s->view, a);
        if (cvg_view_choosy(s->view, a) > 0 ||
            (first != NULL && !is_routed(s, first))) {
            apps &= ~(UINT64_C(1) << a);
        } else if (first != NULL && !s->routes->served[a]) {
            cvg_choose_wake(s->choices, first->arrival + PATIENCE);
        }
    }
    return apps;
}

#define LOOKS_AT 4U /* requests of an app */

/* Does somebody wait there for what the device holds or is getting, and for no
 * route? */
static bool has_strays(const struct routing *s, uint32_t device,
                       uint64_t others)
{
    for (uint32_t v = 0; v < s->view->box->n_variants; v++) {
        if (cvg_view_residency(s->view, device, v) == CVG_LOADING) {
            return true;
        }
    }
    for (uint32_t a = 0; a < s->view->n_apps; a++) {
        const struct cvg_request *r = NULL;
        for (uint32_t k = 0; (others >> a & 1U) == 0 && k < LOOKS_AT; k++) {
            r = cvg_view_next_on(s->view, a, r, cvg_device_bit(device), 0);
            if (r == NULL) {
                break;
            }
            if (!is_routed(s, r)) {
                return true;
            }
        }
    }
    return false;
}

/* What routes lack is brought in, but for devices that somebody else needs as
 * they are. */
static void load_for_routes(const struct routing *s, const bool *strays)
{
    for (uint32_t i = 0; i < s->routes->n; i++) {
        const struct route *route = &s->routes->items[i];
        uint32_t d = route->device, v = route->variant;
        if (cvg_view_residency(s->view, d, v) == CVG_ABSENT &&
            cvg_view_up(s->view, d) && cvg_view_enabled(s->view, v) &&
            (!strays[d] || cvg_view_has_room(s->view, d, v))) {
            cvg_choose_load(s->choices, d, v);
        }
    }
}

/* --- who counts towards which --------------------------------------------- */

/* A route at a rate of 0 serves only what no other can. */
static double weight(const struct route *route)
{
    return route->open ? route->rate_rps + 1e-6 : 0;
}

static struct route *next_route(struct routes *r, uint32_t app)
{
    struct route *best = NULL;
    double sum = 0;
    for (uint32_t i = r->first[app]; i < r->first[app + 1]; i++) {
        struct route *route = &r->items[i];
        if (route->open) {
            sum += weight(route);
            route->credit += weight(route);
            best = best == NULL || route->credit > best->credit ? route : best;
        }
    }
    if (best != NULL) {
        best->credit -= sum;
    }
    return best;
}

/* The route that would take longest to serve what counts towards it. */
static struct route *longest(struct routes *r, uint32_t app)
{
    struct route *best = NULL;
    double most = 0;
    for (uint32_t i = r->first[app]; i < r->first[app + 1]; i++) {
        struct route *route = &r->items[i];
        double time = route->pending / (route->rate_rps + 1e-6);
        if (route->pending > 0 && time > most) {
            most = time;
            best = route;
        }
    }
    return best;
}

/* Arrivals are counted, and those that have left without being served not any
 * more. */
static void count(struct routing *s, uint32_t app)
{
    struct routes *r = s->routes;
    uint32_t waiting =
        cvg_view_waiting(s->view, app) - cvg_view_choosy(s->view, app);
    while (r->counted[app] < waiting) {
        struct route *route = next_route(r, app);
        if (route == NULL) {
            break;
        }
        route->pending++;
        r->counted[app]++;
    }
    while (r->counted[app] > waiting) {
        struct route *route = longest(r, app);
        if (route == NULL) {
            break;
        }
        route->pending--;
        r->counted[app]--;
    }
}

/* --- batches -------------------------------------------------------------- */

/* The first that would be in time in a batch of that size. */
static const struct cvg_request *first_for(const struct routing *s,
                                           const struct cvg_unit *unit,
                                           const struct route *route,
                                           uint32_t n)
{
    cvg_time due = 0;
    if (s->policy->order->drops) {
        due = cvg_view_finish(s->view, unit, route->variant, 0, route->exit, n,
                              CVG_MEAN);
    }
    return cvg_view_next_on(s->view, route->app, NULL,
                            cvg_device_bit(route->device), due);
}

/* The next that is for routes, and suits this one. */
static const struct cvg_request *suitable(const struct routing *s,
                                          const struct route *route,
                                          const struct cvg_request *r,
                                          uint32_t n)
{
    while (r != NULL &&
           (cvg_view_is_choosy(s->view, r) ||
            !cvg_view_good_enough(s->view, r, route->variant, route->exit,
                                  route->device, n))) {
        r = cvg_view_next_on(s->view, route->app, r,
                             cvg_device_bit(route->device), 0);
    }
    return r;
}

/* Are there so many, from the request on? */
static bool has_enough(const struct routing *s, const struct route *route,
                       const struct cvg_request *r, uint32_t least, uint32_t n)
{
    while (r != NULL && --least > 0) {
        r = suitable(s, route,
                     cvg_view_next_on(s->view, route->app, r,
                                      cvg_device_bit(route->device), 0),
                     n);
    }
    return r != NULL;
}

struct ready { /* a batch that could be begun */
    struct route *route;
    const struct cvg_request *first;
    struct cvg_forming forming;
};

/* Of those that count towards the route, are there enough for the batch without
 * all that go before the request? The app's other routes have their share of
 * them. */
static bool can_spare(const struct routing *s, const struct route *route,
                      const struct cvg_request *r, uint32_t n)
{
    uint64_t bit = cvg_device_bit(route->device);
    uint64_t spare = (uint64_t)(route->pending - n) *
                     s->routes->counted[route->app] / route->pending;
    const struct cvg_request *other =
        cvg_view_next_on(s->view, route->app, NULL, bit, 0);
    for (uint64_t before = 0; other != r && before <= spare; before++) {
        other = cvg_view_next_on(s->view, route->app, other, bit, 0);
    }
    return other == r;
}

/* As large as the first can bear, or as large as there is. */
static uint32_t borne(const struct routing *s, const struct cvg_unit *unit,
                      const struct route *route, const struct cvg_request *r,
                      uint32_t min, uint32_t max)
{
    uint32_t n = max;
    while (s->policy->order->drops && n > min &&
           cvg_view_finish(s->view, unit, route->variant, 0, route->exit, n,
                           CVG_MEAN) > cvg_request_due(r)) {
        n--;
    }
    return n;
}

#define BEHIND 2U /* one in a row is chance */

/* A batch is no larger than its first can bear. But where only smaller ones
 * come of that than keep up with the rate, everybody would wait until hardly
 * time is left, for ever. So the first give way to those who can bear a full
 * one, or one that keeps up (by an early-dropping rule always a full one). */
static const struct cvg_request *instead(const struct routing *s,
                                         const struct cvg_unit *unit,
                                         const struct route *route, uint32_t *n)
{
    const uint32_t sizes[] = {route->batch, route->keeps_up};
    bool behind = route->behind >= BEHIND && *n < route->keeps_up;
    for (int i = 0; i < 2; i++) {
        bool early = i == 0 && s->policy->batching->early_drop;
        if (*n >= sizes[i] || sizes[i] > route->pending || !(early || behind)) {
            continue;
        }
        const struct cvg_request *r = first_for(s, unit, route, sizes[i]);
        if (r != NULL && (early || can_spare(s, route, r, sizes[i]))) {
            *n = sizes[i];
            return r;
        }
    }
    return NULL;
}

static bool form(const struct routing *s, const struct cvg_unit *unit,
                 struct route *route, struct ready *out)
{
    uint32_t min = min_batch(s->view, route);
    uint32_t max = route->batch > min ? route->batch : min;
    uint32_t n = route->pending < max ? route->pending : max;
    const struct cvg_request *r = first_for(s, unit, route, min);
    if (r == NULL) {
        return false;
    }
    n = borne(s, unit, route, r, min, n < min ? min : n);
    const struct cvg_request *other = instead(s, unit, route, &n);
    r = suitable(s, route, other != NULL ? other : r, n);
    if (!has_enough(s, route, r, min, n)) {
        return false;
    }
    cvg_time due = cvg_request_due(r);
    *out = (struct ready){
        .route = route,
        .first = r,
        .forming = {.unit = unit,
                    .variant = route->variant,
                    .exit = route->exit,
                    .n = n,
                    .min = min,
                    .max = max,
                    .window = due == CVG_NEVER ? CVG_NEVER : due - r->arrival,
                    .due = due}};
    return true;
}

static bool begin(struct routing *s, const struct ready *b, uint32_t n)
{
    struct route *route = b->route;
    int batch = cvg_choose_start(s->choices, b->forming.unit->index,
                                 route->variant, 0, route->exit);
    if (batch < 0) {
        return false;
    }
    uint32_t taken = 0;
    const struct cvg_request *r = b->first;
    while (r != NULL && taken < n) {
        const struct cvg_request *next = cvg_view_next_on(
            s->view, route->app, r, cvg_device_bit(route->device), 0);
        taken += cvg_choose_request(s->choices, batch, r);
        r = suitable(s, route, next, n);
    }
    if (taken < b->forming.min) {
        cvg_choose_trim(s->choices, batch, 0);
        return false;
    }
    bool behind = taken < route->keeps_up && route->keeps_up <= route->pending;
    route->behind = behind ? route->behind + 1 : 0;
    uint32_t counted = taken < route->pending ? taken : route->pending;
    route->pending -= counted;
    s->routes->counted[route->app] -= counted;
    return true;
}

/* Of the routes of the device, the batch whose first goes before the others, if
 * the batching rule agrees. */
static bool serve(struct routing *s, const struct cvg_unit *unit)
{
    struct routes *r = s->routes;
    struct ready best = {.route = NULL};
    uint32_t n = 0;
    for (uint32_t k = r->on[unit->device]; k < r->on[unit->device + 1]; k++) {
        struct route *route = &r->items[r->by_device[k]];
        struct ready b;
        cvg_time until = CVG_NEVER;
        if (!route->open || route->pending == 0 || !form(s, unit, route, &b)) {
            continue;
        }
        uint32_t size = s->policy->batching->size(s->batching_state, s->view,
                                                  &b.forming, &until);
        if (size == 0) {
            cvg_choose_wake(s->choices, until);
        } else if (best.route == NULL ||
                   cvg_view_before(s->view, b.first, best.first)) {
            best = b;
            n = size < b.forming.min ? b.forming.min : size;
        }
    }
    return best.route != NULL && begin(s, &best, n);
}

/* A unit that holds more than one has the next a moment later, when it is known
 * how long the first will take. */
static void serve_units(struct routing *s)
{
    const struct cvg_view *view = s->view;
    for (uint32_t u = 0; u < view->n_units; u++) {
        const struct cvg_unit *unit = &view->units[u];
        uint32_t in_flight = view->box->devices[unit->device].in_flight;
        if (cvg_view_free(view, unit) && serve(s, unit) &&
            unit->n_held + 1 < in_flight) {
            cvg_choose_wake(s->choices, view->now);
        }
    }
}

void cvg__route(const struct cvg_policy *policy, void *allocation_state,
                void *order_state, void *batching_state, void *exits_state,
                const struct cvg_view *view, struct cvg_choices *choices)
{
    struct routing s = {.policy = policy,
                        .batching_state = batching_state,
                        .view = view,
                        .choices = choices,
                        .routes = allocation_state};
    if (cvg_view_plan(view) == NULL) {
        cvg__compose(policy, allocation_state, order_state, batching_state,
                     exits_state, view, choices);
        return; /* as without allocation */
    }
    if (s.routes->plans != cvg_view_plans(view)) {
        take_plan(s.routes, view);
    }
    look_at_routes(&s);
    for (uint32_t a = 0; a < view->n_apps; a++) {
        count(&s, a);
    }
    uint64_t others = apps_without_strays(&s);
    bool strays[CVG_MAX_DEVICES] = {false};
    if (others != UINT64_MAX) {
        for (uint32_t d = 0; d < view->box->n_devices; d++) {
            strays[d] = has_strays(&s, d, others);
        }
        cvg__compose_but(policy, batching_state, exits_state, view, choices,
                         others, is_routed, &s);
    }
    load_for_routes(&s, strays);
    serve_units(&s);
}

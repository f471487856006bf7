/* Ways to run an app's requests. */
#include "policy/ways.h"

#include <math.h>

/* Arrays follow each other in one piece; doubles first. */
size_t cvg__ways_size(const struct cvg_box *box)
{
    size_t n = box->n_devices;
    size_t size = n * CVG__WAYS_PER_DEVICE * sizeof(struct cvg__way) +
                  (n + 1) * sizeof(uint32_t) + n * sizeof(uint32_t);
    return (size + 15) & ~(size_t)15;
}

void cvg__ways_init(struct cvg__ways *ways, const struct cvg_box *box,
                    void *memory)
{
    size_t n = box->n_devices;
    ways->ways = memory;
    ways->from = (uint32_t *)(ways->ways + n * CVG__WAYS_PER_DEVICE);
    ways->ruled_out = ways->from + n + 1;
}

static uint32_t smallest_frugal(const struct cvg_profile *p, uint32_t variant,
                                uint32_t exit, uint32_t device, uint32_t min,
                                uint32_t max, double max_energy_j)
{
    for (uint32_t n = min; n <= max; n++) {
        if (cvg_profile_energy(p, variant, 0, exit, device, n) <=
            max_energy_j * n * (1 + 1e-12)) {
            return n;
        }
    }
    return 0;
}

static double each_ns(const struct cvg_profile *p, uint32_t variant,
                      uint32_t exit, uint32_t device, uint32_t n)
{
    return (double)cvg_profile_time(p, variant, 0, exit, device, n, CVG_MEAN) /
           n;
}

/* The way of a request to run on a device by that variant and exit. Returns
 * the kinds (bits) that rule it out; 0: it is a way. It runs there at all. */
static uint32_t make_way(const struct cvg_view *view,
                         const struct cvg_request *r, uint32_t device,
                         uint32_t variant, uint32_t exit, struct cvg__way *way)
{
    const struct cvg_profile *p = view->profile;
    uint32_t max = cvg_profile_max_batch(p, variant, 0, exit, device);
    *way = (struct cvg__way){
        .device = device,
        .variant = variant,
        .exit = exit,
        .max = max,
        .accuracy = view->box->variants[variant].accuracy[exit],
        .each_ns = each_ns(p, variant, exit, device, max),
    };
    if (way->accuracy < r->min_accuracy - 1e-12) {
        return 1U << CVG_SLO_ACCURACY;
    }
    uint32_t min = cvg_profile_min_batch(p, variant, 0, exit, device);
    min = smallest_frugal(p, variant, exit, device, min, max, r->max_energy_j);
    if (min == 0) {
        return 1U << CVG_SLO_ENERGY;
    }
    cvg_span budget =
        cvg_request_due(r) == CVG_NEVER ? CVG_NEVER : r->deadline - r->arrival;
    if (cvg_profile_time(p, variant, 0, exit, device, min, CVG_MEAN) > budget) {
        return 1U << CVG_SLO_DEADLINE;
    }
    while (max > min && cvg_profile_time(p, variant, 0, exit, device, max,
                                         CVG_P95) > budget) {
        max--;
    }
    way->min = min;
    way->max = max;
    way->each_ns = each_ns(p, variant, exit, device, max);
    way->each_j = cvg_profile_energy(p, variant, 0, exit, device, max) / max;
    way->alone_ns =
        (double)cvg_profile_time(p, variant, 0, exit, device, min, CVG_MEAN);
    return 0;
}

double cvg__wanted_mean(const struct cvg_view *view, uint32_t app)
{
    const struct cvg_plan *plan = cvg_view_plan(view);
    double asked = view->apps[app].slo.accuracy;
    return plan != NULL && plan->accuracy[app] > 0
               ? fmin(asked, plan->accuracy[app])
               : asked;
}

/* What the ways of a request are put in order by. */
struct taste {
    bool accuracy_first; /* nobody asks for accuracy: more is better */
    double wanted;       /* the mean of a window: those that reach it first */
    enum cvg_objective objective;
};

static struct taste taste_of(const struct cvg_view *view,
                             const struct cvg_request *r)
{
    const struct cvg_app *app = &view->apps[r->app];
    bool asked =
        cvg_slo_has(&app->slo, CVG_SLO_ACCURACY) || r->min_accuracy > 0;
    bool mean = asked && app->accuracy_over == CVG_ACCURACY_PER_WINDOW;
    return (struct taste){
        .accuracy_first = app->objective == CVG_OBJECTIVE_NONE
                              ? !asked
                              : app->objective == CVG_OBJECTIVE_ACCURACY,
        .objective = app->objective,
        .wanted = mean ? cvg__wanted_mean(view, r->app) : 0,
    };
}

static bool better_way(const struct taste *taste, const struct cvg__way *a,
                       const struct cvg__way *b)
{
    bool a_reaches = a->accuracy >= taste->wanted;
    bool b_reaches = b->accuracy >= taste->wanted;
    if (a_reaches != b_reaches) {
        return a_reaches;
    }
    if (taste->objective == CVG_OBJECTIVE_ENERGY && a->each_j != b->each_j) {
        return a->each_j < b->each_j;
    }
    if (taste->objective == CVG_OBJECTIVE_LATENCY &&
        a->alone_ns != b->alone_ns) {
        return a->alone_ns < b->alone_ns;
    }
    if (taste->accuracy_first && a->accuracy != b->accuracy) {
        return a->accuracy > b->accuracy;
    }
    return a->each_ns < b->each_ns;
}

static void keep_way(const struct taste *taste, struct cvg__ways *ways,
                     uint32_t from, const struct cvg__way *way)
{
    uint32_t k = ways->n;
    while (k > from && better_way(taste, way, &ways->ways[k - 1])) {
        k--;
    }
    if (k - from >= CVG__WAYS_PER_DEVICE) {
        return;
    }
    ways->n += ways->n - from < CVG__WAYS_PER_DEVICE;
    for (uint32_t i = ways->n - 1; i > k; i--) {
        ways->ways[i] = ways->ways[i - 1];
    }
    ways->ways[k] = *way;
}

/* The cheapest way on a device that each kind rules out, ns. */
struct excluded {
    double each_ns[CVG_SLO_KINDS];
};

static void exclude(struct excluded *out, uint32_t kinds, double cost)
{
    for (int k = 0; k < CVG_SLO_KINDS; k++) {
        if ((kinds >> k & 1U) != 0 && cost < out->each_ns[k]) {
            out->each_ns[k] = cost;
        }
    }
}

static uint32_t cheaper_than_kept(const struct excluded *out,
                                  const struct cvg__ways *ways, uint32_t from)
{
    double cheapest = INFINITY;
    for (uint32_t i = from; i < ways->n; i++) {
        cheapest = fmin(cheapest, ways->ways[i].each_ns);
    }
    uint32_t kinds = 0;
    for (uint32_t k = 0; k < CVG_SLO_KINDS; k++) {
        kinds |= out->each_ns[k] < cheapest ? 1U << k : 0;
    }
    return kinds;
}

/* Would a request that wants the most accurate answer be begun to that exit?
 * Where it can go on from there, to the first that will do. */
static bool is_begun_to(const struct cvg_view *view,
                        const struct cvg_request *r, const struct taste *taste,
                        uint32_t variant, uint32_t exit)
{
    const struct cvg_variant *v = &view->box->variants[variant];
    if (!taste->accuracy_first || !cvg_view_goes_on(view)) {
        return true;
    }
    for (uint32_t x = 0; x < exit; x++) {
        if (v->accuracy[x] >= r->min_accuracy - 1e-12) {
            return false;
        }
    }
    return true;
}

static void find_ways_on(const struct cvg_view *view,
                         const struct cvg_request *r, const struct taste *taste,
                         uint32_t device, struct cvg__ways *ways)
{
    const struct cvg_family *family =
        &view->box->families[view->apps[r->app].family];
    struct excluded out = {{INFINITY, INFINITY, INFINITY, INFINITY}};
    uint32_t from = ways->n;
    ways->from[device] = from;
    for (size_t i = 0; i < family->n_variants; i++) {
        uint32_t v = family->variants[i];
        if ((r->variant != CVG_ANY && r->variant != v) ||
            !cvg_box_can_run(view->box, device, v)) {
            continue;
        }
        for (uint32_t x = 0; x < view->box->variants[v].n_exits; x++) {
            struct cvg__way way;
            if (cvg_profile_min_batch(view->profile, v, 0, x, device) == 0 ||
                !is_begun_to(view, r, taste, v, x)) {
                continue;
            }
            uint32_t kinds = make_way(view, r, device, v, x, &way);
            if (kinds == 0) {
                keep_way(taste, ways, from, &way);
            }
            exclude(&out, kinds, way.each_ns);
        }
    }
    ways->ruled_out[device] = cheaper_than_kept(&out, ways, from);
}

/* All ways of a request, by device, the best first. */
static void find_ways(const struct cvg_view *view, const struct cvg_request *r,
                      struct cvg__ways *ways)
{
    struct taste taste = taste_of(view, r);
    ways->n = 0;
    for (uint32_t d = 0; d < view->box->n_devices; d++) {
        find_ways_on(view, r, &taste, d, ways);
    }
    ways->from[view->box->n_devices] = ways->n;
}

const struct cvg__ways *cvg__ways_of(struct cvg__ways *of_app,
                                     const struct cvg_view *view,
                                     const struct cvg_request *r,
                                     struct cvg__ways *own)
{
    if (r->plain == 0) {
        find_ways(view, r, own);
        return own;
    }
    const struct cvg_app *app = &view->apps[r->app];
    if (!of_app->known || !cvg_slo_equal(&of_app->slo, &app->slo) ||
        of_app->objective != app->objective) {
        of_app->known = true;
        of_app->slo = app->slo;
        of_app->objective = app->objective;
        find_ways(view, r, of_app);
    }
    return of_app;
}

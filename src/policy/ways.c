/* Ways to run an app's requests. */
#include "policy/ways.h"

#define WAYS_PER_DEVICE 6U /* the cheapest ones are kept */

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

/* The way of a request to run on a device by that variant and exit. False:
 * some bound rules it out. */
static bool make_way(const struct cvg_view *view, const struct cvg_request *r,
                     uint32_t device, uint32_t variant, uint32_t exit,
                     struct cvg__way *way)
{
    const struct cvg_profile *p = view->profile;
    uint32_t min = cvg_profile_min_batch(p, variant, 0, exit, device);
    uint32_t max = cvg_profile_max_batch(p, variant, 0, exit, device);
    if (min == 0 || !cvg_box_can_run(view->box, device, variant) ||
        view->box->variants[variant].accuracy[exit] < r->min_accuracy - 1e-12) {
        return false;
    }
    min = smallest_frugal(p, variant, exit, device, min, max, r->max_energy_j);
    cvg_span budget =
        cvg_request_due(r) == CVG_NEVER ? CVG_NEVER : r->deadline - r->arrival;
    if (min == 0 ||
        cvg_profile_time(p, variant, 0, exit, device, min, CVG_MEAN) > budget) {
        return false;
    }
    while (max > min && cvg_profile_time(p, variant, 0, exit, device, max,
                                         CVG_P95) > budget) {
        max--;
    }
    *way = (struct cvg__way){
        .device = device,
        .variant = variant,
        .exit = exit,
        .min = min,
        .max = max,
        .accuracy = view->box->variants[variant].accuracy[exit],
        .each_ns = (double)cvg_profile_time(p, variant, 0, exit, device, max,
                                            CVG_MEAN) /
                   max,
    };
    return true;
}

/* What the ways of a request are put in order by. */
struct taste {
    bool accuracy_first; /* nobody asks for accuracy: more is better */
    double wanted;       /* the mean of a window: those that reach it first */
};

static struct taste taste_of(const struct cvg_view *view,
                             const struct cvg_request *r)
{
    const struct cvg_app *app = &view->apps[r->app];
    bool asked =
        cvg_slo_has(&app->slo, CVG_SLO_ACCURACY) || r->min_accuracy > 0;
    bool mean = asked && app->accuracy_over == CVG_ACCURACY_PER_WINDOW;
    return (struct taste){
        .accuracy_first = !asked,
        .wanted = mean ? app->slo.accuracy : 0,
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
    if (k - from >= WAYS_PER_DEVICE || k >= CVG__MAX_WAYS) {
        return;
    }
    if (ways->n - from < WAYS_PER_DEVICE && ways->n < CVG__MAX_WAYS) {
        ways->n++;
    }
    for (uint32_t i = ways->n - 1; i > k; i--) {
        ways->ways[i] = ways->ways[i - 1];
    }
    ways->ways[k] = *way;
}

/* All ways of a request, by device, the best first. */
static void find_ways(const struct cvg_view *view, const struct cvg_request *r,
                      struct cvg__ways *ways)
{
    const struct cvg_family *family =
        &view->box->families[view->apps[r->app].family];
    struct taste taste = taste_of(view, r);
    ways->n = 0;
    for (uint32_t d = 0; d < view->box->n_devices; d++) {
        uint32_t from = ways->n;
        ways->from[d] = (uint8_t)from;
        for (size_t i = 0; i < family->n_variants; i++) {
            uint32_t v = family->variants[i];
            if (r->variant != CVG_ANY && r->variant != v) {
                continue;
            }
            for (uint32_t x = 0; x < view->box->variants[v].n_exits; x++) {
                struct cvg__way way;
                if (make_way(view, r, d, v, x, &way)) {
                    keep_way(&taste, ways, from, &way);
                }
            }
        }
    }
    ways->from[view->box->n_devices] = (uint8_t)ways->n;
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
    const struct cvg_slo *slo = &view->apps[r->app].slo;
    if (of_app->n == 0 || !cvg_slo_equal(&of_app->slo, slo)) {
        of_app->slo = *slo;
        find_ways(view, r, of_app);
    }
    return of_app;
}

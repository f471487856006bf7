#include "policy/exits.h"

#include <math.h>

uint32_t cvg__exits_first_good(void *state, const struct cvg_view *view,
                               const struct cvg_request *request,
                               uint32_t variant)
{
    const struct cvg_variant *v = &view->box->variants[variant];
    uint32_t best = 0;
    (void)state;
    for (uint32_t exit = 0; exit < v->n_exits; exit++) {
        if (v->accuracy[exit] >= request->min_accuracy - 1e-12) {
            return exit;
        }
        best = v->accuracy[exit] > v->accuracy[best] ? exit : best;
    }
    return best;
}

uint32_t cvg__exits_begin(const struct cvg_exits_ops *exits, void *state,
                          const struct cvg_view *view,
                          const struct cvg_request *request, uint32_t variant)
{
    return request->conditions != NULL
               ? 0
               : exits->last(state, view, request, variant);
}

double cvg__exits_within_reach(const struct cvg_view *view,
                               const struct cvg_request *request,
                               uint32_t variant, uint32_t exit)
{
    const struct cvg_variant *v = &view->box->variants[variant];
    double best = v->accuracy[exit];
    for (uint32_t x = 0; request->conditions != NULL && x < v->n_exits; x++) {
        best = fmax(best, v->accuracy[x]);
    }
    return best;
}

bool cvg__exits_good(const struct cvg_request *request,
                     const struct cvg_at_exit *at)
{
    return at->accuracy >= request->min_accuracy - 1e-12;
}

bool cvg__exits_wants_enough(const struct cvg_request *request)
{
    return request->min_accuracy > 0;
}

bool cvg__exits_is_enough(const struct cvg_view *view,
                          const struct cvg_request *request,
                          const struct cvg_at_exit *at)
{
    const struct cvg_app *app = &view->apps[request->app];
    bool mean = app->accuracy_over == CVG_ACCURACY_PER_WINDOW &&
                cvg_slo_has(&app->slo, CVG_SLO_ACCURACY);
    switch (app->objective) {
    case CVG_OBJECTIVE_ACCURACY:
        return false;
    case CVG_OBJECTIVE_ENERGY:
    case CVG_OBJECTIVE_LATENCY:
        return !mean || at->accuracy >= app->slo.accuracy - 1e-12;
    default:
        return cvg__exits_wants_enough(request);
    }
}

uint32_t cvg__exits_together(const struct cvg_view *view,
                             const struct cvg_at_exit *at, uint32_t exit)
{
    uint32_t max = cvg_profile_max_batch(view->profile, at->variant,
                                         at->exit + 1, exit, at->device);
    return at->n < max ? at->n : max;
}

cvg_time cvg__exits_finish(const struct cvg_view *view,
                           const struct cvg_at_exit *at, uint32_t exit,
                           enum cvg_quantile quantile)
{
    cvg_time best = CVG_NEVER;
    uint32_t n = cvg__exits_together(view, at, exit);
    for (uint32_t u = 0; n > 0 && u < view->n_units; u++) {
        const struct cvg_unit *unit = &view->units[u];
        if (unit->device != at->device) {
            continue;
        }
        cvg_time end = cvg_view_finish(view, unit, at->variant, at->exit + 1,
                                       exit, n, quantile);
        best = end < best ? end : best;
    }
    return best;
}

double cvg__exits_energy(const struct cvg_view *view,
                         const struct cvg_at_exit *at, uint32_t exit)
{
    uint32_t n = cvg__exits_together(view, at, exit);
    return n == 0 ? INFINITY
                  : at->energy_j + cvg_profile_energy(view->profile,
                                                      at->variant, at->exit + 1,
                                                      exit, at->device, n) /
                                       n;
}

uint32_t cvg__exits_on(const struct cvg_view *view,
                       const struct cvg_request *request,
                       const struct cvg_at_exit *at)
{
    const struct cvg_variant *v = &view->box->variants[at->variant];
    cvg_time due = cvg_request_due(request);
    for (uint32_t exit = at->exit + 1; exit < v->n_exits; exit++) {
        cvg_time finish = cvg__exits_finish(view, at, exit, CVG_P95);
        if (finish == CVG_NEVER || finish > due ||
            cvg__exits_energy(view, at, exit) > request->max_energy_j) {
            break;
        }
        if (v->accuracy[exit] > at->accuracy) {
            return exit;
        }
    }
    return at->exit;
}

uint32_t cvg__exits_to_good(const struct cvg_view *view,
                            const struct cvg_request *request,
                            const struct cvg_at_exit *at)
{
    const struct cvg_variant *v = &view->box->variants[at->variant];
    uint32_t best = at->exit;
    for (uint32_t exit = at->exit + 1; exit < v->n_exits; exit++) {
        if (v->accuracy[exit] >= request->min_accuracy - 1e-12) {
            return exit;
        }
        best = v->accuracy[exit] > v->accuracy[best] ? exit : best;
    }
    return best;
}

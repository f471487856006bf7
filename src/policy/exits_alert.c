/* Goes on where the answer of a later exit is worth more than the one it has:
 * its accuracy, times the probability that it comes in time. How slow a device
 * is, is a normal variable (slowness.h). With a bound of accuracy, the first
 * exit that reaches it: the least energy.
 *
 * Wan et al., ALERT, USENIX ATC 2020, the anytime form. The authors' networks
 * can be stopped at any time and fall back to the answer before; here a stage
 * runs to its end, so an answer that is late is worth nothing. */
#include "policy/exits.h"
#include "policy/slowness.h"

static uint32_t next(void *state, const struct cvg_view *view,
                     const struct cvg_request *request,
                     const struct cvg_at_exit *at)
{
    const struct cvg_variant *v = &view->box->variants[at->variant];
    cvg_time due = cvg_request_due(request);
    if (!cvg__exits_good(request, at)) {
        return cvg__exits_to_good(view, request, at);
    }
    bool enough = cvg__exits_is_enough(view, request, at);
    for (uint32_t x = at->exit + 1; !enough && x < v->n_exits; x++) {
        double p = cvg__slowness_in_time(state, view, at, x, due);
        if (v->accuracy[x] * p > at->accuracy &&
            cvg__exits_energy(view, at, x) <= request->max_energy_j) {
            return x;
        }
    }
    return at->exit;
}

const struct cvg_exits_ops cvg_exits_alert = {.name = "alert",
                                              .state_size = cvg__slowness_size,
                                              .last = cvg__exits_first_good,
                                              .next = next,
                                              .optional = true,
                                              .done = cvg__slowness_done};

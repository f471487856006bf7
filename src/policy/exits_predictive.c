/* Goes on only if that will keep the bounds: with the slow one of twenty of the
 * next stage's times, and what its device holds, it is still in time, and its
 * energy does not become too much. Where its accuracy is bounded, or its app's
 * objective is energy or latency, it stops as soon as it may; else at the most
 * accurate exit within the bounds.
 *
 * After SYSTEMS.md 4.2: the published rule (exits_reactive.c) overshoots by a
 * stage. */
#include "policy/exits.h"

static uint32_t next(void *state, const struct cvg_view *view,
                     const struct cvg_request *request,
                     const struct cvg_at_exit *at)
{
    (void)state;
    if (!cvg__exits_good(request, at)) {
        return cvg__exits_to_good(view, request, at);
    }
    if (cvg__exits_is_enough(view, request, at)) {
        return at->exit;
    }
    return cvg__exits_on(view, request, at);
}

const struct cvg_exits_ops cvg_exits_predictive = {.name = "predictive",
                                                   .last =
                                                       cvg__exits_first_good,
                                                   .next = next,
                                                   .optional = true};

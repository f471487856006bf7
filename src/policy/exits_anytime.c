/* The first good answer for everybody, then better ones as time allows: whoever
 * waits for a first answer goes before those who have one.
 *
 * The imprecise computation model: mandatory parts, then optional ones (Liu et
 * al., "Imprecise Computations", Proc. IEEE 1994). */
#include "policy/exits.h"

static uint32_t next(void *state, const struct cvg_view *view,
                     const struct cvg_request *request,
                     const struct cvg_at_exit *at)
{
    (void)state;
    if (!cvg__exits_good(request, at)) {
        return cvg__exits_to_good(view, request, at);
    }
    enum cvg_objective objective = view->apps[request->app].objective;
    bool first =
        objective == CVG_OBJECTIVE_ENERGY || objective == CVG_OBJECTIVE_LATENCY;
    if (first && cvg__exits_is_enough(view, request, at)) {
        return at->exit; /* the least energy, or time */
    }
    return cvg__exits_on(view, request, at);
}

const struct cvg_exits_ops cvg_exits_anytime = {.name = "anytime",
                                                .last = cvg__exits_first_good,
                                                .next = next,
                                                .optional = true};

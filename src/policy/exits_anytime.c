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
        return cvg__exits_first_good(NULL, view, request, at->variant);
    }
    bool first = view->apps[request->app].objective > CVG_OBJECTIVE_ACCURACY;
    if (first && cvg__exits_is_enough(view, request, at)) {
        return at->exit; /* the least energy, or time */
    }
    return cvg__exits_best_beyond(view, request, at) > at->exit ? at->exit + 1
                                                                : at->exit;
}

const struct cvg_exits_ops cvg_exits_anytime = {.name = "anytime",
                                                .last = cvg__exits_first_good,
                                                .next = next,
                                                .optional = true};

/* Stops at the first exit where a bound has been reached or passed: the time
 * since the request came, its energy, or its accuracy. What it takes beyond the
 * bound is up to a stage.
 *
 * Liang et al., "Delen", IoTDI 2023, as its authors' code has it, but that time
 * in a queue counts. */
#include "policy/exits.h"

static uint32_t next(void *state, const struct cvg_view *view,
                     const struct cvg_request *request,
                     const struct cvg_at_exit *at)
{
    cvg_time due = cvg_request_due(request);
    bool stops =
        (due != CVG_NEVER && view->now >= due) ||
        at->energy_j >= request->max_energy_j ||
        (cvg__exits_wants_enough(request) && cvg__exits_good(request, at));
    (void)state;
    return stops ? at->exit : at->exit + 1;
}

const struct cvg_exits_ops cvg_exits_reactive = {
    .name = "reactive", .last = cvg__exits_first_good, .next = next};

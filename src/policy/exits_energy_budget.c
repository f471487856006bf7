/* As `predictive`, as long as the box keeps to its budget of energy (budget.h);
 * what first answers cost is spent whatever there is. */
#include "policy/budget.h"
#include "policy/exits.h"

static uint32_t next(void *state, const struct cvg_view *view,
                     const struct cvg_request *request,
                     const struct cvg_at_exit *at)
{
    double left_j = cvg__budget_left(state, view);
    if (!cvg__exits_good(request, at)) {
        return cvg__exits_first_good(NULL, view, request, at->variant);
    }
    if (cvg__exits_is_enough(view, request, at) ||
        cvg__exits_best_beyond(view, request, at) == at->exit) {
        return at->exit;
    }
    double next_j = cvg__exits_energy(view, at, at->exit + 1) - at->energy_j;
    return next_j > left_j ? at->exit : at->exit + 1;
}

const struct cvg_exits_ops cvg_exits_energy_budget = {
    .name = "energy-budget",
    .needs_budget = true,
    .state_size = cvg__budget_size,
    .last = cvg__exits_first_good,
    .next = next,
    .optional = true};

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
        return cvg__exits_to_good(view, request, at);
    }
    uint32_t on = cvg__exits_on(view, request, at);
    if (on == at->exit || cvg__exits_is_enough(view, request, at)) {
        return at->exit;
    }
    double each_j = cvg__exits_energy(view, at, on) - at->energy_j;
    return each_j * at->n > left_j ? at->exit : on;
}

const struct cvg_exits_ops cvg_exits_energy_budget = {
    .name = "energy-budget",
    .needs_budget = true,
    .state_size = cvg__budget_size,
    .last = cvg__exits_first_good,
    .next = next,
    .optional = true};

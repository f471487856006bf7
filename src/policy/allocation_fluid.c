/* Plans by the fluid program (include/convergo/plan.h). */
#include "policy/parts.h"
#include "policy/residency.h"

static enum cvg_status residency(void *state, const struct cvg_view *view,
                                 uint32_t *want, struct cvg_error *err)
{
    return cvg__residency_by(cvg_plan_make, state, view, want, err);
}

const struct cvg_allocation_ops cvg_allocation_fluid = {
    .name = "fluid",
    .pace = {.period = CVG_S(1), .burst = 1},
    .state_size = cvg__residency_size,
    .residency = residency,
    .solve = cvg_plan_make,
};

/* Allocations by accuracy scaling (include/convergo/allocate.h): the published
 * one, `milp`, the same without a solver, `dp`, and the peers that Proteus is
 * compared with. They differ in how they are solved; devices serve what the
 * plan says, along routes. */
#include "policy/residency.h"
#include "policy/routes.h"

#include <convergo/allocate.h>

static size_t state_size(const struct cvg_box *box)
{
    return cvg__routes_size(box) + cvg__residency_size(box);
}

/* Systems that place for good do so when rates are known. */
#define KNOWN CVG_S(5)

#define SCALING(part, text, first_plan)                                        \
    static enum cvg_status part##_residency(                                   \
        void *state, const struct cvg_view *view, uint32_t *want,              \
        struct cvg_error *err)                                                 \
    {                                                                          \
        char *scratch = (char *)state + cvg__routes_size(view->box);           \
        return cvg__residency_by(cvg_allocate_##part, (double *)scratch, view, \
                                 want, err);                                   \
    }                                                                          \
    const struct cvg_allocation_ops cvg_allocation_##part = {                  \
        .name = (text),                                                        \
        .pace = {.first = (first_plan),                                        \
                 .period = CVG_S(2),                                           \
                 .smoothing = CVG_MS(1600),                                    \
                 .burst = 1.2},                                                \
        .routed = true,                                                        \
        .state_size = state_size,                                              \
        .residency = part##_residency,                                         \
        .solve = cvg_allocate_##part,                                          \
    }

SCALING(milp, "milp", 0);
SCALING(dp, "dp", 0);
SCALING(infaas, "infaas", 0);
SCALING(sommelier, "sommelier", KNOWN);
SCALING(clipper_ht, "clipper-ht", KNOWN);
SCALING(clipper_ha, "clipper-ha", KNOWN);
SCALING(static, "static", 0);

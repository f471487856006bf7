/* No batching: every request runs alone. */
#include "policy/parts.h"

static uint32_t one(void *state, const struct cvg_view *view,
                    const struct cvg_unit *unit, uint32_t variant,
                    uint32_t waiting, uint32_t fit, uint32_t max,
                    cvg_time *until)
{
    (void)state;
    (void)view;
    (void)unit;
    (void)variant;
    (void)waiting;
    (void)fit;
    (void)max;
    (void)until;
    return 1;
}

const struct cvg_batching_ops cvg_batching_none = {.name = "none", .size = one};

/* Work-conserving: runs what is waiting, up to what the deadlines of the batch
 * allow, and never waits for more. */
#include "policy/parts.h"

static uint32_t all_that_fit(void *state, const struct cvg_view *view,
                             const struct cvg_unit *unit, uint32_t variant,
                             uint32_t waiting, uint32_t fit, uint32_t max,
                             cvg_time *until)
{
    (void)state;
    (void)view;
    (void)unit;
    (void)variant;
    (void)waiting;
    (void)until;
    uint32_t n = fit > 0 ? fit : 1;
    return n < max ? n : max;
}

const struct cvg_batching_ops cvg_batching_greedy = {.name = "greedy",
                                                     .size = all_that_fit};

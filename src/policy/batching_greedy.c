/* Work-conserving: runs what is waiting, up to what the deadlines of the batch
 * allow, and never waits for more. */
#include "policy/parts.h"

static uint32_t all(void *state, const struct cvg_view *view,
                    const struct cvg_forming *batch, cvg_time *until)
{
    (void)state;
    (void)view;
    (void)until;
    return batch->n;
}

const struct cvg_batching_ops cvg_batching_greedy = {.name = "greedy",
                                                     .size = all};

/* Waits for more as long as the slack of its members allows, and never longer.
 */
#include "policy/batching.h"

static uint32_t size(void *state, const struct cvg_view *view,
                     const struct cvg_forming *batch, cvg_time *until)
{
    (void)state;
    return cvg__batch_wait(view, batch,
                           cvg__batch_latest(view, batch, batch->n), until);
}

const struct cvg_batching_ops cvg_batching_deadline = {.name = "deadline",
                                                       .size = size};

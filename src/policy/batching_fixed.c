/* Batches of one size, the largest: waits until that is full, or would be late
 * for the first. */
#include "policy/batching.h"

static uint32_t size(void *state, const struct cvg_view *view,
                     const struct cvg_forming *batch, cvg_time *until)
{
    (void)state;
    return cvg__batch_wait(view, batch,
                           cvg__batch_latest(view, batch, batch->max), until);
}

const struct cvg_batching_ops cvg_batching_fixed = {
    .name = "fixed", .early_drop = true, .size = size};

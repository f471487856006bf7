/* Waits for one more as long as the first is still in time with it: not
 * work-conserving. With each that comes the moment is earlier, for the batch is
 * larger.
 *
 * Ahmad et al., "Proteus: A High-Throughput Inference-Serving System with
 * Accuracy Scaling", ASPLOS 2024, section 5. Times are of the 95th percentile
 * here, where theirs are means. */
#include "policy/batching.h"

static uint32_t size(void *state, const struct cvg_view *view,
                     const struct cvg_forming *batch, cvg_time *until)
{
    (void)state;
    return cvg__batch_wait(view, batch,
                           cvg__batch_latest(view, batch, batch->n + 1), until);
}

const struct cvg_batching_ops cvg_batching_proteus = {
    .name = "proteus", .early_drop = true, .size = size};

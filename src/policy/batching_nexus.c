/* Early drop with a target: the largest batch that takes half of the time that
 * a request has.
 *
 * Shen et al., "Nexus: A GPU Cluster Engine for Accelerating DNN-Based Video
 * Analysis", SOSP 2019, section 6.3. `nexus` waits until the target is there,
 * or it would be late for the first, as the authors of Proteus built it for
 * comparison; `nexus-wc` does not wait, as the paper says. Requests that would
 * be late are dropped before by the order part. */
#include "policy/batching.h"

static uint32_t up_to_target(const struct cvg_view *view,
                             const struct cvg_forming *batch)
{
    uint32_t target = cvg__batch_half(view, batch);
    return batch->n < target ? batch->n : target;
}

static uint32_t by_timer(void *state, const struct cvg_view *view,
                         const struct cvg_forming *batch, cvg_time *until)
{
    (void)state;
    uint32_t target = cvg__batch_half(view, batch);
    cvg_time last = cvg__batch_latest(view, batch, target);
    if (batch->n < target && last != CVG_NEVER && view->now < last) {
        *until = last;
        return 0;
    }
    return up_to_target(view, batch);
}

static uint32_t at_once(void *state, const struct cvg_view *view,
                        const struct cvg_forming *batch, cvg_time *until)
{
    (void)state;
    (void)until;
    return up_to_target(view, batch);
}

const struct cvg_batching_ops cvg_batching_nexus = {.name = "nexus",
                                                    .size = by_timer};
const struct cvg_batching_ops cvg_batching_nexus_wc = {.name = "nexus-wc",
                                                       .size = at_once};

/* Early drop with a target: the largest batch that takes half of the time that
 * a request has. Requests that would be late are dropped before, by the order
 * part and by routing.
 *
 * Shen et al., "Nexus: A GPU Cluster Engine for Accelerating DNN-Based Video
 * Analysis", SOSP 2019, section 6.3. `nexus-wc` never waits, as the paper says.
 * `nexus` waits as the authors of Proteus built it for comparison: from the
 * moment at which a unit could begin, as long as a request that comes just then
 * could wait for a full batch (of 1, 2, 4, ...); who came before may be too
 * late by then. */
#include "policy/batching.h"

static size_t state_size(const struct cvg_box *box)
{
    return cvg_box_units(box) * sizeof(cvg_time); /* waits since; 0: not */
}

static uint32_t up_to_target(const struct cvg_view *view,
                             const struct cvg_forming *batch)
{
    uint32_t target = cvg__batch_half(view, batch);
    return batch->n < target ? batch->n : target;
}

static uint32_t by_timer(void *state, const struct cvg_view *view,
                         const struct cvg_forming *batch, cvg_time *until)
{
    cvg_time *since = (cvg_time *)state + batch->unit->index;
    uint32_t target = cvg__batch_power(cvg__batch_half(view, batch));
    if (batch->n < target && batch->window != CVG_NEVER) {
        *since = *since == 0 ? view->now + 1 : *since;
        cvg_time last =
            *since - 1 + batch->window - cvg__batch_time(view, batch, target);
        if (view->now < last) {
            *until = last;
            return 0;
        }
    }
    *since = 0;
    return batch->n < target ? batch->n : target;
}

static uint32_t at_once(void *state, const struct cvg_view *view,
                        const struct cvg_forming *batch, cvg_time *until)
{
    (void)state;
    (void)until;
    return up_to_target(view, batch);
}

const struct cvg_batching_ops cvg_batching_nexus = {.name = "nexus",
                                                    .early_drop = true,
                                                    .state_size = state_size,
                                                    .size = by_timer};
const struct cvg_batching_ops cvg_batching_nexus_wc = {
    .name = "nexus-wc", .early_drop = true, .size = at_once};

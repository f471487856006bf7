/* Feels its way to a size: after a batch that was in time the next is twice as
 * large, after one that was late half as large, for each variant on each unit.
 * Waits for a full batch, to the last moment at which the first could be in
 * time by itself: that it is late in what has come together is what teaches.
 *
 * Crankshaw et al., "Clipper: A Low-Latency Online Prediction Serving System",
 * NSDI 2017, section 4.3, on the batch sizes 1, 2, 4, ... as the authors of
 * Proteus built it for comparison: a step up or down the list. They have no
 * early drop (order `fifo`); with `edf`, and along routes, there is one. */
#include "policy/batching.h"

#include <stdint.h>

static uint32_t n_units(const struct cvg_box *box)
{
    uint32_t n = 0;
    for (size_t d = 0; d < box->n_devices; d++) {
        n += box->devices[d].units;
    }
    return n;
}

static size_t state_size(const struct cvg_box *box)
{
    return n_units(box) * box->n_variants; /* a step of the list each */
}

static uint8_t *step_of(void *state, const struct cvg_view *view,
                        const struct cvg_unit *unit, uint32_t variant)
{
    return (uint8_t *)state + unit->index * view->box->n_variants + variant;
}

static uint32_t size(void *state, const struct cvg_view *view,
                     const struct cvg_forming *batch, cvg_time *until)
{
    uint8_t *step = step_of(state, view, batch->unit, batch->variant);
    uint32_t most = cvg__batch_power(batch->max);
    while (1U << *step > most) {
        (*step)--; /* a plan may allow less than the profile */
    }
    uint32_t target = 1U << *step;
    cvg_time last = cvg__batch_latest(view, batch, batch->min);
    if (batch->n < target && last != CVG_NEVER && view->now < last) {
        *until = last;
        return 0;
    }
    return batch->n < target ? batch->n : target;
}

static void done(void *state, const struct cvg_view *view,
                 const struct cvg_unit *unit, const struct cvg_held *batch,
                 bool late)
{
    uint8_t *step = step_of(state, view, unit, batch->variant);
    uint32_t max = cvg_profile_max_batch(
        view->profile, batch->variant, batch->first, batch->last, unit->device);
    bool up = !late && 1U << *step < max;
    *step = (uint8_t)(*step + up - (late && *step > 0));
}

const struct cvg_batching_ops cvg_batching_aimd = {.name = "aimd",
                                                   .early_drop = true,
                                                   .state_size = state_size,
                                                   .size = size,
                                                   .done = done};

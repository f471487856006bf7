/* What batching rules that wait have in common. */
#include "policy/batching.h"

/* What is begun before waits there. */
cvg_span cvg__batch_time(const struct cvg_view *view,
                         const struct cvg_forming *batch, uint32_t n)
{
    uint32_t device = batch->unit->device;
    uint32_t size = n > batch->min ? n : batch->min;
    cvg_span service = cvg_profile_time(view->profile, batch->variant, 0,
                                        batch->exit, device, size, CVG_P95);
    cvg_span change = cvg_view_switch(view, batch->unit, batch->variant);
    return (cvg_span)((double)(service + change) *
                      cvg_view_slowdown(view, device));
}

cvg_time cvg__batch_latest(const struct cvg_view *view,
                           const struct cvg_forming *batch, uint32_t n)
{
    if (batch->due == CVG_NEVER || n > batch->max) {
        return CVG_NEVER;
    }
    return batch->due - cvg__batch_time(view, batch, n);
}

uint32_t cvg__batch_wait(const struct cvg_view *view,
                         const struct cvg_forming *batch, cvg_time last,
                         cvg_time *until)
{
    if (batch->n >= batch->max || last == CVG_NEVER || view->now >= last) {
        return batch->n;
    }
    *until = last;
    return 0;
}

uint32_t cvg__batch_half(const struct cvg_view *view,
                         const struct cvg_forming *batch)
{
    if (batch->due == CVG_NEVER) {
        return batch->max;
    }
    cvg_span half = batch->window / 2;
    uint32_t low = batch->min, high = batch->max;
    while (low < high) {
        uint32_t middle = high - (high - low) / 2;
        if (cvg__batch_time(view, batch, middle) <= half) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

uint32_t cvg__batch_power(uint32_t n)
{
    uint32_t power = 1;
    while (power <= n / 2) {
        power *= 2;
    }
    return power;
}

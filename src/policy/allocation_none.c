/* No allocation: every device holds all that it can run, in the order of the
 * families, as far as memory goes; demand plays no part. */
#include "policy/parts.h"

static enum cvg_status want_all(void *state, const struct cvg_view *view,
                                uint32_t *want, struct cvg_error *err)
{
    (void)state;
    (void)err;
    const struct cvg_box *box = view->box;
    for (uint32_t d = 0; d < box->n_devices; d++) {
        uint32_t rank = 0;
        for (size_t f = 0; f < box->n_families; f++) {
            for (size_t i = 0; i < box->families[f].n_variants; i++) {
                uint32_t v = box->families[f].variants[i];
                if (cvg_box_can_run(box, d, v)) {
                    want[d * box->n_variants + v] = ++rank;
                }
            }
        }
    }
    return CVG_OK;
}

const struct cvg_allocation_ops cvg_allocation_none = {.name = "none",
                                                       .residency = want_all};

/* No batching: every request runs alone. */
#include "policy/parts.h"

static uint32_t one(void *state, const struct cvg_view *view,
                    const struct cvg_forming *batch, cvg_time *until)
{
    (void)state;
    (void)view;
    (void)batch;
    (void)until;
    return 1;
}

const struct cvg_batching_ops cvg_batching_none = {.name = "none", .size = one};

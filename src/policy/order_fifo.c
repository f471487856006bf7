/* First in, first out: the plain server. Never drops, never reorders. */
#include "policy/parts.h"

static int64_t fifo_key(void *state, const struct cvg_view *view,
                        const struct cvg_request *request)
{
    (void)state;
    (void)view;
    return request->arrival;
}

const struct cvg_order_ops cvg_order_fifo = {
    .name = "fifo", .ignores_priority = true, .key = fifo_key};

/* The first exit that is accurate enough, whatever else: the fastest answer, of
 * the least energy, that will do. */
#include "policy/exits.h"

static uint32_t next(void *state, const struct cvg_view *view,
                     const struct cvg_request *request,
                     const struct cvg_at_exit *at)
{
    (void)state;
    return cvg__exits_good(request, at) ? at->exit
                                        : cvg__exits_to_good(view, request, at);
}

const struct cvg_exits_ops cvg_exits_accuracy = {.name = "accuracy",
                                                 .last = cvg__exits_first_good,
                                                 .next = next,
                                                 .optional = true};

/* Stops where the model is sure enough of its answer, if that is accurate
 * enough and at the last moment in any case. What is not told counts as unsure.
 *
 * Teerapittayanon et al., "BranchyNet: Fast Inference via Early Exiting from
 * Deep Neural Networks", ICPR 2016, with the largest probability (calibrated)
 * in place of the entropy. */
#include "policy/exits.h"

#define SURE 0.9 /* where the box says nothing */

static bool is_sure(const struct cvg_view *view, const struct cvg_at_exit *at)
{
    const struct cvg_policy_spec *spec = &view->box->policy;
    return at->confidence >= (spec->has_confidence ? spec->confidence : SURE);
}

static uint32_t next(void *state, const struct cvg_view *view,
                     const struct cvg_request *request,
                     const struct cvg_at_exit *at)
{
    (void)state;
    if (!cvg__exits_good(request, at)) {
        return cvg__exits_to_good(view, request, at);
    }
    return is_sure(view, at) ? at->exit : cvg__exits_on(view, request, at);
}

const struct cvg_exits_ops cvg_exits_confidence = {.name = "confidence",
                                                   .last =
                                                       cvg__exits_first_good,
                                                   .next = next,
                                                   .optional = true};

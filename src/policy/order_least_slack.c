/* Least slack first (Band's LST; Jeong et al., MobiSys 2022).
 *
 * Slack = deadline - now - shortest expected time. `now` is the same for all,
 * so the order is by deadline - expected time. */
#include "policy/parts.h"

static int64_t slack_key(void *state, const struct cvg_view *view,
                         const struct cvg_request *request)
{
    (void)state;
    cvg_span fastest = cvg_view_fastest(view, request);
    if (request->deadline == CVG_NEVER || fastest == CVG_NEVER) {
        return request->deadline;
    }
    return request->deadline - fastest;
}

const struct cvg_order_ops cvg_order_least_slack = {
    .name = "least-slack", .drops = true, .key = slack_key};

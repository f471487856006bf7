/* Routing by a plan that says what each device holds and serves. */
#ifndef CVG_POLICY_ROUTES_H
#define CVG_POLICY_ROUTES_H

#include "policy/parts.h"

/* Of an allocation part that is routed. */
size_t cvg__routes_size(const struct cvg_box *box);

/* In place of cvg__compose(), for such an allocation part. */
void cvg__route(const struct cvg_policy *policy, void *allocation_state,
                void *order_state, void *batching_state, void *exits_state,
                const struct cvg_view *view, struct cvg_choices *choices);

#endif

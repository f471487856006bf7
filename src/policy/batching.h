/* What batching rules that wait have in common. */
#ifndef CVG_POLICY_BATCHING_H
#define CVG_POLICY_BATCHING_H

#include "policy/parts.h"

/* What n requests take on the unit when it holds nothing else, changing to the
 * variant included, by a high quantile. */
cvg_span cvg__batch_time(const struct cvg_view *view,
                         const struct cvg_forming *batch, uint32_t n);

/* The last instant at which n requests can be begun and be in time for the
 * first, by a high quantile of the time. CVG_NEVER: it has no deadline, or
 * there is no batch of n. */
cvg_time cvg__batch_latest(const struct cvg_view *view,
                           const struct cvg_forming *batch, uint32_t n);

/* Waits until then; all that is there, if it has come. */
uint32_t cvg__batch_wait(const struct cvg_view *view,
                         const struct cvg_forming *batch, cvg_time last,
                         cvg_time *until);

/* The largest batch that takes half of the time that its members have: who
 * comes when one has begun waits for that, and for his own. */
uint32_t cvg__batch_half(const struct cvg_view *view,
                         const struct cvg_forming *batch);

/* The largest of 1, 2, 4, ... that is no larger: the sizes that the authors of
 * Proteus allow the rules that they compare with. n >= 1. */
uint32_t cvg__batch_power(uint32_t n);

#endif

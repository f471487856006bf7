/* What rules for exits have in common. */
#ifndef CVG_POLICY_EXITS_H
#define CVG_POLICY_EXITS_H

#include "policy/parts.h"

/* The first exit of the variant that is accurate enough for the request; the
 * most accurate, if none is. For cvg_exits_ops.last. */
uint32_t cvg__exits_first_good(void *state, const struct cvg_view *view,
                               const struct cvg_request *request,
                               uint32_t variant);

/* Where its first stages are to end: by the rule, or at the first of all exits
 * if it has conditions, which are judged at each. */
uint32_t cvg__exits_begin(const struct cvg_exits_ops *exits, void *state,
                          const struct cvg_view *view,
                          const struct cvg_request *request, uint32_t variant);
/* Of the answer there; the best that it may come to if it has conditions. */
double cvg__exits_within_reach(const struct cvg_view *view,
                               const struct cvg_request *request,
                               uint32_t variant, uint32_t exit);

/* Is the answer accurate enough, as it is? */
bool cvg__exits_good(const struct cvg_request *request,
                     const struct cvg_at_exit *at);

/* Is its accuracy bounded? Then the first that is enough is wanted: the
 * fastest, of the least energy. */
bool cvg__exits_wants_enough(const struct cvg_request *request);

/* Is the answer that it has, accurate enough as it is, all that is wanted? By
 * the objective of its app: not if that is accuracy; if energy or latency, yes
 * (where a mean over a window is asked for, if it reaches that). Without one:
 * where its accuracy is bounded. */
bool cvg__exits_is_enough(const struct cvg_view *view,
                          const struct cvg_request *request,
                          const struct cvg_at_exit *at);

/* Of those that came there together, how many can go on to that exit in one
 * batch; 0: none can. */
uint32_t cvg__exits_together(const struct cvg_view *view,
                             const struct cvg_at_exit *at, uint32_t exit);

/* When it would be done with the stages up to that exit, behind what units of
 * the device hold, by that quantile; CVG_NEVER: never. */
cvg_time cvg__exits_finish(const struct cvg_view *view,
                           const struct cvg_at_exit *at, uint32_t exit,
                           enum cvg_quantile quantile);

/* What it would have taken by then, J: its share in a batch of those that came
 * there with it. */
double cvg__exits_energy(const struct cvg_view *view,
                         const struct cvg_at_exit *at, uint32_t exit);

/* The first exit beyond this one that is more accurate, and keeps the bounds of
 * time (with the slow one of twenty) and energy; this one: none does. Accuracy
 * need not rise from exit to exit. */
uint32_t cvg__exits_on(const struct cvg_view *view,
                       const struct cvg_request *request,
                       const struct cvg_at_exit *at);

/* The first exit beyond this one, which is not, that is accurate enough; the
 * most accurate, if none is. */
uint32_t cvg__exits_to_good(const struct cvg_view *view,
                            const struct cvg_request *request,
                            const struct cvg_at_exit *at);

#endif

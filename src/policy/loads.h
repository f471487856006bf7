/* Bringing variants in for requests that nothing in memory can serve. */
#ifndef CVG_POLICY_LOADS_H
#define CVG_POLICY_LOADS_H

#include <convergo/policy.h>

/* For the first such requests of each app: asks for the variant that would
 * have it done first, unless one that would do is on its way. */
void cvg__load_for_homeless(const struct cvg_view *view,
                            struct cvg_choices *choices);

#endif

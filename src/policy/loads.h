/* Bringing variants in for requests that nothing in memory can serve. */
#ifndef CVG_POLICY_LOADS_H
#define CVG_POLICY_LOADS_H

#include <convergo/policy.h>

/* Is the request one that somebody else sees to? */
typedef bool cvg__is_other(const void *context,
                           const struct cvg_request *request);

/* For the first such requests of each app: asks for the variant that would
 * have it done first, unless one that would do is on its way. */
void cvg__load_for_homeless(const struct cvg_view *view,
                            struct cvg_choices *choices);
/* The same, but for requests that are another's; NULL: none is. */
void cvg__load_for_homeless_but(const struct cvg_view *view,
                                struct cvg_choices *choices,
                                cvg__is_other *is_other, const void *context);

#endif

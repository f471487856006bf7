/* A budget of energy: joules an hour, as a bucket that time fills and that all
 * batches of the box empty. It holds what a minute brings, and is full at the
 * start, so that a quiet minute is not lost. */
#ifndef CVG_POLICY_BUDGET_H
#define CVG_POLICY_BUDGET_H

#include <convergo/policy.h>

/* For exits parts: as their state. */
size_t cvg__budget_size(const struct cvg_box *box);
/* J that may be spent now; below 0: overdrawn. Spent is what the profile says
 * of batches when they begin. Asked twice at one instant it is the same. */
double cvg__budget_left(void *state, const struct cvg_view *view);

#endif

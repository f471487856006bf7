/* What devices hold at the start, by a plan. */
#ifndef CVG_POLICY_RESIDENCY_H
#define CVG_POLICY_RESIDENCY_H

#include <convergo/policy.h>

typedef enum cvg_status cvg__solve(const struct cvg_box *box,
                                   const struct cvg_question *question,
                                   struct cvg_plan *plan,
                                   struct cvg_error *err);

/* Bytes of `busy`, scratch that is all zero. */
size_t cvg__residency_size(const struct cvg_box *box);

/* Ranks (see cvg_allocation_ops.residency) what the plan has devices busy with,
 * then what it has them hold, then all else that they can run: memory that is
 * left over costs nothing. */
enum cvg_status cvg__residency_by(cvg__solve *solve, double *busy,
                                  const struct cvg_view *view, uint32_t *want,
                                  struct cvg_error *err);

#endif

/* A box as a problem of accuracy scaling, and its answer as a plan.
 *
 * Apps of one family are one query; devices that are alike are one type. */
#ifndef CVG_OPTIMIZE_ALLOCATION_BOX_H
#define CVG_OPTIMIZE_ALLOCATION_BOX_H

#include <convergo/allocate.h>

#include "optimize/allocation.h"

struct cvg__allocation_place { /* holds one variant */
    uint32_t device, type;
    uint32_t now, next; /* variants of the program; UINT32_MAX: nothing */
};

struct cvg__allocation_box {
    const struct cvg_box *box; /* borrowed, as is the question */
    const struct cvg_question *question;
    struct cvg__allocation a;
    struct cvg__allocation_place *places;
    uint32_t n_places;
    uint32_t *typical;               /* [type] the slowest device of it */
    uint32_t *variants;              /* of the program: the box's */
    uint32_t *batch;                 /* [type, variant] at peak rate */
    uint32_t query_of[CVG_MAX_APPS]; /* UINT32_MAX: it asks for nothing */
    uint32_t family[CVG_MAX_APPS];   /* [query] */
    bool is_bound[CVG_MAX_APPS];     /* by its SLO: that could be met */
    double rate_rps[CVG_MAX_APPS];   /* of apps; at least a few */
    double sigmas; /* by so many standard deviations demand is larger */
};

/* Demand is larger than usual by so many standard deviations of what comes in
 * half of a deadline. `hosts` are those that are held now. NULL: no memory. */
struct cvg__allocation_box *cvg__allocation_box_create(
    const struct cvg_box *box, const struct cvg_question *question,
    double sigmas);
void cvg__allocation_box_free(struct cvg__allocation_box *s);
/* Adds to an empty plan what `a.hosts` serve; `a.now` is lost. CVG_LIMIT: more
 * flows than a plan has. */
enum cvg_status cvg__allocation_box_plan(struct cvg__allocation_box *s,
                                         struct cvg_plan *out,
                                         struct cvg_error *err);

#endif

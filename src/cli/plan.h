/* convergo plan: what was found out, and its two forms. */
#ifndef CVG_CLI_PLAN_H
#define CVG_CLI_PLAN_H

#include "optimize/forecast.h"
#include <jansson.h>
#include <stdio.h>

struct cvg__planned {
    const struct cvg_box *box;           /* borrowed */
    const struct cvg_workload *workload; /* borrowed */
    enum cvg_predict_model model;
    struct cvg_pieces pieces;
    struct cvg_outlook *outlooks; /* [pieces.n] */
    size_t worst;                 /* piece */
    struct cvg_forecast forecast; /* of the worst piece */
    bool has_peak;                /* streams with states */
    struct cvg_outlook peak; /* of the worst piece, all in their worst state */
    /* Of the whole workload. */
    bool fits;
    double joint, joint_weighted; /* negative: nobody asks for anything */
};

/* Fits, but some answers are predicted to be late (p95 over the deadline). */
bool cvg__planned_is_tight(const struct cvg__planned *p);
/* "fits", "tight", "does not fit" */
const char *cvg__planned_verdict(const struct cvg__planned *p);
/* 1 - p95 / deadline of an app of the worst piece; false: there is none. */
bool cvg__planned_margin(const struct cvg__planned *p, uint32_t app,
                         double *out);

/* Owned by the caller. */
json_t *cvg__plan_json(const struct cvg__planned *p);
void cvg__plan_words(FILE *out, const struct cvg__planned *p);

/* What a reader must know of the workload, one sentence each; NULL: no more. */
const char *cvg__plan_note(const struct cvg__planned *p, size_t i);

#endif

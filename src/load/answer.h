/* What a reply to an infer request says. */
#ifndef CVG_LOAD_ANSWER_H
#define CVG_LOAD_ANSWER_H

#include "load/http.h"
#include <convergo/request.h>

struct cvg__answer {
    enum cvg_outcome outcome;
    enum cvg_reason reason; /* of one that was not served */
    char error[300];        /* the same, in the server's words */
    /* of a served one: */
    char variant[129];
    uint32_t exit;
    double accuracy, energy_j;
    cvg_span queued; /* negative: not said */
    int64_t best;    /* arg-max of the first output; -1: cannot tell */
};

/* 429: rejected; 503 and 504: dropped (503 of a draining server: rejected);
 * 200 with what we need: served; everything else: failed. */
void cvg__answer_read(const struct cvg__http *reply, struct cvg__answer *out);

#endif

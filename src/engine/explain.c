/* What is remembered of requests: why each got what it got. */
#include "engine/state.h"

#include <math.h>

static struct cvg_explanation explanation_of(const struct cvg_engine *e,
                                             const struct slot *s)
{
    bool started = s->variant != CVG_ANY;
    return (struct cvg_explanation){
        .request = s->request,
        .variant = s->variant,
        .exit = s->exit,
        .unit = s->unit,
        .device = started ? e->units[s->unit].device : CVG_ANY,
        .batch_size = s->batch_size,
        .attempts = s->attempts,
        .waiting = s->waiting,
        .started = s->started,
        .predicted = s->predicted,
        .finished = CVG_NEVER,
        .binding = s->binding,
        .accuracy =
            started ? e->box->variants[s->variant].accuracy[s->exit] : 0,
    };
}

void cvg__remember(struct cvg_engine *e, const struct slot *s,
                   enum cvg_outcome outcome, enum cvg_reason reason,
                   double energy_j)
{
    struct ended *r = &e->ended[e->ended_count++ % e->max_ended];
    if (r->id != 0 && cvg_id_map_get(&e->ended_by_id, r->id) == r) {
        cvg_id_map_remove(&e->ended_by_id, r->id); /* the oldest goes */
    }
    cvg_id_map_remove(&e->ended_by_id, s->request.id); /* an id used again */
    r->id = s->request.id;
    r->why = explanation_of(e, s);
    r->why.ended = true;
    r->why.outcome = outcome;
    r->why.reason = reason;
    r->why.finished = e->now;
    r->why.energy_j = energy_j;
    cvg_id_map_put(&e->ended_by_id, r->id, r);
}

enum cvg_status cvg_engine_explain(const struct cvg_engine *e, uint64_t request,
                                   struct cvg_explanation *out)
{
    const struct slot *live = cvg_id_map_get(&e->by_id, request);
    if (live != NULL) {
        *out = explanation_of(e, live);
        return CVG_OK;
    }
    const struct ended *ended = cvg_id_map_get(&e->ended_by_id, request);
    if (ended == NULL) {
        return CVG_NOTFOUND;
    }
    *out = ended->why;
    return CVG_OK;
}

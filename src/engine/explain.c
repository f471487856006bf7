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
    uint32_t place = (uint32_t)(e->ended_count++ % e->max_ended);
    struct ended *r = &e->ended[place];
    r->id = s->request.id;
    r->why = explanation_of(e, s);
    r->why.ended = true;
    r->why.outcome = outcome;
    r->why.reason = reason;
    r->why.finished = e->now;
    r->why.energy_j = energy_j;
    e->ended_table[s->request.id & e->ended_mask] = place;
}

enum cvg_status cvg_engine_explain(const struct cvg_engine *e, uint64_t request,
                                   struct cvg_explanation *out)
{
    uint32_t slot = cvg__ids_find(e, request);
    if (slot != NONE) {
        *out = explanation_of(e, &e->slots[slot]);
        return CVG_OK;
    }
    uint32_t place = e->ended_table[request & e->ended_mask];
    if (request == 0 || place == NONE || e->ended[place].id != request) {
        return CVG_NOTFOUND;
    }
    *out = e->ended[place].why;
    return CVG_OK;
}

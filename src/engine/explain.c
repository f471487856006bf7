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
    struct cvg_explanation *why = &e->ended[place];
    e->ended_ids[place] = s->request.id;
    *why = explanation_of(e, s);
    why->ended = true;
    why->outcome = outcome;
    why->reason = reason;
    why->finished = e->now;
    why->energy_j = energy_j;
    why->request.conditions = NULL; /* their owner may do without them now */
}

/* The newest one of that id; NULL: none is remembered. */
static const struct cvg_explanation *find_ended(const struct cvg_engine *e,
                                                uint64_t request)
{
    uint64_t n = e->ended_count < e->max_ended ? e->ended_count : e->max_ended;
    for (uint64_t i = 1; i <= n; i++) {
        uint64_t place = (e->ended_count - i) % e->max_ended;
        if (e->ended_ids[place] == request) {
            return &e->ended[place];
        }
    }
    return NULL;
}

enum cvg_status cvg_engine_explain(const struct cvg_engine *e, uint64_t request,
                                   struct cvg_explanation *out)
{
    const struct slot *live = cvg_id_map_get(&e->by_id, request);
    if (live != NULL) {
        *out = explanation_of(e, live);
        return CVG_OK;
    }
    const struct cvg_explanation *ended = find_ended(e, request);
    if (ended == NULL) {
        return CVG_NOTFOUND;
    }
    *out = *ended;
    return CVG_OK;
}

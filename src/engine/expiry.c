/* When waiting requests are given up: a binary heap by (drop_at, id) that
 * knows each one's place, so that any of them can leave in O(log n). */
#include "engine/state.h"

static bool earlier(const struct cvg_engine *e, uint32_t a, uint32_t b)
{
    const struct slot *x = &e->slots[a];
    const struct slot *y = &e->slots[b];
    return x->drop_at != y->drop_at ? x->drop_at < y->drop_at
                                    : x->request.id < y->request.id;
}

static void put(struct cvg_engine *e, uint32_t place, uint32_t slot)
{
    e->heap[place] = slot;
    e->slots[slot].heap_place = place;
}

static void sift_up(struct cvg_engine *e, uint32_t place)
{
    uint32_t slot = e->heap[place];
    while (place > 0 && earlier(e, slot, e->heap[(place - 1) / 2])) {
        put(e, place, e->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(e, place, slot);
}

static void sift_down(struct cvg_engine *e, uint32_t place)
{
    uint32_t slot = e->heap[place];
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= e->n_heap) {
            break;
        }
        if (child + 1 < e->n_heap &&
            earlier(e, e->heap[child + 1], e->heap[child])) {
            child++;
        }
        if (!earlier(e, e->heap[child], slot)) {
            break;
        }
        put(e, place, e->heap[child]);
        place = child;
    }
    put(e, place, slot);
}

void cvg__expiry_insert(struct cvg_engine *e, uint32_t slot)
{
    if (e->slots[slot].drop_at == CVG_NEVER) {
        e->slots[slot].heap_place = NONE;
        return;
    }
    e->n_heap++;
    put(e, e->n_heap - 1, slot);
    sift_up(e, e->n_heap - 1);
}

void cvg__expiry_remove(struct cvg_engine *e, uint32_t slot)
{
    uint32_t place = e->slots[slot].heap_place;
    if (place == NONE) {
        return;
    }
    e->slots[slot].heap_place = NONE;
    e->n_heap--;
    if (place == e->n_heap) {
        return;
    }
    put(e, place, e->heap[e->n_heap]);
    sift_down(e, place);
    sift_up(e, e->slots[e->heap[place]].heap_place);
}

void cvg__expiry_update(struct cvg_engine *e, uint32_t slot)
{
    cvg__expiry_remove(e, slot);
    cvg__expiry_insert(e, slot);
}

/* Lets one kind after the other give way until it can be met; false: never. */
static bool relax_until_feasible(struct cvg_engine *e, uint32_t slot)
{
    struct slot *s = &e->slots[slot];
    while (cvg__relax(e, s)) {
        s->drop_at = cvg__drop_at(e, s);
        if (s->drop_at >= e->now) {
            cvg__rekey(e, slot);
            return true;
        }
    }
    return false;
}

/* Do so many wait that could go with it that they are a batch? Then it is a
 * matter of time. Looks at no more of them than a batch can ever be. */
static bool has_company(struct cvg_engine *e, uint32_t slot)
{
    const struct slot *s = &e->slots[slot];
    uint32_t needed = cvg__reach(e, &s->request)->smallest;
    uint32_t i = NONE;
    for (uint32_t k = 0; k < CVG_MAX_BATCH && needed > 0; k++) {
        i = cvg__queue_next(e, s->request.app, i, s->devices, 0);
        if (i == NONE) {
            return false;
        }
        needed -= e->slots[i].request.variant == s->request.variant;
    }
    return needed == 0;
}

static void wait_on(struct cvg_engine *e, uint32_t slot)
{
    struct slot *s = &e->slots[slot];
    s->stranded = e->now;
    s->drop_at = cvg__drop_at(e, s);
    cvg__expiry_update(e, slot);
}

static void give_up(struct cvg_engine *e, uint32_t slot)
{
    struct slot *s = &e->slots[slot];
    bool in_reach = cvg__reach(e, &s->request)->up != CVG_NEVER;
    if (s->request.expires < e->now) {
        cvg__end_unserved(e, slot, CVG_OUTCOME_DROPPED, CVG_REASON_TIMEOUT);
    } else if (in_reach && cvg__late_is_fine(e, s) && has_company(e, slot)) {
        wait_on(e, slot);
    } else if (in_reach ? cvg__late_is_fine(e, s)
                        : !cvg__relaxing_helps(e, s)) {
        cvg__end_unserved(e, slot, CVG_OUTCOME_DROPPED, CVG_REASON_UNAVAILABLE);
    } else if (!relax_until_feasible(e, slot)) {
        cvg__end_unserved(e, slot, CVG_OUTCOME_DROPPED, CVG_REASON_DEADLINE);
    }
}

void cvg__expire(struct cvg_engine *e)
{
    uint32_t n = 0;
    e->drops_again = CVG_NEVER;
    while (e->n_heap > 0 && e->slots[e->heap[0]].drop_at < e->now) {
        if (n++ == e->drops_per_step) {
            e->drops_again = e->now;
            return;
        }
        if (e->slots[e->heap[0]].state == SLOT_PAUSED) {
            cvg__expire_paused(e, e->heap[0]);
        } else {
            give_up(e, e->heap[0]);
        }
    }
}

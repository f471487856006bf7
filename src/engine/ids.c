/* Live requests by id: open addressing with linear probing, never more than
 * half full; removal moves later ones back, so there are no tombstones. */
#include "engine/state.h"

static uint32_t home(const struct cvg_engine *e, uint64_t id)
{
    return (uint32_t)((id * 0x9e3779b97f4a7c15U) >> 32) & e->id_mask;
}

void cvg__ids_insert(struct cvg_engine *e, uint32_t slot)
{
    uint32_t k = home(e, e->slots[slot].request.id);
    while (e->id_table[k] != NONE) {
        k = (k + 1) & e->id_mask;
    }
    e->id_table[k] = slot;
}

static uint32_t place_of(const struct cvg_engine *e, uint64_t id)
{
    uint32_t k = home(e, id);
    while (e->id_table[k] != NONE) {
        if (e->slots[e->id_table[k]].request.id == id) {
            return k;
        }
        k = (k + 1) & e->id_mask;
    }
    return NONE;
}

uint32_t cvg__ids_find(const struct cvg_engine *e, uint64_t id)
{
    uint32_t k = place_of(e, id);
    return k == NONE ? NONE : e->id_table[k];
}

void cvg__ids_remove(struct cvg_engine *e, uint64_t id)
{
    uint32_t hole = place_of(e, id);
    if (hole == NONE) {
        return;
    }
    uint32_t k = hole;
    for (;;) {
        k = (k + 1) & e->id_mask;
        if (e->id_table[k] == NONE) {
            break;
        }
        uint32_t at = home(e, e->slots[e->id_table[k]].request.id);
        if (((k - at) & e->id_mask) >= ((k - hole) & e->id_mask)) {
            e->id_table[hole] = e->id_table[k];
            hole = k;
        }
    }
    e->id_table[hole] = NONE;
}

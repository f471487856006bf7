/* Numbers to pointers. */
#include "base/id_map.h"

#include <stdlib.h>

bool cvg_id_map_reserve(struct cvg_id_map *map, size_t more)
{
    size_t size = map->entries != NULL ? map->mask + 1 : 0;
    if ((map->n + more) * 2 <= size) {
        return true;
    }
    size_t bigger = size == 0 ? 16 : size;
    while ((map->n + more) * 2 > bigger) {
        bigger *= 2;
    }
    struct cvg_id_map old = *map;
    map->entries = calloc(bigger, sizeof *map->entries);
    if (map->entries == NULL) {
        *map = old;
        return false;
    }
    map->mask = bigger - 1;
    map->n = 0;
    for (size_t i = 0; i < size; i++) {
        if (old.entries[i].id != 0) {
            cvg_id_map_put(map, old.entries[i].id, old.entries[i].value);
        }
    }
    free(old.entries);
    return true;
}

void cvg_id_map_fini(struct cvg_id_map *map)
{
    free(map->entries);
    *map = (struct cvg_id_map){0};
}

/* Spread, although numbers are mostly given in sequence: a run of neighbours
 * would have to be walked to its end whenever one of them is removed. */
static size_t home_of(const struct cvg_id_map *map, uint64_t id)
{
    return (size_t)((id * 0x9e3779b97f4a7c15U) >> 32) & map->mask;
}

/* Where `id` stands, or the empty place where it would. */
static size_t place_of(const struct cvg_id_map *map, uint64_t id)
{
    size_t at = home_of(map, id);
    while (map->entries[at].id != 0 && map->entries[at].id != id) {
        at = (at + 1) & map->mask;
    }
    return at;
}

void cvg_id_map_put(struct cvg_id_map *map, uint64_t id, void *value)
{
    map->entries[place_of(map, id)] =
        (struct cvg_id_entry){.id = id, .value = value};
    map->n++;
}

void *cvg_id_map_get(const struct cvg_id_map *map, uint64_t id)
{
    if (map->entries == NULL || id == 0) {
        return NULL;
    }
    return map->entries[place_of(map, id)].value;
}

void cvg_id_map_remove(struct cvg_id_map *map, uint64_t id)
{
    if (cvg_id_map_get(map, id) == NULL) {
        return;
    }
    size_t hole = place_of(map, id);
    size_t at = hole;
    for (;;) {
        at = (at + 1) & map->mask;
        if (map->entries[at].id == 0) {
            break;
        }
        /* What may stand in the hole as well moves into it. */
        size_t home = home_of(map, map->entries[at].id);
        if (((at - home) & map->mask) >= ((at - hole) & map->mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole] = (struct cvg_id_entry){0};
    map->n--;
}

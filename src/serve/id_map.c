/* Request numbers to pointers: see id_map.h. */
#include "serve/id_map.h"

#include <stdlib.h>

bool cvg__id_map_reserve(struct cvg__id_map *map, size_t more)
{
    size_t size = map->entries != NULL ? map->mask + 1 : 0;
    if ((map->n + more) * 2 <= size) {
        return true;
    }
    size_t bigger = size == 0 ? 1024 : size;
    while ((map->n + more) * 2 > bigger) {
        bigger *= 2;
    }
    struct cvg__id_map old = *map;
    map->entries = calloc(bigger, sizeof *map->entries);
    if (map->entries == NULL) {
        *map = old;
        return false;
    }
    map->mask = bigger - 1;
    map->n = 0;
    for (size_t i = 0; i < size; i++) {
        if (old.entries[i].id != 0) {
            cvg__id_map_put(map, old.entries[i].id, old.entries[i].value);
        }
    }
    free(old.entries);
    return true;
}

void cvg__id_map_fini(struct cvg__id_map *map)
{
    free(map->entries);
    *map = (struct cvg__id_map){0};
}

/* Where `id` stands, or the empty place where it would. */
static size_t place(const struct cvg__id_map *map, uint64_t id)
{
    size_t at = (size_t)id & map->mask;
    while (map->entries[at].id != 0 && map->entries[at].id != id) {
        at = (at + 1) & map->mask;
    }
    return at;
}

void cvg__id_map_put(struct cvg__id_map *map, uint64_t id, void *value)
{
    map->entries[place(map, id)] =
        (struct cvg__id_entry){.id = id, .value = value};
    map->n++;
}

void *cvg__id_map_get(const struct cvg__id_map *map, uint64_t id)
{
    if (map->entries == NULL || id == 0) {
        return NULL;
    }
    return map->entries[place(map, id)].value;
}

void cvg__id_map_remove(struct cvg__id_map *map, uint64_t id)
{
    if (cvg__id_map_get(map, id) == NULL) {
        return;
    }
    size_t hole = place(map, id);
    map->n--;
    for (size_t at = hole;;) {
        map->entries[hole] = (struct cvg__id_entry){0};
        /* The next entry that may not stand behind the hole moves into it. */
        for (;;) {
            at = (at + 1) & map->mask;
            if (map->entries[at].id == 0) {
                return;
            }
            size_t home = (size_t)map->entries[at].id & map->mask;
            if (((at - home) & map->mask) >= ((at - hole) & map->mask)) {
                break;
            }
        }
        map->entries[hole] = map->entries[at];
        hole = at;
    }
}

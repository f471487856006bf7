/* From the number of a live request to a pointer. Numbers are given in
 * sequence, so that the number itself is a good hash; open addressing, entries
 * moved back on removal, never more than half full. */
#ifndef CVG_SERVE_ID_MAP_H
#define CVG_SERVE_ID_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cvg__id_map {
    struct cvg__id_entry {
        uint64_t id; /* 0: empty */
        void *value;
    } * entries;
    size_t mask, n;
};

/* Room for one more; false: no memory. */
bool cvg__id_map_reserve(struct cvg__id_map *map, size_t more);
void cvg__id_map_fini(struct cvg__id_map *map);
/* `id` is not 0 and not there yet; room was reserved. */
void cvg__id_map_put(struct cvg__id_map *map, uint64_t id, void *value);
void *cvg__id_map_get(const struct cvg__id_map *map, uint64_t id); /* or NULL */
void cvg__id_map_remove(struct cvg__id_map *map, uint64_t id);

#endif

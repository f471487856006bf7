/* From the number of a request to a pointer.
 *
 * Open addressing with linear probing, never more than half full; on removal
 * later entries move back, so there are no tombstones. O(1). */
#ifndef CVG_BASE_ID_MAP_H
#define CVG_BASE_ID_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cvg_id_map { /* zeroed: empty */
    struct cvg_id_entry {
        uint64_t id; /* 0: no entry */
        void *value;
    } * entries;
    size_t mask, n;
};

/* Makes room for `more` entries beside those that are there; the only call
 * that allocates. False: no memory, and the map is as before. */
bool cvg_id_map_reserve(struct cvg_id_map *map, size_t more);
void cvg_id_map_fini(struct cvg_id_map *map);

/* `id` is not 0 and not there yet; room was reserved. */
void cvg_id_map_put(struct cvg_id_map *map, uint64_t id, void *value);
void *cvg_id_map_get(const struct cvg_id_map *map, uint64_t id); /* or NULL */
void cvg_id_map_remove(struct cvg_id_map *map, uint64_t id);

#endif

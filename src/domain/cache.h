/* What one unit's on-chip cache holds (DESIGN.md section 4, Switching).
 *
 * A unit keeps the weights of whole variants; running one that is not there
 * costs a switch and puts the least recently used ones out. A variant larger
 * than the cache fills it: it stays, all others go. A device without `cache`
 * remembers just the last variant, so that every change is a switch.
 *
 * Pure and of fixed size. The device model uses it to decide what a batch
 * costs, the engine keeps a mirror to predict the same. Uses happen in the
 * order in which batches begin to run. */
#ifndef CVG_DOMAIN_CACHE_H
#define CVG_DOMAIN_CACHE_H

#include <convergo/box.h>

/* Variants tracked at most; beyond that the least recently used one goes, as
 * if the cache were full. */
#define CVG_UNIT_CACHE_MAX 64U

struct cvg_unit_cache {
    const struct cvg_box *box; /* borrowed */
    uint32_t device;
    uint32_t n;
    uint64_t used;                         /* bytes */
    uint32_t variants[CVG_UNIT_CACHE_MAX]; /* the last used one first */
};

/* An empty cache of a unit of `device`. */
void cvg_unit_cache_init(struct cvg_unit_cache *cache,
                         const struct cvg_box *box, uint32_t device);
void cvg_unit_cache_clear(struct cvg_unit_cache *cache);

bool cvg_unit_cache_has(const struct cvg_unit_cache *cache, uint32_t variant);

/* What running `variant` next would cost: 0 if it is there. */
cvg_span cvg_unit_cache_switch(const struct cvg_unit_cache *cache,
                               uint32_t variant);

/* Runs `variant`: it becomes the last used one. Returns the switch time. */
cvg_span cvg_unit_cache_use(struct cvg_unit_cache *cache, uint32_t variant);

/* Initial content, free of charge: call with the most important variant first.
 * False: it does not fit beside the ones before, which are left as they are. */
bool cvg_unit_cache_preset(struct cvg_unit_cache *cache, uint32_t variant);

#endif

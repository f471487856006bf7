/* A unit's cache of whole variants, least recently used out first.
 *
 * A list of at most 64, newest first: caches hold a handful of variants, so a
 * scan beats any index. */
#include "domain/cache.h"

#include <string.h>

void cvg_unit_cache_init(struct cvg_unit_cache *cache,
                         const struct cvg_box *box, uint32_t device)
{
    cache->box = box;
    cache->device = device;
    cvg_unit_cache_clear(cache);
}

void cvg_unit_cache_clear(struct cvg_unit_cache *cache)
{
    cache->n = 0;
    cache->used = 0;
}

/* Without a cache there is room for one variant, whatever its size. */
static bool is_plain(const struct cvg_unit_cache *cache)
{
    const struct cvg_device *device = &cache->box->devices[cache->device];
    return !device->has_cache || device->cache_bytes == 0;
}

static uint64_t capacity(const struct cvg_unit_cache *cache)
{
    return is_plain(cache) ? 1 : cache->box->devices[cache->device].cache_bytes;
}

static uint64_t need(const struct cvg_unit_cache *cache, uint32_t variant)
{
    return is_plain(cache)
               ? 1
               : cvg_box_cache_need(cache->box, cache->device, variant);
}

/* Its place in the list, n if it is not there. */
static uint32_t find(const struct cvg_unit_cache *cache, uint32_t variant)
{
    uint32_t k = 0;
    while (k < cache->n && cache->variants[k] != variant) {
        k++;
    }
    return k;
}

bool cvg_unit_cache_has(const struct cvg_unit_cache *cache, uint32_t variant)
{
    return find(cache, variant) < cache->n;
}

cvg_span cvg_unit_cache_switch(const struct cvg_unit_cache *cache,
                               uint32_t variant)
{
    return cvg_unit_cache_has(cache, variant)
               ? 0
               : cvg_box_switch_time(cache->box, cache->device, variant);
}

static bool fits(const struct cvg_unit_cache *cache, uint32_t variant)
{
    return cache->n < CVG_UNIT_CACHE_MAX &&
           need(cache, variant) <= capacity(cache) - cache->used;
}

static void make_room(struct cvg_unit_cache *cache, uint32_t variant)
{
    while (cache->n > 0 && !fits(cache, variant)) {
        cache->n--;
        cache->used -= need(cache, cache->variants[cache->n]);
    }
}

/* Moves the first k entries one place down and puts `variant` in front. */
static void put_first(struct cvg_unit_cache *cache, uint32_t k,
                      uint32_t variant)
{
    memmove(&cache->variants[1], &cache->variants[0],
            k * sizeof cache->variants[0]);
    cache->variants[0] = variant;
}

cvg_span cvg_unit_cache_use(struct cvg_unit_cache *cache, uint32_t variant)
{
    uint32_t k = find(cache, variant);
    if (k < cache->n) {
        put_first(cache, k, variant);
        return 0;
    }
    make_room(cache, variant);
    put_first(cache, cache->n, variant);
    cache->n++;
    cache->used += need(cache, variant);
    return cvg_box_switch_time(cache->box, cache->device, variant);
}

bool cvg_unit_cache_preset(struct cvg_unit_cache *cache, uint32_t variant)
{
    if (cvg_unit_cache_has(cache, variant)) {
        return true;
    }
    if (!fits(cache, variant)) {
        return false;
    }
    cache->variants[cache->n++] = variant;
    cache->used += need(cache, variant);
    return true;
}

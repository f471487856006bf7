/* Where variants can be kept. */
#include "optimize/places.h"

#include <stdlib.h>

/* Sums of sizes stay at the end of what can be counted. */
static uint64_t sum(uint64_t a, uint64_t b)
{
    return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

static void add(struct cvg__places *p, uint32_t device, double units,
                bool choosy)
{
    struct cvg__place *place = &p->items[p->n];
    *place =
        (struct cvg__place){.device = device, .units = units, .choosy = choosy};
    if (choosy) {
        place->kept = &p->memory[p->n * p->box->n_variants];
    }
    p->n++;
}

bool cvg__places_init(struct cvg__places *p, const struct cvg_box *box)
{
    size_t most = box->n_devices + cvg_box_units(box);
    *p = (struct cvg__places){.box = box};
    p->items = calloc(most + 1, sizeof *p->items);
    p->memory = calloc(most * box->n_variants + 1, sizeof *p->memory);
    if (p->items == NULL || p->memory == NULL) {
        cvg__places_fini(p);
        return false;
    }
    for (uint32_t d = 0; d < box->n_devices; d++) {
        const struct cvg_device *device = &box->devices[d];
        if (device->has_switch) {
            for (uint32_t u = 0; u < device->units; u++) {
                add(p, d, 1, true);
            }
        } else {
            add(p, d, device->units, !cvg_box_device_holds_all(box, d));
        }
    }
    return true;
}

void cvg__places_fini(struct cvg__places *p)
{
    free(p->items);
    free(p->memory);
    *p = (struct cvg__places){0};
}

bool cvg__place_fits(const struct cvg__places *p,
                     const struct cvg__place *place, uint32_t variant)
{
    const struct cvg_box *box = p->box;
    const struct cvg_device *d = &box->devices[place->device];
    uint64_t bytes = 0;
    uint32_t n = 0;
    if (!cvg_box_can_run(box, place->device, variant)) {
        return false;
    }
    for (uint32_t v = 0; v < box->n_variants; v++) {
        if (place->kept[v] || v == variant) {
            bytes = sum(bytes, d->has_switch
                                   ? cvg_box_cache_need(box, place->device, v)
                                   : box->variants[v].memory_bytes);
            n++;
        }
    }
    if (n == 1) {
        return true; /* one larger than the cache fills it */
    }
    return d->has_switch ? d->has_cache && bytes <= d->cache_bytes
                         : n <= d->resident && bytes <= d->memory_bytes;
}

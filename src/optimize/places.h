/* Where variants can be kept: the units of devices that pay for changing the
 * variant, and devices that do not hold all that could run on them. All others
 * run anything at any time. */
#ifndef CVG_OPTIMIZE_PLACES_H
#define CVG_OPTIMIZE_PLACES_H

#include <convergo/box.h>

struct cvg__place { /* units that keep the same */
    uint32_t device;
    double units; /* whose time it has */
    bool choosy;  /* not everything is kept there */
    bool *kept;   /* [n_variants]; choosy */
};

struct cvg__places {
    const struct cvg_box *box; /* borrowed */
    struct cvg__place *items;  /* by device */
    size_t n;
    bool *memory;
};

/* All that is not choosy; nothing is kept in the others. False: no memory. */
bool cvg__places_init(struct cvg__places *places, const struct cvg_box *box);
void cvg__places_fini(struct cvg__places *places);

/* Does the place have room for the variant beside what it keeps? */
bool cvg__place_fits(const struct cvg__places *places,
                     const struct cvg__place *place, uint32_t variant);

static inline bool cvg__place_runs(const struct cvg__place *place,
                                   uint32_t variant)
{
    return !place->choosy || place->kept[variant];
}

#endif

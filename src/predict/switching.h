/* Switching between the variants of a unit. */
#ifndef CVG_PREDICT_SWITCHING_H
#define CVG_PREDICT_SWITCHING_H

#include <stdbool.h>
#include <stddef.h>

/* Up to here chances and waits are exact; beyond, each change of variant is
 * taken for a switch. */
#define CVG__MAX_MODELS 8U

struct cvg__model { /* a variant as the unit sees it */
    double share;   /* of the batches */
    double need;    /* of the cache, 0..1 */
    double switch_s;
    double mean_s, square_s2; /* of a batch, without the switch */
    double switch_chance;
    /* E[exp(-theta x)] of the time x of a batch. */
    double (*transform)(const void *context, size_t model, double theta);
    const void *context;
};

/* Sets switch_chance: that the variant is not in the cache when it is to run,
 * when each batch draws its variant by itself and the least recently used ones
 * give way. In the cache are those that were used last and fit into it
 * together, so that is a sum over the orders of last use. */
void cvg__switch_chances(struct cvg__model *models, size_t n);

/* Can the unit hold no two of them at a time? */
bool cvg__holds_one(const struct cvg__model *models, size_t n);

/* The mean wait before a unit that holds one variant, of Poisson arrivals at
 * `rate` in all: the queue M/SM/1, whose service depends on the variant and on
 * that of the batch before. Needs a load below 1 and n from 2 to
 * CVG__MAX_MODELS. Negative: the numbers are too extreme to tell. */
double cvg__switching_wait(const struct cvg__model *models, size_t n,
                           double rate);

#endif

/* Random numbers from named streams, the same on every machine.
 *
 * A stream is named by a seed and two numbers (device and batch, or app), so
 * that what one part draws never shifts what another sees. splitmix64 for the
 * name, xoshiro256** for the stream (Blackman and Vigna, 2018). */
#ifndef CVG_BASE_RNG_H
#define CVG_BASE_RNG_H

#include <stdint.h>

struct cvg_rng {
    uint64_t s[4];
};

void cvg_rng_init(struct cvg_rng *rng, uint64_t seed, uint64_t a, uint64_t b);
uint64_t cvg_rng_next(struct cvg_rng *rng);
double cvg_rng_uniform(struct cvg_rng *rng);     /* [0, 1) */
double cvg_rng_exponential(struct cvg_rng *rng); /* mean 1 */
double cvg_rng_normal(struct cvg_rng *rng);      /* mean 0, variance 1 */
/* Gamma of that shape (> 0) with mean 1 (Marsaglia and Tsang, 2000). */
double cvg_rng_gamma(struct cvg_rng *rng, double shape);

#endif

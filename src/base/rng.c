/* Named random streams. */
#include "base/rng.h"

#include <math.h>

static uint64_t splitmix64(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

void cvg_rng_init(struct cvg_rng *rng, uint64_t seed, uint64_t a, uint64_t b)
{
    /* Each part of the name passes through the mixer, so that (1, 2) and
     * (2, 1), or neighbouring batches, share nothing. */
    uint64_t x = seed;
    x = splitmix64(&x) ^ a;
    x = splitmix64(&x) ^ b;
    for (int i = 0; i < 4; i++) {
        rng->s[i] = splitmix64(&x);
    }
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t cvg_rng_next(struct cvg_rng *rng)
{
    uint64_t *s = rng->s;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double cvg_rng_uniform(struct cvg_rng *rng)
{
    return (double)(cvg_rng_next(rng) >> 11) * 0x1.0p-53;
}

double cvg_rng_exponential(struct cvg_rng *rng)
{
    return -log1p(-cvg_rng_uniform(rng));
}

double cvg_rng_normal(struct cvg_rng *rng)
{
    /* Polar method; the second value is thrown away so that the stream has no
     * hidden state. */
    for (;;) {
        double x = 2 * cvg_rng_uniform(rng) - 1;
        double y = 2 * cvg_rng_uniform(rng) - 1;
        double r = x * x + y * y;
        if (r > 0 && r < 1) {
            return x * sqrt(-2 * log(r) / r);
        }
    }
}

double cvg_rng_gamma(struct cvg_rng *rng, double shape)
{
    /* Below 1 the method needs the boost gamma(a) = gamma(a + 1) u^(1/a). */
    double a = shape < 1 ? shape + 1 : shape;
    double d = a - 1.0 / 3;
    double c = 1 / sqrt(9 * d);
    double v;
    for (;;) {
        double x = cvg_rng_normal(rng);
        v = 1 + c * x;
        if (v <= 0) {
            continue;
        }
        v = v * v * v;
        double u = cvg_rng_uniform(rng);
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v)) {
            break;
        }
    }
    double g = d * v;
    if (shape < 1) {
        g *= pow(cvg_rng_uniform(rng), 1 / shape);
    }
    return g / shape;
}

/* Log-linear histogram: each power of two is cut into 128 equal buckets, so a
 * bucket is at most 1/128 of its value wide. */
#include "base/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SUB_BITS 7
#define SUB (1 << SUB_BITS)
#define BUCKETS ((63 - SUB_BITS) * SUB + SUB) /* of all spans */

struct cvg_histogram {
    uint64_t count;
    double sum;
    int64_t max;
    uint32_t buckets[BUCKETS];
};

struct cvg_histogram *cvg_histogram_create(void)
{
    return calloc(1, sizeof(struct cvg_histogram));
}

void cvg_histogram_destroy(struct cvg_histogram *h)
{
    free(h);
}

static int bucket_of(int64_t ns)
{
    uint64_t x = (uint64_t)ns;
    if (x < SUB) {
        return (int)x;
    }
    int top = 63 - __builtin_clzll(x);
    int shift = top - SUB_BITS;
    return (shift + 1) * SUB + (int)((x >> shift) & (SUB - 1));
}

/* The largest value that falls into the bucket. */
static int64_t bucket_end(int bucket)
{
    if (bucket < SUB) {
        return bucket;
    }
    int shift = bucket / SUB - 1;
    return (int64_t)(((uint64_t)(SUB + bucket % SUB + 1) << shift) - 1);
}

void cvg_histogram_add(struct cvg_histogram *h, int64_t ns)
{
    if (ns < 0) {
        ns = 0;
    }
    h->buckets[bucket_of(ns)]++;
    h->count++;
    h->sum += (double)ns;
    if (ns > h->max) {
        h->max = ns;
    }
}

void cvg_histogram_merge(struct cvg_histogram *into,
                         const struct cvg_histogram *from)
{
    for (int i = 0; i < BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
    into->count += from->count;
    into->sum += from->sum;
    if (from->max > into->max) {
        into->max = from->max;
    }
}

void cvg_histogram_clear(struct cvg_histogram *h)
{
    memset(h, 0, sizeof *h);
}

uint64_t cvg_histogram_count(const struct cvg_histogram *h)
{
    return h->count;
}

double cvg_histogram_mean(const struct cvg_histogram *h)
{
    return h->count == 0 ? 0 : h->sum / (double)h->count;
}

double cvg_histogram_sum(const struct cvg_histogram *h)
{
    return h->sum;
}

int64_t cvg_histogram_max(const struct cvg_histogram *h)
{
    return h->max;
}

int64_t cvg_histogram_quantile(const struct cvg_histogram *h, double q)
{
    if (h->count == 0) {
        return 0;
    }
    uint64_t rank = (uint64_t)ceil(q * (double)h->count);
    if (rank == 0) {
        rank = 1;
    }
    uint64_t seen = 0;
    for (int i = 0; i < BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank) {
            int64_t end = bucket_end(i);
            return end < h->max ? end : h->max;
        }
    }
    return h->max;
}

uint64_t cvg_histogram_below(const struct cvg_histogram *h, int64_t ns)
{
    uint64_t seen = 0;
    int last = ns < 0 ? -1 : bucket_of(ns);
    for (int i = 0; i <= last; i++) {
        seen += h->buckets[i];
    }
    return seen;
}

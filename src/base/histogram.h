/* Histogram of spans, ns, with buckets at most 1 % wide: percentiles of any
 * number of samples in fixed memory. Adding is O(1) and allocates nothing. */
#ifndef CVG_BASE_HISTOGRAM_H
#define CVG_BASE_HISTOGRAM_H

#include <stdint.h>

struct cvg_histogram;

struct cvg_histogram *cvg_histogram_create(void); /* owned; NULL: no memory */
void cvg_histogram_destroy(struct cvg_histogram *h);
void cvg_histogram_add(struct cvg_histogram *h,
                       int64_t ns); /* < 0 counts as 0 */
void cvg_histogram_merge(struct cvg_histogram *into,
                         const struct cvg_histogram *from);
void cvg_histogram_clear(struct cvg_histogram *h);
uint64_t cvg_histogram_count(const struct cvg_histogram *h);
double cvg_histogram_mean(const struct cvg_histogram *h); /* exact; 0: empty */
double cvg_histogram_sum(const struct cvg_histogram *h);
int64_t cvg_histogram_max(const struct cvg_histogram *h); /* exact */
/* q in [0, 1]; the upper end of the bucket, never above the maximum. */
int64_t cvg_histogram_quantile(const struct cvg_histogram *h, double q);
/* Samples <= ns (to the width of a bucket): for Prometheus' cumulative form. */
uint64_t cvg_histogram_below(const struct cvg_histogram *h, int64_t ns);

#endif

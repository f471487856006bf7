/* What was measured: time and energy of (variant, exit, device, batch)
 * (profiling by batch size as in Clipper, Crankshaw et al., NSDI 2017).
 *
 * A stage's figures are those of that stage alone; a run of stages first..last
 * costs their sum. Between the smallest and the largest measured batch every
 * whole size can run, interpolated linearly; outside nothing runs. */
#ifndef CONVERGO_PROFILE_H
#define CONVERGO_PROFILE_H

#include <convergo/status.h>
#include <convergo/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cvg_profile; /* opaque: [variant][exit][device] -> points */

struct cvg_profile_point {  /* one row of profile.csv, of the whole batch */
    uint32_t batch;         /* 1..CVG_MAX_BATCH */
    cvg_span mean;          /* > 0 */
    cvg_span p50, p95, p99; /* all equal: deterministic */
    double energy_j;        /* >= 0 */
};

/* *out is owned by the caller: cvg_profile_destroy(). */
enum cvg_status cvg_profile_create(size_t n_variants, size_t n_devices,
                                   struct cvg_profile **out,
                                   struct cvg_error *err);
void cvg_profile_destroy(struct cvg_profile *profile);

/* Adds one measured point; points of one (variant, exit, device) may come in
 * any order. CVG_INVALID: that batch size is there already. */
enum cvg_status cvg_profile_add(struct cvg_profile *profile, uint32_t variant,
                                uint32_t exit, uint32_t device,
                                const struct cvg_profile_point *point,
                                struct cvg_error *err);

/* switch_ms and load_ms of (variant, device). Negative switch: not given. */
void cvg_profile_set_switch(struct cvg_profile *profile, uint32_t variant,
                            uint32_t device, cvg_span time);
void cvg_profile_set_load(struct cvg_profile *profile, uint32_t variant,
                          uint32_t device, cvg_span time);
cvg_span cvg_profile_switch(const struct cvg_profile *profile, uint32_t variant,
                            uint32_t device);
cvg_span cvg_profile_load(const struct cvg_profile *profile, uint32_t variant,
                          uint32_t device);

/* Sorts and interpolates; call once after the last add, before any query. */
enum cvg_status cvg_profile_finish(struct cvg_profile *profile,
                                   struct cvg_error *err);

/* Smallest and largest batch that can run stages first..last of `variant` on
 * `device`; 0 if it cannot run there (or some stage was never measured). */
uint32_t cvg_profile_min_batch(const struct cvg_profile *profile,
                               uint32_t variant, uint32_t first, uint32_t last,
                               uint32_t device);
uint32_t cvg_profile_max_batch(const struct cvg_profile *profile,
                               uint32_t variant, uint32_t first, uint32_t last,
                               uint32_t device);

enum cvg_quantile { CVG_MEAN, CVG_P50, CVG_P95, CVG_P99 };

/* Time of a batch through stages first..last. The batch must lie between
 * min_batch and max_batch (assert). O(last - first + 1), no allocation. */
cvg_span cvg_profile_time(const struct cvg_profile *profile, uint32_t variant,
                          uint32_t first, uint32_t last, uint32_t device,
                          uint32_t batch, enum cvg_quantile quantile);

/* Energy of the whole batch, joules. */
double cvg_profile_energy(const struct cvg_profile *profile, uint32_t variant,
                          uint32_t first, uint32_t last, uint32_t device,
                          uint32_t batch);

/* The quantile function of one stage's time at `u` in [0, 1): through p50, p95
 * and p99, its lower end and its tail chosen so that the mean equals `mean`
 * (DESIGN.md section 4, Noise). */
cvg_span cvg_profile_draw(const struct cvg_profile *profile, uint32_t variant,
                          uint32_t exit, uint32_t device, uint32_t batch,
                          double u);

/* The probability that stages first..last of a batch, each drawn by itself,
 * together take at most `limit`. Of one stage it is exact; of several it may be
 * too high, by no more than a limit longer by a hundredth for each would give.
 */
double cvg_profile_within(const struct cvg_profile *profile, uint32_t variant,
                          uint32_t first, uint32_t last, uint32_t device,
                          uint32_t batch, cvg_span limit);

#endif

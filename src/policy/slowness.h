/* How much slower than profiled a device is: a normal variable that a scalar
 * Kalman filter tracks from observed / profiled times.
 *
 * Wan et al., ALERT: Accurate Learning for Energy and Timeliness, USENIX ATC
 * 2020. The noise of the process is less than the authors' 0.1, which is made
 * for a machine shared with others: with it a third of each deadline would be a
 * margin. */
#ifndef CVG_POLICY_SLOWNESS_H
#define CVG_POLICY_SLOWNESS_H

#include <convergo/policy.h>

struct cvg__slowness {
    double mean, variance, gain, process_noise;
};

/* Before anything was seen. */
struct cvg__slowness cvg__slowness_first(void);
/* A batch has ended that had the unit to itself. */
void cvg__slowness_observe(struct cvg__slowness *f, const struct cvg_view *view,
                           const struct cvg_unit *unit,
                           const struct cvg_held *batch, cvg_span run_time);

/* For exits parts: of every device, in their state. */
size_t cvg__slowness_size(const struct cvg_box *box);
/* Their hook `done`: counts batches that had the unit to themselves when they
 * began and when they ended; the times of others are not their own. */
void cvg__slowness_done(void *state, const struct cvg_view *view,
                        const struct cvg_unit *unit,
                        const struct cvg_held *batch, cvg_span run_time);
/* The probability that the stages up to that exit are done by the instant. */
double cvg__slowness_in_time(void *state, const struct cvg_view *view,
                             const struct cvg_at_exit *at, uint32_t exit,
                             cvg_time due);

#endif

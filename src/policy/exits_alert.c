/* Goes on where the answer of a later exit is worth more than the one it has:
 * its accuracy, times the probability that it comes in time. How slow a device
 * is, is a normal variable (slowness.h). With a bound of accuracy, the first
 * exit that reaches it: the least energy.
 *
 * Wan et al., ALERT, USENIX ATC 2020, the anytime form. The authors' networks
 * can be stopped at any time and fall back to the answer before; here a stage
 * runs to its end, so an answer that is late is worth nothing. */
#include "policy/exits.h"
#include "policy/slowness.h"

#include <math.h>

struct state {
    struct cvg__slowness of_device[CVG_MAX_DEVICES];
};

static size_t state_size(const struct cvg_box *box)
{
    (void)box;
    return sizeof(struct state);
}

static struct cvg__slowness *slowness_of(struct state *s, uint32_t device)
{
    struct cvg__slowness *f = &s->of_device[device];
    if (f->gain == 0) { /* zeroed: nothing was seen yet */
        *f = cvg__slowness_first();
    }
    return f;
}

/* That it is done with the stages up to that exit by then. */
static double probability(const struct cvg__slowness *f,
                          const struct cvg_view *view,
                          const struct cvg_at_exit *at, uint32_t exit,
                          cvg_time due)
{
    cvg_time finish = cvg__exits_finish(view, at, exit, CVG_MEAN);
    if (finish == CVG_NEVER || due == CVG_NEVER) {
        return finish == CVG_NEVER ? 0 : 1;
    }
    double profiled =
        (double)cvg_profile_time(view->profile, at->variant, at->exit + 1, exit,
                                 at->device, at->n, CVG_MEAN);
    double waits = (double)(finish - view->now) -
                   profiled * cvg_view_slowdown(view, at->device);
    double spare = (double)(due - view->now) - waits - profiled * f->mean;
    return erfc(-spare / (profiled * sqrt(2 * f->variance))) / 2;
}

static uint32_t next(void *state, const struct cvg_view *view,
                     const struct cvg_request *request,
                     const struct cvg_at_exit *at)
{
    const struct cvg_variant *v = &view->box->variants[at->variant];
    const struct cvg__slowness *f = slowness_of(state, at->device);
    if (!cvg__exits_good(request, at)) {
        return cvg__exits_first_good(NULL, view, request, at->variant);
    }
    if (cvg__exits_is_enough(view, request, at)) {
        return at->exit;
    }
    for (uint32_t exit = at->exit + 1; exit < v->n_exits; exit++) {
        double worth = v->accuracy[exit] *
                       probability(f, view, at, exit, cvg_request_due(request));
        if (worth > at->accuracy &&
            cvg__exits_energy(view, at, exit) <= request->max_energy_j) {
            return at->exit + 1;
        }
    }
    return at->exit;
}

/* Only of batches that had the unit to themselves when they began and when they
 * ended: the times of others are not their own. */
static void done(void *state, const struct cvg_view *view,
                 const struct cvg_unit *unit, const struct cvg_held *batch,
                 cvg_span run_time)
{
    bool shares =
        view->box->devices[unit->device].discipline == CVG_PROCESSOR_SHARING;
    bool alone = unit->n_held == 0 &&
                 batch->predicted - batch->started <= batch->work + CVG_US(1);
    if (!shares || alone) {
        cvg__slowness_observe(slowness_of(state, unit->device), view, unit,
                              batch, run_time);
    }
}

const struct cvg_exits_ops cvg_exits_alert = {.name = "alert",
                                              .state_size = state_size,
                                              .last = cvg__exits_first_good,
                                              .next = next,
                                              .done = done};

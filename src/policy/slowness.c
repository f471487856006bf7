/* The slowness of devices, tracked. */
#include "policy/slowness.h"

#include "policy/exits.h"

#include <math.h>

/* K(0), the measurement's noise R and the memory of the process noise are the
 * authors'. */
#define FIRST_GAIN 0.5
#define MEASUREMENT_NOISE 0.001
#define PROCESS_NOISE 1e-5
#define MEMORY 0.3

struct cvg__slowness cvg__slowness_first(void)
{
    return (struct cvg__slowness){.mean = 1,
                                  .variance = PROCESS_NOISE,
                                  .gain = FIRST_GAIN,
                                  .process_noise = PROCESS_NOISE};
}

static void take(struct cvg__slowness *f, double ratio)
{
    double error = ratio - f->mean;
    double surprise = f->gain * error;
    f->process_noise =
        fmax(PROCESS_NOISE,
             MEMORY * f->process_noise + (1 - MEMORY) * surprise * surprise);
    double prior = (1 - f->gain) * f->variance + f->process_noise;
    f->gain = prior / (prior + MEASUREMENT_NOISE);
    f->mean += f->gain * error;
    f->variance = prior;
}

void cvg__slowness_observe(struct cvg__slowness *f, const struct cvg_view *view,
                           const struct cvg_unit *unit,
                           const struct cvg_held *batch, cvg_span run_time)
{
    uint32_t d = unit->device;
    double profiled =
        (double)cvg_profile_time(view->profile, batch->variant, batch->first,
                                 batch->last, d, batch->n, CVG_MEAN);
    /* The work that the engine predicted tells whether there was a switch. */
    double change = (double)cvg_box_switch_time(view->box, d, batch->variant);
    double predicted = (double)batch->work / cvg_view_slowdown(view, d);
    if (predicted - profiled > change / 2) {
        profiled += change;
    }
    take(f, (double)run_time / profiled);
}

/* --- for exits parts ------------------------------------------------------- */

struct of_devices {
    struct cvg__slowness of_device[CVG_MAX_DEVICES];
};

size_t cvg__slowness_size(const struct cvg_box *box)
{
    (void)box;
    return sizeof(struct of_devices);
}

static struct cvg__slowness *slowness_of(void *state, uint32_t device)
{
    struct cvg__slowness *f = &((struct of_devices *)state)->of_device[device];
    if (f->gain == 0) { /* zeroed: nothing was seen yet */
        *f = cvg__slowness_first();
    }
    return f;
}

void cvg__slowness_done(void *state, const struct cvg_view *view,
                        const struct cvg_unit *unit,
                        const struct cvg_held *batch, cvg_span run_time)
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

double cvg__slowness_in_time(void *state, const struct cvg_view *view,
                             const struct cvg_at_exit *at, uint32_t exit,
                             cvg_time due)
{
    const struct cvg__slowness *f = slowness_of(state, at->device);
    cvg_time finish = cvg__exits_finish(view, at, exit, CVG_MEAN);
    if (finish == CVG_NEVER || due == CVG_NEVER) {
        return finish == CVG_NEVER ? 0 : 1;
    }
    double profiled = (double)cvg_profile_time(
        view->profile, at->variant, at->exit + 1, exit, at->device,
        cvg__exits_together(view, at, exit), CVG_MEAN);
    double waits = (double)(finish - view->now) -
                   profiled * cvg_view_slowdown(view, at->device);
    double spare = (double)(due - view->now) - waits - profiled * f->mean;
    return erfc(-spare / (profiled * sqrt(2 * f->variance))) / 2;
}

#include "policy/slowness.h"

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

/* How sure models are at their exits.
 *
 * Calibrated: of answers with confidence c a share of c is right, so the mean
 * over all requests is the accuracy of the exit. u ^ ((1 - accuracy) /
 * accuracy) has that mean for a u that is even in 0..1, and a request keeps its
 * u: what is easy at one exit is easy at the next. */
#include "sim/state.h"

#include "base/rng.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define STREAM 0x636f6e66U

bool cvg__confidence_init(struct cvg_sim *sim, size_t most_batches)
{
    bool several = false; /* exits, at which somebody may ask */
    for (size_t v = 0; v < sim->box->n_variants; v++) {
        several = several || sim->box->variants[v].n_exits > 1;
    }
    if (!several) {
        return true;
    }
    sim->n_answers = most_batches;
    sim->answers = calloc(most_batches + 1, sizeof *sim->answers);
    return sim->answers != NULL;
}

static struct cvg__sim_answers *find(struct cvg_sim *sim, uint64_t batch)
{
    for (size_t i = 0; i < sim->n_answers; i++) {
        if (sim->answers[i].batch == batch) {
            return &sim->answers[i];
        }
    }
    return NULL;
}

void cvg__confidence_draw(struct cvg_sim *sim, const struct cvg_start *start)
{
    if (sim->answers == NULL || !start->keep) {
        return;
    }
    struct cvg__sim_answers *a = find(sim, 0);
    assert(a != NULL); /* one for each batch inside units */
    double accuracy = sim->box->variants[start->variant].accuracy[start->last];
    a->batch = start->batch;
    a->device = start->device;
    a->n = start->n_requests;
    for (uint32_t i = 0; i < a->n; i++) {
        struct cvg_rng rng;
        cvg_rng_init(&rng, sim->options.seed, STREAM, start->requests[i]);
        double u = cvg_rng_uniform(&rng);
        a->confidence[i] = accuracy > 0 ? pow(u, (1 - accuracy) / accuracy) : 0;
    }
}

void cvg__confidence_tell(struct cvg_sim *sim, struct cvg_done *done)
{
    struct cvg__sim_answers *a = find(sim, done->batch);
    if (a != NULL) {
        done->confidence = a->confidence;
        done->n_confidence = a->n;
        a->batch = 0;
    }
}

void cvg__confidence_forget(struct cvg_sim *sim, uint32_t device)
{
    for (size_t i = 0; i < sim->n_answers; i++) {
        if (sim->answers[i].device == device) {
            sim->answers[i].batch = 0;
        }
    }
}

/* What units hold, and when they should be done.
 *
 * fcfs: the first of the batches runs, the others wait in order.
 * processor-sharing: all run, each at 1/n of full speed, so one with work w
 * beside others with r_i left ends after w + sum of min(r_i, w) if nothing
 * else comes (Ibis, SYSTEMS.md 5.5: within 2 % of what a GPU did). */
#include "engine/state.h"

#include <assert.h>
#include <math.h>

/* Share of a new observation in a device's slowdown (Band, MobiSys 2022). */
#define LEARN 0.1

double cvg__slowdown(const struct cvg_engine *e, uint32_t device)
{
    return e->devices[device].known_slowdown * e->devices[device].learned;
}

cvg_span cvg__run_time(const struct cvg_engine *e, uint32_t variant,
                       uint32_t first, uint32_t last, uint32_t device,
                       uint32_t n, enum cvg_quantile quantile)
{
    cvg_span time =
        cvg_profile_time(e->profile, variant, first, last, device, n, quantile);
    return (cvg_span)((double)time * cvg__slowdown(e, device));
}

static const struct cvg_device *device_of(const struct cvg_engine *e,
                                          uint32_t unit)
{
    return &e->box->devices[e->units[unit].device];
}

static double left(const struct batch *b)
{
    double left_ns = (double)b->work - b->done;
    return left_ns > 0 ? left_ns : 0;
}

/* Brings what the model thinks is done up to now. */
void cvg__unit_touch(struct cvg_engine *e, uint32_t unit)
{
    struct unit_state *u = &e->unit_states[unit];
    uint32_t n = e->units[unit].n_held;
    double elapsed = (double)(e->now - u->touched);
    u->touched = e->now;
    if (n == 0 || elapsed <= 0) {
        return;
    }
    e->devices[e->units[unit].device].busy += (cvg_span)elapsed;
    if (device_of(e, unit)->discipline == CVG_FCFS) {
        e->batches[u->batches[0]].done += elapsed;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        e->batches[u->batches[i]].done += elapsed / n;
    }
}

/* Writes the policy's picture of the unit from its batches. What should be done
 * by now keeps its prediction: that tells how long it is overdue. */
static void picture(struct cvg_engine *e, uint32_t unit)
{
    struct cvg_unit *view = &e->units[unit];
    const struct unit_state *u = &e->unit_states[unit];
    bool fcfs = device_of(e, unit)->discipline == CVG_FCFS;
    double sum = 0;
    view->free_at = e->now;
    for (uint32_t i = 0; i < view->n_held; i++) {
        struct batch *b = &e->batches[u->batches[i]];
        double end = 0;
        sum += left(b);
        if (fcfs) {
            end = sum;
        } else {
            for (uint32_t k = 0; k < view->n_held; k++) {
                end += fmin(left(&e->batches[u->batches[k]]), left(b));
            }
        }
        if (left(b) > 0) {
            b->predicted = e->now + (cvg_span)end;
        }
        view->held[i] = (struct cvg_held){
            .batch = b->id,
            .variant = b->variant,
            .first = b->first,
            .last = b->last,
            .n = b->n,
            .started = b->started,
            .predicted = b->predicted,
            .due = b->due,
            .work = b->work,
        };
    }
    view->free_at = e->now + (cvg_span)sum;
}

/* The batch is what the unit's cache holds next. */
static void switch_to(struct cvg_engine *e, struct batch *b)
{
    const struct cvg_unit *view = &e->units[b->unit];
    struct unit_state *u = &e->unit_states[b->unit];
    b->cache_before = u->cache;
    b->switch_time = cvg_unit_cache_use(&u->cache, b->variant);
    b->profiled = b->switch_time;
    if (b->n > 0) {
        b->profiled += cvg_profile_time(e->profile, b->variant, b->first,
                                        b->last, view->device, b->n, CVG_MEAN);
    }
    b->work = (cvg_span)((double)b->profiled * cvg__slowdown(e, view->device));
}

void cvg__unit_start(struct cvg_engine *e, uint32_t index)
{
    struct batch *b = &e->batches[index];
    struct cvg_unit *view = &e->units[b->unit];
    struct unit_state *u = &e->unit_states[b->unit];
    cvg__unit_touch(e, b->unit);
    switch_to(e, b);
    b->done = 0;
    b->started = e->now;
    bool was_free = cvg_view_free(&e->view, view);
    u->batches[view->n_held++] = index;
    e->n_free_units -= was_free && !cvg_view_free(&e->view, view);
    e->devices[view->device].n_running++;
    picture(e, b->unit);
}

void cvg__unit_not_begun(struct cvg_engine *e, uint32_t index)
{
    struct batch *b = &e->batches[index];
    struct unit_state *u = &e->unit_states[b->unit];
    uint32_t k = 0;
    while (u->batches[k] != index) {
        k++;
    }
    u->cache = b->cache_before;
    b->switch_time = 0;
    for (k++; k < e->units[b->unit].n_held; k++) {
        switch_to(e, &e->batches[u->batches[k]]);
    }
}

/* Fcfs devices report their own time; under sharing, what the batch would have
 * needed alone is what the model counted. */
static double observed(const struct cvg_engine *e, const struct batch *b,
                       cvg_span run_time)
{
    bool fcfs = device_of(e, b->unit)->discipline == CVG_FCFS;
    return fcfs ? (double)run_time : b->done;
}

/* observed / profiled */
static void learn(struct cvg_engine *e, const struct batch *b, double time)
{
    struct device_state *d = &e->devices[e->units[b->unit].device];
    if (b->profiled == 0) {
        return; /* there was nothing to switch */
    }
    double ratio = time / ((double)b->profiled * d->known_slowdown);
    ratio = fmin(fmax(ratio, 0.25), 8);
    d->learned += LEARN * (ratio - d->learned);
}

cvg_span cvg__unit_end(struct cvg_engine *e, uint32_t index, cvg_span run_time,
                       bool learning)
{
    struct batch *b = &e->batches[index];
    struct cvg_unit *view = &e->units[b->unit];
    struct unit_state *u = &e->unit_states[b->unit];
    struct cvg_device_stats *stats = &e->stats->devices[view->device];
    cvg__unit_touch(e, b->unit);
    stats->switches += b->switch_time > 0;
    stats->switching += b->switch_time;
    double time = observed(e, b, run_time);
    if (learning) {
        learn(e, b, time);
    }
    uint32_t k = 0;
    while (u->batches[k] != index) {
        k++;
    }
    assert(k < view->n_held);
    bool was_free = cvg_view_free(&e->view, view);
    view->n_held--;
    e->n_free_units += !was_free && cvg_view_free(&e->view, view);
    for (; k < view->n_held; k++) {
        u->batches[k] = u->batches[k + 1];
    }
    e->devices[view->device].n_running--;
    picture(e, b->unit);
    return (cvg_span)time;
}

void cvg__count_free(struct cvg_engine *e)
{
    e->settled = false;
    e->demand.changed = true;
    e->demand.shaken = true;
    e->n_free_units = 0;
    for (uint32_t i = 0; i < e->n_units; i++) {
        e->n_free_units += cvg_view_free(&e->view, &e->units[i]);
    }
}

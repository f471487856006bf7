/* ALERT (Wan et al., ALERT: Accurate Learning for Energy and Timeliness, USENIX
 * ATC 2020).
 *
 * The authors': the time of every configuration is its profiled time times one
 * global slow-down, a normal variable that a scalar Kalman filter tracks from
 * observed / profiled times. For each input the configuration is chosen that,
 * among those in time with enough probability and accurate enough, needs the
 * least energy; or, where energy is bounded, is the most accurate within it.
 *
 * Ours: there are several devices, so each has a filter, and a configuration is
 * a variant on a device in a batch, after what the device holds; if the best
 * one's device is busy, the requests wait for it, as long as that is in time.
 * Requests choose in the order of their deadlines. */
#include "policy/offers.h"
#include "policy/parts.h"
#include "policy/slowness.h"

#include <math.h>

/* In time with a probability of 0.95. */
#define SIGMAS 1.645

struct state {
    struct cvg__offers offers;
    struct cvg__slowness filters[CVG_MAX_DEVICES];
    bool together[CVG_MAX_UNITS]; /* two batches ran beside each other */
};

static double likely_ns(const struct cvg__offers *o,
                        const struct cvg_view *view, uint32_t device,
                        const struct cvg__way *way, uint32_t n)
{
    const struct state *s = (const struct state *)o;
    const struct cvg__slowness *f = &s->filters[device];
    cvg_span profiled = cvg_profile_time(view->profile, way->variant, 0,
                                         way->exit, device, n, CVG_MEAN);
    return (double)profiled * (f->mean + SIGMAS * sqrt(f->variance));
}

static size_t state_size(const struct cvg_box *box)
{
    return sizeof(struct state) + cvg__offers_extra(box);
}

static void init(void *state, const struct cvg_view *view)
{
    struct state *s = state;
    cvg__offers_init(&s->offers, view, s + 1);
    s->offers.likely_ns = likely_ns;
    for (uint32_t d = 0; d < view->box->n_devices; d++) {
        s->filters[d] = cvg__slowness_first();
    }
}

static bool is_shared(const struct cvg_view *view, const struct cvg_unit *unit)
{
    return view->box->devices[unit->device].discipline == CVG_PROCESSOR_SHARING;
}

static void done(void *state, const struct cvg_view *view,
                 const struct cvg_unit *unit, const struct cvg_held *batch,
                 cvg_span run_time)
{
    struct state *s = state;
    uint32_t d = unit->device;
    if (s->together[unit->index]) {
        s->together[unit->index] = unit->n_held > 0;
        return; /* its time was not its own */
    }
    cvg__slowness_observe(&s->filters[d], view, unit, batch, run_time);
}

/* --- the choice ----------------------------------------------------------- */

static bool is_better(const struct cvg__offers *o, const struct cvg_view *view,
                      const struct cvg__offer *a, const struct cvg__offer *than)
{
    (void)o;
    if (a->first->max_energy_j < INFINITY &&
        a->way.accuracy != than->way.accuracy) {
        return a->way.accuracy > than->way.accuracy;
    }
    double energy = cvg__offer_energy(view, a);
    double energy_than = cvg__offer_energy(view, than);
    return energy != energy_than ? energy < energy_than
                                 : a->finish < than->finish;
}

static void choose(void *state, const struct cvg_view *view,
                   struct cvg_choices *choices)
{
    struct state *s = state;
    bool settled[CVG_MAX_APPS] = {false};
    uint32_t app = 0;
    cvg__offers_call(&s->offers, view);
    while (cvg__offers_left(&s->offers, view) &&
           (app = cvg__offers_most_urgent(&s->offers, view, settled)) !=
               CVG_ANY) {
        struct cvg__offer best;
        if (!cvg__offers_best(&s->offers, view, app, is_better, &best)) {
            settled[app] = true;
        } else if (cvg__offer_take(&s->offers, view, choices, &best) &&
                   is_shared(view, best.unit)) {
            s->together[best.unit->index] |= best.unit->n_held > 0;
        }
    }
    cvg__offers_end(&s->offers, view, choices);
}

const struct cvg_order_ops cvg_order_alert = {
    .name = "alert",
    .drops = true,
    .state_size = state_size,
    .init = init,
    .key = cvg__offers_key,
    .choose = choose,
    .done = done,
};

/* Clockwork (Gujarati et al., Serving DNNs like Clockwork, OSDI 2020).
 *
 * The authors': a central controller knows how long everything takes, by a
 * high percentile: a GPU runs one batch at a time, and is given its next only
 * shortly before it gets to it. Each model and batch size that the waiting
 * requests can fill is a strategy; it must start by its deadline less its time.
 * A worker takes, among the strategies of the models that it has loaded, the
 * one that must start first: of one model that is the largest batch in time.
 * What cannot be met is given up at once. A worker loads the model whose
 * waiting work exceeds most what those that have it loaded will get done in
 * time, in place of the one used longest ago.
 *
 * Ours: a model is what an app's requests run on a device: the cheapest way
 * that keeps accuracy and energy bounds. Loaded is what is in the unit's cache
 * where it has one: a switch occupies the unit as a load does the link. What is
 * queued ahead is what a device takes and runs in order; one that would run two
 * batches beside each other gets one. A request that cannot be met alone is
 * given up by the engine; one that cannot be met behind others is not waited
 * for, and is given up when it could not be met alone. */
#include "policy/offers.h"
#include "policy/parts.h"

struct state {
    struct cvg__offers offers;
};

static size_t state_size(const struct cvg_box *box)
{
    return sizeof(struct state) + cvg__offers_extra(box);
}

static void init(void *state, const struct cvg_view *view)
{
    struct state *s = state;
    cvg__offers_init(&s->offers, view, s + 1);
}

/* The last instant at which the batch may start. */
static cvg_time start_by(const struct cvg__offer *b)
{
    cvg_time due = cvg_request_due(b->first);
    return due == CVG_NEVER ? CVG_NEVER : due - (b->finish - b->begin);
}

/* Requests of the app, beyond this batch, that those units which have it
 * loaded do not get done before the last of the batch must start. */
static double unmet(struct state *s, const struct cvg_view *view,
                    const struct cvg__offer *b)
{
    uint32_t app = b->first->app;
    double demand = cvg_view_waiting(view, app) - s->offers.spoken_for[app];
    cvg_time due = cvg_request_due(b->first);
    for (uint32_t u = 0; u < view->n_units && due != CVG_NEVER; u++) {
        const struct cvg_unit *unit = &view->units[u];
        struct cvg__offer on[CVG__WAYS_PER_DEVICE];
        if (unit == b->unit || !cvg_view_up(view, unit->device)) {
            continue;
        }
        uint32_t n = cvg__offers_on(&s->offers, view, unit, app, CVG_ANY, on);
        for (uint32_t i = 0; i < n; i++) {
            if (on[i].change == 0) {
                double left = (double)(due - on[i].begin);
                demand -= left * on[i].n / (double)on[i].time;
                break;
            }
        }
    }
    return demand;
}

static bool next_strategy(struct state *s, const struct cvg_view *view,
                          const struct cvg_unit *unit, struct cvg__offer *best)
{
    bool found = false;
    for (uint32_t a = 0; a < view->n_apps; a++) {
        struct cvg__offer on[CVG__WAYS_PER_DEVICE];
        uint32_t n =
            cvg_view_waiting(view, a) == 0
                ? 0
                : cvg__offers_on(&s->offers, view, unit, a, CVG_ANY, on);
        for (uint32_t i = 0; i < n; i++) {
            if (on[i].change == 0) {
                if (!found || start_by(&on[i]) < start_by(best)) {
                    *best = on[i];
                    found = true;
                }
                break; /* the cheapest that is loaded */
            }
        }
    }
    return found;
}

/* The batch to load another model for. */
static bool next_load(struct state *s, const struct cvg_view *view,
                      const struct cvg_unit *unit, struct cvg__offer *best)
{
    double most = 0;
    for (uint32_t a = 0; a < view->n_apps; a++) {
        struct cvg__offer on[CVG__WAYS_PER_DEVICE];
        uint32_t n =
            cvg_view_waiting(view, a) == 0
                ? 0
                : cvg__offers_on(&s->offers, view, unit, a, CVG_ANY, on);
        if (n == 0 || on[0].change == 0) {
            continue;
        }
        double priority = unmet(s, view, &on[0]) * (double)on[0].time / on[0].n;
        if (priority > most) {
            most = priority;
            *best = on[0];
        }
    }
    return most > 0;
}

/* One batch at a time, and what a unit does not run at once ahead of it. */
static bool has_turn(const struct state *s, const struct cvg_view *view,
                     const struct cvg_unit *unit)
{
    bool shared =
        view->box->devices[unit->device].discipline == CVG_PROCESSOR_SHARING;
    return cvg__offers_room(&s->offers, view, unit) &&
           (unit->n_held == 0 || !shared);
}

static void choose(void *state, const struct cvg_view *view,
                   struct cvg_choices *choices)
{
    struct state *s = state;
    cvg__offers_call(&s->offers, view);
    for (uint32_t u = 0; u < view->n_units; u++) {
        const struct cvg_unit *unit = &view->units[u];
        struct cvg__offer next;
        if (has_turn(s, view, unit) && (next_strategy(s, view, unit, &next) ||
                                        next_load(s, view, unit, &next))) {
            cvg__offer_begin(&s->offers, view, choices, &next);
        }
    }
    cvg__offers_end(&s->offers, view, choices);
}

const struct cvg_order_ops cvg_order_clockwork = {
    .name = "clockwork",
    .drops = true,
    .state_size = state_size,
    .init = init,
    .key = cvg__offers_key,
    .choose = choose,
};

/* Convergo: all SLOs of all apps together (DESIGN.md section 7).
 *
 * A plan, made off the loop about once a second, says which app has its homes
 * on which devices and what the time of each device is worth (plan.h). The
 * policy acts on it, request by request:
 *
 * Prioritise: requests of an app wait in the order of their deadlines; what
 * they are worth follows the window that they belong to (convergo_worth.c).
 * Constrain: a way to run requests is a (device, variant, exit, batch size)
 * that is accurate enough, within the energy bound, and in time by a high
 * quantile; and worth the time of the unit (convergo_batch.c). Combine: each
 * free unit begins the best such batch of the apps that are at home there, the
 * one that cannot wait first; an app of which more waits than its homes can
 * serve spills to other units, where that pays and spoils nothing. Units that
 * are idle change to what the plan keeps there, ahead of need. Learn: times
 * follow what was measured (the engine's slowdown of each device), and so do
 * plans.
 *
 * After Jiang et al., "Convergo: Multi-SLO-Aware Scheduling for Heterogeneous
 * AI Accelerators on Edge Devices", IEEE EDGE 2025, whose abstract names the
 * three steps; the rest is ours. */
#include "policy/convergo.h"
#include "policy/loads.h"
#include "policy/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Batches whose worth for the time differs by less are worth the same. */
#define ALIKE 0.05

/* --- the state ------------------------------------------------------------ */

static size_t state_size(const struct cvg_box *box)
{
    return sizeof(struct cvg__convergo) +
           (box->n_apps + 1) * cvg__ways_size(box) +
           box->n_apps * box->n_devices * sizeof(struct cvg__place_of_app);
}

static double soonest_ns(const struct cvg_view *view, uint32_t app,
                         uint32_t device)
{
    const struct cvg_profile *p = view->profile;
    const struct cvg_family *family =
        &view->box->families[view->apps[app].family];
    double soonest = INFINITY;
    for (size_t i = 0; i < family->n_variants; i++) {
        uint32_t v = family->variants[i];
        for (uint32_t x = 0; x < view->box->variants[v].n_exits; x++) {
            uint32_t n = cvg_profile_min_batch(p, v, 0, x, device);
            if (n > 0) {
                soonest = fmin(soonest, (double)cvg_profile_time(
                                            p, v, 0, x, device, n, CVG_MEAN));
            }
        }
    }
    return soonest;
}

static uint32_t largest_batch(const struct cvg_view *view, uint32_t device)
{
    uint32_t largest = 0;
    for (uint32_t v = 0; v < view->box->n_variants; v++) {
        for (uint32_t x = 0; x < view->box->variants[v].n_exits; x++) {
            uint32_t max =
                cvg_profile_max_batch(view->profile, v, 0, x, device);
            largest = max > largest ? max : largest;
        }
    }
    return largest;
}

/* Units of small batches take what they can before those of large ones take
 * all that is left. */
static void put_in_turn(struct cvg__convergo *s, const struct cvg_view *view)
{
    for (uint32_t u = 0; u < view->n_units; u++) {
        uint32_t batch = largest_batch(view, view->units[u].device);
        uint32_t k = u;
        while (k > 0 && largest_batch(
                            view, view->units[s->turn[k - 1]].device) > batch) {
            s->turn[k] = s->turn[k - 1];
            k--;
        }
        s->turn[k] = u;
    }
}

static void init(void *state, const struct cvg_view *view)
{
    struct cvg__convergo *s = state;
    char *memory = (char *)(s + 1);
    size_t size = cvg__ways_size(view->box);
    cvg__ways_init(&s->own, view->box, memory);
    for (uint32_t a = 0; a < view->n_apps; a++) {
        cvg__ways_init(&s->apps[a].ways, view->box, memory + (a + 1) * size);
    }
    s->places =
        (struct cvg__place_of_app *)(memory + (view->n_apps + 1) * size);
    for (uint32_t a = 0; a < view->n_apps; a++) {
        for (uint32_t d = 0; d < view->box->n_devices; d++) {
            cvg__place_of(s, view, a, d)->soonest_ns = soonest_ns(view, a, d);
        }
    }
    for (uint32_t d = 0; d < view->box->n_devices; d++) {
        s->price[d] = 1;
    }
    s->at_ease = true;
    put_in_turn(s, view);
}

static int64_t key(void *state, const struct cvg_view *view,
                   const struct cvg_request *request)
{
    (void)state;
    (void)view;
    /* Without deadline: after all others, by arrival. */
    return request->deadline == CVG_NEVER ? INT64_MAX / 4 + request->arrival / 4
                                          : request->deadline;
}

/* --- combine -------------------------------------------------------------- */

/* Between two batches for the same unit: the one that cannot wait for the
 * other goes first; if both can, or neither, what the time buys decides, and if
 * that is the same, who could not go elsewhere. */
static bool goes_first(const struct cvg__candidate *a,
                       const struct cvg__candidate *b)
{
    if (a->must_go != b->must_go) {
        return a->must_go;
    }
    if (a->home != b->home) {
        return a->home;
    }
    bool a_waits = a->slack == CVG_NEVER || a->slack >= b->time;
    bool b_waits = b->slack == CVG_NEVER || b->slack >= a->time;
    if (a_waits != b_waits) {
        return b_waits;
    }
    bool alike = fabs(a->value - b->value) <= ALIKE * fabs(a->value);
    return alike && a->elsewhere != b->elsewhere ? b->elsewhere
                                                 : a->value > b->value;
}

static void serve_unit(struct cvg__convergo *s, const struct cvg_view *view,
                       struct cvg_choices *choices, const struct cvg_unit *unit,
                       bool spills)
{
    struct cvg__candidate best;
    bool found = false;
    for (uint32_t a = 0; a < view->n_apps; a++) {
        struct cvg__candidate c;
        if (spills && !s->apps[a].spills) {
            continue; /* it has had its turn */
        }
        if (cvg__convergo_candidate(s, view, choices, unit, a, spills, &c) &&
            (!found || goes_first(&c, &best))) {
            best = c;
            found = true;
        }
    }
    if (found && cvg__convergo_begin(view, choices, &best)) {
        s->begun[unit->index] = view->now + best.time;
        if (cvg__convergo_overdue(view, best.first)) {
            s->apps[best.app].favoured = view->now;
        }
    }
}

static void serve_units(struct cvg__convergo *s, const struct cvg_view *view,
                        struct cvg_choices *choices, bool spills)
{
    for (uint32_t k = 0; k < view->n_units; k++) {
        const struct cvg_unit *unit = &view->units[s->turn[k]];
        if (s->begun[unit->index] == 0 && cvg_view_free(view, unit)) {
            serve_unit(s, view, choices, unit, spills);
        }
    }
}

/* What the plan keeps there, if none of it is in the unit's cache. */
static uint32_t missing(const struct cvg__convergo *s,
                        const struct cvg_view *view,
                        const struct cvg_unit *unit)
{
    uint32_t variant = CVG_ANY;
    double most = 0;
    for (uint32_t i = 0; i < s->plan->n_flows; i++) {
        const struct cvg_flow *f = &s->plan->flows[i];
        if (f->device != unit->device ||
            cvg_view_residency(view, f->device, f->variant) != CVG_RESIDENT) {
            continue;
        }
        if (cvg_view_switch(view, unit, f->variant) == 0) {
            return CVG_ANY;
        }
        if (f->rate_rps > most) {
            most = f->rate_rps;
            variant = f->variant;
        }
    }
    return variant;
}

/* A switch can take longer than a deadline: then no request would ever begin
 * it. */
static void switch_ahead(const struct cvg__convergo *s,
                         const struct cvg_view *view,
                         struct cvg_choices *choices)
{
    for (uint32_t u = 0; s->plan != NULL && u < view->n_units; u++) {
        const struct cvg_unit *unit = &view->units[u];
        if (!view->box->devices[unit->device].has_switch || unit->n_held > 0 ||
            s->begun[u] != 0 || !cvg_view_up(view, unit->device)) {
            continue;
        }
        uint32_t variant = missing(s, view, unit);
        if (variant != CVG_ANY) {
            cvg_choose_switch(choices, u, variant);
        }
    }
}

static bool is_in_plan(const struct cvg_plan *plan, uint32_t device,
                       uint32_t variant)
{
    for (uint32_t i = 0; i < plan->n_flows; i++) {
        if (plan->flows[i].device == device &&
            plan->flows[i].variant == variant) {
            return true;
        }
    }
    return false;
}

/* Something that the device holds and the plan does not need. */
static uint32_t spare_variant(const struct cvg__convergo *s,
                              const struct cvg_view *view, uint32_t device)
{
    for (uint32_t v = 0; v < view->box->n_variants; v++) {
        if (cvg_view_residency(view, device, v) == CVG_RESIDENT &&
            !is_in_plan(s->plan, device, v)) {
            return v;
        }
    }
    return CVG_ANY;
}

/* What the plan runs is brought into memory ahead of need, too; once for each
 * plan, because others may want that memory as well. */
static void load_ahead(struct cvg__convergo *s, const struct cvg_view *view,
                       struct cvg_choices *choices)
{
    if (s->plan == NULL || s->loaded == s->plans) {
        return;
    }
    s->loaded = s->plans;
    for (uint32_t i = 0; i < s->plan->n_flows; i++) {
        const struct cvg_flow *f = &s->plan->flows[i];
        if (cvg_view_up(view, f->device) &&
            cvg_view_enabled(view, f->variant) &&
            cvg_view_residency(view, f->device, f->variant) == CVG_ABSENT &&
            (cvg_view_has_room(view, f->device, f->variant) ||
             spare_variant(s, view, f->device) != CVG_ANY)) {
            cvg_choose_load(choices, f->device, f->variant);
        }
    }
}

static void wake_for_patience(const struct cvg__convergo *s,
                              const struct cvg_view *view,
                              struct cvg_choices *choices, uint32_t app)
{
    const struct cvg_request *r = cvg_view_first(view, app);
    if (r != NULL && cvg_request_due(r) == CVG_NEVER) {
        cvg_time last = s->apps[app].favoured;
        cvg_time turn = (last > r->arrival ? last : r->arrival) + CVG__PATIENCE;
        if (turn > view->now) {
            cvg_choose_wake(choices, turn);
        }
    }
}

static void choose(void *state, const struct cvg_view *view,
                   struct cvg_choices *choices)
{
    struct cvg__convergo *s = state;
    s->call++;
    cvg__convergo_plan(s, view);
    cvg__convergo_worth(s, view);
    memset(s->begun, 0, view->n_units * sizeof *s->begun);
    serve_units(s, view, choices, false);
    if (s->plan != NULL) {
        serve_units(s, view, choices, true);
    }
    switch_ahead(s, view, choices);
    for (uint32_t a = 0; a < view->n_apps; a++) {
        wake_for_patience(s, view, choices, a);
    }
    load_ahead(s, view, choices);
    cvg__load_for_homeless(view, choices);
}

/* It goes behind all that mattered for each device that could run it. */
static bool indifferent(void *state, const struct cvg_view *view,
                        const struct cvg_request *r)
{
    const struct cvg__convergo *s = state;
    uint64_t devices = cvg_view_devices(view, r);
    if (devices == 0 || !cvg__convergo_same_worth(s, view, r->app)) {
        return false;
    }
    for (uint32_t d = 0; d < view->box->n_devices; d++) {
        const struct cvg__place_of_app *there =
            cvg__place_of(s, view, r->app, d);
        if ((devices & cvg_device_bit(d)) != 0 && there->call == s->call &&
            (there->settled == NULL ||
             !cvg_view_before(view, there->settled, r))) {
            return false;
        }
    }
    return true;
}

const struct cvg_order_ops cvg_order_convergo = {
    .name = "convergo",
    .drops = true,
    .state_size = state_size,
    .init = init,
    .key = key,
    .choose = choose,
    .indifferent = indifferent,
};

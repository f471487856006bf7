/* The bounds of a request, and what could meet them.
 *
 * "Fastest" is the optimistic time of a request alone on an idle box that has
 * the right variant at hand: below it nothing can be done, so a request is
 * never given up while it could still be met. */
#include "engine/state.h"

#include <math.h>
#include <string.h>

/* How long a request without deadline waits for a device that may come back, or
 * for others without which it would be too small a batch. */
#define GRACE CVG_S(10)

static bool has_relaxed(const struct slot *s, enum cvg_slo_kind kind)
{
    return (s->request.relaxed >> kind & 1U) != 0;
}

void cvg__set_conditions(const struct cvg_engine *e, struct slot *s)
{
    s->request.conditions = s->conditions != NULL
                                ? s->conditions
                                : e->apps[s->request.app].conditions;
}

void cvg__set_bounds(struct cvg_engine *e, struct slot *s)
{
    struct cvg_request *r = &s->request;
    const struct cvg_app *app = &e->apps[r->app];
    struct cvg_slo asked = app->slo;
    struct cvg_slo own = s->bounds;
    own.declared = s->overrides;
    cvg_slo_merge(&asked, &own);
    s->asked_accuracy =
        cvg_slo_has(&asked, CVG_SLO_ACCURACY) ? asked.accuracy : 0;
    s->asked_energy_j =
        cvg_slo_has(&asked, CVG_SLO_ENERGY) ? asked.energy_j : INFINITY;
    r->deadline = cvg_slo_has(&asked, CVG_SLO_DEADLINE)
                      ? r->arrival + asked.deadline
                      : CVG_NEVER;
    /* Who names a variant has chosen its accuracy. */
    bool by_app =
        r->variant == CVG_ANY && app->accuracy_over == CVG_ACCURACY_PER_REQUEST;
    bool of_each = by_app || cvg_slo_has(&own, CVG_SLO_ACCURACY);
    r->min_accuracy =
        of_each && !has_relaxed(s, CVG_SLO_ACCURACY) ? s->asked_accuracy : 0;
    r->max_energy_j =
        has_relaxed(s, CVG_SLO_ENERGY) ? INFINITY : s->asked_energy_j;
    r->plain = s->overrides == 0 && r->relaxed == 0 && r->variant == CVG_ANY;
    cvg__set_conditions(e, s);
}

/* The fastest batch of stages 0..exit on the device whose share of energy is
 * small enough; CVG_NEVER: none. */
static cvg_span fastest_batch(const struct cvg_profile *p, uint32_t variant,
                              uint32_t exit, uint32_t device,
                              double max_energy_j)
{
    uint32_t min = cvg_profile_min_batch(p, variant, 0, exit, device);
    uint32_t max =
        min == 0 ? 0 : cvg_profile_max_batch(p, variant, 0, exit, device);
    cvg_span best = CVG_NEVER;
    for (uint32_t n = min; min > 0 && n <= max; n++) {
        double share = cvg_profile_energy(p, variant, 0, exit, device, n) / n;
        if (share > max_energy_j) {
            continue;
        }
        cvg_span time =
            cvg_profile_time(p, variant, 0, exit, device, n, CVG_MEAN);
        best = time < best ? time : best;
        if (max_energy_j == INFINITY) {
            break; /* larger batches are not faster */
        }
    }
    return best;
}

static void reach_by_variant(const struct cvg_engine *e,
                             const struct cvg_request *r, uint32_t variant,
                             struct reach *reach)
{
    const struct cvg_variant *v = &e->box->variants[variant];
    for (uint32_t exit = 0; exit < v->n_exits; exit++) {
        if (v->accuracy[exit] < r->min_accuracy - 1e-12) {
            continue;
        }
        for (uint32_t d = 0; d < e->box->n_devices; d++) {
            cvg_span time = cvg_box_can_run(e->box, d, variant)
                                ? fastest_batch(e->profile, variant, exit, d,
                                                r->max_energy_j)
                                : CVG_NEVER;
            const struct residency *held = cvg__residency(e, d, variant);
            if (time == CVG_NEVER) {
                continue;
            }
            reach->profile = time < reach->profile ? time : reach->profile;
            if (!e->enabled[variant] || !cvg_view_up(&e->view, d) ||
                held->failed) {
                continue;
            }
            reach->up = time < reach->up ? time : reach->up;
            uint32_t min =
                cvg_profile_min_batch(e->profile, variant, 0, exit, d);
            reach->smallest = min < reach->smallest ? min : reach->smallest;
            if (held->state == CVG_RESIDENT) {
                reach->devices |= cvg_device_bit(d);
            }
        }
    }
}

static struct reach work_out(const struct cvg_engine *e,
                             const struct cvg_request *r)
{
    struct reach reach = {
        .up = CVG_NEVER, .profile = CVG_NEVER, .smallest = UINT32_MAX};
    const struct cvg_family *family = &e->box->families[e->apps[r->app].family];
    if (r->variant != CVG_ANY) {
        reach_by_variant(e, r, r->variant, &reach);
        return reach;
    }
    for (size_t i = 0; i < family->n_variants; i++) {
        reach_by_variant(e, r, family->variants[i], &reach);
    }
    return reach;
}

/* Clients mostly ask for the same few things. */
static struct known_reach *recall(struct cvg_engine *e,
                                  const struct cvg_request *r)
{
    struct known_reach key = {.family = e->apps[r->app].family,
                              .variant = r->variant,
                              .min_accuracy = r->min_accuracy,
                              .max_energy_j = r->max_energy_j};
    uint64_t bits[2];
    memcpy(bits, &key.min_accuracy, sizeof bits[0]);
    memcpy(&bits[1], &key.max_energy_j, sizeof bits[1]);
    uint64_t x = (bits[0] ^ (bits[1] << 7 | bits[1] >> 57)) +
                 ((uint64_t)key.family << 32 | key.variant);
    x = (x ^ x >> 29) * 0x9e3779b97f4a7c15U;
    struct known_reach *k = &e->known_reach[x >> 32 & (KNOWN_REACH - 1)];
    if (k->as_of != e->reach_changes || k->family != key.family ||
        k->variant != key.variant || k->min_accuracy != key.min_accuracy ||
        k->max_energy_j != key.max_energy_j) {
        *k = key;
        k->reach = work_out(e, r);
        k->as_of = e->reach_changes;
    }
    return k;
}

const struct reach *cvg__reach(struct cvg_engine *e,
                               const struct cvg_request *r)
{
    return r->plain != 0 ? &e->reach[r->app] : &recall(e, r)->reach;
}

static double best_accuracy(const struct cvg_variant *v)
{
    double best = 0;
    for (uint32_t exit = 0; exit < v->n_exits; exit++) {
        best = fmax(best, v->accuracy[exit]);
    }
    return best;
}

static uint64_t usable_on(const struct cvg_engine *e,
                          const struct cvg_request *r, uint32_t device)
{
    const struct cvg_family *family = &e->box->families[e->apps[r->app].family];
    uint64_t usable = 0;
    for (size_t i = 0; i < family->n_variants; i++) {
        uint32_t v = family->variants[i];
        if (e->enabled[v] &&
            cvg__residency(e, device, v)->state == CVG_RESIDENT &&
            best_accuracy(&e->box->variants[v]) >= r->min_accuracy - 1e-12) {
            usable |= 1ULL << (i & 63U);
        }
    }
    return usable;
}

static cvg_span alone_on(const struct cvg_engine *e,
                         const struct cvg_request *r, uint32_t device)
{
    const struct cvg_family *family = &e->box->families[e->apps[r->app].family];
    cvg_span best = CVG_NEVER;
    for (size_t i = 0; i < family->n_variants; i++) {
        uint32_t v = family->variants[i];
        for (uint32_t x = 0; x < e->box->variants[v].n_exits; x++) {
            bool may =
                e->enabled[v] && cvg_view_up(&e->view, device) &&
                cvg__residency(e, device, v)->state == CVG_RESIDENT &&
                e->box->variants[v].accuracy[x] >= r->min_accuracy - 1e-12;
            cvg_span time =
                may ? fastest_batch(e->profile, v, x, device, r->max_energy_j)
                    : CVG_NEVER;
            best = time < best ? time : best;
        }
    }
    return best;
}

void cvg__refresh_reach(struct cvg_engine *e)
{
    e->reach_changes++;
    e->residency_changed = false;
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        struct slot s = {.request = {.app = a, .variant = CVG_ANY}};
        cvg__set_bounds(e, &s);
        e->reach[a] = work_out(e, &s.request);
        for (uint32_t d = 0; d < e->box->n_devices; d++) {
            e->usable[a * e->box->n_devices + d] = usable_on(e, &s.request, d);
            if (e->policy.exits->next != NULL) {
                e->alone[a * e->box->n_devices + d] =
                    alone_on(e, &s.request, d);
            }
        }
    }
}

static void reconsider(struct cvg_engine *e, uint32_t i)
{
    struct slot *s = &e->slots[i];
    cvg__queue_set_devices(e, i, cvg__reach(e, &s->request)->devices);
    cvg_time drop_at = cvg__drop_at(e, s);
    if (drop_at != s->drop_at) {
        s->drop_at = drop_at;
        cvg__expiry_update(e, i);
    }
}

/* Anew for all that wait: a device, a variant or a residency changed. */
void cvg__reconsider(struct cvg_engine *e)
{
    cvg__refresh_reach(e);
    e->settled = false;
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        uint32_t i = e->queues[a].first;
        for (; i != NONE; i = e->slots[i].next) {
            reconsider(e, i);
        }
    }
}

bool cvg__late_is_fine(const struct cvg_engine *e, const struct slot *s)
{
    return !e->policy.order->drops || s->request.deadline == CVG_NEVER ||
           has_relaxed(s, CVG_SLO_DEADLINE);
}

bool cvg__relax(struct cvg_engine *e, struct slot *s)
{
    const struct cvg_app *app = &e->apps[s->request.app];
    for (size_t i = 0; i < app->n_relax; i++) {
        if (!has_relaxed(s, app->relax[i])) {
            s->request.relaxed |= 1U << app->relax[i];
            cvg__set_bounds(e, s);
            return true;
        }
    }
    return false;
}

bool cvg__relaxing_helps(struct cvg_engine *e, const struct slot *s)
{
    struct slot after = *s;
    while (cvg__relax(e, &after)) {
        cvg_span fastest = cvg__reach(e, &after.request)->up;
        if (fastest != CVG_NEVER &&
            (cvg__late_is_fine(e, &after) ||
             after.request.deadline - fastest >= e->now)) {
            return true;
        }
    }
    return false;
}

/* Keeps since when it cannot be run as it is: what happens to other devices
 * must not have its grace begin again. */
static void note_stranded(const struct cvg_engine *e, struct slot *s,
                          const struct reach *reach)
{
    if (reach->up != CVG_NEVER && reach->smallest == 1) {
        s->stranded = CVG_NEVER;
    } else if (s->stranded == CVG_NEVER) {
        s->stranded = e->now;
    }
}

cvg_time cvg__drop_at(struct cvg_engine *e, struct slot *s)
{
    const struct cvg_request *r = &s->request;
    struct reach reach = *cvg__reach(e, r);
    cvg_time at = CVG_NEVER;
    note_stranded(e, s, &reach);
    if (reach.up == CVG_NEVER && cvg__relaxing_helps(e, s)) {
        at = e->now - 1; /* nothing to wait for */
    } else if (cvg__late_is_fine(e, s)) {
        at = s->stranded == CVG_NEVER ? CVG_NEVER : s->stranded + GRACE;
    } else {
        at = reach.up == CVG_NEVER ? r->deadline : r->deadline - reach.up;
    }
    return at < r->expires ? at : r->expires;
}

/* --- what a 504 names ----------------------------------------------------- */

/* What the best way is worth in one kind, among those that keep the other
 * bounds; and whether one keeps all. */
struct best_ways {
    bool met;          /* some way keeps all three */
    cvg_span deadline; /* CVG_NEVER: none keeps accuracy and energy */
    double accuracy;   /* < 0: none keeps deadline and energy */
    double energy_j;   /* INFINITY: none keeps deadline and accuracy */
};

static void look_at_way(const struct cvg_engine *e, const struct cvg_request *r,
                        uint32_t v, uint32_t exit, uint32_t device, uint32_t n,
                        struct best_ways *best)
{
    const struct cvg_profile *p = e->profile;
    double accuracy = e->box->variants[v].accuracy[exit];
    cvg_span time = cvg_profile_time(p, v, 0, exit, device, n, CVG_MEAN);
    /* What is advised must mostly hold. */
    cvg_span likely = cvg_profile_time(p, v, 0, exit, device, n, CVG_P95);
    likely = likely > time ? likely : time;
    double energy = cvg_profile_energy(p, v, 0, exit, device, n) / n;
    bool accurate = accuracy >= r->min_accuracy - 1e-12;
    bool frugal = energy <= r->max_energy_j;
    bool fast = r->deadline == CVG_NEVER || time <= r->deadline - r->arrival;
    best->met = best->met || (accurate && frugal && fast);
    if (accurate && frugal && likely < best->deadline) {
        best->deadline = likely;
    }
    if (accurate && fast && energy < best->energy_j) {
        best->energy_j = energy;
    }
    if (frugal && fast && accuracy > best->accuracy) {
        best->accuracy = accuracy;
    }
}

static struct best_ways look_at_ways(const struct cvg_engine *e,
                                     const struct cvg_request *r)
{
    struct best_ways best = {
        .deadline = CVG_NEVER, .accuracy = -1, .energy_j = INFINITY};
    const struct cvg_family *family = &e->box->families[e->apps[r->app].family];
    for (size_t i = 0; i < family->n_variants; i++) {
        uint32_t v = family->variants[i];
        if (r->variant != CVG_ANY && r->variant != v) {
            continue;
        }
        for (uint32_t x = 0; x < e->box->variants[v].n_exits; x++) {
            for (uint32_t d = 0; d < e->box->n_devices; d++) {
                uint32_t n = cvg_box_can_run(e->box, d, v)
                                 ? cvg_profile_min_batch(e->profile, v, 0, x, d)
                                 : 0;
                uint32_t max = cvg_profile_max_batch(e->profile, v, 0, x, d);
                for (; n > 0 && n <= max; n++) {
                    look_at_way(e, r, v, x, d, n, &best);
                }
            }
        }
    }
    return best;
}

/* The request with no bound but the ones that are kept. */
static struct cvg_request only(const struct cvg_request *r, bool deadline,
                               bool accuracy, bool energy)
{
    struct cvg_request alone = *r;
    alone.deadline = deadline ? r->deadline : CVG_NEVER;
    alone.min_accuracy = accuracy ? r->min_accuracy : 0;
    alone.max_energy_j = energy ? r->max_energy_j : INFINITY;
    return alone;
}

/* Which kinds could not be met even if they were the only one asked for. */
struct out_of_reach {
    bool deadline, accuracy, energy;
};

static struct out_of_reach find_out_of_reach(const struct cvg_engine *e,
                                             const struct cvg_request *r)
{
    struct cvg_request deadline = only(r, true, false, false);
    struct cvg_request accuracy = only(r, false, true, false);
    struct cvg_request energy = only(r, false, false, true);
    return (struct out_of_reach){
        .deadline = !look_at_ways(e, &deadline).met,
        .accuracy = !look_at_ways(e, &accuracy).met,
        .energy = !look_at_ways(e, &energy).met,
    };
}

/* A kind that is out of reach by itself: the best of those that keep the other
 * bounds, or of all where nothing keeps them. */
static void name_out_of_reach(const struct cvg_engine *e,
                              const struct cvg_request *r,
                              const struct out_of_reach *out,
                              const struct best_ways *best,
                              struct cvg_nearest *nearest)
{
    struct cvg_request nothing = only(r, false, false, false);
    struct best_ways all = look_at_ways(e, &nothing);
    if (out->deadline) {
        nearest->deadline =
            best->deadline != CVG_NEVER ? best->deadline : all.deadline;
    }
    if (out->accuracy) {
        nearest->accuracy = best->accuracy >= 0 ? best->accuracy : all.accuracy;
    }
    if (out->energy) {
        nearest->energy_j =
            best->energy_j != INFINITY ? best->energy_j : all.energy_j;
    }
}

static enum cvg_reason reason_of(const struct out_of_reach *out)
{
    return out->accuracy   ? CVG_REASON_INFEASIBLE_ACCURACY
           : out->energy   ? CVG_REASON_INFEASIBLE_ENERGY
           : out->deadline ? CVG_REASON_INFEASIBLE_DEADLINE
                           : CVG_REASON_INFEASIBLE;
}

bool cvg_engine_infeasible(const struct cvg_engine *e,
                           const struct cvg_arrival *a,
                           struct cvg_nearest *nearest)
{
    struct slot s = {
        .request = {.id = a->id,
                    .app = a->app,
                    .variant = a->variant,
                    .arrival = e->now},
        .overrides = a->overrides,
        .bounds = a->bounds,
    };
    cvg__set_bounds((struct cvg_engine *)e, &s);
    const struct cvg_request *r = &s.request;
    struct best_ways best = look_at_ways(e, r);
    *nearest = (struct cvg_nearest){
        .reason = CVG_REASON_NONE,
        .deadline =
            r->deadline == CVG_NEVER ? CVG_NEVER : r->deadline - r->arrival,
        .accuracy = r->min_accuracy,
        .energy_j = r->max_energy_j,
    };
    if (best.met) {
        return false;
    }
    struct out_of_reach out = find_out_of_reach(e, r);
    nearest->reason = reason_of(&out);
    if (nearest->reason != CVG_REASON_INFEASIBLE) {
        name_out_of_reach(e, r, &out, &best, nearest);
        return true;
    }
    /* Each could be met, but not all: giving way in any one of these is
     * enough. */
    nearest->deadline = best.deadline;
    nearest->accuracy = best.accuracy;
    nearest->energy_j = best.energy_j;
    return true;
}

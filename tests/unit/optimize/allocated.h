/* Plans by each method of accuracy scaling (include/convergo/allocate.h), and
 * what holds for every one of them. */
#ifndef CVG_TESTS_OPTIMIZE_ALLOCATED_H
#define CVG_TESTS_OPTIMIZE_ALLOCATED_H

#include "unit/optimize/asked.h"

#include <convergo/allocate.h>

#include <stdio.h>
#include <stdlib.h>

typedef enum cvg_status (*method)(const struct cvg_box *box,
                                  const struct cvg_question *question,
                                  struct cvg_plan *out, struct cvg_error *err);

static const struct {
    const char *name;
    method solve;
} methods[] = {
    {"milp", cvg_allocate_milp},
    {"dp", cvg_allocate_dp},
    {"infaas", cvg_allocate_infaas},
    {"sommelier", cvg_allocate_sommelier},
    {"clipper_ht", cvg_allocate_clipper_ht},
    {"clipper_ha", cvg_allocate_clipper_ha},
    {"static", cvg_allocate_static},
};
#define METHODS (sizeof methods / sizeof *methods)
enum { MILP, DP, INFAAS, SOMMELIER, CLIPPER_HT, CLIPPER_HA, STATIC };

static uint64_t seed_now;
static const char *name_now = "";

static inline void law(bool holds, const char *text)
{
    if (!holds) {
        fail_msg("%s, seed %d: %s", name_now, (int)seed_now, text);
    }
}

/* Variant v and app a are of families v % n and a % n. */
static inline void split_families(struct world *w, uint32_t n)
{
    struct cvg_box *box = w->box;
    box->families = realloc(box->families, n * sizeof *box->families);
    assert_non_null(box->families);
    free(box->families[0].variants);
    for (uint32_t i = 0; i < n; i++) {
        struct cvg_family *f = &box->families[i];
        *f = i == 0 ? *f
                    : (struct cvg_family){.name = strdup("more"),
                                          .metric = strdup("top1")};
        f->variants = calloc(box->n_variants + 1, sizeof *f->variants);
        f->n_variants = 0;
        assert_non_null(f->variants);
        for (uint32_t v = i; v < box->n_variants; v += n) {
            f->variants[f->n_variants++] = v;
            box->variants[v].family = i;
        }
    }
    box->n_families = n;
    for (uint32_t a = 0; a < box->n_apps; a++) {
        box->apps[a].family = a % n;
    }
}

static inline uint32_t places(const struct cvg_device *d)
{
    return d->has_switch ? d->units : 1;
}

static inline void solve(struct asked *t, size_t m)
{
    struct cvg_error err = {.text = ""};
    name_now = methods[m].name;
    memset(&t->plan, 0xAA, sizeof t->plan);
    if (methods[m].solve(t->w.box, &t->q, &t->plan, &err) != CVG_OK) {
        fail_msg("%s, seed %d: %s", name_now, (int)seed_now, err.text);
    }
}

/* --- laws ----------------------------------------------------------------- */

static inline double time_of(const struct asked *t, const struct cvg_flow *f)
{
    return t->q.slowdown[f->device] * 1e-9 *
           (double)cvg_profile_time(t->w.box->profile, f->variant, 0, f->exit,
                                    f->device, f->batch, CVG_MEAN);
}

/* Could anything meet its bounds? */
static inline bool is_in_reach(const struct asked *t, uint32_t app)
{
    const struct cvg_box *box = t->w.box;
    const struct cvg_slo *slo = &t->q.slos[app];
    bool each = box->apps[app].accuracy_over == CVG_ACCURACY_PER_REQUEST;
    for (uint32_t v = 0; v < box->n_variants; v++) {
        uint32_t exit = box->variants[v].n_exits - 1;
        for (uint32_t d = 0; d < box->n_devices; d++) {
            uint32_t n = cvg_profile_min_batch(box->profile, v, 0, exit, d);
            struct cvg_flow f = {.variant = v, .exit = exit, .device = d};
            f.batch = n;
            if (n > 0 && box->variants[v].family == box->apps[app].family &&
                t->q.enabled[v] && isfinite(t->q.slowdown[d]) &&
                (!cvg_slo_has(slo, CVG_SLO_DEADLINE) ||
                 time_of(t, &f) * 1e9 <= (double)slo->deadline) &&
                (!cvg_slo_has(slo, CVG_SLO_ACCURACY) || !each ||
                 box->variants[v].accuracy[exit] >= slo->accuracy - 1e-12) &&
                (!cvg_slo_has(slo, CVG_SLO_ENERGY) ||
                 cvg_profile_energy(box->profile, v, 0, exit, d, n) / n <=
                     slo->energy_j * (1 + 1e-12))) {
                return true;
            }
        }
    }
    return false;
}

static inline bool is_hopeless(const struct asked *t, uint32_t app)
{
    return !is_in_reach(t, app) && t->w.box->apps[app].n_relax == 0;
}

static inline void check_bounds(const struct asked *t, const struct cvg_flow *f)
{
    const struct cvg_box *box = t->w.box;
    const struct cvg_slo *slo = &t->q.slos[f->app];
    const struct cvg_variant *v = &box->variants[f->variant];
    if (cvg_slo_has(slo, CVG_SLO_ACCURACY) &&
        box->apps[f->app].accuracy_over == CVG_ACCURACY_PER_REQUEST) {
        law(v->accuracy[f->exit] >= slo->accuracy - 1e-9, "accurate enough");
    }
    if (cvg_slo_has(slo, CVG_SLO_DEADLINE)) {
        law(time_of(t, f) * 1e9 <= (double)slo->deadline * (1 + 1e-9),
            "in time by itself");
    }
    if (cvg_slo_has(slo, CVG_SLO_ENERGY)) {
        uint32_t one = cvg_profile_min_batch(box->profile, f->variant, 0,
                                             f->exit, f->device);
        law(cvg_profile_energy(box->profile, f->variant, 0, f->exit, f->device,
                               one) <= slo->energy_j * one * (1 + 1e-9),
            "of no more energy");
    }
}

static inline void check_flow(const struct asked *t, const struct cvg_flow *f)
{
    const struct cvg_box *box = t->w.box;
    const struct cvg_variant *v = &box->variants[f->variant];
    law(v->family == box->apps[f->app].family, "of the app's family");
    law(isfinite(t->q.slowdown[f->device]), "on what is up");
    law(t->q.enabled[f->variant], "of what is enabled");
    law(cvg_box_can_run(box, f->device, f->variant), "it can run");
    law(f->rate_rps >= 0 && isfinite(f->rate_rps), "rates are not negative");
    law(f->exit == v->n_exits - 1, "through all stages");
    law(f->batch >= cvg_profile_min_batch(box->profile, f->variant, 0, f->exit,
                                          f->device) &&
            f->batch <= cvg_profile_max_batch(box->profile, f->variant, 0,
                                              f->exit, f->device),
        "in a batch that was measured");
    if (is_in_reach(t, f->app)) {
        check_bounds(t, f);
    }
}

static inline bool is_before(const struct cvg_flow *a, const struct cvg_flow *b)
{
    if (a->app != b->app) {
        return a->app < b->app;
    }
    return a->device != b->device ? a->device < b->device
                                  : a->variant < b->variant;
}

/* The variants that the device is to hold, as bits. */
static inline uint64_t held(const struct cvg_plan *plan, uint32_t device)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < plan->n_flows; i++) {
        const struct cvg_flow *f = &plan->flows[i];
        bits |= f->device == device ? 1ULL << f->variant : 0;
    }
    return bits;
}

static inline void check_device(const struct asked *t, uint32_t device)
{
    const struct cvg_device *d = &t->w.box->devices[device];
    uint32_t n = 0;
    double busy = 0;
    for (uint32_t i = 0; i < t->plan.n_flows; i++) {
        const struct cvg_flow *f = &t->plan.flows[i];
        if (f->device == device) {
            busy += f->rate_rps / f->batch * time_of(t, f) / d->units;
        }
    }
    for (uint64_t bits = held(&t->plan, device); bits > 0; bits &= bits - 1) {
        n++;
    }
    law(n <= places(d), "a device holds one variant, or each unit one");
    law(near(busy, t->plan.busy[device]), "busy is what flows take");
    law(busy <= 1 + 1e-9, "nothing is more than busy");
    law(t->plan.price[device] == 0, "prices are not given");
}

/* Who asks for something may have arrivals any moment. */
static inline double asked(const struct asked *t, uint32_t app)
{
    double least = t->q.slos[app].declared != 0 ? 0.5 : 0;
    return fmax(t->q.rates_rps[app], least);
}

static inline void check_apps(const struct asked *t)
{
    const struct cvg_plan *plan = &t->plan;
    bool all = true;
    for (uint32_t a = 0; a < t->w.box->n_apps; a++) {
        double served = plan->served_rps[a], rate = asked(t, a);
        law(plan->rates_rps[a] == t->q.rates_rps[a], "rates are as asked");
        law(served >= 0 && served <= rate * (1 + 1e-9), "no more than asked");
        law(served <= rate_on(plan, a, CVG_ANY, CVG_ANY) * (1 + 1e-9),
            "what is served has flows");
        law(!plan->given_up[a] && plan->worth[a] == 0, "not given");
        law(!is_hopeless(t, a) || rate_on(plan, a, CVG_ANY, CVG_ANY) == 0,
            "who cannot be served has no flows");
        all = all && (is_hopeless(t, a) || served >= rate * (1 - 1e-9));
    }
    law(plan->factor >= 0 && plan->factor <= 1, "the factor is a share");
    law(all == (plan->factor >= 1 - 1e-9), "the factor tells of what is shed");
}

/* Apps of one family share in proportion to their rates. */
static inline void check_shares(const struct asked *t)
{
    const struct cvg_plan *plan = &t->plan;
    for (uint32_t i = 0; i < plan->n_flows; i++) {
        const struct cvg_flow *f = &plan->flows[i];
        for (uint32_t j = 0; j < i; j++) {
            const struct cvg_flow *g = &plan->flows[j];
            if (g->device == f->device && g->variant == f->variant) {
                law(near(f->rate_rps * asked(t, g->app),
                         g->rate_rps * asked(t, f->app)),
                    "they share devices");
                law(near(plan->served_rps[f->app] * asked(t, g->app),
                         plan->served_rps[g->app] * asked(t, f->app)),
                    "they share what is shed");
            }
        }
    }
}

static inline void check(const struct asked *t)
{
    const struct cvg_plan *plan = &t->plan;
    law(plan->n_flows <= CVG_MAX_FLOWS, "not too many flows");
    for (uint32_t i = 0; i < plan->n_flows; i++) {
        check_flow(t, &plan->flows[i]);
        law(i == 0 || is_before(&plan->flows[i - 1], &plan->flows[i]),
            "flows are in order");
    }
    for (uint32_t d = 0; d < t->w.box->n_devices; d++) {
        check_device(t, d);
    }
    check_apps(t);
    check_shares(t);
}

static inline bool is_same_hosting(const struct asked *t,
                                   const struct cvg_plan *before)
{
    for (uint32_t d = 0; d < t->w.box->n_devices; d++) {
        if (held(&t->plan, d) != held(before, d)) {
            return false;
        }
    }
    return true;
}

/* What they have placed they leave. */
static inline bool is_placed_once(size_t m)
{
    return strcmp(methods[m].name, "static") == 0 ||
           strncmp(methods[m].name, "clipper", 7) == 0;
}

#endif

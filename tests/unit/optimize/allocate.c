/* Plans by accuracy scaling (include/convergo/allocate.h): what holds for each
 * method on any box, and small boxes whose answer is worked out by hand. How
 * the programs are solved is in allocation.c. */
#include "unit/optimize/asked.h"

#include "support/random_box.h"

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

static void law(bool holds, const char *text)
{
    if (!holds) {
        fail_msg("%s, seed %d: %s", name_now, (int)seed_now, text);
    }
}

/* --- boxes ---------------------------------------------------------------- */

/* Variant v and app a are of families v % n and a % n. */
static void split_families(struct world *w, uint32_t n)
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

static uint32_t places(const struct cvg_device *d)
{
    return d->has_switch ? d->units : 1;
}

/* Devices that hold one variant each, or each unit one where changing it takes
 * time; variants that take time to load. */
static void random_question(struct asked *t, uint64_t seed, uint64_t stream)
{
    static const struct random_box like = {.max_devices = 4,
                                           .max_variants = 6,
                                           .max_apps = 5,
                                           .max_exits = 2,
                                           .noise = true,
                                           .means = true,
                                           .switches = true};
    struct cvg_rng rng;
    cvg_rng_init(&rng, seed, stream, 0);
    begin(t);
    random_box_fill(&t->w, &rng, &like);
    struct cvg_box *box = t->w.box;
    uint32_t n = box->n_variants < 3 ? (uint32_t)box->n_variants : 3;
    split_families(&t->w, 1 + random_below(&rng, n));
    for (uint32_t d = 0; d < box->n_devices; d++) {
        box->devices[d].resident = places(&box->devices[d]);
        for (uint32_t v = 0; v < box->n_variants; v++) {
            cvg_profile_set_load(box->profile, v, d,
                                 CVG_MS(random_below(&rng, 500)));
        }
    }
    ready(t);
    double heavy = pow(10, 3 * cvg_rng_uniform(&rng));
    for (size_t a = 0; a < box->n_apps; a++) {
        t->q.rates_rps[a] = cvg_rng_uniform(&rng) * heavy;
        t->q.dispersion[a] = 3 * cvg_rng_uniform(&rng);
    }
    for (size_t d = 0; d < box->n_devices; d++) {
        t->q.slowdown[d] = 0.8 + cvg_rng_uniform(&rng);
    }
}

/* Something is down, or not to be used. */
static void break_something(struct asked *t, uint64_t seed)
{
    struct cvg_rng rng;
    cvg_rng_init(&rng, seed, 9, 0);
    if (random_below(&rng, 3) == 0) {
        t->q.slowdown[random_below(&rng, (uint32_t)t->w.box->n_devices)] =
            INFINITY;
    }
    if (random_below(&rng, 3) == 0) {
        t->q.enabled[random_below(&rng, (uint32_t)t->w.box->n_variants)] =
            false;
    }
    if (random_below(&rng, 3) == 0) {
        t->q.rates_rps[random_below(&rng, (uint32_t)t->w.box->n_apps)] = 0;
    }
}

static void solve(struct asked *t, size_t m)
{
    struct cvg_error err = {.text = ""};
    name_now = methods[m].name;
    memset(&t->plan, 0xAA, sizeof t->plan);
    if (methods[m].solve(t->w.box, &t->q, &t->plan, &err) != CVG_OK) {
        fail_msg("%s, seed %d: %s", name_now, (int)seed_now, err.text);
    }
}

/* --- laws ----------------------------------------------------------------- */

static double time_of(const struct asked *t, const struct cvg_flow *f)
{
    return t->q.slowdown[f->device] * 1e-9 *
           (double)cvg_profile_time(t->w.box->profile, f->variant, 0, f->exit,
                                    f->device, f->batch, CVG_MEAN);
}

static void check_bounds(const struct asked *t, const struct cvg_flow *f)
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

static void check_flow(const struct asked *t, const struct cvg_flow *f)
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
    check_bounds(t, f);
}

static bool is_before(const struct cvg_flow *a, const struct cvg_flow *b)
{
    if (a->app != b->app) {
        return a->app < b->app;
    }
    return a->device != b->device ? a->device < b->device
                                  : a->variant < b->variant;
}

/* The variants that the device is to hold, as bits. */
static uint64_t held(const struct cvg_plan *plan, uint32_t device)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < plan->n_flows; i++) {
        const struct cvg_flow *f = &plan->flows[i];
        bits |= f->device == device ? 1ULL << f->variant : 0;
    }
    return bits;
}

static void check_device(const struct asked *t, uint32_t device)
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
static double asked(const struct asked *t, uint32_t app)
{
    double least = t->q.slos[app].declared != 0 ? 0.5 : 0;
    return fmax(t->q.rates_rps[app], least);
}

static void check_apps(const struct asked *t)
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
        all = all && served >= rate * (1 - 1e-9);
    }
    law(plan->factor >= 0 && plan->factor <= 1, "the factor is a share");
    law(all == (plan->factor >= 1 - 1e-9), "the factor tells of what is shed");
}

/* Apps of one family share in proportion to their rates. */
static void check_shares(const struct asked *t)
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

static void check(const struct asked *t)
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

static bool is_same_hosting(const struct asked *t,
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
static bool is_placed_once(size_t m)
{
    return strcmp(methods[m].name, "static") == 0 ||
           strncmp(methods[m].name, "clipper", 7) == 0;
}

/* The plan becomes the last one: nothing has changed, so nothing changes; two
 * plans at most are needed for that, as they think of loads and what there is
 * to begin with. */
static void check_settles(struct asked *t, size_t m)
{
    for (int i = 0; i < 4; i++) {
        struct cvg_plan before = t->plan;
        go_on(t, false);
        solve(t, m);
        check(t);
        law(is_same_hosting(t, &before) || (i < 2 && !is_placed_once(m)),
            "what devices hold they keep");
    }
}

static void plans_keep_the_laws(void **state)
{
    (void)state;
    int shed = 0;
    for (seed_now = 1; seed_now <= 36; seed_now++) {
        struct asked t;
        random_question(&t, seed_now, 0);
        break_something(&t, seed_now);
        for (size_t m = 0; m < METHODS; m++) {
            t.q.n_flows = 0;
            solve(&t, m);
            check(&t);
            shed += t.plan.factor < 1;
            check_settles(&t, m);
            /* Equal questions, equal answers. */
            struct cvg_plan before = t.plan;
            solve(&t, m);
            assert_memory_equal(&t.plan, &before, sizeof before);
        }
        world_fini(&t.w);
    }
    assert_true(shed > 50 && shed < 36 * (int)METHODS - 50);
}

/* --- demand changes ------------------------------------------------------- */

static void new_rates(struct asked *t, struct cvg_rng *rng)
{
    double heavy = pow(10, 3 * cvg_rng_uniform(rng));
    for (size_t a = 0; a < t->w.box->n_apps; a++) {
        t->q.rates_rps[a] = heavy * cvg_rng_uniform(rng);
    }
}

static void demand_moves_nothing(void **state)
{
    (void)state;
    for (seed_now = 1; seed_now <= 24; seed_now++) {
        struct asked t;
        struct cvg_rng rng;
        cvg_rng_init(&rng, seed_now, 2, 0);
        random_question(&t, seed_now, 1);
        for (size_t m = CLIPPER_HT; m < METHODS; m++) {
            t.q.n_flows = 0;
            solve(&t, m);
            for (int i = 0; i < 3; i++) {
                struct cvg_plan before = t.plan;
                go_on(&t, false);
                new_rates(&t, &rng);
                solve(&t, m);
                check(&t);
                law(is_same_hosting(&t, &before), "demand changes nothing");
            }
        }
        world_fini(&t.w);
    }
}

/* As bits. */
static uint32_t families_on(const struct asked *t, uint32_t device)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < t->plan.n_flows; i++) {
        const struct cvg_flow *f = &t->plan.flows[i];
        if (f->device == device) {
            bits |= 1U << t->w.box->variants[f->variant].family;
        }
    }
    return bits;
}

static void check_families(const struct asked *t, uint32_t *families)
{
    for (uint32_t d = 0; d < t->w.box->n_devices; d++) {
        uint32_t bits = families_on(t, d);
        law(families[d] == 0 || bits == families[d], "families keep devices");
        families[d] = bits;
    }
}

/* They can get one that nobody had a use for. */
static void sommelier_leaves_devices_with_their_family(void **state)
{
    (void)state;
    int changed = 0;
    for (seed_now = 1; seed_now <= 36; seed_now++) {
        struct asked t;
        struct cvg_rng rng;
        uint32_t families[CVG_MAX_DEVICES] = {0};
        cvg_rng_init(&rng, seed_now, 3, 0);
        random_question(&t, seed_now, 2);
        solve(&t, SOMMELIER);
        check_families(&t, families);
        for (int i = 0; i < 5; i++) {
            struct cvg_plan before = t.plan;
            go_on(&t, false);
            new_rates(&t, &rng);
            solve(&t, SOMMELIER);
            check(&t);
            check_families(&t, families);
            changed += !is_same_hosting(&t, &before);
        }
        world_fini(&t.w);
    }
    assert_true(changed > 5);
}

/* --- by hand -------------------------------------------------------------- */

/* "fast" at 100/s and "good" at 25/s, on devices that are alike. */
static void alike(struct asked *t, uint32_t devices, uint32_t units)
{
    seed_now = 0;
    begin(t);
    for (uint32_t d = 0; d < devices; d++) {
        char name[16];
        (void)snprintf(name, sizeof name, "d%u", d);
        struct cvg_device *device =
            world_device(&t->w, name, CVG_FCFS, units, 1);
        free(device->profile);
        device->profile = strdup("alike");
        device->resident = units;
        device->has_switch = units > 1;
    }
    world_variant(&t->w, "fast", 0.7);
    world_variant(&t->w, "good", 0.9);
    for (uint32_t d = 0; d < devices; d++) {
        world_profile(&t->w, "fast", t->w.box->devices[d].name, 1, 10, 0);
        world_profile(&t->w, "good", t->w.box->devices[d].name, 1, 40, 0);
    }
    world_slo_deadline(world_app(&t->w, "a0"), CVG_MS(200));
    t->w.box->policy.headroom = 1;
    ready(t);
}

/* A few plans later. */
static void ask(struct asked *t, size_t m, double rate_rps)
{
    t->q.rates_rps[0] = rate_rps;
    for (int i = 0; i < 3; i++) {
        solve(t, m);
        check(t);
        go_on(t, false);
    }
}

static bool uses(const struct asked *t, uint32_t variant)
{
    return rate_on(&t->plan, CVG_ANY, variant, CVG_ANY) > 0;
}

/* 100/s by the good one, 400 by the fast one; and back again. */
static void demand_is_scaled_for(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 4, 1);
    for (size_t m = MILP; m <= SOMMELIER; m++) {
        t.q.n_flows = 0;
        ask(&t, m, 40);
        assert_true(t.plan.factor == 1 && !uses(&t, 0));
        ask(&t, m, 300);
        assert_true(near(t.plan.served_rps[0], 300) && uses(&t, 0));
        ask(&t, m, 2000);
        assert_true(near(rate_on(&t.plan, 0, 0, CVG_ANY), 400));
        assert_true(t.plan.factor > 0.18 && t.plan.factor < 0.2 + 1e-9);
        assert_true(near(t.plan.served_rps[0], 2000 * t.plan.factor));
        ask(&t, m, 40);
        assert_true(t.plan.factor == 1 && !uses(&t, 0));
    }
    world_fini(&t.w);
}

/* The others serve what they can by what they have. */
static void demand_is_not_scaled_for(void **state)
{
    (void)state;
    static const double rates[] = {40, 300, 2000, 40};
    struct asked t;
    alike(&t, 4, 1);
    for (size_t m = CLIPPER_HT; m <= STATIC; m++) {
        double can = m == CLIPPER_HT ? 400 : 100;
        t.q.n_flows = 0;
        for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
            ask(&t, m, rates[i]);
            assert_true(uses(&t, m == CLIPPER_HT ? 0 : 1));
            assert_false(uses(&t, m == CLIPPER_HT ? 1 : 0));
            assert_true(near(t.plan.served_rps[0], fmin(can, rates[i])));
        }
    }
    world_fini(&t.w);
}

/* What is down serves nothing; what has come up does. */
static void devices_go_down_and_come_up(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 2, 1);
    for (size_t m = 0; m < METHODS; m++) {
        t.q.n_flows = 0;
        t.q.slowdown[0] = INFINITY;
        ask(&t, m, 2000);
        double served = rate_on(&t.plan, 0, CVG_ANY, CVG_ANY);
        assert_true(held(&t.plan, 0) == 0 && held(&t.plan, 1) != 0);
        t.q.slowdown[0] = 1;
        ask(&t, m, 2000);
        assert_true(held(&t.plan, 0) != 0);
        assert_true(rate_on(&t.plan, 0, CVG_ANY, CVG_ANY) >= 1.25 * served);
        t.q.slowdown[0] = t.q.slowdown[1] = INFINITY;
        ask(&t, m, 2000);
        assert_true(t.plan.n_flows == 0 && t.plan.factor == 0);
        t.q.slowdown[0] = t.q.slowdown[1] = 1;
        /* Of one that is slow less is asked. */
        t.q.n_flows = 0;
        t.q.slowdown[0] = 2;
        ask(&t, m, 2000);
        assert_true(near(rate_on(&t.plan, 0, CVG_ANY, 1),
                         2 * rate_on(&t.plan, 0, CVG_ANY, 0)));
        t.q.slowdown[0] = 1;
    }
    world_fini(&t.w);
}

static void nothing_may_be_enabled(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 2, 1);
    for (size_t m = 0; m < METHODS; m++) {
        t.q.n_flows = 0;
        ask(&t, m, 100);
        t.q.enabled[1] = false;
        ask(&t, m, 150);
        assert_true(near(t.plan.served_rps[0], 150));
        t.q.enabled[0] = false;
        ask(&t, m, 100);
        assert_true(t.plan.n_flows == 0 && t.plan.factor == 0);
        t.q.enabled[0] = t.q.enabled[1] = true;
    }
    world_fini(&t.w);
}

/* A thousandth of a request's accuracy is not worth the trouble. */
static void little_is_not_worth_changing(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 2, 1);
    for (size_t m = MILP; m <= DP; m++) {
        t.w.box->variants[1].accuracy[0] = 0.7 + 0.0008;
        t.q.enabled[1] = false;
        t.q.n_flows = 0;
        ask(&t, m, 20);
        t.q.enabled[1] = true;
        ask(&t, m, 20);
        assert_true(uses(&t, 0) && !uses(&t, 1));
        t.w.box->variants[1].accuracy[0] = 0.7 + 0.003;
        ask(&t, m, 20);
        assert_true(uses(&t, 1) && !uses(&t, 0));
    }
    world_fini(&t.w);
}

/* Nobody, or nobody who asks for anything; who has an SLO has a home. */
static void nobody_may_ask(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 2, 1);
    for (size_t m = 0; m < METHODS; m++) {
        t.q.n_flows = 0;
        ask(&t, m, 0);
        assert_true(t.plan.factor == 1 && t.plan.n_flows > 0);
        t.q.slos[0].declared = 0;
        t.q.n_flows = 0;
        ask(&t, m, 0);
        assert_true(t.plan.factor == 1 && t.plan.n_flows == 0);
        t.w.box->n_apps = 0;
        ask(&t, m, 0);
        assert_true(t.plan.factor == 1 && t.plan.n_flows == 0);
        t.w.box->n_apps = 1;
        t.q.slos[0] = t.w.box->apps[0].slo;
    }
    world_fini(&t.w);
}

/* Of 60/s and 120; what comes by accident is added by `milp` and `dp` alone:
 * one standard deviation in half of the deadline, 0.1 s. */
static void demand_has_headroom(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 1, 1);
    t.w.box->policy.headroom = 2;
    for (size_t m = 0; m < METHODS; m++) {
        double more = m <= DP ? sqrt(60 / 0.1) : 0;
        double can = m == CLIPPER_HA ? 25 : 100;
        t.q.n_flows = 0;
        t.q.dispersion[0] = 0;
        ask(&t, m, 60);
        assert_true(near(t.plan.factor, can / (120 + more)) || m >= SOMMELIER);
        assert_true(near(t.plan.served_rps[0], 60 * t.plan.factor));
        t.q.dispersion[0] = 4;
        ask(&t, m, 60);
        assert_true(near(t.plan.factor, can / (120 + 2 * more)) ||
                    m >= SOMMELIER);
    }
    t.w.box->policy.headroom = 0;
    t.q.n_flows = 0;
    ask(&t, INFAAS, 100);
    assert_true(near(t.plan.factor, 1 / CVG_HEADROOM));
    world_fini(&t.w);
}

/* The largest that takes half of the deadline; of all of it, if none does. */
static void batches_take_half_of_the_deadline(void **state)
{
    (void)state;
    static const struct {
        uint32_t deadline_ms, batch;
    } cases[] = {{40, 4}, {30, 2}, {20, 1}, {15, 2}, {10, 1}};
    struct asked t;
    begin(&t);
    world_device(&t.w, "d0", CVG_FCFS, 1, 1);
    world_variant(&t.w, "v0", 0.9);
    world_profile(&t.w, "v0", "d0", 1, 10, 0);
    world_profile(&t.w, "v0", "d0", 4, 20, 0);
    world_slo_deadline(world_app(&t.w, "a0"), 1);
    ready(&t);
    for (size_t m = 0; m < METHODS; m++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            t.q.slos[0].deadline = CVG_MS(cases[i].deadline_ms);
            t.q.n_flows = 0;
            ask(&t, m, 10);
            assert_int_equal(t.plan.n_flows, 1);
            assert_int_equal(t.plan.flows[0].batch, cases[i].batch);
        }
    }
    world_fini(&t.w);
}

/* Both units hold the same variant, and go on doing so. */
static void units_are_places(void **state)
{
    (void)state;
    struct asked t;
    alike(&t, 1, 2);
    for (size_t m = 0; m < METHODS; m++) {
        t.q.n_flows = 0;
        ask(&t, m, 2000);
        law(near(rate_on(&t.plan, 0, CVG_ANY, 0), m == CLIPPER_HA ? 50 : 200),
            "two units serve twice as much");
    }
    world_fini(&t.w);
}

/* "a" at 100/s on all devices, "b" at 100/s on the first two and at 10/s on the
 * others: these are for "a", so that 200/s can be served of both. Of "c"
 * nothing can. */
static void two_types(struct asked *t)
{
    static const char *const names[] = {"d0", "d1", "d2", "d3"};
    begin(t);
    for (int d = 0; d < 4; d++) {
        struct cvg_device *device =
            world_device(&t->w, names[d], CVG_FCFS, 1, 1);
        free(device->profile);
        device->profile = strdup(d < 2 ? "quick" : "slow");
    }
    world_variant(&t->w, "a", 0.9);
    world_variant(&t->w, "b", 0.9);
    world_variant(&t->w, "c", 0.9);
    for (int d = 0; d < 4; d++) {
        world_profile(&t->w, "a", names[d], 1, 10, 0);
        world_profile(&t->w, "b", names[d], 1, d < 2 ? 10 : 100, 0);
        world_profile(&t->w, "c", names[d], 1, 10, 0);
    }
    world_slo_deadline(world_app(&t->w, "a"), CVG_MS(400));
    world_slo_deadline(world_app(&t->w, "b"), CVG_MS(400));
    world_slo_deadline(world_app(&t->w, "c"), CVG_MS(400));
    split_families(&t->w, 3);
    ready(t);
    t->q.enabled[2] = false;
}

/* Placed for the largest demand of that mix that can be served, whatever it is
 * at first, and whoever has no chance. */
static void placed_for_the_most(void **state)
{
    (void)state;
    static const double at_first[] = {10, 100, 1000};
    for (int i = 0; i < 6; i++) {
        struct asked t;
        two_types(&t);
        seed_now = (uint64_t)i;
        t.q.slos[2].declared = i % 2 == 0 ? 0 : t.q.slos[2].declared;
        for (size_t m = SOMMELIER; m <= CLIPPER_HA; m++) {
            t.q.n_flows = 0;
            t.q.rates_rps[0] = t.q.rates_rps[1] = at_first[i / 2];
            solve(&t, m);
            go_on(&t, false);
            t.q.rates_rps[0] = t.q.rates_rps[1] = 180;
            solve(&t, m);
            check(&t);
            law(near(t.plan.served_rps[0], 180), "all of a");
            law(near(t.plan.served_rps[1], 180), "all of b");
        }
        world_fini(&t.w);
    }
}

/* Nobody asks for "b" for a while. */
static void devices_wait_for_their_family(void **state)
{
    (void)state;
    struct asked t;
    two_types(&t);
    t.q.slos[1].declared = 0;
    t.q.rates_rps[0] = 100;
    for (size_t m = SOMMELIER; m < METHODS; m++) {
        t.q.n_flows = 0;
        t.q.rates_rps[1] = 100;
        solve(&t, m);
        go_on(&t, false);
        struct cvg_plan before = t.plan;
        t.q.rates_rps[1] = 0;
        solve(&t, m);
        go_on(&t, false);
        t.q.rates_rps[1] = 100;
        solve(&t, m);
        law(is_same_hosting(&t, &before), "devices stay with their family");
    }
    world_fini(&t.w);
}

static void there_may_be_too_many_flows(void **state)
{
    (void)state;
    struct cvg_error err = {.text = ""};
    struct asked t;
    alike(&t, 8, 1);
    for (uint32_t a = 1; a < CVG_MAX_APPS; a++) {
        world_slo_deadline(world_app(&t.w, "more"), CVG_MS(200));
        t.q.slos[a] = t.w.box->apps[a].slo;
    }
    for (size_t m = 0; m < METHODS; m++) {
        t.q.rates_rps[0] = 10000;
        assert_int_equal(methods[m].solve(t.w.box, &t.q, &t.plan, &err),
                         CVG_LIMIT);
        assert_non_null(strstr(err.text, "flows"));
    }
    world_fini(&t.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_keep_the_laws),
        cmocka_unit_test(demand_moves_nothing),
        cmocka_unit_test(sommelier_leaves_devices_with_their_family),
        cmocka_unit_test(demand_is_scaled_for),
        cmocka_unit_test(demand_is_not_scaled_for),
        cmocka_unit_test(devices_go_down_and_come_up),
        cmocka_unit_test(nothing_may_be_enabled),
        cmocka_unit_test(little_is_not_worth_changing),
        cmocka_unit_test(nobody_may_ask),
        cmocka_unit_test(demand_has_headroom),
        cmocka_unit_test(batches_take_half_of_the_deadline),
        cmocka_unit_test(units_are_places),
        cmocka_unit_test(placed_for_the_most),
        cmocka_unit_test(devices_wait_for_their_family),
        cmocka_unit_test(there_may_be_too_many_flows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

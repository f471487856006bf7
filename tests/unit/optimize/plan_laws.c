/* link: -Wl,--wrap=calloc -Wl,--wrap=realloc */
/* What holds for the plan of any box. */
#include "unit/optimize/asked.h"

#include "support/failing.h"
#include "support/random_box.h"

#include <stdio.h>
#include <stdlib.h>

static const struct random_box small = {.max_devices = 3,
                                        .max_variants = 4,
                                        .max_apps = 4,
                                        .max_exits = 2,
                                        .noise = true,
                                        .means = true,
                                        .switches = true,
                                        .least_one_slo = true};

static void random_question(struct asked *t, struct cvg_rng *rng,
                            const struct random_box *like)
{
    begin(t);
    random_box_fill(&t->w, rng, like);
    ready(t);
    const struct cvg_box *box = t->w.box;
    double heavy = 10 + random_below(rng, 200);
    for (size_t a = 0; a < box->n_apps; a++) {
        t->q.rates_rps[a] = cvg_rng_uniform(rng) * heavy;
    }
    for (size_t d = 0; d < box->n_devices; d++) {
        t->q.slowdown[d] = 0.8 + cvg_rng_uniform(rng);
    }
}

static double time_of(const struct asked *t, const struct cvg_flow *f)
{
    return t->q.slowdown[f->device] * 1e-9 / f->batch *
           (double)cvg_profile_time(t->w.box->profile, f->variant, 0, f->exit,
                                    f->device, f->batch, CVG_MEAN);
}

/* Every flow can run: a batch that was measured, enough accuracy and no more
 * energy than asked for, in time by itself, on what is up. */
static void check_flow(const struct asked *t, const struct cvg_flow *f)
{
    const struct cvg_box *box = t->w.box;
    const struct cvg_profile *p = box->profile;
    const struct cvg_slo *slo = &t->q.slos[f->app];
    assert_true(f->rate_rps > 0);
    assert_true(t->q.enabled[f->variant]);
    assert_true(isfinite(t->q.slowdown[f->device]));
    uint32_t min = cvg_profile_min_batch(p, f->variant, 0, f->exit, f->device);
    uint32_t max = cvg_profile_max_batch(p, f->variant, 0, f->exit, f->device);
    assert_true(min > 0 && f->batch >= min && f->batch <= max);
    bool of_mean = box->apps[f->app].accuracy_over == CVG_ACCURACY_PER_WINDOW;
    if (cvg_slo_has(slo, CVG_SLO_ACCURACY) && !of_mean) {
        assert_true(box->variants[f->variant].accuracy[f->exit] >=
                    slo->accuracy - 1e-9);
    }
    if (cvg_slo_has(slo, CVG_SLO_ENERGY) && !of_mean) {
        assert_true(cvg_profile_energy(p, f->variant, 0, f->exit, f->device,
                                       f->batch) <=
                    slo->energy_j * f->batch * (1 + 1e-9));
    }
    if (cvg_slo_has(slo, CVG_SLO_DEADLINE)) {
        double limit = (double)slo->deadline / t->q.slowdown[f->device];
        assert_true(cvg_profile_within(p, f->variant, 0, f->exit, f->device,
                                       f->batch, (cvg_span)limit + 1) > 0);
    }
}

static void check_apps(const struct asked *t)
{
    const struct cvg_plan *plan = &t->plan;
    for (uint32_t a = 0; a < t->w.box->n_apps; a++) {
        const struct cvg_slo *slo = &t->q.slos[a];
        double rate = t->q.rates_rps[a];
        double planned = fmax(rate, 0.5); /* one may come any moment */
        double flows = rate_on(plan, a, CVG_ANY, CVG_ANY);
        assert_true(plan->rates_rps[a] == rate);
        assert_true(plan->worth[a] >= 0);
        assert_true(plan->served_rps[a] <= flows + 1e-6);
        if (plan->factor >= 1) {
            assert_true(plan->served_rps[a] <=
                        plan->factor * planned * (1 + 1e-6));
            assert_true(!plan->given_up[a] || flows == 0);
            assert_true(flows == 0 || plan->served_rps[a] >=
                                          plan->factor * planned * (1 - 1e-6));
            assert_true(plan->worth[a] == 0);
        } else {
            /* a little more than what is asked for, so that it has a price */
            assert_true(plan->served_rps[a] <= 1.05 * planned);
        }
        if (cvg_slo_has(slo, CVG_SLO_THROUGHPUT) && !plan->given_up[a]) {
            assert_true(plan->served_rps[a] >=
                        0.95 * fmin(slo->throughput_rps, rate) - 1e-6);
        }
    }
}

/* The variants that each unit keeps, and the time that they need of it: there
 * must be a way to lay them out. */
static bool can_be_laid_out(const struct asked *t, uint32_t device,
                            const double *time, uint32_t variant,
                            uint32_t *sets)
{
    const struct cvg_box *box = t->w.box;
    const struct cvg_device *d = &box->devices[device];
    assert_true(d->units <= 2);
    if (variant == box->n_variants) {
        double only[2] = {0, 0}, all = 0;
        for (uint32_t u = 0; u < d->units; u++) {
            uint64_t bytes = 0;
            uint32_t n = 0;
            for (uint32_t v = 0; v < variant; v++) {
                if ((sets[u] >> v & 1U) != 0) {
                    bytes += cvg_box_cache_need(box, device, v);
                    n++;
                }
            }
            if (n > 1 && (!d->has_cache || bytes > d->cache_bytes)) {
                return false;
            }
        }
        for (uint32_t v = 0; v < variant; v++) {
            bool first = (sets[0] >> v & 1U) != 0;
            bool second = d->units > 1 && (sets[1] >> v & 1U) != 0;
            only[0] += first && !second ? time[v] : 0;
            only[1] += second && !first ? time[v] : 0;
            all += time[v];
        }
        return only[0] <= 1 + 1e-6 && only[1] <= 1 + 1e-6 &&
               all <= d->units + 1e-6;
    }
    for (uint32_t where = 0; where < 1U << d->units; where++) {
        if ((where == 0) != (time[variant] == 0)) {
            continue;
        }
        uint32_t more[2] = {sets[0] | (where & 1U) << variant,
                            sets[1] | where >> 1 << variant};
        if (can_be_laid_out(t, device, time, variant + 1, more)) {
            return true;
        }
    }
    return false;
}

static void check_device(const struct asked *t, uint32_t device)
{
    const struct cvg_box *box = t->w.box;
    const struct cvg_device *d = &box->devices[device];
    double time[CVG_MAX_VARIANTS] = {0}, all = 0;
    double times = t->plan.frugal ? t->plan.factor / CVG_PLAN_HEADROOM : 1;
    for (uint32_t i = 0; i < t->plan.n_flows; i++) {
        const struct cvg_flow *f = &t->plan.flows[i];
        if (f->device == device) {
            time[f->variant] += f->rate_rps * time_of(t, f) / times;
            all += f->rate_rps * time_of(t, f) / times;
        }
    }
    double busy = t->plan.busy[device] / times;
    assert_true(all <= d->units * (1 + 1e-6));
    assert_true(busy >= all / d->units - 1e-6);
    assert_true(busy <= 1.25 * all / d->units + 1e-6);
    assert_true(t->plan.price[device] >= 0);
    uint32_t sets[2] = {0, 0};
    assert_true(!d->has_switch || can_be_laid_out(t, device, time, 0, sets));
}

static void check(const struct asked *t)
{
    const struct cvg_flow *before = NULL;
    for (uint32_t i = 0; i < t->plan.n_flows; i++) {
        const struct cvg_flow *f = &t->plan.flows[i];
        check_flow(t, f);
        assert_true(before == NULL || before->app < f->app ||
                    (before->app == f->app && before->device <= f->device));
        before = f;
    }
    check_apps(t);
    for (uint32_t d = 0; d < t->w.box->n_devices; d++) {
        check_device(t, d);
    }
}

static uint64_t seed_now;

static void plans_keep_the_laws(void **state)
{
    (void)state;
    int crowded = 0, n = 0;
    for (seed_now = 1; seed_now <= 400; seed_now++) {
        struct asked t;
        struct cvg_rng rng;
        cvg_rng_init(&rng, seed_now, 0, 0);
        random_question(&t, &rng, &small);
        if (random_below(&rng, 4) == 0) {
            t.q.slowdown[0] = INFINITY;
        }
        make(&t);
        check(&t);
        crowded += t.plan.factor < 1;
        n++;
        /* The next question, of the same box and somewhat other rates. */
        for (size_t a = 0; a < t.w.box->n_apps; a++) {
            t.q.rates_rps[a] *= 0.7 + 0.6 * cvg_rng_uniform(&rng);
        }
        go_on(&t, random_below(&rng, 2) == 0);
        make(&t);
        check(&t);
        /* Equal questions, equal answers. */
        struct cvg_plan again;
        memset(&again, 0xAA, sizeof again);
        assert_int_equal(cvg_plan_make(t.w.box, &t.q, &again, NULL), CVG_OK);
        assert_memory_equal(&again, &t.plan, sizeof again);
        world_fini(&t.w);
    }
    assert_true(crowded > n / 10 && crowded < n * 9 / 10);
}

static void without_deadlines(struct asked *t)
{
    for (uint32_t a = 0; a < t->w.box->n_apps; a++) {
        struct cvg_app *app = &t->w.box->apps[a];
        app->slo.declared &= ~(1U << CVG_SLO_DEADLINE);
        if (app->slo.declared == 0) {
            world_slo_accuracy(app, 0.1);
        }
        t->q.slos[a] = app->slo;
        t->q.rates_rps[a] = fmax(t->q.rates_rps[a], 1);
    }
}

/* Without deadlines plans leave nothing to the queue: their factor is the load
 * 1.0 of the bound, where units keep nothing; and close to it where they do. */
static void the_factor_is_load_one(void **state)
{
    (void)state;
    double sum = 0, worst = 1;
    int n = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct asked t;
        struct cvg_rng rng;
        struct random_box like = small;
        struct cvg_load_one one;
        like.switches = seed % 2 == 0;
        like.max_exits = 1;
        cvg_rng_init(&rng, seed, 1, 0);
        random_question(&t, &rng, &like);
        without_deadlines(&t);
        make(&t);
        struct cvg_fluid_demand demand = {.box = t.w.box,
                                          .rates_rps = t.q.rates_rps,
                                          .slowdown = t.q.slowdown};
        assert_int_equal(cvg_load_one(&demand, &one, NULL), CVG_OK);
        if (one.left_out < t.w.box->n_apps && isfinite(one.factor) &&
            one.exact) {
            double ratio = t.plan.factor / one.factor;
            if (!like.switches ? !near(ratio, 1) : ratio > 1 + 1e-6) {
                fail_msg("seed %d: %g, load 1.0 is %g", (int)seed,
                         t.plan.factor, one.factor);
            }
            sum += ratio;
            worst = fmin(worst, ratio);
            n++;
        }
        world_fini(&t.w);
    }
    print_message("factor / load 1.0: %d boxes, mean %.4f, worst %.4f\n", n,
                  sum / n, worst);
    assert_true(n > 200);
    assert_true(sum / n >= 0.98);
}

/* In overload: nobody would gain by another way. A request's worth is its
 * weight less what its time costs by the cheapest way, and flows take that. */
static void check_prices(const struct asked *t, uint32_t app, uint32_t variant,
                         uint32_t device, uint32_t batch, bool used)
{
    const struct cvg_box *box = t->w.box;
    struct cvg_flow f = {
        .variant = variant, .device = device, .batch = batch, .rate_rps = 1};
    double cost = t->plan.price[device] * time_of(t, &f);
    double weight = box->apps[app].weight;
    double gain = weight - cost - t->plan.worth[app];
    bool guaranteed = cvg_slo_has(&t->q.slos[app], CVG_SLO_THROUGHPUT);
    if (t->plan.given_up[app]) {
        assert_true(!used || cost + t->plan.worth[app] <= 0.01 * weight);
        return;
    }
    assert_true(gain <= 1e-5 * weight);
    if (used && !guaranteed) { /* held windows may cost more than they add */
        assert_true(gain >= -1e-5 * weight);
    }
}

static void prices_tell_what_is_taken(void **state)
{
    (void)state;
    int n = 0;
    for (seed_now = 1; seed_now <= 300; seed_now++) {
        struct asked t;
        struct cvg_rng rng;
        struct random_box like = small;
        like.switches = like.means = false;
        like.max_exits = 1;
        cvg_rng_init(&rng, seed_now, 2, 0);
        random_question(&t, &rng, &like);
        without_deadlines(&t);
        for (size_t a = 0; a < t.w.box->n_apps; a++) {
            t.q.rates_rps[a] *= 8;
        }
        make(&t);
        for (uint32_t i = 0; t.plan.factor < 1 && i < t.plan.n_flows; i++) {
            const struct cvg_flow *f = &t.plan.flows[i];
            check_prices(&t, f->app, f->variant, f->device, f->batch, true);
            for (uint32_t d = 0; d < t.w.box->n_devices; d++) {
                if (cvg_box_can_run(t.w.box, d, f->variant)) {
                    uint32_t max = cvg_profile_max_batch(t.w.box->profile,
                                                         f->variant, 0, 0, d);
                    struct cvg_slo *slo = &t.q.slos[f->app];
                    double energy = cvg_profile_energy(
                        t.w.box->profile, f->variant, 0, 0, d, max);
                    if (!cvg_slo_has(slo, CVG_SLO_ENERGY) ||
                        energy / max <= slo->energy_j) {
                        check_prices(&t, f->app, f->variant, d, max, false);
                    }
                }
            }
            n++;
        }
        world_fini(&t.w);
    }
    assert_true(n > 50);
}

/* --- memory --------------------------------------------------------------- */

static void no_memory(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct asked t;
        struct cvg_rng rng;
        struct cvg_plan plan;
        cvg_rng_init(&rng, seed, 3, 0);
        random_question(&t, &rng, &small);
        make(&t);
        enum cvg_status status = CVG_NOMEM;
        long n = 0;
        for (; status != CVG_OK && n < 20000; n++) {
            fail_at = n;
            status = cvg_plan_make(t.w.box, &t.q, &plan, NULL);
            fail_at = -1;
            if (status != CVG_OK) {
                assert_int_equal(status, CVG_NOMEM);
            }
        }
        assert_true(n > 3);
        assert_int_equal(status, CVG_OK);
        assert_memory_equal(&plan, &t.plan, sizeof plan);
        world_fini(&t.w);
    }
}

static int say_seed(void **state)
{
    (void)state;
    if (seed_now > 0 && seed_now < 300) {
        print_message("seed %d\n", (int)seed_now);
    }
    seed_now = 0;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(plans_keep_the_laws, say_seed),
        cmocka_unit_test(the_factor_is_load_one),
        cmocka_unit_test_teardown(prices_tell_what_is_taken, say_seed),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* link: -Wl,--wrap=calloc -Wl,--wrap=realloc */
/* The fluid bound: against a simplex of its own that knows the definition and
 * leaves no column out; duals against finite differences. */
#include "support/failing.h"
#include "support/random_box.h"
#include "support/simplex.h"

#include <convergo/fluid.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the definition ------------------------------------------------------- */

struct question {
    struct cvg_fluid_demand demand;
    double rates[CVG_MAX_APPS];
    double slowdown[CVG_MAX_DEVICES];
};

static double asked_of(const struct cvg_app *a)
{
    return cvg_slo_has(&a->slo, CVG_SLO_ACCURACY) ? a->slo.accuracy : 0;
}

/* rows: apps, devices, means */
static void add_column(struct simplex *t, const struct question *q,
                       uint32_t app, uint32_t v, uint32_t e, uint32_t d,
                       uint32_t n)
{
    const struct cvg_box *box = q->demand.box;
    const struct cvg_app *a = &box->apps[app];
    double share = q->demand.deadline_share > 0 ? q->demand.deadline_share : 1;
    double chance = 1;
    if (cvg_slo_has(&a->slo, CVG_SLO_DEADLINE)) {
        double limit = (double)a->slo.deadline * share / q->slowdown[d];
        chance = cvg_profile_within(box->profile, v, 0, e, d, n,
                                    (cvg_span)(limit + 0.9));
    }
    double energy = cvg_profile_energy(box->profile, v, 0, e, d, n) / n;
    bool counts = !cvg_slo_has(&a->slo, CVG_SLO_ENERGY) ||
                  energy <= a->slo.energy_j * (1 + 1e-12);
    double over = box->variants[v].accuracy[e] - asked_of(a);
    bool of_mean = a->accuracy_over == CVG_ACCURACY_PER_WINDOW;
    if (!of_mean && over < -1e-12) {
        return;
    }
    int n_apps = (int)box->n_apps, n_devices = (int)box->n_devices;
    int c = t->n_columns++;
    assert_true(c < SIMPLEX_COLUMNS);
    double weight = q->demand.weighted ? a->weight : 1;
    t->a[t->n_rows][c] = counts ? -weight * chance : 0;
    t->a[app][c] = 1;
    t->a[n_apps + (int)d][c] =
        (double)cvg_profile_time(box->profile, v, 0, e, d, n, CVG_MEAN) * 1e-9 /
        n * q->slowdown[d];
    t->a[n_apps + n_devices + (int)app][c] = of_mean ? -chance * over : 0;
}

static void add_columns(struct simplex *t, const struct question *q,
                        uint32_t app)
{
    const struct cvg_box *box = q->demand.box;
    const struct cvg_profile *p = box->profile;
    for (uint32_t v = 0; v < box->n_variants; v++) {
        for (uint32_t d = 0; d < box->n_devices; d++) {
            for (uint32_t e = 0; e < box->variants[v].n_exits; e++) {
                uint32_t n = cvg_profile_min_batch(p, v, 0, e, d);
                uint32_t max = cvg_profile_max_batch(p, v, 0, e, d);
                for (; n > 0 && n <= max && q->slowdown[d] < INFINITY; n++) {
                    add_column(t, q, app, v, e, d, n);
                }
            }
        }
    }
}

static double oracle(const struct question *q)
{
    static struct simplex t;
    const struct cvg_box *box = q->demand.box;
    memset(&t, 0, sizeof t);
    t.n_rows = (int)(2 * box->n_apps + box->n_devices);
    for (uint32_t a = 0; a < box->n_apps; a++) {
        if (box->apps[a].slo.declared != 0) {
            add_columns(&t, q, a);
        }
    }
    int last = t.n_columns + t.n_rows;
    simplex_begin(&t);
    for (uint32_t a = 0; a < box->n_apps; a++) {
        t.a[a][last] = q->rates[a];
    }
    for (uint32_t d = 0; d < box->n_devices; d++) {
        t.a[box->n_apps + d][last] = box->devices[d].units;
    }
    return simplex_maximise(&t);
}

/* --- questions ------------------------------------------------------------ */

static void ask(struct question *q, struct world *w, uint64_t seed)
{
    struct cvg_rng rng;
    cvg_rng_init(&rng, seed, 1, 2);
    struct random_box like = {.max_devices = 4,
                              .max_variants = 6,
                              .max_apps = 4,
                              .max_exits = 3,
                              .noise = true,
                              .means = true};
    world_init(w);
    random_box_fill(w, &rng, &like);
    memset(q, 0, sizeof *q);
    for (uint32_t a = 0; a < w->box->n_apps; a++) {
        q->rates[a] = random_below(&rng, 6) * 60;
    }
    for (uint32_t d = 0; d < w->box->n_devices; d++) {
        q->slowdown[d] =
            random_below(&rng, 4) == 0 ? 1 + cvg_rng_uniform(&rng) * 2 : 1;
        if (random_below(&rng, 10) == 0) {
            q->slowdown[d] = INFINITY;
        }
    }
    q->demand = (struct cvg_fluid_demand){
        .box = w->box,
        .rates_rps = q->rates,
        .slowdown = q->slowdown,
        .deadline_share = random_below(&rng, 2) == 0 ? 0 : 0.5,
        .weighted = random_below(&rng, 2) == 0,
    };
}

static struct cvg_fluid solved(const struct question *q)
{
    struct cvg_fluid out;
    struct cvg_error err = {.text = ""};
    if (cvg_fluid_solve(&q->demand, &out, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    return out;
}

static double weighted_sum(const struct question *q, const double *of_apps)
{
    double sum = 0;
    for (uint32_t a = 0; a < q->demand.box->n_apps; a++) {
        const struct cvg_app *app = &q->demand.box->apps[a];
        if (app->slo.declared != 0) {
            sum += (q->demand.weighted ? app->weight : 1) * of_apps[a];
        }
    }
    return sum;
}

/* --- laws ----------------------------------------------------------------- */

#define SEEDS 400

static void check(bool holds, uint64_t seed, const char *what)
{
    if (!holds) {
        fail_msg("seed %llu: %s", (unsigned long long)seed, what);
    }
}

static void it_is_the_optimum(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        struct question q;
        ask(&q, &w, seed);
        struct cvg_fluid f = solved(&q);
        double best = oracle(&q), offered = weighted_sum(&q, q.rates);
        check(fabs(weighted_sum(&q, f.met_rps) - best) <= 1e-6 * (1 + best),
              seed, "another optimum");
        check(offered > 0 ? fabs(f.joint - best / offered) < 1e-6 : f.joint < 0,
              seed, "joint is not the share");
        world_fini(&w);
    }
}

/* Rates, times and means as the flows say them. */
static void flows_keep_the_rows(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        struct question q;
        ask(&q, &w, seed);
        struct cvg_fluid f = solved(&q);
        double served[CVG_MAX_APPS] = {0}, busy[CVG_MAX_DEVICES] = {0};
        for (uint32_t i = 0; i < f.n_flows; i++) {
            const struct cvg_flow *x = &f.flows[i];
            served[x->app] += x->rate_rps;
            busy[x->device] +=
                x->rate_rps * q.slowdown[x->device] / x->batch *
                (double)cvg_profile_time(w.box->profile, x->variant, 0, x->exit,
                                         x->device, x->batch, CVG_MEAN) *
                1e-9 / w.box->devices[x->device].units;
            check(i == 0 || f.flows[i - 1].app <= x->app, seed, "order");
        }
        for (uint32_t a = 0; a < w.box->n_apps; a++) {
            check(served[a] <= q.rates[a] + 1e-6, seed, "more than its rate");
            check(f.met_rps[a] <= served[a] + 1e-6, seed, "met more");
        }
        for (uint32_t d = 0; d < w.box->n_devices; d++) {
            check(busy[d] <= 1 + 1e-6, seed, "more than its units");
            check(fabs(busy[d] - f.busy[d]) < 1e-6, seed, "busy");
        }
        world_fini(&w);
    }
}

static double optimum(const struct question *q)
{
    struct cvg_fluid f = solved(q);
    return weighted_sum(q, f.met_rps);
}

/* The optimum is concave: a dual lies between what one more adds and what one
 * less takes away. */
static void duals_are_slopes(void **state)
{
    (void)state;
    const double step = 1e-3;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world w;
        struct question q;
        ask(&q, &w, seed);
        struct cvg_fluid f = solved(&q);
        double here = weighted_sum(&q, f.met_rps);
        for (uint32_t a = 0; a < w.box->n_apps; a++) {
            double rate = q.rates[a];
            q.rates[a] = rate + step;
            double more = (optimum(&q) - here) / step;
            q.rates[a] = rate - step;
            double less = rate > 0 ? (here - optimum(&q)) / step : INFINITY;
            q.rates[a] = rate;
            check(f.worth[a] >= more - 1e-4 && f.worth[a] <= less + 1e-4, seed,
                  "worth is no slope");
        }
        /* a unit is a whole number: scale the time instead */
        double sum = 0;
        for (uint32_t a = 0; a < w.box->n_apps; a++) {
            sum += f.worth[a] * q.rates[a];
        }
        for (uint32_t d = 0; d < w.box->n_devices; d++) {
            sum += f.price[d] * w.box->devices[d].units;
            w.box->devices[d].units++;
            check(optimum(&q) - here <= f.price[d] + 1e-6, seed,
                  "a unit more adds more than its price");
            w.box->devices[d].units--;
        }
        check(fabs(sum - here) < 1e-6 * (1 + here), seed,
              "the prices do not add up to the optimum");
        world_fini(&w);
    }
}

static void equal_questions_have_equal_answers(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct world w;
        struct question q;
        ask(&q, &w, seed);
        struct cvg_fluid once = solved(&q);
        struct world other;
        struct question between;
        ask(&between, &other, seed + 1);
        solved(&between);
        struct cvg_fluid again = solved(&q);
        assert_memory_equal(&once, &again, sizeof once);
        world_fini(&other);
        world_fini(&w);
    }
}

/* --- by hand -------------------------------------------------------------- */

/* One device, batches of 1 in 10 ms and of 4 in 20 ms: 200/s at best. */
static void small_box(struct world *w)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "d0", 1, 10, 0);
    world_profile(w, "v0", "d0", 4, 20, 0);
    world_app(w, "a0");
    assert_int_equal(cvg_profile_finish(w->box->profile, NULL), CVG_OK);
}

static struct cvg_fluid at_rate(struct world *w, double rate_rps)
{
    struct question q = {.demand = {.box = w->box, .rates_rps = q.rates}};
    q.rates[0] = rate_rps;
    return solved(&q);
}

static void one_device_by_hand(void **state)
{
    (void)state;
    struct world w;
    small_box(&w);
    /* nothing is asked for: nothing is taken */
    struct cvg_fluid f = at_rate(&w, 100);
    assert_true(f.joint < 0);
    assert_int_equal(f.n_flows, 0);
    world_slo_deadline(&w.box->apps[0], CVG_MS(20));
    f = at_rate(&w, 100);
    assert_true(fabs(f.joint - 1) < 1e-9);
    assert_true(fabs(f.worth[0] - 1) < 1e-9);
    assert_true(f.price[0] == 0);
    assert_true(fabs(f.busy[0] - 0.5) < 1e-9);
    f = at_rate(&w, 400);
    assert_true(fabs(f.joint - 0.5) < 1e-9);
    assert_true(f.worth[0] == 0);
    assert_true(fabs(f.price[0] - 200) < 1e-6);
    assert_int_equal(f.n_flows, 1);
    assert_int_equal(f.flows[0].batch, 4);
    /* only batches of one are in time now */
    w.box->apps[0].slo.deadline = CVG_MS(12);
    f = at_rate(&w, 400);
    assert_true(fabs(f.joint - 0.25) < 1e-9);
    assert_int_equal(f.flows[0].batch, 1);
    /* nothing is */
    w.box->apps[0].slo.deadline = CVG_MS(9);
    f = at_rate(&w, 400);
    assert_true(f.joint == 0);
    assert_int_equal(f.n_flows, 0);
    world_fini(&w);
}

/* Of devices that do as well the one that takes less time is used. */
static void the_least_time_is_taken(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "slow", CVG_FCFS, 1, 1);
    world_device(&w, "fast", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "slow", 1, 20, 0);
    world_profile(&w, "v0", "fast", 1, 10, 0);
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(50));
    assert_int_equal(cvg_profile_finish(w.box->profile, NULL), CVG_OK);
    struct cvg_fluid f = at_rate(&w, 40);
    assert_int_equal(f.n_flows, 1);
    assert_int_equal(f.flows[0].device, 1);
    assert_true(fabs(f.worth[0] - 1) < 1e-9);
    world_fini(&w);
}

/* 0.8 is asked for over a window: of 0.7 at 5 ms and 0.9 at 20 ms as much of
 * each, 1 / (0.5 * 5 ms + 0.5 * 20 ms) = 80/s. */
static void a_mean_is_mixed(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "poor", 0.7);
    world_variant(&w, "good", 0.9);
    world_profile(&w, "poor", "d0", 1, 5, 0);
    world_profile(&w, "good", "d0", 1, 20, 0);
    struct cvg_app *a = world_app(&w, "a0");
    world_slo_accuracy(a, 0.8);
    assert_int_equal(cvg_profile_finish(w.box->profile, NULL), CVG_OK);
    assert_true(fabs(at_rate(&w, 100).joint - 0.5) < 1e-9);
    a->accuracy_over = CVG_ACCURACY_PER_WINDOW;
    struct cvg_fluid f = at_rate(&w, 100);
    assert_true(fabs(f.joint - 0.8) < 1e-9);
    assert_int_equal(f.n_flows, 2);
    bool enabled[] = {true, false};
    double rate = 100;
    struct question q = {
        .demand = {.box = w.box, .rates_rps = &rate, .enabled = enabled}};
    assert_true(solved(&q).joint == 0);
    world_fini(&w);
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    struct world w;
    struct question q;
    ask(&q, &w, 7);
    struct cvg_fluid expected = solved(&q);
    for (long n = 0; n < 1000; n++) {
        struct cvg_fluid out;
        struct cvg_error err = {.text = ""};
        fail_at = n;
        enum cvg_status status = cvg_fluid_solve(&q.demand, &out, &err);
        bool done = fail_at >= 0;
        fail_at = -1;
        if (done) {
            assert_int_equal(status, CVG_OK);
            assert_memory_equal(&out, &expected, sizeof out);
            assert_true(n > 5);
            world_fini(&w);
            return;
        }
        assert_int_equal(status, CVG_NOMEM);
        assert_true(strlen(err.text) > 0);
    }
    fail_msg("it never succeeded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_device_by_hand),
        cmocka_unit_test(the_least_time_is_taken),
        cmocka_unit_test(a_mean_is_mixed),
        cmocka_unit_test(it_is_the_optimum),
        cmocka_unit_test(flows_keep_the_rows),
        cmocka_unit_test(duals_are_slopes),
        cmocka_unit_test(equal_questions_have_equal_answers),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

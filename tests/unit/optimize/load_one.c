/* link: -Wl,--wrap=calloc -Wl,--wrap=realloc */
/* Load 1.0: against every way to fill the units, each solved by a simplex of
 * its own; and the placement that goes with it. */
#include "optimize/fit.h"
#include "support/failing.h"
#include "support/random_box.h"
#include "support/simplex.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the definition ------------------------------------------------------- */

#define MAX_UNITS 8

struct question {
    struct world w;
    double rates[CVG_MAX_APPS];
    struct cvg_fluid_demand demand;
    uint32_t units; /* of the box */
    uint32_t device[MAX_UNITS];
    uint32_t holds[MAX_UNITS]; /* variants, bits; of units that pay */
};

static bool can_be_met(const struct cvg_box *box, const struct cvg_app *a,
                       uint32_t v, uint32_t d, uint32_t n)
{
    const struct cvg_slo *slo = &a->slo;
    bool in_time =
        !cvg_slo_has(slo, CVG_SLO_DEADLINE) ||
        cvg_profile_time(box->profile, v, 0, 0, d, n, CVG_P99) <= slo->deadline;
    bool frugal = !cvg_slo_has(slo, CVG_SLO_ENERGY) ||
                  cvg_profile_energy(box->profile, v, 0, 0, d, n) / n <=
                      slo->energy_j * (1 + 1e-12);
    bool accurate = !cvg_slo_has(slo, CVG_SLO_ACCURACY) ||
                    a->accuracy_over == CVG_ACCURACY_PER_WINDOW ||
                    box->variants[v].accuracy[0] >= slo->accuracy - 1e-12;
    return in_time && frugal && accurate;
}

/* Column 0 is the factor; rows: apps, units, means. */
static void add_way(struct simplex *t, const struct question *q, uint32_t app,
                    uint32_t v, uint32_t unit, uint32_t n)
{
    const struct cvg_box *box = q->w.box;
    const struct cvg_app *a = &box->apps[app];
    int c = t->n_columns++;
    assert_true(c < SIMPLEX_COLUMNS);
    t->a[app][c] = -1;
    t->a[box->n_apps + unit][c] =
        q->rates[app] * 1e-9 / n *
        (double)cvg_profile_time(box->profile, v, 0, 0, q->device[unit], n,
                                 CVG_MEAN);
    if (cvg_slo_has(&a->slo, CVG_SLO_ACCURACY) &&
        a->accuracy_over == CVG_ACCURACY_PER_WINDOW) {
        t->a[box->n_apps + q->units + app][c] =
            a->slo.accuracy - box->variants[v].accuracy[0];
    }
}

static void add_ways(struct simplex *t, const struct question *q, uint32_t app)
{
    const struct cvg_box *box = q->w.box;
    t->a[app][0] = 1;
    for (uint32_t v = 0; v < box->n_variants; v++) {
        for (uint32_t u = 0; u < q->units; u++) {
            uint32_t d = q->device[u];
            uint32_t n = cvg_profile_min_batch(box->profile, v, 0, 0, d);
            uint32_t max = cvg_profile_max_batch(box->profile, v, 0, 0, d);
            bool held = (q->holds[u] >> v & 1U) != 0;
            for (; held && n > 0 && n <= max; n++) {
                if (can_be_met(box, &box->apps[app], v, d, n)) {
                    add_way(t, q, app, v, u, n);
                }
            }
        }
    }
}

/* With what the units hold now; of the apps that are not left out. */
static double factor_of(const struct question *q, const bool *left_out)
{
    static struct simplex t;
    const struct cvg_box *box = q->w.box;
    memset(&t, 0, sizeof t);
    t.n_rows = (int)(2 * box->n_apps + q->units);
    t.n_columns = 1;
    t.a[t.n_rows][0] = -1;
    for (uint32_t a = 0; a < box->n_apps; a++) {
        if (box->apps[a].slo.declared != 0 && !left_out[a] && q->rates[a] > 0) {
            add_ways(&t, q, a);
        }
    }
    simplex_begin(&t);
    for (uint32_t u = 0; u < q->units; u++) {
        t.a[box->n_apps + u][t.n_columns + t.n_rows] = 1;
    }
    return simplex_maximise(&t);
}

static bool fits(const struct question *q, uint32_t unit, uint32_t set)
{
    const struct cvg_device *d = &q->w.box->devices[q->device[unit]];
    uint64_t used = 0, n = 0;
    for (uint32_t v = 0; v < q->w.box->n_variants; v++) {
        if ((set >> v & 1U) != 0) {
            used += cvg_box_cache_need(q->w.box, q->device[unit], v);
            n++;
        }
    }
    return !d->has_switch || (d->has_cache ? used <= d->cache_bytes : n <= 1);
}

static double best_of_all(struct question *q, uint32_t unit,
                          const bool *left_out)
{
    if (unit == q->units) {
        return factor_of(q, left_out);
    }
    uint32_t all = (1U << q->w.box->n_variants) - 1;
    double best = 0;
    if (!q->w.box->devices[q->device[unit]].has_switch) {
        q->holds[unit] = all;
        return best_of_all(q, unit + 1, left_out);
    }
    for (uint32_t set = 0; set <= all; set++) {
        if (fits(q, unit, set)) {
            q->holds[unit] = set;
            best = fmax(best, best_of_all(q, unit + 1, left_out));
        }
    }
    return best;
}

static bool cannot_be_met(const struct question *q, uint32_t app)
{
    const struct cvg_box *box = q->w.box;
    const struct cvg_app *a = &box->apps[app];
    for (uint32_t v = 0; v < box->n_variants; v++) {
        for (uint32_t d = 0; d < box->n_devices; d++) {
            uint32_t n = cvg_profile_min_batch(box->profile, v, 0, 0, d);
            uint32_t max = cvg_profile_max_batch(box->profile, v, 0, 0, d);
            for (; n > 0 && n <= max; n++) {
                bool good =
                    !cvg_slo_has(&a->slo, CVG_SLO_ACCURACY) ||
                    box->variants[v].accuracy[0] >= a->slo.accuracy - 1e-12;
                if (good && can_be_met(box, a, v, d, n)) {
                    return false;
                }
            }
        }
    }
    return true;
}

/* --- questions ------------------------------------------------------------ */

static void ask(struct question *q, uint64_t seed)
{
    struct cvg_rng rng;
    cvg_rng_init(&rng, seed, 5, 6);
    struct random_box like = {.max_devices = 3,
                              .max_variants = 3,
                              .max_apps = 3,
                              .max_exits = 1,
                              .noise = true,
                              .means = true,
                              .switches = true};
    memset(q, 0, sizeof *q);
    world_init(&q->w);
    random_box_fill(&q->w, &rng, &like);
    for (uint32_t a = 0; a < q->w.box->n_apps; a++) {
        q->rates[a] = random_below(&rng, 5) * 20;
    }
    for (uint32_t d = 0; d < q->w.box->n_devices; d++) {
        for (uint32_t u = 0; u < q->w.box->devices[d].units; u++) {
            q->device[q->units++] = d;
        }
    }
    q->demand =
        (struct cvg_fluid_demand){.box = q->w.box, .rates_rps = q->rates};
}

static struct cvg_load_one solved(const struct question *q)
{
    struct cvg_load_one out;
    struct cvg_error err = {.text = ""};
    if (cvg_load_one(&q->demand, &out, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    return out;
}

static void check_one(uint64_t seed)
{
    struct question q;
    ask(&q, seed);
    bool left_out[CVG_MAX_APPS] = {false};
    uint32_t n_left_out = 0, n_met = 0, n_coming = 0;
    for (uint32_t a = 0; a < q.w.box->n_apps; a++) {
        bool asks = q.w.box->apps[a].slo.declared != 0;
        left_out[a] = asks && cannot_be_met(&q, a);
        n_left_out += left_out[a];
        n_met += asks && !left_out[a];
        n_coming += asks && !left_out[a] && q.rates[a] > 0;
    }
    struct cvg_load_one got = solved(&q);
    double best = n_coming > 0                   ? best_of_all(&q, 0, left_out)
                  : n_met == 0 && n_left_out > 0 ? 0
                                                 : INFINITY;
    bool equal =
        got.factor == best || fabs(got.factor - best) <= 1e-5 * (1 + best);
    if (got.left_out != n_left_out || !equal || !got.exact) {
        fail_msg("seed %llu: factor %g, %u left out; by hand %g, %u",
                 (unsigned long long)seed, got.factor, got.left_out, best,
                 n_left_out);
    }
    world_fini(&q.w);
}

static void it_is_the_best_of_all_holdings(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        check_one(seed);
    }
}

static void equal_questions_have_equal_answers(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct question q, between;
        ask(&q, seed);
        ask(&between, seed + 100);
        struct cvg_load_one once = solved(&q);
        solved(&between);
        assert_true(once.factor == solved(&q).factor);
        world_fini(&q.w);
        world_fini(&between.w);
    }
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    struct question q;
    ask(&q, 3);
    for (long n = 0; n < 1000; n++) {
        struct cvg_load_one out;
        struct cvg_error err = {.text = ""};
        fail_at = n;
        enum cvg_status status = cvg_load_one(&q.demand, &out, &err);
        bool done = fail_at >= 0;
        fail_at = -1;
        if (done) {
            assert_int_equal(status, CVG_OK);
            assert_true(n > 5);
            world_fini(&q.w);
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
        cmocka_unit_test(it_is_the_best_of_all_holdings),
        cmocka_unit_test(equal_questions_have_equal_answers),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

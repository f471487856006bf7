/* Of random boxes that cannot carry what is asked: a bound that is named as the
 * nearest that would do does, and one that is 1 % tighter does not. A failure
 * prints its seed; run that one alone with CONVERGO_SEED. */
#include "optimize/forecast.h"
#include "support/random_box.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SEEDS 400

struct trial {
    struct world w;
    struct cvg_app apps[CVG_MAX_APPS];
    double rates[CVG_MAX_APPS];
    struct cvg_fluid_demand demand;
    struct cvg_forecast forecast;
    uint64_t seed;
    unsigned named[CVG_SLO_KINDS];
};

static void begin(struct trial *t, uint64_t seed)
{
    static const struct random_box like = {.max_devices = 3,
                                           .max_variants = 5,
                                           .max_apps = 4,
                                           .max_exits = 2,
                                           .noise = true,
                                           .means = true,
                                           .switches = true,
                                           .least_one_slo = true};
    struct cvg_rng rng;
    t->seed = seed;
    cvg_rng_init(&rng, seed, 'n', 0);
    world_init(&t->w);
    random_box_fill(&t->w, &rng, &like);
    for (uint32_t a = 0; a < t->w.box->n_apps; a++) {
        t->apps[a] = t->w.box->apps[a];
        t->rates[a] = 20 + random_below(&rng, 200);
    }
    t->demand = (struct cvg_fluid_demand){
        .box = t->w.box, .apps = t->apps, .rates_rps = t->rates};
}

/* With one bound of one app changed, by `tighter` of it; apps that break by
 * themselves are set aside. */
static bool fits_with(const struct trial *t, const struct cvg_break *b,
                      enum cvg_slo_kind kind, double tighter)
{
    struct cvg_app apps[CVG_MAX_APPS];
    double rates[CVG_MAX_APPS];
    struct cvg_outlook outlook;
    struct cvg_fluid_demand demand = t->demand;
    memcpy(apps, t->apps, sizeof apps);
    memcpy(rates, t->rates, sizeof rates);
    for (uint32_t a = 0; a < t->w.box->n_apps; a++) {
        if (a != b->app && t->forecast.outlook.is_left_out[a]) {
            apps[a].slo.declared = 0;
        }
    }
    struct cvg_slo *slo = &apps[b->app].slo;
    switch (kind) {
    case CVG_SLO_DEADLINE:
        slo->deadline = (cvg_span)((double)b->nearest.deadline * (1 - tighter));
        break;
    case CVG_SLO_ACCURACY:
        slo->accuracy = b->nearest.accuracy * (1 + tighter);
        break;
    case CVG_SLO_THROUGHPUT:
        rates[b->app] = b->nearest.throughput_rps * (1 + tighter);
        break;
    default:
        slo->energy_j = b->nearest.energy_j * (1 - tighter);
    }
    demand.apps = apps;
    demand.rates_rps = rates;
    assert_int_equal(cvg_outlook_of(&demand, &outlook, NULL), CVG_OK);
    return outlook.fits;
}

static void check(struct trial *t, const struct cvg_break *b)
{
    for (int k = 0; k < CVG_SLO_KINDS; k++) {
        enum cvg_slo_kind kind = (enum cvg_slo_kind)k;
        if (!b->nearest.known[k]) {
            continue;
        }
        t->named[k]++;
        if (!fits_with(t, b, kind, 0)) {
            fail_msg("seed %llu: the nearest %s of %s does not do",
                     (unsigned long long)t->seed, cvg_slo_kind_name(kind),
                     t->apps[b->app].name);
        }
        if (fits_with(t, b, kind, 0.01)) {
            fail_msg("seed %llu: %s of %s: 1 %% tighter does, too",
                     (unsigned long long)t->seed, cvg_slo_kind_name(kind),
                     t->apps[b->app].name);
        }
    }
}

/* What does not fit breaks somewhere, and what fits breaks nowhere. */
static void try_seed(struct trial *t, uint64_t seed)
{
    begin(t, seed);
    assert_int_equal(
        cvg_forecast_of(&t->demand, CVG_PREDICT_EXACT, &t->forecast, NULL),
        CVG_OK);
    const struct cvg_forecast *f = &t->forecast;
    if (f->outlook.fits != (f->n_breaks == 0)) {
        fail_msg("seed %llu: it %s, and %zu break", (unsigned long long)seed,
                 f->outlook.fits ? "fits" : "does not fit", f->n_breaks);
    }
    for (size_t i = 0; i < f->n_breaks; i++) {
        check(t, &f->breaks[i]);
    }
    for (size_t i = 0; i < f->n_reliefs; i++) {
        check(t, &f->reliefs[i]);
    }
    cvg_forecast_fini(&t->forecast);
    world_fini(&t->w);
}

static void nearest_values_are_nearest(void **state)
{
    (void)state;
    const char *one = getenv("CONVERGO_SEED");
    struct trial *t = calloc(1, sizeof *t);
    assert_non_null(t);
    if (one != NULL) {
        try_seed(t, strtoull(one, NULL, 10));
        free(t);
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        try_seed(t, seed);
    }
    printf("      named: %u deadlines, %u accuracies, %u rates, %u energies\n",
           t->named[CVG_SLO_DEADLINE], t->named[CVG_SLO_ACCURACY],
           t->named[CVG_SLO_THROUGHPUT], t->named[CVG_SLO_ENERGY]);
    for (int k = 0; k < CVG_SLO_KINDS; k++) {
        assert_true(t->named[k] >= 15);
    }
    free(t);
}

/* Headroom of an app: so much more of it fits, and no more. */
static void headroom_is_room(void **state)
{
    (void)state;
    struct trial *t = calloc(1, sizeof *t);
    unsigned looked = 0;
    assert_non_null(t);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(t, seed);
        for (uint32_t a = 0; a < t->w.box->n_apps; a++) {
            t->rates[a] /= 20;
        }
        assert_int_equal(
            cvg_forecast_of(&t->demand, CVG_PREDICT_PAPER, &t->forecast, NULL),
            CVG_OK);
        for (uint32_t a = 0; a < t->w.box->n_apps; a++) {
            double room = t->forecast.apps[a].headroom, own = t->rates[a];
            struct cvg_outlook outlook;
            if (!t->forecast.outlook.fits || room == INFINITY) {
                continue;
            }
            t->rates[a] = own * room * (1 - 1e-6);
            assert_int_equal(cvg_outlook_of(&t->demand, &outlook, NULL),
                             CVG_OK);
            assert_true(outlook.fits);
            t->rates[a] = own * room * 1.01;
            assert_int_equal(cvg_outlook_of(&t->demand, &outlook, NULL),
                             CVG_OK);
            assert_false(outlook.fits);
            t->rates[a] = own;
            looked++;
        }
        cvg_forecast_fini(&t->forecast);
        world_fini(&t->w);
    }
    assert_true(looked > 50);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest_values_are_nearest),
        cmocka_unit_test(headroom_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Response times of one device: closed forms, limits, and what is refused. */
#include "domain/cache.h"
#include "support/world.h"

#include "base/rng.h"
#include "predict/switching.h"
#include <convergo/predict.h>
#include <math.h>
#include <stdio.h>

static struct cvg_class fixed(uint32_t variant, double rate_rps, double ms,
                              double switch_ms)
{
    struct cvg_class c = {.rate_rps = rate_rps,
                          .batch = 1,
                          .variant = variant,
                          .switch_s = switch_ms / 1e3,
                          .cache_share = 1};
    for (int i = 0; i < CVG_PREDICT_POINTS; i++) {
        c.points_s[i] = ms / 1e3;
    }
    return c;
}

static struct cvg_station fcfs(uint32_t units, const struct cvg_class *c,
                               size_t n)
{
    return (struct cvg_station){CVG_FCFS, units, 1, c, n};
}

static void assert_near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-9 * fmax(1, fabs(b)))) {
        fail_msg("%.12g is not %.12g", a, b);
    }
}

static void md1(void **state)
{
    (void)state;
    struct cvg_class c = fixed(0, 70, 10, 5); /* never switches: it is alone */
    struct cvg_station s = fcfs(1, &c, 1);
    for (int model = 0; model < 2; model++) {
        struct cvg_response r;
        double rho = cvg_predict_station(&s, (enum cvg_predict_model)model, &r);
        assert_near(rho, 0.7);
        assert_near(r.mean_s, 0.005 * (2 - 0.7) / (1 - 0.7));
    }
}

/* Exponential times, nearly: the waits of M/M/1 and M/M/3, and the p95. */
static void mmk(void **state)
{
    (void)state;
    struct cvg_class c[64];
    const struct cvg_response *all[64];
    struct cvg_response r[64];
    enum { N = 64, P = CVG_PREDICT_POINTS };
    double mean = 0, square = 0;
    for (int i = 0; i < N; i++) {
        c[i] = fixed(0, 70.0 / N, 0, 0);
        all[i] = &r[i];
        for (int k = 0; k < P; k++) {
            double x = -log(1 - (k * N + i + 0.5) / (N * P));
            c[i].points_s[k] = 0.01 * x;
            mean += 0.01 * x / (N * P);
            square += 1e-4 * x * x / (N * P);
        }
    }
    struct cvg_station s = fcfs(1, c, N);
    assert_near(cvg_predict_station(&s, CVG_PREDICT_EXACT, r), 70 * mean);
    assert_near(r[0].wait_s, 70 * square / 2 / (1 - 70 * mean));
    double p95 = cvg_response_quantile(all, N, 0.95);
    assert_true(fabs(p95 / (log(20) / 30) - 1) < 0.02); /* mu - l = 30 */
    s = fcfs(3, c, N);
    for (int i = 0; i < N; i++) {
        c[i].rate_rps *= 3;
    }
    (void)cvg_predict_station(&s, CVG_PREDICT_EXACT, r);
    double a = 2.1, top = a * a * a / 6 / (1 - a / 3);
    double chance = top / (1 + a + a * a / 2 + top);
    assert_true(fabs(r[0].delay_chance / chance - 1) < 0.01);
    assert_true(fabs(r[0].wait_s / (chance * 0.01 / (3 * 0.3)) - 1) < 0.03);
}

/* Two equal models: a fair coin, independent of the one before. */
static void switching_of_equals(void **state)
{
    (void)state;
    struct cvg_class c[] = {fixed(0, 20, 10, 15), fixed(1, 20, 10, 15)};
    struct cvg_station s = fcfs(1, c, 2);
    struct cvg_response r[2];
    assert_near(cvg_predict_station(&s, CVG_PREDICT_EXACT, r), 0.7);
    double wait = 40 * (1e-4 + 6.25e-4) / 2 / (2 * 0.3);
    assert_true(fabs(r[0].wait_s / wait - 1) < 1e-6);
    assert_near(r[0].switch_chance, 0.5);
    assert_true(fabs(r[1].mean_s - (0.0175 + wait)) < 1e-8);
}

/* Classes of one variant do not switch between them. */
static void one_variant(void **state)
{
    (void)state;
    struct cvg_class c[] = {fixed(3, 20, 10, 15), fixed(3, 20, 20, 15)};
    struct cvg_station s = fcfs(1, c, 2);
    for (int model = 0; model < 2; model++) {
        struct cvg_response r[2];
        double rho = cvg_predict_station(&s, (enum cvg_predict_model)model, r);
        assert_near(rho, 0.6);
        assert_near(r[1].switch_chance, 0);
        assert_near(r[1].mean_s, 0.02 + 40 * 2.5e-4 / (2 * 0.4));
    }
}

static double constant(const void *context, size_t model, double t)
{
    (void)context;
    (void)model;
    return exp(-t * 0.01);
}

/* Where nothing costs a switch it is M/D/1, although all poles coincide. */
static void switching_for_nothing(void **state)
{
    (void)state;
    struct cvg__model m[5];
    for (int i = 0; i < 5; i++) {
        m[i] = (struct cvg__model){.share = 0.2,
                                   .need = 1,
                                   .mean_s = 0.01,
                                   .square_s2 = 1e-4,
                                   .transform = constant};
    }
    double wait = cvg__switching_wait(m, 5, 80);
    assert_true(fabs(wait / (80 * 1e-4 / (2 * 0.2)) - 1) < 1e-6);
}

/* As the unit's own cache does, for random variants. */
static void chances_are_those_of_the_cache(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world w;
        struct cvg_rng rng;
        struct cvg__model m[6] = {{0}};
        struct cvg_unit_cache cache;
        enum { N = 6, USES = 200000 };
        double missed[N] = {0}, used[N] = {0};
        cvg_rng_init(&rng, seed, 'm', 0);
        world_init(&w);
        struct cvg_device *d = world_device(&w, "d0", CVG_FCFS, 1, 1);
        d->has_switch = d->has_cache = true;
        d->switch_fixed = CVG_MS(1);
        d->cache_bytes = 8 << 20;
        for (int i = 0; i < N; i++) {
            char name[24];
            (void)snprintf(name, sizeof name, "v%d", i);
            world_variant(&w, name, 0.9)->weights_bytes =
                (1 + (uint64_t)(cvg_rng_uniform(&rng) * 9)) << 20;
            m[i].share = (i + 1) / 21.0;
        }
        for (uint32_t i = 0; i < N; i++) {
            world_profile(&w, w.box->variants[i].name, "d0", 1, 10, 0);
            m[i].need =
                (double)cvg_box_cache_need(w.box, 0, i) / (double)(8 << 20);
        }
        cvg__switch_chances(m, N);
        cvg_unit_cache_init(&cache, w.box, 0);
        for (int k = 0; k < USES; k++) {
            double u = cvg_rng_uniform(&rng);
            uint32_t v = 0;
            while (v + 1 < N && u >= m[v].share) {
                u -= m[v++].share;
            }
            used[v]++;
            missed[v] += cvg_unit_cache_use(&cache, v) > 0 ? 1 : 0;
        }
        for (int i = 0; i < N; i++) {
            assert_true(fabs(missed[i] / used[i] - m[i].switch_chance) < 0.015);
        }
        world_fini(&w);
    }
}

static void batches_wait_to_be_full(void **state)
{
    (void)state;
    struct cvg_class c = fixed(0, 100, 20, 0);
    c.batch = 4;
    struct cvg_station s = fcfs(1, &c, 1);
    struct cvg_response r;
    const struct cvg_response *p = &r;
    assert_near(cvg_predict_station(&s, CVG_PREDICT_EXACT, &r), 0.5);
    /* The wait of M/D/1, a quarter of it: so regular are full batches. */
    assert_near(r.mean_s, 0.015 + 0.02 + 25 * 4e-4 / (2 * 0.5) / 4);
    /* The first of four waits for 30 ms. */
    assert_true(cvg_response_quantile(&p, 1, 0.95) > 0.05);
}

static void too_much(void **state)
{
    (void)state;
    struct cvg_class c[] = {fixed(0, 60, 10, 9), fixed(1, 30, 10, 9)};
    struct cvg_station s = fcfs(1, c, 2);
    for (int model = 0; model < 2; model++) {
        struct cvg_response r[2];
        const struct cvg_response *p = &r[1];
        double rho = cvg_predict_station(&s, (enum cvg_predict_model)model, r);
        assert_true(rho > 1);
        assert_true(isinf(r[0].mean_s) && isinf(r[1].mean_s));
        assert_true(isinf(cvg_response_quantile(&p, 1, 0.95)));
    }
}

/* What rounding makes of a full unit is no finite wait. */
static void just_full(void **state)
{
    (void)state;
    struct cvg_class c[] = {fixed(0, 30, 10, 0), fixed(1, 70 - 1e-9, 10, 0)};
    struct cvg_station s = fcfs(1, c, 2);
    struct cvg_response r[2];
    (void)cvg_predict_station(&s, CVG_PREDICT_EXACT, r);
    assert_true(isinf(r[0].mean_s));
}

/* A profile that varies: points with its mean, slowed down. */
static void classes_of_a_profile(void **state)
{
    (void)state;
    struct world w;
    struct cvg_class c;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    assert_int_equal(cvg_profile_create(1, 1, &w.box->profile, NULL), CVG_OK);
    struct cvg_profile_point point = {.batch = 1,
                                      .mean = CVG_MS(10),
                                      .p50 = CVG_MS(8),
                                      .p95 = CVG_MS(18),
                                      .p99 = CVG_MS(28)};
    assert_int_equal(cvg_profile_add(w.box->profile, 0, 0, 0, &point, NULL),
                     CVG_OK);
    assert_int_equal(cvg_profile_finish(w.box->profile, NULL), CVG_OK);
    cvg_class_init(&c, w.box, 0, 0, 0, 1, 5, 2);
    assert_near(cvg_class_mean(&c), 0.02);
    assert_true(cvg_class_square(&c) > 1.15 * 4e-4);
    assert_true(c.points_s[0] < c.points_s[CVG_PREDICT_POINTS - 1]);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(md1),
        cmocka_unit_test(mmk),
        cmocka_unit_test(switching_of_equals),
        cmocka_unit_test(one_variant),
        cmocka_unit_test(switching_for_nothing),
        cmocka_unit_test(chances_are_those_of_the_cache),
        cmocka_unit_test(batches_wait_to_be_full),
        cmocka_unit_test(too_much),
        cmocka_unit_test(just_full),
        cmocka_unit_test(classes_of_a_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* link: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/* Profiles: what was measured, what lies between, and the noise. */
#include <convergo/profile.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka */
#include <cmocka.h>

/* --- allocations that fail ------------------------------------------------ */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static long fail_at = -1; /* this many succeed, the next one fails */

static bool fails(void)
{
    return fail_at >= 0 && fail_at-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

/* --- building one --------------------------------------------------------- */

static struct cvg_profile *create(size_t variants, size_t devices)
{
    struct cvg_profile *p = NULL;
    assert_int_equal(cvg_profile_create(variants, devices, &p, NULL), CVG_OK);
    assert_non_null(p);
    return p;
}

static enum cvg_status add_row(struct cvg_profile *p, uint32_t variant,
                               uint32_t exit, uint32_t batch,
                               const double ms[4], double mj)
{
    struct cvg_profile_point point = {.batch = batch,
                                      .mean = (cvg_span)(ms[0] * 1e6),
                                      .p50 = (cvg_span)(ms[1] * 1e6),
                                      .p95 = (cvg_span)(ms[2] * 1e6),
                                      .p99 = (cvg_span)(ms[3] * 1e6),
                                      .energy_j = mj / 1e3};
    return cvg_profile_add(p, variant, exit, 0, &point, NULL);
}

static void add(struct cvg_profile *p, uint32_t variant, uint32_t exit,
                uint32_t batch, double ms, double mj)
{
    const double all[4] = {ms, ms, ms, ms};
    assert_int_equal(add_row(p, variant, exit, batch, all, mj), CVG_OK);
}

static cvg_span mean(const struct cvg_profile *p, uint32_t first, uint32_t last,
                     uint32_t batch)
{
    return cvg_profile_time(p, 0, first, last, 0, batch, CVG_MEAN);
}

/* --- interpolation -------------------------------------------------------- */

static void between_two_sizes(void **state)
{
    (void)state;
    struct cvg_profile *p = create(1, 1);
    add(p, 0, 0, 8, 24, 12); /* in any order */
    add(p, 0, 0, 1, 10, 5);
    add(p, 0, 0, 4, 16, 8);
    assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
    assert_int_equal(cvg_profile_min_batch(p, 0, 0, 0, 0), 1);
    assert_int_equal(cvg_profile_max_batch(p, 0, 0, 0, 0), 8);
    static const cvg_span ms[] = {10, 12, 14, 16, 18, 20, 22, 24};
    static const double mj[] = {5, 6, 7, 8, 9, 10, 11, 12};
    for (uint32_t n = 1; n <= 8; n++) {
        for (int q = CVG_MEAN; q <= CVG_P99; q++) {
            assert_int_equal(
                cvg_profile_time(p, 0, 0, 0, 0, n, (enum cvg_quantile)q),
                CVG_MS(ms[n - 1]));
        }
        assert_true(fabs(cvg_profile_energy(p, 0, 0, 0, 0, n) * 1e3 -
                         mj[n - 1]) < 1e-9);
    }
    cvg_profile_destroy(p);
}

static void each_quantile_on_its_own(void **state)
{
    (void)state;
    struct cvg_profile *p = create(1, 1);
    static const double one[] = {10, 9, 12, 20};
    static const double three[] = {20, 19, 24, 40};
    add_row(p, 0, 0, 1, one, 1);
    add_row(p, 0, 0, 3, three, 1);
    assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
    static const cvg_span two[] = {15, 14, 18, 30};
    for (int q = CVG_MEAN; q <= CVG_P99; q++) {
        assert_int_equal(
            cvg_profile_time(p, 0, 0, 0, 0, 2, (enum cvg_quantile)q),
            CVG_MS(two[q]));
    }
    cvg_profile_destroy(p);
}

static void only_one_size(void **state)
{
    (void)state;
    struct cvg_profile *p = create(1, 1);
    add(p, 0, 0, 4, 16, 8);
    assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
    assert_int_equal(cvg_profile_min_batch(p, 0, 0, 0, 0), 4);
    assert_int_equal(cvg_profile_max_batch(p, 0, 0, 0, 0), 4);
    assert_int_equal(mean(p, 0, 0, 4), CVG_MS(16));
    cvg_profile_destroy(p);
}

/* Between two rows whose times are odd, the result is rounded, not cut off by
 * more than a ns. */
static void odd_times(void **state)
{
    (void)state;
    struct cvg_profile *p = create(1, 1);
    struct cvg_profile_point point = {
        .batch = 1, .mean = 1000, .p50 = 1000, .p95 = 1000, .p99 = 1000};
    cvg_profile_add(p, 0, 0, 0, &point, NULL);
    point = (struct cvg_profile_point){
        .batch = 256, .mean = 2001, .p50 = 2001, .p95 = 2001, .p99 = 2001};
    cvg_profile_add(p, 0, 0, 0, &point, NULL);
    assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
    for (uint32_t n = 1; n <= 256; n++) {
        double exact = 1000 + 1001.0 * (n - 1) / 255;
        assert_true(fabs((double)mean(p, 0, 0, n) - exact) <= 1);
    }
    cvg_profile_destroy(p);
}

/* --- stages --------------------------------------------------------------- */

static void stages_add_up(void **state)
{
    (void)state;
    struct cvg_profile *p = create(1, 1);
    add(p, 0, 0, 1, 4, 1);
    add(p, 0, 0, 8, 11, 8);
    add(p, 0, 1, 2, 10, 4);
    add(p, 0, 1, 6, 30, 12);
    add(p, 0, 2, 1, 7, 2);
    add(p, 0, 2, 4, 7, 2);
    assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
    assert_int_equal(mean(p, 0, 0, 2), CVG_MS(5));
    assert_int_equal(mean(p, 0, 1, 2), CVG_MS(15));
    assert_int_equal(mean(p, 0, 2, 2), CVG_MS(22));
    assert_int_equal(mean(p, 1, 2, 3), CVG_MS(15 + 7));
    assert_true(fabs(cvg_profile_energy(p, 0, 0, 2, 0, 2) - 0.008) < 1e-12);
    /* what all of them can run */
    assert_int_equal(cvg_profile_min_batch(p, 0, 0, 2, 0), 2);
    assert_int_equal(cvg_profile_max_batch(p, 0, 0, 2, 0), 4);
    assert_int_equal(cvg_profile_min_batch(p, 0, 0, 1, 0), 2);
    assert_int_equal(cvg_profile_max_batch(p, 0, 0, 1, 0), 6);
    assert_int_equal(cvg_profile_max_batch(p, 0, 0, 0, 0), 8);
    cvg_profile_destroy(p);
}

static void stages_with_nothing_in_common(void **state)
{
    (void)state;
    struct cvg_profile *p = create(1, 1);
    add(p, 0, 0, 1, 4, 1);
    add(p, 0, 0, 2, 5, 1);
    add(p, 0, 1, 4, 10, 1);
    add(p, 0, 1, 8, 10, 1);
    assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
    assert_int_equal(cvg_profile_min_batch(p, 0, 0, 1, 0), 0);
    assert_int_equal(cvg_profile_max_batch(p, 0, 0, 1, 0), 0);
    cvg_profile_destroy(p);
}

static void stage_never_measured(void **state)
{
    (void)state;
    struct cvg_profile *p = create(2, 1);
    add(p, 1, 0, 1, 4, 1);
    add(p, 1, 2, 1, 4, 1); /* and no stage 1 */
    assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
    assert_int_equal(cvg_profile_min_batch(p, 1, 0, 2, 0), 0);
    assert_int_equal(cvg_profile_max_batch(p, 1, 0, 2, 0), 0);
    assert_int_equal(cvg_profile_max_batch(p, 1, 0, 0, 0), 1);
    cvg_profile_destroy(p);
}

static void never_measured(void **state)
{
    (void)state;
    struct cvg_profile *p = create(2, 3);
    struct cvg_profile_point point = {
        .batch = 1, .mean = 1, .p50 = 1, .p95 = 1, .p99 = 1};
    assert_int_equal(cvg_profile_add(p, 1, 0, 2, &point, NULL), CVG_OK);
    assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
    for (uint32_t v = 0; v < 2; v++) {
        for (uint32_t d = 0; d < 3; d++) {
            uint32_t n = v == 1 && d == 2 ? 1 : 0;
            assert_int_equal(cvg_profile_min_batch(p, v, 0, 0, d), n);
            assert_int_equal(cvg_profile_max_batch(p, v, 0, 0, d), n);
        }
    }
    cvg_profile_destroy(p);
    cvg_profile_destroy(NULL);
}

static void empty_profile(void **state)
{
    (void)state;
    struct cvg_profile *p = create(1, 1);
    assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
    assert_int_equal(cvg_profile_max_batch(p, 0, 0, 0, 0), 0);
    cvg_profile_destroy(p);
}

static void duplicates_are_invalid(void **state)
{
    (void)state;
    struct cvg_profile *p = create(1, 1);
    add(p, 0, 0, 1, 10, 1);
    add(p, 0, 0, 2, 12, 1);
    add(p, 0, 1, 1, 10, 1); /* another exit is no duplicate */
    struct cvg_profile_point again = {
        .batch = 1, .mean = 5, .p50 = 5, .p95 = 5, .p99 = 5};
    struct cvg_error err = {.text = ""};
    assert_int_equal(cvg_profile_add(p, 0, 0, 0, &again, &err), CVG_INVALID);
    assert_true(strlen(err.text) > 0);
    assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
    assert_int_equal(mean(p, 0, 0, 1), CVG_MS(10)); /* the first one stays */
    cvg_profile_destroy(p);
}

static void switch_and_load_times(void **state)
{
    (void)state;
    struct cvg_profile *p = create(2, 2);
    assert_true(cvg_profile_switch(p, 1, 1) < 0); /* not given */
    assert_int_equal(cvg_profile_load(p, 1, 1), 0);
    cvg_profile_set_switch(p, 1, 1, CVG_MS(3));
    cvg_profile_set_load(p, 1, 1, CVG_MS(40));
    cvg_profile_set_switch(p, 0, 1, 0);
    assert_int_equal(cvg_profile_switch(p, 1, 1), CVG_MS(3));
    assert_int_equal(cvg_profile_load(p, 1, 1), CVG_MS(40));
    assert_int_equal(cvg_profile_switch(p, 0, 1), 0);
    assert_true(cvg_profile_switch(p, 1, 0) < 0);
    assert_int_equal(cvg_profile_load(p, 0, 0), 0);
    cvg_profile_destroy(p);
}

/* --- noise ---------------------------------------------------------------- */

#define DRAWS 200000

/* mean, p50, p95, p99 in ms */
static const double rows[][4] = {
    {10, 9.8, 11.5, 14},
    {100, 98, 110, 130},
    {5, 4.9, 5.3, 7},
    {10, 10.2, 10.9, 11.5},
    {2.4, 2.2, 3.4, 5.5},
    {12, 10, 20, 45},
    {0.326, 0.325, 0.336, 0.345},
    {1.43, 1.425, 1.475, 1.515},
    {0.005, 0.005, 0.005, 0.014},
    {30, 29.9, 30.5, 31},
    {50, 48, 70, 95},
};
#define N_ROWS (sizeof rows / sizeof *rows)

static void check_draws(const struct cvg_profile *p, uint32_t batch,
                        const double ms[4])
{
    double sum = 0;
    cvg_span last = 0;
    for (int i = 0; i < DRAWS; i++) {
        cvg_span x = cvg_profile_draw(p, 0, 0, 0, batch, (i + 0.5) / DRAWS);
        assert_true(x > 0);
        assert_true(x >= last); /* a quantile function rises */
        last = x;
        sum += (double)x;
    }
    double m = sum / DRAWS / 1e6;
    if (fabs(m / ms[0] - 1) > 0.005) {
        fail_msg("mean %g ms, measured %g ms", m, ms[0]);
    }
    static const double at[] = {0, 0.5, 0.95, 0.99};
    for (int q = 1; q < 4; q++) {
        double x = (double)cvg_profile_draw(p, 0, 0, 0, batch, at[q]) / 1e6;
        if (fabs(x / ms[q] - 1) > 0.01) {
            fail_msg("quantile %g: %g ms, measured %g ms", at[q], x, ms[q]);
        }
    }
}

static void draws_have_the_measured_mean(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        struct cvg_profile *p = create(1, 1);
        assert_int_equal(add_row(p, 0, 0, 1, rows[i], 1), CVG_OK);
        assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
        check_draws(p, 1, rows[i]);
        cvg_profile_destroy(p);
    }
}

static void draws_between_two_sizes(void **state)
{
    (void)state;
    struct cvg_profile *p = create(1, 1);
    static const double one[] = {10, 9.8, 11.5, 14};
    static const double three[] = {20, 19.8, 22.5, 26};
    static const double two[] = {15, 14.8, 17, 20};
    add_row(p, 0, 0, 1, one, 1);
    add_row(p, 0, 0, 3, three, 1);
    assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
    check_draws(p, 2, two);
    cvg_profile_destroy(p);
}

static void equal_percentiles_are_deterministic(void **state)
{
    (void)state;
    struct cvg_profile *p = create(1, 1);
    add(p, 0, 0, 1, 10, 1);
    add(p, 0, 0, 3, 20, 1);
    assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
    for (int i = 0; i < 1000; i++) {
        double u = i / 1000.0;
        assert_int_equal(cvg_profile_draw(p, 0, 0, 0, 1, u), CVG_MS(10));
        assert_int_equal(cvg_profile_draw(p, 0, 0, 0, 2, u), CVG_MS(15));
        assert_int_equal(cvg_profile_draw(p, 0, 0, 0, 3, u), CVG_MS(20));
    }
    assert_int_equal(cvg_profile_draw(p, 0, 0, 0, 1, 1 - 0x1p-53), CVG_MS(10));
    cvg_profile_destroy(p);
}

/* The share of the draws of all stages that take at most `limit` together. */
static double drawn_within(const struct cvg_profile *p, uint32_t last,
                           cvg_span limit)
{
    enum { N = 200 };
    int in_time = 0, all = 0;
    for (int i = 0; i < N; i++) {
        cvg_span first = cvg_profile_draw(p, 0, 0, 0, 1, (i + 0.5) / N);
        for (int k = 0; k < (last == 0 ? 1 : N); k++) {
            cvg_span second =
                last == 0 ? 0 : cvg_profile_draw(p, 0, 1, 0, 1, (k + 0.5) / N);
            in_time += first + second <= limit;
            all++;
        }
    }
    return (double)in_time / all;
}

static void within_is_what_draws_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        struct cvg_profile *p = create(1, 1);
        const double *second = rows[(i + 1) % N_ROWS];
        assert_int_equal(add_row(p, 0, 0, 1, rows[i], 1), CVG_OK);
        assert_int_equal(add_row(p, 0, 1, 1, second, 1), CVG_OK);
        assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
        for (int k = 0; k <= 40; k++) {
            cvg_span limit = (cvg_span)(rows[i][0] * 1e6 * k / 20);
            double got = cvg_profile_within(p, 0, 0, 0, 0, 1, limit);
            double drawn = drawn_within(p, 0, limit);
            assert_true(fabs(got - drawn) <= 1.01 / 200);
            /* of several stages: never too low, and not much too high */
            limit += (cvg_span)(second[0] * 1e6 * k / 20);
            got = cvg_profile_within(p, 0, 0, 1, 0, 1, limit);
            assert_true(got >= drawn_within(p, 1, limit) - 0.005);
            assert_true(got <= drawn_within(p, 1, limit + limit / 50) + 0.005);
        }
        cvg_profile_destroy(p);
    }
}

static void within_of_what_never_varies(void **state)
{
    (void)state;
    struct cvg_profile *p = create(1, 1);
    add(p, 0, 0, 1, 10, 1);
    add(p, 0, 1, 1, 5, 1);
    assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
    assert_true(cvg_profile_within(p, 0, 0, 0, 0, 1, CVG_MS(10)) == 1);
    assert_true(cvg_profile_within(p, 0, 0, 0, 0, 1, CVG_MS(10) - 1) == 0);
    assert_true(cvg_profile_within(p, 0, 0, 1, 0, 1, CVG_MS(15)) == 1);
    assert_true(cvg_profile_within(p, 0, 0, 1, 0, 1, CVG_MS(15) - 1) == 0);
    assert_true(cvg_profile_within(p, 0, 0, 1, 0, 1, CVG_NEVER) == 1);
    cvg_profile_destroy(p);
}

static void extreme_draws_stay_sane(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        struct cvg_profile *p = create(1, 1);
        add_row(p, 0, 0, 1, rows[i], 1);
        assert_int_equal(cvg_profile_finish(p, NULL), CVG_OK);
        double least = (double)cvg_profile_draw(p, 0, 0, 0, 1, 0) / 1e6;
        double most =
            (double)cvg_profile_draw(p, 0, 0, 0, 1, 1 - 0x1p-53) / 1e6;
        assert_true(least > 0);
        assert_true(least <= rows[i][1]);
        assert_true(most >= rows[i][3] * 0.999);
        assert_true(most < rows[i][3] * 1000);
        cvg_profile_destroy(p);
    }
}

/* --- fault ---------------------------------------------------------------- */

/* Builds one with all calls; the status of the first that fails. */
static enum cvg_status build(struct cvg_error *err)
{
    struct cvg_profile *p = NULL;
    enum cvg_status status = cvg_profile_create(3, 2, &p, err);
    if (status != CVG_OK) {
        assert_null(p);
        return status;
    }
    for (uint32_t i = 0; i < 40 && status == CVG_OK; i++) {
        struct cvg_profile_point point = {.batch = 1 + i / 6,
                                          .mean = 1000 + i,
                                          .p50 = 1000,
                                          .p95 = 2000,
                                          .p99 = 3000};
        status = cvg_profile_add(p, i % 3, 0, i / 3 % 2, &point, err);
    }
    if (status == CVG_OK) {
        status = cvg_profile_finish(p, err);
    }
    cvg_profile_destroy(p);
    return status;
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    for (long n = 0; n < 1000; n++) {
        struct cvg_error err = {.text = ""};
        fail_at = n;
        enum cvg_status status = build(&err);
        bool none_failed = fail_at >= 0;
        fail_at = -1;
        if (none_failed) {
            assert_int_equal(status, CVG_OK);
            assert_true(n > 2); /* some did, before */
            return;
        }
        assert_int_equal(status, CVG_NOMEM);
        assert_int_equal(err.status, CVG_NOMEM);
        assert_true(strlen(err.text) > 0);
    }
    fail_msg("it never succeeded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(between_two_sizes),
        cmocka_unit_test(each_quantile_on_its_own),
        cmocka_unit_test(only_one_size),
        cmocka_unit_test(odd_times),
        cmocka_unit_test(stages_add_up),
        cmocka_unit_test(stages_with_nothing_in_common),
        cmocka_unit_test(stage_never_measured),
        cmocka_unit_test(never_measured),
        cmocka_unit_test(empty_profile),
        cmocka_unit_test(duplicates_are_invalid),
        cmocka_unit_test(switch_and_load_times),
        cmocka_unit_test(draws_have_the_measured_mean),
        cmocka_unit_test(draws_between_two_sizes),
        cmocka_unit_test(equal_percentiles_are_deterministic),
        cmocka_unit_test(within_is_what_draws_say),
        cmocka_unit_test(within_of_what_never_varies),
        cmocka_unit_test(extreme_draws_stay_sane),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

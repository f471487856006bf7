/* The histogram of spans: percentiles to 1 %, exact mean and maximum. */
#include "base/histogram.h"
#include "base/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka */
#include <cmocka.h>

static struct cvg_histogram *fresh(void)
{
    struct cvg_histogram *h = cvg_histogram_create();
    assert_non_null(h);
    return h;
}

static void empty(void **state)
{
    (void)state;
    struct cvg_histogram *h = fresh();
    assert_int_equal(cvg_histogram_count(h), 0);
    assert_true(cvg_histogram_mean(h) == 0);
    assert_true(cvg_histogram_sum(h) == 0);
    assert_int_equal(cvg_histogram_max(h), 0);
    assert_int_equal(cvg_histogram_quantile(h, 0), 0);
    assert_int_equal(cvg_histogram_quantile(h, 0.5), 0);
    assert_int_equal(cvg_histogram_quantile(h, 1), 0);
    assert_int_equal(cvg_histogram_below(h, INT64_MAX), 0);
    cvg_histogram_destroy(h);
    cvg_histogram_destroy(NULL);
}

static void one_sample(void **state)
{
    (void)state;
    struct cvg_histogram *h = fresh();
    cvg_histogram_add(h, 12345678);
    assert_int_equal(cvg_histogram_count(h), 1);
    assert_true(cvg_histogram_mean(h) == 12345678);
    assert_int_equal(cvg_histogram_max(h), 12345678);
    for (double q = 0; q <= 1; q += 0.125) {
        /* the upper end of its bucket, never above the maximum: itself */
        assert_int_equal(cvg_histogram_quantile(h, q), 12345678);
    }
    cvg_histogram_destroy(h);
}

static void negative_counts_as_zero(void **state)
{
    (void)state;
    struct cvg_histogram *h = fresh();
    cvg_histogram_add(h, -5);
    cvg_histogram_add(h, INT64_MIN);
    cvg_histogram_add(h, 0);
    assert_int_equal(cvg_histogram_count(h), 3);
    assert_true(cvg_histogram_sum(h) == 0);
    assert_int_equal(cvg_histogram_max(h), 0);
    assert_int_equal(cvg_histogram_quantile(h, 0.9), 0);
    assert_int_equal(cvg_histogram_below(h, 0), 3);
    cvg_histogram_destroy(h);
}

static void huge_spans(void **state)
{
    (void)state;
    struct cvg_histogram *h = fresh();
    cvg_histogram_add(h, INT64_MAX);
    cvg_histogram_add(h, INT64_MAX / 2);
    cvg_histogram_add(h, 1);
    assert_int_equal(cvg_histogram_max(h), INT64_MAX);
    assert_int_equal(cvg_histogram_quantile(h, 1), INT64_MAX);
    assert_int_equal(cvg_histogram_quantile(h, 0.1), 1);
    int64_t middle = cvg_histogram_quantile(h, 0.5);
    assert_true(fabs((double)middle / (double)(INT64_MAX / 2) - 1) <= 0.01);
    assert_int_equal(cvg_histogram_below(h, INT64_MAX), 3);
    cvg_histogram_destroy(h);
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

#define N 20000

/* The sample at or above rank q: the smallest that is not below a share q. */
static void check_quantiles(struct cvg_histogram *h, int64_t *sorted, size_t n)
{
    static const double quantiles[] = {0.01, 0.1,  0.25, 0.5,  0.75,
                                       0.9,  0.95, 0.99, 0.999};
    qsort(sorted, n, sizeof *sorted, ascending);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        double q = quantiles[i];
        size_t rank = (size_t)ceil(q * (double)n - 1e-9);
        int64_t exact = sorted[rank > 0 ? rank - 1 : 0];
        int64_t got = cvg_histogram_quantile(h, q);
        if (got < exact || (double)(got - exact) > 0.01 * (double)exact + 1) {
            fail_msg("quantile %.3f: %lld, exactly %lld", q, (long long)got,
                     (long long)exact);
        }
    }
    assert_int_equal(cvg_histogram_quantile(h, 1), sorted[n - 1]);
    assert_int_equal(cvg_histogram_max(h), sorted[n - 1]);
}

static void quantiles_to_one_percent(void **state)
{
    (void)state;
    static int64_t samples[N];
    for (int scale = 0; scale < 12; scale++) {
        struct cvg_histogram *h = fresh();
        struct cvg_rng rng;
        cvg_rng_init(&rng, 3, (uint64_t)scale, 0);
        double sum = 0;
        for (size_t i = 0; i < N; i++) {
            samples[i] = (int64_t)(cvg_rng_exponential(&rng) * pow(10, scale));
            sum += (double)samples[i];
            cvg_histogram_add(h, samples[i]);
        }
        assert_int_equal(cvg_histogram_count(h), N);
        assert_true(fabs(cvg_histogram_sum(h) - sum) <= 1e-9 * sum);
        assert_true(fabs(cvg_histogram_mean(h) - sum / N) <= 1e-9 * sum / N);
        check_quantiles(h, samples, N);
        cvg_histogram_destroy(h);
    }
}

/* Every power of two and its neighbours fall into a bucket of 1 % at most. */
static void buckets_are_narrow(void **state)
{
    (void)state;
    for (int bit = 0; bit < 63; bit++) {
        for (int64_t off = -1; off <= 1; off++) {
            int64_t x = ((int64_t)1 << bit) + off;
            struct cvg_histogram *h = fresh();
            cvg_histogram_add(h, x);
            cvg_histogram_add(h, INT64_MAX); /* so that nothing is cut off */
            int64_t got = cvg_histogram_quantile(h, 0.5);
            if (got < x || (double)got - (double)x > 0.01 * (double)x + 1) {
                fail_msg("%lld: %lld", (long long)x, (long long)got);
            }
            cvg_histogram_destroy(h);
        }
    }
}

static void merged_is_the_same_as_added(void **state)
{
    (void)state;
    struct cvg_histogram *a = fresh();
    struct cvg_histogram *b = fresh();
    struct cvg_histogram *both = fresh();
    struct cvg_rng rng;
    cvg_rng_init(&rng, 4, 0, 0);
    for (int i = 0; i < 5000; i++) {
        int64_t x = (int64_t)(cvg_rng_exponential(&rng) * 1e6);
        cvg_histogram_add(i % 3 == 0 ? a : b, x);
        cvg_histogram_add(both, x);
    }
    cvg_histogram_merge(a, b);
    assert_int_equal(cvg_histogram_count(a), 5000);
    assert_int_equal(cvg_histogram_max(a), cvg_histogram_max(both));
    assert_true(fabs(cvg_histogram_sum(a) - cvg_histogram_sum(both)) < 1);
    for (double q = 0; q <= 1; q += 0.001) {
        assert_int_equal(cvg_histogram_quantile(a, q),
                         cvg_histogram_quantile(both, q));
    }
    cvg_histogram_merge(a, a); /* twice each */
    assert_int_equal(cvg_histogram_count(a), 10000);
    cvg_histogram_clear(b);
    cvg_histogram_merge(both, b); /* nothing */
    assert_int_equal(cvg_histogram_count(both), 5000);
    cvg_histogram_destroy(a);
    cvg_histogram_destroy(b);
    cvg_histogram_destroy(both);
}

static void clear_forgets_all(void **state)
{
    (void)state;
    struct cvg_histogram *h = fresh();
    cvg_histogram_add(h, 1000);
    cvg_histogram_clear(h);
    assert_int_equal(cvg_histogram_count(h), 0);
    assert_true(cvg_histogram_sum(h) == 0);
    assert_int_equal(cvg_histogram_max(h), 0);
    assert_int_equal(cvg_histogram_quantile(h, 0.5), 0);
    cvg_histogram_add(h, 7);
    assert_int_equal(cvg_histogram_max(h), 7);
    cvg_histogram_destroy(h);
}

/* Cumulative counts: rising, to the width of a bucket, all at the end. */
static void below_is_cumulative(void **state)
{
    (void)state;
    struct cvg_histogram *h = fresh();
    for (int64_t ms = 1; ms <= 1000; ms++) {
        cvg_histogram_add(h, ms * 1000000);
    }
    uint64_t last = 0;
    for (int64_t ms = 0; ms <= 1100; ms++) {
        uint64_t n = cvg_histogram_below(h, ms * 1000000);
        double exact = ms > 1000 ? 1000 : (double)ms;
        assert_true(n >= last);
        if (fabs((double)n - exact) > 0.01 * exact + 1) {
            fail_msg("%lld ms: %llu", (long long)ms, (unsigned long long)n);
        }
        last = n;
    }
    assert_int_equal(last, 1000);
    assert_int_equal(cvg_histogram_below(h, -1), 0);
    cvg_histogram_destroy(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(one_sample),
        cmocka_unit_test(negative_counts_as_zero),
        cmocka_unit_test(huge_spans),
        cmocka_unit_test(quantiles_to_one_percent),
        cmocka_unit_test(buckets_are_narrow),
        cmocka_unit_test(merged_is_the_same_as_added),
        cmocka_unit_test(clear_forgets_all),
        cmocka_unit_test(below_is_cumulative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

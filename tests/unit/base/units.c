/* Values with units: every unit, and the many ways to be refused. */
#include "base/units.h"
#include "base/nearest.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka */
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- every unit ----------------------------------------------------------- */

static void spans(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        cvg_span ns;
    } good[] = {
        {"1ns", 1},
        {"7us", CVG_US(7)},
        {"33ms", CVG_MS(33)},
        {"2s", CVG_S(2)},
        {"3min", CVG_S(180)},
        {"1h", CVG_S(3600)},
        {"0s", 0},
        {"0.5ms", CVG_US(500)},
        {"1.95ms", CVG_US(1950)},
        {"1.5us", 1500},
        {"0.25h", CVG_S(900)},
        {".5s", CVG_MS(500)},
        {"0.000000001s", 1},
        {"0.1s", CVG_MS(100)},
        {"0.3s", CVG_MS(300)}, /* not 299999999 */
        {"0.7us", 700},
        {"1.1ms", CVG_US(1100)},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        cvg_span ns = -1;
        struct cvg_error err = {.text = ""};
        if (strcmp(good[i].text, ".5s") == 0) {
            /* with or without a leading digit: either is a fair rule, but a
             * value that is taken is taken right */
            if (cvg_parse_span(good[i].text, &ns, &err) != CVG_OK) {
                continue;
            }
        } else if (cvg_parse_span(good[i].text, &ns, &err) != CVG_OK) {
            fail_msg("%s: %s", good[i].text, err.text);
        }
        if (ns != good[i].ns) {
            fail_msg("%s: %lld", good[i].text, (long long)ns);
        }
    }
}

static void bytes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0B", 0},
        {"17B", 17},
        {"3KiB", 3072},
        {"8MiB", 8U << 20},
        {"6GiB", (uint64_t)6 << 30},
        {"1.5KiB", 1536},
        {"0.5MiB", 512U << 10},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        uint64_t got = 1;
        assert_int_equal(cvg_parse_bytes(good[i].text, &got, NULL), CVG_OK);
        assert_int_equal(got, good[i].bytes);
    }
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-12 * fabs(b);
}

static void rates_powers_energies(void **state)
{
    (void)state;
    double x;
    assert_int_equal(cvg_parse_rate("30/s", &x, NULL), CVG_OK);
    assert_true(near(x, 30));
    assert_int_equal(cvg_parse_rate("90/min", &x, NULL), CVG_OK);
    assert_true(near(x, 1.5));
    assert_int_equal(cvg_parse_rate("0.25/s", &x, NULL), CVG_OK);
    assert_true(near(x, 0.25));
    assert_int_equal(cvg_parse_power("10W", &x, NULL), CVG_OK);
    assert_true(near(x, 10));
    assert_int_equal(cvg_parse_power("2500mW", &x, NULL), CVG_OK);
    assert_true(near(x, 2.5));
    assert_int_equal(cvg_parse_energy("60mJ", &x, NULL), CVG_OK);
    assert_true(near(x, 0.06));
    assert_int_equal(cvg_parse_energy("5uJ", &x, NULL), CVG_OK);
    assert_true(near(x, 5e-6));
    assert_int_equal(cvg_parse_energy("1.5J", &x, NULL), CVG_OK);
    assert_true(near(x, 1.5));
}

static void numbers_and_counts(void **state)
{
    (void)state;
    double x;
    uint64_t n;
    assert_int_equal(cvg_parse_number("-1.5", &x, NULL), CVG_OK);
    assert_true(near(x, -1.5));
    assert_int_equal(cvg_parse_number("0.75", &x, NULL), CVG_OK);
    assert_true(near(x, 0.75));
    assert_int_equal(cvg_parse_number("0", &x, NULL), CVG_OK);
    assert_true(x == 0);
    assert_int_equal(cvg_parse_count("1", 1, 16, &n, NULL), CVG_OK);
    assert_int_equal(n, 1);
    assert_int_equal(cvg_parse_count("16", 1, 16, &n, NULL), CVG_OK);
    assert_int_equal(n, 16);
    assert_int_equal(
        cvg_parse_count("9999999999999999999", 0, UINT64_MAX, &n, NULL),
        CVG_OK);
    assert_true(n == 9999999999999999999U);
    static const char *const bad[] = {
        "0", "17",   "-1",  "1.5", "",    " 1", "1 ",
        "x", "0x10", "1e1", "+",   "nan", "١",  "18446744073709551616"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct cvg_error err = {.text = ""};
        n = 77;
        if (cvg_parse_count(bad[i], 1, 16, &n, &err) != CVG_CONFIG) {
            fail_msg("'%s' was taken for %llu", bad[i], (unsigned long long)n);
        }
        assert_non_null(strstr(err.text, bad[i]));
    }
    struct cvg_error err = {.text = ""};
    cvg_parse_count("17", 1, 16, &n, &err);
    assert_non_null(strstr(err.text, "16")); /* it says what would do */
}

/* As of a seed: any number of 64 bits. */
static void largest_count(void **state)
{
    (void)state;
    uint64_t n = 0;
    assert_int_equal(
        cvg_parse_count("18446744073709551615", 0, UINT64_MAX, &n, NULL),
        CVG_OK);
    assert_true(n == UINT64_MAX);
    assert_int_equal(
        cvg_parse_count("18446744073709551616", 0, UINT64_MAX, &n, NULL),
        CVG_CONFIG);
}

/* --- refused -------------------------------------------------------------- */

typedef enum cvg_status parse_any(const char *text, struct cvg_error *err);

static enum cvg_status any_span(const char *text, struct cvg_error *err)
{
    cvg_span x;
    return cvg_parse_span(text, &x, err);
}
static enum cvg_status any_bytes(const char *text, struct cvg_error *err)
{
    uint64_t x;
    return cvg_parse_bytes(text, &x, err);
}
static enum cvg_status any_rate(const char *text, struct cvg_error *err)
{
    double x;
    return cvg_parse_rate(text, &x, err);
}
static enum cvg_status any_power(const char *text, struct cvg_error *err)
{
    double x;
    return cvg_parse_power(text, &x, err);
}
static enum cvg_status any_energy(const char *text, struct cvg_error *err)
{
    double x;
    return cvg_parse_energy(text, &x, err);
}
static enum cvg_status any_number(const char *text, struct cvg_error *err)
{
    double x;
    return cvg_parse_number(text, &x, err);
}

static const struct {
    parse_any *parse;
    const char *unit;     /* a good one */
    const char *units[4]; /* that the message names */
} kinds[] = {
    {any_span, "ms", {"ns", "us", "min", "h"}},
    {any_bytes, "MiB", {"B", "KiB", "MiB", "GiB"}},
    {any_rate, "/s", {"/s", "/min", "/s", "/s"}},
    {any_power, "W", {"mW", "W", "W", "W"}},
    {any_energy, "mJ", {"uJ", "mJ", "J", "J"}},
    {any_number, "", {"", "", "", ""}},
};

static void check_refused(parse_any *parse, const char *text)
{
    struct cvg_error err = {.text = ""};
    if (parse(text, &err) != CVG_CONFIG) {
        fail_msg("'%s' was accepted", text);
    }
    if (err.status != CVG_CONFIG || err.text[0] == '\0' ||
        strchr(err.text, '\n') != NULL) {
        fail_msg("'%s': message '%s'", text, err.text);
    }
    if (strlen(text) < 40 && strstr(err.text, text) == NULL) {
        fail_msg("'%s' is not named in '%s'", text, err.text);
    }
    assert_int_equal(parse(text, NULL), CVG_CONFIG); /* err may be NULL */
}

static void check_value_refused(size_t kind, const char *value)
{
    char text[600];
    snprintf(text, sizeof text, "%s%s", value, kinds[kind].unit);
    check_refused(kinds[kind].parse, text);
}

/* In any spelling, with the right unit behind it. */
static void no_finite_number(void **state)
{
    (void)state;
    static const char *const values[] = {
        "nan",      "NaN",      "NAN",       "-nan",    "nan(1)", "nan(0x1)",
        "inf",      "Inf",      "INF",       "-inf",    "+inf",   "infinity",
        "Infinity", "INFINITY", "-Infinity", ".inf",    "-.inf",  ".nan",
        ".NaN",     ".Inf",     "1#INF",     "1.#QNAN", "snan",
    };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        for (size_t i = 0; i < COUNT(values); i++) {
            check_value_refused(k, values[i]);
        }
    }
}

static void no_other_notation(void **state)
{
    (void)state;
    static const char *const values[] = {
        "0x10", "0X1p3", "0x1.8", "1e3",   "1E3",   "1e400", "1.5e-3",
        "1,5",  "1_000", "1 000", "1'000", "1.2.3", "..5",   "--1",
        "+-1",  "",      ".",     "-",     "+",     "ten",   "１",
    };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        for (size_t i = 0; i < COUNT(values); i++) {
            bool plain = kinds[k].unit[0] == '\0';
            if (plain && strpbrk(values[i], "eE") != NULL &&
                strchr(values[i], 'x') == NULL &&
                strcmp(values[i], "1e400") != 0 &&
                strcmp(values[i], "ten") != 0) {
                continue; /* a plain number may have an exponent */
            }
            check_value_refused(k, values[i]);
        }
    }
}

static void no_negative_value(void **state)
{
    (void)state;
    static const char *const values[] = {"-1", "-0.5", "-0.000001",
                                         "-999999999999"};
    for (size_t k = 0; k + 1 < COUNT(kinds); k++) {
        for (size_t i = 0; i < COUNT(values); i++) {
            check_value_refused(k, values[i]);
        }
    }
}

static void no_default_unit(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",       "33",    "0",       "ms",    "33 m",  "33MS",     "33Ms",
        "33msec", "33sec", "33 ms x", "33mss", "33m s", "8MB",      "8M",
        "8mib",   "8KB",   "30",      "30/h",  "30/",   "30s/",     "30/sec",
        "30rps",  "2w",    "2kW",     "2MW",   "60mj",  "60kJ",     "60MJ",
        "60Wh",   "33ms,", "33ms;",   "ms33",  "33/ms", "33\tms\t", "33µs",
    };
    for (size_t k = 0; k + 1 < COUNT(kinds); k++) {
        for (size_t i = 0; i < COUNT(texts); i++) {
            check_refused(kinds[k].parse, texts[i]);
        }
    }
}

/* The unit of another kind is no unit. */
static void units_do_not_mix(void **state)
{
    (void)state;
    static const char *const others[] = {"5ms", "5MiB", "5/s", "5W", "5mJ"};
    for (size_t k = 0; k < COUNT(others); k++) {
        for (size_t i = 0; i < COUNT(others); i++) {
            if (i != k) {
                check_refused(kinds[k].parse, others[i]);
            }
        }
    }
}

static void messages_name_the_units(void **state)
{
    (void)state;
    for (size_t k = 0; k + 1 < COUNT(kinds); k++) {
        struct cvg_error err = {.text = ""};
        assert_int_equal(kinds[k].parse("5parsecs", &err), CVG_CONFIG);
        assert_non_null(strstr(err.text, "5parsecs"));
        for (size_t u = 0; u < COUNT(kinds[k].units); u++) {
            if (strstr(err.text, kinds[k].units[u]) == NULL) {
                fail_msg("no '%s' in '%s'", kinds[k].units[u], err.text);
            }
        }
    }
}

/* Too large for the type, however it is written. */
static void no_overflow(void **state)
{
    (void)state;
    static const char *const too_long[] = {
        "9223372036854775808ns",
        "9223372036854775807us",
        "9223372037s",
        "153722868min",
        "2562048h",
        "99999999999999999999999999999999999h",
        "9223372036.854775808s",
    };
    for (size_t i = 0; i < COUNT(too_long); i++) {
        check_refused(any_span, too_long[i]);
    }
    static const char *const too_large[] = {
        "18446744073709551616B",       "18014398509481984KiB",
        "17592186044416MiB",           "17179869184GiB",
        "999999999999999999999999GiB",
    };
    for (size_t i = 0; i < COUNT(too_large); i++) {
        check_refused(any_bytes, too_large[i]);
    }
    char digits[480];
    memset(digits, '9', sizeof digits - 1);
    digits[sizeof digits - 1] = '\0';
    for (size_t k = 0; k < COUNT(kinds); k++) {
        check_value_refused(k, digits);
    }
}

/* A value that is refused leaves the output alone, and a message is cut, not
 * overrun, by a long one. */
static void refusal_writes_nothing(void **state)
{
    (void)state;
    cvg_span span = 42;
    struct cvg_error err = {.text = ""};
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(cvg_parse_span(text, &span, &err), CVG_CONFIG);
    assert_true(strlen(err.text) < sizeof err.text);
    assert_int_equal(span, 42);
    assert_int_equal(cvg_parse_span("12", &span, NULL), CVG_CONFIG);
    assert_int_equal(span, 42);
}

/* --- the other way, and names --------------------------------------------- */

static void formatted_spans_read_back(void **state)
{
    (void)state;
    static const struct {
        cvg_span ns;
        const char *text;
    } known[] = {
        {CVG_MS(33), "33ms"}, {CVG_MS(1500), "1.5s"}, {CVG_US(250), "250us"}};
    char text[64];
    for (size_t i = 0; i < COUNT(known); i++) {
        cvg_format_span(text, sizeof text, known[i].ns);
        assert_string_equal(text, known[i].text);
    }
    static const cvg_span more[] = {
        1,           999,          CVG_US(1),  CVG_US(1) + 1, CVG_MS(1) - 1,
        CVG_MS(100), CVG_S(1) - 1, CVG_S(59),  CVG_S(60),     CVG_S(3600),
        CVG_S(5400), CVG_S(86400), 1234567890, 987654321012};
    for (size_t i = 0; i < COUNT(more); i++) {
        cvg_span back = 0;
        struct cvg_error err;
        cvg_format_span(text, sizeof text, more[i]);
        if (cvg_parse_span(text, &back, &err) != CVG_OK) {
            fail_msg("%lld is written '%s': %s", (long long)more[i], text,
                     err.text);
        }
        /* exact enough for a message: a thousandth */
        if (fabs((double)(back - more[i])) > 1e-3 * (double)more[i]) {
            fail_msg("%lld is written '%s'", (long long)more[i], text);
        }
    }
    char small[4] = "zzz";
    cvg_format_span(small, sizeof small, CVG_MS(123456));
    assert_true(memchr(small, '\0', sizeof small) != NULL);
}

static void nearest_names(void **state)
{
    (void)state;
    static const char *const names[] = {"fifo", "edf", "least-slack",
                                        "convergo", "accuracy-first"};
    static const struct {
        const char *text, *nearest;
    } cases[] = {
        {"fifi", "fifo"},
        {"least_slack", "least-slack"},
        {"leastslack", "least-slack"},
        {"convergeo", "convergo"},
        {"acuracy-first", "accuracy-first"},
        {"accuracyfirst", "accuracy-first"},
        {"fifo", "fifo"},
        {"kubernetes", NULL},
        {"zzzzzzzzzzzz", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *got = cvg_nearest_name(cases[i].text, names, COUNT(names));
        if ((got == NULL) != (cases[i].nearest == NULL) ||
            (got != NULL && strcmp(got, cases[i].nearest) != 0)) {
            fail_msg("%s: %s", cases[i].text, got != NULL ? got : "(none)");
        }
    }
    assert_null(cvg_nearest_name("x", names, 0));
}

/* Two neighbours swapped are the commonest slip. */
static void swapped_letters(void **state)
{
    (void)state;
    static const char *const names[] = {"fifo", "edf", "npu"};
    const char *got = cvg_nearest_name("efd", names, COUNT(names));
    assert_non_null(got);
    assert_string_equal(got, "edf");
}

static void endless_text_is_near_to_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"fifo", "edf", "npu"};
    char endless[3000];
    memset(endless, 'e', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_null(cvg_nearest_name(endless, names, COUNT(names)));
}

static void formatted_sizes_read_back(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0B"},
        {1000, "1000B"},
        {1024, "1KiB"},
        {1536, "1536B"},
        {64 << 20, "64MiB"},
        {(64 << 20) + 1, "67108865B"},
        {1ULL << 30, "1GiB"},
        {1ULL << 40, "1024GiB"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[32];
        uint64_t back;
        cvg_format_bytes(text, sizeof text, cases[i].bytes);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(cvg_parse_bytes(text, &back, NULL), CVG_OK);
        assert_true(back == cases[i].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans),
        cmocka_unit_test(bytes),
        cmocka_unit_test(rates_powers_energies),
        cmocka_unit_test(numbers_and_counts),
        cmocka_unit_test(largest_count),
        cmocka_unit_test(no_finite_number),
        cmocka_unit_test(no_other_notation),
        cmocka_unit_test(no_negative_value),
        cmocka_unit_test(no_default_unit),
        cmocka_unit_test(units_do_not_mix),
        cmocka_unit_test(messages_name_the_units),
        cmocka_unit_test(no_overflow),
        cmocka_unit_test(refusal_writes_nothing),
        cmocka_unit_test(formatted_spans_read_back),
        cmocka_unit_test(formatted_sizes_read_back),
        cmocka_unit_test(nearest_names),
        cmocka_unit_test(swapped_letters),
        cmocka_unit_test(endless_text_is_near_to_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

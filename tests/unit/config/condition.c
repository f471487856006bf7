/* Conditions: what they say, and what is said of those that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include <convergo/condition.h>

#include <math.h>
#include <stdio.h>

/* 25 ms, 0.8, 0.7, 60 mJ, 1.5 GFLOP, exit 1. */
static const struct cvg_metrics here = {{25e6, 0.8, 0.7, 0.06, 1.5e9, 1}};

static bool holds(const char *text, const struct cvg_metrics *m)
{
    struct cvg_condition c;
    struct cvg_error err;
    if (cvg_condition_parse(text, &c, &err) != CVG_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    return cvg_condition_holds(&c, m);
}

static void each_metric_and_relation(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool holds;
    } cases[] = {
        {"always", true},
        {"never", false},
        {"response_time > 20ms", true},
        {"response_time > 25ms", false},
        {"response_time >= 25ms", true},
        {"response_time < 0.1s", true},
        {"confidence<0.9", true},
        {"confidence <= 0.8", true},
        {"confidence == 0.8", true},
        {"confidence != 0.8", false},
        {"accuracy >= 0.75", false},
        {"energy > 50mJ", true},
        {"energy > 0.1J", false},
        {"computation > 1.2GFLOP", true},
        {"computation > 1600MFLOP", false},
        {"exit == 1", true},
        {"exit != 1", false},
        {"not exit == 1", false},
        {"not not exit == 1", true},
        {"exit == 0 or exit == 1", true},
        {"exit == 0 and exit == 1", false},
        /* and binds more tightly than or, not than both */
        {"always or never and never", true},
        {"(always or never) and never", false},
        {"not never and never", false},
        {"not (never and never)", true},
        {"\n ( ( exit==1 ) )\t", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (holds(cases[i].text, &here) != cases[i].holds) {
            fail_msg("%s", cases[i].text);
        }
    }
}

static void nothing_holds_of_what_is_unknown(void **state)
{
    (void)state;
    static const char *const relations[] = {"<", "<=", "==", "!=", ">", ">="};
    struct cvg_metrics m = here;
    m.value[CVG_METRIC_CONFIDENCE] = NAN;
    for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "confidence %s 0.5", relations[i]);
        assert_false(holds(text, &m));
    }
}

static void what_is_none_is_told_where(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "column 1: a metric (response_time, confidence, accuracy, energy, "
             "computation, exit), always, never, not or ( is expected, not the "
             "end"},
        {"exit ==", "column 8: a value is expected, not the end"},
        {"exit = 1", "column 6: one of < <= == != > >= is expected, not '='"},
        {"exit == 1 exit", "column 11: and, or or the end is expected, not "
                           "'exit'"},
        {"(exit == 1", "column 11: and, or or ) is expected, not the end"},
        {"exit == 1)", "column 10: and, or or the end is expected, not ')'"},
        {"confidense > 0.5", "column 1: no metric 'confidense'; did you mean "
                             "'confidence'?"},
        {"never or  energi > 1J", "column 11: no metric 'energi'; did you mean "
                                  "'energy'?"},
        {"response_time > 20", "column 17: response_time: "},
        {"energy > 20ms", "column 10: energy: "},
        {"computation > 1GB", "column 15: computation: '1GB' will not do"},
        {"accuracy > high", "column 12: accuracy: "},
        {"exit > \x01", "column 8: a value is expected, not '?'"},
        {"always and", "column 11: a metric"},
        {"not", "column 4: a metric"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cvg_condition c;
        struct cvg_error err = {.text = ""};
        assert_int_equal(cvg_condition_parse(cases[i].text, &c, &err),
                         CVG_CONFIG);
        if (strncmp(err.text, cases[i].says, strlen(cases[i].says)) != 0) {
            fail_msg("%s: %s", cases[i].text, err.text);
        }
    }
}

static void there_is_a_limit(void **state)
{
    (void)state;
    struct cvg_condition c;
    struct cvg_error err;
    char text[1024] = "always";
    for (int i = 0; i < 15; i++) {
        strcat(text, " or always"); /* 31 steps in all */
    }
    assert_int_equal(cvg_condition_parse(text, &c, &err), CVG_OK);
    strcat(text, " or always");
    assert_int_equal(cvg_condition_parse(text, &c, &err), CVG_CONFIG);
    assert_non_null(strstr(err.text, "more than 32 metrics"));
    memset(text, '(', 40);
    text[40] = '\0';
    assert_int_equal(cvg_condition_parse(text, &c, &err), CVG_CONFIG);
    assert_non_null(strstr(err.text, "more than 32 one in another"));
}

/* --- random ones ---------------------------------------------------------- */

struct writer {
    struct cvg_rng rng;
    char text[2000];
    size_t used;
};

static void put(struct writer *w, const char *text)
{
    static const char *const spaces[] = {"", " ", "  ", "\t"};
    w->used +=
        (size_t)snprintf(w->text + w->used, sizeof w->text - w->used, "%s%s ",
                         spaces[cvg_rng_next(&w->rng) % 4], text);
}

/* Writes one, and returns whether it holds. */
static bool write_one(struct writer *w, int depth)
{
    static const char *const relations[] = {"<", "<=", "==", "!=", ">", ">="};
    uint64_t kind = cvg_rng_next(&w->rng) % (depth > 0 ? 6 : 3);
    if (kind == 0) {
        bool yes = cvg_rng_next(&w->rng) % 2 == 0;
        put(w, yes ? "always" : "never");
        return yes;
    }
    if (kind < 3) {
        char text[64];
        unsigned r = (unsigned)(cvg_rng_next(&w->rng) % 6);
        double x = (double)(cvg_rng_next(&w->rng) % 3);
        double y = here.value[CVG_METRIC_EXIT];
        (void)snprintf(text, sizeof text, "exit %s %g", relations[r], x);
        put(w, text);
        const bool results[] = {y<x, y <= x, y == x, y != x, y> x, y >= x};
        return results[r];
    }
    if (kind == 3) {
        put(w, "not (");
        bool inner = write_one(w, depth - 1);
        put(w, ")");
        return !inner;
    }
    put(w, "(");
    bool a = write_one(w, depth - 1);
    put(w, kind == 4 ? ") and (" : ") or (");
    bool b = write_one(w, depth - 1);
    put(w, ")");
    return kind == 4 ? a && b : a || b;
}

static void random_ones(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct writer w = {.used = 0};
        cvg_rng_init(&w.rng, seed, 0, 0);
        bool expected = write_one(&w, 3);
        if (holds(w.text, &here) != expected) {
            fail_msg("seed %u: %s", (unsigned)seed, w.text);
        }
    }
}

/* --- one for each exit ---------------------------------------------------- */

static struct cvg_conditions *set_of(const char *text)
{
    struct cvg_conditions *set = NULL;
    struct cvg_error err;
    if (cvg_conditions_parse(text, &set, &err) != CVG_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    return set;
}

/* The last one holds for all exits beyond. */
static void one_for_each_exit(void **state)
{
    (void)state;
    struct cvg_conditions *set =
        set_of("never; response_time > 20ms; exit == 7");
    assert_int_equal(set->n, 3);
    assert_false(cvg_conditions_hold(set, 0, &here));
    assert_true(cvg_conditions_hold(set, 1, &here));
    struct cvg_metrics later = here;
    later.value[CVG_METRIC_EXIT] = 7;
    assert_false(cvg_conditions_hold(set, 2, &here));
    assert_true(cvg_conditions_hold(set, 7, &later));
    assert_true(cvg_conditions_hold(set, UINT32_MAX, &later));
    cvg_conditions_free(set);
    cvg_conditions_free(NULL);
}

/* The text that it keeps is the same however it is spaced, and the same set
 * again. */
static void a_set_keeps_its_text(void **state)
{
    (void)state;
    static const char *const spaced[] = {
        "not (exit == 0 or (confidence >= 0.9)) and always; never",
        "not(exit==0 or(confidence>=0.9))and always;never",
        " \tnot  (  exit == 0\nor ( confidence >=0.9 ) ) and always ;\n never ",
    };
    for (size_t i = 0; i < sizeof spaced / sizeof *spaced; i++) {
        struct cvg_conditions *set = set_of(spaced[i]);
        struct cvg_conditions *again = set_of(set->text);
        assert_string_equal(set->text, spaced[0]);
        assert_string_equal(again->text, spaced[0]);
        cvg_conditions_free(set);
        cvg_conditions_free(again);
    }
}

static void what_is_no_set_is_told_where(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "column 1: a metric"},
        {"always;", "column 8: a metric"},
        {";always", "column 1: a metric"},
        {"never; ; always", "column 8: a metric"},
        {"never; response_tme > 1ms",
         "column 8: no metric 'response_tme'; did you mean 'response_time'?"},
        {"never; always always", "column 15: and, or, ; or the end"},
        {"never, always", "column 6: and, or, ; or the end is expected, not "
                          "','"},
        {"never;never;never;never;never;never;never;never;never;never;never;"
         "never;never;never;never;never;never",
         "column 97: more than 16 conditions"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cvg_conditions *set = NULL;
        struct cvg_error err = {.text = ""};
        assert_int_equal(cvg_conditions_parse(cases[i].text, &set, &err),
                         CVG_CONFIG);
        assert_null(set);
        if (strncmp(err.text, cases[i].says, strlen(cases[i].says)) != 0) {
            fail_msg("'%s': '%s'", cases[i].text, err.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_metric_and_relation),
        cmocka_unit_test(nothing_holds_of_what_is_unknown),
        cmocka_unit_test(what_is_none_is_told_where),
        cmocka_unit_test(there_is_a_limit),
        cmocka_unit_test(random_ones),
        cmocka_unit_test(one_for_each_exit),
        cmocka_unit_test(a_set_keeps_its_text),
        cmocka_unit_test(what_is_no_set_is_told_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The pull reader of JSON: what it takes, and what it must refuse. */
#include "cases.h"

#include "serve/json.h"

static bool valid(const char *text, unsigned depth)
{
    struct cvg_json j;
    struct cvg_error err;
    char *copy = exact(text, strlen(text));
    cvg__json_init(&j, copy, strlen(text), depth, &err);
    bool ok = cvg__json_skip(&j) && cvg__json_finish(&j);
    free(copy);
    return ok;
}

static void takes_all_of_json(void **state)
{
    (void)state;
    static const char *const good[] = {"0",
                                       "-0",
                                       "10",
                                       "1.5",
                                       "1e5",
                                       "1E+5",
                                       "-1.25e-3",
                                       "true",
                                       "false",
                                       "null",
                                       "\"\"",
                                       "\"a\\u00e9\\ud83d\\ude00\\n\\/\"",
                                       "[]",
                                       "{}",
                                       " [ ] ",
                                       "[1,2,[3,{}]]",
                                       "{\"a\":1,\"b\":[true,null]}",
                                       "\"\xc3\xa9\"",
                                       "\t{\r\n\"a\" : \"b\" }"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!valid(good[i], 8)) {
            fail_msg("refused: %s", good[i]);
        }
    }
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "01",
                                      "-",
                                      "+1",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "0x10",
                                      "NaN",
                                      "Infinity",
                                      "-Infinity",
                                      "tru",
                                      "truex",
                                      "nul",
                                      "True",
                                      "'a'",
                                      "\"",
                                      "\"\\\"",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u12g4\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\x01\"",
                                      "\"\n\"",
                                      "\"\xff\"",
                                      "\"\xc0\xaf\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xf5\x80\x80\x80\"",
                                      "[",
                                      "]",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "{",
                                      "}",
                                      "{\"a\"",
                                      "{\"a\":",
                                      "{\"a\":1",
                                      "{\"a\":1,",
                                      "{\"a\":1,}",
                                      "{,}",
                                      "{a:1}",
                                      "{1:1}",
                                      "{\"a\" 1}",
                                      "{\"a\":1 \"b\":2}",
                                      "[1]x",
                                      "1 2",
                                      "{}{}",
                                      "[1}",
                                      "{]",
                                      "// c\n1",
                                      "/* */1",
                                      "\xef\xbb\xbf{}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (valid(bad[i], 8)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    static const char whole[] =
        "{\"a\":[1,-2.5e3,\"x\\u00e9\\ud83d\\ude00\",true,null,{\"b\":[]}]}";
    assert_true(valid(whole, 8));
    for (size_t n = 0; n + 1 < sizeof whole; n++) {
        char *cut = exact(whole, n + 1);
        cut[n] = '\0';
        assert_false(valid(cut, 8));
        free(cut);
    }
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char text[4096];
    memset(text, '[', 2000);
    memset(text + 2000, ']', 2000);
    text[4000] = '\0';
    assert_false(valid(text, 32));
    assert_true(valid("[[[[]]]]", 4));
    assert_false(valid("[[[[]]]]", 3));
    assert_false(valid("{\"a\":{\"a\":{\"a\":{}}}}", 3));
}

static void strings_are_decoded(void **state)
{
    (void)state;
    struct cvg_json j;
    struct cvg_error err;
    char out[16];
    cvg__json_init(&j, "\"a\\u00e9\\n\"", 11, 8, &err);
    assert_true(cvg__json_string(&j, out, sizeof out, "it"));
    assert_string_equal(out, "a\xc3\xa9\n");
    /* One byte too many, and a NUL that would hide the rest of a name. */
    cvg__json_init(&j, "\"0123456789abcdef\"", 18, 8, &err);
    assert_false(cvg__json_string(&j, out, sizeof out, "it"));
    assert_non_null(strstr(err.text, "longer than 15 bytes"));
    cvg__json_init(&j, "\"a\\u0000b\"", 10, 8, &err);
    assert_false(cvg__json_string(&j, out, sizeof out, "it"));
    assert_non_null(strstr(err.text, "NUL"));
}

static void whole_numbers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN},
                {"-17", -17}};
    static const char *const bad[] = {"9223372036854775808",
                                      "-9223372036854775809",
                                      "1.0",
                                      "1e3",
                                      "99999999999999999999999",
                                      "\"1\""};
    struct cvg_json j;
    struct cvg_error err;
    int64_t value;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cvg__json_init(&j, good[i].text, strlen(good[i].text), 8, &err);
        assert_true(cvg__json_i64(&j, &value, "it"));
        assert_int_equal(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cvg__json_init(&j, bad[i], strlen(bad[i]), 8, &err);
        assert_false(cvg__json_i64(&j, &value, "it"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_all_of_json),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(whole_numbers_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

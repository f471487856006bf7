/* Tensor data in JSON: exact both ways, and nothing but what fits. */
#include "cases.h"

#include "base/rng.h"
#include "serve/json_tensor.h"
#include <math.h>

static bool read_into(const char *text, enum cvg_type type, size_t n, void *out,
                      struct cvg_error *err)
{
    struct cvg_json j;
    char *copy = exact(text, strlen(text));
    cvg__json_init(&j, copy, strlen(text), 32, err);
    bool ok = cvg__json_tensor_read(&j, type, n, out, "input 'x'") &&
              cvg__json_finish(&j);
    free(copy);
    return ok;
}

static void flat_and_nested_are_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "[1,2,3,4,5,6]", "[[1,2,3],[4,5,6]]", "[[[1],[2],[3]],[[4],[5],[6]]]",
        " [ [ 1 , 2 ] , [ 3 , 4 ] , [ 5 , 6 ] ] ", "[1.0,2e0,30e-1,4,5,6.00]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        float out[6] = {0};
        struct cvg_error err;
        if (!read_into(texts[i], CVG_TYPE_FP32, 6, out, &err)) {
            fail_msg("%s: %s", texts[i], err.text);
        }
        for (int k = 0; k < 6; k++) {
            assert_true(out[k] == (float)(k + 1));
        }
    }
}

static void wrong_forms_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"[1,2,3]", "asks for 4 values, got 3"},
        {"[1,2,3,4,5]", "asks for 4 values, got more"},
        {"[[1,2],[3,4,5]]", "got more"},
        {"[[1,2,3],[4]]", "different length"},
        {"[[1,2],3,4]", "numbers beside arrays"},
        {"[1,2,[3,4]]", "expected a number"},
        {"[[1,2],[[3],[4]]]", "different depth"},
        {"[]", "got 0"},
        {"[[],[]]", "got 0"},
        {"[1,2,null,4]", "null"},
        {"[1,2,\"3\",4]", "a string"},
        {"[1,2,NaN,4]", "expected a number"},
        {"[1,2,1e999,4]", "out of the range of FP32"},
        {"[1,2,1e39,4]", "out of the range of FP32"},
        {"[1,2,01,4]", "expected a number"},
        {"[1,2,3.,4]", "expected a number"},
        {"[1,2,3,4", "ends"},
        {"4", "must be an array"},
        {"{}", "must be an array"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        float out[4];
        struct cvg_error err = {.text = ""};
        assert_false(read_into(bad[i].text, CVG_TYPE_FP32, 4, out, &err));
        if (strstr(err.text, bad[i].why) == NULL) {
            fail_msg("%s: %s", bad[i].text, err.text);
        }
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    char text[300];
    float out;
    struct cvg_error err;
    memset(text, '[', 100);
    text[100] = '1';
    memset(text + 101, ']', 100);
    text[201] = '\0';
    assert_false(read_into(text, CVG_TYPE_FP32, 1, &out, &err));
}

static void integers_keep_to_their_range(void **state)
{
    (void)state;
    static const struct {
        enum cvg_type type;
        const char *low, *high, *below, *above;
    } cases[] = {
        {CVG_TYPE_UINT8, "[0]", "[255]", "[-1]", "[256]"},
        {CVG_TYPE_INT8, "[-128]", "[127]", "[-129]", "[128]"},
        {CVG_TYPE_UINT16, "[0]", "[65535]", "[-1]", "[65536]"},
        {CVG_TYPE_INT16, "[-32768]", "[32767]", "[-32769]", "[32768]"},
        {CVG_TYPE_UINT32, "[0]", "[4294967295]", "[-1]", "[4294967296]"},
        {CVG_TYPE_INT32, "[-2147483648]", "[2147483647]", "[-2147483649]",
         "[2147483648]"},
        {CVG_TYPE_UINT64, "[0]", "[18446744073709551615]", "[-1]",
         "[18446744073709551616]"},
        {CVG_TYPE_INT64, "[-9223372036854775808]", "[9223372036854775807]",
         "[-9223372036854775809]", "[9223372036854775808]"},
        {CVG_TYPE_BOOL, "[false]", "[true]", "[-1]", "[2]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t out = 0;
        struct cvg_text t = {0};
        struct cvg_error err;
        enum cvg_type type = cases[i].type;
        assert_true(read_into(cases[i].low, type, 1, &out, &err));
        cvg__text_str(&t, "[");
        cvg__json_tensor_write(&t, type, &out, 1);
        cvg__text_str(&t, "]");
        assert_text(&t, cases[i].low);
        t.len = 0;
        assert_true(read_into(cases[i].high, type, 1, &out, &err));
        cvg__text_str(&t, "[");
        cvg__json_tensor_write(&t, type, &out, 1);
        cvg__text_str(&t, "]");
        assert_text(&t, cases[i].high);
        assert_false(read_into(cases[i].below, type, 1, &out, &err));
        assert_false(read_into(cases[i].above, type, 1, &out, &err));
        assert_false(read_into("[1.5]", type, 1, &out, &err));
        assert_false(read_into("[1e1]", type, 1, &out, &err));
        cvg__text_fini(&t);
    }
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Any float: written, read by us and by the C library, gives its very bits. */
static void floats_survive_the_way_there_and_back(void **state)
{
    (void)state;
    struct cvg_rng rng;
    cvg_rng_init(&rng, 1, 2, 3);
    struct cvg_text t = {0};
    for (int i = 0; i < 300000; i++) {
        uint32_t bits = (uint32_t)cvg_rng_next(&rng);
        float x, y;
        memcpy(&x, &bits, sizeof x);
        if (i % 3 == 1) {
            x = (float)cvg_rng_uniform(&rng);
        } else if (i % 3 == 2) {
            x = (float)((int32_t)bits % 100000) / 8.0F;
        }
        if (!isfinite(x)) {
            continue;
        }
        t.len = 0;
        cvg__text_str(&t, "[");
        cvg__json_tensor_write(&t, CVG_TYPE_FP32, &x, 1);
        cvg__text_str(&t, "]");
        cvg__text_add(&t, "", 1);
        struct cvg_error err;
        assert_true(read_into(t.data, CVG_TYPE_FP32, 1, &y, &err));
        float z = strtof(t.data + 1, NULL);
        if (bits_of(x) != bits_of(y) || bits_of(x) != bits_of(z)) {
            fail_msg("%a became %s and %a", (double)x, t.data, (double)y);
        }
    }
    cvg__text_fini(&t);
}

static void doubles_survive_too(void **state)
{
    (void)state;
    struct cvg_rng rng;
    cvg_rng_init(&rng, 4, 5, 6);
    struct cvg_text t = {0};
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = cvg_rng_next(&rng);
        double x, y;
        memcpy(&x, &bits, sizeof x);
        x = i % 2 == 0 ? cvg_rng_uniform(&rng) * 1000 : x;
        if (!isfinite(x)) {
            continue;
        }
        t.len = 0;
        cvg__text_str(&t, "[");
        cvg__json_tensor_write(&t, CVG_TYPE_FP64, &x, 1);
        cvg__text_str(&t, "]");
        cvg__text_add(&t, "", 1);
        struct cvg_error err;
        assert_true(read_into(t.data, CVG_TYPE_FP64, 1, &y, &err));
        assert_memory_equal(&x, &y, sizeof x);
    }
    cvg__text_fini(&t);
}

/* Rounding to a double and then to a float may err by one place: these are
 * just beside the middle of two floats. */
static void numbers_are_rounded_once(void **state)
{
    (void)state;
    static const char *const texts[] = {"16777217",
                                        "16777217.0000000001",
                                        "16777216.9999999999",
                                        "1.00000005960464477539062500000001",
                                        "0.1",
                                        "3.4028234e38",
                                        "1.401298464324817e-45",
                                        "123456789012345678901234567890e-20"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[80];
        float out, expected = strtof(texts[i], NULL);
        struct cvg_error err;
        (void)snprintf(text, sizeof text, "[%s]", texts[i]);
        assert_true(read_into(text, CVG_TYPE_FP32, 1, &out, &err));
        assert_memory_equal(&out, &expected, sizeof out);
    }
}

static void half_precision_stays_binary(void **state)
{
    (void)state;
    uint16_t out;
    struct cvg_error err;
    assert_false(read_into("[1]", CVG_TYPE_FP16, 1, &out, &err));
    assert_non_null(strstr(err.text, "binary"));
    assert_false(read_into("[1]", CVG_TYPE_BF16, 1, &out, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat_and_nested_are_the_same),
        cmocka_unit_test(wrong_forms_are_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(integers_keep_to_their_range),
        cmocka_unit_test(floats_survive_the_way_there_and_back),
        cmocka_unit_test(doubles_survive_too),
        cmocka_unit_test(numbers_are_rounded_once),
        cmocka_unit_test(half_precision_stays_binary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

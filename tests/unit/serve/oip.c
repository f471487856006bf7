/* Infer bodies: a model of two inputs (a: FP32 [-1,2], n: INT64 [-1,-1]) and
 * two outputs (y: FP32, h: FP16). */
#include "cases.h"

static struct cvg_tensor_info inputs[] = {
    {.name = "a", .type = CVG_TYPE_FP32, .n_dims = 2, .dims = {-1, 2}},
    {.name = "n", .type = CVG_TYPE_INT64, .n_dims = 2, .dims = {-1, -1}},
};
static struct cvg_tensor_info outputs[] = {
    {.name = "y", .type = CVG_TYPE_FP32, .n_dims = 2, .dims = {-1, 2}},
    {.name = "h", .type = CVG_TYPE_FP16, .n_dims = 2, .dims = {-1, 1}},
};
static const struct cvg_model_info model = {
    .inputs = inputs, .outputs = outputs, .n_inputs = 2, .n_outputs = 2};
static const struct cvg_model_info simple = {
    .inputs = inputs, .outputs = outputs, .n_inputs = 1, .n_outputs = 1};
static const struct cvg__oip_limits limits = {
    .json_depth = 16, .dims = 8, .tensors = 4, .rows = 16};

static struct cvg__infer infer;
static struct cvg_error err;

static enum cvg_status parse(const struct cvg_model_info *m, const char *text)
{
    char *body = exact(text, strlen(text));
    enum cvg_status status =
        cvg__infer_parse(&infer, m, &limits, (unsigned char *)body,
                         strlen(text), CVG__HEADER_ABSENT, &err);
    free(body); /* id points there: not used after */
    return status;
}

static int done(void **state)
{
    (void)state;
    cvg__infer_fini(&infer);
    return 0;
}

#define A                                                                      \
    "{\"name\":\"a\",\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":[1,2,3,4]" \
    "}"
#define N                                                                      \
    "{\"name\":\"n\",\"shape\":[2,1],\"datatype\":\"INT64\",\"data\":[[7],[8]" \
    "]}"
#define WANT_Y ",\"outputs\":[{\"name\":\"y\"}]"

static void a_plain_request(void **state)
{
    (void)state;
    assert_int_equal(parse(&model, "{\"inputs\":[" A "," N "]" WANT_Y "}"),
                     CVG_OK);
    struct cvg_tensor row;
    assert_int_equal(infer.rows, 2);
    assert_int_equal(infer.n_outputs, 1);
    cvg__infer_row(&infer, 1, 0, &row);
    assert_int_equal(row.n_dims, 1);
    assert_int_equal(row.dims[0], 2);
    assert_int_equal(row.bytes, 8);
    assert_true(((float *)row.data)[0] == 3.0F);
    cvg__infer_row(&infer, 1, 1, &row);
    assert_int_equal(((int64_t *)row.data)[0], 8);
}

/* Keys may come in any order. */
static void data_before_what_describes_it(void **state)
{
    (void)state;
    assert_int_equal(
        parse(&simple, "{\"outputs\":[{\"name\":\"y\"}],\"inputs\":[{\"data\":"
                       "[[1,2],[3,4]],\"datatype\":\"FP32\",\"shape\":[2,2],"
                       "\"name\":\"a\"}],\"id\":\"x\"}"),
        CVG_OK);
    assert_true(((float *)infer.inputs[0].tensor.data)[3] == 4.0F);
}

static void parameters_are_read(void **state)
{
    (void)state;
    assert_int_equal(parse(&simple,
                           "{\"parameters\":{\"timeout\":1500,\"priority\":2,"
                           "\"slo_deadline_us\":5000,\"slo_min_accuracy\":0.9,"
                           "\"slo_max_energy_mj\":12.5,\"slo_app\":\"door\","
                           "\"sequence_id\":0,\"mine\":{\"x\":[1]},"
                           "\"binary_data_output\":true},\"inputs\":[" A "]}"),
                     CVG_OK);
    assert_int_equal(infer.timeout, CVG_US(1500));
    assert_int_equal(infer.priority, 2);
    assert_int_equal(infer.bounds.deadline, CVG_US(5000));
    assert_true(infer.bounds.accuracy == 0.9);
    assert_true(infer.bounds.energy_j == 0.0125);
    assert_int_equal(infer.overrides, 1U << CVG_SLO_DEADLINE |
                                          1U << CVG_SLO_ACCURACY |
                                          1U << CVG_SLO_ENERGY);
    assert_string_equal(infer.app, "door");
    assert_true(infer.outputs[0].binary);
}

static void wrong_requests_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "must be a JSON object"},
        {"[]", "must be a JSON object"},
        {"{}", "no inputs"},
        {"{\"inputs\":{}}", "must be an array"},
        {"{\"inputs\":[]}", "'a' is missing"},
        {"{\"inputs\":[{}]}", "no name"},
        {"{\"inputs\":[{\"name\":\"z\"}]}",
         "unknown input 'z'; the model has 'a'"},
        {"{\"inputs\":[{\"name\":\"a\"}]}", "neither data nor"},
        {"{\"inputs\":[{\"name\":\"a\",\"data\":[1]}]}", "shape is missing"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"data\":[1,2]}]}",
         "datatype is missing"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"FP64\","
         "\"data\":[1,2]}]}",
         "expected datatype FP32, got FP64"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"F\","
         "\"data\":[1,2]}]}",
         "unknown datatype 'F'"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[1,3],\"datatype\":\"FP32\","
         "\"data\":[1,2,3]}]}",
         "expected shape [-1,2], got [1,3]"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[2],\"datatype\":\"FP32\","
         "\"data\":[1,2]}]}",
         "expected shape [-1,2], got [2]"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[0,2],\"datatype\":\"FP32\","
         "\"data\":[]}]}",
         "got [0,2]"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[-1,2],\"datatype\":\"FP32\","
         "\"data\":[1,2]}]}",
         "got [-1,2]"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[17,2],\"datatype\":\"FP32\","
         "\"data\":[1]}]}",
         "17 rows, the limit is 16"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[1,1,1,1,1,1,1,1,1],"
         "\"datatype\":\"FP32\",\"data\":[1]}]}",
         "more dimensions than the limit of 8"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[1,99999999999999999999],"
         "\"datatype\":\"FP32\",\"data\":[1]}]}",
         "out of range"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[1.5,2],\"datatype\":\"FP32\","
         "\"data\":[1]}]}",
         "whole number"},
        {"{\"inputs\":[" A "," A "]}", "given twice"},
        {"{\"inputs\":[{\"name\":\"a\",\"name\":\"a\"}]}", "two names"},
        {"{\"inputs\":[" A "],\"inputs\":[" A "]}", "given twice"},
        {"{\"inputs\":[" A "],\"outputs\":[{\"name\":\"q\"}]}",
         "unknown output 'q'; the model has 'y'"},
        {"{\"inputs\":[" A "],\"outputs\":[{}]}", "no name"},
        {"{\"inputs\":[" A "],\"outputs\":[{\"name\":\"y\"},{\"name\":\"y\"}]}",
         "asked for twice"},
        {"{\"inputs\":[" A "],\"outputs\":[{\"name\":\"y\",\"parameters\":"
         "{\"classification\":3}}]}",
         "classification"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"FP32\","
         "\"parameters\":{\"shared_memory_region\":\"r\"}}]}",
         "shared memory"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"FP32\","
         "\"parameters\":{\"binary_data_size\":8}}]}",
         "only 0 bytes of binary data"},
        {"{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"FP32\","
         "\"data\":[1,2],\"parameters\":{\"binary_data_size\":8}}]}",
         "both data and binary"},
        {"{\"inputs\":[" A "],\"id\":5}", "must be a string"},
        {"{\"inputs\":[" A "],\"parameters\":{\"slo_deadline\":5}}",
         "unknown parameter 'slo_deadline'; known: slo_deadline_us"},
        {"{\"inputs\":[" A "],\"parameters\":{\"slo_deadline_us\":0}}",
         "between 1"},
        {"{\"inputs\":[" A "],\"parameters\":{\"slo_min_accuracy\":1.5}}",
         "between 0 and 1"},
        {"{\"inputs\":[" A "],\"parameters\":{\"timeout\":-1}}", "between 0"},
        {"{\"inputs\":[" A "],\"parameters\":{\"priority\":\"high\"}}",
         "must be a number"},
        {"{\"inputs\":[" A "],\"parameters\":{\"sequence_id\":3}}",
         "sequences"},
        {"{\"inputs\":[" A "]} x", "after the end"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err.text[0] = '\0';
        assert_int_equal(parse(&simple, bad[i].text), CVG_INVALID);
        if (strstr(err.text, bad[i].why) == NULL) {
            fail_msg("%s\n  said: %s", bad[i].text, err.text);
        }
    }
}

/* A shape that multiplies to a small number when bits are lost. */
static void overflowing_shapes_are_refused(void **state)
{
    (void)state;
    static const char *const shapes[] = {
        "[2,9223372036854775807]", "[4,4611686018427387904]",
        "[16,1152921504606846976]", "[1,2305843009213693952]"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char text[300];
        (void)snprintf(text, sizeof text,
                       "{\"inputs\":[" A ",{\"name\":\"n\",\"shape\":%s,"
                       "\"datatype\":\"INT64\",\"data\":[1]}]" WANT_Y "}",
                       shapes[i]);
        assert_int_equal(parse(&model, text), CVG_INVALID);
    }
    /* Large, but it can be counted: refused before memory is taken for it. */
    assert_int_equal(parse(&model, "{\"inputs\":[" A ",{\"name\":\"n\","
                                   "\"shape\":[2,1000000000000],\"datatype\":"
                                   "\"INT64\",\"data\":[1]}]" WANT_Y "}"),
                     CVG_INVALID);
    assert_non_null(strstr(err.text, "got fewer"));
}

static void fp16_is_never_json(void **state)
{
    (void)state;
    assert_int_equal(parse(&model, "{\"inputs\":[" A "," N "]}"), CVG_INVALID);
    assert_non_null(strstr(err.text, "output 'h' is FP16"));
    assert_int_equal(parse(&model, "{\"inputs\":[" A "," N "],\"parameters\":"
                                   "{\"binary_data_output\":true}}"),
                     CVG_OK);
}

static void rows_must_agree(void **state)
{
    (void)state;
    assert_int_equal(parse(&model,
                           "{\"inputs\":[" A ",{\"name\":\"n\",\"shape\":[1,1],"
                           "\"datatype\":\"INT64\",\"data\":[1]}]" WANT_Y "}"),
                     CVG_INVALID);
    assert_non_null(strstr(err.text, "has 1 rows, the others 2"));
}

/* --- binary --------------------------------------------------------------- */

static const char head[] =
    "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"FP32\","
    "\"parameters\":{\"binary_data_size\":8}},{\"name\":\"n\",\"shape\":[1,2],"
    "\"datatype\":\"INT64\",\"parameters\":{\"binary_data_size\":16}}]" WANT_Y
    "}";

static enum cvg_status parse_binary(unsigned char *at, size_t extra,
                                    int64_t header)
{
    static const float a[] = {1.5F, -2};
    static const int64_t n[] = {5, INT64_MIN};
    size_t len = sizeof head - 1;
    memcpy(at, head, len);
    memcpy(at + len, a, sizeof a);
    memcpy(at + len + sizeof a, n, sizeof n);
    return cvg__infer_parse(&infer, &model, &limits, at, len + 24 + extra,
                            header, &err);
}

static void binary_data_are_used_where_they_lie(void **state)
{
    (void)state;
    _Alignas(64) unsigned char memory[512];
    size_t len = sizeof head - 1;
    for (size_t shift = 0; shift < 16; shift++) {
        unsigned char *at = memory + (64 - len % 64) % 64 + shift;
        assert_int_equal(parse_binary(at, 0, (int64_t)len), CVG_OK);
        const float *a = infer.inputs[0].tensor.data;
        const int64_t *n = infer.inputs[1].tensor.data;
        assert_true(a[0] == 1.5F && a[1] == -2);
        assert_true(n[0] == 5 && n[1] == INT64_MIN);
        /* Copied only where the processor would mind. */
        assert_int_equal(infer.inputs[0].owned, shift % 4 != 0);
        assert_int_equal(infer.inputs[1].owned, shift % 8 != 0);
    }
}

static void wrong_binary_sizes(void **state)
{
    (void)state;
    unsigned char memory[512];
    int64_t len = (int64_t)sizeof head - 1;
    assert_int_equal(parse_binary(memory, 1, len), CVG_INVALID);
    assert_non_null(strstr(err.text, "1 bytes of binary data belong to no"));
    assert_int_equal(parse_binary(memory, (size_t)-1, len), CVG_INVALID);
    assert_non_null(strstr(err.text, "only 15 bytes of binary data are left"));
    assert_int_equal(parse_binary(memory, 0, len + 1), CVG_INVALID);
    assert_int_equal(parse_binary(memory, 0, len - 1), CVG_INVALID);
    assert_int_equal(parse_binary(memory, 0, 100000), CVG_INVALID);
    assert_non_null(strstr(err.text, "Inference-Header-Content-Length"));
    static char wrong[] =
        "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"FP32\","
        "\"parameters\":{\"binary_data_size\":9}}]}123456789";
    assert_int_equal(cvg__infer_parse(&infer, &simple, &limits,
                                      (unsigned char *)wrong, sizeof wrong - 1,
                                      (int64_t)sizeof wrong - 10, &err),
                     CVG_INVALID);
    assert_non_null(
        strstr(err.text, "is 9, but its shape and datatype take 8"));
}

static void a_raw_body(void **state)
{
    (void)state;
    float body[3] = {1, 2, 3};
    assert_int_equal(cvg__infer_parse(&infer, &simple, &limits,
                                      (unsigned char *)body, 8, 0, &err),
                     CVG_OK);
    assert_int_equal(infer.rows, 1);
    assert_true(infer.outputs[0].binary);
    assert_int_equal(cvg__infer_parse(&infer, &simple, &limits,
                                      (unsigned char *)body, 12, 0, &err),
                     CVG_INVALID);
    assert_int_equal(cvg__infer_parse(&infer, &model, &limits,
                                      (unsigned char *)body, 8, 0, &err),
                     CVG_INVALID);
    /* One variable dimension follows from the size. */
    const struct cvg_model_info open = {.inputs = &inputs[1],
                                        .outputs = outputs,
                                        .n_inputs = 1,
                                        .n_outputs = 1};
    int64_t numbers[3] = {1, 2, 3};
    assert_int_equal(cvg__infer_parse(&infer, &open, &limits,
                                      (unsigned char *)numbers, 24, 0, &err),
                     CVG_OK);
    assert_int_equal(infer.inputs[0].tensor.dims[1], 3);
    assert_int_equal(cvg__infer_parse(&infer, &open, &limits,
                                      (unsigned char *)numbers, 0, 0, &err),
                     CVG_INVALID);
}

/* --- replies -------------------------------------------------------------- */

static const struct cvg__infer_result result = {.model_name = "fam",
                                                .model_version = "1",
                                                .variant = "v",
                                                .device = "cpu0",
                                                .exit = 0,
                                                .deadline_met = true,
                                                .accuracy = 0.875,
                                                .energy_j = 0.0025,
                                                .queued = 1500,
                                                .ran = 2000000,
                                                .request_id = 77};

static void rows_are_joined(void **state)
{
    (void)state;
    char body[] = "{\"id\":\"q\\\"1\",\"inputs\":[" A "," N "]" WANT_Y "}";
    assert_int_equal(cvg__infer_parse(&infer, &model, &limits,
                                      (unsigned char *)body, strlen(body),
                                      CVG__HEADER_ABSENT, &err),
                     CVG_OK);
    float y[2][2] = {{1, 2.5F}, {0.1F, -4}};
    struct cvg_tensor rows[4] = {0};
    for (int r = 0; r < 2; r++) {
        rows[r * 2] = (struct cvg_tensor){.n_dims = 1,
                                          .dims = {2},
                                          .type = CVG_TYPE_FP32,
                                          .data = y[r],
                                          .bytes = 8};
    }
    struct cvg_text t = {0};
    struct cvg__apart apart;
    int64_t header;
    assert_int_equal(
        cvg__infer_reply(&t, &infer, &result, rows, &header, &apart, &err),
        CVG_OK);
    assert_int_equal(header, CVG__HEADER_ABSENT);
    assert_text(&t,
                "{\"model_name\":\"fam\",\"model_version\":\"1\",\"id\":"
                "\"q\\\"1\",\"parameters\":{\"variant\":\"v\",\"exit\":0,"
                "\"device\":\"cpu0\",\"emulated\":false,\"accuracy\":0.875000,"
                "\"energy_mj\":2.500000,\"queue_us\":1,\"run_us\":2000,"
                "\"deadline_met\":true,\"request_id\":\"77\"},\"outputs\":[{"
                "\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[2,2],"
                "\"data\":[1.0,2.5,0.1,-4.0]}]}");
    infer.outputs[0].binary = true;
    t.len = 0;
    assert_int_equal(
        cvg__infer_reply(&t, &infer, &result, rows, &header, &apart, &err),
        CVG_OK);
    assert_int_equal(t.len, (size_t)header + 16);
    assert_memory_equal(t.data + header, y, 16);
    cvg__text_fini(&t);
}

/* Large outputs stay where they are; many go behind the JSON all the same. */
static void large_rows_go_apart(void **state)
{
    (void)state;
    enum { VALUES = 16384 };
    static float y[CVG__APART_MOST + 1][VALUES];
    static struct cvg_tensor rows[2 * (CVG__APART_MOST + 1)];
    char body[] = "{\"inputs\":[" A "," N "]" WANT_Y "}";
    assert_int_equal(cvg__infer_parse(&infer, &model, &limits,
                                      (unsigned char *)body, strlen(body),
                                      CVG__HEADER_ABSENT, &err),
                     CVG_OK);
    for (unsigned r = 0; r <= CVG__APART_MOST; r++) {
        rows[r * 2] = (struct cvg_tensor){.n_dims = 1,
                                          .dims = {VALUES},
                                          .type = CVG_TYPE_FP32,
                                          .data = y[r],
                                          .bytes = sizeof y[r]};
    }
    struct cvg_text t = {0};
    struct cvg__apart apart;
    int64_t header;
    infer.outputs[0].binary = true;
    for (infer.rows = 1; infer.rows <= CVG__APART_MOST + 1; infer.rows++) {
        t.len = 0;
        assert_int_equal(
            cvg__infer_reply(&t, &infer, &result, rows, &header, &apart, &err),
            CVG_OK);
        bool apart_wanted = infer.rows <= CVG__APART_MOST;
        assert_int_equal(apart.n, apart_wanted ? infer.rows : 0);
        assert_int_equal(t.len,
                         (size_t)header +
                             (apart_wanted ? 0 : infer.rows * sizeof *y));
        for (unsigned r = 0; r < apart.n; r++) {
            assert_ptr_equal(apart.pieces[r].data, y[r]);
            assert_int_equal(apart.pieces[r].bytes, sizeof y[r]);
        }
    }
    cvg__text_fini(&t);
}

static void a_device_that_breaks_its_word(void **state)
{
    (void)state;
    char body[] = "{\"inputs\":[" A "," N "]" WANT_Y "}";
    assert_int_equal(cvg__infer_parse(&infer, &model, &limits,
                                      (unsigned char *)body, strlen(body),
                                      CVG__HEADER_ABSENT, &err),
                     CVG_OK);
    float y[4] = {0};
    struct cvg_tensor rows[4] = {0};
    struct cvg_text t = {0};
    struct cvg__apart apart;
    int64_t header;
    rows[0] = (struct cvg_tensor){
        .n_dims = 1, .dims = {2}, .type = CVG_TYPE_FP32, .data = y, .bytes = 8};
    assert_int_equal(
        cvg__infer_reply(&t, &infer, &result, rows, &header, &apart, &err),
        CVG_DEVICE); /* row 1 has none */
    rows[2] = rows[0];
    rows[2].dims[0] = 1;
    rows[2].bytes = 4;
    assert_int_equal(
        cvg__infer_reply(&t, &infer, &result, rows, &header, &apart, &err),
        CVG_DEVICE); /* another shape */
    rows[2] = rows[0];
    rows[0].type = CVG_TYPE_INT32;
    assert_int_equal(
        cvg__infer_reply(&t, &infer, &result, rows, &header, &apart, &err),
        CVG_DEVICE);
    cvg__text_fini(&t);
}

static void names(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     ".a",       "..",  "a/b", "a b",
                                      "a\\b", "\xc3\xa9", "a%b", "a:b"};
    char longest[CVG__NAME_MAX + 2];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(cvg__name_valid(bad[i]));
    }
    assert_true(cvg__name_valid("resnet-50_v1.5"));
    memset(longest, 'a', sizeof longest - 1);
    longest[CVG__NAME_MAX] = '\0';
    assert_true(cvg__name_valid(longest));
    longest[CVG__NAME_MAX] = 'a';
    longest[CVG__NAME_MAX + 1] = '\0';
    assert_false(cvg__name_valid(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_plain_request, done),
        cmocka_unit_test_teardown(data_before_what_describes_it, done),
        cmocka_unit_test_teardown(parameters_are_read, done),
        cmocka_unit_test_teardown(wrong_requests_say_why, done),
        cmocka_unit_test_teardown(overflowing_shapes_are_refused, done),
        cmocka_unit_test_teardown(fp16_is_never_json, done),
        cmocka_unit_test_teardown(rows_must_agree, done),
        cmocka_unit_test_teardown(binary_data_are_used_where_they_lie, done),
        cmocka_unit_test_teardown(wrong_binary_sizes, done),
        cmocka_unit_test_teardown(a_raw_body, done),
        cmocka_unit_test_teardown(rows_are_joined, done),
        cmocka_unit_test_teardown(large_rows_go_apart, done),
        cmocka_unit_test_teardown(a_device_that_breaks_its_word, done),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a reply says, and what is made of one that says nothing. */
#include "load/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct cvg__answer read_reply(int status, const char *body,
                                     size_t header, size_t size)
{
    struct cvg__http http = {.status = status,
                             .body = body,
                             .content_length = size,
                             .inference_header =
                                 header == 0 ? -1 : (int64_t)header};
    struct cvg__answer answer;
    cvg__answer_read(&http, &answer);
    return answer;
}

static struct cvg__answer read_text(int status, const char *body)
{
    return read_reply(status, body, 0, strlen(body));
}

#define PARAMETERS                                                             \
    "\"parameters\":{\"variant\":\"large\",\"exit\":1,\"accuracy\":0.9,"       \
    "\"energy_mj\":12.5,\"queue_us\":300}"

static void a_binary_reply(void **state)
{
    (void)state;
    static const char json[] =
        "{" PARAMETERS ",\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\","
        "\"shape\":[1,3],\"parameters\":{\"binary_data_size\":12}}]}";
    char body[sizeof json + 12];
    float scores[3] = {-1.0F, 0.5F, 0.25F};
    memcpy(body, json, sizeof json - 1);
    memcpy(body + sizeof json - 1, scores, sizeof scores);
    struct cvg__answer a =
        read_reply(200, body, sizeof json - 1, sizeof json - 1 + 12);
    assert_int_equal(a.outcome, CVG_OUTCOME_SERVED);
    assert_string_equal(a.variant, "large");
    assert_int_equal(a.exit, 1);
    assert_true(a.accuracy == 0.9);
    assert_true(a.energy_j > 0.01249 && a.energy_j < 0.01251);
    assert_int_equal(a.queued, CVG_US(300));
    assert_int_equal(a.best, 1);
    /* Fewer bytes than the JSON promises: no arg-max, and no reading on. */
    a = read_reply(200, body, sizeof json - 1, sizeof json - 1 + 4);
    assert_int_equal(a.outcome, CVG_OUTCOME_SERVED);
    assert_int_equal(a.best, -1);
}

static void a_json_reply(void **state)
{
    (void)state;
    struct cvg__answer a =
        read_text(200, "{" PARAMETERS ",\"outputs\":[{\"data\":[1, 2.5, 2]}]}");
    assert_int_equal(a.outcome, CVG_OUTCOME_SERVED);
    assert_int_equal(a.best, 1);
    assert_int_equal(read_text(200, "{" PARAMETERS "}").best, -1);
}

static void a_reply_without_what_we_need_has_failed(void **state)
{
    (void)state;
    static const char *const bodies[] = {"",
                                         "[]",
                                         "{}",
                                         "{\"parameters\":3}",
                                         "{\"parameters\":{\"variant\":7}}",
                                         "no JSON"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct cvg__answer a = read_text(200, bodies[i]);
        assert_int_equal(a.outcome, CVG_OUTCOME_FAILED);
        assert_true(a.error[0] != '\0');
    }
}

static void errors_by_status_and_text(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum cvg_outcome outcome;
        enum cvg_reason reason;
    } cases[] = {
        {429, "{}", CVG_OUTCOME_REJECTED, CVG_REASON_QUEUE_FULL},
        {503, "{\"error\":\"the server is draining\"}", CVG_OUTCOME_REJECTED,
         CVG_REASON_DRAINING},
        {503, "{\"error\":\"x\"}", CVG_OUTCOME_DROPPED, CVG_REASON_UNAVAILABLE},
        {503, "{\"error\":\"the policy gave its device time to others\"}",
         CVG_OUTCOME_DROPPED, CVG_REASON_POLICY},
        {504, "{\"error\":\"?\"}", CVG_OUTCOME_DROPPED, CVG_REASON_DEADLINE},
        {504, "{\"error\":\"no variant is accurate enough; the nearest ...\"}",
         CVG_OUTCOME_DROPPED, CVG_REASON_INFEASIBLE_ACCURACY},
        {500, "{\"error\":\"the device failed and no attempt is left\"}",
         CVG_OUTCOME_FAILED, CVG_REASON_DEVICE_FAILED},
        {404, "garbage", CVG_OUTCOME_FAILED, CVG_REASON_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cvg__answer a = read_text(cases[i].status, cases[i].body);
        assert_int_equal(a.outcome, cases[i].outcome);
        assert_int_equal(a.reason, cases[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_binary_reply),
        cmocka_unit_test(a_json_reply),
        cmocka_unit_test(a_reply_without_what_we_need_has_failed),
        cmocka_unit_test(errors_by_status_and_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

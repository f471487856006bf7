/* Status codes, exit codes and messages. */
#include <convergo/status.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka */
#include <cmocka.h>

static void fail_writes_the_message(void **state)
{
    (void)state;
    struct cvg_error err = {.status = CVG_OK, .text = "before"};
    assert_int_equal(cvg_fail(&err, CVG_CONFIG, "%s:%d: no such %s", "box.yaml",
                              7, "device"),
                     CVG_CONFIG);
    assert_int_equal(err.status, CVG_CONFIG);
    assert_string_equal(err.text, "box.yaml:7: no such device");
}

static void fail_without_a_place_for_it(void **state)
{
    (void)state;
    assert_int_equal(cvg_fail(NULL, CVG_NOMEM, "%s", "out of memory"),
                     CVG_NOMEM);
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct cvg_error err;
    assert_int_equal(cvg_fail(&err, CVG_IO, "%s", text), CVG_IO);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

/* 0 done, 1 failed while running, 2 usage or bad input, 3 work was lost. */
static void exit_codes(void **state)
{
    (void)state;
    assert_int_equal(cvg_status_exit_code(CVG_OK), 0);
    assert_int_equal(cvg_status_exit_code(CVG_NOMEM), 1);
    assert_int_equal(cvg_status_exit_code(CVG_IO), 1);
    assert_int_equal(cvg_status_exit_code(CVG_DEVICE), 1);
    assert_int_equal(cvg_status_exit_code(CVG_LIMIT), 1);
    assert_int_equal(cvg_status_exit_code(CVG_INVALID), 2);
    assert_int_equal(cvg_status_exit_code(CVG_CONFIG), 2);
    assert_int_equal(cvg_status_exit_code(CVG_NOTFOUND), 2);
    assert_int_equal(cvg_status_exit_code(CVG_UNSUPPORTED), 2);
    assert_int_equal(cvg_status_exit_code(CVG_LOST), 3);
}

static void texts(void **state)
{
    (void)state;
    assert_string_equal(cvg_status_text(CVG_OK), "ok");
    for (int s = CVG_OK; s <= CVG_LOST; s++) {
        const char *text = cvg_status_text((enum cvg_status)s);
        assert_non_null(text);
        assert_true(strlen(text) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_writes_the_message),
        cmocka_unit_test(fail_without_a_place_for_it),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(exit_codes),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

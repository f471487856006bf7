/* A report file is there whole, or as it was. */
#include "report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/cvg-report-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(folder); /* fails if something was left behind */
}

static void a_file_is_replaced(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/report.json", folder);
    json_t *report = json_pack("[{s:f}]", "joint", 0.951);
    struct cvg_error err;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(cvg_report_write(path, report, &err), CVG_OK);
    }
    char text[100] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    assert_true(n > 0);
    assert_string_equal(text, "[\n  {\n    \"joint\": 0.951\n  }\n]\n");
    unlink(path);
    json_decref(report);
}

static void an_error_names_the_file_and_leaves_nothing(void **state)
{
    (void)state;
    char path[128];
    json_t *report = json_object();
    struct cvg_error err;
    snprintf(path, sizeof path, "%s/none/report.json", folder);
    assert_int_equal(cvg_report_write(path, report, &err), CVG_IO);
    assert_non_null(strstr(err.text, path));
    /* The rename fails: its place is taken by a folder. */
    snprintf(path, sizeof path, "%s/taken", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(cvg_report_write(path, report, &err), CVG_IO);
    assert_int_equal(rmdir(path), 0);
    json_decref(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_replaced),
        cmocka_unit_test(an_error_names_the_file_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

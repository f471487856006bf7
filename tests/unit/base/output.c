/* A file is there whole, or as it was. */
#include "base/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[128];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/cvg-output-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails if something was left behind */
}

static void put(const char *text)
{
    struct cvg_output output;
    struct cvg_error err;
    assert_int_equal(cvg_output_open(&output, path, &err), CVG_OK);
    fputs(text, output.file);
    assert_int_equal(cvg_output_commit(&output, &err), CVG_OK);
    assert_null(output.file);
}

static void assert_holds(const char *text)
{
    char seen[100] = "";
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    seen[fread(seen, 1, sizeof seen - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(seen, text);
}

static void it_takes_its_place_at_the_end(void **state)
{
    (void)state;
    struct cvg_output output;
    put("one");
    assert_int_equal(cvg_output_open(&output, path, NULL), CVG_OK);
    fputs("two", output.file);
    fflush(output.file);
    assert_holds("one");
    assert_int_equal(cvg_output_commit(&output, NULL), CVG_OK);
    assert_holds("two");
}

static void what_is_abandoned_changes_nothing(void **state)
{
    (void)state;
    struct cvg_output output;
    put("one");
    assert_int_equal(cvg_output_open(&output, path, NULL), CVG_OK);
    fputs("two", output.file);
    cvg_output_abandon(&output);
    assert_holds("one");
    cvg_output_abandon(&output); /* it is not open any more */
}

static void what_is_no_plain_file_stays_what_it_is(void **state)
{
    (void)state;
    struct stat s;
    assert_int_equal(mkfifo(path, 0600), 0);
    FILE *both = fopen(path, "r+e"); /* so that opening does not wait */
    assert_non_null(both);
    put("through\n");
    char seen[20] = "";
    assert_non_null(fgets(seen, sizeof seen, both));
    assert_string_equal(seen, "through\n");
    fclose(both);
    assert_int_equal(stat(path, &s), 0);
    assert_true(S_ISFIFO(s.st_mode));
}

static void an_error_names_the_file(void **state)
{
    (void)state;
    struct cvg_output output;
    struct cvg_error err;
    assert_int_equal(cvg_output_open(&output, "/nowhere/file", &err), CVG_IO);
    assert_string_equal(err.text, "/nowhere/file: cannot be written: No such "
                                  "file or directory");
    assert_null(output.file);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(cvg_output_open(&output, path, &err), CVG_IO);
    rmdir(path);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    struct cvg_output output;
    struct cvg_error err;
    assert_int_equal(cvg_output_open(&output, "/dev/full", &err), CVG_OK);
    fputs("two", output.file);
    assert_int_equal(cvg_output_commit(&output, &err), CVG_IO);
    assert_string_equal(err.text, "/dev/full: cannot be written: No space left "
                                  "on device");
}

static void the_same_file_by_other_names(void **state)
{
    char link_path[160];
    (void)state;
    put("text");
    (void)snprintf(link_path, sizeof link_path, "%s/link", folder);
    assert_int_equal(symlink(path, link_path), 0);
    assert_true(cvg_same_file(path, link_path));
    assert_true(cvg_same_file("-", "-"));
    assert_false(cvg_same_file(path, "-"));
    assert_false(cvg_same_file(path, folder));
    /* What is no plain file may be read and written. */
    assert_int_equal(unlink(link_path), 0);
    assert_int_equal(symlink("/dev/null", link_path), 0);
    assert_false(cvg_same_file("/dev/null", link_path));
    assert_int_equal(unlink(link_path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_takes_its_place_at_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_abandoned_changes_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_plain_file_stays_what_it_is,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_names_the_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_an_error, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_same_file_by_other_names, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Datasets, and telling files apart by their content. */
#include "texts.h"

#include <unistd.h>

static char folder[] = "/tmp/cvg-config-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* Writes a file in the folder; its path, owned. */
static char *write_file(const char *name, const void *bytes, size_t size)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    return path;
}

/* Two items of three bytes; labels 7 and -2. */
static const unsigned char good[30] = {
    'C', 'V', 'G', 'D', 'A', 'T', 'A', '1', 2, 0, 0, 0,    3,    0,    0,
    0,   1,   2,   3,   4,   5,   6,   7,   0, 0, 0, 0xfe, 0xff, 0xff, 0xff,
};

static void test_dataset(void **state)
{
    (void)state;
    char *path = write_file("good.bin", good, sizeof good);
    struct cvg_dataset d;
    struct cvg_error err = {.text = ""};
    if (cvg_dataset_open(path, &d, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(d.count, 2);
    assert_int_equal(d.item_bytes, 3);
    assert_int_equal(d.items[3], 4);
    assert_int_equal(cvg_dataset_label(&d, 0), 7);
    assert_int_equal(cvg_dataset_label(&d, 1), -2);
    cvg_dataset_close(&d);
    assert_null(d.map);
    cvg_dataset_close(&d);
    unlink(path);
    free(path);
}

static void expect_wrong(size_t at, unsigned char value, size_t size,
                         const char *message)
{
    unsigned char bytes[31];
    memcpy(bytes, good, sizeof good);
    bytes[at] = value;
    char *path = write_file("bad.bin", bytes, size);
    struct cvg_dataset d;
    struct cvg_error err = {.text = ""};
    assert_int_equal(cvg_dataset_open(path, &d, &err), CVG_CONFIG);
    assert_null(d.map);
    assert_memory_equal(err.text, path, strlen(path));
    assert_string_equal(err.text + strlen(path), message);
    unlink(path);
    free(path);
}

static void test_wrong_datasets(void **state)
{
    (void)state;
    expect_wrong(0, 'X', 30,
                 ": it is no dataset: it does not begin with CVGDATA1");
    expect_wrong(0, 'C', 15,
                 ": 15 bytes: too short for a dataset, whose "
                 "header alone has 16");
    expect_wrong(0, 'C', 29,
                 ": 29 bytes, but 2 items of 3 bytes with their "
                 "labels take 30");
    expect_wrong(30, 0, 31,
                 ": 31 bytes, but 2 items of 3 bytes with their "
                 "labels take 30");
    expect_wrong(8, 0, 30, ": 0 items of 3 bytes: neither may be 0");
    expect_wrong(12, 0, 30, ": 2 items of 0 bytes: neither may be 0");
    expect_wrong(11, 0xff, 30,
                 ": 30 bytes, but 4278190082 items of 3 bytes "
                 "with their labels take 29947330590");
    struct cvg_dataset d;
    struct cvg_error err;
    assert_int_equal(cvg_dataset_open("/nonexistent", &d, &err), CVG_NOTFOUND);
    assert_string_equal(err.text,
                        "/nonexistent: cannot open: No such file or directory");
    assert_int_equal(cvg_dataset_open("/tmp", &d, &err), CVG_CONFIG);
    assert_string_equal(err.text, "/tmp: it is no regular file");
}

static void expect_kind(const char *name, const char *text,
                        enum cvg_file_kind expected)
{
    char *path = write_file(name, text, strlen(text));
    enum cvg_file_kind kind = CVG_FILE_UNKNOWN;
    struct cvg_error err = {.text = ""};
    if (cvg_config_recognise(path, &kind, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(cvg_file_kind_name(kind), cvg_file_kind_name(expected));
    unlink(path);
    free(path);
}

static void test_kinds(void **state)
{
    (void)state;
    expect_kind("a", box_text, CVG_FILE_BOX);
    expect_kind("a", workload_text, CVG_FILE_WORKLOAD);
    expect_kind("a", profile_text, CVG_FILE_PROFILE);
    expect_kind("a", variants_text, CVG_FILE_VARIANTS);
    expect_kind("a", "# x\narrival_ms,app\n", CVG_FILE_TRACE);
    expect_kind("a", "CVGDATA1", CVG_FILE_DATASET);
    expect_kind("a", "variant,exit,accuraci,metric", CVG_FILE_PROFILE);
    expect_kind("a", "variant,exits,accuracy,metric", CVG_FILE_VARIANTS);
    expect_kind("a", "apps: [{app: x, arrivals: {}}]", CVG_FILE_WORKLOAD);
    expect_kind("a", "apps: [{name: x, family: y}]", CVG_FILE_BOX);
    expect_kind("a", "a: 1", CVG_FILE_UNKNOWN);
    expect_kind("a.csv", "a,b\n", CVG_FILE_UNKNOWN);
}

static void test_csv_by_itself(void **state)
{
    (void)state;
    char *path = write_file("p.csv", profile_text, strlen(profile_text));
    struct cvg_csv_summary sum;
    struct cvg_error err = {.text = ""};
    assert_int_equal(cvg_config_check_csv(path, CVG_FILE_PROFILE, &sum, &err),
                     CVG_OK);
    assert_int_equal(sum.rows, 8);
    assert_int_equal(sum.variants, 4);
    assert_int_equal(sum.devices, 4);
    free(path);
    path = write_file("p.csv", variants_text, strlen(variants_text));
    assert_int_equal(cvg_config_check_csv(path, CVG_FILE_VARIANTS, &sum, &err),
                     CVG_OK);
    assert_int_equal(sum.rows, 5);
    assert_int_equal(sum.variants, 4);
    free(path);
    char *text = edited(profile_text, "small,1,nx-gpu", "small,0,nx-gpu");
    path = write_file("p.csv", text, strlen(text));
    assert_int_equal(cvg_config_check_csv(path, CVG_FILE_PROFILE, &sum, &err),
                     CVG_CONFIG);
    assert_string_equal(err.text + strlen(path),
                        ":4:1: a second row for variant 'small', exit 0, "
                        "device 'nx-gpu', batch 1");
    unlink(path);
    free(path);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dataset),
        cmocka_unit_test(test_wrong_datasets),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_csv_by_itself),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

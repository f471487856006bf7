/* Measuring: a device through its backend, energy from sysfs, zero weights. */
#include "device/measure.h"

#include "support/device_world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* --- energy --------------------------------------------------------------- */

static void put(const char *root, const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *p = strchr(full + strlen(root) + 1, '/'); p != NULL;
         p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(full, 0777);
        *p = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void no_meter(void **state)
{
    (void)state;
    struct cvg_meter meter;
    cvg_meter_find(&meter, "/nowhere");
    assert_null(meter.kind);
    cvg_meter_start(&meter, 0);
    cvg_meter_read(&meter, CVG_S(1), true);
    assert_true(meter.joules == 0);
}

/* Packages are added up, parts of them are not; counters start again at 0. */
static void rapl_counts(void **state)
{
    (void)state;
    char root[256];
    struct cvg_meter meter;
    assert_true(tiny_folder_make(root));
    static const char *const zones[] = {"intel-rapl:0", "intel-rapl:0:0",
                                        "intel-rapl:1"};
    for (size_t k = 0; k < 3; k++) {
        char path[128];
        snprintf(path, sizeof path, "class/powercap/%s/name", zones[k]);
        put(root, path, k == 1 ? "core\n" : "package-0\n");
        snprintf(path, sizeof path, "class/powercap/%s/max_energy_range_uj",
                 zones[k]);
        put(root, path, "9000000\n");
        snprintf(path, sizeof path, "class/powercap/%s/energy_uj", zones[k]);
        put(root, path, "8000000\n");
    }
    cvg_meter_find(&meter, root);
    assert_string_equal(meter.kind, "RAPL");
    assert_int_equal(meter.n, 2);
    cvg_meter_start(&meter, 0);
    put(root, "class/powercap/intel-rapl:0/energy_uj", "8500000\n");
    cvg_meter_read(&meter, CVG_MS(1), false); /* too soon to look */
    assert_true(meter.joules == 0);
    put(root, "class/powercap/intel-rapl:1/energy_uj", "250000\n");
    cvg_meter_read(&meter, CVG_MS(20), true);
    assert_true(fabs(meter.joules - 1.75) < 1e-9);
    tiny_folder_remove(root);
}

/* Power is integrated over time; volts times amperes where it is not shown. */
static void hwmon_integrates(void **state)
{
    (void)state;
    char root[256];
    struct cvg_meter meter;
    assert_true(tiny_folder_make(root));
    put(root, "class/hwmon/hwmon0/temp1_input", "40000\n");
    put(root, "class/hwmon/hwmon1/power1_input", "2000000\n");
    put(root, "class/hwmon/hwmon2/in1_input", "5000\n");
    put(root, "class/hwmon/hwmon2/curr1_input", "1200\n");
    cvg_meter_find(&meter, root);
    assert_string_equal(meter.kind, "hwmon");
    assert_int_equal(meter.n, 2);
    cvg_meter_start(&meter, 0);
    cvg_meter_read(&meter, CVG_S(1), false); /* 8 W */
    put(root, "class/hwmon/hwmon2/curr1_input", "2000\n");
    cvg_meter_read(&meter, CVG_S(2), true); /* 8 W, then 12 W */
    assert_true(fabs(meter.joules - 18) < 1e-9);
    tiny_folder_remove(root);
}

/* --- weights -------------------------------------------------------------- */

static void zero_weights_are_counted(void **state)
{
    (void)state;
    /* model { graph { initializer { dims: 4 data_type: FLOAT raw_data: 1 0 0 0
     * } initializer { data_type: INT8 raw_data: 0 5 } } } */
    static const unsigned char model[] = {
        8,   7,  58, 36, 42, 22, 8, 4, 16, 1, 74,  16, 0, 0,
        128, 63, 0,  0,  0,  0,  0, 0, 0,  0, 0,   0,  0, 0,
        42,  6,  16, 3,  74, 2,  0, 5, 18, 2, 'o', 'k'};
    char folder[256];
    uint64_t bytes = 0;
    double sparsity = 0;
    struct cvg_error err = {.text = ""};
    assert_true(tiny_folder_make(folder));
    assert_true(tiny_file_write(folder, "some", 1, model, sizeof model));
    assert_int_equal(
        cvg_measure_weights(folder, "some", &bytes, &sparsity, &err), CVG_OK);
    assert_int_equal(bytes, sizeof model);
    assert_true(fabs(sparsity - 4.0 / 6) < 1e-9);
    /* Cut off anywhere it is an error or a smaller file, never a crash. */
    for (size_t n = 1; n < sizeof model; n++) {
        assert_true(tiny_file_write(folder, "cut", 1, model, n));
        enum cvg_status status =
            cvg_measure_weights(folder, "cut", &bytes, &sparsity, &err);
        assert_true(status == CVG_OK || status == CVG_CONFIG);
    }
    assert_int_equal(
        cvg_measure_weights(folder, "none", &bytes, &sparsity, &err),
        CVG_NOTFOUND);
    tiny_folder_remove(folder);
}

/* --- a device ------------------------------------------------------------- */

static void batches_are_timed(void **state)
{
    (void)state;
    struct device_world w;
    struct cvg_measure *m = NULL;
    struct cvg_measured_load load;
    struct cvg_measured measured = {0};
    struct cvg_meter meter;
    struct cvg_error err = {.text = ""};
    const struct cvg_measure_limits limits = {.runs = 20, .at_most = CVG_S(5)};
    device_world_begin(&w, cvg_backend_find("emulated"), 1, CVG_MS(3));
    cvg_meter_find(&meter, "/nowhere");
    assert_int_equal(cvg_measure_open(w.box, 0, &m, &err), CVG_OK);
    assert_int_equal(cvg_measure_load(m, WORLD_DOUBLE, &load, &err), CVG_OK);
    assert_true(load.memory_bytes > 0);
    assert_int_equal(
        cvg_measure_batch(m, 0, 4, &limits, &meter, &measured, &err), CVG_OK);
    assert_int_equal(measured.samples, 20);
    assert_true(measured.mean >= CVG_MS(3) && measured.mean < CVG_MS(60));
    assert_true(measured.p50 >= CVG_MS(3) && measured.p50 <= measured.p95 &&
                measured.p95 <= measured.p99);
    assert_true(measured.energy_j == 0);
    assert_int_equal(cvg_measure_unload(m, &err), CVG_OK);
    assert_int_equal(cvg_measure_load(m, WORLD_ABSENT, &load, &err),
                     CVG_NOTFOUND);
    cvg_measure_close(m);
    device_world_end(&w);
}

static void answers_are_judged(void **state)
{
    (void)state;
    static const float items[3][4] = {{0, 1, 3, 2}, {5, 1, 3, 2}, {0, 1, 1, 2}};
    static const int32_t labels[3] = {2, 0, 1};
    struct device_world w;
    struct cvg_measure *m = NULL;
    struct cvg_measured_load load;
    struct cvg_error err = {.text = ""};
    uint32_t right = 0;
    device_world_begin(&w, cvg_backend_find("onnxruntime"), 1, CVG_MS(1));
    assert_int_equal(cvg_measure_open(w.box, 0, &m, &err), CVG_OK);
    assert_int_equal(cvg_measure_load(m, WORLD_DOUBLE, &load, &err), CVG_OK);
    assert_int_equal(
        cvg_measure_answers(m, items, sizeof items[0], labels, 3, &right, &err),
        CVG_OK);
    assert_int_equal(right, 2);
    assert_int_equal(cvg_measure_answers(m, items, 12, labels, 3, &right, &err),
                     CVG_CONFIG);
    assert_non_null(strstr(err.text, "16 bytes"));
    cvg_measure_close(m);
    device_world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_meter),
        cmocka_unit_test(rapl_counts),
        cmocka_unit_test(hwmon_integrates),
        cmocka_unit_test(zero_weights_are_counted),
        cmocka_unit_test(batches_are_timed),
        cmocka_unit_test(answers_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

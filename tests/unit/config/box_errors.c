/* What is wrong in a box is named: place, value, what would do. */
#include "texts.h"

static const struct spoilt whole[] = {
    {NULL, "", "b/box.yaml:1:1: the document is empty"},
    {NULL, "# nothing\n", "b/box.yaml:1:1: the document is empty"},
    {NULL, "---\n", "b/box.yaml:1:1: a map of keys and values is expected"},
    {NULL, "[1]", "b/box.yaml:1:2: a map of keys and values is expected"},
    {NULL, "a: [1\n",
     "b/box.yaml:2:1: flow sequence without a closing bracket"},
    {NULL, "a: \xff\n", "b/box.yaml:1:4: byte 0xff is no UTF-8 text"},
    {NULL, "a: \xed\xa0\x80\n", "b/box.yaml:1:4: byte 0xed is no UTF-8 text"},
    {NULL, "a: \x01\n", "b/box.yaml:1:4: control character 0x01 in the text"},
    {NULL, "version: 1\n---\nversion: 1\n",
     "b/box.yaml:3:1: a second document begins; one is expected"},
    {NULL,
     "a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
     "b/box.yaml:1:66: Max depth (64) exceeded"},
    {NULL, "version: 1\n",
     "b/box.yaml:1:1: a box: the key 'profiles' is "
     "missing"},
};

static const struct spoilt top[] = {
    {"version: 1\n", "", "b/box.yaml:1:1: a box: the key 'version' is missing"},
    {"version: 1", "version: 2",
     "b/box.yaml:1:10: version: '2' will not do: give 1"},
    {"version: 1", "version:", "b/box.yaml:1:1: version: it has no value"},
    {"version: 1", "version: ~",
     "b/box.yaml:1:10: version: '~' will not do: give 1"},
    {"version: 1", "version: [1]",
     "b/box.yaml:1:11: version: a single value is expected, not a list"},
    {"version: 1", "version: !!int 1",
     "b/box.yaml:1:16: tags are not used here"},
    {"version: 1", "version: *one",
     "b/box.yaml:1:10: alias of an unknown anchor"},
    {"version: 1", "version: 1\nversion: 1",
     "b/box.yaml:2:1: key 'version' stands twice in a box, first in line 1"},
    {"models: ../models", "modles: ../models",
     "b/box.yaml:2:1: unknown key 'modles' in a box; did you mean 'models'?"},
    {"models: ../models", "zzzzzzzzzz: 1",
     "b/box.yaml:2:1: unknown key 'zzzzzzzzzz' in a box; known: version, "
     "models, profiles, variants, policy, server, devices, contention, "
     "families, apps"},
    {"models: ../models", "<<: {models: x}",
     "b/box.yaml:2:1: unknown key '<<' in a box; known: version, models, "
     "profiles, variants, policy, server, devices, contention, families, "
     "apps"},
    {"models: ../models", "? [a]\n: b",
     "b/box.yaml:2:4: key: a single value is expected, not a list"},
    {"models: ../models", "models: ''", "b/box.yaml:2:9: models: it is empty"},
    {"models: ../models", "models: \"a\\0b\"",
     "b/box.yaml:2:9: models: a NUL character is in the text"},
    {"models: ../models", "models: 'a''b''c''d''e''f''g'",
     "b/box.yaml:2:9: more than 3 quotes in a single quoted text: put it in "
     "double quotes"},
    {"profiles: [profile.csv]", "profiles: profile.csv",
     "b/box.yaml:3:11: profiles: a list is expected: [..., ...]"},
    {"profiles: [profile.csv]", "profiles: []",
     "b/box.yaml:3:1: profiles: 0 given, at least 1 is needed"},
    {"profiles: [profile.csv]", "profiles: [profil.csv]",
     "b/box.yaml:3:12: profiles: b/profil.csv: cannot open: not given"},
    {"{name: convergo}", "{nam: convergo}",
     "b/box.yaml:5:10: unknown key 'nam' in policy; did you mean 'name'?"},
    {"{name: convergo}", "{}",
     "b/box.yaml:5:1: policy: it is empty: give a name, or parts (allocation, "
     "order, batching, exits)"},
    {"{name: convergo}", "{burst: 0.5}",
     "b/box.yaml:5:17: burst: '0.5' is out of range: 1 to 100"},
    {"{name: convergo}", "{headroom: 101}",
     "b/box.yaml:5:20: headroom: '101' is out of range: 1 to 100"},
    {"{name: convergo}", "{confidence: 1.1}",
     "b/box.yaml:5:22: confidence: '1.1' is out of range: 0 to 1"},
    {"{name: convergo}", "{budget: 10}",
     "b/box.yaml:5:18: budget: '10' is no energy in a time: give a number with "
     "one of the units J/h, kJ/h, mW, W, for example 1800J/h"},
    {"{name: convergo}", "{budget: 0W}",
     "b/box.yaml:5:18: budget: '0W' is out of range: more than 0, at most "
     "1000000W"},
    {"{name: convergo}", "{margin: -1}",
     "b/box.yaml:5:18: margin: '-1' is out of range: 0 to 10"},
    {"{name: convergo}", "{period: 0s}",
     "b/box.yaml:5:18: period: '0s' is out of range: 1ms to 10min"},
    {"{name: convergo}", "[edf]",
     "b/box.yaml:5:10: policy: a single value is expected, not a list"},
    {"http: 127.0.0.1:8000", "http: 8000",
     "b/box.yaml:6:16: http: '8000' is no address: give HOST:PORT, for example "
     "127.0.0.1:8000, or off"},
    {"http: 127.0.0.1:8000", "http: 127.0.0.1:80000",
     "b/box.yaml:6:16: http: '127.0.0.1:80000' is no address: give HOST:PORT, "
     "for example 127.0.0.1:8000, or off"},
    {"http: 127.0.0.1:8000", "http: '::1:8000'",
     "b/box.yaml:6:16: http: '::1:8000' is no address: give HOST:PORT, for "
     "example 127.0.0.1:8000, or off"},
};

static const struct spoilt devices[] = {
    {"    kind: gpu\n", "",
     "b/box.yaml:8:5: device: the key 'kind' is missing"},
    {"    kind: gpu\n", "    kind: gpux\n",
     "b/box.yaml:9:11: kind: unknown value 'gpux'; did you mean 'gpu'?"},
    {"kind: tpu", "kind: vacuum",
     "b/box.yaml:19:24: kind: unknown value 'vacuum'; known: cpu, gpu, dla, "
     "tpu, npu, fpga"},
    {"backend: onnxruntime", "backend: onnx",
     "b/box.yaml:18:38: backend: unknown value 'onnx'; known: onnxruntime, "
     "emulated, accelerator"},
    {"backend: onnxruntime", "backend: emulate",
     "b/box.yaml:18:38: backend: unknown value 'emulate'; did you mean "
     "'emulated'?"},
    {"provider: XNNPACK", "provider: XNPACK",
     "b/box.yaml:18:61: provider: unknown value 'XNPACK'; did you mean "
     "'XNNPACK'?"},
    {"provider: XNNPACK", "provider: CPUExecutionProvider",
     "b/box.yaml:18:83: options: provider CPU takes none, not 'a'"},
    {"provider: XNNPACK, ", "",
     "b/box.yaml:18:51: options: provider CPU takes none, not 'a'"},
    {"processor-sharing", "fifo",
     "b/box.yaml:12:17: discipline: unknown value 'fifo'; did you mean "
     "'fcfs'?"},
    {"name: cpu0", "name: gpu",
     "b/box.yaml:18:12: name: 'gpu' is the name of another device already"},
    {"name: cpu0", "name: .cpu0",
     "b/box.yaml:18:12: name: '.cpu0' is no valid name: use 1 to 128 of A-Z "
     "a-z 0-9 . _ -, without '..' and not starting with '.'"},
    {"name: cpu0", "name: a/cpu0",
     "b/box.yaml:18:12: name: 'a/cpu0' is no valid name: use 1 to 128 of A-Z "
     "a-z 0-9 . _ -, without '..' and not starting with '.'"},
    {"name: cpu0", "name: c..u",
     "b/box.yaml:18:12: name: 'c..u' is no valid name: use 1 to 128 of A-Z a-z "
     "0-9 . _ -, without '..' and not starting with '.'"},
    {"profile: coral", "profile: 'a b'",
     "b/box.yaml:19:57: profile: 'a b' is no valid name: use 1 to 128 of A-Z "
     "a-z 0-9 . _ - /, without '..' and not starting with '.' or '/'"},
    {"in_flight: 2", "in_flight: 0",
     "b/box.yaml:14:16: in_flight: '0' is no whole number from 1 to 16"},
    {"in_flight: 2", "in_flight: 2.5",
     "b/box.yaml:14:16: in_flight: '2.5' is no whole number from 1 to 16"},
    {"    units: 1\n", "    units: nan\n",
     "b/box.yaml:13:12: units: 'nan' is no whole number from 1 to 1024"},
    {"    units: 1\n", "    units: 1023\n",
     "b/box.yaml:18:87: units: 1025 with the devices before, at most 1024 are "
     "allowed in a box"},
    {"memory: 6GiB", "memory: 6GB",
     "b/box.yaml:15:13: memory: '6GB' is no size: give a number with one of "
     "the units B, KiB, MiB, GiB, for example 8MiB"},
    {"memory: 6GiB", "memory: 6",
     "b/box.yaml:15:13: memory: '6' is no size: give a number with one of the "
     "units B, KiB, MiB, GiB, for example 8MiB"},
    {"memory: 6GiB", "memory: 0GiB",
     "b/box.yaml:15:13: memory: '0GiB' is out of range: more than 0B"},
    {"memory: 6GiB", "memory: 6GiB\n    memroy: 1GiB",
     "b/box.yaml:16:5: unknown key 'memroy' in device; did you mean 'memory'?"},
    {"resident: 4", "resident: 0",
     "b/box.yaml:16:15: resident: '0' is no whole number from 1 to 1024"},
    {"power: {idle: 2W, busy: 10W}", "power: 2W",
     "b/box.yaml:17:12: power: a map is expected: {idle: ...}"},
    {"idle: 2W", "idle: infW",
     "b/box.yaml:17:19: idle: 'infW' is no power: give a number with one of "
     "the units mW, W, for example 10W"},
    {"idle: 2W", "idle: -2W",
     "b/box.yaml:17:19: idle: '-2W' is no power: give a number with one of the "
     "units mW, W, for example 10W"},
    {"idle: 2W", "idle: 9999999W",
     "b/box.yaml:17:19: idle: '9999999W' is out of range: 0W to 1000000W"},
    {"options: {a: b}", "options: [a]",
     "b/box.yaml:18:80: options: a map is expected: {key: value}"},
    {"options: {a: b}", "options: {a: b, a: c}",
     "b/box.yaml:18:80: key 'a' stands twice in options"},
    {"options: {a: b}", "options: {a: {b: c}}",
     "b/box.yaml:18:84: a: a single value is expected, not a map"},
    {"switch: {fixed: 1.95ms, per_mib: 2.41ms}", "switch: {}",
     "b/box.yaml:20:19: switch: it is empty: give fixed, per_mib"},
    {"per_mib: 2.41ms", "per_mib: 2.41",
     "b/box.yaml:20:52: per_mib: '2.41' is no time: give a number with one of "
     "the units ns, us, ms, s, min, h, for example 33ms"},
    {"fixed: 1.95ms", "fixed: 11min",
     "b/box.yaml:20:35: fixed: '11min' is out of range: 0ms to 10min"},
};

static const struct spoilt contention[] = {
    {"[gpu, tpu0]", "[gpu, dla]",
     "b/box.yaml:21:30: devices: unknown device 'dla'; known: gpu, cpu0, tpu0"},
    {"[gpu, tpu0]", "[gpu, tpu1]",
     "b/box.yaml:21:30: devices: unknown device 'tpu1'; did you mean 'tpu0'?"},
    {"[gpu, tpu0]", "[gpu, gpu]",
     "b/box.yaml:21:30: devices: 'gpu' stands there twice"},
    {"[gpu, tpu0]", "[gpu]",
     "b/box.yaml:21:25: devices: contention is between at least two devices"},
    {"slowdown: 1.27", "slowdown: 0.5",
     "b/box.yaml:21:47: slowdown: '0.5' is out of range: 1 to 1000"},
    {"slowdown: 1.27", "slowdown: .inf",
     "b/box.yaml:21:47: slowdown: '.inf' is no finite number: give one such as "
     "0.75"},
    {", slowdown: 1.27", "",
     "b/box.yaml:21:15: contention: the key 'slowdown' is missing"},
};

static const struct spoilt families[] = {
    {"name: faces", "name: imagenet",
     "b/box.yaml:24:12: name: 'imagenet' is the name of another family "
     "already"},
    {"name: faces", "name: /faces",
     "b/box.yaml:24:12: name: '/faces' is no valid name: use 1 to 128 of A-Z "
     "a-z 0-9 . _ - /, without '..' and not starting with '.' or '/'"},
    {"metric: ap, ", "",
     "b/box.yaml:24:6: family: the key 'metric' is missing"},
    {"[face]", "[]",
     "b/box.yaml:24:31: variants: 0 given, at least 1 is needed"},
    {"[face]", "[face, face]",
     "b/box.yaml:24:48: variants: 'face' stands there twice"},
    {"[face]", "[small]",
     "b/box.yaml:24:42: variants: 'small' is already in family 'imagenet': a "
     "variant belongs to one family"},
    {"[face]", "[a/b]",
     "b/box.yaml:24:42: variants: 'a/b' is no valid name: use 1 to 128 of A-Z "
     "a-z 0-9 . _ -, without '..' and not starting with '.'"},
    {"[face]", "[othr]",
     "b/box.yaml:24:42: variant 'othr' has no row in the variants files; did "
     "you mean 'other'?"},
    {"profile: coral", "profile: corral",
     NULL}, /* allowed: only a warning, see box.c */
    {"memory: 6GiB", "memory: 100MiB",
     "b/box.yaml:23:54: variant 'large' fits no device: it needs 120MiB of "
     "memory, and 'gpu', the largest it was measured on, has 100MiB"},
    {"profile: nx-gpu", "profile: nx-gpux",
     "b/box.yaml:11:14: variant 'large' fits no device, and the profiles have "
     "no row for a device called 'nx-gpux'; did you mean 'nx-gpu'?"},
    {"profile: nx-gpu", "profile: agx",
     "b/box.yaml:11:14: variant 'large' fits no device, and the profiles have "
     "no row for a device called 'agx'; known: nx-gpu, orin"},
    {"profile: nx-gpu", "profile: coral",
     "b/box.yaml:23:54: variant 'large' fits no device: the profiles have no "
     "row of it for any device of the box"},
};

static const struct spoilt apps[] = {
    {"name: desk", "name: door",
     "b/box.yaml:33:12: name: 'door' is the name of another app already"},
    {"    family: imagenet\n", "    family: imagnet\n",
     "b/box.yaml:27:13: family: unknown family 'imagnet'; did you mean "
     "'imagenet'?"},
    {"    family: imagenet\n", "",
     "b/box.yaml:26:5: app: the key 'family' is missing"},
    {"weight: 2", "weight: 0",
     "b/box.yaml:28:13: weight: '0' is out of range: more than 0, at most "
     "1000000"},
    {"weight: 2", "weight: NaN",
     "b/box.yaml:28:13: weight: 'NaN' is no finite number: give one such as "
     "0.75"},
    {"weight: 2", "weight: 1e999",
     "b/box.yaml:28:13: weight: '1e999' is no finite number: give one such as "
     "0.75"},
    {"weight: 2", "weight: 0x10",
     "b/box.yaml:28:13: weight: '0x10' is no finite number: give one such as "
     "0.75"},
    {"deadline: 50ms", "deadline: 50",
     "b/box.yaml:29:21: deadline: '50' is no time: give a number with one of "
     "the units ns, us, ms, s, min, h, for example 33ms"},
    {"deadline: 50ms", "deadline: 0ms",
     "b/box.yaml:29:21: deadline: '0ms' is out of range: more than 0, at most "
     "10min"},
    {"deadline: 50ms", "deadline: 1h",
     "b/box.yaml:29:21: deadline: '1h' is out of range: more than 0, at most "
     "10min"},
    {"deadline: 50ms", "dead_line: 50ms",
     "b/box.yaml:29:11: unknown key 'dead_line' in slo; did you mean "
     "'deadline'?"},
    {"accuracy: 0.75", "accuracy: 1.01",
     "b/box.yaml:29:37: accuracy: '1.01' is out of range: 0 to 1"},
    {"accuracy: 0.75", "accuracy: 75%",
     "b/box.yaml:29:37: accuracy: '75%' is no finite number: give one such as "
     "0.75"},
    {"throughput: 30/s", "throughput: 30",
     "b/box.yaml:29:55: throughput: '30' is no rate: give a number with one of "
     "the units /s, /min, for example 30/s"},
    {"throughput: 30/s", "throughput: 0/s",
     "b/box.yaml:29:55: throughput: '0/s' is out of range: more than 0/s, at "
     "most 1e9/s"},
    {"energy: 60mJ", "energy: 60mW",
     "b/box.yaml:29:69: energy: '60mW' is no energy: give a number with one of "
     "the units uJ, mJ, J, for example 60mJ"},
    {"accuracy_over: window", "accuracy_over: windows",
     "b/box.yaml:30:20: accuracy_over: unknown value 'windows'; did you mean "
     "'window'?"},
    {"[accuracy, throughput]", "[accuracy, latency]",
     "b/box.yaml:31:23: relax: unknown value 'latency'; known: deadline, "
     "accuracy, throughput, energy"},
    {"[accuracy, throughput]", "[accuracy, accuracy]",
     "b/box.yaml:31:23: relax: 'accuracy' stands there twice"},
    {"[accuracy, throughput]", "accuracy",
     "b/box.yaml:31:12: relax: a list is expected: [..., ...]"},
    {"queue: 50", "queue: 0",
     "b/box.yaml:32:12: queue: '0' is no whole number from 1 to 1000000"},
    {"queue: 50", "conditions: never; exit > 1ms",
     "b/box.yaml:32:17: conditions: column 15: exit: '1ms' is no finite "
     "number: give one such as 0.75"},
    {"queue: 50", "conditions: [never, 'always; never']",
     "b/box.yaml:32:25: conditions: column 7: and, or or the end is expected, "
     "not ';'"},
    {"queue: 50", "conditions: [never, confidnce > 0.9]",
     "b/box.yaml:32:25: conditions: column 1: no metric 'confidnce'; did you "
     "mean 'confidence'?"},
    {"queue: 50", "conditions: []",
     "b/box.yaml:32:5: conditions: 0 given, at least 1 is needed"},
    {"queue: 50", "conditions: ''",
     "b/box.yaml:32:17: conditions: column 1: a metric (response_time, "
     "confidence, accuracy, energy, computation, exit), always, never, not or "
     "( is expected, not the end"},
};

static void expect_all(const struct spoilt *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *text = edited(box_text, cases[i].find, cases[i].with);
        struct cvg_box *box = NULL;
        struct cvg_error err = {.text = ""};
        enum cvg_status status =
            read_box(text, profile_text, variants_text, 0, NULL, &box, &err);
        if (cases[i].message != NULL) {
            expect_message(&cases[i], status, &err);
            assert_null(box);
        } else if (status == CVG_OK) {
            cvg_box_destroy(box);
        }
        free(text);
    }
}

#define TEST_ALL(name)                                                         \
    static void test_##name(void **state)                                      \
    {                                                                          \
        (void)state;                                                           \
        expect_all(name, COUNT(name));                                         \
    }
TEST_ALL(whole)
TEST_ALL(top)
TEST_ALL(devices)
TEST_ALL(contention)
TEST_ALL(families)
TEST_ALL(apps)

/* The built-in apps count too. */
static void test_too_many_apps(void **state)
{
    (void)state;
    char *text = edited(box_text, "  - {name: desk, family: imagenet}\n", "");
    for (int i = 0; i < 63; i++) {
        char *more = NULL;
        assert_true(asprintf(&more, "%s  - {name: a%d, family: imagenet}\n",
                             text, i) > 0);
        free(text);
        text = more;
    }
    struct cvg_box *box = NULL;
    struct cvg_error err;
    assert_int_equal(
        read_box(text, profile_text, variants_text, 0, NULL, &box, &err),
        CVG_CONFIG);
    assert_string_equal(err.text, "b/box.yaml:25:1: apps: at most 64 apps, "
                                  "built-in ones included");
    free(text);
}

static void test_without_error_struct(void **state)
{
    (void)state;
    struct cvg_box *box = NULL;
    assert_int_equal(read_box("version: 3", "", "", 0, NULL, &box, NULL),
                     CVG_CONFIG);
    assert_int_equal(read_box("{", "", "", 0, NULL, &box, NULL), CVG_CONFIG);
}

/* A message stays one line and is never pushed out by a long path. */
static void test_long_path(void **state)
{
    (void)state;
    char path[1001];
    memset(path, 'x', 1000);
    path[1000] = '\0';
    struct cvg_box *box = NULL;
    struct cvg_error err;
    assert_int_equal(
        cvg_config_parse_box("version: \"1\\n\"", 14, path, 0, &box, &err),
        CVG_CONFIG);
    assert_non_null(strstr(err.text, "x:1:10: version: '1?' will not do"));
}

static void test_file_errors(void **state)
{
    (void)state;
    struct cvg_box *box = NULL;
    struct cvg_error err;
    assert_int_equal(cvg_config_load_box("/nonexistent/b.yaml", 0, &box, &err),
                     CVG_NOTFOUND);
    assert_string_equal(
        err.text,
        "/nonexistent/b.yaml: cannot open: No such file or directory");
    assert_int_equal(cvg_config_load_box("/tmp", 0, &box, &err), CVG_CONFIG);
    assert_string_equal(err.text, "/tmp: cannot read: Is a directory");
    assert_int_equal(cvg_config_load_box("/dev/zero", 0, &box, &err),
                     CVG_CONFIG);
    assert_string_equal(err.text, "/dev/zero: larger than 4 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_contention),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_apps),
        cmocka_unit_test(test_too_many_apps),
        cmocka_unit_test(test_without_error_struct),
        cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_file_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

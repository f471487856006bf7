/* Models in ONNX Runtime: types, shapes, the repository, providers. */
#include "device/session.h"

#include "device/ort.h"
#include "device/repository.h"
#include "support/tiny_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256];

static int make_folder(void **state)
{
    (void)state;
    return tiny_folder_make(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    tiny_folder_remove(folder);
    return 0;
}

static struct cvg_session *open_tiny(const struct tiny_model *model)
{
    struct cvg_error err = {.text = ""};
    struct cvg_session *session = NULL;
    const struct cvg_session_options options = {
        .models = folder, .variant = "tiny", .threads = 1};
    assert_true(tiny_model_write(folder, "tiny", 1, model));
    if (cvg_session_open(&options, &session, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    return session;
}

static enum cvg_status run(const struct cvg_session *session,
                           struct cvg_batch_item *items, uint32_t n,
                           struct cvg_error *err)
{
    struct cvg_batch batch = {.items = items, .n = n};
    return cvg_session_run(session, &batch, err);
}

/* Every type that can be run comes back as it went in, to the bit. */
static void all_types_pass(void **state)
{
    (void)state;
    for (int type = 0; type < CVG_TYPES; type++) {
        if (type == CVG_TYPE_BYTES) {
            continue;
        }
        const struct tiny_model model = {"Identity", (enum cvg_type)type, -1,
                                         3};
        struct cvg_session *session = open_tiny(&model);
        assert_int_equal(cvg_session_info(session)->inputs[0].type, type);
        size_t bytes = 3 * cvg_type_size(model.type);
        unsigned char data[2][24];
        struct cvg_tensor in[2], out[2];
        struct cvg_batch_item items[2];
        for (unsigned i = 0; i < 2; i++) {
            for (unsigned k = 0; k < sizeof data[0]; k++) {
                data[i][k] = type == CVG_TYPE_BOOL
                                 ? (unsigned char)((k + i) % 2)
                                 : (unsigned char)(k * 7 + i * 31 + 1);
            }
            in[i] = (struct cvg_tensor){.n_dims = 1,
                                        .dims = {3},
                                        .type = model.type,
                                        .data = data[i],
                                        .bytes = bytes};
            items[i] =
                (struct cvg_batch_item){.inputs = &in[i], .outputs = &out[i]};
        }
        struct cvg_error err = {.text = ""};
        if (run(session, items, 2, &err) != CVG_OK) {
            fail_msg("%s: %s", cvg_type_name(model.type), err.text);
        }
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(out[i].type, type);
            assert_int_equal(out[i].bytes, bytes);
            assert_memory_equal(out[i].data, data[i], bytes);
            free(out[i].data);
        }
        cvg_session_close(session);
    }
}

static void strings_are_described_only(void **state)
{
    (void)state;
    const struct tiny_model model = {"Identity", CVG_TYPE_BYTES, -1, 3};
    struct cvg_error err = {.text = ""};
    struct cvg_session *session = open_tiny(&model);
    assert_int_equal(cvg_session_info(session)->inputs[0].type, CVG_TYPE_BYTES);
    struct cvg_tensor in = {.type = CVG_TYPE_BYTES};
    struct cvg_tensor out;
    struct cvg_batch_item item = {.inputs = &in, .outputs = &out};
    assert_int_equal(run(session, &item, 1, &err), CVG_UNSUPPORTED);
    assert_non_null(strstr(err.text, "input 'x'"));
    cvg_session_close(session);
}

static void refused(const struct tiny_model *model, const char *text)
{
    struct cvg_error err = {.text = ""};
    struct cvg_session *session = NULL;
    struct cvg_model_info info;
    const struct cvg_session_options options = {
        .models = folder, .variant = "odd", .threads = 1};
    assert_true(tiny_model_write(folder, "odd", 1, model));
    assert_int_equal(cvg_session_open(&options, &session, &err),
                     CVG_UNSUPPORTED);
    assert_non_null(strstr(err.text, text));
    assert_non_null(strstr(err.text, "odd/1/model.onnx"));
    assert_int_equal(cvg_session_describe(&options, &info, &err),
                     CVG_UNSUPPORTED);
    assert_non_null(strstr(err.text, text));
}

static void odd_batches_are_refused(void **state)
{
    (void)state;
    refused(&(struct tiny_model){"Add", CVG_TYPE_FP32, 100000, 4},
            "its batch is fixed at 100000");
}

/* One item's dims are as many as the model's less one. */
static void lone_dimension(void **state)
{
    (void)state;
    const struct tiny_model model = {"Add", CVG_TYPE_INT64, -1, -2};
    struct cvg_session *session = open_tiny(&model);
    int64_t values[2] = {21, -4};
    struct cvg_tensor in[2], out[2];
    struct cvg_batch_item items[2];
    for (unsigned i = 0; i < 2; i++) {
        in[i] = (struct cvg_tensor){
            .type = CVG_TYPE_INT64, .data = &values[i], .bytes = 8};
        items[i] =
            (struct cvg_batch_item){.inputs = &in[i], .outputs = &out[i]};
    }
    assert_int_equal(run(session, items, 2, NULL), CVG_OK);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(out[i].n_dims, 0);
        assert_int_equal(*(int64_t *)out[i].data, 2 * values[i]);
        free(out[i].data);
    }
    cvg_session_close(session);
}

/* Inputs may lie anywhere, such as in the middle of a request's body. */
static void unaligned_inputs(void **state)
{
    (void)state;
    const struct tiny_model model = {"Add", CVG_TYPE_FP64, -1, 2};
    struct cvg_session *session = open_tiny(&model);
    const double values[2] = {1.5, -2.25};
    char body[32];
    memcpy(body + 3, values, sizeof values);
    struct cvg_tensor in = {.n_dims = 1,
                            .dims = {2},
                            .type = CVG_TYPE_FP64,
                            .data = body + 3,
                            .bytes = sizeof values};
    struct cvg_tensor out;
    struct cvg_batch_item item = {.inputs = &in, .outputs = &out};
    assert_int_equal(run(session, &item, 1, NULL), CVG_OK);
    assert_true(((double *)out.data)[1] == -4.5);
    free(out.data);
    cvg_session_close(session);
}

static void cost_is_measured(void **state)
{
    (void)state;
    const struct tiny_model model = {"Add", CVG_TYPE_FP32, -1, 4};
    struct cvg_session *session = open_tiny(&model);
    struct cvg_session_cost cost = cvg_session_cost(session);
    assert_true(cost.load_time > 0);
    assert_true(cost.file_bytes > 50 && cost.file_bytes < 500);
    assert_true(cost.memory_bytes >= cost.file_bytes);
    cvg_session_close(session);
}

/* Where the batch is fixed and another dimension is open, items of different
 * shapes are not joined. */
static void fixed_batches_of_open_shapes(void **state)
{
    (void)state;
    const struct tiny_model model = {"Add", CVG_TYPE_INT64, 3, -1};
    struct cvg_session *session = open_tiny(&model);
    int64_t values[3][5] = {{1, 2}, {3, 4, 5, 6, 7}, {8, 9}};
    const int64_t widths[3] = {2, 5, 2};
    struct cvg_tensor in[3], out[3];
    struct cvg_batch_item items[3];
    for (unsigned i = 0; i < 3; i++) {
        in[i] = (struct cvg_tensor){.n_dims = 1,
                                    .dims = {widths[i]},
                                    .type = CVG_TYPE_INT64,
                                    .data = values[i],
                                    .bytes = (size_t)widths[i] * 8};
        items[i] =
            (struct cvg_batch_item){.inputs = &in[i], .outputs = &out[i]};
    }
    assert_int_equal(run(session, items, 3, NULL), CVG_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(out[i].bytes, in[i].bytes);
        for (int64_t k = 0; k < widths[i]; k++) {
            assert_int_equal(((int64_t *)out[i].data)[k], 2 * values[i][k]);
        }
        cvg_tensor_release(&out[i]);
    }
    cvg_session_close(session);
}

/* --- the repository ------------------------------------------------------- */

static enum cvg_status read_model(const char *variant, size_t *size,
                                  struct cvg_error *err)
{
    struct cvg_model_files files;
    enum cvg_status status = cvg_model_files_read(folder, variant, &files, err);
    if (status == CVG_OK) {
        assert_int_equal(files.n, 1);
        *size = files.stages[0].size;
        cvg_model_files_free(&files);
    }
    return status;
}

static void path_of(char *out, size_t size, const char *name)
{
    snprintf(out, size, "%s/%s", folder, name);
}

static void highest_version_counts(void **state)
{
    (void)state;
    struct cvg_error err;
    size_t size = 0;
    char path[512];
    assert_true(tiny_file_write(folder, "many", 2, "12", 2));
    assert_true(tiny_file_write(folder, "many", 10, "1234", 4));
    assert_true(tiny_file_write(folder, "many", 9, "123", 3));
    path_of(path, sizeof path, "many/99x");
    mkdir(path, 0777);
    path_of(path, sizeof path, "many/0100");
    mkdir(path, 0777);
    assert_int_equal(read_model("many", &size, &err), CVG_OK);
    assert_int_equal(size, 4);
}

static void missing_files_are_named(void **state)
{
    (void)state;
    struct cvg_error err = {.text = ""};
    size_t size;
    char path[512];
    assert_int_equal(read_model("nowhere", &size, &err), CVG_NOTFOUND);
    assert_non_null(strstr(err.text, "nowhere"));
    path_of(path, sizeof path, "hollow");
    mkdir(path, 0777);
    assert_int_equal(read_model("hollow", &size, &err), CVG_NOTFOUND);
    assert_non_null(strstr(err.text, "no version"));
    path_of(path, sizeof path, "hollow/3");
    mkdir(path, 0777);
    assert_int_equal(read_model("hollow", &size, &err), CVG_NOTFOUND);
    assert_non_null(strstr(err.text, "hollow/3/model.onnx"));
    path_of(path, sizeof path, "hollow/3/model.onnx");
    mkdir(path, 0777);
    assert_int_equal(read_model("hollow", &size, &err), CVG_IO);
    assert_true(tiny_file_write(folder, "empty", 1, "", 0));
    assert_int_equal(read_model("empty", &size, &err), CVG_CONFIG);
}

/* No name and no link leads out of the repository. */
static void nothing_leads_out(void **state)
{
    (void)state;
    static const char *const names[] = {"..",   "../x", "a/b",
                                        "/etc", "",     ".hidden"};
    struct cvg_error err = {.text = ""};
    size_t size;
    char path[512];
    char target[512];
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        assert_int_equal(read_model(names[k], &size, &err), CVG_CONFIG);
    }
    assert_true(tiny_file_write(folder, "real", 1, "model", 5));
    path_of(target, sizeof target, "real");
    path_of(path, sizeof path, "linked");
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(read_model("linked", &size, &err), CVG_NOTFOUND);
    path_of(path, sizeof path, "real/2");
    assert_int_equal(symlink("1", path), 0);
    assert_int_equal(read_model("real", &size, &err), CVG_NOTFOUND);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_model("real", &size, &err), CVG_OK);
    path_of(path, sizeof path, "real/1/model.onnx");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(read_model("real", &size, &err), CVG_NOTFOUND);
    assert_non_null(strstr(err.text, "links are not followed"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_int_equal(read_model("real", &size, &err), CVG_IO);
}

/* --- providers ------------------------------------------------------------ */

static void providers_are_checked(void **state)
{
    (void)state;
    struct cvg_error err = {.text = ""};
    const struct cvg_ort *ort = cvg_ort_get(&err);
    assert_non_null(ort);
    assert_int_equal(cvg_ort_check_provider(ort, "CPU", 0, &err), CVG_OK);
    assert_int_equal(cvg_ort_check_provider(ort, "cpu", 0, &err), CVG_OK);
    assert_int_equal(
        cvg_ort_check_provider(ort, "CPUExecutionProvider", 0, &err), CVG_OK);
    assert_int_equal(cvg_ort_check_provider(ort, "CPU", 1, &err), CVG_CONFIG);
    assert_non_null(strstr(err.text, "no options"));
    assert_int_equal(cvg_ort_check_provider(ort, "Nonesuch", 0, &err),
                     CVG_CONFIG);
    assert_non_null(strstr(err.text, "'Nonesuch'"));
    assert_non_null(strstr(err.text, "it has:"));
    assert_non_null(strstr(err.text, "CPU"));
    OrtSessionOptions *options = NULL;
    assert_null(ort->api->CreateSessionOptions(&options));
    static const char *const names[] = {"Nonesuch", "CUDA", "TensorRT"};
    for (size_t k = 0; k < 3; k++) {
        if (cvg_ort_check_provider(ort, names[k], 0, NULL) != CVG_OK) {
            assert_int_equal(
                cvg_ort_add_provider(ort, options, names[k], NULL, 0, &err),
                CVG_DEVICE);
            assert_non_null(strstr(err.text, names[k]));
        }
    }
    ort->api->ReleaseSessionOptions(options);
}

static void types_have_names(void **state)
{
    (void)state;
    for (int type = 0; type < CVG_TYPES; type++) {
        enum cvg_type found;
        enum cvg_type back;
        assert_true(
            cvg_type_from_name(cvg_type_name((enum cvg_type)type), &found));
        assert_int_equal(found, type);
        assert_true(cvg_ort_type_from(cvg_ort_type_to(found), &back));
        assert_int_equal(back, type);
    }
    enum cvg_type none;
    assert_false(cvg_type_from_name("FLOAT", &none));
    assert_int_equal(cvg_type_size(CVG_TYPE_BYTES), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types_pass),
        cmocka_unit_test(strings_are_described_only),
        cmocka_unit_test(odd_batches_are_refused),
        cmocka_unit_test(fixed_batches_of_open_shapes),
        cmocka_unit_test(lone_dimension),
        cmocka_unit_test(unaligned_inputs),
        cmocka_unit_test(cost_is_measured),
        cmocka_unit_test(highest_version_counts),
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(nothing_leads_out),
        cmocka_unit_test(providers_are_checked),
        cmocka_unit_test(types_have_names),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

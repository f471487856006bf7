/* What every backend must do, whatever runs behind it. */
#include "device/session.h"
#include "support/device_world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct cvg_backend_ops *ops; /* the one under test */

/* A world of one open device. */
static void begin(struct device_world *w, uint32_t units, uint32_t in_flight)
{
    device_world_begin(w, ops, 1, CVG_US(300));
    w->box->devices[0].units = units;
    w->box->devices[0].in_flight = in_flight;
    device_world_open(w, 0);
}

static enum cvg_status submit(struct device_world *w,
                              struct device_world_batch *b,
                              struct cvg_error *err)
{
    return w->ops->submit(w->backends[0], &b->batch, err);
}

/* The completion of the only batch that runs. */
static struct cvg_completion take_batch(struct device_world *w,
                                        struct device_world_batch *b)
{
    struct cvg_completion c = device_world_take(w);
    assert_int_equal(c.type, CVG_COMPLETION_BATCH);
    assert_int_equal(c.device, 0);
    assert_int_equal(c.variant, b->batch.variant);
    assert_ptr_equal(c.batch, &b->batch);
    assert_true(c.run_time > 0);
    return c;
}

static void run_double(struct device_world *w, uint32_t variant, uint32_t n,
                       uint32_t width)
{
    struct cvg_error err = {.text = ""};
    struct device_world_batch *b = device_world_batch(variant, n, width, 3);
    if (submit(w, b, &err) != CVG_OK) {
        fail_msg("submit: %s", err.text);
    }
    struct cvg_completion c = take_batch(w, b);
    if (c.status != CVG_OK) {
        fail_msg("run: %s", c.error.text);
    }
    device_world_check_double(b);
    device_world_batch_free(b);
}

static void opens_and_closes(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 2, 2);
    device_world_close(&w, 0);
    device_world_open(&w, 0);
    assert_int_equal(device_world_waiting(&w), 0);
    device_world_end(&w);
}

static void loads_and_unloads(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 1, 1);
    for (int round = 0; round < 2; round++) {
        struct cvg_error err = {.text = ""};
        device_world_load(&w, 0, WORLD_DOUBLE);
        assert_true(w.ops->memory(w.backends[0], WORLD_DOUBLE) > 0);
        assert_int_equal(w.ops->load(w.backends[0], WORLD_DOUBLE, &err),
                         CVG_INVALID);
        assert_non_null(strstr(err.text, "double"));
        run_double(&w, WORLD_DOUBLE, 2, 4);
        assert_int_equal(w.ops->unload(w.backends[0], WORLD_DOUBLE, NULL),
                         CVG_OK);
        struct cvg_completion c = device_world_take(&w);
        assert_int_equal(c.type, CVG_COMPLETION_UNLOAD);
        assert_int_equal(c.status, CVG_OK);
        assert_int_equal(c.variant, WORLD_DOUBLE);
        assert_int_equal(w.ops->memory(w.backends[0], WORLD_DOUBLE), 0);
        assert_int_equal(w.ops->unload(w.backends[0], WORLD_DOUBLE, &err),
                         CVG_INVALID);
    }
    assert_int_equal(device_world_waiting(&w), 0);
    device_world_end(&w);
}

static void refuses_unknown_variants(void **state)
{
    (void)state;
    struct device_world w;
    struct cvg_error err = {.text = ""};
    struct cvg_model_info info;
    begin(&w, 1, 1);
    assert_int_equal(w.ops->load(w.backends[0], WORLD_VARIANTS, &err),
                     CVG_NOTFOUND);
    assert_int_equal(w.ops->unload(w.backends[0], WORLD_VARIANTS, &err),
                     CVG_NOTFOUND);
    struct device_world_batch *b = device_world_batch(WORLD_VARIANTS, 1, 4, 0);
    assert_int_equal(submit(&w, b, &err), CVG_NOTFOUND);
    const struct cvg_device_env env = {.box = w.box};
    assert_int_equal(w.ops->describe(&env, 0, WORLD_VARIANTS, &info, &err),
                     CVG_NOTFOUND);
    assert_int_equal(w.ops->memory(w.backends[0], WORLD_VARIANTS), 0);
    assert_int_equal(device_world_waiting(&w), 0);
    device_world_batch_free(b);
    device_world_end(&w);
}

static void refuses_what_it_cannot_begin(void **state)
{
    (void)state;
    struct device_world w;
    struct cvg_error err = {.text = ""};
    begin(&w, 1, 1);
    struct device_world_batch *b = device_world_batch(WORLD_DOUBLE, 1, 4, 0);
    assert_int_equal(submit(&w, b, &err), CVG_INVALID);
    assert_non_null(strstr(err.text, "double is not loaded"));
    device_world_load(&w, 0, WORLD_DOUBLE);
    b->batch.unit = 1;
    assert_int_equal(submit(&w, b, &err), CVG_INVALID);
    b->batch.unit = 0;
    b->batch.n = CVG_MAX_BATCH + 1;
    assert_int_equal(submit(&w, b, &err), CVG_INVALID);
    b->batch.n = 1;
    assert_int_equal(device_world_waiting(&w), 0);
    assert_int_equal(submit(&w, b, &err), CVG_OK);
    assert_int_equal(take_batch(&w, b).status, CVG_OK);
    device_world_check_double(b);
    device_world_batch_free(b);
    device_world_end(&w);
}

/* It is for what it leaves in the unit's cache. */
static void an_empty_batch_ends_well(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 1, 1);
    struct device_world_batch *b = device_world_batch(WORLD_DOUBLE, 0, 4, 0);
    device_world_load(&w, 0, WORLD_DOUBLE);
    assert_int_equal(submit(&w, b, NULL), CVG_OK);
    assert_int_equal(take_batch(&w, b).status, CVG_OK);
    device_world_batch_free(b);
    device_world_end(&w);
}

/* Batches of every size through models with variable and fixed batches. */
static void runs_every_size(void **state)
{
    (void)state;
    static const uint32_t variants[] = {WORLD_DOUBLE, WORLD_ONE, WORLD_THREE,
                                        WORLD_LOOSE};
    struct device_world w;
    begin(&w, 1, 1);
    for (size_t k = 0; k < sizeof variants / sizeof *variants; k++) {
        device_world_load(&w, 0, variants[k]);
        for (uint32_t n = 1; n <= WORLD_MAX_BATCH; n++) {
            run_double(&w, variants[k], n, 4);
        }
    }
    run_double(&w, WORLD_LOOSE, 3, 17);
    device_world_end(&w);
}

/* Items of different lengths, where the model allows it. */
static void runs_mixed_shapes(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 1, 1);
    device_world_load(&w, 0, WORLD_LOOSE);
    struct device_world_batch *b = device_world_batch(WORLD_LOOSE, 3, 8, 1);
    b->inputs[1].dims[0] = 2;
    b->inputs[1].bytes = 2 * sizeof(float);
    assert_int_equal(submit(&w, b, NULL), CVG_OK);
    assert_int_equal(take_batch(&w, b).status, CVG_OK);
    assert_int_equal(b->outputs[1].dims[0], 2);
    device_world_check_double(b);
    device_world_batch_free(b);
    device_world_end(&w);
}

/* Tensors that the model does not take are named, and harm nothing. */
static void refuses_wrong_tensors(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 1, 1);
    device_world_load(&w, 0, WORLD_DOUBLE);
    for (int kind = 0; kind < 4; kind++) {
        static const char *const texts[] = {
            "input 'x': expected shape [4] per item, got [5]",
            "input 'x': expected FP32, got INT32",
            "input 'x': expected 16 bytes per item, got 12",
            "input 'x': expected shape [4] per item, got [4, 1]"};
        struct device_world_batch *b =
            device_world_batch(WORLD_DOUBLE, 3, 5, 1);
        for (uint32_t i = 0; i < 2; i++) {
            b->inputs[i].dims[0] = 4;
            b->inputs[i].bytes = 16;
        }
        struct cvg_tensor *last = &b->inputs[2];
        last->dims[0] = kind == 0 ? 5 : 4;
        last->bytes = kind == 2 ? 12 : 16;
        last->type = kind == 1 ? CVG_TYPE_INT32 : CVG_TYPE_FP32;
        last->dims[1] = 1;
        last->n_dims = kind == 3 ? 2 : 1;
        assert_int_equal(submit(&w, b, NULL), CVG_OK);
        struct cvg_completion c = take_batch(&w, b);
        assert_int_equal(c.status, CVG_INVALID);
        assert_string_equal(c.error.text, texts[kind]);
        for (uint32_t i = 0; i < 3; i++) {
            assert_null(b->outputs[i].data);
        }
        device_world_batch_free(b);
    }
    run_double(&w, WORLD_DOUBLE, 3, 4);
    device_world_end(&w);
}

/* A unit takes no more than in_flight, and says so. */
static void holds_in_flight(void **state)
{
    (void)state;
    enum { HELD = 2 };
    struct device_world w;
    struct cvg_error err = {.text = ""};
    struct device_world_batch *b[HELD + 1];
    begin(&w, 2, HELD);
    device_world_load(&w, 0, WORLD_WIDE);
    for (uint32_t k = 0; k <= HELD; k++) {
        b[k] = device_world_batch(WORLD_WIDE, WORLD_MAX_BATCH, 262144, 1);
        b[k]->batch.unit = 1;
    }
    assert_int_equal(submit(&w, b[0], NULL), CVG_OK);
    assert_int_equal(submit(&w, b[1], NULL), CVG_OK);
    enum cvg_status status = submit(&w, b[2], &err);
    uint32_t taken = HELD;
    if (status == CVG_OK) { /* the first was that fast */
        taken++;
    } else {
        assert_int_equal(status, CVG_LIMIT);
        assert_non_null(strstr(err.text, "unit 1 holds 2"));
        assert_int_equal(w.ops->unload(w.backends[0], WORLD_WIDE, &err),
                         CVG_INVALID);
        assert_non_null(strstr(err.text, "in flight"));
    }
    for (uint32_t k = 0; k < taken; k++) {
        assert_int_equal(device_world_take(&w).status, CVG_OK);
        device_world_check_double(b[k]);
    }
    for (uint32_t k = 0; k <= HELD; k++) {
        device_world_batch_free(b[k]);
    }
    device_world_end(&w);
}

/* The loop submits as fast as completions make room; each batch comes back
 * exactly once, with its own answer. */
static void completes_each_once(void **state)
{
    (void)state;
    enum { N = 400, UNITS = 2, HELD = 3 };
    struct device_world w;
    begin(&w, UNITS, HELD);
    w.box->devices[0].discipline = CVG_FCFS;
    device_world_load(&w, 0, WORLD_DOUBLE);
    struct device_world_batch *b[N];
    uint32_t held[UNITS] = {0};
    uint32_t next = 0;
    uint32_t done = 0;
    for (uint32_t k = 0; k < N; k++) {
        b[k] = device_world_batch(WORLD_DOUBLE, 1 + k % WORLD_MAX_BATCH, 4,
                                  (float)k);
        b[k]->batch.id = k;
    }
    while (done < N) {
        for (uint32_t u = 0; u < UNITS; u++) {
            while (next < N && held[u] < HELD) {
                b[next]->batch.unit = u;
                assert_int_equal(submit(&w, b[next], NULL), CVG_OK);
                held[u]++;
                next++;
            }
        }
        struct cvg_completion c = device_world_take(&w);
        assert_int_equal(c.type, CVG_COMPLETION_BATCH);
        assert_int_equal(c.status, CVG_OK);
        struct device_world_batch *ended = c.batch->user;
        assert_ptr_equal(ended, b[c.batch->id]);
        assert_int_equal(++ended->completions, 1);
        device_world_check_double(ended);
        held[c.batch->unit]--;
        done++;
    }
    device_world_close(&w, 0);
    assert_int_equal(device_world_waiting(&w), 0);
    for (uint32_t k = 0; k < N; k++) {
        device_world_batch_free(b[k]);
    }
    device_world_end(&w);
}

/* Closing completes what is inside, well or not, and nothing comes after. */
static void closes_while_running(void **state)
{
    (void)state;
    enum { HELD = 4 };
    struct device_world w;
    begin(&w, 1, HELD);
    device_world_load(&w, 0, WORLD_WIDE);
    struct device_world_batch *b[HELD];
    for (uint32_t k = 0; k < HELD; k++) {
        b[k] = device_world_batch(WORLD_WIDE, WORLD_MAX_BATCH, 262144, 1);
        assert_int_equal(submit(&w, b[k], NULL), CVG_OK);
    }
    assert_int_equal(w.ops->load(w.backends[0], WORLD_DOUBLE, NULL), CVG_OK);
    device_world_close(&w, 0);
    assert_int_equal(device_world_waiting(&w), HELD + 1);
    uint32_t loads = 0;
    for (uint32_t k = 0; k <= HELD; k++) {
        struct cvg_completion c = device_world_take(&w);
        if (c.type == CVG_COMPLETION_LOAD) {
            loads++;
            continue;
        }
        struct device_world_batch *ended = c.batch->user;
        assert_int_equal(++ended->completions, 1);
        if (c.status == CVG_OK) {
            device_world_check_double(ended);
        } else {
            assert_int_equal(c.status, CVG_DEVICE);
            assert_null(ended->outputs[0].data);
        }
    }
    assert_int_equal(loads, 1);
    for (uint32_t k = 0; k < HELD; k++) {
        assert_int_equal(b[k]->completions, 1);
        device_world_batch_free(b[k]);
    }
    device_world_end(&w);
}

static void fails_to_load(struct device_world *w, uint32_t variant,
                          const char *text)
{
    assert_int_equal(w->ops->load(w->backends[0], variant, NULL), CVG_OK);
    struct cvg_completion c = device_world_take(w);
    assert_int_equal(c.type, CVG_COMPLETION_LOAD);
    assert_int_equal(c.variant, variant);
    assert_int_not_equal(c.status, CVG_OK);
    if (strstr(c.error.text, text) == NULL) {
        fail_msg("'%s' does not say '%s'", c.error.text, text);
    }
    assert_int_equal(w->ops->memory(w->backends[0], variant), 0);
}

static void reports_failed_loads(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 1, 1);
    fails_to_load(&w, WORLD_ABSENT, "absent");
    fails_to_load(&w, WORLD_BROKEN, "broken/1");
    fails_to_load(&w, WORLD_ABSENT, "absent"); /* may be tried again */
    struct device_world_batch *b = device_world_batch(WORLD_ABSENT, 1, 4, 0);
    assert_int_equal(submit(&w, b, NULL), CVG_INVALID);
    device_world_batch_free(b);
    device_world_load(&w, 0, WORLD_DOUBLE);
    run_double(&w, WORLD_DOUBLE, 1, 4);
    device_world_end(&w);
}

static void needs_a_repository(void **state)
{
    (void)state;
    struct device_world w;
    device_world_begin(&w, ops, 1, CVG_US(300));
    free(w.box->models);
    w.box->models = NULL;
    device_world_open(&w, 0);
    fails_to_load(&w, WORLD_DOUBLE, "names no `models`");
    device_world_end(&w);
}

static void describes(void **state)
{
    (void)state;
    struct device_world w;
    struct cvg_model_info info;
    struct cvg_error err = {.text = ""};
    begin(&w, 1, 1);
    const struct cvg_device_env env = {.box = w.box};
    static const uint32_t variants[] = {WORLD_DOUBLE, WORLD_ONE};
    for (size_t k = 0; k < 2; k++) {
        assert_int_equal(w.ops->describe(&env, 0, variants[k], &info, &err),
                         CVG_OK);
        assert_int_equal(info.n_inputs, 1);
        assert_int_equal(info.n_outputs, 1);
        assert_string_equal(info.inputs[0].name, "x");
        assert_string_equal(info.outputs[0].name, "y");
        assert_int_equal(info.inputs[0].type, CVG_TYPE_FP32);
        assert_int_equal(info.inputs[0].n_dims, 2);
        assert_int_equal(info.inputs[0].dims[0], -1); /* any batch will do */
        assert_int_equal(info.inputs[0].dims[1], 4);
        cvg_model_info_free(&info);
    }
    assert_int_not_equal(w.ops->describe(&env, 0, WORLD_ABSENT, &info, &err),
                         CVG_OK);
    assert_non_null(strstr(err.text, "absent"));
    device_world_end(&w);
}

/* --- the fashion models, when they are there ------------------------------ */

static void fill_image(float *image, uint32_t seed)
{
    for (uint32_t k = 0; k < 784; k++) {
        image[k] = (float)((k * 31 + seed * 17) % 256) / 255;
    }
}

static uint32_t pack_image(const struct cvg_tensor_info *info, uint32_t seed,
                           struct cvg_tensor *out)
{
    float image[784];
    fill_image(image, seed);
    out->type = info->type;
    out->n_dims = info->n_dims - 1;
    uint32_t count = 1;
    for (uint32_t d = 0; d < out->n_dims; d++) {
        out->dims[d] = info->dims[d + 1];
        count *= (uint32_t)out->dims[d];
    }
    if (count != 784 ||
        (info->type != CVG_TYPE_FP32 && info->type != CVG_TYPE_UINT8)) {
        return 0;
    }
    out->bytes = count * cvg_type_size(info->type);
    out->data = malloc(out->bytes);
    assert_non_null(out->data);
    for (uint32_t k = 0; k < count; k++) {
        if (info->type == CVG_TYPE_FP32) {
            ((float *)out->data)[k] = image[k];
        } else {
            ((uint8_t *)out->data)[k] = (uint8_t)(image[k] * 255);
        }
    }
    return count;
}

static void equals_alone(struct cvg_session *alone,
                         struct device_world_batch *b)
{
    for (uint32_t i = 0; i < b->batch.n; i++) {
        struct cvg_tensor y = {0};
        struct cvg_batch_item item = {.inputs = &b->inputs[i], .outputs = &y};
        struct cvg_batch one = {.items = &item, .n = 1};
        assert_int_equal(cvg_session_run(alone, &one, NULL), CVG_OK);
        assert_int_equal(y.bytes, b->outputs[i].bytes);
        assert_int_equal(y.type, CVG_TYPE_FP32);
        for (size_t k = 0; k < y.bytes / sizeof(float); k++) {
            float a = ((const float *)y.data)[k];
            float c = ((const float *)b->outputs[i].data)[k];
            assert_true(fabsf(a - c) <= 1e-4F * fmaxf(1, fabsf(a)));
        }
        free(y.data);
    }
}

/* A batch through the backend gives what ONNX Runtime gives item by item. */
static void fashion_equals_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"fashion-s", "fashion-m"};
    const char *models = CVG_SOURCE_DIR "/models";
    if (access(CVG_SOURCE_DIR "/models/fashion-s/1/model.onnx", R_OK) != 0) {
        fprintf(stderr, "no fashion models in %s: skipped\n", models);
        skip();
    }
    struct device_world w;
    device_world_begin(&w, ops, 1, CVG_US(300));
    free(w.box->models);
    w.box->models = strdup(models);
    for (uint32_t v = 0; v < 2; v++) {
        free(w.box->variants[v].name);
        w.box->variants[v].name = strdup(names[v]);
    }
    device_world_open(&w, 0);
    for (uint32_t v = 0; v < 2; v++) {
        const struct cvg_session_options options = {
            .models = models, .variant = names[v], .threads = 1};
        struct cvg_session *alone = NULL;
        assert_int_equal(cvg_session_open(&options, &alone, NULL), CVG_OK);
        device_world_load(&w, 0, v);
        struct device_world_batch *b = device_world_batch(v, 5, 1, 0);
        const struct cvg_tensor_info *x = &cvg_session_info(alone)->inputs[0];
        for (uint32_t i = 0; i < 5; i++) {
            free(b->inputs[i].data);
            assert_int_equal(pack_image(x, i, &b->inputs[i]), 784);
        }
        assert_int_equal(submit(&w, b, NULL), CVG_OK);
        assert_int_equal(take_batch(&w, b).status, CVG_OK);
        equals_alone(alone, b);
        device_world_batch_free(b);
        cvg_session_close(alone);
    }
    device_world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_and_closes),
        cmocka_unit_test(loads_and_unloads),
        cmocka_unit_test(refuses_unknown_variants),
        cmocka_unit_test(refuses_what_it_cannot_begin),
        cmocka_unit_test(an_empty_batch_ends_well),
        cmocka_unit_test(runs_every_size),
        cmocka_unit_test(runs_mixed_shapes),
        cmocka_unit_test(refuses_wrong_tensors),
        cmocka_unit_test(holds_in_flight),
        cmocka_unit_test(completes_each_once),
        cmocka_unit_test(closes_while_running),
        cmocka_unit_test(reports_failed_loads),
        cmocka_unit_test(needs_a_repository),
        cmocka_unit_test(describes),
        cmocka_unit_test(fashion_equals_alone),
    };
    int failed = 0;
    for (size_t k = 0; cvg_backend_at(k) != NULL; k++) {
        ops = cvg_backend_at(k);
        fprintf(stderr, "backend %s\n", ops->name);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}

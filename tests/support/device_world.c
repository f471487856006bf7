/* The mailbox, and batches whose answers are known. */
#include "support/device_world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void post(void *context, const struct cvg_completion *completion)
{
    struct device_world *w = context;
    const uint32_t room = sizeof w->mail / sizeof w->mail[0];
    pthread_mutex_lock(&w->lock);
    w->mail[w->sent++ % room] = *completion;
    pthread_cond_signal(&w->arrived);
    pthread_mutex_unlock(&w->lock);
}

struct cvg_completion device_world_take(struct device_world *w)
{
    const uint32_t room = sizeof w->mail / sizeof w->mail[0];
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock(&w->lock);
    while (w->taken == w->sent) {
        if (pthread_cond_timedwait(&w->arrived, &w->lock, &until) != 0) {
            break;
        }
    }
    bool any = w->taken != w->sent;
    struct cvg_completion completion = {.status = CVG_OK};
    if (any) {
        completion = w->mail[w->taken++ % room];
    }
    pthread_mutex_unlock(&w->lock);
    if (!any) {
        fail_msg("nothing was posted within 30 s");
    }
    return completion;
}

uint32_t device_world_waiting(struct device_world *w)
{
    pthread_mutex_lock(&w->lock);
    uint32_t n = w->sent - w->taken;
    pthread_mutex_unlock(&w->lock);
    return n;
}

static void write_models(struct device_world *w)
{
    static const struct tiny_model models[] = {
        [WORLD_DOUBLE] = {"Add", CVG_TYPE_FP32, -1, 4},
        [WORLD_ONE] = {"Add", CVG_TYPE_FP32, 1, 4},
        [WORLD_THREE] = {"Add", CVG_TYPE_FP32, 3, 4},
        [WORLD_LOOSE] = {"Add", CVG_TYPE_FP32, -1, -1},
        [WORLD_WIDE] = {"Add", CVG_TYPE_FP32, -1, 262144},
    };
    for (uint32_t v = 0; v < WORLD_BROKEN; v++) {
        assert_true(tiny_model_write(w->folder, w->box->variants[v].name, 1,
                                     &models[v]));
    }
    assert_true(tiny_file_write(w->folder, "broken", 1, "not a model", 11));
}

static void add_devices(struct device_world *w, uint32_t n, cvg_span mean)
{
    struct cvg_box *box = w->box;
    box->devices = calloc(n, sizeof *box->devices);
    assert_non_null(box->devices);
    box->n_devices = n;
    assert_int_equal(cvg_profile_create(WORLD_VARIANTS, n, &box->profile, NULL),
                     CVG_OK);
    for (uint32_t d = 0; d < n; d++) {
        char name[8] = {'d', (char)('0' + d)};
        box->devices[d] = (struct cvg_device){
            .name = strdup(name),
            .backend = strdup(w->ops->name),
            .profile = strdup(name),
            .provider = strdup("CPU"),
            .threads = 1,
            .units = 1,
            .in_flight = 1,
            .memory_bytes = UINT64_MAX,
            .resident = UINT32_MAX,
            .emulated = w->ops->emulated,
        };
        for (uint32_t k = 0; k < 2 * WORLD_VARIANTS; k++) {
            const struct cvg_profile_point point = {
                .batch = k % 2 == 0 ? 1 : WORLD_MAX_BATCH,
                .mean = mean,
                .p50 = mean,
                .p95 = mean,
                .p99 = mean};
            assert_int_equal(
                cvg_profile_add(box->profile, k / 2, 0, d, &point, NULL),
                CVG_OK);
        }
    }
    assert_int_equal(cvg_profile_finish(box->profile, NULL), CVG_OK);
}

void device_world_begin(struct device_world *w,
                        const struct cvg_backend_ops *ops, uint32_t n_devices,
                        cvg_span mean)
{
    static const char *const names[WORLD_VARIANTS] = {
        "double", "one", "three", "loose", "wide", "broken", "absent"};
    memset(w, 0, sizeof *w);
    w->ops = ops;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->arrived, NULL);
    assert_true(tiny_folder_make(w->folder));
    w->box = cvg_box_create();
    assert_non_null(w->box);
    w->box->models = strdup(w->folder);
    w->box->variants = calloc(WORLD_VARIANTS, sizeof *w->box->variants);
    assert_non_null(w->box->variants);
    w->box->n_variants = WORLD_VARIANTS;
    for (uint32_t v = 0; v < WORLD_VARIANTS; v++) {
        w->box->variants[v].name = strdup(names[v]);
        w->box->variants[v].n_exits = 1;
    }
    write_models(w);
    add_devices(w, n_devices, mean);
}

void device_world_open(struct device_world *w, uint32_t device)
{
    const struct cvg_device_env env = {
        .box = w->box, .seed = 1, .post = post, .context = w};
    struct cvg_error err = {.text = ""};
    enum cvg_status status =
        w->ops->open(&env, device, &w->backends[device], &err);
    if (status != CVG_OK) {
        fail_msg("open: %s", err.text);
    }
}

void device_world_close(struct device_world *w, uint32_t device)
{
    w->ops->close(w->backends[device]);
    w->backends[device] = NULL;
}

void device_world_end(struct device_world *w)
{
    for (uint32_t d = 0; d < w->box->n_devices; d++) {
        if (w->backends[d] != NULL) {
            device_world_close(w, d);
        }
    }
    cvg_box_destroy(w->box);
    tiny_folder_remove(w->folder);
    pthread_cond_destroy(&w->arrived);
    pthread_mutex_destroy(&w->lock);
}

void device_world_load(struct device_world *w, uint32_t device,
                       uint32_t variant)
{
    struct cvg_error err = {.text = ""};
    if (w->ops->load(w->backends[device], variant, &err) != CVG_OK) {
        fail_msg("load: %s", err.text);
    }
    struct cvg_completion c = device_world_take(w);
    assert_int_equal(c.type, CVG_COMPLETION_LOAD);
    assert_int_equal(c.device, device);
    assert_int_equal(c.variant, variant);
    if (c.status != CVG_OK) {
        fail_msg("loaded: %s", c.error.text);
    }
}

struct device_world_batch *device_world_batch(uint32_t variant, uint32_t n,
                                              uint32_t width, float first)
{
    struct device_world_batch *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->batch = (struct cvg_batch){
        .id = 1, .variant = variant, .n = n, .items = b->items, .user = b};
    for (uint32_t i = 0; i < n; i++) {
        float *data = malloc(width * sizeof *data);
        assert_non_null(data);
        for (uint32_t k = 0; k < width; k++) {
            data[k] = first + (float)i + 0.5F * (float)(k % 1024);
        }
        b->inputs[i] = (struct cvg_tensor){.n_dims = 1,
                                           .dims = {width},
                                           .type = CVG_TYPE_FP32,
                                           .data = data,
                                           .bytes = width * sizeof *data};
        b->items[i] = (struct cvg_batch_item){.request = i + 1,
                                              .inputs = &b->inputs[i],
                                              .outputs = &b->outputs[i]};
    }
    return b;
}

void device_world_check_double(struct device_world_batch *b)
{
    for (uint32_t i = 0; i < b->batch.n; i++) {
        const struct cvg_tensor *x = &b->inputs[i];
        struct cvg_tensor *y = &b->outputs[i];
        assert_non_null(y->data);
        assert_int_equal(y->type, CVG_TYPE_FP32);
        assert_int_equal(y->n_dims, 1);
        assert_int_equal(y->dims[0], x->dims[0]);
        assert_int_equal(y->bytes, x->bytes);
        const float *in = x->data;
        const float *out = y->data;
        for (int64_t k = 0; k < x->dims[0]; k++) {
            if (fabsf(out[k] - 2 * in[k]) > 1e-4F) {
                fail_msg("item %u, value %lld: %g, expected %g", i,
                         (long long)k, (double)out[k], 2 * (double)in[k]);
            }
        }
        cvg_tensor_release(y);
        *y = (struct cvg_tensor){0};
    }
}

void device_world_batch_free(struct device_world_batch *b)
{
    for (uint32_t i = 0; i < b->batch.n; i++) {
        free(b->inputs[i].data);
        cvg_tensor_release(&b->outputs[i]);
    }
    free(b);
}

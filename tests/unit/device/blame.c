/* A run that fails: is it the inputs or the device? */
#include "device/session.h"

#include "device/ort.h"
#include "support/tiny_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 8U
#define BAD 99 /* no row of any batch */

static char folder[256];

/* The runtime, with a Run() that does as it is told. */
static struct {
    struct cvg_ort *ort;
    const OrtApi *real;
    OrtApi api;
    OrtErrorCode code; /* ORT_OK: the real one runs */
    bool zeros_too;    /* what it has run before fails now */
    unsigned runs;
} fake;

static bool all_zeros(const OrtValue *value)
{
    OrtTensorTypeAndShapeInfo *info = NULL;
    void *data = NULL;
    size_t n = 0;
    assert_null(fake.real->GetTensorTypeAndShape(value, &info));
    assert_null(fake.real->GetTensorShapeElementCount(info, &n));
    fake.real->ReleaseTensorTypeAndShapeInfo(info);
    assert_null(
        fake.real->GetTensorMutableData((OrtValue *)(void *)value, &data));
    for (size_t i = 0; i < n; i++) {
        if (((const int64_t *)data)[i] != 0) {
            return false;
        }
    }
    return true;
}

static OrtStatus *ORT_API_CALL run(OrtSession *session,
                                   const OrtRunOptions *options,
                                   const char *const *input_names,
                                   const OrtValue *const *inputs, size_t n,
                                   const char *const *output_names,
                                   size_t n_outputs, OrtValue **outputs)
{
    fake.runs++;
    if (fake.code != ORT_OK && (fake.zeros_too || !all_zeros(inputs[0]))) {
        return fake.real->CreateStatus(fake.code, "as it was told\n");
    }
    return fake.real->Run(session, options, input_names, inputs, n,
                          output_names, n_outputs, outputs);
}

/* Of the real runtime only the CPU is there: it stands for an accelerator. */
static OrtStatus *ORT_API_CALL add_provider(OrtSessionOptions *options,
                                            const char *name,
                                            const char *const *keys,
                                            const char *const *values, size_t n)
{
    (void)options;
    (void)name;
    (void)keys;
    (void)values;
    (void)n;
    return NULL;
}

static int begin(void **state)
{
    (void)state;
    /* The one of the process: the rest of the program must not tell it from
     * the real one. */
    fake.ort = (struct cvg_ort *)(void *)cvg_ort_get(NULL);
    if (fake.ort == NULL || !tiny_folder_make(folder)) {
        return -1;
    }
    fake.real = fake.ort->api;
    /* A later runtime's table is longer; what we use is in front. */
    memcpy(&fake.api, fake.real,
           offsetof(OrtApi, SessionOptionsAppendExecutionProvider) +
               sizeof fake.api.SessionOptionsAppendExecutionProvider);
    fake.api.Run = run;
    fake.api.SessionOptionsAppendExecutionProvider = add_provider;
    fake.ort->api = &fake.api;
    return 0;
}

static int end(void **state)
{
    (void)state;
    fake.ort->api = fake.real;
    tiny_folder_remove(folder);
    return 0;
}

struct world {
    struct cvg_session *session;
    int64_t data[ITEMS];
    struct cvg_tensor inputs[ITEMS], outputs[ITEMS];
    struct cvg_batch_item items[ITEMS];
    struct cvg_error err;
};

static void open_world(struct world *w, const char *op, int64_t batch,
                       const char *provider)
{
    const struct tiny_model model = {op, CVG_TYPE_INT64, batch, 1};
    const struct cvg_session_options options = {.models = folder,
                                                .variant = "tiny",
                                                .provider = provider,
                                                .threads = 1};
    memset(w, 0, sizeof *w);
    assert_true(tiny_model_write(folder, "tiny", 1, &model));
    if (cvg_session_open(&options, &w->session, &w->err) != CVG_OK) {
        fail_msg("%s", w->err.text);
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        w->inputs[i] = (struct cvg_tensor){.n_dims = 1,
                                           .dims = {1},
                                           .type = CVG_TYPE_INT64,
                                           .data = &w->data[i],
                                           .bytes = sizeof w->data[i]};
        w->items[i].inputs = &w->inputs[i];
        w->items[i].outputs = &w->outputs[i];
    }
    fake.code = ORT_OK;
    fake.zeros_too = false;
    fake.runs = 0;
}

static enum cvg_status run_items(struct world *w, uint32_t n)
{
    struct cvg_batch batch = {.items = w->items, .n = n};
    return cvg_session_run(w->session, &batch, &w->err);
}

static void drop_outputs(struct world *w)
{
    struct cvg_batch batch = {.items = w->items, .n = ITEMS};
    cvg_session_drop_outputs(w->session, &batch);
}

static void close_world(struct world *w)
{
    drop_outputs(w);
    cvg_session_close(w->session);
    fake.code = ORT_OK;
}

/* Wherever it is in the batch, only the bad item goes without an answer. */
static void one_bad_item_spoils_only_itself(void **state)
{
    (void)state;
    static const int64_t batches[] = {-1, 1, 3};
    struct world w;
    for (size_t k = 0; k < 3; k++) {
        open_world(&w, "GatherElements", batches[k], NULL);
        for (uint32_t bad = 0; bad < ITEMS; bad++) {
            w.data[bad] = BAD;
            assert_int_equal(run_items(&w, ITEMS), CVG_INVALID);
            assert_non_null(strstr(w.err.text, "GatherElements"));
            for (uint32_t i = 0; i < ITEMS; i++) {
                assert_int_equal(w.items[i].status,
                                 i == bad ? CVG_INVALID : CVG_OK);
                assert_int_equal(w.outputs[i].data == NULL, i == bad);
            }
            drop_outputs(&w);
            w.data[bad] = 0;
        }
        close_world(&w);
    }
}

static void all_can_be_bad(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, "GatherElements", -1, NULL);
    for (uint32_t i = 0; i < ITEMS; i++) {
        w.data[i] = BAD;
    }
    assert_int_equal(run_items(&w, ITEMS), CVG_INVALID);
    for (uint32_t i = 0; i < ITEMS; i++) {
        assert_int_equal(w.items[i].status, CVG_INVALID);
        assert_null(w.outputs[i].data);
    }
    w.data[0] = 0; /* what they were before is forgotten */
    assert_int_equal(run_items(&w, 1), CVG_OK);
    assert_int_equal(w.items[0].status, CVG_OK);
    close_world(&w);
}

/* It is the device if it no longer runs what it has run before, or says so. */
static void the_device_is_tried(void **state)
{
    (void)state;
    static const struct {
        OrtErrorCode code;
        bool works; /* on zeros */
        enum cvg_status expected;
    } cases[] = {
        {ORT_FAIL, true, CVG_INVALID},
        {ORT_FAIL, false, CVG_DEVICE},
        {ORT_RUNTIME_EXCEPTION, true, CVG_INVALID}, /* one huge request */
        {ORT_RUNTIME_EXCEPTION, false, CVG_DEVICE}, /* no memory at all */
        {ORT_INVALID_ARGUMENT, false, CVG_INVALID},
        {ORT_NOT_IMPLEMENTED, false, CVG_INVALID},
        {ORT_EP_FAIL, true, CVG_DEVICE},
        {ORT_ENGINE_ERROR, true, CVG_DEVICE},
    };
    struct world w;
    open_world(&w, "Identity", -1, NULL);
    w.data[0] = 1;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        fake.code = cases[k].code;
        fake.zeros_too = !cases[k].works;
        assert_int_equal(run_items(&w, 1), cases[k].expected);
        assert_int_equal(w.err.status, cases[k].expected);
        assert_string_equal(w.err.text, "the model failed: as it was told");
        assert_null(w.outputs[0].data);
    }
    close_world(&w);
}

/* A model that cannot digest zeros leaves nothing to try. */
static void without_evidence(void **state)
{
    (void)state;
    struct world w;
    for (int accelerator = 0; accelerator < 2; accelerator++) {
        fake.code = ORT_FAIL; /* already when it is opened */
        fake.zeros_too = true;
        open_world(&w, "Identity", -1, accelerator ? "Nonesuch" : "CPU");
        fake.code = ORT_FAIL;
        w.data[0] = 1;
        assert_int_equal(run_items(&w, 1),
                         accelerator ? CVG_DEVICE : CVG_INVALID);
        close_world(&w);
    }
}

/* A device that is gone is not tried item by item. */
static void a_dead_device_is_found_at_once(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, "Identity", -1, NULL);
    fake.code = ORT_FAIL;
    fake.zeros_too = true;
    assert_int_equal(run_items(&w, ITEMS), CVG_DEVICE);
    assert_int_equal(fake.runs, 2); /* the batch, and what it has run before */
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bad_item_spoils_only_itself),
        cmocka_unit_test(all_can_be_bad),
        cmocka_unit_test(the_device_is_tried),
        cmocka_unit_test(without_evidence),
        cmocka_unit_test(a_dead_device_is_found_at_once),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

/* link: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup */
/* Without memory reading fails, and nothing is lost: the nth allocation of ours
 * is failed, for n = 0, 1, 2, ... until reading succeeds. (libfyaml's own are
 * not ours to fail.) */
#include "config/name_set.h"
#include "config/shared_sets.h"
#include "texts.h"

static long left = -1; /* allocations until one fails; negative: none does */

static bool fails(void)
{
    return left >= 0 && left-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

static void test_box(void **state)
{
    (void)state;
    enum cvg_status status = CVG_NOMEM;
    char *text = edited(box_text, "queue: 50",
                        "conditions: [never, response_time > 20ms]");
    for (long n = 0; status != CVG_OK; n++) {
        struct cvg_box *box = NULL;
        struct cvg_error err = {.text = ""};
        struct cvg_config_notes notes = {.warn = NULL};
        left = n;
        status =
            read_box(text, profile_text, variants_text, 0, &notes, &box, &err);
        left = -1;
        if (status != CVG_OK) {
            assert_int_equal(status, CVG_NOMEM);
            assert_int_equal(err.status, CVG_NOMEM);
            assert_null(box);
        }
        cvg_box_destroy(box);
        assert_true(n < 10000);
    }
    free(text);
}

/* A set is shared, or there is none. */
static void test_shared_sets(void **state)
{
    (void)state;
    enum cvg_status status = CVG_NOMEM;
    for (long n = 0; status != CVG_OK; n++) {
        struct cvg_shared_sets sets = {.n_unused = 0};
        struct cvg_shared_set *set = NULL;
        left = n;
        status = cvg_shared_sets_take(&sets, "never; always", &set, NULL);
        left = -1;
        assert_true(status == CVG_OK ? set != NULL
                                     : status == CVG_NOMEM && set == NULL);
        cvg_shared_sets_fini(&sets);
    }
}

static void test_texts(void **state)
{
    (void)state;
    enum cvg_status status = CVG_NOMEM;
    for (long n = 0; status != CVG_OK; n++) {
        struct cvg_box *box = NULL;
        struct cvg_config_texts texts = {NULL, 0};
        left = n;
        status = cvg_config_load_box_texts("examples/this-machine/box.yaml", 0,
                                           NULL, &box, &texts, NULL);
        left = -1;
        if (status != CVG_OK) {
            assert_int_equal(status, CVG_NOMEM);
            assert_null(box);
            assert_null(texts.items);
        }
        cvg_config_texts_free(&texts);
        cvg_box_destroy(box);
        assert_true(n < 10000);
    }
}

static void fail_reading_workload(const char *path, const char *text)
{
    struct cvg_box *box = good_box();
    enum cvg_status status = CVG_NOMEM;
    for (long n = 0; status != CVG_OK; n++) {
        struct cvg_workload *workload = NULL;
        struct cvg_error err = {.text = ""};
        left = n;
        status = cvg_config_parse_workload(text, strlen(text), path, box,
                                           &workload, &err);
        left = -1;
        if (status != CVG_OK) {
            assert_int_equal(status, CVG_NOMEM);
            assert_null(workload);
        }
        cvg_workload_destroy(workload);
        assert_true(n < 10000);
    }
    cvg_box_destroy(box);
}

static void test_workload(void **state)
{
    (void)state;
    fail_reading_workload(WORKLOAD_PATH, workload_text);
    fail_reading_workload("t.csv", "arrival_ms,app\n1,desk\n2,door\n3,desk\n");
}

static void test_name_set(void **state)
{
    (void)state;
    struct cvg_name_set set = {.n = 0};
    uint32_t number;
    bool is_new;
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        left = 0;
        bool added = cvg__name_set_add(&set, name, &number, NULL);
        left = -1;
        assert_false(added);
        assert_true(cvg__name_set_add(&set, name, &number, &is_new));
        assert_true(is_new);
        assert_int_equal(number, i);
    }
    assert_true(cvg__name_set_add(&set, "n7", &number, &is_new));
    assert_false(is_new);
    assert_int_equal(number, 7);
    assert_int_equal(set.n, 1000);
    cvg__name_set_fini(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_box),      cmocka_unit_test(test_shared_sets),
        cmocka_unit_test(test_texts),    cmocka_unit_test(test_workload),
        cmocka_unit_test(test_name_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* link: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/* The box: names, units, built-in apps, what a switch costs. */
#include "support/world.h"
#include <stdlib.h>

/* --- allocations that fail ------------------------------------------------ */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static long fail_at = -1; /* this many succeed, the next one fails */

static bool fails(void)
{
    return fail_at >= 0 && fail_at-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

/* --- names and units ------------------------------------------------------ */

static void finds_by_name(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_device(&w, "tpu0", CVG_FCFS, 2, 1);
    world_variant(&w, "small", 0.7);
    world_variant(&w, "large", 0.9);
    world_app(&w, "door");
    assert_int_equal(cvg_box_find_device(w.box, "tpu0"), 1);
    assert_int_equal(cvg_box_find_device(w.box, "tpu"), CVG_ANY);
    assert_int_equal(cvg_box_find_device(w.box, ""), CVG_ANY);
    assert_int_equal(cvg_box_find_variant(w.box, "small"), 0);
    assert_int_equal(cvg_box_find_variant(w.box, "SMALL"), CVG_ANY);
    assert_int_equal(cvg_box_find_family(w.box, "family"), 0);
    assert_int_equal(cvg_box_find_family(w.box, "small"), CVG_ANY);
    assert_int_equal(cvg_box_find_app(w.box, "door"), 0);
    assert_int_equal(cvg_box_find_app(w.box, "doors"), CVG_ANY);
    assert_int_equal(cvg_box_units(w.box), 3);
    world_fini(&w);
}

static void empty_box(void **state)
{
    (void)state;
    struct cvg_box *box = cvg_box_create();
    assert_non_null(box);
    assert_int_equal(cvg_box_units(box), 0);
    assert_int_equal(cvg_box_find_app(box, "a"), CVG_ANY);
    assert_int_equal(cvg_box_add_built_in_apps(box, NULL), CVG_OK);
    assert_int_equal(box->n_apps, 0);
    cvg_box_destroy(box);
    cvg_box_destroy(NULL);
}

static void names_of_kinds(void **state)
{
    (void)state;
    static const char *const kinds[] = {"cpu", "gpu", "dla",
                                        "tpu", "npu", "fpga"};
    for (int k = 0; k < CVG_DEVICE_KINDS; k++) {
        assert_string_equal(cvg_device_kind_name((enum cvg_device_kind)k),
                            kinds[k]);
    }
    assert_string_equal(cvg_discipline_name(CVG_FCFS), "fcfs");
    assert_string_equal(cvg_discipline_name(CVG_PROCESSOR_SHARING),
                        "processor-sharing");
    static const char *const slo[] = {"deadline", "accuracy", "throughput",
                                      "energy"};
    for (int k = 0; k < CVG_SLO_KINDS; k++) {
        assert_string_equal(cvg_slo_kind_name((enum cvg_slo_kind)k), slo[k]);
    }
}

/* --- built-in apps -------------------------------------------------------- */

/* A family that has `n` apps of its own. */
static size_t apps_added(uint32_t n)
{
    struct world w;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    for (uint32_t i = 0; i < n; i++) {
        char name[8] = {'a', (char)('0' + i), '\0'};
        world_slo_deadline(world_app(&w, name), CVG_MS(5));
    }
    assert_int_equal(cvg_box_add_built_in_apps(w.box, NULL), CVG_OK);
    size_t added = w.box->n_apps - n;
    for (uint32_t i = 0; i < n; i++) { /* its own are as they were */
        assert_false(w.box->apps[i].built_in);
        assert_int_equal(w.box->apps[i].slo.deadline, CVG_MS(5));
    }
    if (added > 0) {
        const struct cvg_app *a = &w.box->apps[n];
        assert_string_equal(a->name, "best-effort/family");
        assert_true(a->built_in);
        assert_int_equal(a->family, 0);
        assert_int_equal(a->slo.declared, 0);
        assert_true(a->weight == 0.001);
        assert_int_equal(a->n_relax, 0);
        assert_true(a->queue_limit >= 1);
        assert_int_equal(cvg_box_find_app(w.box, "best-effort/family"), n);
    }
    world_fini(&w);
    return added;
}

static void built_in_apps(void **state)
{
    (void)state;
    assert_int_equal(apps_added(0), 1);
    assert_int_equal(apps_added(1), 0);
    assert_int_equal(apps_added(2), 1); /* neither is "the only one" */
    assert_int_equal(apps_added(5), 1);
}

/* --- switching ------------------------------------------------------------ */

/* A Coral: 8 MiB of cache, 1.95 ms + 2.41 ms per MiB. */
static void coral(struct world *w)
{
    world_init(w);
    struct cvg_device *d = world_device(w, "tpu0", CVG_FCFS, 1, 1);
    d->has_cache = true;
    d->cache_bytes = 8 << 20;
    d->has_switch = true;
    d->switch_fixed = CVG_US(1950);
    d->switch_ns_per_mib = 2.41e6;
    world_variant(w, "small", 0.7)->weights_bytes = 4 << 20;
    world_variant(w, "large", 0.9)->weights_bytes = 20 << 20;
    world_variant(w, "half", 0.6)->weights_bytes = 512 << 10;
    world_profile(w, "small", "tpu0", 1, 3, 1);
}

static void switch_formula(void **state)
{
    (void)state;
    struct world w;
    coral(&w);
    /* 1.95 + 4 x 2.41, 1.95 + 8 x 2.41, 1.95 + 0.5 x 2.41 */
    assert_int_equal(cvg_box_switch_time(w.box, 0, 0), 11590000);
    assert_int_equal(cvg_box_switch_time(w.box, 0, 1), 21230000);
    assert_int_equal(cvg_box_switch_time(w.box, 0, 2), 3155000);
    assert_int_equal(cvg_box_cache_need(w.box, 0, 0), 4 << 20);
    assert_int_equal(cvg_box_cache_need(w.box, 0, 1), 8 << 20);
    assert_int_equal(cvg_box_cache_need(w.box, 0, 2), 512 << 10);
    world_fini(&w);
}

static void measured_switch_replaces_the_formula(void **state)
{
    (void)state;
    struct world w;
    coral(&w);
    cvg_profile_set_switch(w.box->profile, 1, 0, CVG_MS(7));
    cvg_profile_set_switch(w.box->profile, 2, 0, 0); /* measured: nothing */
    assert_int_equal(cvg_box_switch_time(w.box, 0, 0), 11590000);
    assert_int_equal(cvg_box_switch_time(w.box, 0, 1), CVG_MS(7));
    assert_int_equal(cvg_box_switch_time(w.box, 0, 2), 0);
    world_fini(&w);
}

/* Without a cache there is no smaller of two: all the weights move. */
static void switch_without_cache(void **state)
{
    (void)state;
    struct world w;
    coral(&w);
    w.box->devices[0].has_cache = false;
    w.box->devices[0].cache_bytes = 0;
    assert_int_equal(cvg_box_switch_time(w.box, 0, 1),
                     CVG_US(1950) + 20 * CVG_US(2410));
    world_fini(&w);
}

static void no_switch_cost(void **state)
{
    (void)state;
    struct world w;
    coral(&w);
    w.box->devices[0].has_switch = false;
    assert_int_equal(cvg_box_switch_time(w.box, 0, 0), 0);
    assert_int_equal(cvg_box_switch_time(w.box, 0, 1), 0);
    world_fini(&w);
}

/* --- fault ---------------------------------------------------------------- */

static enum cvg_status add_built_in(struct cvg_error *err)
{
    struct world w;
    long at = fail_at;
    fail_at = -1;
    world_init(&w);
    world_variant(&w, "v0", 0.9);
    world_app(&w, "a0");
    world_app(&w, "a1");
    fail_at = at;
    enum cvg_status status = cvg_box_add_built_in_apps(w.box, err);
    if (status != CVG_OK) { /* the box is as it was */
        assert_int_equal(w.box->n_apps, 2);
    }
    world_fini(&w);
    return status;
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    fail_at = 0;
    struct cvg_box *box = cvg_box_create();
    fail_at = -1;
    assert_null(box);
    for (long n = 0; n < 100; n++) {
        struct cvg_error err = {.text = ""};
        fail_at = n;
        enum cvg_status status = add_built_in(&err);
        bool none_failed = fail_at >= 0;
        fail_at = -1;
        if (none_failed) {
            assert_int_equal(status, CVG_OK);
            assert_true(n > 0);
            return;
        }
        assert_int_equal(status, CVG_NOMEM);
        assert_true(strlen(err.text) > 0);
    }
    fail_msg("it never succeeded");
}

static void names_of_providers(void **state)
{
    (void)state;
    assert_true(cvg_provider_is("CUDAExecutionProvider", "cuda"));
    assert_true(cvg_provider_is("OpenVINO", "OpenVINO"));
    assert_false(cvg_provider_is("CUDA", "CUDAA"));
    assert_false(cvg_provider_is("ExecutionProvider", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_name),
        cmocka_unit_test(empty_box),
        cmocka_unit_test(names_of_kinds),
        cmocka_unit_test(names_of_providers),
        cmocka_unit_test(built_in_apps),
        cmocka_unit_test(switch_formula),
        cmocka_unit_test(measured_switch_replaces_the_formula),
        cmocka_unit_test(switch_without_cache),
        cmocka_unit_test(no_switch_cost),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

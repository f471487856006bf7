/* A correct box becomes exactly this struct. */
#include "texts.h"
#include <convergo/condition.h>

#include <math.h>

static void test_devices(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    assert_int_equal(box->n_devices, 3);
    const struct cvg_device *gpu = &box->devices[0];
    assert_string_equal(gpu->name, "gpu");
    assert_int_equal(gpu->kind, CVG_GPU);
    assert_string_equal(gpu->backend, "emulated");
    assert_string_equal(gpu->profile, "nx-gpu");
    assert_string_equal(gpu->provider, "CPU");
    assert_int_equal(gpu->n_options, 0);
    assert_int_equal(gpu->threads, 1);
    assert_int_equal(gpu->discipline, CVG_PROCESSOR_SHARING);
    assert_int_equal(gpu->units, 1);
    assert_int_equal(gpu->in_flight, 2);
    assert_true(gpu->memory_bytes == (uint64_t)6 << 30);
    assert_int_equal(gpu->resident, 4);
    assert_false(gpu->has_cache);
    assert_false(gpu->has_switch);
    assert_true(gpu->idle_w == 2 && gpu->busy_w == 10);
    assert_true(gpu->emulated);

    const struct cvg_device *tpu = &box->devices[2];
    assert_int_equal(tpu->kind, CVG_TPU);
    assert_true(tpu->has_cache);
    assert_int_equal(tpu->cache_bytes, 8 << 20);
    assert_true(tpu->has_switch);
    assert_int_equal(tpu->switch_fixed, 1950000);
    assert_true(tpu->switch_ns_per_mib == 2410000);
    cvg_box_destroy(box);
}

/* Each text once, and none for a device whose rows do not say. */
static void test_where_figures_come_from(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    assert_int_equal(box->devices[0].n_sources, 1);
    assert_string_equal(box->devices[0].sources[0], "made up");
    assert_int_equal(box->devices[1].n_sources, 0);
    assert_int_equal(box->devices[2].n_sources, 1);
    assert_string_equal(box->devices[2].sources[0], "made, up");
    cvg_box_destroy(box);
}

static void test_device_defaults(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    const struct cvg_device *cpu = &box->devices[1];
    assert_string_equal(cpu->name, "cpu0");
    assert_int_equal(cpu->kind, CVG_CPU);
    assert_string_equal(cpu->backend, "onnxruntime");
    assert_string_equal(cpu->profile, "cpu0");
    assert_string_equal(cpu->provider, "XNNPACK");
    assert_int_equal(cpu->n_options, 1);
    assert_string_equal(cpu->options[0].key, "a");
    assert_string_equal(cpu->options[0].value, "b");
    assert_int_equal(cpu->threads, 1);
    assert_int_equal(cpu->discipline, CVG_FCFS);
    assert_int_equal(cpu->units, 2);
    assert_int_equal(cpu->in_flight, 1);
    assert_true(cpu->memory_bytes == UINT64_MAX);
    assert_int_equal(cpu->resident, UINT32_MAX);
    assert_false(cpu->has_cache || cpu->has_switch || cpu->emulated);
    assert_true(cpu->idle_w == 0 && cpu->busy_w == 0);
    cvg_box_destroy(box);
}

static void test_families_and_variants(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    assert_int_equal(box->n_families, 2);
    assert_string_equal(box->families[0].name, "imagenet");
    assert_string_equal(box->families[0].metric, "top1");
    assert_string_equal(box->families[0].dataset, "b/l.bin");
    assert_int_equal(box->families[0].n_variants, 2);
    assert_int_equal(box->families[0].variants[1], 1);
    assert_null(box->families[1].dataset);
    assert_int_equal(box->families[1].variants[0], 2);

    assert_int_equal(box->n_variants, 3);
    const struct cvg_variant *small = &box->variants[0];
    assert_string_equal(small->name, "small");
    assert_int_equal(small->family, 0);
    assert_int_equal(small->n_exits, 2);
    assert_true(small->accuracy[0] == 0.6 && small->accuracy[1] == 0.7);
    assert_int_equal(small->weights_bytes, 4 << 20);
    assert_int_equal(small->memory_bytes, 16 << 20);
    assert_true(small->sparsity == 0.5);
    /* Without memory_mib a variant takes at least its weights. */
    const struct cvg_variant *face = &box->variants[2];
    assert_int_equal(face->family, 1);
    assert_int_equal(face->n_exits, 1);
    assert_int_equal(face->weights_bytes, 1572864);
    assert_int_equal(face->memory_bytes, 1572864);
    assert_true(face->sparsity == 0);
    cvg_box_destroy(box);
}

static void test_apps(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    /* imagenet has two apps and faces none: both get a built-in one. */
    assert_int_equal(box->n_apps, 4);
    const struct cvg_app *door = &box->apps[0];
    assert_string_equal(door->name, "door");
    assert_int_equal(door->family, 0);
    assert_true(door->weight == 2);
    assert_int_equal(door->slo.declared, 15);
    assert_int_equal(door->slo.deadline, CVG_MS(50));
    assert_true(door->slo.accuracy == 0.75);
    assert_true(door->slo.throughput_rps == 30);
    assert_true(door->slo.energy_j == 60 * 1e-3);
    assert_int_equal(door->accuracy_over, CVG_ACCURACY_PER_WINDOW);
    assert_int_equal(door->n_relax, 2);
    assert_int_equal(door->relax[0], CVG_SLO_ACCURACY);
    assert_int_equal(door->relax[1], CVG_SLO_THROUGHPUT);
    assert_int_equal(door->queue_limit, 50);
    assert_false(door->built_in);

    const struct cvg_app *desk = &box->apps[1];
    assert_true(desk->weight == 1);
    assert_int_equal(desk->slo.declared, 0);
    assert_int_equal(desk->accuracy_over, CVG_ACCURACY_PER_REQUEST);
    assert_int_equal(desk->n_relax, 0);
    assert_int_equal(desk->queue_limit, 1000);
    assert_true(box->apps[2].built_in && box->apps[3].built_in);
    assert_string_equal(box->apps[3].name, "best-effort/faces");
    cvg_box_destroy(box);
}

static void test_the_rest(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    assert_string_equal(box->path, BOX_PATH);
    assert_string_equal(box->models, "b/../models");
    assert_string_equal(box->policy.name, "convergo");
    assert_null(box->policy.order);
    assert_string_equal(box->server.http, "127.0.0.1:8000");
    assert_null(box->server.grpc);
    assert_string_equal(box->server.socket, "/run/x.sock");
    assert_int_equal(box->n_contention, 1);
    assert_int_equal(box->contention[0].n_devices, 2);
    assert_int_equal(box->contention[0].devices[0], 0);
    assert_int_equal(box->contention[0].devices[1], 2);
    assert_true(box->contention[0].slowdown == 1.27);
    cvg_box_destroy(box);
}

static void test_profile(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    const struct cvg_profile *p = box->profile;
    assert_int_equal(cvg_profile_time(p, 0, 0, 0, 2, 1, CVG_P99), 2600000);
    assert_int_equal(cvg_profile_time(p, 0, 0, 1, 0, 1, CVG_P95), 4000000);
    assert_true(cvg_profile_energy(p, 0, 0, 1, 0, 1) == 0.015);
    /* Exit 1 was not measured on the TPU. */
    assert_int_equal(cvg_profile_min_batch(p, 0, 0, 1, 2), 0);
    /* Rows in any order; between them batches are interpolated. */
    assert_int_equal(cvg_profile_min_batch(p, 1, 0, 0, 0), 1);
    assert_int_equal(cvg_profile_max_batch(p, 1, 0, 0, 0), 8);
    assert_int_equal(cvg_profile_switch(p, 1, 0), 12500000);
    assert_int_equal(cvg_profile_load(p, 1, 0), CVG_MS(300));
    assert_int_equal(cvg_profile_switch(p, 0, 0), -1);
    assert_int_equal(cvg_profile_load(p, 0, 0), 0);
    cvg_box_destroy(box);
}

/* Other ways to write the same, or more. */
static void test_accepted_forms(void **state)
{
    (void)state;
    static const struct {
        const char *find, *with;
    } forms[] = {
        {"policy: {name: convergo}", "policy: edf"},
        {"{name: convergo}", "{allocation: milp, order: edf}"},
        {"policy: {name: convergo}\n", ""},
        {"weight: 2", "weight: '2'"},
        {"deadline: 50ms", "deadline: 50 ms"},
        {"relax: [accuracy, throughput]", "relax: []"},
        {"{deadline: 50ms, accuracy: 0.75, throughput: 30/s, energy: 60mJ}",
         "{}"},
        {"contention: [{devices: [gpu, tpu0], slowdown: 1.27}]",
         "contention: []"},
        {"127.0.0.1:8000", "'[::1]:8000'"},
        {"127.0.0.1:8000", "off"},
        {"version: 1\n", "%YAML 1.2\n---\nversion: 1\n"},
        {"profiles: [profile.csv]", "profiles: [&p profile.csv]"},
        {"{a: b}", "{}"},
        {"{a: b}", "{a: ''}"},
        {"name: faces", "name: team/faces"},
        {"  - {name: desk, family: imagenet}\n",
         "  - {name: desk, family: imagenet}\n# the end\n...\n"},
        {"  - {name: desk, family: imagenet}\n",
         "  - {name: desk, family: imagenet}"},
    };
    for (size_t i = 0; i < COUNT(forms); i++) {
        char *text = edited(box_text, forms[i].find, forms[i].with);
        struct cvg_box *box = NULL;
        struct cvg_error err = {.text = ""};
        if (read_box(text, profile_text, variants_text, 0, NULL, &box, &err)) {
            fail_msg("'%s': %s", forms[i].with, err.text);
        }
        cvg_box_destroy(box);
        free(text);
    }
}

static void test_alias(void **state)
{
    (void)state;
    char *text = edited(box_text, "power: {idle: 2W, busy: 10W}",
                        "power: &p {idle: 2W, busy: 10W}");
    char *more = edited(text, "options: {a: b}", "power: *p");
    struct cvg_box *box = NULL;
    struct cvg_error err = {.text = ""};
    if (read_box(more, profile_text, variants_text, 0, NULL, &box, &err)) {
        fail_msg("%s", err.text);
    }
    assert_true(box->devices[1].busy_w == 10);
    cvg_box_destroy(box);
    free(text);
    free(more);
}

/* Two devices may share one profile: each row is for both. */
static void test_shared_profile(void **state)
{
    (void)state;
    char *text = edited(box_text, "  - {name: cpu0,",
                        "  - {name: gpu1, kind: gpu, backend: accelerator, "
                        "profile: nx-gpu}\n  - {name: cpu0,");
    struct cvg_box *box = NULL;
    struct cvg_error err = {.text = ""};
    if (read_box(text, profile_text, variants_text, 0, NULL, &box, &err)) {
        fail_msg("%s", err.text);
    }
    assert_true(box->devices[1].emulated);
    assert_int_equal(cvg_profile_max_batch(box->profile, 1, 0, 0, 1), 8);
    cvg_box_destroy(box);
    free(text);
}

/* One text, or a list of them; each is one for an exit. */
static void test_conditions(void **state)
{
    (void)state;
    static const char *const given[] = {
        "conditions: never; response_time>20ms",
        "conditions: [never, 'response_time > 20ms']",
        "conditions:\n      - never\n      - response_time > 20ms",
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        char *text = edited(box_text, "queue: 50", given[i]);
        struct cvg_box *box = NULL;
        struct cvg_error err = {.text = ""};
        if (read_box(text, profile_text, variants_text, 0, NULL, &box, &err)) {
            fail_msg("%s", err.text);
        }
        assert_string_equal(box->apps[0].conditions->text,
                            "never; response_time > 20ms");
        assert_null(box->apps[1].conditions);
        cvg_box_destroy(box);
        free(text);
    }
}

static void test_settings_of_exits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double w;
    } cases[] = {{"1800J/h", 0.5}, {"3.6kJ/h", 1}, {"250mW", 0.25}, {"2W", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char policy[80];
        struct cvg_box *box = NULL;
        struct cvg_error err = {.text = ""};
        (void)snprintf(policy, sizeof policy,
                       "{exits: energy-budget, budget: %s, confidence: 0}",
                       cases[i].text);
        char *text = edited(box_text, "{name: convergo}", policy);
        if (read_box(text, profile_text, variants_text, 0, NULL, &box, &err)) {
            fail_msg("%s", err.text);
        }
        assert_true(fabs(box->policy.budget_w - cases[i].w) < 1e-12);
        assert_true(box->policy.has_confidence && box->policy.confidence == 0);
        assert_false(box->policy.has_margin);
        cvg_box_destroy(box);
        free(text);
    }
}

/* The computation of a stage, in a column that may be left out or empty. */
static void test_gflop(void **state)
{
    (void)state;
    static const char with[] =
        "variant,exit,accuracy,metric,dataset,samples,weights_mib,memory_mib,"
        "sparsity,source,gflop\n"
        "small,0,0.6,top1,i,1,4,16,0.5,made up,0.25\n"
        "small,1,0.7,top1,i,1,4,16,0.5,made up,\n"
        "large,0,0.8,top1,i,1,25,120,,made up,4.1\n"
        "face,0,0.9,ap,f,1,1.5,,,made up,0\n";
    struct cvg_box *box = NULL;
    struct cvg_error err = {.text = ""};
    if (read_box(box_text, profile_text, with, 0, NULL, &box, &err)) {
        fail_msg("%s", err.text);
    }
    assert_true(box->variants[0].flop[0] == 0.25e9);
    assert_true(isnan(box->variants[0].flop[1]));
    assert_true(box->variants[1].flop[0] == 4.1e9);
    assert_true(box->variants[2].flop[0] == 0);
    assert_true(isnan(box->variants[2].flop[1]));
    cvg_box_destroy(box);
    if (read_box(box_text, profile_text, variants_text, 0, NULL, &box, &err)) {
        fail_msg("%s", err.text);
    }
    assert_true(isnan(box->variants[0].flop[0]));
    cvg_box_destroy(box);
}

/* For `convergo profile`: nothing was measured yet. */
static void test_unmeasured(void **state)
{
    (void)state;
    struct cvg_config_file files[] = {held(BOX_PATH, box_text),
                                      held("unused", "")};
    struct cvg_box *box = NULL;
    struct cvg_error err = {.text = ""};
    assert_int_equal(cvg_config_read_box(files, 2, 0, NULL, &box, &err),
                     CVG_NOTFOUND);
    assert_null(box);
    assert_string_equal(err.text, "b/box.yaml:4:12: variants: b/variants.csv: "
                                  "cannot open: not given");
    if (cvg_config_read_box(files, 2, CVG_LOAD_UNMEASURED, NULL, &box, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(box->n_variants, 3);
    assert_int_equal(box->variants[0].n_exits, 1);
    assert_int_equal(cvg_profile_min_batch(box->profile, 0, 0, 0, 0), 0);
    cvg_box_destroy(box);
    /* Files that are there are still read strictly. */
    assert_int_equal(read_box(box_text, "nonsense", variants_text,
                              CVG_LOAD_UNMEASURED, NULL, &box, &err),
                     CVG_CONFIG);
    /* Rows of exits that have no accuracy yet. */
    if (read_box(box_text, profile_text,
                 "variant,exit,accuracy,metric,dataset,samples,weights_mib,"
                 "memory_mib,sparsity,source\n",
                 CVG_LOAD_UNMEASURED, NULL, &box, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(box->variants[0].n_exits, 2);
    cvg_box_destroy(box);
}

/* --- notes for `convergo check` ------------------------------------------- */

static void add_line(void *context, const char *message)
{
    char *lines = context;
    strcat(strcat(lines, message), "\n");
}

static void expect_warnings(const char *find, const char *with,
                            const char *expected)
{
    char lines[2000] = "";
    struct cvg_config_notes notes = {.warn = add_line, .context = lines};
    char *text = edited(box_text, find, with);
    struct cvg_box *box = NULL;
    struct cvg_error err = {.text = ""};
    if (read_box(text, profile_text, variants_text, 0, &notes, &box, &err)) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(lines, expected);
    cvg_box_destroy(box);
    free(text);
}

static void test_warnings(void **state)
{
    (void)state;
    expect_warnings("weight: 2", "weight: 2", "");
    expect_warnings("accuracy: 0.75", "accuracy: 0.95",
                    "b/box.yaml:29:37: warning: app 'door' asks for an "
                    "accuracy of 0.95, the best of family 'imagenet' is 0.8\n");
    expect_warnings("deadline: 50ms", "deadline: 0.5ms",
                    "b/box.yaml:29:21: warning: app 'door' has a deadline of "
                    "500us, the fastest of family 'imagenet' takes 1ms\n");
    expect_warnings("energy: 60mJ", "energy: 4mJ",
                    "b/box.yaml:29:69: warning: app 'door' allows 4mJ for an "
                    "answer, the least of family 'imagenet' is 4.2mJ\n");
    expect_warnings("queue: 50", "conditions: never; always", "");
    expect_warnings("queue: 50", "conditions: never; never; always",
                    "b/box.yaml:32:17: warning: app 'door' has 3 conditions, "
                    "no variant of family 'imagenet' has more than 2 exits\n");
    expect_warnings("metric: top1", "metric: top-5",
                    "b/variants.csv:2:1: warning: the accuracy of 'small' is "
                    "'top1', that of its family 'imagenet' is 'top-5'\n"
                    "b/variants.csv:3:1: warning: the accuracy of 'small' is "
                    "'top1', that of its family 'imagenet' is 'top-5'\n"
                    "b/variants.csv:4:1: warning: the accuracy of 'large' is "
                    "'top1', that of its family 'imagenet' is 'top-5'\n");
    expect_warnings("profile: coral", "profile: corall",
                    "b/box.yaml:19:57: warning: nothing can run on device "
                    "'tpu0': the profiles have no row of the box's variants "
                    "for 'corall'; did you mean 'coral'?\n");
}

static void test_policy_places(void **state)
{
    (void)state;
    struct cvg_box *box = NULL;
    struct cvg_error err;
    char *text =
        edited(box_text, "{name: convergo}", "{order: edf, batching: nexus}");
    assert_int_equal(
        read_box(text, profile_text, variants_text, 0, NULL, &box, &err),
        CVG_OK);
    assert_string_equal(box->policy.file, box->path);
    assert_int_equal(box->policy.order_at.line, 5);
    assert_int_equal(box->policy.order_at.column, 17);
    assert_int_equal(box->policy.batching_at.column, 32);
    assert_int_equal(box->policy.allocation_at.line, 0);
    cvg_box_destroy(box);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_where_figures_come_from),
        cmocka_unit_test(test_device_defaults),
        cmocka_unit_test(test_families_and_variants),
        cmocka_unit_test(test_apps),
        cmocka_unit_test(test_the_rest),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_accepted_forms),
        cmocka_unit_test(test_alias),
        cmocka_unit_test(test_shared_profile),
        cmocka_unit_test(test_unmeasured),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_settings_of_exits),
        cmocka_unit_test(test_gflop),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_policy_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Policies by name and by parts, and what is said of unknown ones. */
#include "support/world.h"

#include "policy/parts.h"

static struct cvg_policy parsed(const char *text)
{
    struct cvg_policy p;
    struct cvg_error err = {.text = ""};
    if (cvg_policy_parse(text, NULL, &p, &err) != CVG_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    return p;
}

static void every_name_is_a_policy(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "fifo",        "edf",      "accuracy-first", "throughput-first",
        "least-slack", "slo-mael", "heft",           "infaas",
        "jellyfish",   "alert",    "clockwork",      "dream",
        "convergo"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct cvg_policy p = parsed(expected[i]);
        assert_string_equal(p.order->name, expected[i]);
        assert_non_null(p.allocation);
        assert_non_null(p.batching);
        assert_non_null(p.exits);
        bool listed = false;
        for (size_t k = 0; cvg_policy_name(k) != NULL; k++) {
            listed = listed || strcmp(cvg_policy_name(k), expected[i]) == 0;
        }
        assert_true(listed);
    }
    size_t n = 0;
    while (cvg_policy_name(n) != NULL) {
        parsed(cvg_policy_name(n++)); /* all that are listed can be had */
    }
    assert_null(cvg_policy_name(n));
    assert_null(cvg_policy_name(n + 1000));
}

static void parts_replace_those_of_the_base(void **state)
{
    (void)state;
    struct cvg_policy edf = parsed("edf");
    struct cvg_policy p;
    assert_int_equal(cvg_policy_parse("batching=none", &edf, &p, NULL), CVG_OK);
    assert_string_equal(p.order->name, "edf");
    assert_string_equal(p.batching->name, "none");
    assert_string_equal(p.exits->name, "last");
    assert_int_equal(cvg_policy_parse("order=fifo,exits=last,allocation=none",
                                      &edf, &p, NULL),
                     CVG_OK);
    assert_string_equal(p.order->name, "fifo");
    assert_string_equal(p.batching->name, edf.batching->name);
    /* without a base: convergo's */
    assert_int_equal(cvg_policy_parse("allocation=none", NULL, &p, NULL),
                     CVG_OK);
    assert_string_equal(p.order->name, "convergo");
    /* a whole name does not care for the base */
    assert_int_equal(cvg_policy_parse("least-slack", &edf, &p, NULL), CVG_OK);
    assert_string_equal(p.order->name, "least-slack");
}

/* convergo decides jointly; naming a part in place of its own composes. */
static void naming_a_part_of_convergo_replaces_it(void **state)
{
    (void)state;
    assert_true(parsed("convergo").joint);
    assert_false(parsed("edf").joint);
    assert_false(parsed("batching=none").joint);
    assert_non_null(parsed("batching=none").compose);
}

static void check_refused(const char *text, const char *hint)
{
    struct cvg_policy p;
    struct cvg_error err = {.text = ""};
    if (cvg_policy_parse(text, NULL, &p, &err) != CVG_CONFIG) {
        fail_msg("'%s' was accepted", text);
    }
    if (strstr(err.text, hint) == NULL) {
        fail_msg("'%s': no '%s' in '%s'", text, hint, err.text);
    }
    assert_int_equal(cvg_policy_parse(text, NULL, &p, NULL), CVG_CONFIG);
}

static void unknown_names_name_the_nearest(void **state)
{
    (void)state;
    check_refused("fiffo", "fifo");
    check_refused("least_slack", "least-slack");
    check_refused("accuracy", "accuracy");
    check_refused("convergoo", "convergo");
    check_refused("slo-meal", "slo-mael");
    check_refused("clockwrk", "clockwork");
    check_refused("order=fiffo", "fifo");
    check_refused("batching=gready", "greedy");
    check_refused("ordr=fifo", "order");
    check_refused("order=", "order");
    check_refused("=edf", "");
    check_refused("", "");
    check_refused("order=edf,,batching=none", "");
    check_refused("order=edf,batching", "");
    check_refused("edf,order=edf", "");
    check_refused("EDF=", "");
    check_refused("xyzzy", "xyzzy");
    char endless[4000];
    memset(endless, 'o', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    check_refused(endless, "ooo");
    memcpy(endless + 2000, "=", 1);
    check_refused(endless, "ooo");
}

/* What is refused leaves the output as it was. */
static void refusal_writes_nothing(void **state)
{
    (void)state;
    struct cvg_policy p = parsed("edf");
    struct cvg_policy before = p;
    assert_int_equal(
        cvg_policy_parse("batching=none,order=nothing", NULL, &p, NULL),
        CVG_CONFIG);
    assert_memory_equal(&p, &before, sizeof p);
}

static void from_a_box_file(void **state)
{
    (void)state;
    struct cvg_policy_spec spec = {.name = NULL};
    struct cvg_policy p;
    assert_int_equal(cvg_policy_from_spec(&spec, &p, NULL), CVG_OK);
    assert_string_equal(p.order->name, "convergo"); /* the default */
    static char edf[] = "edf";
    static char none[] = "none";
    static char wrong[] = "nonne";
    spec.name = edf;
    assert_int_equal(cvg_policy_from_spec(&spec, &p, NULL), CVG_OK);
    assert_string_equal(p.order->name, "edf");
    spec = (struct cvg_policy_spec){.order = edf, .batching = none};
    assert_int_equal(cvg_policy_from_spec(&spec, &p, NULL), CVG_OK);
    assert_string_equal(p.order->name, "edf");
    assert_string_equal(p.batching->name, "none");
    assert_false(p.joint);
    spec.batching = wrong;
    struct cvg_error err = {.text = ""};
    assert_int_equal(cvg_policy_from_spec(&spec, &p, &err), CVG_CONFIG);
    assert_string_equal(err.text,
                        "unknown batching 'nonne'; did you mean 'none'?");
    /* Where it is known, the place is named, and what there is. */
    spec.file = "b/box.yaml";
    spec.batching_at = (struct cvg_place){4, 27};
    assert_int_equal(cvg_policy_from_spec(&spec, &p, &err), CVG_CONFIG);
    assert_string_equal(err.text, "b/box.yaml:4:27: policy: unknown batching "
                                  "'nonne'; did you mean 'none'?");
    static char other[] = "unheard-of";
    spec = (struct cvg_policy_spec){
        .name = other, .file = "b/box.yaml", .name_at = {4, 9}};
    assert_int_equal(cvg_policy_from_spec(&spec, &p, &err), CVG_CONFIG);
    assert_non_null(strstr(err.text, "b/box.yaml:4:9: policy: unknown policy "
                                     "'unheard-of'; known: fifo, edf, "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_a_policy),
        cmocka_unit_test(parts_replace_those_of_the_base),
        cmocka_unit_test(naming_a_part_of_convergo_replaces_it),
        cmocka_unit_test(unknown_names_name_the_nearest),
        cmocka_unit_test(refusal_writes_nothing),
        cmocka_unit_test(from_a_box_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

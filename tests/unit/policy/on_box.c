/* What a policy's name stands for on a box: where devices cannot hold all that
 * they run, what they hold follows demand. */
#include "support/world.h"

#include "policy/parts.h"

#include <stdlib.h>

/* Two variants of 1 MiB on one device with room for both; one app that lets its
 * mean accuracy give way, and one that asks for nothing. */
static void scaling_box(struct world *w)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.8);
    world_variant(w, "v1", 0.9);
    world_profile(w, "v0", "d0", 1, 5, 0);
    world_profile(w, "v1", "d0", 1, 10, 0);
    struct cvg_app *app = world_app(w, "a0");
    world_slo_deadline(app, CVG_MS(100));
    world_slo_accuracy(app, 0.9);
    app->accuracy_over = CVG_ACCURACY_PER_WINDOW;
    app->relax[app->n_relax++] = CVG_SLO_ACCURACY;
    world_app(w, "best-effort");
    assert_int_equal(cvg_profile_finish(w->box->profile, NULL), CVG_OK);
}

static void room_for_one(struct world *w)
{
    scaling_box(w);
    w->box->devices[0].resident = 1;
}

static void check(const struct world *w, const char *text,
                  const char *allocation, const char *order,
                  const char *batching)
{
    struct cvg_policy p;
    struct cvg_error err = {.text = ""};
    if (cvg_policy_on_box(w->box, text, &p, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(p.allocation->name, allocation);
    assert_string_equal(p.order->name, order);
    assert_string_equal(p.batching->name, batching);
    /* An order that can decides by itself, unless devices serve what the plan
     * says, or parts of its own are named. */
    if (text == NULL || strchr(text, '=') == NULL) {
        bool own = p.order->choose != NULL && !p.allocation->routed;
        assert_int_equal(p.joint, own);
    }
    assert_non_null(p.compose);
}

static void name_it(struct world *w, const char *name)
{
    free(w->box->policy.name);
    w->box->policy.name = strdup(name);
}

/* --- the names ------------------------------------------------------------ */

static void convergo_scales_where_it_has_to(void **state)
{
    (void)state;
    struct world w;
    room_for_one(&w);
    check(&w, "convergo", "milp", "convergo", "greedy");
    check(&w, NULL, "milp", "convergo", "greedy"); /* the default */
    name_it(&w, "edf");
    check(&w, "convergo", "milp", "convergo", "greedy");
    name_it(&w, "convergo");
    check(&w, NULL, "milp", "convergo", "greedy");
    world_fini(&w);
    scaling_box(&w); /* with room for all */
    check(&w, "convergo", "fluid", "convergo", "greedy");
    check(&w, NULL, "fluid", "convergo", "greedy");
    world_fini(&w);
    scaling_box(&w);
    w.box->devices[0].memory_bytes = (2 << 20) - 1;
    check(&w, "convergo", "milp", "convergo", "greedy");
    w.box->devices[0].memory_bytes = 2 << 20;
    check(&w, "convergo", "fluid", "convergo", "greedy");
    world_fini(&w);
}

/* One app that asks for something and lets no mean accuracy give way is enough
 * for convergo's own plans. */
static void all_apps_must_scale(void **state)
{
    (void)state;
    struct world w;
    room_for_one(&w);
    struct cvg_app *a0 = &w.box->apps[0];
    struct cvg_app before = *a0;
    a0->accuracy_over = CVG_ACCURACY_PER_REQUEST;
    check(&w, "convergo", "fluid", "convergo", "greedy");
    *a0 = before;
    a0->relax[0] = CVG_SLO_DEADLINE;
    check(&w, "convergo", "fluid", "convergo", "greedy");
    a0->relax[a0->n_relax++] = CVG_SLO_ACCURACY;
    check(&w, "convergo", "milp", "convergo", "greedy");
    *a0 = before;
    a0->n_relax = 0;
    check(&w, "convergo", "fluid", "convergo", "greedy");
    *a0 = before;
    a0->slo.declared = 1U << CVG_SLO_DEADLINE;
    check(&w, "convergo", "fluid", "convergo", "greedy");
    a0->slo.declared = 0; /* now nobody asks for anything */
    check(&w, "convergo", "fluid", "convergo", "greedy");
    *a0 = before;
    world_slo_deadline(world_app(&w, "a2"), CVG_MS(50));
    check(&w, "convergo", "fluid", "convergo", "greedy");
    world_fini(&w);
}

/* Whatever the apps ask for. */
static void infaas_scales_where_it_has_to(void **state)
{
    (void)state;
    struct world w;
    room_for_one(&w);
    check(&w, "infaas", "infaas", "edf", "nexus-wc");
    w.box->apps[0].n_relax = 0;
    check(&w, "infaas", "infaas", "edf", "nexus-wc");
    name_it(&w, "infaas");
    check(&w, NULL, "infaas", "edf", "nexus-wc");
    w.box->devices[0].resident = 2;
    check(&w, "infaas", "none", "infaas", "greedy");
    check(&w, NULL, "none", "infaas", "greedy");
    world_fini(&w);
}

/* The others are the same everywhere. */
static void other_names_are_what_they_are(void **state)
{
    (void)state;
    for (uint32_t resident = 1; resident <= 2; resident++) {
        struct world w;
        scaling_box(&w);
        w.box->devices[0].resident = resident;
        check(&w, "edf", "none", "edf", "greedy");
        check(&w, "heft", "none", "heft", "greedy");
        check(&w, "proteus", "milp", "edf", "proteus");
        check(&w, "sommelier", "sommelier", "edf", "proteus");
        check(&w, "clipper-ht", "clipper-ht", "edf", "nexus-wc");
        check(&w, "clipper-ha", "clipper-ha", "edf", "nexus-wc");
        world_fini(&w);
    }
}

/* --- the parts ------------------------------------------------------------ */

/* Who names parts gets those, and the others as the name has them anywhere. */
static void parts_stay_as_named(void **state)
{
    (void)state;
    struct world w;
    room_for_one(&w);
    check(&w, "allocation=fluid", "fluid", "convergo", "greedy");
    check(&w, "allocation=dp", "dp", "convergo", "greedy");
    check(&w, "order=convergo", "fluid", "convergo", "greedy");
    check(&w, "exits=last", "fluid", "convergo", "greedy");
    check(&w, "order=edf,batching=nexus", "fluid", "edf", "nexus");
    name_it(&w, "infaas");
    check(&w, "order=infaas", "none", "infaas", "greedy");
    check(&w, "allocation=infaas", "infaas", "infaas", "greedy");
    world_fini(&w);
}

static void parts_in_the_box_file_stay_as_named(void **state)
{
    (void)state;
    struct world w;
    room_for_one(&w);
    struct cvg_policy_spec *spec = &w.box->policy;
    spec->allocation = strdup("fluid");
    check(&w, NULL, "fluid", "convergo", "greedy");
    check(&w, "order=fifo", "fluid", "fifo", "greedy");
    check(&w, "convergo", "milp", "convergo", "greedy"); /* a whole name */
    free(spec->allocation);
    spec->allocation = NULL;
    spec->order = strdup("convergo");
    check(&w, NULL, "fluid", "convergo", "greedy");
    world_fini(&w);
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    struct world w;
    struct cvg_policy p;
    struct cvg_error err = {.text = ""};
    room_for_one(&w);
    assert_int_equal(cvg_policy_on_box(w.box, "convergoo", &p, &err),
                     CVG_CONFIG);
    assert_non_null(strstr(err.text, "did you mean 'convergo'"));
    name_it(&w, "fiffo");
    assert_int_equal(cvg_policy_on_box(w.box, NULL, &p, &err), CVG_CONFIG);
    assert_int_equal(cvg_policy_on_box(w.box, "edf", &p, &err), CVG_CONFIG);
    world_fini(&w);
}

/* Named by the box or in its place. */
static void a_budget_must_be_there(void **state)
{
    (void)state;
    struct world w;
    struct cvg_policy p;
    struct cvg_error err = {.text = ""};
    room_for_one(&w);
    assert_int_equal(cvg_policy_on_box(w.box, "exits=energy-budget", &p, &err),
                     CVG_CONFIG);
    assert_string_equal(err.text,
                        "exits 'energy-budget' needs the key 'budget' of the "
                        "box's policy, for example budget: 1800J/h");
    w.box->policy.exits = strdup("energy-budget");
    w.box->policy.file = "box.yaml";
    w.box->policy.exits_at = (struct cvg_place){4, 17};
    assert_int_equal(cvg_policy_on_box(w.box, NULL, &p, &err), CVG_CONFIG);
    assert_non_null(strstr(err.text, "box.yaml:4:17: policy: exits 'energy"));
    w.box->policy.budget_w = 0.5;
    assert_int_equal(cvg_policy_on_box(w.box, NULL, &p, &err), CVG_OK);
    assert_string_equal(p.exits->name, "energy-budget");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convergo_scales_where_it_has_to),
        cmocka_unit_test(all_apps_must_scale),
        cmocka_unit_test(infaas_scales_where_it_has_to),
        cmocka_unit_test(other_names_are_what_they_are),
        cmocka_unit_test(parts_stay_as_named),
        cmocka_unit_test(parts_in_the_box_file_stay_as_named),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(a_budget_must_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

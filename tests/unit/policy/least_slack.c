/* least-slack: by deadline less the shortest expected time. */
#include "support/world.h"

/* quick 0.80 5 ms, best 0.95 40 ms; a1 asks for 0.9. */
static void two_variants(struct world *w, const char *policy)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "quick", 0.80);
    world_variant(w, "best", 0.95);
    world_profile(w, "quick", "d0", 1, 5, 5);
    world_profile(w, "best", "d0", 1, 40, 5);
    world_app(w, "a0");
    world_slo_accuracy(world_app(w, "a1"), 0.9);
    world_start(w, policy);
}

/* r3 is due later, and has less slack: 112 - 40 against 101 - 5. */
static void less_slack_goes_first(void **state)
{
    (void)state;
    struct world w;
    two_variants(&w, "least-slack");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(2), "a1", CVG_MS(110));
    world_run_until(&w, CVG_MS(70));
    CHECK_TRACE(&w, "[   0] start r1 quick on d0\n"
                    "[   5] reply r1\n"
                    "[   5] start r3 best on d0\n"
                    "[  45] reply r3\n"
                    "[  45] start r2 quick on d0\n"
                    "[  50] reply r2\n");
    world_fini(&w);
}

static void edf_would_not(void **state)
{
    (void)state;
    struct world w;
    two_variants(&w, "edf");
    world_arrive(&w, 0, "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(1), "a0", CVG_MS(100));
    world_arrive(&w, CVG_MS(2), "a1", CVG_MS(110));
    world_run_until(&w, CVG_MS(70));
    CHECK_TRACE(&w, "[   0] start r1 quick on d0\n"
                    "[   5] reply r1\n"
                    "[   5] start r2 quick on d0\n"
                    "[  10] reply r2\n"
                    "[  10] start r3 best on d0\n"
                    "[  50] reply r3\n");
    world_fini(&w);
}

/* Without deadline: endless slack, in the order of arrival. */
static void no_deadline_goes_last(void **state)
{
    (void)state;
    struct world w;
    two_variants(&w, "least-slack");
    world_arrive(&w, 0, "a0", 0);
    world_arrive(&w, CVG_MS(1), "a1", 0);
    world_arrive(&w, CVG_MS(2), "a0", 0);
    world_arrive(&w, CVG_MS(3), "a0", CVG_S(100));
    world_run_until(&w, CVG_MS(70));
    CHECK_TRACE(&w, "[   0] start r1 quick on d0\n"
                    "[   5] reply r1\n"
                    "[   5] start r4 quick on d0\n"
                    "[  10] reply r4\n"
                    "[  10] start r2 best on d0\n"
                    "[  50] reply r2\n"
                    "[  50] start r3 quick on d0\n"
                    "[  55] reply r3\n");
    world_fini(&w);
}

/* Then the first finish, as edf. */
static void takes_the_first_finish(void **state)
{
    (void)state;
    struct world w;
    two_variants(&w, "least-slack");
    world_arrive(&w, 0, "a1", CVG_MS(100));
    world_arrive(&w, CVG_MS(50), "a0", CVG_MS(100));
    world_run_until(&w, CVG_MS(70));
    CHECK_TRACE(&w, "[   0] start r1 best on d0\n"
                    "[  40] reply r1\n"
                    "[  50] start r2 quick on d0\n"
                    "[  55] reply r2\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(less_slack_goes_first),
        cmocka_unit_test(edf_would_not),
        cmocka_unit_test(no_deadline_goes_last),
        cmocka_unit_test(takes_the_first_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

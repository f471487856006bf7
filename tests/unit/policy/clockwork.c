/* clockwork: of the models that a unit has loaded, the batch that must start
 * first; another is loaded only for work that nobody else gets done in time;
 * one batch at a time (Clockwork, OSDI 2020). */
#include "support/world.h"

static void two_variants(struct world *w, enum cvg_discipline discipline,
                         uint32_t in_flight)
{
    world_init(w);
    world_device(w, "d0", discipline, 1, in_flight);
    world_variant(w, "small", 0.8);
    world_variant(w, "large", 0.9);
    world_profile(w, "small", "d0", 1, 10, 5);
    world_profile(w, "large", "d0", 1, 30, 20);
    world_app(w, "easy");
    world_slo_accuracy(world_app(w, "hard"), 0.85);
    world_slo_accuracy(&w->box->apps[0], 0.7);
    world_start(w, "clockwork");
}

/* r3 is due later than r2, but takes longer: it must start by 31, r2 by 45. */
static void what_must_start_first(void **state)
{
    (void)state;
    struct world w;
    two_variants(&w, CVG_FCFS, 1);
    world_arrive(&w, 0, "easy", CVG_MS(100));
    world_arrive(&w, CVG_MS(1), "easy", CVG_MS(55));
    world_arrive(&w, CVG_MS(2), "hard", CVG_MS(60));
    world_run_until(&w, CVG_MS(80));
    CHECK_TRACE(&w, "[   0] start r1 small on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r3 large on d0\n"
                    "[  40] reply r3\n"
                    "[  40] start r2 small on d0\n"
                    "[  50] reply r2\n");
    world_fini(&w);
}

/* Side by side both would take longer. */
static void one_at_a_time(void **state)
{
    (void)state;
    struct world w;
    two_variants(&w, CVG_PROCESSOR_SHARING, 2);
    world_arrive(&w, 0, "easy", CVG_MS(100));
    world_arrive(&w, CVG_MS(1), "easy", CVG_MS(100));
    world_run_until(&w, CVG_MS(80));
    CHECK_TRACE(&w, "[   0] start r1 small on d0\n"
                    "[  10] reply r1\n"
                    "[  10] start r2 small on d0\n"
                    "[  20] reply r2\n");
    world_fini(&w);
}

/* What runs in order is queued ahead. */
static void work_ahead(void **state)
{
    (void)state;
    struct world w;
    two_variants(&w, CVG_FCFS, 2);
    world_arrive(&w, 0, "easy", CVG_MS(100));
    world_arrive(&w, CVG_MS(1), "easy", CVG_MS(100));
    world_run_until(&w, CVG_MS(80));
    CHECK_TRACE(&w, "[   0] start r1 small on d0\n"
                    "[   1] start r2 small on d0\n"
                    "[  10] reply r1\n"
                    "[  20] reply r2\n");
    world_fini(&w);
}

/* Two units that switch; `small` is loaded on both. */
static void two_that_switch(struct world *w)
{
    world_init(w);
    for (int i = 0; i < 2; i++) {
        struct cvg_device *d =
            world_device(w, i == 0 ? "t0" : "t1", CVG_FCFS, 1, 1);
        d->has_switch = true;
        d->switch_fixed = CVG_MS(20);
    }
    world_variant(w, "small", 0.8);
    world_variant(w, "large", 0.9);
    world_profile(w, "small", "t0", 1, 5, 5);
    world_profile(w, "small", "t1", 1, 5, 5);
    world_profile(w, "large", "t0", 1, 10, 5);
    world_profile(w, "large", "t1", 1, 10, 5);
    world_app(w, "easy");
    world_slo_accuracy(world_app(w, "hard"), 0.85);
    world_slo_accuracy(&w->box->apps[0], 0.7);
    world_start(w, "clockwork");
    struct cvg_arrival small = {.app = 0, .variant = 0};
    world_arrive_with(w, 0, &small);
    world_run_until(w, CVG_MS(100));
    w->used = 0;
    w->trace[0] = '\0';
}

/* r3 is met by the unit that loads it for r2. */
static void no_load_for_what_is_met(void **state)
{
    (void)state;
    struct world w;
    two_that_switch(&w);
    world_arrive(&w, CVG_MS(100), "hard", CVG_MS(80));
    world_arrive(&w, CVG_MS(101), "hard", CVG_MS(80));
    world_run_until(&w, CVG_MS(200));
    CHECK_TRACE(&w, "[ 100] start r2 large on t0\n"
                    "[ 130] reply r2\n"
                    "[ 130] start r3 large on t0\n"
                    "[ 140] reply r3\n");
    world_fini(&w);
}

/* One unit would get two of them done in time. */
static void a_load_for_what_is_not(void **state)
{
    (void)state;
    struct world w;
    two_that_switch(&w);
    for (int i = 0; i < 6; i++) {
        world_arrive(&w, CVG_MS(100), "hard", CVG_MS(45));
    }
    world_run_until(&w, CVG_MS(200));
    CHECK_TRACE(&w, "[ 100] start r2 large on t0\n"
                    "[ 100] start r3 large on t1\n"
                    "[ 130] reply r2\n"
                    "[ 130] start r4 large on t0\n"
                    "[ 130] reply r3\n"
                    "[ 130] start r5 large on t1\n"
                    "[ 135] dropped r6 deadline\n"
                    "[ 135] dropped r7 deadline\n"
                    "[ 140] reply r4\n"
                    "[ 140] reply r5\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_start_first),
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(work_ahead),
        cmocka_unit_test(no_load_for_what_is_met),
        cmocka_unit_test(a_load_for_what_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

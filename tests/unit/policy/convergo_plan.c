/* convergo follows a plan: what it does ahead of need, at other devices than
 * those that the plan names, and when a device or all guarantees cannot be had.
 * What must come out, not how. */
#include "support/tally.h"

static void on_time(const struct tally *t, uint32_t app, uint64_t least)
{
    uint64_t n = t->served[app] - t->late[app];
    if (n < least) {
        fail_msg("app %u: %u on time, not %u", app, (unsigned)n,
                 (unsigned)least);
    }
}

/* A TPU that pays for changing the variant and keeps one. */
static void add_tpu(struct world *w, cvg_span change)
{
    struct cvg_device *d = world_device(w, "tpu", CVG_FCFS, 1, 1);
    d->has_cache = d->has_switch = true;
    d->cache_bytes = 1 << 20;
    d->switch_fixed = change;
}

/* "a0" wants little energy, that is "fair"; "a1" accuracy, that is "good". */
static void fair_and_good(struct world *w, const char *device, double fair_ms,
                          double good_ms)
{
    world_variant(w, "fair", 0.8);
    world_variant(w, "good", 0.9);
    world_profile(w, "fair", device, 1, fair_ms, 4);
    world_profile(w, "good", device, 1, good_ms, 10);
    struct cvg_app *a0 = world_app(w, "a0");
    world_slo_energy(a0, 5);
    world_slo_deadline(a0, CVG_MS(100));
    struct cvg_app *a1 = world_app(w, "a1");
    world_slo_accuracy(a1, 0.9);
    world_slo_deadline(a1, CVG_MS(20));
}

/* --- ahead of need -------------------------------------------------------- */

/* The TPU keeps "fair" for a0 until a0 has gone and a1 comes. No request of a1
 * can wait for the switch: it is made for none of them. */
static void switches_before_anybody_could_wait(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    add_tpu(&w, CVG_MS(30));
    fair_and_good(&w, "tpu", 5, 5);
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "a0", 0, CVG_MS(20), 150); /* 3 s */
    tally_arrivals(&w, "a1", CVG_S(3), CVG_MS(20), 250);
    world_run_until(&w, CVG_S(10));
    on_time(&t, 0, 147);
    on_time(&t, 1, 200); /* the first second is for measuring and planning */
    world_fini(&w);
}

/* d1 holds "fair" only; when a0 has gone and a1 needs both devices, "good" is
 * loaded there, though each request by itself could be served by d0. */
static void loads_what_the_plan_runs(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1)->resident = 1;
    world_device(&w, "d1", CVG_FCFS, 1, 1)->resident = 1;
    world_variant(&w, "fair", 0.8);
    world_variant(&w, "good", 0.9);
    for (int d = 0; d < 2; d++) {
        world_profile(&w, "fair", d == 0 ? "d0" : "d1", 1, 5, 0);
        world_profile(&w, "good", d == 0 ? "d0" : "d1", 1, 10, 0);
        cvg_profile_set_load(w.box->profile, 1, (uint32_t)d, CVG_MS(300));
    }
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(50));
    world_slo_throughput(&w.box->apps[0], 150);
    struct cvg_app *a1 = world_app(&w, "a1");
    world_slo_accuracy(a1, 0.9);
    world_slo_deadline(a1, CVG_MS(50));
    world_slo_throughput(a1, 60);
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "a0", 0, CVG_US(6667), 450); /* 150/s, 3 s */
    tally_arrivals(&w, "a1", 0, CVG_US(16667), 180);
    world_run_until(&w, CVG_S(3));
    on_time(&t, 0, 430);
    on_time(&t, 1, 170);
    /* 166/s: one device serves 100. */
    tally_arrivals(&w, "a1", CVG_S(3) + 1, CVG_MS(6), 1000);
    world_run_until(&w, CVG_S(10));
    on_time(&t, 1, 180 + 800);
    world_fini(&w);
}

/* The plan has "quick" there. A request that names "slow" has that loaded in
 * its place, and who comes then takes what is there: the cheaper home on the
 * other unit is none before "quick" is back. */
static void nobody_waits_for_what_is_not_in_memory(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 2, 1)->resident = 1;
    world_variant(&w, "slow", 0.8);
    world_variant(&w, "quick", 0.9);
    world_profile(&w, "slow", "d0", 1, 12, 0);
    world_profile(&w, "quick", "d0", 1, 6, 0);
    world_slo_accuracy(world_app(&w, "a0"), 0.7);
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "a0", 0, CVG_MS(20), 120);
    struct cvg_arrival named = {.app = 0, .variant = 0};
    world_arrive_with(&w, CVG_MS(1309), &named);
    world_run_until(&w, CVG_S(4));
    assert_int_equal(t.served[0], 121);
    assert_true(t.longest_wait[0] <= CVG_MS(50));
    world_fini(&w);
}

/* --- spilling, harm ------------------------------------------------------- */

/* a0 is at home on d0 (5 ms), a1 on d1 (10 ms), which runs a0 in 20 ms. Twice a
 * second twenty of a0 come at once, of which d0 serves eleven in time. */
static void burst_beside(struct tally *t, struct world *w, cvg_span deadline)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_device(w, "d1", CVG_FCFS, 1, 1);
    world_variant(w, "fair", 0.8);
    world_variant(w, "good", 0.9);
    world_profile(w, "fair", "d0", 1, 5, 1);
    world_profile(w, "fair", "d1", 1, 20, 1);
    world_profile(w, "good", "d1", 1, 10, 10);
    struct cvg_app *a0 = world_app(w, "a0");
    world_slo_deadline(a0, CVG_MS(60));
    world_slo_energy(a0, 5);
    struct cvg_app *a1 = world_app(w, "a1");
    world_slo_deadline(a1, deadline);
    world_slo_accuracy(a1, 0.9);
    a1->weight = 4;
    tally_begin(t, w, "convergo");
    tally_arrivals(w, "a0", 0, CVG_MS(20), 50);
    tally_arrivals(w, "a1", CVG_MS(1), CVG_US(16667), 600);
    for (int k = 0; k < 16; k++) {
        tally_arrivals(w, "a0", CVG_S(1) + k * CVG_MS(503), 0, 20);
    }
    world_run_until(w, CVG_S(12));
}

static void spills_where_there_is_time(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    burst_beside(&t, &w, CVG_MS(200));
    assert_true(t.served_on[0][1] >= 12);
    on_time(&t, 0, 50 + 16 * 12);
    on_time(&t, 1, 598);
    world_fini(&w);
}

static void spills_not_into_urgent_requests(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    burst_beside(&t, &w, CVG_MS(22));
    on_time(&t, 1, 595);
    on_time(&t, 0, 50 + 16 * 10);
    world_fini(&w);
}

/* A rare job of 200 ms has only the CPU, as the plan wants it, where urgent
 * requests are at home, too. Their other home is busy with patient ones, which
 * give way for that long. */
static void patient_requests_make_room_elsewhere(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "cpu", CVG_FCFS, 1, 1);
    world_device(&w, "npu", CVG_FCFS, 1, 1);
    world_variant(&w, "fair", 0.7);
    world_variant(&w, "good", 0.8);
    world_variant(&w, "best", 0.9);
    world_profile(&w, "fair", "cpu", 1, 20, 0);
    world_profile(&w, "fair", "npu", 1, 15, 0);
    world_profile(&w, "good", "npu", 1, 15, 0);
    world_profile(&w, "best", "cpu", 1, 200, 0);
    struct cvg_app *urgent = world_app(&w, "urgent");
    world_slo_deadline(urgent, CVG_MS(80));
    world_slo_accuracy(urgent, 0.7);
    struct cvg_app *patient = world_app(&w, "patient");
    world_slo_deadline(patient, CVG_MS(400));
    world_slo_accuracy(patient, 0.8);
    struct cvg_app *rare = world_app(&w, "rare");
    world_slo_deadline(rare, CVG_S(1));
    world_slo_accuracy(rare, 0.9);
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "urgent", 0, CVG_MS(28), 700);
    tally_arrivals(&w, "patient", CVG_MS(5), CVG_MS(24), 820);
    tally_arrivals(&w, "rare", CVG_MS(9), CVG_MS(850), 23);
    world_run_until(&w, CVG_S(22));
    on_time(&t, 0, 680);
    on_time(&t, 1, 810);
    on_time(&t, 2, 15);
    world_fini(&w);
}

/* Two batches run at once on a shared device. A long one of 80 ms in each would
 * leave the urgent app outside for longer than it can wait. */
static void long_batches_leave_a_slot(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "gpu", CVG_PROCESSOR_SHARING, 1, 2);
    world_variant(&w, "fair", 0.8);
    world_variant(&w, "good", 0.9);
    world_profile(&w, "fair", "gpu", 1, 4, 0);
    world_profile(&w, "good", "gpu", 1, 20, 0);
    world_profile(&w, "good", "gpu", 16, 80, 0);
    struct cvg_app *urgent = world_app(&w, "urgent");
    world_slo_deadline(urgent, CVG_MS(20));
    world_slo_accuracy(urgent, 0.7);
    urgent->weight = 4;
    struct cvg_app *patient = world_app(&w, "patient");
    world_slo_deadline(patient, CVG_MS(200));
    world_slo_accuracy(patient, 0.9);
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "urgent", CVG_MS(3), CVG_MS(20), 400);
    for (int k = 0; k < 20; k++) { /* 80/s, less than half of what it can do */
        tally_arrivals(&w, "patient", CVG_S(1) + k * CVG_MS(401), 0, 32);
    }
    world_run_until(&w, CVG_S(10));
    on_time(&t, 0, 380);
    on_time(&t, 1, 420);
    world_fini(&w);
}

/* Two at a time: the second waits 4 ms for the CPU to be free rather than have
 * the GPU run it alone, for which that takes 12 ms and its power is made for
 * batches. */
static void a_cheaper_home_is_waited_for(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "cpu", CVG_FCFS, 1, 1);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "cpu", 1, 4, 0);
    world_profile(&w, "v0", "gpu", 1, 12, 0);
    world_profile(&w, "v0", "gpu", 8, 16, 0);
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(80));
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "a0", 0, CVG_MS(40), 200);
    tally_arrivals(&w, "a0", CVG_US(1), CVG_MS(40), 200);
    world_run_until(&w, CVG_S(1)); /* it has its plan by then */
    uint64_t before = t.by_device[1];
    world_run_until(&w, CVG_S(10));
    assert_int_equal(t.by_device[1], before);
    on_time(&t, 0, 400);
    world_fini(&w);
}

/* --- guaranteed throughput ------------------------------------------------ */

/* Two are guaranteed 60/s each, there is room for 100/s: one of them has its
 * windows whole. */
static void one_of_two_guarantees_is_held(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 0);
    for (int a = 0; a < 2; a++) {
        struct cvg_app *app = world_app(&w, a == 0 ? "a0" : "a1");
        world_slo_deadline(app, CVG_MS(100));
        world_slo_throughput(app, 60);
    }
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "a0", 0, CVG_US(16667), 600);
    tally_arrivals(&w, "a1", CVG_MS(5), CVG_US(16667), 600);
    world_run_until(&w, CVG_S(12));
    double a0 = tally_joint(&w, 0);
    double a1 = tally_joint(&w, 1);
    assert_true((a0 > a1 ? a0 : a1) >= 0.9);
    assert_true(t.served[0] + t.served[1] >= 900); /* nothing is wasted */
    world_fini(&w);
}

/* Each request of "heavy" is worth more than one of "rated", but with one too
 * few of these all of a window are lost. */
static void a_window_that_is_behind_goes_first(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 0);
    struct cvg_app *rated = world_app(&w, "rated");
    world_slo_deadline(rated, CVG_MS(60));
    world_slo_throughput(rated, 50);
    world_slo_deadline(world_app(&w, "heavy"), CVG_MS(60));
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "rated", 0, CVG_MS(20), 500);
    tally_arrivals(&w, "heavy", CVG_MS(3), CVG_US(7692), 1300); /* 130/s */
    world_run_until(&w, CVG_S(12));
    assert_true(tally_joint(&w, 0) >= 0.85);
    world_fini(&w);
}

/* --- a box that changes --------------------------------------------------- */

/* The fast device goes for three seconds: the slow one serves what it can,
 * and all goes on where it was when the fast one is back. */
static void a_device_is_lost(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "fast", CVG_FCFS, 1, 1);
    world_device(&w, "slow", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "fast", 1, 4, 0);
    world_profile(&w, "v0", "slow", 1, 12, 0);
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(50));
    world_slo_deadline(world_app(&w, "a1"), CVG_MS(100));
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "a0", 0, CVG_MS(25), 400); /* 40/s each, 10 s */
    tally_arrivals(&w, "a1", CVG_MS(4), CVG_MS(25), 400);
    world_device_state(&w, CVG_S(3), "fast", false);
    world_device_state(&w, CVG_S(6), "fast", true);
    world_run_until(&w, CVG_MS(2999));
    uint64_t first = t.by_device[0];
    assert_true(first > 0);
    world_run_until(&w, CVG_MS(5999));
    assert_true(t.by_device[0] <= first + 1);
    on_time(&t, 0, 238 - 15);
    on_time(&t, 1, 238 - 15);
    world_run_until(&w, CVG_S(12));
    assert_true(t.by_device[0] >= 2 * first - 50);
    on_time(&t, 0, 400 - 15);
    on_time(&t, 1, 400 - 15);
    world_fini(&w);
}

/* --- nobody starves ------------------------------------------------------- */

/* "modest" asks for accuracy and can wait; what it is worth is nothing beside
 * "greedy", which wants all of the device and more. */
static void nobody_starves_whatever_he_is_worth(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "d0", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "d0", 1, 10, 0);
    world_slo_deadline(world_app(&w, "greedy"), CVG_MS(40));
    struct cvg_app *modest = world_app(&w, "modest");
    world_slo_accuracy(modest, 0.9);
    modest->weight = 0.001;
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "greedy", 0, CVG_MS(8), 2500); /* 125 % for 20 s */
    tally_arrivals(&w, "modest", CVG_MS(5), CVG_S(2), 10);
    world_run_until(&w, CVG_S(20));
    assert_true(t.served[1] >= 9);
    assert_true(t.longest_wait[1] <= CVG_S(5));
    on_time(&t, 0, 1900);
    world_fini(&w);
}

/* An app without SLO is in no plan. What is left over is its own. */
static void an_app_without_plan(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    add_tpu(&w, CVG_MS(20));
    world_device(&w, "cpu", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.8);
    world_variant(&w, "v1", 0.9);
    for (int v = 0; v < 2; v++) {
        world_profile(&w, v == 0 ? "v0" : "v1", "tpu", 1, 5, 0);
        world_profile(&w, v == 0 ? "v0" : "v1", "cpu", 1, 15, 0);
    }
    struct cvg_app *a0 = world_app(&w, "a0");
    world_slo_deadline(a0, CVG_MS(30));
    world_slo_accuracy(a0, 0.9);
    world_app(&w, "best-effort");
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "best-effort", 0, CVG_MS(20), 400);
    world_run_until(&w, CVG_S(4)); /* alone */
    assert_true(t.longest_wait[1] <= CVG_MS(100));
    tally_arrivals(&w, "a0", CVG_S(4), CVG_MS(10), 400);
    world_run_until(&w, CVG_S(12));
    assert_int_equal(t.served[1], 400);
    on_time(&t, 0, 380);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switches_before_anybody_could_wait),
        cmocka_unit_test(loads_what_the_plan_runs),
        cmocka_unit_test(nobody_waits_for_what_is_not_in_memory),
        cmocka_unit_test(spills_where_there_is_time),
        cmocka_unit_test(spills_not_into_urgent_requests),
        cmocka_unit_test(patient_requests_make_room_elsewhere),
        cmocka_unit_test(long_batches_leave_a_slot),
        cmocka_unit_test(a_cheaper_home_is_waited_for),
        cmocka_unit_test(one_of_two_guarantees_is_held),
        cmocka_unit_test(a_window_that_is_behind_goes_first),
        cmocka_unit_test(a_device_is_lost),
        cmocka_unit_test(nobody_starves_whatever_he_is_worth),
        cmocka_unit_test(an_app_without_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

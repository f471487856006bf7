/* convergo: all SLOs of all apps together. What must come out, not how: the
 * policy may change its ways. */
#include "base/rng.h"
#include "support/tally.h"

/* --- energy --------------------------------------------------------------- */

/* Alone a request costs 10 mJ, four together 16: the bound of 5 mJ wants a
 * batch of four (of 4 mJ each), or three of 14/3 mJ. */
static void energy_bound_makes_a_batch(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "gpu", 1, 10, 10);
    world_profile(&w, "v0", "gpu", 4, 16, 16);
    struct cvg_app *app = world_app(&w, "a0");
    world_slo_energy(app, 5);
    world_slo_deadline(app, CVG_MS(100));
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "a0", 0, CVG_MS(8), 200);
    world_run_until(&w, CVG_S(3));
    assert_true(t.most_energy[0] <= 0.005 + 1e-9);
    assert_true(t.served[0] >= 190);
    assert_true(tally_joint(&w, 0) >= 0.95);
    world_fini(&w);
}

/* Or another device: the gpu is faster, the tpu needs a tenth. */
static void energy_bound_takes_another_device(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_device(&w, "tpu", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "gpu", 1, 5, 50);
    world_profile(&w, "v0", "tpu", 1, 20, 5);
    struct cvg_app *app = world_app(&w, "a0");
    world_slo_energy(app, 10);
    world_slo_deadline(app, CVG_MS(100));
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "a0", 0, CVG_MS(25), 100);
    world_run_until(&w, CVG_S(4));
    assert_int_equal(t.by_device[0], 0);
    assert_int_equal(t.by_device[1], 100);
    assert_true(tally_joint(&w, 0) == 1);
    world_fini(&w);
}

/* --- urgency -------------------------------------------------------------- */

/* Twenty patient ones wait; who is due soon goes next. */
static void urgent_before_patient(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "gpu", 1, 10, 10);
    world_slo_deadline(world_app(&w, "patient"), CVG_S(5));
    world_slo_deadline(world_app(&w, "urgent"), CVG_MS(25));
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "patient", 0, 0, 60);
    tally_arrivals(&w, "urgent", CVG_MS(3), CVG_MS(40), 15);
    world_run_until(&w, CVG_S(5));
    assert_int_equal(t.served[0], 60);
    assert_int_equal(t.served[1], 15);
    assert_int_equal(t.late[0], 0);
    assert_int_equal(t.late[1], 0);
    world_fini(&w);
}

/* A patient batch does not grow so long that an urgent app misses its
 * deadlines: it is bounded, or goes elsewhere. */
static void patient_batches_leave_room(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_device(&w, "cpu", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "gpu", 1, 4, 10);
    world_profile(&w, "v0", "gpu", 16, 40, 60);
    world_profile(&w, "v0", "cpu", 1, 18, 10);
    world_slo_deadline(world_app(&w, "patient"), CVG_S(1));
    world_slo_deadline(world_app(&w, "urgent"), CVG_MS(20));
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "patient", 0, CVG_MS(10), 200);
    tally_arrivals(&w, "urgent", CVG_MS(5), CVG_MS(50), 40);
    world_run_until(&w, CVG_S(5));
    assert_true(t.served[0] >= 195);
    assert_true(t.served[1] - t.late[1] >= 36);
    world_fini(&w);
}

/* --- no starvation -------------------------------------------------------- */

/* An app with deadlines asks for all of the device and more; one without any
 * is served all the same. */
static void nobody_starves(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "gpu", 1, 10, 10);
    world_slo_deadline(world_app(&w, "greedy"), CVG_MS(40));
    world_app(&w, "best-effort");
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "greedy", 0, CVG_MS(8), 2500); /* 125 % for 20 s */
    tally_arrivals(&w, "best-effort", CVG_MS(5), CVG_S(1), 10);
    world_run_until(&w, CVG_S(20));
    assert_true(t.served[1] >= 9);
    assert_true(t.longest_wait[1] <= CVG_S(5));
    world_run_until(&w, CVG_S(60));
    assert_int_equal(t.served[1], 10);
    world_fini(&w);
}

/* --- accuracy ------------------------------------------------------------- */

/* 140 requests/s: only quick (0.8, 5 ms) is fast enough for all, good (0.9,
 * 10 ms) for 100/s. Half of each is 0.85 and 133/s: a mean over the window of
 * 0.82 can be had, with a fifth of good ones (6 ms each: 166/s). */
static void mean_accuracy_over_a_window(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_variant(&w, "quick", 0.8);
    world_variant(&w, "good", 0.9);
    world_profile(&w, "quick", "gpu", 1, 5, 10);
    world_profile(&w, "good", "gpu", 1, 10, 10);
    struct cvg_app *app = world_app(&w, "a0");
    world_slo_accuracy(app, 0.82);
    world_slo_deadline(app, CVG_MS(100));
    app->accuracy_over = CVG_ACCURACY_PER_WINDOW;
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "a0", 0, CVG_US(7143), 1400);
    world_run_until(&w, CVG_S(15));
    assert_true(tally_joint(&w, 0) >= 0.9);
    world_fini(&w);
}

/* Of each answer: never less than asked for. */
static void accuracy_of_each_answer(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_variant(&w, "quick", 0.8);
    world_variant(&w, "good", 0.9);
    world_profile(&w, "quick", "gpu", 1, 5, 10);
    world_profile(&w, "good", "gpu", 1, 10, 10);
    struct cvg_app *app = world_app(&w, "a0");
    world_slo_accuracy(app, 0.85);
    world_slo_deadline(app, CVG_MS(60));
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "a0", 0, CVG_MS(9), 500); /* 111 %: some must be lost */
    world_run_until(&w, CVG_S(10));
    const struct cvg_app_stats *s = &world_finish(&w)->apps[0];
    assert_int_equal(s->served_by[0], 0);
    assert_true(s->slo.joint_met >= 430); /* 450 would fill the device */
    world_fini(&w);
}

/* Nobody asks for accuracy, nobody is short of time: the best there is costs
 * nothing. */
static void spare_time_buys_accuracy(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_variant(&w, "quick", 0.8);
    world_variant(&w, "good", 0.9);
    world_profile(&w, "quick", "gpu", 1, 5, 10);
    world_profile(&w, "good", "gpu", 1, 10, 10);
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(60));
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "a0", 0, CVG_MS(100), 20);
    world_run_until(&w, CVG_S(5));
    const struct cvg_app_stats *s = &world_finish(&w)->apps[0];
    assert_int_equal(s->slo.joint_met, 20);
    assert_int_equal(s->served_by[CVG_MAX_EXITS], 20);
    world_fini(&w);
}

/* --- full load ------------------------------------------------------------ */

/* Without batches two thirds would be lost; with them all fits. */
static void batches_carry_full_load(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    struct cvg_rng rng;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "gpu", 1, 10, 10);
    world_profile(&w, "v0", "gpu", 8, 24, 40); /* 333/s */
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(100));
    tally_begin(&t, &w, "convergo");
    cvg_rng_init(&rng, 1, 1, 1);
    cvg_time at = 0;
    for (int i = 0; i < 1500; i++) { /* 220/s */
        at += (cvg_span)(cvg_rng_exponential(&rng) * 4.54e6);
        world_arrive(&w, at, "a0", 0);
    }
    world_run_until(&w, CVG_S(20));
    assert_true(t.largest_batch == 8);
    assert_true(tally_joint(&w, 0) >= 0.97);
    world_fini(&w);
}

/* A guaranteed rate in overload: the app that has none gives way. */
static void throughput_is_kept(void **state)
{
    (void)state;
    struct world w;
    struct tally t;
    world_init(&w);
    world_device(&w, "gpu", CVG_FCFS, 1, 1);
    world_variant(&w, "v0", 0.9);
    world_profile(&w, "v0", "gpu", 1, 10, 10);
    struct cvg_app *rated = world_app(&w, "rated");
    world_slo_throughput(rated, 60);
    world_slo_deadline(rated, CVG_MS(80));
    world_app(&w, "best-effort");
    tally_begin(&t, &w, "convergo");
    tally_arrivals(&w, "rated", 0, CVG_US(16667), 600);
    tally_arrivals(&w, "best-effort", CVG_MS(3), CVG_MS(12), 800); /* 83/s */
    world_run_until(&w, CVG_S(11));
    assert_true(tally_joint(&w, 0) >= 0.9);
    assert_true(t.served[1] >= 250); /* what is left: 40/s */
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(energy_bound_makes_a_batch),
        cmocka_unit_test(energy_bound_takes_another_device),
        cmocka_unit_test(urgent_before_patient),
        cmocka_unit_test(patient_batches_leave_room),
        cmocka_unit_test(nobody_starves),
        cmocka_unit_test(mean_accuracy_over_a_window),
        cmocka_unit_test(accuracy_of_each_answer),
        cmocka_unit_test(spare_time_buys_accuracy),
        cmocka_unit_test(batches_carry_full_load),
        cmocka_unit_test(throughput_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The simulator against queueing theory: mean response times of queues that
 * have closed forms, within 2 % on long runs. */
#include "base/histogram.h"
#include "support/queues.h"
#include <convergo/stats.h>
#include <math.h>
#include <stdio.h>

#define WITHIN 0.02
#define LONG 250000

static void assert_mean(double ms, double theory_ms)
{
    double off = ms / theory_ms - 1;
    printf("      %8.3f ms, by theory %8.3f: %+.2f %%\n", ms, theory_ms,
           100 * off);
    if (!(fabs(off) <= WITHIN)) {
        fail_msg("%g ms is not within %g %% of %g ms", ms, 100 * WITHIN,
                 theory_ms);
    }
}

/* Mean response of M/G/1 (Pollaczek and Khinchine). */
static double mg1_ms(double rate_rps, double mean_ms, double square_ms2)
{
    double rate = rate_rps / 1e3, load = rate * mean_ms;
    return mean_ms + rate * square_ms2 / (2 * (1 - load));
}

/* One device, one app; variants are to come. */
static void begin(struct world *w, enum cvg_discipline discipline,
                  uint32_t in_flight)
{
    world_init(w);
    world_device(w, "d0", discipline, 1, in_flight);
}

/* --- arrivals drawn by the workload --------------------------------------- */

static double poisson_mean_ms(struct world *w, double rate_rps, double load)
{
    struct cvg_stream stream = {.process = CVG_POISSON,
                                .rate_rps = rate_rps / load};
    struct cvg_workload workload = {.duration =
                                        (cvg_span)(LONG / rate_rps * 1e9),
                                    .streams = &stream,
                                    .n_streams = 1};
    world_app(w, "a0");
    assert_int_equal(cvg_policy_parse("fifo", NULL, &w->policy, NULL), CVG_OK);
    assert_int_equal(cvg_profile_finish(w->box->profile, NULL), CVG_OK);
    struct cvg_sim_options options = {.box = w->box,
                                      .workload = &workload,
                                      .policy = &w->policy,
                                      .load = load,
                                      .seed = 1};
    assert_int_equal(cvg_sim_create(&options, &w->sim, NULL), CVG_OK);
    cvg_sim_run(w->sim);
    return queues_mean_ms(w, 0);
}

static void md1(void **state)
{
    (void)state;
    for (double rate = 30; rate < 100; rate += 20) {
        struct world w;
        begin(&w, CVG_FCFS, 1);
        world_variant(&w, "v0", 0.9);
        world_profile(&w, "v0", "d0", 1, 10, 0);
        assert_mean(poisson_mean_ms(&w, rate, 2), mg1_ms(rate, 10, 100));
        world_fini(&w);
    }
}

/* Service times of a profile with a spread, whose moments are those of what it
 * draws. */
static void mg1(void **state)
{
    (void)state;
    struct world w;
    begin(&w, CVG_FCFS, 1);
    world_variant(&w, "v0", 0.9);
    assert_int_equal(cvg_profile_create(1, 1, &w.box->profile, NULL), CVG_OK);
    struct cvg_profile_point point = {.batch = 1,
                                      .mean = CVG_MS(10),
                                      .p50 = CVG_MS(8),
                                      .p95 = CVG_MS(18),
                                      .p99 = CVG_MS(28)};
    assert_int_equal(cvg_profile_add(w.box->profile, 0, 0, 0, &point, NULL),
                     CVG_OK);
    assert_int_equal(cvg_profile_finish(w.box->profile, NULL), CVG_OK);
    double mean = 0, square = 0;
    const int n = 100000;
    for (int i = 0; i < n; i++) {
        double ms = (double)cvg_profile_draw(w.box->profile, 0, 0, 0, 1,
                                             (i + 0.5) / n) /
                    1e6;
        mean += ms / n;
        square += ms * ms / n;
    }
    assert_true(fabs(mean - 10) < 0.001);
    assert_true(square > 120); /* no constant */
    assert_mean(poisson_mean_ms(&w, 70, 1), mg1_ms(70, mean, square));
    world_fini(&w);
}

/* --- arrivals of classes -------------------------------------------------- */

/* Exponential service: a mixture of 256 constant times, each the mean of its
 * 256th of the distribution. The second moment is right to 0.4 %. */
static void mm1(void **state)
{
    (void)state;
    enum { N = 256 };
    double rates[N];
    struct world w;
    begin(&w, CVG_FCFS, 1);
    for (int i = 0; i < N; i++) {
        char name[16];
        snprintf(name, sizeof name, "v%d", i);
        world_variant(&w, name, 0.9);
        rates[i] = 70.0 / N;
    }
    for (int i = 0; i < N; i++) {
        double a = -log(1 - (double)i / N), b = -log(1 - (i + 1.0) / N);
        double above_a = (a + 1) * exp(-a);
        double above_b = i + 1 < N ? (b + 1) * exp(-b) : 0;
        queues_class(&w, w.box->variants[i].name, 10 * N * (above_a - above_b),
                     0);
    }
    world_app(&w, "a0");
    queues_run(&w, rates, N, 2 * LONG, 4);
    assert_mean(queues_mean_ms(&w, 0), 1e3 / (100 - 70)); /* 1 / (mu - l) */
    world_fini(&w);
}

/* Two models that are equal take turns on a device that holds one. Whether a
 * request has to switch is then a fair coin, independent of the one before, and
 * the queue is M/G/1 with service 10 ms, or 25 ms. */
static void switching(void **state)
{
    (void)state;
    struct world w;
    const double rates[] = {20, 20};
    begin(&w, CVG_FCFS, 1);
    w.box->devices[0].has_switch = true;
    world_variant(&w, "v0", 0.9);
    world_variant(&w, "v1", 0.9);
    queues_class(&w, "v0", 10, 15);
    queues_class(&w, "v1", 10, 15);
    world_app(&w, "a0");
    queues_run(&w, rates, 2, LONG, 3);
    assert_mean(queues_mean_ms(&w, 0), mg1_ms(40, 17.5, (100 + 625) / 2.0));
    world_fini(&w);
}

/* Two unequal ones, by the formula of Ibis (Liang et al., ACM TAAS 18(1),
 * 2023): S_i = s_i + p_i o_i with p_i the chance that another model came
 * before. It takes a class' switches for independent, and their mean for each
 * of them. */
static void switching_of_unequal_models(void **state)
{
    (void)state;
    struct world w;
    const double rates[] = {8, 12};
    const double s[] = {30, 20}, o[] = {6, 5};
    double effective[2], mean = 0, square = 0;
    begin(&w, CVG_FCFS, 1);
    w.box->devices[0].has_switch = true;
    world_variant(&w, "v0", 0.9);
    world_variant(&w, "v1", 0.9);
    queues_class(&w, "v0", s[0], o[0]);
    queues_class(&w, "v1", s[1], o[1]);
    world_app(&w, "a0");
    world_app(&w, "a1");
    queues_run(&w, rates, 2, LONG, 1);
    for (int i = 0; i < 2; i++) {
        double share = rates[i] / 20;
        effective[i] = s[i] + (1 - share) * o[i];
        mean += share * effective[i];
        square += share * effective[i] * effective[i];
    }
    double wait = mg1_ms(20, mean, square) - mean;
    assert_mean(queues_mean_ms(&w, 0), effective[0] + wait);
    assert_mean(queues_mean_ms(&w, 1), effective[1] + wait);
    world_fini(&w);
}

/* M/G/1 by processor sharing: each class is slower by 1 / (1 - load), whatever
 * its own length. */
static void mg1_ps(void **state)
{
    (void)state;
    struct world w;
    const double rates[] = {15, 2.4};
    const double s[] = {10.8, 82.9};
    double load = (rates[0] * s[0] + rates[1] * s[1]) / 1e3;
    begin(&w, CVG_PROCESSOR_SHARING, CVG_MAX_IN_FLIGHT);
    world_variant(&w, "v0", 0.9);
    world_variant(&w, "v1", 0.9);
    queues_class(&w, "v0", s[0], 0);
    queues_class(&w, "v1", s[1], 0);
    world_app(&w, "a0");
    world_app(&w, "a1");
    queues_run(&w, rates, 2, LONG, 2);
    assert_mean(queues_mean_ms(&w, 0), s[0] / (1 - load));
    assert_mean(queues_mean_ms(&w, 1), s[1] / (1 - load));
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(md1),
        cmocka_unit_test(mg1),
        cmocka_unit_test(mm1),
        cmocka_unit_test(switching),
        cmocka_unit_test(switching_of_unequal_models),
        cmocka_unit_test(mg1_ps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

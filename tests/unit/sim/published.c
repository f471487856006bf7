/* The simulator against measurements of real hardware: 35 mean response times
 * of an Edge TPU on which two or three models take turns.
 *
 * From the data of Ibis (Liang et al., Model-driven Cluster Resource Management
 * for AI Workloads in Edge Clouds, ACM TAAS 18(1), 2023; github umassos/ibis,
 * MIT licence): measured is the mean of the raw samples, service and switch
 * times are those of its notebooks. Poisson arrivals, first come first served,
 * one request at a time; every change of model is a switch. */
#include "support/queues.h"
#include <math.h>
#include <stdio.h>

#define REQUESTS 100000 /* of each mix */
#define MEAN_WITHIN 0.04
#define EACH_WITHIN 0.15 /* the closed formula is off by up to 13.5 % */

static const struct {
    const char *name;
    double service_ms, switch_ms;
} models[] = {
    {"efficientnet-l", 42.18, 17.53},   {"inception-v3", 62.95, 19.39},
    {"inception-v4", 125.13, 19.43},    {"mobilenet-v2", 4.91, 10.43},
    {"ssd-mobilenet-v2", 19.23, 24.63},
};
enum { EL, V3, V4, MN2, SSD2, MODELS };

struct measured {
    int model;
    double rate_rps, mean_ms;
};

#define MOST 3
static const struct {
    const char *name;
    struct measured rows[MOST];
} mixes[] = {
    {"A1", {{EL, 1.674, 98.12}, {V3, 2.428, 118.72}, {V4, 1.382, 176.24}}},
    {"A2", {{EL, 3.348, 106.55}, {V3, 2.428, 138.60}, {V4, 1.382, 202.15}}},
    {"A3", {{EL, 5.022, 123.49}, {V3, 2.428, 151.99}, {V4, 1.382, 206.44}}},
    {"A4", {{EL, 6.696, 150.16}, {V3, 2.428, 177.79}, {V4, 1.382, 241.97}}},
    {"A5", {{EL, 8.370, 189.84}, {V3, 2.428, 213.97}, {V4, 1.382, 291.12}}},
    {"B1", {{V3, 1.214, 88.35}, {SSD2, 7.149, 34.17}}},
    {"B2", {{V3, 2.428, 89.22}, {SSD2, 7.149, 43.69}}},
    {"B3", {{V3, 3.642, 99.74}, {SSD2, 7.149, 53.41}}},
    {"B4", {{V3, 4.856, 116.44}, {SSD2, 7.149, 69.93}}},
    {"B5", {{V3, 6.070, 126.08}, {SSD2, 7.149, 87.21}}},
    {"C1", {{V4, 0.691, 160.09}, {MN2, 16.620, 16.66}}},
    {"C2", {{V4, 1.382, 163.41}, {MN2, 16.620, 28.68}}},
    {"C3", {{V4, 2.073, 176.13}, {MN2, 16.620, 44.23}}},
    {"C4", {{V4, 2.764, 209.29}, {MN2, 16.620, 71.33}}},
    {"C5", {{V4, 3.455, 239.04}, {MN2, 16.620, 100.03}}},
};

struct errors {
    int n;
    double sum, worst;
};

static void simulate(const struct measured *rows, struct world *w)
{
    double rates[MOST];
    size_t n = 0;
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1)->has_switch = true;
    for (; n < MOST && rows[n].rate_rps > 0; n++) {
        world_variant(w, models[rows[n].model].name, 0.9);
        rates[n] = rows[n].rate_rps;
    }
    for (size_t i = 0; i < n; i++) {
        queues_class(w, models[rows[i].model].name,
                     models[rows[i].model].service_ms,
                     models[rows[i].model].switch_ms);
        world_app(w, models[rows[i].model].name);
    }
    queues_run(w, rates, n, REQUESTS, 1);
}

static void compare(const char *mix, const struct measured *row, double ms,
                    struct errors *errors)
{
    double off = ms / row->mean_ms - 1;
    printf("      %s  %-16s  %6.3f/s  measured %6.2f ms, simulated %6.2f: "
           "%+5.1f %%\n",
           mix, models[row->model].name, row->rate_rps, row->mean_ms, ms,
           100 * off);
    errors->n++;
    errors->sum += fabs(off);
    errors->worst = fmax(errors->worst, fabs(off));
}

static void an_edge_tpu_with_several_models(void **state)
{
    (void)state;
    struct errors errors = {0};
    for (size_t m = 0; m < sizeof mixes / sizeof *mixes; m++) {
        struct world w;
        simulate(mixes[m].rows, &w);
        for (size_t i = 0; i < w.box->n_apps; i++) {
            compare(mixes[m].name, &mixes[m].rows[i], queues_mean_ms(&w, i),
                    &errors);
        }
        world_fini(&w);
    }
    double mean = errors.sum / errors.n;
    printf("      %d measurements: off by %.2f %% on average, %.1f %% at "
           "worst\n",
           errors.n, 100 * mean, 100 * errors.worst);
    assert_int_equal(errors.n, 35);
    assert_true(mean <= MEAN_WITHIN);
    assert_true(errors.worst <= EACH_WITHIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edge_tpu_with_several_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

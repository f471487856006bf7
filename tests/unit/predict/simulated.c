/* The predictions against the simulator: random devices of every discipline,
 * with one to four models on them, loads up to 0.8, Poisson arrivals, policy
 * fifo, no batches: what the models assume. Means within 10 %; the p95, which
 * is an approximation, from 0.75 to 1.4 of what is simulated. Several units
 * that switch are left out: the policy keeps variants to units, the model does
 * not.
 */
#include "support/queues.h"

#include "base/histogram.h"
#include "base/rng.h"
#include <convergo/predict.h>
#include <convergo/stats.h>
#include <math.h>
#include <stdio.h>

#define REQUESTS 80000
#define MOST 4
#define WITHIN 0.10
#define BOXES 10 /* of each sort */

struct mix {
    size_t n;
    double share[MOST], service_ms[MOST], switch_ms[MOST];
};

static struct mix random_mix(struct cvg_rng *rng, size_t least)
{
    struct mix m = {.n = least + (size_t)(cvg_rng_uniform(rng) *
                                          (double)(MOST + 1 - least))};
    double all = 0;
    for (size_t i = 0; i < m.n; i++) {
        m.share[i] = 0.1 + cvg_rng_uniform(rng);
        m.service_ms[i] = 2 + 60 * pow(cvg_rng_uniform(rng), 2);
        m.switch_ms[i] = 25 * cvg_rng_uniform(rng);
        all += m.share[i];
    }
    for (size_t i = 0; i < m.n; i++) {
        m.share[i] /= all;
    }
    return m;
}

static void add_mix(struct world *w, const struct mix *m, struct cvg_rng *rng)
{
    for (size_t i = 0; i < m->n; i++) {
        char name[24];
        snprintf(name, sizeof name, "v%zu", i);
        world_variant(w, name, 0.9)->weights_bytes =
            (1 + (uint64_t)(cvg_rng_uniform(rng) * 6)) << 20;
    }
    for (size_t i = 0; i < m->n; i++) {
        queues_class(w, w->box->variants[i].name, m->service_ms[i],
                     m->switch_ms[i]);
        world_app(w, w->box->variants[i].name);
    }
    assert_int_equal(cvg_profile_finish(w->box->profile, NULL), CVG_OK);
}

static void fill(struct cvg_class *classes, const struct world *w,
                 const struct mix *m, double rate_rps)
{
    for (uint32_t i = 0; i < m->n; i++) {
        cvg_class_init(&classes[i], w->box, 0, i, 0, 1, m->share[i] * rate_rps,
                       1);
    }
}

/* The rate at which its units are loaded so. */
static double rate_for(const struct world *w, const struct mix *m, double load)
{
    struct cvg_class classes[MOST];
    struct cvg_response out[MOST];
    const struct cvg_device *d = &w->box->devices[0];
    struct cvg_station s = {d->discipline, d->units, d->in_flight, classes,
                            m->n};
    fill(classes, w, m, 1);
    return load / cvg_predict_station(&s, CVG_PREDICT_EXACT, out);
}

static void compare(struct world *w, const struct mix *m, double load,
                    uint64_t seed)
{
    struct cvg_class classes[MOST];
    struct cvg_response out[MOST];
    double rates[MOST];
    const struct cvg_device *d = &w->box->devices[0];
    struct cvg_station s = {d->discipline, d->units, d->in_flight, classes,
                            m->n};
    double rate = rate_for(w, m, load);
    fill(classes, w, m, rate);
    (void)cvg_predict_station(&s, CVG_PREDICT_EXACT, out);
    for (size_t i = 0; i < m->n; i++) {
        rates[i] = m->share[i] * rate;
    }
    queues_run(w, rates, m->n, REQUESTS, seed);
    for (size_t i = 0; i < m->n; i++) {
        const struct cvg_response *r = &out[i];
        const struct cvg_app_stats *app = &cvg_sim_stats(w->sim)->apps[i];
        double ms = queues_mean_ms(w, i);
        double p95 = 1e3 * cvg_response_quantile(&r, 1, 0.95);
        double seen = (double)cvg_histogram_quantile(app->latency, 0.95) / 1e6;
        double off = 1e3 * r->mean_s / ms - 1;
        if (!(fabs(off) <= WITHIN) ||
            !(p95 / seen > 0.75 && p95 / seen < 1.4)) {
            fail_msg("seed %llu, load %.2f, class %zu of %zu: %.2f ms "
                     "simulated, %.2f predicted (%+.1f %%); p95 %.2f and %.2f",
                     (unsigned long long)seed, load, i, m->n, ms,
                     1e3 * r->mean_s, 100 * off, seen, p95);
        }
    }
}

static double random_load(struct cvg_rng *rng)
{
    return 0.1 + 0.7 * cvg_rng_uniform(rng);
}

/* What is held is chosen by the cache, if there is one. */
static void switching_with(bool cache, uint64_t stream)
{
    for (uint64_t seed = 1; seed <= BOXES; seed++) {
        struct world w;
        struct cvg_rng rng;
        cvg_rng_init(&rng, seed, stream, 0);
        world_init(&w);
        struct cvg_device *d = world_device(&w, "d0", CVG_FCFS, 1, 1);
        d->has_switch = true;
        d->has_cache = cache;
        d->cache_bytes = 8 << 20;
        struct mix m = random_mix(&rng, 2);
        add_mix(&w, &m, &rng);
        compare(&w, &m, random_load(&rng), seed);
        world_fini(&w);
    }
}

static void one_model_at_a_time(void **state)
{
    (void)state;
    switching_with(false, 'o');
}

static void a_cache_of_several(void **state)
{
    (void)state;
    switching_with(true, 'c');
}

static void several_units(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= BOXES; seed++) {
        struct world w;
        struct cvg_rng rng;
        cvg_rng_init(&rng, seed, 'u', 0);
        world_init(&w);
        world_device(&w, "d0", CVG_FCFS, 2 + (uint32_t)(seed % 3), 1);
        struct mix m = random_mix(&rng, 1);
        memset(m.switch_ms, 0, sizeof m.switch_ms);
        add_mix(&w, &m, &rng);
        compare(&w, &m, random_load(&rng), seed);
        world_fini(&w);
    }
}

static void sharing(void **state)
{
    (void)state;
    static const uint32_t in_flight[] = {1, 2, 4, CVG_MAX_IN_FLIGHT};
    for (uint64_t seed = 1; seed <= BOXES; seed++) {
        struct world w;
        struct cvg_rng rng;
        cvg_rng_init(&rng, seed, 's', 0);
        world_init(&w);
        world_device(&w, "d0", CVG_PROCESSOR_SHARING, 1, in_flight[seed % 4]);
        struct mix m = random_mix(&rng, 1);
        memset(m.switch_ms, 0, sizeof m.switch_ms);
        add_mix(&w, &m, &rng);
        compare(&w, &m, random_load(&rng), seed);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_model_at_a_time),
        cmocka_unit_test(a_cache_of_several),
        cmocka_unit_test(several_units),
        cmocka_unit_test(sharing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Queues of one device. */
#include "support/queues.h"

#include "base/histogram.h"
#include "base/rng.h"
#include <convergo/stats.h>
#include <math.h>

void queues_class(struct world *w, const char *name, double service_ms,
                  double switch_ms)
{
    world_profile(w, name, "d0", 1, service_ms, 0);
    cvg_profile_set_switch(w->box->profile, cvg_box_find_variant(w->box, name),
                           0, (cvg_span)llround(switch_ms * 1e6));
}

static size_t pick(const double *rates, size_t n, double u)
{
    size_t i = 0;
    while (i + 1 < n && u >= rates[i]) {
        u -= rates[i++];
    }
    return i;
}

static double sum(const double *rates, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        total += rates[i];
    }
    return total;
}

void queues_run(struct world *w, const double *rates, size_t n_classes,
                uint64_t requests, uint64_t seed)
{
    assert_int_equal(cvg_policy_parse("fifo", NULL, &w->policy, NULL), CVG_OK);
    assert_int_equal(cvg_profile_finish(w->box->profile, NULL), CVG_OK);
    struct cvg_sim_options options = {
        .box = w->box, .policy = &w->policy, .seed = seed, .ended_kept = 1};
    assert_int_equal(cvg_sim_create(&options, &w->sim, NULL), CVG_OK);
    struct cvg_rng rng;
    cvg_rng_init(&rng, seed, 'q', 0);
    double total = sum(rates, n_classes), now = 0;
    for (uint64_t i = 0; i < requests; i++) {
        now += cvg_rng_exponential(&rng) / total * 1e9;
        size_t class = pick(rates, n_classes, cvg_rng_uniform(&rng) * total);
        size_t last = w->box->n_apps - 1;
        struct cvg_arrival arrival = {
            .app = (uint32_t)(class < last ? class : last),
            .variant = (uint32_t) class};
        cvg_sim_arrive(w->sim, (cvg_time)now, &arrival);
        cvg_sim_run_until(w->sim, (cvg_time)now);
    }
    cvg_sim_run(w->sim);
}

double queues_mean_ms(struct world *w, size_t app)
{
    const struct cvg_app_stats *s = &cvg_sim_stats(w->sim)->apps[app];
    assert_int_equal(s->counts.served, s->counts.offered);
    return cvg_histogram_mean(s->latency) / 1e6;
}

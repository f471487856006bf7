/* Random small boxes. */
#include "support/random_box.h"

#include <math.h>
#include <stdio.h>

uint32_t random_below(struct cvg_rng *rng, uint32_t n)
{
    return (uint32_t)(cvg_rng_uniform(rng) * n);
}

static void add_devices(struct world *w, struct cvg_rng *rng,
                        const struct random_box *like)
{
    uint32_t n = 1 + random_below(rng, like->max_devices);
    for (uint32_t i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%u", i);
        bool sharing = random_below(rng, 3) == 0;
        struct cvg_device *d =
            world_device(w, name, sharing ? CVG_PROCESSOR_SHARING : CVG_FCFS,
                         1 + random_below(rng, 2), 1 + random_below(rng, 2));
        if (like->switches && random_below(rng, 2) == 0) {
            d->has_switch = true;
            d->switch_fixed = CVG_MS(1 + random_below(rng, 5));
            d->has_cache = random_below(rng, 2) == 0;
            d->cache_bytes = 2 << 20;
        }
    }
}

static void add_variants(struct world *w, struct cvg_rng *rng,
                         const struct random_box *like)
{
    uint32_t n = 1 + random_below(rng, like->max_variants);
    for (uint32_t i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "v%u", i);
        struct cvg_variant *v = world_variant(w, name, 0);
        v->n_exits = 1 + random_below(rng, like->max_exits);
        for (uint32_t e = 0; e < v->n_exits; e++) {
            v->accuracy[e] = 0.6 + 0.01 * random_below(rng, 36);
        }
    }
}

/* Of one (variant, exit, device): one size, or two with a gain between. */
static void add_points(struct world *w, struct cvg_rng *rng, uint32_t variant,
                       uint32_t exit, uint32_t device,
                       const struct random_box *like)
{
    double ms = 1 + random_below(rng, 20);
    double gain = 1 + 3 * cvg_rng_uniform(rng);
    bool varies = like->noise && random_below(rng, 2) == 0;
    uint32_t sizes = 1 + random_below(rng, 2);
    for (uint32_t i = 0; i < sizes; i++) {
        double time = i == 0 ? ms : ms * gain;
        cvg_span mean = (cvg_span)(time * 1e6);
        struct cvg_profile_point point = {
            .batch = i == 0 ? 1 : 4,
            .mean = mean,
            .p50 = varies ? mean - mean / 50 : mean,
            .p95 = varies ? mean + mean / 8 : mean,
            .p99 = varies ? mean + mean / 4 : mean,
            .energy_j = time / 1e3,
        };
        assert_int_equal(cvg_profile_add(w->box->profile, variant, exit, device,
                                         &point, NULL),
                         CVG_OK);
    }
}

static void add_profile(struct world *w, struct cvg_rng *rng,
                        const struct random_box *like)
{
    struct cvg_box *box = w->box;
    assert_int_equal(cvg_profile_create(box->n_variants, box->n_devices,
                                        &box->profile, NULL),
                     CVG_OK);
    for (uint32_t v = 0; v < box->n_variants; v++) {
        for (uint32_t d = 0; d < box->n_devices; d++) {
            if (d != v % box->n_devices && random_below(rng, 3) == 0) {
                continue; /* each variant runs somewhere */
            }
            for (uint32_t e = 0; e < box->variants[v].n_exits; e++) {
                add_points(w, rng, v, e, d, like);
            }
        }
    }
    assert_int_equal(cvg_profile_finish(box->profile, NULL), CVG_OK);
}

static void add_apps(struct world *w, struct cvg_rng *rng,
                     const struct random_box *like)
{
    uint32_t n = 1 + random_below(rng, like->max_apps);
    for (uint32_t i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%u", i);
        struct cvg_app *a = world_app(w, name);
        a->weight = 1 + random_below(rng, 4);
        if (random_below(rng, 5) != 0) {
            world_slo_deadline(a, CVG_MS(5 + random_below(rng, 60)));
        }
        if (random_below(rng, 2) == 0) {
            world_slo_accuracy(a, 0.6 + 0.01 * random_below(rng, 36));
            if (like->means && random_below(rng, 2) == 0) {
                a->accuracy_over = CVG_ACCURACY_PER_WINDOW;
            }
        }
        if (random_below(rng, 3) == 0) {
            world_slo_throughput(a, 10 + random_below(rng, 50));
        }
        if (random_below(rng, 4) == 0) {
            world_slo_energy(a, 2 + random_below(rng, 20));
        }
        if (like->least_one_slo && a->slo.declared == 0) {
            world_slo_deadline(a, CVG_MS(50));
        }
    }
}

void random_box_fill(struct world *w, struct cvg_rng *rng,
                     const struct random_box *like)
{
    add_devices(w, rng, like);
    add_variants(w, rng, like);
    add_profile(w, rng, like);
    add_apps(w, rng, like);
}

/* Plans by accuracy scaling of any box, by each method: the laws hold, and
 * devices change no more than the method says. */
#include "unit/optimize/allocated.h"

#include "support/random_box.h"

/* Devices that hold one variant each, or each unit one where changing it takes
 * time; variants that take time to load. */
static void random_question(struct asked *t, uint64_t seed, uint64_t stream)
{
    static const struct random_box like = {.max_devices = 4,
                                           .max_variants = 6,
                                           .max_apps = 5,
                                           .max_exits = 2,
                                           .noise = true,
                                           .means = true,
                                           .switches = true};
    struct cvg_rng rng;
    cvg_rng_init(&rng, seed, stream, 0);
    begin(t);
    random_box_fill(&t->w, &rng, &like);
    struct cvg_box *box = t->w.box;
    uint32_t n = box->n_variants < 3 ? (uint32_t)box->n_variants : 3;
    split_families(&t->w, 1 + random_below(&rng, n));
    for (uint32_t d = 0; d < box->n_devices; d++) {
        box->devices[d].resident = places(&box->devices[d]);
        for (uint32_t v = 0; v < box->n_variants; v++) {
            cvg_profile_set_load(box->profile, v, d,
                                 CVG_MS(random_below(&rng, 500)));
        }
    }
    ready(t);
    double heavy = pow(10, 1 + 2.5 * cvg_rng_uniform(&rng));
    for (size_t a = 0; a < box->n_apps; a++) {
        t->q.rates_rps[a] = cvg_rng_uniform(&rng) * heavy;
        t->q.dispersion[a] = 3 * cvg_rng_uniform(&rng);
    }
    for (size_t d = 0; d < box->n_devices; d++) {
        t->q.slowdown[d] = 0.8 + cvg_rng_uniform(&rng);
    }
}

/* Something is down, or not to be used. */
static void break_something(struct asked *t, uint64_t seed)
{
    struct cvg_rng rng;
    cvg_rng_init(&rng, seed, 9, 0);
    if (random_below(&rng, 3) == 0) {
        t->q.slowdown[random_below(&rng, (uint32_t)t->w.box->n_devices)] =
            INFINITY;
    }
    if (random_below(&rng, 3) == 0) {
        t->q.enabled[random_below(&rng, (uint32_t)t->w.box->n_variants)] =
            false;
    }
    if (random_below(&rng, 3) == 0) {
        t->q.rates_rps[random_below(&rng, (uint32_t)t->w.box->n_apps)] = 0;
    }
}

/* The plan becomes the last one: nothing has changed, so nothing changes; two
 * plans at most are needed for that, as they think of loads and what there is
 * to begin with. */
static void check_settles(struct asked *t, size_t m)
{
    for (int i = 0; i < 4; i++) {
        struct cvg_plan before = t->plan;
        go_on(t, false);
        solve(t, m);
        check(t);
        law(is_same_hosting(t, &before) || (i < 2 && !is_placed_once(m)),
            "what devices hold they keep");
    }
}

static void plans_keep_the_laws(void **state)
{
    (void)state;
    int shed = 0;
    for (seed_now = 1; seed_now <= 36; seed_now++) {
        struct asked t;
        random_question(&t, seed_now, 0);
        break_something(&t, seed_now);
        for (size_t m = 0; m < METHODS; m++) {
            t.q.n_flows = 0;
            solve(&t, m);
            check(&t);
            shed += t.plan.factor < 1;
            check_settles(&t, m);
            /* Equal questions, equal answers. */
            struct cvg_plan before = t.plan;
            solve(&t, m);
            assert_memory_equal(&t.plan, &before, sizeof before);
        }
        world_fini(&t.w);
    }
    assert_true(shed > 50 && shed < 36 * (int)METHODS - 50);
}

/* --- demand changes ------------------------------------------------------- */

static void new_rates(struct asked *t, struct cvg_rng *rng)
{
    double heavy = pow(10, 3 * cvg_rng_uniform(rng));
    for (size_t a = 0; a < t->w.box->n_apps; a++) {
        t->q.rates_rps[a] = heavy * cvg_rng_uniform(rng);
    }
}

static void demand_moves_nothing(void **state)
{
    (void)state;
    for (seed_now = 1; seed_now <= 24; seed_now++) {
        struct asked t;
        struct cvg_rng rng;
        cvg_rng_init(&rng, seed_now, 2, 0);
        random_question(&t, seed_now, 1);
        for (size_t m = CLIPPER_HT; m < METHODS; m++) {
            t.q.n_flows = 0;
            solve(&t, m);
            for (int i = 0; i < 3; i++) {
                struct cvg_plan before = t.plan;
                go_on(&t, false);
                new_rates(&t, &rng);
                solve(&t, m);
                check(&t);
                law(is_same_hosting(&t, &before), "demand changes nothing");
            }
        }
        world_fini(&t.w);
    }
}

/* As bits. */
static uint32_t families_on(const struct asked *t, uint32_t device)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < t->plan.n_flows; i++) {
        const struct cvg_flow *f = &t->plan.flows[i];
        if (f->device == device) {
            bits |= 1U << t->w.box->variants[f->variant].family;
        }
    }
    return bits;
}

static void check_families(const struct asked *t, uint32_t *families)
{
    for (uint32_t d = 0; d < t->w.box->n_devices; d++) {
        uint32_t bits = families_on(t, d);
        law(families[d] == 0 || bits == families[d], "families keep devices");
        families[d] = bits;
    }
}

/* They can get one that nobody had a use for. */
static void sommelier_leaves_devices_with_their_family(void **state)
{
    (void)state;
    int changed = 0;
    for (seed_now = 1; seed_now <= 36; seed_now++) {
        struct asked t;
        struct cvg_rng rng;
        uint32_t families[CVG_MAX_DEVICES] = {0};
        cvg_rng_init(&rng, seed_now, 3, 0);
        random_question(&t, seed_now, 2);
        solve(&t, SOMMELIER);
        check_families(&t, families);
        for (int i = 0; i < 5; i++) {
            struct cvg_plan before = t.plan;
            go_on(&t, false);
            new_rates(&t, &rng);
            solve(&t, SOMMELIER);
            check(&t);
            check_families(&t, families);
            changed += !is_same_hosting(&t, &before);
        }
        world_fini(&t.w);
    }
    assert_true(changed > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_keep_the_laws),
        cmocka_unit_test(demand_moves_nothing),
        cmocka_unit_test(sommelier_leaves_devices_with_their_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

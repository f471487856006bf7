/* convergo against the best of all schedules, where that can be found: up to
 * six requests that come at once, two devices, two variants, times that do not
 * vary. It decides step by step and knows no more than that, so it cannot
 * always be the best; on average it is close. */
#include "support/random_box.h"

#include <stdio.h>

#define MOST 6

struct instance {
    struct world w;
    uint32_t n;
    uint32_t app[MOST];
    cvg_span deadline[MOST];
    bool own[MOST]; /* a deadline of its own, not its app's */
    uint64_t first; /* id */
    uint32_t met;
};

static void random_instance(struct instance *k, struct cvg_rng *rng)
{
    memset(k, 0, sizeof *k);
    world_init(&k->w);
    world_device(&k->w, "d0", CVG_FCFS, 1, 1);
    world_device(&k->w, "d1", CVG_FCFS, 1, 1);
    world_variant(&k->w, "fair", 0.8);
    world_variant(&k->w, "good", 0.9);
    for (int v = 0; v < 2; v++) {
        for (int d = 0; d < 2; d++) {
            /* Whole ms at every size; the good one is slower. */
            double ms = 3 + random_below(rng, 8) + 3.0 * v;
            double more = 3 * random_below(rng, 8);
            world_profile(&k->w, v == 0 ? "fair" : "good", d == 0 ? "d0" : "d1",
                          1, ms, 0);
            if (random_below(rng, 4) != 0) {
                world_profile(&k->w, v == 0 ? "fair" : "good",
                              d == 0 ? "d0" : "d1", 4, ms + more, 0);
            }
        }
    }
    for (int a = 0; a < 2; a++) {
        struct cvg_app *app = world_app(&k->w, a == 0 ? "a0" : "a1");
        world_slo_deadline(app, CVG_MS(8 + random_below(rng, 40)) + 500000);
        if (random_below(rng, 2) == 0) {
            world_slo_accuracy(app, random_below(rng, 2) == 0 ? 0.8 : 0.9);
        }
    }
    k->n = 2 + random_below(rng, MOST - 1);
    bool own = random_below(rng, 2) == 0;
    for (uint32_t i = 0; i < k->n; i++) {
        k->app[i] = random_below(rng, 2);
        k->own[i] = own;
        k->deadline[i] = own ? CVG_MS(8 + random_below(rng, 40)) + 500000
                             : k->w.box->apps[k->app[i]].slo.deadline;
    }
}

/* --- the best schedule ---------------------------------------------------- */

struct best {
    const struct instance *k;
    uint32_t met;
};

static uint32_t count(uint32_t set)
{
    return (uint32_t)__builtin_popcount(set);
}

/* Those of the set are of one app, and due at `finish` or later. */
static bool can_go_together(const struct instance *k, uint32_t set,
                            cvg_time finish)
{
    uint32_t app = CVG_ANY;
    for (uint32_t i = 0; i < k->n; i++) {
        if ((set >> i & 1U) == 0) {
            continue;
        }
        if ((app != CVG_ANY && k->app[i] != app) || k->deadline[i] < finish) {
            return false;
        }
        app = k->app[i];
    }
    return true;
}

static bool is_accurate(const struct instance *k, uint32_t set, uint32_t v)
{
    uint32_t app = k->app[__builtin_ctz(set)];
    const struct cvg_slo *slo = &k->w.box->apps[app].slo;
    return !cvg_slo_has(slo, CVG_SLO_ACCURACY) ||
           k->w.box->variants[v].accuracy[0] >= slo->accuracy;
}

/* `left` wait, the devices are free then. Whichever is free first begins any
 * batch that is in time for all in it, or nothing any more. */
static void search(struct best *b, uint32_t left, const cvg_time *free_at,
                   uint32_t met)
{
    const struct instance *k = b->k;
    b->met = met > b->met ? met : b->met;
    uint32_t d = free_at[0] <= free_at[1] ? 0 : 1;
    if (left == 0 || free_at[d] == CVG_NEVER || met + count(left) <= b->met) {
        return;
    }
    const struct cvg_profile *p = k->w.box->profile;
    for (uint32_t set = left; set > 0; set = (set - 1) & left) {
        uint32_t n = count(set);
        for (uint32_t v = 0; v < 2; v++) {
            if (n > cvg_profile_max_batch(p, v, 0, 0, d) ||
                !is_accurate(k, set, v)) {
                continue;
            }
            cvg_time then[2] = {free_at[0], free_at[1]};
            then[d] += cvg_profile_time(p, v, 0, 0, d, n, CVG_MEAN);
            if (can_go_together(k, set, then[d])) {
                search(b, left & ~set, then, met + n);
            }
        }
    }
    cvg_time then[2] = {free_at[0], free_at[1]};
    then[d] = CVG_NEVER;
    search(b, left, then, met);
}

static uint32_t most_met(const struct instance *k)
{
    struct best b = {.k = k};
    const cvg_time now[2] = {0, 0};
    search(&b, (1U << k->n) - 1, now, 0);
    return b.met;
}

/* --- what convergo does --------------------------------------------------- */

static void watch(struct world *w, const struct cvg_event *event,
                  const struct cvg_actions *actions)
{
    struct instance *k = w->context;
    (void)event;
    for (size_t i = 0; i < actions->n; i++) {
        const struct cvg_action *a = &actions->items[i];
        if (a->type == CVG_ACT_REPLY && a->reply.request >= k->first) {
            const struct cvg_slo *slo = &w->box->apps[a->reply.app].slo;
            k->met +=
                a->reply.deadline_met && (!cvg_slo_has(slo, CVG_SLO_ACCURACY) ||
                                          a->reply.accuracy >= slo->accuracy);
        }
    }
}

/* At `at`, all at once. Before, if there is time, some of each app, so that
 * there is a plan. */
static void run(struct instance *k, const char *policy, cvg_time at)
{
    struct world *w = &k->w;
    w->watch = watch;
    w->context = k;
    k->first = UINT64_MAX;
    k->met = 0;
    world_start(w, policy);
    for (cvg_time t = 0; t + CVG_MS(500) < at; t += CVG_MS(50)) {
        world_arrive(w, t, "a0", 0);
        world_arrive(w, t + CVG_MS(25), "a1", 0);
    }
    for (uint32_t i = 0; i < k->n; i++) {
        struct cvg_arrival arrival = {
            .app = k->app[i], .variant = CVG_ANY, .more = i + 1 < k->n};
        if (k->own[i]) {
            arrival.overrides = 1U << CVG_SLO_DEADLINE;
            arrival.bounds.deadline = k->deadline[i];
        }
        uint64_t id = cvg_sim_arrive(w->sim, at, &arrival);
        k->first = i == 0 ? id : k->first;
    }
    world_run_until(w, at + CVG_S(1));
    cvg_sim_destroy(w->sim);
    w->sim = NULL;
}

struct ratio {
    double sum, worst;
    uint64_t of; /* the worst */
    uint32_t n, best;
};

static void note(struct ratio *r, uint64_t seed, uint32_t met, uint32_t most)
{
    double ratio = most == 0 ? 1 : (double)met / most;
    if (met > most) {
        fail_msg("seed %d: %u met, %u can be", (int)seed, met, most);
    }
    if (r->n == 0 || ratio < r->worst) {
        r->worst = ratio;
        r->of = seed;
    }
    r->sum += ratio;
    r->best += met == most;
    r->n++;
}

static void compare(cvg_time at, const char *what)
{
    struct ratio r = {0};
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct instance k;
        struct cvg_rng rng;
        cvg_rng_init(&rng, seed, 7, 0);
        random_instance(&k, &rng);
        run(&k, "convergo", at);
        note(&r, seed, k.met, most_met(&k));
        world_fini(&k.w);
    }
    print_message("%s: mean %.4f, the best %.1f %%, worst %.2f (seed %d)\n",
                  what, r.sum / r.n, 100.0 * r.best / r.n, r.worst, (int)r.of);
    assert_true(r.sum / r.n >= 0.97);
}

static void close_to_the_best_without_plan(void **state)
{
    (void)state;
    compare(0, "without plan");
}

static void close_to_the_best_with_a_plan(void **state)
{
    (void)state;
    compare(CVG_S(2), "with a plan");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_to_the_best_without_plan),
        cmocka_unit_test(close_to_the_best_with_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

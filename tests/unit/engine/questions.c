/* Who asks the engine changes nothing: with and without questions between its
 * steps it decides the same, to the nanosecond. A server is asked whenever
 * somebody looks at its metrics, which no record knows of. */
#include "base/rng.h"
#include "support/world.h"
#include <stdlib.h>

#define REQUESTS 400
#define SEEDS 40

struct decisions {
    bool asks;
    cvg_time predicted[REQUESTS * 3];
    size_t n;
};

static void ask(struct world *w)
{
    struct cvg_engine *e = world_engine(w);
    struct cvg_explanation why;
    struct cvg_nearest nearest;
    struct cvg_arrival arrival = {.id = 1, .variant = CVG_ANY};
    const struct cvg_stats *stats = cvg_engine_stats(e);
    assert_true(stats->devices[0].busy >= 0);
    (void)cvg_engine_explain(e, 1, &why);
    (void)cvg_engine_infeasible(e, &arrival, &nearest);
    (void)cvg_engine_next_wake(e);
}

static void watch(struct world *w, const struct cvg_event *event,
                  const struct cvg_actions *actions)
{
    struct decisions *d = w->context;
    (void)event;
    for (size_t i = 0; i < actions->n; i++) {
        if (actions->items[i].type == CVG_ACT_START) {
            assert_true(d->n < REQUESTS * 3);
            d->predicted[d->n++] = actions->items[i].start.predicted;
        }
    }
    if (d->asks) {
        ask(w);
    }
}

static void run(uint64_t seed, struct decisions *d)
{
    struct world w;
    struct cvg_rng rng;
    cvg_time at = 0;
    cvg_rng_init(&rng, seed, 1, 1);
    world_init(&w);
    world_device(&w, "gpu", CVG_PROCESSOR_SHARING, 1, 3);
    world_device(&w, "npu", CVG_FCFS, 2, 2);
    world_variant(&w, "v0", 0.9);
    world_variant(&w, "v1", 0.8);
    world_profile(&w, "v0", "gpu", 1, 9.1234567, 0);
    world_profile(&w, "v1", "gpu", 1, 3.7654321, 0);
    world_profile(&w, "v0", "npu", 1, 11.111111, 0);
    world_slo_deadline(world_app(&w, "a0"), CVG_MS(60));
    w.watch = watch;
    w.context = d;
    d->n = 0;
    world_start(&w, "edf");
    for (int i = 0; i < REQUESTS; i++) {
        at += (cvg_span)(cvg_rng_exponential(&rng) * 3e6);
        world_arrive(&w, at, "a0", 0);
    }
    world_run_until(&w, CVG_S(60));
    world_fini(&w);
}

static void questions_change_nothing(void **state)
{
    (void)state;
    static struct decisions quiet, asked = {.asks = true};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed, &quiet);
        run(seed, &asked);
        assert_int_equal(quiet.n, asked.n);
        assert_true(quiet.n > REQUESTS / 2);
        for (size_t i = 0; i < quiet.n; i++) {
            if (quiet.predicted[i] != asked.predicted[i]) {
                fail_msg("seed %u: start %zu was to end at %lld, not %lld",
                         (unsigned)seed, i, (long long)quiet.predicted[i],
                         (long long)asked.predicted[i]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_change_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

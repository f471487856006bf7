/* Who asks the engine changes nothing: with and without questions between its
 * steps it decides the same, to the nanosecond. A server is asked whenever
 * somebody looks at its metrics, which no record knows of. */
#include "base/rng.h"
#include "rig.h"
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

struct seen {
    uint32_t looks, waiting;
    bool free;
};

static void look(void *context, const struct cvg_view *view)
{
    struct seen *seen = context;
    seen->looks++;
    seen->waiting = cvg_view_waiting(view, 0);
    seen->free = cvg_view_free(view, &view->units[0]);
}

/* The view is shown as the policy is about to see it: what has just arrived
 * waits, the unit that it will get is free. */
static void a_choice_can_be_looked_at(void **state)
{
    (void)state;
    struct rig r;
    struct seen seen = {0};
    rig_init(&r);
    world_device(&r.w, "d0", CVG_FCFS, 1, 1);
    world_variant(&r.w, "v0", 0.9);
    world_profile(&r.w, "v0", "d0", 1, 10, 0);
    world_app(&r.w, "a0");
    r.options.look = look;
    r.options.look_context = &seen;
    rig_start(&r, "edf");
    assert_int_equal(seen.looks, 0);
    rig_arrive(&r, CVG_MS(1), 7, NULL);
    assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
    assert_int_equal(seen.looks, 1);
    assert_int_equal(seen.waiting, 1);
    assert_true(seen.free);
    assert_true(cvg_engine_is_live(r.e, 7));
    rig_done(&r, CVG_MS(11), r.batch, CVG_OK);
    assert_int_equal(seen.looks, 2);
    assert_int_equal(seen.waiting, 0);
    assert_false(cvg_engine_is_live(r.e, 7));
    assert_ptr_equal(cvg_engine_options(r.e)->box, r.w.box);
    assert_ptr_equal(cvg_engine_options(r.e)->policy->order, r.w.policy.order);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_change_nothing),
        cmocka_unit_test(a_choice_can_be_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

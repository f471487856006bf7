/* Allocation `fluid`: what devices hold at the start. */
#include "support/world.h"

#include "policy/parts.h"

/* Two TPUs whose caches hold one of two variants each, and a CPU. */
static void two_tpus(struct world *w)
{
    world_init(w);
    for (int i = 0; i < 2; i++) {
        struct cvg_device *d =
            world_device(w, i == 0 ? "tpu0" : "tpu1", CVG_FCFS, 1, 1);
        d->has_cache = true;
        d->cache_bytes = 1 << 20;
        d->has_switch = true;
        d->switch_fixed = CVG_MS(20);
    }
    world_device(w, "cpu", CVG_FCFS, 1, 1);
    world_variant(w, "poor", 0.7);
    world_variant(w, "fair", 0.8);
    world_variant(w, "good", 0.9);
    const char *const variants[] = {"poor", "fair", "good"};
    for (int v = 0; v < 3; v++) {
        world_profile(w, variants[v], "tpu0", 1, 4 + v, 0);
        world_profile(w, variants[v], "tpu1", 1, 4 + v, 0);
        world_profile(w, variants[v], "cpu", 1, 40, 0);
    }
    for (int a = 0; a < 2; a++) {
        struct cvg_app *app = world_app(w, a == 0 ? "a0" : "a1");
        world_slo_deadline(app, CVG_MS(30));
        world_slo_accuracy(app, a == 0 ? 0.8 : 0.9);
        world_slo_throughput(app, a == 0 ? 100 : 80);
    }
}

static void each_tpu_holds_what_it_is_for(void **state)
{
    (void)state;
    struct world w;
    two_tpus(&w);
    world_start(&w, "allocation=fluid,order=edf,batching=greedy");
    struct cvg_engine *e = world_engine(&w);
    uint32_t first[2];
    for (uint32_t d = 0; d < 2; d++) {
        first[d] = cvg_engine_initial(e, d, 0);
        /* the others fit into memory, and come after */
        assert_int_not_equal(cvg_engine_initial(e, d, 1), CVG_ANY);
        assert_int_not_equal(cvg_engine_initial(e, d, 2), CVG_ANY);
        assert_int_equal(cvg_engine_initial(e, d, 3), CVG_ANY);
    }
    /* "fair" on one, "good" on the other */
    assert_true(first[0] + first[1] == 3 && first[0] != 0 && first[1] != 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tpu_holds_what_it_is_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

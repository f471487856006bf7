/* link: -Wl,--wrap=calloc */
/* Places: which units keep a choice of variants, and what has room there. */
#include "optimize/places.h"
#include "support/world.h"

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static long fail_at = -1; /* this many succeed, the next one fails */

void *__wrap_calloc(size_t n, size_t size)
{
    return fail_at >= 0 && fail_at-- == 0 ? NULL : __real_calloc(n, size);
}

/* A CPU of three units; a TPU of two with room for 3 MiB; an NPU that changes
 * variants at a cost, without cache. v2 was never measured on the TPU. */
static struct cvg_device *three_devices(struct world *w)
{
    world_init(w);
    world_device(w, "cpu", CVG_FCFS, 3, 1);
    struct cvg_device *tpu = world_device(w, "tpu", CVG_FCFS, 2, 1);
    tpu->has_switch = tpu->has_cache = true;
    tpu->cache_bytes = 3 << 20;
    world_device(w, "npu", CVG_FCFS, 1, 1)->has_switch = true;
    const char *const names[] = {"v0", "v1", "v2", "v3"};
    for (int v = 0; v < 4; v++) {
        struct cvg_variant *variant = world_variant(w, names[v], 0.9);
        variant->weights_bytes = (uint64_t)(v + 1) << 20;
        variant->memory_bytes = (uint64_t)(v + 1) << 20;
    }
    for (int v = 0; v < 4; v++) {
        world_profile(w, names[v], "cpu", 1, 5, 0);
        world_profile(w, names[v], "npu", 1, 5, 0);
        if (v != 2) {
            world_profile(w, names[v], "tpu", 1, 5, 0);
        }
    }
    assert_int_equal(cvg_profile_finish(w->box->profile, NULL), CVG_OK);
    return &w->box->devices[0];
}

static void who_chooses(void **state)
{
    (void)state;
    struct world w;
    struct cvg__places p;
    three_devices(&w);
    assert_true(cvg__places_init(&p, w.box));
    assert_int_equal(p.n, 4); /* the units of the CPU are one place */
    const uint32_t devices[] = {0, 1, 1, 2};
    for (size_t k = 0; k < p.n; k++) {
        const struct cvg__place *place = &p.items[k];
        assert_int_equal(place->device, devices[k]);
        assert_true(place->units == (k == 0 ? 3 : 1));
        assert_true(place->choosy == (k > 0));
        for (uint32_t v = 0; v < 4; v++) { /* nothing is kept yet */
            assert_true(cvg__place_runs(place, v) == !place->choosy);
        }
    }
    p.items[1].kept[3] = true; /* of one unit, not of its neighbour */
    assert_true(cvg__place_runs(&p.items[1], 3));
    assert_false(cvg__place_runs(&p.items[2], 3));
    cvg__places_fini(&p);
    world_fini(&w);
}

static void what_has_room_in_a_cache(void **state)
{
    (void)state;
    struct world w;
    struct cvg__places p;
    three_devices(&w);
    assert_true(cvg__places_init(&p, w.box));
    struct cvg__place *tpu = &p.items[1];
    assert_true(cvg__place_fits(&p, tpu, 0));
    assert_true(cvg__place_fits(&p, tpu, 3));  /* it fills the cache */
    assert_false(cvg__place_fits(&p, tpu, 2)); /* it cannot run there */
    tpu->kept[0] = true;
    assert_true(cvg__place_fits(&p, tpu, 0));  /* it is there */
    assert_true(cvg__place_fits(&p, tpu, 1));  /* 1 + 2 MiB */
    assert_false(cvg__place_fits(&p, tpu, 3)); /* 1 + 3 of its 4 MiB */
    tpu->kept[1] = true;
    assert_true(cvg__place_fits(&p, tpu, 0));
    assert_false(cvg__place_fits(&p, tpu, 3));
    /* Without cache: one at a time. */
    struct cvg__place *npu = &p.items[3];
    assert_true(cvg__place_fits(&p, npu, 2));
    npu->kept[0] = true;
    assert_true(cvg__place_fits(&p, npu, 0));
    assert_false(cvg__place_fits(&p, npu, 1));
    cvg__places_fini(&p);
    world_fini(&w);
}

/* All four are 10 MiB. */
static void memory_makes_a_choice(void **state)
{
    (void)state;
    struct world w;
    struct cvg__places p;
    struct cvg_device *cpu = three_devices(&w);
    cpu->memory_bytes = 10 << 20;
    cpu->resident = 4;
    assert_true(cvg__places_init(&p, w.box));
    assert_false(p.items[0].choosy);
    cvg__places_fini(&p);
    cpu->memory_bytes--;
    assert_true(cvg__places_init(&p, w.box));
    struct cvg__place *place = &p.items[0];
    assert_true(place->choosy);
    assert_true(place->units == 3); /* they share the memory */
    place->kept[3] = place->kept[2] = true;
    assert_true(cvg__place_fits(&p, place, 1));
    place->kept[1] = true;
    assert_false(cvg__place_fits(&p, place, 0));
    cvg__places_fini(&p);
    cpu->memory_bytes = UINT64_MAX;
    cpu->resident = 3;
    assert_true(cvg__places_init(&p, w.box));
    place = &p.items[0];
    assert_true(place->choosy);
    place->kept[0] = place->kept[1] = true;
    assert_true(cvg__place_fits(&p, place, 2));
    place->kept[2] = true;
    assert_false(cvg__place_fits(&p, place, 3));
    cvg__places_fini(&p);
    world_fini(&w);
}

/* What memory alone cannot hold, cannot run: it is no choice. */
static void what_is_too_large_does_not_count(void **state)
{
    (void)state;
    struct world w;
    struct cvg__places p;
    struct cvg_device *cpu = three_devices(&w);
    cpu->memory_bytes = 3 << 20; /* v0 and v1; v2 alone; v3 never */
    assert_true(cvg__places_init(&p, w.box));
    assert_true(p.items[0].choosy);
    assert_true(cvg__place_fits(&p, &p.items[0], 2));
    assert_false(cvg__place_fits(&p, &p.items[0], 3));
    cvg__places_fini(&p);
    w.box->variants[1].memory_bytes = w.box->variants[2].memory_bytes = 8 << 20;
    assert_true(cvg__places_init(&p, w.box)); /* v0 is all that runs there */
    assert_false(p.items[0].choosy);
    cvg__places_fini(&p);
    world_fini(&w);
}

/* Sizes are not known to be small. */
static void sizes_do_not_wrap(void **state)
{
    (void)state;
    struct world w;
    struct cvg__places p;
    struct cvg_device *cpu = three_devices(&w);
    cpu->memory_bytes = UINT64_MAX - 1;
    w.box->variants[0].memory_bytes = UINT64_MAX - 1;
    w.box->variants[1].memory_bytes = UINT64_MAX - 1;
    assert_true(cvg__places_init(&p, w.box));
    assert_true(p.items[0].choosy);
    p.items[0].kept[0] = true;
    assert_false(cvg__place_fits(&p, &p.items[0], 1));
    cvg__places_fini(&p);
    world_fini(&w);
}

static void no_memory(void **state)
{
    (void)state;
    struct world w;
    struct cvg__places p;
    three_devices(&w);
    long n = 0;
    bool made = false;
    for (; !made; n++) {
        fail_at = n;
        made = cvg__places_init(&p, w.box);
        fail_at = -1;
    }
    assert_int_equal(n, 3); /* two allocations */
    cvg__places_fini(&p);
    cvg__places_fini(&p); /* nothing is left */
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_chooses),
        cmocka_unit_test(what_has_room_in_a_cache),
        cmocka_unit_test(memory_makes_a_choice),
        cmocka_unit_test(what_is_too_large_does_not_count),
        cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

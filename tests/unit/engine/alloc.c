/* link: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=free -Wl,--wrap=cvg_engine_step */
/* Memory: a step allocates and frees nothing; create survives every failed
 * allocation. */
#include "base/rng.h"
#include "support/world.h"
#include <convergo/condition.h>
#include <stdio.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);
void __real_cvg_engine_step(struct cvg_engine *e, const struct cvg_event *event,
                            struct cvg_actions *out);
void __wrap_cvg_engine_step(struct cvg_engine *e, const struct cvg_event *event,
                            struct cvg_actions *out);

static bool in_step;
static uint64_t steps, calls_in_steps;
static long fail_at = -1; /* this many succeed, the next one fails */

static bool fails(void)
{
    calls_in_steps += in_step;
    return fail_at >= 0 && fail_at-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

void __wrap_free(void *p)
{
    calls_in_steps += in_step;
    __real_free(p);
}

void __wrap_cvg_engine_step(struct cvg_engine *e, const struct cvg_event *event,
                            struct cvg_actions *out)
{
    in_step = true;
    steps++;
    __real_cvg_engine_step(e, event, out);
    in_step = false;
}

/* --- a busy box ----------------------------------------------------------- */

static uint32_t below(struct cvg_rng *rng, uint32_t n)
{
    return (uint32_t)(cvg_rng_uniform(rng) * n);
}

static void busy_box(struct world *w)
{
    world_init(w);
    world_device(w, "gpu", CVG_PROCESSOR_SHARING, 1, 2);
    struct cvg_device *tpu = world_device(w, "tpu", CVG_FCFS, 2, 1);
    tpu->has_switch = true;
    tpu->switch_fixed = CVG_MS(2);
    tpu->has_cache = true;
    tpu->cache_bytes = 1 << 20;
    tpu->resident = 2;
    world_device(w, "cpu", CVG_FCFS, 1, 1);
    static const char *const variants[] = {"v0", "v1", "v2"};
    static const char *const devices[] = {"gpu", "tpu", "cpu"};
    for (int v = 0; v < 3; v++) {
        struct cvg_variant *variant =
            world_variant(w, variants[v], 0.7 + 0.1 * v);
        if (v == 1) {
            world_exit(variant, 0.85);
        }
    }
    for (int v = 0; v < 3; v++) {
        for (int d = 0; d < 3; d++) {
            double ms = (v + 1) * (d + 1) * 2;
            world_profile(w, variants[v], devices[d], 1, ms, ms);
            world_profile(w, variants[v], devices[d], 8, ms * 4, ms * 3);
            if (v == 1) {
                world_profile_stage(w, "v1", 1, devices[d], 1, ms, ms);
                world_profile_stage(w, "v1", 1, devices[d], 8, 4 * ms, 3 * ms);
            }
        }
    }
    struct cvg_app *a = world_app(w, "a0");
    world_slo_deadline(a, CVG_MS(40));
    world_slo_accuracy(a, 0.75);
    world_slo_throughput(a, 50);
    a->relax[0] = CVG_SLO_ACCURACY;
    a->n_relax = 1;
    a = world_app(w, "a1");
    world_slo_accuracy(a, 0.8);
    a->accuracy_over = CVG_ACCURACY_PER_WINDOW;
    world_slo_deadline(a, CVG_MS(100));
    world_slo_energy(a, 10);
    world_app(w, "a2")->queue_limit = 50;
}

static void change_bounds(struct world *w, cvg_time at, uint64_t id,
                          const struct cvg_conditions *set)
{
    struct cvg_event event = {.type = CVG_EV_BOUNDS, .at = at};
    event.bounds.request = id;
    event.bounds.overrides = 1U << CVG_SLO_DEADLINE;
    event.bounds.slo.deadline = CVG_MS(40);
    event.bounds.new_conditions = id % 2 == 0;
    event.bounds.conditions = set;
    cvg_sim_inject(w->sim, &event);
}

static void busy_run(const char *policy)
{
    struct world w;
    struct cvg_rng rng;
    cvg_rng_init(&rng, 1, 2, 3);
    struct cvg_conditions *set = NULL;
    assert_int_equal(
        cvg_conditions_parse("never; response_time > 20ms", &set, NULL),
        CVG_OK);
    busy_box(&w);
    world_start(&w, policy);
    cvg_time at = 0;
    for (uint64_t id = 1; id <= 4000; id++) {
        at += (cvg_span)(cvg_rng_exponential(&rng) * 3e6);
        struct cvg_arrival a = {.app = below(&rng, 3), .variant = CVG_ANY};
        if (below(&rng, 20) == 0) {
            a.variant = below(&rng, 3);
        }
        if (below(&rng, 10) == 0) {
            a.timeout = CVG_MS(30);
        }
        a.conditions = below(&rng, 4) == 0 ? set : NULL;
        world_arrive_with(&w, at, &a);
        if (below(&rng, 10) == 0) {
            change_bounds(&w, at + CVG_MS(2), id, set);
        }
        if (below(&rng, 20) == 0) {
            world_cancel(&w, at + CVG_MS(5), id);
        }
    }
    for (int i = 0; i < 8; i++) {
        const char *device = i % 2 == 0 ? "gpu" : "tpu";
        world_device_state(&w, CVG_S(i) + CVG_MS(300), device, false);
        world_device_state(&w, CVG_S(i) + CVG_MS(700), device, true);
        struct cvg_event event = {.type = CVG_EV_APP, .at = CVG_S(i)};
        event.app.slo.declared = 1U << CVG_SLO_DEADLINE;
        event.app.slo.deadline = CVG_MS(30 + i);
        event.app.new_conditions = true;
        event.app.conditions = i % 2 == 0 ? set : NULL;
        cvg_sim_inject(w.sim, &event);
        event = (struct cvg_event){.type = CVG_EV_MODEL, .at = CVG_S(i)};
        event.model.variant = (uint32_t)i % 3;
        event.model.wanted = i % 4 != 1;
        cvg_sim_inject(w.sim, &event);
    }
    steps = 0;
    calls_in_steps = 0;
    world_run_until(&w, CVG_S(60));
    if (calls_in_steps != 0 || steps < 5000 || w.replies < 1000) {
        fail_msg("%s: %llu calls of the allocator in %llu steps, %llu replies",
                 policy, (unsigned long long)calls_in_steps,
                 (unsigned long long)steps, (unsigned long long)w.replies);
    }
    world_fini(&w);
    cvg_conditions_free(set);
}

static void no_allocation_in_a_step(void **state)
{
    (void)state;
    for (size_t k = 0; cvg_policy_name(k) != NULL; k++) {
        busy_run(cvg_policy_name(k));
    }
}

/* --- create --------------------------------------------------------------- */

static void create_survives_every_failed_allocation(void **state)
{
    (void)state;
    struct world w;
    busy_box(&w);
    assert_int_equal(cvg_profile_finish(w.box->profile, NULL), CVG_OK);
    for (size_t k = 0; cvg_policy_name(k) != NULL; k++) {
        assert_int_equal(
            cvg_policy_parse(cvg_policy_name(k), NULL, &w.policy, NULL),
            CVG_OK);
        struct cvg_engine_options options = {.box = w.box,
                                             .policy = &w.policy,
                                             .measure_until = CVG_NEVER,
                                             .largest_deadline = CVG_S(10),
                                             .ended_kept = 100};
        long n = 0;
        for (;; n++) {
            struct cvg_engine *e = NULL;
            struct cvg_error err = {.text = ""};
            fail_at = n;
            enum cvg_status status = cvg_engine_create(&options, &e, &err);
            bool none_failed = fail_at >= 0;
            fail_at = -1;
            if (none_failed) {
                assert_int_equal(status, CVG_OK);
                cvg_engine_destroy(e);
                break;
            }
            assert_int_equal(status, CVG_NOMEM);
            assert_int_equal(err.status, CVG_NOMEM);
            assert_true(strlen(err.text) > 0);
            assert_null(e); /* and the sanitizer looks for leaks */
        }
        assert_true(n > 10);
    }
    cvg_engine_destroy(NULL);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_allocation_in_a_step),
        cmocka_unit_test(create_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

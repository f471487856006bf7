/* The order in which requests wait, against a sorted array: thousands of
 * arrivals and cancellations at random. */
#include "base/rng.h"
#include "engine/state.h"
#include "unit/engine/rig.h"
#include <stdlib.h>

#define MAX_WAITING 4000

struct model { /* what should wait, sorted before each look */
    struct waiting {
        uint64_t id;
        int32_t level; /* priority; none goes last */
        cvg_time due;
    } items[MAX_WAITING];
    size_t n;
};

static int by_order(const void *a, const void *b)
{
    const struct waiting *x = a;
    const struct waiting *y = b;
    if (x->level != y->level) {
        return x->level < y->level ? -1 : 1;
    }
    if (x->due != y->due) {
        return x->due < y->due ? -1 : 1;
    }
    return x->id < y->id ? -1 : x->id > y->id;
}

static uint32_t below(struct cvg_rng *rng, uint32_t n)
{
    return (uint32_t)(cvg_rng_uniform(rng) * n);
}

static void arrive(struct rig *r, struct model *m, struct cvg_rng *rng,
                   cvg_time at, uint64_t id, bool priorities, uint32_t spread)
{
    struct cvg_arrival a = {.app = below(rng, (uint32_t)r->w.box->n_apps),
                            .variant = CVG_ANY,
                            .overrides = 1U << CVG_SLO_DEADLINE};
    /* instants that meet often */
    cvg_time due = CVG_S(1000) + (cvg_time)below(rng, spread) * CVG_S(1);
    a.bounds.deadline = due - at;
    a.priority = priorities ? (int32_t)below(rng, 4) : 0;
    rig_arrive(r, at, id, &a);
    assert_int_equal(r->acts.n, 0);
    m->items[m->n++] =
        (struct waiting){id, a.priority > 0 ? a.priority : INT32_MAX, due};
}

static void cancel(struct rig *r, struct model *m, cvg_time at, size_t i)
{
    struct cvg_event event = {
        .type = CVG_EV_CANCEL, .at = at, .request = m->items[i].id};
    rig_step(r, &event);
    assert_int_equal(r->acts.n, 0);
    m->items[i] = m->items[--m->n];
}

/* The running one ends: the first of the queue begins. */
static void check_next(struct rig *r, struct model *m, cvg_time at)
{
    qsort(m->items, m->n, sizeof *m->items, by_order);
    rig_done(r, at, r->batch, CVG_OK);
    const struct cvg_start *s = &rig_action(r, CVG_ACT_START, 0)->start;
    assert_int_equal(s->n_requests, 1);
    assert_int_equal(s->requests[0], m->items[0].id);
    memmove(m->items, m->items + 1, --m->n * sizeof *m->items);
}

static size_t waiting(const struct rig *r)
{
    size_t n = 0;
    for (uint32_t a = 0; a < r->w.box->n_apps; a++) {
        n += cvg_engine_waiting(r->e, a);
    }
    return n;
}

static void against_a_sorted_array(uint64_t seed, bool priorities,
                                   uint32_t n_apps, uint32_t spread)
{
    static struct model m;
    static const char *const apps[] = {"a0", "a1", "a2"};
    struct rig r;
    struct cvg_rng rng;
    m.n = 0;
    cvg_rng_init(&rng, seed, 0, 0);
    rig_init(&r);
    world_device(&r.w, "d0", CVG_FCFS, 1, 1);
    world_variant(&r.w, "v0", 0.9);
    world_profile(&r.w, "v0", "d0", 1, 10, 5);
    for (uint32_t i = 0; i < n_apps; i++) {
        world_app(&r.w, apps[i])->queue_limit = MAX_WAITING;
    }
    r.options.ended_kept = 16;
    rig_start(&r, "edf");
    uint64_t id = 1;
    cvg_time at = 0;
    rig_arrive(&r, at, id++, NULL); /* takes the device */
    for (int i = 0; i < 12000; i++) {
        at += CVG_US(1);
        uint32_t what = below(&rng, 10);
        bool grow = i < 6000;
        if (what < (grow ? 6U : 3U) && m.n < MAX_WAITING - 1) {
            arrive(&r, &m, &rng, at, id++, priorities, spread);
        } else if (what < 8 && m.n > 0) {
            cancel(&r, &m, at, below(&rng, (uint32_t)m.n));
        } else if (m.n > 0) {
            check_next(&r, &m, at);
        }
        assert_int_equal(waiting(&r), m.n);
        assert_int_equal(cvg_engine_live(r.e), m.n + 1);
    }
    while (m.n > 0) {
        at += CVG_US(1);
        check_next(&r, &m, at);
    }
    rig_done(&r, at + 1, r.batch, CVG_OK);
    assert_int_equal(cvg_engine_live(r.e), 0);
    rig_fini(&r);
}

static void one_app(void **state)
{
    (void)state;
    against_a_sorted_array(1, false, 1, 1000000);
}

/* Hardly any two deadlines differ: by id. */
static void many_ties(void **state)
{
    (void)state;
    against_a_sorted_array(2, false, 1, 3);
    against_a_sorted_array(3, false, 1, 1);
}

static void over_three_apps(void **state)
{
    (void)state;
    against_a_sorted_array(4, false, 3, 1000000);
    against_a_sorted_array(5, false, 3, 5);
}

static void with_priorities(void **state)
{
    (void)state;
    against_a_sorted_array(6, true, 1, 1000000);
    against_a_sorted_array(7, true, 1, 2);
}

/* Sorted and reversed arrivals are no special case. */
static void monotone_arrivals(void **state)
{
    (void)state;
    for (int reversed = 0; reversed < 2; reversed++) {
        struct rig r;
        rig_init(&r);
        world_device(&r.w, "d0", CVG_FCFS, 1, 1);
        world_variant(&r.w, "v0", 0.9);
        world_profile(&r.w, "v0", "d0", 1, 10, 5);
        world_app(&r.w, "a0")->queue_limit = 5000;
        rig_start(&r, "edf");
        rig_arrive(&r, 0, 1, NULL);
        for (uint64_t i = 0; i < 5000; i++) {
            cvg_span due = CVG_S(100) + (cvg_span)(reversed ? 5000 - i : i);
            rig_due(&r, 0, 2 + i, due);
        }
        for (uint64_t i = 0; i < 5000; i++) {
            rig_done(&r, 1 + (cvg_time)i, r.batch, CVG_OK);
            uint64_t expected = reversed ? 5001 - i : 2 + i;
            assert_int_equal(
                rig_action(&r, CVG_ACT_START, 0)->start.requests[0], expected);
        }
        rig_fini(&r);
    }
}

/* --- search --------------------------------------------------------------- */

/* One after the other. */
static uint32_t search_plainly(const struct cvg_engine *e, uint32_t after,
                               uint64_t devices, cvg_time due)
{
    uint32_t i = after == NONE ? e->queues[0].first : e->slots[after].next;
    for (; i != NONE; i = e->slots[i].next) {
        const struct slot *s = &e->slots[i];
        bool can_run =
            devices == 0 ? s->devices == 0 : (s->devices & devices) != 0;
        if (can_run && !s->taken && cvg_request_due(&s->request) >= due) {
            return i;
        }
    }
    return NONE;
}

static void check_search(const struct rig *r, struct cvg_rng *rng)
{
    const struct cvg_engine *e = r->e;
    uint64_t devices = below(rng, 8);
    cvg_time due = CVG_S(1000) + (cvg_time)below(rng, 60) * CVG_S(1);
    uint32_t at = NONE;
    do {
        uint32_t expected = search_plainly(e, at, devices, due);
        assert_int_equal(cvg__queue_next(e, 0, at, devices, due), expected);
        at = expected;
    } while (at != NONE);
}

static void random_arrival(struct rig *r, struct cvg_rng *rng, cvg_time at,
                           uint64_t id)
{
    struct cvg_arrival a = {.overrides = 1U << CVG_SLO_DEADLINE};
    uint32_t variant = below(rng, 4);
    a.variant = variant < 3 ? variant : CVG_ANY;
    a.bounds.deadline = CVG_S(1000) + (cvg_time)below(rng, 50) * CVG_S(1) - at;
    rig_arrive(r, at, id, &a);
}

static void set_up(struct rig *r, cvg_time at, uint32_t device, bool up)
{
    struct cvg_event event = {.type = CVG_EV_DEVICE, .at = at};
    event.device.device = device;
    event.device.up = up;
    rig_step(r, &event);
    for (uint32_t v = 0; up && v < 3; v++) {
        struct cvg_event loaded = {.type = CVG_EV_LOADED, .at = at};
        loaded.model_on.device = device;
        loaded.model_on.variant = v;
        rig_step(r, &loaded);
    }
}

/* What a device could run is found behind what it cannot, while requests come
 * and go and devices go down and up. */
static void what_a_device_could_run_is_found(void **state)
{
    (void)state;
    static const char *const variants[] = {"v0", "v1", "v2"};
    static const char *const devices[] = {"d0", "d1", "d2"};
    struct rig r;
    struct cvg_rng rng;
    cvg_rng_init(&rng, 8, 0, 0);
    rig_init(&r);
    for (int k = 0; k < 3; k++) {
        world_device(&r.w, devices[k], CVG_FCFS, 1, 1);
        world_variant(&r.w, variants[k], 0.9);
    }
    for (int k = 0; k < 3; k++) {
        world_profile(&r.w, variants[k], devices[k], 1, 10, 5);
    }
    world_profile(&r.w, "v0", "d1", 1, 10, 5);
    world_app(&r.w, "a0")->queue_limit = MAX_WAITING;
    r.options.ended_kept = 16;
    rig_start(&r, "edf");
    cvg_time at = 0;
    uint64_t id = 1;
    bool up[3] = {true, true, true};
    for (int i = 0; i < 6000; i++) {
        at += CVG_US(1);
        uint32_t what = below(&rng, 100);
        if (what < 55) {
            random_arrival(&r, &rng, at, id++);
        } else if (what < 98) {
            struct cvg_event cancelled = {.type = CVG_EV_CANCEL,
                                          .at = at,
                                          .request =
                                              1 + below(&rng, (uint32_t)id)};
            rig_step(&r, &cancelled);
        } else {
            uint32_t d = below(&rng, 3);
            up[d] = !up[d];
            set_up(&r, at, d, up[d]);
        }
        check_search(&r, &rng);
    }
    assert_true(cvg_engine_live(r.e) > 300);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_app),
        cmocka_unit_test(many_ties),
        cmocka_unit_test(over_three_apps),
        cmocka_unit_test(with_priorities),
        cmocka_unit_test(monotone_arrivals),
        cmocka_unit_test(what_a_device_could_run_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

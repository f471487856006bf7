/* Allocations with their own solvers: apps that no plan knows, and every
 * allocation with every batching rule and many an order, on boxes whose devices
 * hold one variant at a time. */
#include "base/rng.h"
#include "support/random_box.h"
#include "support/tally.h"

#include <stdio.h>
#include <stdlib.h>

/* The last variant becomes that of another family. */
static void split_families(struct world *w)
{
    struct cvg_box *box = w->box;
    struct cvg_family *f = realloc(box->families, 2 * sizeof *f);
    uint32_t *variants = calloc(2, sizeof *variants);
    assert_non_null(f);
    assert_non_null(variants);
    box->families = f;
    box->n_families = 2;
    f[1] = (struct cvg_family){.name = strdup("other"),
                               .metric = strdup("top1"),
                               .variants = variants};
    while (f[1].n_variants < (f[0].n_variants + 1) / 2) {
        uint32_t v = f[0].variants[--f[0].n_variants];
        box->variants[v].family = 1;
        variants[f[1].n_variants++] = v;
    }
}

/* --- apps that no plan knows ---------------------------------------------- */

/* One device that is busy for 10 of 11 ms with what "a0" asks for; "other" asks
 * for nothing, and for another family. The plan is made, for good, when it has
 * had no requests. */
static void stranger(struct world *w, cvg_span load)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1)->resident = 1;
    world_variant(w, "v0", 0.8);
    world_variant(w, "v1", 0.9);
    world_profile(w, "v0", "d0", 1, 10, 0);
    world_profile(w, "v1", "d0", 1, 10, 0);
    cvg_profile_set_load(w->box->profile, 0, 0, load);
    cvg_profile_set_load(w->box->profile, 1, 0, load);
    split_families(w);
    world_slo_deadline(world_app(w, "a0"), CVG_MS(200));
    world_app(w, "other")->family = 1;
}

/* At once, where loads take no time; else within the second that is waited for
 * a quiet moment, and the time of a load. Each time it costs "a0" two loads of
 * 100 ms, nine or ten requests each. */
static void who_has_no_route_is_served(void **state)
{
    (void)state;
    static const char *const orders[] = {"edf", "fifo"};
    for (int i = 0; i < 4; i++) {
        struct world w;
        struct tally t;
        char policy[64];
        (void)snprintf(policy, sizeof policy,
                       "allocation=static,order=%s,batching=greedy",
                       orders[i % 2]);
        stranger(&w, i < 2 ? 0 : CVG_MS(100));
        tally_begin(&t, &w, policy);
        tally_arrivals(&w, "a0", 0, CVG_MS(11), 900);
        tally_arrivals(&w, "other", CVG_S(2), CVG_S(2), 3);
        world_run_until(&w, CVG_S(20));
        assert_int_equal(t.served[1], 3);
        assert_true(t.longest_wait[1] <= (i < 2 ? CVG_MS(10) : CVG_MS(1400)));
        assert_true(t.served[0] - t.late[0] >= (i < 2 ? 900 : 840));
        world_fini(&w);
    }
}

/* --- orders --------------------------------------------------------------- */

/* A batch of n takes 4 + 2n ms. When r3 is done at 306 ms, r4 could be done by
 * 312 alone, and is due at 313; nine wait. */
static void one_of_nine(struct world *w, const char *policy)
{
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "d0", 1, 6, 1);
    world_profile(w, "v0", "d0", 4, 12, 1);
    world_slo_deadline(world_app(w, "a0"), CVG_MS(100));
    world_start(w, policy);
    world_arrive(w, 0, "a0", 0);
    world_arrive(w, CVG_MS(201), "a0", 0); /* the plan is there at 221 */
    world_run_until(w, CVG_MS(299));
    w->used = 0;
    w->trace[0] = '\0';
    world_arrive(w, CVG_MS(300), "a0", 0);
    world_arrive(w, CVG_MS(301), "a0", CVG_MS(12));
    for (int k = 0; k < 8; k++) {
        world_arrive(w, CVG_MS(302), "a0", 0);
    }
    world_run_until(w, CVG_MS(400));
}

static void orders_that_drop_and_that_do_not(void **state)
{
    (void)state;
    struct world w;
    one_of_nine(&w, "allocation=static,order=edf,batching=greedy");
    CHECK_TRACE(&w, "[ 300] start r3 v0 on d0\n"
                    "[ 306] reply r3\n"
                    "[ 306] start r4 v0 on d0\n"
                    "[ 312] reply r4\n"
                    "[ 312] start r5,r6,r7,r8 v0 on d0\n"
                    "[ 324] reply r5\n"
                    "[ 324] reply r6\n"
                    "[ 324] reply r7\n"
                    "[ 324] reply r8\n"
                    "[ 324] start r9,r10,r11,r12 v0 on d0\n"
                    "[ 336] reply r9\n"
                    "[ 336] reply r10\n"
                    "[ 336] reply r11\n"
                    "[ 336] reply r12\n");
    world_fini(&w);
    /* Who would be late in a full batch gives way. */
    one_of_nine(&w, "allocation=static,order=edf,batching=nexus-wc");
    CHECK_TRACE(&w, "[ 300] start r3 v0 on d0\n"
                    "[ 306] reply r3\n"
                    "[ 306] start r5,r6,r7,r8 v0 on d0\n"
                    "[ 307] dropped r4 deadline\n"
                    "[ 318] reply r5\n"
                    "[ 318] reply r6\n"
                    "[ 318] reply r7\n"
                    "[ 318] reply r8\n"
                    "[ 318] start r9,r10,r11,r12 v0 on d0\n"
                    "[ 330] reply r9\n"
                    "[ 330] reply r10\n"
                    "[ 330] reply r11\n"
                    "[ 330] reply r12\n");
    world_fini(&w);
    one_of_nine(&w, "allocation=static,order=fifo,batching=greedy");
    CHECK_TRACE(&w, "[ 300] start r3 v0 on d0\n"
                    "[ 306] reply r3\n"
                    "[ 306] start r4,r5,r6,r7 v0 on d0\n"
                    "[ 318] reply r4 late\n"
                    "[ 318] reply r5\n"
                    "[ 318] reply r6\n"
                    "[ 318] reply r7\n"
                    "[ 318] start r8,r9,r10,r11 v0 on d0\n"
                    "[ 330] reply r8\n"
                    "[ 330] reply r9\n"
                    "[ 330] reply r10\n"
                    "[ 330] reply r11\n"
                    "[ 330] start r12 v0 on d0\n"
                    "[ 336] reply r12\n");
    world_fini(&w);
}

/* --- all of them ---------------------------------------------------------- */

#define REQUESTS 80U
#define STEPS 1000U /* of a run; most take less than a quarter */

struct run {
    uint32_t loading[8]; /* of each device */
    uint64_t steps, arrived;
    uint32_t plans;
    char name[128];
};

/* Nothing is begun on a device that is loading, and no run goes on for ever. */
static void watch(struct world *w, const struct cvg_event *event,
                  const struct cvg_actions *actions)
{
    struct run *run = w->context;
    run->arrived += event->type == CVG_EV_ARRIVAL;
    run->plans += event->type == CVG_EV_SOLVED;
    if (++run->steps > STEPS) {
        fail_msg("%s: %u steps", run->name, STEPS);
    }
    if (event->type == CVG_EV_LOADED) {
        run->loading[event->model_on.device]--;
    } else if (event->type == CVG_EV_DEVICE && !event->device.up) {
        run->loading[event->device.device] = 0;
    }
    for (size_t i = 0; i < actions->n; i++) {
        const struct cvg_action *a = &actions->items[i];
        if (a->type == CVG_ACT_LOAD) {
            run->loading[a->model_on.device]++;
        } else if (a->type == CVG_ACT_START &&
                   run->loading[a->start.device] > 0) {
            fail_msg("%s: begun on a device that loads", run->name);
        }
    }
}

static void random_times(struct world *w, struct cvg_rng *rng,
                         const char *variant, const char *device)
{
    double one = 2 + random_below(rng, 20);
    world_profile(w, variant, device, 1, one, 1);
    world_profile(w, variant, device, 8, one * (1 + random_below(rng, 4)), 8);
    cvg_profile_set_load(w->box->profile, cvg_box_find_variant(w->box, variant),
                         cvg_box_find_device(w->box, device),
                         CVG_MS(50 + random_below(rng, 3) * 50));
}

/* "a0" lets its mean accuracy give way, "a1" asks for each answer's, "free" for
 * nothing. */
static void random_apps(struct world *w, struct cvg_rng *rng)
{
    struct cvg_app *a0 = world_app(w, "a0");
    world_slo_deadline(a0, CVG_MS(30 + random_below(rng, 100)));
    world_slo_accuracy(a0, 0.9);
    a0->accuracy_over = CVG_ACCURACY_PER_WINDOW;
    a0->relax[a0->n_relax++] = CVG_SLO_ACCURACY;
    struct cvg_app *a1 = world_app(w, "a1");
    a1->family = 1;
    world_slo_deadline(a1, CVG_MS(30 + random_below(rng, 100)));
    world_slo_accuracy(a1, random_below(rng, 2) == 0 ? 0.7 : 0.9);
    world_app(w, "free")->family = random_below(rng, 2);
}

static void random_two_families(struct world *w, struct cvg_rng *rng)
{
    static const char *const devices[] = {"d0", "d1", "d2"};
    static const char *const variants[] = {"v0", "v1", "v2", "v3"};
    world_init(w);
    uint32_t n = 2 + random_below(rng, 2);
    for (uint32_t d = 0; d < n; d++) {
        bool sharing = random_below(rng, 3) == 0;
        world_device(w, devices[d], sharing ? CVG_PROCESSOR_SHARING : CVG_FCFS,
                     1 + random_below(rng, 2), 1 + random_below(rng, 2))
            ->resident = 1;
    }
    for (uint32_t v = 0; v < 4; v++) {
        world_variant(w, variants[v], v % 2 == 0 ? 0.8 : 0.95);
    }
    for (uint32_t v = 0; v < 4; v++) {
        for (uint32_t d = 0; d < n; d++) {
            random_times(w, rng, variants[v], devices[d]);
        }
    }
    split_families(w);
    random_apps(w, rng);
}

/* A second of all apps, more and less; some name a variant, some leave, and a
 * device may be gone for a while. */
static void random_load(struct world *w, struct cvg_rng *rng)
{
    double at = 0;
    for (uint32_t i = 0; i < REQUESTS; i++) {
        struct cvg_arrival a = {.app = random_below(rng, 3),
                                .variant = CVG_ANY};
        if (random_below(rng, 15) == 0) {
            const struct cvg_family *f =
                &w->box->families[w->box->apps[a.app].family];
            a.variant = f->variants[random_below(rng, 2)];
        }
        world_arrive_with(w, (cvg_time)at, &a);
        if (random_below(rng, 20) == 0) {
            world_cancel(w, (cvg_time)at + CVG_MS(5), i + 1);
        }
        at += (i / 20 % 2 == 0 ? 3e7 : 8e6) * cvg_rng_exponential(rng);
        at += i == 40 ? 5e9 : 0; /* some place for good by then */
    }
    if (random_below(rng, 3) == 0) {
        world_device_state(w, CVG_MS(600), "d0", false);
        world_device_state(w, CVG_MS(900), "d0", true);
    }
}

static void run_to_the_end(const char *policy, uint64_t seed)
{
    struct world w;
    struct run run = {.steps = 0};
    struct cvg_rng rng;
    (void)snprintf(run.name, sizeof run.name, "%s, seed %u", policy,
                   (unsigned)seed);
    cvg_rng_init(&rng, seed, 0, 0);
    random_two_families(&w, &rng);
    w.watch = watch;
    w.context = &run;
    world_start(&w, policy);
    random_load(&w, &rng);
    world_run_until(&w, CVG_S(30));
    unsigned live = (unsigned)cvg_engine_live(world_engine(&w));
    if (run.arrived != REQUESTS || live > 0 || run.plans == 0) {
        fail_msg("%s: %u have not ended, %u plans", run.name, live, run.plans);
    }
    world_fini(&w);
}

static void every_allocation_goes_with_every_rule(void **state)
{
    (void)state;
    static const char *const allocations[] = {
        "milp",       "dp",         "infaas", "sommelier",
        "clipper-ht", "clipper-ha", "static"};
    static const char *const batchings[] = {"none",     "greedy",  "fixed",
                                            "deadline", "proteus", "aimd",
                                            "nexus",    "nexus-wc"};
    static const char *const orders[] = {"edf", "fifo", "least-slack",
                                         "convergo", "heft"};
    uint64_t seed = 0;
    for (size_t a = 0; a < 7; a++) {
        for (size_t b = 0; b < 8; b++) {
            for (size_t o = 0; o < 5; o++) {
                char policy[100];
                (void)snprintf(policy, sizeof policy,
                               "allocation=%s,order=%s,batching=%s",
                               allocations[a], orders[o], batchings[b]);
                run_to_the_end(policy, ++seed);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_no_route_is_served),
        cmocka_unit_test(orders_that_drop_and_that_do_not),
        cmocka_unit_test(every_allocation_goes_with_every_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

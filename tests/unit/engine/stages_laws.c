/* What holds for requests between stages on any box, by any rule: each ends
 * once; one goes on from where it was, on the device that has its features;
 * what is kept is released or used, once. */
#include "support/random_box.h"
#include <convergo/condition.h>

#include <stdio.h>

#define REQUESTS 120U

struct run {
    struct world w;
    char name[96];
    bool conditions; /* some have conditions */
    struct {
        uint32_t device, exit; /* where its features are */
        bool kept, ended;
        uint64_t batch; /* that gave its last answer */
    } requests[REQUESTS + 1];
    struct {
        uint64_t id;
        uint32_t device, last, n;
        bool keep;
        uint64_t requests[CVG_MAX_BATCH];
    } batches[64];
    uint32_t resumed, answered_early;
};

static void law(const struct run *r, bool holds, const char *text)
{
    if (!holds) {
        fail_msg("%s: %s\n%s", r->name, text, r->w.trace);
    }
}

static void started(struct run *r, const struct cvg_start *s)
{
    uint32_t k = 0;
    while (k < 64 && r->batches[k].id != 0) {
        k++;
    }
    assert_true(k < 64);
    r->batches[k].id = s->batch;
    r->batches[k].device = s->device;
    r->batches[k].last = s->last;
    r->batches[k].n = s->n_requests;
    r->batches[k].keep = s->keep;
    for (uint32_t i = 0; i < s->n_requests; i++) {
        uint64_t id = s->requests[i];
        r->batches[k].requests[i] = id;
        law(r, r->requests[id].kept == (s->first > 0),
            "only what is kept goes on");
        if (s->first > 0) {
            law(r, r->requests[id].device == s->device,
                "it goes on where its features are");
            law(r, r->requests[id].exit + 1 == s->first,
                "it goes on from where it was");
            r->requests[id].kept = false;
            r->resumed++;
        }
    }
}

/* Before what the engine does about it. */
static void done(struct run *r, const struct cvg_event *event)
{
    for (uint32_t k = 0; k < 64; k++) {
        if (r->batches[k].id != event->done.batch) {
            continue;
        }
        r->batches[k].id = 0;
        bool well = event->done.status == CVG_OK;
        for (uint32_t i = 0; i < r->batches[k].n && well; i++) {
            uint64_t id = r->batches[k].requests[i];
            r->requests[id].kept = r->batches[k].keep;
            r->requests[id].device = r->batches[k].device;
            r->requests[id].exit = r->batches[k].last;
            r->requests[id].batch = event->done.batch;
        }
    }
}

static void lost(struct run *r, uint32_t device)
{
    for (uint64_t id = 1; id <= REQUESTS; id++) {
        if (r->requests[id].device == device) {
            r->requests[id].kept = false;
        }
    }
    for (uint32_t k = 0; k < 64; k++) {
        if (r->batches[k].device == device) {
            r->batches[k].id = 0;
        }
    }
}

static void ended(struct run *r, uint64_t id)
{
    law(r, !r->requests[id].ended, "it ends once");
    law(r, !r->requests[id].kept, "nothing is kept of who has ended");
    r->requests[id].ended = true;
}

static void see(struct world *w, const struct cvg_event *event,
                const struct cvg_actions *actions)
{
    struct run *r = w->context;
    if (event->type == CVG_EV_DONE) {
        done(r, event);
    } else if (event->type == CVG_EV_DEVICE && !event->device.up) {
        lost(r, event->device.device);
    }
    for (size_t i = 0; i < actions->n; i++) {
        const struct cvg_action *a = &actions->items[i];
        if (a->type == CVG_ACT_START) {
            started(r, &a->start);
        } else if (a->type == CVG_ACT_RELEASE) {
            law(r, r->requests[a->release.request].kept,
                "what is released was kept");
            law(r, r->requests[a->release.request].device == a->release.device,
                "it is released where it is");
            r->requests[a->release.request].kept = false;
        } else if (a->type == CVG_ACT_REPLY) {
            uint64_t id = a->reply.request;
            law(r, a->reply.batch == r->requests[id].batch,
                "the answer is that of its last stage");
            law(r, a->reply.exit == r->requests[id].exit,
                "the exit is where it came to");
            uint32_t last = w->box->variants[a->reply.variant].n_exits - 1;
            r->answered_early += a->reply.exit < last;
            ended(r, id);
        } else if (a->type == CVG_ACT_DROP) {
            ended(r, a->drop.request);
        }
    }
}

/* --- conditions ----------------------------------------------------------- */

#define SETS 4U
static const struct cvg_conditions *sets[SETS + 1]; /* the last one: none */

static void make_sets(void)
{
    static const char *const texts[SETS] = {
        "never", "always", "never; response_time > 20ms; always",
        "confidence >= 0.7 or response_time > 50ms"};
    for (uint32_t i = 0; i < SETS; i++) {
        struct cvg_conditions *set = NULL;
        assert_int_equal(cvg_conditions_parse(texts[i], &set, NULL), CVG_OK);
        sets[i] = set;
    }
}

static void free_sets(void)
{
    for (uint32_t i = 0; i < SETS; i++) {
        cvg_conditions_free(sets[i]);
    }
}

static void change_a_request(struct world *w, struct cvg_rng *rng, cvg_time at,
                             uint64_t id)
{
    struct cvg_event event = {.type = CVG_EV_BOUNDS, .at = at};
    event.bounds.request = id;
    event.bounds.overrides = random_below(rng, 1U << CVG_SLO_KINDS);
    event.bounds.slo = (struct cvg_slo){
        .deadline = CVG_MS(1 + random_below(rng, 300)),
        .accuracy = 0.1 * random_below(rng, 10),
        .energy_j = 0.01 * random_below(rng, 10),
    };
    event.bounds.new_conditions = random_below(rng, 2) == 0;
    event.bounds.conditions = sets[random_below(rng, SETS + 1)];
    cvg_sim_inject(w->sim, &event);
}

static void change_an_app(struct world *w, struct cvg_rng *rng)
{
    struct cvg_event event = {.type = CVG_EV_APP,
                              .at = CVG_MS(random_below(rng, 900))};
    event.app.new_conditions = true;
    event.app.conditions = sets[random_below(rng, SETS + 1)];
    cvg_sim_inject(w->sim, &event);
}

static void load(struct run *r, struct cvg_rng *rng)
{
    struct world *w = &r->w;
    cvg_time at = 0;
    for (uint64_t id = 1; id <= REQUESTS; id++) {
        struct cvg_arrival a = {.app =
                                    random_below(rng, (uint32_t)w->box->n_apps),
                                .variant = CVG_ANY,
                                .id = id};
        if (random_below(rng, 4) == 0) {
            a.overrides = 1U << CVG_SLO_DEADLINE;
            a.bounds.deadline = CVG_MS(1 + random_below(rng, 300));
        }
        if (r->conditions && random_below(rng, 3) == 0) {
            a.conditions = sets[random_below(rng, SETS)];
        }
        world_arrive_with(w, at, &a);
        if (r->conditions && random_below(rng, 6) == 0) {
            change_a_request(w, rng, at + CVG_MS(random_below(rng, 40)), id);
        }
        if (random_below(rng, 15) == 0) {
            world_cancel(w, at + CVG_MS(random_below(rng, 40)), id);
        }
        at += CVG_MS(random_below(rng, 15));
    }
    for (int i = 0; i < 3; i++) {
        struct cvg_event event = {.type = CVG_EV_APP,
                                  .at = CVG_MS(random_below(rng, 900))};
        event.app.slo.declared = 1U << CVG_SLO_DEADLINE;
        event.app.slo.deadline = CVG_MS(5 + random_below(rng, 400));
        cvg_sim_inject(w->sim, &event);
        if (r->conditions) {
            change_an_app(w, rng);
        }
    }
    world_device_state(w, CVG_MS(300), w->box->devices[0].name, false);
    world_device_state(w, CVG_MS(350), w->box->devices[0].name, true);
}

static void run_to_the_end(struct run *r, uint64_t seed, const char *policy,
                           bool conditions)
{
    static const struct random_box like = {.max_devices = 3,
                                           .max_variants = 3,
                                           .max_apps = 3,
                                           .max_exits = 4,
                                           .noise = true,
                                           .switches = true};
    struct cvg_rng rng;
    memset(r, 0, sizeof *r);
    r->conditions = conditions;
    (void)snprintf(r->name, sizeof r->name, "%s%s, seed %u", policy,
                   conditions ? ", conditions" : "", (unsigned)seed);
    cvg_rng_init(&rng, seed, 0, 0);
    world_init(&r->w);
    random_box_fill(&r->w, &rng, &like);
    r->w.box->policy.budget_w = 0.5;
    r->w.watch = see;
    r->w.context = r;
    r->w.seed = seed;
    world_start(&r->w, policy);
    load(r, &rng);
    world_run_until(&r->w, CVG_S(60));
    law(r, cvg_engine_live(world_engine(&r->w)) == 0, "all have ended");
    for (uint64_t id = 1; id <= REQUESTS; id++) {
        law(r, !r->requests[id].kept, "nothing is kept at the end");
    }
    world_fini(&r->w);
}

static void every_rule_keeps_the_laws(void **state)
{
    (void)state;
    static const char *const orders[] = {"edf", "fifo", "least-slack"};
    static const char *const batchings[] = {"greedy", "none", "deadline"};
    static const char *const rules[] = {
        "last",     "reactive",   "anytime", "predictive",
        "accuracy", "confidence", "alert",   "energy-budget"};
    uint32_t resumed = 0, early = 0;
    uint64_t seed = 1;
    make_sets();
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            for (int k = 0; k < 8; k++) {
                for (int n = 0; n < 4; n++) {
                    static struct run r;
                    char policy[80];
                    (void)snprintf(policy, sizeof policy,
                                   "order=%s,batching=%s,exits=%s", orders[i],
                                   batchings[j], rules[k]);
                    run_to_the_end(&r, seed++, policy, n % 2 == 1);
                    resumed += r.resumed;
                    early += r.answered_early;
                }
            }
        }
    }
    free_sets();
    assert_true(resumed > 1000 && early > 500);
}

/* Those that decide jointly know of no conditions. */
static void joint_policies_keep_them_too(void **state)
{
    (void)state;
    static const char *const policies[] = {"convergo", "clockwork", "jellyfish",
                                           "proteus"};
    uint32_t resumed = 0;
    make_sets();
    for (uint64_t seed = 1; seed <= 40; seed++) {
        static struct run r;
        run_to_the_end(&r, seed, policies[seed % 4], true);
        resumed += r.resumed;
    }
    free_sets();
    assert_true(resumed > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_keeps_the_laws),
        cmocka_unit_test(joint_policies_keep_them_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

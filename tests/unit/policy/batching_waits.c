/* Nobody is late, or dropped, because a batching rule waited: who was first in
 * the queue of an idle unit, and would have been in time by himself, is in
 * time. Any profile, any arrivals; times are as profiled. */
#include "support/random_box.h"

#define MANY 200U

enum fate { COMING, WAITS, RUNS, ENDED };

/* Requests that all have the same deadline, so the one that came first is the
 * first of the queue. */
struct queue {
    cvg_span alone, deadline; /* what one takes, what each has */
    enum fate fate[MANY + 1];
    cvg_time arrived[MANY + 1];
    uint64_t first, last;
    bool kept[MANY + 1]; /* it could have begun, and would have been in time */
    uint32_t n_kept;
    uint64_t broken; /* kept, and then late or dropped; 0: nobody */
};

static void end(struct queue *q, uint64_t request, bool well)
{
    q->fate[request] = ENDED;
    q->broken = q->kept[request] && !well ? request : q->broken;
}

static void follow(struct queue *q, const struct cvg_action *a)
{
    if (a->type == CVG_ACT_START) {
        for (uint32_t k = 0; k < a->start.n_requests; k++) {
            q->fate[a->start.requests[k]] = RUNS;
        }
    } else if (a->type == CVG_ACT_REPLY) {
        end(q, a->reply.request, a->reply.deadline_met);
    } else if (a->type == CVG_ACT_DROP) {
        end(q, a->drop.request, false);
    }
}

/* Whom the rule has left waiting before an idle unit. */
static void watch_the_first(struct world *w, const struct cvg_event *event,
                            const struct cvg_actions *actions)
{
    struct queue *q = w->context;
    if (event->type == CVG_EV_ARRIVAL) {
        q->last = event->arrival.id;
        q->fate[q->last] = WAITS;
        q->arrived[q->last] = event->at;
    }
    for (size_t i = 0; i < actions->n; i++) {
        follow(q, &actions->items[i]);
    }
    while (q->first <= q->last && q->fate[q->first] != WAITS) {
        q->first++;
    }
    bool idle = cvg_engine_running(world_engine(w)) == 0;
    if (idle && q->first <= q->last &&
        event->at + q->alone <= q->arrived[q->first] + q->deadline) {
        q->n_kept += !q->kept[q->first];
        q->kept[q->first] = true;
    }
}

/* One takes 1 to 10 ms, up to eight take up to as much as one after the other;
 * a deadline is twice that of one at least. */
static cvg_span random_unit(struct world *w, struct cvg_rng *rng,
                            struct queue *q)
{
    double one = 1 + 9 * cvg_rng_uniform(rng);
    uint32_t max = 2 + random_below(rng, 7);
    double all = one * (1 + (max - 1) * cvg_rng_uniform(rng));
    world_init(w);
    world_device(w, "d0", CVG_FCFS, 1, 1);
    world_variant(w, "v0", 0.9);
    world_profile(w, "v0", "d0", 1, one, 0);
    world_profile(w, "v0", "d0", max, all, 0);
    memset(q, 0, sizeof *q);
    q->first = 1;
    q->alone = (cvg_span)(one * 1e6);
    q->deadline = 2 * q->alone + (cvg_span)(3e6 * all * cvg_rng_uniform(rng));
    world_slo_deadline(world_app(w, "a0"), q->deadline);
    return (cvg_span)(all * 1e6);
}

/* Of any load, at random or in clusters. */
static void random_run(const char *policy, uint64_t seed, struct queue *q)
{
    struct world w;
    struct cvg_rng rng;
    cvg_rng_init(&rng, seed, 0, 0);
    cvg_span longest = random_unit(&w, &rng, q);
    w.watch = watch_the_first;
    w.context = q;
    world_start(&w, policy);
    double gap = 2 * (double)longest * cvg_rng_uniform(&rng), at = 0;
    for (uint32_t k = 0; k < MANY; k++) {
        world_arrive(&w, (cvg_time)at, "a0", 0);
        at += gap * cvg_rng_gamma(&rng, seed % 2 == 0 ? 1 : 0.3);
    }
    world_run_until(&w, (cvg_time)at + CVG_S(2));
    assert_int_equal(cvg_engine_live(world_engine(&w)), 0);
    if (q->broken != 0) {
        fail_msg("%s, seed %u: r%u was first, and was made to wait", policy,
                 (unsigned)seed, (unsigned)q->broken);
    }
    world_fini(&w);
}

static void no_rule_waits_for_too_long(void **state)
{
    (void)state;
    static const char *const policies[] = {
        "allocation=none,order=edf,batching=deadline",
        "allocation=none,order=edf,batching=proteus",
        "allocation=static,order=edf,batching=proteus",
    };
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        uint32_t n_kept = 0;
        for (uint64_t seed = 1; seed <= 100; seed++) {
            struct queue q;
            random_run(policies[i], seed, &q);
            n_kept += q.n_kept;
        }
        assert_true(n_kept > 5000); /* a quarter of all, at least */
    }
}

/* These keep nobody waiting before an idle unit. */
static void who_can_begin_begins(void **state)
{
    (void)state;
    static const char *const policies[] = {
        "allocation=none,order=edf,batching=greedy",
        "allocation=none,order=edf,batching=nexus-wc",
        "allocation=static,order=edf,batching=greedy",
        "allocation=static,order=edf,batching=nexus-wc",
    };
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        for (uint64_t seed = 1; seed <= 100; seed++) {
            struct queue q;
            random_run(policies[i], seed, &q);
            if (q.n_kept > 0) {
                fail_msg("%s, seed %u: %u waited", policies[i], (unsigned)seed,
                         q.n_kept);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rule_waits_for_too_long),
        cmocka_unit_test(who_can_begin_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

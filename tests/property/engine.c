/* Laws that hold for every box, policy, load and fault: thousands of seeds.
 *
 * Every request ends exactly once. No fcfs unit runs two batches and no unit
 * holds more than `in_flight`. Nothing is given up that could still be met.
 * Queue bounds hold. Equal inputs give equal traces. A failure prints its
 * seed; run that one alone with CONVERGO_SEED. */
#include "base/rng.h"
#include "support/world.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_REQUESTS 400
#define MAX_UNITS 32

struct audit {
    uint64_t seed;
    uint32_t n_requests;
    uint8_t arrived[MAX_REQUESTS + 1];
    uint8_t ended[MAX_REQUESTS + 1];
    uint8_t cancelled[MAX_REQUESTS + 1];
    cvg_time deadline[MAX_REQUESTS + 1];
    uint32_t held[MAX_UNITS];
    cvg_time free_at[MAX_UNITS]; /* exact: times are deterministic here */
    uint64_t batches[MAX_UNITS][CVG_MAX_IN_FLIGHT];
    bool down[MAX_UNITS];
    bool exact; /* fcfs only, no switch cost, no fault: free_at is right */
};

static uint32_t below(struct cvg_rng *rng, uint32_t n)
{
    return (uint32_t)(cvg_rng_uniform(rng) * n);
}

/* --- a random box --------------------------------------------------------- */

static void random_devices(struct world *w, struct cvg_rng *rng)
{
    uint32_t n = 1 + below(rng, 4);
    for (uint32_t i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%u", i);
        struct cvg_device *d = world_device(
            w, name, below(rng, 3) == 0 ? CVG_PROCESSOR_SHARING : CVG_FCFS,
            1 + below(rng, 3), 1 + below(rng, 3));
        if (below(rng, 3) == 0) {
            d->has_switch = true;
            d->switch_fixed = CVG_MS(1 + below(rng, 5));
            d->has_cache = below(rng, 2) == 0;
            d->cache_bytes = 2 << 20;
        }
        if (below(rng, 4) == 0) {
            d->resident = 1 + below(rng, 2);
        }
    }
}

static void random_profile(struct world *w, struct cvg_rng *rng)
{
    for (size_t v = 0; v < w->box->n_variants; v++) {
        for (size_t d = 0; d < w->box->n_devices; d++) {
            bool only_choice = d == 0; /* each variant runs somewhere */
            if (!only_choice && below(rng, 3) == 0) {
                continue;
            }
            double ms = 1 + below(rng, 20);
            world_profile(w, w->box->variants[v].name, w->box->devices[d].name,
                          1, ms, ms);
            if (below(rng, 2) == 0) {
                double gain = 1 + cvg_rng_uniform(rng) * 3;
                world_profile(w, w->box->variants[v].name,
                              w->box->devices[d].name, 4, ms * gain, ms * gain);
            }
            if (below(rng, 3) == 0) {
                cvg_profile_set_load(w->box->profile, (uint32_t)v, (uint32_t)d,
                                     CVG_MS(below(rng, 30)));
            }
        }
    }
}

static void random_app(struct cvg_app *a, struct cvg_rng *rng)
{
    if (below(rng, 4) != 0) {
        world_slo_deadline(a, CVG_MS(5 + below(rng, 80)));
    }
    if (below(rng, 2) == 0) {
        world_slo_accuracy(a, 0.5 + 0.4 * cvg_rng_uniform(rng));
        a->accuracy_over = below(rng, 3) == 0 ? CVG_ACCURACY_PER_WINDOW
                                              : CVG_ACCURACY_PER_REQUEST;
    }
    if (below(rng, 3) == 0) {
        world_slo_throughput(a, 1 + below(rng, 100));
    }
    if (below(rng, 4) == 0) {
        world_slo_energy(a, 1 + below(rng, 30));
    }
    for (int k = 0; k < CVG_SLO_KINDS; k++) {
        if (below(rng, 4) == 0) {
            a->relax[a->n_relax++] = (enum cvg_slo_kind)k;
        }
    }
    a->queue_limit = 1 + below(rng, 60);
}

static void random_box(struct world *w, struct cvg_rng *rng)
{
    random_devices(w, rng);
    uint32_t n_variants = 1 + below(rng, 4);
    for (uint32_t i = 0; i < n_variants; i++) {
        char name[16];
        snprintf(name, sizeof name, "v%u", i);
        world_variant(w, name, 0.5 + 0.45 * cvg_rng_uniform(rng));
    }
    random_profile(w, rng);
    uint32_t n_apps = 1 + below(rng, 3);
    for (uint32_t i = 0; i < n_apps; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%u", i);
        random_app(world_app(w, name), rng);
    }
}

/* --- the auditor ---------------------------------------------------------- */

#define LAW(holds, ...)                                                        \
    do {                                                                       \
        if (!(holds)) {                                                        \
            print_message(                                                     \
                "seed %llu, policy %s: ",                                      \
                (unsigned long long)((struct audit *)w->context)->seed,        \
                w->policy.order->name);                                        \
            print_message(__VA_ARGS__);                                        \
            print_message("\n");                                               \
            fail();                                                            \
        }                                                                      \
    } while (0)

static void audit_start(struct world *w, struct audit *a, cvg_time now,
                        const struct cvg_start *s)
{
    const struct cvg_device *d = &w->box->devices[s->device];
    bool only_switches = s->n_requests == 0;
    cvg_span time =
        only_switches
            ? cvg_box_switch_time(w->box, s->device, s->variant)
            : cvg_profile_time(w->box->profile, s->variant, s->first, s->last,
                               s->device, s->n_requests, CVG_MEAN);
    LAW(a->held[s->unit] < d->in_flight, "unit %u holds too much", s->unit);
    LAW(!a->down[s->device], "device %u is down", s->device);
    LAW(!only_switches || time > 0, "empty batch for nothing");
    for (uint32_t i = 0; i < s->n_requests; i++) {
        LAW(s->requests[i] <= a->n_requests && a->ended[s->requests[i]] == 0,
            "request %llu started after its end",
            (unsigned long long)s->requests[i]);
    }
    a->batches[s->unit][a->held[s->unit]++] = s->batch;
    a->free_at[s->unit] =
        (a->free_at[s->unit] > now ? a->free_at[s->unit] : now) + time;
}

static void audit_done(struct audit *a, uint64_t batch)
{
    for (uint32_t u = 0; u < MAX_UNITS; u++) {
        for (uint32_t i = 0; i < a->held[u]; i++) {
            if (a->batches[u][i] == batch) {
                a->batches[u][i] = a->batches[u][--a->held[u]];
                return;
            }
        }
    }
}

static void audit_end(struct world *w, struct audit *a, uint64_t request)
{
    LAW(request >= 1 && request <= a->n_requests && a->arrived[request],
        "request %llu ended before it came", (unsigned long long)request);
    LAW(a->ended[request]++ == 0, "request %llu ended twice",
        (unsigned long long)request);
}

/* Could the request still have been met by some unit on its own, after what
 * that unit holds? */
static bool could_be_met(const struct world *w, const struct audit *a,
                         cvg_time now, const struct cvg_request *r)
{
    const struct cvg_box *box = w->box;
    uint32_t unit = 0;
    for (uint32_t d = 0; d < box->n_devices; d++) {
        for (uint32_t u = 0; u < box->devices[d].units; u++, unit++) {
            for (uint32_t v = 0; v < box->n_variants; v++) {
                if ((r->variant != CVG_ANY && r->variant != v) ||
                    cvg_profile_min_batch(box->profile, v, 0, 0, d) != 1 ||
                    box->variants[v].accuracy[0] < r->min_accuracy ||
                    cvg_profile_energy(box->profile, v, 0, 0, d, 1) >
                        r->max_energy_j ||
                    !cvg_engine_resident(cvg_sim_engine(w->sim), d, v)) {
                    continue;
                }
                cvg_time begin =
                    a->free_at[unit] > now ? a->free_at[unit] : now;
                if (begin + cvg_profile_time(box->profile, v, 0, 0, d, 1,
                                             CVG_MEAN) <=
                    r->deadline) {
                    return true;
                }
            }
        }
    }
    return false;
}

static void audit_drop(struct world *w, struct audit *a, cvg_time now,
                       const struct cvg_drop *drop)
{
    audit_end(w, a, drop->request);
    if (!a->exact || drop->reason != CVG_REASON_DEADLINE) {
        return;
    }
    struct cvg_explanation why;
    cvg_engine_explain(cvg_sim_engine(w->sim), drop->request, &why);
    LAW(!could_be_met(w, a, now, &why.request),
        "request %llu was dropped at %lld although it could still be met",
        (unsigned long long)drop->request, (long long)now);
}

static void audit_queues(struct world *w, const struct audit *a)
{
    if (!a->exact) {
        return; /* lost batches come back above the limit */
    }
    for (uint32_t i = 0; i < w->box->n_apps; i++) {
        LAW(cvg_engine_waiting(cvg_sim_engine(w->sim), i) <=
                w->box->apps[i].queue_limit,
            "queue of app %u is above its limit", i);
    }
}

static void audit(struct world *w, const struct cvg_event *event,
                  const struct cvg_actions *actions)
{
    struct audit *a = w->context;
    if (event->type == CVG_EV_ARRIVAL) {
        a->arrived[event->arrival.id] = 1;
    } else if (event->type == CVG_EV_DONE) {
        audit_done(a, event->done.batch);
    } else if (event->type == CVG_EV_DEVICE) {
        a->down[event->device.device] = !event->device.up;
        uint32_t unit = 0;
        for (uint32_t d = 0; d < event->device.device; d++) {
            unit += w->box->devices[d].units;
        }
        for (uint32_t u = 0; !event->device.up &&
                             u < w->box->devices[event->device.device].units;
             u++) {
            a->held[unit + u] = 0;
            a->free_at[unit + u] = event->at;
        }
    } else if (event->type == CVG_EV_CANCEL) {
        a->cancelled[event->request] = 1;
    }
    for (size_t i = 0; i < actions->n; i++) {
        const struct cvg_action *act = &actions->items[i];
        if (act->type == CVG_ACT_REPLY) {
            audit_end(w, a, act->reply.request);
        } else if (act->type == CVG_ACT_DROP) {
            audit_drop(w, a, event->at, &act->drop);
        }
    }
    for (size_t i = 0; i < actions->n; i++) {
        if (actions->items[i].type == CVG_ACT_START) {
            audit_start(w, a, event->at, &actions->items[i].start);
        }
    }
    audit_queues(w, a);
}

/* --- a random run --------------------------------------------------------- */

static void random_arrivals(struct world *w, struct audit *a,
                            struct cvg_rng *rng)
{
    cvg_time at = 0;
    double gap = (0.5 + cvg_rng_uniform(rng) * 10) * 1e6;
    a->n_requests = 20 + below(rng, 100);
    for (uint32_t i = 1; i <= a->n_requests; i++) {
        at += (cvg_span)(cvg_rng_exponential(rng) * gap);
        struct cvg_arrival r = {.app = below(rng, (uint32_t)w->box->n_apps),
                                .variant = CVG_ANY};
        if (below(rng, 8) == 0) {
            r.variant = below(rng, (uint32_t)w->box->n_variants);
        }
        if (below(rng, 4) == 0) {
            r.overrides |= 1U << CVG_SLO_DEADLINE;
            r.bounds.deadline = CVG_MS(1 + below(rng, 100));
        }
        if (below(rng, 10) == 0) {
            r.timeout = CVG_MS(1 + below(rng, 40));
        }
        world_arrive_with(w, at, &r);
        if (below(rng, 12) == 0) {
            world_cancel(w, at + CVG_MS(below(rng, 20)), i);
        }
    }
}

static void random_faults(struct world *w, struct cvg_rng *rng)
{
    for (size_t d = 0; d < w->box->n_devices; d++) {
        if (below(rng, 2) == 0) {
            cvg_time at = CVG_MS(below(rng, 200));
            world_device_state(w, at, w->box->devices[d].name, false);
            world_device_state(w, at + CVG_MS(1 + below(rng, 100)),
                               w->box->devices[d].name, true);
        }
    }
}

static bool is_exact(const struct world *w)
{
    for (size_t d = 0; d < w->box->n_devices; d++) {
        if (w->box->devices[d].discipline != CVG_FCFS ||
            w->box->devices[d].has_switch) {
            return false;
        }
    }
    return true;
}

static uint64_t run_seed(uint64_t seed, char *trace, size_t size)
{
    struct world w;
    struct cvg_rng rng;
    struct audit a = {.seed = seed};
    cvg_rng_init(&rng, seed, 1, 1);
    world_init(&w);
    random_box(&w, &rng);
    const char *policies[32] = {
        "order=edf,batching=none",    "order=edf,batching=fixed",
        "order=edf,batching=aimd",    "order=least-slack,batching=deadline",
        "order=fifo,batching=nexus",  "order=edf,batching=proteus",
        "order=edf,batching=nexus-wc"};
    uint32_t n_policies = 7;
    while (n_policies < 32 &&
           (policies[n_policies] = cvg_policy_name(n_policies - 7)) != NULL) {
        n_policies++;
    }
    w.watch = audit;
    w.context = &a;
    world_start(&w, policies[below(&rng, n_policies)]);
    bool faults = below(&rng, 3) == 0;
    a.exact = is_exact(&w) && !faults;
    random_arrivals(&w, &a, &rng);
    if (faults) {
        random_faults(&w, &rng);
    }
    world_run_until(&w, CVG_S(60));
    if (cvg_engine_live(world_engine(&w)) != 0) {
        print_message("seed %llu, policy %s: %zu requests never end\n%s",
                      (unsigned long long)seed, w.policy.order->name,
                      cvg_engine_live(world_engine(&w)), w.trace);
        fail();
    }
    for (uint32_t i = 1; i <= a.n_requests; i++) {
        if (a.ended[i] + a.cancelled[i] < 1) {
            print_message("seed %llu: request %u never ended\n%s",
                          (unsigned long long)seed, i, w.trace);
            fail();
        }
    }
    const struct cvg_stats *stats = world_finish(&w);
    uint64_t total = 0;
    for (size_t i = 0; i < stats->n_apps; i++) {
        const struct cvg_counts *c = &stats->apps[i].counts;
        assert_int_equal(c->offered,
                         c->served + c->dropped + c->rejected + c->failed);
        assert_int_equal(c->served, c->on_time + c->late);
        total += c->offered + c->cancelled;
    }
    assert_int_equal(total, a.n_requests);
    snprintf(trace, size, "%s", w.trace);
    uint64_t replies = w.replies;
    world_fini(&w);
    return replies;
}

static void laws_hold(void **state)
{
    (void)state;
    static char trace[1 << 16];
    static char again[1 << 16];
    const char *only = getenv("CONVERGO_SEED");
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    uint64_t last = only != NULL ? first : 5000;
    uint64_t replies = 0;
    for (uint64_t seed = first; seed <= last; seed++) {
        replies += run_seed(seed, trace, sizeof trace);
        if (seed % 50 == 0) {
            run_seed(seed, again, sizeof again);
            assert_string_equal(trace, again);
        }
    }
    if (only != NULL) {
        print_message("%s", trace);
    } else {
        assert_true(replies > 100000); /* the runs are no empty ones */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(laws_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Not to ask a policy changes nothing: one that says that it is indifferent to
 * an arrival decides as if it were asked. It promises that for the instant at
 * which it was last asked, so here it is asked before every arrival: what time
 * alone changes does not count. */
#include "base/rng.h"
#include "unit/engine/rig.h"
#include <stdio.h>

#define SEEDS 400
#define STEPS 600
#define MAX_RUNNING 32

struct driver {
    struct rig r;
    struct cvg_rng rng;
    struct cvg_order_ops order; /* the policy's, maybe without indifferent() */
    struct {
        uint64_t batch;
        cvg_time ends; /* CVG_NEVER: it hangs */
    } running[MAX_RUNNING];
    uint32_t n_running;
    uint32_t skipped; /* arrivals to which the policy was indifferent */
    char trace[1 << 18];
    size_t used;
};

static uint32_t below(struct driver *d, uint32_t n)
{
    return (uint32_t)(cvg_rng_uniform(&d->rng) * n);
}

static void make_box(struct driver *d)
{
    struct world *w = &d->r.w;
    static const char *const devices[] = {"d0", "d1", "d2"};
    static const char *const variants[] = {"v0", "v1", "v2"};
    static const char *const apps[] = {"a0", "a1", "a2"};
    rig_init(&d->r);
    for (int i = 0; i < 3; i++) {
        world_device(w, devices[i],
                     below(d, 3) == 0 ? CVG_PROCESSOR_SHARING : CVG_FCFS, 1,
                     1 + below(d, 2));
    }
    for (int v = 0; v < 3; v++) {
        world_variant(w, variants[v], 0.6 + 0.1 * v);
    }
    for (int v = 0; v < 3; v++) {
        for (int i = 0; i < 3; i++) {
            double ms = 2 + below(d, 20);
            if (v > 0 && i > 0 && below(d, 3) == 0) {
                continue;
            }
            world_profile(w, variants[v], devices[i], 1, ms, 1);
            world_profile(w, variants[v], devices[i], 4, ms * 2, 2);
        }
    }
    for (int a = 0; a < 3; a++) {
        struct cvg_app *app = world_app(w, apps[a]);
        if (below(d, 4) != 0) {
            world_slo_deadline(app, CVG_MS(20 + below(d, 400)));
        }
        if (below(d, 2) == 0) {
            world_slo_accuracy(app, 0.6 + 0.1 * below(d, 3));
        }
    }
}

/* What decides: starts, drops and loads; with `skipping` as the engine does. */
static void note(struct driver *d, cvg_time at)
{
    for (size_t i = 0; i < d->r.acts.n; i++) {
        const struct cvg_action *a = &d->r.acts.items[i];
        char *end = d->trace + d->used;
        size_t room = sizeof d->trace - d->used;
        int n = 0;
        if (a->type == CVG_ACT_START) {
            n = snprintf(end, room, "%lld start u%u v%u", (long long)at,
                         a->start.unit, a->start.variant);
            for (uint32_t k = 0; k < a->start.n_requests; k++) {
                n += snprintf(end + n, room - (size_t)n, " r%llu",
                              (unsigned long long)a->start.requests[k]);
            }
            n += snprintf(end + n, room - (size_t)n, "\n");
            assert_true(d->n_running < MAX_RUNNING);
            d->running[d->n_running].batch = a->start.batch;
            d->running[d->n_running++].ends =
                below(d, 40) == 0 ? CVG_NEVER : a->start.predicted;
        } else if (a->type == CVG_ACT_DROP) {
            n = snprintf(end, room, "%lld drop r%llu: %s\n", (long long)at,
                         (unsigned long long)a->drop.request,
                         cvg_reason_name(a->drop.reason));
        } else if (a->type == CVG_ACT_ABORT) {
            for (uint32_t k = 0; k < d->n_running; k++) {
                if (d->running[k].batch == a->batch) {
                    d->running[k] = d->running[--d->n_running];
                }
            }
        }
        d->used += (size_t)n;
        assert_true(d->used < sizeof d->trace);
    }
}

static void finish_first(struct driver *d, uint32_t first, cvg_time at)
{
    uint64_t batch = d->running[first].batch;
    d->running[first] = d->running[--d->n_running];
    rig_done(&d->r, at, batch, below(d, 20) == 0 ? CVG_DEVICE : CVG_OK);
    note(d, at);
}

/* Everything that is to happen before `until`. */
static void run_until(struct driver *d, cvg_time until)
{
    for (;;) {
        uint32_t first = 0;
        for (uint32_t k = 1; k < d->n_running; k++) {
            first = d->running[k].ends < d->running[first].ends ? k : first;
        }
        cvg_time ends = d->n_running > 0 ? d->running[first].ends : CVG_NEVER;
        cvg_time wake = cvg_engine_next_wake(d->r.e);
        if (ends >= until && wake >= until) {
            return;
        }
        if (ends <= wake) {
            finish_first(d, first, ends);
        } else {
            rig_tell(&d->r, wake, CVG_EV_TIMER);
            note(d, wake);
        }
    }
}

static struct driver *counts_for;
static bool (*indifferent)(void *, const struct cvg_view *,
                           const struct cvg_request *);

static bool counting(void *state, const struct cvg_view *view,
                     const struct cvg_request *request)
{
    bool yes = indifferent(state, view, request);
    counts_for->skipped += yes;
    return yes;
}

static void run(struct driver *d, const char *policy, uint64_t seed,
                bool skipping)
{
    cvg_time at = 0;
    memset(d, 0, sizeof *d);
    cvg_rng_init(&d->rng, seed, 3, 0);
    make_box(d);
    struct cvg_error err;
    assert_int_equal(cvg_profile_finish(d->r.w.box->profile, &err), CVG_OK);
    assert_int_equal(cvg_policy_parse(policy, NULL, &d->r.w.policy, &err),
                     CVG_OK);
    d->order = *d->r.w.policy.order;
    indifferent = d->order.indifferent;
    counts_for = d;
    d->order.indifferent = skipping && indifferent != NULL ? counting : NULL;
    d->r.w.policy.order = &d->order;
    d->r.options.box = d->r.w.box;
    d->r.options.policy = &d->r.w.policy;
    assert_int_equal(cvg_engine_create(&d->r.options, &d->r.e, &err), CVG_OK);
    for (uint64_t i = 1; i <= STEPS; i++) {
        at += (cvg_span)(cvg_rng_exponential(&d->rng) * 4e6);
        run_until(d, at);
        rig_tell(&d->r, at, CVG_EV_TIMER);
        note(d, at);
        struct cvg_arrival a = {.app = below(d, 3), .variant = CVG_ANY};
        if (below(d, 8) == 0) {
            a.variant = below(d, 3);
        }
        rig_arrive(&d->r, at, i, &a);
        note(d, at);
    }
    rig_fini(&d->r);
}

static void skipping_changes_nothing(void **state)
{
    (void)state;
    static struct driver with, without;
    const char *policy;
    for (size_t k = 0; (policy = cvg_policy_name(k)) != NULL; k++) {
        uint64_t skipped = 0;
        bool can_skip = false;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            run(&with, policy, seed, true);
            can_skip = indifferent != NULL;
            if (!can_skip) {
                break; /* it is always asked */
            }
            run(&without, policy, seed, false);
            skipped += with.skipped;
            if (strcmp(with.trace, without.trace) != 0) {
                size_t i = 0;
                while (with.trace[i] == without.trace[i]) {
                    i++;
                }
                while (i > 0 && with.trace[i - 1] != '\n') {
                    i--;
                }
                fail_msg("%s, seed %llu:\n%.120s\nwhen asked always:\n%.120s",
                         policy, (unsigned long long)seed, with.trace + i,
                         without.trace + i);
            }
        }
        assert_true(!can_skip || skipped > 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(skipping_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

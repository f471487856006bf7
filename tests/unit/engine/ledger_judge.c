/* The ledger against a second, slow judge: all requests of a random run in a
 * table, and DESIGN.md section 5 read literally over it. */
#include "base/rng.h"
#include "unit/engine/court.h"
#include <stdlib.h>

#define MAX_CASES 400
#define MAX_APPS 3

struct trial {
    struct cvg_ending end[MAX_CASES];
    uint32_t n;
    cvg_time from, until;
    /* by app: from the window `change` on the second SLO holds */
    struct cvg_slo slo[MAX_APPS][2];
    enum cvg_accuracy_over over[MAX_APPS];
    cvg_time change[MAX_APPS];
};

static uint32_t below(struct cvg_rng *rng, uint32_t n)
{
    return (uint32_t)(cvg_rng_uniform(rng) * n);
}

static uint32_t windows_in(const struct trial *t)
{
    int64_t n = (t->until - t->from) / CVG_WINDOW;
    return n < 1 ? 1 : (uint32_t)n;
}

static uint32_t window_at(const struct trial *t, cvg_time arrival)
{
    uint32_t k = (uint32_t)((arrival - t->from) / CVG_WINDOW);
    uint32_t n = windows_in(t);
    return k < n ? k : n - 1;
}

static cvg_time window_end(const struct trial *t, uint32_t window)
{
    return window + 1 == windows_in(t) ? t->until
                                       : t->from + (window + 1) * CVG_WINDOW;
}

static const struct cvg_slo *slo_in(const struct trial *t, uint32_t app,
                                    uint32_t window)
{
    bool changed = t->from + window * CVG_WINDOW >= t->change[app];
    return &t->slo[app][changed];
}

static bool on_time(const struct cvg_ending *e)
{
    return e->outcome == CVG_OUTCOME_SERVED && e->finished <= e->deadline;
}

static bool counts(const struct trial *t, const struct cvg_ending *e)
{
    uint32_t window = window_at(t, e->arrival);
    const struct cvg_slo *slo = slo_in(t, e->app, window);
    cvg_time by = e->deadline == CVG_NEVER ? window_end(t, window) + CVG_S(1)
                                           : e->deadline + CVG_S(1);
    bool accurate = !cvg_slo_has(slo, CVG_SLO_ACCURACY) ||
                    t->over[e->app] == CVG_ACCURACY_PER_WINDOW ||
                    e->accuracy >= e->min_accuracy;
    return e->outcome == CVG_OUTCOME_SERVED && e->finished <= by && accurate;
}

struct window_sums {
    uint32_t offered, counted, in_mean;
    double accuracy;
};

static struct window_sums sum_window(const struct trial *t, uint32_t app,
                                     uint32_t window)
{
    struct window_sums s = {0};
    for (uint32_t i = 0; i < t->n; i++) {
        const struct cvg_ending *e = &t->end[i];
        if (e->app != app || e->arrival < t->from ||
            window_at(t, e->arrival) != window ||
            e->outcome == CVG_OUTCOME_CANCELLED) {
            continue;
        }
        s.offered++;
        s.counted += counts(t, e);
        if (on_time(e)) {
            s.in_mean++;
            s.accuracy += e->accuracy;
        }
    }
    return s;
}

static bool meets(const struct trial *t, const struct cvg_ending *e,
                  enum cvg_slo_kind kind)
{
    uint32_t window = window_at(t, e->arrival);
    const struct cvg_slo *slo = slo_in(t, e->app, window);
    struct window_sums s = sum_window(t, e->app, window);
    if (e->outcome != CVG_OUTCOME_SERVED) {
        return false;
    }
    switch (kind) {
    case CVG_SLO_DEADLINE:
        return e->finished <= e->deadline;
    case CVG_SLO_ACCURACY:
        if (t->over[e->app] == CVG_ACCURACY_PER_REQUEST) {
            return e->accuracy >= e->min_accuracy;
        }
        return s.in_mean > 0 && s.accuracy >= slo->accuracy * s.in_mean;
    case CVG_SLO_THROUGHPUT: {
        /* rates are quarters: whole numbers of 1/400 are exact */
        uint32_t rate = (uint32_t)(slo->throughput_rps * 4);
        uint32_t least = rate < s.offered * 4 ? rate : s.offered * 4;
        return s.counted >= least * 95 / 400 && counts(t, e);
    }
    default:
        return e->energy_j <= e->max_energy_j;
    }
}

static void judge(const struct trial *t, struct cvg_slo_counts *out)
{
    memset(out, 0, MAX_APPS * sizeof *out);
    for (uint32_t i = 0; i < t->n; i++) {
        const struct cvg_ending *e = &t->end[i];
        if (e->arrival < t->from || e->outcome == CVG_OUTCOME_CANCELLED) {
            continue;
        }
        const struct cvg_slo *slo = slo_in(t, e->app, window_at(t, e->arrival));
        bool all = true;
        for (int k = 0; k < CVG_SLO_KINDS; k++) {
            if (cvg_slo_has(slo, (enum cvg_slo_kind)k)) {
                bool met = meets(t, e, (enum cvg_slo_kind)k);
                out[e->app].offered[k]++;
                out[e->app].met[k] += met;
                all = all && met;
            }
        }
        out[e->app].joint_offered += slo->declared != 0;
        out[e->app].joint_met += slo->declared != 0 && all;
    }
}

static struct cvg_slo random_slo(struct cvg_rng *rng)
{
    struct cvg_slo slo = {.declared = below(rng, 16),
                          .deadline = CVG_MS(10 + below(rng, 2000)),
                          .accuracy = (40 + below(rng, 20)) / 64.0,
                          .throughput_rps = (1 + below(rng, 100)) / 4.0,
                          .energy_j = (1 + below(rng, 8)) / 64.0};
    return slo;
}

static struct cvg_ending random_ending(struct cvg_rng *rng, struct trial *t,
                                       cvg_time arrival)
{
    struct cvg_ending e = {.app = below(rng, MAX_APPS),
                           .arrival = arrival,
                           .finished = arrival,
                           .deadline = CVG_NEVER,
                           .max_energy_j = INFINITY,
                           .right = -1};
    uint32_t window = arrival < t->from ? 0 : window_at(t, arrival);
    const struct cvg_slo *slo = slo_in(t, e.app, window);
    e.outcome = below(rng, 10) < 7 ? CVG_OUTCOME_SERVED
                                   : (enum cvg_outcome)below(rng, CVG_OUTCOMES);
    e.reason =
        e.outcome == CVG_OUTCOME_SERVED || e.outcome == CVG_OUTCOME_CANCELLED
            ? CVG_REASON_NONE
            : CVG_REASON_POLICY;
    if (cvg_slo_has(slo, CVG_SLO_DEADLINE) || below(rng, 8) == 0) {
        cvg_span own = CVG_MS(1 + below(rng, 1000));
        bool override =
            below(rng, 4) == 0 || !cvg_slo_has(slo, CVG_SLO_DEADLINE);
        e.deadline = arrival + (override ? own : slo->deadline);
    }
    if (cvg_slo_has(slo, CVG_SLO_ACCURACY) &&
        t->over[e.app] == CVG_ACCURACY_PER_REQUEST) {
        e.min_accuracy = slo->accuracy;
    }
    if (cvg_slo_has(slo, CVG_SLO_ENERGY)) {
        e.max_energy_j = slo->energy_j;
    }
    if (e.outcome == CVG_OUTCOME_SERVED) {
        e.accuracy = (30 + below(rng, 34)) / 64.0;
        e.energy_j = (1 + below(rng, 8)) / 64.0;
        e.finished += CVG_MS(below(rng, below(rng, 8) == 0 ? 5000 : 400));
    } else {
        e.finished += CVG_MS(below(rng, 500));
    }
    if (below(rng, 10) == 0 && e.deadline != CVG_NEVER) {
        e.finished = e.deadline + (below(rng, 2) == 0 ? 0 : CVG_S(1));
    }
    return e;
}

static int by_finish(const void *a, const void *b)
{
    const struct cvg_ending *x = a;
    const struct cvg_ending *y = b;
    if (x->finished != y->finished) {
        return x->finished < y->finished ? -1 : 1;
    }
    return x->arrival < y->arrival ? -1 : x->arrival > y->arrival;
}

static void random_trial(struct cvg_rng *rng, struct court *c, bool partial,
                         bool changes, struct trial *t)
{
    memset(t, 0, sizeof *t);
    t->from = below(rng, 2) == 0 ? 0 : CVG_MS(below(rng, 1500));
    t->until = t->from + (partial ? CVG_MS(200 + below(rng, 6000))
                                  : CVG_S(1 + below(rng, 6)));
    for (uint32_t i = 0; i < MAX_APPS; i++) {
        struct cvg_app *a = &c->w.box->apps[i];
        t->slo[i][0] = random_slo(rng);
        t->slo[i][1] = t->slo[i][0];
        t->change[i] = CVG_NEVER;
        t->over[i] = below(rng, 2) == 0 ? CVG_ACCURACY_PER_REQUEST
                                        : CVG_ACCURACY_PER_WINDOW;
        if (changes && below(rng, 3) == 0 && windows_in(t) > 1) {
            uint32_t k = 1 + below(rng, windows_in(t) - 1);
            t->slo[i][1] = random_slo(rng);
            t->change[i] = t->from + k * CVG_WINDOW;
        }
        a->slo = t->slo[i][0];
        a->accuracy_over = t->over[i];
    }
    t->n = 20 + below(rng, MAX_CASES - 20);
    for (uint32_t i = 0; i < t->n; i++) {
        cvg_time at = (cvg_time)(cvg_rng_uniform(rng) * (double)t->until);
        t->end[i] = random_ending(rng, t, at);
    }
    qsort(t->end, t->n, sizeof *t->end, by_finish);
}

static int by_arrival(const void *a, const void *b)
{
    const struct cvg_ending *x = a;
    const struct cvg_ending *y = b;
    return x->arrival < y->arrival ? -1 : x->arrival > y->arrival;
}

/* Offers, changes and endings in the order of time. */
static void play(struct cvg_rng *rng, struct court *c, const struct trial *t)
{
    static struct cvg_ending arrivals[MAX_CASES];
    memcpy(arrivals, t->end, t->n * sizeof *arrivals);
    qsort(arrivals, t->n, sizeof *arrivals, by_arrival);
    bool changed[MAX_APPS] = {false};
    uint32_t a = 0;
    uint32_t e = 0;
    while (e < t->n) {
        bool arrives = a < t->n && arrivals[a].arrival <= t->end[e].finished;
        cvg_time now = arrives ? arrivals[a].arrival : t->end[e].finished;
        for (uint32_t i = 0; i < MAX_APPS; i++) {
            if (!changed[i] && t->change[i] <= now) {
                changed[i] = true;
                cvg_ledger_set_slo(c->ledger, i, t->change[i], &t->slo[i][1]);
            }
        }
        if (arrives) {
            cvg_ledger_offer(c->ledger, arrivals[a].app, now);
            a++;
        } else {
            cvg_ledger_end(c->ledger, &t->end[e++]);
        }
        if (below(rng, 4) == 0) {
            cvg_ledger_advance(c->ledger, now);
        }
    }
    cvg_ledger_finish(c->ledger, t->end[t->n - 1].finished);
}

static void compare(uint64_t seed, struct court *c, const struct trial *t)
{
    struct cvg_slo_counts expected[MAX_APPS];
    judge(t, expected);
    for (uint32_t i = 0; i < MAX_APPS; i++) {
        const struct cvg_slo_counts *got = &stats_of(c, i)->slo;
        if (memcmp(got, &expected[i], sizeof *got) == 0) {
            continue;
        }
        print_message(
            "seed %llu, app %u (until %lld, change %lld):\n",
            (unsigned long long)seed, i, (long long)(t->until - t->from),
            (long long)(t->change[i] == CVG_NEVER ? -1
                                                  : t->change[i] - t->from));
        for (int k = 0; k < CVG_SLO_KINDS; k++) {
            print_message("  %s: %llu of %llu, expected %llu of %llu\n",
                          cvg_slo_kind_name((enum cvg_slo_kind)k),
                          (unsigned long long)got->met[k],
                          (unsigned long long)got->offered[k],
                          (unsigned long long)expected[i].met[k],
                          (unsigned long long)expected[i].offered[k]);
        }
        print_message("  joint: %llu of %llu, expected %llu of %llu\n",
                      (unsigned long long)got->joint_met,
                      (unsigned long long)got->joint_offered,
                      (unsigned long long)expected[i].joint_met,
                      (unsigned long long)expected[i].joint_offered);
        fail();
    }
}

static void run_trials(bool partial, bool changes)
{
    static struct trial t;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct court c;
        struct cvg_rng rng;
        cvg_rng_init(&rng, seed, 5, 5);
        prepare(&c);
        world_app(&c.w, "a1");
        world_app(&c.w, "a2");
        random_trial(&rng, &c, partial, changes, &t);
        convene(&c, t.from, t.until);
        play(&rng, &c, &t);
        compare(seed, &c, &t);
        dismiss(&c);
    }
}

static void agrees_with_a_second_judge(void **state)
{
    (void)state;
    run_trials(false, false);
}

static void agrees_about_joined_windows(void **state)
{
    (void)state;
    run_trials(true, false);
}

static void agrees_when_slos_change(void **state)
{
    (void)state;
    run_trials(false, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_second_judge),
        cmocka_unit_test(agrees_about_joined_windows),
        cmocka_unit_test(agrees_when_slos_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Demand as it is now, and when a plan for it is wanted.
 *
 * Arrivals are counted in buckets of 100 ms. An app's rate is the mean over the
 * last two seconds, or ten if few come: else plans would follow the dice; or an
 * exponential average, where the pace of the allocation has it so. One whose
 * last 200 ms, or two seconds, are far from what the plan was made for has
 * changed its rate, and what was before does not count any more. Where all apps
 * together come more often, that is seen within some 20 ms, though
 * of one app there may be none among them. A plan is asked for at a steady
 * pace, and at once when a rate, a device, a variant or an SLO has changed; one
 * at a time. */
#include "engine/state.h"

#include <math.h>
#include <string.h>

#define BUCKET CVG_MS(100)
#define RECENT 2U           /* buckets */
#define USUAL 20U           /* buckets that a rate is the mean of ... */
#define ENOUGH 120          /* ... or as many as that many arrivals take */
#define PERIOD CVG_S(1)     /* between plans, if nobody says otherwise */
#define AT_LEAST CVG_MS(50) /* between plans when things change fast */
/* What units keep is thought over again after that: as things are, and when
 * they have changed. */
#define SETTLED CVG_S(5)
#define SHAKEN CVG_MS(500)
#define FIRST_AFTER CVG_MS(200) /* of arrivals, if nobody says otherwise */

/* How many standard deviations (of independent arrivals) are a change. */
#define FAR 4.0
/* The same, where it is looked at with every arrival; over so long at least. */
#define FAR_AT_ONCE 5.0
#define SURGE CVG_MS(20)
/* Arrivals that come closer together are taken for those of so long. */
#define CLUMP CVG_MS(5)
/* So many times slower (or faster) is a change. */
#define SLOWED 1.25

/* Arrivals that the share of an app among the latest is mixed with, by the
 * shares that apps had before. */
#define PRIOR 32.0
#define DISPERSION_BUCKETS 150.0 /* that it is the average of */

void cvg__demand_init(struct cvg_engine *e)
{
    const struct cvg_policy_spec *box = &e->box->policy;
    struct cvg_pace *pace = &e->demand.pace;
    *pace = e->policy.allocation->pace;
    pace->first = pace->first > 0 ? pace->first : FIRST_AFTER;
    pace->period = box->period > 0    ? box->period
                   : pace->period > 0 ? pace->period
                                      : PERIOD;
    pace->smoothing = box->smoothing > 0 ? box->smoothing : pace->smoothing;
    pace->burst = fmax(box->burst > 0 ? box->burst : pace->burst, 1);
}

static uint32_t *bucket(const struct cvg_engine *e, uint32_t back)
{
    const struct demand *d = &e->demand;
    uint32_t b = (d->current + CVG_DEMAND_BUCKETS - back) % CVG_DEMAND_BUCKETS;
    return &d->counts[(size_t)b * e->box->n_apps];
}

static double counted(const struct cvg_engine *e, uint32_t app, uint32_t from,
                      uint32_t n)
{
    double sum = 0;
    for (uint32_t k = from; k < from + n; k++) {
        sum += bucket(e, k)[app];
    }
    return sum;
}

/* Are so many arrivals of the app (n_apps: of all), within that time, no
 * accident where that many were expected? What is expected is an average
 * itself. */
static bool differ(const struct cvg_engine *e, uint32_t app, double far,
                   double seen, double expected, double time_s)
{
    const struct cvg_pace *pace = &e->demand.pace;
    double dispersion = fmax(e->demand.dispersion[app], 1);
    double variance = fmax(expected, 1) * dispersion;
    if (pace->smoothing > 0) {
        variance *= 1 + time_s / (2e-9 * (double)pace->smoothing);
    }
    return fabs(seen - expected) > far * sqrt(variance) + 2 &&
           (seen > pace->burst * expected || pace->burst * seen < expected);
}

/* Is the rate in the last n buckets another than the plan was made for? */
static bool is_far(const struct cvg_engine *e, uint32_t app, uint32_t n)
{
    double time_s = (double)(n * BUCKET) * 1e-9;
    double expected = e->question.rates_rps[app] * time_s;
    return differ(e, app, FAR, counted(e, app, 1, n), expected, time_s);
}

/* How many of the full buckets tell the rate as it is now. */
static uint32_t telling(const struct cvg_engine *e, uint32_t app)
{
    uint32_t n = e->demand.known[app];
    if (e->demand.plans == 0) {
        return n;
    }
    if (n > RECENT && is_far(e, app, RECENT)) {
        return RECENT;
    }
    return n > USUAL && is_far(e, app, USUAL) ? USUAL : n;
}

/* Slower or faster than the plan took it for? */
static bool has_slowed(const struct cvg_engine *e, uint32_t device)
{
    double then = e->question.slowdown[device];
    double now = cvg__slowdown(e, device);
    return e->demand.plans > 0 && isfinite(then) &&
           (now > then * SLOWED || now * SLOWED < then);
}

static double rate_of(const struct cvg_engine *e, uint32_t app)
{
    if (e->demand.pace.smoothing > 0) {
        return e->demand.average_rps[app];
    }
    uint32_t known = e->demand.known[app];
    uint32_t n = known < USUAL ? known : USUAL;
    double whole = counted(e, app, 1, n);
    while (n < known && whole < ENOUGH) {
        n++;
        whole += bucket(e, n)[app];
    }
    double part = (double)(e->now - e->demand.bucket_from);
    double time = (double)n * BUCKET + part;
    return time <= 0 ? 0 : (whole + bucket(e, 0)[app]) / (time * 1e-9);
}

/* How far buckets are from the average tells how accidental they are, unless
 * it has just been put right, or guessed. Where less than one is expected, one
 * is no wonder. */
static void add_to_average(struct demand *d, uint32_t app, uint32_t known,
                           double count)
{
    double bucket_s = BUCKET * 1e-9;
    double expected = d->average_rps[app] * bucket_s;
    if (d->shifted) {
        return; /* some of it came before that */
    }
    double off = count - expected;
    if (d->n_buckets > 1 && expected > 0 && d->guessed == 0) {
        double weight = fmax(1 / DISPERSION_BUCKETS, 1.0 / d->n_buckets);
        d->dispersion[app] +=
            weight * (off * off / fmax(expected, 1) - d->dispersion[app]);
    }
    double buckets = (double)d->pace.smoothing / (double)BUCKET;
    d->average_rps[app] += fmax(1 / (1 + buckets), 1.0 / known) *
                           (count / bucket_s - d->average_rps[app]);
}

/* The bucket that has just become full goes into the average; at first that is
 * the mean of all there were. */
static void add_to_averages(struct cvg_engine *e)
{
    struct demand *d = &e->demand;
    double total = 0;
    d->n_buckets++;
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        total += bucket(e, 1)[a];
        add_to_average(d, a, d->known[a], bucket(e, 1)[a]);
    }
    add_to_average(d, (uint32_t)e->box->n_apps, d->known[0], total);
    d->shifted = false;
    d->guessed -= d->guessed > 0;
}

/* All apps together come far more often than the plan was made for: of each the
 * rate is its share of the latest arrivals, mixed with the share it had. */
static void take_surge(struct cvg_engine *e, uint32_t n, double total_rps,
                       double planned)
{
    struct demand *d = &e->demand;
    uint32_t counts[CVG_MAX_APPS] = {0};
    double prior = planned > 0 ? PRIOR : 0;
    for (uint32_t i = 1; i <= n; i++) {
        counts[d->latest[(d->n_latest - i) % CVG_DEMAND_LATEST].app]++;
    }
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        double before = prior * e->question.rates_rps[a] / fmax(planned, 1e-9);
        d->average_rps[a] = total_rps * (counts[a] + before) / (n + prior);
        d->known[a] = 0;
    }
    d->average_rps[e->box->n_apps] = total_rps;
    d->shifted = true;
    d->guessed = RECENT + 1; /* until that many tell the rate */
    d->changed = true;
}

/* Of the last n arrivals, by the gaps between them. */
static double latest_rps(const struct cvg_engine *e, uint32_t n)
{
    const struct demand *d = &e->demand;
    cvg_time since = d->latest[(d->n_latest - n) % CVG_DEMAND_LATEST].at;
    return (n - 1) / (fmax((double)(e->now - since), (double)CLUMP) * 1e-9);
}

/* Over the least number of the latest arrivals that came one by one. */
static void look_for_surge(struct cvg_engine *e)
{
    const struct demand *d = &e->demand;
    double planned = 0;
    if (d->pace.smoothing == 0 || d->plans == 0 || d->asked || d->changed) {
        return;
    }
    uint32_t n = CVG_DEMAND_LATEST / 32;
    cvg_span span = 0;
    while (span < SURGE && n < CVG_DEMAND_LATEST) {
        n *= 2;
        if (d->n_latest < n) {
            return;
        }
        span = e->now - d->latest[(d->n_latest - n) % CVG_DEMAND_LATEST].at;
    }
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        planned += e->question.rates_rps[a];
    }
    double time_s = fmax((double)span, (double)CLUMP) * 1e-9;
    double seen = n - 1; /* gaps */
    if (seen > planned * time_s &&
        differ(e, (uint32_t)e->box->n_apps, FAR_AT_ONCE, seen, planned * time_s,
               time_s)) {
        /* It may have begun in between. */
        take_surge(e, n, fmax(seen / time_s, latest_rps(e, n / 2)), planned);
    }
}

void cvg__demand_advance(struct cvg_engine *e)
{
    struct demand *d = &e->demand;
    if (d->begun == CVG_NEVER || e->now < d->bucket_from + BUCKET) {
        return;
    }
    int64_t passed = (e->now - d->bucket_from) / BUCKET;
    d->bucket_from += passed * BUCKET;
    for (; passed > 0; passed--) {
        d->current = (d->current + 1) % CVG_DEMAND_BUCKETS;
        memset(bucket(e, 0), 0, e->box->n_apps * sizeof *d->counts);
        for (uint32_t a = 0; a < e->box->n_apps; a++) {
            d->known[a] += d->known[a] < CVG_DEMAND_BUCKETS - 1;
        }
        if (d->pace.smoothing > 0) {
            add_to_averages(e);
        }
        if (passed > CVG_DEMAND_BUCKETS) {
            passed = CVG_DEMAND_BUCKETS;
        }
    }
    bool changed = false;
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        uint32_t known = telling(e, a);
        if (known < d->known[a]) {
            changed = true;
            d->shifted = true;
            d->average_rps[a] =
                counted(e, a, 1, known) / ((double)known * BUCKET * 1e-9);
        }
        d->known[a] = known;
    }
    for (uint32_t i = 0; i < e->box->n_devices; i++) {
        changed = changed || has_slowed(e, i);
    }
    d->changed = d->changed || changed;
    d->shaken = d->shaken || changed;
}

void cvg__demand_offer(struct cvg_engine *e, uint32_t app)
{
    struct demand *d = &e->demand;
    if (d->begun == CVG_NEVER) {
        d->begun = e->now;
        d->bucket_from = e->now;
    }
    bucket(e, 0)[app]++;
    uint64_t place = d->n_latest++ % CVG_DEMAND_LATEST;
    d->latest[place].at = e->now;
    d->latest[place].app = app;
    look_for_surge(e);
}

static bool plan_is_due(const struct cvg_engine *e)
{
    const struct demand *d = &e->demand;
    if (e->policy.allocation->solve == NULL || d->begun == CVG_NEVER ||
        d->asked || e->now < d->begun + d->pace.first) {
        return false;
    }
    if (d->asked_at == CVG_NEVER) {
        return true;
    }
    return e->now >= d->asked_at + (d->changed ? AT_LEAST : d->pace.period);
}

static void list_failed(const struct cvg_engine *e, struct cvg_question *q)
{
    q->n_failed = 0;
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        for (uint32_t v = 0; v < e->box->n_variants; v++) {
            if (cvg__residency(e, d, v)->failed &&
                q->n_failed < CVG_MAX_FAILED) {
                q->failed[q->n_failed].device = d;
                q->failed[q->n_failed++].variant = v;
            }
        }
    }
}

static void fill_question(struct cvg_engine *e)
{
    struct cvg_question *q = &e->question;
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        q->rates_rps[a] = rate_of(e, a);
        q->dispersion[a] = e->demand.dispersion[a];
        q->slos[a] = e->apps[a].slo;
    }
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        q->slowdown[d] =
            cvg_view_up(&e->view, d) ? cvg__slowdown(e, d) : INFINITY;
    }
    for (uint32_t v = 0; v < e->box->n_variants; v++) {
        q->enabled[v] = e->enabled[v];
    }
    list_failed(e, q);
    q->n_flows = e->plan.n_flows;
    memcpy(q->flows, e->plan.flows, sizeof q->flows);
    cvg_span settled = e->demand.shaken ? SHAKEN : SETTLED;
    q->settled = e->demand.arranged_at != CVG_NEVER &&
                 e->now < e->demand.arranged_at + settled;
    if (!q->settled) {
        e->demand.arranged_at = e->now;
        e->demand.shaken = false;
    }
}

void cvg__demand_ask(struct cvg_engine *e)
{
    if (!plan_is_due(e)) {
        return;
    }
    fill_question(e);
    e->demand.asked = true;
    e->demand.asked_at = e->now;
    e->demand.changed = false;
    cvg__act(e, CVG_ACT_SOLVE)->question = &e->question;
}

void cvg__demand_answered(struct cvg_engine *e, const void *answer, size_t size)
{
    if (!e->demand.asked) {
        return;
    }
    e->demand.asked = false;
    if (answer != NULL && size == sizeof e->plan) {
        memcpy(&e->plan, answer, size);
        e->demand.plans++;
        e->settled = false;
    }
}

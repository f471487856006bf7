/* Demand as it is now, and when a plan for it is wanted.
 *
 * Arrivals are counted in buckets of 100 ms. An app's rate is the mean over the
 * last two seconds, or ten if few come: else plans would follow the dice. One
 * whose last 200 ms, or two seconds, are far from what the plan was made for
 * has changed its rate, and what was before does not count any more. A plan is
 * asked for at a steady pace, and at once when a rate, a device, a variant or
 * an SLO has changed; one at a time. */
#include "engine/state.h"

#include <math.h>
#include <string.h>

#define BUCKET CVG_MS(100)
#define RECENT 2U           /* buckets */
#define USUAL 20U           /* buckets that a rate is the mean of ... */
#define ENOUGH 120          /* ... or as many as that many arrivals take */
#define PERIOD CVG_S(1)     /* between plans */
#define AT_LEAST CVG_MS(50) /* between plans when things change fast */
/* What units keep is thought over again after that: as things are, and when
 * they have changed. */
#define SETTLED CVG_S(5)
#define SHAKEN CVG_MS(500)
#define FIRST_AFTER CVG_MS(200) /* of arrivals */

/* How many standard deviations (of independent arrivals) are a change. */
#define FAR 4.0
/* So many times slower (or faster) is a change. */
#define SLOWED 1.25

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

/* Is the rate in the last n buckets another than the plan was made for? */
static bool is_far(const struct cvg_engine *e, uint32_t app, uint32_t n)
{
    double expected = e->question.rates_rps[app] * (double)(n * BUCKET) * 1e-9;
    double seen = counted(e, app, 1, n);
    return fabs(seen - expected) > FAR * sqrt(fmax(expected, 1)) + 2;
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
        if (passed > CVG_DEMAND_BUCKETS) {
            passed = CVG_DEMAND_BUCKETS;
        }
    }
    bool changed = false;
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        uint32_t known = telling(e, a);
        changed = changed || known < d->known[a];
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
}

static bool plan_is_due(const struct cvg_engine *e)
{
    const struct demand *d = &e->demand;
    if (e->policy.allocation->solve == NULL || d->begun == CVG_NEVER ||
        d->asked || e->now < d->begun + FIRST_AFTER) {
        return false;
    }
    if (d->asked_at == CVG_NEVER) {
        return true;
    }
    return e->now >= d->asked_at + (d->changed ? AT_LEAST : PERIOD);
}

static void fill_question(struct cvg_engine *e)
{
    struct cvg_question *q = &e->question;
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        q->rates_rps[a] = rate_of(e, a);
        q->slos[a] = e->apps[a].slo;
    }
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        q->slowdown[d] =
            cvg_view_up(&e->view, d) ? cvg__slowdown(e, d) : INFINITY;
    }
    for (uint32_t v = 0; v < e->box->n_variants; v++) {
        q->enabled[v] = e->enabled[v];
    }
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

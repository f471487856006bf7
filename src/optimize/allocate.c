/* From a box and a question to the program of accuracy scaling, and from its
 * solution to a plan. */
#include <convergo/allocate.h>

#include "optimize/allocation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
/* An app that asks for something may have arrivals any moment. */
#define LEAST_RPS 0.5
#define HARDLY_ANY_RPS 0.001 /* of others, for which something is held */
/* Until there will be another plan that changes what devices hold, about. */
#define HORIZON_S 10.0
/* The same where what is held cannot serve the demand, by that share of it: who
 * is loading now is missed. */
#define URGENT 0.1
#define URGENT_S 0.5
/* Devices are alike whose slowdowns differ by less than that factor. */
#define ALIKE 1.1
/* The largest demand of a mix is looked for so long, and so near. */
#define MOST_TRIES 40
#define NEAR 0.01
/* To serve that many standard deviations more arrivals than usual, where
 * accidents are made good within that time at most. */
#define SIGMAS 1.0
#define LONG_S 1.0
/* What devices hold is left as it is, unless something else is better by that
 * share of a request's accuracy, over all requests. */
#define WORTH_CHANGING 0.001

struct place { /* holds one variant */
    uint32_t device, type;
    uint32_t now, next; /* variants of the program; NONE: nothing */
};

struct setup {
    const struct cvg_box *box;
    const struct cvg_question *question;
    struct cvg__allocation a;
    struct place *places;
    uint32_t n_places;
    uint32_t *typical;               /* [type] a device of it */
    uint32_t *variants;              /* of the program: the box's */
    uint32_t *batch;                 /* [type, variant] at peak rate */
    uint32_t query_of[CVG_MAX_APPS]; /* NONE: it asks for nothing */
    uint32_t family[CVG_MAX_APPS];   /* [query] */
    double rate_rps[CVG_MAX_APPS];   /* of apps; at least a few */
    double sigmas; /* by so many standard deviations demand is larger */
};

static enum cvg_status no_memory(struct cvg_error *err)
{
    return cvg_fail(err, CVG_NOMEM, "out of memory for an allocation");
}

/* --- queries -------------------------------------------------------------- */

/* Do devices hold something for the app? */
static bool is_kept(const struct setup *s, uint32_t app)
{
    for (uint32_t i = 0; i < s->question->n_flows; i++) {
        if (s->question->flows[i].app == app) {
            return true;
        }
    }
    return false;
}

/* Apps of one family are one query. */
static uint32_t list_queries(struct setup *s)
{
    const struct cvg_box *box = s->box;
    uint32_t n = 0;
    for (uint32_t a = 0; a < box->n_apps; a++) {
        double rate = s->question->rates_rps[a];
        bool asks = s->question->slos[a].declared != 0;
        s->query_of[a] = NONE;
        s->rate_rps[a] = asks            ? fmax(rate, LEAST_RPS)
                         : is_kept(s, a) ? fmax(rate, HARDLY_ANY_RPS)
                                         : rate;
        if (s->rate_rps[a] <= 0) {
            continue;
        }
        uint32_t q = 0;
        while (q < n && s->family[q] != box->apps[a].family) {
            q++;
        }
        s->query_of[a] = q;
        s->family[q] = box->apps[a].family;
        n += q == n;
    }
    return n;
}

/* The tightest of its apps'; INFINITY: none has one. */
static double deadline_ns(const struct setup *s, uint32_t q)
{
    double least = INFINITY;
    for (uint32_t a = 0; a < s->box->n_apps; a++) {
        const struct cvg_slo *slo = &s->question->slos[a];
        if (s->query_of[a] == q && cvg_slo_has(slo, CVG_SLO_DEADLINE)) {
            least = fmin(least, (double)slo->deadline);
        }
    }
    return least;
}

/* Answers below that are none. */
static double least_accuracy(const struct setup *s, uint32_t q)
{
    double most = 0;
    for (uint32_t a = 0; a < s->box->n_apps; a++) {
        const struct cvg_app *app = &s->box->apps[a];
        const struct cvg_slo *slo = &s->question->slos[a];
        if (s->query_of[a] == q && cvg_slo_has(slo, CVG_SLO_ACCURACY) &&
            app->accuracy_over == CVG_ACCURACY_PER_REQUEST) {
            most = fmax(most, slo->accuracy);
        }
    }
    return most;
}

/* What comes while a batch takes half of the deadline is by accident more than
 * usual: that is to be served, too. */
static void add_demand(struct setup *s)
{
    double variance[CVG_MAX_APPS] = {0};
    double headroom =
        s->box->policy.headroom > 0 ? s->box->policy.headroom : CVG_HEADROOM;
    for (uint32_t a = 0; a < s->box->n_apps; a++) {
        uint32_t q = s->query_of[a];
        if (q != NONE) {
            s->a.demand_rps[q] += headroom * s->rate_rps[a];
            variance[q] += s->rate_rps[a] * fmax(s->question->dispersion[a], 1);
            s->a.weight[q] +=
                headroom * s->rate_rps[a] * s->box->apps[a].weight;
        }
    }
    for (uint32_t q = 0; q < s->a.n_queries; q++) {
        double time_s = fmin(deadline_ns(s, q) * 1e-9 / 2, LONG_S);
        s->a.weight[q] /= s->a.demand_rps[q];
        s->a.demand_rps[q] += s->sigmas * sqrt(variance[q] / time_s);
    }
}

/* --- places --------------------------------------------------------------- */

static long slowness(double slowdown)
{
    return lround(log(slowdown) / log(ALIKE));
}

static bool is_alike(const struct setup *s, uint32_t a, uint32_t b)
{
    const struct cvg_device *x = &s->box->devices[a];
    const struct cvg_device *y = &s->box->devices[b];
    return strcmp(x->profile, y->profile) == 0 && x->units == y->units &&
           x->has_switch == y->has_switch &&
           x->memory_bytes == y->memory_bytes &&
           slowness(s->question->slowdown[a]) ==
               slowness(s->question->slowdown[b]);
}

/* Units that pay for changing hold a variant each, as far as memory has room.
 */
static uint32_t n_places_of(const struct cvg_device *device)
{
    if (!device->has_switch) {
        return 1;
    }
    return device->units < device->resident ? device->units : device->resident;
}

/* Returns the number of types. */
static uint32_t list_places(struct setup *s)
{
    uint32_t n_types = 0;
    for (uint32_t d = 0; d < s->box->n_devices; d++) {
        const struct cvg_device *device = &s->box->devices[d];
        if (!isfinite(s->question->slowdown[d])) {
            continue; /* down */
        }
        uint32_t t = 0;
        while (t < n_types && !is_alike(s, s->typical[t], d)) {
            t++;
        }
        s->typical[t] = d;
        n_types += t == n_types;
        for (uint32_t u = 0; u < n_places_of(device); u++) {
            s->places[s->n_places++] = (struct place){
                .device = d, .type = t, .now = NONE, .next = NONE};
        }
    }
    return n_types;
}

static uint32_t find_variant(const struct setup *s, uint32_t variant)
{
    for (uint32_t v = 0; v < s->a.n_variants; v++) {
        if (s->variants[v] == variant) {
            return v;
        }
    }
    return NONE;
}

static void hold(struct setup *s, uint32_t device, uint32_t variant)
{
    for (uint32_t k = 0; k < s->n_places; k++) {
        struct place *p = &s->places[k];
        if (p->device == device && p->now == NONE) {
            s->a.now[cvg__host(&s->a, p->type, variant)]++;
            p->now = variant;
            return;
        }
    }
}

static bool is_held(const struct setup *s, uint32_t device, uint32_t variant)
{
    for (uint32_t k = 0; k < s->n_places; k++) {
        if (s->places[k].device == device && s->places[k].now == variant) {
            return true;
        }
    }
    return false;
}

/* By the last plan. Some were split between apps: the first flows of a device
 * are as good as any. */
static void add_now(struct setup *s)
{
    const struct cvg_question *q = s->question;
    for (uint32_t i = 0; i < q->n_flows; i++) {
        uint32_t v = find_variant(s, q->flows[i].variant);
        if (v != NONE && !is_held(s, q->flows[i].device, v)) {
            hold(s, q->flows[i].device, v);
        }
    }
    /* A flow may be that of several units. */
    for (uint32_t k = 1; k < s->n_places; k++) {
        const struct place *before = &s->places[k - 1];
        if (s->places[k].now == NONE && before->now != NONE &&
            before->device == s->places[k].device) {
            hold(s, before->device, before->now);
        }
    }
}

/* --- peaks ---------------------------------------------------------------- */

static uint32_t exit_of(const struct setup *s, uint32_t v)
{
    return s->box->variants[s->variants[v]].n_exits - 1;
}

static double batch_ns(const struct setup *s, uint32_t type, uint32_t v,
                       uint32_t n)
{
    uint32_t d = s->typical[type];
    return s->question->slowdown[d] *
           (double)cvg_profile_time(s->box->profile, s->variants[v], 0,
                                    exit_of(s, v), d, n, CVG_MEAN);
}

/* The least that one of its apps allows a request, J; INFINITY: no bound. */
static double most_energy(const struct setup *s, uint32_t q)
{
    double least = INFINITY;
    for (uint32_t a = 0; a < s->box->n_apps; a++) {
        const struct cvg_slo *slo = &s->question->slos[a];
        if (s->query_of[a] == q && cvg_slo_has(slo, CVG_SLO_ENERGY)) {
            least = fmin(least, slo->energy_j);
        }
    }
    return least;
}

/* Of a request that finds no company. */
static double alone_j(const struct setup *s, uint32_t type, uint32_t v)
{
    uint32_t d = s->typical[type];
    uint32_t exit = exit_of(s, v);
    uint32_t min =
        cvg_profile_min_batch(s->box->profile, s->variants[v], 0, exit, d);
    return cvg_profile_energy(s->box->profile, s->variants[v], 0, exit, d,
                              min) /
           min;
}

/* The largest batch that takes no longer than that; 0: none. */
static uint32_t batch_within(const struct setup *s, uint32_t type, uint32_t v,
                             double limit_ns)
{
    uint32_t d = s->typical[type];
    const struct cvg_profile *profile = s->box->profile;
    uint32_t max =
        cvg_profile_max_batch(profile, s->variants[v], 0, exit_of(s, v), d);
    uint32_t min =
        cvg_profile_min_batch(profile, s->variants[v], 0, exit_of(s, v), d);
    if (max == 0 || !cvg_box_can_run(s->box, d, s->variants[v])) {
        return 0;
    }
    while (max > min && batch_ns(s, type, v, max) > limit_ns) {
        max--;
    }
    return batch_ns(s, type, v, max) <= limit_ns ? max : 0;
}

/* False: none of its variants takes so little anywhere. */
static bool add_peaks(struct setup *s, uint32_t q, double limit_ns)
{
    struct cvg__allocation *a = &s->a;
    double least = least_accuracy(s, q);
    double energy_j = most_energy(s, q);
    bool any = false;
    for (uint32_t v = 0; v < a->n_variants; v++) {
        if (a->query[v] != q || a->accuracy[v] < least - 1e-12 ||
            !s->question->enabled[s->variants[v]]) {
            continue;
        }
        for (uint32_t t = 0; t < a->n_types; t++) {
            const struct cvg_device *d = &s->box->devices[s->typical[t]];
            uint32_t n = batch_within(s, t, v, limit_ns);
            size_t h = cvg__host(a, t, v);
            if (n > 0 && alone_j(s, t, v) <= energy_j * (1 + 1e-12)) {
                s->batch[h] = n;
                a->peak_rps[h] = n * 1e9 / batch_ns(s, t, v, n) *
                                 (d->has_switch ? 1 : d->units);
                any = true;
            }
        }
    }
    return any;
}

static void add_loads(struct setup *s)
{
    struct cvg__allocation *a = &s->a;
    for (uint32_t t = 0; t < a->n_types; t++) {
        uint32_t d = s->typical[t];
        for (uint32_t v = 0; v < a->n_variants; v++) {
            cvg_span time =
                cvg_profile_load(s->box->profile, s->variants[v], d);
            if (s->box->devices[d].has_switch) {
                time += cvg_box_switch_time(s->box, d, s->variants[v]);
            }
            a->load_s[cvg__host(a, t, v)] = (double)time * 1e-9;
        }
    }
}

/* By weight. */
static double demand(const struct cvg__allocation *a)
{
    double sum = 0;
    for (uint32_t q = 0; q < a->n_queries; q++) {
        sum += a->weight[q] * a->demand_rps[q];
    }
    return sum;
}

/* More than a little. */
static bool sheds(const struct cvg__allocation *a)
{
    double asked = 0, shed = 0;
    for (uint32_t q = 0; q < a->n_queries; q++) {
        asked += a->demand_rps[q];
        shed += a->shed_rps[q];
    }
    return shed > URGENT * asked;
}

/* --- setting up ----------------------------------------------------------- */

static uint32_t list_variants(struct setup *s, uint32_t n_queries)
{
    uint32_t n = 0;
    for (uint32_t q = 0; q < n_queries; q++) {
        const struct cvg_family *f = &s->box->families[s->family[q]];
        for (size_t i = 0; i < f->n_variants; i++) {
            s->variants[n++] = f->variants[i];
        }
    }
    return n;
}

static bool fill_in(struct setup *s)
{
    uint32_t n_types = list_places(s);
    uint32_t n_queries = list_queries(s);
    uint32_t n_variants = list_variants(s, n_queries);
    s->batch = calloc((size_t)n_types * n_variants + 1, sizeof *s->batch);
    if (s->batch == NULL ||
        !cvg__allocation_init(&s->a, n_types, n_variants, n_queries)) {
        return false;
    }
    for (uint32_t k = 0; k < s->n_places; k++) {
        s->a.devices[s->places[k].type]++;
    }
    for (uint32_t v = 0; v < n_variants; v++) {
        const struct cvg_variant *variant = &s->box->variants[s->variants[v]];
        s->a.accuracy[v] = variant->accuracy[variant->n_exits - 1];
        for (uint32_t q = 0; q < n_queries; q++) {
            if (s->family[q] == variant->family) {
                s->a.query[v] = q;
            }
        }
    }
    for (uint32_t q = 0; q < n_queries; q++) {
        double deadline = deadline_ns(s, q);
        if (!add_peaks(s, q, deadline / 2)) {
            add_peaks(s, q, deadline); /* better late sometimes than never */
        }
    }
    add_demand(s);
    add_loads(s);
    add_now(s);
    cvg__allocation_sort(&s->a);
    s->a.usual_rps = demand(&s->a) / fmax(s->n_places, 1);
    cvg__allocation_as_it_is(&s->a);
    cvg__allocation_fill(&s->a);
    s->a.horizon_s = sheds(&s->a) ? URGENT_S : HORIZON_S;
    return true;
}

static void setup_fini(struct setup *s)
{
    cvg__allocation_fini(&s->a);
    free(s->places);
    free(s->typical);
    free(s->variants);
    free(s->batch);
    free(s);
}

/* NULL: no memory. */
static struct setup *setup_create(const struct cvg_box *box,
                                  const struct cvg_question *question,
                                  double sigmas)
{
    struct setup *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->box = box;
    s->question = question;
    s->sigmas = sigmas;
    s->places =
        calloc(box->n_devices + cvg_box_units(box) + 1, sizeof *s->places);
    s->typical = calloc(box->n_devices + 1, sizeof *s->typical);
    s->variants = calloc(box->n_variants + 1, sizeof *s->variants);
    if (s->places == NULL || s->typical == NULL || s->variants == NULL ||
        !fill_in(s)) {
        setup_fini(s);
        return NULL;
    }
    return s;
}

/* --- devices that are left over ------------------------------------------- */

/* The most accurate variant of the query that the type can serve; NONE. */
static uint32_t best_on(const struct cvg__allocation *a, uint32_t type,
                        uint32_t q)
{
    for (uint32_t k = a->first[q]; k < a->first[q + 1]; k++) {
        if (a->peak_rps[cvg__host(a, type, a->order[k])] > 0) {
            return a->order[k];
        }
    }
    return NONE;
}

/* Demand for each request that could be served. */
static double pressure(const struct cvg__allocation *a, uint32_t q)
{
    double peak = cvg__allocation_capacity(a, q);
    if (a->demand_rps[q] <= 0) {
        return 0;
    }
    return peak > 0 ? a->demand_rps[q] / peak : INFINITY;
}

/* What an idle device holds it keeps, if that is the best it could hold; the
 * others get the best of the query that needs it most. */
static void use_idle(struct cvg__allocation *a)
{
    for (uint32_t t = 0; t < a->n_types; t++) {
        uint32_t left = cvg__allocation_idle(a, t);
        for (uint32_t v = 0; v < a->n_variants && left > 0; v++) {
            size_t h = cvg__host(a, t, v);
            while (left > 0 && a->hosts[h] < a->now[h] &&
                   best_on(a, t, a->query[v]) == v) {
                a->hosts[h]++;
                left--;
            }
        }
        for (; left > 0; left--) {
            uint32_t neediest = NONE;
            for (uint32_t q = 0; q < a->n_queries; q++) {
                if (best_on(a, t, q) != NONE &&
                    (neediest == NONE ||
                     pressure(a, q) > pressure(a, neediest))) {
                    neediest = q;
                }
            }
            if (neediest == NONE) {
                break;
            }
            a->hosts[cvg__host(a, t, best_on(a, t, neediest))]++;
        }
    }
}

/* --- the plan ------------------------------------------------------------- */

/* Devices keep what they hold, as far as it is wanted; the rest is handed out
 * in their order. */
static void hand_out(struct setup *s)
{
    struct cvg__allocation *a = &s->a;
    size_t n = (size_t)a->n_types * a->n_variants;
    uint32_t *left = a->now; /* not needed any more */
    memcpy(left, a->hosts, n * sizeof *left);
    for (uint32_t k = 0; k < s->n_places; k++) {
        struct place *p = &s->places[k];
        if (p->now != NONE && left[cvg__host(a, p->type, p->now)] > 0) {
            left[cvg__host(a, p->type, p->now)]--;
            p->next = p->now;
        }
    }
    for (uint32_t k = 0; k < s->n_places; k++) {
        struct place *p = &s->places[k];
        for (uint32_t v = 0; v < a->n_variants && p->next == NONE; v++) {
            if (left[cvg__host(a, p->type, v)] > 0) {
                left[cvg__host(a, p->type, v)]--;
                p->next = v;
            }
        }
    }
}

static struct cvg_flow *find_flow(struct cvg_plan *out, uint32_t app,
                                  uint32_t device, uint32_t variant)
{
    for (uint32_t i = 0; i < out->n_flows; i++) {
        struct cvg_flow *f = &out->flows[i];
        if (f->app == app && f->device == device && f->variant == variant) {
            return f;
        }
    }
    return NULL;
}

/* Every app of the query has its part of what the place serves. */
static bool add_flows(const struct setup *s, const struct place *p, double rate,
                      struct cvg_plan *out)
{
    const struct cvg__allocation *a = &s->a;
    uint32_t q = a->query[p->next];
    double all = 0;
    for (uint32_t i = 0; i < s->box->n_apps; i++) {
        all += s->query_of[i] == q ? s->rate_rps[i] : 0;
    }
    for (uint32_t i = 0; i < s->box->n_apps; i++) {
        if (s->query_of[i] != q) {
            continue;
        }
        uint32_t variant = s->variants[p->next];
        struct cvg_flow *f = find_flow(out, i, p->device, variant);
        if (f == NULL) {
            if (out->n_flows == CVG_MAX_FLOWS) {
                return false;
            }
            f = &out->flows[out->n_flows++];
            *f = (struct cvg_flow){
                .app = i,
                .variant = variant,
                .exit = exit_of(s, p->next),
                .device = p->device,
                .batch = s->batch[cvg__host(a, p->type, p->next)]};
        }
        f->rate_rps += rate * s->rate_rps[i] / all;
    }
    return true;
}

static int by_app_and_device(const void *x, const void *y)
{
    const struct cvg_flow *a = x;
    const struct cvg_flow *b = y;
    if (a->app != b->app) {
        return a->app < b->app ? -1 : 1;
    }
    if (a->device != b->device) {
        return a->device < b->device ? -1 : 1;
    }
    return a->variant < b->variant ? -1 : a->variant > b->variant;
}

static enum cvg_status answer(struct setup *s, struct cvg_plan *out,
                              struct cvg_error *err)
{
    struct cvg__allocation *a = &s->a;
    double asked = 0, served = 0;
    cvg__allocation_fill(a);
    hand_out(s);
    for (uint32_t k = 0; k < s->n_places; k++) {
        const struct place *p = &s->places[k];
        if (p->next == NONE) {
            continue;
        }
        size_t h = cvg__host(a, p->type, p->next);
        double rate = a->rate_rps[h] / a->hosts[h];
        out->busy[p->device] +=
            rate / a->peak_rps[h] / n_places_of(&s->box->devices[p->device]);
        if (!add_flows(s, p, rate, out)) {
            return cvg_fail(err, CVG_LIMIT,
                            "more than %u flows: too many apps share devices",
                            CVG_MAX_FLOWS);
        }
    }
    for (uint32_t q = 0; q < a->n_queries; q++) {
        asked += a->demand_rps[q];
        served += a->demand_rps[q] - a->shed_rps[q];
    }
    out->factor = asked > 0 ? served / asked : 1;
    for (uint32_t i = 0; i < s->box->n_apps; i++) {
        uint32_t q = s->query_of[i];
        out->rates_rps[i] = s->question->rates_rps[i];
        if (q != NONE) {
            double share = 1 - a->shed_rps[q] / a->demand_rps[q];
            out->served_rps[i] = share * s->rate_rps[i];
        }
    }
    qsort(out->flows, out->n_flows, sizeof *out->flows, by_app_and_device);
    return CVG_OK;
}

/* --- the methods ---------------------------------------------------------- */

typedef enum cvg_status (*method)(struct setup *s, struct cvg_error *err);

static enum cvg_status allocate(const struct cvg_box *box,
                                const struct cvg_question *question,
                                method solve, double sigmas,
                                struct cvg_plan *out, struct cvg_error *err)
{
    /* Every byte is set: plans are recorded as they are. */
    memset(out, 0, sizeof *out);
    struct setup *s = setup_create(box, question, sigmas);
    if (s == NULL) {
        return no_memory(err);
    }
    enum cvg_status status = solve(s, err);
    if (status == CVG_OK) {
        status = answer(s, out, err);
    }
    setup_fini(s);
    return status;
}

/* Is what devices hold now as good as `hosts`, or nearly? Then that is left. */
static enum cvg_status stay_if_near(struct cvg__allocation *a,
                                    struct cvg_error *err)
{
    size_t n = (size_t)a->n_types * a->n_variants;
    uint32_t *better = malloc((n + 1) * sizeof *better);
    double all = 0;
    if (better == NULL) {
        return no_memory(err);
    }
    for (uint32_t q = 0; q < a->n_queries; q++) {
        all += a->weight[q] * a->demand_rps[q];
    }
    memcpy(better, a->hosts, n * sizeof *better);
    cvg__allocation_fill(a);
    double value = a->value;
    cvg__allocation_as_it_is(a);
    cvg__allocation_fill(a);
    if (value - a->value > WORTH_CHANGING * all) {
        memcpy(a->hosts, better, n * sizeof *better);
    }
    free(better);
    return CVG_OK;
}

static enum cvg_status by(struct setup *s,
                          enum cvg_status (*solve)(struct cvg__allocation *a,
                                                   struct cvg_error *err),
                          struct cvg_error *err)
{
    enum cvg_status status = solve(&s->a, err);
    status = status == CVG_OK ? stay_if_near(&s->a, err) : status;
    use_idle(&s->a);
    return status;
}

static enum cvg_status by_milp(struct setup *s, struct cvg_error *err)
{
    return by(s, cvg__allocate_milp, err);
}

static enum cvg_status by_dp(struct setup *s, struct cvg_error *err)
{
    return by(s, cvg__allocate_dp, err);
}

static enum cvg_status by_infaas(struct setup *s, struct cvg_error *err)
{
    (void)err;
    cvg__allocate_infaas(&s->a);
    return CVG_OK;
}

static bool is_placed(const struct setup *s)
{
    for (uint32_t k = 0; k < s->n_places; k++) {
        if (s->places[k].now != NONE) {
            return true;
        }
    }
    return false;
}

/* All of a demand, but of queries that nothing can serve? */
static bool serves_all(const struct cvg__allocation *a)
{
    for (uint32_t q = 0; q < a->n_queries; q++) {
        if (a->best[q] > 0 && a->shed_rps[q] > 1e-9 * a->demand_rps[q]) {
            return false;
        }
    }
    return true;
}

static enum cvg_status solve_times(struct cvg__allocation *a,
                                   const double *demand, double factor,
                                   struct cvg_error *err)
{
    for (uint32_t q = 0; q < a->n_queries; q++) {
        a->demand_rps[q] = factor * demand[q];
    }
    return cvg__allocate_milp(a, err);
}

/* As placed for the largest demand of that mix that can still be served. */
static enum cvg_status place_for_most(struct setup *s, struct cvg_error *err)
{
    struct cvg__allocation *a = &s->a;
    double low = 0, high = 0, factor = 1;
    double demand[CVG_MAX_APPS];
    enum cvg_status status = CVG_OK;
    memcpy(demand, a->demand_rps, a->n_queries * sizeof *demand);
    for (int i = 0; i < MOST_TRIES && status == CVG_OK; i++) {
        status = solve_times(a, demand, factor, err);
        bool all = status == CVG_OK && serves_all(a);
        low = all ? factor : low;
        high = all ? high : factor;
        if (high > 0 && high - low < NEAR * high) {
            break;
        }
        factor = high == 0 ? 2 * low : low == 0 ? high / 2 : (low + high) / 2;
    }
    if (status == CVG_OK) {
        status = solve_times(a, demand, low > 0 ? low : high, err);
    }
    use_idle(a);
    memcpy(a->demand_rps, demand, a->n_queries * sizeof *demand);
    return status;
}

/* The least or most accurate variant of each query only. */
static void keep_one_variant(struct cvg__allocation *a, bool most_accurate)
{
    for (uint32_t q = 0; q < a->n_queries; q++) {
        uint32_t kept = NONE;
        for (uint32_t k = a->first[q]; k < a->first[q + 1]; k++) {
            for (uint32_t t = 0; t < a->n_types; t++) {
                bool runs = a->peak_rps[cvg__host(a, t, a->order[k])] > 0;
                kept = runs && (kept == NONE || !most_accurate) ? a->order[k]
                                                                : kept;
            }
        }
        for (uint32_t k = a->first[q]; k < a->first[q + 1]; k++) {
            for (uint32_t t = 0; t < a->n_types && a->order[k] != kept; t++) {
                a->peak_rps[cvg__host(a, t, a->order[k])] = 0;
            }
        }
    }
    cvg__allocation_sort(a);
}

static enum cvg_status by_clipper(struct setup *s, bool most_accurate,
                                  struct cvg_error *err)
{
    keep_one_variant(&s->a, most_accurate);
    if (is_placed(s)) {
        cvg__allocation_as_it_is(&s->a);
        use_idle(&s->a); /* devices that have come up */
        return CVG_OK;
    }
    return place_for_most(s, err);
}

static enum cvg_status by_clipper_ht(struct setup *s, struct cvg_error *err)
{
    return by_clipper(s, false, err);
}

static enum cvg_status by_clipper_ha(struct setup *s, struct cvg_error *err)
{
    return by_clipper(s, true, err);
}

static enum cvg_status by_static(struct setup *s, struct cvg_error *err)
{
    if (is_placed(s)) {
        cvg__allocation_as_it_is(&s->a);
        use_idle(&s->a);
        return CVG_OK;
    }
    return by_milp(s, err);
}

/* One query alone with the devices that it has. */
static enum cvg_status switch_variants(struct setup *s, uint32_t q,
                                       struct cvg_error *err)
{
    struct cvg__allocation *a = &s->a;
    struct cvg__allocation one = *a; /* borrows all but: */
    size_t n = (size_t)a->n_types * a->n_variants;
    uint32_t *devices = calloc(a->n_types + 1, sizeof *devices);
    double *demand = calloc(a->n_queries + 1, sizeof *demand);
    uint32_t *hosts = calloc(n + 1, sizeof *hosts);
    uint32_t *now = calloc(n + 1, sizeof *now);
    enum cvg_status status = CVG_NOMEM;
    if (devices != NULL && demand != NULL && hosts != NULL && now != NULL) {
        for (uint32_t t = 0; t < a->n_types; t++) {
            for (uint32_t v = 0; v < a->n_variants; v++) {
                size_t h = cvg__host(a, t, v);
                now[h] = a->query[v] == q ? a->now[h] : 0;
                devices[t] += now[h];
            }
        }
        demand[q] = a->demand_rps[q];
        one.devices = devices;
        one.demand_rps = demand;
        one.hosts = hosts;
        one.now = now;
        status = cvg__allocate_milp(&one, err);
        status = status == CVG_OK ? stay_if_near(&one, err) : status;
        use_idle(&one);
        for (size_t h = 0; h < n; h++) {
            a->hosts[h] += hosts[h];
        }
    } else {
        no_memory(err);
    }
    free(devices);
    free(demand);
    free(hosts);
    free(now);
    return status;
}

/* At first they are given out for the largest demand that the most accurate
 * variants could serve. */
static enum cvg_status by_sommelier(struct setup *s, struct cvg_error *err)
{
    struct cvg__allocation *a = &s->a;
    if (!is_placed(s)) {
        size_t n = (size_t)a->n_types * a->n_variants;
        double *peaks = malloc((n + 1) * sizeof *peaks);
        if (peaks == NULL) {
            return no_memory(err);
        }
        memcpy(peaks, a->peak_rps, n * sizeof *peaks);
        keep_one_variant(a, true);
        enum cvg_status status = place_for_most(s, err);
        memcpy(a->peak_rps, peaks, n * sizeof *peaks);
        free(peaks);
        return status;
    }
    memset(a->hosts, 0, (size_t)a->n_types * a->n_variants * sizeof *a->hosts);
    enum cvg_status status = CVG_OK;
    for (uint32_t q = 0; q < a->n_queries && status == CVG_OK; q++) {
        status = switch_variants(s, q, err);
    }
    use_idle(a); /* devices that have come up */
    return status;
}

/* The published systems plan for the mean of what comes. */
#define METHOD(name, sigmas)                                                   \
    enum cvg_status cvg_allocate_##name(                                       \
        const struct cvg_box *box, const struct cvg_question *question,        \
        struct cvg_plan *out, struct cvg_error *err)                           \
    {                                                                          \
        return allocate(box, question, by_##name, sigmas, out, err);           \
    }
METHOD(milp, SIGMAS)
METHOD(dp, SIGMAS)
METHOD(infaas, 0)
METHOD(sommelier, 0)
METHOD(clipper_ht, 0)
METHOD(clipper_ha, 0)
METHOD(static, 0)

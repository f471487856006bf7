/* What of a box and a question matters to accuracy scaling: which apps ask
 * together, which devices are alike, what they can serve. */
#include "optimize/allocation_box.h"

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
/* Slowdowns of devices that are alike lie between two powers of that. */
#define ALIKE 1.1
/* Accidents of arrivals are made good within that time at most. */
#define LONG_S 1.0

/* --- queries -------------------------------------------------------------- */

/* Do devices hold something for the app? */
static bool is_kept(const struct cvg__allocation_box *s, uint32_t app)
{
    for (uint32_t i = 0; i < s->question->n_flows; i++) {
        if (s->question->flows[i].app == app) {
            return true;
        }
    }
    return false;
}

/* Is a bound of accuracy one of each request? */
static bool is_each(const struct cvg__allocation_box *s, uint32_t app)
{
    return cvg_slo_has(&s->question->slos[app], CVG_SLO_ACCURACY) &&
           s->box->apps[app].accuracy_over == CVG_ACCURACY_PER_REQUEST;
}

/* Of a request that finds no company, J. */
static double alone_j(const struct cvg__allocation_box *s, uint32_t device,
                      uint32_t variant, uint32_t exit)
{
    const struct cvg_profile *profile = s->box->profile;
    uint32_t min = cvg_profile_min_batch(profile, variant, 0, exit, device);
    return cvg_profile_energy(profile, variant, 0, exit, device, min) / min;
}

static bool can_meet(const struct cvg__allocation_box *s,
                     const struct cvg_slo *slo, uint32_t variant, uint32_t exit,
                     uint32_t device)
{
    const struct cvg_profile *profile = s->box->profile;
    uint32_t min = cvg_profile_min_batch(profile, variant, 0, exit, device);
    if (min == 0 || !cvg_box_can_run(s->box, device, variant) ||
        cvg_question_failed(s->question, device, variant)) {
        return false;
    }
    double time = s->question->slowdown[device] *
                  (double)cvg_profile_time(profile, variant, 0, exit, device,
                                           min, CVG_MEAN);
    return (!cvg_slo_has(slo, CVG_SLO_DEADLINE) ||
            time <= (double)slo->deadline) &&
           (!cvg_slo_has(slo, CVG_SLO_ENERGY) ||
            alone_j(s, device, variant, exit) <= slo->energy_j * (1 + 1e-12));
}

/* Could anything meet the app's bounds by itself, as devices are? */
static bool is_servable(const struct cvg__allocation_box *s, uint32_t app)
{
    const struct cvg_slo *slo = &s->question->slos[app];
    const struct cvg_family *f = &s->box->families[s->box->apps[app].family];
    for (size_t i = 0; i < f->n_variants; i++) {
        uint32_t v = f->variants[i];
        uint32_t exit = s->box->variants[v].n_exits - 1;
        if (!s->question->enabled[v] ||
            (is_each(s, app) &&
             s->box->variants[v].accuracy[exit] < slo->accuracy - 1e-12)) {
            continue;
        }
        for (uint32_t k = 0; k < s->n_places; k++) {
            uint32_t d = s->places[k].device;
            if (can_meet(s, slo, v, exit, d)) {
                return true;
            }
        }
    }
    return false;
}

/* Apps of one family are one query. One that nothing could serve is left out,
 * or, where it lets something give way, its bounds are. */
static uint32_t list_queries(struct cvg__allocation_box *s)
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
        s->is_bound[a] = is_servable(s, a);
        if (s->rate_rps[a] <= 0 ||
            (!s->is_bound[a] && box->apps[a].n_relax == 0)) {
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
static double deadline_ns(const struct cvg__allocation_box *s, uint32_t q)
{
    double least = INFINITY;
    for (uint32_t a = 0; a < s->box->n_apps; a++) {
        const struct cvg_slo *slo = &s->question->slos[a];
        if (s->query_of[a] == q && s->is_bound[a] &&
            cvg_slo_has(slo, CVG_SLO_DEADLINE)) {
            least = fmin(least, (double)slo->deadline);
        }
    }
    return least;
}

/* Answers below that are none. */
static double least_accuracy(const struct cvg__allocation_box *s, uint32_t q)
{
    double most = 0;
    for (uint32_t a = 0; a < s->box->n_apps; a++) {
        if (s->query_of[a] == q && s->is_bound[a] && is_each(s, a)) {
            most = fmax(most, s->question->slos[a].accuracy);
        }
    }
    return most;
}

/* What comes while a batch takes half of the deadline is by accident more than
 * usual: that is to be served, too. */
static void add_demand(struct cvg__allocation_box *s)
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

static bool has_failed(const struct cvg__allocation_box *s, uint32_t device)
{
    for (uint32_t i = 0; i < s->question->n_failed; i++) {
        if (s->question->failed[i].device == device) {
            return true;
        }
    }
    return false;
}

/* Where something could not be loaded, a device is like no other. */
static bool is_alike(const struct cvg__allocation_box *s, uint32_t a,
                     uint32_t b)
{
    const struct cvg_device *x = &s->box->devices[a];
    const struct cvg_device *y = &s->box->devices[b];
    return !has_failed(s, a) && !has_failed(s, b) &&
           strcmp(x->profile, y->profile) == 0 && x->units == y->units &&
           x->has_switch == y->has_switch && x->resident == y->resident &&
           x->memory_bytes == y->memory_bytes &&
           slowness(s->question->slowdown[a]) ==
               slowness(s->question->slowdown[b]);
}

/* Units that pay for changing hold a variant each; where fewer fit, they share
 * these evenly. */
static uint32_t n_places_of(const struct cvg_device *device)
{
    if (!device->has_switch) {
        return 1;
    }
    return device->units < device->resident ? device->units : device->resident;
}

/* Returns the number of types. */
static uint32_t list_places(struct cvg__allocation_box *s)
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
        double slowdown = s->question->slowdown[d];
        if (t == n_types || slowdown > s->question->slowdown[s->typical[t]]) {
            s->typical[t] = d;
        }
        n_types += t == n_types;
        for (uint32_t u = 0; u < n_places_of(device); u++) {
            s->places[s->n_places++] = (struct cvg__allocation_place){
                .device = d, .type = t, .now = NONE, .next = NONE};
        }
    }
    return n_types;
}

static uint32_t find_variant(const struct cvg__allocation_box *s,
                             uint32_t variant)
{
    for (uint32_t v = 0; v < s->a.n_variants; v++) {
        if (s->variants[v] == variant) {
            return v;
        }
    }
    return NONE;
}

static void hold(struct cvg__allocation_box *s, uint32_t device,
                 uint32_t variant)
{
    for (uint32_t k = 0; k < s->n_places; k++) {
        struct cvg__allocation_place *p = &s->places[k];
        if (p->device == device && p->now == NONE) {
            s->a.now[cvg__host(&s->a, p->type, variant)]++;
            p->now = variant;
            return;
        }
    }
}

static bool is_held(const struct cvg__allocation_box *s, uint32_t device,
                    uint32_t variant)
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
static void add_now(struct cvg__allocation_box *s)
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
        const struct cvg__allocation_place *before = &s->places[k - 1];
        if (s->places[k].now == NONE && before->now != NONE &&
            before->device == s->places[k].device) {
            hold(s, before->device, before->now);
        }
    }
}

/* --- peaks ---------------------------------------------------------------- */

static uint32_t exit_of(const struct cvg__allocation_box *s, uint32_t v)
{
    return s->box->variants[s->variants[v]].n_exits - 1;
}

static double batch_ns(const struct cvg__allocation_box *s, uint32_t type,
                       uint32_t v, uint32_t n)
{
    uint32_t d = s->typical[type];
    return s->question->slowdown[d] *
           (double)cvg_profile_time(s->box->profile, s->variants[v], 0,
                                    exit_of(s, v), d, n, CVG_MEAN);
}

/* The least that one of its apps allows a request, J; INFINITY: no bound. */
static double most_energy(const struct cvg__allocation_box *s, uint32_t q)
{
    double least = INFINITY;
    for (uint32_t a = 0; a < s->box->n_apps; a++) {
        const struct cvg_slo *slo = &s->question->slos[a];
        if (s->query_of[a] == q && s->is_bound[a] &&
            cvg_slo_has(slo, CVG_SLO_ENERGY)) {
            least = fmin(least, slo->energy_j);
        }
    }
    return least;
}

/* The largest batch that takes no longer than that; 0: none. */
static uint32_t batch_within(const struct cvg__allocation_box *s, uint32_t type,
                             uint32_t v, double limit_ns)
{
    uint32_t d = s->typical[type];
    const struct cvg_profile *profile = s->box->profile;
    uint32_t max =
        cvg_profile_max_batch(profile, s->variants[v], 0, exit_of(s, v), d);
    uint32_t min =
        cvg_profile_min_batch(profile, s->variants[v], 0, exit_of(s, v), d);
    if (max == 0 || !cvg_box_can_run(s->box, d, s->variants[v]) ||
        cvg_question_failed(s->question, d, s->variants[v])) {
        return 0;
    }
    while (max > min && batch_ns(s, type, v, max) > limit_ns) {
        max--;
    }
    return batch_ns(s, type, v, max) <= limit_ns ? max : 0;
}

/* False: none of its variants takes so little anywhere. */
static bool add_peaks(struct cvg__allocation_box *s, uint32_t q,
                      double limit_ns)
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
            if (n > 0 && alone_j(s, s->typical[t], s->variants[v],
                                 exit_of(s, v)) <= energy_j * (1 + 1e-12)) {
                s->batch[h] = n;
                a->peak_rps[h] =
                    n * 1e9 / batch_ns(s, t, v, n) * d->units / n_places_of(d);
                any = true;
            }
        }
    }
    return any;
}

static void add_loads(struct cvg__allocation_box *s)
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

/* By what devices hold now, by weight. */
static double served(const struct cvg__allocation *a)
{
    double sum = 0;
    for (uint32_t q = 0; q < a->n_queries; q++) {
        sum += a->weight[q] * (a->demand_rps[q] - a->shed_rps[q]);
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

static uint32_t list_variants(struct cvg__allocation_box *s, uint32_t n_queries)
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

static bool fill_in(struct cvg__allocation_box *s)
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
    cvg__allocation_as_it_is(&s->a);
    cvg__allocation_fill(&s->a);
    s->a.usual_rps = served(&s->a) / fmax(s->n_places, 1);
    s->a.horizon_s = sheds(&s->a) ? URGENT_S : HORIZON_S;
    return true;
}

void cvg__allocation_box_free(struct cvg__allocation_box *s)
{
    cvg__allocation_fini(&s->a);
    free(s->places);
    free(s->typical);
    free(s->variants);
    free(s->batch);
    free(s);
}

struct cvg__allocation_box *cvg__allocation_box_create(
    const struct cvg_box *box, const struct cvg_question *question,
    double sigmas)
{
    struct cvg__allocation_box *s = calloc(1, sizeof *s);
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
        cvg__allocation_box_free(s);
        return NULL;
    }
    return s;
}

/* --- the plan ------------------------------------------------------------- */

/* Devices keep what they hold, as far as it is wanted; the rest is handed out
 * in their order. */
static void hand_out(struct cvg__allocation_box *s)
{
    struct cvg__allocation *a = &s->a;
    size_t n = (size_t)a->n_types * a->n_variants;
    uint32_t *left = a->now; /* not needed any more */
    memcpy(left, a->hosts, n * sizeof *left);
    for (uint32_t k = 0; k < s->n_places; k++) {
        struct cvg__allocation_place *p = &s->places[k];
        if (p->now != NONE && left[cvg__host(a, p->type, p->now)] > 0) {
            left[cvg__host(a, p->type, p->now)]--;
            p->next = p->now;
        }
    }
    for (uint32_t k = 0; k < s->n_places; k++) {
        struct cvg__allocation_place *p = &s->places[k];
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

static bool add_flow(const struct cvg__allocation_box *s, uint32_t app,
                     const struct cvg__allocation_place *p, double rate,
                     struct cvg_plan *out)
{
    uint32_t variant = s->variants[p->next];
    struct cvg_flow *f = find_flow(out, app, p->device, variant);
    if (f == NULL) {
        if (out->n_flows == CVG_MAX_FLOWS) {
            return false;
        }
        f = &out->flows[out->n_flows++];
        *f = (struct cvg_flow){
            .app = app,
            .variant = variant,
            .exit = exit_of(s, p->next),
            .device = p->device,
            .batch = s->batch[cvg__host(&s->a, p->type, p->next)]};
    }
    f->rate_rps += rate;
    return true;
}

/* Every app of the query has its part of what the place serves. */
static bool share_place(const struct cvg__allocation_box *s,
                        const struct cvg__allocation_place *p, double rate,
                        struct cvg_plan *out)
{
    uint32_t q = s->a.query[p->next];
    double all = 0;
    for (uint32_t i = 0; i < s->box->n_apps; i++) {
        all += s->query_of[i] == q ? s->rate_rps[i] : 0;
    }
    for (uint32_t i = 0; i < s->box->n_apps; i++) {
        if (s->query_of[i] == q &&
            !add_flow(s, i, p, rate * s->rate_rps[i] / all, out)) {
            return false;
        }
    }
    return true;
}

/* The place is the app's that lacks most, and what is left the next one's: all
 * in all as many flows as there are places and apps. */
static bool give_place(const struct cvg__allocation_box *s,
                       const struct cvg__allocation_place *p, double rate,
                       double *lacks, struct cvg_plan *out)
{
    double left = rate;
    for (uint32_t n = 0; n < s->box->n_apps; n++) {
        uint32_t most = NONE;
        for (uint32_t i = 0; i < s->box->n_apps; i++) {
            if (s->query_of[i] == s->a.query[p->next] &&
                (most == NONE || lacks[i] > lacks[most])) {
                most = i;
            }
        }
        double part =
            lacks[most] > 0 && lacks[most] < left ? lacks[most] : left;
        lacks[most] -= part;
        left -= part;
        if (!add_flow(s, most, p, part, out)) {
            return false;
        }
        if (left <= 1e-9 * rate) {
            break;
        }
    }
    return true;
}

/* Would a plan have room if every app had its part of every place? */
static bool can_share(const struct cvg__allocation_box *s)
{
    size_t n = 0;
    for (uint32_t k = 0; k < s->n_places; k++) {
        for (uint32_t i = 0; i < s->box->n_apps; i++) {
            n += s->places[k].next != NONE &&
                 s->query_of[i] == s->a.query[s->places[k].next];
        }
    }
    return n <= CVG_MAX_FLOWS;
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

/* What is served of what is asked for: room that is kept beyond that is none.
 */
static void tell(const struct cvg__allocation_box *s, struct cvg_plan *out)
{
    const struct cvg__allocation *a = &s->a;
    double rates[CVG_MAX_APPS] = {0}; /* [query] */
    double asked = 0, served = 0;
    for (uint32_t i = 0; i < s->box->n_apps; i++) {
        if (s->query_of[i] != NONE) {
            rates[s->query_of[i]] += s->rate_rps[i];
        }
    }
    for (uint32_t i = 0; i < s->box->n_apps; i++) {
        uint32_t q = s->query_of[i];
        out->rates_rps[i] = s->question->rates_rps[i];
        if (q != NONE) {
            double can = (a->demand_rps[q] - a->shed_rps[q]) / rates[q];
            out->served_rps[i] = fmin(can, 1) * s->rate_rps[i];
            asked += s->rate_rps[i];
            served += out->served_rps[i];
        }
    }
    out->factor = asked > 0 ? served / asked : 1;
}

enum cvg_status cvg__allocation_box_plan(struct cvg__allocation_box *s,
                                         struct cvg_plan *out,
                                         struct cvg_error *err)
{
    struct cvg__allocation *a = &s->a;
    cvg__allocation_fill(a);
    hand_out(s);
    bool shared = can_share(s);
    double lacks[CVG_MAX_APPS];
    memcpy(lacks, s->rate_rps, sizeof lacks);
    for (uint32_t k = 0; k < s->n_places; k++) {
        const struct cvg__allocation_place *p = &s->places[k];
        if (p->next == NONE) {
            continue;
        }
        size_t h = cvg__host(a, p->type, p->next);
        double rate = a->rate_rps[h] / a->hosts[h];
        out->busy[p->device] +=
            rate / a->peak_rps[h] / n_places_of(&s->box->devices[p->device]);
        if (!(shared ? share_place(s, p, rate, out)
                     : give_place(s, p, rate, lacks, out))) {
            return cvg_fail(err, CVG_LIMIT,
                            "more than %u flows: too many devices and apps",
                            CVG_MAX_FLOWS);
        }
    }
    tell(s, out);
    qsort(out->flows, out->n_flows, sizeof *out->flows, by_app_and_device);
    return CVG_OK;
}

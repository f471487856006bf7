/* Jellyfish (Nigade et al., Jellyfish: Timely Inference Serving for Dynamic
 * Edge Networks, RTSS 2022).
 *
 * The authors': once a period, clients are mapped to models and models to
 * workers, one model a worker, so that the rates fit and accuracy is as high as
 * the deadlines allow. The search over the models of the workers anneals, from
 * the mapping that is there; for each the clients take the most accurate model
 * with room. A worker's throughput is that of the largest batch of which two
 * fit into the tightest deadline of its clients: one that runs, and one that
 * waits for it. Between periods a worker runs the requests that are mapped to
 * its model, first deadline first, in batches as large as their deadlines
 * allow; hopeless ones are dropped.
 *
 * Ours: a client is an app; a model must keep its accuracy and energy bounds.
 * As many requests as possible come before accuracy. Clients change their
 * models in the same annealing, which takes one step a call, so that no call
 * takes long. A worker's model is switched to by the first batch of it, so that
 * must fit into the deadline, too, and a mapping must be clearly better to be
 * taken over. Requests that no model on a worker
 * can answer (they name another variant, or ask for more than their app does)
 * are run by any idle worker that can. */
#include "policy/offers.h"
#include "policy/parts.h"

#include "base/rng.h"
#include <math.h>

#define PERIOD CVG_MS(500)
#define RATE_MEMORY_NS 2e9
#define ENOUGH_KNOWN 0.2 /* of what it remembers */
#define UNKNOWN_RPS 10.0 /* of an app of which nothing is known */
/* Share of a worker's throughput that is given away. */
#define FILL 0.8
/* Of the annealing: requests a second; it cools within each period. */
#define HEAT 5.0
#define COOLING 0.97
/* A switch and a run must fit into this share of a deadline. */
#define SHARE_FOR_SWITCH 0.9
/* So much better must a mapping be to take over. */
#define CLEARLY 1.01
#define FIRST_STEPS 500U   /* of the annealing, before anything arrives */
#define ACCURACY_WORTH 0.1 /* beside being served at all */

struct mapping {
    uint32_t models[CVG_MAX_UNITS];  /* variant; CVG_ANY: none */
    uint32_t batches[CVG_MAX_UNITS]; /* largest */
    uint32_t models_of[CVG_MAX_APPS];
    double value;
};

struct state {
    struct cvg__offers offers;
    struct cvg_rng rng;
    struct mapping used, best, tried, next;
    double heat;
    cvg_time begun;
    cvg_time planned; /* when `used` was taken over */
    double planned_for_rps[CVG_MAX_APPS];
    double rates_rps[CVG_MAX_APPS];
    cvg_time rated[CVG_MAX_APPS]; /* the rate is as of then */
};

/* --- the rates of the apps ------------------------------------------------ */

static int64_t key(void *state, const struct cvg_view *view,
                   const struct cvg_request *r)
{
    struct state *s = state;
    if (r->arrival == view->now) { /* it arrives */
        double elapsed = (double)(view->now - s->rated[r->app]);
        double *rate = &s->rates_rps[r->app];
        *rate = *rate * exp(-elapsed / RATE_MEMORY_NS) + 1e9 / RATE_MEMORY_NS;
        s->rated[r->app] = view->now;
    }
    return cvg__offers_key(state, view, r);
}

/* The average is of what it remembers; at the start that is nothing, and an app
 * counts with what it is promised. */
static double rate_of(const struct state *s, const struct cvg_view *view,
                      uint32_t app)
{
    const struct cvg_slo *slo = &view->apps[app].slo;
    double known = 1 - exp(-(double)(view->now - s->begun) / RATE_MEMORY_NS);
    if (known < ENOUGH_KNOWN) {
        return cvg_slo_has(slo, CVG_SLO_THROUGHPUT) ? slo->throughput_rps
                                                    : UNKNOWN_RPS;
    }
    double elapsed = (double)(view->now - s->rated[app]);
    return s->rates_rps[app] * exp(-elapsed / RATE_MEMORY_NS) / known;
}

/* --- the value of a mapping ----------------------------------------------- */

static cvg_span deadline_of(const struct cvg_view *view, uint32_t app)
{
    const struct cvg_slo *slo = &view->apps[app].slo;
    return cvg_slo_has(slo, CVG_SLO_DEADLINE) ? slo->deadline : CVG_NEVER;
}

/* Of a mean over a window: what does not reach it is no way, if anything does.
 */
static double least_accuracy(const struct cvg_view *view, uint32_t app,
                             const struct cvg__ways *ways)
{
    const struct cvg_app *a = &view->apps[app];
    for (uint32_t i = 0; i < ways->n; i++) {
        if (a->accuracy_over == CVG_ACCURACY_PER_WINDOW &&
            cvg_slo_has(&a->slo, CVG_SLO_ACCURACY) &&
            ways->ways[i].accuracy >= a->slo.accuracy) {
            return a->slo.accuracy;
        }
    }
    return 0;
}

/* The way of the app to run its model on that device; NULL: there is none. */
static const struct cvg__way *way_of(struct state *s,
                                     const struct cvg_view *view, uint32_t app,
                                     uint32_t device, uint32_t model)
{
    const struct cvg__ways *ways = cvg__offers_ways(&s->offers, view, app);
    double least = least_accuracy(view, app, ways);
    for (uint32_t i = ways->from[device]; i < ways->from[device + 1]; i++) {
        if (ways->ways[i].variant == model && ways->ways[i].accuracy >= least) {
            return &ways->ways[i];
        }
    }
    return NULL;
}

/* The largest batch of which two fit into the deadline; 0: none. */
static uint32_t planned_batch(const struct cvg_view *view,
                              const struct cvg__way *way, cvg_span deadline)
{
    double slowdown = cvg_view_slowdown(view, way->device);
    uint32_t n = way->max;
    while (n >= way->min && deadline != CVG_NEVER &&
           2 * slowdown *
                   (double)cvg_profile_time(view->profile, way->variant, 0,
                                            way->exit, way->device, n,
                                            CVG_P95) >
               (double)deadline) {
        n--;
    }
    return n < way->min ? 0 : n;
}

/* A request must be able to bring its model into the worker's cache. */
static bool can_begin(const struct cvg_view *view, const struct cvg_unit *unit,
                      const struct cvg__way *way, cvg_span deadline)
{
    cvg_span time = cvg_view_switch(view, unit, way->variant) +
                    cvg_profile_time(view->profile, way->variant, 0, way->exit,
                                     way->device, way->min, CVG_P95);
    return (double)time * cvg_view_slowdown(view, way->device) <=
           SHARE_FOR_SWITCH * (double)deadline;
}

/* Requests a second of the app that are done by the workers that have its
 * model. What is left of the workers' time goes down. */
static double served(struct state *s, const struct cvg_view *view,
                     struct mapping *m, uint32_t app, double *left)
{
    uint32_t model = m->models_of[app];
    double rate = s->planned_for_rps[app];
    double done = 0;
    cvg_span tightest = CVG_NEVER;
    for (uint32_t a = 0; a < view->n_apps; a++) {
        cvg_span deadline = deadline_of(view, a);
        if (m->models_of[a] == model && deadline < tightest) {
            tightest = deadline;
        }
    }
    for (uint32_t u = 0; u < view->n_units && done < rate; u++) {
        uint32_t d = view->units[u].device;
        const struct cvg__way *way =
            m->models[u] == model ? way_of(s, view, app, d, model) : NULL;
        uint32_t n = way != NULL ? planned_batch(view, way, tightest) : 0;
        if (n == 0 || !cvg_view_up(view, d) ||
            !can_begin(view, &view->units[u], way, deadline_of(view, app))) {
            continue;
        }
        double each_s = cvg_view_slowdown(view, d) * 1e-9 / n *
                        (double)cvg_profile_time(view->profile, model, 0,
                                                 way->exit, d, n, CVG_MEAN);
        double here = fmin(rate - done, left[u] / each_s);
        left[u] -= here * each_s;
        done += here;
        m->batches[u] = n;
    }
    return done;
}

static double accuracy_of(const struct cvg_view *view, uint32_t model)
{
    const struct cvg_variant *v = &view->box->variants[model];
    return v->accuracy[v->n_exits - 1];
}

/* Does the memory of the device hold the models of its units up to `unit`? */
static bool fits(const struct cvg_view *view, const struct mapping *m,
                 uint32_t unit)
{
    const struct cvg_device *d = &view->box->devices[view->units[unit].device];
    uint64_t bytes = 0;
    uint32_t n = 0;
    for (uint32_t u = 0; u <= unit; u++) {
        if (view->units[u].device != view->units[unit].device ||
            m->models[u] == CVG_ANY) {
            continue;
        }
        uint32_t before = 0;
        while (before < u &&
               (view->units[before].device != view->units[u].device ||
                m->models[before] != m->models[u])) {
            before++;
        }
        if (before == u) { /* not counted yet */
            bytes += view->box->variants[m->models[u]].memory_bytes;
            n++;
        }
    }
    return bytes <= d->memory_bytes && n <= d->resident;
}

static void evaluate(struct state *s, const struct cvg_view *view,
                     struct mapping *m)
{
    double left[CVG_MAX_UNITS];
    for (uint32_t u = 0; u < view->n_units; u++) {
        left[u] = fits(view, m, u) ? FILL : 0;
        m->batches[u] = CVG_MAX_BATCH;
    }
    m->value = 0;
    for (uint32_t a = 0; a < view->n_apps; a++) {
        if (m->models_of[a] != CVG_ANY) {
            double rate = served(s, view, m, a, left);
            m->value += rate * (1 + ACCURACY_WORTH *
                                        accuracy_of(view, m->models_of[a]));
        }
    }
}

/* --- the search ----------------------------------------------------------- */

static uint32_t pick(struct state *s, uint32_t n)
{
    return (uint32_t)(cvg_rng_uniform(&s->rng) * n);
}

/* Another model for a client, and mostly a worker for that model. */
static void change_one(struct state *s, const struct cvg_view *view,
                       struct mapping *m)
{
    uint32_t app = pick(s, view->n_apps);
    const struct cvg__ways *ways = cvg__offers_ways(&s->offers, view, app);
    if (ways->n == 0) {
        return;
    }
    const struct cvg__way *way = &ways->ways[pick(s, ways->n)];
    uint32_t u = pick(s, view->n_units);
    if (pick(s, 2) == 0) {
        m->models_of[app] = way->variant;
    }
    if (view->units[u].device == way->device) {
        m->models[u] = way->variant;
    }
}

static void anneal(struct state *s, const struct cvg_view *view)
{
    struct mapping *next = &s->next;
    *next = s->tried;
    change_one(s, view, next);
    evaluate(s, view, next);
    double loss = s->tried.value - next->value;
    if (loss <= 0 || cvg_rng_uniform(&s->rng) < exp(-loss / s->heat)) {
        s->tried = *next;
    }
    if (s->tried.value > s->best.value) {
        s->best = s->tried;
    }
    s->heat *= COOLING;
}

/* The best that was found is used from now on, if it is clearly better by the
 * rates of now, too: a worker that changes its model has to switch. The search
 * begins anew from there. */
static void take_over(struct state *s, const struct cvg_view *view)
{
    for (uint32_t a = 0; a < view->n_apps; a++) {
        s->planned_for_rps[a] = rate_of(s, view, a);
    }
    evaluate(s, view, &s->used);
    evaluate(s, view, &s->best);
    if (s->best.value > CLEARLY * s->used.value) {
        s->used = s->best;
    }
    s->best = s->used;
    s->tried = s->used;
    s->heat = HEAT;
    s->planned = view->now;
}

/* --- the policy ----------------------------------------------------------- */

static size_t state_size(const struct cvg_box *box)
{
    return sizeof(struct state) + cvg__offers_extra(box);
}

static void init(void *state, const struct cvg_view *view)
{
    struct state *s = state;
    cvg__offers_init(&s->offers, view, s + 1);
    cvg_rng_init(&s->rng, 2022, 43, 277);
    s->begun = view->now;
    for (uint32_t u = 0; u < view->n_units; u++) {
        s->best.models[u] = CVG_ANY;
    }
    for (uint32_t a = 0; a < view->n_apps; a++) {
        s->best.models_of[a] = CVG_ANY;
    }
    s->used = s->best;
    take_over(s, view);
    for (uint32_t k = 0; k < FIRST_STEPS; k++) {
        anneal(s, view);
    }
    take_over(s, view);
}

/* Brings the models of the workers in, unless something waits for room that is
 * in no memory at all: the two would put each other out. */
static void load_models(const struct state *s, const struct cvg_view *view,
                        struct cvg_choices *choices)
{
    for (uint32_t a = 0; a < view->n_apps; a++) {
        if (cvg_view_next_on(view, a, NULL, 0, 0) != NULL) {
            return;
        }
    }
    for (uint32_t u = 0; u < view->n_units; u++) {
        uint32_t d = view->units[u].device;
        uint32_t model = s->used.models[u];
        if (model != CVG_ANY && fits(view, &s->used, u) &&
            cvg_view_residency(view, d, model) == CVG_ABSENT) {
            cvg_choose_load(choices, d, model);
        }
    }
}

/* Does a worker that is up have the app's model? */
static bool is_mapped(struct state *s, const struct cvg_view *view,
                      uint32_t app)
{
    uint32_t model = s->used.models_of[app];
    for (uint32_t u = 0; model != CVG_ANY && u < view->n_units; u++) {
        uint32_t d = view->units[u].device;
        if (s->used.models[u] == model && cvg_view_up(view, d) &&
            cvg_view_enabled(view, model) &&
            way_of(s, view, app, d, model) != NULL &&
            cvg_view_residency(view, d, model) == CVG_RESIDENT) {
            return true;
        }
    }
    return false;
}

/* What the worker could run of the app: by the mapping, or because no worker's
 * model will do for it. */
static bool batch_of(struct state *s, const struct cvg_view *view,
                     const struct cvg_unit *unit, uint32_t app,
                     struct cvg__offer *out)
{
    struct cvg__offer on[CVG__WAYS_PER_DEVICE];
    uint32_t model = s->used.models[unit->index];
    bool mapped = is_mapped(s, view, app);
    bool here = mapped && s->used.models_of[app] == model &&
                cvg__offers_on(&s->offers, view, unit, app, model, on) > 0;
    if (here) {
        *out = on[0];
    }
    /* One that no model will do for does not wait for those behind it. */
    bool other = cvg__offers_on(&s->offers, view, unit, app, CVG_ANY, on) > 0 &&
                 (!mapped || on[0].first->plain == 0) &&
                 (!here || cvg_view_before(view, on[0].first, out->first));
    uint32_t planned = s->used.batches[unit->index];
    if (other) {
        *out = on[0];
    } else if (here && planned >= out->min && planned < out->n) {
        out->n = planned;
    }
    return (here || other) && !cvg__offer_harms(view, out);
}

static bool next_batch(struct state *s, const struct cvg_view *view,
                       const struct cvg_unit *unit, struct cvg__offer *best)
{
    bool found = false;
    for (uint32_t a = 0; a < view->n_apps; a++) {
        struct cvg__offer b;
        if (cvg_view_waiting(view, a) > 0 && batch_of(s, view, unit, a, &b) &&
            (!found || cvg_view_before(view, b.first, best->first))) {
            *best = b;
            found = true;
        }
    }
    return found;
}

static void choose(void *state, const struct cvg_view *view,
                   struct cvg_choices *choices)
{
    struct state *s = state;
    anneal(s, view);
    if (view->now - s->planned >= PERIOD) {
        take_over(s, view);
        load_models(s, view, choices);
    }
    cvg__offers_call(&s->offers, view);
    for (uint32_t u = 0; u < view->n_units; u++) {
        struct cvg__offer next;
        if (cvg__offers_room(&s->offers, view, &view->units[u]) &&
            next_batch(s, view, &view->units[u], &next)) {
            cvg__offer_begin(&s->offers, view, choices, &next);
        }
    }
    cvg__offers_end(&s->offers, view, choices);
}

const struct cvg_order_ops cvg_order_jellyfish = {
    .name = "jellyfish",
    .drops = true,
    .state_size = state_size,
    .init = init,
    .key = key,
    .choose = choose,
};

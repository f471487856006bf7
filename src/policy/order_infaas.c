/* INFaaS (Romero et al., INFaaS: Automated Model-less Inference Serving, USENIX
 * ATC 2021).
 *
 * The authors': a request names accuracy and latency. Of the variants that keep
 * both, a running one is preferred that is not overloaded, on the least loaded
 * worker; one that misses what it promises is passed over. If there is none,
 * the variant with the smallest load + inference time is started. A replica is
 * stopped again when the others could have done its work for 20 checks in a
 * row.
 *
 * Ours: a replica is a variant on a unit, so every app whose bounds it keeps
 * shares it; it runs once it was started there, as long as it is in the unit's
 * cache. Overloaded is what could not have the request done in time. The load
 * of a worker is the work that it has before it: averages of how busy it was
 * lag behind where a batch takes milliseconds (on examples/xavier-nx-coral,
 * mean joint satisfaction over loads 0.5 to 1.4 was 0.95 to 0.96 with them,
 * 0.985 so). The requests of an app, first deadline first, wait for the chosen
 * replica, in batches as large as their deadlines allow. The energy bound
 * counts as the third target. */
#include "policy/offers.h"
#include "policy/parts.h"

#define CHECK_EVERY CVG_S(1)
#define CHECKS 20U /* in a row that find a replica to spare */
#define FULL 0.95  /* share of its throughput that a replica is good for */

struct replica { /* of a variant, on a unit */
    bool active;
    uint32_t spare_checks; /* in a row */
    uint32_t served;       /* requests since the last check ... */
    cvg_span used;         /* ... and the time of the unit that they took */
};

struct state {
    struct cvg__offers offers;
    cvg_time checked;
    struct replica *replicas; /* [unit * n_variants + variant] */
};

static size_t state_size(const struct cvg_box *box)
{
    return sizeof(struct state) + cvg__offers_extra(box) +
           cvg_box_units(box) * box->n_variants * sizeof(struct replica);
}

static void init(void *state, const struct cvg_view *view)
{
    struct state *s = state;
    cvg__offers_init(&s->offers, view, s + 1);
    s->replicas =
        (struct replica *)((char *)(s + 1) + cvg__offers_extra(view->box));
    s->checked = view->now;
}

static struct replica *replica_of(const struct state *s,
                                  const struct cvg_view *view, uint32_t unit,
                                  uint32_t variant)
{
    return &s->replicas[(size_t)unit * view->box->n_variants + variant];
}

/* --- the autoscaler ------------------------------------------------------- */

/* Requests that the unit could have served by this variant since the last
 * check, beside all that it did. */
static double left_over(const struct state *s, const struct cvg_view *view,
                        uint32_t unit, uint32_t variant)
{
    const struct cvg_profile *p = view->profile;
    uint32_t d = view->units[unit].device;
    uint32_t last = view->box->variants[variant].n_exits - 1;
    uint32_t n = cvg_profile_max_batch(p, variant, 0, last, d);
    cvg_span left = view->now - s->checked;
    for (uint32_t v = 0; v < view->box->n_variants; v++) {
        left -= replica_of(s, view, unit, v)->used;
    }
    if (n == 0 || left <= 0) {
        return 0;
    }
    return (double)left * n /
           (double)cvg_profile_time(p, variant, 0, last, d, n, CVG_MEAN);
}

/* Could the other replicas of the variant have done its work, too? */
static bool is_spare(const struct state *s, const struct cvg_view *view,
                     uint32_t unit, uint32_t variant)
{
    double left = 0;
    for (uint32_t u = 0; u < view->n_units; u++) {
        if (u != unit && replica_of(s, view, u, variant)->active) {
            left += left_over(s, view, u, variant);
        }
    }
    return replica_of(s, view, unit, variant)->served <= FULL * left;
}

static void scale_down(struct state *s, const struct cvg_view *view)
{
    if (view->now - s->checked < CHECK_EVERY) {
        return;
    }
    for (uint32_t u = 0; u < view->n_units; u++) {
        for (uint32_t v = 0; v < view->box->n_variants; v++) {
            struct replica *r = replica_of(s, view, u, v);
            bool spare = r->active && is_spare(s, view, u, v);
            r->spare_checks = spare ? r->spare_checks + 1 : 0;
            r->active = r->active && r->spare_checks < CHECKS;
        }
    }
    for (uint32_t i = 0; i < view->n_units * view->box->n_variants; i++) {
        s->replicas[i].served = 0;
        s->replicas[i].used = 0;
    }
    s->checked = view->now;
}

/* --- the choice ----------------------------------------------------------- */

static bool is_running(const struct state *s, const struct cvg_view *view,
                       const struct cvg__offer *b)
{
    return b->change == 0 &&
           replica_of(s, view, b->unit->index, b->way.variant)->active;
}

static bool is_better(const struct cvg__offers *o, const struct cvg_view *view,
                      const struct cvg__offer *a, const struct cvg__offer *than)
{
    const struct state *s = (const struct state *)o; /* its first member */
    bool running = is_running(s, view, a);
    if (running != is_running(s, view, than)) {
        return running;
    }
    if (running && a->begin != than->begin) {
        return a->begin < than->begin;
    }
    return a->alone < than->alone;
}

static void choose(void *state, const struct cvg_view *view,
                   struct cvg_choices *choices)
{
    struct state *s = state;
    bool settled[CVG_MAX_APPS] = {false};
    uint32_t app = 0;
    scale_down(s, view);
    cvg__offers_call(&s->offers, view);
    while (cvg__offers_left(&s->offers, view) &&
           (app = cvg__offers_most_urgent(&s->offers, view, settled)) !=
               CVG_ANY) {
        struct cvg__offer best;
        if (!cvg__offers_best(&s->offers, view, app, is_better, &best)) {
            settled[app] = true;
        } else if (cvg__offer_take(&s->offers, view, choices, &best)) {
            struct replica *r =
                replica_of(s, view, best.unit->index, best.way.variant);
            r->active = true;
            r->served += best.n;
            r->used += best.time;
        }
    }
    cvg__offers_end(&s->offers, view, choices);
}

const struct cvg_order_ops cvg_order_infaas = {
    .name = "infaas",
    .drops = true,
    .state_size = state_size,
    .init = init,
    .key = cvg__offers_key,
    .choose = choose,
};

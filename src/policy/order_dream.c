/* DREAM (Kim et al., DREAM: A Dynamic Scheduler for Dynamic Real-time
 * Multi-model ML Workloads, ASPLOS 2023).
 *
 * The authors': whenever an accelerator is idle, the pair of task and idle
 * accelerator with the highest score is begun:
 *
 *     urgency x latency preference + alpha x starvation
 *         + beta x (energy preference - cost of the switch)
 *
 * urgency: time to go / slack. Latency preference: the sum of the task's times
 * over all accelerators / its time on this one; energy preference alike.
 * Starvation: time in the queue / time to go. The cost of the switch is its
 * energy / the task's energy there. A frame that is expected to be late
 * everywhere is dropped ahead of its time, but no more than a share of a task's
 * frames are; lighter variants of a model take over under load.
 *
 * Ours: a task is the next batch of an app, as large as its deadline allows;
 * the lightest variant that keeps accuracy and energy bounds stands for it.
 * Times and energies are those of a request in the largest batch. The two
 * parameters, which the authors' tuner moves within 0..2, are the best of a
 * search: {0, 0.1, 0.5, 2}^2, then steps of 0.25 to 1 around the best, and
 * beyond 2 without gain; by the mean joint satisfaction on
 * examples/xavier-nx-coral at loads 0.7 to 1.4, three seeds of 30 s. It is flat
 * where alpha / beta is about 4 / 3. */
#include "policy/offers.h"
#include "policy/parts.h"

#include <math.h>

#define ALPHA 2.0
#define BETA 1.5
/* Of so many requests of an app at most one is dropped ahead of its time. */
#define ONE_DROP_IN 10U

struct task {                 /* of one app, in this call */
    double time_ns, energy_j; /* sums over the accelerators */
    double to_go_ns;          /* least of them */
};

struct state {
    struct cvg__offers offers;
    struct task tasks[CVG_MAX_APPS];
    uint32_t begun[CVG_MAX_APPS]; /* since the last drop */
};

static size_t state_size(const struct cvg_box *box)
{
    return sizeof(struct state) + cvg__offers_extra(box);
}

static void init(void *state, const struct cvg_view *view)
{
    struct state *s = state;
    cvg__offers_init(&s->offers, view, s + 1);
}

static double energy_of(const struct cvg_view *view, const struct cvg__way *way,
                        uint32_t n)
{
    return cvg_profile_energy(view->profile, way->variant, 0, way->exit,
                              way->device, n) /
           n;
}

/* What the app's task takes on each accelerator, whatever it holds now. */
static struct task task_of(struct state *s, const struct cvg_view *view,
                           const struct cvg_request *r)
{
    const struct cvg__ways *ways =
        cvg__ways_of(&s->offers.apps[r->app], view, r, &s->offers.own);
    struct task t = {.to_go_ns = INFINITY};
    for (uint32_t d = 0; d < view->box->n_devices; d++) {
        if (ways->from[d] < ways->from[d + 1] && cvg_view_up(view, d)) {
            const struct cvg__way *way = &ways->ways[ways->from[d]];
            double time = way->each_ns * cvg_view_slowdown(view, d);
            t.time_ns += time;
            t.energy_j += energy_of(view, way, way->max);
            t.to_go_ns = fmin(t.to_go_ns, time);
        }
    }
    return t;
}

static double score(const struct state *s, const struct cvg_view *view,
                    const struct cvg__offer *b)
{
    const struct task *t = &s->tasks[b->first->app];
    cvg_time due = cvg_request_due(b->first);
    double slack = (double)(due - view->now);
    double urgency = due == CVG_NEVER ? 0 : t->to_go_ns / slack;
    double waited = (double)(view->now - b->first->arrival);
    double energy = energy_of(view, &b->way, b->n);
    double each = b->way.each_ns * cvg_view_slowdown(view, b->unit->device);
    double preference = energy > 0 ? t->energy_j / energy : 1;
    double switching =
        (cvg__offer_energy(view, b) - energy) / (energy > 0 ? energy : 1);
    return urgency * t->time_ns / each + ALPHA * waited / t->to_go_ns +
           BETA * (preference - switching);
}

static bool best_pair(struct state *s, const struct cvg_view *view,
                      struct cvg__offer *best)
{
    double most = -INFINITY;
    for (uint32_t u = 0; u < view->n_units; u++) {
        const struct cvg_unit *unit = &view->units[u];
        if (!cvg__offers_room(&s->offers, view, unit)) {
            continue;
        }
        for (uint32_t a = 0; a < view->n_apps; a++) {
            struct cvg__offer on[CVG__WAYS_PER_DEVICE];
            if (cvg_view_waiting(view, a) == 0 ||
                cvg__offers_on(&s->offers, view, unit, a, CVG_ANY, on) == 0 ||
                cvg__offer_harms(view, &on[0])) {
                continue;
            }
            double points = score(s, view, &on[0]);
            if (points > most) {
                most = points;
                *best = on[0];
            }
        }
    }
    return most > -INFINITY;
}

/* Gives up the first request of the app if no accelerator is expected to have
 * it done in time, within what may be dropped. */
static void drop_hopeless(struct state *s, const struct cvg_view *view,
                          struct cvg_choices *choices, uint32_t app)
{
    const struct cvg_request *r = cvg_view_first(view, app);
    if (r == NULL || cvg_request_due(r) == CVG_NEVER ||
        s->begun[app] + 1 < ONE_DROP_IN) {
        return;
    }
    for (uint32_t u = 0; u < view->n_units; u++) {
        struct cvg__offer on[CVG__WAYS_PER_DEVICE];
        const struct cvg_unit *unit = &view->units[u];
        if (cvg_view_up(view, unit->device) &&
            cvg__offers_on(&s->offers, view, unit, app, CVG_ANY, on) > 0 &&
            on[0].first == r) {
            return;
        }
    }
    if (cvg_choose_drop(choices, r, CVG_REASON_POLICY)) {
        s->begun[app] = 0;
    }
}

static void choose(void *state, const struct cvg_view *view,
                   struct cvg_choices *choices)
{
    struct state *s = state;
    struct cvg__offer best;
    cvg__offers_call(&s->offers, view);
    for (uint32_t a = 0; a < view->n_apps; a++) {
        const struct cvg_request *r = cvg_view_first(view, a);
        if (r != NULL) {
            s->tasks[a] = task_of(s, view, r);
        }
    }
    while (best_pair(s, view, &best) &&
           cvg__offer_begin(&s->offers, view, choices, &best)) {
        s->begun[best.first->app] += best.n;
    }
    for (uint32_t a = 0; a < view->n_apps; a++) {
        drop_hopeless(s, view, choices, a);
    }
    cvg__offers_end(&s->offers, view, choices);
}

const struct cvg_order_ops cvg_order_dream = {
    .name = "dream",
    .drops = true,
    .state_size = state_size,
    .init = init,
    .key = cvg__offers_key,
    .choose = choose,
};

/* What arrives in a run, and how fast its devices are. */
#include "optimize/run.h"

#include <convergo/slo.h>
#include <math.h>
#include <stdlib.h>

void cvg__run_fini(struct cvg__run *run)
{
    free(run->arrived);
    run->arrived = NULL;
}

/* --- SLOs over time ------------------------------------------------------- */

struct cvg_slo cvg__run_slo(const struct cvg__run *run, uint32_t app,
                            cvg_span at)
{
    const struct cvg_workload *w = run->workload;
    struct cvg_slo slo = run->box->apps[app].slo;
    for (size_t i = 0; i < w->n_events && w->events[i].at <= at; i++) {
        if (w->events[i].type == CVG_WORKLOAD_SLO && w->events[i].app == app) {
            cvg_slo_merge(&slo, &w->events[i].slo);
        }
    }
    return slo;
}

/* What the window of a request is judged by: the SLO when it began. */
static struct cvg_slo judged_by(const struct cvg__run *run,
                                const struct cvg__arrived *r)
{
    int64_t last = (run->until - run->from) / CVG_WINDOW - 1;
    int64_t number = (r->at - run->from) / CVG_WINDOW;
    last = last < 0 ? 0 : last;
    number = number < last ? number : last;
    return cvg__run_slo(run, r->app, run->from + number * CVG_WINDOW);
}

struct loosest { /* of all that a request may be asked for while it waits */
    cvg_span deadline;
    double accuracy, energy_j;
};

static void loosen(struct loosest *l, const struct cvg_slo *slo,
                   const struct cvg__arrived *r)
{
    bool own_deadline = r->row != NULL && r->row->deadline > 0;
    bool own_accuracy = r->row != NULL && r->row->accuracy >= 0;
    cvg_span deadline = own_deadline                         ? r->row->deadline
                        : cvg_slo_has(slo, CVG_SLO_DEADLINE) ? slo->deadline
                                                             : CVG_NEVER;
    double accuracy = own_accuracy                         ? r->row->accuracy
                      : cvg_slo_has(slo, CVG_SLO_ACCURACY) ? slo->accuracy
                                                           : 0;
    double energy_j =
        cvg_slo_has(slo, CVG_SLO_ENERGY) ? slo->energy_j : INFINITY;
    l->deadline = deadline > l->deadline ? deadline : l->deadline;
    l->accuracy = fmin(l->accuracy, accuracy);
    l->energy_j = fmax(l->energy_j, energy_j);
}

/* A request that waits when its app's SLO changes is asked for the new one. */
static struct loosest loosest_of(const struct cvg__run *run,
                                 const struct cvg__arrived *r)
{
    const struct cvg_workload *w = run->workload;
    struct loosest l = {.accuracy = INFINITY};
    struct cvg_slo slo = cvg__run_slo(run, r->app, r->at);
    loosen(&l, &slo, r);
    for (size_t i = 0; i < w->n_events; i++) {
        const struct cvg_workload_event *e = &w->events[i];
        bool waits = e->at > r->at &&
                     (l.deadline == CVG_NEVER || e->at <= r->at + l.deadline);
        if (waits && e->type == CVG_WORKLOAD_SLO && e->app == r->app) {
            cvg_slo_merge(&slo, &e->slo);
            loosen(&l, &slo, r);
        }
    }
    return l;
}

/* --- kinds ---------------------------------------------------------------- */

static const uint32_t all_but_bounds =
    ~(1U << CVG_SLO_ACCURACY | 1U << CVG_SLO_ENERGY);

/* Without a deadline a request counts towards throughput up to a second after
 * its window, the last of which may be near two seconds long. */
#define WINDOW_AND_GRACE (3 * CVG_WINDOW)

static cvg_span latest_of(const struct cvg_slo *judged, const struct loosest *l)
{
    if (cvg_slo_has(judged, CVG_SLO_DEADLINE)) {
        return l->deadline;
    }
    if (!cvg_slo_has(judged, CVG_SLO_THROUGHPUT)) {
        return CVG_NEVER;
    }
    cvg_span by_deadline =
        l->deadline == CVG_NEVER ? 0 : l->deadline + CVG_WINDOW;
    return by_deadline > WINDOW_AND_GRACE ? by_deadline : WINDOW_AND_GRACE;
}

/* False: it asks for nothing. */
static bool kind_of(const struct cvg__run *run, const struct cvg__arrived *r,
                    struct cvg__kind *kind)
{
    struct cvg_slo judged = judged_by(run, r);
    struct loosest l = loosest_of(run, r);
    bool of_mean =
        run->box->apps[r->app].accuracy_over == CVG_ACCURACY_PER_WINDOW;
    *kind = (struct cvg__kind){
        .app = r->app,
        .latest = latest_of(&judged, &l),
        .slo = {.declared = judged.declared & ~all_but_bounds,
                .accuracy = of_mean ? judged.accuracy : l.accuracy,
                .energy_j = l.energy_j},
    };
    if (!cvg_slo_has(&kind->slo, CVG_SLO_ACCURACY)) {
        kind->slo.accuracy = 0;
    }
    if (!cvg_slo_has(&kind->slo, CVG_SLO_ENERGY)) {
        kind->slo.energy_j = 0;
    }
    return judged.declared != 0;
}

#define COARSEST 12

/* Fewer different ones, each a little looser: deadlines by powers of 2 to the
 * 1/8, 1/4, 1/2, ..., accuracies by steps of 1/64, 1/32, ... In the end none
 * asks for anything. */
static void coarsen(struct cvg__kind *kind, int level)
{
    if (level == 0) {
        return;
    }
    if (level == COARSEST) {
        kind->latest = CVG_NEVER;
        kind->slo = (struct cvg_slo){0};
        return;
    }
    if (kind->latest != CVG_NEVER) {
        double power = ldexp(1, level - 4);
        double exponent = ceil(log2((double)kind->latest) / power);
        double latest = exp2(exponent * power);
        kind->latest = latest < 1e18 ? (cvg_span)latest : CVG_NEVER;
    }
    double step = ldexp(1, level - 7);
    kind->slo.accuracy = floor(kind->slo.accuracy / step) * step;
    if (cvg_slo_has(&kind->slo, CVG_SLO_ENERGY) && level > 4) {
        kind->slo.energy_j = INFINITY;
    }
}

static bool same_kind(const struct cvg__kind *a, const struct cvg__kind *b)
{
    return a->app == b->app && a->latest == b->latest &&
           cvg_slo_equal(&a->slo, &b->slo);
}

/* CVG_ANY: there is no room for one more. */
static uint32_t find_kind(struct cvg__run *run, const struct cvg__kind *kind)
{
    for (uint32_t k = run->n_kinds; k-- > 0;) {
        if (same_kind(&run->kinds[k], kind)) {
            return k;
        }
    }
    if (run->n_kinds == CVG__MAX_KINDS) {
        return CVG_ANY;
    }
    run->kinds[run->n_kinds] = *kind;
    return run->n_kinds++;
}

static bool classify(struct cvg__run *run, int level)
{
    run->n_kinds = 0;
    for (size_t i = 0; i < run->n_arrived; i++) {
        struct cvg__arrived *r = &run->arrived[i];
        struct cvg__kind kind;
        r->kind = CVG_ANY;
        if (!kind_of(run, r, &kind)) {
            continue;
        }
        coarsen(&kind, level);
        r->kind = find_kind(run, &kind);
        if (r->kind == CVG_ANY) {
            return false;
        }
    }
    return true;
}

/* --- arrivals ------------------------------------------------------------- */

static bool arrive(struct cvg__run *run,
                   const struct cvg_arrival_source *source)
{
    if (source->next < run->from) {
        return true;
    }
    if (run->n_arrived == run->max_arrived) {
        size_t max = run->max_arrived == 0 ? 4096 : 2 * run->max_arrived;
        struct cvg__arrived *more = realloc(run->arrived, max * sizeof *more);
        if (more == NULL) {
            return false;
        }
        run->arrived = more;
        run->max_arrived = max;
    }
    run->arrived[run->n_arrived++] =
        (struct cvg__arrived){.at = source->next,
                              .row = cvg_arrivals_row(source),
                              .app = source->stream->app};
    return true;
}

/* As the simulator draws them: a rate event comes before an arrival. */
static bool draw_stream(struct cvg__run *run, const struct cvg_stream *stream,
                        uint64_t seed)
{
    const struct cvg_workload *w = run->workload;
    struct cvg_arrival_source source;
    size_t event = 0;
    cvg_arrivals_init(&source, stream, seed, run->load);
    for (;;) {
        if (event < w->n_events && w->events[event].at <= source.next) {
            const struct cvg_workload_event *e = &w->events[event++];
            if (e->type == CVG_WORKLOAD_RATE && e->app == stream->app) {
                cvg_arrivals_set_rate(&source, e->at, e->rate_rps);
            }
            continue;
        }
        if (source.next >= run->until) {
            return true;
        }
        if (!arrive(run, &source)) {
            return false;
        }
        cvg_arrivals_advance(&source);
    }
}

bool cvg__run_draw(struct cvg__run *run, uint64_t seed)
{
    const struct cvg_workload *w = run->workload;
    run->from = w->warmup;
    run->until = cvg_workload_duration(w, run->load);
    for (size_t i = 0; i < w->n_streams; i++) {
        if (!draw_stream(run, &w->streams[i], seed)) {
            return false;
        }
    }
    int level = 0;
    while (!classify(run, level)) {
        level++;
    }
    return true;
}

/* --- devices -------------------------------------------------------------- */

static cvg_span end_of(const struct cvg_workload_event *e)
{
    return e->length == CVG_NEVER || e->at > CVG_NEVER - e->length
               ? CVG_NEVER
               : e->at + e->length;
}

/* The last event of each sort rules, until it ends. */
static double slowdown_at(const struct cvg__run *run, uint32_t device,
                          cvg_span at)
{
    const struct cvg_workload *w = run->workload;
    bool down = false;
    double slowdown = 1;
    for (size_t i = 0; i < w->n_events && w->events[i].at <= at; i++) {
        const struct cvg_workload_event *e = &w->events[i];
        if (e->type == CVG_WORKLOAD_SLOWDOWN && e->device == device) {
            slowdown = at < end_of(e) ? e->factor : 1;
        } else if (e->type == CVG_WORKLOAD_DEVICE_DOWN && e->device == device) {
            down = at < end_of(e);
        } else if (e->type == CVG_WORKLOAD_DEVICE_UP && e->device == device) {
            down = false;
        }
    }
    return down ? INFINITY : slowdown;
}

cvg_span cvg__run_next_change(const struct cvg__run *run, cvg_span at)
{
    const struct cvg_workload *w = run->workload;
    cvg_span next = CVG_NEVER;
    for (size_t i = 0; i < w->n_events; i++) {
        const struct cvg_workload_event *e = &w->events[i];
        bool lasts = e->type == CVG_WORKLOAD_DEVICE_DOWN ||
                     e->type == CVG_WORKLOAD_SLOWDOWN;
        cvg_span end = lasts ? end_of(e) : CVG_NEVER;
        next = e->at > at && e->at < next ? e->at : next;
        next = end > at && end < next ? end : next;
    }
    return next;
}

double cvg__run_capacity(const struct cvg__run *run, uint32_t device,
                         cvg_span from, cvg_span until)
{
    double sum = 0;
    while (from < until) {
        cvg_span next = cvg__run_next_change(run, from);
        next = next < until ? next : until;
        sum += (double)(next - from) / slowdown_at(run, device, from);
        from = next;
    }
    return sum;
}

double cvg__run_slowdown(const struct cvg__run *run, uint32_t device,
                         cvg_span from, cvg_span until)
{
    double best = INFINITY;
    while (from <= until) {
        best = fmin(best, slowdown_at(run, device, from));
        cvg_span next = cvg__run_next_change(run, from);
        if (next == CVG_NEVER) {
            break;
        }
        from = next;
    }
    return best;
}

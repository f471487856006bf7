/* Streams and events, merged. */
#include "load/plan.h"

#include <math.h>
#include <stdlib.h>

static enum cvg_status check_events(const struct cvg_workload *w,
                                    const struct cvg_box *box,
                                    struct cvg_error *err)
{
    for (size_t i = 0; i < w->n_events; i++) {
        const struct cvg_workload_event *e = &w->events[i];
        if (e->type != CVG_WORKLOAD_SLO && e->type != CVG_WORKLOAD_RATE &&
            e->at < w->duration) {
            return cvg_fail(
                err, CVG_UNSUPPORTED,
                "%s: the event at %g s on device '%s' cannot be "
                "made to happen live; leave out events on devices, "
                "or simulate them (convergo sim)",
                w->path == NULL ? "workload" : w->path, (double)e->at * 1e-9,
                e->device < box->n_devices ? box->devices[e->device].name
                                           : "?");
        }
    }
    return CVG_OK;
}

static double peak_of(const struct cvg_stream *s)
{
    double peak = s->process == CVG_TRACE ? 0 : s->rate_rps;
    for (uint32_t i = 0; i < s->n_states; i++) {
        peak = fmax(peak, s->rates_rps[i]);
    }
    return peak;
}

/* Beyond what can be sent a run would only fall behind, for hours, and measure
 * itself. */
static enum cvg_status check_rates(const struct cvg_workload *w, double load,
                                   struct cvg_error *err)
{
    double sum = 0, highest = 0;
    struct cvg_place at = {0, 0};
    for (size_t i = 0; i < w->n_streams; i++) {
        double peak = peak_of(&w->streams[i]);
        struct cvg_place peak_at = w->streams[i].at;
        for (size_t k = 0; k < w->n_events; k++) {
            const struct cvg_workload_event *e = &w->events[k];
            if (e->type == CVG_WORKLOAD_RATE && e->app == w->streams[i].app &&
                e->rate_rps > peak) {
                peak = e->rate_rps;
                peak_at = e->rate_at;
            }
        }
        sum += peak * load;
        at = peak > highest ? peak_at : at;
        highest = fmax(peak, highest);
    }
    if (sum <= CVG__PLAN_MAX_RPS) {
        return CVG_OK;
    }
    return cvg_fail(err, CVG_CONFIG,
                    "%.300s:%u:%u: with this rate of %g/s the workload has up "
                    "to %g requests/s (load %g): %d/s is the most that can be "
                    "sent",
                    w->path == NULL ? "workload" : w->path, at.line, at.column,
                    highest, sum, load, CVG__PLAN_MAX_RPS);
}

enum cvg_status cvg__plan_init(struct cvg__plan *plan,
                               const struct cvg_workload *w,
                               const struct cvg_box *box, uint64_t seed,
                               double load, struct cvg_error *err)
{
    *plan = (struct cvg__plan){.workload = w};
    enum cvg_status status = check_events(w, box, err);
    if (status == CVG_OK) {
        status = check_rates(w, load, err);
    }
    if (status != CVG_OK) {
        return status;
    }
    plan->sources = calloc(w->n_streams + 1, sizeof *plan->sources);
    if (plan->sources == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for the workload");
    }
    for (size_t i = 0; i < w->n_streams; i++) {
        cvg_arrivals_init(&plan->sources[i], &w->streams[i], seed, load);
    }
    for (size_t i = 0; i < box->n_apps && i < CVG_MAX_APPS; i++) {
        plan->slo[i] = box->apps[i].slo;
    }
    return CVG_OK;
}

void cvg__plan_fini(struct cvg__plan *plan)
{
    free(plan->sources);
    plan->sources = NULL;
}

/* Ties go to the first app. NULL: none has one left. */
static struct cvg_arrival_source *nearest(const struct cvg__plan *plan)
{
    struct cvg_arrival_source *first = NULL;
    for (size_t i = 0; i < plan->workload->n_streams; i++) {
        struct cvg_arrival_source *s = &plan->sources[i];
        if (s->next < plan->workload->duration &&
            (first == NULL || s->next < first->next)) {
            first = s;
        }
    }
    return first;
}

static void change_rate(struct cvg__plan *plan,
                        const struct cvg_workload_event *e)
{
    for (size_t i = 0; i < plan->workload->n_streams; i++) {
        if (plan->workload->streams[i].app == e->app) {
            cvg_arrivals_set_rate(&plan->sources[i], e->at, e->rate_rps);
        }
    }
}

static void replace(struct cvg_slo *slo, const struct cvg_slo *by)
{
    if (cvg_slo_has(by, CVG_SLO_DEADLINE)) {
        slo->deadline = by->deadline;
    }
    if (cvg_slo_has(by, CVG_SLO_ACCURACY)) {
        slo->accuracy = by->accuracy;
    }
    if (cvg_slo_has(by, CVG_SLO_THROUGHPUT)) {
        slo->throughput_rps = by->throughput_rps;
    }
    if (cvg_slo_has(by, CVG_SLO_ENERGY)) {
        slo->energy_j = by->energy_j;
    }
    slo->declared |= by->declared;
}

/* True: it is something to tell the caller. */
static bool apply_event(struct cvg__plan *plan, struct cvg__due *out)
{
    const struct cvg_workload_event *e =
        &plan->workload->events[plan->next_event++];
    if (e->type == CVG_WORKLOAD_RATE) {
        change_rate(plan, e);
        return false;
    }
    if (e->type != CVG_WORKLOAD_SLO) {
        return false;
    }
    if (e->new_conditions) {
        plan->conditions[e->app] = e->conditions;
    }
    if (e->slo.declared == 0) {
        return false;
    }
    replace(&plan->slo[e->app], &e->slo);
    plan->changed[e->app] |= e->slo.declared;
    *out = (struct cvg__due){.type = CVG__DUE_SLO,
                             .at = e->at,
                             .app = e->app,
                             .slo = plan->slo[e->app]};
    return true;
}

static void take_arrival(struct cvg__plan *plan, struct cvg_arrival_source *s,
                         struct cvg__due *out)
{
    uint32_t app = s->stream->app;
    const struct cvg_trace_row *row = cvg_arrivals_row(s);
    *out = (struct cvg__due){.type = CVG__DUE_REQUEST,
                             .at = s->next,
                             .app = app,
                             .slo = plan->slo[app],
                             .overrides = plan->changed[app],
                             .conditions = plan->conditions[app]};
    if (row != NULL && row->deadline > 0) {
        out->slo.deadline = row->deadline;
        out->overrides |= 1U << CVG_SLO_DEADLINE;
    }
    if (row != NULL && row->accuracy >= 0) {
        out->slo.accuracy = row->accuracy;
        out->overrides |= 1U << CVG_SLO_ACCURACY;
    }
    out->slo.declared |= out->overrides;
    cvg_arrivals_advance(s);
}

bool cvg__plan_next(struct cvg__plan *plan, struct cvg__due *out)
{
    for (;;) {
        struct cvg_arrival_source *s = nearest(plan);
        cvg_span arrival = s == NULL ? plan->workload->duration : s->next;
        bool event = plan->next_event < plan->workload->n_events &&
                     plan->workload->events[plan->next_event].at <= arrival;
        if (event && apply_event(plan, out)) {
            return true;
        }
        if (!event && s == NULL) {
            return false;
        }
        if (!event) {
            take_arrival(plan, s, out);
            return true;
        }
    }
}

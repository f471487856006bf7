/* What would another policy have done with what arrived?
 *
 * Instants of a live record are those of its machine's clock: here they begin
 * at 0. What the world did is injected into a simulation; what devices
 * answered, and what the server gave up because of it, is not: it depends on
 * what was decided. */
#include "cli/whatif.h"

#include "report/report.h"
#include "sim/sim.h"
#include <stdlib.h>

struct world { /* what is the same for every policy */
    struct cvg_record *record;
    struct cvg_workload workload; /* events only: arrivals are injected */
    size_t max_events;
    cvg_time start, end;       /* of arrivals, as recorded */
    cvg_span largest_deadline; /* that a request asked for itself */
};

const char *cvg_whatif_policy(const struct cvg_record *record)
{
    const struct cvg_record_head *head = cvg_record_head(record);
    const char *of_box = cvg_record_box(record)->policy.name;
    return head->policy[0] != '\0' ? head->policy
           : of_box != NULL        ? of_box
                                   : "convergo";
}

/* --- what happened -------------------------------------------------------- */

static bool add_event(struct world *w, const struct cvg_workload_event *event)
{
    struct cvg_workload *to = &w->workload;
    if (to->n_events == w->max_events) {
        size_t more = w->max_events == 0 ? 16 : 2 * w->max_events;
        struct cvg_workload_event *events =
            realloc(to->events, more * sizeof *events);
        if (events == NULL) {
            return false;
        }
        to->events = events;
        w->max_events = more;
    }
    to->events[to->n_events++] = *event;
    return true;
}

/* False: no memory. */
static bool add_fault(struct world *w, const struct cvg_event *e)
{
    struct cvg_workload_event fault = {.at = e->at - w->start,
                                       .type = e->device.up
                                                   ? CVG_WORKLOAD_DEVICE_UP
                                                   : CVG_WORKLOAD_DEVICE_DOWN,
                                       .device = e->device.device,
                                       .length = CVG_NEVER};
    struct cvg_workload_event slowdown = {.at = e->at - w->start,
                                          .type = CVG_WORKLOAD_SLOWDOWN,
                                          .device = e->device.device,
                                          .length = CVG_NEVER,
                                          .factor = e->device.slowdown};
    return add_event(w, &fault) &&
           (e->device.slowdown == 0 || add_event(w, &slowdown));
}

static bool add_change(struct world *w, const struct cvg_event *e)
{
    struct cvg_workload_event change = {.at = e->at - w->start,
                                        .type = CVG_WORKLOAD_SLO,
                                        .app = e->app.app,
                                        .slo = e->app.slo,
                                        .new_conditions = e->app.new_conditions,
                                        .conditions = e->app.conditions,
                                        .new_objective = e->app.new_objective,
                                        .objective = e->app.objective};
    return add_event(w, &change);
}

static void note_deadline(struct world *w, uint32_t overrides,
                          const struct cvg_slo *slo)
{
    if ((overrides >> CVG_SLO_DEADLINE & 1U) != 0 &&
        slo->deadline > w->largest_deadline) {
        w->largest_deadline = slo->deadline;
    }
}

/* False: no memory. */
static bool take_in(struct world *w, const struct cvg_event *e, bool *drained)
{
    w->end = *drained ? w->end : e->at;
    switch (e->type) {
    case CVG_EV_ARRIVAL:
        note_deadline(w, e->arrival.overrides, &e->arrival.bounds);
        return true;
    case CVG_EV_BOUNDS:
        note_deadline(w, e->bounds.overrides, &e->bounds.slo);
        return true;
    case CVG_EV_DRAIN:
        *drained = true;
        return true;
    case CVG_EV_DEVICE:
        return add_fault(w, e);
    case CVG_EV_APP:
        return add_change(w, e);
    default:
        return true;
    }
}

static enum cvg_status take_all_in(struct world *w, struct cvg_error *err)
{
    const struct cvg_engine_options *o = &cvg_record_head(w->record)->options;
    const struct cvg_recorded_step *step;
    bool drained = false;
    enum cvg_status status;
    w->start = w->end = o->start;
    cvg_record_rewind(w->record);
    while ((status = cvg_record_next(w->record, &step, err)) == CVG_OK &&
           step != NULL) {
        if (!take_in(w, step->event, &drained)) {
            return cvg_fail(err, CVG_NOMEM, "out of memory for a replay");
        }
    }
    if (o->measure_until != CVG_NEVER && o->measure_until > o->start) {
        w->end = o->measure_until;
    }
    cvg_span warmup = o->measure_from - o->start;
    w->workload.duration = w->end - w->start + 1; /* the last one counts */
    w->workload.warmup = warmup > 0 ? warmup : 0;
    return status;
}

/* --- one simulation ------------------------------------------------------- */

/* False: no memory. */
static bool inject(const struct world *w, struct cvg_sim *sim,
                   const struct cvg_event *recorded)
{
    struct cvg_event e = *recorded;
    e.at -= w->start;
    switch (e.type) {
    case CVG_EV_ARRIVAL:
        return cvg_sim_arrive(sim, e.at, &e.arrival) != 0;
    case CVG_EV_CANCEL:
    case CVG_EV_MODEL:
    case CVG_EV_BOUNDS:
        return cvg_sim_inject(sim, &e);
    default:
        return true;
    }
}

/* One event after the other, so that memory does not grow with the record. */
static enum cvg_status play(const struct world *w, struct cvg_sim *sim,
                            struct cvg_error *err)
{
    const struct cvg_recorded_step *step;
    enum cvg_status status;
    cvg_record_rewind(w->record);
    while ((status = cvg_record_next(w->record, &step, err)) == CVG_OK &&
           step != NULL && step->event->at <= w->end) {
        /* Ids are the record's: one that is still there cannot come again. */
        if (step->event->type == CVG_EV_ARRIVAL &&
            cvg_engine_is_live(cvg_sim_engine(sim), step->event->arrival.id)) {
            continue;
        }
        if (!inject(w, sim, step->event)) {
            return cvg_fail(err, CVG_NOMEM, "out of memory for a replay");
        }
        cvg_sim_run_until(sim, step->event->at - w->start);
    }
    if (status == CVG_OK) {
        cvg_sim_run(sim);
    }
    return status;
}

static json_t *report_of(const struct world *w, struct cvg_sim *sim,
                         const char *text, const struct cvg_policy *policy)
{
    struct cvg_run run = {.mode = "replay",
                          .policy = text,
                          .parts = policy,
                          .load = 1,
                          .seed = cvg_record_head(w->record)->options.seed,
                          .duration = cvg_sim_measured(sim),
                          .elapsed = cvg_sim_elapsed(sim),
                          .box = cvg_record_box(w->record),
                          .stats = cvg_sim_stats(sim),
                          .bound_joint = -1,
                          .bound_joint_weighted = -1};
    return cvg_report_json(&run);
}

static enum cvg_status simulate(const struct world *w, const char *text,
                                const struct cvg_policy *policy,
                                json_t *reports, struct cvg_error *err)
{
    struct cvg_sim_options options = {
        .box = cvg_record_box(w->record),
        .workload = &w->workload,
        .policy = policy,
        .seed = cvg_record_head(w->record)->options.seed,
        .largest_deadline = w->largest_deadline,
        .ended_kept = 1, /* nobody asks */
    };
    struct cvg_sim *sim;
    enum cvg_status status = cvg_sim_create(&options, &sim, err);
    if (status != CVG_OK) {
        return status;
    }
    status = play(w, sim, err);
    if (status == CVG_OK &&
        json_array_append_new(reports, report_of(w, sim, text, policy)) != 0) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory for a report");
    }
    cvg_sim_destroy(sim);
    return status;
}

enum cvg_status cvg_whatif(struct cvg_record *record, const char *text,
                           json_t **reports, struct cvg_error *err)
{
    struct world w = {.record = record};
    struct cvg_policy policy;
    enum cvg_status status =
        cvg_policy_on_box(cvg_record_box(record), text, &policy, err);
    if (status != CVG_OK) {
        return status;
    }
    json_t *array = json_array();
    status = take_all_in(&w, err);
    if (status == CVG_OK) {
        status = simulate(&w, cvg_whatif_policy(record),
                          cvg_record_policy(record), array, err);
    }
    if (status == CVG_OK) {
        status = simulate(&w, text, &policy, array, err);
    }
    free(w.workload.events);
    if (status != CVG_OK) {
        json_decref(array);
        return status;
    }
    *reports = array;
    return CVG_OK;
}

/* The loop: send what is due, judge what comes back. */
#include "load/run.h"

#include "load/get.h"
#include <convergo/condition.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TICK CVG_MS(250) /* progress, windows */
#define LEAD CVG_MS(20)  /* from now to the start */
#define NO_DEADLINE                                                            \
    CVG_S(10) /* what requests without one are taken to have                   \
               */

struct flight {                    /* a request on its way */
    struct cvg__exchange exchange; /* first: the pool gives it back */
    struct cvg__run *run;
    char *text; /* owned */
    uint32_t app;
    cvg_time arrival, deadline; /* from the start */
    double min_accuracy, max_energy_j;
    int32_t label; /* -1: none */
};

cvg_time cvg__monotonic(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (cvg_time)t.tv_sec * CVG_S(1) + t.tv_nsec;
}

static cvg_time from_start(const struct cvg__run *run)
{
    return cvg__monotonic() - run->start;
}

/* --- judging -------------------------------------------------------------- */

/* The variant's validated accuracy is the box's word; a remote box has none,
 * and there the reply's counts. False: no such variant. */
static bool fill_served(const struct cvg__run *run,
                        const struct cvg__answer *answer,
                        struct cvg_ending *end)
{
    const struct cvg_box *box = run->o->box;
    end->variant = cvg_box_find_variant(box, answer->variant);
    if (end->variant == CVG_ANY && run->o->remote) {
        end->variant = (uint32_t)box->n_variants - 1; /* "other" */
    }
    if (end->variant == CVG_ANY) {
        return false;
    }
    const struct cvg_variant *v = &box->variants[end->variant];
    end->exit = answer->exit;
    end->accuracy = !run->o->remote && answer->exit < v->n_exits
                        ? v->accuracy[answer->exit]
                        : answer->accuracy;
    end->energy_j = answer->energy_j;
    end->queued = answer->queued;
    return true;
}

static void note_error(struct cvg__run *run, const char *text)
{
    if (run->first_error[0] == '\0') {
        snprintf(run->first_error, sizeof run->first_error, "%s", text);
    }
}

static void judge(const struct flight *f, const struct cvg__answer *answer)
{
    struct cvg__run *run = f->run;
    struct cvg_ending end = {.app = f->app,
                             .arrival = f->arrival,
                             .finished = from_start(run),
                             .deadline = f->deadline,
                             .outcome = answer->outcome,
                             .reason = answer->reason,
                             .min_accuracy = f->min_accuracy,
                             .max_energy_j = f->max_energy_j,
                             .queued = -1,
                             .right = -1};
    if (end.outcome == CVG_OUTCOME_SERVED && !fill_served(run, answer, &end)) {
        end.outcome = CVG_OUTCOME_FAILED;
        note_error(run, "a reply names a variant that the box does not have");
    } else if (end.outcome == CVG_OUTCOME_FAILED ||
               end.reason == CVG_REASON_UNAVAILABLE) {
        note_error(run, answer->error);
        run->unable++;
    }
    if (f->label >= 0 && answer->best >= 0) {
        end.right = answer->best == f->label;
    }
    cvg_ledger_end(run->ledger, &end);
}

static void count_late(struct cvg__run *run, const struct flight *f)
{
    cvg_time sent = f->exchange.sent == 0 ? cvg__monotonic() : f->exchange.sent;
    cvg_histogram_add(run->late, sent - run->start - f->arrival);
}

static void free_flight(struct flight *f)
{
    free(f->text);
    free(f);
}

static void keep_snapshot(struct cvg__run *run, const struct cvg__http *reply)
{
    json_error_t error;
    if (reply != NULL && reply->status == 200) {
        run->before = json_loadb(reply->body, reply->content_length, 0, &error);
    }
}

/* Called by the pool. */
static void done(void *context, struct cvg__exchange *x,
                 const struct cvg__http *reply, const char *why)
{
    struct cvg__run *run = context;
    if (x == &run->snapshot) {
        keep_snapshot(run, reply);
        return;
    }
    struct flight *f = (struct flight *)x;
    struct cvg__answer answer = {.outcome = CVG_OUTCOME_FAILED};
    if (reply != NULL) {
        cvg__answer_read(reply, &answer);
    } else {
        snprintf(answer.error, sizeof answer.error, "no reply: %s", why);
        run->no_reply++;
    }
    count_late(run, f);
    judge(f, &answer);
    run->answered++;
    run->outstanding--;
    run->heard = from_start(run);
    free_flight(f);
}

/* --- sending -------------------------------------------------------------- */

static struct flight *make_flight(struct cvg__run *run,
                                  const struct cvg__due *due)
{
    const struct cvg_app *app = &run->o->box->apps[due->app];
    struct cvg__items *items = &run->inputs.families[app->family];
    bool per_request = app->accuracy_over == CVG_ACCURACY_PER_REQUEST;
    struct cvg__payload payload = {.host = run->o->server->text,
                                   .model =
                                       run->o->box->families[app->family].name,
                                   .app = app->built_in ? NULL : app->name,
                                   .input = &items->input,
                                   .overrides = due->overrides,
                                   .bounds = due->slo};
    if (due->conditions != NULL) {
        payload.conditions = due->conditions->text;
    }
    if (!per_request) {
        /* As a bound of one request it would mean something else. */
        payload.overrides &= ~(1U << CVG_SLO_ACCURACY);
    }
    struct flight *f = calloc(1, sizeof *f);
    size_t size = 0;
    if (f == NULL || (f->text = cvg__payload_text(&payload, &size)) == NULL) {
        free(f);
        return NULL;
    }
    const void *item =
        cvg__inputs_draw(items, &run->items[due->app], &f->label);
    f->label = run->o->labels ? f->label : -1;
    f->exchange.parts[0] = (struct iovec){f->text, size};
    f->exchange.parts[1] = (struct iovec){(void *)item, items->input.bytes};
    f->run = run;
    f->app = due->app;
    f->arrival = due->at;
    f->deadline = cvg_slo_has(&due->slo, CVG_SLO_DEADLINE)
                      ? due->at + due->slo.deadline
                      : CVG_NEVER;
    f->min_accuracy = cvg_slo_has(&due->slo, CVG_SLO_ACCURACY) && per_request
                          ? due->slo.accuracy
                          : 0;
    f->max_energy_j = cvg_slo_has(&due->slo, CVG_SLO_ENERGY) ? due->slo.energy_j
                                                             : (double)INFINITY;
    return f;
}

static void note_deadline(struct cvg__run *run, const struct cvg_slo *slo)
{
    if (cvg_slo_has(slo, CVG_SLO_DEADLINE) && slo->deadline > run->longest) {
        run->longest = slo->deadline;
    }
}

static enum cvg_status send_due(struct cvg__run *run, struct cvg_error *err)
{
    const struct cvg__due *due = &run->due;
    if (due->type == CVG__DUE_SLO) {
        cvg_ledger_set_slo(run->ledger, due->app, due->at, &due->slo);
        return CVG_OK;
    }
    struct flight *f = make_flight(run, due);
    if (f == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for a request");
    }
    note_deadline(run, &due->slo);
    cvg_ledger_offer(run->ledger, due->app, due->at);
    run->sent++;
    run->outstanding++;
    cvg__pool_submit(run->pool, &f->exchange);
    return CVG_OK;
}

/* The server counts from its start; what it had counted when the warm-up
 * ended is taken off in the report. Asked in passing, like a request. */
static void send_snapshot(struct cvg__run *run)
{
    run->snapshot_sent = true;
    int n = asprintf(&run->snapshot_text,
                     "GET /v1/report HTTP/1.1\r\nHost: %s\r\n\r\n",
                     run->o->server->text);
    if (n < 0) {
        run->snapshot_text = NULL;
        return;
    }
    run->snapshot.parts[0] = (struct iovec){run->snapshot_text, (size_t)n};
    cvg__pool_submit(run->pool, &run->snapshot);
}

/* --- the loop ------------------------------------------------------------- */

static void progress(const struct cvg__run *run)
{
    const struct cvg_stats *stats = cvg_ledger_stats(run->ledger);
    uint64_t met = 0, judged = 0;
    for (size_t i = 0; i < stats->n_apps; i++) {
        met += stats->apps[i].slo.joint_met;
        judged += stats->apps[i].slo.joint_offered;
    }
    fprintf(run->o->progress, "\r\033[K%s%s%5.1f s  sent %llu, answered %llu",
            run->o->policy == NULL ? "" : run->o->policy,
            run->o->policy == NULL ? "" : ": ", (double)from_start(run) * 1e-9,
            (unsigned long long)run->sent, (unsigned long long)run->answered);
    if (judged > 0) {
        fprintf(run->o->progress, ", joint %.2f %% so far",
                100 * (double)met / (double)judged);
    }
    fflush(run->o->progress);
}

static void tick(struct cvg__run *run)
{
    cvg_ledger_advance(run->ledger, from_start(run));
    if (run->o->progress != NULL) {
        progress(run);
    }
}

static void set_timer(const struct cvg__run *run, cvg_time at)
{
    cvg_time absolute = run->start + at;
    struct itimerspec when = {.it_value = {.tv_sec = absolute / CVG_S(1),
                                           .tv_nsec = absolute % CVG_S(1)}};
    timerfd_settime(run->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static enum cvg_status wait_events(struct cvg__run *run, cvg_time until,
                                   struct cvg_error *err)
{
    struct epoll_event events[64];
    set_timer(run, until);
    int n = epoll_wait(run->epoll, events, 64, -1);
    if (n < 0 && errno != EINTR) {
        return cvg_fail(err, CVG_IO, "epoll_wait: %s", strerror(errno));
    }
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == NULL) {
            uint64_t expirations;
            ssize_t got = read(run->timer, &expirations, sizeof expirations);
            (void)got; /* setting it anew may have taken it away */
        } else {
            cvg__pool_event(run->pool, events[i].data.ptr, events[i].events);
        }
    }
    cvg__pool_sweep(run->pool);
    return CVG_OK;
}

static enum cvg_status send_all_due(struct cvg__run *run, struct cvg_error *err)
{
    enum cvg_status status = CVG_OK;
    while (status == CVG_OK && run->has_due && run->due.at <= from_start(run)) {
        status = send_due(run, err);
        run->has_due = cvg__plan_next(&run->plan, &run->due);
    }
    return status;
}

/* When to give up: long after anything came back, or could have. */
static cvg_time end_of_patience(const struct cvg__run *run)
{
    cvg_time since = run->o->workload->duration;
    since = run->heard > since ? run->heard : since;
    return since + run->longest + run->o->patience;
}

static enum cvg_status loop(struct cvg__run *run, struct cvg_error *err)
{
    const struct cvg_workload *w = run->o->workload;
    cvg_time next_tick = TICK;
    enum cvg_status status = CVG_OK;
    while (status == CVG_OK) {
        status = send_all_due(run, err);
        cvg_time now = from_start(run);
        cvg_time end = end_of_patience(run);
        bool over = !run->has_due && now >= w->duration;
        if (over && (run->outstanding == 0 || now >= end)) {
            break;
        }
        if (!run->snapshot_sent && now >= w->warmup) {
            send_snapshot(run);
        }
        if (now >= next_tick) {
            tick(run);
            next_tick = now + TICK;
        }
        cvg_time wake = over ? end : run->has_due ? run->due.at : w->duration;
        wake = !run->snapshot_sent && w->warmup < wake ? w->warmup : wake;
        wake = next_tick < wake ? next_tick : wake;
        if (status == CVG_OK) {
            status = wait_events(run, wake, err);
        }
    }
    return status;
}

/* --- a run ---------------------------------------------------------------- */

static cvg_span largest_deadline(const struct cvg_load_options *o)
{
    return cvg_workload_largest_deadline(o->workload, o->box, NO_DEADLINE) +
           o->patience + CVG_S(1);
}

static enum cvg_status open_ledger(struct cvg__run *run, struct cvg_error *err)
{
    const struct cvg_load_options *o = run->o;
    struct cvg_ledger_options options = {.box = o->box,
                                         .from = o->workload->warmup,
                                         .until = o->workload->duration,
                                         .largest_deadline =
                                             largest_deadline(o)};
    run->late = cvg_histogram_create();
    if (run->late == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory");
    }
    return cvg_ledger_create(&options, &run->ledger, err);
}

static enum cvg_status open_loop(struct cvg__run *run, struct cvg_error *err)
{
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    run->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (run->epoll < 0 || run->timer < 0 ||
        epoll_ctl(run->epoll, EPOLL_CTL_ADD, run->timer, &event) != 0) {
        return cvg_fail(err, CVG_IO, "epoll: %s", strerror(errno));
    }
    struct cvg__pool_options options = {.server = run->o->server,
                                        .limit = run->o->connections,
                                        .epoll = run->epoll,
                                        .now = cvg__monotonic,
                                        .done = done,
                                        .context = run};
    return cvg__pool_create(&options, &run->pool, err);
}

static enum cvg_status open_run(struct cvg__run *run, struct cvg_error *err)
{
    const struct cvg_load_options *o = run->o;
    enum cvg_status status =
        cvg__plan_init(&run->plan, o->workload, o->box, o->seed, o->load, err);
    if (status == CVG_OK) {
        status = cvg__inputs_open(&run->inputs, o->server, o->box, o->workload,
                                  o->dataset, o->labels, err);
    }
    if (status == CVG_OK) {
        status = open_ledger(run, err);
    }
    if (status == CVG_OK) {
        status = open_loop(run, err);
    }
    for (uint32_t app = 0; app < CVG_MAX_APPS; app++) {
        cvg__inputs_sequence(&run->items[app], o->seed, app);
    }
    return status;
}

static void close_run(struct cvg__run *run)
{
    cvg__pool_destroy(run->pool, "the run has ended");
    cvg_ledger_destroy(run->ledger);
    cvg_histogram_destroy(run->late);
    cvg__inputs_close(&run->inputs);
    cvg__plan_fini(&run->plan);
    json_decref(run->before);
    free(run->snapshot_text);
    if (run->epoll >= 0) {
        close(run->epoll);
    }
    if (run->timer >= 0) {
        close(run->timer);
    }
    free(run);
}

static enum cvg_status play(struct cvg__run *run, struct cvg_error *err)
{
    run->start = cvg__monotonic() + LEAD;
    run->has_due = cvg__plan_next(&run->plan, &run->due);
    enum cvg_status status = loop(run, err);
    /* What was not answered by now has failed. */
    size_t most = cvg__pool_most(run->pool);
    cvg__pool_destroy(run->pool, "no reply by the end of the run");
    run->pool = NULL;
    run->connections = most;
    if (run->o->progress != NULL) {
        fputs("\r\033[K", run->o->progress);
        fflush(run->o->progress);
    }
    cvg_ledger_finish(run->ledger, from_start(run));
    return status;
}

enum cvg_status cvg_load_run(const struct cvg_load_options *options,
                             json_t **out, struct cvg_error *err)
{
    struct cvg__run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory");
    }
    run->o = options;
    run->epoll = run->timer = -1;
    enum cvg_status status = open_run(run, err);
    if (status == CVG_OK) {
        status = play(run, err);
    }
    if (status == CVG_OK) {
        *out = cvg__run_report(run);
        status = *out != NULL
                     ? CVG_OK
                     : cvg_fail(err, CVG_NOMEM, "out of memory for the report");
    }
    close_run(run);
    return status;
}

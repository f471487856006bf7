/* Windows and accounting.
 *
 * A window keeps how many of its requests ended with which combination of
 * kinds met (16 counters), because throughput and mean accuracy are known only
 * when the last of them has ended: then one look at the counters gives how
 * many met each kind and how many met all. */
#include "engine/ledger.h"

#include "base/histogram.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ACCURACY_WINDOW CVG_S(10)
#define COMBINATIONS (1U << CVG_SLO_KINDS)

struct window {
    int64_t number; /* from 0; -1: not in use */
    uint32_t offered, ended, cancelled;
    uint32_t good, lost; /* count, and can no longer count, to throughput */
    uint32_t n_accurate; /* answers on time, for the mean */
    double accuracy_sum;
    uint32_t combination[COMBINATIONS]; /* by bits of the kinds met */
    struct cvg_slo slo; /* judged by: the app's when the window began */
};

struct accuracy_mean { /* over 10 s of answers */
    int64_t number;
    double sum;
    uint64_t n;
};

struct app_ledger {
    struct window *ring; /* [n_windows] */
    int64_t oldest;      /* the first window that was not judged yet */
    int64_t newest;      /* the last one offered to; -1: none */
    struct cvg_slo slo;  /* of the newest window */
    struct cvg_slo next_slo;
    int64_t next_from; /* window from which next_slo holds; INT64_MAX: none */
    enum cvg_accuracy_over accuracy_over;
    struct accuracy_mean mean;
};

struct cvg_ledger {
    const struct cvg_box *box;
    cvg_time from, until;
    int64_t last;      /* number of the last window; INT64_MAX: open */
    int64_t n_windows; /* in a ring */
    cvg_time judged;   /* when advance() last looked */
    struct app_ledger *apps;
    struct accuracy_mean mean;
    struct cvg_stats stats;
};

/* --- create, destroy ------------------------------------------------------ */

static bool create_app(struct cvg_ledger *l, size_t i)
{
    struct app_ledger *app = &l->apps[i];
    struct cvg_app_stats *stats = &l->stats.apps[i];
    app->ring = calloc((size_t)l->n_windows, sizeof *app->ring);
    app->newest = -1;
    app->slo = l->box->apps[i].slo;
    app->next_from = INT64_MAX;
    app->accuracy_over = l->box->apps[i].accuracy_over;
    stats->lowest_accuracy_window = 2;
    stats->latency = cvg_histogram_create();
    stats->queued = cvg_histogram_create();
    stats->served_by = calloc(l->stats.n_variants * CVG_MAX_EXITS + 1,
                              sizeof *stats->served_by);
    return app->ring != NULL && stats->latency != NULL &&
           stats->queued != NULL && stats->served_by != NULL;
}

enum cvg_status cvg_ledger_create(const struct cvg_ledger_options *o,
                                  struct cvg_ledger **out,
                                  struct cvg_error *err)
{
    struct cvg_ledger *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for the SLO windows");
    }
    cvg_span longest =
        o->largest_deadline > 0 ? o->largest_deadline : CVG_S(600);
    l->box = o->box;
    l->from = o->from;
    l->until = o->until;
    l->last = INT64_MAX;
    if (o->until != CVG_NEVER) {
        l->last = (o->until - o->from) / CVG_WINDOW - 1;
        l->last = l->last < 0 ? 0 : l->last;
    }
    l->n_windows = longest / CVG_WINDOW + 4;
    l->stats.n_apps = o->box->n_apps;
    l->stats.n_devices = o->box->n_devices;
    l->stats.n_variants = o->box->n_variants;
    l->stats.from = o->from;
    l->stats.until = o->from;
    l->stats.lowest_accuracy_window = 2;
    l->apps = calloc(o->box->n_apps + 1, sizeof *l->apps);
    l->stats.apps = calloc(o->box->n_apps + 1, sizeof *l->stats.apps);
    l->stats.devices = calloc(o->box->n_devices + 1, sizeof *l->stats.devices);
    bool ok =
        l->apps != NULL && l->stats.apps != NULL && l->stats.devices != NULL;
    for (size_t i = 0; ok && i < o->box->n_apps; i++) {
        ok = create_app(l, i);
    }
    if (!ok) {
        cvg_ledger_destroy(l);
        return cvg_fail(err, CVG_NOMEM, "out of memory for the SLO windows");
    }
    *out = l;
    return CVG_OK;
}

void cvg_ledger_destroy(struct cvg_ledger *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < l->stats.n_apps; i++) {
        if (l->apps != NULL) {
            free(l->apps[i].ring);
        }
        if (l->stats.apps != NULL) {
            cvg_histogram_destroy(l->stats.apps[i].latency);
            cvg_histogram_destroy(l->stats.apps[i].queued);
            free(l->stats.apps[i].served_by);
        }
    }
    free(l->apps);
    free(l->stats.apps);
    free(l->stats.devices);
    free(l);
}

struct cvg_stats *cvg_ledger_stats(struct cvg_ledger *l)
{
    return &l->stats;
}

/* --- windows -------------------------------------------------------------- */

/* A last partial window joins the one before. */
static int64_t window_number(const struct cvg_ledger *l, cvg_time arrival)
{
    int64_t number = (arrival - l->from) / CVG_WINDOW;
    return number < l->last ? number : l->last;
}

static cvg_time window_end(const struct cvg_ledger *l, int64_t number)
{
    return number == l->last ? l->until : l->from + (number + 1) * CVG_WINDOW;
}

static struct window *window_at(const struct cvg_ledger *l,
                                const struct app_ledger *app, int64_t number)
{
    return &app->ring[number % l->n_windows];
}

/* The kinds that a request of this combination met, its window judged. */
static uint32_t kinds_met(uint32_t combination, bool enough, bool accurate,
                          enum cvg_accuracy_over over)
{
    uint32_t met = combination;
    if (!enough) {
        met &= ~(1U << CVG_SLO_THROUGHPUT);
    }
    if (over == CVG_ACCURACY_PER_WINDOW) {
        /* Judged by the mean, and only answers on time are part of it: the
         * accuracy bit says that there was an answer. */
        if (!accurate) {
            met &= ~(1U << CVG_SLO_ACCURACY);
        }
    }
    return met;
}

static void count_slo(struct cvg_slo_counts *counts, uint32_t declared,
                      uint32_t met, uint32_t n)
{
    if (declared == 0) {
        return;
    }
    for (int kind = 0; kind < CVG_SLO_KINDS; kind++) {
        if ((declared >> kind & 1U) != 0) {
            counts->offered[kind] += n;
            counts->met[kind] += (met >> kind & 1U) != 0 ? n : 0;
        }
    }
    counts->joint_offered += n;
    counts->joint_met += (met & declared) == declared ? n : 0;
}

/* Requests that must be good for the window to hold its throughput; also of a
 * last window that is longer than one second. */
static double throughput_needed(const struct cvg_slo *slo, uint32_t offered)
{
    double wanted = slo->throughput_rps * ((double)CVG_WINDOW / 1e9);
    return floor(0.95 * fmin(wanted, (double)offered) + 1e-9);
}

static void judge(struct cvg_ledger *l, uint32_t a, struct window *w)
{
    const struct app_ledger *app = &l->apps[a];
    const struct cvg_slo *slo = &w->slo;
    uint32_t offered = w->offered - w->cancelled;
    bool enough = (double)w->good >= throughput_needed(slo, offered);
    bool accurate = w->n_accurate > 0 &&
                    w->accuracy_sum / w->n_accurate >= slo->accuracy - 1e-12;
    uint32_t counted = 0;
    for (uint32_t c = 0; c < COMBINATIONS; c++) {
        if (w->combination[c] > 0) {
            uint32_t met = kinds_met(c, enough, accurate, app->accuracy_over);
            count_slo(&l->stats.apps[a].slo, slo->declared, met,
                      w->combination[c]);
            counted += w->combination[c];
        }
    }
    /* What has not ended when it must be judged has met nothing. */
    count_slo(&l->stats.apps[a].slo, slo->declared, 0, offered - counted);
    memset(w, 0, sizeof *w);
    w->number = -1;
}

/* Judges the windows of an app before `number`, ended or not. */
static void judge_before(struct cvg_ledger *l, uint32_t a, int64_t number)
{
    struct app_ledger *app = &l->apps[a];
    /* After the newest there is nothing, however long ago it was. */
    int64_t end = number <= app->newest ? number : app->newest + 1;
    for (; app->oldest < end; app->oldest++) {
        struct window *w = window_at(l, app, app->oldest);
        if (w->number == app->oldest && w->offered > 0) {
            judge(l, a, w);
        }
    }
    app->oldest = number > app->oldest ? number : app->oldest;
}

static void judge_ended(struct cvg_ledger *l, uint32_t a, cvg_time now)
{
    struct app_ledger *app = &l->apps[a];
    for (int64_t k = app->oldest; k <= app->newest; k++) {
        struct window *w = window_at(l, app, k);
        bool used = w->number == k && w->offered > 0;
        if (used &&
            (window_end(l, k) > now || w->ended + w->cancelled < w->offered)) {
            continue; /* open, or some of its requests still live */
        }
        if (used) {
            judge(l, a, w);
        }
        if (k == app->oldest && window_end(l, k) <= now) {
            app->oldest++;
        }
    }
}

void cvg_ledger_advance(struct cvg_ledger *l, cvg_time now)
{
    if (now < l->judged + CVG_WINDOW / 4) {
        return;
    }
    l->judged = now;
    for (uint32_t a = 0; a < l->stats.n_apps; a++) {
        judge_ended(l, a, now);
    }
}

static void close_mean(struct accuracy_mean *mean, double *lowest)
{
    if (mean->n > 0 && mean->sum / (double)mean->n < *lowest) {
        *lowest = mean->sum / (double)mean->n;
    }
    mean->sum = 0;
    mean->n = 0;
}

void cvg_ledger_finish(struct cvg_ledger *l, cvg_time now)
{
    for (uint32_t a = 0; a < l->stats.n_apps; a++) {
        judge_before(l, a, l->apps[a].newest + 1);
        close_mean(&l->apps[a].mean, &l->stats.apps[a].lowest_accuracy_window);
    }
    close_mean(&l->mean, &l->stats.lowest_accuracy_window);
    l->stats.until = now;
}

/* --- what happens --------------------------------------------------------- */

/* Brings the app's SLO up to that window. */
static void turn_to(struct app_ledger *app, int64_t number)
{
    if (number >= app->next_from) {
        app->slo = app->next_slo;
        app->next_from = INT64_MAX;
    }
}

void cvg_ledger_offer(struct cvg_ledger *l, uint32_t a, cvg_time arrival)
{
    if (arrival < l->from) {
        return;
    }
    struct app_ledger *app = &l->apps[a];
    int64_t number = window_number(l, arrival);
    if (number - app->oldest >= l->n_windows) {
        judge_before(l, a, number - l->n_windows + 1);
    }
    struct window *w = window_at(l, app, number);
    if (w->number != number || w->offered == 0) {
        turn_to(app, number);
        memset(w, 0, sizeof *w);
        w->number = number;
        w->slo = app->slo;
    }
    w->offered++;
    app->newest = number > app->newest ? number : app->newest;
    l->stats.apps[a].counts.offered++;
    l->stats.until = arrival > l->stats.until ? arrival : l->stats.until;
}

static bool deadline_met(const struct cvg_ending *end)
{
    return end->outcome == CVG_OUTCOME_SERVED &&
           (end->deadline == CVG_NEVER || end->finished <= end->deadline);
}

/* The kinds that it met by itself; throughput: that it counts towards it. */
static uint32_t combination_of(const struct cvg_ledger *l,
                               const struct app_ledger *app,
                               const struct cvg_ending *end, int64_t number)
{
    if (end->outcome != CVG_OUTCOME_SERVED) {
        return 0;
    }
    bool per_request = app->accuracy_over == CVG_ACCURACY_PER_REQUEST;
    bool accurate = end->accuracy >= end->min_accuracy - 1e-12;
    cvg_time counts_until =
        (end->deadline == CVG_NEVER ? window_end(l, number) : end->deadline) +
        CVG_S(1);
    bool counts = end->finished <= counts_until && (accurate || !per_request);
    uint32_t met = 0;
    met |= deadline_met(end) ? 1U << CVG_SLO_DEADLINE : 0;
    met |= accurate || !per_request ? 1U << CVG_SLO_ACCURACY : 0;
    met |= counts ? 1U << CVG_SLO_THROUGHPUT : 0;
    met |= end->energy_j <= end->max_energy_j * (1 + 1e-12)
               ? 1U << CVG_SLO_ENERGY
               : 0;
    return met;
}

static void add_accuracy(struct accuracy_mean *mean, cvg_time finished,
                         double accuracy, double *lowest)
{
    int64_t number = finished / ACCURACY_WINDOW;
    if (number != mean->number) {
        close_mean(mean, lowest);
        mean->number = number;
    }
    mean->sum += accuracy;
    mean->n++;
}

static void count_served(struct cvg_ledger *l, const struct cvg_ending *end)
{
    struct cvg_app_stats *stats = &l->stats.apps[end->app];
    bool on_time = deadline_met(end);
    stats->counts.served++;
    stats->counts.on_time += on_time;
    stats->counts.late += !on_time;
    stats->accuracy_sum += end->accuracy;
    stats->energy_j += end->energy_j;
    if (end->right >= 0) {
        stats->labelled++;
        stats->right += end->right > 0;
    }
    stats->served_by[end->variant * CVG_MAX_EXITS + end->exit]++;
    cvg_histogram_add(stats->latency, end->finished - end->arrival);
    if (end->queued >= 0) {
        cvg_histogram_add(stats->queued, end->queued);
    }
    add_accuracy(&l->apps[end->app].mean, end->finished, end->accuracy,
                 &stats->lowest_accuracy_window);
    add_accuracy(&l->mean, end->finished, end->accuracy,
                 &l->stats.lowest_accuracy_window);
}

static void count_ending(struct cvg_ledger *l, const struct cvg_ending *end)
{
    struct cvg_app_stats *stats = &l->stats.apps[end->app];
    switch (end->outcome) {
    case CVG_OUTCOME_SERVED:
        count_served(l, end);
        break;
    case CVG_OUTCOME_DROPPED:
        stats->counts.dropped++;
        stats->dropped_for[end->reason]++;
        break;
    case CVG_OUTCOME_REJECTED:
        stats->counts.rejected++;
        stats->dropped_for[end->reason]++;
        break;
    case CVG_OUTCOME_FAILED:
        stats->counts.failed++;
        stats->dropped_for[end->reason]++;
        break;
    case CVG_OUTCOME_CANCELLED:
        stats->counts.cancelled++;
        stats->counts.offered--;
        break;
    case CVG_OUTCOMES:
        assert(!"an outcome");
    }
}

/* Its window had to be judged before it ended, and was judged as if it met
 * nothing. What it met by itself is put right; what is a matter of the whole
 * window stays as it was judged. */
static void count_straggler(struct cvg_ledger *l, const struct cvg_ending *end)
{
    const struct app_ledger *app = &l->apps[end->app];
    struct cvg_slo_counts *counts = &l->stats.apps[end->app].slo;
    uint32_t declared = app->slo.declared;
    uint32_t met = combination_of(l, app, end, window_number(l, end->arrival)) &
                   declared & ~(1U << CVG_SLO_THROUGHPUT);
    if (app->accuracy_over == CVG_ACCURACY_PER_WINDOW) {
        met &= ~(1U << CVG_SLO_ACCURACY);
    }
    for (int kind = 0; kind < CVG_SLO_KINDS; kind++) {
        counts->met[kind] += met >> kind & 1U;
    }
    counts->joint_met += declared != 0 && met == declared;
}

void cvg_ledger_end(struct cvg_ledger *l, const struct cvg_ending *end)
{
    if (end->arrival < l->from) {
        return;
    }
    l->stats.until =
        end->finished > l->stats.until ? end->finished : l->stats.until;
    count_ending(l, end);
    struct app_ledger *app = &l->apps[end->app];
    int64_t number = window_number(l, end->arrival);
    struct window *w = window_at(l, app, number);
    if (w->number != number || w->offered == 0) {
        count_straggler(l, end);
        return;
    }
    if (end->outcome == CVG_OUTCOME_CANCELLED) {
        w->cancelled++;
        return;
    }
    uint32_t met = combination_of(l, app, end, number);
    bool counts = (met >> CVG_SLO_THROUGHPUT & 1U) != 0;
    w->ended++;
    w->combination[met]++;
    w->good += counts;
    w->lost += !counts;
    if (deadline_met(end)) {
        w->accuracy_sum += end->accuracy;
        w->n_accurate++;
    }
}

void cvg_ledger_set_slo(struct cvg_ledger *l, uint32_t a, cvg_time now,
                        const struct cvg_slo *slo)
{
    struct app_ledger *app = &l->apps[a];
    int64_t number = now <= l->from ? 0 : window_number(l, now);
    turn_to(app, number);
    /* A window that began before is still judged by what it began with. */
    bool begun = now > l->from + number * CVG_WINDOW;
    app->next_slo = *slo;
    app->next_from = number + begun;
}

struct cvg_recent cvg_ledger_recent(const struct cvg_ledger *l, uint32_t a,
                                    cvg_time now)
{
    struct cvg_recent recent = {0};
    if (now < l->from) {
        return recent;
    }
    int64_t number = window_number(l, now);
    const struct window *w = window_at(l, &l->apps[a], number);
    recent.elapsed = now - l->from - number * CVG_WINDOW;
    if (w->number == number && w->offered > 0) {
        recent.offered = w->offered - w->cancelled;
        recent.good = w->good;
        recent.lost = w->lost;
        recent.accuracy =
            w->n_accurate > 0 ? w->accuracy_sum / w->n_accurate : 0;
    }
    return recent;
}

/* The fluid bound of a run: one linear program over its pieces.
 *
 * x[kind, piece of arrival, piece of service, way] requests. A batch that runs
 * across a cut is two flows, each a part of it; so what a way earns depends on
 * the arrival alone, with the device as fast as it is at its best while the
 * request has time. */
#include "optimize/bound.h"

#include "optimize/columns.h"
#include "optimize/lp.h"
#include "optimize/run.h"
#include <math.h>
#include <stdlib.h>

/* More cuts cost time and gain little. */
#define MAX_PIECES 96U
/* Arrivals in bursts are looked at in windows no shorter than this. */
#define LEAST_WINDOW CVG_S(2)
#define MAX_WINDOWS 24

struct program {
    struct cvg__run run;
    cvg_span cuts[MAX_PIECES + 1]; /* [n_pieces + 1] */
    size_t n_pieces;
    uint32_t *count; /* [kind][piece] of requests */
    int *capacity;   /* [piece][device] rows; negative: none */
    int mean_row[CVG_MAX_APPS], drain_row[CVG_MAX_APPS];
    bool weighted;
    struct cvg__columns columns; /* of the kind and piece at hand */
    struct cvg__lp lp;
};

/* --- cuts ----------------------------------------------------------------- */

/* False: there are too many. */
static bool add_cut(struct program *p, cvg_span at)
{
    size_t i = 0;
    while (i <= p->n_pieces && p->cuts[i] < at) {
        i++;
    }
    if (i <= p->n_pieces && p->cuts[i] == at) {
        return true;
    }
    if (p->n_pieces == MAX_PIECES) {
        return false;
    }
    p->n_pieces++;
    for (size_t k = p->n_pieces; k > i; k--) {
        p->cuts[k] = p->cuts[k - 1];
    }
    p->cuts[i] = at;
    return true;
}

/* Where what arrived before `at` runs out of time. */
static bool add_ends(struct program *p, cvg_span at)
{
    bool room = true;
    for (uint32_t k = 0; k < p->run.n_kinds; k++) {
        cvg_span latest = p->run.kinds[k].latest;
        if (latest < CVG_S(3600)) {
            room = room && add_cut(p, at + latest);
        }
    }
    return room;
}

static bool comes_in_bursts(const struct cvg_workload *w)
{
    for (size_t i = 0; i < w->n_streams; i++) {
        const struct cvg_stream *s = &w->streams[i];
        if (s->process == CVG_TRACE || s->process == CVG_MMPP ||
            (s->process == CVG_GAMMA && s->shape < 1)) {
            return true;
        }
    }
    return false;
}

static bool add_windows(struct program *p, bool with_ends)
{
    cvg_span length = (p->run.until - p->run.from) / MAX_WINDOWS;
    length = length > LEAST_WINDOW ? length : LEAST_WINDOW;
    bool room = true;
    for (cvg_span at = p->run.from + length; room && at < p->run.until;
         at += length) {
        room = add_cut(p, at) && (!with_ends || add_ends(p, at));
    }
    return room;
}

static bool add_changes(struct program *p, bool with_ends)
{
    bool room = true;
    cvg_span at = cvg__run_next_change(&p->run, p->run.from);
    while (room && at < p->run.until) {
        room = add_cut(p, at) && (!with_ends || add_ends(p, at));
        at = cvg__run_next_change(&p->run, at);
    }
    return room;
}

/* The run, and after it the time that the last requests have. */
static void add_run(struct program *p)
{
    cvg_span largest = 0;
    for (uint32_t k = 0; k < p->run.n_kinds; k++) {
        cvg_span latest = p->run.kinds[k].latest;
        largest = latest != CVG_NEVER && latest > largest ? latest : largest;
    }
    p->n_pieces = 1;
    p->cuts[0] = p->run.from;
    p->cuts[1] = p->run.until;
    if (largest > 0) {
        add_cut(p, p->run.until + largest);
    }
}

/* As many of the wanted cuts as there is room for, the most useful first. */
static void make_cuts(struct program *p)
{
    add_run(p);
    if (add_ends(p, p->run.until) && add_changes(p, false) &&
        (!comes_in_bursts(p->run.workload) || add_windows(p, false)) &&
        add_changes(p, true) && comes_in_bursts(p->run.workload)) {
        add_windows(p, true);
    }
}

static size_t piece_of(const struct program *p, cvg_span at)
{
    size_t i = 0;
    while (i + 1 < p->n_pieces && p->cuts[i + 1] <= at) {
        i++;
    }
    return i;
}

/* --- rows ----------------------------------------------------------------- */

static bool allocate(struct program *p)
{
    size_t n = p->n_pieces;
    p->count = calloc(n * (p->run.n_kinds + 1), sizeof *p->count);
    p->capacity = calloc(n * (p->run.box->n_devices + 1), sizeof *p->capacity);
    return p->count != NULL && p->capacity != NULL;
}

static void count_arrived(struct program *p)
{
    for (size_t i = 0; i < p->run.n_arrived; i++) {
        const struct cvg__arrived *r = &p->run.arrived[i];
        if (r->kind != CVG_ANY) {
            p->count[r->kind * p->n_pieces + piece_of(p, r->at)]++;
        }
    }
}

static void add_capacities(struct program *p)
{
    const struct cvg_box *box = p->run.box;
    for (size_t k = 0; k < p->n_pieces; k++) {
        for (uint32_t d = 0; d < box->n_devices; d++) {
            double s =
                cvg__run_capacity(&p->run, d, p->cuts[k], p->cuts[k + 1]) *
                1e-9 * box->devices[d].units;
            p->capacity[k * box->n_devices + d] =
                s > 0 ? cvg__lp_row(&p->lp, -INFINITY, s) : -1;
        }
    }
}

/* Requests of an app that may still wait, or run, when time is up for all that
 * have a deadline: those without may be served then. */
static double most_left(const struct cvg_box *box, uint32_t app)
{
    const struct cvg_family *f = &box->families[box->apps[app].family];
    double sum = box->apps[app].queue_limit;
    for (uint32_t d = 0; d < box->n_devices; d++) {
        uint32_t largest = 0;
        for (size_t i = 0; i < f->n_variants; i++) {
            uint32_t n =
                cvg_profile_max_batch(box->profile, f->variants[i], 0, 0, d);
            largest = n > largest ? n : largest;
        }
        sum +=
            (double)box->devices[d].units * box->devices[d].in_flight * largest;
    }
    return sum;
}

static void add_app_rows(struct program *p)
{
    const struct cvg_box *box = p->run.box;
    for (uint32_t a = 0; a < box->n_apps; a++) {
        p->mean_row[a] = box->apps[a].accuracy_over == CVG_ACCURACY_PER_WINDOW
                             ? cvg__lp_row(&p->lp, 0, INFINITY)
                             : -1;
        p->drain_row[a] = cvg__lp_row(&p->lp, -INFINITY, most_left(box, a));
    }
}

/* --- columns -------------------------------------------------------------- */

static void begin_column(struct program *p, const struct cvg__column *c,
                         int demand)
{
    double weight = p->weighted ? p->run.box->apps[c->app].weight : 1;
    cvg__lp_column(&p->lp, weight * c->value, 0);
    cvg__lp_element(&p->lp, demand, 1);
    if (c->gain != 0) {
        cvg__lp_element(&p->lp, p->mean_row[c->app], c->gain);
    }
}

/* Served in each of the pieces from `from` on that begin before `end`. */
static void add_services(struct program *p, const struct cvg__column *c,
                         int demand, size_t from, cvg_span end)
{
    for (size_t k = from; k < p->n_pieces && p->cuts[k] < end; k++) {
        int row = p->capacity[k * p->run.box->n_devices + c->device];
        if (row >= 0) {
            begin_column(p, c, demand);
            cvg__lp_element(&p->lp, row, c->time_s);
        }
    }
    if (end == CVG_NEVER) {
        begin_column(p, c, demand);
        cvg__lp_element(&p->lp, p->drain_row[c->app], 1);
    }
}

static bool add_requests(struct program *p, uint32_t kind, size_t piece)
{
    const struct cvg__kind *k = &p->run.kinds[kind];
    const struct cvg_box *box = p->run.box;
    uint32_t n = p->count[kind * p->n_pieces + piece];
    cvg_span end = k->latest > CVG_NEVER - p->cuts[piece + 1]
                       ? CVG_NEVER
                       : p->cuts[piece + 1] + k->latest;
    if (n == 0) {
        return true;
    }
    struct cvg__wish wish = {
        .box = box,
        .app = k->app,
        .family = box->apps[k->app].family,
        .accuracy_over = box->apps[k->app].accuracy_over,
        .slo = k->slo,
        .latest_ns = k->latest == CVG_NEVER ? INFINITY : (double)k->latest,
    };
    int demand = cvg__lp_row(&p->lp, -INFINITY, n);
    p->columns.n = 0;
    for (uint32_t d = 0; d < box->n_devices; d++) {
        double slowdown = cvg__run_slowdown(&p->run, d, p->cuts[piece], end);
        if (!cvg__columns_add(&p->columns, &wish, d, slowdown)) {
            return false;
        }
    }
    for (size_t i = 0; i < p->columns.n; i++) {
        add_services(p, &p->columns.items[i], demand, piece, end);
    }
    return true;
}

static bool build(struct program *p)
{
    add_capacities(p);
    add_app_rows(p);
    for (uint32_t k = 0; k < p->run.n_kinds; k++) {
        for (size_t i = 0; i < p->n_pieces; i++) {
            if (!add_requests(p, k, i)) {
                return false;
            }
        }
    }
    return true;
}

/* --- the bound ------------------------------------------------------------ */

static double offered(const struct program *p)
{
    double sum = 0;
    for (size_t i = 0; i < p->run.n_arrived; i++) {
        const struct cvg__arrived *r = &p->run.arrived[i];
        if (r->kind != CVG_ANY) {
            sum += p->weighted ? p->run.box->apps[r->app].weight : 1;
        }
    }
    return sum;
}

static enum cvg_status no_memory(struct cvg_error *err)
{
    return cvg_fail(err, CVG_NOMEM, "out of memory for the fluid bound");
}

static enum cvg_status solve(struct program *p, bool weighted, double *joint,
                             struct cvg_error *err)
{
    p->weighted = weighted;
    double all = offered(p);
    *joint = -1;
    if (all == 0) {
        return CVG_OK;
    }
    enum cvg_status status =
        build(p) ? cvg__lp_solve(&p->lp, err) : no_memory(err);
    /* The solver is exact to some millionths. */
    *joint = fmin(p->lp.objective / all + 1e-6, 1);
    cvg__lp_fini(&p->lp);
    return status;
}

static bool weights_differ(const struct cvg_box *box)
{
    for (size_t a = 1; a < box->n_apps; a++) {
        if (box->apps[a].weight != box->apps[0].weight) {
            return true;
        }
    }
    return false;
}

enum cvg_status cvg_bound_run(const struct cvg_box *box,
                              const struct cvg_workload *workload, double load,
                              uint64_t seed, struct cvg_bound *out,
                              struct cvg_error *err)
{
    struct program *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return no_memory(err);
    }
    p->run = (struct cvg__run){
        .box = box, .workload = workload, .load = load > 0 ? load : 1};
    enum cvg_status status = CVG_OK;
    if (cvg__run_draw(&p->run, seed)) {
        make_cuts(p);
    } else {
        status = no_memory(err);
    }
    if (status == CVG_OK && !allocate(p)) {
        status = no_memory(err);
    }
    if (status == CVG_OK) {
        count_arrived(p);
        status = solve(p, false, &out->joint, err);
        out->joint_weighted = out->joint;
    }
    if (status == CVG_OK && weights_differ(box)) {
        status = solve(p, true, &out->joint_weighted, err);
    }
    cvg__columns_fini(&p->columns);
    cvg__run_fini(&p->run);
    free(p->count);
    free(p->capacity);
    free(p);
    return status;
}

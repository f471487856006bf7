/* Where a workload changes, and what it brings between. */
#include "optimize/pieces.h"

#include "optimize/run.h"
#include <stdlib.h>
#include <string.h>

#define WINDOWS 24
#define LEAST_WINDOW CVG_S(2)

void cvg_pieces_fini(struct cvg_pieces *pieces)
{
    free(pieces->items);
    pieces->items = NULL;
    pieces->n = 0;
}

/* --- rates ---------------------------------------------------------------- */

static double rate_of_rows(const struct cvg_stream *s, cvg_span from,
                           cvg_span until)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_rows; i++) {
        n += s->rows[i].at >= from && s->rows[i].at < until ? 1 : 0;
    }
    /* A few requests in a moment are no rate. */
    cvg_span length = until - from > CVG_WINDOW ? until - from : CVG_WINDOW;
    return (double)n / (1e-9 * (double)length);
}

/* The last event that sets its rate rules. */
static double rate_at(const struct cvg_workload *w, const struct cvg_stream *s,
                      cvg_span at)
{
    double rate = cvg_stream_rate(s);
    for (size_t i = 0; i < w->n_events && w->events[i].at <= at; i++) {
        const struct cvg_workload_event *e = &w->events[i];
        if (e->type == CVG_WORKLOAD_RATE && e->app == s->app) {
            rate = e->rate_rps;
        }
    }
    return rate;
}

static double peak_over_mean(const struct cvg_stream *s)
{
    double most = 0, mean = cvg_stream_rate(s);
    for (uint32_t i = 0; i < s->n_states; i++) {
        most = s->rates_rps[i] > most ? s->rates_rps[i] : most;
    }
    return s->process == CVG_MMPP && mean > 0 ? most / mean : 1;
}

static void take_rates(const struct cvg_workload *w, struct cvg_piece *piece)
{
    for (size_t i = 0; i < w->n_streams; i++) {
        const struct cvg_stream *s = &w->streams[i];
        double rate = s->process == CVG_TRACE
                          ? rate_of_rows(s, piece->from, piece->until)
                          : rate_at(w, s, piece->from);
        piece->rates_rps[s->app] = rate;
        piece->peak_rps[s->app] = rate * peak_over_mean(s);
    }
}

/* --- cuts ----------------------------------------------------------------- */

static void fill(const struct cvg__run *run, cvg_span from, cvg_span until,
                 struct cvg_piece *piece)
{
    *piece = (struct cvg_piece){.from = from, .until = until};
    take_rates(run->workload, piece);
    for (uint32_t a = 0; a < run->box->n_apps; a++) {
        piece->slos[a] = cvg__run_slo(run, a, from);
    }
    for (uint32_t d = 0; d < run->box->n_devices; d++) {
        piece->slowdown[d] = cvg__run_slowdown(run, d, from, from);
    }
}

static bool same(const struct cvg_piece *a, const struct cvg_piece *b)
{
    bool equal = true;
    for (size_t i = 0; i < CVG_MAX_APPS && equal; i++) {
        equal = a->rates_rps[i] == b->rates_rps[i] &&
                a->peak_rps[i] == b->peak_rps[i] &&
                cvg_slo_equal(&a->slos[i], &b->slos[i]);
    }
    for (size_t d = 0; d < CVG_MAX_DEVICES && equal; d++) {
        equal = a->slowdown[d] == b->slowdown[d];
    }
    return equal;
}

static enum cvg_status append(struct cvg_pieces *p,
                              const struct cvg_piece *piece,
                              struct cvg_error *err)
{
    if (p->n > 0 && same(&p->items[p->n - 1], piece)) {
        p->items[p->n - 1].until = piece->until;
        return CVG_OK;
    }
    if (p->n == CVG_MAX_PIECES) {
        return cvg_fail(err, CVG_INVALID,
                        "the workload changes more than %u times",
                        CVG_MAX_PIECES);
    }
    p->items[p->n++] = *piece;
    return CVG_OK;
}

static void describe(const struct cvg_workload *w, struct cvg_pieces *p)
{
    p->has_arrivals = w->n_streams > 0;
    for (size_t i = 0; i < w->n_streams; i++) {
        const struct cvg_stream *s = &w->streams[i];
        p->from_trace = p->from_trace || s->process == CVG_TRACE;
        p->has_states = p->has_states || s->process == CVG_MMPP;
        for (size_t k = 0; k < s->n_rows; k++) {
            p->own_bounds = p->own_bounds || s->rows[k].deadline > 0 ||
                            s->rows[k].accuracy >= 0;
        }
    }
}

static cvg_span next_cut(const struct cvg__run *run, const struct cvg_pieces *p,
                         cvg_span at)
{
    cvg_span window = (run->until - run->from) / WINDOWS;
    cvg_span next = cvg__run_next_change(run, at);
    window = window > LEAST_WINDOW ? window : LEAST_WINDOW;
    if (p->from_trace) {
        cvg_span end = run->from + ((at - run->from) / window + 1) * window;
        /* What would be left is no window of its own. */
        end = run->until - end < window ? run->until : end;
        next = end < next ? end : next;
    }
    return next < run->until ? next : run->until;
}

enum cvg_status cvg_pieces_of(const struct cvg_box *box,
                              const struct cvg_workload *workload,
                              struct cvg_pieces *out, struct cvg_error *err)
{
    struct cvg__run run = {.box = box,
                           .workload = workload,
                           .load = 1,
                           .from = workload->warmup,
                           .until = workload->duration};
    enum cvg_status status = CVG_OK;
    *out = (struct cvg_pieces){.items =
                                   calloc(CVG_MAX_PIECES, sizeof *out->items)};
    struct cvg_piece *piece = malloc(sizeof *piece);
    if (out->items == NULL || piece == NULL) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory for the workload");
        goto out;
    }
    describe(workload, out);
    for (cvg_span at = run.from; at < run.until && status == CVG_OK;) {
        cvg_span end = next_cut(&run, out, at);
        fill(&run, at, end, piece);
        status = append(out, piece, err);
        at = end;
    }
out:
    free(piece);
    if (status != CVG_OK) {
        cvg_pieces_fini(out);
    }
    return status;
}

void cvg_piece_demand(const struct cvg_piece *piece, const struct cvg_box *box,
                      struct cvg_app *apps, struct cvg_fluid_demand *out)
{
    for (uint32_t a = 0; a < box->n_apps; a++) {
        apps[a] = box->apps[a];
        apps[a].slo = piece->slos[a];
        if (piece->rates_rps[a] <= 0) {
            apps[a].slo.declared = 0;
        }
    }
    *out = (struct cvg_fluid_demand){.box = box,
                                     .apps = apps,
                                     .rates_rps = piece->rates_rps,
                                     .slowdown = piece->slowdown};
}

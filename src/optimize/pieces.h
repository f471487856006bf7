/* A workload as pieces in which nothing changes but the requests themselves.
 *
 * Events cut it, and so does a trace: it has the mean rate of each window of a
 * 24th of its length, of 2 s at least (a shorter one: of its length, taken for
 * 1 s at least). Neighbours that are equal are one. The
 * warm-up is left out. */
#ifndef CVG_OPTIMIZE_PIECES_H
#define CVG_OPTIMIZE_PIECES_H

#include "domain/workload.h"
#include <convergo/fluid.h>

#define CVG_MAX_PIECES 256U

struct cvg_piece {
    cvg_span from, until;
    double rates_rps[CVG_MAX_APPS]; /* mean */
    /* What a stream with states has in the one that brings most; else the
     * mean. */
    double peak_rps[CVG_MAX_APPS];
    struct cvg_slo slos[CVG_MAX_APPS];
    double slowdown[CVG_MAX_DEVICES]; /* INFINITY: down */
};

struct cvg_pieces {
    struct cvg_piece *items; /* owned: cvg_pieces_fini() */
    size_t n;
    bool from_trace; /* some rates are means over windows of a trace */
    bool has_states; /* some rates are means over states */
    bool own_bounds; /* rows of a trace have bounds of their own, not seen */
    bool has_arrivals;
};

/* *out is filled in on CVG_OK. CVG_INVALID: more than CVG_MAX_PIECES;
 * CVG_NOMEM. */
enum cvg_status cvg_pieces_of(const struct cvg_box *box,
                              const struct cvg_workload *workload,
                              struct cvg_pieces *out, struct cvg_error *err);
void cvg_pieces_fini(struct cvg_pieces *pieces);

/* The piece as a demand; `apps` is the caller's storage, [n_apps], borrowed by
 * *out: the box's with the SLOs of the piece. Who sends nothing asks for
 * nothing. */
void cvg_piece_demand(const struct cvg_piece *piece, const struct cvg_box *box,
                      struct cvg_app *apps, struct cvg_fluid_demand *out);

#endif

/* The ways in which an app's requests can be run: every (device, variant,
 * exit) that is accurate enough, with the batch sizes that keep the energy
 * bound and can be in time at all. By device: the cheapest first; the most
 * accurate first where nobody asks for accuracy; where a mean over a window is
 * asked for, those that reach it first, the others after. An app's objective
 * comes before what is cheapest. They change only when the app's SLO or
 * objective does. */
#ifndef CVG_POLICY_WAYS_H
#define CVG_POLICY_WAYS_H

#include <convergo/policy.h>

#define CVG__WAYS_PER_DEVICE 6U /* the best ones are kept */

struct cvg__way {
    uint32_t device, variant, exit;
    uint32_t min, max; /* batch sizes that keep the energy bound */
    double accuracy;
    double each_ns;  /* time per request at the largest batch in time */
    double each_j;   /* energy of a request, at that size */
    double alone_ns; /* of the smallest batch */
};

struct cvg__ways {
    bool known;                   /* worked out before ... */
    struct cvg_slo slo;           /* ... for this SLO */
    enum cvg_objective objective; /* ... and this objective */
    struct cvg__way *ways;        /* by device, the best first */
    uint32_t n;
    uint32_t *from;      /* [n_devices + 1]: those of device d: from[d] on */
    uint32_t *ruled_out; /* [n_devices]: kinds (bits) that exclude a way there
                          * that would cost less than all that are left */
};

/* Bytes that the arrays of one cvg__ways take, and giving it such a piece of
 * zeroed memory, aligned as calloc's. */
size_t cvg__ways_size(const struct cvg_box *box);
void cvg__ways_init(struct cvg__ways *ways, const struct cvg_box *box,
                    void *memory);

/* The ways of a request: those of its app, kept in `of_app` (zeroed before the
 * first call), or its own if it has bounds of its own (worked out into `own`).
 */
const struct cvg__ways *cvg__ways_of(struct cvg__ways *of_app,
                                     const struct cvg_view *view,
                                     const struct cvg_request *r,
                                     struct cvg__ways *own);

/* The mean accuracy that windows of the app are to reach: what it asks for, or
 * less, where the plan has that give way. */
double cvg__wanted_mean(const struct cvg_view *view, uint32_t app);

#endif

/* When is an SLO met: windows and accounting (DESIGN.md section 5).
 *
 * One ledger judges one run. The engine keeps one by its own clock; a load
 * generator keeps one by the client's. Memory is fixed: one small record per
 * app and open window. */
#ifndef CVG_ENGINE_LEDGER_H
#define CVG_ENGINE_LEDGER_H

#include <convergo/box.h>
#include <convergo/policy.h>
#include <convergo/request.h>
#include <convergo/stats.h>

struct cvg_ledger;

struct cvg_ledger_options {
    const struct cvg_box *box; /* borrowed */
    cvg_time from;             /* end of the warm-up: the first window */
    cvg_time until;            /* end of arrivals; CVG_NEVER: open */
    cvg_span largest_deadline; /* 0: 10 min */
};

/* *out is owned by the caller: cvg_ledger_destroy(). */
enum cvg_status cvg_ledger_create(const struct cvg_ledger_options *options,
                                  struct cvg_ledger **out,
                                  struct cvg_error *err);
void cvg_ledger_destroy(struct cvg_ledger *ledger);

/* A request arrived; it is judged by the kinds that its app declares. Arrivals
 * come in the order of their times. */
void cvg_ledger_offer(struct cvg_ledger *ledger, uint32_t app,
                      cvg_time arrival);

/* How it ended, and the bounds of its own that it was held to, whatever its app
 * asks for by now. */
struct cvg_ending {
    uint32_t app;
    cvg_time arrival, finished;
    cvg_time deadline; /* its own; CVG_NEVER: none */
    enum cvg_outcome outcome;
    enum cvg_reason reason;
    /* of a served one: */
    uint32_t variant, exit;
    double accuracy;     /* validated */
    double min_accuracy; /* asked for; 0: none */
    double energy_j, max_energy_j;
    cvg_span queued; /* arrival to start; negative: unknown */
    int right;       /* 1, 0; -1: no label */
};
void cvg_ledger_end(struct cvg_ledger *ledger, const struct cvg_ending *end);

/* The app's SLO changed: windows from `now` on are judged by it. */
void cvg_ledger_set_slo(struct cvg_ledger *ledger, uint32_t app, cvg_time now,
                        const struct cvg_slo *slo);

/* Judges windows in which nothing can change any more. */
void cvg_ledger_advance(struct cvg_ledger *ledger, cvg_time now);
/* Judges all that is left, as it stands. */
void cvg_ledger_finish(struct cvg_ledger *ledger, cvg_time now);

struct cvg_recent cvg_ledger_recent(const struct cvg_ledger *ledger,
                                    uint32_t app, cvg_time now);

/* Counts so far; borrowed. The device part is the owner's to fill in. */
struct cvg_stats *cvg_ledger_stats(struct cvg_ledger *ledger);

#endif

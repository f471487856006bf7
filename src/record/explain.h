/* Why a request went the way it did, from a record: the run is gone through
 * again up to the step that decided, and the view of that step is looked at. */
#ifndef CVG_RECORD_EXPLAIN_H
#define CVG_RECORD_EXPLAIN_H

#include "record/record.h"

/* What kept a request from going a way. X(name, in JSON, for a person) */
#define CVG_BAR_LIST(X)                                                        \
    X(ACCURACY, "accuracy", "not accurate enough")                             \
    X(ENERGY, "energy", "needs too much energy")                               \
    X(OUT, "out", "taken out by an operator")                                  \
    X(DOWN, "down", "device is down")                                          \
    X(MEMORY, "memory", "not loaded")                                          \
    X(BUSY, "busy", "busy")                                                    \
    X(DEADLINE, "deadline", "too late")

enum cvg_bar {
#define CVG_BAR_ENUM(name, text, words) CVG_BAR_##name,
    CVG_BAR_LIST(CVG_BAR_ENUM)
#undef CVG_BAR_ENUM
        CVG_BARS
};
const char *cvg_bar_name(enum cvg_bar bar);
const char *cvg_bar_words(enum cvg_bar bar);

/* A unit, a variant and an exit, as they were when it was decided. */
struct cvg_way_seen {
    uint32_t unit, device, variant, exit;
    uint32_t batch;     /* size that is looked at */
    cvg_time finish;    /* expected, were it started then; by the mean */
    cvg_time finish_95; /* 95 of 100 are done by then */
    cvg_time free_at;   /* the unit should be done with what it holds */
    double accuracy;
    double energy_j; /* of one request */
    uint32_t bars;   /* bits of enum cvg_bar; 0: it could be gone */
    bool chosen;
};

enum cvg_decision {
    CVG_DECISION_NONE,  /* still waiting when the record ends */
    CVG_DECISION_START, /* the last one, if it was started several times */
    CVG_DECISION_DROP,  /* dropped, rejected or failed */
    CVG_DECISION_CANCEL /* its client went away while it waited */
};

struct cvg_record_why {
    struct cvg_explanation of; /* at its end, or at the end of the record */
    enum cvg_decision decision;
    uint64_t step; /* that decided; or the last one */
    cvg_time at;
    cvg_span retry_after; /* of a drop */
    uint32_t waiting;     /* of its app, then; itself included */
    /* When it arrived: requests of its app that waited already, and units that
     * could take a batch. */
    uint32_t ahead, free_units;
    struct cvg_way_seen *ways; /* owned: _fini(); the chosen one, then those
                                * that could be gone, then by finish */
    size_t n_ways;
};

/* CVG_NOTFOUND: it is not in the record. CVG_CONFIG: the replay differs before
 * it was decided. On CVG_OK the caller calls cvg_record_why_fini(). */
enum cvg_status cvg_record_explain(struct cvg_record *record, uint64_t request,
                                   struct cvg_record_why *out,
                                   struct cvg_error *err);
void cvg_record_why_fini(struct cvg_record_why *why);

#endif

/* One request: one item to answer (a batch of k rows over HTTP is k requests).
 */
#ifndef CONVERGO_REQUEST_H
#define CONVERGO_REQUEST_H

#include <convergo/box.h>
#include <convergo/slo.h>
#include <convergo/time.h>
#include <stdbool.h>
#include <stdint.h>

/* What the driver says of a request; the engine copies it. */
struct cvg_arrival {
    uint64_t id;        /* unique while it lives and is remembered; not 0 */
    uint32_t app;       /* index in the box */
    uint32_t variant;   /* this one exactly, or CVG_ANY: choose */
    int32_t priority;   /* 1 is the highest, 0: none given (goes after) */
    uint32_t overrides; /* kinds of `bounds` that replace the app's own */
    struct cvg_slo bounds;
    cvg_span timeout; /* dropped if not started by then; 0: none */
    /* At which exit it is answered; NULL: as its app says. Borrowed until it
     * has ended or is cancelled, or is given others. */
    const struct cvg_conditions *conditions;
    /* Others follow at once, and then another event: the policy is asked when
     * that comes, so that it sees them together. */
    bool more;
};

/* What the engine and the policies work with. */
struct cvg_request {
    uint64_t id;
    uint32_t app;
    uint32_t variant; /* CVG_ANY or the only one allowed */
    cvg_time arrival;
    cvg_time deadline;   /* instant; CVG_NEVER: none */
    cvg_time expires;    /* must have started by then; CVG_NEVER: none */
    double min_accuracy; /* of each answer; 0: none (an app whose accuracy is
                          * a mean over a window has none here) */
    double max_energy_j; /* INFINITY: none */
    int32_t priority;
    uint32_t relaxed; /* kinds (bits) that have given way */
    uint32_t plain;   /* 1: bounds are just the app's own, nothing relaxed */
    /* Judged at every exit; NULL: none, its own or its app's. Not told of a
     * request that has ended. */
    const struct cvg_conditions *conditions;
};

/* How a request ended. X(name, text) */
#define CVG_OUTCOME_LIST(X)                                                    \
    X(SERVED, "served")                                                        \
    X(DROPPED, "dropped")                                                      \
    X(REJECTED, "rejected")                                                    \
    X(FAILED, "failed")                                                        \
    X(CANCELLED, "cancelled")

enum cvg_outcome {
#define CVG_OUTCOME_ENUM(name, text) CVG_OUTCOME_##name,
    CVG_OUTCOME_LIST(CVG_OUTCOME_ENUM)
#undef CVG_OUTCOME_ENUM
        CVG_OUTCOMES
};

/* Why it was dropped, rejected or failed. X(name, text for a person) */
#define CVG_REASON_LIST(X)                                                     \
    X(NONE, "")                                                                \
    X(DEADLINE, "its deadline could no longer be met")                         \
    X(TIMEOUT, "its timeout passed before it was started")                     \
    X(INFEASIBLE_DEADLINE, "no variant on any device is fast enough")          \
    X(INFEASIBLE_ACCURACY, "no variant is accurate enough")                    \
    X(INFEASIBLE_ENERGY, "no variant needs so little energy")                  \
    X(INFEASIBLE, "no variant meets all its bounds at once")                   \
    X(UNAVAILABLE, "no device that could run it is up and has it loaded")      \
    X(QUEUE_FULL, "the queue of its application is full")                      \
    X(DRAINING, "the server is draining")                                      \
    X(DEVICE_FAILED, "the device failed and no attempt is left")               \
    X(POLICY, "the policy gave its device time to others")                     \
    X(GIVEN_UP, "another item of the same call was not answered")              \
    X(INPUTS, "the model cannot run its inputs")

enum cvg_reason {
#define CVG_REASON_ENUM(name, text) CVG_REASON_##name,
    CVG_REASON_LIST(CVG_REASON_ENUM)
#undef CVG_REASON_ENUM
        CVG_REASONS
};

const char *cvg_outcome_name(enum cvg_outcome outcome);
const char *cvg_reason_text(enum cvg_reason reason);
/* "deadline", "timeout", "infeasible_accuracy", ...: for metrics and JSON */
const char *cvg_reason_name(enum cvg_reason reason);

#endif

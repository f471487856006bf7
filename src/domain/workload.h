/* What arrives: described (a process and a rate) or explicit (a trace).
 * Plain data, owned: cvg_workload_destroy(). DESIGN.md section 4. */
#ifndef CVG_DOMAIN_WORKLOAD_H
#define CVG_DOMAIN_WORKLOAD_H

#include "base/rng.h"
#include <convergo/box.h>

enum cvg_process {
    CVG_PERIODIC, /* rate, jitter: phase from the seed, jitter in [0, j) */
    CVG_POISSON,  /* rate */
    CVG_GAMMA,    /* rate, shape of the gaps */
    CVG_MMPP,     /* n_states rates and mean stays, exponential */
    CVG_TRACE     /* the instants themselves */
};

#define CVG_MAX_STATES 16U

struct cvg_trace_row { /* one arrival of a trace */
    cvg_span at;       /* from the start */
    cvg_span deadline; /* 0: the app's */
    double accuracy;   /* negative: the app's */
};

struct cvg_stream { /* the arrivals of one app */
    uint32_t app;
    enum cvg_process process;
    double rate_rps; /* > 0; periodic, poisson, gamma */
    cvg_span jitter;
    double shape;
    uint32_t n_states; /* mmpp */
    double rates_rps[CVG_MAX_STATES];
    cvg_span stay[CVG_MAX_STATES];
    struct cvg_trace_row *rows; /* trace; sorted */
    size_t n_rows;
    struct cvg_place at; /* where the workload gives its rate */
};

enum cvg_workload_event_type {
    CVG_WORKLOAD_DEVICE_DOWN, /* for `length`; CVG_NEVER: to the end */
    CVG_WORKLOAD_DEVICE_UP,
    CVG_WORKLOAD_SLOWDOWN, /* factor, for `length` */
    CVG_WORKLOAD_SLO,      /* or conditions, or both */
    CVG_WORKLOAD_RATE
};

struct cvg_workload_event {
    cvg_span at;
    enum cvg_workload_event_type type;
    uint32_t device; /* DEVICE_*, SLOWDOWN */
    cvg_span length;
    double factor;
    uint32_t app;       /* SLO, RATE */
    struct cvg_slo slo; /* declared kinds replace the app's */
    bool new_conditions;
    const struct cvg_conditions *conditions; /* owned; NULL: none */
    bool new_objective;
    enum cvg_objective objective;
    double rate_rps;
    struct cvg_place rate_at; /* where the workload gives it */
};

struct cvg_workload {
    char *path;
    cvg_span duration, warmup;
    bool trace; /* the file is a trace: its duration is that of its rows */
    struct cvg_stream *streams; /* at most one per app, in app order */
    size_t n_streams;
    struct cvg_workload_event *events; /* sorted by `at` */
    size_t n_events;
};

void cvg_workload_destroy(struct cvg_workload *workload);

/* How long arrivals go on at that load: a trace is played `load` times as
 * fast, and so ends earlier or later. */
cvg_span cvg_workload_duration(const struct cvg_workload *workload,
                               double load);

/* About how many requests arrive at that load: rates x time, with the changes
 * of rate, and the rows of traces. */
double cvg_workload_requests(const struct cvg_workload *workload, double load);

/* The largest deadline that any request of a run could have: the apps' own,
 * those of SLO events, those of trace rows; `least` if they are all smaller. */
cvg_span cvg_workload_largest_deadline(const struct cvg_workload *workload,
                                       const struct cvg_box *box,
                                       cvg_span least);

/* The rate that it has without load and rate events; of an MMPP the mean over
 * its states, of a trace 0. */
double cvg_stream_rate(const struct cvg_stream *stream);

/* Draws the arrivals of one stream, one after the other. A stream per (seed,
 * app), the same for every policy. `load` multiplies the rate (a trace is
 * played that many times as fast). Only `next` is for the caller. */
struct cvg_arrival_source {
    const struct cvg_stream *stream; /* borrowed */
    cvg_span next; /* its next arrival, from the start; CVG_NEVER: none */
    double load;
    struct cvg_rng rng, states;
    double scale;    /* of the stream's own rates: load and rate events */
    uint64_t count;  /* arrivals drawn; of a trace: rows played */
    cvg_span last;   /* the arrival before */
    double clock_ns; /* up to here `left` and the state are true */
    double left;     /* operational time until the next one */
    double due_ns;   /* its instant, without jitter */
    double jitter_ns;
    uint32_t state; /* mmpp: cyclic */
    double state_until_ns;
};

void cvg_arrivals_init(struct cvg_arrival_source *source,
                       const struct cvg_stream *stream, uint64_t seed,
                       double load);
/* Moves to the next arrival; `next` is then its instant. */
void cvg_arrivals_advance(struct cvg_arrival_source *source);
/* A workload event: from `at` (not after `next`) on the stream has this rate
 * (x load): what is left of the current gap is stretched or shrunk. The states
 * of an MMPP are scaled so that their mean is the rate; a trace has none. */
void cvg_arrivals_set_rate(struct cvg_arrival_source *source, cvg_span at,
                           double rate_rps);
/* The trace's row of `next`; NULL if the stream is no trace, or at its end. */
const struct cvg_trace_row *cvg_arrivals_row(
    const struct cvg_arrival_source *source);

#endif

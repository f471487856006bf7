/* What a run has counted, for reports and metrics. Plain numbers; only rises.
 */
#ifndef CONVERGO_STATS_H
#define CONVERGO_STATS_H

#include <convergo/box.h>
#include <convergo/request.h>
#include <convergo/time.h>
#include <stdint.h>

struct cvg_histogram; /* base/histogram.h: of spans, ns, 1 % wide buckets */

struct cvg_counts {
    uint64_t offered; /* = served + dropped + rejected + failed (when drained);
                       * cancelled ones have left it */
    uint64_t served, on_time, late, dropped, rejected, failed, cancelled;
};

/* met / offered per kind, over requests of apps that declare it. */
struct cvg_slo_counts {
    uint64_t met[CVG_SLO_KINDS], offered[CVG_SLO_KINDS];
    uint64_t joint_met, joint_offered;
};

struct cvg_app_stats {
    struct cvg_counts counts;  /* of requests that arrived after the warm-up */
    struct cvg_slo_counts slo; /* judged windows only */
    double accuracy_sum;       /* validated, over served requests */
    double lowest_accuracy_window; /* of 10 s, by reply; 2: none yet */
    double energy_j;               /* of the batches that served them */
    uint64_t right, labelled; /* bench only: answers that matched a label */
    struct cvg_histogram *latency; /* arrival to reply; owned */
    struct cvg_histogram *queued;  /* arrival to start; owned */
    uint64_t *served_by;           /* [variant * CVG_MAX_EXITS + exit]; owned */
    uint64_t dropped_for[CVG_REASONS];
};

struct cvg_device_stats {
    uint64_t batches, items, failures, switches, loads;
    cvg_span busy;        /* unit-ns during which a unit held a batch */
    cvg_span switching;   /* of it: predicted switch and load time */
    cvg_span worked;      /* on batches that were answered, each as if alone */
    cvg_span worked_late; /* of it: batches that held a request that was late */
    double energy_j;      /* of batches (idle and switch energy: see report) */
    double slowdown;      /* observed / profiled, lately; 1 = as profiled */
    bool up;
};

struct cvg_stats {
    size_t n_apps, n_devices, n_variants;
    struct cvg_app_stats *apps;
    struct cvg_device_stats *devices;
    /* mean accuracy of answers in 10-s windows of the whole run */
    double lowest_accuracy_window; /* 2 when there was none yet */
    cvg_time from, until;          /* measured span; until = last event */
    uint64_t steps, evaluations;   /* engine steps; candidates looked at */
};

#endif

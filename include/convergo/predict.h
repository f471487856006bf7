/* Predicted response times: queueing models of one device (M/G/1 with
 * switching and processor sharing as in Ibis: Liang et al., Model-driven
 * Cluster Resource Management for AI Workloads in Edge Clouds, ACM TAAS 18(1),
 * 2023, section 4).
 *
 * A station is a device with what it serves: classes of requests, each one way
 * to run one application. Arrivals are taken to be Poisson and to be served in
 * the order in which they come. A class that runs in batches of b waits until
 * b are there: the first for b - 1 gaps between its arrivals, the last not at
 * all. Nobody has to do so: it is what full batches cost.
 *
 * Model `paper` is Ibis to the letter. One unit takes an equal part of the
 * load. Of rates l, times s, switch times o, all in sum L:
 *
 *     fcfs     p = 1 - l/L,  S = s + p o,  W = L E[S^2] / (2 (1 - rho)),
 *              R = W + S
 *     sharing  R = s + 1/(1/E[s] - L) - E[s]           (its Eq. 7)
 *
 * Model `exact` is exact where theory is, and says here where it is not:
 *     one fcfs unit     times vary as profiled. Whether a switch is needed
 *                       follows from the chance that the variant is still in
 *                       the unit's cache, the least recently used going first.
 *                       Where the unit holds one variant the wait counts with
 *                       successive switches that depend on each other (M/SM/1:
 *                       the service of a request depends on the one before).
 *                       Where it holds several these are taken for
 *                       independent.
 *     batches           come full, so more regularly than a Poisson process:
 *                       the wait is less by what Allen and Cunneen (1978) say.
 *     several units     Erlang's C of the load, for the variance of times as
 *                       Lee and Longton (1959) do; exact for exponential times.
 *     sharing           R = s / (1 - rho), whatever the times' distribution;
 *                       with room for K batches at once and the rest waiting,
 *                       as Zhang and Zwart (Queueing Systems 60, 2008):
 *                       K = 1 is M/G/1 and K without end is sharing, exactly.
 *
 * Quantiles take a wait for exponential beyond the chance that there is one:
 * exact for M/M/1, close for M/G/1 from a load of a half on.
 *
 * Times are in seconds. Nothing here allocates, reads a clock or keeps state; a
 * call takes microseconds. */
#ifndef CONVERGO_PREDICT_H
#define CONVERGO_PREDICT_H

#include <convergo/box.h>

enum cvg_predict_model { CVG_PREDICT_EXACT, CVG_PREDICT_PAPER };
/* "exact", "paper" */
const char *cvg_predict_model_name(enum cvg_predict_model model);

#define CVG_PREDICT_POINTS 20
/* Of a station; beyond that no prediction is made. */
#define CVG_PREDICT_CLASSES 128U

struct cvg_class {
    double rate_rps;  /* of requests, > 0 */
    uint32_t batch;   /* >= 1 */
    uint32_t variant; /* classes of one variant do not switch between them */
    double points_s[CVG_PREDICT_POINTS]; /* times of a batch, equally likely */
    double switch_s;                     /* to bring the variant in, >= 0 */
    double cache_share; /* of a unit's cache, 0..1; 1: it holds nothing else */
};

/* A flow of `rate_rps` as a class: times of stages 0..exit as profiled, times
 * `slowdown`, and the switch cost of the device. */
void cvg_class_init(struct cvg_class *out, const struct cvg_box *box,
                    uint32_t device, uint32_t variant, uint32_t exit,
                    uint32_t batch, double rate_rps, double slowdown);

/* Mean and mean square of a batch's time, without switching. */
double cvg_class_mean(const struct cvg_class *c);
double cvg_class_square(const struct cvg_class *c);

struct cvg_station {
    enum cvg_discipline discipline;
    uint32_t units;                  /* >= 1 */
    uint32_t in_flight;              /* of a unit; counts when it is shared */
    const struct cvg_class *classes; /* [n], borrowed */
    size_t n;                        /* up to CVG_PREDICT_CLASSES */
};

struct cvg_response {           /* of one class */
    const struct cvg_class *of; /* borrowed from the station */
    double mean_s;        /* INFINITY: the device gets more than it can do */
    double switch_chance; /* that its batch has to switch, 0..1 */
    double wait_s;        /* for a place on a unit, mean over all */
    double stretch;       /* by sharing, >= 1 */
    double delay_chance;  /* that there is a wait, or a share of the unit */
};

/* out[n]: of each class. Returns the load of the units, switching included: 1
 * and more (or less by a millionth) is too much, and all times are INFINITY
 * then. */
double cvg_predict_station(const struct cvg_station *station,
                           enum cvg_predict_model model,
                           struct cvg_response *out);

/* The probability that a request takes longer than t. */
double cvg_response_tail(const struct cvg_response *r, double t_s);
/* The time that a share `q` (0 < q < 1) of requests keeps, of an application
 * whose requests take the n classes in proportion to their rates. INFINITY: one
 * of these grows without end. */
double cvg_response_quantile(const struct cvg_response *const *r, size_t n,
                             double q);

#endif

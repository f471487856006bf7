/* The fluid bound: what no way of scheduling can beat (DESIGN.md section 5).
 *
 * Requests are taken for a liquid. Of each app, x[variant, exit, device, batch]
 * requests a second are served by batches of that size on that device. The
 * linear program
 *
 *     maximise    sum  weight * in_time * x
 *     subject to  sum of x over the ways of an app    <= its rate
 *                 sum of time / batch * x on a device <= its units
 *                 sum of in_time * (accuracy - asked) * x >= 0
 *                     for an app that is judged by the mean of a window
 *
 * counts only ways that keep the bounds of accuracy and energy, and each with
 * the probability that its service time alone is within the deadline. There is
 * no queue in it, no switching, loading or contention, no limit of memory, and
 * no window that must be whole: each of these only makes things worse. Apps
 * without SLO ask for nothing and take nothing. The rows are those of Proteus'
 * program (Ahmad et al., ASPLOS 2024, table 1) without its whole numbers.
 *
 * A request is taken to run all its stages in batches of one size.
 *
 * Calls may block for milliseconds: they belong off the loop. Equal questions
 * have equal answers, bit for bit. */
#ifndef CONVERGO_FLUID_H
#define CONVERGO_FLUID_H

#include <convergo/box.h>

struct cvg_fluid_demand {
    const struct cvg_box *box; /* borrowed, as all below */
    /* [n_apps]: with their SLOs as of now; NULL: the box's own. */
    const struct cvg_app *apps;
    const double *rates_rps; /* [n_apps] of arrivals, >= 0 */
    /* [n_devices]: observed / profiled time; INFINITY: down. NULL: all 1. */
    const double *slowdown;
    const bool *enabled; /* [n_variants]; NULL: all */
    /* Service must fit into this share of the deadline, 0 < share <= 1, to
     * leave time for the queue; 0: all of it, as in the bound. */
    double deadline_share;
    bool weighted; /* by the apps' weights; else every request counts 1 */
};

struct cvg_flow {
    uint32_t app, variant, exit, device, batch;
    double rate_rps;
};

/* A best solution has no more flows than the program has rows. */
#define CVG_MAX_FLOWS (CVG_MAX_DEVICES + 2 * CVG_MAX_APPS)

/* Without pointers: it can be copied, and recorded as bytes. */
struct cvg_fluid {
    /* Share of the requests that ask for something, by weight if so asked,
     * that is jointly satisfied; negative: none asks for anything. */
    double joint;
    double met_rps[CVG_MAX_APPS]; /* jointly satisfied requests a second */
    /* What one request a second more of the app would add to the objective
     * (in requests a second, by weight): the dual of its rate. */
    double worth[CVG_MAX_APPS];
    /* What one unit more of the device would add: the dual of its time, in
     * requests (by weight) for a second of a unit. */
    double price[CVG_MAX_DEVICES];
    double busy[CVG_MAX_DEVICES]; /* share of the time of its units, 0..1 */
    uint32_t n_flows;
    struct cvg_flow flows[CVG_MAX_FLOWS]; /* by app, then device */
};

/* *out is the caller's storage. CVG_NOMEM; CVG_LIMIT: the solver gave up. */
enum cvg_status cvg_fluid_solve(const struct cvg_fluid_demand *demand,
                                struct cvg_fluid *out, struct cvg_error *err);

/* Load 1.0: the highest factor on all rates at which every request can still
 * be met, while each unit of a device that pays for changing the variant holds
 * one cache-full of variants and never changes it (without a cache: one).
 *
 * "Can be met" is by ways that are in time with probability 0.99 or more, alone
 * on their unit, that is by their p99, each counted as certain: the tail of
 * times would otherwise keep the bound below 1 at any load. So the fluid bound
 * at load 1.0 is at least 0.99, and 1 where times do not vary. Apps that cannot
 * be met so even alone on an idle box are left out. What the units hold is
 * found by a mixed-integer program (branch and bound, to a limit of nodes). */
struct cvg_load_one {
    double factor; /* INFINITY: no load can be too much; 0: no app can be met */
    bool exact;    /* false: the search ended at its limit, it may be more */
    uint32_t left_out; /* apps */
};
/* Of `demand`, deadline_share and weighted do not count. */
enum cvg_status cvg_load_one(const struct cvg_fluid_demand *demand,
                             struct cvg_load_one *out, struct cvg_error *err);

#endif

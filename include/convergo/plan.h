/* The plan: which app is to be served where, for the demand of the moment.
 *
 * Made off the loop from the fluid program (fluid.h), with what that leaves
 * out and a scheduler cannot: each unit that pays for changing the variant
 * keeps one cache-full; service leaves time for the queue, and batches fill
 * while a deadline lasts; windows of guaranteed throughput are held whole or
 * given up whole. A policy follows it as far as the moment allows. */
#ifndef CONVERGO_PLAN_H
#define CONVERGO_PLAN_H

#include <convergo/fluid.h>

#define CVG_MAX_FAILED 64U

/* What a plan is asked for: the box as it is now. */
struct cvg_question {
    double rates_rps[CVG_MAX_APPS]; /* of arrivals, lately */
    /* Of their numbers in 100 ms: variance over mean; 1 for independent ones,
     * the least that counts. Known where the allocation's pace is smoothed. */
    double dispersion[CVG_MAX_APPS];
    struct cvg_slo slos[CVG_MAX_APPS];
    double slowdown[CVG_MAX_DEVICES]; /* observed / profiled; INFINITY: down */
    bool enabled[CVG_MAX_VARIANTS];
    /* Variants that could not be loaded there; more than these are left out. */
    uint32_t n_failed;
    struct {
        uint32_t device, variant;
    } failed[CVG_MAX_FAILED];
    /* The flows of the last plan: what units keep is left as it was, unless
     * there is little to spare and another arrangement is clearly better, or
     * somebody would have no place. `settled`: only then. */
    uint32_t n_flows;
    struct cvg_flow flows[CVG_MAX_FLOWS];
    bool settled;
};

static inline bool cvg_question_failed(const struct cvg_question *q,
                                       uint32_t device, uint32_t variant)
{
    for (uint32_t i = 0; i < q->n_failed; i++) {
        if (q->failed[i].device == device && q->failed[i].variant == variant) {
            return true;
        }
    }
    return false;
}

/* With room for that many times the load, plans save energy. */
#define CVG_PLAN_HEADROOM 1.3

/* Without pointers: it can be copied, and recorded. */
struct cvg_plan {
    /* How many times the rates asked for could be served; below 1: some of the
     * demand is left out. Apps that nothing could serve, however few requests
     * they had, do not count. 1e6: nobody else asks for anything. */
    double factor;
    double rates_rps[CVG_MAX_APPS]; /* asked for */
    /* Could be served, of factor x rates from 1 on; else of the rates, and a
     * little more. Apps without arrivals count as if they had a few: they keep
     * a home. */
    double served_rps[CVG_MAX_APPS];
    /* Its guaranteed throughput is out of reach: its windows are lost. */
    bool given_up[CVG_MAX_APPS];
    /* The mean accuracy that windows of the app are to have: what it asks for
     * or, where that gives way and demand is too high for it, what can be had;
     * 0: its accuracy is not that of a mean. */
    double accuracy[CVG_MAX_APPS];
    /* What one request a second more of the app would add, by weight, beyond
     * what it costs; below factor 1. */
    double worth[CVG_MAX_APPS];
    /* Of a second of a unit, in requests by weight. From factor 1 on: if the
     * load grew until all is in use; below: as things are. */
    double price[CVG_MAX_DEVICES];
    /* Share of its units' time in the flows; those that leave no time for a
     * queue count 1.25 times. */
    double busy[CVG_MAX_DEVICES];
    /* There is room to spare, and energy to be saved: the flows are those of
     * the least energy at CVG_PLAN_HEADROOM times the rates, scaled to the
     * factor (so that a device can be more than busy). Other ways are not as
     * good, whatever the prices say. */
    bool frugal;
    uint32_t n_flows;
    struct cvg_flow flows[CVG_MAX_FLOWS]; /* by app, then device */
};

/* *out is the caller's storage. May block for milliseconds: off the loop.
 * Equal questions have equal answers, bit for bit. CVG_NOMEM; CVG_LIMIT: the
 * solver gave up. */
enum cvg_status cvg_plan_make(const struct cvg_box *box,
                              const struct cvg_question *question,
                              struct cvg_plan *out, struct cvg_error *err);

#endif

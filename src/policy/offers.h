/* Batches that could be begun, for policies that decide batch by batch.
 *
 * parts.c plans request by request. The peers of this folder decide about
 * whole batches, as their authors do: of an app's requests, in the order of
 * their keys, the first that a unit could still answer in time leads, and each
 * way to run it (ways.h: accurate enough, energy bound kept) is offered with
 * the largest batch that is in time for it. A policy begins one of these, or
 * reserves it: the requests then count on that unit, which gets to it later.
 * What is reserved is forgotten at the end of the call. */
#ifndef CVG_POLICY_OFFERS_H
#define CVG_POLICY_OFFERS_H

#include "policy/ways.h"

struct cvg__offer {
    const struct cvg_unit *unit;
    const struct cvg_request *first; /* leads it; its deadline is kept */
    struct cvg__way way;
    uint32_t min, n;
    cvg_time begin;  /* when the unit gets to it; now: at once */
    cvg_time alone;  /* expected end of the smallest batch */
    cvg_time finish; /* of all n, by a high quantile */
    cvg_span time;   /* of the unit, expected: switch and service */
    cvg_span change; /* of it: the switch */
};

struct cvg__offers { /* begins a policy's state; arrays follow it */
    /* A high quantile of the service time; NULL: the profile's 95th percentile
     * times the device's slowdown. */
    double (*likely_ns)(const struct cvg__offers *o,
                        const struct cvg_view *view, uint32_t device,
                        const struct cvg__way *way, uint32_t n);
    /* of this call: */
    cvg_span reserved[CVG_MAX_UNITS]; /* time of the unit */
    bool begun[CVG_MAX_UNITS];
    uint32_t n_reserved;
    const struct cvg_request *after[CVG_MAX_APPS]; /* reserved up to that one */
    uint32_t spoken_for[CVG_MAX_APPS];
    /* lasting: */
    double *soonest_ns; /* [app * n_devices + device]: of anything there */
    struct cvg__ways own, apps[CVG_MAX_APPS];
};

/* Bytes that follow a policy's state, the first of which is the cvg__offers,
 * and giving them to it. */
size_t cvg__offers_extra(const struct cvg_box *box);
void cvg__offers_init(struct cvg__offers *o, const struct cvg_view *view,
                      void *extra);

/* The ways of an app's requests that have no bounds of their own. */
const struct cvg__ways *cvg__offers_ways(struct cvg__offers *o,
                                         const struct cvg_view *view,
                                         uint32_t app);

/* The beginning and the end of a choose(). The end also brings in what nothing
 * in memory can serve, and asks to be called again if there is more to begin.
 */
void cvg__offers_call(struct cvg__offers *o, const struct cvg_view *view);
void cvg__offers_end(struct cvg__offers *o, const struct cvg_view *view,
                     struct cvg_choices *choices);

/* May a batch be begun there now? One a call: the view shows units as they were
 * before. */
bool cvg__offers_room(const struct cvg__offers *o, const struct cvg_view *view,
                      const struct cvg_unit *unit);

/* The ways to serve, from this unit, the first request of the app that is not
 * spoken for and that the unit can answer in time, room or not: at most
 * CVG__WAYS_PER_DEVICE, the cheapest first. Only those of `variant`, if it is
 * not CVG_ANY. */
uint32_t cvg__offers_on(struct cvg__offers *o, const struct cvg_view *view,
                        const struct cvg_unit *unit, uint32_t app,
                        uint32_t variant, struct cvg__offer *out);

/* The best way, over all units, busy or not, to serve the first request of the
 * app that any of them can have done in time. */
typedef bool cvg__better(const struct cvg__offers *o,
                         const struct cvg_view *view,
                         const struct cvg__offer *a,
                         const struct cvg__offer *than);
bool cvg__offers_best(struct cvg__offers *o, const struct cvg_view *view,
                      uint32_t app, cvg__better *is_better,
                      struct cvg__offer *best);
/* Is there a unit with room, and is it worth going on? */
bool cvg__offers_left(const struct cvg__offers *o, const struct cvg_view *view);

/* The app, among those not settled, whose next request that is not spoken for
 * goes before those of the others; CVG_ANY: none is left. */
uint32_t cvg__offers_most_urgent(const struct cvg__offers *o,
                                 const struct cvg_view *view,
                                 const bool *settled);

/* Would it make a batch late that a shared unit holds? */
bool cvg__offer_harms(const struct cvg_view *view,
                      const struct cvg__offer *batch);

/* Begins it, with the requests of the app that are served well by it. False:
 * there are too few; nothing is begun. */
bool cvg__offer_begin(struct cvg__offers *o, const struct cvg_view *view,
                      struct cvg_choices *choices,
                      const struct cvg__offer *batch);
/* Its requests and the time of its unit are spoken for. */
void cvg__offer_reserve(struct cvg__offers *o, const struct cvg_view *view,
                        const struct cvg__offer *batch);

/* Begins it if its unit has room and nobody is harmed, else reserves it. */
bool cvg__offer_take(struct cvg__offers *o, const struct cvg_view *view,
                     struct cvg_choices *choices,
                     const struct cvg__offer *batch);

/* Energy of one request of the batch, the switch included, J. */
double cvg__offer_energy(const struct cvg_view *view,
                         const struct cvg__offer *batch);

/* Earliest deadline first, inside an app's queue: the key of all that use
 * this. */
int64_t cvg__offers_key(void *state, const struct cvg_view *view,
                        const struct cvg_request *request);

#endif

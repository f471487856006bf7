/* Policy `convergo`, inside: what its files share.
 *
 *   order_convergo.c    combine: what every unit is to begin now
 *   convergo_batch.c    constrain: the batches that could be begun on a unit
 *   convergo_plan.c     what the plan says of apps and devices
 *   convergo_worth.c    prioritise: what requests of an app are worth now
 *
 * Worth, prices and harm are counted in requests that are jointly satisfied,
 * by their apps' weights. */
#ifndef CVG_POLICY_CONVERGO_H
#define CVG_POLICY_CONVERGO_H

#include "policy/ways.h"

/* Between a predicted finish and a deadline. */
#define CVG__SAFETY CVG_US(300)

struct cvg__place_of_app { /* an app on a device */
    double soonest_ns;     /* the fastest that anything could be done there */
    /* By the plan: */
    double rate_rps; /* that its units take together; 0: not its home */
    double alone_ns; /* of one request by itself */
    /* The call in which it was last looked at there, and the request behind
     * which nothing mattered; NULL: any more request might. */
    uint64_t call;
    const struct cvg_request *settled;
};

struct cvg__app_state {
    struct cvg__ways ways;
    cvg_time favoured; /* when it last went before its turn */
    /* By the plan: */
    double rate_rps;     /* offered */
    double served_rps;   /* that can be served */
    bool given_up;       /* its windows cannot be held */
    double cost;         /* of a request by the cheapest way; 0: unknown */
    double planned_cost; /* ... by the dearest that the plan takes, and what the
                          * request is worth beyond that */
    /* In this call: */
    double worth; /* of one of its requests */
    bool behind;  /* its window will be lost if nothing is done */
    bool crowded; /* more waits than can be served in time: some are lost */
    bool spills;  /* more waits than its homes should be left alone with */
};

struct cvg__convergo {
    uint64_t plans;              /* the number of the plan that is taken in */
    uint64_t loaded;             /* the one that variants were brought in for */
    const struct cvg_plan *plan; /* NULL: none yet */
    bool at_ease;                /* the load is far from what could be served */
    double price[CVG_MAX_DEVICES];  /* of a ns, to compare ways by */
    double charge[CVG_MAX_DEVICES]; /* of a ns, as crowded as it is now */
    double spare[CVG_MAX_DEVICES];  /* units that the plan leaves idle */
    uint32_t turn[CVG_MAX_UNITS];   /* units, those of small batches first */
    /* This call: when a unit that was given a batch should be done with it; 0:
     * none was. The view shows units as they were before. */
    cvg_time begun[CVG_MAX_UNITS];
    uint64_t call;                    /* of choose(), counted */
    struct cvg__place_of_app *places; /* [app * n_devices + device] */
    struct cvg__ways own;             /* of a request with bounds of its own */
    struct cvg__app_state apps[CVG_MAX_APPS];
};

static inline struct cvg__place_of_app *cvg__place_of(
    const struct cvg__convergo *s, const struct cvg_view *view, uint32_t app,
    uint32_t device)
{
    return &s->places[(size_t)app * view->box->n_devices + device];
}

/* --- convergo_plan.c ------------------------------------------------------ */

/* Takes in the view's plan if it is a new one. */
void cvg__convergo_plan(struct cvg__convergo *s, const struct cvg_view *view);

/* Is it the plan's own way to serve the app on that device? */
bool cvg__convergo_planned(const struct cvg__convergo *s, uint32_t app,
                           uint32_t device, uint32_t variant);

/* Share of a shared device's time that more urgent apps will take while a
 * batch of the app is on it for that long. */
double cvg__convergo_share(const struct cvg__convergo *s,
                           const struct cvg_view *view, uint32_t app,
                           uint32_t device, cvg_span time);

/* Is any of the plan's own ways to serve the app in the memory of the device,
 * or of any (CVG_ANY), and that up? */
bool cvg__convergo_has_home(const struct cvg__convergo *s,
                            const struct cvg_view *view, uint32_t app,
                            uint32_t device);

/* Would another home of the app serve what it has waiting for clearly less than
 * `cost` a request, and in time, with that much slack for the first of them? */
bool cvg__convergo_elsewhere(const struct cvg__convergo *s,
                             const struct cvg_view *view,
                             const struct cvg_unit *but, uint32_t app,
                             double cost, cvg_span slack);

/* Could a request that is due then wait for another home of the app? */
bool cvg__convergo_has_other(const struct cvg__convergo *s,
                             const struct cvg_view *view,
                             const struct cvg_unit *but, uint32_t app,
                             cvg_time due);

/* What requests of other apps, still to come, would be lost if the unit were
 * blocked for so long by the app. */
double cvg__convergo_harm(const struct cvg__convergo *s,
                          const struct cvg_view *view,
                          const struct cvg_unit *unit, uint32_t app,
                          cvg_span time);

/* --- convergo_worth.c ----------------------------------------------------- */

/* The part of the apps' state that is of this call. */
void cvg__convergo_worth(struct cvg__convergo *s, const struct cvg_view *view);

/* Is an app's still the same, though one more request of it has come? */
bool cvg__convergo_same_worth(const struct cvg__convergo *s,
                              const struct cvg_view *view, uint32_t app);

/* --- convergo_batch.c ----------------------------------------------------- */

struct cvg__candidate { /* a batch that could be begun on a unit now */
    const struct cvg_unit *unit;
    uint32_t app;
    struct cvg__way way;
    const struct cvg_request *first;
    uint32_t n;
    cvg_span time;    /* of the unit: switch and service */
    cvg_time finish;  /* predicted, high quantile */
    cvg_span slack;   /* of the first request, beyond the finish */
    double cost;      /* price x time, per request */
    double value;     /* gained per ns of the unit's time */
    bool home;        /* the plan's way, or as cheap */
    bool elsewhere;   /* it could wait for another home of its app */
    bool must_go;     /* it has waited for its turn */
    uint32_t binding; /* kinds that ruled out a cheaper way */
};

/* A request without deadline that was passed over for long enough makes no
 * more conditions, and once in a while it goes before its turn: nobody
 * starves. No more often, or apps without SLO would crowd out the others. */
#define CVG__PATIENCE CVG_S(1)
bool cvg__convergo_overdue(const struct cvg_view *view,
                           const struct cvg_request *r);

/* The next request of the app that the unit could run, and in time if it were
 * idle. NULL: none. */
const struct cvg_request *cvg__convergo_next(const struct cvg__convergo *s,
                                             const struct cvg_view *view,
                                             const struct cvg_unit *unit,
                                             uint32_t app,
                                             const struct cvg_request *after);

/* The best batch of the app for the unit; `spills`: it need not be home there.
 * False: none that is in time and worth it. Says when to think again. */
bool cvg__convergo_candidate(struct cvg__convergo *s,
                             const struct cvg_view *view,
                             struct cvg_choices *choices,
                             const struct cvg_unit *unit, uint32_t app,
                             bool spills, struct cvg__candidate *c);

/* False: after all too few requests go together. */
bool cvg__convergo_begin(const struct cvg_view *view,
                         struct cvg_choices *choices,
                         const struct cvg__candidate *c);

#endif

/* How long a device may be kept from who will come.
 *
 * Who has an answer that will do goes on for the sake of accuracy only. While
 * he does, a device that finishes what it has begun keeps others waiting: one
 * whose bound leaves him less slack than that is late. How many that will be is
 * estimated from how often each app's requests came in the last second or two,
 * and how little slack one of them had. No app is to lose more than one request
 * in 500 by that estimate; as who is late delays others, it is one in 150 or so
 * where it comes to that. */
#include "engine/state.h"

#include <math.h>

#define LOSS 0.002     /* of an app's requests */
#define MOST_LOSS 0.25 /* that it may have saved up */
#define PERIOD CVG_S(1)

void cvg__spare_init(struct cvg_engine *e)
{
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        e->spare[a] = (struct spare){.from = e->now,
                                     .least = CVG_NEVER,
                                     .least_before = CVG_NEVER,
                                     .credit = MOST_LOSS};
    }
}

static void advance(struct spare *s, cvg_time now)
{
    if (now - s->from < PERIOD) {
        return;
    }
    bool next = now - s->from < 2 * PERIOD;
    s->before = next ? s->count : 0;
    s->least_before = next ? s->least : CVG_NEVER;
    s->count = 0;
    s->least = CVG_NEVER;
    s->from = next ? s->from + PERIOD : now;
}

void cvg__spare_arrived(struct cvg_engine *e, const struct slot *slot)
{
    struct spare *s = &e->spare[slot->request.app];
    cvg_time due = cvg_request_due(&slot->request);
    cvg_span alone = cvg__reach(e, &slot->request)->up;
    advance(s, e->now);
    s->count++;
    s->credit += LOSS;
    s->credit = fmin(s->credit, MOST_LOSS);
    if (due != CVG_NEVER && alone != CVG_NEVER) {
        cvg_span slack = due - e->now - alone;
        if (slack >= 0) { /* else nobody can help */
            s->least = slack < s->least ? slack : s->least;
        }
    }
}

/* Requests per ns, over the last period. */
static double rate(const struct spare *s, cvg_time now)
{
    double into = (double)(now - s->from) / (double)PERIOD;
    return (s->before * (1 - into) + s->count) / (double)PERIOD;
}

static cvg_span least_slack(const struct spare *s)
{
    return s->least < s->least_before ? s->least : s->least_before;
}

/* Is the device fast enough for those of the app with the least slack? */
static bool could_serve(const struct cvg_engine *e, uint32_t app,
                        uint32_t device)
{
    cvg_span time = e->alone[app * e->box->n_devices + device];
    return time != CVG_NEVER &&
           time - e->reach[app].up <= least_slack(&e->spare[app]);
}

/* Could another unit see to them at once? */
static bool has_other(const struct cvg_engine *e, uint32_t app, uint32_t unit)
{
    bool any = e->n_free_units > cvg_view_free(&e->view, &e->units[unit]);
    for (uint32_t u = 0; any && u < e->n_units; u++) {
        if (u != unit && e->units[u].n_held == 0 &&
            cvg_view_free(&e->view, &e->units[u]) &&
            could_serve(e, app, e->units[u].device)) {
            return true;
        }
    }
    return false;
}

/* Is it kept waiting by what that unit does? */
static bool waits_for(struct cvg_engine *e, uint32_t app, uint32_t unit)
{
    struct spare *s = &e->spare[app];
    advance(s, e->now);
    return least_slack(s) != CVG_NEVER && rate(s, e->now) > 0 &&
           could_serve(e, app, e->units[unit].device) &&
           !has_other(e, app, unit);
}

cvg_span cvg__slack(struct cvg_engine *e, uint32_t unit)
{
    cvg_span least = CVG_NEVER;
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        if (waits_for(e, a, unit)) {
            cvg_span slack = least_slack(&e->spare[a]);
            least = slack < least ? slack : least;
        }
    }
    return least;
}

cvg_span cvg__spare_time(struct cvg_engine *e, uint32_t unit)
{
    cvg_span most = CVG_NEVER;
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        if (waits_for(e, a, unit)) {
            const struct spare *s = &e->spare[a];
            double beyond = fmax(s->credit, 0) / rate(s, e->now);
            cvg_span time = least_slack(s) + (cvg_span)beyond;
            most = time < most ? time : most;
        }
    }
    return most;
}

void cvg__spare_spend(struct cvg_engine *e, uint32_t unit, cvg_span time)
{
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        if (waits_for(e, a, unit)) {
            struct spare *s = &e->spare[a];
            cvg_span beyond = time - least_slack(s);
            s->credit -= beyond > 0 ? (double)beyond * rate(s, e->now) : 0;
        }
    }
}

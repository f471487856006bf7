/* What requests of an app are worth now.
 *
 * A request is worth its app's weight, with two exceptions for apps with a
 * guaranteed throughput, whose windows are met or lost as a whole. One whose
 * window is lost, or given up by the plan, is worth little: it cannot be
 * jointly satisfied. One whose window is behind, losing more than it can afford
 * until its end, is worth that much more: with it stands the window. */
#include "policy/convergo.h"

#include <math.h>

#define WITHOUT_SLO 0.01 /* share of the weight, as the others */
#define WINDOW_LOST 0.1
#define WINDOW_BEHIND 10
/* A window is to be held with this to spare. */
#define MARGIN 0.05

/* An app spills to other devices when more of it waits than its homes serve in
 * this share of its deadline; from the second on some of it will be lost. */
#define SPILLS 0.5
#define CROWDED 0.7

static void look_at_window(struct cvg__app_state *app,
                           const struct cvg_slo *slo,
                           const struct cvg_recent *recent)
{
    double offered = fmax(recent->offered, app->rate_rps);
    double needed = 0.95 * fmin(slo->throughput_rps, offered);
    double allowed = offered - needed;
    /* Requests are lost about a deadline after they came. */
    double lag = cvg_slo_has(slo, CVG_SLO_DEADLINE) ? (double)slo->deadline : 0;
    double elapsed = fmax((double)recent->elapsed - lag, 0) * 1e-9;
    if (recent->lost > allowed || app->given_up) {
        app->worth *= WINDOW_LOST;
    } else if (recent->lost > (allowed - MARGIN * needed) * elapsed) {
        app->worth *= WINDOW_BEHIND;
        app->behind = true;
    }
}

/* More waiting than is served in that share of the deadline? */
static bool more_than(const struct cvg__app_state *app,
                      const struct cvg_slo *slo, uint32_t waiting, double share)
{
    return cvg_slo_has(slo, CVG_SLO_DEADLINE) &&
           waiting > app->served_rps * share * (double)slo->deadline * 1e-9;
}

static void work_out(const struct cvg__convergo *s, const struct cvg_view *view,
                     uint32_t a, struct cvg__app_state *app)
{
    bool over = s->plan != NULL && s->plan->factor < 1;
    const struct cvg_slo *slo = &view->apps[a].slo;
    uint32_t waiting = cvg_view_waiting(view, a);
    app->worth = view->apps[a].weight;
    app->behind = false;
    app->crowded = over;
    app->spills = true;
    if (slo->declared == 0) {
        app->worth *= WITHOUT_SLO;
    } else if (s->plan != NULL) {
        if (cvg_slo_has(slo, CVG_SLO_THROUGHPUT)) {
            struct cvg_recent recent = cvg_view_recent(view, a);
            look_at_window(app, slo, &recent);
        }
        app->crowded = over || more_than(app, slo, waiting, CROWDED);
        app->spills = more_than(app, slo, waiting, SPILLS);
    }
}

void cvg__convergo_worth(struct cvg__convergo *s, const struct cvg_view *view)
{
    for (uint32_t a = 0; a < view->n_apps; a++) {
        work_out(s, view, a, &s->apps[a]);
    }
}

bool cvg__convergo_same_worth(const struct cvg__convergo *s,
                              const struct cvg_view *view, uint32_t app)
{
    const struct cvg__app_state *was = &s->apps[app];
    struct cvg__app_state is = *was;
    work_out(s, view, app, &is);
    return is.worth == was->worth && is.behind == was->behind &&
           is.crowded == was->crowded && is.spills == was->spills;
}

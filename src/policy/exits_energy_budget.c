/* Goes on as long as the box keeps to a budget of energy: joules an hour, as a
 * bucket that time fills and that all batches empty. It holds what a minute
 * brings, and is full at the start, so that a quiet minute is not lost; what
 * first answers cost is spent whatever it holds. The bounds of the request
 * itself are kept as by `predictive`.
 *
 * Spent is what the profile says of batches when they begin. */
#include "policy/exits.h"

#include <math.h>

#define BUCKET_S 60

struct state {
    bool begun;
    double credit_j; /* as of then: */
    cvg_time at;
    double spent_j; /* by the box */
};

static size_t state_size(const struct cvg_box *box)
{
    (void)box;
    return sizeof(struct state);
}

/* Asked twice at one instant it is the same. */
static double credit(struct state *s, const struct cvg_view *view)
{
    double budget_w = view->box->policy.budget_w;
    double spent_j = cvg_view_energy(view);
    double earned_j = s->begun ? budget_w * (double)(view->now - s->at) * 1e-9
                               : budget_w * BUCKET_S;
    s->credit_j = fmin(s->credit_j + earned_j - (spent_j - s->spent_j),
                       budget_w * BUCKET_S);
    s->spent_j = spent_j;
    s->at = view->now;
    s->begun = true;
    return s->credit_j;
}

static uint32_t next(void *state, const struct cvg_view *view,
                     const struct cvg_request *request,
                     const struct cvg_at_exit *at)
{
    double left_j = credit(state, view);
    if (!cvg__exits_good(request, at)) {
        return cvg__exits_first_good(NULL, view, request, at->variant);
    }
    if (cvg__exits_is_enough(view, request, at) ||
        cvg__exits_best_beyond(view, request, at) == at->exit) {
        return at->exit;
    }
    double next_j = cvg__exits_energy(view, at, at->exit + 1) - at->energy_j;
    return next_j > left_j ? at->exit : at->exit + 1;
}

const struct cvg_exits_ops cvg_exits_energy_budget = {.name = "energy-budget",
                                                      .needs_budget = true,
                                                      .state_size = state_size,
                                                      .last =
                                                          cvg__exits_first_good,
                                                      .next = next};

/* A budget of energy. */
#include "policy/budget.h"

#include <math.h>

#define BUCKET_S 60

struct state {
    bool begun;
    double credit_j; /* as of then: */
    cvg_time at;
    double spent_j; /* by the box */
};

size_t cvg__budget_size(const struct cvg_box *box)
{
    (void)box;
    return sizeof(struct state);
}

double cvg__budget_left(void *state, const struct cvg_view *view)
{
    struct state *s = state;
    double budget_w = view->box->policy.budget_w;
    double spent_j = cvg_view_energy(view);
    double most_j = budget_w * BUCKET_S;
    if (!s->begun) { /* what was spent before has had its own time */
        s->credit_j = most_j;
        s->spent_j = spent_j;
        s->at = view->now;
        s->begun = true;
    }
    double earned_j = budget_w * (double)(view->now - s->at) * 1e-9;
    s->credit_j = fmin(s->credit_j + earned_j - (spent_j - s->spent_j), most_j);
    s->spent_j = spent_j;
    s->at = view->now;
    return s->credit_j;
}

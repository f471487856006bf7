/* HEFT as Band has it (Jeong et al., Band: Coordinated Multi-DNN Inference on
 * Heterogeneous Mobile Processors, MobiSys 2022).
 *
 * The authors': a job's shortest expected latency is the least, over the
 * workers, of the worker's wait and the job's time there. The job whose
 * shortest latency is the largest goes first: to its best worker if that is
 * idle; else its time is added to the worker's wait, and the others choose in
 * view of that.
 *
 * Ours: a job is the next batch of an app, as large as its deadline allows. Its
 * best worker is the one that would answer its first request soonest, its
 * latency that of the batch there. Jobs that no worker would end in time are
 * not begun; only variants that keep accuracy and energy bounds count, and
 * switching is part of a job's time. Band splits models where a processor
 * lacks an operator; our variants run whole. */
#include "policy/offers.h"
#include "policy/parts.h"

struct state {
    struct cvg__offers offers;
};

static size_t state_size(const struct cvg_box *box)
{
    return sizeof(struct state) + cvg__offers_extra(box);
}

static void init(void *state, const struct cvg_view *view)
{
    struct state *s = state;
    cvg__offers_init(&s->offers, view, s + 1);
}

static bool ends_sooner(const struct cvg__offers *o,
                        const struct cvg_view *view, const struct cvg__offer *a,
                        const struct cvg__offer *than)
{
    (void)o;
    (void)view;
    return a->alone < than->alone;
}

/* The job with the largest shortest latency. */
static bool next_job(struct state *s, const struct cvg_view *view,
                     struct cvg__offer *next)
{
    bool found = false;
    for (uint32_t a = 0; a < view->n_apps; a++) {
        struct cvg__offer job;
        if (cvg_view_waiting(view, a) > 0 &&
            cvg__offers_best(&s->offers, view, a, ends_sooner, &job) &&
            (!found || job.finish > next->finish)) {
            *next = job;
            found = true;
        }
    }
    return found;
}

static void choose(void *state, const struct cvg_view *view,
                   struct cvg_choices *choices)
{
    struct state *s = state;
    struct cvg__offer next;
    cvg__offers_call(&s->offers, view);
    while (cvg__offers_left(&s->offers, view) && next_job(s, view, &next)) {
        cvg__offer_take(&s->offers, view, choices, &next);
    }
    cvg__offers_end(&s->offers, view, choices);
}

const struct cvg_order_ops cvg_order_heft = {
    .name = "heft",
    .drops = true,
    .state_size = state_size,
    .init = init,
    .key = cvg__offers_key,
    .choose = choose,
};

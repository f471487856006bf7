/* Counting what a world does. */
#include "support/tally.h"

static void count_start(struct tally *t, const struct cvg_start *s)
{
    t->by_device[s->device] += s->n_requests;
    if (s->n_requests > t->largest_batch) {
        t->largest_batch = s->n_requests;
    }
}

static void count_reply(struct tally *t, const struct cvg_reply *r)
{
    t->served[r->app]++;
    t->served_on[r->app][r->device]++;
    t->late[r->app] += !r->deadline_met;
    if (r->energy_j > t->most_energy[r->app]) {
        t->most_energy[r->app] = r->energy_j;
    }
    if (r->queued > t->longest_wait[r->app]) {
        t->longest_wait[r->app] = r->queued;
    }
}

static void count(struct world *w, const struct cvg_event *event,
                  const struct cvg_actions *actions)
{
    struct tally *t = w->context;
    (void)event;
    for (size_t i = 0; i < actions->n; i++) {
        const struct cvg_action *a = &actions->items[i];
        if (a->type == CVG_ACT_START) {
            count_start(t, &a->start);
        } else if (a->type == CVG_ACT_REPLY) {
            count_reply(t, &a->reply);
        }
    }
}

void tally_begin(struct tally *t, struct world *w, const char *policy)
{
    memset(t, 0, sizeof *t);
    w->watch = count;
    w->context = t;
    world_start(w, policy);
}

void tally_arrivals(struct world *w, const char *app, cvg_time from,
                    cvg_span gap, int n)
{
    for (int i = 0; i < n; i++) {
        world_arrive(w, from + i * gap, app, 0);
    }
}

double tally_joint(struct world *w, uint32_t app)
{
    const struct cvg_slo_counts *slo = &world_finish(w)->apps[app].slo;
    assert_true(slo->joint_offered > 0);
    return (double)slo->joint_met / (double)slo->joint_offered;
}

/* Boxes in a few lines, and decisions as text. */
#include "support/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void *grow(void *items, size_t n, size_t size)
{
    char *p = realloc(items, (n + 1) * size);
    assert_non_null(p);
    memset(p + n * size, 0, size);
    return p;
}

static char *copy(const char *text)
{
    char *p = strdup(text);
    assert_non_null(p);
    return p;
}

void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->box = cvg_box_create();
    assert_non_null(w->box);
    w->box->families = grow(NULL, 0, sizeof *w->box->families);
    w->box->n_families = 1;
    w->box->families[0].name = copy("family");
    w->box->families[0].metric = copy("top1");
}

void world_fini(struct world *w)
{
    cvg_sim_destroy(w->sim);
    cvg_box_destroy(w->box);
}

struct cvg_device *world_device(struct world *w, const char *name,
                                enum cvg_discipline discipline, uint32_t units,
                                uint32_t in_flight)
{
    struct cvg_box *box = w->box;
    assert_null(box->profile); /* devices and variants come before profiles */
    box->devices = grow(box->devices, box->n_devices, sizeof *box->devices);
    struct cvg_device *d = &box->devices[box->n_devices++];
    d->name = copy(name);
    d->profile = copy(name);
    d->backend = copy("emulated");
    d->provider = copy("CPU");
    d->kind = CVG_CPU;
    d->threads = 1;
    d->discipline = discipline;
    d->units = units;
    d->in_flight = in_flight;
    d->memory_bytes = UINT64_MAX;
    d->resident = UINT32_MAX;
    d->emulated = true;
    return d;
}

struct cvg_variant *world_variant(struct world *w, const char *name,
                                  double accuracy)
{
    struct cvg_box *box = w->box;
    struct cvg_family *f = &box->families[0];
    assert_null(box->profile);
    box->variants = grow(box->variants, box->n_variants, sizeof *box->variants);
    f->variants = grow(f->variants, f->n_variants, sizeof *f->variants);
    f->variants[f->n_variants++] = (uint32_t)box->n_variants;
    struct cvg_variant *v = &box->variants[box->n_variants++];
    v->name = copy(name);
    v->n_exits = 1;
    v->accuracy[0] = accuracy;
    for (size_t k = 0; k < CVG_MAX_EXITS; k++) {
        v->flop[k] = NAN;
    }
    v->weights_bytes = 1 << 20;
    v->memory_bytes = 1 << 20;
    return v;
}

void world_exit(struct cvg_variant *variant, double accuracy)
{
    assert_true(variant->n_exits < CVG_MAX_EXITS);
    variant->accuracy[variant->n_exits++] = accuracy;
}

void world_profile(struct world *w, const char *variant, const char *device,
                   uint32_t batch, double ms, double mj)
{
    world_profile_stage(w, variant, 0, device, batch, ms, mj);
}

void world_profile_stage(struct world *w, const char *variant, uint32_t stage,
                         const char *device, uint32_t batch, double ms,
                         double mj)
{
    struct cvg_box *box = w->box;
    if (box->profile == NULL) {
        assert_int_equal(cvg_profile_create(box->n_variants, box->n_devices,
                                            &box->profile, NULL),
                         CVG_OK);
    }
    cvg_span time = (cvg_span)(ms * 1e6);
    struct cvg_profile_point point = {.batch = batch,
                                      .mean = time,
                                      .p50 = time,
                                      .p95 = time,
                                      .p99 = time,
                                      .energy_j = mj / 1e3};
    assert_int_equal(
        cvg_profile_add(box->profile, cvg_box_find_variant(box, variant), stage,
                        cvg_box_find_device(box, device), &point, NULL),
        CVG_OK);
}

struct cvg_app *world_app(struct world *w, const char *name)
{
    struct cvg_box *box = w->box;
    box->apps = grow(box->apps, box->n_apps, sizeof *box->apps);
    struct cvg_app *a = &box->apps[box->n_apps++];
    a->name = copy(name);
    a->weight = 1;
    a->queue_limit = 1000;
    return a;
}

void world_slo_deadline(struct cvg_app *app, cvg_span deadline)
{
    app->slo.declared |= 1U << CVG_SLO_DEADLINE;
    app->slo.deadline = deadline;
}

void world_slo_accuracy(struct cvg_app *app, double accuracy)
{
    app->slo.declared |= 1U << CVG_SLO_ACCURACY;
    app->slo.accuracy = accuracy;
}

void world_slo_throughput(struct cvg_app *app, double rps)
{
    app->slo.declared |= 1U << CVG_SLO_THROUGHPUT;
    app->slo.throughput_rps = rps;
}

void world_slo_energy(struct cvg_app *app, double mj)
{
    app->slo.declared |= 1U << CVG_SLO_ENERGY;
    app->slo.energy_j = mj / 1e3;
}

/* --- the trace ------------------------------------------------------------ */

__attribute__((format(printf, 3, 4))) static void say(struct world *w,
                                                      cvg_time at,
                                                      const char *format, ...)
{
    size_t room = sizeof w->trace - w->used;
    if (room < 256) {
        return; /* property runs fill it up; stories never do */
    }
    va_list args;
    char *end = w->trace + w->used;
    double ms = (double)at / 1e6;
    int n = at / 1000 % 1000 == 0 ? snprintf(end, room, "[%4.0f] ", ms)
                                  : snprintf(end, room, "[%4.3f] ", ms);
    va_start(args, format);
    n += vsnprintf(end + n, room - (size_t)n, format, args);
    va_end(args);
    w->used += (size_t)n;
}

static void say_start(struct world *w, cvg_time at, const struct cvg_start *s)
{
    const struct cvg_box *box = w->box;
    char ids[200] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < s->n_requests && used < sizeof ids - 24; i++) {
        used += (size_t)snprintf(ids + used, sizeof ids - used, "%sr%llu",
                                 i > 0 ? "," : "",
                                 (unsigned long long)s->requests[i]);
    }
    char stages[32] = "";
    if (box->variants[s->variant].n_exits > 1) {
        (void)snprintf(stages, sizeof stages, " %u-%u", s->first, s->last);
    }
    say(w, at, "start %s %s%s on %s\n", ids, box->variants[s->variant].name,
        stages, box->devices[s->device].name);
}

static void say_reply(struct world *w, cvg_time at, const struct cvg_reply *r)
{
    char exit[32] = "";
    if (w->box->variants[r->variant].n_exits > 1) {
        (void)snprintf(exit, sizeof exit, " exit %u", r->exit);
    }
    say(w, at, "reply r%llu%s%s\n", (unsigned long long)r->request, exit,
        r->deadline_met ? "" : " late");
}

static void note(void *context, const struct cvg_event *event,
                 const struct cvg_actions *actions)
{
    struct world *w = context;
    for (size_t i = 0; i < actions->n; i++) {
        const struct cvg_action *a = &actions->items[i];
        switch (a->type) {
        case CVG_ACT_START:
            say_start(w, event->at, &a->start);
            break;
        case CVG_ACT_REPLY:
            w->replies++;
            w->ended[CVG_OUTCOME_SERVED]++;
            say_reply(w, event->at, &a->reply);
            break;
        case CVG_ACT_DROP:
            w->drops++;
            w->ended[a->drop.outcome]++;
            say(w, event->at, "%s r%llu %s\n",
                cvg_outcome_name(a->drop.outcome),
                (unsigned long long)a->drop.request,
                cvg_reason_name(a->drop.reason));
            break;
        case CVG_ACT_LOAD:
        case CVG_ACT_UNLOAD:
            say(w, event->at, "%s %s on %s\n",
                a->type == CVG_ACT_LOAD ? "load" : "unload",
                w->box->variants[a->model_on.variant].name,
                w->box->devices[a->model_on.device].name);
            break;
        default:
            break;
        }
    }
    if (w->watch != NULL) {
        w->watch(w, event, actions);
    }
}

/* --- running -------------------------------------------------------------- */

void world_start(struct world *w, const char *policy)
{
    struct cvg_error err = {.text = ""};
    assert_int_equal(cvg_profile_finish(w->box->profile, &err), CVG_OK);
    if (cvg_policy_parse(policy, NULL, &w->policy, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    struct cvg_sim_options options = {.box = w->box,
                                      .workload = w->workload,
                                      .policy = &w->policy,
                                      .load = w->load,
                                      .overhead = w->overhead,
                                      .seed = w->seed > 0 ? w->seed : 1,
                                      .watch = note,
                                      .context = w};
    if (cvg_sim_create(&options, &w->sim, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
}

uint64_t world_arrive(struct world *w, cvg_time at, const char *app,
                      cvg_span deadline)
{
    struct cvg_arrival arrival = {.app = cvg_box_find_app(w->box, app),
                                  .variant = CVG_ANY};
    assert_int_not_equal(arrival.app, CVG_ANY);
    if (deadline > 0) {
        arrival.overrides = 1U << CVG_SLO_DEADLINE;
        arrival.bounds.deadline = deadline;
    }
    return cvg_sim_arrive(w->sim, at, &arrival);
}

void world_arrive_with(struct world *w, cvg_time at,
                       const struct cvg_arrival *arrival)
{
    cvg_sim_arrive(w->sim, at, arrival);
}

void world_cancel(struct world *w, cvg_time at, uint64_t request)
{
    struct cvg_event event = {
        .type = CVG_EV_CANCEL, .at = at, .request = request};
    cvg_sim_inject(w->sim, &event);
}

void world_device_state(struct world *w, cvg_time at, const char *device,
                        bool up)
{
    struct cvg_event event = {.type = CVG_EV_DEVICE, .at = at};
    event.device.device = cvg_box_find_device(w->box, device);
    event.device.up = up;
    cvg_sim_inject(w->sim, &event);
}

void world_run_until(struct world *w, cvg_time until)
{
    cvg_sim_run_until(w->sim, until);
}

struct cvg_engine *world_engine(struct world *w)
{
    return cvg_sim_engine(w->sim);
}

const struct cvg_stats *world_finish(struct world *w)
{
    cvg_engine_finish(world_engine(w), cvg_sim_now(w->sim));
    return cvg_engine_stats(world_engine(w));
}

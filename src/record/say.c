/* Events and actions in words. */
#include "record/record.h"

#include "base/units.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const event_names[CVG_EVENTS] = {
#define EVENT_NAME(name, text) text,
    CVG_EVENT_LIST(EVENT_NAME)
#undef EVENT_NAME
};
static const char *const action_names[CVG_ACTIONS] = {
#define ACTION_NAME(name, text) text,
    CVG_ACTION_LIST(ACTION_NAME)
#undef ACTION_NAME
};

const char *cvg_record_event_name(enum cvg_event_type type)
{
    return event_names[type];
}

const char *cvg_record_action_name(enum cvg_action_type type)
{
    return action_names[type];
}

/* A text that grows in a place of limited size. */
struct words {
    char *out;
    size_t size, used;
};

static void add(struct words *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add(struct words *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(w->out + w->used, w->size - w->used, format, args);
    va_end(args);
    if (n > 0) {
        size_t left = w->size - w->used - 1;
        w->used += (size_t)n < left ? (size_t)n : left;
    }
}

static void add_span(struct words *w, cvg_span span)
{
    char text[32];
    cvg_format_span(text, sizeof text, span);
    add(w, "%s", text);
}

static unsigned long long number(uint64_t x)
{
    return (unsigned long long)x;
}

/* --- events --------------------------------------------------------------- */

static void add_arrival(struct words *w, const struct cvg_box *box,
                        const struct cvg_arrival *a)
{
    add(w, "request %llu of %s arrived", number(a->id), box->apps[a->app].name);
    if (a->variant != CVG_ANY) {
        add(w, ", for %s", box->variants[a->variant].name);
    }
}

static void add_done(struct words *w, const struct cvg_event *e)
{
    add(w, "batch %llu ", number(e->done.batch));
    if (e->type == CVG_EV_START_FAILED) {
        add(w, "was not begun: %s", cvg_status_text(e->done.status));
    } else if (e->done.status != CVG_OK) {
        add(w, "was lost: %s", cvg_status_text(e->done.status));
    } else {
        add(w, "was done in ");
        add_span(w, e->done.run_time);
    }
}

void cvg_record_say_event(char *out, size_t size, const struct cvg_box *box,
                          const struct cvg_event *e)
{
    struct words w = {out, size, 0};
    switch (e->type) {
    case CVG_EV_ARRIVAL:
        add_arrival(&w, box, &e->arrival);
        break;
    case CVG_EV_CANCEL:
        add(&w, "the client of request %llu went away", number(e->request));
        break;
    case CVG_EV_GIVE_UP:
        add(&w, "the server gave request %llu up", number(e->request));
        break;
    case CVG_EV_DONE:
    case CVG_EV_START_FAILED:
        add_done(&w, e);
        break;
    case CVG_EV_LOADED:
    case CVG_EV_LOAD_FAILED:
    case CVG_EV_UNLOADED:
        add(&w, "%s on %s: %s", box->variants[e->model_on.variant].name,
            box->devices[e->model_on.device].name, event_names[e->type]);
        break;
    case CVG_EV_DEVICE:
        add(&w, "%s is %s", box->devices[e->device.device].name,
            e->device.up ? "up" : "down");
        break;
    case CVG_EV_MODEL:
        add(&w, "an operator wants %s %s", box->variants[e->model.variant].name,
            e->model.wanted ? "in" : "out");
        break;
    case CVG_EV_APP:
        add(&w, "the %s of %s changed",
            e->app.slo.declared != 0 ? "SLO"
            : e->app.new_objective   ? "objective"
                                     : "conditions",
            box->apps[e->app.app].name);
        break;
    case CVG_EV_BOUNDS:
        add(&w, "what request %llu asks for changed",
            number(e->bounds.request));
        break;
    case CVG_EV_TIMER:
        add(&w, "time passed");
        break;
    case CVG_EV_DRAIN:
        add(&w, "no more arrivals are taken");
        break;
    case CVG_EV_SOLVED:
    case CVG_EV_SOLVE_FAILED:
    case CVG_EVENTS:
        add(&w, "%s",
            e->type == CVG_EV_SOLVED ? "a plan is ready"
                                     : "there is no new plan");
        break;
    }
}

/* --- actions -------------------------------------------------------------- */

static void add_start(struct words *w, const struct cvg_box *box,
                      const struct cvg_start *s, cvg_time now)
{
    char from[32] = "";
    if (s->first > 0) {
        (void)snprintf(from, sizeof from, "from exit %u to ", s->first - 1);
    }
    add(w, "start batch %llu: %s, %sexit %u, on %s (unit %u), done in ",
        number(s->batch), box->variants[s->variant].name, from, s->last,
        box->devices[s->device].name, s->unit);
    add_span(w, s->predicted - now);
    add(w, ", with %u request%s:", s->n_requests,
        s->n_requests == 1 ? "" : "s");
    for (uint32_t i = 0; i < s->n_requests && i < 8; i++) {
        add(w, " %llu", number(s->requests[i]));
    }
    add(w, "%s", s->n_requests > 8 ? " ..." : "");
}

static void add_reply(struct words *w, const struct cvg_box *box,
                      const struct cvg_reply *r)
{
    add(w,
        "answer request %llu of %s from batch %llu (%s, exit %u, on %s), "
        "queued ",
        number(r->request), box->apps[r->app].name, number(r->batch),
        box->variants[r->variant].name, r->exit, box->devices[r->device].name);
    add_span(w, r->queued);
    add(w, ", ran ");
    add_span(w, r->ran);
    add(w, ", %s, %.9g mJ", r->deadline_met ? "in time" : "late",
        r->energy_j * 1e3);
}

void cvg_record_say_action(char *out, size_t size, const struct cvg_box *box,
                           const struct cvg_action *a, cvg_time now)
{
    struct words w = {out, size, 0};
    switch (a->type) {
    case CVG_ACT_START:
        add_start(&w, box, &a->start, now);
        break;
    case CVG_ACT_REPLY:
        add_reply(&w, box, &a->reply);
        break;
    case CVG_ACT_DROP:
        add(&w, "end request %llu, %s: %s", number(a->drop.request),
            cvg_outcome_name(a->drop.outcome), cvg_reason_text(a->drop.reason));
        break;
    case CVG_ACT_LOAD:
    case CVG_ACT_UNLOAD:
        add(&w, "%s %s on %s", action_names[a->type],
            box->variants[a->model_on.variant].name,
            box->devices[a->model_on.device].name);
        break;
    case CVG_ACT_ABORT:
        add(&w, "abort batch %llu", number(a->batch));
        break;
    case CVG_ACT_SOLVE:
        add(&w, "ask for a plan, first for %.6g requests/s of %s",
            a->question->rates_rps[0], box->apps[0].name);
        break;
    case CVG_ACT_RELEASE:
        add(&w, "release features of request %llu on %s",
            number(a->release.request), box->devices[a->release.device].name);
        break;
    case CVG_ACTIONS:
        break;
    }
}

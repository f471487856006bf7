/* The same events, given to an engine made from the record: are its actions
 * the same? They are compared as they are written, byte for byte. */
#include "record/record.h"

#include "record/reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct going {
    struct cvg_record *record;
    const struct cvg_replay_options *options;
    struct cvg_engine *engine;
    unsigned char *bytes; /* of the actions as they are now */
    size_t room;
};

static bool possible(uint32_t kinds, const struct cvg_slo *slo)
{
    return ((kinds >> CVG_SLO_DEADLINE & 1U) == 0 || slo->deadline > 0) &&
           slo->accuracy >= 0 && slo->throughput_rps >= 0 && slo->energy_j >= 0;
}

/* What the reader cannot know: whether the engine may be told this now. */
static bool allowed(const struct cvg_engine *engine, const struct cvg_box *box,
                    const struct cvg_event *event)
{
    const struct cvg_arrival *a = &event->arrival;
    if (event->type == CVG_EV_APP) {
        return possible(event->app.slo.declared, &event->app.slo);
    }
    if (event->type == CVG_EV_BOUNDS) {
        return possible(event->bounds.overrides, &event->bounds.slo);
    }
    return event->type != CVG_EV_ARRIVAL ||
           (!cvg_engine_is_live(engine, a->id) &&
            (a->variant == CVG_ANY ||
             box->variants[a->variant].family == box->apps[a->app].family) &&
            possible(a->overrides | a->bounds.declared, &a->bounds));
}

static bool reserve(struct going *g, size_t size)
{
    if (size <= g->room) {
        return true;
    }
    unsigned char *more = realloc(g->bytes, size * 2);
    if (more != NULL) {
        g->bytes = more;
        g->room = size * 2;
    }
    return more != NULL;
}

/* --- the first difference ------------------------------------------------- */

static void say(char *out, size_t size, const struct cvg_box *box,
                const struct cvg_actions *actions, size_t i, cvg_time now)
{
    if (i < actions->n) {
        cvg_record_say_action(out, size, box, &actions->items[i], now);
    } else {
        (void)snprintf(out, size, "no further action");
    }
}

static bool same_action(const struct going *g, const struct cvg_action *a,
                        const struct cvg_action *b)
{
    struct cvg_actions one = {a, 1}, other = {b, 1};
    struct cvg_event none = {.type = CVG_EV_TIMER};
    size_t room = cvg__code_room(&none, &one) + cvg__code_room(&none, &other);
    unsigned char *bytes = malloc(room);
    if (bytes == NULL) {
        return false;
    }
    struct cvg_codec c = {.box = g->record->box, .out = bytes};
    cvg__code_write_actions(&c, &one);
    unsigned char *middle = c.out;
    c.last = (struct cvg_code_last){.at = 0};
    cvg__code_write_actions(&c, &other);
    bool same = middle - bytes == c.out - middle &&
                memcmp(bytes, middle, (size_t)(middle - bytes)) == 0;
    free(bytes);
    return same;
}

static void differ(const struct going *g, const struct cvg_recorded_step *step,
                   const struct cvg_actions *now, struct cvg_replay *out)
{
    const struct cvg_box *box = g->record->box;
    const struct cvg_actions *then = &step->actions;
    cvg_time at = step->event->at;
    size_t i = 0;
    while (i < then->n && i < now->n &&
           same_action(g, &then->items[i], &now->items[i])) {
        i++;
    }
    out->differs = true;
    out->step = step->number;
    out->at = at;
    out->action = (uint32_t)i + 1;
    cvg_record_say_event(out->event, sizeof out->event, box, step->event);
    say(out->expected, sizeof out->expected, box, then, i, at);
    say(out->got, sizeof out->got, box, now, i, at);
}

/* --- one step ------------------------------------------------------------- */

static void count(struct cvg_replay *out, const struct cvg_recorded_step *step)
{
    if (out->steps == 0) {
        out->first = step->event->at;
    }
    out->last = step->event->at;
    out->steps++;
    out->events[step->event->type]++;
    for (size_t i = 0; i < step->actions.n; i++) {
        out->actions[step->actions.items[i].type]++;
    }
}

static enum cvg_status compare(struct going *g,
                               const struct cvg_recorded_step *step,
                               const struct cvg_actions *now,
                               struct cvg_replay *out, struct cvg_error *err)
{
    const struct cvg_record *r = g->record;
    if (!reserve(g, cvg__code_room(step->event, now))) {
        return cvg_fail(err, CVG_NOMEM, "no memory to replay");
    }
    struct cvg_codec c = {
        .box = r->box, .out = g->bytes, .last = r->before_actions};
    cvg__code_write_actions(&c, now);
    size_t size = (size_t)(c.out - g->bytes);
    if (size != (size_t)(r->codec.in - r->actions_at) ||
        memcmp(g->bytes, r->actions_at, size) != 0) {
        differ(g, step, now, out);
    }
    return CVG_OK;
}

static enum cvg_status go(struct going *g, const struct cvg_recorded_step *step,
                          struct cvg_replay *out, struct cvg_error *err)
{
    const struct cvg_replay_options *o = g->options;
    struct cvg_actions now;
    if (!allowed(g->engine, g->record->box, step->event)) {
        return cvg_fail(err, CVG_CONFIG,
                        "%.300s: byte %llu: an event that cannot have been",
                        g->record->path, (unsigned long long)step->place);
    }
    if (o->before != NULL) {
        o->before(o->context, g->engine, step);
    }
    cvg_engine_step(g->engine, step->event, &now);
    count(out, step);
    enum cvg_status status = compare(g, step, &now, out, err);
    if (status == CVG_OK && !out->differs && o->after != NULL) {
        o->after(o->context, g->engine, step);
    }
    return status;
}

/* --- the whole ------------------------------------------------------------ */

static enum cvg_status create_engine(struct going *g, struct cvg_error *err)
{
    struct cvg_engine_options options = g->record->head.options;
    options.box = g->record->box;
    options.policy = &g->record->policy;
    options.look = g->options->look;
    options.look_context = g->options->context;
    return cvg_engine_create(&options, &g->engine, err);
}

enum cvg_status cvg_record_replay(struct cvg_record *record,
                                  const struct cvg_replay_options *options,
                                  struct cvg_replay *out, struct cvg_error *err)
{
    const struct cvg_replay_options none = {.context = NULL};
    struct going g = {.record = record,
                      .options = options != NULL ? options : &none};
    const struct cvg_recorded_step *step = NULL;
    *out = (struct cvg_replay){.first = record->head.options.start,
                               .last = record->head.options.start};
    enum cvg_status status = create_engine(&g, err);
    cvg_record_rewind(record);
    while (status == CVG_OK && !out->differs) {
        status = cvg_record_next(record, &step, err);
        if (status != CVG_OK || step == NULL) {
            break;
        }
        status = go(&g, step, out, err);
    }
    cvg_engine_destroy(g.engine);
    free(g.bytes);
    return status;
}

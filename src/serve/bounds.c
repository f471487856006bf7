/* Bounds and conditions that come over the wire: those of a request with it,
 * and what an operator changes while the server runs.
 *
 *     POST /v1/apps/NAME      {"slo_deadline_us": 20000, ...}
 *     POST /v1/requests/ID    {"slo_conditions": "never; always"}
 *
 * The keys are the parameters of a request, and of an application
 * `slo_objective`. `slo_conditions` may be null: no conditions, and of a
 * request: those of its application. */
#include "serve/handlers.h"

#include "serve/server.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_CONDITIONS 4096U
#define LONGEST_DEADLINE CVG_S(600) /* of an application, as in its file */

bool cvg__take_conditions(struct cvg__call *call, const char *whose,
                          struct cvg_shared_set **out)
{
    const struct cvg_slice *raw = &call->infer.conditions;
    char text[LONGEST_CONDITIONS];
    struct cvg_error err;
    struct cvg_json json;
    *out = NULL;
    if (raw->len == 0) {
        return true;
    }
    cvg__json_init(&json, raw->data, raw->len, 1, &err);
    enum cvg_status status =
        cvg__json_string(&json, text, sizeof text, "slo_conditions")
            ? cvg_shared_sets_take(&call->server->sets, text, out, &err)
            : CVG_INVALID;
    if (status != CVG_OK) {
        cvg__call_error(call, status == CVG_NOMEM ? 503 : 400,
                        "%sslo_conditions: %s", whose, err.text);
    }
    return status == CVG_OK;
}

/* What the body says; the call is answered if it says nothing. */
static bool parse(struct cvg__call *call, bool of_app,
                  struct cvg_shared_set **set)
{
    struct cvg_error err;
    if (cvg__bounds_parse(&call->infer, of_app,
                          call->body.memory + call->body.offset, call->body.len,
                          &err) != CVG_OK) {
        cvg__call_error(call, 400, "%s", err.text);
        return false;
    }
    return cvg__take_conditions(call, "", set);
}

static bool changes_conditions(const struct cvg__infer *asked)
{
    return asked->conditions.len > 0 || asked->no_conditions;
}

/* --- of an application ---------------------------------------------------- */

/* The call is answered if there is none of that name. */
static uint32_t named_app(struct cvg__server *s, struct cvg__call *call)
{
    uint32_t app = cvg_box_find_app(s->box, call->item);
    if (app == CVG_ANY) {
        cvg__call_error(call, 404, "unknown application '%s'", call->item);
    }
    return app;
}

void cvg__handle_app(struct cvg__server *s, struct cvg__call *call)
{
    uint32_t app = named_app(s, call);
    if (app != CVG_ANY) {
        cvg__reply_app(s, call, app);
    }
}

static void change_app(struct cvg__server *s, uint32_t app,
                       const struct cvg__infer *asked,
                       struct cvg_shared_set *set)
{
    struct cvg_event event = {.type = CVG_EV_APP,
                              .app = {.app = app,
                                      .slo = asked->bounds,
                                      .new_objective = asked->has_objective,
                                      .objective = asked->objective}};
    struct cvg_shared_set *before = s->app_sets[app];
    if (changes_conditions(asked)) {
        event.app.new_conditions = true;
        event.app.conditions = set != NULL ? set->set : NULL;
        s->app_sets[app] = set;
    }
    cvg__drive(s, &event);
    if (changes_conditions(asked)) {
        cvg_shared_sets_give(&s->sets, before);
    }
}

void cvg__handle_change_app(struct cvg__server *s, struct cvg__call *call)
{
    struct cvg_shared_set *set;
    uint32_t app = named_app(s, call);
    if (app == CVG_ANY || !parse(call, true, &set)) {
        return;
    }
    const struct cvg__infer *asked = &call->infer;
    if ((asked->overrides >> CVG_SLO_DEADLINE & 1U) != 0 &&
        asked->bounds.deadline > LONGEST_DEADLINE) {
        cvg_shared_sets_give(&s->sets, set);
        cvg__call_error(call, 400,
                        "slo_deadline_us of an application is at most %lld",
                        (long long)(LONGEST_DEADLINE / 1000));
        return;
    }
    change_app(s, app, asked, set);
    cvg__reply_app(s, call, app);
}

/* --- of a request --------------------------------------------------------- */

/* Those of a row belong to its call. False: no memory. */
static bool keep(struct cvg__call *owner, uint32_t row,
                 struct cvg_shared_set *set, struct cvg_shared_set **before)
{
    struct cvg__rows *r = &owner->rows;
    if (r->own_sets == NULL) {
        r->own_sets = calloc(r->n, sizeof *r->own_sets);
        r->n_own_sets = r->own_sets != NULL ? r->n : 0;
    }
    if (r->own_sets == NULL) {
        return false;
    }
    *before = r->own_sets[row];
    r->own_sets[row] = set;
    return true;
}

void cvg__give_conditions(struct cvg__call *call)
{
    struct cvg__rows *r = &call->rows;
    struct cvg_shared_sets *sets = &call->server->sets;
    cvg_shared_sets_give(sets, r->set);
    for (uint32_t i = 0; i < r->n_own_sets; i++) {
        cvg_shared_sets_give(sets, r->own_sets[i]);
    }
    free(r->own_sets);
    r->set = NULL;
    r->own_sets = NULL;
    r->n_own_sets = 0;
}

static void change_request(struct cvg__server *s, struct cvg__call *call,
                           struct cvg__call *owner, uint64_t id)
{
    const struct cvg__infer *asked = &call->infer;
    struct cvg_shared_set *set, *before = NULL;
    if (!parse(call, false, &set)) {
        return;
    }
    struct cvg_event event = {.type = CVG_EV_BOUNDS,
                              .bounds = {.request = id,
                                         .overrides = asked->overrides,
                                         .slo = asked->bounds}};
    if (changes_conditions(asked)) {
        uint32_t row = (uint32_t)(id - owner->rows.first_id);
        event.bounds.new_conditions = true;
        event.bounds.conditions = set != NULL ? set->set : NULL;
        if (!keep(owner, row, set, &before)) {
            cvg_shared_sets_give(&s->sets, set);
            cvg__call_error(call, 503, "no memory for conditions");
            return;
        }
    }
    cvg__drive(s, &event);
    cvg_shared_sets_give(&s->sets, before);
    cvg__handle_explain(s, call);
}

/* The call whose client gave it that `id`; NULL. Looks at all that live: nobody
 * asks often. */
static struct cvg__call *find_by_name(const struct cvg__server *s,
                                      const char *name)
{
    size_t length = strlen(name);
    for (size_t k = 0; s->ids.n > 0 && k <= s->ids.mask; k++) {
        struct cvg__call *call =
            s->ids.entries[k].id != 0 ? s->ids.entries[k].value : NULL;
        if (call != NULL && call->infer.id.len == length + 2 &&
            memcmp(call->infer.id.data + 1, name, length) == 0) {
            return call;
        }
    }
    return NULL;
}

/* By the client's own name, which it knows before there is an answer, or by the
 * number that it has here. Put into call->item. False: answered. */
static bool name_request(struct cvg__server *s, struct cvg__call *call,
                         uint64_t *id)
{
    const struct cvg__call *owner = find_by_name(s, call->item);
    if (owner == NULL) {
        return cvg__request_id(call, id);
    }
    if (owner->rows.n > 1) {
        cvg__call_error(call, 400,
                        "request '%s' has %u rows: name one by its number",
                        call->item, owner->rows.n);
        return false;
    }
    *id = owner->rows.first_id;
    (void)snprintf(call->item, sizeof call->item, "%llu",
                   (unsigned long long)*id);
    return true;
}

void cvg__handle_change_request(struct cvg__server *s, struct cvg__call *call)
{
    struct cvg_explanation why;
    uint64_t id;
    if (!name_request(s, call, &id)) {
        return;
    }
    struct cvg__call *owner = cvg_id_map_get(&s->ids, id);
    if (owner != NULL && cvg_engine_is_live(s->engine, id)) {
        change_request(s, call, owner, id);
    } else if (cvg_engine_explain(s->engine, id, &why) == CVG_OK) {
        cvg__call_error(call, 404, "request %s has ended", call->item);
    } else {
        cvg__call_error(call, 404, "request %s is not known", call->item);
    }
}

/* The infer call: a request's rows into the engine, their ends into a reply.
 *
 * Status of a failure (CONTRACT: a client must be able to tell whether to try
 * again): 429 the queue of its application is full, 503 the server cannot now,
 * 504 it would come too late, 500 the device failed. */
#include "serve/handlers.h"

#include "serve/server.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* --- whose request it is -------------------------------------------------- */

static void list_apps(const struct cvg__server *s, uint32_t family, char *out,
                      size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t a = 0; a < s->box->n_apps && len < size; a++) {
        const struct cvg_app *app = &s->box->apps[a];
        if (app->family == family && !app->built_in) {
            len += (size_t)snprintf(out + len, size - len, "%s%s",
                                    len > 0 ? ", " : "", app->name);
        }
    }
    if (len == 0) {
        (void)snprintf(out, size, "none");
    }
}

/* slo_app, else the only application of the family, else the built-in one. */
static uint32_t find_app(struct cvg__call *call, uint32_t family)
{
    const struct cvg__server *s = call->server;
    const struct cvg_box *box = s->box;
    const char *name = call->infer.app;
    if (name[0] != '\0') {
        char known[300];
        uint32_t app = cvg_box_find_app(box, name);
        if (app != CVG_ANY && box->apps[app].family == family) {
            return app;
        }
        list_apps(s, family, known, sizeof known);
        if (app == CVG_ANY) {
            cvg__call_error(call, 400,
                            "unknown slo_app '%s'; applications of family "
                            "'%s': %s",
                            name, box->families[family].name, known);
        } else {
            cvg__call_error(call, 400,
                            "slo_app '%s' is an application of family '%s', "
                            "not of '%s', whose are: %s",
                            name, box->families[box->apps[app].family].name,
                            box->families[family].name, known);
        }
        return CVG_ANY;
    }
    return s->family_app[family];
}

/* --- the start ------------------------------------------------------------ */

static bool parse(struct cvg__call *call, const struct cvg__model *model)
{
    struct cvg__server *s = call->server;
    struct cvg_error err;
    enum cvg_status status =
        cvg__infer_parse(&call->infer, model->info, &s->oip_limits,
                         call->body.memory + call->body.offset, call->body.len,
                         call->header, &err);
    if (status != CVG_OK) {
        cvg__call_error(call, status == CVG_NOMEM ? 503 : 400, "model '%s': %s",
                        model->name, err.text);
        return false;
    }
    cvg__call_count(call);
    size_t n_inputs = model->info->n_inputs;
    uint32_t n = call->infer.rows;
    if (!cvg__call_rows(call, n, n_inputs, model->info->n_outputs) ||
        !cvg_id_map_reserve(&s->ids, n)) {
        cvg__call_error(call, 503, "no memory for a request of %u rows", n);
        return false;
    }
    for (uint32_t row = 0; row < n; row++) {
        for (size_t k = 0; k < n_inputs; k++) {
            cvg__infer_row(&call->infer, row, k,
                           &call->rows.inputs[row * n_inputs + k]);
        }
    }
    return true;
}

static void arrive(struct cvg__call *call)
{
    struct cvg__server *s = call->server;
    struct cvg__rows *r = &call->rows;
    r->left = r->n;
    r->first_id = s->last_id + 1;
    s->last_id += r->n;
    r->begun = cvg__now();
    s->undecided = true;
    r->result =
        (struct cvg__infer_result){.model_name = s->models[r->model].name,
                                   .model_version = s->models[r->model].version,
                                   .accuracy = INFINITY,
                                   .request_id = r->first_id};
    for (uint32_t row = 0; row < r->n; row++) {
        struct cvg_event event = {.type = CVG_EV_ARRIVAL,
                                  .arrival = r->arrival};
        event.arrival.id = r->first_id + row;
        event.arrival.more = true; /* until all that has come is read */
        cvg_id_map_put(&s->ids, event.arrival.id, call);
        cvg__drive(s, &event);
        if (call->phase == CVG__ANSWERED) {
            return; /* one row has failed: so has the whole */
        }
    }
}

void cvg__handle_infer(struct cvg__server *s, struct cvg__call *call)
{
    uint32_t index = cvg__named_model(s, call);
    if (index == CVG_ANY) {
        return;
    }
    struct cvg__model *model = &s->models[index];
    if (s->state != CVG__SERVING) {
        call->retry_after = 1;
        cvg__call_error(call, 503, "the server is %s",
                        s->state == CVG__STARTING ? "starting" : "draining");
        return;
    }
    if (model->info == NULL) {
        cvg__call_error(call, 503, "model '%s' cannot be used: %s", model->name,
                        model->reason);
        return;
    }
    if (!parse(call, model)) {
        return;
    }
    uint32_t app = find_app(call, model->family);
    if (app == CVG_ANY) {
        return;
    }
    char whose[CVG__NAME_MAX + 16];
    (void)snprintf(whose, sizeof whose, "model '%s': ", model->name);
    if (!cvg__take_conditions(call, whose, &call->rows.set)) {
        return;
    }
    call->rows.model = index;
    call->rows.arrival = (struct cvg_arrival){
        .app = app,
        .variant = model->variant,
        .priority = call->infer.priority,
        .overrides = call->infer.overrides,
        .bounds = call->infer.bounds,
        .timeout = call->infer.timeout,
        .conditions = call->rows.set != NULL ? call->rows.set->set : NULL,
    };
    arrive(call);
}

/* --- the end -------------------------------------------------------------- */

static void count_end(struct cvg__call *call, struct cvg__duration *d)
{
    d->count++;
    d->ns += (uint64_t)(cvg__now() - call->rows.begun);
}

/* A family's request counts for the family and the variant that answered. */
static void count_served(struct cvg__call *call, uint32_t variant)
{
    struct cvg__server *s = call->server;
    const struct cvg__rows *r = &call->rows;
    size_t counted[2] = {r->model, s->box->n_families + variant};
    struct timespec wall;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &wall);
    for (size_t i = 0; i < (counted[0] == counted[1] ? 1U : 2U); i++) {
        struct cvg__model *m = &s->models[counted[i]];
        count_end(call, &m->success);
        m->inferences += r->n;
        m->queue.count++;
        m->queue.ns += (uint64_t)r->result.queued;
        m->infer.count++;
        m->infer.ns += (uint64_t)r->result.ran;
        m->last_ms =
            (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000;
    }
}

static void finish(struct cvg__call *call, uint32_t variant)
{
    struct cvg_error err;
    call->text.len = 0;
    enum cvg_status status = cvg__infer_reply(
        &call->text, &call->infer, &call->rows.result, call->rows.outputs,
        &call->binary_header, &call->apart, &err);
    if (status != CVG_OK) {
        cvg__call_error(call, 500, "model '%s': %s",
                        call->rows.result.model_name, err.text);
        return;
    }
    count_served(call, variant);
    if (call->apart.n == 0) {
        cvg__call_free_outputs(call); /* else when all is sent */
    }
    cvg__call_reply(call, 200,
                    call->binary_header == CVG__HEADER_ABSENT
                        ? "application/json"
                        : "application/octet-stream");
}

/* Of several rows the reply tells of the one that ended last: where and how it
 * ran, how long it waited, and so whether the whole was in time. Accuracy is
 * the least, for it is what holds for each; energy is the sum. */
static void join(struct cvg__server *s, struct cvg__infer_result *whole,
                 const struct cvg_reply *row)
{
    whole->variant = s->box->variants[row->variant].name;
    whole->exit = row->exit;
    whole->device = s->box->devices[row->device].name;
    whole->queued = row->queued;
    whole->ran = row->ran;
    whole->deadline_met = row->deadline_met;
    whole->emulated = whole->emulated || s->box->devices[row->device].emulated;
    whole->accuracy = fmin(whole->accuracy, row->accuracy);
    whole->energy_j += row->energy_j;
    whole->relaxed |= row->relaxed;
}

void cvg__infer_row_hold(struct cvg__call *call, uint32_t row,
                         struct cvg_tensor *outputs)
{
    size_t n = call->infer.model->n_outputs;
    struct cvg_tensor *held = &call->rows.outputs[row * n];
    for (size_t k = 0; k < n; k++) {
        cvg_tensor_release(&held[k]);
        held[k] = outputs[k];
        outputs[k].data = NULL; /* taken */
    }
}

void cvg__infer_row_served(struct cvg__call *call, uint32_t row,
                           const struct cvg_reply *reply,
                           struct cvg_tensor *outputs)
{
    struct cvg__rows *r = &call->rows;
    r->left--;
    if (call->phase == CVG__ANSWERED) {
        return;
    }
    if (outputs != NULL) {
        cvg__infer_row_hold(call, row, outputs);
    }
    join(call->server, &r->result, reply);
    if (r->left == 0) {
        finish(call, reply->variant);
    }
}

void cvg__infer_cancel(struct cvg__call *call, bool by_client)
{
    struct cvg__rows *r = &call->rows;
    /* From first_id to the last that has arrived; ended ones are not known. */
    for (uint32_t row = 0; r->left > 0 && row < r->n; row++) {
        cvg__drive_cancel(call->server, r->first_id + row, by_client);
    }
    r->left = 0;
}

/* --- failures ------------------------------------------------------------- */

static unsigned status_of(enum cvg_reason reason)
{
    switch (reason) {
    case CVG_REASON_QUEUE_FULL:
        return 429;
    case CVG_REASON_DEVICE_FAILED:
        return 500;
    case CVG_REASON_UNAVAILABLE:
    case CVG_REASON_DRAINING:
    case CVG_REASON_POLICY:
        return 503;
    default:
        return 504;
    }
}

static bool never_feasible(enum cvg_reason reason)
{
    return reason == CVG_REASON_INFEASIBLE ||
           reason == CVG_REASON_INFEASIBLE_ACCURACY ||
           reason == CVG_REASON_INFEASIBLE_DEADLINE ||
           reason == CVG_REASON_INFEASIBLE_ENERGY;
}

/* "; nearest that could be met: slo_deadline_us 5200, slo_min_accuracy 0.87" */
static void say_nearest(struct cvg__call *call, char *out, size_t size)
{
    const struct cvg_arrival *a = &call->rows.arrival;
    const struct cvg_slo *own =
        &cvg_engine_app(call->server->engine, a->app)->slo;
    struct cvg_nearest near;
    out[0] = '\0';
    if (!cvg_engine_infeasible(call->server->engine, a, &near)) {
        return;
    }
    uint32_t kinds = own->declared | a->overrides;
    const char *join = near.reason == CVG_REASON_INFEASIBLE ? " or" : "";
    const char *before = "";
    size_t len = (size_t)snprintf(out, size, "; the nearest that could be:");
    if ((kinds >> CVG_SLO_DEADLINE & 1U) != 0 && near.deadline > 0 &&
        near.deadline != CVG_NEVER) {
        len += (size_t)snprintf(out + len, size - len, " slo_deadline_us %lld",
                                (long long)((near.deadline + 999) / 1000));
        before = join;
    }
    if ((kinds >> CVG_SLO_ACCURACY & 1U) != 0 && near.accuracy >= 0) {
        len +=
            (size_t)snprintf(out + len, size - len, "%s slo_min_accuracy %.6g",
                             before, near.accuracy);
        before = join;
    }
    if ((kinds >> CVG_SLO_ENERGY & 1U) != 0 && isfinite(near.energy_j)) {
        (void)snprintf(out + len, size - len, "%s slo_max_energy_mj %.6g",
                       before, near.energy_j * 1e3);
    }
}

void cvg__infer_row_dropped(struct cvg__call *call, const struct cvg_drop *drop)
{
    struct cvg__server *s = call->server;
    struct cvg__rows *r = &call->rows;
    char nearest[200] = "";
    r->left--;
    if (call->phase == CVG__ANSWERED) {
        return;
    }
    count_end(call, &s->models[r->model].fail);
    if (never_feasible(drop->reason)) {
        say_nearest(call, nearest, sizeof nearest);
    }
    unsigned status = status_of(drop->reason);
    if (drop->retry_after > 0 && (status == 429 || status == 503)) {
        cvg_span seconds = (drop->retry_after + CVG_S(1) - 1) / CVG_S(1);
        call->retry_after = (unsigned)(seconds > 3600 ? 3600 : seconds);
    } else if (status == 429 || status == 503) {
        call->retry_after = 1;
    }
    const struct cvg_app *app = &s->box->apps[r->arrival.app];
    cvg__call_error(
        call, status, "model '%s', application '%s', request %llu %s: %s%s",
        s->models[r->model].name, app->name, (unsigned long long)drop->request,
        cvg_outcome_name(drop->outcome), cvg_reason_text(drop->reason),
        nearest);
    cvg__infer_cancel(call, false);
}

void cvg__infer_row_refused(struct cvg__call *call,
                            const struct cvg_batch_item *item, const char *why)
{
    struct cvg__model *model = &call->server->models[call->rows.model];
    bool clients = item->status == CVG_INVALID;
    call->rows.left--;
    if (call->phase == CVG__ANSWERED) {
        return;
    }
    count_end(call, &model->fail);
    cvg__call_error(call, clients ? 400 : 500, "model '%s'%s request %llu: %s",
                    model->name, clients ? " cannot run the inputs of" : ",",
                    (unsigned long long)item->request, why);
    cvg__infer_cancel(call, false);
}

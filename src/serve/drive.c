/* The live driver of the engine: events in, actions carried out.
 *
 * Actions belong to the engine until its next step, and carrying one out can
 * make an event (a batch that a device refused): such events wait in `later`
 * until the actions at hand are done. */
#include "serve/server.h"

#include "serve/log.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

cvg_time cvg__now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return CVG_S(t.tv_sec) + t.tv_nsec;
}

static void send_later(struct cvg__server *s, struct cvg_event event)
{
    if (s->later.n == s->later.cap) {
        size_t cap = s->later.cap == 0 ? 64 : s->later.cap * 2;
        struct cvg_event *items = realloc(s->later.items, cap * sizeof *items);
        if (items == NULL) {
            abort(); /* an event lost is a request that never ends */
        }
        s->later.items = items;
        s->later.cap = cap;
    }
    s->later.items[s->later.n++] = event;
}

/* --- batches -------------------------------------------------------------- */

static struct cvg__batch *take_batch(struct cvg__server *s, size_t n_outputs,
                                     uint32_t n)
{
    struct cvg__batch *b = s->free_batches;
    if (b != NULL) {
        s->free_batches = b->next;
    } else {
        b = calloc(1, sizeof *b);
        if (b == NULL) {
            return NULL;
        }
    }
    if (b->room < n * n_outputs) {
        struct cvg_tensor *more =
            realloc(b->outputs, n * n_outputs * sizeof *more);
        if (more == NULL) {
            b->next = s->free_batches;
            s->free_batches = b;
            return NULL;
        }
        b->outputs = more;
        b->room = n * n_outputs;
    }
    for (size_t i = 0; i < n * n_outputs; i++) {
        b->outputs[i] = (struct cvg_tensor){.data = NULL};
    }
    b->n_outputs = n_outputs;
    s->n_batches++;
    return b;
}

/* Back to the pool; outputs that nobody took are freed. */
static void give_batch(struct cvg__server *s, struct cvg__batch *b)
{
    for (uint32_t i = 0; i < b->batch.n; i++) {
        for (size_t k = 0; k < b->n_outputs; k++) {
            cvg_tensor_release(&b->items[i].outputs[k]);
        }
        cvg_features_release(b->items[i].kept);
        b->items[i].kept = NULL;
        cvg_features_release(b->features[i]);
        b->features[i] = NULL;
        struct cvg__call *call = b->calls[i];
        if (call != NULL) {
            call->lent--;
            cvg__call_release(call);
        }
    }
    b->batch.n = 0;
    b->next = s->free_batches;
    s->free_batches = b;
    s->n_batches--;
}

/* Whose request it is, while it lives; NULL. */
static struct cvg__call *find_row(struct cvg__server *s, uint64_t request,
                                  uint32_t *row)
{
    struct cvg__call *call = cvg_id_map_get(&s->ids, request);
    *row = call != NULL ? (uint32_t)(request - call->rows.first_id) : 0;
    return call;
}

static void fill_batch(struct cvg__server *s, struct cvg__batch *b,
                       const struct cvg_start *start)
{
    for (uint32_t i = 0; i < start->n_requests; i++) {
        uint32_t row;
        struct cvg__call *call = find_row(s, start->requests[i], &row);
        assert(call != NULL); /* the engine knows only what we told it */
        size_t n_inputs = call->infer.model->n_inputs;
        call->rows.each[row].batch = start->batch;
        b->calls[i] = call;
        b->features[i] = call->rows.each[row].features;
        call->rows.each[row].features = NULL;
        b->items[i] = (struct cvg_batch_item){
            .request = start->requests[i],
            .inputs = &call->rows.inputs[row * n_inputs],
            .outputs = &b->outputs[i * b->n_outputs],
            .features = b->features[i]};
        call->lent++;
    }
}

static uint32_t unit_in_device(const struct cvg__server *s,
                               const struct cvg_start *start)
{
    uint32_t first = 0;
    for (uint32_t d = 0; d < start->device; d++) {
        first += s->box->devices[d].units;
    }
    return start->unit - first;
}

static void start_failed(struct cvg__server *s, uint64_t batch,
                         enum cvg_status status)
{
    send_later(s,
               (struct cvg_event){.type = CVG_EV_START_FAILED,
                                  .done = {.batch = batch, .status = status}});
}

/* A call whose rows failed in this very step has already let go of the others.
 */
static bool all_known(struct cvg__server *s, const struct cvg_start *act)
{
    for (uint32_t i = 0; i < act->n_requests; i++) {
        uint32_t row;
        const struct cvg__call *call = find_row(s, act->requests[i], &row);
        if (call == NULL ||
            (act->first > 0 && call->rows.each[row].features == NULL)) {
            return false;
        }
    }
    return true;
}

static void start(struct cvg__server *s, const struct cvg_start *act)
{
    if (!all_known(s, act)) {
        start_failed(s, act->batch, CVG_INVALID); /* no fault of the device */
        return;
    }
    const struct cvg__device *device = &s->devices[act->device];
    const struct cvg__model *model =
        &s->models[s->box->n_families + act->variant];
    struct cvg_error err = {.text = "the device is not open"};
    struct cvg__batch *b =
        model->info == NULL
            ? NULL
            : take_batch(s, model->info->n_outputs, act->n_requests);
    if (b == NULL) {
        start_failed(s, act->batch, CVG_DEVICE);
        return;
    }
    b->batch = (struct cvg_batch){.id = act->batch,
                                  .unit = unit_in_device(s, act),
                                  .variant = act->variant,
                                  .first = act->first,
                                  .last = act->last,
                                  .keep = act->keep,
                                  .n = act->n_requests,
                                  .items = b->items,
                                  .user = b};
    fill_batch(s, b, act);
    if (device->backend == NULL ||
        device->ops->submit(device->backend, &b->batch, &err) != CVG_OK) {
        cvg__log('W', "event=start_failed device=%s variant=%s error=\"%s\"",
                 s->box->devices[act->device].name,
                 s->box->variants[act->variant].name, err.text);
        give_batch(s, b);
        start_failed(s, act->batch, CVG_DEVICE);
    }
}

/* --- loading -------------------------------------------------------------- */

static void model_on(struct cvg__server *s, enum cvg_event_type type,
                     uint32_t device, uint32_t variant)
{
    send_later(s, (struct cvg_event){
                      .type = type,
                      .model_on = {.device = device, .variant = variant}});
}

static void note_load_failed(struct cvg__server *s, const char *why)
{
    s->load_failures++;
    (void)snprintf(s->load_error, sizeof s->load_error, "%.255s", why);
}

static void load(struct cvg__server *s, uint32_t device, uint32_t variant,
                 bool in)
{
    const struct cvg__device *d = &s->devices[device];
    struct cvg_error err = {.text = "the device is not open"};
    enum cvg_status status = CVG_DEVICE;
    if (d->backend != NULL) {
        status = in ? d->ops->load(d->backend, variant, &err)
                    : d->ops->unload(d->backend, variant, &err);
    }
    if (status == CVG_OK) {
        s->loads_pending += in;
        return;
    }
    if (in && d->holds[variant]) {
        /* It went down and came back, and has kept what it held. */
        model_on(s, CVG_EV_LOADED, device, variant);
        return;
    }
    if (in) {
        note_load_failed(s, err.text);
    }
    cvg__log('W', "event=%s device=%s variant=%s error=\"%s\"",
             in ? "load_failed" : "unload_failed", s->box->devices[device].name,
             s->box->variants[variant].name, err.text);
    /* What cannot be taken out is out of our hands: it is as good as gone. */
    model_on(s, in ? CVG_EV_LOAD_FAILED : CVG_EV_UNLOADED, device, variant);
}

/* --- actions -------------------------------------------------------------- */

/* The answer is that of the batch at hand, or what the row holds since an
 * earlier exit. */
static void reply(struct cvg__server *s, const struct cvg_reply *act)
{
    uint32_t row;
    struct cvg__call *call = find_row(s, act->request, &row);
    struct cvg__batch *b = s->done;
    if (call == NULL) {
        return;
    }
    cvg_id_map_remove(&s->ids, act->request);
    struct cvg__row *each = &call->rows.each[row];
    bool held = each->held == act->batch;
    bool at_hand =
        b != NULL && b->batch.id == act->batch && act->index < b->batch.n;
    assert(held || at_hand);
    cvg__row_release(each);
    cvg__infer_row_served(call, row, act,
                          held ? NULL : b->items[act->index].outputs);
}

static void drop(struct cvg__server *s, const struct cvg_drop *act)
{
    uint32_t row;
    struct cvg__call *call = find_row(s, act->request, &row);
    if (call == NULL) {
        return;
    }
    cvg_id_map_remove(&s->ids, act->request);
    cvg__row_release(&call->rows.each[row]);
    const struct cvg__batch *b = s->done;
    for (uint32_t i = 0; b != NULL && i < b->batch.n; i++) {
        const struct cvg_batch_item *item = &b->items[i];
        if (item->request == act->request && item->status != CVG_OK) {
            cvg__infer_row_refused(call, item, b->error);
            return;
        }
    }
    cvg__infer_row_dropped(call, act);
}

static void release(struct cvg__server *s, uint64_t request)
{
    uint32_t row;
    struct cvg__call *call = find_row(s, request, &row);
    if (call != NULL) { /* else they went with it */
        cvg__row_release(&call->rows.each[row]);
    }
}

static void carry_out(struct cvg__server *s, const struct cvg_action *a)
{
    switch (a->type) {
    case CVG_ACT_START:
        start(s, &a->start);
        break;
    case CVG_ACT_REPLY:
        reply(s, &a->reply);
        break;
    case CVG_ACT_DROP:
        drop(s, &a->drop);
        break;
    case CVG_ACT_LOAD:
        load(s, a->model_on.device, a->model_on.variant, true);
        break;
    case CVG_ACT_UNLOAD:
        load(s, a->model_on.device, a->model_on.variant, false);
        break;
    case CVG_ACT_SOLVE:
        cvg__planner_ask(s, a->question);
        break;
    case CVG_ACT_RELEASE:
        release(s, a->release.request);
        break;
    case CVG_ACT_ABORT:
    case CVG_ACTIONS:
        break; /* no device here can */
    }
}

static void step(struct cvg__server *s, struct cvg_event *event)
{
    struct cvg_actions actions;
    event->at = cvg__now();
    cvg_engine_step(s->engine, event, &actions);
    cvg_histogram_add(s->decision, cvg__now() - event->at);
    if (s->recorder != NULL) {
        cvg_recorder_step(s->recorder, event, &actions);
    }
    for (size_t i = 0; i < actions.n; i++) {
        carry_out(s, &actions.items[i]);
    }
}

void cvg__drive(struct cvg__server *s, struct cvg_event *event)
{
    if (s->stepping) {
        send_later(s, *event);
        return;
    }
    s->stepping = true;
    step(s, event);
    for (size_t i = 0; i < s->later.n; i++) {
        struct cvg_event next = s->later.items[i];
        step(s, &next);
    }
    s->later.n = 0;
    s->stepping = false;
}

void cvg__drive_decide(struct cvg__server *s)
{
    if (!s->undecided) {
        return;
    }
    s->undecided = false;
    if (cvg_engine_next_wake(s->engine) <= cvg__now()) {
        cvg__drive(s, &(struct cvg_event){.type = CVG_EV_TIMER});
    }
}

void cvg__drive_cancel(struct cvg__server *s, uint64_t request, bool by_client)
{
    if (cvg_id_map_get(&s->ids, request) != NULL) {
        cvg_id_map_remove(&s->ids, request);
        cvg__drive(s, &(struct cvg_event){.type = by_client ? CVG_EV_CANCEL
                                                            : CVG_EV_GIVE_UP,
                                          .request = request});
    }
}

/* --- completions ---------------------------------------------------------- */

static void count_batch(struct cvg__server *s, const struct cvg_completion *c)
{
    struct cvg__model *m = &s->models[s->box->n_families + c->batch->variant];
    if (c->batch->n == 0) {
        return; /* it only switched */
    }
    m->executions++;
    if (m->batches != NULL && c->batch->n <= CVG_MAX_BATCH) {
        m->batches[c->batch->n].count++;
        m->batches[c->batch->n].ns += (uint64_t)c->run_time;
    }
}

/* Which items the model could not run: they would fail again elsewhere. Returns
 * how the batch ended for the others. */
static enum cvg_status refused_items(const struct cvg__batch *b, bool *refused)
{
    bool any = false;
    for (uint32_t i = 0; i < b->batch.n; i++) {
        refused[i] = b->items[i].status != CVG_OK;
        any = any || refused[i];
    }
    return any ? CVG_OK : CVG_DEVICE; /* it must say which */
}

static void log_failed(const struct cvg__server *s,
                       const struct cvg_completion *c)
{
    bool inputs = c->status == CVG_INVALID; /* a client's doing */
    cvg__log(
        inputs ? 'I' : 'W', "event=%s device=%s variant=%s n=%u error=\"%s\"",
        inputs ? "inputs_refused" : "batch_failed",
        s->box->devices[c->device].name,
        s->box->variants[c->batch->variant].name, c->batch->n, c->error.text);
}

/* Requests that may go on from an exit keep what they have of it: an answer and
 * features, in place of those of the exit before. A batch that the engine has
 * given up, because its device hung, may come back when they are elsewhere. */
static void hold_answers(struct cvg__server *s, struct cvg__batch *b,
                         double *confidence)
{
    for (uint32_t i = 0; i < b->batch.n; i++) {
        struct cvg_batch_item *item = &b->items[i];
        uint32_t row;
        struct cvg__call *call = find_row(s, item->request, &row);
        confidence[i] = item->confidence;
        if (call == NULL || item->status != CVG_OK ||
            call->rows.each[row].batch != b->batch.id) {
            continue;
        }
        struct cvg__row *each = &call->rows.each[row];
        cvg__row_release(each);
        each->features = item->kept;
        item->kept = NULL;
        each->held = b->batch.id;
        cvg__infer_row_hold(call, row, item->outputs);
    }
}

static void batch_done(struct cvg__server *s, const struct cvg_completion *c)
{
    struct cvg__batch *b = c->batch->user;
    struct cvg_done done = {
        .batch = c->batch->id, .status = c->status, .run_time = c->run_time};
    bool refused[CVG_MAX_BATCH];
    double confidence[CVG_MAX_BATCH];
    if (done.status != CVG_OK) {
        log_failed(s, c);
    }
    if (done.status == CVG_INVALID) {
        done.status = refused_items(b, refused);
        done.refused = refused;
        done.n_refused = b->batch.n;
    }
    if (done.status == CVG_OK) {
        count_batch(s, c);
    }
    if (done.status == CVG_OK && b->batch.keep) {
        hold_answers(s, b, confidence);
        done.confidence = confidence;
        done.n_confidence = b->batch.n;
    }
    struct cvg_event event = {.type = CVG_EV_DONE, .done = done};
    b->error = c->error.text;
    s->done = b;
    cvg__drive(s, &event);
    s->done = NULL;
    give_batch(s, b);
}

/* A load of the start counts for readiness; later ones are the engine's. */
static void load_done(struct cvg__server *s, const struct cvg_completion *c)
{
    bool ok = c->status == CVG_OK;
    const char *device = s->box->devices[c->device].name;
    const char *variant = s->box->variants[c->variant].name;
    if (ok) {
        cvg__log('I', "event=loaded device=%s variant=%s ms=%.1f", device,
                 variant, (double)c->run_time / 1e6);
    } else {
        note_load_failed(s, c->error.text);
        cvg__log('E', "event=load_failed device=%s variant=%s error=\"%s\"",
                 device, variant, c->error.text);
    }
    s->loads_pending -= s->loads_pending > 0;
    s->devices[c->device].holds[c->variant] = ok;
    if (s->state == CVG__STARTING) {
        s->loading -= s->loading > 0;
        s->load_errors += !ok;
    }
    struct cvg_event event = {
        .type = ok ? CVG_EV_LOADED : CVG_EV_LOAD_FAILED,
        .model_on = {.device = c->device, .variant = c->variant}};
    cvg__drive(s, &event);
}

static void complete(struct cvg__server *s, const struct cvg_completion *c)
{
    switch (c->type) {
    case CVG_COMPLETION_BATCH:
        batch_done(s, c);
        return;
    case CVG_COMPLETION_LOAD:
        load_done(s, c);
        break;
    case CVG_COMPLETION_UNLOAD:
        s->devices[c->device].holds[c->variant] = false;
        cvg__log('I', "event=unloaded device=%s variant=%s",
                 s->box->devices[c->device].name,
                 s->box->variants[c->variant].name);
        cvg__drive(s, &(struct cvg_event){.type = CVG_EV_UNLOADED,
                                          .model_on = {.device = c->device,
                                                       .variant = c->variant}});
        break;
    case CVG_COMPLETION_DEVICE:
        cvg__log(c->up ? 'I' : 'E', "event=device_%s device=%s error=\"%s\"",
                 c->up ? "up" : "down", s->box->devices[c->device].name,
                 c->error.text);
        cvg__drive(s, &(struct cvg_event){
                          .type = CVG_EV_DEVICE,
                          .device = {.device = c->device, .up = c->up}});
        break;
    }
    cvg__repository_check(s);
}

/* Any thread: keeps the completion and wakes the loop. */
static void post(void *context, const struct cvg_completion *c)
{
    struct cvg__server *s = context;
    struct cvg__inbox *in = &s->inbox;
    (void)pthread_mutex_lock(&in->lock);
    if (in->n == in->cap) {
        size_t cap = in->cap == 0 ? 64 : in->cap * 2;
        struct cvg_completion *items = realloc(in->items, cap * sizeof *items);
        if (items == NULL) {
            abort(); /* a completion lost is a batch that never ends */
        }
        in->items = items;
        in->cap = cap;
    }
    struct cvg_completion *to = &in->items[in->n];
    /* All but the message, half a KiB that is only there on failure. */
    memcpy(to, c, offsetof(struct cvg_completion, error.text));
    to->error.text[0] = '\0';
    if (c->status != CVG_OK || c->type == CVG_COMPLETION_DEVICE) {
        to->error = c->error;
    }
    bool first = in->n == 0;
    __atomic_store_n(&in->n, in->n + 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_unlock(&in->lock);
    if (first) {
        (void)uv_async_send(&s->wake);
    }
}

struct cvg_device_env cvg__drive_env(struct cvg__server *s)
{
    return (struct cvg_device_env){
        .box = s->box, .seed = s->options->seed, .post = post, .context = s};
}

/* All that has come in, one lock for the lot. */
void cvg__drive_inbox(struct cvg__server *s)
{
    struct cvg__inbox *in = &s->inbox;
    while (__atomic_load_n(&in->n, __ATOMIC_RELAXED) > 0) {
        (void)pthread_mutex_lock(&in->lock);
        size_t n = in->n, cap = in->cap;
        struct cvg_completion *items = in->items;
        in->items = s->taken;
        in->cap = s->taken_cap;
        __atomic_store_n(&in->n, 0, __ATOMIC_RELAXED);
        (void)pthread_mutex_unlock(&in->lock);
        s->taken = items;
        s->taken_cap = cap;
        for (size_t i = 0; i < n; i++) {
            complete(s, &items[i]);
        }
    }
}

enum cvg_status cvg__inbox_init(struct cvg__inbox *inbox, struct cvg_error *err)
{
    if (pthread_mutex_init(&inbox->lock, NULL) != 0) {
        return cvg_fail(err, CVG_NOMEM, "no mutex");
    }
    return CVG_OK;
}

void cvg__drive_fini(struct cvg__server *s)
{
    while (s->free_batches != NULL) {
        struct cvg__batch *b = s->free_batches;
        s->free_batches = b->next;
        free(b->outputs);
        free(b);
    }
    free(s->inbox.items);
    free(s->taken);
    free(s->later.items);
    cvg_id_map_fini(&s->ids);
}

/* Batches begin and end. */
#include "engine/state.h"

#include <assert.h>

struct batch *cvg__batch_take(struct cvg_engine *e)
{
    /* As many as all units can hold together: one is always left for a unit
     * that has room. */
    assert(e->free_batch != NONE);
    struct batch *b = &e->batches[e->free_batch];
    e->free_batch = b->next_free;
    b->id = 0;
    b->n = 0;
    b->binding = 0;
    b->only_switches = false;
    return b;
}

void cvg__batch_give(struct cvg_engine *e, struct batch *b)
{
    b->id = 0;
    b->next_free = e->free_batch;
    e->free_batch = (uint32_t)(b - e->batches);
}

static void put_in_batch(struct cvg_engine *e, struct batch *b, uint32_t k,
                         bool keep)
{
    struct slot *s = &e->slots[b->slots[k]];
    s->state = SLOT_RUNNING;
    s->taken = false;
    s->batch = (uint32_t)(b - e->batches);
    s->index_in_batch = k;
    s->exit = b->last;
    s->kept = keep;
    s->unit = b->unit;
    s->batch_size = b->n;
    s->predicted = b->predicted;
    e->action_ids[e->n_action_ids++] = s->request.id;
}

/* A request leaves its queue for a unit. */
static void start_request(struct cvg_engine *e, struct batch *b, uint32_t k,
                          bool keep)
{
    struct slot *s = &e->slots[b->slots[k]];
    s->waiting = e->queues[s->request.app].n;
    cvg__queue_remove(e, b->slots[k]);
    cvg__expiry_remove(e, b->slots[k]);
    s->attempts++;
    s->variant = b->variant;
    s->binding = b->binding;
    s->started = e->now;
    s->has_answer = false;
    put_in_batch(e, b, k, keep);
}

static cvg_time earliest_due(const struct cvg_engine *e, const struct batch *b)
{
    cvg_time due = CVG_NEVER;
    for (uint32_t k = 0; k < b->n; k++) {
        cvg_time own = cvg_request_due(&e->slots[b->slots[k]].request);
        due = own < due ? own : due;
    }
    return due;
}

static double energy_of(const struct cvg_engine *e, const struct batch *b)
{
    return b->n == 0
               ? 0
               : cvg_profile_energy(e->profile, b->variant, b->first, b->last,
                                    e->units[b->unit].device, b->n);
}

/* May each of its requests go on from that exit by itself? */
static bool can_leave(const struct cvg_engine *e, const struct batch *b,
                      uint32_t exit)
{
    uint32_t device = e->units[b->unit].device;
    uint32_t min =
        cvg_profile_min_batch(e->profile, b->variant, b->first, exit, device);
    return min > 0 && b->n >= min &&
           cvg_profile_min_batch(e->profile, b->variant, exit + 1, b->last,
                                 device) == 1;
}

/* Who has conditions is judged at every exit. Who is in the same batch goes on
 * from there to where it was to go. */
static void stop_at_first_exit(struct cvg_engine *e, struct batch *b)
{
    bool judged = false;
    for (uint32_t k = 0; k < b->n; k++) {
        struct slot *s = &e->slots[b->slots[k]];
        s->aim = b->last;
        judged = judged || s->request.conditions != NULL;
    }
    if (judged && b->last > 0 && can_leave(e, b, 0)) {
        b->last = 0;
    }
}

/* Where requests stop at exits, a long run of stages stops at the first, if
 * somebody may come who cannot wait for all of them. Not where the answer would
 * be worse than the one before. */
static void shorten(struct cvg_engine *e, struct batch *b)
{
    const double *accuracy = e->box->variants[b->variant].accuracy;
    bool worse = b->first > 0 && accuracy[b->first] < accuracy[b->first - 1];
    if (b->n > 0 && b->first < b->last && e->policy.exits->next != NULL &&
        !worse && can_leave(e, b, b->first) &&
        cvg__run_time(e, b->variant, b->first, b->last,
                      e->units[b->unit].device, b->n,
                      CVG_MEAN) > cvg__slack(e, b->unit)) {
        b->last = b->first;
    }
}

/* `resumed`: its requests were paused, and features pin the variant. */
static void begin(struct cvg_engine *e, uint32_t index, bool resumed)
{
    struct batch *b = &e->batches[index];
    uint32_t device = e->units[b->unit].device;
    struct residency *r = cvg__residency(e, device, b->variant);
    assert(r->state == CVG_RESIDENT || resumed);
    b->id = (++e->batch_count << BATCH_BITS) | index;
    r->runs++;
    r->used = e->now;
    e->n_running++;
    b->due = earliest_due(e, b);
    if (!resumed) {
        stop_at_first_exit(e, b);
    }
    shorten(e, b);
    bool keep = cvg__keeps_features(e, b);
    cvg__unit_start(e, index);
    struct cvg_device_stats *stats = &e->stats->devices[device];
    stats->batches += b->n > 0;
    stats->items += b->n;
    e->energy_begun_j += energy_of(e, b);
    const uint64_t *ids = &e->action_ids[e->n_action_ids];
    for (uint32_t k = 0; k < b->n; k++) {
        if (resumed) {
            put_in_batch(e, b, k, keep);
        } else {
            start_request(e, b, k, keep);
        }
    }
    cvg__act(e, CVG_ACT_START)->start = (struct cvg_start){
        .batch = b->id,
        .unit = b->unit,
        .device = device,
        .variant = b->variant,
        .first = b->first,
        .last = b->last,
        .keep = keep,
        .requests = ids,
        .n_requests = b->n,
        .predicted = b->predicted,
    };
}

void cvg__batch_start(struct cvg_engine *e, uint32_t index)
{
    begin(e, index, false);
}

void cvg__batch_resume(struct cvg_engine *e, uint32_t index)
{
    begin(e, index, true);
}

static struct batch *find_batch(struct cvg_engine *e, uint64_t id)
{
    uint32_t index = (uint32_t)(id & ((1U << BATCH_BITS) - 1));
    if (id == 0 || index >= e->n_batches || e->batches[index].id != id) {
        return NULL;
    }
    return &e->batches[index];
}

/* By what was asked for, also where the deadline has given way. */
static bool holds_late(const struct cvg_engine *e, const struct batch *b)
{
    for (uint32_t k = 0; k < b->n; k++) {
        const struct slot *s = &e->slots[b->slots[k]];
        if (!s->cancelled && e->now > s->request.deadline) {
            return true;
        }
    }
    return false;
}

/* It is back at the exit before the stages that are lost. */
static void lose_request(struct cvg_engine *e, uint32_t slot,
                         const struct batch *b)
{
    struct slot *s = &e->slots[slot];
    s->exit = b->first > 0 ? b->first - 1 : s->exit;
    if (!s->cancelled && cvg__has_good_answer(e, s)) {
        cvg__end_served(e, slot);
    } else {
        cvg__requeue(e, slot);
    }
}

/* The model cannot run it; it may have run it up to an earlier exit. */
static void refuse_request(struct cvg_engine *e, uint32_t slot,
                           const struct batch *b)
{
    struct slot *s = &e->slots[slot];
    cvg__release_kept(e, slot);
    if (b->first > 0) {
        s->exit = b->first - 1;
    }
    if (b->first > 0 && cvg__has_good_answer(e, s)) {
        cvg__end_served(e, slot);
    } else {
        cvg__end_unserved(e, slot, CVG_OUTCOME_FAILED, CVG_REASON_INPUTS);
    }
}

static void end_requests(struct cvg_engine *e, struct batch *b, bool answered,
                         const struct cvg_done *done, double energy_j)
{
    for (uint32_t k = 0; k < b->n; k++) {
        uint32_t slot = b->slots[k];
        e->slots[slot].energy_j += answered ? energy_j / b->n : 0;
        if (!answered) {
            lose_request(e, slot, b);
        } else if (e->slots[slot].cancelled) {
            cvg__release_kept(e, slot);
            cvg__end_cancelled(e, slot);
        } else if (k < done->n_refused && done->refused[k]) {
            refuse_request(e, slot, b);
        } else {
            cvg__at_exit(e, slot, b,
                         k < done->n_confidence ? done->confidence[k] : -1);
        }
    }
}

/* Of a batch that has ended well. */
static void tell_policy(struct cvg_engine *e, const struct batch *b,
                        cvg_span run_time)
{
    const struct cvg_order_ops *order = e->policy.order;
    const struct cvg_batching_ops *batching = e->policy.batching;
    const struct cvg_exits_ops *exits = e->policy.exits;
    const struct cvg_unit *unit = &e->units[b->unit];
    const struct cvg_held held = {.batch = b->id,
                                  .variant = b->variant,
                                  .first = b->first,
                                  .last = b->last,
                                  .n = b->n,
                                  .started = b->started,
                                  .predicted = b->predicted,
                                  .due = b->due,
                                  .work = b->work};
    if (b->n == 0) {
        return; /* it only switched */
    }
    if (order->done != NULL) {
        order->done(e->order_state, &e->view, unit, &held, run_time);
    }
    if (batching->done != NULL) {
        batching->done(e->batching_state, &e->view, unit, &held,
                       holds_late(e, b));
    }
    if (exits->done != NULL) {
        exits->done(e->exits_state, &e->view, unit, &held, run_time);
    }
}

void cvg__batch_done(struct cvg_engine *e, const struct cvg_done *done,
                     bool begun)
{
    struct batch *b = find_batch(e, done->batch);
    if (b == NULL) {
        return; /* its device went down before: already accounted for */
    }
    bool answered = begun && done->status == CVG_OK;
    uint32_t device = e->units[b->unit].device;
    struct cvg_device_stats *stats = &e->stats->devices[device];
    uint32_t index = (uint32_t)(b - e->batches);
    e->settled = false;
    if (!begun) {
        cvg__unit_not_begun(e, index);
    }
    cvg_span worked = cvg__unit_end(e, index, done->run_time, answered);
    e->n_running--;
    double energy_j = 0;
    if (answered) {
        energy_j = energy_of(e, b);
        stats->energy_j += energy_j;
        stats->worked += worked;
        stats->worked_late += holds_late(e, b) ? worked : 0;
        cvg__device_worked(e, device);
        tell_policy(e, b, done->run_time);
    } else {
        if (done->status != CVG_INVALID) {
            stats->failures++;
            cvg__device_failed(e, device);
        }
    }
    end_requests(e, b, answered, done, energy_j);
    cvg__model_ran(e, device, b->variant);
    cvg__batch_give(e, b);
}

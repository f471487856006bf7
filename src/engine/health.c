/* Devices that come and go, fail, and hang.
 *
 * A device that fails is left alone for 10 ms, then 100 ms, 1 s, and twice as
 * long each time up to a minute; a batch that it runs well ends that. So a
 * request that it failed goes elsewhere first. A batch that is overdue beyond
 * all reason counts as failed, too. */
#include "engine/state.h"

/* --- up and down ---------------------------------------------------------- */

static void lose_batches(struct cvg_engine *e, uint32_t device)
{
    uint32_t first = e->first_unit[device];
    for (uint32_t u = first; u < first + e->box->devices[device].units; u++) {
        while (e->units[u].n_held > 0) {
            struct cvg_done lost = {.batch = e->units[u].held[0].batch,
                                    .status = CVG_DEVICE};
            cvg__batch_done(e, &lost, true);
        }
        cvg_unit_cache_clear(&e->unit_states[u].cache);
    }
}

/* Its memory is lost; what it held is brought back when it is up again. */
static void go_down(struct cvg_engine *e, uint32_t device)
{
    struct device_state *d = &e->devices[device];
    d->up = false;
    d->quarantined_until = 0;
    lose_batches(e, device);
    cvg__lose_paused(e, device);
    d->quarantined_until = 0;
    cvg__forget_models(e, device);
}

void cvg__device_event(struct cvg_engine *e, const struct cvg_event *event)
{
    uint32_t device = event->device.device;
    struct device_state *d = &e->devices[device];
    if (event->device.slowdown > 0) {
        d->known_slowdown = event->device.slowdown;
    }
    if (event->device.up == d->up) {
        return;
    }
    if (event->device.up) {
        d->up = true;
        cvg__load_asked(e, device);
    } else {
        go_down(e, device);
    }
    e->stats->devices[device].up = d->up;
    cvg__count_free(e);
    cvg__reconsider(e);
}

/* --- quarantine ----------------------------------------------------------- */

#define QUARANTINE_FIRST CVG_MS(10)
#define QUARANTINE_FACTOR 10     /* until it is long */
#define QUARANTINE_LONG CVG_S(1) /* from here on it doubles */
#define QUARANTINE_LONGEST CVG_S(60)

static cvg_span next_quarantine(cvg_span last)
{
    if (last == 0) {
        return QUARANTINE_FIRST;
    }
    cvg_span next =
        last < QUARANTINE_LONG ? last * QUARANTINE_FACTOR : last * 2;
    return next < QUARANTINE_LONGEST ? next : QUARANTINE_LONGEST;
}

void cvg__device_failed(struct cvg_engine *e, uint32_t device)
{
    struct device_state *d = &e->devices[device];
    if (!d->up || d->quarantined_until != 0) {
        return;
    }
    d->quarantine = next_quarantine(d->quarantine);
    d->quarantined_until = e->now + d->quarantine;
    e->stats->devices[device].up = false;
    cvg__count_free(e);
    cvg__reconsider(e);
}

void cvg__device_worked(struct cvg_engine *e, uint32_t device)
{
    e->devices[device].quarantine = 0;
}

cvg_time cvg__next_probe(const struct cvg_engine *e)
{
    cvg_time next = CVG_NEVER;
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        cvg_time until = e->devices[d].quarantined_until;
        if (until != 0 && until < next) {
            next = until;
        }
    }
    return next;
}

void cvg__probe(struct cvg_engine *e)
{
    bool any = false;
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        struct device_state *s = &e->devices[d];
        if (s->quarantined_until != 0 && s->quarantined_until <= e->now) {
            s->quarantined_until = 0;
            e->stats->devices[d].up = s->up;
            any = true;
        }
    }
    if (any) {
        cvg__count_free(e);
        cvg__reconsider(e);
    }
}

/* --- batches that never end ------------------------------------------------ */

#define HANG_FACTOR 20
#define HANG_AT_LEAST CVG_S(5)
#define HANG_LOOK CVG_S(1)

static bool hangs(const struct cvg_engine *e, const struct batch *b)
{
    cvg_span patience = HANG_FACTOR * b->work;
    patience = patience > HANG_AT_LEAST ? patience : HANG_AT_LEAST;
    return e->now > b->predicted + patience;
}

/* What the device may still answer is not heard. */
static void give_up_batch(struct cvg_engine *e, uint64_t batch)
{
    struct cvg_done lost = {.batch = batch, .status = CVG_DEVICE};
    cvg__act(e, CVG_ACT_ABORT)->batch = batch;
    cvg__batch_done(e, &lost, true);
}

/* On a shared unit the others run on. */
static void watch_shared(struct cvg_engine *e, uint32_t unit)
{
    const struct cvg_unit *view = &e->units[unit];
    for (uint32_t i = 0; i < view->n_held;) {
        if (hangs(e, &e->batches[e->unit_states[unit].batches[i]])) {
            give_up_batch(e,
                          view->held[i].batch); /* the next takes its place */
        } else {
            i++;
        }
    }
}

/* Behind a batch that hangs an fcfs unit stands still: all that it holds is
 * given up. */
static void watch_fcfs(struct cvg_engine *e, uint32_t unit)
{
    const struct cvg_unit *view = &e->units[unit];
    if (view->n_held > 0 &&
        hangs(e, &e->batches[e->unit_states[unit].batches[0]])) {
        while (view->n_held > 0) {
            give_up_batch(e, view->held[0].batch);
        }
    }
}

void cvg__watch(struct cvg_engine *e)
{
    if (e->now < e->watch_at) {
        return;
    }
    e->watch_at = CVG_NEVER;
    for (uint32_t u = 0; u < e->n_units; u++) {
        uint32_t device = e->units[u].device;
        if (e->box->devices[device].discipline == CVG_FCFS) {
            watch_fcfs(e, u);
        } else {
            watch_shared(e, u);
        }
    }
}

void cvg__keep_watching(struct cvg_engine *e)
{
    if (e->n_running == 0) {
        e->watch_at = CVG_NEVER;
    } else if (e->watch_at == CVG_NEVER) {
        e->watch_at = e->now + HANG_LOOK;
    }
}

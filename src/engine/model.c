/* Variants in devices, and devices that come and go.
 *
 * Memory is the device's, counted when a load is asked for and given back when
 * the unload is done. A device that fails is left alone for 10 ms, then 100 ms,
 * 1 s, and twice as long each time up to a minute; a batch that it runs well
 * ends that. So a request that it failed goes elsewhere first. A batch that is
 * overdue beyond all reason counts as failed, too. */
#include "engine/state.h"

#include <string.h>

#define QUARANTINE_FIRST CVG_MS(10)
#define QUARANTINE_FACTOR 10     /* until it is long */
#define QUARANTINE_LONG CVG_S(1) /* from here on it doubles */
#define QUARANTINE_LONGEST CVG_S(60)

struct residency *cvg__residency(const struct cvg_engine *e, uint32_t device,
                                 uint32_t variant)
{
    return &e->residency[(size_t)device * e->box->n_variants + variant];
}

static void set_state(struct cvg_engine *e, struct residency *r,
                      enum cvg_residency state)
{
    r->state = state;
    e->residency_changed = true;
}

bool cvg__has_room(const struct cvg_engine *e, uint32_t device,
                   uint32_t variant)
{
    const struct cvg_device *d = &e->box->devices[device];
    const struct device_state *s = &e->devices[device];
    uint64_t need = e->box->variants[variant].memory_bytes;
    return s->n_resident < d->resident && need <= d->memory_bytes &&
           s->memory_used <= d->memory_bytes - need;
}

static void occupy(struct cvg_engine *e, uint32_t device, uint32_t variant)
{
    e->devices[device].memory_used += e->box->variants[variant].memory_bytes;
    e->devices[device].n_resident++;
}

static void vacate(struct cvg_engine *e, uint32_t device, uint32_t variant)
{
    e->devices[device].memory_used -= e->box->variants[variant].memory_bytes;
    e->devices[device].n_resident--;
}

/* --- the start ------------------------------------------------------------ */

static void preset_caches(struct cvg_engine *e, uint32_t device,
                          uint32_t variant)
{
    for (uint32_t u = 0; u < e->box->devices[device].units; u++) {
        cvg_unit_cache_preset(&e->unit_states[e->first_unit[device] + u].cache,
                              variant);
    }
}

void cvg__initial_residency(struct cvg_engine *e)
{
    uint32_t n_variants = (uint32_t)e->box->n_variants;
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        for (uint32_t k = 0; k < n_variants; k++) {
            uint32_t v = cvg_engine_initial(e, d, k);
            if (v == CVG_ANY) {
                break;
            }
            struct residency *r = cvg__residency(e, d, v);
            if (cvg_box_can_run(e->box, d, v) && cvg__has_room(e, d, v)) {
                occupy(e, d, v);
                set_state(e, r, CVG_RESIDENT);
                preset_caches(e, d, v);
            }
        }
    }
}

uint32_t cvg_engine_initial(const struct cvg_engine *e, uint32_t device,
                            uint32_t k)
{
    const uint32_t *want = &e->want[(size_t)device * e->box->n_variants];
    for (uint32_t v = 0; v < e->box->n_variants; v++) {
        if (want[v] == k + 1) {
            return v;
        }
    }
    return CVG_ANY;
}

bool cvg_engine_resident(const struct cvg_engine *e, uint32_t device,
                         uint32_t variant)
{
    return cvg__residency(e, device, variant)->state == CVG_RESIDENT;
}

/* --- loading and unloading ------------------------------------------------ */

void cvg__unload(struct cvg_engine *e, uint32_t device, uint32_t variant)
{
    struct residency *r = cvg__residency(e, device, variant);
    r->asked = r->asked && e->enabled[variant];
    if (r->state != CVG_RESIDENT || r->runs > 0 || !e->devices[device].up) {
        return;
    }
    set_state(e, r, CVG_UNLOADING);
    struct cvg_action *act = cvg__act(e, CVG_ACT_UNLOAD);
    act->model_on.device = device;
    act->model_on.variant = variant;
}

/* The idle variant that was used longest ago; CVG_ANY: none. */
static uint32_t least_recently_used(const struct cvg_engine *e, uint32_t device)
{
    uint32_t best = CVG_ANY;
    for (uint32_t v = 0; v < e->box->n_variants; v++) {
        const struct residency *r = cvg__residency(e, device, v);
        if (r->state == CVG_RESIDENT && r->runs == 0 &&
            (best == CVG_ANY ||
             r->used < cvg__residency(e, device, best)->used)) {
            best = v;
        }
    }
    return best;
}

static bool is_unloading(const struct cvg_engine *e, uint32_t device)
{
    for (uint32_t v = 0; v < e->box->n_variants; v++) {
        if (cvg__residency(e, device, v)->state == CVG_UNLOADING) {
            return true;
        }
    }
    return false;
}

void cvg__load(struct cvg_engine *e, uint32_t device, uint32_t variant)
{
    struct residency *r = cvg__residency(e, device, variant);
    if (r->failed || !e->devices[device].up || !e->enabled[variant] ||
        !cvg_box_can_run(e->box, device, variant)) {
        return;
    }
    if (r->state != CVG_ABSENT) {
        r->asked = r->state == CVG_UNLOADING; /* it comes back after that */
        return;
    }
    r->asked = true;
    if (!cvg__has_room(e, device, variant)) {
        /* Make room first; UNLOADED comes back here. */
        uint32_t oldest = least_recently_used(e, device);
        if (!is_unloading(e, device) && oldest != CVG_ANY) {
            cvg__unload(e, device, oldest);
        }
        return;
    }
    r->asked = false;
    set_state(e, r, CVG_LOADING);
    occupy(e, device, variant);
    e->stats->devices[device].loads++;
    struct cvg_action *act = cvg__act(e, CVG_ACT_LOAD);
    act->model_on.device = device;
    act->model_on.variant = variant;
}

static void load_asked(struct cvg_engine *e, uint32_t device)
{
    for (uint32_t v = 0; v < e->box->n_variants; v++) {
        if (cvg__residency(e, device, v)->asked) {
            cvg__load(e, device, v);
        }
    }
}

static void set_enabled(struct cvg_engine *e, uint32_t variant, bool wanted)
{
    e->enabled[variant] = wanted;
    e->demand.changed = true;
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        cvg__residency(e, d, variant)->failed = false;
        if (wanted) {
            cvg__load(e, d, variant);
        } else {
            cvg__unload(e, d, variant);
        }
    }
}

void cvg__model_event(struct cvg_engine *e, const struct cvg_event *event)
{
    if (event->type == CVG_EV_MODEL) {
        set_enabled(e, event->model.variant, event->model.wanted);
        cvg__reconsider(e);
        return;
    }
    uint32_t device = event->model_on.device;
    uint32_t variant = event->model_on.variant;
    struct residency *r = cvg__residency(e, device, variant);
    if (event->type == CVG_EV_LOADED && r->state == CVG_LOADING) {
        set_state(e, r, CVG_RESIDENT);
        r->used = e->now;
        e->stats->devices[device].switching +=
            cvg_profile_load(e->profile, variant, device);
        if (!e->enabled[variant]) {
            cvg__unload(e, device, variant);
        }
    } else if (event->type == CVG_EV_LOAD_FAILED && r->state != CVG_ABSENT &&
               r->state != CVG_UNLOADING) {
        set_state(e, r, CVG_ABSENT);
        r->failed = true;
        vacate(e, device, variant);
        e->stats->devices[device].failures++;
        cvg__reconsider(e);
    } else if (event->type == CVG_EV_UNLOADED && r->state == CVG_UNLOADING) {
        set_state(e, r, CVG_ABSENT);
        vacate(e, device, variant);
        load_asked(e, device);
    }
}

/* --- devices -------------------------------------------------------------- */

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
    d->quarantined_until = 0;
    for (uint32_t v = 0; v < e->box->n_variants; v++) {
        struct residency *r = cvg__residency(e, device, v);
        r->asked =
            r->asked || r->state == CVG_RESIDENT || r->state == CVG_LOADING;
        if (r->state != CVG_ABSENT) {
            vacate(e, device, v);
        }
        set_state(e, r, CVG_ABSENT);
    }
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
        load_asked(e, device);
    } else {
        go_down(e, device);
    }
    e->stats->devices[device].up = d->up;
    cvg__count_free(e);
    cvg__reconsider(e);
}

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

/* Gives up the batches of a unit that hangs; what it may still answer is not
 * heard. */
static void give_up_unit(struct cvg_engine *e, uint32_t unit)
{
    while (e->units[unit].n_held > 0) {
        uint64_t batch = e->units[unit].held[0].batch;
        struct cvg_done lost = {.batch = batch, .status = CVG_DEVICE};
        cvg__act(e, CVG_ACT_ABORT)->batch = batch;
        cvg__batch_done(e, &lost, true);
    }
}

void cvg__watch(struct cvg_engine *e)
{
    if (e->now < e->watch_at) {
        return;
    }
    e->watch_at = CVG_NEVER;
    for (uint32_t u = 0; u < e->n_units; u++) {
        if (e->units[u].n_held > 0 &&
            hangs(e, &e->batches[e->unit_states[u].batches[0]])) {
            give_up_unit(e, u);
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

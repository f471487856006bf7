/* Variants in devices: what is loaded, what makes room for it.
 *
 * Memory is the device's, counted when a load is asked for and given back when
 * the unload is done. What makes room is the variant that was used longest ago
 * and runs nothing; where all run, without end, a load that has waited for long
 * enough has one of them end: nothing more begins on it, and it is unloaded
 * when its last batch is done. */
#include "engine/state.h"

/* How long a load waits at least before it puts out what is in use. */
#define LOAD_PATIENCE CVG_S(1)

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

enum cvg_residency cvg_engine_residency(const struct cvg_engine *e,
                                        uint32_t device, uint32_t variant)
{
    return cvg__residency(e, device, variant)->state;
}

bool cvg_engine_resident(const struct cvg_engine *e, uint32_t device,
                         uint32_t variant)
{
    const struct residency *r = cvg__residency(e, device, variant);
    return r->state == CVG_RESIDENT ||
           (r->state == CVG_UNLOADING && r->runs > 0);
}

/* --- loading and unloading ------------------------------------------------ */

static void set_asked(struct cvg_engine *e, uint32_t device, uint32_t variant,
                      bool asked)
{
    struct residency *r = cvg__residency(e, device, variant);
    if (asked == r->asked) {
        return;
    }
    r->asked = asked;
    if (asked) {
        r->asked_at = e->now;
        e->devices[device].n_asked++;
    } else {
        e->devices[device].n_asked--;
    }
}

static void send_unload(struct cvg_engine *e, uint32_t device, uint32_t variant)
{
    struct cvg_action *act = cvg__act(e, CVG_ACT_UNLOAD);
    act->model_on.device = device;
    act->model_on.variant = variant;
}

void cvg__unload(struct cvg_engine *e, uint32_t device, uint32_t variant)
{
    struct residency *r = cvg__residency(e, device, variant);
    set_asked(e, device, variant, r->asked && e->enabled[variant]);
    if (r->state != CVG_RESIDENT || r->runs > 0 || !e->devices[device].up) {
        return;
    }
    set_state(e, r, CVG_UNLOADING);
    send_unload(e, device, variant);
}

void cvg__model_ran(struct cvg_engine *e, uint32_t device, uint32_t variant)
{
    struct residency *r = cvg__residency(e, device, variant);
    r->runs--;
    e->devices[device].try_loads = true;
    if (!e->devices[device].up || r->runs > 0) {
        return;
    }
    if (r->state == CVG_UNLOADING) {
        send_unload(e, device, variant);
    } else if (!e->enabled[variant]) {
        cvg__unload(e, device, variant);
    }
}

/* The variant that was used longest ago, among the idle ones or among all;
 * CVG_ANY: none. */
static uint32_t least_recently_used(const struct cvg_engine *e, uint32_t device,
                                    bool idle)
{
    uint32_t best = CVG_ANY;
    for (uint32_t v = 0; v < e->box->n_variants; v++) {
        const struct residency *r = cvg__residency(e, device, v);
        if (r->state == CVG_RESIDENT && (r->runs == 0 || !idle) &&
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

/* Has it waited long enough to put out what is in use? As long as it takes
 * itself, at least: two that are wanted all the time would else be loaded most
 * of the time. */
static bool insists(const struct cvg_engine *e, uint32_t device,
                    uint32_t variant)
{
    cvg_span load = cvg_profile_load(e->profile, variant, device);
    return e->now - cvg__residency(e, device, variant)->asked_at >=
           (load > LOAD_PATIENCE ? load : LOAD_PATIENCE);
}

static bool asked_before(const struct cvg_engine *e, uint32_t device,
                         uint32_t a, uint32_t b)
{
    cvg_time at_a = cvg__residency(e, device, a)->asked_at;
    cvg_time at_b = cvg__residency(e, device, b)->asked_at;
    return at_a != at_b ? at_a < at_b : a < b;
}

/* The variant that was asked for next after `after` (CVG_ANY: first of all);
 * CVG_ANY: none. */
static uint32_t next_asked(const struct cvg_engine *e, uint32_t device,
                           uint32_t after)
{
    uint32_t best = CVG_ANY;
    for (uint32_t v = 0; v < e->box->n_variants; v++) {
        if (cvg__residency(e, device, v)->asked &&
            (after == CVG_ANY || asked_before(e, device, after, v)) &&
            (best == CVG_ANY || asked_before(e, device, v, best))) {
            best = v;
        }
    }
    return best;
}

/* What has waited for so long gets the room that there is, or a large variant
 * would wait for ever while small ones come and go. */
static bool waits_its_turn(const struct cvg_engine *e, uint32_t device,
                           uint32_t variant)
{
    uint32_t first = e->devices[device].n_asked > 0
                         ? next_asked(e, device, CVG_ANY)
                         : CVG_ANY;
    return first != CVG_ANY && first != variant && insists(e, device, first);
}

/* UNLOADED comes back to the load that it is for. */
static void make_room(struct cvg_engine *e, uint32_t device, uint32_t variant)
{
    if (is_unloading(e, device)) {
        return;
    }
    uint32_t idle = least_recently_used(e, device, true);
    uint32_t oldest = least_recently_used(e, device, false);
    if (idle != CVG_ANY) {
        cvg__unload(e, device, idle);
    } else if (oldest != CVG_ANY && insists(e, device, variant)) {
        set_state(e, cvg__residency(e, device, oldest), CVG_UNLOADING);
    }
}

void cvg__load(struct cvg_engine *e, uint32_t device, uint32_t variant)
{
    struct residency *r = cvg__residency(e, device, variant);
    if (r->failed || !e->devices[device].up || !e->enabled[variant] ||
        !cvg_box_can_run(e->box, device, variant)) {
        return;
    }
    if (r->state != CVG_ABSENT) {
        /* It comes back after that. */
        set_asked(e, device, variant, r->state == CVG_UNLOADING);
        return;
    }
    if (waits_its_turn(e, device, variant)) {
        set_asked(e, device, variant, true);
        return;
    }
    if (!cvg__has_room(e, device, variant)) {
        set_asked(e, device, variant, true);
        make_room(e, device, variant);
        return;
    }
    set_asked(e, device, variant, false);
    set_state(e, r, CVG_LOADING);
    occupy(e, device, variant);
    e->stats->devices[device].loads++;
    struct cvg_action *act = cvg__act(e, CVG_ACT_LOAD);
    act->model_on.device = device;
    act->model_on.variant = variant;
}

void cvg__load_asked(struct cvg_engine *e, uint32_t device)
{
    uint32_t v = CVG_ANY;
    while (e->devices[device].n_asked > 0 &&
           (v = next_asked(e, device, v)) != CVG_ANY) {
        cvg__load(e, device, v);
    }
}

/* Does somebody wait for a fuller batch of what the device holds? What is asked
 * for may put that out only when it has waited for long enough. */
static bool is_held_back(const struct cvg_engine *e, uint32_t device)
{
    const struct device_state *d = &e->devices[device];
    if (d->n_running > 0 || d->n_asked == 0 ||
        insists(e, device, next_asked(e, device, CVG_ANY))) {
        return false;
    }
    for (uint32_t a = 0; a < e->box->n_apps; a++) {
        if (cvg__queue_next(e, a, NONE, cvg_device_bit(device), 0) != NONE) {
            return true;
        }
    }
    return false;
}

void cvg__retry_loads(struct cvg_engine *e)
{
    for (uint32_t d = 0; d < e->box->n_devices; d++) {
        if (e->devices[d].try_loads) {
            e->devices[d].try_loads = false;
            if (!is_held_back(e, d)) {
                cvg__load_asked(e, d);
            }
        }
    }
}

static void set_enabled(struct cvg_engine *e, uint32_t variant, bool wanted)
{
    e->enabled[variant] = wanted;
    e->demand.changed = true;
    e->demand.shaken = true;
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
        /* Nobody wants it so much as to start? Then others may have its place.
         */
        e->devices[device].try_loads = e->devices[device].n_running == 0;
        e->stats->devices[device].switching +=
            cvg_profile_load(e->profile, variant, device);
        if (!e->enabled[variant]) {
            cvg__unload(e, device, variant);
        }
    } else if (event->type == CVG_EV_LOAD_FAILED && r->state != CVG_ABSENT &&
               r->state != CVG_UNLOADING) {
        set_state(e, r, CVG_ABSENT);
        r->failed = true;
        e->demand.changed = true;
        vacate(e, device, variant);
        e->stats->devices[device].failures++;
        e->devices[device].try_loads = true;
        cvg__reconsider(e);
    } else if (event->type == CVG_EV_UNLOADED && r->state == CVG_UNLOADING &&
               r->runs == 0) {
        set_state(e, r, CVG_ABSENT);
        vacate(e, device, variant);
        cvg__load_asked(e, device);
    }
}

/* --- a device goes down --------------------------------------------------- */

void cvg__forget_models(struct cvg_engine *e, uint32_t device)
{
    for (uint32_t v = 0; v < e->box->n_variants; v++) {
        struct residency *r = cvg__residency(e, device, v);
        bool wanted = r->asked || r->failed || r->state == CVG_RESIDENT ||
                      r->state == CVG_LOADING;
        set_asked(e, device, v, wanted && e->enabled[v]);
        r->failed = false; /* it may have been the device's fault */
        if (r->state != CVG_ABSENT) {
            vacate(e, device, v);
        }
        set_state(e, r, CVG_ABSENT);
    }
}

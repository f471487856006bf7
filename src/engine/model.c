/* Variants in devices: what is loaded, what makes room for it.
 *
 * Memory is the device's, counted when a load is asked for and given back when
 * the unload is done. */
#include "engine/state.h"

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

void cvg__load_asked(struct cvg_engine *e, uint32_t device)
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
        cvg__load_asked(e, device);
    }
}

/* --- a device goes down --------------------------------------------------- */

void cvg__forget_models(struct cvg_engine *e, uint32_t device)
{
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

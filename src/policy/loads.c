/* Bringing variants in for requests that nothing in memory can serve. */
#include "policy/loads.h"

#define LOOKS_AT 4U /* such requests of an app */
/* How long a request without deadline lets others go before it. */
#define PATIENCE CVG_S(1)

struct target {
    cvg_span time; /* load and run */
    uint32_t device, variant;
    bool on_its_way;
};

static void consider(const struct cvg_view *view, const struct cvg_request *r,
                     uint32_t device, uint32_t variant, uint32_t exit,
                     struct target *best)
{
    const struct cvg_profile *p = view->profile;
    uint32_t n = cvg_profile_min_batch(p, variant, 0, exit, device);
    uint32_t max = cvg_profile_max_batch(p, variant, 0, exit, device);
    if (n == 0) {
        return;
    }
    while (n < max &&
           !cvg_view_good_enough(view, r, variant, exit, device, n)) {
        n++;
    }
    if (!cvg_view_good_enough(view, r, variant, exit, device, n)) {
        return;
    }
    if (cvg_view_residency(view, device, variant) == CVG_LOADING) {
        best->on_its_way = true;
    }
    double run =
        (double)cvg_profile_time(p, variant, 0, exit, device, n, CVG_MEAN) *
        cvg_view_slowdown(view, device);
    cvg_span time = cvg_profile_load(p, variant, device) + (cvg_span)run;
    if (time < best->time) {
        best->time = time;
        best->device = device;
        best->variant = variant;
    }
}

static bool is_overdue(const struct cvg_view *view, const struct cvg_request *r)
{
    return cvg_request_due(r) == CVG_NEVER &&
           view->now - r->arrival >= PATIENCE;
}

static bool goes_before(const struct cvg_view *view,
                        const struct cvg_request *a,
                        const struct cvg_request *b)
{
    bool overdue = is_overdue(view, a);
    if (overdue != is_overdue(view, b)) {
        return overdue;
    }
    return overdue ? a->arrival < b->arrival : cvg_view_before(view, a, b);
}

/* What the device holds may be put out for a request only if nobody who goes
 * before it waits for that: else two would put each other out for ever. */
static bool may_make_room(const struct cvg_view *view, uint32_t device,
                          const struct cvg_request *r)
{
    for (uint32_t a = 0; a < view->n_apps; a++) {
        const struct cvg_request *other =
            cvg_view_next_on(view, a, NULL, cvg_device_bit(device), 0);
        if (other != NULL && !goes_before(view, r, other)) {
            return false;
        }
    }
    return true;
}

static void load_for(const struct cvg_view *view, struct cvg_choices *choices,
                     const struct cvg_request *r)
{
    const struct cvg_box *box = view->box;
    const struct cvg_family *family = &box->families[view->apps[r->app].family];
    struct target best = {.time = CVG_NEVER};
    for (uint32_t d = 0; d < box->n_devices; d++) {
        if (!cvg_view_up(view, d)) {
            continue;
        }
        bool may = may_make_room(view, d, r);
        for (size_t i = 0; i < family->n_variants; i++) {
            uint32_t v = family->variants[i];
            if (!cvg_box_can_run(box, d, v) || !cvg_view_enabled(view, v) ||
                (!may && !cvg_view_has_room(view, d, v))) {
                continue;
            }
            for (uint32_t x = 0; x < box->variants[v].n_exits; x++) {
                consider(view, r, d, v, x, &best);
            }
        }
    }
    if (best.time != CVG_NEVER && !best.on_its_way) {
        cvg_choose_load(choices, best.device, best.variant);
    }
}

void cvg__load_for_homeless_but(const struct cvg_view *view,
                                struct cvg_choices *choices,
                                cvg__is_other *is_other, const void *context)
{
    for (uint32_t a = 0; a < view->n_apps; a++) {
        const struct cvg_request *r = cvg_view_next_on(view, a, NULL, 0, 0);
        for (uint32_t k = 0; r != NULL && k < LOOKS_AT; k++) {
            if (is_other == NULL || !is_other(context, r)) {
                load_for(view, choices, r);
            }
            r = cvg_view_next_on(view, a, r, 0, 0);
        }
    }
}

void cvg__load_for_homeless(const struct cvg_view *view,
                            struct cvg_choices *choices)
{
    cvg__load_for_homeless_but(view, choices, NULL, NULL);
}

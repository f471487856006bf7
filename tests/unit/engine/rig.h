/* An engine driven by hand: events in, actions out, without a simulator.
 *
 *     struct rig r;
 *     rig_init(&r);                       then world_device(&r.w, ...) etc.
 *     rig_start(&r, "edf");
 *     rig_arrive(&r, CVG_MS(1), 7, NULL);
 *     assert_int_equal(rig_count(&r, CVG_ACT_START), 1);
 *     rig_done(&r, CVG_MS(11), r.batch, CVG_OK);
 *     rig_fini(&r);
 */
#ifndef CVG_TESTS_ENGINE_RIG_H
#define CVG_TESTS_ENGINE_RIG_H

#include "support/world.h"

struct rig {
    struct world w; /* for its box */
    struct cvg_engine_options options;
    struct cvg_engine *e;
    struct cvg_actions acts; /* of the last step */
    uint64_t batch;          /* of the last start */
};

static inline void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    world_init(&r->w);
    r->options.measure_until = CVG_NEVER;
}

static inline void rig_start(struct rig *r, const char *policy)
{
    struct cvg_error err = {.text = ""};
    assert_int_equal(cvg_profile_finish(r->w.box->profile, &err), CVG_OK);
    if (cvg_policy_parse(policy, NULL, &r->w.policy, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    r->options.box = r->w.box;
    r->options.policy = &r->w.policy;
    if (cvg_engine_create(&r->options, &r->e, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
}

static inline void rig_fini(struct rig *r)
{
    cvg_engine_destroy(r->e);
    world_fini(&r->w);
}

static inline void rig_step(struct rig *r, const struct cvg_event *event)
{
    cvg_engine_step(r->e, event, &r->acts);
    for (size_t i = 0; i < r->acts.n; i++) {
        if (r->acts.items[i].type == CVG_ACT_START) {
            r->batch = r->acts.items[i].start.batch;
        }
    }
}

/* `bounds` may be NULL: only what the app asks for. */
static inline void rig_arrive(struct rig *r, cvg_time at, uint64_t id,
                              const struct cvg_arrival *bounds)
{
    struct cvg_event event = {.type = CVG_EV_ARRIVAL, .at = at};
    event.arrival.variant = CVG_ANY;
    if (bounds != NULL) {
        event.arrival = *bounds;
    }
    event.arrival.id = id;
    rig_step(r, &event);
}

static inline void rig_due(struct rig *r, cvg_time at, uint64_t id,
                           cvg_span deadline)
{
    struct cvg_arrival a = {.variant = CVG_ANY,
                            .overrides = 1U << CVG_SLO_DEADLINE,
                            .bounds = {.deadline = deadline}};
    rig_arrive(r, at, id, &a);
}

static inline void rig_done(struct rig *r, cvg_time at, uint64_t batch,
                            enum cvg_status status)
{
    struct cvg_event event = {.type = CVG_EV_DONE, .at = at};
    event.done.batch = batch;
    event.done.status = status;
    rig_step(r, &event);
}

/* TIMER, DRAIN: events that say nothing more. */
static inline void rig_tell(struct rig *r, cvg_time at,
                            enum cvg_event_type type)
{
    struct cvg_event event = {.type = type, .at = at};
    rig_step(r, &event);
}

static inline void rig_model_on(struct rig *r, cvg_time at,
                                enum cvg_event_type type, uint32_t device,
                                uint32_t variant)
{
    struct cvg_event event = {.type = type, .at = at};
    event.model_on.device = device;
    event.model_on.variant = variant;
    rig_step(r, &event);
}

static inline void rig_want(struct rig *r, cvg_time at, uint32_t variant,
                            bool wanted)
{
    struct cvg_event event = {.type = CVG_EV_MODEL, .at = at};
    event.model.variant = variant;
    event.model.wanted = wanted;
    rig_step(r, &event);
}

static inline void rig_device(struct rig *r, cvg_time at, uint32_t device,
                              bool up)
{
    struct cvg_event event = {.type = CVG_EV_DEVICE, .at = at};
    event.device.device = device;
    event.device.up = up;
    rig_step(r, &event);
}

static inline size_t rig_count(const struct rig *r, enum cvg_action_type type)
{
    size_t n = 0;
    for (size_t i = 0; i < r->acts.n; i++) {
        n += r->acts.items[i].type == type;
    }
    return n;
}

/* The k-th action of that type in the last step; fails if there is none. */
static inline const struct cvg_action *rig_action(const struct rig *r,
                                                  enum cvg_action_type type,
                                                  size_t k)
{
    for (size_t i = 0; i < r->acts.n; i++) {
        if (r->acts.items[i].type == type && k-- == 0) {
            return &r->acts.items[i];
        }
    }
    fail_msg("no such action");
    return NULL;
}

#endif

/* Events and actions as bytes, and back: one description for both directions
 * (codec.h). */
#ifndef CVG_RECORD_STEPS_H
#define CVG_RECORD_STEPS_H

#include "record/codec.h"

/* A step as it was read. Arrays are owned, and used again. */
struct cvg_code_step {
    struct cvg_event event;
    struct cvg_action *actions;
    size_t n_actions, max_actions;
    uint64_t *ids; /* of all START actions together */
    size_t n_ids, max_ids;
    double *confidence;
    size_t max_confidence;
    bool *refused;
    size_t max_refused;
    struct cvg_question question;
    struct cvg_plan answer;
};
void cvg__code_step_fini(struct cvg_code_step *step);

/* Bytes that a step can take at most. */
size_t cvg__code_room(const struct cvg_event *event,
                      const struct cvg_actions *actions);
void cvg__code_write_event(struct cvg_codec *c, const struct cvg_event *event);
void cvg__code_write_actions(struct cvg_codec *c,
                             const struct cvg_actions *actions);
/* CVG_CONFIG: these bytes are no event (or actions) of this box. CVG_NOMEM. */
enum cvg_status cvg__code_read_event(struct cvg_codec *c,
                                     struct cvg_code_step *step);
enum cvg_status cvg__code_read_actions(struct cvg_codec *c,
                                       struct cvg_code_step *step);

#endif

/* What is sent: per family, the model's input and items to fill it with. */
#ifndef CVG_LOAD_INPUTS_H
#define CVG_LOAD_INPUTS_H

#include "base/rng.h"
#include "config/config.h"
#include "load/address.h"
#include "load/payload.h"

struct cvg__items { /* of one family */
    bool used;      /* some app of the workload asks it */
    struct cvg__input input;
    struct cvg_dataset dataset;
    unsigned char *made; /* instead of a dataset; owned */
    uint32_t count;
};

struct cvg__inputs {
    struct cvg__items *families; /* [n]; owned */
    size_t n;
};

/* Asks the server for the inputs of the families that `workload` needs; items
 * are those of `dataset` (NULL: the family's own in the box; none there: made
 * up). With `labels`, a family without a dataset is an error. */
enum cvg_status cvg__inputs_open(struct cvg__inputs *inputs,
                                 const struct cvg_address *server,
                                 const struct cvg_box *box,
                                 const struct cvg_workload *workload,
                                 const char *dataset, bool labels,
                                 struct cvg_error *err);
void cvg__inputs_close(struct cvg__inputs *inputs);

/* Which items an app sends: a sequence per (seed, app). */
void cvg__inputs_sequence(struct cvg_rng *rng, uint64_t seed, uint32_t app);
/* The next one; *label is -1 where there are none. */
const void *cvg__inputs_draw(const struct cvg__items *items,
                             struct cvg_rng *rng, int32_t *label);

#endif

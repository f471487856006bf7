/* convergo profile, in three parts: profile.c reads the options, profile_plan.c
 * finds out what there is to measure, profile_run.c measures it. */
#ifndef CVG_CLI_PROFILE_H
#define CVG_CLI_PROFILE_H

#include "cli/profile_rows.h"
#include "device/measure.h"
#include <convergo/box.h>
#include <jansson.h>

#define CVG_PROFILE_NAMES 64U /* of one option, at most */
#define CVG_PROFILE_SIZES 32U /* of batches, at most */

struct cvg_profiling_options { /* borrowed from argv */
    const char *box, *out, *variants_out, *dataset, *json;
    const char *variants[CVG_PROFILE_NAMES], *devices[CVG_PROFILE_NAMES];
    size_t n_variants, n_devices;
    uint32_t batches[CVG_PROFILE_SIZES];
    size_t n_batches;
    struct cvg_measure_limits limits;
};

struct cvg_profiling {
    const struct cvg_profiling_options *options;
    struct cvg_box *box;
    uint32_t *variants, *devices; /* those to measure */
    size_t n_variants, n_devices;
    struct cvg_rows profile, accuracy; /* the files */
    bool writes_variants;
    char *variants_path;
    struct cvg_meter meter;
    char source[256];       /* what the rows say of where they come from */
    json_t *rows, *answers; /* for --json */
    /* progress, when standard error is a terminal */
    bool talks;
    size_t done, total;
    cvg_time begun;
};

/* Chooses devices and variants, reads the files that will be changed, looks at
 * every model. Nothing is changed by it. */
enum cvg_status cvg_profiling_plan(struct cvg_profiling *p,
                                   struct cvg_error *err);
void cvg_profiling_fini(struct cvg_profiling *p);

/* The dataset that answers of the variant are compared with; NULL: none. */
const char *cvg_profiling_dataset(const struct cvg_profiling *p,
                                  uint32_t variant);

/* Measures all of it into p->profile, p->accuracy, p->rows and p->answers. */
enum cvg_status cvg_profiling_measure(struct cvg_profiling *p,
                                      struct cvg_error *err);

#endif

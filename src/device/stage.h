/* One ONNX file in ONNX Runtime: a plain model, or a stage of one.
 *
 * What the last stage of a model returns is its answer, and every stage returns
 * outputs of these names; the others are its features, which the next stage
 * takes in their order. */
#ifndef CVG_DEVICE_STAGE_H
#define CVG_DEVICE_STAGE_H

#include "device/ort.h"
#include "device/repository.h"
#include "device/session.h"

struct cvg_stage {
    const struct cvg_ort *ort;
    OrtSession *session;
    struct cvg_model_info info; /* outputs: its answer, then its features */
    size_t n_answers;
    const char **names; /* inputs, then outputs; they point into info */
    uint32_t rows;      /* batch that it is fixed at; 0: variable */
    const char *path;   /* for messages; borrowed from the file, gone after
                         * cvg_stages_join() */
};

/* `to_run`: optimised, on the provider of the options; else only to be asked
 * what it takes and returns. Blocking. On failure *out is untouched. */
enum cvg_status cvg_stage_open(const struct cvg_ort *ort,
                               const struct cvg_session_options *options,
                               const struct cvg_model_file *file,
                               const char *folder, bool to_run,
                               struct cvg_stage *out, struct cvg_error *err);
void cvg_stage_close(struct cvg_stage *stage);

/* Do the n stages fit each other? Puts their outputs in order. CVG_CONFIG says
 * which does not. */
enum cvg_status cvg_stages_join(struct cvg_stage *stages, uint32_t n,
                                struct cvg_error *err);

#endif

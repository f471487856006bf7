/* Items in, items out: checks the tensors of a batch, joins them for ONNX
 * Runtime, runs it, splits what it returns. */
#ifndef CVG_DEVICE_TENSORS_H
#define CVG_DEVICE_TENSORS_H

#include "device/ort.h"
#include <convergo/device.h>

struct cvg_runner { /* a loaded model, or a stage of one; all borrowed */
    const struct cvg_ort *ort;
    OrtSession *session;
    const struct cvg_model_info *info;
    const char *const *input_names, *const *output_names;
    uint32_t rows;    /* the batch that the model is fixed at; 0: variable */
    bool accelerator; /* something runs it that may fail, not this CPU */
    /* [n_inputs] of an item on which the model has run before: when another
     * fails, these tell whether the device still works. NULL: there is none. */
    const struct cvg_tensor *probe;

    /* Stages: outputs from n_answers on are features, which stay where they
     * are made, and so are the inputs of all but the first. */
    size_t n_answers;
    bool takes_features;
    const OrtMemoryInfo *memory; /* where features lie */
};

/* Do the inputs fit the model? CVG_INVALID names the first that does not. */
enum cvg_status cvg_tensors_check(const struct cvg_model_info *info,
                                  const struct cvg_batch_item *items,
                                  uint32_t n, struct cvg_error *err);

/* Runs items that have passed the check and whose outputs are empty. Any
 * thread. CVG_INVALID: the model cannot run some of them, which is no fault of
 * the device: their `status` says so, the others have their outputs. On any
 * other failure no item has outputs. */
enum cvg_status cvg_tensors_run(const struct cvg_runner *runner,
                                struct cvg_batch_item *items, uint32_t n,
                                struct cvg_error *err);

/* Frees the outputs' data and empties them. */
void cvg_tensors_drop_outputs(const struct cvg_model_info *info,
                              struct cvg_batch_item *items, uint32_t n);

#endif

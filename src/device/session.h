/* One model in ONNX Runtime, ready to run batches, in one stage or several.
 *
 * Every input and output of a model has the batch as its first dimension.
 * Where that is variable the items of a batch run together, concatenated;
 * where it is fixed at k they run k at a time, the last ones filled up with
 * zeros; k = 1 is one after the other. Either way it is described as variable.
 */
#ifndef CVG_DEVICE_SESSION_H
#define CVG_DEVICE_SESSION_H

#include <convergo/device.h>

struct cvg_session;

struct cvg_session_options {
    const char *models;   /* the repository; NULL: the box names none */
    const char *variant;  /* name */
    const char *provider; /* "CPU"; NULL means that too */
    const struct cvg_option *options; /* of the provider; borrowed */
    size_t n_options;
    uint32_t threads;  /* that work on one batch, >= 1 */
    uint32_t n_stages; /* that it must have; 0: any number */
};

/* Blocking: reads, optimises and warms up. Any thread. *out is owned by the
 * caller: cvg_session_close(). */
enum cvg_status cvg_session_open(const struct cvg_session_options *options,
                                 struct cvg_session **out,
                                 struct cvg_error *err);
void cvg_session_close(struct cvg_session *session); /* NULL is allowed */

/* Runs the stages of the batch on its items and fills their outputs with the
 * answer of the last, and `kept` where it keeps features; on failure all of
 * that is left empty. Tensors that the model does not take are refused by name,
 * expected and got: CVG_INVALID. If the model itself cannot run some of the
 * items that is CVG_INVALID too: these have it as their `status`, the others
 * have their outputs. Any number of threads at once. */
enum cvg_status cvg_session_run(const struct cvg_session *session,
                                struct cvg_batch *batch, struct cvg_error *err);

/* Empties the outputs of items that were not run, or frees those of items that
 * were, but whose answer nobody may have. */
void cvg_session_no_outputs(const struct cvg_session *session,
                            struct cvg_batch *batch);
void cvg_session_drop_outputs(const struct cvg_session *session,
                              struct cvg_batch *batch);

/* Borrowed from the session. */
const struct cvg_model_info *cvg_session_info(
    const struct cvg_session *session);

struct cvg_session_cost { /* as measured by open() */
    cvg_span load_time;
    uint64_t memory_bytes; /* heap that it took, at least the file's size */
    uint64_t file_bytes;   /* of all its stages */
};
struct cvg_session_cost cvg_session_cost(const struct cvg_session *session);

/* What the model says, without loading it for good. The caller frees *out. */
enum cvg_status cvg_session_describe(const struct cvg_session_options *options,
                                     struct cvg_model_info *out,
                                     struct cvg_error *err);

#endif

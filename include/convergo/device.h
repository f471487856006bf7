/* Backends: what runs a batch. One table of calls per backend; one object per
 * device of the box.
 *
 * A backend's own threads post completions through `env->post`, which may be
 * called from any thread. Calls come from the loop's thread and return at
 * once. */
#ifndef CONVERGO_DEVICE_H
#define CONVERGO_DEVICE_H

#include <convergo/box.h>
#include <convergo/status.h>
#include <convergo/time.h>

enum cvg_type { /* tensor element types, with the names of the protocol */
                CVG_TYPE_BOOL,
                CVG_TYPE_UINT8,
                CVG_TYPE_UINT16,
                CVG_TYPE_UINT32,
                CVG_TYPE_UINT64,
                CVG_TYPE_INT8,
                CVG_TYPE_INT16,
                CVG_TYPE_INT32,
                CVG_TYPE_INT64,
                CVG_TYPE_FP16,
                CVG_TYPE_FP32,
                CVG_TYPE_FP64,
                CVG_TYPE_BYTES, /* u32 length + bytes each; described, never run
                                   yet */
                CVG_TYPE_BF16,
                CVG_TYPES
};
const char *cvg_type_name(enum cvg_type type); /* "FP32", ... */
size_t cvg_type_size(enum cvg_type type);      /* bytes; 0 for BYTES */
/* False: no such name. */
bool cvg_type_from_name(const char *name, enum cvg_type *out);

#define CVG_MAX_DIMS 16U
#define CVG_MAX_TENSORS 256U

struct cvg_tensor_info { /* what a model says of an input or output */
    char *name;
    enum cvg_type type;
    uint32_t n_dims;
    int64_t dims[CVG_MAX_DIMS]; /* -1: variable; dims[0] is the batch */
};

struct cvg_model_info { /* owned by who asked: cvg_model_info_free() */
    /* What it takes, and what its every exit answers. */
    struct cvg_tensor_info *inputs, *outputs;
    size_t n_inputs, n_outputs;
    uint32_t n_stages; /* 1: a plain model */
    uint32_t version;  /* of its files, where it was asked for by itself */
};
void cvg_model_info_free(struct cvg_model_info *info);

/* Memory in which the outputs of several items lie: a large result of a batch
 * is handed out row by row without being copied. */
struct cvg_memory {
    uint32_t users; /* tensors that have not been released; atomic */
    void (*free)(struct cvg_memory *memory); /* by the last; any thread */
};

struct cvg_tensor { /* one item: dims without the batch dimension */
    uint32_t n_dims;
    int64_t dims[CVG_MAX_DIMS];
    enum cvg_type type;
    void *data; /* row-major, little endian */
    size_t bytes;
    struct cvg_memory *memory; /* of an output, that data lies in; NULL: data
                                * came from malloc() */
};
/* Lets go of an output's data, if it has any. */
void cvg_tensor_release(struct cvg_tensor *output);

/* What a stage of a model has made of one item, for the next: it stays in the
 * memory of its device. Any thread; NULL is allowed. */
struct cvg_features;
void cvg_features_release(struct cvg_features *features);

/* A batch on its way through a device. Owned by the caller; lent to the device
 * from submit() until its completion is posted. */
struct cvg_batch_item {
    uint64_t request;
    const struct cvg_tensor *inputs; /* in the model's order; borrowed */
    struct cvg_tensor *outputs; /* n_outputs of them, filled by the backend;
                                 * the caller releases them */
    /* Of the stage before the batch's first, made on the same device; borrowed.
     * Not looked at where that is 0. */
    const struct cvg_features *features;
    /* Of its last, where the batch keeps them and the item has an answer; set
     * by the device, the caller releases it. */
    struct cvg_features *kept;
    /* Then too: the largest probability of its first output (logits that are no
     * distribution are taken as such); -1: it says nothing of that kind. */
    double confidence;
    /* Set by the device. CVG_OK; CVG_INVALID: the model cannot run this item;
     * CVG_UNSUPPORTED: what it returns for it is no answer to an item. */
    enum cvg_status status;
};
struct cvg_batch {
    uint64_t id;
    uint32_t unit; /* within the device: 0..units-1 */
    uint32_t variant;
    uint32_t first, last; /* stages; the answer is that of the exit `last` */
    bool keep;            /* features, for the stages after them */
    uint32_t n;           /* 0: only brings the variant into the unit's cache */
    struct cvg_batch_item *items;
    void *user; /* the caller's own */
};

enum cvg_completion_type {
    CVG_COMPLETION_BATCH,
    CVG_COMPLETION_LOAD,
    CVG_COMPLETION_UNLOAD,
    CVG_COMPLETION_DEVICE /* the device itself went down or came back */
};
struct cvg_completion {
    enum cvg_completion_type type;
    uint32_t device, variant;
    struct cvg_batch *batch; /* BATCH */
    /* CVG_INVALID of a BATCH: some of its items could not be run, by what they
     * are and by no fault of the device: those whose `status` says so; the
     * others have their outputs. Any other failure: no item has. */
    enum cvg_status status;
    bool up;           /* DEVICE */
    cvg_span run_time; /* measured; BATCH (switch included), LOAD */
    struct cvg_error error;
};

struct cvg_device_env {        /* what a backend may use of the outside */
    const struct cvg_box *box; /* borrowed; outlives the device */
    uint64_t seed;
    void (*post)(void *context, const struct cvg_completion *completion);
    void *context;
};

struct cvg_backend; /* an open device; each backend defines its own */

struct cvg_backend_ops {
    const char *name; /* as written in the box file */
    bool emulated;    /* its times are another device's */

    /* Opens device `index` of the box. No variant is loaded yet. */
    enum cvg_status (*open)(const struct cvg_device_env *env, uint32_t index,
                            struct cvg_backend **out, struct cvg_error *err);
    /* Waits for what runs (batches are completed, possibly with an error),
     * joins its threads, frees. */
    void (*close)(struct cvg_backend *backend);

    /* Brings a variant into memory / takes it out; posts LOAD / UNLOAD. A
     * variant with batches in flight is never unloaded (the engine's word). */
    enum cvg_status (*load)(struct cvg_backend *backend, uint32_t variant,
                            struct cvg_error *err);
    enum cvg_status (*unload)(struct cvg_backend *backend, uint32_t variant,
                              struct cvg_error *err);

    /* Starts `batch` and returns at once; posts BATCH later, exactly once.
     * Not CVG_OK: it was not taken and nothing will be posted. */
    enum cvg_status (*submit)(struct cvg_backend *backend,
                              struct cvg_batch *batch, struct cvg_error *err);

    /* Inputs and outputs of a variant, read from the model itself without
     * loading it for good. Blocking; any thread. */
    enum cvg_status (*describe)(const struct cvg_device_env *env,
                                uint32_t device, uint32_t variant,
                                struct cvg_model_info *out,
                                struct cvg_error *err);

    /* Bytes of memory that the variant takes when loaded, as measured; 0:
     * unknown. May be NULL. */
    uint64_t (*memory)(struct cvg_backend *backend, uint32_t variant);
};

/* The table of backends; NULL: none of that name / past the last. */
const struct cvg_backend_ops *cvg_backend_find(const char *name);
const struct cvg_backend_ops *cvg_backend_at(size_t k);

#endif

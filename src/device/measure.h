/* Measuring a device through its backend, as the engine sees it: what
 * `convergo profile` writes down. One device, one variant at a time, nothing
 * else running on it. All calls block. */
#ifndef CVG_DEVICE_MEASURE_H
#define CVG_DEVICE_MEASURE_H

#include "device/meter.h"
#include <convergo/device.h>

struct cvg_measure;

/* Opens device `index` of the box. *out is owned by the caller:
 * cvg_measure_close(). */
enum cvg_status cvg_measure_open(const struct cvg_box *box, uint32_t index,
                                 struct cvg_measure **out,
                                 struct cvg_error *err);
void cvg_measure_close(struct cvg_measure *m); /* NULL is allowed */

struct cvg_measured_load {
    cvg_span time;
    uint64_t memory_bytes;
};
enum cvg_status cvg_measure_load(struct cvg_measure *m, uint32_t variant,
                                 struct cvg_measured_load *out,
                                 struct cvg_error *err);
enum cvg_status cvg_measure_unload(struct cvg_measure *m,
                                   struct cvg_error *err);

/* Of the variant that is loaded. */
const struct cvg_model_info *cvg_measure_info(const struct cvg_measure *m);

struct cvg_measure_limits {
    uint32_t runs;     /* at least, ... */
    cvg_span at_least; /* ... and for this long, ... */
    cvg_span at_most;  /* ... but no longer than this */
};
struct cvg_measured { /* of the whole batch */
    cvg_span mean, p50, p95, p99;
    double energy_j; /* 0: no meter */
    uint32_t samples;
};

/* Times batches of `n` zeros through one stage of it (0: of a plain model),
 * after a warm-up; the features that it takes are those of zeros through the
 * stages before. Dimensions that the model leaves open are taken as 1. `meter`
 * may have found none. */
enum cvg_status cvg_measure_batch(struct cvg_measure *m, uint32_t stage,
                                  uint32_t n,
                                  const struct cvg_measure_limits *limits,
                                  struct cvg_meter *meter,
                                  struct cvg_measured *out,
                                  struct cvg_error *err);

/* Runs n items, each the bytes of the model's only input, one after the other
 * at `items`, to all exits; right[exit] counts those whose first output there
 * is largest at the item's label. CVG_CONFIG: the items do not fit the model.
 */
enum cvg_status cvg_measure_answers(struct cvg_measure *m, const void *items,
                                    size_t item_bytes, const int32_t *labels,
                                    uint32_t n, uint32_t *right,
                                    struct cvg_error *err);

/* How many stages the files of a variant are. */
enum cvg_status cvg_measure_stages(const char *models, const char *variant,
                                   uint32_t *out, struct cvg_error *err);

/* Share of zeros among the weights of a variant's model files, and their size.
 * CVG_CONFIG: it cannot be read as ONNX. */
enum cvg_status cvg_measure_weights(const char *models, const char *variant,
                                    uint64_t *file_bytes, double *sparsity,
                                    struct cvg_error *err);

/* "AMD EPYC", ...: what the kernel says of the processor. */
void cvg_measure_cpu_name(char *out, size_t size);

#endif

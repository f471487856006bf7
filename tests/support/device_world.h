/* A small world for the tests of backends: a box made by hand, tiny models, and
 * a mailbox that completions are posted to. */
#ifndef CVG_TESTS_DEVICE_WORLD_H
#define CVG_TESTS_DEVICE_WORLD_H

#include "support/tiny_model.h"
#include <convergo/device.h>
#include <pthread.h>

enum device_world_variant {
    WORLD_DOUBLE, /* y = 2x, FP32, [-1, 4] */
    WORLD_ONE,    /* the same with its batch fixed at 1 */
    WORLD_THREE,  /* ... at 3 */
    WORLD_LOOSE,  /* [-1, -1] */
    WORLD_WIDE,   /* [-1, 262144]: takes milliseconds */
    WORLD_BROKEN, /* a file that is no model */
    WORLD_ABSENT, /* no file at all */
    WORLD_VARIANTS
};
#define WORLD_MAX_BATCH 8U

struct device_world {
    char folder[256];
    struct cvg_box *box;
    const struct cvg_backend_ops *ops;
    struct cvg_backend *backends[4]; /* by device of the box */

    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct cvg_completion mail[4096];
    uint32_t sent, taken;
};

/* `n_devices` (at most 4) alike, by that backend, not open yet: a test changes
 * them as it likes, adds measurements, then opens. Each of the variants takes
 * `mean` for any batch up to WORLD_MAX_BATCH. Fails the test if it cannot. */
void device_world_begin(struct device_world *w,
                        const struct cvg_backend_ops *ops, uint32_t n_devices,
                        cvg_span mean);
void device_world_open(struct device_world *w, uint32_t device);
void device_world_close(struct device_world *w, uint32_t device);
void device_world_end(struct device_world *w); /* closes what is open */

/* The next completion of any device; fails the test after 30 s. */
struct cvg_completion device_world_take(struct device_world *w);
uint32_t device_world_waiting(struct device_world *w);

/* Loads and waits: it must succeed. */
void device_world_load(struct device_world *w, uint32_t device,
                       uint32_t variant);

/* A batch of n items of `width` floats, the values of item i being
 * first + i, first + i + 0.5, ... */
struct device_world_batch {
    struct cvg_batch batch;
    struct cvg_batch_item items[WORLD_MAX_BATCH];
    struct cvg_tensor inputs[WORLD_MAX_BATCH];
    struct cvg_tensor outputs[WORLD_MAX_BATCH];
    uint32_t completions; /* counted by the test */
};
struct device_world_batch *device_world_batch(uint32_t variant, uint32_t n,
                                              uint32_t width, float first);
/* Are the outputs twice the inputs? Frees them. */
void device_world_check_double(struct device_world_batch *b);
void device_world_batch_free(struct device_world_batch *b);

#endif

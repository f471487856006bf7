/* What one stage of a model hands to the next, of one item. */
#ifndef CVG_DEVICE_FEATURES_H
#define CVG_DEVICE_FEATURES_H

#include <convergo/device.h>

struct cvg_features { /* in the order of the next stage's inputs */
    size_t n;
    struct cvg_tensor tensors[]; /* their data in the device's memory */
};

#endif

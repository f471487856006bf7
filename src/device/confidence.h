/* How sure a model is of an answer. */
#ifndef CVG_DEVICE_CONFIDENCE_H
#define CVG_DEVICE_CONFIDENCE_H

#include <convergo/device.h>

/* The largest probability among the scores of one item, 0..1. They are FP32;
 * those that are no distribution (none negative, 1 in all, to a thousandth) are
 * taken as logits. -1: they say nothing of that kind, or are more than 65,536.
 */
double cvg_confidence(const struct cvg_tensor *scores);

#endif

/* One device as a queue: Poisson arrivals of classes, each a variant of its own
 * that its requests name, served first come, first served.
 *
 * world_*() make the device and the variants; class i is variant i, and app i
 * if there are that many apps (else the last app), so that its mean stands in
 * that app's counts. */
#ifndef CVG_TESTS_QUEUES_H
#define CVG_TESTS_QUEUES_H

#include "support/world.h"

/* Runs `requests` of them at these rates (1/s), and drains. */
void queues_run(struct world *w, const double *rates, size_t n_classes,
                uint64_t requests, uint64_t seed);

/* Mean time from arrival to reply, ms. */
double queues_mean_ms(struct world *w, size_t app);

/* A variant of that service time on device d0; switching to it costs that much
 * (for devices that have switch costs). */
void queues_class(struct world *w, const char *name, double service_ms,
                  double switch_ms);

#endif

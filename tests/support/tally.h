/* What was done for whom and where, counted while a world runs. */
#ifndef CVG_TESTS_TALLY_H
#define CVG_TESTS_TALLY_H

#include "support/world.h"

#define TALLY_APPS 4
#define TALLY_DEVICES 4

struct tally {
    uint64_t served[TALLY_APPS], late[TALLY_APPS];
    double most_energy[TALLY_APPS];
    cvg_span longest_wait[TALLY_APPS];
    uint32_t largest_batch;
    uint64_t by_device[TALLY_DEVICES];
    uint64_t served_on[TALLY_APPS][TALLY_DEVICES];
};

/* Starts the world by `policy`, with a tally that begins at zero. */
void tally_begin(struct tally *tally, struct world *w, const char *policy);

/* n arrivals of an app, one every `gap` from `from` on. */
void tally_arrivals(struct world *w, const char *app, cvg_time from,
                    cvg_span gap, int n);

/* Jointly met / offered. Judges all windows: once, at the end. */
double tally_joint(struct world *w, uint32_t app);

#endif

/* A simulated run of a small box (record_box.h) with everything that can
 * happen in it, recorded to a file. */
#ifndef CVG_TESTS_RECORDED_H
#define CVG_TESTS_RECORDED_H

#include "record/record.h"
#include "sim/sim.h"

struct recorded {
    char path[64];
    struct cvg_box *box;
    struct cvg_policy policy;
    struct cvg_sim *sim;
    struct cvg_recorder *recorder;
    struct cvg_conditions *conditions; /* of some requests */
};

/* A file name that is not taken yet. */
void recorded_name(char path[64]);
/* Opens and begins; `options` (may be NULL) gives limit and waits, and the
 * texts if it has any. */
void recorded_start(struct recorded *r, const char *policy,
                    const struct cvg_record_options *options);
/* `n` arrivals of both apps, one a millisecond; cancels, a device that goes
 * and comes, an SLO and conditions that change, a variant out and in, a drain
 * at the end. */
void recorded_run(struct recorded *r, unsigned n);
/* Returns what closing the record did. */
enum cvg_status recorded_end(struct recorded *r, struct cvg_error *err);

/* All of it, whole; the caller removes the file. */
void recorded_file(struct recorded *r, const char *policy, unsigned n);
/* A file's bytes, from malloc(). */
unsigned char *recorded_bytes(const char *path, size_t *size);

#endif

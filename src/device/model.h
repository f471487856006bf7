/* One emulated device on a virtual clock: what runs when, and until when.
 *
 * The live `emulated` backend and the simulator use this same model, so what
 * is emulated is what is simulated. Pure and deterministic: no clock, I/O,
 * thread, or floating point in the course of time; no allocation after create;
 * the result does not depend on how often it is asked.
 *
 * Semantics (DESIGN.md sections 1 and 4). A unit holds at most the device's
 * `in_flight` batches. `fcfs`: one runs, the others wait inside in the order
 * of submission. `processor-sharing`: all run, each at 1/n of full speed, n
 * being those that run in that unit. Running a variant that is not in the
 * unit's cache costs a switch first (domain/cache.h), which is part of the
 * batch's work. Service time is drawn for each stage from the profile, from a
 * stream named (seed, device, number of the batch on this device, counted from
 * 0), so one batch's draw never shifts another's.
 *
 * Calls that take `now` must not go back in time. Completions due at or before
 * `now` happen first, each at its exact instant, then what the call asks for.
 *
 *     while ((t = cvg_device_model_next(m)) <= now) {
 *         while (cvg_device_model_pop(m, t, &done)) { ... }
 *     }
 */
#ifndef CVG_DEVICE_MODEL_H
#define CVG_DEVICE_MODEL_H

#include <convergo/box.h>
#include <convergo/status.h>
#include <convergo/time.h>

struct cvg_device_model;

/* `device` is its index in the box, which is borrowed and outlives the model.
 * *out is owned by the caller: cvg_device_model_destroy(). Caches are empty;
 * see cvg_device_model_preset(). CVG_NOMEM. */
enum cvg_status cvg_device_model_create(const struct cvg_box *box,
                                        uint32_t device, uint64_t seed,
                                        struct cvg_device_model **out,
                                        struct cvg_error *err);
void cvg_device_model_destroy(struct cvg_device_model *m); /* NULL allowed */

/* Initial content of the caches of all units, free of charge: call for the
 * most important variant first. False: no room beside the ones before. */
bool cvg_device_model_preset(struct cvg_device_model *m, uint32_t variant);

struct cvg_model_batch {
    uint64_t id;          /* unique among the batches inside this device */
    uint32_t unit;        /* within the device */
    uint32_t variant;     /* in the box */
    uint32_t first, last; /* stages */
    uint32_t n;           /* requests: a size that the profile can run */
};

/* Hands a batch to its unit, which must hold fewer than `in_flight` (assert);
 * a batch that has ended is held until it is popped. */
void cvg_device_model_submit(struct cvg_device_model *m, cvg_time now,
                             const struct cvg_model_batch *batch);

/* Instant of the next completion, or of the earliest one that has not been
 * popped; CVG_NEVER: nothing inside. O(1). */
cvg_time cvg_device_model_next(const struct cvg_device_model *m);

struct cvg_model_done {
    uint64_t id;
    uint32_t unit, variant;
    cvg_time submitted, begun, finished;
    bool switched;        /* it began with a switch that cost time */
    cvg_span switch_time; /* of that, at full speed alone */
    cvg_span service;     /* drawn; at full speed alone, without the switch */
};

/* Takes the earliest completion due at or before `now` out of the device, ties
 * by id. False: there is none. */
bool cvg_device_model_pop(struct cvg_device_model *m, cvg_time now,
                          struct cvg_model_done *done);

/* All that runs goes on at 1/factor of full speed from now on (contention, or
 * a slowdown from outside; the caller multiplies them). 1: full speed. Kept to
 * a millionth, at most 1000. */
void cvg_device_model_set_slowdown(struct cvg_device_model *m, cvg_time now,
                                   double factor);

/* The device fails: every batch that has not ended is lost, in the order of
 * units and of submission; `lost` (may be NULL) is told each. Caches are empty
 * after. Batches that ended earlier can still be popped. */
void cvg_device_model_down(struct cvg_device_model *m, cvg_time now,
                           void (*lost)(void *context, uint64_t id),
                           void *context);

/* Does any unit run a batch? As of the last call that took a `now`. */
bool cvg_device_model_busy(const struct cvg_device_model *m);
/* Batches held, ended ones that were not popped included. */
uint32_t cvg_device_model_held(const struct cvg_device_model *m, uint32_t unit);

/* Time to bring a variant into the device's memory (load_ms). Memory itself is
 * not modelled: the engine keeps its books. Loading and unloading leave the
 * units' caches alone. */
cvg_span cvg_device_model_load_time(const struct cvg_device_model *m,
                                    uint32_t variant);

/* Slowdown of `device` by the contention of the box, given which devices are
 * busy: the product over the groups that hold it and are all busy. 1: none.
 * A device that is not busy is not slower. */
double cvg_contention_factor(const struct cvg_box *box, uint32_t device,
                             const bool *busy);

#endif

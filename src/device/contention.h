/* Contention between devices of a box, live: a real device tells the emulator
 * of the box when it begins and ends to be busy, so that emulated devices that
 * contend with it are slower meanwhile. (The real one is slower by itself.) */
#ifndef CVG_DEVICE_CONTENTION_H
#define CVG_DEVICE_CONTENTION_H

#include <convergo/device.h>

struct cvg_emulator;

/* Does this device contend with an emulated one? */
bool cvg_emulator_contends(const struct cvg_box *box, uint32_t device);

/* The emulator of env->box; release it once for each time. */
enum cvg_status cvg_emulator_acquire(const struct cvg_device_env *env,
                                     struct cvg_emulator **out,
                                     struct cvg_error *err);
void cvg_emulator_release(struct cvg_emulator *e); /* NULL is allowed */

void cvg_emulator_note_busy(struct cvg_emulator *e, uint32_t device, bool busy);

#endif

/* Faults on demand, so that tests can see what a server does about a device
 * that fails. They are options of an emulated device:
 *
 *   fail_after: N   every batch after the first N fails, at its usual time
 *   fail_load: N    the first N loads fail
 *   hang_after: N   batches after the first N never end (until close)
 *   down_after: N   the device goes down as its Nth batch ends: what it holds
 *                   is lost, it says so, and refuses batches
 *   down_for: SPAN  ... and comes back after that, once; never without it
 *
 * N counts batches of this device since it was opened. */
#ifndef CVG_DEVICE_FAULTS_H
#define CVG_DEVICE_FAULTS_H

#include <convergo/box.h>
#include <convergo/status.h>

struct cvg_faults { /* UINT64_MAX: never */
    uint64_t fail_after, hang_after, down_after;
    uint64_t fail_load;
    cvg_span down_for; /* CVG_NEVER: for good */
};

/* CVG_CONFIG: an unknown option, which an emulated device has no use for; a
 * value that is none. */
enum cvg_status cvg_faults_read(const struct cvg_device *device,
                                struct cvg_faults *out, struct cvg_error *err);

#endif

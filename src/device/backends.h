/* The backends of the table in device.c. */
#ifndef CVG_DEVICE_BACKENDS_H
#define CVG_DEVICE_BACKENDS_H

#include <convergo/device.h>

extern const struct cvg_backend_ops cvg_backend_emulated;
extern const struct cvg_backend_ops cvg_backend_onnxruntime;

#endif

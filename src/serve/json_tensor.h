/* Tensor data in JSON: numbers straight from the text into the tensor's memory
 * and back, with no tree of values between (Clipper spent 1.4 ms on 1 MB). */
#ifndef CVG_SERVE_JSON_TENSOR_H
#define CVG_SERVE_JSON_TENSOR_H

#include "serve/json.h"
#include "serve/text.h"
#include <convergo/device.h>

/* Can data of this type stand in JSON? FP16, BF16 only come in binary. */
bool cvg__json_tensor_possible(enum cvg_type type);

/* Reads exactly `n` values of `type` from an array, flat or nested (then all
 * arrays of one depth have the same length), into `out`, which has room for
 * them. BOOL takes true, false, 0 and 1; integers must be whole and in range;
 * floating-point numbers are correctly rounded and must not overflow. `what`
 * names the tensor in messages. */
bool cvg__json_tensor_read(struct cvg_json *j, enum cvg_type type, size_t n,
                           void *out, const char *what);

/* Appends `n` values, separated by commas, without brackets. */
void cvg__json_tensor_write(struct cvg_text *t, enum cvg_type type,
                            const void *data, size_t n);

#endif

/* Time: integer nanoseconds, so that equal inputs give equal traces. */
#ifndef CONVERGO_TIME_H
#define CONVERGO_TIME_H

#include <stdint.h>

typedef int64_t cvg_time; /* an instant, ns, on the driver's monotonic clock */
typedef int64_t cvg_span; /* a length of time, ns */

#define CVG_NEVER INT64_MAX
#define CVG_US(n) ((cvg_span)(n)*1000)
#define CVG_MS(n) ((cvg_span)(n)*1000000)
#define CVG_S(n) ((cvg_span)(n)*1000000000)

#endif

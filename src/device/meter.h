/* Energy of the machine, from what Linux shows of it: RAPL counters of whole
 * processor packages (powercap), else power sensors (hwmon: INA3221 on Jetson
 * boards and the like), read now and then. No meter is no error. */
#ifndef CVG_DEVICE_METER_H
#define CVG_DEVICE_METER_H

#include <convergo/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CVG_METER_SENSORS 8U
#define CVG_METER_PATH 192U

struct cvg_meter {
    const char *kind; /* "RAPL", "hwmon"; NULL: there is none */
    size_t n;
    struct {
        char path[CVG_METER_PATH];  /* counter; power, or the voltage */
        char other[CVG_METER_PATH]; /* current, if power is not shown itself */
        uint64_t last, range;       /* counters: uJ */
    } sensors[CVG_METER_SENSORS];
    cvg_time at;   /* of the last reading; CVG_NEVER: not started */
    double watts;  /* then, by power sensors */
    double joules; /* since the start */
};

/* Looks for what can be read under `root` ("/sys", or a test's own). */
void cvg_meter_find(struct cvg_meter *meter, const char *root);

/* Starts from 0 J. */
void cvg_meter_start(struct cvg_meter *meter, cvg_time now);
/* Adds what was used since the last reading. Power sensors are read at most
 * every 10 ms; in between it costs nothing. */
void cvg_meter_read(struct cvg_meter *meter, cvg_time now, bool last);

#endif

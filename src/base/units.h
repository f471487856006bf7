/* Values with units, as in the files: "33ms", "8MiB", "30/s", "2W", "60mJ".
 * Decimals are allowed, there is no default unit; NaN, infinity and negative
 * values are refused in any spelling. CVG_CONFIG with a message that names the
 * value seen and the units that would do. */
#ifndef CVG_BASE_UNITS_H
#define CVG_BASE_UNITS_H

#include <convergo/status.h>
#include <convergo/time.h>
#include <stddef.h>

enum cvg_status cvg_parse_span(const char *text, cvg_span *out,
                               struct cvg_error *err); /* ns us ms s min h */
enum cvg_status cvg_parse_bytes(const char *text, uint64_t *out,
                                struct cvg_error *err); /* B KiB MiB GiB */
enum cvg_status cvg_parse_rate(const char *text, double *out_rps,
                               struct cvg_error *err); /* /s /min */
enum cvg_status cvg_parse_power(const char *text, double *out_w,
                                struct cvg_error *err); /* mW W */
enum cvg_status cvg_parse_energy(const char *text, double *out_j,
                                 struct cvg_error *err); /* uJ mJ J */
enum cvg_status cvg_parse_energy_rate(
    const char *text, double *out_w, struct cvg_error *err); /* J/h kJ/h mW W */
/* A plain finite number, no unit, the whole text. May be negative. */
enum cvg_status cvg_parse_number(const char *text, double *out,
                                 struct cvg_error *err);
/* A whole number in [min, max]. */
enum cvg_status cvg_parse_count(const char *text, uint64_t min, uint64_t max,
                                uint64_t *out, struct cvg_error *err);

/* "33ms", "1.5s", "250us": the shortest exact-enough form for messages. */
void cvg_format_span(char *out, size_t size, cvg_span span);
/* "64MiB", "1000B": exact, in the largest unit that divides it. */
void cvg_format_bytes(char *out, size_t size, uint64_t bytes);

#endif

/* Values with units. */
#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

/* Reads digits with at most one point; no sign, exponent, hex or "inf". NULL:
 * the text does not begin with such a number. */
static const char *read_decimal(const char *text, double *out)
{
    const char *p = text;
    size_t digits = 0;
    while (isdigit((unsigned char)*p)) {
        p++;
        digits++;
    }
    if (*p == '.') {
        p++;
        while (isdigit((unsigned char)*p)) {
            p++;
            digits++;
        }
    }
    if (digits == 0 || digits > 30) {
        return NULL;
    }
    *out = strtod(text, NULL);
    return p;
}

static enum cvg_status parse_with_unit(const char *text,
                                       const struct unit *units,
                                       const char *what, const char *example,
                                       double *out, struct cvg_error *err)
{
    double number;
    const char *rest = read_decimal(text, &number);
    if (rest != NULL && *rest == ' ') {
        rest++; /* "33 ms" is read as well */
    }
    for (const struct unit *u = units; rest != NULL && u->name != NULL; u++) {
        if (strcmp(rest, u->name) == 0) {
            *out = number * u->factor;
            return CVG_OK;
        }
    }
    char known[64] = "";
    for (const struct unit *u = units; u->name != NULL; u++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s",
                 used > 0 ? ", " : "", u->name);
    }
    return cvg_fail(err, CVG_CONFIG,
                    "'%.80s' is no %s: give a number with one of the units %s, "
                    "for example %s",
                    text, what, known, example);
}

enum cvg_status cvg_parse_span(const char *text, cvg_span *out,
                               struct cvg_error *err)
{
    static const struct unit units[] = {
        {"ns", 1},     {"us", 1e3},   {"ms", 1e6}, {"s", 1e9},
        {"min", 6e10}, {"h", 3.6e12}, {NULL, 0},
    };
    double ns;
    enum cvg_status status =
        parse_with_unit(text, units, "time", "33ms", &ns, err);
    if (status != CVG_OK) {
        return status;
    }
    if (ns > 1e18) {
        return cvg_fail(err, CVG_CONFIG,
                        "'%.80s' is too long a time: at most 30 years", text);
    }
    *out = (cvg_span)llround(ns);
    return CVG_OK;
}

enum cvg_status cvg_parse_bytes(const char *text, uint64_t *out,
                                struct cvg_error *err)
{
    static const struct unit units[] = {
        {"B", 1},  {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824},
        {NULL, 0},
    };
    double bytes;
    enum cvg_status status =
        parse_with_unit(text, units, "size", "8MiB", &bytes, err);
    if (status != CVG_OK) {
        return status;
    }
    if (bytes > 0x1p60) {
        return cvg_fail(err, CVG_CONFIG,
                        "'%.80s' is too large a size: at most 1073741824GiB",
                        text);
    }
    *out = (uint64_t)llround(bytes);
    return CVG_OK;
}

enum cvg_status cvg_parse_rate(const char *text, double *out_rps,
                               struct cvg_error *err)
{
    static const struct unit units[] = {
        {"/s", 1}, {"/min", 1.0 / 60}, {NULL, 0}};
    return parse_with_unit(text, units, "rate", "30/s", out_rps, err);
}

enum cvg_status cvg_parse_power(const char *text, double *out_w,
                                struct cvg_error *err)
{
    static const struct unit units[] = {{"mW", 1e-3}, {"W", 1}, {NULL, 0}};
    return parse_with_unit(text, units, "power", "10W", out_w, err);
}

enum cvg_status cvg_parse_energy(const char *text, double *out_j,
                                 struct cvg_error *err)
{
    static const struct unit units[] = {
        {"uJ", 1e-6}, {"mJ", 1e-3}, {"J", 1}, {NULL, 0}};
    return parse_with_unit(text, units, "energy", "60mJ", out_j, err);
}

enum cvg_status cvg_parse_energy_rate(const char *text, double *out_w,
                                      struct cvg_error *err)
{
    static const struct unit units[] = {{"J/h", 1.0 / 3600},
                                        {"kJ/h", 1000.0 / 3600},
                                        {"mW", 1e-3},
                                        {"W", 1},
                                        {NULL, 0}};
    return parse_with_unit(text, units, "energy in a time", "1800J/h", out_w,
                           err);
}

enum cvg_status cvg_parse_number(const char *text, double *out,
                                 struct cvg_error *err)
{
    /* strtod alone would take "nan", "infinity" and "0x10". */
    bool plain =
        *text != '\0' && strspn(text, "0123456789+-.eE") == strlen(text);
    char *end = NULL;
    double value = plain ? strtod(text, &end) : 0;
    if (!plain || *end != '\0' || !isfinite(value)) {
        return cvg_fail(err, CVG_CONFIG,
                        "'%.80s' is no finite number: give one such as 0.75",
                        text);
    }
    *out = value;
    return CVG_OK;
}

enum cvg_status cvg_parse_count(const char *text, uint64_t min, uint64_t max,
                                uint64_t *out, struct cvg_error *err)
{
    bool digits = *text != '\0' && text[strspn(text, "0123456789")] == '\0';
    errno = 0;
    uint64_t value = digits ? strtoull(text, NULL, 10) : 0;
    bool right = digits && errno != ERANGE && value >= min && value <= max;
    if (!right && min == max) {
        return cvg_fail(err, CVG_CONFIG, "'%.80s' will not do: give %llu", text,
                        (unsigned long long)min);
    }
    if (!right) {
        return cvg_fail(err, CVG_CONFIG,
                        "'%.80s' is no whole number from %llu to %llu", text,
                        (unsigned long long)min, (unsigned long long)max);
    }
    *out = value;
    return CVG_OK;
}

void cvg_format_span(char *out, size_t size, cvg_span span)
{
    double ns = (double)span;
    if (span >= CVG_S(1)) {
        snprintf(out, size, "%.6gs", ns / 1e9);
    } else if (span >= CVG_MS(1)) {
        snprintf(out, size, "%.6gms", ns / 1e6);
    } else {
        snprintf(out, size, "%.6gus", ns / 1e3);
    }
}

void cvg_format_bytes(char *out, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    size_t k = 0;
    while (k < 3 && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        k++;
    }
    snprintf(out, size, "%llu%s", (unsigned long long)bytes, units[k]);
}

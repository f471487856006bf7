/* Text: appending strings, and numbers in their shortest exact form. */
#include "serve/text.h"

#include "serve/utf8.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cvg__text_fini(struct cvg_text *t)
{
    free(t->data);
    *t = (struct cvg_text){0};
}

void cvg__text_reset(struct cvg_text *t, size_t keep)
{
    if (t->cap > keep) {
        cvg__text_fini(t);
    }
    t->len = 0;
    t->failed = false;
}

bool cvg__text_ok(const struct cvg_text *t)
{
    return !t->failed;
}

char *cvg__text_reserve(struct cvg_text *t, size_t n)
{
    size_t need;
    if (t->failed || __builtin_add_overflow(t->len, n, &need)) {
        t->failed = true;
        return NULL;
    }
    if (need > t->cap) {
        size_t cap = t->cap < 256 ? 512 : t->cap * 2;
        cap = cap < need ? need : cap;
        char *data = realloc(t->data, cap);
        if (data == NULL) {
            t->failed = true;
            return NULL;
        }
        t->data = data;
        t->cap = cap;
    }
    return t->data + t->len;
}

void cvg__text_grow_add(struct cvg_text *t, const void *bytes, size_t n)
{
    char *to = cvg__text_reserve(t, n);
    if (to != NULL && n > 0) {
        memcpy(to, bytes, n);
        t->len += n;
    }
}

void cvg__text_format(struct cvg_text *t, const char *format, ...)
{
    char small[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0) {
        t->failed = true;
    } else if ((size_t)n < sizeof small) {
        cvg__text_add(t, small, (size_t)n);
    } else {
        char *to = cvg__text_reserve(t, (size_t)n + 1);
        if (to != NULL) {
            va_start(args, format);
            (void)vsnprintf(to, (size_t)n + 1, format, args);
            va_end(args);
            t->len += (size_t)n;
        }
    }
}

/* --- whole numbers -------------------------------------------------------- */

/* Writes the digits so that they end before `end`; returns their start. */
static char *digits_before(char *end, uint64_t value)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return end;
}

void cvg__text_u64(struct cvg_text *t, uint64_t value)
{
    char buffer[24];
    char *end = buffer + sizeof buffer;
    char *start = digits_before(end, value);
    cvg__text_add(t, start, (size_t)(end - start));
}

void cvg__text_i64(struct cvg_text *t, int64_t value)
{
    char buffer[24];
    char *end = buffer + sizeof buffer;
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char *start = digits_before(end, size);
    if (value < 0) {
        *--start = '-';
    }
    cvg__text_add(t, start, (size_t)(end - start));
}

void cvg__text_fixed(struct cvg_text *t, double value, unsigned decimals)
{
    static const uint64_t scale[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    if (!isfinite(value) || fabs(value) > 1e12 || decimals > 6) {
        cvg__text_f64(t, value);
        return;
    }
    uint64_t whole = (uint64_t)llround(fabs(value) * (double)scale[decimals]);
    if (value < 0 && whole != 0) {
        cvg__text_add(t, "-", 1);
    }
    cvg__text_u64(t, whole / scale[decimals]);
    if (decimals > 0) {
        char buffer[8];
        char *end = buffer + sizeof buffer;
        char *start = digits_before(end, whole % scale[decimals]);
        while ((size_t)(end - start) < decimals) {
            *--start = '0';
        }
        *--start = '.';
        cvg__text_add(t, start, (size_t)(end - start));
    }
}

/* --- numbers with a fraction ---------------------------------------------- */

/* 10^0..10^22 are exact doubles. */
static const double power10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* m x 10^-places as plain decimals, without zeros at the end; at most 17
 * places. */
static void write_decimal(struct cvg_text *t, bool minus, uint32_t m,
                          int places)
{
    while (places > 0 && m % 10 == 0) {
        m /= 10;
        places--;
    }
    char buffer[48];
    char *end = buffer + sizeof buffer;
    char *at = end;
    if (places == 0) {
        *--at = '0';
    }
    for (int i = 0; i < places; i++) {
        *--at = (char)('0' + m % 10);
        m /= 10;
    }
    *--at = '.';
    do {
        *--at = (char)('0' + m % 10);
        m /= 10;
    } while (m != 0);
    if (minus) {
        *--at = '-';
    }
    cvg__text_add(t, at, (size_t)(end - at));
}

/* Does m / 10^places read back as x? The quotient is correctly rounded to a
 * double; rounding it again to a float is safe unless it lies just halfway
 * between two floats. */
static bool reads_back(uint32_t m, int places, float x)
{
    double d = m / power10[places];
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return (float)d == x && (bits & 0x1fffffffU) != 0x10000000U;
}

/* Six significant digits, or seven, eight, nine: whichever reads back first.
 * That is the shortest: a decimal of up to six digits that reads back as x is
 * nearer to x than half a unit of the sixth digit. printf takes ten times as
 * long, and outputs have thousands of numbers. */
static bool write_short_f32(struct cvg_text *t, float value)
{
    double x = fabs((double)value);
    if (!(x >= 1e-5 && x < 1e8)) {
        return false;
    }
    uint32_t small = x < 1e6 ? (uint32_t)x : 0;
    if (small != 0 && (double)small == x) {
        write_decimal(t, value < 0, small, 0);
        return true;
    }
    int e10 = 0; /* 10^e10 <= x < 10^(e10 + 1) */
    if (x >= 1) {
        while (x >= power10[e10 + 1]) {
            e10++;
        }
    } else {
        while (x * power10[-e10] < 1) {
            e10--;
        }
    }
    for (int digits = 6; digits <= 9; digits++) {
        int places = digits - 1 - e10;
        if (places < 0) {
            continue;
        }
        uint32_t m = (uint32_t)(x * power10[places] + 0.5);
        if (reads_back(m, places, (float)x)) {
            write_decimal(t, value < 0, m, places);
            return true;
        }
    }
    return false;
}

static void write_printf(struct cvg_text *t, double value, bool is_float)
{
    char buffer[40];
    int last = is_float ? 9 : 17;
    for (int digits = is_float ? 6 : 15; digits <= last; digits++) {
        (void)snprintf(buffer, sizeof buffer, "%.*g", digits, value);
        if (is_float ? strtof(buffer, NULL) == (float)value
                     : strtod(buffer, NULL) == value) {
            break;
        }
    }
    cvg__text_str(t, buffer);
    if (strpbrk(buffer, ".e") == NULL) {
        cvg__text_str(t, ".0"); /* a reader in Python gets a float */
    }
}

void cvg__text_f32(struct cvg_text *t, float value)
{
    if (!isfinite(value)) {
        cvg__text_str(t, "null");
    } else if (value == 0) {
        cvg__text_str(t, signbit(value) ? "-0.0" : "0.0");
    } else if (!write_short_f32(t, value)) {
        write_printf(t, (double)value, true);
    }
}

void cvg__text_f64(struct cvg_text *t, double value)
{
    if (!isfinite(value)) {
        cvg__text_str(t, "null");
    } else if (value == 0) {
        cvg__text_str(t, signbit(value) ? "-0.0" : "0.0");
    } else {
        write_printf(t, value, false);
    }
}

/* --- strings -------------------------------------------------------------- */

static void write_escaped(struct cvg_text *t, unsigned char c)
{
    switch (c) {
    case '"':
        cvg__text_str(t, "\\\"");
        break;
    case '\\':
        cvg__text_str(t, "\\\\");
        break;
    case '\n':
        cvg__text_str(t, "\\n");
        break;
    case '\t':
        cvg__text_str(t, "\\t");
        break;
    default:
        cvg__text_format(t, "\\u%04x", c);
    }
}

/* How many characters of a string from here on go out as they are. */
static size_t plain_run(const unsigned char *at)
{
    const unsigned char *from = at;
    while (*at >= ' ' && *at <= '~' && *at != '"' && *at != '\\') {
        at++;
    }
    return (size_t)(at - from);
}

void cvg__text_json(struct cvg_text *t, const char *s)
{
    const unsigned char *at = (const unsigned char *)s;
    const unsigned char *end = at + strlen(s);
    cvg__text_add(t, "\"", 1);
    while (at < end) {
        size_t n = plain_run(at);
        if (n > 0) {
            cvg__text_add(t, at, n);
            at += n;
            continue;
        }
        n = cvg__utf8_length(at, (size_t)(end - at));
        if (n == 0) {
            cvg__text_add(t, "?", 1);
            n = 1;
        } else if (*at < 0x20 || *at == '"' || *at == '\\') {
            write_escaped(t, *at);
        } else {
            cvg__text_add(t, at, n);
        }
        at += n;
    }
    cvg__text_add(t, "\"", 1);
}

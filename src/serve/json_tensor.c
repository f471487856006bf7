/* Tensor data in JSON: see json_tensor.h. */
#include "serve/json_tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct cvg_json *j;
    const char *what;
    enum cvg_type type;
    unsigned char *out;
    size_t size;         /* bytes of one value */
    size_t n, done;      /* values wanted, read */
    unsigned leaf_depth; /* at which the values stand; 0: not seen yet */
    int64_t length[64];  /* of the arrays of each depth; -1: not seen yet */
};

bool cvg__json_tensor_possible(enum cvg_type type)
{
    return type != CVG_TYPE_FP16 && type != CVG_TYPE_BF16 &&
           type != CVG_TYPE_BYTES;
}

/* --- numbers -------------------------------------------------------------- */

static const double power10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Text that the quick way cannot round for certain. */
static bool slow_number(struct cvg_json *j, double *wide, float *narrow)
{
    struct cvg_slice s;
    char text[800];
    if (!cvg__json_number(j, &s)) {
        return false;
    }
    if (s.len >= sizeof text) {
        return cvg__json_fail(j, "a number of more than %zu characters",
                              sizeof text - 1);
    }
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    *wide = strtod(text, NULL);
    *narrow = strtof(text, NULL);
    return true;
}

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Eight digits at a time, as one little-endian word (Lemire, "Number parsing
 * at a gigabyte per second", 2021). False: not all eight are digits. */
static inline bool eight_digits(const char *at, uint64_t *m)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    if ((((word + 0x4646464646464646U) | (word - 0x3030303030303030U)) &
         0x8080808080808080U) != 0) {
        return false;
    }
    word -= 0x3030303030303030U;
    word = word * 10 + (word >> 8);
    word = ((word & 0x000000ff000000ffU) * 0x000f424000000064U +
            (word >> 16 & 0x000000ff000000ffU) * 0x0000271000000001U) >>
           32;
    *m = *m * 100000000 + word;
    return true;
}

/* Digits of a number; the value is mantissa x 10^exponent. False: not of the
 * plain kind (too many digits, an odd grammar); then j->at has not moved. */
static inline bool quick_digits(struct cvg_json *j, bool *minus,
                                uint64_t *mantissa, int *exponent)
{
    const char *at = j->at, *end = j->end;
    *minus = at < end && *at == '-';
    at += *minus;
    const char *from = at;
    uint64_t m = 0;
    int places = 0;
    while (at < end && is_digit(*at)) {
        m = m * 10 + (uint64_t)(*at++ - '0');
    }
    if (at == from || (*from == '0' && at - from > 1)) {
        return false;
    }
    ptrdiff_t n = at - from;
    if (at < end && *at == '.') {
        const char *point = ++at;
        if (end - at >= 8 && eight_digits(at, &m)) {
            at += 8;
        }
        while (at < end && is_digit(*at)) {
            m = m * 10 + (uint64_t)(*at++ - '0');
        }
        places = (int)(at - point);
        n += at - point;
        if (at == point) {
            return false;
        }
    }
    if (n > 18 || (at < end && (*at == 'e' || *at == 'E'))) {
        return false;
    }
    *mantissa = m;
    *exponent = -places;
    j->at = at;
    return true;
}

/* Exact when both the digits and the power of ten are exact doubles (Clinger,
 * "How to read floating point numbers accurately", PLDI 1990). */
static inline bool read_double(struct cvg_json *j, double *out, float *narrow)
{
    bool minus;
    uint64_t m;
    int exponent;
    const char *start = j->at;
    if (!quick_digits(j, &minus, &m, &exponent)) {
        return slow_number(j, out, narrow);
    }
    if (m > (UINT64_C(1) << 53)) {
        j->at = start;
        return slow_number(j, out, narrow);
    }
    double d = (double)m / power10[-exponent];
    *out = minus ? -d : d;
    uint64_t bits;
    memcpy(&bits, out, sizeof bits);
    if ((bits & 0x1fffffffU) == 0x10000000U) {
        /* Halfway between two floats: rounding twice might go wrong. */
        j->at = start;
        return slow_number(j, out, narrow);
    }
    *narrow = (float)*out;
    return true;
}

static bool read_f32(struct reading *r, unsigned char *to)
{
    double wide;
    float value;
    const char *start = r->j->at;
    if (!read_double(r->j, &wide, &value)) {
        return false;
    }
    if (!isfinite(value)) {
        return cvg__json_fail(r->j, "%s: %.*s is out of the range of FP32",
                              r->what, (int)(r->j->at - start), start);
    }
    memcpy(to, &value, sizeof value);
    return true;
}

static bool read_f64(struct reading *r, unsigned char *to)
{
    double value;
    float narrow;
    if (!read_double(r->j, &value, &narrow)) {
        return false;
    }
    if (!isfinite(value)) {
        return cvg__json_fail(r->j, "%s: a number out of the range of FP64",
                              r->what);
    }
    memcpy(to, &value, sizeof value);
    return true;
}

/* --- whole numbers and truth ---------------------------------------------- */

static bool range_fail(struct reading *r, const char *start, const char *why)
{
    size_t n = (size_t)(r->j->end - start);
    size_t shown = 0;
    while (shown < n && shown < 24 &&
           (is_digit(start[shown]) || strchr("+-.eE", start[shown]) != NULL)) {
        shown++;
    }
    return cvg__json_fail(r->j, "%s: %.*s is %s %s", r->what, (int)shown, start,
                          why, cvg_type_name(r->type));
}

/* The size of a whole number; false: none, or more than 64 bits. */
static bool read_whole(struct reading *r, bool *minus, uint64_t *size)
{
    struct cvg_json *j = r->j;
    const char *start = j->at;
    *minus = j->at < j->end && *j->at == '-';
    j->at += *minus;
    const char *from = j->at;
    uint64_t m = 0;
    while (j->at < j->end && is_digit(*j->at)) {
        if (__builtin_mul_overflow(m, 10, &m) ||
            __builtin_add_overflow(m, (uint64_t)(*j->at - '0'), &m)) {
            return range_fail(r, start, "out of the range of");
        }
        j->at++;
    }
    if (j->at < j->end && (*j->at == '.' || (*j->at | 0x20) == 'e')) {
        return range_fail(r, start, "not a whole number, as needed by");
    }
    if (j->at == from || (*from == '0' && j->at - from > 1)) {
        j->at = start;
        return cvg__json_fail(j, "%s: expected a number", r->what);
    }
    *size = m;
    return true;
}

static bool read_unsigned(struct reading *r, unsigned char *to)
{
    bool minus = false;
    uint64_t value = 0;
    const char *start = r->j->at;
    if (!read_whole(r, &minus, &value)) {
        return false;
    }
    uint64_t max = UINT64_MAX >> (64 - 8 * r->size);
    if (value > max || (minus && value != 0)) {
        return range_fail(r, start, "out of the range of");
    }
    memcpy(to, &value, r->size); /* little endian */
    return true;
}

static bool read_signed(struct reading *r, unsigned char *to)
{
    bool minus = false;
    uint64_t size = 0;
    const char *start = r->j->at;
    if (!read_whole(r, &minus, &size)) {
        return false;
    }
    uint64_t max = (UINT64_MAX >> (64 - 8 * r->size)) / 2;
    if (size > max + minus) {
        return range_fail(r, start, "out of the range of");
    }
    uint64_t value = minus ? 0 - size : size;
    memcpy(to, &value, r->size);
    return true;
}

static bool read_bool(struct reading *r, unsigned char *to)
{
    struct cvg_json *j = r->j;
    bool value;
    if (j->at < j->end && (*j->at == 't' || *j->at == 'f')) {
        if (!cvg__json_bool(j, &value, r->what)) {
            return false;
        }
        *to = value;
        return true;
    }
    const char *start = j->at;
    return read_unsigned(r, to) &&
           (*to <= 1 || range_fail(r, start, "neither true nor false, for"));
}

/* --- arrays --------------------------------------------------------------- */

typedef bool read_value(struct reading *r, unsigned char *to);

static read_value *reader_of(enum cvg_type type)
{
    switch (type) {
    case CVG_TYPE_BOOL:
        return read_bool;
    case CVG_TYPE_UINT8:
    case CVG_TYPE_UINT16:
    case CVG_TYPE_UINT32:
    case CVG_TYPE_UINT64:
        return read_unsigned;
    case CVG_TYPE_INT8:
    case CVG_TYPE_INT16:
    case CVG_TYPE_INT32:
    case CVG_TYPE_INT64:
        return read_signed;
    case CVG_TYPE_FP32:
        return read_f32;
    case CVG_TYPE_FP64:
        return read_f64;
    default:
        return NULL;
    }
}

static inline bool is_value_start(char c)
{
    return is_digit(c) || c == '-' || c == 't' || c == 'f';
}

/* The values of one innermost array, after its '['. */
static bool leaves(struct reading *r, int64_t *count)
{
    struct cvg_json *j = r->j;
    read_value *read = reader_of(r->type);
    bool first = true, more;
    for (;;) {
        if (!first && j->at < j->end && *j->at == ',') {
            j->at++; /* the usual way, without a call */
        } else if (!cvg__json_element(j, &first, &more)) {
            return false;
        } else if (!more) {
            return true;
        }
        cvg__json_space(j);
        if (j->at == j->end || !is_value_start(*j->at)) {
            return cvg__json_fail(j, "%s: expected a number, got %s", r->what,
                                  cvg__json_kind_name(cvg__json_peek(j)));
        }
        if (r->done == r->n) {
            return cvg__json_fail(j,
                                  "%s: its shape asks for %zu values, got more",
                                  r->what, r->n);
        }
        if (!read(r, r->out + r->done * r->size)) {
            return false;
        }
        r->done++;
        ++*count;
    }
}

static bool level(struct reading *r, unsigned depth);

static bool branches(struct reading *r, unsigned depth, int64_t *count)
{
    bool first = true, more;
    for (;;) {
        if (!cvg__json_element(r->j, &first, &more)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (!level(r, depth + 1)) { // NOLINT(misc-no-recursion)
            return false;
        }
        ++*count;
    }
}

/* An array and all in it; bounded by the reader's depth and `length`. */
static bool level(struct reading *r, unsigned depth)
{
    struct cvg_json *j = r->j;
    int64_t count = 0;
    if (depth == sizeof r->length / sizeof *r->length) {
        return cvg__json_fail(j, "%s: nested too deep", r->what);
    }
    if (cvg__json_peek(j) != CVG_JSON_ARRAY) {
        return cvg__json_fail(j, "%s: numbers beside arrays", r->what);
    }
    if (!cvg__json_enter(j, '[')) {
        return false;
    }
    bool nested = cvg__json_peek(j) == CVG_JSON_ARRAY;
    if (!nested && r->leaf_depth == 0) {
        r->leaf_depth = depth;
    }
    if (r->leaf_depth != 0 && nested != (depth < r->leaf_depth)) {
        return cvg__json_fail(j, "%s: arrays of different depth", r->what);
    }
    if (!(nested ? branches(r, depth, &count) : leaves(r, &count))) {
        return false;
    }
    if (r->length[depth] >= 0 && r->length[depth] != count) {
        return cvg__json_fail(j, "%s: arrays of different length", r->what);
    }
    r->length[depth] = count;
    return true;
}

bool cvg__json_tensor_read(struct cvg_json *j, enum cvg_type type, size_t n,
                           void *out, const char *what)
{
    struct reading r = {.j = j,
                        .what = what,
                        .type = type,
                        .out = out,
                        .size = cvg_type_size(type),
                        .n = n};
    memset(r.length, 0xff, sizeof r.length);
    if (!cvg__json_tensor_possible(type)) {
        return cvg__json_fail(j, "%s: %s data only come in binary", what,
                              cvg_type_name(type));
    }
    if (cvg__json_peek(j) != CVG_JSON_ARRAY) {
        return cvg__json_fail(j, "%s must be an array, got %s", what,
                              cvg__json_kind_name(cvg__json_peek(j)));
    }
    if (!level(&r, 1)) {
        return false;
    }
    if (r.done != n) {
        return cvg__json_fail(j, "%s: its shape asks for %zu values, got %zu",
                              what, n, r.done);
    }
    return true;
}

/* --- writing -------------------------------------------------------------- */

static void write_value(struct cvg_text *t, enum cvg_type type,
                        const unsigned char *from, size_t size)
{
    uint64_t u = 0;
    float f;
    double d;
    unsigned shift = 64 - 8 * (unsigned)size;
    memcpy(&u, from, size);
    switch (type) {
    case CVG_TYPE_BOOL:
        cvg__text_str(t, u != 0 ? "true" : "false");
        break;
    case CVG_TYPE_FP32:
        memcpy(&f, from, sizeof f);
        cvg__text_f32(t, f);
        break;
    case CVG_TYPE_FP64:
        memcpy(&d, from, sizeof d);
        cvg__text_f64(t, d);
        break;
    case CVG_TYPE_INT8:
    case CVG_TYPE_INT16:
    case CVG_TYPE_INT32:
    case CVG_TYPE_INT64:
        cvg__text_i64(t, (int64_t)(u << shift) >> shift);
        break;
    default:
        cvg__text_u64(t, u);
    }
}

void cvg__json_tensor_write(struct cvg_text *t, enum cvg_type type,
                            const void *data, size_t n)
{
    size_t size = cvg_type_size(type);
    const unsigned char *from = data;
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            cvg__text_add(t, ",", 1);
        }
        write_value(t, type, from + i * size, size);
    }
}

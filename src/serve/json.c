/* JSON, pulled: see json.h. */
#include "serve/json.h"

#include "serve/utf8.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cvg__json_init(struct cvg_json *j, const void *bytes, size_t size,
                    unsigned max_depth, struct cvg_error *err)
{
    const char *start = size == 0 ? "" : bytes;
    *j = (struct cvg_json){.start = start,
                           .at = start,
                           .end = start + size,
                           .max_depth = max_depth,
                           .err = err};
}

bool cvg__json_fail(struct cvg_json *j, const char *format, ...)
{
    char what[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    cvg_fail(j->err, CVG_INVALID, "%s (at byte %zu of the JSON)", what,
             (size_t)(j->at - j->start));
    return false;
}

const char *cvg__json_kind_name(enum cvg_json_kind kind)
{
    static const char *const names[] = {"an object", "an array",  "a string",
                                        "a number",  "a boolean", "null",
                                        "no value"};
    return names[kind];
}

enum cvg_json_kind cvg__json_peek(struct cvg_json *j)
{
    cvg__json_space(j);
    if (j->at == j->end) {
        return CVG_JSON_NOTHING;
    }
    switch (*j->at) {
    case '{':
        return CVG_JSON_OBJECT;
    case '[':
        return CVG_JSON_ARRAY;
    case '"':
        return CVG_JSON_STRING;
    case 't':
    case 'f':
        return CVG_JSON_BOOL;
    case 'n':
        return CVG_JSON_NULL;
    case '-':
        return CVG_JSON_NUMBER;
    default:
        return *j->at >= '0' && *j->at <= '9' ? CVG_JSON_NUMBER
                                              : CVG_JSON_NOTHING;
    }
}

static bool expect(struct cvg_json *j, enum cvg_json_kind kind,
                   const char *what)
{
    enum cvg_json_kind got = cvg__json_peek(j);
    if (got == kind) {
        return true;
    }
    if (j->at == j->end) {
        return cvg__json_fail(j, "the JSON ends where %s should be", what);
    }
    return cvg__json_fail(j, "%s must be %s, got %s", what,
                          cvg__json_kind_name(kind), cvg__json_kind_name(got));
}

bool cvg__json_enter(struct cvg_json *j, char bracket)
{
    cvg__json_space(j);
    if (j->at == j->end || *j->at != bracket) {
        return cvg__json_fail(j, "expected '%c'", bracket);
    }
    if (j->depth == j->max_depth) {
        return cvg__json_fail(j, "nested deeper than the limit of %u",
                              j->max_depth);
    }
    j->depth++;
    j->at++;
    return true;
}

/* After '{' or '[' and after each value: the closing bracket, or what must
 * stand between two values. */
static bool step(struct cvg_json *j, bool *first, char close, bool *more)
{
    cvg__json_space(j);
    if (j->at == j->end) {
        return cvg__json_fail(j, "the JSON ends before '%c'", close);
    }
    if (*j->at == close) {
        j->at++;
        j->depth--;
        *more = false;
        return true;
    }
    if (!*first) {
        if (*j->at != ',') {
            return cvg__json_fail(j, "expected ',' or '%c'", close);
        }
        j->at++;
    }
    *first = false;
    *more = true;
    return true;
}

bool cvg__json_element(struct cvg_json *j, bool *first, bool *more)
{
    return step(j, first, ']', more);
}

/* --- strings -------------------------------------------------------------- */

static bool hex4(const char *s, unsigned *out)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char c = s[i];
        unsigned digit;
        if (c >= '0' && c <= '9') {
            digit = (unsigned)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (unsigned)((c | 0x20) - 'a') + 10;
        } else {
            return false;
        }
        value = value << 4 | digit;
    }
    *out = value;
    return true;
}

static size_t put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    out[0] = (char)(lead[n] | c);
    return n;
}

/* \uXXXX, with its second half if it is a surrogate; `at` is after "\u". */
static bool unicode_escape(struct cvg_json *j, char *out, size_t *n)
{
    unsigned c, low;
    if (j->end - j->at < 4 || !hex4(j->at, &c)) {
        return cvg__json_fail(j, "\\u needs four hexadecimal digits");
    }
    j->at += 4;
    if (c >= 0xd800 && c < 0xdc00) {
        if (j->end - j->at < 6 || j->at[0] != '\\' || j->at[1] != 'u' ||
            !hex4(j->at + 2, &low) || low < 0xdc00 || low > 0xdfff) {
            return cvg__json_fail(j, "half of a surrogate pair");
        }
        j->at += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c <= 0xdfff) {
        return cvg__json_fail(j, "half of a surrogate pair");
    }
    *n = put_utf8(out, c);
    return true;
}

/* One character, plain or escaped, as UTF-8 in out[4]. */
static bool character(struct cvg_json *j, char *out, size_t *n)
{
    unsigned char c = (unsigned char)*j->at;
    if (c < 0x20) {
        return cvg__json_fail(j, "a control character in a string");
    }
    if (c != '\\') {
        *n = cvg__utf8_length((const unsigned char *)j->at,
                              (size_t)(j->end - j->at));
        if (*n == 0) {
            return cvg__json_fail(j, "a string that is not UTF-8");
        }
        memcpy(out, j->at, *n);
        j->at += *n;
        return true;
    }
    if (j->end - j->at < 2) {
        return cvg__json_fail(j, "the JSON ends inside a string");
    }
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char escape = j->at[1];
    j->at += 2;
    if (escape == 'u') {
        return unicode_escape(j, out, n);
    }
    const char *found = escape == '\0' ? NULL : strchr(from, escape);
    if (found == NULL) {
        return cvg__json_fail(j, "an unknown escape in a string");
    }
    out[0] = to[found - from];
    *n = 1;
    return true;
}

/* How many characters from here on are plain ASCII, no escape and no quote. */
static size_t plain_run(const char *at, const char *end)
{
    const char *from = at;
    while (at < end && *at >= ' ' && *at <= '~' && *at != '"' && *at != '\\') {
        at++;
    }
    return (size_t)(at - from);
}

/* Reads a string. What does not fit into `size` bytes is left out: *fits. A
 * NUL inside would make two names equal that are not: *plain is false. */
static bool string_into(struct cvg_json *j, char *out, size_t size, bool *fits,
                        bool *plain)
{
    size_t len = 0;
    *fits = true;
    *plain = true;
    j->at++; /* the quote */
    while (j->at < j->end && *j->at != '"') {
        size_t run = plain_run(j->at, j->end);
        if (run > 0) {
            size_t room = *fits && size > 0 ? size - 1 - len : 0;
            size_t copied = run < room ? run : room;
            if (copied > 0) {
                memcpy(out + len, j->at, copied);
            }
            *fits = copied == run;
            len += copied;
            j->at += run;
            continue;
        }
        char c[4] = "";
        size_t n = 0;
        if (!character(j, c, &n)) {
            return false;
        }
        *plain = *plain && c[0] != '\0';
        if (len + n < size && *fits) {
            memcpy(out + len, c, n);
            len += n;
        } else {
            *fits = false;
        }
    }
    if (j->at == j->end) {
        return cvg__json_fail(j, "the JSON ends inside a string");
    }
    j->at++;
    if (size > 0) {
        out[len] = '\0';
    }
    return true;
}

bool cvg__json_string(struct cvg_json *j, char *out, size_t size,
                      const char *what)
{
    bool fits, plain;
    if (!expect(j, CVG_JSON_STRING, what) ||
        !string_into(j, out, size, &fits, &plain)) {
        return false;
    }
    if (!fits) {
        return cvg__json_fail(j, "%s is longer than %zu bytes", what, size - 1);
    }
    return plain || cvg__json_fail(j, "%s contains a NUL", what);
}

bool cvg__json_raw_string(struct cvg_json *j, struct cvg_slice *out)
{
    bool fits, plain;
    if (!expect(j, CVG_JSON_STRING, "the value")) {
        return false;
    }
    out->data = j->at;
    if (!string_into(j, NULL, 0, &fits, &plain)) {
        return false;
    }
    out->len = (size_t)(j->at - out->data);
    return true;
}

bool cvg__json_key(struct cvg_json *j, bool *first, char *key, size_t size,
                   bool *more)
{
    bool fits, plain;
    if (!step(j, first, '}', more)) {
        return false;
    }
    if (!*more) {
        return true;
    }
    if (!expect(j, CVG_JSON_STRING, "a key") ||
        !string_into(j, key, size, &fits, &plain)) {
        return false;
    }
    if (!plain) {
        key[0] = '\0'; /* none that we know */
    }
    cvg__json_space(j);
    if (j->at == j->end || *j->at != ':') {
        return cvg__json_fail(j, "expected ':' after a key");
    }
    j->at++;
    return true;
}

/* --- numbers -------------------------------------------------------------- */

static const char *digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

/* The end of the number that starts at `at`; NULL: none does. */
static const char *number_end(const char *at, const char *end)
{
    if (at < end && *at == '-') {
        at++;
    }
    const char *from = at;
    at = digits(at, end);
    if (at == from || (*from == '0' && at - from > 1)) {
        return NULL;
    }
    if (at < end && *at == '.') {
        from = ++at;
        at = digits(at, end);
        if (at == from) {
            return NULL;
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) {
            at++;
        }
        from = at;
        at = digits(at, end);
        if (at == from) {
            return NULL;
        }
    }
    return at;
}

bool cvg__json_number(struct cvg_json *j, struct cvg_slice *out)
{
    cvg__json_space(j);
    const char *end = number_end(j->at, j->end);
    if (end == NULL) {
        return cvg__json_fail(j, "expected a number");
    }
    *out = (struct cvg_slice){j->at, (size_t)(end - j->at)};
    j->at = end;
    return true;
}

bool cvg__json_double(struct cvg_json *j, double *out, const char *what)
{
    struct cvg_slice s = {"", 0};
    char text[400];
    if (!expect(j, CVG_JSON_NUMBER, what) || !cvg__json_number(j, &s)) {
        return false;
    }
    if (s.len >= sizeof text) {
        return cvg__json_fail(j, "%s has more digits than anyone needs", what);
    }
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    *out = strtod(text, NULL);
    if (!isfinite(*out)) {
        return cvg__json_fail(j, "%s is out of range: %.40s", what, text);
    }
    return true;
}

bool cvg__json_i64(struct cvg_json *j, int64_t *out, const char *what)
{
    struct cvg_slice s = {"", 0};
    if (!expect(j, CVG_JSON_NUMBER, what) || !cvg__json_number(j, &s)) {
        return false;
    }
    bool minus = s.data[0] == '-';
    int64_t value = 0;
    for (size_t i = minus; i < s.len; i++) {
        int digit = s.data[i] - '0';
        if (digit < 0 || digit > 9) {
            return cvg__json_fail(j, "%s must be a whole number, got %.*s",
                                  what, (int)(s.len < 40 ? s.len : 40), s.data);
        }
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value)) {
            return cvg__json_fail(j, "%s is out of range: %.*s", what,
                                  (int)(s.len < 40 ? s.len : 40), s.data);
        }
    }
    if (!minus && __builtin_sub_overflow(0, value, &value)) {
        return cvg__json_fail(j, "%s is out of range", what);
    }
    *out = value;
    return true;
}

/* --- the rest ------------------------------------------------------------- */

static bool word(struct cvg_json *j, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(j->end - j->at) < n || memcmp(j->at, text, n) != 0) {
        return cvg__json_fail(j, "expected '%s'", text);
    }
    j->at += n;
    return true;
}

bool cvg__json_bool(struct cvg_json *j, bool *out, const char *what)
{
    if (!expect(j, CVG_JSON_BOOL, what)) {
        return false;
    }
    *out = *j->at == 't';
    return word(j, *out ? "true" : "false");
}

static bool skip_scalar(struct cvg_json *j)
{
    struct cvg_slice s;
    switch (cvg__json_peek(j)) {
    case CVG_JSON_STRING:
        return cvg__json_raw_string(j, &s);
    case CVG_JSON_NUMBER:
        return cvg__json_number(j, &s);
    case CVG_JSON_BOOL:
        return word(j, *j->at == 't' ? "true" : "false");
    case CVG_JSON_NULL:
        return word(j, "null");
    default:
        return cvg__json_fail(j, "expected a value");
    }
}

/* Recursion is bounded by max_depth, which enter() holds. */
bool cvg__json_skip(struct cvg_json *j)
{
    enum cvg_json_kind kind = cvg__json_peek(j);
    bool first = true, more = true;
    char key[2];
    if (kind != CVG_JSON_OBJECT && kind != CVG_JSON_ARRAY) {
        return skip_scalar(j);
    }
    if (!cvg__json_enter(j, kind == CVG_JSON_OBJECT ? '{' : '[')) {
        return false;
    }
    for (;;) {
        bool ok = kind == CVG_JSON_OBJECT
                      ? cvg__json_key(j, &first, key, sizeof key, &more)
                      : cvg__json_element(j, &first, &more);
        if (!ok) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (!cvg__json_skip(j)) { // NOLINT(misc-no-recursion)
            return false;
        }
    }
}

bool cvg__json_finish(struct cvg_json *j)
{
    cvg__json_space(j);
    if (j->at != j->end) {
        return cvg__json_fail(j, "more text after the end of the JSON");
    }
    return true;
}

/* A pull reader of JSON (RFC 8259) over bytes in memory: the caller asks for
 * what it expects, nothing is built. Depth is bounded, strings must be UTF-8,
 * duplicate keys are the caller's affair.
 *
 * Every call that fails leaves a message with the byte offset in `err` and
 * returns false; after that the reader is not used any more. */
#ifndef CVG_SERVE_JSON_H
#define CVG_SERVE_JSON_H

#include <convergo/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cvg_json {
    const char *start, *at, *end;
    unsigned depth, max_depth;
    struct cvg_error *err; /* may be NULL */
};

struct cvg_slice { /* borrowed bytes */
    const char *data;
    size_t len;
};

enum cvg_json_kind { /* of the value that comes next */
                     CVG_JSON_OBJECT,
                     CVG_JSON_ARRAY,
                     CVG_JSON_STRING,
                     CVG_JSON_NUMBER,
                     CVG_JSON_BOOL,
                     CVG_JSON_NULL,
                     CVG_JSON_NOTHING /* no value starts here */
};

void cvg__json_init(struct cvg_json *j, const void *bytes, size_t size,
                    unsigned max_depth, struct cvg_error *err);
enum cvg_json_kind cvg__json_peek(struct cvg_json *j);
const char *cvg__json_kind_name(enum cvg_json_kind kind);

/* Into an object or array: '{' or '['. */
bool cvg__json_enter(struct cvg_json *j, char bracket);
/* Next key of the object entered; *more is false at its end. Keys longer than
 * `size` - 1 bytes are cut short: they are none that we know. */
bool cvg__json_key(struct cvg_json *j, bool *first, char *key, size_t size,
                   bool *more);
/* Next element of the array entered. */
bool cvg__json_element(struct cvg_json *j, bool *first, bool *more);

/* A string's text, without escapes; an error if it needs `size` bytes or more.
 * `what` names it in messages. */
bool cvg__json_string(struct cvg_json *j, char *out, size_t size,
                      const char *what);
/* The string as it stands, with its quotes; checked. */
bool cvg__json_raw_string(struct cvg_json *j, struct cvg_slice *out);
/* A number as it stands; its grammar is checked. */
bool cvg__json_number(struct cvg_json *j, struct cvg_slice *out);
bool cvg__json_double(struct cvg_json *j, double *out, const char *what);
bool cvg__json_i64(struct cvg_json *j, int64_t *out, const char *what);
bool cvg__json_bool(struct cvg_json *j, bool *out, const char *what);
/* Passes over any value, checking all of it. */
bool cvg__json_skip(struct cvg_json *j);
/* Nothing but white space is left. */
bool cvg__json_finish(struct cvg_json *j);

/* Writes "...: at byte N" into err; returns false. */
bool cvg__json_fail(struct cvg_json *j, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline void cvg__json_space(struct cvg_json *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' ||
                              *j->at == '\r' || *j->at == '\t')) {
        j->at++;
    }
}

#endif

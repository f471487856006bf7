/* Status codes and messages for people.
 *
 * A function that can fail because the outside world does returns a status and
 * writes one clear message: the place, the thing, the value seen, what would
 * do. A broken promise between our own functions is an assert. What happens to
 * a request (dropped, late, rejected) is an outcome, never a status. */
#ifndef CONVERGO_STATUS_H
#define CONVERGO_STATUS_H

#include <stddef.h>

/* X(name, text, exit code of the command line) */
#define CVG_STATUS_LIST(X)                                                     \
    X(OK, "ok", 0)                                                             \
    X(INVALID, "invalid argument", 2)                                          \
    X(CONFIG, "bad input", 2)                                                  \
    X(NOTFOUND, "not found", 2)                                                \
    X(NOMEM, "out of memory", 1)                                               \
    X(IO, "input or output failed", 1)                                         \
    X(DEVICE, "device failed", 1)                                              \
    X(LIMIT, "limit reached", 1)                                               \
    X(UNSUPPORTED, "not supported", 2)                                         \
    X(LOST, "work was lost", 3)

enum cvg_status {
#define CVG_STATUS_ENUM(name, text, code) CVG_##name,
    CVG_STATUS_LIST(CVG_STATUS_ENUM)
#undef CVG_STATUS_ENUM
};

struct cvg_error {
    enum cvg_status status;
    char text[512]; /* one line, no newline at its end */
};

/* Writes the message into `err` (may be NULL) and returns `status`. */
enum cvg_status cvg_fail(struct cvg_error *err, enum cvg_status status,
                         const char *format, ...)
    __attribute__((format(printf, 3, 4)));

const char *cvg_status_text(enum cvg_status status);
int cvg_status_exit_code(enum cvg_status status);

#endif

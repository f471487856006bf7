/* Method and path to handler: one table. Pure. */
#ifndef CVG_SERVE_ROUTE_H
#define CVG_SERVE_ROUTE_H

#include "serve/call.h"

enum cvg__method { CVG__GET = 1, CVG__POST = 2 }; /* HEAD is GET */

typedef void cvg__handler(struct cvg__server *server, struct cvg__call *call);

struct cvg__route {
    const char *path; /* "/v2/models/{m}/infer"; {m}, {v}, {i}: any segment */
    unsigned method;
    cvg__handler *handler;
};

enum cvg__match {
    CVG__MATCH,
    CVG__NO_PATH,   /* 404 */
    CVG__NO_METHOD, /* 405; *allow says which would do */
    CVG__BAD_NAME   /* 400: not a name, or a bad escape */
};

/* Finds the route of a raw (still percent-encoded) path and decodes its names
 * into the call: model, version, item. */
enum cvg__match cvg__route_find(struct cvg__call *call, const char *method,
                                const char *path, const char **allow);

/* Decodes %XX; false: a bad escape, a NUL, or longer than `size` - 1. */
bool cvg__percent_decode(const char *text, size_t n, char *out, size_t size);

#endif

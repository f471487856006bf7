/* `convergo serve`: the engine on the real clock, behind HTTP. */
#ifndef CVG_SERVE_SERVE_H
#define CVG_SERVE_SERVE_H

#include "serve/limits.h"
#include <convergo/status.h>
#include <convergo/time.h>
#include <stdbool.h>
#include <stdint.h>

/* Where it listens if neither the options nor the box say. */
#define CVG_SERVE_HTTP "127.0.0.1:8000"
#define CVG_SERVE_METRICS "127.0.0.1:8002"

struct cvg_serve_options { /* strings are borrowed; NULL: not given */
    const char *box;
    const char *policy;
    const char *http;    /* HOST:PORT; "off": none */
    const char *metrics; /* the same */
    const char *socket;  /* a path */
    const char *record;  /* a file that is not there yet */
    uint64_t seed;
    cvg_span exit_timeout; /* to finish what is in flight */
    bool strict_readiness;
    struct cvg__limits limits;
};

void cvg_serve_default(struct cvg_serve_options *options);

/* Runs until SIGTERM or SIGINT. CVG_LOST: the time to finish was over and work
 * was lost. Other errors: it could not start. */
enum cvg_status cvg_serve(const struct cvg_serve_options *options,
                          struct cvg_error *err);

#endif

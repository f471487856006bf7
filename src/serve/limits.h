/* Everything that a client can make grow has a limit; each is a flag. */
#ifndef CVG_SERVE_LIMITS_H
#define CVG_SERVE_LIMITS_H

#include "serve/oip.h"
#include <convergo/status.h>

struct cvg__limits {
    uint64_t body;        /* bytes of one request's body */
    uint64_t header;      /* bytes of its header, request line included */
    uint64_t in_flight;   /* bytes of all requests that are being handled */
    uint64_t connections; /* at once */
    uint64_t per_ip;      /* of one address; 0: no limit of its own */
    uint64_t idle_s;      /* a kept connection without a request; s */
    uint64_t header_s;    /* to send a header */
    uint64_t body_s;      /* to send a body */
    uint64_t json_depth, dims, tensors, rows;
    uint64_t record; /* bytes of the record's file */
};

void cvg__limits_default(struct cvg__limits *limits);

/* The flags, for --help and to parse: "--max-body", with the value's text.
 * CVG_NOTFOUND: no limit has that flag. */
enum cvg_status cvg__limits_set(struct cvg__limits *limits, const char *flag,
                                const char *value, struct cvg_error *err);
/* The flag of the k-th limit, NULL: there are no more; and its value as text,
 * as cvg__limits_set() takes it. */
const char *cvg__limits_flag(size_t k);
void cvg__limits_text(const struct cvg__limits *limits, size_t k, char *out,
                      size_t size);
/* Lines for --help: "  --max-body SIZE   ... (64MiB)\n". */
const char *cvg__limits_help(void);

struct cvg__oip_limits cvg__limits_oip(const struct cvg__limits *limits);

#endif

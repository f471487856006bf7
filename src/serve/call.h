/* One HTTP exchange, from the header of the request to the last byte of the
 * reply. Calls are pooled, with their buffers.
 *
 * READING   the body is coming in
 * HANDLING  its handler runs
 * WAITING   for a device, or for a model to load; the connection is suspended
 * ANSWERED  the reply is in `text`; the connection takes it when it is run
 *
 * A call outlives its connection while a batch still reads its tensors. */
#ifndef CVG_SERVE_CALL_H
#define CVG_SERVE_CALL_H

#include "config/shared_sets.h"
#include "serve/oip.h"
#include "serve/text.h"
#include <convergo/engine.h>

struct cvg__server;
struct cvg__conn;
struct cvg__route;
struct MHD_Connection;

enum cvg__phase { CVG__READING, CVG__HANDLING, CVG__WAITING, CVG__ANSWERED };

struct cvg__body {
    unsigned char *memory; /* owned */
    size_t offset;   /* of the body in it: what follows the JSON is aligned */
    size_t len, cap; /* of the body; cap + offset bytes are allocated */
    bool discard;    /* the reply is known already */
    uint64_t discarded;
};

struct cvg__row {   /* a request between two stages of a model */
    uint64_t batch; /* that it was last started in */
    uint64_t held;  /* the batch whose answer its outputs hold; 0: none */
    /* Of that, when it has ended; owned, until the next one takes them. */
    struct cvg_features *features;
};

/* The call of an infer request: its rows are requests of the engine. */
struct cvg__rows {
    uint64_t first_id;          /* of row 0; the others follow */
    uint32_t n, left;           /* rows; of them not ended */
    struct cvg_tensor *inputs;  /* [row * n_inputs + k]; owned array */
    struct cvg_tensor *outputs; /* [row * n_outputs + k]; data owned */
    struct cvg__row *each;      /* [row]; owned array */
    size_t room_inputs, room_outputs, room_each;
    struct cvg__infer_result result;
    struct cvg_arrival arrival; /* what each row asked for */
    cvg_time begun;
    uint32_t model;             /* in server->models: a family or a variant */
    struct cvg_shared_set *set; /* conditions of all; NULL: none */
    /* Of single rows, given later; owned array, or NULL. */
    struct cvg_shared_set **own_sets;
    uint32_t n_own_sets;
};

struct cvg__call {
    struct cvg__server *server;
    struct cvg__conn *conn;
    struct MHD_Connection *http; /* NULL: it has gone */
    enum cvg__phase phase;
    bool suspended, metrics_port;
    bool parked, swept; /* see http.c */
    bool chunked;       /* the body comes without a length */
    uint32_t lent;      /* batch items inside devices that use its tensors */

    const struct cvg__route *route;
    char model[CVG__NAME_MAX + 1];
    char version[24];
    char item[CVG__NAME_MAX + 1]; /* of /v1/requests/ID, /v1/apps/NAME */
    struct cvg__body body;
    int64_t header; /* Inference-Header-Content-Length */
    /* X-Request-ID, sent back as it came; NULL: none. Borrowed from `http`. */
    const char *client_id;

    struct cvg__infer infer;
    struct cvg__rows rows;
    struct { /* waiting for a model to come or go: repository.c */
        bool waits, wanted;
        uint32_t model;
        cvg_time until;
        uint64_t failures; /* of loads, when it began to wait */
    } repository;

    unsigned status; /* of the reply */
    struct cvg_text text;
    struct cvg__apart apart; /* sent after the text */
    const char *type;        /* Content-Type */
    const char *allow;       /* of a 405 */
    int64_t binary_header;   /* of an infer reply with binary data */
    unsigned retry_after;    /* seconds; 0: not said */
    size_t counted;          /* bytes it has in server->bytes */
    struct cvg__call *next;  /* in the pool, or among repository waiters */
};

struct cvg__call_pool {
    struct cvg__call *free;
    size_t n_free;
};

/* NULL: no memory. */
struct cvg__call *cvg__call_take(struct cvg__server *server);
/* The connection has done with it: back to the pool, once nothing is lent. */
void cvg__call_release(struct cvg__call *call);
void cvg__call_pool_fini(struct cvg__call_pool *pool);

/* Adds a piece of the body. False: no memory, or over the limit. */
bool cvg__call_body_add(struct cvg__call *call, const void *bytes, size_t n);
/* Keeps server->bytes right. */
void cvg__call_count(struct cvg__call *call);
/* Room for the rows' tensors. False: no memory. */
bool cvg__call_rows(struct cvg__call *call, uint32_t n, size_t n_inputs,
                    size_t n_outputs);
void cvg__call_free_outputs(struct cvg__call *call); /* and features */
void cvg__row_release(struct cvg__row *row);         /* its features */

/* The reply. Each makes the call ANSWERED and wakes its connection. */
void cvg__call_reply(struct cvg__call *call, unsigned status,
                     const char *type); /* the body is in call->text */
void cvg__call_error(struct cvg__call *call, unsigned status,
                     const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A WAITING call whose client has gone, or that the server gives up: what it
 * waits for is cancelled. */
void cvg__call_abandon(struct cvg__call *call, const char *why);

#endif

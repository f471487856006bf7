/* Keep-alive connections to one server, opened on demand. A connection carries
 * one request at a time, so that no reply waits for another's; only when all
 * that are allowed are taken do requests wait, in order. */
#ifndef CVG_LOAD_POOL_H
#define CVG_LOAD_POOL_H

#include "load/address.h"
#include "load/http.h"
#include <convergo/time.h>
#include <sys/uio.h>

struct cvg__exchange {     /* a request; the pool borrows it until it is done */
    struct iovec parts[2]; /* header and JSON, then the tensor */
    cvg_time sent;         /* when its first byte was written; 0: never */
    struct cvg__exchange *next;
};

struct cvg__pool_options {
    const struct cvg_address *server; /* borrowed */
    size_t limit;                     /* connections */
    int epoll; /* the owner's; events carry the connection in data.ptr */
    cvg_time (*now)(void);
    /* `reply` is NULL when there was none, and `why` says why. Called from
     * submit() too, if a request fails at once. */
    void (*done)(void *context, struct cvg__exchange *exchange,
                 const struct cvg__http *reply, const char *why);
    void *context;
};

struct cvg__pool;

/* *out is owned by the caller: cvg__pool_destroy(). */
enum cvg_status cvg__pool_create(const struct cvg__pool_options *options,
                                 struct cvg__pool **out, struct cvg_error *err);
/* Closes all; every request that was not done is done without a reply. */
void cvg__pool_destroy(struct cvg__pool *pool, const char *why);

void cvg__pool_submit(struct cvg__pool *pool, struct cvg__exchange *exchange);
/* An event of the epoll set. */
void cvg__pool_event(struct cvg__pool *pool, void *data, unsigned events);
/* After each round of events. */
void cvg__pool_sweep(struct cvg__pool *pool);
/* The most connections that were open at once. */
size_t cvg__pool_most(const struct cvg__pool *pool);

#endif

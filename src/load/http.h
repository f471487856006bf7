/* Replies of an HTTP/1.1 server, as they come in. Content-Length only: our
 * servers send no chunks. No sockets here: bytes in, a reply out. */
#ifndef CVG_LOAD_HTTP_H
#define CVG_LOAD_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CVG__HTTP_HEADER_MAX (16U << 10)
#define CVG__HTTP_BODY_MAX (64U << 20)

enum cvg__http_progress {
    CVG__HTTP_MORE, /* the reply is not whole yet */
    CVG__HTTP_DONE,
    CVG__HTTP_BAD /* not a reply that we understand: close the connection */
};

/* One reply. The body is valid after DONE, until the next reset. */
struct cvg__http {
    char *buffer; /* owned */
    size_t room, used;
    size_t scanned;      /* up to here there is no end of the header */
    size_t header_bytes; /* 0: not whole yet */

    int status;
    bool keep_alive;
    size_t content_length;
    int64_t inference_header; /* Inference-Header-Content-Length; -1: none */
    const char *body;
};

void cvg__http_fini(struct cvg__http *http);
/* Ready for the next reply; keeps its memory. */
void cvg__http_reset(struct cvg__http *http);
/* Where the next bytes go, *n at most. NULL: no memory. */
char *cvg__http_room(struct cvg__http *http, size_t *n);
/* `n` bytes have been written there. Bytes after the reply are BAD: nobody
 * asked for them. */
enum cvg__http_progress cvg__http_take(struct cvg__http *http, size_t n);

#endif

/* libmicrohttpd, driven by the loop. */
#ifndef CVG_SERVE_HTTP_H
#define CVG_SERVE_HTTP_H

#include "serve/server.h"
#include <stdarg.h>

/* Binds `address` (HOST:PORT, [IPV6]:PORT, or a path with a '/' for a unix
 * socket) and starts its daemon. The loop must be there. */
enum cvg_status cvg__http_listen(struct cvg__server *server,
                                 const char *address, bool metrics,
                                 struct cvg_error *err);
/* No new connections; those that wait for a request are closed. */
void cvg__http_stop_accepting(struct cvg__server *server);
/* Closes everything. */
void cvg__http_close(struct cvg__server *server);

/* http.c: starts a daemon on l->fd; NULL: it could not. */
struct MHD_Daemon *cvg__http_start(struct cvg__listener *l, bool unix_socket);

/* Answers past libmicrohttpd; the connection is to be closed. */
void cvg__http_refuse(const struct cvg__conn *conn, unsigned status,
                      const char *why);
/* refused.c: what the library logs; `cls` is the listener. */
void cvg__http_refused(void *cls, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* The call has its reply: its connection goes on when the daemons are run. */
void cvg__http_wake(struct cvg__call *call);
/* Runs the daemons that have something to do; at the end of each wake-up. */
void cvg__http_flush(struct cvg__server *server);
/* Once a second: closes what is slow or idle. */
void cvg__http_sweep(struct cvg__server *server);
/* Some clients' sockets have been closed: server->watch_fd is readable. */
void cvg__http_watch(struct cvg__server *server);
size_t cvg__http_connections(const struct cvg__server *server);

#endif

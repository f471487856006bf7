/* Listening sockets, with messages that say what is in the way. */
#ifndef CVG_SERVE_LISTEN_H
#define CVG_SERVE_LISTEN_H

#include <convergo/status.h>
#include <stddef.h>

/* HOST:PORT or [IPV6]:PORT; port 0: any free one. `bound` becomes the address
 * with the port that it got. */
enum cvg_status cvg__listen_tcp(const char *address, int *fd, char *bound,
                                size_t size, struct cvg_error *err);
/* A unix socket; what an earlier server left behind is removed, a socket that
 * someone answers on is not. Mode 0660. */
enum cvg_status cvg__listen_path(const char *path, int *fd,
                                 struct cvg_error *err);

#endif

/* Where a server listens: "http://HOST:PORT" to a socket address. */
#ifndef CVG_LOAD_ADDRESS_H
#define CVG_LOAD_ADDRESS_H

#include <convergo/status.h>
#include <stdbool.h>
#include <sys/socket.h>

struct cvg_address {
    struct sockaddr_storage storage;
    socklen_t size;
    char text[160]; /* HOST:PORT, for the Host header and for messages */
};

bool cvg_is_url(const char *text); /* starts with http:// */
/* HOST:PORT, with or without http:// before and / behind. May ask DNS. */
enum cvg_status cvg_address_parse(const char *text, struct cvg_address *out,
                                  struct cvg_error *err);

#endif

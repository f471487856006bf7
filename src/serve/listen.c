/* Listening sockets: see listen.h. */
#include "serve/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 511

/* Splits HOST:PORT; the brackets of an IPv6 address are taken off. */
static bool split(const char *address, char *host, size_t size, char *port,
                  size_t port_size)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address) {
        return false;
    }
    size_t n = (size_t)(colon - address);
    if (address[0] == '[') {
        if (n < 3 || address[n - 1] != ']') {
            return false;
        }
        address++;
        n -= 2;
    }
    size_t digits = strspn(colon + 1, "0123456789");
    if (n >= size || digits == 0 || digits > 5 || colon[1 + digits] != '\0' ||
        strtol(colon + 1, NULL, 10) > 65535) {
        return false;
    }
    memcpy(host, address, n);
    host[n] = '\0';
    (void)snprintf(port, port_size, "%s", colon + 1);
    return true;
}

static enum cvg_status bind_and_listen(const struct addrinfo *a,
                                       const char *address, int *out,
                                       struct cvg_error *err)
{
    int one = 1;
    int fd =
        socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return cvg_fail(err, CVG_IO, "%s: socket: %s", address,
                        strerror(errno));
    }
    /* A port that a killed server left in TIME_WAIT can be used at once. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        int why = errno;
        (void)close(fd);
        return cvg_fail(
            err, CVG_IO, "%s: cannot listen: %s%s", address, strerror(why),
            why == EADDRINUSE ? " (another server? port 0 picks a free one)"
                              : "");
    }
    *out = fd;
    return CVG_OK;
}

static void name_bound(int fd, const char *host, char *out, size_t size)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t length = sizeof at;
    memset(&at, 0, sizeof at);
    unsigned port = 0;
    if (getsockname(fd, &at.any, &length) == 0) {
        port = at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port;
    }
    (void)snprintf(out, size, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u",
                   host, ntohs((uint16_t)port));
}

enum cvg_status cvg__listen_tcp(const char *address, int *fd, char *bound,
                                size_t size, struct cvg_error *err)
{
    char host[100], port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (!split(address, host, sizeof host, port, sizeof port)) {
        return cvg_fail(err, CVG_CONFIG,
                        "'%.100s' is no address: HOST:PORT, such as "
                        "127.0.0.1:8000",
                        address);
    }
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0) {
        return cvg_fail(err, CVG_IO, "%s: %s", address, gai_strerror(code));
    }
    enum cvg_status status = bind_and_listen(found, address, fd, err);
    freeaddrinfo(found);
    if (status == CVG_OK) {
        name_bound(*fd, host, bound, size);
    }
    return status;
}

/* Does anyone answer on the socket that is there? */
static bool answers(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes =
        fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return yes;
}

enum cvg_status cvg__listen_path(const char *path, int *fd,
                                 struct cvg_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) >= sizeof at.sun_path) {
        return cvg_fail(err, CVG_CONFIG,
                        "%.200s: a socket's path has at most %zu bytes", path,
                        sizeof at.sun_path - 1);
    }
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode)) {
            return cvg_fail(err, CVG_IO, "%s: there is something else", path);
        }
        if (answers(&at)) {
            return cvg_fail(err, CVG_IO, "%s: another server uses it", path);
        }
        (void)unlink(path);
    }
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0117); /* never open to all, not for a moment */
    bool ok = s >= 0 && bind(s, (const struct sockaddr *)&at, sizeof at) == 0 &&
              listen(s, BACKLOG) == 0;
    int why = errno;
    (void)umask(mask);
    if (!ok) {
        if (s >= 0) {
            (void)close(s);
        }
        return cvg_fail(err, CVG_IO, "%s: cannot listen: %s", path,
                        strerror(why));
    }
    *fd = s;
    return CVG_OK;
}

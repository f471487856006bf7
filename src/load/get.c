/* A blocking GET on a connection of its own. */
#include "load/get.h"

#include "load/http.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static enum cvg_status failed(struct cvg_error *err,
                              const struct cvg_address *server,
                              const char *path, const char *why)
{
    return cvg_fail(err, CVG_IO, "http://%s%s: %s", server->text, path, why);
}

static int open_socket(const struct cvg_address *server, cvg_span timeout)
{
    int fd = socket(server->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    struct timeval limit = {.tv_sec = timeout / CVG_S(1),
                            .tv_usec = timeout % CVG_S(1) / 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
        connect(fd, (const struct sockaddr *)&server->storage, server->size) !=
            0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

/* NULL, or why there was no reply. */
static const char *exchange(int fd, const char *request, struct cvg__http *h)
{
    size_t size = strlen(request);
    if (send(fd, request, size, MSG_NOSIGNAL) != (ssize_t)size) {
        return "the request could not be sent";
    }
    enum cvg__http_progress progress = CVG__HTTP_MORE;
    while (progress == CVG__HTTP_MORE) {
        size_t room;
        char *into = cvg__http_room(h, &room);
        ssize_t n = into == NULL ? -1 : recv(fd, into, room, 0);
        if (n < 0) {
            return errno == EAGAIN ? "no reply in time" : strerror(errno);
        }
        if (n == 0) {
            return "the connection was closed before the reply";
        }
        progress = cvg__http_take(h, (size_t)n);
    }
    return progress == CVG__HTTP_BAD ? "the reply is not HTTP" : NULL;
}

static enum cvg_status parse(const struct cvg_address *server, const char *path,
                             const struct cvg__http *h, json_t **out,
                             struct cvg_error *err)
{
    if (h->status != 200) {
        return cvg_fail(err, h->status == 404 ? CVG_NOTFOUND : CVG_IO,
                        "http://%s%s: status %d", server->text, path,
                        h->status);
    }
    json_error_t error;
    *out = json_loadb(h->body, h->content_length, 0, &error);
    return *out != NULL ? CVG_OK : failed(err, server, path, error.text);
}

enum cvg_status cvg__get_json(const struct cvg_address *server,
                              const char *path, cvg_span timeout, json_t **out,
                              struct cvg_error *err)
{
    char request[600];
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path,
             server->text);
    int fd = open_socket(server, timeout);
    if (fd < 0) {
        return failed(err, server, path, strerror(errno));
    }
    struct cvg__http h = {0};
    const char *why = exchange(fd, request, &h);
    enum cvg_status status = why != NULL ? failed(err, server, path, why)
                                         : parse(server, path, &h, out, err);
    cvg__http_fini(&h);
    close(fd);
    return status;
}

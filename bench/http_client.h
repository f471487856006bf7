/* A closed-loop HTTP client for measurements: `n` kept connections, each with
 * one request on its way, one thread, plain sockets. */
#ifndef CVG_BENCH_HTTP_CLIENT_H
#define CVG_BENCH_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENT_CONNECTIONS 64U

struct client_conn {
    int fd;
    size_t sent; /* of the request */
    size_t got;  /* of the reply's header, until it is whole */
    size_t left; /* of its body */
    int in_body;
    char header[2048];
};

struct client {
    const char *request;
    size_t request_len;
    unsigned n;
    unsigned long answered, failed, target;
    int epoll;
    struct client_conn conns[CLIENT_CONNECTIONS];
};

static inline int client_connect(unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        (void)close(fd);
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static inline void client_send(struct client *c, struct client_conn *x)
{
    while (x->sent < c->request_len) {
        ssize_t n = send(x->fd, c->request + x->sent, c->request_len - x->sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0) {
            if (errno != EAGAIN) {
                c->failed++;
            }
            break;
        }
        x->sent += (size_t)n;
    }
    struct epoll_event want = {
        .events = EPOLLIN | (x->sent < c->request_len ? EPOLLOUT : 0U),
        .data.ptr = x};
    (void)epoll_ctl(c->epoll, EPOLL_CTL_MOD, x->fd, &want);
}

static inline void client_next(struct client *c, struct client_conn *x)
{
    x->sent = x->got = x->left = 0;
    x->in_body = 0;
    x->header[0] = '\0';
    size_t n = 0;
    while (n < c->request_len) {
        ssize_t sent = send(x->fd, c->request + n, c->request_len - n,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0) {
            break;
        }
        n += (size_t)sent;
    }
    x->sent = n;
    if (n < c->request_len) {
        client_send(c, x);
    }
}

/* Reads what is there; returns 1 when a reply is whole, -1 on failure. */
static inline int client_read(struct client_conn *x)
{
    static char body[1 << 18];
    char *to = x->in_body ? body : x->header + x->got;
    size_t room = x->in_body ? sizeof body : sizeof x->header - 1 - x->got;
    ssize_t n = recv(x->fd, to, room, MSG_DONTWAIT);
    if (n <= 0) {
        return n < 0 && errno == EAGAIN ? 0 : -1;
    }
    if (x->in_body) {
        x->left -= (size_t)n;
        return x->left == 0;
    }
    x->got += (size_t)n;
    x->header[x->got] = '\0';
    char *end = strstr(x->header, "\r\n\r\n");
    const char *length = strcasestr(x->header, "\nContent-Length:");
    if (end == NULL) {
        return 0;
    }
    if (strncmp(x->header, "HTTP/1.1 200", 12) != 0 || length == NULL) {
        return -1;
    }
    size_t total = (size_t)strtoul(length + 16, NULL, 10);
    x->left = total - (x->got - (size_t)(end + 4 - x->header));
    x->in_body = 1;
    return x->left == 0;
}

/* Sends `target` requests to the port; returns how many failed. */
static inline unsigned long client_run(unsigned port, unsigned connections,
                                       const char *request, size_t length,
                                       unsigned long target)
{
    static struct client c;
    c = (struct client){.request = request,
                        .request_len = length,
                        .n = connections,
                        .target = target,
                        .epoll = epoll_create1(EPOLL_CLOEXEC)};
    for (unsigned i = 0; i < c.n; i++) {
        struct client_conn *x = &c.conns[i];
        x->fd = client_connect(port);
        struct epoll_event want = {.events = EPOLLIN, .data.ptr = x};
        (void)epoll_ctl(c.epoll, EPOLL_CTL_ADD, x->fd, &want);
        client_next(&c, x);
    }
    while (c.answered < c.target && c.failed == 0) {
        struct epoll_event events[CLIENT_CONNECTIONS];
        int n = epoll_wait(c.epoll, events, CLIENT_CONNECTIONS, 5000);
        c.failed += n <= 0;
        for (int i = 0; i < n; i++) {
            struct client_conn *x = events[i].data.ptr;
            if ((events[i].events & EPOLLOUT) != 0) {
                client_send(&c, x);
            }
            int done = (events[i].events & ~(uint32_t)EPOLLOUT) != 0U
                           ? client_read(x)
                           : 0;
            c.failed += done < 0;
            if (done > 0) {
                c.answered++;
                client_next(&c, x);
            }
        }
    }
    for (unsigned i = 0; i < c.n; i++) {
        (void)close(c.conns[i].fd);
    }
    (void)close(c.epoll);
    return c.failed;
}

#endif

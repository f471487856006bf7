/* Connections: non-blocking sockets, edge-triggered. */
#include "load/pool.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum state { CONNECTING, IDLE, BUSY, CLOSED };

struct connection {
    struct cvg__pool *pool;
    int fd;
    enum state state;
    bool used; /* has carried a request before */
    struct cvg__exchange *exchange;
    size_t written;
    struct cvg__http http;
    struct connection *next_idle;
    struct connection *prev, *next; /* all of them; CLOSED: those to free */
};

struct cvg__pool {
    struct cvg__pool_options o;
    struct connection *all, *closed, *idle;
    size_t n, most;
    struct cvg__exchange *waiting, **waiting_end;
    bool ending;
};

static void start(struct connection *c, struct cvg__exchange *x);

/* --- life --------------------------------------------------------------------
 */

static void remove_idle(struct connection *c)
{
    struct connection **at = &c->pool->idle;
    while (*at != NULL && *at != c) {
        at = &(*at)->next_idle;
    }
    if (*at == c) {
        *at = c->next_idle;
    }
}

/* Memory is kept until the sweep: another event of this round may name it. */
static void close_connection(struct connection *c)
{
    struct cvg__pool *pool = c->pool;
    if (c->state == IDLE) {
        remove_idle(c);
    }
    c->state = CLOSED;
    close(c->fd);
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        pool->all = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    c->next = pool->closed;
    pool->closed = c;
    pool->n--;
}

/* NULL: errno says why. */
static struct connection *open_connection(struct cvg__pool *pool)
{
    const struct cvg_address *server = pool->o.server;
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->pool = pool;
    c->fd = socket(server->storage.ss_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        free(c);
        return NULL;
    }
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    bool ok = (connect(c->fd, (const struct sockaddr *)&server->storage,
                       server->size) == 0 ||
               errno == EINPROGRESS) &&
              epoll_ctl(pool->o.epoll, EPOLL_CTL_ADD, c->fd, &event) == 0;
    if (!ok) {
        int why = errno;
        close(c->fd);
        free(c);
        errno = why;
        return NULL;
    }
    c->next = pool->all;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    pool->all = c;
    pool->n++;
    pool->most = pool->n > pool->most ? pool->n : pool->most;
    return c;
}

/* --- requests ------------------------------------------------------------- */

static void finish(struct cvg__pool *pool, struct cvg__exchange *x,
                   const struct cvg__http *reply, const char *why)
{
    pool->o.done(pool->o.context, x, reply, why);
}

/* Room has come: the first that waits takes it. */
static void next_waiting(struct cvg__pool *pool)
{
    struct cvg__exchange *x = pool->waiting;
    if (x == NULL || pool->ending) {
        return;
    }
    pool->waiting = x->next;
    if (pool->waiting == NULL) {
        pool->waiting_end = &pool->waiting;
    }
    cvg__pool_submit(pool, x);
}

static void now_idle(struct connection *c)
{
    c->state = IDLE;
    c->next_idle = c->pool->idle;
    c->pool->idle = c;
    next_waiting(c->pool);
}

/* The connection is lost, and with it the request that it carried. */
static void lose(struct connection *c, const char *why)
{
    struct cvg__pool *pool = c->pool;
    struct cvg__exchange *x = c->exchange;
    c->exchange = NULL;
    bool stale = c->used && c->http.used == 0;
    close_connection(c);
    if (x != NULL && stale && !pool->ending) {
        /* A server may close an idle connection at any time; that it crossed
         * with our request is nobody's failure. The next one may have been
         * closed too: in the end there is a new one. */
        cvg__pool_submit(pool, x);
    } else if (x != NULL) {
        finish(pool, x, NULL, why);
    }
    next_waiting(pool);
}

/* What is left to write, as the kernel wants it. */
static int left_to_write(const struct connection *c, struct iovec parts[2])
{
    size_t skip = c->written;
    int n = 0;
    for (int i = 0; i < 2; i++) {
        struct iovec part = c->exchange->parts[i];
        size_t cut = skip < part.iov_len ? skip : part.iov_len;
        skip -= cut;
        if (part.iov_len > cut) {
            parts[n].iov_base = (char *)part.iov_base + cut;
            parts[n++].iov_len = part.iov_len - cut;
        }
    }
    return n;
}

static void write_some(struct connection *c)
{
    struct iovec parts[2];
    int n;
    while ((n = left_to_write(c, parts)) > 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)n};
        ssize_t written = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            if (errno != EAGAIN) {
                lose(c, strerror(errno));
            }
            return;
        }
        c->written += (size_t)written;
    }
}

static void start(struct connection *c, struct cvg__exchange *x)
{
    c->state = BUSY;
    c->exchange = x;
    c->written = 0;
    cvg__http_reset(&c->http);
    x->sent = c->pool->o.now();
    write_some(c);
}

static void answered(struct connection *c)
{
    struct cvg__exchange *x = c->exchange;
    c->exchange = NULL;
    c->used = true;
    finish(c->pool, x, &c->http, NULL);
    if (c->http.keep_alive) {
        now_idle(c);
    } else {
        close_connection(c);
        next_waiting(c->pool);
    }
}

/* To the last byte that there is: the next edge comes with new ones only. */
static void read_some(struct connection *c)
{
    while (c->state == BUSY || c->state == IDLE) {
        size_t room;
        char *into = cvg__http_room(&c->http, &room);
        ssize_t n = into == NULL ? -1 : recv(c->fd, into, room, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            lose(c,
                 n == 0 ? "the server closed the connection" : strerror(errno));
            return;
        }
        enum cvg__http_progress progress = cvg__http_take(&c->http, (size_t)n);
        if (c->state == IDLE || progress == CVG__HTTP_BAD) {
            lose(c, "the reply is not HTTP");
        } else if (progress == CVG__HTTP_DONE) {
            answered(c);
            return; /* what else comes belongs to the next request */
        }
    }
}

/* --- calls ---------------------------------------------------------------- */

enum cvg_status cvg__pool_create(const struct cvg__pool_options *options,
                                 struct cvg__pool **out, struct cvg_error *err)
{
    struct cvg__pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for connections");
    }
    pool->o = *options;
    pool->waiting_end = &pool->waiting;
    *out = pool;
    return CVG_OK;
}

void cvg__pool_submit(struct cvg__pool *pool, struct cvg__exchange *x)
{
    struct connection *c = pool->idle;
    x->next = NULL;
    if (c != NULL) {
        pool->idle = c->next_idle;
        start(c, x);
    } else if (pool->n < pool->o.limit) {
        c = open_connection(pool);
        if (c == NULL) {
            finish(pool, x, NULL, strerror(errno));
            return;
        }
        c->exchange = x;
    } else {
        *pool->waiting_end = x;
        pool->waiting_end = &x->next;
    }
}

static void connected(struct connection *c)
{
    int code = 0;
    socklen_t size = sizeof code;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &size);
    if (code != 0) {
        lose(c, strerror(code));
        return;
    }
    start(c, c->exchange);
}

void cvg__pool_event(struct cvg__pool *pool, void *data, unsigned events)
{
    struct connection *c = data;
    (void)pool;
    if (c->state == CONNECTING) {
        if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) {
            return;
        }
        connected(c);
    } else if (c->state == BUSY && (events & EPOLLOUT) != 0) {
        write_some(c);
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0) {
        read_some(c);
    }
}

void cvg__pool_sweep(struct cvg__pool *pool)
{
    while (pool->closed != NULL) {
        struct connection *c = pool->closed;
        pool->closed = c->next;
        cvg__http_fini(&c->http);
        free(c);
    }
}

size_t cvg__pool_most(const struct cvg__pool *pool)
{
    return pool->most;
}

void cvg__pool_destroy(struct cvg__pool *pool, const char *why)
{
    if (pool == NULL) {
        return;
    }
    pool->ending = true;
    while (pool->all != NULL) {
        lose(pool->all, why);
    }
    while (pool->waiting != NULL) {
        struct cvg__exchange *x = pool->waiting;
        pool->waiting = x->next;
        finish(pool, x, NULL, why);
    }
    cvg__pool_sweep(pool);
    free(pool);
}

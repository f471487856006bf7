/* Listeners: their sockets, their HTTP daemons, and when those are run. */
#include "serve/http.h"

#include "serve/listen.h"
#include <assert.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define RUNS_AT_ONCE 8U         /* of a daemon before others get their turn */
#define LAST_MOMENT CVG_MS(500) /* for answers to leave, at the very end */

/* Is there more to do at once? The daemon says so when connections are ready,
 * but parked ones always are: then only if the last run brought anything. */
static bool more_to_do(const struct cvg__listener *l, uint64_t progress)
{
    MHD_UNSIGNED_LONG_LONG ms = 1;
    if (l->woken) {
        return true;
    }
    if (MHD_get_timeout(l->daemon, &ms) != MHD_YES || ms > 0) {
        return false;
    }
    return l->n_parked == 0 || l->progress != progress;
}

static void run(struct cvg__listener *l)
{
    l->server->woke = cvg__now();
    for (unsigned i = 0; i < RUNS_AT_ONCE; i++) {
        uint64_t progress = l->progress;
        l->woken = false;
        (void)MHD_run(l->daemon);
        cvg__drive_decide(l->server);
        if (!more_to_do(l, progress)) {
            return;
        }
    }
    l->woken = true; /* after the others */
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct cvg__listener *l = poll->data;
    run(l);
    cvg__server_settle(l->server);
}

enum cvg_status cvg__http_listen(struct cvg__server *server,
                                 const char *address, bool metrics,
                                 struct cvg_error *err)
{
    assert(server->n_listeners <
           sizeof server->listeners / sizeof *server->listeners);
    struct cvg__listener *l = &server->listeners[server->n_listeners];
    bool is_path = strchr(address, '/') != NULL;
    enum cvg_status status = is_path
                                 ? cvg__listen_path(address, &l->fd, err)
                                 : cvg__listen_tcp(address, &l->fd, l->address,
                                                   sizeof l->address, err);
    if (status != CVG_OK) {
        return status;
    }
    l->server = server;
    l->metrics = metrics;
    l->conns.next = l->conns.prev = &l->conns;
    l->daemon = cvg__http_start(l, is_path);
    if (l->daemon == NULL) {
        (void)close(l->fd);
        return cvg_fail(err, CVG_IO, "%s: the HTTP server did not start",
                        address);
    }
    server->n_listeners++;
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL ||
        uv_poll_init(&server->loop, &l->poll, info->epoll_fd) != 0) {
        return cvg_fail(err, CVG_IO, "%s: cannot watch the HTTP server",
                        address);
    }
    l->polled = true;
    l->poll.data = l;
    (void)uv_poll_start(&l->poll, UV_READABLE, on_readable);
    return CVG_OK;
}

void cvg__http_flush(struct cvg__server *server)
{
    for (size_t i = 0; i < server->n_listeners; i++) {
        struct cvg__listener *l = &server->listeners[i];
        if (l->woken && l->daemon != NULL) {
            run(l);
        }
    }
    bool again = false; /* also if the last one has woken the first */
    for (size_t i = 0; i < server->n_listeners; i++) {
        const struct cvg__listener *l = &server->listeners[i];
        again = again || (l->woken && l->daemon != NULL);
    }
    cvg__server_again(server, again);
}

void cvg__http_stop_accepting(struct cvg__server *server)
{
    for (size_t i = 0; i < server->n_listeners; i++) {
        struct cvg__listener *l = &server->listeners[i];
        if (l->metrics) {
            continue; /* a drain is to be seen to its end */
        }
        MHD_socket fd = MHD_quiesce_daemon(l->daemon);
        if (fd != MHD_INVALID_SOCKET) {
            (void)close(fd);
        }
        l->fd = -1;
        for (struct cvg__conn *c = l->conns.next; c != &l->conns; c = c->next) {
            if (c->call == NULL) {
                (void)shutdown(c->fd, SHUT_RDWR);
            }
        }
    }
}

static void close_listener(struct cvg__listener *l)
{
    if (l->daemon != NULL) {
        MHD_stop_daemon(l->daemon);
        l->daemon = NULL;
    }
    if (l->polled) {
        uv_close((uv_handle_t *)&l->poll, NULL);
        l->polled = false;
    }
}

/* Does a client still take its answer? */
static bool answering(const struct cvg__listener *l)
{
    for (const struct cvg__conn *c = l->conns.next; c != &l->conns;
         c = c->next) {
        if (c->call != NULL && c->call->phase == CVG__ANSWERED) {
            return true;
        }
    }
    return false;
}

/* Who waits is told, and has a moment to take it. A suspended connection must
 * not be alive when its daemon stops. */
void cvg__http_close(struct cvg__server *server)
{
    for (size_t i = 0; i < server->n_listeners; i++) {
        struct cvg__listener *l = &server->listeners[i];
        for (struct cvg__conn *c = l->conns.next; c != &l->conns; c = c->next) {
            if (c->call != NULL && c->call->phase == CVG__WAITING) {
                cvg__call_abandon(c->call, "the server is stopping");
            }
        }
    }
    cvg_time until = cvg__now() + LAST_MOMENT;
    for (size_t i = 0; i < server->n_listeners; i++) {
        struct cvg__listener *l = &server->listeners[i];
        while (l->daemon != NULL) {
            (void)MHD_run_wait(l->daemon, 1);
            if (!answering(l) || cvg__now() >= until) {
                break;
            }
        }
        close_listener(l);
    }
}

/* --- clients that are slow or gone ---------------------------------------- */

/* How long a connection may stay as it is. One whose client sends no more has
 * only what is in the socket's buffer to live on. */
static cvg_span patience(const struct cvg__conn *c, const struct cvg__limits *m)
{
    if (c->ended && (c->call == NULL || c->call->phase == CVG__READING)) {
        return c->call == NULL ? 0 : CVG_S(5);
    }
    if (c->call == NULL) {
        uint64_t s = m->header_s + (c->fresh ? 0 : m->idle_s);
        return CVG_S((int64_t)s);
    }
    return c->call->phase == CVG__WAITING || c->call->phase == CVG__HANDLING
               ? CVG_NEVER
               : CVG_S((int64_t)m->body_s);
}

/* Idle connections are the HTTP daemon's; here are those that send a byte now
 * and then to look alive. */
void cvg__http_sweep(struct cvg__server *server)
{
    cvg_time now = cvg__now();
    for (size_t i = 0; i < server->n_listeners; i++) {
        struct cvg__listener *l = &server->listeners[i];
        for (struct cvg__conn *c = l->conns.next; c != &l->conns; c = c->next) {
            cvg_span most = patience(c, &server->options->limits);
            if (most != CVG_NEVER && now - c->since > most) {
                (void)shutdown(c->fd, SHUT_RDWR);
            }
        }
        l->sweeping = true; /* its own time-outs, too */
        run(l);
        l->sweeping = false;
    }
}

void cvg__http_watch(struct cvg__server *server)
{
    struct epoll_event events[64];
    int n = epoll_wait(server->watch_fd, events, 64, 0);
    for (int i = 0; i < n; i++) {
        struct cvg__conn *c = events[i].data.ptr;
        c->ended = true;
        if (c->call != NULL && c->call->phase == CVG__WAITING) {
            cvg__call_abandon(c->call, "the client has gone");
        }
    }
    cvg__http_flush(server);
}

size_t cvg__http_connections(const struct cvg__server *server)
{
    size_t n = 0;
    for (size_t i = 0; i < server->n_listeners; i++) {
        n += server->listeners[i].n_conns;
    }
    return n;
}

/* libmicrohttpd, driven by the loop: no threads of its own, its epoll
 * descriptor watched by libuv.
 *
 * A connection is suspended while its request waits for a device and resumed
 * with the answer. A suspended one is not read, so a client that goes away in
 * the meantime would not be noticed: an epoll descriptor of our own, to which
 * each socket is added once, for EPOLLRDHUP only, tells. */
#include "serve/http.h"

#include "serve/listen.h"
#include "serve/log.h"
#include "serve/route.h"
#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of each connection: a header and a good piece of a body at a time. */
#define CONNECTION_MEMORY (128U * 1024U)
#define MEMORY_STEP (32U * 1024U)
#define RUNS_AT_ONCE 4U /* of a daemon before others get their turn */

/* --- connections ---------------------------------------------------------- */

static void unlink_conn(struct cvg__conn *c)
{
    c->prev->next = c->next;
    c->next->prev = c->prev;
}

/* To the end of the ring: it is the one that was active last. */
static void touch(struct cvg__listener *l, struct cvg__conn *c, cvg_time now)
{
    unlink_conn(c);
    c->since = now;
    c->prev = l->conns.prev;
    c->next = &l->conns;
    c->prev->next = c;
    l->conns.prev = c;
}

static void connected(struct cvg__listener *l, struct MHD_Connection *http,
                      void **context)
{
    struct cvg__conn *c = calloc(1, sizeof *c);
    *context = c;
    if (c == NULL) {
        return; /* its requests are refused */
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(http, MHD_CONNECTION_INFO_CONNECTION_FD);
    c->fd = info != NULL ? info->connect_fd : -1;
    c->fresh = true;
    c->next = c->prev = c;
    touch(l, c, cvg__now());
    l->n_conns++;
    struct epoll_event watch = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = c};
    (void)epoll_ctl(l->server->watch_fd, EPOLL_CTL_ADD, c->fd, &watch);
}

static void disconnected(struct cvg__listener *l, void **context)
{
    struct cvg__conn *c = *context;
    if (c != NULL) {
        (void)epoll_ctl(l->server->watch_fd, EPOLL_CTL_DEL, c->fd, NULL);
        unlink_conn(c);
        l->n_conns--;
        free(c);
        *context = NULL;
    }
}

static void on_connection(void *cls, struct MHD_Connection *http,
                          void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        connected(cls, http, context);
    } else {
        disconnected(cls, context);
    }
}

static struct cvg__conn *conn_of(struct MHD_Connection *http)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(http, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

/* --- replies -------------------------------------------------------------- */

static void add_number(struct MHD_Response *response, const char *name,
                       uint64_t value)
{
    struct cvg_text t = {0};
    cvg__text_u64(&t, value);
    cvg__text_add(&t, "", 1);
    if (cvg__text_ok(&t)) {
        (void)MHD_add_response_header(response, name, t.data);
    }
    cvg__text_fini(&t);
}

static void add_headers(const struct cvg__call *call,
                        struct MHD_Response *response)
{
    if (call->text.len > 0) {
        (void)MHD_add_response_header(response, "Content-Type", call->type);
    }
    if (call->binary_header != CVG__HEADER_ABSENT) {
        add_number(response, "Inference-Header-Content-Length",
                   (uint64_t)call->binary_header);
    }
    if (call->retry_after != 0) {
        add_number(response, "Retry-After", call->retry_after);
    }
    if (call->allow != NULL) {
        (void)MHD_add_response_header(response, "Allow", call->allow);
    }
    if (call->server->state >= CVG__DRAINING) {
        (void)MHD_add_response_header(response, "Connection", "close");
    }
}

/* Header and body leave in one write: the body is one buffer, the call's,
 * which stays until the request is completed. */
static enum MHD_Result queue_reply(struct cvg__call *call)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        call->text.len, call->text.data, MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        return MHD_NO;
    }
    add_headers(call, response);
    enum MHD_Result result =
        MHD_queue_response(call->http, call->status, response);
    MHD_destroy_response(response);
    return result;
}

void cvg__http_wake(struct cvg__call *call)
{
    if (call->suspended && call->http != NULL) {
        call->suspended = false;
        MHD_resume_connection(call->http);
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(call->http, MHD_CONNECTION_INFO_DAEMON);
        for (size_t i = 0; i < call->server->n_listeners; i++) {
            struct cvg__listener *l = &call->server->listeners[i];
            l->woken = l->woken || info->daemon == l->daemon;
        }
    }
}

/* --- requests ------------------------------------------------------------- */

static const char *header_of(struct MHD_Connection *http, const char *name)
{
    return MHD_lookup_connection_value(http, MHD_HEADER_KIND, name);
}

/* The value as a whole number; -1: absent, -2: something else. */
static int64_t number_of(struct MHD_Connection *http, const char *name)
{
    const char *text = header_of(http, name);
    if (text == NULL) {
        return -1;
    }
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 18 || text[n] != '\0') {
        return -2;
    }
    return strtoll(text, NULL, 10);
}

static void find_route(struct cvg__call *call, const char *method,
                       const char *url)
{
    switch (cvg__route_find(call, method, url, &call->allow)) {
    case CVG__MATCH:
        break;
    case CVG__NO_PATH:
        cvg__call_error(call, 404, "nothing is at %.200s", url);
        break;
    case CVG__NO_METHOD:
        cvg__call_error(call, 405, "%.40s is not allowed at %.200s, but %s",
                        method, url, call->allow);
        break;
    case CVG__BAD_NAME:
        cvg__call_error(call, 400,
                        "bad name in %.200s: names have 1 to 128 letters, "
                        "digits, '.', '_' or '-', no '.' in front",
                        url);
        break;
    }
}

static void refuse_large(struct cvg__call *call)
{
    cvg__call_error(call, 413,
                    "the body is larger than the limit of %llu bytes",
                    (unsigned long long)call->server->options->limits.body);
}

/* Headers that matter beside the route; answers the call if one is wrong.
 * True: answer now, without reading the body. */
static bool check_headers(struct cvg__call *call)
{
    const struct cvg__limits *limits = &call->server->options->limits;
    const union MHD_ConnectionInfo *size = MHD_get_connection_info(
        call->http, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (size != NULL && size->header_size > limits->header) {
        cvg__call_error(call, 431,
                        "the header has %zu bytes, the limit is %llu",
                        size->header_size, (unsigned long long)limits->header);
        return true;
    }
    int64_t length = number_of(call->http, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (length > 0 && (uint64_t)length > limits->body) {
        refuse_large(call);
        return true;
    }
    if (length > 0 &&
        call->server->bytes + (uint64_t)length > limits->in_flight) {
        call->retry_after = 1;
        cvg__call_error(call, 503,
                        "requests of %zu bytes are being handled, the limit "
                        "is %llu",
                        call->server->bytes,
                        (unsigned long long)limits->in_flight);
        return true;
    }
    call->header = number_of(call->http, "Inference-Header-Content-Length");
    if (call->header < CVG__HEADER_ABSENT && call->phase == CVG__READING) {
        cvg__call_error(
            call, 400,
            "Inference-Header-Content-Length must be a whole "
            "number of bytes, got '%.40s'",
            header_of(call->http, "Inference-Header-Content-Length"));
    }
    return false;
}

static enum MHD_Result begin(struct cvg__listener *l,
                             struct MHD_Connection *http, const char *url,
                             const char *method, void **context)
{
    struct cvg__conn *conn = conn_of(http);
    struct cvg__call *call = conn != NULL ? cvg__call_take(l->server) : NULL;
    if (call == NULL) {
        return MHD_NO; /* no memory: close it */
    }
    *context = call;
    call->conn = conn;
    call->http = http;
    call->metrics_port = l->metrics;
    conn->call = call;
    conn->fresh = false;
    touch(l, conn, cvg__now());
    find_route(call, method, url);
    if (check_headers(call)) {
        return queue_reply(call);
    }
    call->body.discard = call->phase == CVG__ANSWERED;
    return MHD_YES;
}

/* A body without a length shows its size only as it comes. It is read to its
 * end (an answer in between is not possible), but not for ever. */
static enum MHD_Result read_body(struct cvg__call *call, const char *data,
                                 size_t *size)
{
    const struct cvg__limits *limits = &call->server->options->limits;
    size_t n = *size;
    *size = 0;
    if (call->body.discard) {
        call->body.discarded += n;
        return call->body.discarded > limits->body ? MHD_NO : MHD_YES;
    }
    bool fits = call->body.len + n <= limits->body;
    bool room = call->server->bytes + n <= limits->in_flight;
    if (fits && room && cvg__call_body_add(call, data, n)) {
        cvg__call_count(call);
        return MHD_YES;
    }
    call->body.discard = true;
    if (!fits) {
        refuse_large(call);
    } else {
        call->retry_after = 1;
        cvg__call_error(call, 503, "no memory for a body of %zu bytes",
                        call->body.len + n);
    }
    return MHD_YES;
}

static enum MHD_Result go_on(struct cvg__call *call)
{
    if (call->phase == CVG__READING) {
        call->phase = CVG__HANDLING;
        call->route->handler(call->server, call);
    }
    if (call->phase == CVG__ANSWERED) {
        return queue_reply(call);
    }
    call->phase = CVG__WAITING;
    call->suspended = true;
    MHD_suspend_connection(call->http);
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *http,
                                  const char *url, const char *method,
                                  const char *version, const char *data,
                                  size_t *size, void **context)
{
    (void)version;
    struct cvg__call *call = *context;
    if (call == NULL) {
        return begin(cls, http, url, method, context);
    }
    return *size > 0 ? read_body(call, data, size) : go_on(call);
}

static void on_completed(void *cls, struct MHD_Connection *http, void **context,
                         enum MHD_RequestTerminationCode why)
{
    (void)http;
    (void)why;
    struct cvg__listener *l = cls;
    struct cvg__call *call = *context;
    if (call == NULL) {
        return;
    }
    *context = NULL;
    call->http = NULL;
    call->suspended = false;
    if (call->phase == CVG__WAITING) {
        cvg__call_abandon(call, "the client has gone");
    }
    if (call->conn->call == call) {
        call->conn->call = NULL;
        touch(l, call->conn, cvg__now());
    }
    call->conn = NULL;
    cvg__call_release(call);
}

/* Paths are decoded by the route, segment by segment. */
static size_t keep_escapes(void *cls, struct MHD_Connection *http, char *s)
{
    (void)cls;
    (void)http;
    return strlen(s);
}

/* --- daemons -------------------------------------------------------------- */

static void run(struct cvg__listener *l)
{
    MHD_UNSIGNED_LONG_LONG ms = 1;
    struct cvg__server *s = l->server;
    for (unsigned i = 0; i < RUNS_AT_ONCE; i++) {
        l->woken = false;
        (void)MHD_run(l->daemon);
        if (!l->woken &&
            (MHD_get_timeout(l->daemon, &ms) != MHD_YES || ms > 0)) {
            return;
        }
    }
    l->woken = true; /* more to do, after the others */
    (void)s;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct cvg__listener *l = poll->data;
    run(l);
    cvg__server_settle(l->server);
}

static void start_daemon(struct cvg__listener *l, const struct cvg__limits *m,
                         bool unix_socket)
{
    unsigned connections = (unsigned)m->connections;
    l->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, l,
        MHD_OPTION_LISTEN_SOCKET, l->fd, MHD_OPTION_CONNECTION_LIMIT,
        l->metrics ? 64U : connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        unix_socket ? 0U : (unsigned)m->per_ip, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)m->idle_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_MEMORY_INCREMENT,
        (size_t)MEMORY_STEP, MHD_OPTION_NOTIFY_COMPLETED, on_completed, l,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, l,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
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
    start_daemon(l, &server->options->limits, is_path);
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
    bool again = false;
    for (size_t i = 0; i < server->n_listeners; i++) {
        struct cvg__listener *l = &server->listeners[i];
        if (l->woken && l->daemon != NULL) {
            run(l);
            again = again || l->woken;
        }
    }
    cvg__server_again(server, again);
}

void cvg__http_stop_accepting(struct cvg__server *server)
{
    for (size_t i = 0; i < server->n_listeners; i++) {
        struct cvg__listener *l = &server->listeners[i];
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

/* A suspended connection must not be alive when its daemon stops. */
void cvg__http_close(struct cvg__server *server)
{
    for (size_t i = 0; i < server->n_listeners; i++) {
        struct cvg__listener *l = &server->listeners[i];
        for (struct cvg__conn *c = l->conns.next; c != &l->conns; c = c->next) {
            if (c->call != NULL && c->call->phase == CVG__WAITING) {
                cvg__call_abandon(c->call, "the server is stopping");
            }
        }
        if (l->daemon != NULL) {
            (void)MHD_run(l->daemon);
        }
        close_listener(l);
    }
}

/* --- clients that are slow or gone ---------------------------------------- */

/* How long a connection may stay as it is. */
static cvg_span patience(const struct cvg__conn *c, const struct cvg__limits *m)
{
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
        l->woken = true; /* its own time-outs */
    }
    cvg__http_flush(server);
}

void cvg__http_watch(struct cvg__server *server)
{
    struct epoll_event events[64];
    int n = epoll_wait(server->watch_fd, events, 64, 0);
    for (int i = 0; i < n; i++) {
        struct cvg__conn *c = events[i].data.ptr;
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

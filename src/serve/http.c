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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PARKED_MOST 64U /* of a listener */

/* Of a connection's memory: beside the header, for each of its fields (as
 * libmicrohttpd notes it), and for the header of the reply. */
#define FIELDS_ROOM 8192U
#define FIELD_NOTE 64U
#define REPLY_ROOM 2048U

/* --- connections ---------------------------------------------------------- */

static void unlink_conn(struct cvg__conn *c)
{
    c->prev->next = c->next;
    c->next->prev = c->prev;
}

/* To the end of the ring: it is the one that was active last. */
static void touch(struct cvg__conn *c)
{
    struct cvg__listener *l = c->listener;
    unlink_conn(c);
    c->since = l->server->woke;
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
    c->listener = l;
    c->http = http;
    c->fresh = true;
    c->next = c->prev = c;
    touch(c);
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
    if (call->client_id != NULL) {
        (void)MHD_add_response_header(response, "X-Request-ID",
                                      call->client_id);
    }
    if (call->server->state >= CVG__DRAINING) {
        (void)MHD_add_response_header(response, "Connection", "close");
    }
}

/* The body is the call's, which stays until the request is completed. Header
 * and text leave in one write; large outputs are not copied for it. */
static struct MHD_Response *make_response(struct cvg__call *call)
{
    struct MHD_IoVec all[1 + CVG__APART_MOST];
    const struct cvg__apart *apart = &call->apart;
    if (apart->n == 0) {
        return MHD_create_response_from_buffer(call->text.len, call->text.data,
                                               MHD_RESPMEM_PERSISTENT);
    }
    all[0] = (struct MHD_IoVec){call->text.data, call->text.len};
    for (unsigned i = 0; i < apart->n; i++) {
        all[1 + i] =
            (struct MHD_IoVec){apart->pieces[i].data, apart->pieces[i].bytes};
    }
    return MHD_create_response_from_iovec(all, 1 + apart->n, NULL, NULL);
}

static enum MHD_Result queue_reply(struct cvg__call *call)
{
    touch(call->conn); /* from now on it is the client's turn */
    struct MHD_Response *response = make_response(call);
    if (response == NULL) {
        return MHD_NO;
    }
    add_headers(call, response);
    enum MHD_Result result =
        MHD_queue_response(call->http, call->status, response);
    MHD_destroy_response(response);
    return result;
}

static void unpark(struct cvg__listener *l, struct cvg__call *call)
{
    l->n_parked -= call->parked;
    call->parked = false;
}

void cvg__http_wake(struct cvg__call *call)
{
    if (call->http == NULL || !(call->suspended || call->parked)) {
        return; /* its handler still runs and will see the answer */
    }
    if (call->suspended) {
        call->suspended = false;
        MHD_resume_connection(call->http);
    }
    call->conn->listener->woken = true;
}

/* --- requests ------------------------------------------------------------- */

/* What matters of the header, found in one pass over it. */
struct fields {
    int64_t length, infer; /* NUMBER_ABSENT, NUMBER_BAD */
    const char *infer_text;
    const char *encoding;  /* Transfer-Encoding; or NULL */
    const char *client_id; /* X-Request-ID; or NULL */
    unsigned hosts;
    bool expect, twice;
};
enum { NUMBER_ABSENT = -1, NUMBER_BAD = -2 };

static int64_t number_of(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n == 0 || n > 18 || text[n] != '\0' ? NUMBER_BAD
                                               : strtoll(text, NULL, 10);
}

/* 1 to 128 visible characters that need no quoting in a log. */
static bool is_client_id(const char *text)
{
    size_t n = 0;
    while (text[n] > ' ' && text[n] < 0x7f && text[n] != '"' &&
           text[n] != '\\' && n <= 128) {
        n++;
    }
    return n > 0 && n <= 128 && text[n] == '\0';
}

static enum MHD_Result field(void *cls, enum MHD_ValueKind kind,
                             const char *name, const char *value)
{
    (void)kind;
    struct fields *f = cls;
    value = value != NULL ? value : "";
    if (strcasecmp(name, "Content-Length") == 0) {
        f->twice = f->twice || f->length != NUMBER_ABSENT;
        f->length = number_of(value);
    } else if (strcasecmp(name, "Inference-Header-Content-Length") == 0) {
        f->twice = f->twice || f->infer != NUMBER_ABSENT;
        f->infer = number_of(value);
        f->infer_text = value;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        f->twice = f->twice || f->encoding != NULL;
        f->encoding = value;
    } else if (strcasecmp(name, "Host") == 0) {
        f->hosts++;
    } else if (strcasecmp(name, "Expect") == 0) {
        f->expect = true;
    } else if (strcasecmp(name, "X-Request-ID") == 0 && is_client_id(value)) {
        f->client_id = value;
    }
    return MHD_YES;
}

static void find_route(struct cvg__call *call, const char *method,
                       const char *url)
{
    const char *allow;
    switch (cvg__route_find(call, method, url, &allow)) {
    case CVG__MATCH:
        break;
    case CVG__NO_PATH:
        cvg__call_error(call, 404, "nothing is at %.200s", url);
        break;
    case CVG__NO_METHOD:
        call->allow = allow;
        cvg__call_error(call, 405, "%.40s is not allowed at %.200s, but %s",
                        method, url, allow);
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

static void refuse_now(struct cvg__call *call)
{
    call->retry_after = 1;
    cvg__call_error(
        call, 503, "requests of %zu bytes are being handled, the limit is %llu",
        call->server->bytes,
        (unsigned long long)call->server->options->limits.in_flight);
}

/* The memory of a connection is cleared after each request: small, but a whole
 * header, what is noted of its fields, and a reply's header. */
static size_t pool_size(const struct cvg__limits *limits)
{
    return limits->header + FIELDS_ROOM;
}

static size_t header_size(struct MHD_Connection *http)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(http, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info != NULL ? info->header_size : 0;
}

static bool header_too_large(struct cvg__call *call)
{
    uint64_t most = call->server->options->limits.header;
    size_t size = header_size(call->http);
    if (size <= most) {
        return false;
    }
    cvg__call_error(call, 431, "the header has %zu bytes, the limit is %llu",
                    size, (unsigned long long)most);
    return true;
}

/* Is there no memory left for a reply? Then none can be made the usual way. */
static bool too_many_fields(struct cvg__conn *conn)
{
    int n = MHD_get_connection_values(conn->http, MHD_HEADER_KIND, NULL, NULL);
    size_t size = header_size(conn->http);
    if (size + (size_t)n * FIELD_NOTE + REPLY_ROOM <=
        pool_size(&conn->listener->server->options->limits)) {
        return false;
    }
    char why[100];
    (void)snprintf(why, sizeof why,
                   "the header has %d fields in %zu bytes: too many", n, size);
    cvg__http_refuse(conn, 431, why);
    return true;
}

/* Whose request it is and where its body ends must be clear, and the same to
 * everyone on the way (RFC 9112, sections 3.2 and 6.3). */
static bool ambiguous(struct cvg__call *call, const struct fields *f)
{
    if (f->hosts > 1) {
        cvg__call_error(call, 400, "the header has %u fields 'Host'", f->hosts);
        return true;
    }
    bool both = f->encoding != NULL && f->length != NUMBER_ABSENT;
    if (f->twice || both || f->length == NUMBER_BAD) {
        cvg__call_error(call, 400,
                        "the length of the body is given twice, or is none");
        return true;
    }
    if (f->encoding != NULL && strcasecmp(f->encoding, "chunked") != 0) {
        cvg__call_error(call, 501,
                        "Transfer-Encoding '%.40s' is not known here: chunked "
                        "is",
                        f->encoding);
        return true;
    }
    call->chunked = f->encoding != NULL;
    return false;
}

/* Answers the call if something is wrong. True: at once, without reading the
 * body. */
static bool check_header(struct cvg__call *call)
{
    const struct cvg__limits *limits = &call->server->options->limits;
    struct fields f = {.length = NUMBER_ABSENT, .infer = NUMBER_ABSENT};
    (void)MHD_get_connection_values(call->http, MHD_HEADER_KIND, field, &f);
    call->client_id = f.client_id;
    if (header_too_large(call) || ambiguous(call, &f)) {
        return true;
    }
    uint64_t length = f.length > 0 ? (uint64_t)f.length : 0;
    if (length > limits->body) {
        /* Most clients only look for an answer when they have sent all: up to
         * a point the body is read and thrown away. */
        refuse_large(call);
        return f.expect || length / 4 > limits->body;
    }
    if (length > 0 && call->server->bytes + length > limits->in_flight) {
        refuse_now(call);
        return f.expect;
    }
    call->header = f.infer;
    if (f.infer == NUMBER_BAD && call->phase == CVG__READING) {
        cvg__call_error(call, 400,
                        "Inference-Header-Content-Length must be a whole "
                        "number of bytes, got '%.40s'",
                        f.infer_text);
    }
    return false;
}

static enum MHD_Result begin(struct cvg__listener *l,
                             struct MHD_Connection *http, const char *url,
                             const char *method, void **context)
{
    struct cvg__conn *conn = conn_of(http);
    if (conn != NULL && too_many_fields(conn)) {
        return MHD_NO;
    }
    struct cvg__call *call = conn != NULL ? cvg__call_take(l->server) : NULL;
    if (call == NULL) {
        return MHD_NO; /* no memory: close it */
    }
    *context = call;
    call->conn = conn;
    call->http = http;
    call->metrics_port = l->metrics;
    l->server->n_open += !l->metrics;
    conn->call = call;
    conn->fresh = conn->begun = false;
    touch(conn);
    find_route(call, method, url);
    if (check_header(call)) {
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
        return call->body.discarded / 4 > limits->body ? MHD_NO : MHD_YES;
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

/* A connection whose request waits can be suspended and resumed, which takes
 * it out of the daemon's epoll set and back and costs five system calls; or it
 * can be parked: left in the daemon's ready list, where each run of the daemon
 * asks go_on() again. That is cheap for few and for a short time, so no more
 * than PARKED_MOST are, and those that wait for a second are suspended. */
static void wait_for_answer(struct cvg__listener *l, struct cvg__call *call)
{
    if (call->phase == CVG__HANDLING && l->n_parked < PARKED_MOST) {
        call->phase = CVG__WAITING;
        call->parked = true;
        l->n_parked++;
    } else if (!call->parked || (l->sweeping && call->swept)) {
        unpark(l, call);
        call->phase = CVG__WAITING;
        call->suspended = true;
        MHD_suspend_connection(call->http);
    } else {
        call->swept = call->swept || l->sweeping;
    }
}

static enum MHD_Result go_on(struct cvg__listener *l, struct cvg__call *call)
{
    if (call->phase == CVG__READING) {
        call->phase = CVG__HANDLING;
        call->route->handler(call->server, call);
    }
    if (call->phase == CVG__ANSWERED) {
        unpark(l, call);
        return queue_reply(call);
    }
    wait_for_answer(l, call);
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *http,
                                  const char *url, const char *method,
                                  const char *version, const char *data,
                                  size_t *size, void **context)
{
    (void)version;
    struct cvg__listener *l = cls;
    struct cvg__call *call = *context;
    if (call == NULL || call->phase != CVG__WAITING) {
        l->progress++;
    }
    if (call == NULL) {
        return begin(l, http, url, method, context);
    }
    return *size > 0 ? read_body(call, data, size) : go_on(l, call);
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
    call->client_id = NULL;
    l->server->n_open -= !l->metrics;
    call->suspended = false;
    unpark(l, call);
    if (call->phase == CVG__WAITING) {
        cvg__call_abandon(call, "the client has gone");
    }
    if (call->conn->call == call) {
        call->conn->call = NULL;
        touch(call->conn);
    }
    call->conn = NULL;
    cvg__call_release(call);
}

/* The first line of a request has come. What is returned would be the call. */
static void *on_first_line(void *cls, const char *uri,
                           struct MHD_Connection *http)
{
    (void)cls;
    (void)uri;
    struct cvg__conn *conn = conn_of(http);
    if (conn != NULL) {
        conn->begun = true;
    }
    return NULL;
}

/* Paths are decoded by the route, segment by segment. */
static size_t keep_escapes(void *cls, struct MHD_Connection *http, char *s)
{
    (void)cls;
    (void)http;
    return strlen(s);
}

struct MHD_Daemon *cvg__http_start(struct cvg__listener *l, bool unix_socket)
{
    const struct cvg__limits *m = &l->server->options->limits;
    unsigned connections = (unsigned)m->connections;
    size_t memory = pool_size(m);
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL,
        NULL, on_request, l, MHD_OPTION_EXTERNAL_LOGGER, cvg__http_refused, l,
        MHD_OPTION_URI_LOG_CALLBACK, on_first_line, NULL,
        MHD_OPTION_LISTEN_SOCKET, l->fd, MHD_OPTION_CONNECTION_LIMIT,
        l->metrics ? 64U : connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        unix_socket ? 0U : (unsigned)m->per_ip, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)m->idle_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory,
        MHD_OPTION_CONNECTION_MEMORY_INCREMENT, memory / 2,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, l,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, l,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_END);
}

/* Requests that libmicrohttpd refuses by itself, before our handler is asked or
 * while a body comes in. It answers with a page of HTML, and where the header
 * is at fault sends the head twice; no setting changes that. But it logs first:
 * so the answer is written here, as JSON like all others, and what the library
 * then writes itself goes to a socket that is shut. */
#include "serve/http.h"

#include "serve/server.h"
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define THROWN_AWAY                                                            \
    ((size_t)1 << 20) /* bytes of a refused request, at most                   \
                       */

/* Its text for people, without the tags: "<html>...<body>TEXT</body></html>" */
static void plain_text(const char *page, char *out, size_t size)
{
    const char *body = strstr(page, "<body>");
    const char *p = body != NULL ? body + strlen("<body>") : page;
    const char *end = strstr(p, "</body>");
    size_t n = 0;
    end = end != NULL ? end : p + strlen(p);
    while (p < end && n + 1 < size) {
        if (*p == '<') {
            p += strcspn(p, ">");
            p += *p == '>';
        } else if (strncmp(p, "&quot;", 6) == 0) {
            out[n++] = '\'';
            p += 6;
        } else {
            out[n++] = *p++;
        }
    }
    out[n] = '\0';
}

/* Which connection is it? The library does not say. It is one of those in the
 * right state, and the last of them that something came from. */
enum suspect {
    INNOCENT,
    IDLE,  /* between requests, as far as we know */
    BEGUN, /* new, or its request's first line has come */
    SURE   /* its header has come, and our handler was not asked */
};

static enum suspect suspect_of(const struct cvg__conn *c, bool in_body)
{
    if (in_body) {
        return c->call != NULL && c->call->phase == CVG__READING &&
                       c->call->chunked
                   ? BEGUN
                   : INNOCENT;
    }
    if (c->call != NULL) {
        return INNOCENT;
    }
    if (MHD_get_connection_info(
            c->http, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE) != NULL) {
        return SURE;
    }
    return c->fresh || c->begun ? BEGUN : IDLE;
}

/* Since something came from it; 0 where the system does not say. */
static unsigned quiet_ms(const struct cvg__conn *c)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0
               ? info.tcpi_last_data_recv
               : 0;
}

/* NULL: it could be more than one. */
static struct cvg__conn *find_refused(const struct cvg__listener *l,
                                      bool in_body)
{
    enum suspect most = INNOCENT;
    unsigned least = 0;
    struct cvg__conn *found = NULL;
    for (struct cvg__conn *c = l->conns.next; c != &l->conns; c = c->next) {
        enum suspect s = suspect_of(c, in_body);
        if (s == INNOCENT) {
            continue;
        }
        unsigned quiet = s == SURE ? 0 : quiet_ms(c);
        bool more = s == SURE && most != SURE;
        bool later = most == INNOCENT || quiet < least;
        bool same = quiet == least;
        if (more || (most != SURE && (later || (same && s > most)))) {
            most = s;
            least = quiet;
            found = c;
        } else if (same && s == most) {
            found = NULL;
        }
    }
    return found;
}

void cvg__http_refuse(const struct cvg__conn *c, unsigned status,
                      const char *why)
{
    struct cvg_text body = {0}, reply = {0};
    cvg__text_str(&body, "{\"error\":");
    cvg__text_json(&body, why);
    cvg__text_str(&body, "}");
    cvg__text_format(&reply,
                     "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\n"
                     "Connection: close\r\nContent-Length: %zu\r\n\r\n",
                     status, MHD_get_reason_phrase_for(status), body.len);
    cvg__text_add(&reply, body.data, body.len);
    if (cvg__text_ok(&body) && cvg__text_ok(&reply)) {
        (void)send(c->fd, reply.data, reply.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    cvg__text_fini(&body);
    cvg__text_fini(&reply);
    (void)shutdown(c->fd, SHUT_WR);
    /* A socket closed with bytes unread resets the connection, and the answer
     * may be lost with it. */
    char bytes[16384];
    ssize_t n = 1;
    for (size_t left = THROWN_AWAY; n > 0 && left > sizeof bytes;
         left -= sizeof bytes) {
        n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    }
}

void cvg__http_refused(void *cls, const char *format, va_list args)
{
    char line[1024], why[512];
    const char *page;
    unsigned status;
    (void)vsnprintf(line, sizeof line, format, args);
    if (sscanf(line, "Error processing request (HTTP response code is %u",
               &status) != 1 ||
        (page = strchr(line, '<')) == NULL) {
        return; /* of something else */
    }
    const struct cvg__listener *l = cls;
    plain_text(page, why, sizeof why);
    if (status == 414 || status == 431) { /* its text does not say how much */
        (void)snprintf(why, sizeof why,
                       "the header is larger than the limit of %llu bytes",
                       (unsigned long long)l->server->options->limits.header);
    }
    const struct cvg__conn *c = find_refused(l, strstr(why, "chunk") != NULL);
    if (c != NULL) {
        cvg__http_refuse(c, status, why);
    }
}

/* URLs to socket addresses. */
#include "load/address.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SCHEME "http://"

bool cvg_is_url(const char *text)
{
    return strncasecmp(text, SCHEME, strlen(SCHEME)) == 0;
}

/* Cuts "[::1]:80" or "host:80" into two; false: there is no port. */
static bool split(char *text, char **host, char **port)
{
    char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || colon[1] == '\0') {
        return false;
    }
    *colon = '\0';
    *host = text;
    *port = colon + 1;
    size_t n = strlen(text);
    if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
        text[n - 1] = '\0';
        *host = text + 1;
    }
    return true;
}

enum cvg_status cvg_address_parse(const char *text, struct cvg_address *out,
                                  struct cvg_error *err)
{
    const char *at = cvg_is_url(text) ? text + strlen(SCHEME) : text;
    size_t n = strcspn(at, "/");
    if (n >= sizeof out->text || (at[n] == '/' && at[n + 1] != '\0')) {
        return cvg_fail(err, CVG_INVALID,
                        "'%s' is not the address of a server: give "
                        "http://HOST:PORT",
                        text);
    }
    char copy[sizeof out->text], *host, *port;
    snprintf(out->text, sizeof out->text, "%.*s", (int)n, at);
    memcpy(copy, out->text, sizeof copy);
    if (!split(copy, &host, &port)) {
        return cvg_fail(err, CVG_INVALID,
                        "'%s' has no port: give http://HOST:PORT", text);
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0) {
        return cvg_fail(err, CVG_INVALID, "'%s': %s", text, gai_strerror(code));
    }
    memcpy(&out->storage, found->ai_addr, found->ai_addrlen);
    out->size = found->ai_addrlen;
    freeaddrinfo(found);
    return CVG_OK;
}

/* HTTP/1.1 replies, byte by byte. */
#include "load/http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define READ_SIZE 4096U

void cvg__http_fini(struct cvg__http *h)
{
    free(h->buffer);
    *h = (struct cvg__http){0};
}

void cvg__http_reset(struct cvg__http *h)
{
    *h = (struct cvg__http){.buffer = h->buffer, .room = h->room};
}

char *cvg__http_room(struct cvg__http *h, size_t *n)
{
    size_t wanted = h->used + READ_SIZE;
    if (h->header_bytes > 0 && h->header_bytes + h->content_length > h->used) {
        /* One byte more than the reply shows whether there is too much. */
        wanted = h->header_bytes + h->content_length + 1;
    }
    if (wanted > h->room) {
        char *buffer = realloc(h->buffer, wanted);
        if (buffer == NULL) {
            return NULL;
        }
        h->buffer = buffer;
        h->room = wanted;
    }
    *n = h->room - h->used;
    return h->buffer + h->used;
}

/* --- header ------------------------------------------------------------------
 */

struct line {
    const char *text;
    size_t n;
};

static bool digits(const char *text, size_t n, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0');
        if (value > max) {
            return false;
        }
    }
    *out = value;
    return n > 0;
}

/* "HTTP/1.1 200 OK" */
static bool status_line(struct cvg__http *h, struct line line)
{
    uint64_t status;
    if (line.n < 12 || memcmp(line.text, "HTTP/1.", 7) != 0 ||
        (line.text[7] != '0' && line.text[7] != '1') || line.text[8] != ' ' ||
        !digits(line.text + 9, 3, 999, &status) || status < 100 ||
        (line.n > 12 && line.text[12] != ' ')) {
        return false;
    }
    h->status = (int)status;
    h->keep_alive = line.text[7] == '1';
    return true;
}

static bool named(struct line name, const char *wanted)
{
    return name.n == strlen(wanted) &&
           strncasecmp(name.text, wanted, name.n) == 0;
}

static bool field(struct cvg__http *h, struct line name, struct line value,
                  bool *has_length)
{
    uint64_t number;
    if (named(name, "content-length")) {
        if (!digits(value.text, value.n, CVG__HTTP_BODY_MAX, &number) ||
            (*has_length && number != h->content_length)) {
            return false;
        }
        h->content_length = (size_t)number;
        *has_length = true;
    } else if (named(name, "inference-header-content-length")) {
        if (!digits(value.text, value.n, CVG__HTTP_BODY_MAX, &number)) {
            return false;
        }
        h->inference_header = (int64_t)number;
    } else if (named(name, "connection")) {
        if (named(value, "close")) {
            h->keep_alive = false;
        } else if (named(value, "keep-alive")) {
            h->keep_alive = true;
        }
    } else if (named(name, "transfer-encoding")) {
        return false;
    }
    return true;
}

static bool field_line(struct cvg__http *h, struct line line, bool *has_length)
{
    const char *colon = memchr(line.text, ':', line.n);
    if (colon == NULL || colon == line.text) {
        return false;
    }
    struct line name = {line.text, (size_t)(colon - line.text)};
    struct line value = {colon + 1, line.n - name.n - 1};
    while (value.n > 0 && (*value.text == ' ' || *value.text == '\t')) {
        value.text++;
        value.n--;
    }
    while (value.n > 0 && (value.text[value.n - 1] == ' ' ||
                           value.text[value.n - 1] == '\t')) {
        value.n--;
    }
    return field(h, name, value, has_length);
}

static bool without_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static bool parse_header(struct cvg__http *h)
{
    bool has_length = false, first = true;
    const char *at = h->buffer, *end = h->buffer + h->header_bytes - 2;
    h->inference_header = -1;
    while (at < end) {
        const char *stop = memmem(at, (size_t)(end + 2 - at), "\r\n", 2);
        struct line line = {at, (size_t)(stop - at)};
        if (memchr(line.text, '\n', line.n) != NULL ||
            memchr(line.text, '\0', line.n) != NULL ||
            !(first ? status_line(h, line)
                    : field_line(h, line, &has_length))) {
            return false;
        }
        first = false;
        at = stop + 2;
    }
    if (without_body(h->status)) {
        h->content_length = 0;
        return true;
    }
    return has_length && h->inference_header <= (int64_t)h->content_length;
}

/* Looks for the empty line; false: the header is too long. */
static bool find_header(struct cvg__http *h)
{
    const char *end =
        memmem(h->buffer + h->scanned, h->used - h->scanned, "\r\n\r\n", 4);
    if (end != NULL) {
        h->header_bytes = (size_t)(end - h->buffer) + 4;
    } else {
        h->scanned = h->used < 3 ? 0 : h->used - 3;
    }
    return (end == NULL ? h->used : h->header_bytes) <= CVG__HTTP_HEADER_MAX;
}

/* A 1xx reply only announces the real one, which may have come already. */
static void drop_interim(struct cvg__http *h)
{
    size_t rest = h->used - h->header_bytes;
    memmove(h->buffer, h->buffer + h->header_bytes, rest);
    cvg__http_reset(h);
    h->used = rest;
}

enum cvg__http_progress cvg__http_take(struct cvg__http *h, size_t n)
{
    h->used += n;
    while (h->header_bytes == 0) {
        if (!find_header(h)) {
            return CVG__HTTP_BAD;
        }
        if (h->header_bytes == 0) {
            return CVG__HTTP_MORE;
        }
        if (!parse_header(h)) {
            return CVG__HTTP_BAD;
        }
        if (h->status < 200) {
            drop_interim(h);
        }
    }
    size_t whole = h->header_bytes + h->content_length;
    if (h->used < whole) {
        return CVG__HTTP_MORE;
    }
    h->body = h->buffer + h->header_bytes;
    return h->used == whole ? CVG__HTTP_DONE : CVG__HTTP_BAD;
}

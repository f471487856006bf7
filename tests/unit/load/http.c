/* Replies however they are cut, and what is no reply. */
#include "load/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Feeds `text` in pieces of `piece` bytes; the progress after the last one
 * that was needed. */
static enum cvg__http_progress feed(struct cvg__http *h, const char *text,
                                    size_t size, size_t piece)
{
    enum cvg__http_progress progress = CVG__HTTP_MORE;
    for (size_t at = 0; at < size && progress == CVG__HTTP_MORE;) {
        size_t n, room;
        char *into = cvg__http_room(h, &room);
        assert_non_null(into);
        n = size - at < piece ? size - at : piece;
        n = n < room ? n : room;
        memcpy(into, text + at, n);
        at += n;
        progress = cvg__http_take(h, n);
        if (at < size && progress == CVG__HTTP_DONE) {
            fail_msg("done with %zu bytes to come", size - at);
        }
    }
    return progress;
}

static const char ok[] = "HTTP/1.1 200 OK\r\n"
                         "Content-Type: application/octet-stream\r\n"
                         "inference-header-content-length:  7 \r\n"
                         "Content-Length: 11\r\n"
                         "\r\n"
                         "{\"a\":1}\0\1\2\3";

static void a_reply_in_pieces_of_any_size(void **state)
{
    (void)state;
    struct cvg__http h = {0};
    for (size_t piece = 1; piece <= sizeof ok; piece++) {
        cvg__http_reset(&h);
        assert_int_equal(feed(&h, ok, sizeof ok - 1, piece), CVG__HTTP_DONE);
        assert_int_equal(h.status, 200);
        assert_true(h.keep_alive);
        assert_int_equal(h.content_length, 11);
        assert_int_equal(h.inference_header, 7);
        assert_memory_equal(h.body, "{\"a\":1}\0\1\2\3", 11);
    }
    cvg__http_fini(&h);
}

static enum cvg__http_progress whole(struct cvg__http *h, const char *text)
{
    cvg__http_reset(h);
    return feed(h, text, strlen(text), strlen(text));
}

static void whether_the_connection_stays(void **state)
{
    (void)state;
    struct cvg__http h = {0};
    whole(&h, "HTTP/1.1 503 Busy\r\nConnection: Close\r\n"
              "Content-Length: 0\r\n\r\n");
    assert_int_equal(h.status, 503);
    assert_false(h.keep_alive);
    whole(&h, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_false(h.keep_alive);
    whole(&h, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"
              "Content-Length: 0\r\n\r\n");
    assert_true(h.keep_alive);
    cvg__http_fini(&h);
}

static void replies_without_a_body(void **state)
{
    (void)state;
    struct cvg__http h = {0};
    assert_int_equal(whole(&h, "HTTP/1.1 204 No Content\r\n\r\n"),
                     CVG__HTTP_DONE);
    assert_int_equal(whole(&h, "HTTP/1.1 100 Continue\r\n\r\n"),
                     CVG__HTTP_MORE);
    assert_int_equal(whole(&h, "HTTP/1.1 100 Continue\r\n\r\n"
                               "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi"),
                     CVG__HTTP_DONE);
    assert_int_equal(h.status, 200);
    assert_memory_equal(h.body, "hi", 2);
    cvg__http_fini(&h);
}

static void garbage_is_told_apart(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n", /* to the end of the connection */
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
         "Inference-Header-Content-Length: 2\r\n\r\na"),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", /* too much */
    };
    struct cvg__http h = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (whole(&h, bad[i]) != CVG__HTTP_BAD) {
            fail_msg("taken for a reply: %s", bad[i]);
        }
    }
    cvg__http_fini(&h);
}

static void a_header_without_end_is_given_up(void **state)
{
    (void)state;
    struct cvg__http h = {0};
    char line[1000];
    memset(line, 'x', sizeof line);
    enum cvg__http_progress progress = CVG__HTTP_MORE;
    size_t sent = 0;
    while (progress == CVG__HTTP_MORE) {
        progress = feed(&h, line, sizeof line, sizeof line);
        sent += sizeof line;
        assert_true(sent < 20000);
    }
    assert_int_equal(progress, CVG__HTTP_BAD);
    cvg__http_fini(&h);
}

static void a_large_body(void **state)
{
    (void)state;
    size_t body = 3000000, head;
    char *text = malloc(body + 100);
    head = (size_t)sprintf(
        text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body);
    for (size_t i = 0; i < body; i++) {
        text[head + i] = (char)(i * 31);
    }
    struct cvg__http h = {0};
    assert_int_equal(feed(&h, text, head + body, 65536), CVG__HTTP_DONE);
    assert_memory_equal(h.body, text + head, body);
    cvg__http_fini(&h);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_in_pieces_of_any_size),
        cmocka_unit_test(whether_the_connection_stays),
        cmocka_unit_test(replies_without_a_body),
        cmocka_unit_test(garbage_is_told_apart),
        cmocka_unit_test(a_header_without_end_is_given_up),
        cmocka_unit_test(a_large_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The small ones: text, request numbers, limits, addresses. */
#include "cases.h"

#include "base/id_map.h"
#include "base/rng.h"
#include "serve/limits.h"
#include "serve/listen.h"
#include <unistd.h>

static void text_is_json_whatever_comes(void **state)
{
    (void)state;
    struct cvg_text t = {0};
    cvg__text_json(&t, "a\"\\\n\x01\xc3\xa9\xff");
    assert_text(&t, "\"a\\\"\\\\\\n\\u0001\xc3\xa9?\"");
    t.len = 0;
    cvg__text_i64(&t, INT64_MIN);
    cvg__text_add(&t, " ", 1);
    cvg__text_u64(&t, UINT64_MAX);
    cvg__text_add(&t, " ", 1);
    cvg__text_fixed(&t, -0.0625, 3);
    assert_text(&t, "-9223372036854775808 18446744073709551615 -0.063");
    t.len = 0;
    cvg__text_format(&t, "%s", "x");
    cvg__text_f64(&t, 1.0 / 0.0);
    cvg__text_f32(&t, 1e30F);
    assert_text(&t, "xnull1e+30");
    cvg__text_fini(&t);
}

/* Against a plain array, in random order. */
static void the_map_keeps_what_it_is_given(void **state)
{
    (void)state;
    static char there[20000];
    struct cvg_id_map map = {0};
    struct cvg_rng rng;
    cvg_rng_init(&rng, 7, 8, 9);
    uint64_t next = 1;
    for (int i = 0; i < 200000; i++) {
        if (cvg_rng_uniform(&rng) < 0.5 && next < sizeof there) {
            assert_true(cvg_id_map_reserve(&map, 1));
            cvg_id_map_put(&map, next, &there[next]);
            there[next++] = 1;
        } else {
            uint64_t id = 1 + cvg_rng_next(&rng) % next;
            void *expected = id < next && there[id] ? &there[id] : NULL;
            assert_ptr_equal(cvg_id_map_get(&map, id), expected);
            cvg_id_map_remove(&map, id);
            there[id % sizeof there] = 0;
            assert_null(cvg_id_map_get(&map, id));
        }
    }
    for (uint64_t id = 1; id < next; id++) {
        assert_ptr_equal(cvg_id_map_get(&map, id),
                         there[id] ? &there[id] : NULL);
    }
    cvg_id_map_fini(&map);
}

static void limits_are_flags(void **state)
{
    (void)state;
    struct cvg__limits limits;
    struct cvg_error err;
    cvg__limits_default(&limits);
    assert_int_equal(limits.body, 64 << 20);
    assert_int_equal(limits.header, 16 << 10);
    assert_int_equal(cvg__limits_set(&limits, "--max-body", "1MiB", &err),
                     CVG_OK);
    assert_int_equal(limits.body, 1 << 20);
    assert_int_equal(cvg__limits_set(&limits, "--max-dims", "17", &err),
                     CVG_INVALID);
    assert_int_equal(cvg__limits_set(&limits, "--max-body", "1", &err),
                     CVG_INVALID);
    assert_int_equal(cvg__limits_set(&limits, "--max-nothing", "1", &err),
                     CVG_NOTFOUND);
}

static void addresses(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      ":",
                                      "8000",
                                      "localhost",
                                      "a:b",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:-1",
                                      "[::1:80",
                                      "[]:80",
                                      "127.0.0.1:80x"};
    char bound[128];
    struct cvg_error err;
    int fd, other;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(
            cvg__listen_tcp(bad[i], &fd, bound, sizeof bound, &err),
            CVG_CONFIG);
    }
    assert_int_equal(
        cvg__listen_tcp("127.0.0.1:0", &fd, bound, sizeof bound, &err), CVG_OK);
    char again[128];
    assert_int_equal(cvg__listen_tcp(bound, &other, again, sizeof again, &err),
                     CVG_IO);
    assert_non_null(strstr(err.text, bound));
    assert_non_null(strstr(err.text, "in use"));
    (void)close(fd);
}

static void sockets_of_others_are_left_alone(void **state)
{
    (void)state;
    char folder[] = "/tmp/convergo-test-XXXXXX", path[64];
    struct cvg_error err;
    int fd, other;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/s", folder);
    assert_int_equal(cvg__listen_path(path, &fd, &err), CVG_OK);
    assert_int_equal(cvg__listen_path(path, &other, &err), CVG_IO);
    assert_non_null(strstr(err.text, "another server"));
    (void)close(fd); /* killed: the file stays, nobody answers */
    assert_int_equal(cvg__listen_path(path, &fd, &err), CVG_OK);
    (void)close(fd);
    (void)unlink(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fclose(file);
    assert_int_equal(cvg__listen_path(path, &fd, &err), CVG_IO);
    (void)unlink(path);
    (void)rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_json_whatever_comes),
        cmocka_unit_test(the_map_keeps_what_it_is_given),
        cmocka_unit_test(limits_are_flags),
        cmocka_unit_test(addresses),
        cmocka_unit_test(sockets_of_others_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

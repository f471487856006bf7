/* link: -Wl,--wrap=write,--wrap=malloc,--wrap=calloc,--wrap=realloc */
/* Disks that fail, stop in the middle, or are slow; and no memory. Whatever
 * happens, what is in the file is the beginning of the run. */
#include "record/explain.h"
#include "support/recorded.h"
#include "support/world.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* --- what fails ----------------------------------------------------------- */

static long writes_left = -1;  /* until one fails; negative: none does */
static size_t most = SIZE_MAX; /* bytes that a write takes */
static int interrupts;         /* of every write, so many times */
static int interrupted;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* a slow disk */

static _Thread_local long blocks_left = -1; /* allocations of this thread */

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    if (fd <= STDERR_FILENO) {
        return __real_write(fd, bytes, size);
    }
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
    if (interrupted < interrupts) {
        interrupted++;
        errno = EINTR;
        return -1;
    }
    interrupted = 0;
    size = size > most ? most : size;
    if (writes_left >= 0 && writes_left-- == 0) {
        /* A part of it is there, as when a disk fills up. */
        (void)__real_write(fd, bytes, size / 2);
        errno = ENOSPC;
        return -1;
    }
    return __real_write(fd, bytes, size);
}

static bool fails(void)
{
    return blocks_left >= 0 && blocks_left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

/* Opens it, replays it; returns how many steps there are. */
static uint64_t check_file(const char *path, enum cvg_record_end end)
{
    struct cvg_error err = {.text = ""};
    struct cvg_record *record;
    struct cvg_replay replay;
    assert_int_equal(cvg_record_open(path, &record, &err), CVG_OK);
    assert_int_equal(cvg_record_end(record), end);
    assert_int_equal(cvg_record_left_out(record), 0);
    assert_int_equal(cvg_record_replay(record, NULL, &replay, &err), CVG_OK);
    assert_false(replay.differs);
    cvg_record_close(record);
    return replay.steps;
}

/* --- disks ---------------------------------------------------------------- */

static void test_writes_in_pieces(void **state)
{
    (void)state;
    struct recorded r;
    most = 100;
    interrupts = 2;
    recorded_file(&r, NULL, 200);
    most = SIZE_MAX;
    interrupts = 0;
    assert_true(check_file(r.path, CVG_RECORD_WHOLE) > 200);
    (void)unlink(r.path);
}

/* The nth write of the run fails: 0, 1, 2, ... */
static void test_a_write_that_fails(void **state)
{
    (void)state;
    enum cvg_status status = CVG_IO;
    for (long n = 0; status != CVG_OK; n++) {
        struct recorded r;
        struct cvg_error err = {.text = ""};
        recorded_name(r.path);
        recorded_start(&r, NULL, NULL);
        (void)pthread_mutex_lock(&gate); /* the thread that writes waits */
        recorded_run(&r, 2000);
        writes_left = n;
        (void)pthread_mutex_unlock(&gate);
        status = recorded_end(&r, &err);
        writes_left = -1;
        if (status != CVG_OK) {
            assert_int_equal(status, CVG_IO);
            assert_non_null(strstr(err.text, "ends early: cannot write: No "
                                             "space left on device; "));
            (void)check_file(r.path, CVG_RECORD_WRITE_FAILED);
        } else {
            assert_true(check_file(r.path, CVG_RECORD_WHOLE) > 2000);
            assert_true(n >= 2);
        }
        (void)unlink(r.path);
        assert_true(n < 20);
    }
}

/* Steps that are lost are counted, also those that were taken in already. */
static void test_what_is_lost_is_counted(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_error err = {.text = ""};
    recorded_name(r.path);
    recorded_start(&r, NULL, NULL);
    writes_left = 0;
    recorded_run(&r, 100);
    cvg_recorder_flush(r.recorder);
    struct cvg_recorder_state s;
    do {
        (void)usleep(1000);
        s = cvg_recorder_state(r.recorder);
    } while (!s.stopped);
    writes_left = -1;
    assert_int_equal(s.steps, 0);
    assert_true(s.lost > 100);
    assert_string_equal(s.why, "cannot write: No space left on device");
    const struct cvg_event e = {.type = CVG_EV_TIMER, .at = CVG_S(1)};
    const struct cvg_actions none = {NULL, 0};
    cvg_recorder_step(r.recorder, &e, &none);
    assert_int_equal(cvg_recorder_state(r.recorder).lost, s.lost + 1);
    assert_int_equal(recorded_end(&r, &err), CVG_IO);
    assert_int_equal(check_file(r.path, CVG_RECORD_WRITE_FAILED), 0);
    (void)unlink(r.path);
}

/* The disk stands still: the run goes on, and its memory is bounded. */
static void test_a_slow_disk(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_error err = {.text = ""};
    const struct cvg_record_options options = {.waits = false};
    static const double confidence[256]; /* so that memory fills up soon */
    struct cvg_event e = {
        .type = CVG_EV_DONE,
        .done = {.batch = 1, .confidence = confidence, .n_confidence = 256}};
    const struct cvg_actions none = {NULL, 0};
    recorded_name(r.path);
    recorded_start(&r, NULL, &options);
    (void)pthread_mutex_lock(&gate);
    uint64_t n = 0;
    while (!cvg_recorder_state(r.recorder).stopped && n < 100000) {
        e.at += CVG_S(1);
        cvg_recorder_step(r.recorder, &e, &none);
        n++;
    }
    assert_true(n < 100000);
    assert_string_equal(cvg_recorder_state(r.recorder).why,
                        "the disk, or memory, did not keep up");
    (void)pthread_mutex_unlock(&gate);
    assert_int_equal(recorded_end(&r, &err), CVG_IO);
    struct cvg_record *record;
    const struct cvg_recorded_step *step;
    uint64_t steps = 0;
    assert_int_equal(cvg_record_open(r.path, &record, &err), CVG_OK);
    assert_int_equal(cvg_record_end(record), CVG_RECORD_SLOW_DISK);
    while (cvg_record_next(record, &step, &err) == CVG_OK && step != NULL) {
        steps++;
    }
    assert_int_equal(steps, n - 1); /* all that were taken in */
    cvg_record_close(record);
    (void)unlink(r.path);
}

/* --- memory --------------------------------------------------------------- */

static void test_no_memory_to_write(void **state)
{
    (void)state;
    enum cvg_status status = CVG_NOMEM;
    for (long n = 0; status != CVG_OK; n++) {
        struct recorded r;
        struct cvg_error err = {.text = ""};
        recorded_name(r.path);
        recorded_start(&r, NULL, NULL);
        blocks_left = n;
        const struct cvg_event e = {.type = CVG_EV_TIMER, .at = 1};
        const struct cvg_actions none = {NULL, 0};
        cvg_recorder_step(r.recorder, &e, &none);
        blocks_left = -1;
        status = recorded_end(&r, &err);
        assert_true(status == CVG_OK || status == CVG_IO);
        uint64_t steps = check_file(
            r.path, status == CVG_OK ? CVG_RECORD_WHOLE : CVG_RECORD_SLOW_DISK);
        assert_int_equal(steps, status == CVG_OK);
        (void)unlink(r.path);
        assert_true(n < 10);
    }
}

static enum cvg_status read_all(const void *bytes, size_t size,
                                struct cvg_error *err)
{
    struct cvg_record *record = NULL;
    struct cvg_record_why why;
    enum cvg_status status = cvg_record_read(bytes, size, "F", &record, err);
    if (status == CVG_OK) {
        status = cvg_record_explain(record, 3, &why, err);
        cvg_record_close(record);
    }
    if (status == CVG_OK) {
        cvg_record_why_fini(&why);
    }
    return status;
}

static void test_no_memory_to_read(void **state)
{
    (void)state;
    struct recorded r;
    size_t size;
    enum cvg_status status = CVG_NOMEM;
    recorded_file(&r, NULL, 20);
    unsigned char *bytes = recorded_bytes(r.path, &size);
    for (long n = 0; status != CVG_OK; n++) {
        struct cvg_error err = {.text = ""};
        blocks_left = n;
        status = read_all(bytes, size, &err);
        blocks_left = -1;
        assert_true(status == CVG_OK || status == CVG_NOMEM);
        assert_true(n < 10000);
    }
    free(bytes);
    (void)unlink(r.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_in_pieces),
        cmocka_unit_test(test_a_write_that_fails),
        cmocka_unit_test(test_what_is_lost_is_counted),
        cmocka_unit_test(test_a_slow_disk),
        cmocka_unit_test(test_no_memory_to_write),
        cmocka_unit_test(test_no_memory_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

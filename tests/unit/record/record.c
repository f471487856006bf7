/* Records: written, read, cut off, damaged, full. */
#include "support/recorded.h"
#include "support/world.h"
#include <convergo/condition.h>

#include "base/crc32.h"
#include "record/block.h"
#include "support/record_box.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Replays bytes; *steps: how many. CVG_OK also means: nothing differs. */
static enum cvg_status replay(const void *bytes, size_t size, uint64_t *steps,
                              struct cvg_error *err)
{
    struct cvg_record *record;
    struct cvg_replay out;
    enum cvg_status status = cvg_record_read(bytes, size, "F", &record, err);
    if (status != CVG_OK) {
        return status;
    }
    status = cvg_record_replay(record, NULL, &out, err);
    if (status == CVG_OK) {
        assert_false(out.differs);
        *steps = out.steps;
    }
    cvg_record_close(record);
    return status;
}

static void test_a_run_and_its_replay_are_the_same(void **state)
{
    (void)state;
    static const char *const policies[] = {NULL, "edf", "fifo", "slo-mael",
                                           "order=least-slack,batching=none"};
    for (size_t i = 0; i < 5; i++) {
        struct recorded r;
        struct cvg_record *record;
        struct cvg_replay out;
        struct cvg_error err = {.text = ""};
        recorded_file(&r, policies[i], 600);
        assert_int_equal(cvg_record_open(r.path, &record, &err), CVG_OK);
        assert_int_equal(cvg_record_replay(record, NULL, &out, &err), CVG_OK);
        if (out.differs) {
            fail_msg("event %llu: %s\n%s\n%s", (unsigned long long)out.step,
                     out.event, out.expected, out.got);
        }
        assert_int_equal(out.events[CVG_EV_ARRIVAL], 600);
        assert_true(out.events[CVG_EV_DONE] > 50);
        assert_int_equal(out.events[CVG_EV_DEVICE], 2);
        assert_int_equal(out.events[CVG_EV_MODEL], 2);
        assert_true(out.actions[CVG_ACT_REPLY] > 100);
        assert_true(out.actions[CVG_ACT_DROP] > 10);
        assert_true(out.actions[CVG_ACT_LOAD] > 0);
        assert_int_equal(cvg_record_end(record), CVG_RECORD_WHOLE);
        assert_int_equal(cvg_record_left_out(record), 0);
        const struct cvg_record_head *head = cvg_record_head(record);
        assert_int_equal(head->options.seed, 7);
        assert_string_equal(head->mode, "sim");
        assert_string_equal(head->policy,
                            policies[i] != NULL ? policies[i] : "");
        assert_string_equal(head->texts.items[1].path, "profile.csv");
        /* A second time from the start. */
        uint64_t steps = out.steps;
        assert_int_equal(cvg_record_replay(record, NULL, &out, &err), CVG_OK);
        assert_int_equal(out.steps, steps);
        cvg_record_close(record);
        (void)unlink(r.path);
    }
}

/* Models with two exits, requests with conditions, and bounds that change. */
static void test_stages_and_conditions(void **state)
{
    (void)state;
    static const char profile[] =
        RECORD_PROFILE "small,1,npu,1,2,2,2.2,2.5,4,9,made up\n"
                       "small,1,npu,8,6,6,6.5,7,20,9,made up\n"
                       "small,1,cpu,1,9,9,10,12,7,9,made up\n";
    static const char variants[] =
        RECORD_VARIANTS "small,1,0.93,top1,none,9,2,3,0,made up\n";
    struct cvg_config_file files[3] = {
        record_box_files[0],
        {"profile.csv", profile, sizeof profile - 1},
        {"variants.csv", variants, sizeof variants - 1}};
    const struct cvg_config_texts texts = {.items = files, .n = 3};
    const struct cvg_record_options options = {.texts = &texts, .waits = true};
    static const char *const policies[] = {"order=edf,exits=predictive", "edf",
                                           "convergo"};
    for (size_t i = 0; i < 3; i++) {
        struct recorded r;
        struct cvg_record *record;
        struct cvg_replay out;
        struct cvg_error err = {.text = ""};
        recorded_name(r.path);
        recorded_start(&r, policies[i], &options);
        recorded_run(&r, 600);
        assert_int_equal(recorded_end(&r, &err), CVG_OK);
        assert_int_equal(cvg_record_open(r.path, &record, &err), CVG_OK);
        assert_int_equal(cvg_record_replay(record, NULL, &out, &err), CVG_OK);
        if (out.differs) {
            fail_msg("event %llu: %s\n%s\n%s", (unsigned long long)out.step,
                     out.event, out.expected, out.got);
        }
        assert_true(out.events[CVG_EV_BOUNDS] > 10);
        assert_true(out.actions[CVG_ACT_RELEASE] > 0);
        cvg_record_close(record);
        (void)unlink(r.path);
    }
}

/* Equal runs give equal files. */
static void test_records_of_equal_runs_are_equal(void **state)
{
    (void)state;
    struct recorded a, b;
    size_t n, m;
    recorded_file(&a, NULL, 300);
    recorded_file(&b, NULL, 300);
    unsigned char *x = recorded_bytes(a.path, &n);
    unsigned char *y = recorded_bytes(b.path, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
    (void)unlink(a.path);
    (void)unlink(b.path);
}

/* Whatever a kill leaves is readable, or was killed before the head was
 * written. */
static void test_every_length(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_error err;
    size_t size;
    uint64_t all = 0, most = 0;
    recorded_file(&r, NULL, 40);
    unsigned char *bytes = recorded_bytes(r.path, &size);
    assert_int_equal(replay(bytes, size, &all, &err), CVG_OK);
    bool began = false;
    for (size_t n = 0; n < size; n++) {
        unsigned char *cut = malloc(n + 1); /* so that asan sees the end */
        uint64_t steps = 0;
        memcpy(cut, bytes, n);
        err.text[0] = '\0';
        enum cvg_status status = replay(cut, n, &steps, &err);
        free(cut);
        assert_true(status == CVG_OK || (!began && status == CVG_CONFIG));
        assert_true(status == CVG_OK || strncmp(err.text, "F: ", 3) == 0);
        began = began || status == CVG_OK;
        assert_true(steps >= most);
        most = steps > most ? steps : most;
    }
    assert_int_equal(most, all);
    free(bytes);
    (void)unlink(r.path);
}

/* A byte that changed is noticed: an error, or a tail that is left out. */
static void test_every_byte(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_error err;
    size_t size, refused = 0;
    uint64_t all = 0;
    recorded_file(&r, NULL, 40);
    unsigned char *bytes = recorded_bytes(r.path, &size);
    assert_int_equal(replay(bytes, size, &all, &err), CVG_OK);
    for (size_t i = 0; i < size; i++) {
        uint64_t steps = 0;
        bytes[i] ^= (unsigned char)(1U << i % 8);
        enum cvg_status status = replay(bytes, size, &steps, &err);
        bytes[i] ^= (unsigned char)(1U << i % 8);
        assert_true(status == CVG_CONFIG || (status == CVG_OK && steps <= all));
        refused += status != CVG_OK;
    }
    /* Only the mark at the end may change without an error. */
    assert_true(refused >= size - 32);
    free(bytes);
    (void)unlink(r.path);
}

static void test_damage_in_the_middle_names_the_byte(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_error err;
    size_t size;
    uint64_t steps;
    recorded_file(&r, NULL, 6000); /* more than one block of steps */
    unsigned char *bytes = recorded_bytes(r.path, &size);
    assert_true(size > 150000);
    bytes[size / 2] ^= 1;
    assert_int_equal(replay(bytes, size, &steps, &err), CVG_CONFIG);
    assert_non_null(strstr(err.text, "F: byte "));
    assert_non_null(strstr(err.text, "damaged"));
    /* With nothing after it, it is a tail. */
    assert_int_equal(replay(bytes, size / 2 + 10, &steps, &err), CVG_OK);
    assert_true(steps > 100);
    free(bytes);
    (void)unlink(r.path);
}

static void test_what_is_no_record(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_record *record;
    struct cvg_error err;
    size_t size;
    uint64_t steps;
    assert_int_equal(cvg_record_open("/nowhere/F", &record, &err),
                     CVG_NOTFOUND);
    assert_int_equal(cvg_record_open("/tmp", &record, &err), CVG_CONFIG);
    assert_int_equal(cvg_record_open("/dev/null", &record, &err), CVG_CONFIG);
    assert_int_equal(replay("version: 1\ndevices:\n", 20, &steps, &err),
                     CVG_CONFIG);
    assert_string_equal(err.text, "F: no record: it does not begin as one");
    recorded_file(&r, NULL, 20);
    unsigned char *bytes = recorded_bytes(r.path, &size);
    /* Format 6, with the right sum. */
    struct cvg_crc32 crc;
    cvg_crc32_init(&crc);
    bytes[8] = 6;
    uint32_t sum = cvg_crc32_of(&crc, bytes, 12);
    for (int i = 0; i < 4; i++) {
        bytes[12 + i] = (unsigned char)(sum >> 8 * i);
    }
    assert_int_equal(replay(bytes, size, &steps, &err), CVG_UNSUPPORTED);
    assert_string_equal(err.text, "F: a record of format 6; this program reads "
                                  "format 5");
    free(bytes);
    (void)unlink(r.path);
}

/* --- limits and disks ----------------------------------------------------- */

static void test_a_limit(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_record *record;
    struct cvg_replay out;
    struct stat stat_of;
    struct cvg_error err = {.text = ""};
    struct cvg_record_options options = {.limit = 20000, .waits = true};
    recorded_name(r.path);
    recorded_start(&r, NULL, &options);
    recorded_run(&r, 2000);
    struct cvg_recorder_state s = cvg_recorder_state(r.recorder);
    assert_true(s.stopped && s.steps > 100 && s.lost > 1000);
    assert_string_equal(s.why, "its limit of bytes was reached");
    assert_int_equal(recorded_end(&r, &err), CVG_IO);
    assert_non_null(strstr(err.text, "the record ends early: its limit"));
    assert_int_equal(stat(r.path, &stat_of), 0);
    assert_true(stat_of.st_size <= 20000 && stat_of.st_size > 5000);
    assert_int_equal(cvg_record_open(r.path, &record, &err), CVG_OK);
    assert_int_equal(cvg_record_end(record), CVG_RECORD_AT_LIMIT);
    assert_int_equal(cvg_record_replay(record, NULL, &out, &err), CVG_OK);
    assert_false(out.differs);
    assert_int_equal(out.steps, s.steps);
    cvg_record_close(record);
    (void)unlink(r.path);
}

static void test_a_limit_below_the_box(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_error err = {.text = ""};
    struct cvg_config_texts none = {0};
    recorded_file(&r, NULL, 10);
    struct cvg_record_options o = {
        .path = r.path, .mode = "sim", .texts = &none};
    struct cvg_recorder *recorder;
    /* An existing file stays as it is. */
    size_t before, after;
    unsigned char *x = recorded_bytes(r.path, &before);
    assert_int_equal(cvg_recorder_open(&o, &recorder, &err), CVG_INVALID);
    assert_non_null(strstr(err.text, "is there already"));
    unsigned char *y = recorded_bytes(r.path, &after);
    assert_int_equal(before, after);
    assert_memory_equal(x, y, after);
    free(x);
    free(y);
    (void)unlink(r.path);
    o.path = "/nowhere/F";
    assert_int_equal(cvg_recorder_open(&o, &recorder, &err), CVG_INVALID);
    assert_non_null(strstr(err.text, "/nowhere/F: cannot create"));
    o.path = "/tmp";
    assert_int_equal(cvg_recorder_open(&o, &recorder, &err), CVG_INVALID);
}

/* What is in a record can be shown on a terminal. */
static void test_odd_paths(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_record *record;
    struct cvg_replay out;
    struct cvg_error err = {.text = ""};
    struct cvg_config_file files[3];
    struct cvg_config_texts texts = {files, 3};
    memcpy(files, record_box_files, sizeof files);
    files[0].path = "a\033[2Jb/box.yaml";
    files[1].path = "a\033[2Jb/profile.csv";
    files[2].path = "a\033[2Jb/variants.csv";
    struct cvg_record_options options = {.texts = &texts, .waits = true};
    recorded_name(r.path);
    recorded_start(&r, NULL, &options);
    recorded_run(&r, 20);
    assert_int_equal(recorded_end(&r, &err), CVG_OK);
    assert_int_equal(cvg_record_open(r.path, &record, &err), CVG_OK);
    assert_string_equal(cvg_record_head(record)->texts.items[0].path,
                        "a?[2Jb/box.yaml");
    assert_int_equal(cvg_record_replay(record, NULL, &out, &err), CVG_OK);
    assert_false(out.differs);
    cvg_record_close(record);
    /* Bent to hold it after all, with the right sums, it is no record. */
    size_t size;
    uint64_t steps;
    unsigned char *bytes = recorded_bytes(r.path, &size);
    for (size_t i = 0; i + 4 < size; i++) {
        if (memcmp(bytes + i, "a?[2J", 5) == 0) {
            bytes[i + 1] = 033;
        }
    }
    struct cvg_crc32 crc;
    struct cvg__block head = {.kind = CVG__BLOCK_HEAD};
    unsigned char *at = bytes + CVG__RECORD_PREFIX;
    memcpy(&head.size, at + 12, sizeof head.size);
    cvg_crc32_init(&crc);
    cvg__block_seal(&crc, &head, at);
    assert_int_equal(replay(bytes, size, &steps, &err), CVG_CONFIG);
    assert_string_equal(err.text, "F: byte 16: no head of a record");
    free(bytes);
    (void)unlink(r.path);
}

static void test_a_file_that_is_given_up(void **state)
{
    (void)state;
    struct recorded r;
    recorded_name(r.path);
    recorded_start(&r, NULL, NULL);
    recorded_run(&r, 10);
    cvg_recorder_discard(r.recorder);
    assert_int_equal(access(r.path, F_OK), -1);
    cvg_sim_destroy(r.sim);
    cvg_conditions_free(r.conditions);
    cvg_box_destroy(r.box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_and_its_replay_are_the_same),
        cmocka_unit_test(test_stages_and_conditions),
        cmocka_unit_test(test_records_of_equal_runs_are_equal),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_damage_in_the_middle_names_the_byte),
        cmocka_unit_test(test_what_is_no_record),
        cmocka_unit_test(test_a_limit),
        cmocka_unit_test(test_a_limit_below_the_box),
        cmocka_unit_test(test_odd_paths),
        cmocka_unit_test(test_a_file_that_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

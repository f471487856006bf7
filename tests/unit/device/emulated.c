/* The emulated backend on the real clock: never early, and late only by what
 * the machine adds; failing when asked to. */
#include "device/backends.h"
#include "device/clock.h"
#include "device/contention.h"
#include "support/device_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEAN CVG_MS(20)
#define LATE CVG_MS(500) /* what a busy machine may add before we complain */

static void begin(struct device_world *w, uint32_t n_devices,
                  uint32_t in_flight)
{
    device_world_begin(w, &cvg_backend_emulated, n_devices, MEAN);
    for (uint32_t d = 0; d < n_devices; d++) {
        w->box->devices[d].in_flight = in_flight;
    }
}

static void start(struct device_world *w)
{
    for (uint32_t d = 0; d < w->box->n_devices; d++) {
        device_world_open(w, d);
        device_world_load(w, d, WORLD_DOUBLE);
    }
}

static void set_option(struct device_world *w, const char *key,
                       const char *value)
{
    struct cvg_device *device = &w->box->devices[0];
    device->options = realloc(device->options, (device->n_options + 1) *
                                                   sizeof *device->options);
    assert_non_null(device->options);
    device->options[device->n_options++] =
        (struct cvg_option){.key = strdup(key), .value = strdup(value)};
}

static struct device_world_batch *submit(struct device_world *w,
                                         uint32_t device)
{
    struct cvg_error err = {.text = ""};
    struct device_world_batch *b = device_world_batch(WORLD_DOUBLE, 2, 4, 1);
    if (w->ops->submit(w->backends[device], &b->batch, &err) != CVG_OK) {
        fail_msg("submit: %s", err.text);
    }
    return b;
}

/* The next completion is of that batch, well, no sooner than `at`. */
static void ends_well(struct device_world *w, struct device_world_batch *b,
                      cvg_time at, cvg_span run_time)
{
    struct cvg_completion c = device_world_take(w);
    cvg_time now = cvg_now();
    assert_int_equal(c.type, CVG_COMPLETION_BATCH);
    assert_ptr_equal(c.batch, &b->batch);
    assert_int_equal(c.status, CVG_OK);
    assert_true(now >= at && now < at + LATE);
    assert_true(c.run_time >= run_time && c.run_time < run_time + LATE);
    device_world_check_double(b);
    device_world_batch_free(b);
}

static void ends_badly(struct device_world *w, struct device_world_batch *b,
                       const char *text)
{
    struct cvg_completion c = device_world_take(w);
    assert_int_equal(c.type, CVG_COMPLETION_BATCH);
    assert_ptr_equal(c.batch, &b->batch);
    assert_int_equal(c.status, CVG_DEVICE);
    assert_non_null(strstr(c.error.text, text));
    assert_null(b->outputs[0].data);
    device_world_batch_free(b);
}

static void one_after_the_other(void **state)
{
    (void)state;
    struct device_world w;
    struct device_world_batch *b[3];
    begin(&w, 1, 3);
    start(&w);
    cvg_time now = cvg_now();
    for (int k = 0; k < 3; k++) {
        b[k] = submit(&w, 0);
    }
    for (int k = 0; k < 3; k++) {
        ends_well(&w, b[k], now + (k + 1) * MEAN, MEAN);
    }
    device_world_end(&w);
}

static void all_at_half_speed(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 1, 2);
    w.box->devices[0].discipline = CVG_PROCESSOR_SHARING;
    start(&w);
    cvg_time now = cvg_now();
    struct device_world_batch *a = submit(&w, 0);
    struct device_world_batch *b = submit(&w, 0);
    /* The second came a little later, so alone at the end. */
    ends_well(&w, a, now + 2 * MEAN - CVG_MS(5), 2 * MEAN - CVG_MS(5));
    ends_well(&w, b, now + 2 * MEAN, 2 * MEAN - CVG_MS(5));
    device_world_end(&w);
}

static void switches_cost(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 1, 1);
    w.box->devices[0].has_switch = true;
    w.box->devices[0].switch_fixed = CVG_MS(30);
    device_world_open(&w, 0);
    device_world_load(&w, 0, WORLD_ONE); /* in the cache from the start */
    device_world_load(&w, 0, WORLD_DOUBLE);
    cvg_time now = cvg_now();
    ends_well(&w, submit(&w, 0), now + MEAN + CVG_MS(30), MEAN + CVG_MS(30));
    now = cvg_now();
    struct cvg_completion c;
    struct device_world_batch *b = submit(&w, 0);
    c = device_world_take(&w);
    assert_true(c.run_time >= MEAN);
    device_world_check_double(b);
    device_world_batch_free(b);
    device_world_end(&w);
}

static void loading_takes_load_ms(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 1, 1);
    cvg_profile_set_load(w.box->profile, WORLD_ONE, 0, CVG_MS(60));
    cvg_profile_set_load(w.box->profile, WORLD_DOUBLE, 0, CVG_S(3600));
    cvg_time now = cvg_now();
    start(&w); /* before the first batch: free of charge */
    ends_well(&w, submit(&w, 0), now + MEAN, MEAN);
    now = cvg_now();
    device_world_load(&w, 0, WORLD_ONE);
    assert_true(cvg_now() >= now + CVG_MS(60));
    device_world_end(&w);
}

static void contenders_are_slower(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 2, 1);
    struct cvg_contention *group = calloc(1, sizeof *group);
    assert_non_null(group);
    *group = (struct cvg_contention){
        .devices = calloc(2, sizeof(uint32_t)), .n_devices = 2, .slowdown = 3};
    assert_non_null(group->devices);
    group->devices[1] = 1;
    w.box->contention = group;
    w.box->n_contention = 1;
    start(&w);
    cvg_time now = cvg_now();
    ends_well(&w, submit(&w, 0), now + MEAN, MEAN);
    now = cvg_now();
    struct device_world_batch *a = submit(&w, 0);
    struct device_world_batch *b = submit(&w, 1);
    ends_well(&w, a, now + 3 * MEAN - CVG_MS(10), 3 * MEAN - CVG_MS(10));
    ends_well(&w, b, now + 3 * MEAN - CVG_MS(10), 3 * MEAN - CVG_MS(10));

    /* A real device in place of the second tells when it is busy. */
    device_world_close(&w, 1);
    assert_true(cvg_emulator_contends(w.box, 1));
    const struct cvg_device_env env = {.box = w.box};
    struct cvg_emulator *e = NULL;
    assert_int_equal(cvg_emulator_acquire(&env, &e, NULL), CVG_OK);
    cvg_emulator_note_busy(e, 1, true);
    now = cvg_now();
    ends_well(&w, submit(&w, 0), now + 3 * MEAN, 3 * MEAN);
    cvg_emulator_note_busy(e, 1, false);
    cvg_emulator_release(e);
    device_world_end(&w);
}

/* Devices of a box share the loaded session; each has its own books. */
static void devices_share_sessions(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 3, 1);
    start(&w);
    assert_int_equal(w.ops->unload(w.backends[0], WORLD_DOUBLE, NULL), CVG_OK);
    assert_int_equal(device_world_take(&w).type, CVG_COMPLETION_UNLOAD);
    device_world_close(&w, 1);
    cvg_time now = cvg_now();
    ends_well(&w, submit(&w, 2), now + MEAN, MEAN);
    struct device_world_batch *b = device_world_batch(WORLD_DOUBLE, 1, 4, 1);
    assert_int_equal(w.ops->submit(w.backends[0], &b->batch, NULL),
                     CVG_INVALID);
    device_world_batch_free(b);
    device_world_load(&w, 0, WORLD_DOUBLE);
    device_world_end(&w);
}

static void refuses_what_was_not_measured(void **state)
{
    (void)state;
    struct device_world w;
    struct cvg_error err = {.text = ""};
    begin(&w, 1, 1);
    start(&w);
    struct device_world_batch *b = device_world_batch(WORLD_DOUBLE, 1, 4, 1);
    b->batch.n = WORLD_MAX_BATCH + 1;
    assert_int_equal(w.ops->submit(w.backends[0], &b->batch, &err),
                     CVG_INVALID);
    assert_non_null(strstr(err.text, "measured are 1 to 8"));
    b->batch.n = 1;
    b->batch.last = 1;
    assert_int_equal(w.ops->submit(w.backends[0], &b->batch, &err),
                     CVG_INVALID);
    device_world_batch_free(b);
    device_world_end(&w);
}

static void fails_after(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 1, 2);
    set_option(&w, "fail_after", "1");
    start(&w);
    cvg_time now = cvg_now();
    struct device_world_batch *a = submit(&w, 0);
    struct device_world_batch *b = submit(&w, 0);
    ends_well(&w, a, now + MEAN, MEAN);
    ends_badly(&w, b, "as asked to");
    assert_true(cvg_now() >= now + 2 * MEAN);
    device_world_end(&w);
}

static void fails_loads(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 1, 1);
    set_option(&w, "fail_load", "2");
    device_world_open(&w, 0);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(w.ops->load(w.backends[0], WORLD_DOUBLE, NULL),
                         CVG_OK);
        assert_int_equal(device_world_take(&w).status, CVG_DEVICE);
    }
    device_world_load(&w, 0, WORLD_DOUBLE);
    device_world_end(&w);
}

static void hangs_after(void **state)
{
    (void)state;
    struct device_world w;
    begin(&w, 1, 2);
    set_option(&w, "hang_after", "1");
    start(&w);
    cvg_time now = cvg_now();
    struct device_world_batch *a = submit(&w, 0);
    struct device_world_batch *b = submit(&w, 0);
    ends_well(&w, a, now + MEAN, MEAN);
    cvg_time until = cvg_now() + 2 * MEAN;
    while (cvg_now() < until) {
        assert_int_equal(device_world_waiting(&w), 0);
    }
    device_world_close(&w, 0);
    ends_badly(&w, b, "closed");
    device_world_end(&w);
}

static void goes_down_and_comes_back(void **state)
{
    (void)state;
    struct device_world w;
    struct cvg_error err = {.text = ""};
    begin(&w, 1, 3);
    set_option(&w, "down_after", "1");
    set_option(&w, "down_for", "50ms");
    start(&w);
    cvg_time now = cvg_now();
    struct device_world_batch *a = submit(&w, 0);
    struct device_world_batch *b = submit(&w, 0);
    struct device_world_batch *c = submit(&w, 0);
    struct cvg_completion down = device_world_take(&w);
    assert_int_equal(down.type, CVG_COMPLETION_DEVICE);
    assert_false(down.up);
    ends_well(&w, a, now + MEAN, MEAN);
    ends_badly(&w, b, "went down");
    ends_badly(&w, c, "went down");
    struct device_world_batch *d = device_world_batch(WORLD_DOUBLE, 1, 4, 1);
    if (cvg_now() < now + MEAN + CVG_MS(40)) {
        assert_int_equal(w.ops->submit(w.backends[0], &d->batch, &err),
                         CVG_DEVICE);
    }
    device_world_batch_free(d);
    struct cvg_completion up = device_world_take(&w);
    assert_int_equal(up.type, CVG_COMPLETION_DEVICE);
    assert_true(up.up);
    assert_true(cvg_now() >= now + MEAN + CVG_MS(50));
    now = cvg_now();
    ends_well(&w, submit(&w, 0), now + MEAN, MEAN);
    device_world_end(&w);
}

static void names_unknown_options(void **state)
{
    (void)state;
    static const char *const options[][3] = {
        {"fail_aftr", "1", "did you mean 'fail_after'?"},
        {"fail_after", "many", "many"},
        {"down_for", "5", "5"}};
    for (size_t k = 0; k < 3; k++) {
        struct device_world w;
        struct cvg_error err = {.text = ""};
        begin(&w, 1, 1);
        set_option(&w, options[k][0], options[k][1]);
        const struct cvg_device_env env = {.box = w.box};
        assert_int_equal(w.ops->open(&env, 0, &w.backends[0], &err),
                         CVG_CONFIG);
        assert_non_null(strstr(err.text, options[k][2]));
        device_world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(all_at_half_speed),
        cmocka_unit_test(switches_cost),
        cmocka_unit_test(loading_takes_load_ms),
        cmocka_unit_test(contenders_are_slower),
        cmocka_unit_test(devices_share_sessions),
        cmocka_unit_test(refuses_what_was_not_measured),
        cmocka_unit_test(fails_after),
        cmocka_unit_test(fails_loads),
        cmocka_unit_test(hangs_after),
        cmocka_unit_test(goes_down_and_comes_back),
        cmocka_unit_test(names_unknown_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

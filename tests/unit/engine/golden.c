/* Golden traces: one scripted world, the decisions of every policy word for
 * word in tests/golden/POLICY.trace.
 *
 * A changed line is a changed decision: the commit that changes it says why.
 * CONVERGO_UPDATE_GOLDEN=1 writes the files anew. */
#include "base/rng.h"
#include "support/world.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUESTS 200

static void three_devices(struct world *w)
{
    world_init(w);
    world_device(w, "gpu", CVG_PROCESSOR_SHARING, 1, 2);
    struct cvg_device *tpu = world_device(w, "tpu", CVG_FCFS, 1, 1);
    tpu->has_cache = true;
    tpu->cache_bytes = 3 << 20;
    tpu->has_switch = true;
    tpu->switch_fixed = CVG_MS(2);
    tpu->switch_ns_per_mib = 1e6;
    tpu->resident = 3;
    world_device(w, "cpu", CVG_FCFS, 2, 1);
    world_variant(w, "tiny", 0.70);
    world_variant(w, "small", 0.80)->weights_bytes = 2 << 20;
    world_variant(w, "medium", 0.88)->weights_bytes = 3 << 20;
    world_variant(w, "large", 0.93)->weights_bytes = 6 << 20;
}

/* variant, device, ms and mJ of one, the largest batch, ms and mJ of it */
static const struct {
    const char *variant, *device;
    double ms, mj;
    uint32_t batch;
    double batch_ms, batch_mj;
} profiles[] = {
    {"tiny", "gpu", 2, 6, 8, 6, 20},      {"tiny", "tpu", 1, 1, 1, 0, 0},
    {"tiny", "cpu", 6, 12, 2, 11, 22},    {"small", "gpu", 4, 12, 8, 14, 50},
    {"small", "tpu", 3, 3, 1, 0, 0},      {"small", "cpu", 15, 30, 2, 28, 58},
    {"medium", "gpu", 8, 25, 8, 32, 120}, {"medium", "tpu", 6, 6, 1, 0, 0},
    {"medium", "cpu", 40, 80, 1, 0, 0},   {"large", "gpu", 18, 60, 4, 50, 180},
};

static void profile_all(struct world *w)
{
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
        world_profile(w, profiles[i].variant, profiles[i].device, 1,
                      profiles[i].ms, profiles[i].mj);
        if (profiles[i].batch > 1) {
            world_profile(w, profiles[i].variant, profiles[i].device,
                          profiles[i].batch, profiles[i].batch_ms,
                          profiles[i].batch_mj);
        }
    }
    cvg_profile_set_load(w->box->profile, 3, 0, CVG_MS(12));
    cvg_profile_set_switch(w->box->profile, 2, 1, CVG_MS(4));
}

static void three_apps(struct world *w)
{
    struct cvg_app *door = world_app(w, "door");
    world_slo_deadline(door, CVG_MS(30));
    world_slo_accuracy(door, 0.75);
    world_slo_throughput(door, 60);
    struct cvg_app *shelf = world_app(w, "shelf");
    world_slo_deadline(shelf, CVG_MS(120));
    world_slo_accuracy(shelf, 0.85);
    world_slo_energy(shelf, 40);
    shelf->relax[0] = CVG_SLO_ENERGY;
    shelf->relax[1] = CVG_SLO_ACCURACY;
    shelf->n_relax = 2;
    world_app(w, "archive")->queue_limit = 12;
}

static void script(struct world *w)
{
    struct cvg_rng rng;
    cvg_time at = 0;
    cvg_rng_init(&rng, 2025, 11, 24);
    for (uint64_t id = 1; id <= REQUESTS; id++) {
        /* whole ms: an easy one to read */
        at += CVG_MS((int)(cvg_rng_exponential(&rng) * 2.6));
        double u = cvg_rng_uniform(&rng);
        struct cvg_arrival a = {.app = u < 0.5   ? 0
                                       : u < 0.8 ? 1
                                                 : 2,
                                .variant = CVG_ANY};
        u = cvg_rng_uniform(&rng);
        if (u < 0.05) {
            a.variant = 3;
        } else if (u < 0.12) {
            a.overrides = 1U << CVG_SLO_DEADLINE;
            a.bounds.deadline = CVG_MS(12);
        } else if (u < 0.16) {
            a.timeout = CVG_MS(15);
        } else if (u < 0.18) {
            a.overrides = 1U << CVG_SLO_ACCURACY;
            a.bounds.accuracy = 0.99;
        }
        world_arrive_with(w, at, &a);
        if (u > 0.96) {
            world_cancel(w, at + CVG_MS(6), id);
        }
    }
    world_device_state(w, CVG_MS(150), "gpu", false);
    world_device_state(w, CVG_MS(220), "gpu", true);
    struct cvg_event slower = {.type = CVG_EV_DEVICE, .at = CVG_MS(320)};
    slower.device.device = 1;
    slower.device.up = true;
    slower.device.slowdown = 2;
    cvg_sim_inject(w->sim, &slower);
}

static void read_file(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fail_msg("%s: %s", path, strerror(errno));
        return;
    }
    size_t n = fread(out, 1, size - 1, f);
    out[n] = '\0';
    fclose(f);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0) {
        fail_msg("%s: %s", path, strerror(errno));
    }
}

/* The first line that differs, with its number. */
static void compare(const char *policy, const char *got, const char *expected)
{
    int line = 1;
    while (*got != '\0' || *expected != '\0') {
        size_t n = strcspn(got, "\n");
        size_t m = strcspn(expected, "\n");
        if (n != m || strncmp(got, expected, n) != 0) {
            fail_msg("tests/golden/%s.trace:%d: got '%.*s', expected '%.*s'",
                     policy, line, (int)n, got, (int)m, expected);
        }
        got += n + (got[n] == '\n');
        expected += m + (expected[m] == '\n');
        line++;
    }
}

static void check_policy(const char *policy)
{
    static char expected[1 << 16];
    static struct world w;
    char path[512];
    snprintf(path, sizeof path, "%s/tests/golden/%s.trace", CVG_SOURCE_DIR,
             policy);
    three_devices(&w);
    profile_all(&w);
    three_apps(&w);
    world_start(&w, policy);
    script(&w);
    world_run_until(&w, CVG_S(60));
    assert_int_equal(cvg_engine_live(world_engine(&w)), 0);
    assert_true(w.replies > REQUESTS / 3);
    assert_true(w.used + 256 < sizeof w.trace); /* not cut off */
    if (getenv("CONVERGO_UPDATE_GOLDEN") != NULL) {
        write_file(path, w.trace);
    }
    read_file(path, expected, sizeof expected);
    compare(policy, w.trace, expected);
    world_fini(&w);
}

static void traces_are_golden(void **state)
{
    (void)state;
    for (size_t k = 0; cvg_policy_name(k) != NULL; k++) {
        check_policy(cvg_policy_name(k));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(traces_are_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

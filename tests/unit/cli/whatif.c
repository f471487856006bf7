/* What another policy would have done: the recorded one does what it did. */
#include "cli/whatif.h"
#include "report/report.h"
#include "support/recorded.h"
#include "support/world.h"

#include <unistd.h>

static json_int_t requests(const json_t *report, const char *key)
{
    return json_integer_value(
        json_object_get(json_object_get(report, "requests"), key));
}

/* Arrivals only, and a device that goes: the rest of a simulated world. */
static void record(struct recorded *r, const char *policy)
{
    recorded_name(r->path);
    recorded_start(r, policy, NULL);
    struct cvg_arrival a = {.variant = CVG_ANY};
    for (unsigned i = 0; i < 900; i++) {
        a.app = i % 2;
        a.overrides = i % 5 == 0 ? 1U << CVG_SLO_DEADLINE : 0;
        a.bounds.deadline = CVG_MS(70);
        assert_true(cvg_sim_arrive(r->sim, CVG_MS(2 * i) + 1, &a) != 0);
    }
    struct cvg_event down = {.type = CVG_EV_DEVICE,
                             .at = CVG_MS(400),
                             .device = {.device = 0, .up = false}};
    struct cvg_event up = {.type = CVG_EV_DEVICE,
                           .at = CVG_MS(600),
                           .device = {.device = 0, .up = true}};
    struct cvg_event gone = {
        .type = CVG_EV_CANCEL, .at = CVG_MS(800) + CVG_US(100), .request = 401};
    assert_true(cvg_sim_inject(r->sim, &down));
    assert_true(cvg_sim_inject(r->sim, &up));
    assert_true(cvg_sim_inject(r->sim, &gone));
    cvg_sim_run(r->sim);
}

static void test_the_recorded_policy_does_what_it_did(void **state)
{
    (void)state;
    static const char *const policies[] = {"convergo", "edf"};
    static const char *const others[] = {"fifo", "order=fifo,batching=none"};
    for (size_t i = 0; i < 2; i++) {
        struct recorded r;
        struct cvg_record *file;
        struct cvg_error err = {.text = ""};
        json_t *reports;
        record(&r, policies[i]);
        uint64_t served = 0, dropped = 0, cancelled = 0;
        const struct cvg_stats *stats = cvg_sim_stats(r.sim);
        for (size_t a = 0; a < stats->n_apps; a++) {
            served += stats->apps[a].counts.served;
            dropped += stats->apps[a].counts.dropped;
            cancelled += stats->apps[a].counts.cancelled;
        }
        assert_true(served > 300 && dropped > 20);
        assert_int_equal(recorded_end(&r, &err), CVG_OK);
        assert_int_equal(cvg_record_open(r.path, &file, &err), CVG_OK);
        assert_int_equal(cvg_whatif(file, others[i], &reports, &err), CVG_OK);
        assert_int_equal(json_array_size(reports), 2);
        const json_t *same = json_array_get(reports, 0);
        const json_t *other = json_array_get(reports, 1);
        assert_int_equal(requests(same, "served"), served);
        assert_int_equal(requests(same, "dropped"), dropped);
        assert_int_equal(requests(same, "cancelled"), cancelled);
        assert_int_equal(
            requests(other, "offered") + requests(other, "cancelled"), 900);
        assert_int_not_equal(requests(other, "on_time"),
                             requests(same, "on_time"));
        assert_string_equal(json_string_value(json_object_get(same, "mode")),
                            "replay");
        assert_string_equal(json_string_value(json_object_get(other, "policy")),
                            others[i]);
        json_decref(reports);
        cvg_record_close(file);
        (void)unlink(r.path);
    }
}

/* Requests that ask for so much time that they outlast an outage: the windows
 * in which they arrived stay open for them. */
static void test_long_deadlines(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_record *file;
    struct cvg_error err = {.text = ""};
    json_t *reports;
    recorded_name(r.path);
    recorded_start(&r, "edf", NULL);
    struct cvg_arrival a = {.variant = CVG_ANY,
                            .overrides = 1U << CVG_SLO_DEADLINE,
                            .bounds = {.deadline = CVG_S(60)}};
    for (unsigned i = 0; i < 30; i++) {
        assert_true(cvg_sim_arrive(r.sim, CVG_S(i) + 1, &a) != 0);
    }
    for (uint32_t d = 0; d < 2; d++) {
        struct cvg_event e = {.type = CVG_EV_DEVICE,
                              .device = {.device = d, .up = false}};
        assert_true(cvg_sim_inject(r.sim, &e));
        e.at = CVG_S(29);
        e.device.up = true;
        assert_true(cvg_sim_inject(r.sim, &e));
    }
    cvg_sim_run(r.sim);
    struct cvg_run run = {.mode = "sim",
                          .policy = "edf",
                          .parts = &r.policy,
                          .load = 1,
                          .duration = cvg_sim_measured(r.sim),
                          .elapsed = cvg_sim_elapsed(r.sim),
                          .box = r.box,
                          .stats = cvg_sim_stats(r.sim),
                          .bound_joint = -1,
                          .bound_joint_weighted = -1};
    json_t *then = cvg_report_json(&run);
    assert_true(json_real_value(json_object_get(json_object_get(then, "slo"),
                                                "throughput")) > 0.9);
    assert_int_equal(recorded_end(&r, &err), CVG_OK);
    assert_int_equal(cvg_record_open(r.path, &file, &err), CVG_OK);
    assert_int_equal(cvg_whatif(file, "fifo", &reports, &err), CVG_OK);
    const json_t *same = json_array_get(reports, 0);
    static const char *const keys[] = {"requests", "slo", "latency_ms"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(json_equal(json_object_get(then, keys[i]),
                               json_object_get(same, keys[i])));
    }
    json_decref(then);
    json_decref(reports);
    cvg_record_close(file);
    (void)unlink(r.path);
}

static void test_a_policy_that_is_none(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_record *file;
    struct cvg_error err = {.text = ""};
    json_t *reports;
    recorded_file(&r, NULL, 20);
    assert_int_equal(cvg_record_open(r.path, &file, &err), CVG_OK);
    assert_string_equal(cvg_whatif_policy(file), "convergo");
    assert_int_equal(cvg_whatif(file, "edv", &reports, &err), CVG_CONFIG);
    assert_non_null(strstr(err.text, "did you mean 'edf'?"));
    cvg_record_close(file);
    (void)unlink(r.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_recorded_policy_does_what_it_did),
        cmocka_unit_test(test_long_deadlines),
        cmocka_unit_test(test_a_policy_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

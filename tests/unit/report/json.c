/* Every field of the report, from counts made by hand. */
#include "report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define APPS 3
#define VARIANTS 2

struct fixture {
    struct cvg_variant variants[VARIANTS];
    struct cvg_device devices[2];
    struct cvg_app apps[APPS];
    struct cvg_box box;
    struct cvg_app_stats app_stats[APPS];
    struct cvg_device_stats device_stats[2];
    struct cvg_stats stats;
    struct cvg_run run;
};

static void fill_box(struct fixture *f)
{
    f->variants[0] = (struct cvg_variant){.name = "small", .n_exits = 1};
    f->variants[1] = (struct cvg_variant){.name = "large", .n_exits = 2};
    f->devices[0] = (struct cvg_device){
        .name = "gpu", .units = 1, .idle_w = 2, .busy_w = 10, .emulated = true};
    f->devices[1] = (struct cvg_device){.name = "cpu", .units = 2, .idle_w = 1};
    f->apps[0] = (struct cvg_app){
        .name = "door",
        .weight = 3,
        .slo = {.declared = 1U << CVG_SLO_DEADLINE | 1U << CVG_SLO_ACCURACY}};
    f->apps[1] = (struct cvg_app){
        .name = "cam",
        .weight = 1,
        .slo = {.declared = 1U << CVG_SLO_DEADLINE | 1U << CVG_SLO_THROUGHPUT}};
    f->apps[2] = (struct cvg_app){
        .name = "best-effort/f", .weight = 0.001, .built_in = true};
    f->box = (struct cvg_box){.variants = f->variants,
                              .n_variants = VARIANTS,
                              .devices = f->devices,
                              .n_devices = 2,
                              .apps = f->apps,
                              .n_apps = APPS};
}

static void fill_door(struct cvg_app_stats *s)
{
    s->counts = (struct cvg_counts){.offered = 10,
                                    .served = 8,
                                    .on_time = 7,
                                    .late = 1,
                                    .dropped = 1,
                                    .rejected = 1,
                                    .cancelled = 2};
    s->slo.offered[CVG_SLO_DEADLINE] = s->slo.offered[CVG_SLO_ACCURACY] = 10;
    s->slo.met[CVG_SLO_DEADLINE] = 7;
    s->slo.met[CVG_SLO_ACCURACY] = 8;
    s->slo.joint_offered = 10;
    s->slo.joint_met = 7;
    s->accuracy_sum = 6;
    s->lowest_accuracy_window = 0.7;
    s->energy_j = 0.16;
    s->right = 5;
    s->labelled = 8;
    s->served_by[0] = 2;                 /* small/0 */
    s->served_by[CVG_MAX_EXITS + 0] = 2; /* large/0 */
    s->served_by[CVG_MAX_EXITS + 1] = 4; /* large/1 */
    s->dropped_for[CVG_REASON_DEADLINE] = 1;
    s->dropped_for[CVG_REASON_QUEUE_FULL] = 1;
    for (int i = 1; i <= 8; i++) {
        cvg_histogram_add(s->latency, CVG_MS(i));
    }
}

static void fill_cam(struct cvg_app_stats *s)
{
    s->counts = (struct cvg_counts){.offered = 30, .served = 30, .on_time = 30};
    s->slo.offered[CVG_SLO_DEADLINE] = s->slo.offered[CVG_SLO_THROUGHPUT] = 30;
    s->slo.met[CVG_SLO_DEADLINE] = 30;
    s->slo.met[CVG_SLO_THROUGHPUT] = 15;
    s->slo.joint_offered = 30;
    s->slo.joint_met = 15;
    s->accuracy_sum = 27;
    s->lowest_accuracy_window = 0.9;
    s->energy_j = 0.3;
    s->served_by[CVG_MAX_EXITS + 1] = 30;
    for (int i = 0; i < 30; i++) {
        cvg_histogram_add(s->latency, CVG_MS(20));
        cvg_histogram_add(s->queued, CVG_MS(5));
    }
}

static void fill_devices(struct fixture *f)
{
    f->device_stats[0] = (struct cvg_device_stats){.batches = 10,
                                                   .items = 25,
                                                   .switches = 3,
                                                   .loads = 1,
                                                   .failures = 1,
                                                   .busy = CVG_S(4),
                                                   .switching = CVG_S(1),
                                                   .worked = CVG_S(4),
                                                   .worked_late = CVG_S(1),
                                                   .energy_j = 30};
    f->device_stats[1] = (struct cvg_device_stats){.batches = 13,
                                                   .items = 13,
                                                   .busy = CVG_S(5),
                                                   .worked = CVG_S(6),
                                                   .energy_j = 1};
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    fill_box(f);
    for (int i = 0; i < APPS; i++) {
        struct cvg_app_stats *s = &f->app_stats[i];
        s->latency = cvg_histogram_create();
        s->queued = cvg_histogram_create();
        s->served_by = calloc(VARIANTS * CVG_MAX_EXITS, sizeof(uint64_t));
        s->lowest_accuracy_window = 2;
    }
    fill_door(&f->app_stats[0]);
    fill_cam(&f->app_stats[1]);
    fill_devices(f);
    f->stats = (struct cvg_stats){.n_apps = APPS,
                                  .n_devices = 2,
                                  .n_variants = VARIANTS,
                                  .apps = f->app_stats,
                                  .devices = f->device_stats,
                                  .lowest_accuracy_window = 0.8};
    f->run = (struct cvg_run){.mode = "sim",
                              .policy = "order=edf",
                              .load = 1.5,
                              .seed = 7,
                              .duration = CVG_S(10),
                              .elapsed = CVG_S(10),
                              .box = &f->box,
                              .stats = &f->stats,
                              .bound_joint = -1,
                              .bound_joint_weighted = -1};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < APPS; i++) {
        cvg_histogram_destroy(f->app_stats[i].latency);
        cvg_histogram_destroy(f->app_stats[i].queued);
        free(f->app_stats[i].served_by);
    }
    free(f);
    return 0;
}

/* The value at "a.b.2.c" as compact text, the way it is written to a file. */
static void check(const json_t *report, const char *path, const char *wanted)
{
    char copy[200], *save = NULL;
    snprintf(copy, sizeof copy, "%s", path);
    const json_t *value = report;
    for (char *key = strtok_r(copy, ".", &save); key != NULL;
         key = strtok_r(NULL, ".", &save)) {
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(key))
                                     : json_object_get(value, key);
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT |
                                       JSON_REAL_PRECISION(15));
    if (text == NULL || strcmp(text, wanted) != 0) {
        fail_msg("%s is %s, not %s", path, text == NULL ? "missing" : text,
                 wanted);
    }
    free(text);
}

static void the_run_is_named(void **state)
{
    struct fixture *f = *state;
    json_t *r = cvg_report_json(&f->run);
    check(r, "schema", "\"convergo.report/1\"");
    check(r, "mode", "\"sim\"");
    check(r, "policy", "\"order=edf\"");
    check(r, "parts",
          "{\"allocation\":null,\"order\":null,\"batching\":null,"
          "\"exits\":null}");
    check(r, "load", "1.5");
    check(r, "seed", "7");
    check(r, "duration_s", "10.0");
    check(r, "bound", "{\"joint\":null,\"joint_weighted\":null}");
    check(r, "decision_us",
          "{\"p50\":null,\"p99\":null,\"max\":null,\"count\":0}");
    json_decref(r);
}

static void parts_decisions_and_bounds_are_there_when_known(void **state)
{
    struct fixture *f = *state;
    struct cvg_allocation_ops allocation = {.name = "milp"};
    struct cvg_order_ops order = {.name = "edf"};
    struct cvg_batching_ops batching = {.name = "nexus"};
    struct cvg_exits_ops exits = {.name = "last"};
    struct cvg_policy policy = {.allocation = &allocation,
                                .order = &order,
                                .batching = &batching,
                                .exits = &exits};
    struct cvg_histogram *decision = cvg_histogram_create();
    cvg_histogram_add(decision, 2000);
    f->run.parts = &policy;
    f->run.decision = decision;
    f->run.bound_joint = 0.5;
    f->run.bound_joint_weighted = 0;
    json_t *r = cvg_report_json(&f->run);
    check(r, "parts",
          "{\"allocation\":\"milp\",\"order\":\"edf\","
          "\"batching\":\"nexus\",\"exits\":\"last\"}");
    check(r, "bound", "{\"joint\":0.5,\"joint_weighted\":0.0}");
    check(r, "decision_us",
          "{\"p50\":2.0,\"p99\":2.0,\"max\":2.0,\"count\":1}");
    json_decref(r);
    cvg_histogram_destroy(decision);
}

static void totals_are_sums_over_apps(void **state)
{
    struct fixture *f = *state;
    json_t *r = cvg_report_json(&f->run);
    check(r, "requests",
          "{\"offered\":40,\"served\":38,\"on_time\":37,\"late\":1,"
          "\"dropped\":1,\"rejected\":1,\"failed\":0,\"cancelled\":2}");
    check(r, "slo.deadline", "0.925");
    check(r, "slo.accuracy", "0.8"); /* over the app that declares it */
    check(r, "slo.throughput", "0.5");
    check(r, "slo.energy", "null"); /* nobody declares it */
    check(r, "slo.joint", "0.55");
    check(r, "slo.joint_weighted", "0.6"); /* (3 x 7 + 15) / (3 x 10 + 30) */
    check(r, "accuracy.effective", "0.868421");
    check(r, "accuracy.lowest_window", "0.8");
    check(r, "accuracy.measured", "0.625");
    check(r, "latency_ms.max", "20.0");
    check(r, "latency_ms.mean", "16.736842"); /* (36 + 30 x 20) / 38 */
    check(r, "latency_ms.p50", "20.0");
    check(r, "throughput_rps", "3.8");
    json_decref(r);
}

static void an_app_has_its_own_figures(void **state)
{
    struct fixture *f = *state;
    json_t *r = cvg_report_json(&f->run);
    check(r, "apps.0.name", "\"door\"");
    check(r, "apps.0.requests.served", "8");
    check(r, "apps.0.slo",
          "{\"deadline\":0.7,\"accuracy\":0.8,\"throughput\":null,"
          "\"energy\":null,\"joint\":0.7,\"joint_weighted\":0.7}");
    check(r, "apps.0.accuracy",
          "{\"effective\":0.75,\"lowest_window\":0.7,\"measured\":0.625}");
    check(r, "apps.0.energy_per_inference_mj", "20.0");
    check(r, "apps.0.variants", "{\"small\":0.25,\"large\":0.75}");
    check(r, "apps.0.exits",
          "{\"small/0\":0.25,\"large/0\":0.25,\"large/1\":0.5}");
    check(r, "apps.0.reasons", "{\"deadline\":1,\"queue_full\":1}");
    check(r, "apps.0.queue_ms.p50", "null");
    check(r, "apps.1.queue_ms.max", "5.0");
    check(r, "apps.1.accuracy.measured", "null");
    json_decref(r);
}

static void percentiles_are_a_bucket_wide_at_most(void **state)
{
    struct fixture *f = *state;
    json_t *r = cvg_report_json(&f->run);
    const json_t *l = json_object_get(
        json_array_get(json_object_get(r, "apps"), 0), "latency_ms");
    const char *names[] = {"p50", "p90", "p95", "p99", "max"};
    double wanted[] = {4, 8, 8, 8, 8};
    for (int i = 0; i < 5; i++) {
        double ms = json_real_value(json_object_get(l, names[i]));
        assert_true(ms >= wanted[i] && ms <= wanted[i] * 1.01);
    }
    json_decref(r);
}

static void a_built_in_app_shows_when_it_was_used(void **state)
{
    struct fixture *f = *state;
    json_t *r = cvg_report_json(&f->run);
    assert_int_equal(json_array_size(json_object_get(r, "apps")), 2);
    json_decref(r);
    f->app_stats[2].counts.offered = 1;
    r = cvg_report_json(&f->run);
    check(r, "apps.2.name", "\"best-effort/f\"");
    check(r, "apps.2.slo.joint", "null");
    check(r, "apps.2.accuracy.effective", "null");
    check(r, "apps.2.latency_ms.p99", "null");
    json_decref(r);
}

static void a_device_costs_idle_and_switching_too(void **state)
{
    struct fixture *f = *state;
    json_t *r = cvg_report_json(&f->run);
    check(r, "devices.0",
          "{\"name\":\"gpu\",\"emulated\":true,\"utilization\":0.4,"
          "\"batches\":10,\"mean_batch\":2.5,\"switches\":3,\"loads\":1,"
          "\"failures\":1,"
          "\"energy_j\":52.0," /* 30 + 2 W x 6 s + 10 W x 1 s */
          "\"worked_s\":4.0,\"late_share\":0.25}");
    check(r, "devices.1.utilization", "0.25"); /* 5 of 2 x 10 s */
    check(r, "devices.1.emulated", "false");
    check(r, "devices.1.energy_j", "8.5"); /* 1 + 1 W / 2 x 15 s */
    check(r, "energy_j", "60.5");
    check(r, "energy_per_inference_mj", "1592.105263");
    json_decref(r);
}

static void the_share_of_late_work_is_of_what_was_worked(void **state)
{
    struct fixture *f = *state;
    json_t *r = cvg_report_json(&f->run);
    check(r, "devices.0.late_share", "0.25");
    check(r, "devices.1.late_share", "0.0");
    check(r, "late_share", "0.1"); /* 1 of 4 + 6 s */
    json_decref(r);
}

static void nothing_happened_is_no_zero(void **state)
{
    struct fixture *f = *state;
    f->stats.n_apps = 0;
    f->stats.lowest_accuracy_window = 2;
    memset(f->device_stats, 0, sizeof f->device_stats);
    json_t *r = cvg_report_json(&f->run);
    check(r, "slo.joint", "null");
    check(r, "accuracy.lowest_window", "null");
    check(r, "latency_ms.p50", "null");
    check(r, "energy_per_inference_mj", "null");
    check(r, "devices.0.mean_batch", "null");
    check(r, "devices.0.utilization", "0.0");
    check(r, "devices.0.late_share", "null");
    check(r, "late_share", "null");
    json_decref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(the_run_is_named),
        TEST(parts_decisions_and_bounds_are_there_when_known),
        TEST(totals_are_sums_over_apps),
        TEST(an_app_has_its_own_figures),
        TEST(percentiles_are_a_bucket_wide_at_most),
        TEST(a_built_in_app_shows_when_it_was_used),
        TEST(a_device_costs_idle_and_switching_too),
        TEST(the_share_of_late_work_is_of_what_was_worked),
        TEST(nothing_happened_is_no_zero),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

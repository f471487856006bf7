/* Workloads: a correct one becomes this struct; a wrong one is named. */
#include "texts.h"
#include <convergo/condition.h>

static enum cvg_status read_workload(const char *text,
                                     const struct cvg_box *box,
                                     struct cvg_workload **out,
                                     struct cvg_error *err)
{
    struct cvg_config_file files[] = {
        held(WORKLOAD_PATH, text),
        held("b/t.csv", "arrival_ms,app,deadline_ms\n"
                        "0,door,\n5,hall,\n7.5,door,20\n7.5,door,\n"),
        held("b/bad.csv", "arrival_ms,app\n5,door\n4,door\n"),
    };
    return cvg_config_read_workload(files, COUNT(files), box, out, err);
}

static struct cvg_workload *good_workload(const char *text,
                                          const struct cvg_box *box)
{
    struct cvg_workload *workload = NULL;
    struct cvg_error err = {.text = ""};
    if (read_workload(text, box, &workload, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    return workload;
}

static void test_streams(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    struct cvg_workload *w = good_workload(workload_text, box);
    assert_string_equal(w->path, WORKLOAD_PATH);
    assert_int_equal(w->duration, CVG_S(60));
    assert_false(w->trace);
    assert_int_equal(w->warmup, CVG_S(5));
    /* In the order of the box's apps, not of the file. */
    assert_int_equal(w->n_streams, 2);
    assert_int_equal(w->streams[0].app, 0);
    assert_int_equal(w->streams[0].process, CVG_POISSON);
    assert_true(w->streams[0].rate_rps == 30);
    assert_int_equal(w->streams[1].app, 1);
    assert_int_equal(w->streams[1].process, CVG_GAMMA);
    assert_true(w->streams[1].shape == 0.5);
    cvg_workload_destroy(w);
    cvg_box_destroy(box);
}

static void test_events(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    struct cvg_workload *w = good_workload(workload_text, box);
    /* By time; at 40 s in the order of the file. */
    static const enum cvg_workload_event_type types[] = {
        CVG_WORKLOAD_DEVICE_DOWN, CVG_WORKLOAD_SLOWDOWN, CVG_WORKLOAD_SLO,
        CVG_WORKLOAD_DEVICE_UP, CVG_WORKLOAD_RATE};
    assert_int_equal(w->n_events, COUNT(types));
    for (size_t i = 0; i < COUNT(types); i++) {
        assert_int_equal(w->events[i].type, types[i]);
    }
    assert_int_equal(w->events[0].at, CVG_S(20));
    assert_int_equal(w->events[0].device, 2);
    assert_int_equal(w->events[0].length, CVG_S(10));
    assert_int_equal(w->events[1].device, 0);
    assert_true(w->events[1].factor == 2);
    assert_int_equal(w->events[1].length, CVG_NEVER);
    assert_int_equal(w->events[2].app, 0);
    assert_int_equal(w->events[2].slo.declared, 1 << CVG_SLO_DEADLINE);
    assert_int_equal(w->events[2].slo.deadline, CVG_MS(20));
    assert_true(w->events[4].rate_rps == 90);
    cvg_workload_destroy(w);
    cvg_box_destroy(box);
}

static void test_processes(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    struct cvg_workload *w = good_workload(
        "version: 1\nduration: 2min\napps:\n"
        "- {app: best-effort/faces, arrivals: {process: periodic, rate: 60/min,"
        " jitter: 3ms}}\n"
        "- {app: door, arrivals: {process: mmpp, rates: [0/s, 90/s], "
        "stay: [2s, 500ms]}}\n"
        "- {app: desk, arrivals: {process: periodic, rate: 0.5/s}}\n",
        box);
    assert_int_equal(w->duration, CVG_S(120));
    assert_int_equal(w->warmup, 0);
    assert_int_equal(w->n_events, 0);
    const struct cvg_stream *s = w->streams;
    assert_int_equal(s[0].process, CVG_MMPP);
    assert_int_equal(s[0].n_states, 2);
    assert_true(s[0].rates_rps[0] == 0 && s[0].rates_rps[1] == 90);
    assert_int_equal(s[0].stay[1], CVG_MS(500));
    assert_int_equal(s[1].process, CVG_PERIODIC);
    assert_int_equal(s[1].jitter, 0);
    assert_int_equal(s[2].app, 3);
    assert_int_equal(s[2].jitter, CVG_MS(3));
    assert_true(s[2].rate_rps == 1);
    cvg_workload_destroy(w);
    cvg_box_destroy(box);
}

/* Of a trace's file an app takes its own rows; others' need not be known. */
static void test_trace_of_an_app(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    struct cvg_workload *w = good_workload(
        "version: 1\nduration: 1s\napps:\n"
        "- {app: door, arrivals: {process: trace, file: t.csv}}\n",
        box);
    const struct cvg_stream *s = w->streams;
    assert_int_equal(s->process, CVG_TRACE);
    assert_int_equal(s->n_rows, 3);
    assert_int_equal(s->rows[1].at, 7500000);
    assert_int_equal(s->rows[1].deadline, CVG_MS(20));
    assert_int_equal(s->rows[2].deadline, 0);
    assert_true(s->rows[2].accuracy < 0);
    cvg_workload_destroy(w);
    cvg_box_destroy(box);
}

static const struct spoilt wrong[] = {
    {NULL, "", "b/workload.yaml:1:1: the document is empty"},
    {"version: 1\n", "",
     "b/workload.yaml:1:1: a workload: the key 'version' is missing"},
    {"duration: 60s\n", "",
     "b/workload.yaml:1:1: a workload: the key 'duration' is missing"},
    {"duration: 60s", "duration: 60",
     "b/workload.yaml:2:11: duration: '60' is no time: give a number with one "
     "of the units ns, us, ms, s, min, h, for example 33ms"},
    {"duration: 60s", "duration: 0s",
     "b/workload.yaml:2:11: duration: '0s' is out of range: more than 0s, at "
     "most 8760h"},
    {"duration: 60s", "duration: 5s",
     "b/workload.yaml:3:9: warmup: it must be shorter than the duration, which "
     "it is part of"},
    {"warmup: 5s", "warmp: 5s",
     "b/workload.yaml:3:1: unknown key 'warmp' in a workload; did you mean "
     "'warmup'?"},
    {"{app: desk,", "{app: dsk,",
     "b/workload.yaml:5:11: app: unknown app 'dsk'; did you mean 'desk'?"},
    {"{app: desk,", "{app: door,",
     "b/workload.yaml:6:11: app: 'door' has arrivals already: one entry for "
     "each app"},
    {"{app: desk, ", "{",
     "b/workload.yaml:5:6: an entry of apps: the key 'app' is missing"},
    {"{process: poisson, rate: 30/s}", "poisson",
     "b/workload.yaml:6:27: arrivals: a map is expected: {process: poisson, "
     "rate: 30/s}"},
    {"{process: poisson, rate: 30/s}", "{rate: 30/s}",
     "b/workload.yaml:6:28: arrivals: the key 'process' is missing"},
    {"process: poisson", "process: posson",
     "b/workload.yaml:6:37: process: unknown value 'posson'; did you mean "
     "'poisson'?"},
    {", rate: 30/s", "",
     "b/workload.yaml:6:28: a poisson process: the key 'rate' is missing"},
    {"rate: 30/s", "rate: 0/s",
     "b/workload.yaml:6:52: rate: '0/s' is out of range: more than 0/s, at "
     "most 1e9/s"},
    {"rate: 30/s", "rate: .nan",
     "b/workload.yaml:6:52: rate: '.nan' is no rate: give a number with one of "
     "the units /s, /min, for example 30/s"},
    {"rate: 30/s", "rate: 30/s, shape: 2",
     "b/workload.yaml:6:58: unknown key 'shape' in a poisson process; known: "
     "process, rate"},
    {"shape: 0.5", "shape: 0",
     "b/workload.yaml:5:62: shape: '0' is out of range: 0.001 to 1000000"},
    {", shape: 0.5", "",
     "b/workload.yaml:5:28: a gamma process: the key 'shape' is missing"},
    {"{process: poisson, rate: 30/s}",
     "{process: periodic, rate: 30/s, jitter: -1ms}",
     "b/workload.yaml:6:67: jitter: '-1ms' is no time: give a number with one "
     "of the units ns, us, ms, s, min, h, for example 33ms"},
    {"{process: poisson, rate: 30/s}",
     "{process: mmpp, rates: [1/s, 2/s], stay: [1s]}",
     "b/workload.yaml:6:69: stay: 1 given, but 2 rates: give one for each"},
    {"{process: poisson, rate: 30/s}",
     "{process: mmpp, rates: [0/s, 0/s], stay: [1s, 1s]}",
     "b/workload.yaml:6:51: rates: all are 0: at least one must be more"},
    {"{process: poisson, rate: 30/s}",
     "{process: mmpp, rates: [1/s, 1/s], stay: [1s, 0s]}",
     "b/workload.yaml:6:73: stay: '0s' is out of range: more than 0s, at most "
     "8760h"},
    {"{process: poisson, rate: 30/s}",
     "{process: mmpp, rates: [1/s, 1/s, 1/s, 1/s, 1/s, 1/s, 1/s, 1/s, 1/s, "
     "1/s, 1/s, 1/s, 1/s, 1/s, 1/s, 1/s, 1/s], stay: [1s]}",
     "b/workload.yaml:6:131: rates: more than 16 states"},
    {"{process: poisson, rate: 30/s}", "{process: trace, file: none.csv}",
     "b/workload.yaml:6:50: file: b/none.csv: cannot open: not given"},
    {"{process: poisson, rate: 30/s}", "{process: trace, file: bad.csv}",
     "b/bad.csv:3:1: arrival_ms: '4' is before the arrival of the row above: "
     "rows must be sorted"},
    {"{process: gamma, rate: 5/s, shape: 0.5}", "{process: trace, file: t.csv}",
     "b/workload.yaml:5:50: file: 'b/t.csv' has no row of this app"},
    {"device: tpu0, state: down", "device: tpu, state: down",
     "b/workload.yaml:9:23: device: unknown device 'tpu'; did you mean 'gpu'?"},
    {"state: down", "state: dwn",
     "b/workload.yaml:9:36: state: unknown value 'dwn'; did you mean 'down'?"},
    {"{at: 20s, device", "{device",
     "b/workload.yaml:9:6: event: the key 'at' is missing"},
    {"device: gpu, slowdown: 2.0", "device: gpu, slowdown: 0.5",
     "b/workload.yaml:10:38: slowdown: '0.5' is out of range: 1 to 1000"},
    {"device: gpu, slowdown: 2.0", "device: gpu",
     "b/workload.yaml:10:6: event: give 'device' with 'state' or 'slowdown', "
     "or 'app' with 'slo', 'conditions' or 'rate'"},
    {"device: gpu, slowdown: 2.0", "app: door, slowdown: 2.0",
     "b/workload.yaml:10:6: event: give 'device' with 'state' or 'slowdown', "
     "or 'app' with 'slo', 'conditions' or 'rate'"},
    {"state: up", "state: up, for: 3s",
     "b/workload.yaml:12:40: for: it goes with 'state: down' or 'slowdown' "
     "only"},
    {"rate: 90/s", "rate: 90/s, for: 3s",
     "b/workload.yaml:8:38: for: it goes with 'state: down' or 'slowdown' "
     "only"},
    {"slo: {deadline: 20ms}", "conditions: never; exit > 1s",
     "b/workload.yaml:11:38: conditions: column 15: exit: '1s' is no finite "
     "number: give one such as 0.75"},
    {"{deadline: 20ms}", "{}",
     "b/workload.yaml:11:26: slo: it is empty: give what changes, for example "
     "{deadline: 20ms}"},
    {"app: door, rate: 90/s", "app: best-effort/faces, rate: 90/s",
     "b/workload.yaml:8:45: rate: the app has no arrivals in this workload "
     "whose rate could change"},
    {"{process: poisson, rate: 30/s}", "{process: trace, file: t.csv}",
     "b/workload.yaml:8:32: rate: the arrivals of the app are a trace, which "
     "has no rate"},
};

static void test_wrong(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    for (size_t i = 0; i < COUNT(wrong); i++) {
        char *text = edited(workload_text, wrong[i].find, wrong[i].with);
        struct cvg_workload *workload = NULL;
        struct cvg_error err = {.text = ""};
        enum cvg_status status = read_workload(text, box, &workload, &err);
        expect_message(&wrong[i], status, &err);
        assert_null(workload);
        free(text);
    }
    cvg_box_destroy(box);
}

static void test_without_box(void **state)
{
    (void)state;
    struct cvg_workload *w = good_workload(workload_text, NULL);
    assert_int_equal(w->n_streams, 2);
    cvg_workload_destroy(w);
    char *text = edited(workload_text, "{app: desk,", "{app: door,");
    struct cvg_error err;
    assert_int_equal(read_workload(text, NULL, &w, &err), CVG_CONFIG);
    assert_string_equal(err.text, "b/workload.yaml:6:11: app: 'door' has "
                                  "arrivals already: one entry for each app");
    free(text);
}

/* --- a trace in place of a workload --------------------------------------- */

static enum cvg_status read_trace(const char *text, const struct cvg_box *box,
                                  struct cvg_workload **out,
                                  struct cvg_error *err)
{
    return cvg_config_parse_workload(text, strlen(text), "t.csv", box, out,
                                     err);
}

static void test_trace(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    struct cvg_workload *w = NULL;
    struct cvg_error err = {.text = ""};
    enum cvg_status status =
        read_trace("arrival_ms,app,deadline_ms,min_accuracy\r\n"
                   "0,desk,,\r\n"
                   "1.25,door,10,0.9\r\n"
                   "1.25,desk,,\r\n"
                   "1000,door,,0\r\n",
                   box, &w, &err);
    if (status != CVG_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(w->n_streams, 2);
    assert_int_equal(w->streams[0].app, 0);
    assert_int_equal(w->streams[0].process, CVG_TRACE);
    assert_int_equal(w->streams[0].n_rows, 2);
    assert_int_equal(w->streams[0].rows[0].at, 1250000);
    assert_int_equal(w->streams[0].rows[0].deadline, CVG_MS(10));
    assert_true(w->streams[0].rows[0].accuracy == 0.9);
    assert_true(w->streams[0].rows[1].accuracy == 0);
    assert_int_equal(w->streams[1].n_rows, 2);
    assert_true(w->streams[1].rows[0].accuracy < 0);
    /* The last arrival lies inside the duration. */
    assert_int_equal(w->duration, CVG_MS(1001));
    assert_true(w->trace);
    cvg_workload_destroy(w);
    cvg_box_destroy(box);
}

#define TRACE "arrival_ms,app,deadline_ms,min_accuracy\n"

static const struct spoilt wrong_traces[] = {
    {NULL, "",
     "t.csv:1:1: the file is empty: the header "
     "arrival_ms,app[,deadline_ms][,min_accuracy] is expected"},
    {NULL, TRACE, "t.csv: the trace has no arrival"},
    {NULL, "arrival_ms\n1\n",
     "t.csv:1:1: the header lacks column 2, 'app': "
     "arrival_ms,app[,deadline_ms][,min_accuracy] is expected"},
    {NULL, "arrival_ms,app,min_accuracy\n",
     "t.csv:1:16: min_accuracy: the header lacks deadline_ms before it"},
    {NULL, TRACE "5,door,,\n4,door,,\n",
     "t.csv:3:1: arrival_ms: '4' is before the arrival of the row above: rows "
     "must be sorted"},
    {NULL, TRACE "-1,door,,\n",
     "t.csv:2:1: arrival_ms: '-1' is out of range: 0 to 3.1536e10 (a year)"},
    {NULL, TRACE "inf,door,,\n",
     "t.csv:2:1: arrival_ms: 'inf' is no finite number: give one such as 0.75"},
    {NULL, TRACE "1,dor,,\n",
     "t.csv:2:3: app: unknown app 'dor'; did you mean 'door'?"},
    {NULL, TRACE "1,,,\n", "t.csv:2:3: app: it is empty"},
    {NULL, TRACE "1,door,0,\n",
     "t.csv:2:8: deadline_ms: '0' is out of range: more than 0, at most "
     "600000"},
    {NULL, TRACE "1,door,,2\n",
     "t.csv:2:9: min_accuracy: '2' is out of range: 0 to 1"},
    {NULL, TRACE "1,door,\n", "t.csv:2:1: the row has 3 fields, the header 4"},
};

static void test_wrong_traces(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    for (size_t i = 0; i < COUNT(wrong_traces); i++) {
        struct cvg_workload *workload = NULL;
        struct cvg_error err = {.text = ""};
        enum cvg_status status =
            read_trace(wrong_traces[i].with, box, &workload, &err);
        expect_message(&wrong_traces[i], status, &err);
    }
    cvg_box_destroy(box);
}

/* Beside an SLO or alone. */
static void conditions_of_an_event(void **state)
{
    (void)state;
    struct cvg_box *box = good_box();
    char *text = edited(workload_text, "slo: {deadline: 20ms}",
                        "slo: {deadline: 20ms}, conditions: never;always");
    struct cvg_workload *w = good_workload(text, box);
    const struct cvg_workload_event *e = &w->events[2];
    assert_int_equal(e->type, CVG_WORKLOAD_SLO);
    assert_true(e->new_conditions && cvg_slo_has(&e->slo, CVG_SLO_DEADLINE));
    assert_string_equal(e->conditions->text, "never; always");
    assert_false(w->events[3].new_conditions);
    cvg_workload_destroy(w);
    free(text);
    text = edited(workload_text, "slo: {deadline: 20ms}",
                  "conditions: [never, exit == 1]");
    w = good_workload(text, box);
    assert_string_equal(w->events[2].conditions->text, "never; exit == 1");
    assert_int_equal(w->events[2].slo.declared, 0);
    cvg_workload_destroy(w);
    free(text);
    cvg_box_destroy(box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_trace_of_an_app),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_without_box),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_wrong_traces),
        cmocka_unit_test(conditions_of_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

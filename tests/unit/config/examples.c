/* The example boxes for planning and evaluation keep the rules that
 * examples/README.md tells: each folder with a steady.yaml is one. */
#include "config/config.h"
#include "domain/cache.h"
#include <convergo/fluid.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MAX_EXAMPLES 16

enum { STEADY, BURSTY, DEVICE_LOST, OVERLOAD, TIGHT, WORKLOADS };
static const char *const workload_names[WORKLOADS] = {
    "steady", "bursty", "device-lost", "overload", "tight"};

struct example {
    const char *name; /* of the folder */
    char folder[512];
    struct cvg_box *box;
    struct cvg_workload *workloads[WORKLOADS];
    size_t n_apps; /* without the built-in ones */
};

static struct example examples[MAX_EXAMPLES];
static size_t n_examples;

static void refuse(void *context, const char *message)
{
    (void)context;
    fail_msg("%s", message);
}

static struct cvg_workload *load_workload(const struct example *e,
                                          const char *name)
{
    char path[640];
    struct cvg_error err = {.text = ""};
    struct cvg_workload *workload = NULL;
    snprintf(path, sizeof path, "%s/%s.yaml", e->folder, name);
    if (cvg_config_load_workload(path, e->box, &workload, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    return workload;
}

/* What looks wrong is refused, too, as `convergo check` would say it. */
static void load_example(struct example *e, const char *steady_path)
{
    char path[640];
    struct cvg_error err = {.text = ""};
    struct cvg_config_notes notes = {.warn = refuse};
    snprintf(e->folder, sizeof e->folder, "%.*s",
             (int)(strrchr(steady_path, '/') - steady_path), steady_path);
    e->name = strrchr(e->folder, '/') + 1;
    snprintf(path, sizeof path, "%s/box.yaml", e->folder);
    struct cvg_config_file file = {.path = path};
    if (cvg_config_read_box(&file, 1, 0, &notes, &e->box, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    for (int k = 0; k < WORKLOADS; k++) {
        e->workloads[k] = load_workload(e, workload_names[k]);
    }
    while (e->n_apps < e->box->n_apps && !e->box->apps[e->n_apps].built_in) {
        e->n_apps++;
    }
}

static int load_all(void **state)
{
    (void)state;
    glob_t found;
    if (glob(CVG_SOURCE_DIR "/examples/*/steady.yaml", 0, NULL, &found) != 0) {
        return -1;
    }
    for (size_t i = 0; i < found.gl_pathc && i < MAX_EXAMPLES; i++) {
        load_example(&examples[n_examples++], found.gl_pathv[i]);
    }
    globfree(&found);
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_examples; i++) {
        for (int k = 0; k < WORKLOADS; k++) {
            cvg_workload_destroy(examples[i].workloads[k]);
        }
        cvg_box_destroy(examples[i].box);
    }
    return 0;
}

/* --- what a box can do -----------------------------------------------------
 */

struct way { /* to run an app's request alone */
    uint32_t variant, exit, device;
};

/* The next way of the app's family that the profile knows; start with zeros.
 * False: no more. */
static bool next_way(const struct cvg_box *box, const struct cvg_app *app,
                     size_t *at, struct way *way)
{
    const struct cvg_family *family = &box->families[app->family];
    size_t per_variant = box->n_devices * CVG_MAX_EXITS;
    for (; *at < family->n_variants * per_variant; (*at)++) {
        way->variant = family->variants[*at / per_variant];
        way->device = (uint32_t)(*at % per_variant / CVG_MAX_EXITS);
        way->exit = (uint32_t)(*at % CVG_MAX_EXITS);
        if (way->exit < box->variants[way->variant].n_exits &&
            cvg_profile_min_batch(box->profile, way->variant, 0, way->exit,
                                  way->device) > 0) {
            (*at)++;
            return true;
        }
    }
    return false;
}

static bool accurate(const struct cvg_box *box, const struct cvg_app *app,
                     struct way way)
{
    return !cvg_slo_has(&app->slo, CVG_SLO_ACCURACY) ||
           box->variants[way.variant].accuracy[way.exit] >= app->slo.accuracy;
}

/* Of one request on a unit that holds another variant. */
static cvg_span time_alone(const struct cvg_box *box, struct way way)
{
    struct cvg_unit_cache cache;
    cvg_unit_cache_init(&cache, box, way.device);
    uint32_t least = cvg_profile_min_batch(box->profile, way.variant, 0,
                                           way.exit, way.device);
    return cvg_profile_time(box->profile, way.variant, 0, way.exit, way.device,
                            least, CVG_MEAN) +
           cvg_unit_cache_switch(&cache, way.variant);
}

static cvg_span fastest(const struct cvg_box *box, const struct cvg_app *app)
{
    cvg_span best = CVG_NEVER;
    size_t at = 0;
    struct way way;
    while (next_way(box, app, &at, &way)) {
        cvg_span time = time_alone(box, way);
        best = accurate(box, app, way) && time < best ? time : best;
    }
    return best;
}

/* Requests a second that a unit could answer in that way so that each is met,
 * in its best batch; 0: none. */
static double rate_of_way(const struct cvg_box *box, const struct cvg_app *app,
                          struct way way)
{
    const struct cvg_profile *p = box->profile;
    uint32_t v = way.variant, e = way.exit, d = way.device;
    double best = 0;
    uint32_t max = cvg_profile_max_batch(p, v, 0, e, d);
    for (uint32_t b = cvg_profile_min_batch(p, v, 0, e, d); b <= max; b++) {
        bool in_time =
            !cvg_slo_has(&app->slo, CVG_SLO_DEADLINE) ||
            cvg_profile_time(p, v, 0, e, d, b, CVG_P99) <= app->slo.deadline;
        bool saving =
            !cvg_slo_has(&app->slo, CVG_SLO_ENERGY) ||
            cvg_profile_energy(p, v, 0, e, d, b) / b <= app->slo.energy_j;
        if (accurate(box, app, way) && in_time && saving) {
            best = fmax(
                best,
                b * 1e9 / (double)cvg_profile_time(p, v, 0, e, d, b, CVG_MEAN));
        }
    }
    return best;
}

/* On all units of a device. */
static double rate_on(const struct cvg_box *box, const struct cvg_app *app,
                      uint32_t device)
{
    double best = 0;
    size_t at = 0;
    struct way way;
    while (next_way(box, app, &at, &way)) {
        if (way.device == device) {
            best = fmax(best, rate_of_way(box, app, way));
        }
    }
    return best * box->devices[device].units;
}

/* --- what arrives ----------------------------------------------------------
 */

static const struct cvg_stream *stream_of(const struct example *e, int workload,
                                          uint32_t app)
{
    const struct cvg_workload *w = e->workloads[workload];
    for (size_t i = 0; i < w->n_streams; i++) {
        if (w->streams[i].app == app) {
            return &w->streams[i];
        }
    }
    fail_msg("%s/%s.yaml: no arrivals for %s", e->name,
             workload_names[workload], e->box->apps[app].name);
    return NULL;
}

static double mean_rate(const struct cvg_stream *stream)
{
    if (stream->process != CVG_MMPP) {
        return stream->rate_rps;
    }
    double requests = 0, time = 0;
    for (uint32_t k = 0; k < stream->n_states; k++) {
        requests += stream->rates_rps[k] * (double)stream->stay[k];
        time += (double)stream->stay[k];
    }
    return requests / time;
}

static double steady_rate(const struct example *e, uint32_t app)
{
    return mean_rate(stream_of(e, STEADY, app));
}

/* The same arrivals as in steady.yaml? */
static void check_like_steady(const struct example *e, int workload)
{
    for (uint32_t a = 0; a < e->n_apps; a++) {
        const struct cvg_stream *x = stream_of(e, STEADY, a);
        const struct cvg_stream *y = stream_of(e, workload, a);
        if (x->process != y->process || x->rate_rps != y->rate_rps ||
            x->jitter != y->jitter) {
            fail_msg("%s/%s.yaml: %s does not arrive as in steady.yaml",
                     e->name, workload_names[workload], e->box->apps[a].name);
        }
    }
}

/* --- the rules -------------------------------------------------------------
 */

static void check_ratio(const struct example *e, const char *what, uint32_t app,
                        double value, double least, double most)
{
    if (!(value >= least && value <= most)) {
        fail_msg("%s, %s: %s is %.4g, but should be %g to %g", e->name,
                 e->box->apps[app].name, what, value, least, most);
    }
}

static void test_found(void **state)
{
    (void)state;
    assert_true(n_examples > 0);
}

static void test_kinds_of_slo(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_examples; i++) {
        uint32_t declared = 0;
        for (size_t a = 0; a < examples[i].n_apps; a++) {
            declared |= examples[i].box->apps[a].slo.declared;
        }
        assert_int_equal(declared, (1U << CVG_SLO_KINDS) - 1);
        assert_in_range(examples[i].n_apps, 3, 4);
    }
}

static void test_deadlines(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_examples; i++) {
        const struct example *e = &examples[i];
        for (uint32_t a = 0; a < e->n_apps; a++) {
            const struct cvg_app *app = &e->box->apps[a];
            if (cvg_slo_has(&app->slo, CVG_SLO_DEADLINE)) {
                check_ratio(e, "deadline / fastest time", a,
                            (double)app->slo.deadline /
                                (double)fastest(e->box, app),
                            4, 12);
            }
        }
    }
}

static void test_guaranteed_throughput(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_examples; i++) {
        const struct example *e = &examples[i];
        for (uint32_t a = 0; a < e->n_apps; a++) {
            const struct cvg_slo *slo = &e->box->apps[a].slo;
            if (cvg_slo_has(slo, CVG_SLO_THROUGHPUT)) {
                check_ratio(e, "throughput / steady rate", a,
                            slo->throughput_rps / steady_rate(e, a), 0.85, 1);
            }
        }
    }
}

/* The rates of steady.yaml are load 1.0, rounded down to three digits. */
static void test_load_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_examples; i++) {
        const struct example *e = &examples[i];
        double rates[CVG_MAX_APPS] = {0};
        for (uint32_t a = 0; a < e->n_apps; a++) {
            rates[a] = steady_rate(e, a);
        }
        struct cvg_fluid_demand demand = {.box = e->box, .rates_rps = rates};
        struct cvg_load_one load_one;
        struct cvg_error err = {.text = ""};
        if (cvg_load_one(&demand, &load_one, &err) != CVG_OK) {
            fail_msg("%s: %s", e->name, err.text);
        }
        assert_true(load_one.exact);
        assert_int_equal(load_one.left_out, 0);
        if (!(load_one.factor >= 1 && load_one.factor < 1.01)) {
            fail_msg("%s: load 1.0 is %.5g times steady.yaml", e->name,
                     load_one.factor);
        }
    }
}

/* Each app can be met, and none has a device to itself that would do. */
static void test_sharing(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_examples; i++) {
        const struct example *e = &examples[i];
        double total[CVG_MAX_APPS] = {0};
        for (uint32_t d = 0; d < e->box->n_devices; d++) {
            uint32_t users = 0, user = 0;
            for (uint32_t a = 0; a < e->n_apps; a++) {
                double rate = rate_on(e->box, &e->box->apps[a], d);
                total[a] += rate;
                users += rate > 0;
                user = rate > 0 ? a : user;
            }
            if (users == 1 && rate_on(e->box, &e->box->apps[user], d) >=
                                  steady_rate(e, user)) {
                fail_msg("%s: %s needs nothing but %s, which no other app uses",
                         e->name, e->box->apps[user].name,
                         e->box->devices[d].name);
            }
        }
        for (uint32_t a = 0; a < e->n_apps; a++) {
            check_ratio(e, "what fits alone / steady rate", a,
                        total[a] / steady_rate(e, a), 1, INFINITY);
        }
    }
}

static void test_steady(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_examples; i++) {
        bool periodic = false, poisson = false;
        for (uint32_t a = 0; a < examples[i].n_apps; a++) {
            const struct cvg_stream *s = stream_of(&examples[i], STEADY, a);
            periodic |= s->process == CVG_PERIODIC && s->jitter > 0;
            poisson |= s->process == CVG_POISSON;
        }
        assert_true(periodic && poisson);
        assert_int_equal(examples[i].workloads[STEADY]->n_events, 0);
    }
}

static void test_bursty(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_examples; i++) {
        const struct example *e = &examples[i];
        for (uint32_t a = 0; a < e->n_apps; a++) {
            const struct cvg_stream *s = stream_of(e, BURSTY, a);
            assert_true(s->process == CVG_MMPP ||
                        (s->process == CVG_GAMMA && s->shape < 1));
            check_ratio(e, "bursty / steady rate", a,
                        mean_rate(s) / steady_rate(e, a), 0.99, 1.01);
        }
    }
}

static void test_device_lost(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_examples; i++) {
        const struct cvg_workload *w = examples[i].workloads[DEVICE_LOST];
        check_like_steady(&examples[i], DEVICE_LOST);
        assert_int_equal(w->n_events, 2);
        assert_int_equal(w->events[0].type, CVG_WORKLOAD_DEVICE_DOWN);
        assert_int_equal(w->events[1].type, CVG_WORKLOAD_SLOWDOWN);
        assert_true(w->events[1].factor > 1);
        for (size_t k = 0; k < w->n_events; k++) {
            assert_true(w->events[k].at >= w->warmup);
            assert_true(w->events[k].at + w->events[k].length < w->duration);
        }
    }
}

static void test_overload(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_examples; i++) {
        const struct example *e = &examples[i];
        const struct cvg_workload *w = e->workloads[OVERLOAD];
        for (uint32_t a = 0; a < e->n_apps; a++) {
            double peak = 0, last = mean_rate(stream_of(e, OVERLOAD, a));
            assert_true(last < steady_rate(e, a));
            for (size_t k = 0; k < w->n_events; k++) {
                assert_int_equal(w->events[k].type, CVG_WORKLOAD_RATE);
                if (w->events[k].app == a) {
                    last = w->events[k].rate_rps;
                    peak = fmax(peak, last);
                }
            }
            check_ratio(e, "peak / steady rate", a, peak / steady_rate(e, a),
                        1.3, 1.5);
            assert_true(last < steady_rate(e, a));
        }
    }
}

static void test_tight(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_examples; i++) {
        const struct example *e = &examples[i];
        const struct cvg_workload *w = e->workloads[TIGHT];
        check_like_steady(e, TIGHT);
        assert_int_equal(w->n_events, e->n_apps);
        for (uint32_t k = 0; k < w->n_events; k++) {
            const struct cvg_workload_event *event = &w->events[k];
            assert_int_equal(event->type, CVG_WORKLOAD_SLO);
            assert_int_equal(event->at, 0);
            assert_int_equal(event->app, k); /* each once, in their order */
            assert_int_equal(event->slo.declared, 1U << CVG_SLO_DEADLINE);
            cvg_span time = fastest(e->box, &e->box->apps[event->app]);
            check_ratio(e, "tight deadline / fastest time", event->app,
                        (double)event->slo.deadline / (double)time, 2, 4);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_kinds_of_slo),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_guaranteed_throughput),
        cmocka_unit_test(test_load_one),
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_bursty),
        cmocka_unit_test(test_device_lost),
        cmocka_unit_test(test_overload),
        cmocka_unit_test(test_tight),
    };
    return cmocka_run_group_tests(tests, load_all, free_all);
}

/* A simulated run of a small box, recorded. */
#include "support/recorded.h"

#include "support/record_box.h"
#include "support/world.h"
#include <convergo/condition.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct cvg_config_texts texts(void)
{
    return (struct cvg_config_texts){
        .items = (struct cvg_config_file *)record_box_files, .n = 3};
}

void recorded_name(char path[64])
{
    (void)snprintf(path, 64, "/tmp/convergo-record-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    (void)unlink(path);
}

void recorded_start(struct recorded *r, const char *policy,
                    const struct cvg_record_options *options)
{
    struct cvg_error err = {.text = ""};
    struct cvg_config_texts box = texts();
    struct cvg_record_options o = {.path = r->path,
                                   .mode = "sim",
                                   .texts = &box,
                                   .policy = policy,
                                   .waits = true};
    if (options != NULL) {
        o.path = options->path != NULL ? options->path : o.path;
        o.limit = options->limit;
        box = options->texts != NULL ? *options->texts : box;
        o.waits = options->waits;
    }
    assert_int_equal(
        cvg_config_read_box(box.items, box.n, 0, NULL, &r->box, &err), CVG_OK);
    assert_int_equal(
        policy == NULL ? cvg_policy_from_spec(&r->box->policy, &r->policy, &err)
                       : cvg_policy_on_box(r->box, policy, &r->policy, &err),
        CVG_OK);
    assert_int_equal(cvg_conditions_parse("never; response_time > 20ms",
                                          &r->conditions, &err),
                     CVG_OK);
    assert_int_equal(cvg_recorder_open(&o, &r->recorder, &err), CVG_OK);
    struct cvg_sim_options sim = {.box = r->box,
                                  .policy = &r->policy,
                                  .seed = 7,
                                  .watch = cvg_recorder_step,
                                  .context = r->recorder,
                                  .ended_kept = 1024};
    assert_int_equal(cvg_sim_create(&sim, &r->sim, &err), CVG_OK);
    assert_int_equal(
        cvg_recorder_begin(r->recorder, cvg_sim_engine(r->sim), &err), CVG_OK);
}

static void inject(struct recorded *r, enum cvg_event_type type, cvg_time at,
                   uint32_t thing, bool state)
{
    struct cvg_event e = {.type = type, .at = at};
    if (type == CVG_EV_DEVICE) {
        e.device.device = thing;
        e.device.up = state;
    } else if (type == CVG_EV_MODEL) {
        e.model.variant = thing;
        e.model.wanted = state;
    } else if (type == CVG_EV_APP) {
        e.app.app = thing;
        e.app.slo = (struct cvg_slo){.declared = 1U << CVG_SLO_DEADLINE |
                                                 1U << CVG_SLO_ENERGY,
                                     .deadline = CVG_MS(15),
                                     .energy_j = 8e-3};
    } else if (type == CVG_EV_BOUNDS) {
        e.bounds = (struct cvg_bounds){.request = thing,
                                       .overrides = 1U << CVG_SLO_DEADLINE,
                                       .slo = {.deadline = CVG_MS(30)},
                                       .new_conditions = state,
                                       .conditions = r->conditions};
    } else {
        e.request = thing;
    }
    assert_true(cvg_sim_inject(r->sim, &e));
}

void recorded_run(struct recorded *r, unsigned n)
{
    cvg_time end = CVG_MS(n);
    for (unsigned i = 0; i < n; i++) {
        struct cvg_arrival a = {.app = i % 2,
                                .variant = i % 13 == 5 ? i % 2 : CVG_ANY,
                                .priority = i % 11 == 3 ? 1 : 0,
                                .timeout = i % 17 == 4 ? CVG_MS(9) : 0};
        if (i % 7 == 2) {
            a.overrides = 1U << CVG_SLO_DEADLINE | 1U << CVG_SLO_ACCURACY;
            a.bounds = (struct cvg_slo){.declared = a.overrides,
                                        .deadline = CVG_MS(11 + i % 5),
                                        .accuracy = i % 3 == 0 ? 0.94 : 0.99};
        }
        a.conditions = i % 29 == 3 ? r->conditions : NULL;
        assert_true(cvg_sim_arrive(r->sim, CVG_MS(i), &a) != 0);
        if (i % 19 == 6) {
            inject(r, CVG_EV_CANCEL, CVG_MS(i) + CVG_US(1500), i, false);
        }
        if (i % 31 == 6) {
            inject(r, CVG_EV_BOUNDS, CVG_MS(i) + CVG_US(1500), i, i % 2 == 0);
        }
        if (i % 23 == 6) {
            inject(r, CVG_EV_GIVE_UP, CVG_MS(i) + CVG_US(1500), i, false);
        }
    }
    inject(r, CVG_EV_DEVICE, end / 4, 0, false);
    inject(r, CVG_EV_DEVICE, end / 3, 0, true);
    inject(r, CVG_EV_APP, end / 2, 1, false);
    inject(r, CVG_EV_MODEL, end * 2 / 3, 1, false);
    inject(r, CVG_EV_MODEL, end * 3 / 4, 1, true);
    inject(r, CVG_EV_DRAIN, end, 0, false);
    cvg_sim_run(r->sim);
}

enum cvg_status recorded_end(struct recorded *r, struct cvg_error *err)
{
    enum cvg_status status = cvg_recorder_close(r->recorder, err);
    cvg_sim_destroy(r->sim);
    cvg_conditions_free(r->conditions);
    cvg_box_destroy(r->box);
    return status;
}

void recorded_file(struct recorded *r, const char *policy, unsigned n)
{
    struct cvg_error err = {.text = ""};
    recorded_name(r->path);
    recorded_start(r, policy, NULL);
    recorded_run(r, n);
    assert_int_equal(recorded_end(r, &err), CVG_OK);
}

unsigned char *recorded_bytes(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rbe");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long end = ftell(file);
    assert_true(end >= 0);
    rewind(file);
    unsigned char *bytes = malloc((size_t)end + 1);
    assert_non_null(bytes);
    *size = fread(bytes, 1, (size_t)end, file);
    assert_int_equal(*size, end);
    (void)fclose(file);
    return bytes;
}

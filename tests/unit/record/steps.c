/* Every kind of event and action: written, read, the same. */
#include "record/steps.h"
#include "record/record.h"
#include "support/record_box.h"
#include "support/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int make_box(void **state)
{
    struct cvg_error err;
    struct cvg_box *box;
    assert_int_equal(
        cvg_config_read_box(record_box_files, 3, 0, NULL, &box, &err), CVG_OK);
    *state = box;
    return 0;
}

static int free_box(void **state)
{
    cvg_box_destroy(*state);
    return 0;
}

static struct cvg_shared_sets sets; /* of all that is read */

static int free_sets(void **state)
{
    (void)state;
    cvg_shared_sets_fini(&sets);
    return 0;
}

/* Written and read; the caller frees `step`. */
static size_t there_and_back(const struct cvg_box *box,
                             const struct cvg_event *event,
                             const struct cvg_actions *actions,
                             struct cvg_code_step *step)
{
    size_t room = cvg__code_room(event, actions);
    unsigned char *bytes = malloc(room), *again = malloc(room);
    struct cvg_codec c = {.box = box, .out = bytes};
    cvg__code_write_event(&c, event);
    cvg__code_write_actions(&c, actions);
    size_t size = (size_t)(c.out - bytes);
    assert_true(size <= room);
    c = (struct cvg_codec){
        .box = box, .sets = &sets, .in = bytes, .end = bytes + size};
    *step = (struct cvg_code_step){.n_actions = 0};
    assert_int_equal(cvg__code_read_event(&c, step), CVG_OK);
    assert_int_equal(cvg__code_read_actions(&c, step), CVG_OK);
    assert_ptr_equal(c.in, c.end);
    /* What was read is written as the same bytes. */
    struct cvg_actions read = {step->actions, step->n_actions};
    c = (struct cvg_codec){.box = box, .out = again};
    cvg__code_write_event(&c, &step->event);
    cvg__code_write_actions(&c, &read);
    assert_int_equal(c.out - again, size);
    assert_memory_equal(bytes, again, size);
    /* Cut short anywhere, it is refused. */
    for (size_t n = 0; n < size; n++) {
        unsigned char *cut = malloc(n + 1);
        struct cvg_code_step part = {.n_actions = 0};
        memcpy(cut, bytes, n);
        c = (struct cvg_codec){
            .box = box, .sets = &sets, .in = cut, .end = cut + n};
        enum cvg_status status = cvg__code_read_event(&c, &part);
        status = status != CVG_OK ? status : cvg__code_read_actions(&c, &part);
        assert_int_equal(status, CVG_CONFIG);
        cvg__code_step_fini(&part);
        free(cut);
    }
    free(bytes);
    free(again);
    return size;
}

static void test_an_arrival_with_everything(void **state)
{
    struct cvg_code_step step;
    const struct cvg_actions none = {NULL, 0};
    struct cvg_event e = {
        .type = CVG_EV_ARRIVAL,
        .at = CVG_S(5),
        .arrival = {.id = UINT64_MAX,
                    .app = 1,
                    .variant = 1,
                    .priority = 77,
                    .overrides = 1U << CVG_SLO_ENERGY | 1U << CVG_SLO_DEADLINE,
                    .bounds = {.declared = 1U << CVG_SLO_ENERGY,
                               .deadline = CVG_MS(3),
                               .energy_j = 0.125},
                    .timeout = CVG_MS(9),
                    .more = true}};
    there_and_back(*state, &e, &none, &step);
    const struct cvg_arrival *a = &step.event.arrival;
    assert_int_equal(step.event.at, CVG_S(5));
    assert_true(a->id == UINT64_MAX && a->app == 1 && a->variant == 1);
    assert_true(a->priority == 77 && a->overrides == e.arrival.overrides);
    assert_true(a->bounds.declared == e.arrival.bounds.declared);
    assert_true(a->bounds.deadline == CVG_MS(3) && a->timeout == CVG_MS(9));
    assert_true(a->more);
    assert_true(a->bounds.energy_j == 0.125);
    cvg__code_step_fini(&step);
    /* A plain one is small. */
    e = (struct cvg_event){.type = CVG_EV_ARRIVAL,
                           .at = CVG_US(60),
                           .arrival = {.id = 1, .variant = CVG_ANY}};
    assert_true(there_and_back(*state, &e, &none, &step) <= 12);
    assert_int_equal(step.event.arrival.variant, CVG_ANY);
    cvg__code_step_fini(&step);
}

static void test_what_a_batch_reported(void **state)
{
    struct cvg_code_step step;
    const struct cvg_actions none = {NULL, 0};
    const double confidence[3] = {0.5, 1, 0};
    const bool refused[3] = {false, true, false};
    struct cvg_event e = {.type = CVG_EV_DONE,
                          .done = {.batch = 5,
                                   .status = CVG_OK,
                                   .run_time = 12345,
                                   .confidence = confidence,
                                   .n_confidence = 3,
                                   .refused = refused,
                                   .n_refused = 3}};
    there_and_back(*state, &e, &none, &step);
    assert_memory_equal(step.event.done.confidence, confidence,
                        sizeof confidence);
    assert_memory_equal(step.event.done.refused, refused, sizeof refused);
    assert_int_equal(step.event.done.run_time, 12345);
    cvg__code_step_fini(&step);
    e.type = CVG_EV_START_FAILED;
    e.done = (struct cvg_done){.batch = 5, .status = CVG_INVALID};
    there_and_back(*state, &e, &none, &step);
    assert_int_equal(step.event.done.status, CVG_INVALID);
    assert_null(step.event.done.confidence);
    assert_null(step.event.done.refused);
    cvg__code_step_fini(&step);
}

static void test_a_plan(void **state)
{
    struct cvg_code_step step;
    const struct cvg_actions none = {NULL, 0};
    struct cvg_plan plan = {.factor = 0.75,
                            .rates_rps = {1, 2},
                            .served_rps = {1, 1.5},
                            .given_up = {false, true},
                            .worth = {3, 4},
                            .price = {5, 6},
                            .busy = {0.5, 1},
                            .n_flows = 2,
                            .flows = {{1, 0, 0, 1, 8, 30}, {0, 1, 0, 0, 1, 2}}};
    struct cvg_event e = {.type = CVG_EV_SOLVED,
                          .solved = {&plan, sizeof plan}};
    there_and_back(*state, &e, &none, &step);
    assert_int_equal(step.event.solved.size, sizeof plan);
    const struct cvg_plan *read = step.event.solved.answer;
    assert_true(read->factor == 0.75 && read->worth[1] == 4);
    assert_true(read->price[1] == 6 && read->busy[0] == 0.5);
    assert_true(read->rates_rps[1] == 2 && read->served_rps[1] == 1.5);
    assert_true(!read->given_up[0] && read->given_up[1]);
    assert_int_equal(read->n_flows, 2);
    assert_int_equal(read->flows[0].batch, 8);
    assert_true(read->flows[1].rate_rps == 2);
    cvg__code_step_fini(&step);
    e.solved.size = 0;
    there_and_back(*state, &e, &none, &step);
    assert_null(step.event.solved.answer);
    cvg__code_step_fini(&step);
}

static void test_other_events(void **state)
{
    const struct cvg_actions none = {NULL, 0};
    struct cvg_event events[] = {
        {.type = CVG_EV_CANCEL, .request = 9},
        {.type = CVG_EV_GIVE_UP, .request = 9},
        {.type = CVG_EV_LOADED, .model_on = {1, 0}},
        {.type = CVG_EV_LOAD_FAILED, .model_on = {1, 0}},
        {.type = CVG_EV_UNLOADED, .model_on = {1, 0}},
        {.type = CVG_EV_DEVICE, .device = {1, true, 2.5}},
        {.type = CVG_EV_MODEL, .model = {1, true}},
        {.type = CVG_EV_TIMER},
        {.type = CVG_EV_DRAIN},
        {.type = CVG_EV_APP, .app = {.app = 1, .slo = {15, 1, 0.5, 30, 0.25}}},
        {.type = CVG_EV_SOLVE_FAILED},
    };
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        struct cvg_code_step step;
        there_and_back(*state, &events[i], &none, &step);
        assert_int_equal(step.event.type, events[i].type);
        if (events[i].type == CVG_EV_APP) {
            assert_true(cvg_slo_equal(&step.event.app.slo, &events[i].app.slo));
        }
        cvg__code_step_fini(&step);
    }
}

/* Conditions are carried as text, wherever they may stand. */
static void test_conditions(void **state)
{
    const struct cvg_actions none = {NULL, 0};
    struct cvg_conditions *set = NULL;
    assert_int_equal(cvg_conditions_parse("never; exit == 1", &set, NULL),
                     CVG_OK);
    struct cvg_event events[] = {
        {.type = CVG_EV_ARRIVAL,
         .arrival = {.id = 1, .variant = CVG_ANY, .conditions = set}},
        {.type = CVG_EV_APP,
         .app = {.app = 1,
                 .new_conditions = true,
                 .conditions = set,
                 .new_objective = true,
                 .objective = CVG_OBJECTIVE_LATENCY}},
        {.type = CVG_EV_BOUNDS,
         .bounds = {.request = 7,
                    .overrides = 1U << CVG_SLO_ENERGY,
                    .slo = {.energy_j = 0.5},
                    .new_conditions = true,
                    .conditions = set}},
        {.type = CVG_EV_BOUNDS, .bounds = {.request = 7}},
    };
    struct cvg_code_step step;
    there_and_back(*state, &events[0], &none, &step);
    assert_string_equal(step.event.arrival.conditions->text, set->text);
    cvg__code_step_fini(&step);
    there_and_back(*state, &events[1], &none, &step);
    assert_string_equal(step.event.app.conditions->text, set->text);
    assert_true(step.event.app.new_conditions);
    assert_true(step.event.app.new_objective);
    assert_int_equal(step.event.app.objective, CVG_OBJECTIVE_LATENCY);
    cvg__code_step_fini(&step);
    there_and_back(*state, &events[2], &none, &step);
    assert_string_equal(step.event.bounds.conditions->text, set->text);
    assert_true(step.event.bounds.slo.energy_j == 0.5);
    assert_int_equal(step.event.bounds.request, 7);
    cvg__code_step_fini(&step);
    there_and_back(*state, &events[3], &none, &step);
    assert_false(step.event.bounds.new_conditions);
    assert_null(step.event.bounds.conditions);
    cvg__code_step_fini(&step);
    for (size_t i = 0; i < 4; i++) {
        char text[256];
        cvg_record_say_event(text, sizeof text, *state, &events[i]);
        assert_true(strlen(text) > 4);
    }
    cvg_conditions_free(set);
}

static void test_actions(void **state)
{
    struct cvg_code_step step;
    const uint64_t ids[3] = {7, 8, 1};
    struct cvg_question question = {.rates_rps = {1, 2},
                                    .slos = {{.declared = 1, .deadline = 5}},
                                    .slowdown = {1, INFINITY},
                                    .enabled = {true, false},
                                    .n_failed = 1,
                                    .failed = {{1, 0}}};
    struct cvg_event e = {.type = CVG_EV_TIMER, .at = CVG_S(1)};
    struct cvg_action acts[] = {
        {.type = CVG_ACT_START,
         .start = {.batch = 1 << 15,
                   .unit = 2,
                   .device = 1,
                   .variant = 1,
                   .requests = ids,
                   .n_requests = 3,
                   .predicted = CVG_NEVER}},
        {.type = CVG_ACT_REPLY,
         .reply = {7, 1 << 15, 0, 1, 1, 0, 1, 0.9, 0.2, -5, 6, true, 3}},
        {.type = CVG_ACT_REPLY,
         .reply = {8, 1 << 15, 1, 0, 1, 0, 1, 0.9, 0.2, 5, 6, false, 0}},
        {.type = CVG_ACT_DROP,
         .drop = {1, CVG_OUTCOME_FAILED, CVG_REASON_INPUTS, 4}},
        {.type = CVG_ACT_START,
         .start = {.batch = 2 << 15, .requests = ids + 1, .n_requests = 1}},
        {.type = CVG_ACT_RELEASE, .release = {8, 1}},
        {.type = CVG_ACT_ABORT, .batch = 3},
        {.type = CVG_ACT_LOAD, .model_on = {1, 1}},
        {.type = CVG_ACT_UNLOAD, .model_on = {0, 1}},
        {.type = CVG_ACT_SOLVE, .question = &question},
    };
    struct cvg_actions all = {acts, sizeof acts / sizeof *acts};
    there_and_back(*state, &e, &all, &step);
    assert_int_equal(step.n_actions, all.n);
    const struct cvg_action *a = step.actions;
    assert_memory_equal(a[0].start.requests, ids, sizeof ids);
    assert_true(a[0].start.predicted == CVG_NEVER && a[0].start.unit == 2);
    assert_memory_equal(a[4].start.requests, ids + 1, sizeof *ids);
    const struct cvg_reply *r = &a[2].reply;
    assert_true(r->request == 8 && r->batch == 1 << 15 && r->device == 1);
    assert_true(r->accuracy == 0.9 && r->energy_j == 0.2 && r->ran == 6);
    assert_true(a[1].reply.relaxed == 3 && r->relaxed == 0);
    assert_true(a[1].reply.deadline_met && !r->deadline_met);
    assert_true(a[1].reply.queued == -5);
    assert_int_equal(a[3].drop.reason, CVG_REASON_INPUTS);
    assert_true(isinf(a[9].question->slowdown[1]));
    assert_true(a[5].release.request == 8 && a[5].release.device == 1);
    assert_true(a[9].question->n_failed == 1 &&
                a[9].question->failed[0].device == 1);
    assert_true(a[9].question->enabled[0] && !a[9].question->enabled[1]);
    for (size_t i = 0; i < all.n; i++) { /* each can be said */
        char text[256];
        cvg_record_say_action(text, sizeof text, *state, &a[i], CVG_S(1));
        assert_true(strlen(text) > 4);
        char small[8];
        cvg_record_say_action(small, sizeof small, *state, &a[i], CVG_S(1));
        assert_true(strlen(small) < sizeof small);
    }
    cvg__code_step_fini(&step);
}

static void refuse(const struct cvg_box *box, const unsigned char *bytes,
                   size_t size)
{
    struct cvg_code_step step = {.n_actions = 0};
    struct cvg_codec c = {.box = box, .in = bytes, .end = bytes + size};
    assert_int_equal(cvg__code_read_event(&c, &step), CVG_CONFIG);
    cvg__code_step_fini(&step);
}

static void test_what_cannot_be(void **state)
{
    static const unsigned char app_9[] = {0, 0, 2, 9, 0, 0, 0, 0};
    static const unsigned char id_0[] = {0, 0, 0, 0, 0, 0, 0, 0};
    static const unsigned char no_type[] = {200, 0};
    static const unsigned char device_2[] = {8, 0, 2, 1, 0, 0,
                                             0, 0, 0, 0, 0, 0};
    static const unsigned char long_number[] = {
        11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
    static const unsigned char many[] = {3, 0, 2, 0, 0, 0xff, 0xff, 0x7f};
    static const unsigned char nan_slowdown[] = {8, 0, 0, 1, 0,    0,
                                                 0, 0, 0, 0, 0xf8, 0x7f};
    refuse(*state, app_9, sizeof app_9);
    refuse(*state, id_0, sizeof id_0);
    refuse(*state, no_type, sizeof no_type);
    refuse(*state, device_2, sizeof device_2);
    refuse(*state, long_number, sizeof long_number);
    refuse(*state, many, sizeof many);
    refuse(*state, nan_slowdown, sizeof nan_slowdown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_arrival_with_everything),
        cmocka_unit_test(test_what_a_batch_reported),
        cmocka_unit_test(test_a_plan),
        cmocka_unit_test(test_other_events),
        cmocka_unit_test_teardown(test_conditions, free_sets),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, make_box, free_box);
}

/* Every request of a run can be explained, and truly. */
#include "record/explain.h"
#include "support/recorded.h"
#include "support/world.h"

#include <stdio.h>
#include <unistd.h>

#define N 400U

/* What the engine itself remembers of each, before it is taken down. */
static struct cvg_explanation known[N + 1];

static void record_and_remember(struct recorded *r)
{
    struct cvg_error err;
    recorded_name(r->path);
    recorded_start(r, NULL, NULL);
    recorded_run(r, N);
    for (uint64_t id = 1; id <= N; id++) {
        assert_int_equal(
            cvg_engine_explain(cvg_sim_engine(r->sim), id, &known[id]), CVG_OK);
    }
    assert_int_equal(recorded_end(r, &err), CVG_OK);
}

static void check_ways(const struct cvg_record_why *why)
{
    const struct cvg_explanation *e = &why->of;
    size_t n_chosen = 0;
    for (size_t i = 0; i < why->n_ways; i++) {
        const struct cvg_way_seen *w = &why->ways[i];
        n_chosen += w->chosen;
        assert_true(!w->chosen || i == 0);
        assert_true((w->bars >> CVG_BAR_ACCURACY & 1U) ==
                    (w->accuracy < e->request.min_accuracy - 1e-12));
        if (w->chosen) {
            /* It was free, up, loaded; nothing else would have been taken. */
            assert_int_equal(w->bars & ~(1U << CVG_BAR_DEADLINE), 0);
            assert_int_equal(w->variant, e->variant);
            assert_int_equal(w->device, e->device);
            assert_int_equal(w->batch, e->batch_size);
            assert_true(w->finish >= why->at && w->finish <= w->finish_95);
        }
    }
    assert_int_equal(n_chosen, why->decision == CVG_DECISION_START);
}

static void test_every_request(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_record *record;
    struct cvg_error err;
    size_t starts = 0, drops = 0, cancels = 0;
    record_and_remember(&r);
    assert_int_equal(cvg_record_open(r.path, &record, &err), CVG_OK);
    for (uint64_t id = 1; id <= N; id += 3) {
        struct cvg_record_why why;
        assert_int_equal(cvg_record_explain(record, id, &why, &err), CVG_OK);
        assert_memory_equal(&why.of, &known[id], sizeof why.of);
        check_ways(&why);
        assert_true(why.at >= why.of.request.arrival);
        if (why.decision == CVG_DECISION_START) {
            assert_int_equal(why.at, why.of.started);
            starts++;
        }
        drops += why.decision == CVG_DECISION_DROP;
        cancels += why.decision == CVG_DECISION_CANCEL;
        cvg_record_why_fini(&why);
    }
    assert_true(starts > 30 && drops > 10 && cancels > 0);
    cvg_record_close(record);
    (void)unlink(r.path);
}

static void test_one_that_is_not_there(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_record *record;
    struct cvg_record_why why;
    struct cvg_error err;
    recorded_file(&r, NULL, 30);
    assert_int_equal(cvg_record_open(r.path, &record, &err), CVG_OK);
    assert_int_equal(cvg_record_explain(record, 31, &why, &err), CVG_NOTFOUND);
    assert_non_null(strstr(err.text, "there is no request 31 in it: it holds "
                                     "30, with numbers from 1 to 30"));
    cvg_record_close(record);
    (void)unlink(r.path);
}

/* The record of a run that was killed while requests waited. */
static void test_one_that_still_waits(void **state)
{
    (void)state;
    struct recorded r;
    struct cvg_record *record;
    struct cvg_record_why why;
    struct cvg_error err;
    struct cvg_arrival a = {.app = 1, .variant = CVG_ANY};
    recorded_name(r.path);
    recorded_start(&r, NULL, NULL);
    for (int i = 0; i < 12; i++) {
        assert_true(cvg_sim_arrive(r.sim, CVG_US(i), &a) != 0);
    }
    cvg_sim_run_until(r.sim, CVG_US(20));
    assert_int_equal(recorded_end(&r, &err), CVG_OK);
    assert_int_equal(cvg_record_open(r.path, &record, &err), CVG_OK);
    assert_int_equal(cvg_record_explain(record, 12, &why, &err), CVG_OK);
    assert_int_equal(why.decision, CVG_DECISION_NONE);
    assert_false(why.of.ended);
    assert_true(why.n_ways > 0 && why.waiting > 0);
    assert_int_equal(why.ahead + 1, why.waiting);
    cvg_record_why_fini(&why);
    cvg_record_close(record);
    (void)unlink(r.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_request),
        cmocka_unit_test(test_one_that_is_not_there),
        cmocka_unit_test(test_one_that_still_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

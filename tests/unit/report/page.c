/* The page: its data, and that no text of it can be taken for HTML. */
#include "report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char begin[] = "<script type=\"application/json\" id=\"data\">";

static json_t *run_of(const char *policy, double load, int seed, double joint,
                      const char *app)
{
    return json_pack("{s:s, s:s, s:f, s:i, s:f, s:{s:f}, s:[{s:s, s:{s:f}}],"
                     " s:[]}",
                     "mode", "sim", "policy", policy, "load", load, "seed",
                     seed, "duration_s", 10.0, "slo", "joint", joint, "apps",
                     "name", app, "slo", "joint", joint, "devices");
}

static char *print(const struct cvg_page *page)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_true(cvg_report_page(out, page));
    fclose(out);
    return text;
}

static json_t *data_in(const char *text)
{
    const char *data = strstr(text, begin);
    assert_non_null(data);
    data += sizeof begin - 1;
    size_t size = (size_t)(strstr(data, "</script>") - data);
    json_t *json = json_loadb(data, size, 0, NULL);
    assert_non_null(json);
    return json;
}

static double real_at(const json_t *object, const char *a, const char *b)
{
    const json_t *value = json_object_get(json_object_get(object, a), b);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void test_seeds_become_means(void **state)
{
    (void)state;
    json_t *reports = json_pack("[o, o, o]", run_of("edf", 1, 1, 0.5, "door"),
                                run_of("edf", 1, 2, 0.7, "door"),
                                run_of("edf", 2, 1, 0.1, "door"));
    char *text = print(&(struct cvg_page){.reports = reports});
    json_t *data = data_in(text);
    const json_t *groups = json_object_get(data, "groups");
    assert_int_equal(json_array_size(groups), 2);
    const json_t *first = json_array_get(groups, 0);
    assert_float_equal(real_at(first, "mean", "slo.joint"), 0.6, 1e-6);
    /* 12.706 x 0.1414 / sqrt(2) */
    assert_float_equal(real_at(first, "interval", "slo.joint"), 1.2706, 1e-4);
    const json_t *app = json_array_get(json_object_get(first, "apps"), 0);
    assert_float_equal(real_at(app, "mean", "slo.joint"), 0.6, 1e-6);
    const json_t *alone = json_array_get(groups, 1);
    assert_null(
        json_object_get(json_object_get(alone, "interval"), "slo.joint"));
    json_decref(data);
    json_decref(reports);
    free(text);
}

/* Distributions of seeds that begin at different edges become one. */
static void test_distributions_are_added(void **state)
{
    (void)state;
    json_t *reports = json_pack("[o, o, o]", run_of("edf", 1, 1, 1, "door"),
                                run_of("edf", 1, 2, 1, "door"),
                                run_of("edf", 1, 3, 1, "door"));
    json_t *details =
        json_pack("[{s:[{s:i, s:[]}]}, {s:[{s:i, s:[i, i]}]},"
                  " {s:[{s:i, s:[i, i, i]}]}]",
                  "latencies", "first", 0, "counts", "latencies", "first", 7,
                  "counts", 1, 2, "latencies", "first", 5, "counts", 3, 4, 5);
    char *text =
        print(&(struct cvg_page){.reports = reports, .details = details});
    json_t *data = data_in(text);
    const json_t *group = json_array_get(json_object_get(data, "groups"), 0);
    const json_t *sum = json_array_get(json_object_get(group, "latencies"), 0);
    json_t *expected =
        json_pack("{s:i, s:[i, i, i, i]}", "first", 5, "counts", 3, 4, 6, 2);
    assert_true(json_equal(sum, expected));
    json_decref(expected);
    json_decref(data);
    json_decref(details);
    json_decref(reports);
    free(text);
}

/* The reports of a server elsewhere may hold any names. */
static void test_names_cannot_break_out(void **state)
{
    (void)state;
    static const char evil[] =
        "</script><script>alert(1)</script><!-- \xe2\x80\xa8 \" \\ &";
    json_t *reports = json_pack("[o]", run_of(evil, 1, 1, 1, evil));
    char *text = print(&(struct cvg_page){.reports = reports});
    assert_null(strstr(text, "alert(1)</script>"));
    assert_null(strstr(text, "\xe2\x80\xa8"));
    json_t *data = data_in(text);
    const json_t *group = json_array_get(json_object_get(data, "groups"), 0);
    assert_string_equal(json_string_value(json_object_get(group, "policy")),
                        evil);
    json_decref(data);
    json_decref(reports);
    free(text);
}

/* Nothing is fetched, and nothing is left of the template's own files. */
static void test_it_stands_alone(void **state)
{
    (void)state;
    json_t *reports = json_pack("[o]", run_of("edf", 1, 1, 1, "door"));
    char *text = print(&(struct cvg_page){.reports = reports});
    assert_null(strstr(text, "@DATA@"));
    assert_null(strstr(text, "<script src"));
    assert_null(strstr(text, "rel=\"stylesheet\""));
    assert_null(strstr(text, "https:"));
    assert_non_null(strstr(text, "default-src 'none'"));
    json_decref(reports);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_become_means),
        cmocka_unit_test(test_distributions_are_added),
        cmocka_unit_test(test_names_cannot_break_out),
        cmocka_unit_test(test_it_stands_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

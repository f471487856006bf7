/* The tables as people see them, whole. */
#include "report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char report_text[] =
    "{'mode':'live','policy':'convergo','load':1.0,'seed':1,'duration_s':15.0,"
    "'requests':{'offered':100000,'served':99999,'on_time':99998},"
    "'slo':{'deadline':0.99998,'accuracy':1.0,'throughput':null,'energy':0.5,"
    "'joint':0.4999},"
    "'accuracy':{'effective':0.91234,'measured':null},"
    "'latency_ms':{'p50':3.14159,'p95':31.4159,'p99':314.159},"
    "'decision_us':{'p50':1.234,'p99':12.34},"
    "'energy_per_inference_mj':20.5,'bound':{'joint':0.75},"
    "'apps':[{'name':'door','requests':{'offered':10,'served':9,'on_time':8},"
    "'slo':{'deadline':0.8,'accuracy':0.9,'joint':0.8},"
    "'accuracy':{'effective':0.9,'measured':0.875},"
    "'latency_ms':{'p50':9.996,'p95':99.96,'p99':null},"
    "'energy_per_inference_mj':0.0}],"
    "'devices':[{'name':'gpu','emulated':true,'utilization':0.4321,"
    "'batches':10,'mean_batch':2.5,'switches':0,'loads':1,'energy_j':52.04},"
    "{'name':'cpu','emulated':false,'utilization':0.0,'batches':0,"
    "'mean_batch':null,'switches':0,'loads':0,'energy_j':0.0}]}";

static json_t *parse(const char *single_quoted)
{
    char *text = strdup(single_quoted);
    for (char *p = text; *p != '\0'; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    free(text);
    assert_non_null(json);
    return json;
}

static char *print(const json_t *reports)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    cvg_report_table(out, reports);
    fclose(out);
    return text;
}

/* clang-format off */
static const char golden[] =
    "policy convergo (live): load 1, seed 1, 15 s, a decision 1.23 us (p99 12.3), bound of joint 75.00 %\n"
    "\n"
    "  app    offered  served  on time  deadline%  accur.%  thrpt%  energy%  joint%  eff.acc.  measured  p50 ms  p95 ms  p99 ms    mJ\n"
    "  ------------------------------------------------------------------------------------------------------------------------------\n"
    "  door        10       9        8      80.00    90.00       -        -   80.00    0.9000    0.8750    10.0     100       -  0.00\n"
    "  ------------------------------------------------------------------------------------------------------------------------------\n"
    "  total   100000   99999    99998      99.99    100.0       -    50.00   49.99    0.9123         -    3.14    31.4     314  20.5\n"
    "\n"
    "  device          busy%  batches  mean batch  switches  loads  energy J\n"
    "  ---------------------------------------------------------------------\n"
    "  gpu (emulated)  43.21       10        2.50         0      1      52.0\n"
    "  cpu              0.00        0           -         0      0      0.00\n"
    "\n";

static const char compared[] =
    "all runs\n"
    "\n"
    "  policy    load  seed  offered  on time  deadline%  accur.%  thrpt%  energy%  joint%  bound%  eff.acc.  measured  p50 ms  p99 ms    mJ\n"
    "  -------------------------------------------------------------------------------------------------------------------------------------\n"
    "  convergo     1     1   100000    99998      99.99    100.0       -    50.00   49.99   75.00    0.9123         -    3.14     314  20.5\n"
    "  edf          1     1   100000    99998      99.99    100.0       -    50.00   49.99   75.00    0.9123         -    3.14     314  20.5\n";

static const char averaged[] =
    "all runs (means over the seeds; +- is half the 95 % interval of the mean)\n"
    "\n"
    "  policy    load  seeds  offered  on time  deadline%  accur.%  thrpt%  energy%  joint%    +-  bound%  eff.acc.  measured  p50 ms  p99 ms    +-    mJ\n"
    "  --------------------------------------------------------------------------------------------------------------------------------------------------\n"
    "  convergo     1    7-8   100000    99998      99.99    100.0       -    50.00   40.50  6.35   75.00    0.9123         -    3.14     314  0.00  20.5\n"
    "  convergo   1.5    7-8   100002    99998      99.99    100.0       -    50.00   40.50  6.35   75.00    0.9123         -    3.14     314  0.00  20.5\n"
    "\n"
    "joint% of each application\n"
    "\n"
    "  policy    load  seeds   door   gate\n"
    "  -----------------------------------\n"
    "  convergo     1    7-8  80.00  50.00\n"
    "  convergo   1.5    7-8  80.00  10.00\n";
/* clang-format on */

static void one_run(void **state)
{
    (void)state;
    json_t *report = parse(report_text);
    char *text = print(report);
    assert_string_equal(text, golden);
    free(text);
    json_decref(report);
}

static void several_runs_are_compared(void **state)
{
    (void)state;
    json_t *report = parse(report_text);
    json_t *other = json_deep_copy(report);
    json_object_set_new(other, "policy", json_string("edf"));
    json_t *both = json_pack("[O, O]", report, other);
    char *text = print(both);
    assert_non_null(strstr(text, "policy edf"));
    assert_memory_equal(text, golden, sizeof golden - 1);
    assert_string_equal(strstr(text, "all runs"), compared);
    free(text);
    json_decref(both);
    json_decref(other);
    json_decref(report);
}

/* Seeds of the same policy and load share a row: means, and how sure they are.
 * With two numbers half the interval is 12.706 x half their distance. */
static void seeds_are_averaged(void **state)
{
    (void)state;
    json_t *all = json_array();
    for (int i = 0; i < 4; i++) {
        json_t *report = parse(report_text);
        json_object_set_new(report, "seed", json_integer(i % 2 + 7));
        json_object_set_new(report, "load", json_real(i < 2 ? 1.0 : 1.5));
        json_t *slo = json_object_get(report, "slo");
        json_object_set_new(slo, "joint", json_real(i % 2 == 0 ? 0.40 : 0.41));
        json_t *apps = json_object_get(report, "apps");
        json_t *app = json_deep_copy(json_array_get(apps, 0));
        json_object_set_new(app, "name", json_string("gate"));
        json_object_set_new(json_object_get(app, "slo"), "joint",
                            json_real(i < 2 ? 0.5 : 0.1));
        json_array_append_new(apps, app);
        json_array_append_new(all, report);
    }
    json_object_set_new(json_object_get(json_array_get(all, 3), "requests"),
                        "offered", json_integer(100004));
    json_object_set_new(json_object_get(json_array_get(all, 3), "slo"),
                        "energy", json_null());
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    cvg_report_comparison(out, all);
    fclose(out);
    assert_string_equal(text, averaged);
    free(text);
    json_decref(all);
}

static void odd_objects_do_no_harm(void **state)
{
    (void)state;
    json_t *odd = parse("[{}, {'apps': 3, 'devices': [1, {}], 'slo': []}, 4]");
    char *text = print(odd);
    assert_non_null(strstr(text, "policy ?"));
    free(text);
    json_decref(odd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_run),
        cmocka_unit_test(several_runs_are_compared),
        cmocka_unit_test(seeds_are_averaged),
        cmocka_unit_test(odd_objects_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

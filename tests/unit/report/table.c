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
        cmocka_unit_test(odd_objects_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

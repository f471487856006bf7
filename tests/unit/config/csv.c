/* CSV: RFC 4180, and what is wrong in profile.csv and variants.csv. */
#include "config/csv.h"
#include "texts.h"

/* --- the form ------------------------------------------------------------- */

static const struct cvg_column columns[] = {
    {"a", false}, {"b", false}, {"c", true}, {"d", true}};

/* All records, fields as [x], records ended by /, with "missing" columns as -;
 * or the message. */
static void read_all(const char *text, char *out)
{
    struct cvg_error err = {.text = ""};
    struct cvg_source source = {"t.csv", &err};
    struct cvg_csv csv;
    *out = '\0';
    enum cvg_status status =
        cvg__csv_open(&csv, &source, strdup(text), strlen(text), columns, 4);
    while (status == CVG_OK) {
        status = cvg__csv_next(&csv);
        if (status != CVG_OK || csv.n == 0) {
            break;
        }
        for (size_t i = 0; i < 4; i++) {
            const char *form = csv.where[i] < 0 ? "-" : "[%s]";
            sprintf(out + strlen(out), form, cvg__csv_text(&csv, i));
        }
        strcat(out, "/");
    }
    if (status != CVG_OK) {
        strcpy(out, err.text);
    }
    cvg__csv_close(&csv);
}

static void test_form(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a,b\n1,2\n", "[1][2]--/"},
        {"a,b\n1,2", "[1][2]--/"},
        {"a,b\r\n1,2\r\n", "[1][2]--/"},
        {"a,b\r\n1,2\r", "[1][2]--/"},
        {"\xef\xbb\xbf"
         "a,b\n1,2\n",
         "[1][2]--/"},
        {"# x\n\na,b\n\r\n# y,z\n1,2\n#end", "[1][2]--/"},
        {"a,b\n,\n", "[][]--/"},
        {"a,b\n\"1\",\"2\"\n", "[1][2]--/"},
        {"a,b\n\"x,\"\"y\"\"\",\"2\n3\"\n", "[x,\"y\"][2\n3]--/"},
        {"a,b\n\"#1\",2\n", "[#1][2]--/"},
        {"a,b\n\"\",\"\"", "[][]--/"},
        {"a,b\n 1 , 2\n", "[ 1 ][ 2]--/"},
        {"a,b\n", ""},
        {"a,b,c\n1,2,3\n", "[1][2][3]-/"},
        {"a,b,d\n1,2,3\n", "[1][2]-[3]/"},
        {"a,b,c,d\n1,2,3,4\n", "[1][2][3][4]/"},
        {"\"a\",b\n1,2\n", "[1][2]--/"},
        {"a,b\n1\r2,3\n", "[1\r2][3]--/"},
        {"", "t.csv:1:1: the file is empty: the header a,b[,c][,d] is "
             "expected"},
        {"# only\n", "t.csv:1:1: the file is empty: the header a,b[,c][,d] is "
                     "expected"},
        {"a\n",
         "t.csv:1:1: the header lacks column 2, 'b': a,b[,c][,d] is expected"},
        {"b,a\n",
         "t.csv:1:1: column 1 of the header is 'b', not 'a': a,b[,c][,d] is "
         "expected"},
        {"a,b,d,c\n", "t.csv:1:7: unexpected column 'c' in the "
                      "header: a,b[,c][,d] is expected"},
        {"a,b,zz\n", "t.csv:1:5: unexpected column 'zz' in the header: "
                     "a,b[,c][,d] is expected"},
        {"a,b\n\n1,2,3\n", "t.csv:3:1: the row has 3 fields, the header 2"},
        {"a,b\n1\n", "t.csv:2:1: the row has 1 field, the header 2"},
        {"a,b\n1,2\"3\n", "t.csv:2:4: a quote inside an unquoted field"},
        {"a,b\n1,\"2\"3\n", "t.csv:2:6: text behind the end of a quoted field"},
        {"a,b\n1,\"2\n3\n", "t.csv:2:3: a quoted field without its end"},
        {"a,b\n\"1\n2\",3,4\n",
         "t.csv:2:1: the row has 3 fields, the header 2"},
        {"a,b\n\"1\n2\",3\nx\n",
         "t.csv:4:1: the row has 1 field, the header 2"},
        {"a,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n",
         "t.csv:1:34: more than 32 fields in a line"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[600];
        read_all(cases[i][0], out);
        if (strcmp(out, cases[i][1]) != 0) {
            fail_msg("%s\n got      %s\n expected %s", cases[i][0], out,
                     cases[i][1]);
        }
    }
}

static void test_nul(void **state)
{
    (void)state;
    static const char text[] = "a,b\n1,x\0y\n";
    struct cvg_error err = {.text = ""};
    struct cvg_source source = {"t.csv", &err};
    struct cvg_csv csv;
    char *copy = malloc(sizeof text);
    memcpy(copy, text, sizeof text);
    assert_int_equal(
        cvg__csv_open(&csv, &source, copy, sizeof text - 1, columns, 4),
        CVG_OK);
    assert_int_equal(cvg__csv_next(&csv), CVG_CONFIG);
    assert_string_equal(err.text, "t.csv:2:3: a NUL character is in the text");
    cvg__csv_close(&csv);
}

static void test_begins_with(void **state)
{
    (void)state;
    const char *text = "\n# x\na,b\n";
    assert_true(cvg__csv_begins_with(text, strlen(text), "a,b"));
    assert_false(cvg__csv_begins_with(text, strlen(text), "a,b\nc"));
    assert_false(cvg__csv_begins_with("", 0, "a"));
}

/* --- profile.csv ---------------------------------------------------------- */

static const struct spoilt profile[] = {
    {"mean_ms", "mean",
     "b/profile.csv:1:27: column 5 of the header is 'mean', not 'mean_ms': "
     "variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,"
     "samples,source[,switch_ms][,load_ms] is expected"},
    {"small,0,coral,1,2.6", ",0,coral,1,2.6",
     "b/profile.csv:2:1: variant: it is empty"},
    {"small,0,coral,1,2.6", "small,x,coral,1,2.6",
     "b/profile.csv:2:7: exit: 'x' is no whole number from 0 to 15"},
    {"small,0,coral,1,2.6", "small,16,coral,1,2.6",
     "b/profile.csv:2:7: exit: '16' is no whole number from 0 to 15"},
    {"small,0,coral,1,2.6", "small,2,coral,1,2.6",
     "b/profile.csv:2:7: exit: '2' has no accuracy: the variants files give "
     "exits 0 to 1 of 'small'"},
    {"small,0,coral,1,2.6", "small,0,,1,2.6",
     "b/profile.csv:2:9: device: it is empty"},
    {"small,0,coral,1,2.6", "small,0,coral,0,2.6",
     "b/profile.csv:2:15: batch: '0' is no whole number from 1 to 256"},
    {"small,0,coral,1,2.6", "small,0,coral,257,2.6",
     "b/profile.csv:2:15: batch: '257' is no whole number from 1 to 256"},
    {"small,0,coral,1,2.6", "small,0,coral,1,0",
     "b/profile.csv:2:17: mean_ms: '0' is out of range: more than 0, at most "
     "1e9"},
    {"small,0,coral,1,2.6", "small,0,coral,1,-2",
     "b/profile.csv:2:17: mean_ms: '-2' is out of range: more than 0, at most "
     "1e9"},
    {"small,0,coral,1,2.6", "small,0,coral,1,1e-7",
     "b/profile.csv:2:17: mean_ms: '1e-7' is less than a nanosecond: more than "
     "0, at most 1e9"},
    {"small,0,coral,1,2.6", "small,0,coral,1,",
     "b/profile.csv:2:17: mean_ms: '' is no finite number: give one such as "
     "0.75"},
    {"small,0,coral,1,2.6", "small,0,coral,1,nan",
     "b/profile.csv:2:17: mean_ms: 'nan' is no finite number: give one such as "
     "0.75"},
    {"small,0,coral,1,2.6", "small,0,coral,1,Infinity",
     "b/profile.csv:2:17: mean_ms: 'Infinity' is no finite number: give one "
     "such as 0.75"},
    {"small,0,coral,1,2.6", "small,0,coral,1,2.6ms",
     "b/profile.csv:2:17: mean_ms: '2.6ms' is no finite number: give one such "
     "as 0.75"},
    {"1,1,1,1.5,2,5", "1,1,,1.5,2,5",
     "b/profile.csv:3:20: p50_ms: 2 of p50_ms, p95_ms, p99_ms are given: give "
     "all three or none"},
    {"1,1,1,1.5,2,5", "1,1,1.6,1.5,2,5",
     "b/profile.csv:3:24: p95_ms: '1.5' is less than p50_ms, '1.6'"},
    {"1,1,1,1.5,2,5", "1,1,1,2.5,2,5",
     "b/profile.csv:3:26: p99_ms: '2' is less than p95_ms, '2.5'"},
    {"1,1,1,1.5,2,5", "1,1,0,1.5,2,5",
     "b/profile.csv:3:20: p50_ms: '0' is out of range: more than 0, at most "
     "1e9"},
    {"1,1,1,1.5,2,5", "1,1,1,1.5,2,-5",
     "b/profile.csv:3:28: energy_mj: '-5' is out of range: 0 or more"},
    {"small,0,nx-gpu,1", "small,1,nx-gpu,1",
     "b/profile.csv:4:1: a second row for variant 'small', exit 1, device "
     "'nx-gpu', batch 1"},
    {"large,0,nx-gpu,1,", "large,0,nx-gpu,8,",
     "b/profile.csv:6:1: a second row for variant 'large', exit 0, device "
     "'nx-gpu', batch 8"},
    {"35.5,1000,made up,12.5,300", "35.5,-1,made up,12.5,300",
     "b/profile.csv:6:31: samples: '-1' is out of range: 0 or more"},
    {"35.5,1000,made up,12.5,300", "35.5,1000,made up,-1,300",
     "b/profile.csv:6:44: switch_ms: '-1' is out of range: 0 to 1e9"},
    {"100,1000,made up,,", "100,1000,made up,12,",
     "b/profile.csv:6:44: switch_ms: '12.5' differs from a row before for "
     "'large' on 'nx-gpu'"},
    {"100,1000,made up,,", "100,1000,made up,,200",
     "b/profile.csv:6:49: load_ms: '300' differs from a row before for 'large' "
     "on 'nx-gpu'"},
    {"small,0,nx-gpu,1,1", "small,0,orin,1,1",
     "b/box.yaml:23:47: variant 'small' has a profile of exit 1 on device "
     "'gpu', but none of exit 0"},
    /* Rows of others must be well formed too. */
    {"face,0,orin,1,3", "face,0,orin,1,x",
     "b/profile.csv:9:15: mean_ms: 'x' is no finite number: give one such as "
     "0.75"},
    {"other,0,cpu0,1,3,,,,,,,,", "other,0,cpu0,1,3,,,,,,,",
     "b/profile.csv:8:1: the row has 12 fields, the header 13"},
};

static void test_profile(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(profile); i++) {
        char *text = edited(profile_text, profile[i].find, profile[i].with);
        struct cvg_box *box = NULL;
        struct cvg_error err = {.text = ""};
        enum cvg_status status =
            read_box(box_text, text, variants_text, 0, NULL, &box, &err);
        expect_message(&profile[i], status, &err);
        free(text);
    }
}

/* Percentiles that are equal say the same as empty ones: it always takes the
 * mean. */
static void test_equal_percentiles(void **state)
{
    (void)state;
    char *text = edited(profile_text, "1,1,1,1.5,2,5", "1,1,1.2,1.2,1.2,5");
    struct cvg_box *box = NULL;
    struct cvg_error err = {.text = ""};
    assert_int_equal(
        read_box(box_text, text, variants_text, 0, NULL, &box, &err), CVG_OK);
    assert_int_equal(cvg_profile_time(box->profile, 0, 0, 0, 0, 1, CVG_P99),
                     CVG_MS(1));
    cvg_box_destroy(box);
    free(text);
}

/* --- variants.csv --------------------------------------------------------- */

static const struct spoilt variants[] = {
    {NULL, "",
     "b/variants.csv:1:1: the file is empty: the header variant,exit,accuracy,"
     "metric,dataset,samples,weights_mib,memory_mib,sparsity,"
     "source[,gflop] is expected"},
    {"small,0,0.6", "small,0,1.6",
     "b/variants.csv:2:9: accuracy: '1.6' is out of range: 0 to 1"},
    {"small,0,0.6", "small,0,-0.1",
     "b/variants.csv:2:9: accuracy: '-0.1' is out of range: 0 to 1"},
    {"small,0,0.6", "small,0,",
     "b/variants.csv:2:9: accuracy: '' is no finite number: give one such as "
     "0.75"},
    {"small,0,0.6", "small,1,0.6",
     "b/variants.csv:3:1: a second row for variant 'small', exit 1"},
    {"small,0,0.6", "other,1,0.6",
     "b/box.yaml:23:47: variant 'small' has exit 1 in the variants files, but "
     "not exit 0: exits count from 0"},
    {"large,0,0.8", "huge,0,0.8",
     "b/box.yaml:23:54: variant 'large' has no row in the variants files; "
     "known: huge, other"},
    {",25,120,,", ",-25,120,,",
     "b/variants.csv:4:33: weights_mib: '-25' is out of range: 0 to 1e9"},
    {",25,120,,", ",25,inf,,",
     "b/variants.csv:4:36: memory_mib: 'inf' is no finite number: give one "
     "such as 0.75"},
    {",25,120,,", ",25,120,2,",
     "b/variants.csv:4:40: sparsity: '2' is out of range: 0 to 1"},
};

static void test_variants(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(variants); i++) {
        char *text = edited(variants_text, variants[i].find, variants[i].with);
        struct cvg_box *box = NULL;
        struct cvg_error err = {.text = ""};
        enum cvg_status status =
            read_box(box_text, profile_text, text, 0, NULL, &box, &err);
        expect_message(&variants[i], status, &err);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_begins_with),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_equal_percentiles),
        cmocka_unit_test(test_variants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* From the text of a condition to its steps, by recursive descent; and of a set
 * of them. */
#include "domain/condition.h"

#include "base/nearest.h"
#include "base/units.h"
#include <convergo/box.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(CVG_MAX_CONDITIONS == CVG_MAX_EXITS, "one for each exit");

static const struct {
    const char *text;
    uint8_t what;
} relations[] = {{"<=", CVG__STEP_LESS_EQUAL}, {">=", CVG__STEP_GREATER_EQUAL},
                 {"==", CVG__STEP_EQUAL},      {"!=", CVG__STEP_NOT_EQUAL},
                 {"<", CVG__STEP_LESS},        {">", CVG__STEP_GREATER}};

static const char *const metrics[] = {
#define CVG_METRIC_NAME(name, text) text,
    CVG_METRIC_LIST(CVG_METRIC_NAME)
#undef CVG_METRIC_NAME
};

#define MOST_NESTED 32U
#define LONGEST_WORD 40U

struct parser {
    const char *text, *at;
    struct cvg_condition *out;
    uint32_t nested;
    struct cvg_error *err;
};

/* --- words ---------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static void skip_space(struct parser *p)
{
    while (is_space(*p->at)) {
        p->at++;
    }
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static size_t length_of_word(const char *at)
{
    size_t n = 0;
    while (is_word_char(at[n])) {
        n++;
    }
    return n;
}

static size_t word_length(const struct parser *p)
{
    return length_of_word(p->at);
}

/* What stands there: a word, a character, or the end. */
static const char *seen(const struct parser *p, char out[LONGEST_WORD])
{
    size_t n = word_length(p);
    n = n > 0 ? n : *p->at != '\0';
    n = n < LONGEST_WORD - 3 ? n : LONGEST_WORD - 3;
    if (n == 0) {
        return "the end";
    }
    out[0] = '\'';
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p->at[i];
        out[i + 1] = c < 0x20 || c > 0x7e ? '?' : (char)c;
    }
    out[n + 1] = '\'';
    out[n + 2] = '\0';
    return out;
}

static unsigned column(const struct parser *p)
{
    return (unsigned)(p->at - p->text) + 1;
}

static enum cvg_status expected(struct parser *p, const char *what)
{
    char word[LONGEST_WORD];
    return cvg_fail(p->err, CVG_CONFIG, "column %u: %s is expected, not %s",
                    column(p), what, seen(p, word));
}

static bool take(struct parser *p, const char *word)
{
    size_t n = strlen(word);
    skip_space(p);
    if (word_length(p) != n || memcmp(p->at, word, n) != 0) {
        return false;
    }
    p->at += n;
    return true;
}

static enum cvg_status emit(struct parser *p, uint8_t what, uint8_t metric,
                            double value)
{
    struct cvg_condition *out = p->out;
    if (out->n == CVG_CONDITION_STEPS) {
        return cvg_fail(p->err, CVG_CONFIG,
                        "column %u: more than %u metrics and words of logic",
                        column(p), CVG_CONDITION_STEPS);
    }
    out->steps[out->n].what = what;
    out->steps[out->n].metric = metric;
    out->steps[out->n++].value = value;
    return CVG_OK;
}

/* --- metric relation value ------------------------------------------------ */

/* FLOP, kFLOP, MFLOP, GFLOP. */
static enum cvg_status parse_flop(const char *text, double *out,
                                  struct cvg_error *err)
{
    static const struct {
        const char *unit;
        double times;
    } units[] = {{"GFLOP", 1e9}, {"MFLOP", 1e6}, {"kFLOP", 1e3}, {"FLOP", 1}};
    size_t length = strlen(text);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t n = strlen(units[i].unit);
        char number[LONGEST_WORD];
        if (length > n && length - n < sizeof number &&
            strcmp(text + length - n, units[i].unit) == 0) {
            memcpy(number, text, length - n);
            number[length - n] = '\0';
            if (cvg_parse_number(number, out, NULL) == CVG_OK) {
                *out = round(*out * units[i].times);
                return CVG_OK;
            }
        }
    }
    return cvg_fail(
        err, CVG_CONFIG,
        "'%s' will not do: give a number with FLOP, kFLOP, MFLOP or "
        "GFLOP",
        text);
}

static enum cvg_status parse_value(uint8_t metric, const char *text,
                                   double *out, struct cvg_error *err)
{
    cvg_span span;
    enum cvg_status status;
    switch (metric) {
    case CVG_METRIC_RESPONSE_TIME:
        status = cvg_parse_span(text, &span, err);
        *out = status == CVG_OK ? (double)span : 0;
        return status;
    case CVG_METRIC_ENERGY:
        return cvg_parse_energy(text, out, err);
    case CVG_METRIC_COMPUTATION:
        return parse_flop(text, out, err);
    default:
        return cvg_parse_number(text, out, err);
    }
}

static enum cvg_status value(struct parser *p, uint8_t what, uint8_t metric)
{
    char text[LONGEST_WORD];
    struct cvg_error why;
    double x = 0;
    skip_space(p);
    size_t n = word_length(p);
    if (n == 0) {
        return expected(p, "a value");
    }
    if (n >= sizeof text) {
        return cvg_fail(p->err, CVG_CONFIG, "column %u: the value is too long",
                        column(p));
    }
    memcpy(text, p->at, n);
    text[n] = '\0';
    if (parse_value(metric, text, &x, &why) != CVG_OK) {
        return cvg_fail(p->err, CVG_CONFIG, "column %u: %s: %s", column(p),
                        metrics[metric], why.text);
    }
    p->at += n;
    return emit(p, what, metric, x);
}

static enum cvg_status relation(struct parser *p, uint8_t metric)
{
    skip_space(p);
    for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
        size_t n = strlen(relations[i].text);
        if (strncmp(p->at, relations[i].text, n) == 0) {
            p->at += n;
            return value(p, relations[i].what, metric);
        }
    }
    return expected(p, "one of < <= == != > >=");
}

static enum cvg_status metric(struct parser *p)
{
    for (uint32_t m = 0; m < CVG_METRICS; m++) {
        if (take(p, metrics[m])) {
            return relation(p, (uint8_t)m);
        }
    }
    char word[LONGEST_WORD] = "";
    size_t n = word_length(p);
    if (n > 0 && n < sizeof word) {
        memcpy(word, p->at, n);
        const char *near = cvg_nearest_name(word, metrics, CVG_METRICS);
        if (near != NULL) {
            return cvg_fail(p->err, CVG_CONFIG,
                            "column %u: no metric '%s'; did you mean '%s'?",
                            column(p), word, near);
        }
    }
    return expected(p, "a metric (response_time, confidence, accuracy, energy, "
                       "computation, exit), always, never, not or (");
}

/* --- logic ---------------------------------------------------------------- */

static enum cvg_status disjunction(struct parser *p);

static enum cvg_status negation(struct parser *p)
{
    if (p->nested == MOST_NESTED) {
        return cvg_fail(p->err, CVG_CONFIG,
                        "column %u: more than %u one in another", column(p),
                        MOST_NESTED);
    }
    enum cvg_status status;
    p->nested++;
    skip_space(p);
    if (take(p, "not")) {
        status = negation(p);
        status = status == CVG_OK ? emit(p, CVG__STEP_NOT, 0, 0) : status;
    } else if (*p->at == '(') {
        p->at++;
        status = disjunction(p);
        skip_space(p);
        if (status == CVG_OK && *p->at != ')') {
            status = expected(p, "and, or or )");
        }
        p->at += status == CVG_OK;
    } else if (take(p, "always")) {
        status = emit(p, CVG__STEP_ALWAYS, 0, 0);
    } else if (take(p, "never")) {
        status = emit(p, CVG__STEP_NEVER, 0, 0);
    } else {
        status = metric(p);
    }
    p->nested--;
    return status;
}

static enum cvg_status conjunction(struct parser *p)
{
    enum cvg_status status = negation(p);
    while (status == CVG_OK && take(p, "and")) {
        status = negation(p);
        status = status == CVG_OK ? emit(p, CVG__STEP_AND, 0, 0) : status;
    }
    return status;
}

static enum cvg_status disjunction(struct parser *p)
{
    enum cvg_status status = conjunction(p);
    while (status == CVG_OK && take(p, "or")) {
        status = conjunction(p);
        status = status == CVG_OK ? emit(p, CVG__STEP_OR, 0, 0) : status;
    }
    return status;
}

enum cvg_status cvg_condition_parse(const char *text, struct cvg_condition *out,
                                    struct cvg_error *err)
{
    struct parser p = {.text = text, .at = text, .out = out, .err = err};
    memset(out, 0, sizeof *out);
    enum cvg_status status = disjunction(&p);
    skip_space(&p);
    if (status == CVG_OK && *p.at != '\0') {
        status = expected(&p, "and, or or the end");
    }
    return status;
}

/* --- one for each exit ---------------------------------------------------- */

static size_t token_length(const char *at)
{
    size_t n = length_of_word(at);
    for (size_t i = 0; n == 0 && i < sizeof relations / sizeof *relations;
         i++) {
        size_t length = strlen(relations[i].text);
        n = strncmp(at, relations[i].text, length) == 0 ? length : 0;
    }
    return n > 0 ? n : 1;
}

/* One blank between words, none within parentheses or before a semicolon. At
 * most twice as long as what it is made of. */
static void write_text(const char *from, char *to)
{
    bool tight = true; /* no blank here */
    while (*from != '\0') {
        if (is_space(*from)) {
            from++;
            continue;
        }
        size_t n = token_length(from);
        if (!tight && *from != ')' && *from != ';') {
            *to++ = ' ';
        }
        memcpy(to, from, n);
        to += n;
        tight = *from == '(';
        from += n;
    }
    *to = '\0';
}

static size_t count_conditions(const char *text)
{
    size_t n = 1;
    for (; *text != '\0'; text++) {
        n += *text == ';';
    }
    return n;
}

static enum cvg_status parse_each(struct parser *p, struct cvg_conditions *set)
{
    enum cvg_status status;
    for (;;) {
        if (set->n == CVG_MAX_CONDITIONS) {
            return cvg_fail(p->err, CVG_CONFIG,
                            "column %u: more than %u conditions", column(p),
                            CVG_MAX_CONDITIONS);
        }
        p->out = &set->of_exit[set->n++];
        status = disjunction(p);
        skip_space(p);
        if (status != CVG_OK || *p->at != ';') {
            break;
        }
        p->at++;
    }
    return status == CVG_OK && *p->at != '\0'
               ? expected(p, "and, or, ; or the end")
               : status;
}

enum cvg_status cvg_conditions_parse(const char *text,
                                     struct cvg_conditions **out,
                                     struct cvg_error *err)
{
    struct parser p = {.text = text, .at = text, .err = err};
    size_t n = count_conditions(text);
    n = n < CVG_MAX_CONDITIONS ? n : CVG_MAX_CONDITIONS;
    struct cvg_conditions *set = calloc(
        1, sizeof *set + n * sizeof *set->of_exit + 2 * strlen(text) + 1);
    if (set == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for conditions");
    }
    enum cvg_status status = parse_each(&p, set);
    if (status != CVG_OK) {
        cvg_conditions_free(set);
        return status;
    }
    char *canonical = (char *)&set->of_exit[n];
    write_text(text, canonical);
    set->text = canonical;
    *out = set;
    return CVG_OK;
}

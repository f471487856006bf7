/* Means over runs, number by number. */
#include "report/mean.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static bool same(const json_t *a, const json_t *b)
{
    const char *of_a = json_string_value(json_object_get(a, "policy"));
    const char *of_b = json_string_value(json_object_get(b, "policy"));
    return of_a != NULL && of_b != NULL && strcmp(of_a, of_b) == 0 &&
           json_equal(json_object_get(a, "load"), json_object_get(b, "load"));
}

struct cvg__group cvg__group_at(const json_t *reports, size_t from)
{
    struct cvg__group group = {.reports = reports, .from = from};
    const json_t *first = json_array_get(reports, from);
    for (size_t i = from; i < json_array_size(reports); i++) {
        if (i > from && !same(first, json_array_get(reports, i))) {
            break;
        }
        group.n++;
    }
    return group;
}

struct sums {
    size_t n;
    bool whole; /* all are integers */
    double sum, squares;
};

static struct sums sums_of(const struct cvg__group *group, const char *a,
                           const char *b)
{
    struct sums s = {.whole = true};
    for (size_t i = 0; i < group->n; i++) {
        const json_t *of = json_array_get(group->reports, group->from + i);
        if (group->list != NULL) {
            of = json_array_get(json_object_get(of, group->list), group->place);
        }
        of = a == NULL ? of : json_object_get(of, a);
        const json_t *value = json_object_get(of, b);
        if (json_is_number(value)) {
            double x = json_number_value(value);
            s.n++;
            s.sum += x;
            s.squares += x * x;
            s.whole = s.whole && json_is_integer(value);
        }
    }
    return s;
}

json_t *cvg__group_mean(const struct cvg__group *group, const char *a,
                        const char *b)
{
    struct sums s = sums_of(group, a, b);
    if (s.n == 0) {
        return json_null();
    }
    double mean = s.sum / (double)s.n;
    return s.whole ? json_integer(llround(mean)) : json_real(mean);
}

/* Quantile 0.975 of Student's t with that many degrees of freedom. */
static double student(size_t freedom)
{
    static const double t[] = {
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
        2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
        2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
    size_t known = sizeof t / sizeof *t;
    /* Beyond, the first terms of its expansion: right to 0.001. */
    return freedom <= known ? t[freedom - 1] : 1.96 + 2.3723 / (double)freedom;
}

double cvg__group_interval(const struct cvg__group *group, const char *a,
                           const char *b)
{
    struct sums s = sums_of(group, a, b);
    if (s.n < 2) {
        return -1;
    }
    double n = (double)s.n;
    double variance = (s.squares - s.sum * s.sum / n) / (n - 1);
    return student(s.n - 1) * sqrt(fmax(variance, 0) / n);
}

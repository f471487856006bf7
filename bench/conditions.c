/* What judging a request at an exit costs: a small condition and the largest.
 *
 * The figures of a request change from one to the next, as they do between
 * requests; what is reported is the least of several rounds.
 *
 *     bench_conditions [--json FILE] [--rounds N] */
#include "bench/result.h"
#include <convergo/condition.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define JUDGED 1000000U /* in a round */

static int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* 16 relations and what joins them: CVG_CONDITION_STEPS, all but one, and a
 * `not` for that. */
static void write_largest(char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "not response_time > 20ms");
    for (unsigned i = 1; i < CVG_CONDITION_STEPS / 2; i++) {
        used += (size_t)snprintf(out + used, size - used, " %s energy < %umJ",
                                 i % 2 == 0 ? "or" : "and", i);
    }
}

/* ns for one. `held` keeps the compiler from leaving it out. */
static double judge(const struct cvg_conditions *set, unsigned *held)
{
    struct cvg_metrics m = {{25e6, 0.8, 0.7, 0.06, 1.5e9, 1}};
    int64_t start = clock_ns();
    for (uint32_t i = 0; i < JUDGED; i++) {
        m.value[CVG_METRIC_RESPONSE_TIME] = (i & 63U) * 1e6;
        m.value[CVG_METRIC_ENERGY] = (i & 15U) * 1e-3;
        *held += cvg_conditions_hold(set, i & 3U, &m);
    }
    return (double)(clock_ns() - start) / JUDGED;
}

static double measure(const char *text, int rounds)
{
    struct cvg_conditions *set = NULL;
    struct cvg_error err = {.text = ""};
    unsigned held = 0;
    double least = INFINITY;
    if (cvg_conditions_parse(text, &set, &err) != CVG_OK) {
        fprintf(stderr, "bench_conditions: %s\n", err.text);
        exit(1);
    }
    for (int i = 0; i < rounds; i++) {
        least = fmin(least, judge(set, &held));
    }
    cvg_conditions_free(set);
    return held > 0 ? least : NAN;
}

int main(int argc, char **argv)
{
    int rounds = atoi(bench_option(argc, argv, "--rounds", "10"));
    char largest[CVG_CONDITION_STEPS * 32];
    write_largest(largest, sizeof largest);
    struct bench_result results[] = {
        {"condition_small_ns", measure("never; response_time > 20ms", rounds),
         "ns", NAN},
        {"condition_largest_ns", measure(largest, rounds), "ns", NAN},
    };
    return bench_write(argc, argv, results, sizeof results / sizeof *results);
}

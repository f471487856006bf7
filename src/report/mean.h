/* What several runs of the same policy and load come to: means over seeds. */
#ifndef CVG_REPORT_MEAN_H
#define CVG_REPORT_MEAN_H

#include <jansson.h>
#include <stddef.h>

struct cvg__group {
    const json_t *reports; /* an array; borrowed */
    size_t from, n;
    /* What is asked for is that of one of "apps" or "devices", by its place
     * there; NULL: the whole run's. */
    const char *list;
    size_t place;
};

/* The reports from `from` on that share its policy and its load; n is 0 past
 * the end. */
struct cvg__group cvg__group_at(const json_t *reports, size_t from);

/* Mean of report[a][b] (a NULL: of report[b]) over those that have a number
 * there: an integer if all are, null if none has. Owned by the caller. */
json_t *cvg__group_mean(const struct cvg__group *group, const char *a,
                        const char *b);

/* Half the width of the 95 % interval of that mean, by Student's t; negative
 * with fewer than two numbers. */
double cvg__group_interval(const struct cvg__group *group, const char *a,
                           const char *b);

#endif

/* The report of a run (DESIGN.md section 6): JSON and a table for terminals. */
#ifndef CVG_REPORT_REPORT_H
#define CVG_REPORT_REPORT_H

#include "base/histogram.h"
#include "base/output.h"
#include <convergo/box.h>
#include <convergo/policy.h>
#include <convergo/stats.h>
#include <jansson.h>
#include <stdio.h>

struct cvg_run {                    /* all borrowed */
    const char *mode;               /* "live", "sim", "replay" */
    const char *policy;             /* the text given */
    const struct cvg_policy *parts; /* NULL: unknown, parts are left null */
    double load;
    uint64_t seed;
    cvg_span duration; /* measured, without the warm-up */
    cvg_span elapsed;  /* the drain included: utilisation is over this */
    const struct cvg_box *box;
    const struct cvg_stats *stats;
    const struct cvg_histogram *decision;     /* ns per step; NULL: none */
    double bound_joint, bound_joint_weighted; /* negative: none */
};

/* One report object; owned by the caller (json_decref). NULL: no memory. */
json_t *cvg_report_json(const struct cvg_run *run);

/* Of a device: its batches, idle power while no batch is held, busy power while
 * a variant is switched or loaded (DESIGN.md section 5). */
double cvg_report_device_energy(const struct cvg_run *run, size_t device);

/* One table per policy and app from a report object or an array of them.
 * Numbers in three or four digits; emulated devices are marked. */
void cvg_report_table(FILE *out, const json_t *reports);

/* Of an array, only what compares the runs: a row for each policy and load,
 * with the means over the seeds that stand side by side. */
void cvg_report_comparison(FILE *out, const json_t *reports);

/* As JSON text. False: no memory, or the stream has failed. */
bool cvg_report_print(FILE *out, const json_t *reports);
/* The same to a file by way of base/output.h; "-" is stdout. */
enum cvg_status cvg_report_write(const char *path, const json_t *reports,
                                 struct cvg_error *err);

#endif

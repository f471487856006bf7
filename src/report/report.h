/* The report of a run (DESIGN.md section 6): JSON, tables for terminals, and a
 * page for browsers. */
#ifndef CVG_REPORT_REPORT_H
#define CVG_REPORT_REPORT_H

#include "base/histogram.h"
#include "base/output.h"
#include "domain/workload.h"
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

/* What a page is made of; all borrowed. */
struct cvg_page {
    const json_t *reports; /* an array, as for cvg_report_comparison() */
    /* Beside each report what the driver knows of its run: an object of any of
     * "warmup_s", "latencies", "shares" and "timeline" (sim_detail.h of the
     * simulator tells their shapes). NULL: nothing is known of any. */
    const json_t *details;
    const struct cvg_box *box;           /* NULL: a box of somebody else */
    const struct cvg_workload *workload; /* NULL: none */
};

/* One HTML file that needs nothing else: the template of web/report/ with the
 * means over seeds, and the details, as its data. False: no memory, or the
 * stream has failed. */
bool cvg_report_page(FILE *out, const struct cvg_page *page);
/* The same to a file, as cvg_report_write(). */
enum cvg_status cvg_report_write_page(const char *path,
                                      const struct cvg_page *page,
                                      struct cvg_error *err);

/* As JSON text. False: no memory, or the stream has failed. */
bool cvg_report_print(FILE *out, const json_t *reports);
/* The same to a file by way of base/output.h; "-" is stdout. */
enum cvg_status cvg_report_write(const char *path, const json_t *reports,
                                 struct cvg_error *err);

#endif

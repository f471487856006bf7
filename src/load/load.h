/* Open-loop load on a live server, judged by what its client saw.
 *
 * Each request is sent at its instant of the workload, whether or not earlier
 * ones have been answered, and its latency counts from that instant: a server
 * that falls behind cannot slow down the clock it is measured by (no
 * coordinated omission). Answers are judged by the rules of DESIGN.md section
 * 5, with the client's own times. */
#ifndef CVG_LOAD_LOAD_H
#define CVG_LOAD_LOAD_H

#include "domain/workload.h"
#include "load/address.h"
#include <convergo/box.h>
#include <jansson.h>
#include <stdio.h>

struct cvg_load_options { /* all borrowed */
    const struct cvg_address *server;
    const struct cvg_box *box; /* its own, or cvg_load_remote_box() */
    bool remote; /* the box is a remote one: accuracies come from replies */
    const struct cvg_workload *workload;
    const char *policy; /* the text given; NULL: what the server says */
    uint64_t seed;
    double load;
    size_t connections;  /* at most */
    cvg_span patience;   /* see cvg_load_run() */
    const char *dataset; /* NULL: that of each family */
    bool labels;         /* tell right answers from wrong ones */
    FILE *progress;      /* a terminal, or NULL */
};

/* Runs the workload to its end, drains, and makes the report: *out is owned by
 * the caller. The drain ends with the last reply, or when nothing has come back
 * for `patience` and the largest deadline together: what is still open then has
 * failed. */
enum cvg_status cvg_load_run(const struct cvg_load_options *options,
                             json_t **out, struct cvg_error *err);

/* What can be known of a running server's box: its apps (GET /v1/apps) and the
 * names of its variants. *out is owned by the caller: cvg_box_destroy(). */
enum cvg_status cvg_load_remote_box(const struct cvg_address *server,
                                    struct cvg_box **out,
                                    struct cvg_error *err);

#endif

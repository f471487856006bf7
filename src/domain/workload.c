/* A workload as a whole. */
#include "domain/workload.h"
#include <convergo/condition.h>

#include <math.h>
#include <stdlib.h>

void cvg_workload_destroy(struct cvg_workload *workload)
{
    if (workload == NULL) {
        return;
    }
    for (size_t i = 0; i < workload->n_streams; i++) {
        free(workload->streams[i].rows);
    }
    free(workload->streams);
    for (size_t i = 0; i < workload->n_events; i++) {
        cvg_conditions_free(workload->events[i].conditions);
    }
    free(workload->events);
    free(workload->path);
    free(workload);
}

cvg_span cvg_workload_duration(const struct cvg_workload *workload, double load)
{
    if (!workload->trace || load == 1) {
        return workload->duration;
    }
    /* One more: the last arrival may be rounded up to the end. */
    return (cvg_span)fmin(ceil((double)workload->duration / load), 0x1p62) + 1;
}

/* Of one stream that is no trace, at load 1. */
static double drawn(const struct cvg_workload *w, const struct cvg_stream *s)
{
    double rate = cvg_stream_rate(s), n = 0;
    cvg_span from = 0;
    for (size_t i = 0; i < w->n_events; i++) {
        const struct cvg_workload_event *e = &w->events[i];
        if (e->type == CVG_WORKLOAD_RATE && e->app == s->app &&
            e->at < w->duration) {
            n += rate * (double)(e->at - from) * 1e-9;
            from = e->at;
            rate = e->rate_rps;
        }
    }
    return n + rate * (double)(w->duration - from) * 1e-9;
}

double cvg_workload_requests(const struct cvg_workload *w, double load)
{
    double n = 0;
    for (size_t i = 0; i < w->n_streams; i++) {
        const struct cvg_stream *s = &w->streams[i];
        n += s->process == CVG_TRACE ? (double)s->n_rows : load * drawn(w, s);
    }
    return n;
}

static cvg_span larger(cvg_span largest, const struct cvg_slo *slo)
{
    return cvg_slo_has(slo, CVG_SLO_DEADLINE) && slo->deadline > largest
               ? slo->deadline
               : largest;
}

cvg_span cvg_workload_largest_deadline(const struct cvg_workload *workload,
                                       const struct cvg_box *box,
                                       cvg_span least)
{
    cvg_span largest = least;
    for (size_t i = 0; i < box->n_apps; i++) {
        largest = larger(largest, &box->apps[i].slo);
    }
    for (size_t i = 0; i < workload->n_events; i++) {
        if (workload->events[i].type == CVG_WORKLOAD_SLO) {
            largest = larger(largest, &workload->events[i].slo);
        }
    }
    for (size_t i = 0; i < workload->n_streams; i++) {
        const struct cvg_stream *s = &workload->streams[i];
        for (size_t k = 0; k < s->n_rows; k++) {
            cvg_span own = s->rows[k].deadline;
            largest = own > largest ? own : largest;
        }
    }
    return largest;
}

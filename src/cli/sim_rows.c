/* Requests to CSV. Names need no quotes: they hold no comma. */
#include "cli/sim_rows.h"

#include <errno.h>
#include <string.h>

void cvg__sim_rows_begin(const struct cvg__sim_rows *rows)
{
    fputs("id,app,arrival_ms,outcome,reason,variant,exit,device,batch,"
          "queued_ms,run_ms,latency_ms,deadline_ms,deadline_met,accuracy,"
          "energy_mj,relaxed\n",
          rows->out);
}

/* Exact: ns with six digits after the point. */
static void put_ms(FILE *out, cvg_span span)
{
    fprintf(out, ",%lld.%06lld", (long long)(span / 1000000),
            (long long)(span % 1000000));
}

static void put_place(const struct cvg__sim_rows *rows,
                      const struct cvg_explanation *why)
{
    if (why->variant == CVG_ANY) {
        fputs(",,,,", rows->out);
        return;
    }
    fprintf(rows->out, ",%s,%u,%s,%u", rows->box->variants[why->variant].name,
            why->exit, rows->box->devices[why->device].name, why->batch_size);
}

static void put_times(FILE *out, const struct cvg_explanation *why)
{
    if (why->outcome != CVG_OUTCOME_SERVED) {
        fputs(",,,", out);
        return;
    }
    put_ms(out, why->started - why->request.arrival);
    put_ms(out, why->finished - why->started);
    put_ms(out, why->finished - why->request.arrival);
}

/* Without a deadline there is none to meet. */
static void put_deadline(FILE *out, const struct cvg_explanation *why)
{
    const struct cvg_request *r = &why->request;
    if (r->deadline == CVG_NEVER) {
        fputs(",,", out);
        return;
    }
    bool met =
        why->outcome == CVG_OUTCOME_SERVED && why->finished <= r->deadline;
    put_ms(out, r->deadline - r->arrival);
    fputs(met ? ",1" : ",0", out);
}

static void put_relaxed(FILE *out, uint32_t relaxed)
{
    const char *between = ",";
    for (int kind = 0; kind < CVG_SLO_KINDS; kind++) {
        if ((relaxed >> kind & 1U) != 0) {
            fprintf(out, "%s%s", between,
                    cvg_slo_kind_name((enum cvg_slo_kind)kind));
            between = "+";
        }
    }
    fputs(relaxed == 0 ? ",\n" : "\n", out);
}

static void put_row(const struct cvg__sim_rows *rows, uint64_t request)
{
    FILE *out = rows->out;
    struct cvg_explanation why;
    if (cvg_engine_explain(rows->engine, request, &why) != CVG_OK) {
        return; /* never so: it has ended just now */
    }
    fprintf(out, "%llu,%s", (unsigned long long)request,
            rows->box->apps[why.request.app].name);
    put_ms(out, why.request.arrival);
    fprintf(out, ",%s,%s", cvg_outcome_name(why.outcome),
            why.reason == CVG_REASON_NONE ? "" : cvg_reason_name(why.reason));
    put_place(rows, &why);
    put_times(out, &why);
    put_deadline(out, &why);
    if (why.outcome == CVG_OUTCOME_SERVED) {
        fprintf(out, ",%.6g,%.6g", why.accuracy, 1e3 * why.energy_j);
    } else {
        fputs(",,", out);
    }
    put_relaxed(out, why.request.relaxed);
}

void cvg__sim_rows_watch(void *context, const struct cvg_event *event,
                         const struct cvg_actions *actions)
{
    const struct cvg__sim_rows *rows = context;
    (void)event;
    for (size_t i = 0; i < actions->n; i++) {
        const struct cvg_action *a = &actions->items[i];
        if (a->type == CVG_ACT_REPLY) {
            put_row(rows, a->reply.request);
        } else if (a->type == CVG_ACT_DROP) {
            put_row(rows, a->drop.request);
        }
    }
}

enum cvg_status cvg__sim_rows_end(const struct cvg__sim_rows *rows,
                                  struct cvg_error *err)
{
    if (fflush(rows->out) != 0 || ferror(rows->out) != 0) {
        return cvg_fail(err, CVG_IO, "the rows of requests: %s",
                        strerror(errno));
    }
    return CVG_OK;
}

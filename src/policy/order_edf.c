/* Earliest deadline first, and two that replace only the choice of the way.
 *
 * EDF is optimal for one preemptive device (Liu and Layland, JACM 20(1),
 * 1973); our batches run to completion, so here it is a baseline. */
#include "policy/parts.h"

static int64_t edf_key(void *state, const struct cvg_view *view,
                       const struct cvg_request *request)
{
    (void)state;
    (void)view;
    return request->deadline;
}

const struct cvg_order_ops cvg_order_edf = {
    .name = "edf", .drops = true, .key = edf_key};

/* The most accurate variant that is in time. */
static bool more_accurate(const struct cvg_view *view,
                          const struct cvg_request *request,
                          const struct cvg_way *a, const struct cvg_way *b)
{
    (void)view;
    (void)request;
    return a->accuracy != b->accuracy ? a->accuracy > b->accuracy
                                      : a->finish < b->finish;
}

const struct cvg_order_ops cvg_order_accuracy_first = {.name = "accuracy-first",
                                                       .drops = true,
                                                       .key = edf_key,
                                                       .prefer = more_accurate};

/* The variant that takes the least device time for a request. */
static bool faster(const struct cvg_view *view,
                   const struct cvg_request *request, const struct cvg_way *a,
                   const struct cvg_way *b)
{
    (void)view;
    (void)request;
    cvg_span each_a = a->service / a->n;
    cvg_span each_b = b->service / b->n;
    return each_a != each_b ? each_a < each_b : a->finish < b->finish;
}

const struct cvg_order_ops cvg_order_throughput_first = {.name =
                                                             "throughput-first",
                                                         .drops = true,
                                                         .key = edf_key,
                                                         .prefer = faster};

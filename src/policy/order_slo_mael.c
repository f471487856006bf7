/* SLO-MAEL: SLO-aware minimum average expected latency (Seo et al., ACM TACO
 * 18(4), 2021).
 *
 * Requests in the order of their arrival. A device is worth 1 / (T + T x
 * batches before it) while that expected latency is within what is left of the
 * SLO, and -expected / left otherwise. Among those that keep the SLO the one
 * that needs the least energy for the request is taken: to keep the SLO while
 * reducing energy is the paper's aim. */
#include "policy/parts.h"

static int64_t arrival_key(void *state, const struct cvg_view *view,
                           const struct cvg_request *request)
{
    (void)state;
    (void)view;
    return request->arrival;
}

static double worth(const struct cvg_view *view,
                    const struct cvg_request *request,
                    const struct cvg_way *way)
{
    double expected = (double)way->service * (1.0 + way->queued);
    if (cvg_request_due(request) == CVG_NEVER) {
        return 1 / expected;
    }
    double budget = (double)(request->deadline - view->now);
    return expected <= budget ? 1 / expected : -expected / budget;
}

static bool worth_more(const struct cvg_view *view,
                       const struct cvg_request *request,
                       const struct cvg_way *a, const struct cvg_way *b)
{
    double worth_a = worth(view, request, a);
    double worth_b = worth(view, request, b);
    bool both_keep_it = worth_a > 0 && worth_b > 0;
    if (both_keep_it && a->energy_j != b->energy_j) {
        return a->energy_j < b->energy_j;
    }
    return worth_a > worth_b;
}

const struct cvg_order_ops cvg_order_slo_mael = {.name = "slo-mael",
                                                 .drops = true,
                                                 .key = arrival_key,
                                                 .prefer = worth_more};

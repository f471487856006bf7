/* What devices hold at the start, by a plan for all apps at the rates that they
 * are guaranteed. */
#include "policy/residency.h"

#include "policy/parts.h"

#include <stdlib.h>
#include <string.h>

/* What a plan holds without using it comes before what it does not hold. */
#define HELD_RPS 1e-6

/* The throughput that an app is guaranteed; the others come as often as these
 * do on average. */
static void guaranteed_rates(const struct cvg_box *box, double *rates_rps)
{
    double sum = 0;
    uint32_t n = 0;
    for (size_t a = 0; a < box->n_apps; a++) {
        const struct cvg_slo *slo = &box->apps[a].slo;
        if (cvg_slo_has(slo, CVG_SLO_THROUGHPUT)) {
            sum += slo->throughput_rps;
            n++;
        }
    }
    for (size_t a = 0; a < box->n_apps; a++) {
        const struct cvg_slo *slo = &box->apps[a].slo;
        rates_rps[a] = cvg_slo_has(slo, CVG_SLO_THROUGHPUT)
                           ? slo->throughput_rps
                       : n > 0 ? sum / n
                               : 1;
    }
}

/* Ranks first what is busy, the busiest first, then the rest in the order that
 * `want` has. */
static void rank(const double *busy, uint32_t *want, size_t n_variants)
{
    uint32_t last = 0;
    uint32_t ranked[CVG_MAX_VARIANTS] = {0};
    for (;;) {
        size_t best = n_variants;
        for (size_t v = 0; v < n_variants; v++) {
            if (want[v] == 0 || ranked[v] != 0) {
                continue;
            }
            if (best == n_variants || busy[v] > busy[best] ||
                (busy[v] == busy[best] && want[v] < want[best])) {
                best = v;
            }
        }
        if (best == n_variants) {
            break;
        }
        ranked[best] = ++last;
    }
    memcpy(want, ranked, n_variants * sizeof *want);
}

/* busy[device * n_variants + variant]: share of the device's time. */
static enum cvg_status plan_for_guaranteed(cvg__solve *solve,
                                           const struct cvg_view *view,
                                           double *busy, struct cvg_error *err)
{
    const struct cvg_box *box = view->box;
    struct cvg_question *question = calloc(1, sizeof *question);
    struct cvg_plan *plan = calloc(1, sizeof *plan);
    enum cvg_status status = CVG_NOMEM;
    if (question == NULL || plan == NULL) {
        cvg_fail(err, CVG_NOMEM, "out of memory for a plan");
        goto out;
    }
    guaranteed_rates(box, question->rates_rps);
    for (size_t a = 0; a < box->n_apps; a++) {
        question->slos[a] = view->apps[a].slo;
    }
    for (size_t d = 0; d < box->n_devices; d++) {
        question->slowdown[d] = 1;
    }
    for (size_t v = 0; v < box->n_variants; v++) {
        question->enabled[v] = true;
    }
    status = solve(box, question, plan, err);
    for (uint32_t i = 0; status == CVG_OK && i < plan->n_flows; i++) {
        const struct cvg_flow *f = &plan->flows[i];
        busy[f->device * box->n_variants + f->variant] +=
            (f->rate_rps + HELD_RPS) / f->batch *
            (double)cvg_profile_time(box->profile, f->variant, 0, f->exit,
                                     f->device, f->batch, CVG_MEAN);
    }
out:
    free(question);
    free(plan);
    return status;
}

size_t cvg__residency_size(const struct cvg_box *box)
{
    return box->n_devices * box->n_variants * sizeof(double);
}

enum cvg_status cvg__residency_by(cvg__solve *solve, double *busy,
                                  const struct cvg_view *view, uint32_t *want,
                                  struct cvg_error *err)
{
    const struct cvg_box *box = view->box;
    cvg_allocation_none.residency(NULL, view, want, NULL);
    enum cvg_status status = plan_for_guaranteed(solve, view, busy, err);
    if (status != CVG_OK) {
        /* Not solved: all that fits, then. */
        return status == CVG_LIMIT ? CVG_OK : status;
    }
    for (size_t d = 0; d < box->n_devices; d++) {
        size_t first = d * box->n_variants;
        rank(&busy[first], &want[first], box->n_variants);
    }
    return CVG_OK;
}

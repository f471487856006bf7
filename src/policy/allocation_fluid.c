/* The fluid program as allocation: plans are its solutions for the demand of
 * the moment, with its prices; what devices hold at the start is what they
 * would be busy with if all apps came at the rates that they are guaranteed,
 * as high as the box can take.
 *
 * Variants that such a load does not need come after, as without allocation:
 * memory that is left over costs nothing. */
#include "policy/parts.h"

#include "optimize/hold.h"
#include <string.h>

static enum cvg_status solve(const struct cvg_box *box,
                             const struct cvg_question *question,
                             struct cvg_fluid *plan, struct cvg_error *err)
{
    struct cvg_app apps[CVG_MAX_APPS];
    memcpy(apps, box->apps, box->n_apps * sizeof *apps);
    for (size_t a = 0; a < box->n_apps; a++) {
        apps[a].slo = question->slos[a];
    }
    struct cvg_fluid_demand demand = {
        .box = box,
        .apps = apps,
        .rates_rps = question->rates_rps,
        .slowdown = question->slowdown,
        .enabled = question->enabled,
        .weighted = true,
    };
    return cvg_fluid_solve(&demand, plan, err);
}

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

static size_t state_size(const struct cvg_box *box)
{
    return box->n_devices * box->n_variants * sizeof(double);
}

static void residency(void *state, const struct cvg_view *view, uint32_t *want)
{
    const struct cvg_box *box = view->box;
    double *busy = state;
    double rates_rps[CVG_MAX_APPS];
    cvg_allocation_none.residency(NULL, view, want);
    guaranteed_rates(box, rates_rps);
    struct cvg_fluid_demand demand = {.box = box, .rates_rps = rates_rps};
    if (cvg_hold(&demand, busy, NULL) != CVG_OK) {
        return; /* all that fits, then */
    }
    for (size_t d = 0; d < box->n_devices; d++) {
        size_t first = d * box->n_variants;
        rank(&busy[first], &want[first], box->n_variants);
    }
}

const struct cvg_allocation_ops cvg_allocation_fluid = {
    .name = "fluid",
    .state_size = state_size,
    .residency = residency,
    .solve = solve,
};

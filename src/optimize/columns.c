/* Ways to run an app's requests on a device, without those that no best
 * solution needs. */
#include "optimize/columns.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As the engine and the ledger compare. */
#define ACCURACY_SLACK 1e-12
#define ENERGY_SLACK 1e-12

#define CERTAIN (0.99 - 1e-9) /* a limit at the p99 itself is one */

void cvg__columns_fini(struct cvg__columns *columns)
{
    free(columns->items);
    *columns = (struct cvg__columns){0};
}

static bool append(struct cvg__columns *columns, const struct cvg__column *c)
{
    if (columns->n == columns->max) {
        size_t max = columns->max == 0 ? 256 : 2 * columns->max;
        struct cvg__column *items =
            realloc(columns->items, max * sizeof *items);
        if (items == NULL) {
            return false;
        }
        columns->items = items;
        columns->max = max;
    }
    columns->items[columns->n++] = *c;
    return true;
}

/* --- what a way earns ----------------------------------------------------- */

static double chance_in_time(const struct cvg__wish *wish,
                             const struct cvg__column *c, double slowdown)
{
    double limit = wish->latest_ns / slowdown;
    if (limit >= (double)CVG_S(1000000)) {
        return 1;
    }
    /* Up to the next whole ns, but for what the division has left over. */
    double chance =
        cvg_profile_within(wish->box->profile, c->variant, 0, c->exit,
                           c->device, c->batch, (cvg_span)ceil(limit - 1e-3));
    if (wish->certain) {
        return chance >= CERTAIN ? 1 : 0;
    }
    return chance;
}

/* Does it keep the bound of energy? One that does not may still raise a mean.
 */
static bool is_frugal(const struct cvg__wish *wish, const struct cvg__column *c)
{
    if (!cvg_slo_has(&wish->slo, CVG_SLO_ENERGY)) {
        return true;
    }
    double energy_j = cvg_profile_energy(wish->box->profile, c->variant, 0,
                                         c->exit, c->device, c->batch);
    return energy_j <= wish->slo.energy_j * c->batch * (1 + ENERGY_SLACK);
}

/* False: it is of no use. */
static bool assess(const struct cvg__wish *wish, double slowdown, bool frugal,
                   struct cvg__column *c)
{
    const struct cvg_profile *p = wish->box->profile;
    const struct cvg_slo *slo = &wish->slo;
    double accuracy = wish->box->variants[c->variant].accuracy[c->exit];
    bool of_mean = cvg__wish_of_mean(wish);
    if (cvg_slo_has(slo, CVG_SLO_ACCURACY) && !of_mean &&
        accuracy < slo->accuracy - ACCURACY_SLACK) {
        return false;
    }
    double chance = chance_in_time(wish, c, slowdown);
    c->value = frugal ? chance : 0;
    c->gain = of_mean ? chance * (accuracy - slo->accuracy) : 0;
    c->time_s = (double)cvg_profile_time(p, c->variant, 0, c->exit, c->device,
                                         c->batch, CVG_MEAN) *
                1e-9 / c->batch;
    return c->value > 0 || c->gain > 0;
}

/* --- the frontier --------------------------------------------------------- */

static int compare_ids(const struct cvg__column *a, const struct cvg__column *b)
{
    const uint32_t x[] = {a->variant, a->exit, a->batch};
    const uint32_t y[] = {b->variant, b->exit, b->batch};
    for (int i = 0; i < 3; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}

static double earning(const struct cvg__column *c)
{
    return c->value > 0 ? c->value : c->gain;
}

static int by_time(const void *x, const void *y)
{
    const struct cvg__column *a = x;
    const struct cvg__column *b = y;
    if (a->time_s != b->time_s) {
        return a->time_s < b->time_s ? -1 : 1;
    }
    if (earning(a) != earning(b)) {
        return earning(a) > earning(b) ? -1 : 1;
    }
    return compare_ids(a, b);
}

/* Is `b` on or below the line from `a` (NULL: the origin) to `c`? */
static bool below(const struct cvg__column *a, const struct cvg__column *b,
                  const struct cvg__column *c)
{
    double time = a == NULL ? 0 : a->time_s;
    double earned = a == NULL ? 0 : earning(a);
    return (earning(b) - earned) * (c->time_s - time) <=
           (earning(c) - earned) * (b->time_s - time);
}

/* Sorts items[from..n) and leaves the corners of their concave frontier. */
static void keep_frontier(struct cvg__columns *columns, size_t from)
{
    struct cvg__column *items = columns->items + from;
    size_t n = columns->n - from, kept = 0;
    if (n > 1) {
        qsort(items, n, sizeof *items, by_time);
    }
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && earning(&items[i]) <= earning(&items[kept - 1])) {
            continue;
        }
        while (kept > 0 && below(kept > 1 ? &items[kept - 2] : NULL,
                                 &items[kept - 1], &items[i])) {
            kept--;
        }
        items[kept++] = items[i];
    }
    columns->n = from + kept;
}

static bool no_better(const struct cvg__column *a, const struct cvg__column *b)
{
    return a->time_s >= b->time_s && a->value <= b->value && a->gain <= b->gain;
}

/* Of several frontiers: what another column beats in all three. */
static void drop_beaten(struct cvg__columns *columns, size_t from)
{
    struct cvg__column *items = columns->items + from;
    size_t n = columns->n - from, kept = 0;
    for (size_t i = 0; i < n; i++) {
        bool beaten = false;
        for (size_t k = 0; k < n && !beaten; k++) {
            if (k >= kept && k <= i) {
                continue; /* itself, and those that are gone */
            }
            /* Of equals the first stays. */
            beaten = no_better(&items[i], &items[k]) &&
                     (k < i || !no_better(&items[k], &items[i]));
        }
        if (!beaten) {
            items[kept++] = items[i];
        }
    }
    columns->n = from + kept;
}

static bool fills(const struct cvg__wish *wish, double slowdown,
                  const struct cvg__column *c)
{
    double wait_s = wish->fills_ns * 1e-9 - c->time_s * c->batch * slowdown;
    return wish->fills_rps == 0 || c->batch <= 1 + wish->fills_rps * wait_s;
}

/* --- all of a device ------------------------------------------------------ */

static bool add_batches(struct cvg__columns *columns,
                        const struct cvg__wish *wish, double slowdown,
                        bool frugal, struct cvg__column c)
{
    const struct cvg_profile *p = wish->box->profile;
    uint32_t min = cvg_profile_min_batch(p, c.variant, 0, c.exit, c.device);
    uint32_t max = cvg_profile_max_batch(p, c.variant, 0, c.exit, c.device);
    for (c.batch = min; min > 0 && c.batch <= max; c.batch++) {
        if (is_frugal(wish, &c) == frugal &&
            assess(wish, slowdown, frugal, &c) &&
            (c.batch == min || fills(wish, slowdown, &c)) &&
            !append(columns, &c)) {
            return false;
        }
    }
    return true;
}

/* Of one exit gain and value are in proportion, so one frontier is right for
 * both; those of different exits can be mixed for the sake of the mean. */
static bool add_exit_of_mean(struct cvg__columns *columns,
                             const struct cvg__wish *wish, double slowdown,
                             const struct cvg__column *c)
{
    for (int frugal = 1; frugal >= 0; frugal--) {
        size_t from = columns->n;
        if (!add_batches(columns, wish, slowdown, frugal != 0, *c)) {
            return false;
        }
        keep_frontier(columns, from);
    }
    return true;
}

bool cvg__columns_add(struct cvg__columns *columns,
                      const struct cvg__wish *wish, uint32_t device,
                      double slowdown)
{
    const struct cvg_family *family = &wish->box->families[wish->family];
    bool of_mean = cvg__wish_of_mean(wish);
    size_t from = columns->n;
    assert(slowdown > 0);
    if (slowdown == INFINITY) {
        return true; /* it is down */
    }
    for (size_t i = 0; i < family->n_variants; i++) {
        struct cvg__column c = {
            .app = wish->app, .variant = family->variants[i], .device = device};
        if ((wish->enabled != NULL && !wish->enabled[c.variant]) ||
            !cvg_box_can_run(wish->box, device, c.variant)) {
            continue;
        }
        uint32_t n_exits = wish->box->variants[c.variant].n_exits;
        for (c.exit = 0; c.exit < n_exits; c.exit++) {
            if (!(of_mean ? add_exit_of_mean(columns, wish, slowdown, &c)
                          : add_batches(columns, wish, slowdown, true, c))) {
                return false;
            }
        }
    }
    if (of_mean) {
        drop_beaten(columns, from);
    } else {
        keep_frontier(columns, from);
    }
    return true;
}

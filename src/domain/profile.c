/* The profile: measured points in, dense tables by batch size out.
 *
 * A table per (variant, exit, device), indexed by batch: a query is one load,
 * whatever was measured. */
#include <convergo/box.h>
#include <convergo/profile.h>

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct figures {
    cvg_span time[4]; /* by enum cvg_quantile */
    double energy_j;
};

struct cell {
    struct cvg_profile_point *points; /* until finish: as given */
    uint32_t n_points;
    uint32_t min, max;     /* batches that can run; 0: none */
    struct figures *table; /* [batch - min] */
};

struct pair {             /* (variant, device) */
    cvg_span switch_time; /* negative: not given */
    cvg_span load_time;
};

struct cvg_profile {
    size_t n_variants, n_devices;
    struct cell *cells; /* [variant][exit][device] */
    struct pair *pairs; /* [variant][device] */
};

enum cvg_status cvg_profile_create(size_t n_variants, size_t n_devices,
                                   struct cvg_profile **out,
                                   struct cvg_error *err)
{
    struct cvg_profile *p = calloc(1, sizeof *p);
    size_t pairs = n_variants * n_devices;
    if (p != NULL) {
        p->n_variants = n_variants;
        p->n_devices = n_devices;
        p->cells = calloc(pairs * CVG_MAX_EXITS + 1, sizeof *p->cells);
        p->pairs = calloc(pairs + 1, sizeof *p->pairs);
    }
    if (p == NULL || p->cells == NULL || p->pairs == NULL) {
        cvg_profile_destroy(p);
        return cvg_fail(err, CVG_NOMEM, "out of memory for a profile");
    }
    for (size_t i = 0; i < pairs; i++) {
        p->pairs[i].switch_time = -1;
    }
    *out = p;
    return CVG_OK;
}

void cvg_profile_destroy(struct cvg_profile *p)
{
    if (p == NULL) {
        return;
    }
    size_t n = p->n_variants * p->n_devices * CVG_MAX_EXITS;
    for (size_t i = 0; p->cells != NULL && i < n; i++) {
        free(p->cells[i].points);
        free(p->cells[i].table);
    }
    free(p->cells);
    free(p->pairs);
    free(p);
}

static struct cell *cell_at(const struct cvg_profile *p, uint32_t variant,
                            uint32_t exit, uint32_t device)
{
    assert(variant < p->n_variants && device < p->n_devices &&
           exit < CVG_MAX_EXITS);
    return &p->cells[((size_t)variant * CVG_MAX_EXITS + exit) * p->n_devices +
                     device];
}

static struct pair *pair_at(const struct cvg_profile *p, uint32_t variant,
                            uint32_t device)
{
    assert(variant < p->n_variants && device < p->n_devices);
    return &p->pairs[(size_t)variant * p->n_devices + device];
}

enum cvg_status cvg_profile_add(struct cvg_profile *p, uint32_t variant,
                                uint32_t exit, uint32_t device,
                                const struct cvg_profile_point *point,
                                struct cvg_error *err)
{
    struct cell *c = cell_at(p, variant, exit, device);
    if (point->batch < 1 || point->batch > CVG_MAX_BATCH) {
        return cvg_fail(err, CVG_INVALID, "batch %u is not in 1..%u",
                        point->batch, CVG_MAX_BATCH);
    }
    for (uint32_t i = 0; i < c->n_points; i++) {
        if (c->points[i].batch == point->batch) {
            return cvg_fail(err, CVG_INVALID, "batch %u is there already",
                            point->batch);
        }
    }
    struct cvg_profile_point *points =
        realloc(c->points, (c->n_points + 1) * sizeof *points);
    if (points == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for a profile");
    }
    c->points = points;
    points[c->n_points++] = *point;
    return CVG_OK;
}

void cvg_profile_set_switch(struct cvg_profile *p, uint32_t variant,
                            uint32_t device, cvg_span time)
{
    pair_at(p, variant, device)->switch_time = time;
}

void cvg_profile_set_load(struct cvg_profile *p, uint32_t variant,
                          uint32_t device, cvg_span time)
{
    pair_at(p, variant, device)->load_time = time;
}

cvg_span cvg_profile_switch(const struct cvg_profile *p, uint32_t variant,
                            uint32_t device)
{
    return pair_at(p, variant, device)->switch_time;
}

cvg_span cvg_profile_load(const struct cvg_profile *p, uint32_t variant,
                          uint32_t device)
{
    return pair_at(p, variant, device)->load_time;
}

static int by_batch(const void *a, const void *b)
{
    const struct cvg_profile_point *x = a;
    const struct cvg_profile_point *y = b;
    return (x->batch > y->batch) - (x->batch < y->batch);
}

static cvg_span between(cvg_span a, cvg_span b, double share)
{
    return a + (cvg_span)llround((double)(b - a) * share);
}

static struct figures interpolate(const struct cvg_profile_point *a,
                                  const struct cvg_profile_point *b,
                                  uint32_t batch)
{
    double share =
        a == b ? 0 : (double)(batch - a->batch) / (double)(b->batch - a->batch);
    return (struct figures){
        .time = {between(a->mean, b->mean, share),
                 between(a->p50, b->p50, share), between(a->p95, b->p95, share),
                 between(a->p99, b->p99, share)},
        .energy_j = a->energy_j + (b->energy_j - a->energy_j) * share,
    };
}

static bool finish_cell(struct cell *c)
{
    if (c->n_points == 0 || c->table != NULL) {
        return true;
    }
    qsort(c->points, c->n_points, sizeof *c->points, by_batch);
    c->min = c->points[0].batch;
    c->max = c->points[c->n_points - 1].batch;
    c->table = calloc(c->max - c->min + 1, sizeof *c->table);
    if (c->table == NULL) {
        return false;
    }
    uint32_t k = 0;
    for (uint32_t batch = c->min; batch <= c->max; batch++) {
        while (k + 1 < c->n_points && c->points[k + 1].batch <= batch) {
            k++;
        }
        uint32_t next = k + 1 < c->n_points ? k + 1 : k;
        c->table[batch - c->min] =
            interpolate(&c->points[k], &c->points[next], batch);
    }
    return true;
}

enum cvg_status cvg_profile_finish(struct cvg_profile *p, struct cvg_error *err)
{
    size_t n = p->n_variants * p->n_devices * CVG_MAX_EXITS;
    for (size_t i = 0; i < n; i++) {
        if (!finish_cell(&p->cells[i])) {
            return cvg_fail(err, CVG_NOMEM, "out of memory for a profile");
        }
    }
    return CVG_OK;
}

struct range {
    uint32_t min, max; /* 0, 0: none */
};

/* The batches that every one of the stages can run. */
static struct range common_range(const struct cvg_profile *p, uint32_t variant,
                                 uint32_t first, uint32_t last, uint32_t device)
{
    struct range r = {0, UINT32_MAX};
    for (uint32_t e = first; e <= last; e++) {
        const struct cell *c = cell_at(p, variant, e, device);
        r.min = c->min > r.min ? c->min : r.min;
        r.max = c->max < r.max ? c->max : r.max;
    }
    return r.min <= r.max && r.max > 0 ? r : (struct range){0, 0};
}

uint32_t cvg_profile_min_batch(const struct cvg_profile *p, uint32_t variant,
                               uint32_t first, uint32_t last, uint32_t device)
{
    return common_range(p, variant, first, last, device).min;
}

uint32_t cvg_profile_max_batch(const struct cvg_profile *p, uint32_t variant,
                               uint32_t first, uint32_t last, uint32_t device)
{
    return common_range(p, variant, first, last, device).max;
}

static const struct figures *figures_at(const struct cvg_profile *p,
                                        uint32_t variant, uint32_t exit,
                                        uint32_t device, uint32_t batch)
{
    const struct cell *c = cell_at(p, variant, exit, device);
    assert(c->min != 0 && batch >= c->min && batch <= c->max);
    return &c->table[batch - c->min];
}

cvg_span cvg_profile_time(const struct cvg_profile *p, uint32_t variant,
                          uint32_t first, uint32_t last, uint32_t device,
                          uint32_t batch, enum cvg_quantile quantile)
{
    cvg_span sum = 0;
    for (uint32_t e = first; e <= last; e++) {
        sum += figures_at(p, variant, e, device, batch)->time[quantile];
    }
    return sum;
}

double cvg_profile_energy(const struct cvg_profile *p, uint32_t variant,
                          uint32_t first, uint32_t last, uint32_t device,
                          uint32_t batch)
{
    double sum = 0;
    for (uint32_t e = first; e <= last; e++) {
        sum += figures_at(p, variant, e, device, batch)->energy_j;
    }
    return sum;
}

/* Linear through (0, low), (0.5, p50), (0.95, p95), (0.99, p99), (1, high):
 * five knots, of which the ends are free. The area under it is the mean:
 *
 *   mean = 0.25 (low + p50) + 0.225 (p50 + p95) + 0.02 (p95 + p99)
 *          + 0.005 (p99 + high)
 *
 * The tail goes on as steeply as between p95 and p99 (high = 2 p99 - p95, but
 * not above 2 p99), and `low` takes up what is left. Where that would put it
 * above p50 or below a third of it, it stays there and `high` takes the rest,
 * never below p99; percentiles that no such curve joins with the mean keep the
 * percentiles. Percentiles that are all equal: the mean, always. */
#define KNOTS 5
static const double knot_at[KNOTS] = {0, 0.5, 0.95, 0.99, 1};

static void find_knots(const struct figures *f, double value[KNOTS])
{
    double mean = (double)f->time[CVG_MEAN], p50 = (double)f->time[CVG_P50];
    double p95 = (double)f->time[CVG_P95], p99 = (double)f->time[CVG_P99];
    double body = 0.225 * (p50 + p95) + 0.02 * (p95 + p99);
    double high = fmin(2 * p99 - p95, 2 * p99);
    double low = (mean - body - 0.005 * (p99 + high)) / 0.25 - p50;
    if (low > p50 || low < p50 / 3) {
        low = low > p50 ? p50 : p50 / 3;
        high = (mean - body - 0.25 * (low + p50)) / 0.005 - p99;
        high = fmax(high, p99);
    }
    bool fixed = f->time[CVG_P50] == f->time[CVG_P99];
    const double free[KNOTS] = {low, p50, p95, p99, high};
    for (int k = 0; k < KNOTS; k++) {
        value[k] = fixed ? mean : free[k];
    }
}

cvg_span cvg_profile_draw(const struct cvg_profile *p, uint32_t variant,
                          uint32_t exit, uint32_t device, uint32_t batch,
                          double u)
{
    double value[KNOTS];
    find_knots(figures_at(p, variant, exit, device, batch), value);
    int k = 0;
    while (k < KNOTS - 2 && u >= knot_at[k + 1]) {
        k++;
    }
    double share = (u - knot_at[k]) / (knot_at[k + 1] - knot_at[k]);
    return (cvg_span)llround(value[k] + (value[k + 1] - value[k]) * share);
}

/* The inverse of the quantile function, to `limit` of time. */
static double share_below(const double value[KNOTS], double limit)
{
    if (limit < value[0]) {
        return 0;
    }
    int k = 0;
    while (k < KNOTS - 1 && limit >= value[k + 1]) {
        k++;
    }
    if (k == KNOTS - 1) {
        return 1;
    }
    double share = (limit - value[k]) / (value[k + 1] - value[k]);
    return knot_at[k] + share * (knot_at[k + 1] - knot_at[k]);
}

/* Sums of stages that may or may not be in time: their distributions on a grid
 * of so many steps up to the limit, each time rounded down to it. */
#define STEPS 100

static void add_stage(double below[STEPS + 1], const double value[KNOTS],
                      double step)
{
    double mass[STEPS + 1], sum[STEPS + 1];
    double so_far = 0;
    for (int i = 0; i <= STEPS; i++) {
        double upto = share_below(value, step * (i + 1) - 0.5);
        mass[i] = upto - so_far;
        so_far = upto;
    }
    for (int i = 0; i <= STEPS; i++) {
        sum[i] = 0;
        for (int k = 0; k <= i; k++) {
            sum[i] += mass[k] * below[i - k];
        }
    }
    memcpy(below, sum, sizeof sum);
}

double cvg_profile_within(const struct cvg_profile *p, uint32_t variant,
                          uint32_t first, uint32_t last, uint32_t device,
                          uint32_t batch, cvg_span limit)
{
    double lowest = 0, highest = 0;
    double value[KNOTS] = {0};
    for (uint32_t e = first; e <= last; e++) {
        find_knots(figures_at(p, variant, e, device, batch), value);
        lowest += value[0];
        highest += value[KNOTS - 1];
    }
    /* Times are drawn in whole ns, to the nearest. */
    double upto = (double)limit + 0.5;
    if (lowest > upto || highest <= upto) {
        return lowest > upto ? 0 : 1;
    }
    if (first == last) {
        return share_below(value, upto);
    }
    double below[STEPS + 1];
    for (int i = 0; i <= STEPS; i++) {
        below[i] = 1;
    }
    for (uint32_t e = first; e <= last; e++) {
        find_knots(figures_at(p, variant, e, device, batch), value);
        add_stage(below, value, (double)limit / STEPS);
    }
    return below[STEPS];
}

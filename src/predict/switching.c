/* Chances of a switch, and the wait where successive switches depend on each
 * other.
 *
 * Let w_k(t) = E[exp(-t W); the batch before was of variant k], W the wait of a
 * batch, L the rate, p_k the shares, f_k and g_k the transforms of the time and
 * of the switch of k. A batch of variant k pays the switch unless k came
 * before it, and the next one finds what is left of wait and service after an
 * exponential gap, so that (Lindley)
 *
 *     w_k (L - t) = L p_k f_k (w_k + g_k (w - w_k)) - t c_k,   w = sum of w_k,
 *
 * with c_k the chance that the next one finds the unit idle after a k. With
 * D_k = L - t - L p_k f_k (1 - g_k) and G_k = L p_k f_k g_k:
 *
 *     w (1 - sum G_k / D_k) = -t sum c_k / D_k.
 *
 * D_k has a zero t_k in (0, L]. Between two neighbouring ones the bracket on
 * the left has a zero, where the sum on the right must vanish, too; with
 * w(0) = 1 these are n equations for c_1..c_n. The mean wait is -w'(0). */
#include "predict/switching.h"

#include <math.h>

#define N CVG__MAX_MODELS
#define HALVINGS 100
#define SAME_POLE 1e-7 /* of L */

/* --- chances -------------------------------------------------------------- */

struct recent { /* the variants that were used last, in some order */
    double chance;
    double room; /* what they leave of the cache */
    double rest; /* the share of all others */
    unsigned used;
};

static void visit(const struct cvg__model *models, size_t n,
                  struct recent before, double in_cache[N])
{
    for (size_t i = 0; i < n; i++) {
        if ((before.used >> i & 1U) != 0 || before.rest <= 0 ||
            models[i].need > before.room + 1e-12) {
            continue;
        }
        struct recent now = {
            .chance = before.chance * models[i].share / before.rest,
            .room = before.room - models[i].need,
            .rest = before.rest - models[i].share,
            .used = before.used | 1U << i,
        };
        in_cache[i] += now.chance;
        visit(models, n, now, in_cache);
    }
}

void cvg__switch_chances(struct cvg__model *models, size_t n)
{
    double in_cache[N] = {0};
    double all = 0;
    for (size_t i = 0; i < n; i++) {
        all += models[i].need;
    }
    if (all > 1 + 1e-12 && n <= N) {
        struct recent none = {.chance = 1, .room = 1, .rest = 1};
        visit(models, n, none, in_cache);
    }
    for (size_t i = 0; i < n; i++) {
        double chance = all <= 1 + 1e-12 ? 0
                        : n <= N         ? 1 - in_cache[i]
                                         : 1 - models[i].share;
        models[i].switch_chance = fmin(fmax(chance, 0), 1);
    }
}

bool cvg__holds_one(const struct cvg__model *models, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1; k < n; k++) {
            if (models[i].need + models[k].need <= 1 + 1e-12) {
                return false;
            }
        }
    }
    return true;
}

/* --- the wait ------------------------------------------------------------- */

struct queue {
    const struct cvg__model *models;
    size_t n;
    double rate; /* L */
    double pole[N];
    size_t order[N]; /* of the poles, from the least */
};

static double transform(const struct queue *q, size_t k, double t)
{
    const struct cvg__model *m = &q->models[k];
    return q->rate * m->share * m->transform(m->context, k, t);
}

static double d_of(const struct queue *q, size_t k, double t)
{
    return q->rate - t + transform(q, k, t) * expm1(-t * q->models[k].switch_s);
}

static double g_of(const struct queue *q, size_t k, double t)
{
    return transform(q, k, t) * exp(-t * q->models[k].switch_s);
}

static double find_pole(const struct queue *q, size_t k)
{
    double low = 0, high = q->rate;
    for (int i = 0; i < HALVINGS; i++) {
        double t = (low + high) / 2;
        *(d_of(q, k, t) > 0 ? &low : &high) = t;
    }
    return (low + high) / 2;
}

static void find_poles(struct queue *q)
{
    for (size_t k = 0; k < q->n; k++) {
        q->pole[k] = find_pole(q, k);
        size_t at = k;
        for (; at > 0 && q->pole[q->order[at - 1]] > q->pole[k]; at--) {
            q->order[at] = q->order[at - 1];
        }
        q->order[at] = k;
    }
}

/* Where 1 = sum G / D between two poles: it grows from minus to plus infinity.
 */
static double find_zero(const struct queue *q, double low, double high)
{
    for (int i = 0; i < HALVINGS; i++) {
        double t = (low + high) / 2, sum = 0;
        for (size_t k = 0; k < q->n; k++) {
            sum += g_of(q, k, t) / d_of(q, k, t);
        }
        *(sum < 1 ? &low : &high) = t;
    }
    return (low + high) / 2;
}

/* One equation for c: those of equal poles are in proportion to their G. */
static void condition(const struct queue *q, size_t i, double row[N + 1])
{
    size_t a = q->order[i], b = q->order[i + 1];
    double largest = 0;
    for (size_t k = 0; k <= q->n; k++) {
        row[k] = 0;
    }
    if (q->pole[b] - q->pole[a] < SAME_POLE * q->rate) {
        row[a] = 1;
        row[b] = -g_of(q, a, q->pole[a]) / g_of(q, b, q->pole[b]);
        return;
    }
    double t = find_zero(q, q->pole[a], q->pole[b]);
    for (size_t k = 0; k < q->n; k++) {
        row[k] = 1 / d_of(q, k, t);
        largest = fmax(largest, fabs(row[k]));
    }
    for (size_t k = 0; k < q->n; k++) {
        row[k] /= largest;
    }
}

/* Gauss, with the largest pivot of a column. */
static void eliminate(double a[N][N + 1], size_t n, double x[N])
{
    for (size_t c = 0; c < n; c++) {
        size_t best = c;
        for (size_t r = c + 1; r < n; r++) {
            best = fabs(a[r][c]) > fabs(a[best][c]) ? r : best;
        }
        for (size_t k = 0; k <= n; k++) {
            double swapped = a[c][k];
            a[c][k] = a[best][k];
            a[best][k] = swapped;
        }
        for (size_t r = 0; r < n; r++) {
            double factor = r == c ? 0 : a[r][c] / a[c][c];
            for (size_t k = c; k <= n; k++) {
                a[r][k] -= factor * a[c][k];
            }
        }
    }
    for (size_t c = 0; c < n; c++) {
        x[c] = a[c][n] / a[c][c];
    }
}

struct slopes { /* of sum G / D at 0 */
    double first, second;
};

static struct slopes slopes_of(const struct queue *q)
{
    struct slopes s = {0, 0};
    for (size_t k = 0; k < q->n; k++) {
        const struct cvg__model *m = &q->models[k];
        double l = q->rate, lp = l * m->share, o = m->switch_s;
        double both = 2 * m->mean_s * o + o * o;
        double g1 = -lp * (m->mean_s + o), g2 = lp * (m->square_s2 + both);
        double d1 = -1 - lp * o, d2 = lp * both;
        s.first += g1 / l - lp * d1 / (l * l);
        s.second += g2 / l - (2 * g1 * d1 + lp * d2) / (l * l) +
                    2 * lp * d1 * d1 / (l * l * l);
    }
    return s;
}

double cvg__switching_wait(const struct cvg__model *models, size_t n,
                           double rate)
{
    struct queue q = {.models = models, .n = n, .rate = rate};
    double rows[N][N + 1] = {{0}}, idle[N] = {0};
    struct slopes s = slopes_of(&q);
    double change = 0; /* of sum c / D at 0 */
    find_poles(&q);
    for (size_t i = 0; i + 1 < n; i++) {
        condition(&q, i, rows[i]);
    }
    for (size_t k = 0; k < n; k++) {
        rows[n - 1][k] = 1;
    }
    rows[n - 1][n] = rate * s.first;
    eliminate(rows, n, idle);
    for (size_t k = 0; k < n; k++) {
        if (!(idle[k] >= 0)) {
            return -1; /* no chance can be less, nor be no number */
        }
        change += idle[k] * (1 + rate * models[k].share * models[k].switch_s) /
                  (rate * rate);
    }
    return s.second / (2 * s.first) - change / s.first;
}

/* Response times at one device: what its units are asked for, how long that
 * makes a batch wait, and what it means for each class. */
#include <convergo/predict.h>

#include "predict/switching.h"
#include <assert.h>
#include <math.h>

const char *cvg_predict_model_name(enum cvg_predict_model model)
{
    return model == CVG_PREDICT_PAPER ? "paper" : "exact";
}

/* --- classes -------------------------------------------------------------- */

double cvg_class_mean(const struct cvg_class *c)
{
    double sum = 0;
    for (int i = 0; i < CVG_PREDICT_POINTS; i++) {
        sum += c->points_s[i];
    }
    return sum / CVG_PREDICT_POINTS;
}

double cvg_class_square(const struct cvg_class *c)
{
    double sum = 0;
    for (int i = 0; i < CVG_PREDICT_POINTS; i++) {
        sum += c->points_s[i] * c->points_s[i];
    }
    return sum / CVG_PREDICT_POINTS;
}

void cvg_class_init(struct cvg_class *out, const struct cvg_box *box,
                    uint32_t device, uint32_t variant, uint32_t exit,
                    uint32_t batch, double rate_rps, double slowdown)
{
    const struct cvg_device *d = &box->devices[device];
    *out = (struct cvg_class){
        .rate_rps = rate_rps,
        .batch = batch,
        .variant = variant,
        .switch_s = 1e-9 * (double)cvg_box_switch_time(box, device, variant),
        .cache_share = d->has_cache && d->cache_bytes > 0
                           ? (double)cvg_box_cache_need(box, device, variant) /
                                 (double)d->cache_bytes
                           : 1,
    };
    for (int i = 0; i < CVG_PREDICT_POINTS; i++) {
        double u = (i + 0.5) / CVG_PREDICT_POINTS;
        for (uint32_t e = 0; e <= exit; e++) {
            out->points_s[i] +=
                1e-9 * (double)cvg_profile_draw(box->profile, variant, e,
                                                device, batch, u);
        }
    }
    /* The points stand for the whole, its tail included. */
    double mean_s =
        1e-9 * (double)cvg_profile_time(box->profile, variant, 0, exit, device,
                                        batch, CVG_MEAN);
    double scale = slowdown * mean_s / cvg_class_mean(out);
    for (int i = 0; i < CVG_PREDICT_POINTS; i++) {
        out->points_s[i] *= scale;
    }
}

/* --- what a unit is asked for --------------------------------------------- */

struct load {
    const struct cvg_station *station;
    double rate;  /* of batches, all units together */
    double gaps2; /* squared variation of the gaps between batches */
    struct cvg__model models[CVG_PREDICT_CLASSES]; /* its variants */
    size_t n_models;
    size_t model_of[CVG_PREDICT_CLASSES]; /* [class] */
    double mean_s, square_s2;             /* of a batch, with switching */
};

static double batches(const struct cvg_class *c)
{
    return c->rate_rps / c->batch;
}

/* E[exp(-t x)] over the classes of a model. */
static double transform(const void *context, size_t model, double t)
{
    const struct load *l = context;
    double sum = 0, rate = 0;
    for (size_t i = 0; i < l->station->n; i++) {
        const struct cvg_class *c = &l->station->classes[i];
        if (l->model_of[i] == model) {
            double of_class = 0;
            for (int k = 0; k < CVG_PREDICT_POINTS; k++) {
                of_class += exp(-t * c->points_s[k]);
            }
            sum += batches(c) * of_class / CVG_PREDICT_POINTS;
            rate += batches(c);
        }
    }
    return sum / rate;
}

static size_t find_model(struct load *l, const struct cvg_class *c)
{
    for (size_t i = 0; i < l->station->n; i++) {
        const struct cvg_class *other = &l->station->classes[i];
        if (other == c) {
            break;
        }
        if (other->variant == c->variant) {
            return l->model_of[i];
        }
    }
    l->models[l->n_models] = (struct cvg__model){
        .need = c->cache_share,
        .switch_s = c->switch_s,
        .transform = transform,
        .context = l,
    };
    return l->n_models++;
}

static void add_class(struct load *l, size_t i)
{
    const struct cvg_class *c = &l->station->classes[i];
    l->model_of[i] = find_model(l, c);
    struct cvg__model *m = &l->models[l->model_of[i]];
    double share = batches(c) / l->rate;
    l->gaps2 += share / c->batch;
    m->share += share;
    m->mean_s += share * cvg_class_mean(c);
    m->square_s2 += share * cvg_class_square(c);
}

static void take_load(struct load *l, const struct cvg_station *station)
{
    l->station = station;
    for (size_t i = 0; i < station->n; i++) {
        l->rate += batches(&station->classes[i]);
    }
    for (size_t i = 0; i < station->n; i++) {
        add_class(l, i);
    }
    for (size_t i = 0; i < l->n_models; i++) {
        l->models[i].mean_s /= l->models[i].share;
        l->models[i].square_s2 /= l->models[i].share;
    }
}

/* As in the paper: the mean switch is part of each time, and that is fixed. */
static void take_times_of_paper(struct load *l)
{
    for (size_t i = 0; i < l->station->n; i++) {
        const struct cvg_class *c = &l->station->classes[i];
        struct cvg__model *m = &l->models[l->model_of[i]];
        bool alone = l->station->discipline != CVG_FCFS;
        m->switch_chance = alone ? 0 : 1 - m->share;
        double s = cvg_class_mean(c) + m->switch_chance * c->switch_s;
        double share = batches(c) / l->rate;
        l->mean_s += share * s;
        l->square_s2 += share * s * s;
    }
}

static void take_times(struct load *l)
{
    cvg__switch_chances(l->models, l->n_models);
    for (size_t i = 0; i < l->n_models; i++) {
        const struct cvg__model *m = &l->models[i];
        double o = m->switch_s, s = m->mean_s;
        l->mean_s += m->share * (s + m->switch_chance * o);
        l->square_s2 +=
            m->share * (m->square_s2 + m->switch_chance * (2 * s * o + o * o));
    }
}

/* --- waits ---------------------------------------------------------------- */

/* That all k servers are taken, offered `a` (Erlang). */
static double erlang_c(uint32_t k, double a)
{
    double blocked = 1;
    for (uint32_t i = 1; i <= k; i++) {
        blocked = a * blocked / (i + a * blocked);
    }
    return k * blocked / (k - a * (1 - blocked));
}

static bool switches(const struct load *l)
{
    bool costs = false;
    for (size_t i = 0; i < l->n_models; i++) {
        costs = costs || l->models[i].switch_s > 0;
    }
    return costs && l->n_models > 1 && l->n_models <= CVG__MAX_MODELS &&
           cvg__holds_one(l->models, l->n_models);
}

static struct cvg_response by_paper(const struct load *l, double rho)
{
    const struct cvg_station *s = l->station;
    double rate = l->rate / s->units;
    double wait = s->discipline == CVG_FCFS
                      ? rate * l->square_s2 / (2 * (1 - rho))
                      : 1 / (1 / l->mean_s - rate) - l->mean_s;
    return (struct cvg_response){
        .wait_s = wait, .stretch = 1, .delay_chance = rho};
}

/* Full batches come more regularly than single requests (Allen and Cunneen). */
static double regularity(const struct load *l)
{
    double times2 = l->square_s2 / (l->mean_s * l->mean_s) - 1;
    return (l->gaps2 + times2) / (1 + times2);
}

/* Batches in the device, n of them: as in M/M/k the chance of n falls by rho
 * from k on. Up to k x room are on the units. */
static struct cvg_response by_theory(const struct load *l, double rho)
{
    const struct cvg_station *s = l->station;
    uint32_t k = s->units;
    bool fcfs = s->discipline == CVG_FCFS;
    double chance = erlang_c(k, rho * k);
    double shared = pow(rho, k * ((fcfs ? 1 : s->in_flight) - 1.0));
    struct cvg_response r = {
        .wait_s = regularity(l) * chance * shared * l->square_s2 /
                  (2 * l->mean_s) / (k * (1 - rho)),
        .stretch = 1 + chance * (1 - shared) / (k * (1 - rho)),
        .delay_chance = chance,
    };
    if (fcfs && k == 1 && switches(l)) {
        double wait = cvg__switching_wait(l->models, l->n_models, l->rate);
        r.wait_s = wait >= 0 ? regularity(l) * wait : r.wait_s;
    }
    return r;
}

#define FULL (1 - 1e-6) /* beyond, rounding decides: it is too much */

static double gap_s(const struct cvg_class *c)
{
    return 1 / c->rate_rps;
}

double cvg_predict_station(const struct cvg_station *station,
                           enum cvg_predict_model model,
                           struct cvg_response *out)
{
    struct load l = {.rate = 0};
    assert(station->n <= CVG_PREDICT_CLASSES);
    take_load(&l, station);
    if (model == CVG_PREDICT_PAPER) {
        take_times_of_paper(&l);
    } else {
        take_times(&l);
    }
    double rho = l.rate * l.mean_s / station->units;
    struct cvg_response all = {.wait_s = INFINITY, .stretch = 1};
    if (rho < FULL) {
        all =
            model == CVG_PREDICT_PAPER ? by_paper(&l, rho) : by_theory(&l, rho);
    }
    for (size_t i = 0; i < station->n; i++) {
        const struct cvg_class *c = &station->classes[i];
        double chance = l.models[l.model_of[i]].switch_chance;
        out[i] = all;
        out[i].of = c;
        out[i].switch_chance = chance;
        out[i].mean_s =
            (c->batch - 1) * gap_s(c) / 2 + all.wait_s +
            all.stretch * (cvg_class_mean(c) + chance * c->switch_s);
    }
    return rho;
}

/* --- quantiles ------------------------------------------------------------ */

/* Beyond t, if the service takes x: the delay is exponential if there is one.
 */
static double delayed(const struct cvg_response *r, double x, double t)
{
    double mean = r->wait_s + (r->stretch - 1) * x;
    if (t < x) {
        return 1;
    }
    if (mean <= 0 || r->delay_chance <= 0) {
        return 0;
    }
    return r->delay_chance * exp(-(t - x) * r->delay_chance / mean);
}

#define PLACES 4 /* in a batch, from the first to the last */

double cvg_response_tail(const struct cvg_response *r, double t_s)
{
    const struct cvg_class *c = r->of;
    int places = c->batch > 1 ? PLACES : 1;
    double sum = 0;
    if (r->wait_s == INFINITY) {
        return 1;
    }
    for (int p = 0; p < places; p++) {
        double t = t_s - (c->batch - 1) * gap_s(c) * (p + 0.5) / places;
        for (int i = 0; i < CVG_PREDICT_POINTS; i++) {
            double x = c->points_s[i];
            sum += (1 - r->switch_chance) * delayed(r, x, t);
            sum += r->switch_chance * delayed(r, x + c->switch_s, t);
        }
    }
    return sum / (places * CVG_PREDICT_POINTS);
}

static double tail_of_all(const struct cvg_response *const *r, size_t n,
                          double t)
{
    double sum = 0, rate = 0;
    for (size_t i = 0; i < n; i++) {
        sum += r[i]->of->rate_rps * cvg_response_tail(r[i], t);
        rate += r[i]->of->rate_rps;
    }
    return sum / rate;
}

#define HALVINGS 50

double cvg_response_quantile(const struct cvg_response *const *r, size_t n,
                             double q)
{
    double low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        if (r[i]->wait_s == INFINITY) {
            return INFINITY;
        }
        high = fmax(high, r[i]->mean_s);
    }
    while (tail_of_all(r, n, high) > 1 - q) {
        low = high;
        high *= 2;
    }
    for (int i = 0; i < HALVINGS; i++) {
        double t = (low + high) / 2;
        *(tail_of_all(r, n, t) > 1 - q ? &low : &high) = t;
    }
    return high;
}

/* The plan: the fluid program with what a scheduler cannot leave out.
 *
 * Two programs over the same columns. The first asks how far the load could
 * grow (the factor) if all apps grew alike; at a factor of 1 and above its
 * flows and prices are the plan. Below, the second serves what is worth most:
 * an app whose guaranteed throughput is held gets at least that, one whose is
 * not is given up, because windows that are nearly held count for nothing.
 *
 * What choosy places keep is found by local search: one place after the other
 * tries every variant that could run there (with what else fits beside it),
 * until no change is better by more than a little. The number of programs is
 * limited, not the time. */
#include <convergo/plan.h>

#include "optimize/columns.h"
#include "optimize/lp.h"
#include "optimize/places.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Service by p99 may take this share of the deadline, to leave the rest to the
 * queue. What takes more costs that much more of the unit's time, because it
 * cannot be kept busy. */
#define SERVICE_SHARE 0.6
#define NO_QUEUE 1.25
/* An urgent request can wait for that share of its deadline. */
#define PATIENT_FOR 0.7
#define MOST_BLOCKED 0.9
/* An app without arrivals may have some any moment. */
#define LEAST_RPS 0.5
/* Windows are held with this to spare: demand and service vary. */
#define HELD_MARGIN 1.03
/* More than is asked for, so that what is nearly full has a price. */
#define CROWDING 1.02
/* What requests of given-up windows are worth. */
#define GIVEN_UP 0.001
/* What is kept is changed for an improvement of more than that. */
#define WORTH_CHANGING 1.02
/* With so much to spare what is kept is left as it is. */
#define AT_EASE 1.2
/* Less energy than by that share makes no difference. */
#define WORTH_SAVING 0.95
#define MOST_PROGRAMS 400
/* Where accuracy gives way, so many times the load is to fit, and what of the
 * accuracy is kept is found to a part in 2^SCALE_STEPS. */
#define SCALED_ROOM 1.1
#define SCALE_STEPS 6
#define NO_FLOW 1e-7    /* requests a second */
#define NOBODY_ASKS 1e6 /* then any load can be served */

struct way { /* a column at a place */
    uint32_t column;
    uint32_t place;
};

struct maker {
    const struct cvg_box *box;
    const struct cvg_question *question;
    double rates_rps[CVG_MAX_APPS]; /* 0: not planned for */
    bool hopeless[CVG_MAX_APPS];    /* nothing on the box could serve it */
    bool only[CVG_MAX_VARIANTS];    /* columns by these are added */
    struct cvg__columns columns;
    struct cvg__places places;
    struct way *ways; /* of the program, by its first columns */
    size_t n_ways;
    struct cvg__lp lp;
    int app_row[CVG_MAX_APPS], mean_row[CVG_MAX_APPS];
    int *place_row;
    /* [app * n_devices + device]: share of the app's requests that will find
     * room there in time, by what else was planned for it; see blocking(). */
    double *open;
    uint32_t programs; /* solved */
    double score;      /* of the last one */
    bool given_up[CVG_MAX_APPS];
    double accuracy[CVG_MAX_APPS]; /* the mean asked for now; less, if it gives
                                    * way */
};

/* --- columns -------------------------------------------------------------- */

static bool asks(const struct maker *m, uint32_t app)
{
    return m->question->slos[app].declared != 0;
}

static struct cvg__wish wish_of(const struct maker *m, uint32_t app,
                                double share, bool certain)
{
    const struct cvg_app *a = &m->box->apps[app];
    const struct cvg_slo *slo = &m->question->slos[app];
    double deadline_ns =
        cvg_slo_has(slo, CVG_SLO_DEADLINE) ? (double)slo->deadline : INFINITY;
    return (struct cvg__wish){
        .box = m->box,
        .enabled = m->only,
        .app = app,
        .family = a->family,
        .accuracy_over = a->accuracy_over,
        .slo = *slo,
        .latest_ns = share * deadline_ns,
        .certain = certain,
        .fills_rps = isinf(deadline_ns) ? 0 : m->rates_rps[app],
        .fills_ns = deadline_ns,
    };
}

static bool is_usable(const struct maker *m, uint32_t device, uint32_t variant)
{
    return m->question->enabled[variant] &&
           !cvg_question_failed(m->question, device, variant);
}

/* Columns of different variants are told apart only where the place may not
 * keep all of them: elsewhere those that are never best are left out. */
static bool add_device(struct maker *m, const struct cvg__wish *wish,
                       uint32_t device, bool choosy)
{
    size_t n = m->box->n_variants;
    double slowdown = m->question->slowdown[device];
    const struct cvg_family *family = &m->box->families[wish->family];
    memset(m->only, 0, n * sizeof *m->only);
    for (size_t i = 0; i < family->n_variants && !choosy; i++) {
        uint32_t v = family->variants[i];
        m->only[v] = is_usable(m, device, v);
    }
    if (!choosy) {
        return cvg__columns_add(&m->columns, wish, device, slowdown);
    }
    for (size_t i = 0; i < family->n_variants; i++) {
        uint32_t v = family->variants[i];
        m->only[v] = is_usable(m, device, v);
        if (!cvg__columns_add(&m->columns, wish, device, slowdown)) {
            return false;
        }
        m->only[v] = false;
    }
    return true;
}

/* Is there something that counts, and something that reaches the mean? */
static bool can_be_served(const struct cvg__columns *columns, size_t from,
                          bool scales)
{
    bool counts = false, reaches = scales;
    for (size_t i = from; i < columns->n; i++) {
        counts = counts || columns->items[i].value > 0;
        reaches = reaches || columns->items[i].gain >= 0;
    }
    return counts && reaches;
}

/* Ways that leave time for the queue; ways that do not: these serve only who
 * finds them idle; and, where there is nothing else, ways that may be late. */
static bool add_app(struct maker *m, uint32_t app)
{
    static const double shares[] = {SERVICE_SHARE, 1, 1};
    size_t from = m->columns.n;
    m->hopeless[app] = true;
    for (int pass = 0; pass < 3 && (pass < 2 || m->hopeless[app]); pass++) {
        struct cvg__wish wish = wish_of(m, app, shares[pass], pass < 2);
        const struct cvg__place *before = NULL;
        size_t these = m->columns.n;
        for (size_t k = 0; k < m->places.n; k++) {
            const struct cvg__place *p = &m->places.items[k];
            if ((before == NULL || before->device != p->device) &&
                !add_device(m, &wish, p->device, p->choosy)) {
                return false;
            }
            before = p;
        }
        for (size_t i = these; pass > 0 && i < m->columns.n; i++) {
            m->columns.items[i].time_s *= NO_QUEUE;
        }
        m->hopeless[app] = !can_be_served(&m->columns, from,
                                          cvg_app_scales(&m->box->apps[app]));
    }
    return true;
}

static bool add_columns(struct maker *m)
{
    for (uint32_t a = 0; a < m->box->n_apps; a++) {
        if (asks(m, a)) {
            m->rates_rps[a] = fmax(m->question->rates_rps[a], LEAST_RPS);
            m->accuracy[a] = m->question->slos[a].accuracy;
            if (!add_app(m, a)) {
                return false;
            }
        }
    }
    m->ways = calloc(m->columns.n * m->places.n + 1, sizeof *m->ways);
    m->place_row = calloc(m->places.n + 1, sizeof *m->place_row);
    size_t pairs = m->box->n_apps * m->box->n_devices;
    m->open = malloc((pairs + 1) * sizeof *m->open);
    for (size_t i = 0; m->open != NULL && i < pairs; i++) {
        m->open[i] = 1;
    }
    return m->ways != NULL && m->place_row != NULL && m->open != NULL;
}

/* --- programs ------------------------------------------------------------- */

static bool planned(const struct maker *m, uint32_t app)
{
    return m->rates_rps[app] > 0 && !m->hopeless[app];
}

static bool is_of_mean(const struct maker *m, uint32_t app)
{
    return m->box->apps[app].accuracy_over == CVG_ACCURACY_PER_WINDOW &&
           cvg_slo_has(&m->question->slos[app], CVG_SLO_ACCURACY);
}

/* Rows of places and means; those of apps depend on the program. */
static void add_rows(struct maker *m)
{
    cvg__lp_fini(&m->lp);
    for (size_t k = 0; k < m->places.n; k++) {
        m->place_row[k] =
            cvg__lp_row(&m->lp, -INFINITY, m->places.items[k].units);
    }
    for (uint32_t a = 0; a < m->box->n_apps; a++) {
        m->mean_row[a] = planned(m, a) && is_of_mean(m, a)
                             ? cvg__lp_row(&m->lp, 0, INFINITY)
                             : -1;
    }
}

static double time_of(const struct maker *m, const struct cvg__column *c)
{
    return c->time_s * m->question->slowdown[c->device];
}

/* Of one request, J. */
static double energy_of(const struct maker *m, const struct cvg__column *c)
{
    return cvg_profile_energy(m->box->profile, c->variant, 0, c->exit,
                              c->device, c->batch) /
           c->batch;
}

static double *open_to(const struct maker *m, uint32_t app, uint32_t device)
{
    return &m->open[app * m->box->n_devices + device];
}

/* How much longer than an urgent request of the app can wait a batch of the
 * column takes, s; on a unit that takes turns. */
static double excess(const struct maker *m, const struct cvg__column *c,
                     uint32_t app)
{
    const struct cvg_slo *slo = &m->question->slos[app];
    if (c->app == app || !cvg_slo_has(slo, CVG_SLO_DEADLINE)) {
        return 0;
    }
    double patience = PATIENT_FOR * (double)slo->deadline * 1e-9;
    return fmax(time_of(m, c) * c->batch - patience, 0);
}

/* Long batches are in the way of urgent requests, which a fluid does not know:
 * of each app and device, how often the solution has all room taken by such. */
static void blocking(struct maker *m)
{
    const struct cvg_box *box = m->box;
    for (uint32_t a = 0; a < box->n_apps; a++) {
        for (uint32_t d = 0; d < box->n_devices; d++) {
            const struct cvg_device *device = &box->devices[d];
            double blocked = 0;
            for (size_t i = 0; i < m->lp.n_columns && i < m->n_ways; i++) {
                const struct cvg__column *c =
                    &m->columns.items[m->ways[i].column];
                if (c->device == d) {
                    blocked += m->lp.x[i] / c->batch * excess(m, c, a);
                }
            }
            double share = fmin(blocked / device->units, MOST_BLOCKED);
            bool shared = device->discipline == CVG_PROCESSOR_SHARING;
            uint32_t places = shared ? device->in_flight : 1;
            *open_to(m, a, d) = 1 - pow(share, places);
        }
    }
}

/* Over the mean that is asked for now. */
static double gain_of(const struct maker *m, const struct cvg__column *c)
{
    double asked = m->question->slos[c->app].accuracy;
    return c->gain + (asked - m->accuracy[c->app]) * c->value;
}

/* All columns where they can run. What is met counts in the app's row; in the
 * objective it has the app's `value`; NULL: what counts there is energy. */
static void add_ways(struct maker *m, const double *value)
{
    size_t n = 0;
    for (uint32_t i = 0; i < m->columns.n; i++) {
        const struct cvg__column *c = &m->columns.items[i];
        for (uint32_t k = 0; k < m->places.n; k++) {
            const struct cvg__place *p = &m->places.items[k];
            if (p->device != c->device || !planned(m, c->app) ||
                !cvg__place_runs(p, c->variant)) {
                continue;
            }
            double met = c->value * *open_to(m, c->app, c->device);
            double worth =
                value != NULL ? value[c->app] * met : -energy_of(m, c);
            cvg__lp_column(&m->lp, worth, time_of(m, c));
            cvg__lp_element(&m->lp, m->app_row[c->app], met);
            cvg__lp_element(&m->lp, m->place_row[k], time_of(m, c));
            double gain = gain_of(m, c);
            if (m->mean_row[c->app] >= 0 && gain != 0) {
                cvg__lp_element(&m->lp, m->mean_row[c->app], gain);
            }
            m->ways[n++] = (struct way){.column = i, .place = k};
        }
    }
    m->n_ways = n;
}

/* Apps that could be served, but not with what is kept now. */
static uint32_t left_out(const struct maker *m)
{
    bool has[CVG_MAX_APPS] = {false};
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->columns.n; i++) {
        const struct cvg__column *c = &m->columns.items[i];
        for (size_t k = 0; k < m->places.n; k++) {
            const struct cvg__place *p = &m->places.items[k];
            has[c->app] = has[c->app] || (p->device == c->device &&
                                          cvg__place_runs(p, c->variant));
        }
    }
    for (uint32_t a = 0; a < m->box->n_apps; a++) {
        n += planned(m, a) && !has[a];
    }
    return n;
}

/* How far could the load grow? Negative: so many apps are left out. */
static enum cvg_status solve_factor_once(struct maker *m, struct cvg_error *err)
{
    static const double nothing[CVG_MAX_APPS] = {0};
    uint32_t missing = left_out(m);
    m->score = -(double)missing;
    if (missing > 0) {
        return CVG_OK;
    }
    add_rows(m);
    for (uint32_t a = 0; a < m->box->n_apps; a++) {
        if (planned(m, a)) {
            m->app_row[a] = cvg__lp_row(&m->lp, 0, INFINITY);
        }
    }
    add_ways(m, nothing);
    cvg__lp_column(&m->lp, 1, 0);
    for (uint32_t a = 0; a < m->box->n_apps; a++) {
        if (planned(m, a)) {
            cvg__lp_element(&m->lp, m->app_row[a], -m->rates_rps[a]);
        }
    }
    m->programs++;
    enum cvg_status status = cvg__lp_solve(&m->lp, err);
    m->score = m->lp.objective;
    return status;
}

static void all_open(struct maker *m)
{
    for (size_t i = 0; i < m->box->n_apps * m->box->n_devices; i++) {
        m->open[i] = 1;
    }
}

/* Twice: the second time it is known who is in whose way. */
static enum cvg_status solve_factor(struct maker *m, struct cvg_error *err)
{
    all_open(m);
    enum cvg_status status = solve_factor_once(m, err);
    if (status == CVG_OK && m->score > 0) {
        blocking(m);
        status = solve_factor_once(m, err);
    }
    return status;
}

/* --- accuracy gives way --------------------------------------------------- */

static double least_accuracy(const struct maker *m, uint32_t app)
{
    const struct cvg_family *f = &m->box->families[m->box->apps[app].family];
    double least = m->question->slos[app].accuracy;
    for (size_t i = 0; i < f->n_variants; i++) {
        const struct cvg_variant *v = &m->box->variants[f->variants[i]];
        for (uint32_t x = 0; x < v->n_exits; x++) {
            least = fmin(least, v->accuracy[x]);
        }
    }
    return least;
}

static bool scales(const struct maker *m, uint32_t app)
{
    return planned(m, app) && is_of_mean(m, app) &&
           cvg_app_scales(&m->box->apps[app]);
}

/* Apps that scale ask for that share of what lies between the least accurate
 * answer and what they want. */
static enum cvg_status solve_scaled(struct maker *m, double share,
                                    struct cvg_error *err)
{
    for (uint32_t a = 0; a < m->box->n_apps; a++) {
        if (scales(m, a)) {
            double least = least_accuracy(m, a);
            double asked = m->question->slos[a].accuracy;
            m->accuracy[a] = least + share * (asked - least);
        }
    }
    return solve_factor(m, err);
}

/* As accurate as the load allows. *factor: what it was, and what it is then. */
static enum cvg_status scale(struct maker *m, double *factor,
                             struct cvg_error *err)
{
    bool any = false;
    for (uint32_t a = 0; a < m->box->n_apps; a++) {
        any = any || scales(m, a);
    }
    if (!any || *factor >= SCALED_ROOM) {
        return CVG_OK;
    }
    double kept = 0, step = 0.5;
    enum cvg_status status = CVG_OK;
    for (int i = 0; i < SCALE_STEPS && status == CVG_OK; i++, step /= 2) {
        status = solve_scaled(m, kept + step, err);
        kept += m->score >= SCALED_ROOM ? step : 0;
    }
    if (status == CVG_OK) {
        status = solve_scaled(m, kept, err);
        *factor = m->score;
    }
    return status;
}

/* The flows of the least energy that serve so many times the rates. */
static enum cvg_status solve_energy_once(struct maker *m, double times,
                                         struct cvg_error *err)
{
    add_rows(m);
    for (uint32_t a = 0; a < m->box->n_apps; a++) {
        if (planned(m, a)) {
            m->app_row[a] =
                cvg__lp_row(&m->lp, times * m->rates_rps[a], INFINITY);
        }
    }
    add_ways(m, NULL);
    m->programs++;
    return cvg__lp_solve(&m->lp, err);
}

static enum cvg_status solve_energy(struct maker *m, double times,
                                    struct cvg_error *err)
{
    enum cvg_status status = solve_energy_once(m, times, err);
    if (status == CVG_OK) {
        blocking(m);
        status = solve_energy_once(m, times, err);
    }
    return status;
}

static bool guarantees(const struct maker *m, uint32_t app)
{
    return planned(m, app) &&
           cvg_slo_has(&m->question->slos[app], CVG_SLO_THROUGHPUT);
}

static double held_rps(const struct maker *m, uint32_t app)
{
    double wanted = m->question->slos[app].throughput_rps;
    return 0.95 * fmin(wanted, m->rates_rps[app]) * HELD_MARGIN;
}

/* What is worth most, with the windows of these apps given up and the others'
 * held. Negative score: they cannot be. */
static enum cvg_status solve_worth_once(struct maker *m, const bool *given_up,
                                        struct cvg_error *err)
{
    double value[CVG_MAX_APPS] = {0};
    add_rows(m);
    for (uint32_t a = 0; a < m->box->n_apps; a++) {
        if (!planned(m, a)) {
            continue;
        }
        bool held = guarantees(m, a) && !given_up[a];
        double asked = m->rates_rps[a] * CROWDING;
        value[a] = m->box->apps[a].weight * (given_up[a] ? GIVEN_UP : 1);
        m->app_row[a] = cvg__lp_row(
            &m->lp, held ? fmin(held_rps(m, a), asked) : -INFINITY, asked);
    }
    add_ways(m, value);
    m->programs++;
    struct cvg_error why;
    enum cvg_status status = cvg__lp_solve(&m->lp, &why);
    m->score = status == CVG_OK ? m->lp.objective : -1;
    if (status == CVG_LIMIT) {
        return CVG_OK; /* what is held cannot be */
    }
    if (status != CVG_OK && err != NULL) {
        *err = why;
    }
    return status;
}

static enum cvg_status solve_worth(struct maker *m, const bool *given_up,
                                   struct cvg_error *err)
{
    all_open(m);
    enum cvg_status status = solve_worth_once(m, given_up, err);
    if (status == CVG_OK && m->score > 0) {
        blocking(m);
        status = solve_worth_once(m, given_up, err);
    }
    return status;
}

/* Whose windows to give up: one after the other changes sides, as long as that
 * is better. If not all can be held, none is at first. */
static enum cvg_status solve_triage(struct maker *m, struct cvg_error *err)
{
    enum cvg_status status = solve_worth(m, m->given_up, err);
    if (status == CVG_OK && m->score < 0) {
        for (uint32_t a = 0; a < m->box->n_apps; a++) {
            m->given_up[a] = guarantees(m, a);
        }
        status = solve_worth(m, m->given_up, err);
    }
    double best = m->score;
    for (;;) {
        uint32_t which = CVG_ANY;
        for (uint32_t a = 0; status == CVG_OK && a < m->box->n_apps; a++) {
            if (!guarantees(m, a)) {
                continue;
            }
            m->given_up[a] = !m->given_up[a];
            status = solve_worth(m, m->given_up, err);
            m->given_up[a] = !m->given_up[a];
            if (m->score > best + 1e-9) {
                best = m->score;
                which = a;
            }
        }
        if (status != CVG_OK || which == CVG_ANY) {
            break;
        }
        m->given_up[which] = !m->given_up[which];
    }
    return status == CVG_OK ? solve_worth(m, m->given_up, err) : status;
}

/* --- what places keep ----------------------------------------------------- */

static bool any_choosy(const struct maker *m)
{
    for (size_t k = 0; k < m->places.n; k++) {
        if (m->places.items[k].choosy) {
            return true;
        }
    }
    return false;
}

/* Of the device's, units. */
static double time_on_it(const struct maker *m, const struct cvg_flow *f)
{
    return f->rate_rps / f->batch * 1e-9 *
           (double)cvg_profile_time(m->box->profile, f->variant, 0, f->exit,
                                    f->device, f->batch, CVG_MEAN);
}

/* Frugal flows are scaled, so that they can take more than there is. */
static double fullness(const struct maker *m, uint32_t device)
{
    const struct cvg_question *q = m->question;
    double time = 0;
    for (uint32_t i = 0; i < q->n_flows; i++) {
        time += q->flows[i].device == device ? time_on_it(m, &q->flows[i]) : 0;
    }
    return time / m->box->devices[device].units;
}

/* What the last plan kept: the flows of a device are laid out over its places
 * by the time that they take. */
static bool keep_as_it_was(struct maker *m)
{
    const struct cvg_question *q = m->question;
    bool any = false;
    double room[CVG_MAX_UNITS + CVG_MAX_DEVICES];
    for (size_t k = 0; k < m->places.n; k++) {
        room[k] = m->places.items[k].units;
    }
    for (uint32_t i = 0; i < q->n_flows; i++) {
        const struct cvg_flow *f = &q->flows[i];
        double time = time_on_it(m, f) / fmax(fullness(m, f->device), 1);
        for (size_t k = 0; k < m->places.n && time > 1e-3; k++) {
            struct cvg__place *p = &m->places.items[k];
            if (p->device != f->device || !p->choosy || room[k] <= 1e-3 ||
                (!p->kept[f->variant] &&
                 !cvg__place_fits(&m->places, p, f->variant))) {
                continue;
            }
            p->kept[f->variant] = any = true;
            double used = fmin(time, room[k]);
            room[k] -= used;
            time -= used;
        }
    }
    return any;
}

/* The variant, and what fits beside it of what was kept. */
static void keep(struct maker *m, struct cvg__place *p, uint32_t variant,
                 const bool *before)
{
    size_t n = m->box->n_variants;
    memset(p->kept, 0, n * sizeof *p->kept);
    p->kept[variant] = true;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t v = 0; v < n; v++) {
            if (!p->kept[v] && (pass > 0 || before[v]) &&
                cvg__place_fits(&m->places, p, v)) {
                p->kept[v] = true;
            }
        }
    }
}

static bool is_of_use(const struct maker *m, uint32_t device, uint32_t variant)
{
    for (size_t i = 0; i < m->columns.n; i++) {
        if (m->columns.items[i].device == device &&
            m->columns.items[i].variant == variant) {
            return true;
        }
    }
    return false;
}

/* Another place of the device that keeps the same. */
static bool was_tried(const struct maker *m, size_t place)
{
    const struct cvg__place *p = &m->places.items[place];
    for (size_t k = 0; k < place; k++) {
        const struct cvg__place *q = &m->places.items[k];
        if (q->device == p->device &&
            memcmp(q->kept, p->kept, m->box->n_variants * sizeof *p->kept) ==
                0) {
            return true;
        }
    }
    return false;
}

typedef enum cvg_status (*solver)(struct maker *m, struct cvg_error *err);

/* The best change of one place. *best: the score to beat, and the new one. */
static enum cvg_status improve(struct maker *m, solver solve, bool *changed,
                               double *best, struct cvg_error *err)
{
    size_t n = m->box->n_variants;
    bool *before = calloc(2 * n + 1, sizeof *before);
    if (before == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for a plan");
    }
    bool *winner = before + n;
    size_t where = m->places.n;
    enum cvg_status status = CVG_OK;
    for (size_t k = 0; k < m->places.n && status == CVG_OK; k++) {
        struct cvg__place *p = &m->places.items[k];
        if (!p->choosy || was_tried(m, k)) {
            continue;
        }
        memcpy(before, p->kept, n * sizeof *before);
        for (uint32_t v = 0; v < n && status == CVG_OK; v++) {
            if (m->programs >= MOST_PROGRAMS || before[v] ||
                !is_of_use(m, p->device, v)) {
                continue;
            }
            keep(m, p, v, before);
            status = solve(m, err);
            double wanted = *best > 0 && where == m->places.n
                                ? *best * WORTH_CHANGING
                                : *best + 1e-9;
            if (status == CVG_OK && m->score > wanted) {
                *best = m->score;
                where = k;
                memcpy(winner, p->kept, n * sizeof *winner);
            }
        }
        memcpy(p->kept, before, n * sizeof *before);
    }
    *changed = where < m->places.n;
    if (*changed) {
        memcpy(m->places.items[where].kept, winner, n * sizeof *winner);
    }
    free(before);
    return status;
}

static enum cvg_status arrange(struct maker *m, solver solve, double *score,
                               struct cvg_error *err)
{
    bool changed = true;
    enum cvg_status status = CVG_OK;
    while (status == CVG_OK && changed && m->programs < MOST_PROGRAMS) {
        status = improve(m, solve, &changed, score, err);
    }
    return status;
}

static enum cvg_status solve_held(struct maker *m, struct cvg_error *err)
{
    return solve_worth(m, m->given_up, err);
}

/* --- the answer ----------------------------------------------------------- */

static void take_flows(const struct maker *m, double scale,
                       struct cvg_plan *out)
{
    for (size_t i = 0; i < m->n_ways; i++) {
        double x = scale * m->lp.x[i];
        if (x <= NO_FLOW) {
            continue;
        }
        const struct cvg__column *c = &m->columns.items[m->ways[i].column];
        out->served_rps[c->app] +=
            c->value * *open_to(m, c->app, c->device) * x;
        out->busy[c->device] +=
            x * time_of(m, c) / m->box->devices[c->device].units;
        struct cvg_flow *f = NULL;
        for (uint32_t k = 0; k < out->n_flows && f == NULL; k++) {
            struct cvg_flow *g = &out->flows[k];
            if (g->app == c->app && g->device == c->device &&
                g->variant == c->variant && g->exit == c->exit &&
                g->batch == c->batch) {
                f = g; /* the same on another unit */
            }
        }
        if (f == NULL && out->n_flows < CVG_MAX_FLOWS) {
            f = &out->flows[out->n_flows++];
            *f = (struct cvg_flow){.app = c->app,
                                   .variant = c->variant,
                                   .exit = c->exit,
                                   .device = c->device,
                                   .batch = c->batch};
        }
        if (f != NULL) {
            f->rate_rps += x;
        }
    }
}

static int by_app_and_device(const void *x, const void *y)
{
    const struct cvg_flow *a = x;
    const struct cvg_flow *b = y;
    const uint32_t p[] = {a->app, a->device, a->variant, a->exit, a->batch};
    const uint32_t q[] = {b->app, b->device, b->variant, b->exit, b->batch};
    for (int i = 0; i < 5; i++) {
        if (p[i] != q[i]) {
            return p[i] < q[i] ? -1 : 1;
        }
    }
    return 0;
}

/* The dual of a device's time: the dearest of its places'. */
static void take_prices(const struct maker *m, double scale,
                        struct cvg_plan *out)
{
    for (size_t k = 0; k < m->places.n; k++) {
        uint32_t d = m->places.items[k].device;
        out->price[d] =
            fmax(out->price[d], scale * m->lp.dual[m->place_row[k]]);
    }
}

/* By the solution, J/s. */
static double spent_j(const struct maker *m)
{
    double sum = 0;
    for (size_t i = 0; i < m->n_ways; i++) {
        sum += m->lp.x[i] * energy_of(m, &m->columns.items[m->ways[i].column]);
    }
    return sum;
}

/* What time is worth is that of a load that fills the box; with room to spare
 * the flows need not be. */
static enum cvg_status take_solution(struct maker *m, double factor,
                                     double total, struct cvg_plan *out,
                                     struct cvg_error *err)
{
    double scale = factor / CVG_PLAN_HEADROOM;
    double before = spent_j(m) / scale;
    enum cvg_status status = CVG_OK;
    take_prices(m, factor < 1 ? 1 : total, out);
    if (factor > CVG_PLAN_HEADROOM && before > 0) {
        status = solve_energy(m, CVG_PLAN_HEADROOM, err);
        /* CVG_LIMIT: long batches would be in the way. */
        out->frugal = status == CVG_OK && spent_j(m) < WORTH_SAVING * before;
        if (!out->frugal && (status == CVG_OK || status == CVG_LIMIT)) {
            status = solve_factor(m, err);
        }
    }
    if (status == CVG_OK) {
        take_flows(m, out->frugal ? scale : 1, out);
    }
    return status;
}

static enum cvg_status answer(struct maker *m, double factor,
                              struct cvg_plan *out, struct cvg_error *err)
{
    double total = 0;
    out->factor = factor;
    for (uint32_t a = 0; a < m->box->n_apps; a++) {
        out->rates_rps[a] = m->question->rates_rps[a];
        out->accuracy[a] = is_of_mean(m, a) ? m->accuracy[a] : 0;
        out->given_up[a] = m->given_up[a] ||
                           (m->hopeless[a] && cvg_slo_has(&m->question->slos[a],
                                                          CVG_SLO_THROUGHPUT));
        total += planned(m, a) ? m->box->apps[a].weight * m->rates_rps[a] : 0;
    }
    if (m->lp.n_columns == 0) {
        return CVG_OK; /* nobody asks for anything */
    }
    enum cvg_status status = take_solution(m, factor, total, out, err);
    qsort(out->flows, out->n_flows, sizeof *out->flows, by_app_and_device);
    for (uint32_t a = 0; factor < 1 && a < m->box->n_apps; a++) {
        if (planned(m, a)) {
            out->worth[a] = fmax(m->lp.dual[m->app_row[a]], 0);
        }
    }
    return status;
}

static bool anybody(const struct maker *m)
{
    for (uint32_t a = 0; a < m->box->n_apps; a++) {
        if (planned(m, a)) {
            return true;
        }
    }
    return false;
}

static enum cvg_status make(struct maker *m, struct cvg_plan *out,
                            struct cvg_error *err)
{
    if (!anybody(m)) {
        return answer(m, NOBODY_ASKS, out, err);
    }
    bool kept = keep_as_it_was(m);
    enum cvg_status status = solve_factor(m, err);
    double factor = m->score;
    bool look = any_choosy(m) && (!kept || factor < 0 ||
                                  (!m->question->settled && factor < AT_EASE));
    if (status == CVG_OK && look) {
        status = arrange(m, solve_factor, &factor, err);
    }
    if (status == CVG_OK) {
        status = scale(m, &factor, err);
    }
    if (status == CVG_OK && factor >= 1) {
        status = solve_factor(m, err);
    } else if (status == CVG_OK) {
        status = solve_triage(m, err);
        double score = m->score;
        m->programs = 0;
        if (status == CVG_OK && look) {
            status = arrange(m, solve_held, &score, err);
        }
        if (status == CVG_OK && look) {
            status = solve_triage(m, err);
        } else if (status == CVG_OK) {
            status = solve_held(m, err);
        }
    }
    return status == CVG_OK ? answer(m, factor < 0 ? 0 : factor, out, err)
                            : status;
}

enum cvg_status cvg_plan_make(const struct cvg_box *box,
                              const struct cvg_question *question,
                              struct cvg_plan *out, struct cvg_error *err)
{
    /* Every byte is set: plans are recorded as they are. */
    memset(out, 0, sizeof *out);
    struct maker *m = calloc(1, sizeof *m);
    enum cvg_status status = CVG_NOMEM;
    if (m == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for a plan");
    }
    m->box = box;
    m->question = question;
    if (cvg__places_init(&m->places, box) && add_columns(m)) {
        status = make(m, out, err);
    } else {
        status = cvg_fail(err, CVG_NOMEM, "out of memory for a plan");
    }
    cvg__columns_fini(&m->columns);
    cvg__places_fini(&m->places);
    cvg__lp_fini(&m->lp);
    free(m->ways);
    free(m->place_row);
    free(m->open);
    free(m);
    return status;
}

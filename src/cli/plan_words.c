/* A plan in sentences and tables. */
#include "cli/plan.h"

#include "base/units.h"
#include "report/grid.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 79

/* --- small forms ---------------------------------------------------------- */

static void fill(FILE *out, const char *text)
{
    int column = 0;
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        if (column > 0 && column + 1 + length > WIDTH) {
            fputs("\n", out);
            column = 0;
        }
        fprintf(out, "%s%.*s", column > 0 ? " " : "", length, text);
        column += length + (column > 0 ? 1 : 0);
        text += length;
        text += strspn(text, " ");
    }
    fputs("\n", out);
}

/* Never rounded to what it is not: not to 100, nor to 0. */
static void percent(char *out, size_t size, double share)
{
    double x = 100 * share;
    if (x > 99.94 && x < 100) {
        (void)snprintf(out, size, x > 99.99 ? ">99.99 %%" : "%.2f %%", x);
    } else if (x > 0 && x < 0.1) {
        (void)snprintf(out, size, "<0.1 %%");
    } else {
        (void)snprintf(out, size, "%.*f %%", x >= 100 || x <= 0 ? 0 : 1, x);
    }
}

static void span_cell(struct cvg_grid *g, double s)
{
    if (s < 0) {
        cvg__grid_cell(g, "-");
    } else if (s == INFINITY) {
        cvg__grid_cell(g, "no end");
    } else {
        double ms = 1e3 * s;
        cvg__grid_cell(g, "%.*f", ms < 9.995 ? 2 : ms < 99.95 ? 1 : 0, ms);
    }
}

/* What more there may be of a rate that `factor` times as much of fits. */
static void more(char *out, size_t size, double factor)
{
    if (factor < 0) {
        (void)snprintf(out, size, "-");
    } else if (factor > 100) {
        (void)snprintf(out, size, "any");
    } else {
        (void)snprintf(out, size, "+%.*f %%", factor < 1.0995 ? 1 : 0,
                       floor(1e3 * (factor - 1) + 1e-6) / 10);
    }
}

static double seconds(cvg_span span)
{
    return 1e-9 * (double)span;
}

/* --- the answer ----------------------------------------------------------- */

static bool has_several(const struct cvg__planned *p)
{
    return p->pieces.n > 1;
}

/* The busiest device, if it gets more than it can do; CVG_ANY: none does. */
static uint32_t flooded(const struct cvg__planned *p)
{
    uint32_t worst = CVG_ANY;
    for (uint32_t d = 0; d < p->box->n_devices; d++) {
        double rho = p->forecast.devices[d].rho;
        if (rho >= 1 - 1e-6 &&
            (worst == CVG_ANY || rho > p->forecast.devices[worst].rho)) {
            worst = d;
        }
    }
    return worst;
}

static bool changes_models(const struct cvg__planned *p, uint32_t device)
{
    for (size_t i = 0; i < p->forecast.n_shares; i++) {
        const struct cvg_share *s = &p->forecast.shares[i];
        if (s->flow.device == device && s->served.switch_s > 0 &&
            s->response.switch_chance > 0) {
            return true;
        }
    }
    return false;
}

static bool has_contention(const struct cvg__planned *p, uint32_t device)
{
    for (size_t i = 0; i < p->box->n_contention; i++) {
        const struct cvg_contention *c = &p->box->contention[i];
        for (size_t k = 0; k < c->n_devices; k++) {
            if (c->devices[k] == device) {
                return true;
            }
        }
    }
    return false;
}

static void tight_words(char *text, size_t size, const struct cvg__planned *p)
{
    uint32_t d = flooded(p);
    if (d == CVG_ANY) {
        (void)snprintf(text, size,
                       "There is room for this workload on the box, but it is "
                       "TIGHT: served in the order in which requests come, "
                       "some answers are late (negative margins below). A "
                       "policy that orders by urgency does better; `convergo "
                       "sim` tells how much.");
        return;
    }
    (void)snprintf(text, size,
                   "There is room for this workload on the box, but it is "
                   "TIGHT: served in the order in which requests come, %s "
                   "would need %.0f %% of its time%s%s, and the queue would "
                   "grow without end. `convergo sim` tells how well a policy "
                   "manages that.",
                   p->box->devices[d].name, 100 * p->forecast.devices[d].rho,
                   changes_models(p, d) ? ", much of it to change models" : "",
                   has_contention(p, d) ? ", slowed down by its neighbours"
                                        : "");
}

static void verdict(FILE *out, const struct cvg__planned *p)
{
    char text[500], share[24], room[24];
    double factor = p->forecast.outlook.factor;
    if (p->joint < 0) {
        fill(out, p->pieces.has_arrivals
                      ? "No request of this workload asks for anything: there "
                        "is nothing that could break."
                      : "Nothing arrives.");
        return;
    }
    percent(share, sizeof share, p->joint);
    more(room, sizeof room, factor);
    if (!p->fits) {
        (void)snprintf(text, sizeof text,
                       "The box does NOT carry this workload: at the very best "
                       "%s of the requests have all that they ask for.",
                       share);
    } else if (cvg__planned_is_tight(p)) {
        tight_words(text, sizeof text, p);
    } else if (factor > 100) {
        (void)snprintf(text, sizeof text,
                       "The box CARRIES this workload, and far more.");
    } else {
        (void)snprintf(text, sizeof text,
                       "The box CARRIES this workload, with room for %s of "
                       "all.",
                       room);
    }
    fill(out, text);
}

static void load_sentence(FILE *out, const struct cvg__planned *p)
{
    char text[400];
    const struct cvg_outlook *o = &p->forecast.outlook;
    const struct cvg_load_one *one = &p->forecast.load_one;
    const char *what = o->left_out > 0 ? " of what can be met at all" : "";
    if (o->factor == INFINITY || o->factor <= 0) {
        return;
    }
    (void)snprintf(text, sizeof text,
                   "By capacity alone every request can be met up to %.3g "
                   "times these rates%s; "
                   "without ever changing the model on a device that pays for "
                   "it, up to %s%.3g times.",
                   o->factor, what, one->exact ? "" : "at least ", one->factor);
    fill(out, text);
}

static void binding_sentence(FILE *out, const struct cvg__planned *p)
{
    char text[300], busy[24];
    uint32_t d = p->forecast.outlook.binding;
    if (d == CVG_ANY) {
        return;
    }
    percent(busy, sizeof busy, p->forecast.devices[d].rho);
    (void)snprintf(text, sizeof text,
                   "What binds first is %s, %s busy%s: one more of it would "
                   "raise the load that fits from %.3g to about %.3g times "
                   "these rates.",
                   p->box->devices[d].name, busy,
                   p->forecast.devices[d].rho > 1 ? " if it had the time" : "",
                   p->forecast.outlook.factor,
                   p->forecast.outlook.factor + p->forecast.devices[d].price);
    fill(out, text);
}

/* --- tables --------------------------------------------------------------- */

static void asked_cell(struct cvg_grid *g, const struct cvg_slo *slo)
{
    if (cvg_slo_has(slo, CVG_SLO_DEADLINE)) {
        span_cell(g, 1e-9 * (double)slo->deadline);
    } else {
        cvg__grid_cell(g, "-");
    }
}

static void app_row(struct cvg_grid *g, const struct cvg__planned *p,
                    uint32_t app)
{
    const struct cvg_piece *piece = &p->pieces.items[p->worst];
    char text[24];
    double margin;
    cvg__grid_row(g);
    cvg__grid_cell(g, "%s", p->box->apps[app].name);
    cvg__grid_cell(g, "%.4g", piece->rates_rps[app]);
    asked_cell(g, &piece->slos[app]);
    span_cell(g, p->forecast.apps[app].mean_s);
    span_cell(g, p->forecast.apps[app].p95_s);
    if (!cvg__planned_margin(p, app, &margin)) {
        cvg__grid_cell(g, "-");
    } else if (margin < -9.99) {
        cvg__grid_cell(g, "too late");
    } else {
        cvg__grid_cell(g, "%+.0f %%", 100 * margin);
    }
    more(text, sizeof text, p->forecast.apps[app].headroom);
    cvg__grid_cell(g, "%s", text);
}

static void apps_table(FILE *out, struct cvg_grid *g,
                       const struct cvg__planned *p)
{
    static const char *const names[] = {
        "app", "rate/s", "deadline ms", "mean ms", "p95 ms", "margin", "room"};
    cvg__grid_init(g, sizeof names / sizeof *names, names);
    for (uint32_t a = 0; a < p->box->n_apps; a++) {
        if (!p->box->apps[a].built_in) {
            app_row(g, p, a);
        }
    }
    fputs("\n", out);
    cvg__grid_print(g, out);
}

static void share_row(struct cvg_grid *g, const struct cvg__planned *p,
                      const struct cvg_share *s)
{
    const struct cvg_variant *v = &p->box->variants[s->flow.variant];
    char text[24];
    cvg__grid_row(g);
    cvg__grid_cell(g, "%s", p->box->apps[s->flow.app].name);
    cvg__grid_cell(g, "%.4g", s->flow.rate_rps);
    if (s->unit == CVG_ANY || p->box->devices[s->flow.device].units == 1) {
        cvg__grid_cell(g, "%s", p->box->devices[s->flow.device].name);
    } else {
        cvg__grid_cell(g, "%s/%u", p->box->devices[s->flow.device].name,
                       s->unit);
    }
    if (v->n_exits > 1) {
        cvg__grid_cell(g, "%s/%u", v->name, s->flow.exit);
    } else {
        cvg__grid_cell(g, "%s", v->name);
    }
    cvg__grid_cell(g, "%.4f", v->accuracy[s->flow.exit]);
    cvg__grid_cell(g, "%u", s->served.batch);
    percent(text, sizeof text, s->response.switch_chance);
    cvg__grid_cell(g, "%s", s->served.switch_s > 0 ? text : "-");
    span_cell(g, s->response.mean_s);
}

static void shares_table(FILE *out, struct cvg_grid *g,
                         const struct cvg__planned *p)
{
    static const char *const names[] = {"app",      "rate/s",   "device",
                                        "variant",  "accuracy", "batch",
                                        "switches", "mean ms"};
    if (p->forecast.n_shares == 0) {
        return;
    }
    cvg__grid_init(g, sizeof names / sizeof *names, names);
    for (size_t i = 0; i < p->forecast.n_shares; i++) {
        share_row(g, p, &p->forecast.shares[i]);
    }
    fputs("\nHow they are served\n\n", out);
    cvg__grid_print(g, out);
}

static void devices_table(FILE *out, struct cvg_grid *g,
                          const struct cvg__planned *p)
{
    static const char *const names[] = {"device", "busy", "one more adds"};
    cvg__grid_init(g, sizeof names / sizeof *names, names);
    for (uint32_t d = 0; d < p->box->n_devices; d++) {
        const struct cvg_device *device = &p->box->devices[d];
        char text[24];
        cvg__grid_row(g);
        cvg__grid_cell(g, "%s%s", device->name,
                       device->emulated ? " (emulated)" : "");
        percent(text, sizeof text, p->forecast.devices[d].rho);
        cvg__grid_cell(
            g, "%s",
            p->pieces.items[p->worst].slowdown[d] == INFINITY ? "down" : text);
        if (p->forecast.devices[d].price > 1e-6) {
            cvg__grid_cell(g, "%.2g of load", p->forecast.devices[d].price);
        } else {
            cvg__grid_cell(g, "nothing");
        }
    }
    fputs("\n", out);
    cvg__grid_print(g, out);
}

/* Why a piece is what it is, in one word. */
static void pieces_table(FILE *out, struct cvg_grid *g,
                         const struct cvg__planned *p)
{
    static const char *const names[] = {"from", "to", "fits", "joint at best",
                                        "load that fits"};
    if (!has_several(p)) {
        return;
    }
    cvg__grid_init(g, sizeof names / sizeof *names, names);
    for (size_t i = 0; i < p->pieces.n; i++) {
        const struct cvg_outlook *o = &p->outlooks[i];
        char joint[24] = "-";
        if (o->joint >= 0) {
            percent(joint, sizeof joint, o->joint);
        }
        cvg__grid_row(g);
        cvg__grid_cell(g, "%.6gs", seconds(p->pieces.items[i].from));
        cvg__grid_cell(g, "%.6gs", seconds(p->pieces.items[i].until));
        cvg__grid_cell(g, "%s%s", o->fits ? "yes" : "no",
                       i == p->worst ? " (worst)" : "");
        cvg__grid_cell(g, "%s", joint);
        if (o->factor == INFINITY) {
            cvg__grid_cell(g, "any");
        } else {
            cvg__grid_cell(g, "%.3g", o->factor);
        }
    }
    fputs("\nThe workload changes; each piece by itself:\n\n", out);
    cvg__grid_print(g, out);
}

/* --- what breaks ---------------------------------------------------------- */

static void ways_out(char *out, size_t size, const struct cvg_would_do *n)
{
    static const char *const none = "";
    const char *between = none;
    char text[48];
    size_t used = 0;
    out[0] = '\0';
    for (int k = 0; k < CVG_SLO_KINDS; k++) {
        if (!n->known[k] || used >= size) {
            continue;
        }
        if (k == CVG_SLO_DEADLINE) {
            cvg_format_span(text, sizeof text, n->deadline);
        } else if (k == CVG_SLO_ACCURACY) {
            (void)snprintf(text, sizeof text, "%.4g", n->accuracy);
        } else if (k == CVG_SLO_THROUGHPUT) {
            (void)snprintf(text, sizeof text, "%.4g/s", n->throughput_rps);
        } else {
            (void)snprintf(text, sizeof text, "%.4gmJ", 1e3 * n->energy_j);
        }
        used += (size_t)snprintf(out + used, size - used, "%s%s %s", between,
                                 k == CVG_SLO_THROUGHPUT
                                     ? "a rate of"
                                     : cvg_slo_kind_name((enum cvg_slo_kind)k),
                                 text);
        between = ", or ";
    }
}

static void break_words(FILE *out, const struct cvg__planned *p,
                        const struct cvg_break *b)
{
    const char *name = p->box->apps[b->app].name;
    char text[600], ways[200];
    ways_out(ways, sizeof ways, &b->nearest);
    if (p->forecast.outlook.is_left_out[b->app]) {
        (void)snprintf(text, sizeof text,
                       "%s breaks by its %s, even alone on the idle box: no "
                       "variant on any device that is up keeps all its bounds "
                       "(below it is served as if it did not ask for that).",
                       name, cvg_slo_kind_name(b->kind));
    } else {
        double rate = p->pieces.items[p->worst].rates_rps[b->app];
        (void)snprintf(text, sizeof text,
                       "%s breaks by its %s: there is room for %.4g/s of its "
                       "%.4g/s.",
                       name, cvg_slo_kind_name(b->kind),
                       p->forecast.outlook.met_rps[b->app], rate);
    }
    size_t used = strlen(text);
    if (ways[0] != '\0') {
        (void)snprintf(text + used, sizeof text - used,
                       " With all else as it is this would do: %s.", ways);
    } else {
        (void)snprintf(text + used, sizeof text - used,
                       " No other value of a single bound of it would do.");
    }
    fill(out, text);
}

static void breaks_words(FILE *out, const struct cvg__planned *p)
{
    char text[600], ways[200];
    if (p->forecast.n_breaks + p->forecast.n_reliefs > 0) {
        fputs("\n", out);
    }
    for (size_t i = 0; i < p->forecast.n_breaks; i++) {
        break_words(out, p, &p->forecast.breaks[i]);
    }
    for (size_t i = 0; i < p->forecast.n_reliefs; i++) {
        const struct cvg_break *b = &p->forecast.reliefs[i];
        ways_out(ways, sizeof ways, &b->nearest);
        (void)snprintf(text, sizeof text,
                       "All would fit, too, if %s gave way: %s.",
                       p->box->apps[b->app].name, ways);
        fill(out, text);
    }
}

static void peak_sentence(FILE *out, const struct cvg__planned *p)
{
    char text[300], share[24];
    if (!p->has_peak) {
        return;
    }
    percent(share, sizeof share, p->peak.joint < 0 ? 1 : p->peak.joint);
    (void)snprintf(text, sizeof text,
                   "At the peak of its bursts %s; %s of the requests could "
                   "have all that they ask for then, if it lasted.",
                   p->peak.fits ? "it fits, too" : "it does not fit", share);
    fputs("\n", out);
    fill(out, text);
}

static void silent_sentence(FILE *out, const struct cvg__planned *p)
{
    const char *between = "No arrivals are described for ";
    bool any = false;
    for (uint32_t a = 0; a < p->box->n_apps; a++) {
        if (!p->box->apps[a].built_in &&
            p->pieces.items[p->worst].rates_rps[a] <= 0) {
            fprintf(out, "%s%s", any ? ", " : between, p->box->apps[a].name);
            any = true;
        }
    }
    fputs(any ? ".\n" : "", out);
}

/* --- all ------------------------------------------------------------------ */

void cvg__plan_words(FILE *out, const struct cvg__planned *p)
{
    struct cvg_grid *g = malloc(sizeof *g);
    if (g == NULL) {
        fputs("out of memory for the tables\n", out);
        return;
    }
    verdict(out, p);
    if (has_several(p)) {
        pieces_table(out, g, p);
        const struct cvg_piece *worst = &p->pieces.items[p->worst];
        fprintf(out, "\nThe worst, from %.6gs to %.6gs:\n\n",
                seconds(worst->from), seconds(worst->until));
    }
    load_sentence(out, p);
    binding_sentence(out, p);
    silent_sentence(out, p);
    breaks_words(out, p);
    apps_table(out, g, p);
    shares_table(out, g, p);
    devices_table(out, g, p);
    peak_sentence(out, p);
    fputs("\n", out);
    if (flooded(p) != CVG_ANY) {
        fill(out, "\"no end\": the queue grows as long as the load lasts, or "
                  "until requests are given up.");
    }
    for (size_t i = 0; cvg__plan_note(p, i) != NULL; i++) {
        fill(out, cvg__plan_note(p, i));
    }
    free(g);
}

/* Why a request went the way it did, for a person at the box. */
#include "cli/explain.h"

#include "cli/whatif.h"
#include <math.h>

#define OPEN_SHOWN 12U /* ways that could be gone, and that could not */
#define SHUT_SHOWN 24U

struct teller {
    FILE *out;
    const struct cvg_record *record;
    const struct cvg_box *box;
    const struct cvg_record_why *why;
    const struct cvg_request *request;
};

/* "14.2 ms": three digits are enough to tell one way from another. */
static const char *span(char text[32], cvg_span x)
{
    double ns = (double)(x < 0 ? -x : x);
    if (ns < 1e6) {
        (void)snprintf(text, 32, "%.3g us", ns / 1e3);
    } else if (ns < 1e9) {
        (void)snprintf(text, 32, "%.3g ms", ns / 1e6);
    } else {
        (void)snprintf(text, 32, "%.4g s", ns / 1e9);
    }
    return text;
}

static const char *emulated(const struct teller *t, uint32_t device)
{
    return t->box->devices[device].emulated ? " (emulated)" : "";
}

/* Words in a row: "a", "a and b", "a, b and c". */
static const char *joint(size_t i, size_t n)
{
    return i == 0 ? "" : i + 1 == n ? " and " : ", ";
}

static size_t list_kinds(const struct teller *t, uint32_t kinds)
{
    size_t n = 0, i = 0;
    for (unsigned k = 0; k < CVG_SLO_KINDS; k++) {
        n += kinds >> k & 1U;
    }
    for (unsigned k = 0; k < CVG_SLO_KINDS; k++) {
        if ((kinds >> k & 1U) != 0) {
            fprintf(t->out, "%s%s", joint(i++, n),
                    cvg_slo_kind_name((enum cvg_slo_kind)k));
        }
    }
    return n;
}

/* --- what it asked for ---------------------------------------------------- */

static void tell_bounds(const struct teller *t)
{
    const struct cvg_request *r = t->request;
    char asked[4][96];
    size_t n = 0;
    char text[32];
    if (r->deadline != CVG_NEVER) {
        (void)snprintf(asked[n++], sizeof asked[0], "an answer within %s",
                       span(text, r->deadline - r->arrival));
    }
    if (r->min_accuracy > 0) {
        (void)snprintf(asked[n++], sizeof asked[0],
                       "an accuracy of %.4g or more", r->min_accuracy);
    }
    if (isfinite(r->max_energy_j)) {
        (void)snprintf(asked[n++], sizeof asked[0], "at most %.4g mJ of energy",
                       r->max_energy_j * 1e3);
    }
    if (r->variant != CVG_ANY) {
        (void)snprintf(asked[n++], sizeof asked[0],
                       "the variant %.40s and no other",
                       t->box->variants[r->variant].name);
    }
    fprintf(t->out, n > 0 ? "It asked for " : "It set no bounds");
    for (size_t i = 0; i < n; i++) {
        fprintf(t->out, "%s%s", joint(i, n), asked[i]);
    }
    fprintf(t->out, ".");
}

static void tell_arrival(const struct teller *t)
{
    const struct cvg_request *r = t->request;
    cvg_time start = cvg_record_head(t->record)->options.start;
    fprintf(t->out, "Request %llu of %s arrived %.6f s into the run.\n",
            (unsigned long long)r->id, t->box->apps[r->app].name,
            (double)(r->arrival - start) / 1e9);
    tell_bounds(t);
    if (r->relaxed != 0) {
        fprintf(t->out, " Its bound on ");
        list_kinds(t, r->relaxed);
        fprintf(t->out, " gave way, as its application allows.");
    }
    fprintf(t->out, "\nWhen it came, ");
    if (t->why->ahead == 0) {
        fprintf(t->out, "no other request of %s was waiting",
                t->box->apps[r->app].name);
    } else {
        fprintf(t->out, "%u other%s of %s %s waiting", t->why->ahead,
                t->why->ahead == 1 ? "" : "s", t->box->apps[r->app].name,
                t->why->ahead == 1 ? "was" : "were");
    }
    fprintf(t->out, ", and %u of %u units could take a batch.\n\n",
            t->why->free_units, cvg_box_units(t->box));
}

/* --- what was decided, and what came of it -------------------------------- */

static void tell_start(const struct teller *t)
{
    const struct cvg_explanation *e = &t->why->of;
    char text[32];
    fprintf(t->out, "%s after it arrived it was started: %s on %s%s, ",
            span(text, e->started - e->request.arrival),
            t->box->variants[e->variant].name, t->box->devices[e->device].name,
            emulated(t, e->device));
    if (e->batch_size == 1) {
        fprintf(t->out, "alone.");
    } else {
        fprintf(t->out, "in a batch of %u.", e->batch_size);
    }
    if (e->attempts > 1) {
        fprintf(t->out, " That was start %u: the ones before were lost.",
                e->attempts);
    }
    if (e->predicted != CVG_NEVER) {
        fprintf(t->out, " It should have been done %s after it arrived",
                span(text, e->predicted - e->request.arrival));
    }
    if (e->ended && e->outcome == CVG_OUTCOME_SERVED) {
        fprintf(t->out, ", and was after %s",
                span(text, e->finished - e->request.arrival));
    }
    fprintf(t->out, ".\n");
}

static void tell_end(const struct teller *t)
{
    const struct cvg_explanation *e = &t->why->of;
    const struct cvg_request *r = &e->request;
    char text[32], more[32];
    if (!e->ended) {
        fprintf(t->out, "It had not ended when the record does.\n");
        return;
    }
    if (e->outcome != CVG_OUTCOME_SERVED) {
        fprintf(t->out, "%s after it arrived it was %s%s%s.",
                span(text, e->finished - r->arrival),
                cvg_outcome_name(e->outcome),
                e->reason != CVG_REASON_NONE ? ": " : "",
                cvg_reason_text(e->reason));
        if (t->why->retry_after > 0) {
            fprintf(t->out, " It was told to try again after %s.",
                    span(more, t->why->retry_after));
        }
        fprintf(t->out, "\n");
        return;
    }
    fprintf(t->out, "It was served with an accuracy of %.4g for %.3g mJ",
            e->accuracy, e->energy_j * 1e3);
    if (r->deadline != CVG_NEVER) {
        bool late = e->finished > r->deadline;
        fprintf(t->out, ", %s %s", span(text, r->deadline - e->finished),
                late ? "late" : "before its deadline");
    }
    fprintf(t->out, ".\n");
}

/* --- the ways ------------------------------------------------------------- */

static size_t count_open(const struct cvg_record_why *why)
{
    size_t n = 0;
    for (size_t i = 0; i < why->n_ways; i++) {
        n += why->ways[i].chosen || why->ways[i].bars == 0;
    }
    return n;
}

static void tell_bars(const struct teller *t)
{
    size_t counts[CVG_BARS] = {0};
    size_t kinds = 0, told = 0;
    for (size_t i = 0; i < t->why->n_ways; i++) {
        const struct cvg_way_seen *w = &t->why->ways[i];
        for (int b = 0; b < CVG_BARS && !w->chosen; b++) {
            counts[b] += w->bars >> b & 1U;
        }
    }
    for (int b = 0; b < CVG_BARS; b++) {
        kinds += counts[b] > 0;
    }
    for (int b = 0; b < CVG_BARS; b++) {
        if (counts[b] > 0) {
            fprintf(t->out, "%s%s (%zu)", joint(told++, kinds),
                    cvg_bar_words((enum cvg_bar)b), counts[b]);
        }
    }
}

/* How the chosen way stands among those that could be gone. */
static void tell_preference(const struct teller *t, size_t n_open)
{
    const struct cvg_way_seen *chosen = &t->why->ways[0];
    const struct cvg_way_seen *first = chosen;
    char text[32];
    if (!chosen->chosen || n_open < 2) {
        return;
    }
    for (size_t i = 1; i < n_open; i++) {
        const struct cvg_way_seen *w = &t->why->ways[i];
        first = w->finish < first->finish ? w : first;
    }
    if (first == chosen) {
        fprintf(t->out, " The one that was taken would be done first.");
        return;
    }
    fprintf(t->out,
            " %s on %s would have been done %s sooner; policy %s preferred "
            "the other, in view of all that was waiting.",
            t->box->variants[first->variant].name,
            t->box->devices[first->device].name,
            span(text, chosen->finish - first->finish),
            cvg_whatif_policy(t->record));
}

static void tell_ways(const struct teller *t)
{
    const struct cvg_record_why *why = t->why;
    size_t n_open = count_open(why);
    bool taken = why->n_ways > 0 && why->ways[0].chosen;
    if (why->n_ways == 0) {
        fprintf(t->out, "No device of this box was ever measured with what it "
                        "asked for.\n");
        return;
    }
    if (n_open == 0) {
        fprintf(t->out,
                "At that moment none of the %zu ways to run it was "
                "open: ",
                why->n_ways);
    } else {
        fprintf(t->out, "At that moment %zu of the %zu ways to run it %s open",
                n_open, why->n_ways, n_open == 1 ? "was" : "were");
        fprintf(t->out, "%s", n_open < why->n_ways ? "; the others: " : "");
    }
    tell_bars(t);
    fprintf(t->out, ".");
    tell_preference(t, n_open);
    if (taken && why->of.binding != 0) {
        fprintf(t->out, " Its bound on ");
        list_kinds(t, why->of.binding);
        fprintf(t->out, " ruled out ways that are cheaper.");
    }
    fprintf(t->out, "\n");
}

static void write_state(const struct teller *t, const struct cvg_way_seen *w)
{
    char text[32];
    size_t n = 0;
    if (w->chosen) {
        fprintf(t->out, "taken");
        return;
    }
    if (w->bars == 0) {
        fprintf(t->out, "open");
    }
    for (int b = 0; b < CVG_BARS; b++) {
        if ((w->bars >> b & 1U) == 0) {
            continue;
        }
        fprintf(t->out, "%s%s", n++ > 0 ? ", " : "",
                cvg_bar_words((enum cvg_bar)b));
        if (b == CVG_BAR_BUSY && w->free_at > t->why->at) {
            fprintf(t->out, " for %s", span(text, w->free_at - t->why->at));
        } else if (b == CVG_BAR_DEADLINE) {
            fprintf(t->out, " by %s",
                    span(text, w->finish_95 - cvg_request_due(t->request)));
        }
    }
}

static void write_way(const struct teller *t, const struct cvg_way_seen *w)
{
    char name[64], where[64], done[32], late[32];
    const struct cvg_device *device = &t->box->devices[w->device];
    const struct cvg_variant *variant = &t->box->variants[w->variant];
    (void)snprintf(name, sizeof name,
                   variant->n_exits > 1 ? "%.40s/%u" : "%.40s", variant->name,
                   w->exit);
    (void)snprintf(where, sizeof where,
                   device->units > 1 ? "%.40s #%u" : "%.40s", device->name,
                   w->unit);
    fprintf(t->out, "  %-12s %-22s %5u %9.4f %9.3g %10s %10s  ", where, name,
            w->batch, w->accuracy, w->energy_j * 1e3,
            w->finish == CVG_NEVER
                ? "-"
                : span(done, w->finish - t->request->arrival),
            w->finish_95 == CVG_NEVER
                ? "-"
                : span(late, w->finish_95 - t->request->arrival));
    write_state(t, w);
    fprintf(t->out, "\n");
}

static void write_ways(const struct teller *t)
{
    const struct cvg_record_why *why = t->why;
    size_t n_open = count_open(why);
    size_t left = 0;
    if (why->n_ways == 0) {
        return;
    }
    fprintf(t->out,
            "\n  %-12s %-22s %5s %9s %9s %10s %10s\n"
            "  %-12s %-22s %5s %9s %9s %10s %10s\n",
            "", "", "", "", "energy", "done after", "95 of 100", "device",
            "variant", "batch", "accuracy", "mJ", "it came", "by");
    for (size_t i = 0; i < why->n_ways; i++) {
        bool shown = i < n_open ? i < OPEN_SHOWN : i < n_open + SHUT_SHOWN;
        left += !shown;
        if (shown) {
            write_way(t, &why->ways[i]);
        }
    }
    if (left > 0) {
        fprintf(t->out, "  ... and %zu more, which --json has\n", left);
    }
}

void cvg_explain_write(FILE *out, const struct cvg_record *record,
                       const struct cvg_record_why *why)
{
    const struct teller t = {.out = out,
                             .record = record,
                             .box = cvg_record_box(record),
                             .why = why,
                             .request = &why->of.request};
    tell_arrival(&t);
    if (why->decision == CVG_DECISION_START) {
        tell_start(&t);
    }
    tell_end(&t);
    tell_ways(&t);
    write_ways(&t);
}

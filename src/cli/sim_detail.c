/* Spans, bins and distributions of one simulated run. */
#include "cli/sim_detail.h"

#include "base/histogram.h"
#include "device/model.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define MOST_BINS 120 /* a second each, or more when the run is longer */
#define EDGES_PER_OCTAVE 16

enum span_kind { BATCH, LOST, LOAD };

struct span {
    enum span_kind kind;
    uint64_t batch;
    uint32_t device, unit, app, variant, n;
    cvg_time begin, end;
    cvg_span switch_time;
};

struct cvg__sim_detail {
    struct cvg__sim_detail_options options;
    const struct cvg_engine *engine;
    /* Batches inside devices; they begin, as far as is known, when they are
     * handed over. */
    struct span *open;
    size_t n_open, max_open;
    cvg_time *loading; /* [device][variant]: since then; CVG_NEVER: not */
    struct span *spans;
    size_t n_spans;
    cvg_time cut; /* nothing is known from here on; CVG_NEVER: it is whole */
    cvg_span bin;
    size_t n_bins;
    uint32_t *answered; /* [app][variant][bin] */
    uint32_t *unserved; /* [app][bin] */
};

/* --- create --------------------------------------------------------------- */

static size_t most_open(const struct cvg_box *box)
{
    size_t n = 0;
    for (size_t d = 0; d < box->n_devices; d++) {
        n += (size_t)box->devices[d].units * box->devices[d].in_flight;
    }
    return n;
}

static void set_bins(struct cvg__sim_detail *d)
{
    cvg_span longest = d->options.duration;
    cvg_span seconds = (longest + CVG_S(MOST_BINS) - 1) / CVG_S(MOST_BINS);
    d->bin = CVG_S(seconds > 1 ? seconds : 1);
    d->n_bins = (size_t)((longest + d->bin - 1) / d->bin);
}

static bool allocate(struct cvg__sim_detail *d)
{
    const struct cvg_box *box = d->options.box;
    size_t pairs = box->n_devices * box->n_variants;
    d->max_open = most_open(box);
    d->open = calloc(d->max_open + 1, sizeof *d->open);
    d->loading = calloc(pairs + 1, sizeof *d->loading);
    d->spans = calloc(d->options.most + 1, sizeof *d->spans);
    d->answered = calloc(box->n_apps * box->n_variants * d->n_bins + 1,
                         sizeof *d->answered);
    d->unserved = calloc(box->n_apps * d->n_bins + 1, sizeof *d->unserved);
    for (size_t i = 0; d->loading != NULL && i < pairs; i++) {
        d->loading[i] = CVG_NEVER;
    }
    return d->open != NULL && d->loading != NULL && d->spans != NULL &&
           d->answered != NULL && d->unserved != NULL;
}

enum cvg_status cvg__sim_detail_create(
    const struct cvg__sim_detail_options *options, struct cvg__sim_detail **out,
    struct cvg_error *err)
{
    struct cvg__sim_detail *d = calloc(1, sizeof *d);
    if (d != NULL) {
        d->options = *options;
        d->cut = CVG_NEVER;
        set_bins(d);
    }
    if (d == NULL || !allocate(d)) {
        cvg__sim_detail_destroy(d);
        return cvg_fail(err, CVG_NOMEM, "out of memory for the page");
    }
    *out = d;
    return CVG_OK;
}

void cvg__sim_detail_destroy(struct cvg__sim_detail *d)
{
    if (d == NULL) {
        return;
    }
    free(d->open);
    free(d->loading);
    free(d->spans);
    free(d->answered);
    free(d->unserved);
    free(d);
}

void cvg__sim_detail_engine(struct cvg__sim_detail *d,
                            const struct cvg_engine *engine)
{
    d->engine = engine;
}

static uint32_t app_of(const struct cvg__sim_detail *d, uint64_t request)
{
    struct cvg_explanation why;
    enum cvg_status status = cvg_engine_explain(d->engine, request, &why);
    assert(status == CVG_OK); /* it lives, or has ended just now */
    (void)status;
    return why.request.app;
}

/* --- the timeline --------------------------------------------------------- */

/* Where there is no room for a span, what had begun by then and has not ended
 * will be missing, too: the timeline is whole up to the first such begin. */
static void cut(struct cvg__sim_detail *d, cvg_time begin)
{
    d->cut = begin;
    for (size_t i = 0; i < d->n_open; i++) {
        if (d->open[i].begin < d->cut) {
            d->cut = d->open[i].begin;
        }
    }
    size_t pairs = d->options.box->n_devices * d->options.box->n_variants;
    for (size_t i = 0; i < pairs; i++) {
        if (d->loading[i] < d->cut) {
            d->cut = d->loading[i];
        }
    }
}

static void keep(struct cvg__sim_detail *d, const struct span *span)
{
    if (d->cut != CVG_NEVER || span->end < d->options.from ||
        span->begin >= d->options.until) {
        return;
    }
    if (d->n_spans == d->options.most) {
        cut(d, span->begin);
        return;
    }
    d->spans[d->n_spans++] = *span;
}

static void begin(struct cvg__sim_detail *d, cvg_time now,
                  const struct cvg_start *start)
{
    assert(d->n_open < d->max_open); /* no more fit into the devices */
    d->open[d->n_open++] = (struct span){
        .kind = BATCH,
        .batch = start->batch,
        .device = start->device,
        /* A batch of nothing switches ahead of need. */
        .app = start->n_requests > 0 ? app_of(d, start->requests[0]) : CVG_ANY,
        .variant = start->variant,
        .n = start->n_requests,
        .begin = now,
    };
}

void cvg__sim_detail_ended(struct cvg__sim_detail *d, uint32_t device,
                           const struct cvg_model_done *done)
{
    for (size_t i = 0; i < d->n_open; i++) {
        struct span span = d->open[i];
        if (span.device == device && span.batch == done->id) {
            d->open[i] = d->open[--d->n_open];
            span.unit = done->unit;
            span.begin = done->begun;
            span.end = done->finished;
            span.switch_time = done->switch_time;
            keep(d, &span);
            return;
        }
    }
}

static void lose(struct cvg__sim_detail *d, cvg_time now, uint32_t device)
{
    const struct cvg_box *box = d->options.box;
    for (size_t i = d->n_open; i-- > 0;) {
        struct span span = d->open[i];
        if (span.device == device) {
            d->open[i] = d->open[--d->n_open];
            span.kind = LOST;
            span.end = now;
            keep(d, &span);
        }
    }
    for (size_t v = 0; v < box->n_variants; v++) {
        d->loading[device * box->n_variants + v] = CVG_NEVER;
    }
}

static cvg_time *loading(struct cvg__sim_detail *d, uint32_t device,
                         uint32_t variant)
{
    return &d->loading[device * d->options.box->n_variants + variant];
}

static void loaded(struct cvg__sim_detail *d, cvg_time now, uint32_t device,
                   uint32_t variant)
{
    cvg_time *since = loading(d, device, variant);
    struct span span = {.kind = LOAD,
                        .device = device,
                        .app = CVG_ANY,
                        .variant = variant,
                        .begin = *since,
                        .end = now};
    *since = CVG_NEVER;
    if (span.begin != CVG_NEVER && span.end > span.begin) {
        keep(d, &span);
    }
}

/* --- what became of requests ---------------------------------------------- */

static size_t bin_of(const struct cvg__sim_detail *d, cvg_time at)
{
    size_t bin = (size_t)(at / d->bin);
    return bin < d->n_bins ? bin : d->n_bins - 1; /* the drain goes there */
}

static uint32_t *answers(const struct cvg__sim_detail *d, size_t app,
                         size_t variant)
{
    size_t row = app * d->options.box->n_variants + variant;
    return &d->answered[row * d->n_bins];
}

static void event_happened(struct cvg__sim_detail *d, const struct cvg_event *e)
{
    if (e->type == CVG_EV_DEVICE && !e->device.up) {
        lose(d, e->at, e->device.device);
    } else if (e->type == CVG_EV_LOADED) {
        loaded(d, e->at, e->model_on.device, e->model_on.variant);
    }
}

void cvg__sim_detail_watch(struct cvg__sim_detail *d,
                           const struct cvg_event *event,
                           const struct cvg_actions *actions)
{
    event_happened(d, event);
    for (size_t i = 0; i < actions->n; i++) {
        const struct cvg_action *a = &actions->items[i];
        switch (a->type) {
        case CVG_ACT_START:
            begin(d, event->at, &a->start);
            break;
        case CVG_ACT_LOAD:
            *loading(d, a->model_on.device, a->model_on.variant) = event->at;
            break;
        case CVG_ACT_REPLY:
            answers(d, a->reply.app, a->reply.variant)[bin_of(d, event->at)]++;
            break;
        case CVG_ACT_DROP:
            d->unserved[app_of(d, a->drop.request) * d->n_bins +
                        bin_of(d, event->at)]++;
            break;
        default:
            break;
        }
    }
}

/* --- as JSON -------------------------------------------------------------- */

static json_t *bins_json(const struct cvg__sim_detail *d, const uint32_t *bins)
{
    json_t *array = json_array();
    for (size_t i = 0; i < d->n_bins; i++) {
        json_array_append_new(array, json_integer(bins[i]));
    }
    return array;
}

static bool any(const struct cvg__sim_detail *d, const uint32_t *bins)
{
    uint32_t seen = 0;
    for (size_t i = 0; i < d->n_bins; i++) {
        seen |= bins[i];
    }
    return seen != 0;
}

static json_t *app_shares(const struct cvg__sim_detail *d, size_t app)
{
    json_t *variants = json_array(), *counts = json_array();
    for (size_t v = 0; v < d->options.box->n_variants; v++) {
        const uint32_t *bins = answers(d, app, v);
        if (any(d, bins)) {
            json_array_append_new(variants, json_integer((json_int_t)v));
            json_array_append_new(counts, bins_json(d, bins));
        }
    }
    return json_pack("{s:o, s:o, s:o}", "variants", variants, "counts", counts,
                     "unserved", bins_json(d, &d->unserved[app * d->n_bins]));
}

json_t *cvg__sim_detail_shares(const struct cvg__sim_detail *d)
{
    json_t *apps = json_array();
    for (size_t i = 0; i < d->options.box->n_apps; i++) {
        json_array_append_new(apps, app_shares(d, i));
    }
    return json_pack("{s:f, s:o}", "bin_s", (double)d->bin * 1e-9, "apps",
                     apps);
}

static json_t *span_json(const struct span *s)
{
    json_int_t app = s->app == CVG_ANY ? -1 : (json_int_t)s->app;
    return json_pack("[I,I,I,I,I,I,I,I,I]", (json_int_t)s->device,
                     (json_int_t)s->unit, (json_int_t)(s->begin / 1000),
                     (json_int_t)(s->end / 1000), app, (json_int_t)s->variant,
                     (json_int_t)s->n, (json_int_t)(s->switch_time / 1000),
                     (json_int_t)s->kind);
}

json_t *cvg__sim_detail_timeline(const struct cvg__sim_detail *d)
{
    json_t *spans = json_array();
    for (size_t i = 0; i < d->n_spans; i++) {
        if (d->spans[i].begin < d->cut) {
            json_array_append_new(spans, span_json(&d->spans[i]));
        }
    }
    bool whole = d->cut == CVG_NEVER || d->cut >= d->options.until;
    cvg_time until = whole ? d->options.until : d->cut;
    return json_pack("{s:f, s:f, s:b, s:o}", "from_s",
                     (double)d->options.from * 1e-9, "until_s",
                     (double)until * 1e-9, "cut", !whole, "spans", spans);
}

/* The largest latency that belongs to edge k, ns. */
static int64_t edge(int k)
{
    return (int64_t)(1e3 * exp2((double)k / EDGES_PER_OCTAVE));
}

static json_t *distribution(const struct cvg_histogram *h)
{
    json_t *counts = json_array();
    uint64_t total = cvg_histogram_count(h), before = 0;
    int first = 0;
    while (cvg_histogram_below(h, edge(first)) == 0 && total > 0) {
        first++;
    }
    for (int k = first; before < total; k++) {
        uint64_t below = cvg_histogram_below(h, edge(k));
        json_array_append_new(counts,
                              json_integer((json_int_t)(below - before)));
        before = below;
    }
    return json_pack("{s:i, s:o}", "first", first, "counts", counts);
}

json_t *cvg__sim_detail_latencies(const struct cvg_stats *stats)
{
    json_t *apps = json_array();
    for (size_t i = 0; i < stats->n_apps; i++) {
        json_array_append_new(apps, distribution(stats->apps[i].latency));
    }
    return apps;
}

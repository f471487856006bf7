/* Arrivals, drawn one after the other.
 *
 * Every process but a trace is a renewal process in operational time: the gaps
 * have mean 1, and the clock of that time runs at the rate of the moment. So
 * load, the states of an MMPP and rate events all change one thing, the speed
 * of a clock, and never the numbers that are drawn. */
#include "domain/workload.h"

#include <math.h>

#define STREAM_GAPS 0x61707073U /* "apps" */
/* The states of an MMPP have a stream of their own, so that the bursts of a
 * run stand at the same instants whatever its load. */
#define STREAM_STATES 0x6d6d7070U /* "mmpp" */

/* Mean of an MMPP: each state's rate, weighted by its stay. */
static double mean_rate(const struct cvg_stream *stream)
{
    double arrivals = 0, time = 0;
    for (uint32_t i = 0; i < stream->n_states; i++) {
        arrivals += stream->rates_rps[i] * (double)stream->stay[i];
        time += (double)stream->stay[i];
    }
    return time > 0 ? arrivals / time : 0;
}

double cvg_stream_rate(const struct cvg_stream *stream)
{
    switch (stream->process) {
    case CVG_MMPP:
        return mean_rate(stream);
    case CVG_TRACE:
        return 0;
    default:
        return stream->rate_rps;
    }
}

/* Arrivals per ns, as of now. */
static double speed(const struct cvg_arrival_source *s)
{
    const struct cvg_stream *stream = s->stream;
    double rate = stream->process == CVG_MMPP ? stream->rates_rps[s->state]
                                              : stream->rate_rps;
    return rate * s->scale * 1e-9;
}

static double draw_stay(struct cvg_arrival_source *s)
{
    return cvg_rng_exponential(&s->states) * (double)s->stream->stay[s->state];
}

/* The first state, as likely as its share of the time. */
static void init_states(struct cvg_arrival_source *s)
{
    const struct cvg_stream *stream = s->stream;
    double total = 0;
    for (uint32_t i = 0; i < stream->n_states; i++) {
        total += (double)stream->stay[i];
    }
    double u = cvg_rng_uniform(&s->states) * total;
    while (s->state + 1 < stream->n_states &&
           u >= (double)stream->stay[s->state]) {
        u -= (double)stream->stay[s->state];
        s->state++;
    }
    s->state_until_ns = draw_stay(s);
}

/* Runs the clock of operational time until `left` is used up, or real time is
 * `until_ns`; returns the real time. */
static double run_clock(struct cvg_arrival_source *s, double until_ns)
{
    bool modulated = s->stream->process == CVG_MMPP;
    while (s->left > 0 && s->clock_ns < until_ns) {
        double end = until_ns;
        if (modulated && s->state_until_ns < end) {
            end = s->state_until_ns;
        }
        double rate = speed(s);
        double there = rate > 0 ? s->clock_ns + s->left / rate : INFINITY;
        if (there <= end) {
            s->left = 0;
            s->clock_ns = there;
            break;
        }
        s->left -= rate * (end - s->clock_ns);
        s->clock_ns = end;
        if (modulated && end >= s->state_until_ns) {
            s->state = (s->state + 1) % s->stream->n_states;
            s->state_until_ns += draw_stay(s);
        }
    }
    return s->clock_ns;
}

/* Where the next arrival falls as things stand. Works on a copy: a rate event
 * may come before it. */
static void look_ahead(struct cvg_arrival_source *s)
{
    struct cvg_arrival_source copy = *s;
    /* More than two years, with instants still true to 8 ns: no run is longer,
     * and a stream without arrivals must end. */
    const double horizon = 0x1p56;
    s->due_ns = s->scale > 0 ? run_clock(&copy, horizon) : horizon;
    if (s->due_ns >= horizon) {
        s->due_ns = horizon;
        s->next = CVG_NEVER;
        return;
    }
    cvg_span at = llround(s->due_ns + s->jitter_ns);
    /* Jitter longer than the period could swap two arrivals. */
    s->next = at < s->last ? s->last : at;
}

static double draw_gap(struct cvg_arrival_source *s)
{
    switch (s->stream->process) {
    case CVG_POISSON:
    case CVG_MMPP:
        return cvg_rng_exponential(&s->rng);
    case CVG_GAMMA:
        return cvg_rng_gamma(&s->rng, s->stream->shape);
    case CVG_PERIODIC:
        /* The first is the phase. */
        return s->count == 0 ? cvg_rng_uniform(&s->rng) : 1;
    case CVG_TRACE:
        break;
    }
    return 1; /* never asked of a trace */
}

static void next_row(struct cvg_arrival_source *s)
{
    const struct cvg_stream *stream = s->stream;
    s->next = CVG_NEVER;
    if (s->count < stream->n_rows) {
        double at = (double)stream->rows[s->count].at / s->load;
        s->next = at < 0x1p62 ? llround(at) : CVG_NEVER;
        s->count++;
    }
}

static void next_drawn(struct cvg_arrival_source *s)
{
    s->left = draw_gap(s);
    s->jitter_ns = 0;
    if (s->stream->process == CVG_PERIODIC && s->stream->jitter > 0) {
        s->jitter_ns = cvg_rng_uniform(&s->rng) * (double)s->stream->jitter;
    }
    s->count++;
    look_ahead(s);
}

void cvg_arrivals_init(struct cvg_arrival_source *s,
                       const struct cvg_stream *stream, uint64_t seed,
                       double load)
{
    *s = (struct cvg_arrival_source){
        .stream = stream, .load = load, .scale = load};
    cvg_rng_init(&s->rng, seed, STREAM_GAPS, stream->app);
    if (stream->process == CVG_TRACE) {
        next_row(s);
        return;
    }
    if (stream->process == CVG_MMPP) {
        cvg_rng_init(&s->states, seed, STREAM_STATES, stream->app);
        init_states(s);
        if (mean_rate(stream) <= 0) {
            s->next = CVG_NEVER;
            return;
        }
    }
    next_drawn(s);
}

void cvg_arrivals_advance(struct cvg_arrival_source *s)
{
    if (s->next == CVG_NEVER) {
        return;
    }
    s->last = s->next;
    if (s->stream->process == CVG_TRACE) {
        next_row(s);
        return;
    }
    run_clock(s, s->due_ns);
    next_drawn(s);
}

void cvg_arrivals_set_rate(struct cvg_arrival_source *s, cvg_span at,
                           double rate_rps)
{
    double own = cvg_stream_rate(s->stream);
    if (own <= 0) {
        return; /* a trace's instants are given: there is no rate to change */
    }
    /* With jitter the arrival itself may be past its place already. */
    if ((double)at < s->due_ns) {
        run_clock(s, (double)at);
        s->scale = s->load * rate_rps / own;
        look_ahead(s);
    } else {
        s->scale = s->load * rate_rps / own;
    }
}

const struct cvg_trace_row *cvg_arrivals_row(const struct cvg_arrival_source *s)
{
    if (s->stream->process != CVG_TRACE || s->next == CVG_NEVER) {
        return NULL;
    }
    return &s->stream->rows[s->count - 1];
}

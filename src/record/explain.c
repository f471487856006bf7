/* Why a request went the way it did. */
#include "record/explain.h"

#include <math.h>
#include <stdlib.h>

#define BAR(name) (1U << CVG_BAR_##name)

const char *cvg_bar_name(enum cvg_bar bar)
{
    static const char *const names[CVG_BARS] = {
#define BAR_NAME(name, text, words) text,
        CVG_BAR_LIST(BAR_NAME)
#undef BAR_NAME
    };
    return names[bar];
}

const char *cvg_bar_words(enum cvg_bar bar)
{
    static const char *const all[CVG_BARS] = {
#define BAR_WORDS(name, text, words) words,
        CVG_BAR_LIST(BAR_WORDS)
#undef BAR_WORDS
    };
    return all[bar];
}

struct search {
    uint64_t request;
    struct cvg_record_why *why;
    const struct cvg_engine *engine;
    const struct cvg_recorded_step *step;
    bool seen, ended;
    bool decides;                  /* this step does */
    const struct cvg_start *start; /* in which it is, in this step */
    size_t room;
    bool no_memory;
};

/* --- the ways ------------------------------------------------------------- */

static struct cvg_way_seen *add_way(struct search *s)
{
    struct cvg_record_why *why = s->why;
    if (why->n_ways == s->room) {
        size_t more = s->room == 0 ? 32 : 2 * s->room;
        struct cvg_way_seen *ways = realloc(why->ways, more * sizeof *ways);
        if (ways == NULL) {
            s->no_memory = true;
            return NULL;
        }
        why->ways = ways;
        s->room = more;
    }
    return &why->ways[why->n_ways++];
}

static uint32_t bars_of(const struct cvg_view *view,
                        const struct cvg_request *r,
                        const struct cvg_way_seen *w)
{
    const struct cvg_unit *unit = &view->units[w->unit];
    uint32_t bars = 0;
    bars |= w->accuracy < r->min_accuracy - 1e-12 ? BAR(ACCURACY) : 0U;
    bars |= w->energy_j > r->max_energy_j * (1 + 1e-12) ? BAR(ENERGY) : 0U;
    bars |= cvg_view_enabled(view, w->variant) ? 0U : BAR(OUT);
    bool up = cvg_view_up(view, w->device);
    bars |= up ? 0U : BAR(DOWN);
    bars |= cvg_view_residency(view, w->device, w->variant) == CVG_RESIDENT
                ? 0U
                : BAR(MEMORY);
    bars |= up && !cvg_view_free(view, unit) ? BAR(BUSY) : 0U;
    cvg_time due = cvg_request_due(r);
    bars |= due != CVG_NEVER && w->finish_95 > due ? BAR(DEADLINE) : 0U;
    return bars;
}

static bool is_chosen(const struct search *s, const struct cvg_way_seen *w)
{
    const struct cvg_start *start = s->start;
    return start != NULL && start->unit == w->unit &&
           start->variant == w->variant && start->last == w->exit;
}

static void look_at_way(struct search *s, const struct cvg_view *view,
                        const struct cvg_request *r, uint32_t unit,
                        uint32_t variant, uint32_t exit)
{
    uint32_t device = view->units[unit].device;
    uint32_t min =
        cvg_profile_min_batch(view->profile, variant, 0, exit, device);
    uint32_t max =
        cvg_profile_max_batch(view->profile, variant, 0, exit, device);
    struct cvg_way_seen *w =
        min == 0 || !cvg_box_can_run(view->box, device, variant) ? NULL
                                                                 : add_way(s);
    if (w == NULL) {
        return;
    }
    uint32_t n = s->start != NULL ? s->start->n_requests : 1;
    n = n < min ? min : n > max ? max : n;
    *w = (struct cvg_way_seen){
        .unit = unit,
        .device = device,
        .variant = variant,
        .exit = exit,
        .batch = n,
        .finish = cvg_view_finish(view, &view->units[unit], variant, 0, exit, n,
                                  CVG_MEAN),
        .finish_95 = cvg_view_finish(view, &view->units[unit], variant, 0, exit,
                                     n, CVG_P95),
        .free_at = view->units[unit].free_at,
        .accuracy = view->box->variants[variant].accuracy[exit],
        .energy_j =
            cvg_profile_energy(view->profile, variant, 0, exit, device, n) / n};
    w->bars = bars_of(view, r, w);
    w->chosen = is_chosen(s, w);
}

static void look_at_ways(struct search *s, const struct cvg_view *view,
                         const struct cvg_request *r)
{
    const struct cvg_family *family =
        &view->box->families[view->apps[r->app].family];
    s->why->n_ways = 0;
    for (uint32_t u = 0; u < view->n_units; u++) {
        for (size_t i = 0; i < family->n_variants; i++) {
            uint32_t v = family->variants[i];
            if (r->variant != CVG_ANY && r->variant != v) {
                continue;
            }
            for (uint32_t x = 0; x < view->box->variants[v].n_exits; x++) {
                look_at_way(s, view, r, u, v, x);
            }
        }
    }
}

/* What was taken; what could be; what could be at another moment; the rest. */
static int rank(const struct cvg_way_seen *w)
{
    const uint32_t always = BAR(ACCURACY) | BAR(ENERGY) | BAR(OUT);
    return w->chosen ? 0 : w->bars == 0 ? 1 : (w->bars & always) == 0 ? 2 : 3;
}

static int compare_ways(const void *a, const void *b)
{
    const struct cvg_way_seen *x = a, *y = b;
    if (rank(x) != rank(y)) {
        return rank(x) - rank(y);
    }
    if (x->finish != y->finish) {
        return x->finish < y->finish ? -1 : 1;
    }
    if (x->variant != y->variant) {
        return x->variant < y->variant ? -1 : 1;
    }
    return x->unit < y->unit ? -1 : x->unit > y->unit;
}

/* --- the step that decides ------------------------------------------------ */

static bool is_in(const struct cvg_start *start, uint64_t request)
{
    for (uint32_t i = 0; i < start->n_requests; i++) {
        if (start->requests[i] == request) {
            return true;
        }
    }
    return false;
}

/* A drop after a start (a batch that failed for the last time, an input that
 * the model could not run) decides nothing about the way. */
static void find_decision(struct search *s)
{
    const struct cvg_actions *all = &s->step->actions;
    struct cvg_record_why *why = s->why;
    s->decides = false;
    s->start = NULL;
    for (size_t i = 0; i < all->n; i++) {
        const struct cvg_action *a = &all->items[i];
        if (a->type == CVG_ACT_START && is_in(&a->start, s->request)) {
            s->start = &a->start;
            why->decision = CVG_DECISION_START;
            s->decides = true;
        } else if (a->type == CVG_ACT_DROP && a->drop.request == s->request) {
            why->retry_after = a->drop.retry_after;
            if (why->decision != CVG_DECISION_START) {
                why->decision = CVG_DECISION_DROP;
                s->decides = true;
            }
        }
    }
    if (s->step->event->type == CVG_EV_CANCEL &&
        s->step->event->request == s->request && s->seen && !s->ended &&
        why->decision == CVG_DECISION_NONE) {
        why->decision = CVG_DECISION_CANCEL;
        s->decides = true;
    }
}

static void look_at_arrival(struct search *s, const struct cvg_view *view)
{
    const struct cvg_event *e = s->step->event;
    if (e->type != CVG_EV_ARRIVAL || e->arrival.id != s->request) {
        return;
    }
    uint32_t waiting = cvg_view_waiting(view, e->arrival.app);
    bool waits = cvg_engine_is_live(s->engine, s->request);
    s->why->ahead = waits && waiting > 0 ? waiting - 1 : waiting;
    s->why->free_units = 0;
    for (uint32_t u = 0; u < view->n_units; u++) {
        s->why->free_units += cvg_view_free(view, &view->units[u]);
    }
}

static void look(void *context, const struct cvg_view *view)
{
    struct search *s = context;
    struct cvg_explanation now;
    if (s->ended) {
        return;
    }
    look_at_arrival(s, view);
    /* While it waits it may still be waiting at the end of the record. */
    bool waits = s->seen && s->why->decision == CVG_DECISION_NONE;
    if ((!s->decides && !waits) ||
        cvg_engine_explain(s->engine, s->request, &now) != CVG_OK) {
        return;
    }
    s->why->step = s->step->number;
    s->why->at = view->now;
    s->why->waiting = cvg_view_waiting(view, now.request.app);
    look_at_ways(s, view, &now.request);
}

static void before(void *context, const struct cvg_engine *engine,
                   const struct cvg_recorded_step *step)
{
    struct search *s = context;
    s->engine = engine;
    s->step = step;
    s->decides = false;
    s->start = NULL;
    if (step->event->type == CVG_EV_ARRIVAL &&
        step->event->arrival.id == s->request && !s->ended) {
        s->seen = true;
    }
    if (s->seen && !s->ended) {
        find_decision(s);
    }
}

static void after(void *context, const struct cvg_engine *engine,
                  const struct cvg_recorded_step *step)
{
    struct search *s = context;
    (void)step;
    if (s->seen && !s->ended) {
        (void)cvg_engine_explain(engine, s->request, &s->why->of);
        s->ended = s->why->of.ended;
    }
}

/* --- the whole ------------------------------------------------------------ */

static enum cvg_status not_found(struct cvg_record *record, uint64_t request,
                                 const struct cvg_replay *replay,
                                 struct cvg_error *err)
{
    const struct cvg_recorded_step *step;
    struct cvg_error ignored;
    uint64_t first = 0, last = 0;
    cvg_record_rewind(record);
    while (cvg_record_next(record, &step, &ignored) == CVG_OK && step != NULL) {
        if (step->event->type == CVG_EV_ARRIVAL) {
            uint64_t id = step->event->arrival.id;
            first = first == 0 || id < first ? id : first;
            last = id > last ? id : last;
        }
    }
    unsigned long long n = replay->events[CVG_EV_ARRIVAL];
    return n == 0
               ? cvg_fail(err, CVG_NOTFOUND,
                          "%.300s: there is no request in it",
                          cvg_record_path(record))
               : cvg_fail(err, CVG_NOTFOUND,
                          "%.300s: there is no request %llu in it: it "
                          "holds %llu, with numbers from %llu to %llu",
                          cvg_record_path(record), (unsigned long long)request,
                          n, (unsigned long long)first,
                          (unsigned long long)last);
}

enum cvg_status cvg_record_explain(struct cvg_record *record, uint64_t request,
                                   struct cvg_record_why *out,
                                   struct cvg_error *err)
{
    struct search s = {.request = request, .why = out};
    struct cvg_replay replay;
    struct cvg_replay_options options = {
        .look = look, .before = before, .after = after, .context = &s};
    *out = (struct cvg_record_why){.decision = CVG_DECISION_NONE};
    enum cvg_status status = cvg_record_replay(record, &options, &replay, err);
    if (status == CVG_OK && s.no_memory) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory");
    }
    if (status == CVG_OK && replay.differs && !s.ended) {
        status =
            cvg_fail(err, CVG_CONFIG,
                     "%.200s: this program decides otherwise from event "
                     "%llu on (see convergo replay): it cannot tell why",
                     cvg_record_path(record), (unsigned long long)replay.step);
    }
    if (status == CVG_OK && !s.seen) {
        status = not_found(record, request, &replay, err);
    }
    if (status != CVG_OK) {
        cvg_record_why_fini(out);
        return status;
    }
    qsort(out->ways, out->n_ways, sizeof *out->ways, compare_ways);
    return CVG_OK;
}

void cvg_record_why_fini(struct cvg_record_why *why)
{
    free(why->ways);
    why->ways = NULL;
    why->n_ways = 0;
}

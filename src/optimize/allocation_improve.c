/* Local search for allocations: a query gives up a device, gets one, or both,
 * and what it takes from another query that one may have made good.
 *
 * What queries are worth is known one by one, so that a change of one or two of
 * them is judged without looking at the others: of each query it is worked out
 * what it would best do if it lost a device of one type and got one of another,
 * and the best two such changes that go together are made. */
#include "optimize/allocation.h"

#include "base/rng.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOTHING UINT32_MAX
#define BETTER 1e-7 /* than nothing */
#define MOST_MOVES 20000

struct change { /* of one query */
    double gain;
    uint32_t lost, got; /* variants; NOTHING: none */
};

struct search {
    struct cvg__allocation *a;
    uint32_t n;             /* types and one more: none */
    struct change *changes; /* [query * n * n + lost type * n + got type] */
    uint32_t *idle;         /* [type] */
    /* [query * n + lost type] what it would best get of what is idle, or
     * nothing. */
    uint32_t *instead;
};

struct state { /* of a search, to come back to */
    uint32_t *hosts, *idle;
    struct change *changes;
};

static size_t n_hosts(const struct search *s)
{
    return (size_t)s->a->n_types * s->a->n_variants;
}

static size_t n_changes(const struct search *s)
{
    return (size_t)s->a->n_queries * s->n * s->n;
}

static bool init(struct search *s)
{
    const struct cvg__allocation *a = s->a;
    s->changes = calloc(n_changes(s) + 1, sizeof *s->changes);
    s->idle = calloc(s->n, sizeof *s->idle);
    s->instead = calloc((size_t)a->n_queries * s->n + 1, sizeof *s->instead);
    if (s->changes == NULL || s->idle == NULL || s->instead == NULL) {
        return false;
    }
    for (uint32_t t = 0; t < a->n_types; t++) {
        s->idle[t] = cvg__allocation_idle(a, t);
    }
    return true;
}

static void state_fini(struct state *kept)
{
    free(kept->hosts);
    free(kept->idle);
    free(kept->changes);
}

static bool state_init(struct state *kept, const struct search *s)
{
    kept->hosts = calloc(n_hosts(s) + 1, sizeof *kept->hosts);
    kept->idle = calloc(s->n, sizeof *kept->idle);
    kept->changes = calloc(n_changes(s) + 1, sizeof *kept->changes);
    if (kept->hosts == NULL || kept->idle == NULL || kept->changes == NULL) {
        state_fini(kept);
        return false;
    }
    return true;
}

static void save(const struct search *s, struct state *kept)
{
    memcpy(kept->hosts, s->a->hosts, n_hosts(s) * sizeof *kept->hosts);
    memcpy(kept->idle, s->idle, s->n * sizeof *kept->idle);
    memcpy(kept->changes, s->changes, n_changes(s) * sizeof *kept->changes);
}

static void restore(struct search *s, const struct state *kept)
{
    memcpy(s->a->hosts, kept->hosts, n_hosts(s) * sizeof *kept->hosts);
    memcpy(s->idle, kept->idle, s->n * sizeof *kept->idle);
    memcpy(s->changes, kept->changes, n_changes(s) * sizeof *kept->changes);
}

static struct change *change_of(const struct search *s, uint32_t q,
                                uint32_t lost, uint32_t got)
{
    return &s->changes[((size_t)q * s->n + lost) * s->n + got];
}

/* The best that the query could do with one device more of each type. */
static void look_for_more(struct search *s, uint32_t q, uint32_t lost_type,
                          uint32_t lost, double before)
{
    struct cvg__allocation *a = s->a;
    uint32_t none = a->n_types;
    struct change *c = change_of(s, q, lost_type, none);
    double gain = cvg__allocation_worth(a, q) - before;
    if (gain > c->gain) {
        *c = (struct change){gain, lost, NOTHING};
    }
    for (uint32_t k = a->first[q]; k < a->first[q + 1]; k++) {
        uint32_t v = a->order[k];
        for (uint32_t t = 0; t < a->n_types; t++) {
            size_t h = cvg__host(a, t, v);
            c = change_of(s, q, lost_type, t);
            if (a->peak_rps[h] <= 0 || (t == lost_type && v == lost)) {
                continue;
            }
            a->hosts[h]++;
            gain = cvg__allocation_worth(a, q) - before;
            a->hosts[h]--;
            if (gain > c->gain) {
                *c = (struct change){gain, lost, v};
            }
        }
    }
}

static void look_at(struct search *s, uint32_t q)
{
    struct cvg__allocation *a = s->a;
    double before = cvg__allocation_worth(a, q);
    for (uint32_t i = 0; i < s->n * s->n; i++) {
        s->changes[(size_t)q * s->n * s->n + i] =
            (struct change){-INFINITY, NOTHING, NOTHING};
    }
    look_for_more(s, q, a->n_types, NOTHING, before);
    for (uint32_t k = a->first[q]; k < a->first[q + 1]; k++) {
        uint32_t v = a->order[k];
        for (uint32_t t = 0; t < a->n_types; t++) {
            size_t h = cvg__host(a, t, v);
            if (a->hosts[h] > 0) {
                a->hosts[h]--;
                look_for_more(s, q, t, v, before);
                a->hosts[h]++;
            }
        }
    }
}

struct move { /* one query or two */
    double gain;
    uint32_t n;
    struct {
        uint32_t query, lost_type, got_type;
    } parts[2];
};

static void better(struct move *best, const struct move *m)
{
    if (m->gain > best->gain + BETTER) {
        *best = *m;
    }
}

static bool is_idle(const struct search *s, uint32_t type)
{
    return type == s->a->n_types || s->idle[type] > 0;
}

static void look_at_idle(struct search *s)
{
    uint32_t none = s->a->n_types;
    for (uint32_t q = 0; q < s->a->n_queries; q++) {
        for (uint32_t lost = 0; lost < s->n; lost++) {
            uint32_t best = none;
            for (uint32_t t = 0; t < none; t++) {
                if (is_idle(s, t) && change_of(s, q, lost, t)->gain >
                                         change_of(s, q, lost, best)->gain) {
                    best = t;
                }
            }
            s->instead[(size_t)q * s->n + lost] = best;
        }
    }
}

/* What a query does best that loses a device of the type: it may have one of
 * `other` in its place, or one that is idle. */
static uint32_t best_got(const struct search *s, uint32_t q, uint32_t lost,
                         uint32_t other)
{
    uint32_t instead = s->instead[(size_t)q * s->n + lost];
    return change_of(s, q, lost, instead)->gain >
                   change_of(s, q, lost, other)->gain
               ? instead
               : other;
}

/* One query gives `x` for `y`, another `y` for `x` or something else. */
static void look_for_exchange(const struct search *s, uint32_t x, uint32_t y,
                              struct move *best)
{
    uint32_t takers[2] = {NOTHING, NOTHING}, givers[2] = {NOTHING, NOTHING};
    for (uint32_t q = 0; q < s->a->n_queries; q++) {
        double gain = change_of(s, q, x, y)->gain;
        for (int i = 0; i < 2 && isfinite(gain); i++) {
            if (takers[i] == NOTHING ||
                gain > change_of(s, takers[i], x, y)->gain) {
                takers[1] = i == 0 ? takers[0] : q;
                takers[i] = q;
                break;
            }
        }
        gain = change_of(s, q, y, best_got(s, q, y, x))->gain;
        for (int i = 0; i < 2 && isfinite(gain); i++) {
            uint32_t g = givers[i];
            if (g == NOTHING ||
                gain > change_of(s, g, y, best_got(s, g, y, x))->gain) {
                givers[1] = i == 0 ? givers[0] : q;
                givers[i] = q;
                break;
            }
        }
    }
    for (int i = 0; i < 4; i++) {
        uint32_t taker = takers[i / 2], giver = givers[i % 2];
        if (taker == NOTHING || giver == NOTHING || taker == giver) {
            continue;
        }
        uint32_t got = best_got(s, giver, y, x);
        better(best, &(struct move){.gain = change_of(s, taker, x, y)->gain +
                                            change_of(s, giver, y, got)->gain,
                                    .n = 2,
                                    .parts = {{taker, x, y}, {giver, y, got}}});
    }
}

static struct move best_move(struct search *s)
{
    struct move best = {.gain = 0};
    look_at_idle(s);
    for (uint32_t q = 0; q < s->a->n_queries; q++) {
        for (uint32_t x = 0; x < s->n; x++) {
            for (uint32_t y = 0; y < s->n; y++) {
                if (x == y || is_idle(s, y)) {
                    better(&best, &(struct move){change_of(s, q, x, y)->gain,
                                                 1,
                                                 {{q, x, y}}});
                }
            }
        }
    }
    for (uint32_t x = 0; x < s->n; x++) {
        for (uint32_t y = 0; y < s->a->n_types; y++) {
            look_for_exchange(s, x, y, &best);
        }
    }
    return best;
}

static void make(struct search *s, const struct move *m)
{
    struct cvg__allocation *a = s->a;
    for (uint32_t i = 0; i < m->n; i++) {
        uint32_t lost = m->parts[i].lost_type, got = m->parts[i].got_type;
        const struct change *c = change_of(s, m->parts[i].query, lost, got);
        if (lost < a->n_types) {
            a->hosts[cvg__host(a, lost, c->lost)]--;
            s->idle[lost]++;
        }
        if (got < a->n_types) {
            a->hosts[cvg__host(a, got, c->got)]++;
            s->idle[got]--;
        }
    }
    for (uint32_t i = 0; i < m->n; i++) {
        look_at(s, m->parts[i].query);
    }
}

/* As long as something is better. */
static void descend(struct search *s)
{
    for (uint32_t n = 0; n < MOST_MOVES; n++) {
        struct move m = best_move(s);
        if (m.gain <= 0) {
            break;
        }
        make(s, &m);
    }
}

/* A device, any, that a query drawn by lot holds is idle. */
static void kick(struct search *s, struct cvg_rng *rng)
{
    struct cvg__allocation *a = s->a;
    uint32_t q = (uint32_t)(cvg_rng_uniform(rng) * a->n_queries);
    uint32_t n = 0, host = NOTHING;
    for (uint32_t k = a->first[q]; k < a->first[q + 1]; k++) {
        for (uint32_t t = 0; t < a->n_types; t++) {
            size_t h = cvg__host(a, t, a->order[k]);
            if (a->hosts[h] > 0 && cvg_rng_uniform(rng) * ++n < 1) {
                host = (uint32_t)h;
            }
        }
    }
    if (host != NOTHING) {
        a->hosts[host]--;
        s->idle[host / a->n_variants]++;
        look_at(s, q);
    }
}

static double worth(const struct cvg__allocation *a)
{
    double sum = 0;
    for (uint32_t q = 0; q < a->n_queries; q++) {
        sum += cvg__allocation_worth(a, q);
    }
    return sum;
}

/* Where no move is better: a few devices are taken away, and what follows is
 * kept if it has ended better than before. */
static void kick_about(struct search *s, uint32_t kicks, double enough,
                       struct state *kept)
{
    struct cvg_rng rng;
    cvg_rng_init(&rng, 1, 0, 0);
    double best = worth(s->a);
    save(s, kept);
    for (uint32_t k = 0; k < kicks && best < enough; k++) {
        for (uint32_t i = 0; i < 2 + k % 3; i++) {
            kick(s, &rng);
        }
        descend(s);
        double now = worth(s->a);
        if (now > best + BETTER) {
            best = now;
            save(s, kept);
        } else {
            restore(s, kept);
        }
    }
}

enum cvg_status cvg__allocate_improve(struct cvg__allocation *a, uint32_t kicks,
                                      double enough, struct cvg_error *err)
{
    struct search s = {.n = a->n_types + 1, .a = a};
    struct state kept;
    bool there = init(&s) && state_init(&kept, &s);
    if (there) {
        for (uint32_t q = 0; q < a->n_queries; q++) {
            look_at(&s, q);
        }
        descend(&s);
        kick_about(&s, kicks, enough, &kept);
        state_fini(&kept);
    }
    free(s.changes);
    free(s.idle);
    free(s.instead);
    return there ? CVG_OK
                 : cvg_fail(err, CVG_NOMEM, "out of memory for an allocation");
}

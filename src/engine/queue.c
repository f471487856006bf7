/* Waiting requests of an app, in the order of (level, key, id).
 *
 * A treap (Seidel and Aragon, 1996) threaded by next and prev: O(log n) to
 * insert and remove, O(1) to look at the first and go on. The heap priority is
 * a hash of the id, so the shape is a function of what is in it, and equal
 * runs are equal.
 *
 * Each node knows of all below it (itself included) which devices could run
 * one of them, and the latest instant at which one is due. So the first that a
 * device could serve is found in O(log n), whatever waits before it. */
#include "engine/state.h"

static uint32_t priority_of(const struct slot *s)
{
    uint64_t x = s->request.id * 0x9e3779b97f4a7c15U;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93U;
    return (uint32_t)(x >> 32);
}

bool cvg__before(const struct slot *a, const struct slot *b)
{
    if (a->level != b->level) {
        return a->level < b->level;
    }
    return a->key != b->key ? a->key < b->key : a->request.id < b->request.id;
}

static cvg_time due_of(const struct slot *s)
{
    return cvg_request_due(&s->request);
}

/* --- what is below -------------------------------------------------------- */

static void sum_up(struct slot *slots, uint32_t i)
{
    struct slot *s = &slots[i];
    s->below = (struct summary){
        .devices = s->devices, .due = due_of(s), .homeless = s->devices == 0};
    for (int k = 0; k < 2; k++) {
        uint32_t child = k == 0 ? s->left : s->right;
        if (child == NONE) {
            continue;
        }
        const struct summary *b = &slots[child].below;
        s->below.devices |= b->devices;
        s->below.due = b->due > s->below.due ? b->due : s->below.due;
        s->below.homeless |= b->homeless;
    }
}

/* From `i` up to the root, or to `top` (left as it is). */
static void sum_up_path(struct slot *slots, uint32_t i, uint32_t top)
{
    for (; i != top; i = slots[i].up) {
        sum_up(slots, i);
    }
}

/* --- insert and remove ---------------------------------------------------- */

struct place { /* where a subtree hangs */
    uint32_t up;
    uint32_t *link;
};

static void hang(struct slot *slots, struct place *at, uint32_t i)
{
    *at->link = i;
    if (i != NONE) {
        slots[i].up = at->up;
    }
}

/* Splits the tree at `root` into what goes before `s` and what goes after:
 * its children. */
static void split(struct slot *slots, uint32_t root, uint32_t i)
{
    struct slot *s = &slots[i];
    struct place left = {.up = i, .link = &s->left};
    struct place right = {.up = i, .link = &s->right};
    while (root != NONE) {
        if (cvg__before(&slots[root], s)) {
            hang(slots, &left, root);
            left = (struct place){.up = root, .link = &slots[root].right};
            root = slots[root].right;
        } else {
            hang(slots, &right, root);
            right = (struct place){.up = root, .link = &slots[root].left};
            root = slots[root].left;
        }
    }
    *left.link = NONE;
    *right.link = NONE;
    sum_up_path(slots, left.up, i);
    sum_up_path(slots, right.up, i);
}

/* Hangs what was below a removed one in its place. */
static void join(struct slot *slots, struct place at, uint32_t left,
                 uint32_t right)
{
    while (left != NONE && right != NONE) {
        if (priority_of(&slots[left]) > priority_of(&slots[right])) {
            hang(slots, &at, left);
            at = (struct place){.up = left, .link = &slots[left].right};
            left = slots[left].right;
        } else {
            hang(slots, &at, right);
            at = (struct place){.up = right, .link = &slots[right].left};
            right = slots[right].left;
        }
    }
    hang(slots, &at, left != NONE ? left : right);
    sum_up_path(slots, at.up, NONE);
}

static void thread_between(struct cvg_engine *e, struct queue *q, uint32_t i,
                           uint32_t prev, uint32_t next)
{
    struct slot *slots = e->slots;
    slots[i].prev = prev;
    slots[i].next = next;
    if (prev != NONE) {
        slots[prev].next = i;
    } else {
        q->first = i;
    }
    if (next != NONE) {
        slots[next].prev = i;
    }
}

/* The same for as long as it waits. */
bool cvg__is_choosy(const struct slot *s)
{
    const uint32_t kinds = 1U << CVG_SLO_ACCURACY | 1U << CVG_SLO_ENERGY;
    return s->request.variant != CVG_ANY || (s->overrides & kinds) != 0;
}

void cvg__queue_insert(struct cvg_engine *e, uint32_t i)
{
    struct slot *slots = e->slots;
    struct slot *s = &slots[i];
    struct queue *q = &e->queues[s->request.app];
    uint32_t priority = priority_of(s);
    uint32_t prev = NONE;
    uint32_t next = NONE;
    struct place at = {.up = NONE, .link = &q->root};
    while (*at.link != NONE && priority_of(&slots[*at.link]) > priority) {
        at.up = *at.link;
        if (cvg__before(&slots[at.up], s)) {
            prev = at.up;
            at.link = &slots[at.up].right;
        } else {
            next = at.up;
            at.link = &slots[at.up].left;
        }
    }
    uint32_t below = *at.link;
    hang(slots, &at, i);
    split(slots, below, i);
    sum_up_path(slots, i, NONE);
    /* Neighbours below it are nearer than those on the way to it. */
    for (uint32_t k = s->left; k != NONE; k = slots[k].right) {
        prev = k;
    }
    for (uint32_t k = s->right; k != NONE; k = slots[k].left) {
        next = k;
    }
    thread_between(e, q, i, prev, next);
    q->n++;
    q->n_choosy += cvg__is_choosy(s);
    e->n_waiting++;
}

static uint32_t *link_to(struct cvg_engine *e, struct queue *q, uint32_t i)
{
    uint32_t up = e->slots[i].up;
    if (up == NONE) {
        return &q->root;
    }
    return e->slots[up].left == i ? &e->slots[up].left : &e->slots[up].right;
}

void cvg__queue_remove(struct cvg_engine *e, uint32_t i)
{
    struct slot *slots = e->slots;
    struct slot *s = &slots[i];
    struct queue *q = &e->queues[s->request.app];
    struct place at = {.up = s->up, .link = link_to(e, q, i)};
    join(slots, at, s->left, s->right);
    if (s->prev != NONE) {
        slots[s->prev].next = s->next;
    } else {
        q->first = s->next;
    }
    if (s->next != NONE) {
        slots[s->next].prev = s->prev;
    }
    q->n--;
    q->n_choosy -= cvg__is_choosy(s);
    e->n_waiting--;
    e->settled = false;
}

void cvg__queue_set_devices(struct cvg_engine *e, uint32_t i, uint64_t devices)
{
    if (e->slots[i].devices != devices) {
        e->slots[i].devices = devices;
        sum_up_path(e->slots, i, NONE);
    }
}

/* --- search --------------------------------------------------------------- */

struct wanted {
    uint64_t devices; /* one of these could run it; 0: none at all could */
    cvg_time due;     /* at the earliest */
};

static bool may_be_below(const struct slot *slots, uint32_t i,
                         const struct wanted *w)
{
    if (i == NONE || slots[i].below.due < w->due) {
        return false;
    }
    const struct summary *below = &slots[i].below;
    return w->devices == 0 ? below->homeless
                           : (below->devices & w->devices) != 0;
}

static bool is_wanted(const struct slot *s, const struct wanted *w)
{
    bool can_run =
        w->devices == 0 ? s->devices == 0 : (s->devices & w->devices) != 0;
    return can_run && !s->taken && due_of(s) >= w->due;
}

static uint32_t first_below(const struct slot *slots, uint32_t i,
                            const struct wanted *w)
{
    while (may_be_below(slots, slots[i].left, w)) {
        i = slots[i].left;
    }
    return i;
}

/* The one after `i` in the order, but for subtrees that hold nothing wanted. */
static uint32_t skip_to_next(const struct slot *slots, uint32_t i,
                             const struct wanted *w)
{
    if (may_be_below(slots, slots[i].right, w)) {
        return first_below(slots, slots[i].right, w);
    }
    uint32_t up = slots[i].up;
    while (up != NONE && slots[up].right == i) {
        i = up;
        up = slots[i].up;
    }
    return up;
}

uint32_t cvg__queue_next(const struct cvg_engine *e, uint32_t app,
                         uint32_t after, uint64_t devices, cvg_time due)
{
    const struct slot *slots = e->slots;
    struct wanted w = {.devices = devices, .due = due};
    uint32_t root = e->queues[app].root;
    uint32_t i = NONE;
    if (after != NONE) {
        i = skip_to_next(slots, after, &w);
    } else if (may_be_below(slots, root, &w)) {
        i = first_below(slots, root, &w);
    }
    while (i != NONE && !is_wanted(&slots[i], &w)) {
        i = skip_to_next(slots, i, &w);
    }
    return i;
}

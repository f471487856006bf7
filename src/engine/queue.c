/* Waiting requests of an app, in the order of (level, key, id).
 *
 * A treap (Seidel and Aragon, 1996) threaded by next and prev: O(log n) to
 * insert and remove, O(1) to look at the first and go on. The heap priority is
 * a hash of the id, so the shape is a function of what is in it, and equal
 * runs are equal. */
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

/* Splits the tree at `root` into what goes before `s` and what goes after. */
static void split(struct slot *slots, uint32_t root, const struct slot *s,
                  uint32_t *left, uint32_t *right)
{
    while (root != NONE) {
        if (cvg__before(&slots[root], s)) {
            *left = root;
            left = &slots[root].right;
            root = slots[root].right;
        } else {
            *right = root;
            right = &slots[root].left;
            root = slots[root].left;
        }
    }
    *left = NONE;
    *right = NONE;
}

static uint32_t join(struct slot *slots, uint32_t left, uint32_t right)
{
    uint32_t root = NONE;
    uint32_t *place = &root;
    while (left != NONE && right != NONE) {
        if (priority_of(&slots[left]) > priority_of(&slots[right])) {
            *place = left;
            place = &slots[left].right;
            left = slots[left].right;
        } else {
            *place = right;
            place = &slots[right].left;
            right = slots[right].left;
        }
    }
    *place = left != NONE ? left : right;
    return root;
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

void cvg__queue_insert(struct cvg_engine *e, uint32_t i)
{
    struct slot *slots = e->slots;
    struct slot *s = &slots[i];
    struct queue *q = &e->queues[s->request.app];
    uint32_t priority = priority_of(s);
    uint32_t prev = NONE;
    uint32_t next = NONE;
    uint32_t *place = &q->root;
    while (*place != NONE && priority_of(&slots[*place]) > priority) {
        if (cvg__before(&slots[*place], s)) {
            prev = *place;
            place = &slots[*place].right;
        } else {
            next = *place;
            place = &slots[*place].left;
        }
    }
    uint32_t below = *place;
    *place = i;
    split(slots, below, s, &s->left, &s->right);
    /* Neighbours below it are nearer than those on the way to it. */
    for (uint32_t k = s->left; k != NONE; k = slots[k].right) {
        prev = k;
    }
    for (uint32_t k = s->right; k != NONE; k = slots[k].left) {
        next = k;
    }
    thread_between(e, q, i, prev, next);
    q->n++;
    e->n_waiting++;
}

void cvg__queue_remove(struct cvg_engine *e, uint32_t i)
{
    struct slot *slots = e->slots;
    struct slot *s = &slots[i];
    struct queue *q = &e->queues[s->request.app];
    uint32_t *place = &q->root;
    while (*place != i) {
        place = cvg__before(&slots[*place], s) ? &slots[*place].right
                                               : &slots[*place].left;
    }
    *place = join(slots, s->left, s->right);
    if (s->prev != NONE) {
        slots[s->prev].next = s->next;
    } else {
        q->first = s->next;
    }
    if (s->next != NONE) {
        slots[s->next].prev = s->prev;
    }
    q->n--;
    e->n_waiting--;
    e->settled = false;
}

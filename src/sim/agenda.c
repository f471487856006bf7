/* A sorted array with a moving front: what is added is nearly always the last,
 * and there is seldom much of it. */
#include "sim/agenda.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void cvg__agenda_fini(struct cvg__agenda *a)
{
    free(a->items);
}

static void move_to_front(struct cvg__agenda *a)
{
    if (a->first > 0) {
        memmove(a->items, a->items + a->first, a->n * sizeof *a->items);
        a->first = 0;
    }
}

bool cvg__agenda_reserve(struct cvg__agenda *a, size_t n)
{
    if (n <= a->max - a->n) {
        return true;
    }
    size_t max = a->n + n;
    max = max > 2 * a->max ? max : 2 * a->max;
    struct cvg__item *items = realloc(a->items, max * sizeof *items);
    if (items == NULL) {
        return false;
    }
    a->items = items;
    a->max = max;
    return true;
}

bool cvg__agenda_add(struct cvg__agenda *a, const struct cvg__item *item)
{
    if (!cvg__agenda_reserve(a, 1)) {
        return false;
    }
    if (a->first + a->n == a->max) {
        move_to_front(a);
    }
    struct cvg__item *place = a->items + a->first + a->n;
    while (place > a->items + a->first && place[-1].at > item->at) {
        *place = place[-1];
        place--;
    }
    *place = *item;
    place->event.at = item->at;
    a->n++;
    a->n_arrivals += item->event.type == CVG_EV_ARRIVAL;
    return true;
}

const struct cvg__item *cvg__agenda_first(const struct cvg__agenda *a)
{
    return a->n > 0 ? &a->items[a->first] : NULL;
}

struct cvg__item cvg__agenda_take(struct cvg__agenda *a)
{
    assert(a->n > 0);
    struct cvg__item item = a->items[a->first++];
    a->n--;
    a->n_arrivals -= item.event.type == CVG_EV_ARRIVAL;
    return item;
}

static bool is_load_on(const struct cvg_event *event, uint32_t device)
{
    return (event->type == CVG_EV_LOADED || event->type == CVG_EV_UNLOADED) &&
           event->model_on.device == device;
}

void cvg__agenda_forget_loads(struct cvg__agenda *a, uint32_t device)
{
    size_t kept = 0;
    move_to_front(a);
    for (size_t i = 0; i < a->n; i++) {
        if (!is_load_on(&a->items[i].event, device)) {
            a->items[kept++] = a->items[i];
        }
    }
    a->n = kept;
}

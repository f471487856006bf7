/* What is known to happen later: the ends of loads and of faults, and events
 * that were injected. Sorted by instant, in the order of adding at equal ones.
 */
#ifndef CVG_SIM_AGENDA_H
#define CVG_SIM_AGENDA_H

#include <convergo/engine.h>

struct cvg__item {
    cvg_time at;
    uint32_t fault; /* number of the fault that it ends; 0: it is none */
    struct cvg_event event;
};

struct cvg__agenda {
    struct cvg__item *items; /* the first is at `first` */
    size_t first, n, max;
    size_t n_arrivals; /* of them */
};

void cvg__agenda_fini(struct cvg__agenda *agenda);
/* Room for `n` more. False: no memory. */
bool cvg__agenda_reserve(struct cvg__agenda *agenda, size_t n);
/* Is there room, adding allocates nothing. False: no memory. */
bool cvg__agenda_add(struct cvg__agenda *agenda, const struct cvg__item *item);
/* NULL: nothing is left. Borrowed, until the next call that adds or takes. */
const struct cvg__item *cvg__agenda_first(const struct cvg__agenda *agenda);
struct cvg__item cvg__agenda_take(struct cvg__agenda *agenda);
/* The device is down: what it was loading will never be there. */
void cvg__agenda_forget_loads(struct cvg__agenda *agenda, uint32_t device);

#endif

/* Sets of conditions by their texts: clients mostly ask for the same few. Each
 * is parsed once and lent to all its users; of those that have none, the last
 * few are kept. */
#ifndef CVG_CONFIG_SHARED_SETS_H
#define CVG_CONFIG_SHARED_SETS_H

#include <convergo/condition.h>

#define CVG_SHARED_BUCKETS 256U
#define CVG_SHARED_UNUSED 64U /* are kept */

struct cvg_shared_set {
    const struct cvg_conditions *set; /* owned */
    char *text;                       /* as it was asked for; owned */
    uint64_t hash;
    uint32_t users;
    struct cvg_shared_set *next;          /* in its bucket */
    struct cvg_shared_set *older, *newer; /* among those without users */
};

struct cvg_shared_sets { /* zeroed: empty */
    struct cvg_shared_set *buckets[CVG_SHARED_BUCKETS];
    struct cvg_shared_set *oldest, *newest;
    uint32_t n_unused;
};

/* One more user of the set with that text: cvg_shared_sets_give(). CVG_CONFIG
 * as cvg_conditions_parse(), CVG_NOMEM. */
enum cvg_status cvg_shared_sets_take(struct cvg_shared_sets *sets,
                                     const char *text,
                                     struct cvg_shared_set **out,
                                     struct cvg_error *err);
/* The same, for one more. */
void cvg_shared_sets_take_again(struct cvg_shared_sets *sets,
                                struct cvg_shared_set *set);
/* One user less; NULL is allowed. Nothing is freed before the next take. */
void cvg_shared_sets_give(struct cvg_shared_sets *sets,
                          struct cvg_shared_set *set);
/* Whatever users they have. */
void cvg_shared_sets_fini(struct cvg_shared_sets *sets);

#endif

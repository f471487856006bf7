/* A growing set of names, each with its number in the order of arrival. */
#ifndef CVG_CONFIG_NAME_SET_H
#define CVG_CONFIG_NAME_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cvg_name_set { /* all zero: empty */
    char **names;     /* owned, copies */
    size_t n, capacity;
    uint32_t *slots; /* hash table of number + 1; 0: free */
    size_t n_slots;  /* a power of two, at least twice n */
};

/* The number of `name`, added if it is new; *is_new may be NULL. False: no
 * memory. */
bool cvg__name_set_add(struct cvg_name_set *set, const char *name,
                       uint32_t *number, bool *is_new);
void cvg__name_set_fini(struct cvg_name_set *set);

#endif

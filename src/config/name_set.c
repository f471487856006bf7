/* A growing set of names: an array, and a hash table over it. */
#include "config/name_set.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash(const char *name) /* FNV-1a */
{
    uint64_t h = 0xcbf29ce484222325U;
    for (const char *c = name; *c != '\0'; c++) {
        h = (h ^ (unsigned char)*c) * 0x100000001b3U;
    }
    return h ^ (h >> 32);
}

/* The slot that holds `name`, or the free one where it belongs. */
static uint32_t *find_slot(const struct cvg_name_set *set, const char *name)
{
    size_t mask = set->n_slots - 1;
    size_t i = (size_t)hash(name) & mask;
    while (set->slots[i] != 0 &&
           strcmp(set->names[set->slots[i] - 1], name) != 0) {
        i = (i + 1) & mask;
    }
    return &set->slots[i];
}

static bool grow(struct cvg_name_set *set)
{
    size_t capacity = set->capacity == 0 ? 16 : 2 * set->capacity;
    char **names = realloc(set->names, capacity * sizeof *names);
    if (names == NULL) {
        return false;
    }
    set->names = names;
    uint32_t *slots = calloc(2 * capacity, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    free(set->slots);
    set->slots = slots;
    set->n_slots = 2 * capacity;
    set->capacity = capacity;
    for (size_t i = 0; i < set->n; i++) {
        *find_slot(set, set->names[i]) = (uint32_t)i + 1;
    }
    return true;
}

bool cvg__name_set_add(struct cvg_name_set *set, const char *name,
                       uint32_t *number, bool *is_new)
{
    if (set->n == set->capacity && !grow(set)) {
        return false;
    }
    uint32_t *slot = find_slot(set, name);
    bool missing = *slot == 0;
    if (missing) {
        char *copy = strdup(name);
        if (copy == NULL) {
            return false;
        }
        set->names[set->n++] = copy;
        *slot = (uint32_t)set->n;
    }
    *number = *slot - 1;
    if (is_new != NULL) {
        *is_new = missing;
    }
    return true;
}

void cvg__name_set_fini(struct cvg_name_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        free(set->names[i]);
    }
    free(set->names);
    free(set->slots);
    *set = (struct cvg_name_set){.n = 0};
}

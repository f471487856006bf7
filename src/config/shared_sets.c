#include "config/shared_sets.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3U;
    }
    return hash;
}

static struct cvg_shared_set **bucket_of(struct cvg_shared_sets *sets,
                                         uint64_t hash)
{
    return &sets->buckets[(hash ^ hash >> 32) % CVG_SHARED_BUCKETS];
}

static void destroy(struct cvg_shared_set *s)
{
    if (s != NULL) {
        cvg_conditions_free(s->set);
        free(s->text);
        free(s);
    }
}

/* --- without users -------------------------------------------------------- */

static void add_unused(struct cvg_shared_sets *sets, struct cvg_shared_set *s)
{
    s->older = sets->newest;
    s->newer = NULL;
    *(s->older != NULL ? &s->older->newer : &sets->oldest) = s;
    sets->newest = s;
    sets->n_unused++;
}

static void remove_unused(struct cvg_shared_sets *sets,
                          struct cvg_shared_set *s)
{
    *(s->older != NULL ? &s->older->newer : &sets->oldest) = s->newer;
    *(s->newer != NULL ? &s->newer->older : &sets->newest) = s->older;
    sets->n_unused--;
}

static void forget_oldest(struct cvg_shared_sets *sets)
{
    struct cvg_shared_set *s = sets->oldest;
    struct cvg_shared_set **link = bucket_of(sets, s->hash);
    remove_unused(sets, s);
    while (*link != s) {
        link = &(*link)->next;
    }
    *link = s->next;
    destroy(s);
}

/* --- by text -------------------------------------------------------------- */

static struct cvg_shared_set *find(struct cvg_shared_sets *sets,
                                   const char *text, uint64_t hash)
{
    struct cvg_shared_set *s = *bucket_of(sets, hash);
    while (s != NULL && (s->hash != hash || strcmp(s->text, text) != 0)) {
        s = s->next;
    }
    return s;
}

static enum cvg_status add(struct cvg_shared_sets *sets, const char *text,
                           uint64_t hash, struct cvg_shared_set **out,
                           struct cvg_error *err)
{
    struct cvg_conditions *set;
    enum cvg_status status = cvg_conditions_parse(text, &set, err);
    if (status != CVG_OK) {
        return status;
    }
    struct cvg_shared_set *s = calloc(1, sizeof *s);
    char *copy = strdup(text);
    if (s == NULL || copy == NULL) {
        cvg_conditions_free(set);
        free(copy);
        free(s);
        return cvg_fail(err, CVG_NOMEM, "out of memory for conditions");
    }
    struct cvg_shared_set **link = bucket_of(sets, hash);
    *s = (struct cvg_shared_set){
        .set = set, .text = copy, .hash = hash, .users = 1, .next = *link};
    *link = s;
    *out = s;
    return CVG_OK;
}

enum cvg_status cvg_shared_sets_take(struct cvg_shared_sets *sets,
                                     const char *text,
                                     struct cvg_shared_set **out,
                                     struct cvg_error *err)
{
    uint64_t hash = hash_of(text);
    struct cvg_shared_set *s = find(sets, text, hash);
    if (s != NULL) {
        cvg_shared_sets_take_again(sets, s);
        *out = s;
        return CVG_OK;
    }
    while (sets->n_unused > CVG_SHARED_UNUSED) {
        forget_oldest(sets);
    }
    return add(sets, text, hash, out, err);
}

void cvg_shared_sets_take_again(struct cvg_shared_sets *sets,
                                struct cvg_shared_set *s)
{
    if (s->users++ == 0) {
        remove_unused(sets, s);
    }
}

void cvg_shared_sets_give(struct cvg_shared_sets *sets,
                          struct cvg_shared_set *s)
{
    if (s != NULL && --s->users == 0) {
        add_unused(sets, s);
    }
}

void cvg_shared_sets_fini(struct cvg_shared_sets *sets)
{
    for (size_t i = 0; i < CVG_SHARED_BUCKETS; i++) {
        while (sets->buckets[i] != NULL) {
            struct cvg_shared_set *s = sets->buckets[i];
            sets->buckets[i] = s->next;
            destroy(s);
        }
    }
    *sets = (struct cvg_shared_sets){.n_unused = 0};
}

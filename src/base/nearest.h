/* The name that was probably meant. */
#ifndef CVG_BASE_NEAREST_H
#define CVG_BASE_NEAREST_H

#include <stddef.h>

/* The nearest of `n` names by edit distance, NULL if none is near. */
const char *cvg_nearest_name(const char *text, const char *const *names,
                             size_t n);

/* What to say after an unknown name: "; did you mean 'x'?", or a list of the
 * known ones, or nothing. */
struct cvg_hint {
    char text[256];
};
struct cvg_hint cvg__hint(const char *seen, const char *const *names, size_t n);

#endif

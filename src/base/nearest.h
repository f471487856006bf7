/* The name that was probably meant. */
#ifndef CVG_BASE_NEAREST_H
#define CVG_BASE_NEAREST_H

#include <stddef.h>

/* The nearest of `n` names by edit distance, NULL if none is near. */
const char *cvg_nearest_name(const char *text, const char *const *names,
                             size_t n);

#endif

/* Names in files: which are allowed, and which was meant. */
#ifndef CVG_CONFIG_NAMES_H
#define CVG_CONFIG_NAMES_H

#include "base/nearest.h"
#include <stdbool.h>
#include <stddef.h>

#define CVG_NAME_MAX 128U

/* Letters, digits, ".", "_", "-" (and "/" where a slash is allowed), at most
 * CVG_NAME_MAX, no "." or "/" in front, no "..": such a name is safe as a part
 * of a path and of a URL. */
bool cvg__name_is_valid(const char *name, bool slash);
/* What is allowed, for messages. */
const char *cvg__name_rule(bool slash);

/* The hint (base/nearest.h) of `n` structs of `size` bytes whose first member
 * is their name. */
struct cvg_hint cvg__hint_items(const char *seen, const void *items, size_t n,
                                size_t size);

#endif

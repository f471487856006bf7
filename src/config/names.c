/* Names in files: which are allowed, and which was meant. */
#include "config/names.h"

#include <convergo/box.h>
#include <string.h>

bool cvg__name_is_valid(const char *name, bool slash)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789_-./";
    size_t length = strlen(name);
    return length >= 1 && length <= CVG_NAME_MAX &&
           strspn(name, letters) == length && name[0] != '.' &&
           name[0] != '/' && strstr(name, "..") == NULL &&
           (slash || strchr(name, '/') == NULL);
}

const char *cvg__name_rule(bool slash)
{
    return slash ? "use 1 to 128 of A-Z a-z 0-9 . _ - /, without '..' and not "
                   "starting with '.' or '/'"
                 : "use 1 to 128 of A-Z a-z 0-9 . _ -, without '..' and not "
                   "starting with '.'";
}

struct cvg_hint cvg__hint_items(const char *seen, const void *items, size_t n,
                                size_t size)
{
    const char *names[CVG_MAX_VARIANTS];
    size_t known = 0;
    for (size_t i = 0; i < n && known < CVG_MAX_VARIANTS; i++) {
        const char *const *item =
            (const void *)((const char *)items + i * size);
        if (*item != NULL) {
            names[known++] = *item;
        }
    }
    return cvg__hint(seen, names, known);
}

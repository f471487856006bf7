/* Near names, by edit distance. */
#include "base/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LONGEST_NAME 64

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Edits that turn one into the other: a letter put in, left out or changed, or
 * two neighbours swapped (optimal string alignment); case does not count. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t d[LONGEST_NAME + 1][LONGEST_NAME + 1];
    size_t n = strnlen(a, LONGEST_NAME);
    size_t m = strnlen(b, LONGEST_NAME);
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            bool same = same_letter(a[i - 1], b[j - 1]);
            d[i][j] = smaller(smaller(d[i - 1][j], d[i][j - 1]) + 1,
                              d[i - 1][j - 1] + !same);
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
                same_letter(a[i - 2], b[j - 1])) {
                d[i][j] = smaller(d[i][j], d[i - 2][j - 2] + 1);
            }
        }
    }
    return d[n][m];
}

const char *cvg_nearest_name(const char *text, const char *const *names,
                             size_t n)
{
    const char *best = NULL;
    if (strlen(text) > LONGEST_NAME) {
        return NULL; /* no name of ours is near to that */
    }
    size_t best_distance = strlen(text) / 2 + 1; /* half of it may differ */
    for (size_t i = 0; i < n; i++) {
        size_t distance = edit_distance(text, names[i]);
        if (distance < best_distance) {
            best_distance = distance;
            best = names[i];
        }
    }
    return best;
}

static bool add(struct cvg_hint *hint, size_t *used, const char *text)
{
    size_t length = strlen(text);
    if (*used + length + sizeof ", ..." > sizeof hint->text) {
        return false;
    }
    memcpy(hint->text + *used, text, length + 1);
    *used += length;
    return true;
}

/* "; known: a, b, c", cut off between names when it gets long. */
static void list_names(struct cvg_hint *hint, const char *const *names,
                       size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        size_t before = used;
        if (!add(hint, &used, i == 0 ? "; known: " : ", ") ||
            !add(hint, &used, names[i])) {
            memcpy(hint->text + before, ", ...", sizeof ", ...");
            return;
        }
    }
}

struct cvg_hint cvg__hint(const char *seen, const char *const *names, size_t n)
{
    struct cvg_hint hint = {""};
    const char *near = cvg_nearest_name(seen, names, n);
    if (near != NULL) {
        snprintf(hint.text, sizeof hint.text, "; did you mean '%.200s'?", near);
    } else {
        list_names(&hint, names, n);
    }
    return hint;
}

/* What the tests of the codec share. */
#ifndef CVG_TESTS_SERVE_CASES_H
#define CVG_TESTS_SERVE_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/oip.h"

/* Text at the very end of an allocation, so that a read past it is seen. */
static inline char *exact(const char *text, size_t n)
{
    char *copy = malloc(n > 0 ? n : 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    return copy;
}

static inline void assert_text(const struct cvg_text *t, const char *expected)
{
    if (t->len != strlen(expected) || memcmp(t->data, expected, t->len) != 0) {
        fail_msg("expected %s\n     got %.*s", expected, (int)t->len, t->data);
    }
}

#endif

/* Allocations that fail on request, for a test linked with
 *
 *     -Wl,--wrap=calloc -Wl,--wrap=realloc
 *
 * To be included by the test's own file alone: it defines functions. */
#ifndef CVG_TESTS_FAILING_H
#define CVG_TESTS_FAILING_H

#include <stdbool.h>
#include <stddef.h>

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static long fail_at = -1; /* this many succeed, the next one fails */

static bool fails(void)
{
    return fail_at >= 0 && fail_at-- == 0;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

#endif

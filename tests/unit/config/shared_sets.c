/* Sets of conditions that are shared: parsed once, kept while they are used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/shared_sets.h"

#include <stdio.h>

static struct cvg_shared_set *take(struct cvg_shared_sets *sets,
                                   const char *text)
{
    struct cvg_shared_set *set = NULL;
    assert_int_equal(cvg_shared_sets_take(sets, text, &set, NULL), CVG_OK);
    return set;
}

static void one_set_for_all_its_users(void **state)
{
    (void)state;
    struct cvg_shared_sets sets = {.n_unused = 0};
    struct cvg_error err;
    struct cvg_shared_set *none = NULL;
    struct cvg_shared_set *a = take(&sets, "never; always");
    struct cvg_shared_set *b = take(&sets, "never;always");
    assert_ptr_equal(take(&sets, "never; always"), a);
    assert_ptr_not_equal(a, b); /* another text */
    assert_string_equal(a->set->text, b->set->text);
    assert_int_equal(cvg_shared_sets_take(&sets, "nver", &none, &err),
                     CVG_CONFIG);
    assert_null(none);
    cvg_shared_sets_take_again(&sets, a);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sets.n_unused, 0);
        cvg_shared_sets_give(&sets, a);
    }
    assert_int_equal(sets.n_unused, 1);
    cvg_shared_sets_give(&sets, NULL);
    assert_ptr_equal(take(&sets, "never; always"), a); /* it was kept */
    assert_int_equal(sets.n_unused, 0);
    cvg_shared_sets_fini(&sets);
}

/* Of those without users, the last ones; nothing goes before the next take. */
static void the_oldest_goes_first(void **state)
{
    (void)state;
    struct cvg_shared_sets sets = {.n_unused = 0};
    char text[64];
    struct cvg_shared_set *used = take(&sets, "exit == 1000000");
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(text, sizeof text, "exit == %u", i);
        struct cvg_shared_set *s = take(&sets, text);
        cvg_shared_sets_give(&sets, s);
        assert_non_null(s->set);
        assert_true(sets.n_unused <= CVG_SHARED_UNUSED + 1);
    }
    assert_ptr_equal(take(&sets, "exit == 1000000"), used);
    assert_string_equal(sets.newest->text, "exit == 999");
    assert_string_equal(sets.oldest->text, "exit == 935");
    cvg_shared_sets_fini(&sets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_set_for_all_its_users),
        cmocka_unit_test(the_oldest_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

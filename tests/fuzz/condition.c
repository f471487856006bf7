/* A condition, or a set of them, as text. One that is none is told by column;
 * one that is gives the same answer twice, whatever is known, and what a set
 * keeps of its text is that set again. */
#include <convergo/condition.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_set(const char *text, const struct cvg_metrics *known)
{
    struct cvg_conditions *set = NULL, *again = NULL;
    struct cvg_error err = {.text = ""};
    if (cvg_conditions_parse(text, &set, &err) != CVG_OK) {
        if (strncmp(err.text, "column ", 7) != 0) {
            abort();
        }
        return;
    }
    if (cvg_conditions_parse(set->text, &again, NULL) != CVG_OK ||
        strcmp(set->text, again->text) != 0 || set->n != again->n) {
        abort();
    }
    for (uint32_t exit = 0; exit <= set->n; exit++) {
        if (cvg_conditions_hold(set, exit, known) !=
            cvg_conditions_hold(again, exit, known)) {
            abort();
        }
    }
    cvg_conditions_free(set);
    cvg_conditions_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cvg_metrics known = {{25e6, 0.8, 0.7, 0.06, 1.5e9, 1}};
    struct cvg_metrics unknown = {{NAN, NAN, NAN, NAN, NAN, NAN}};
    struct cvg_condition c;
    struct cvg_error err = {.text = ""};
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    if (cvg_condition_parse(text, &c, &err) != CVG_OK) {
        if (strncmp(err.text, "column ", 7) != 0) {
            abort();
        }
    } else {
        struct cvg_condition again;
        if (c.n == 0 || c.n > CVG_CONDITION_STEPS ||
            cvg_condition_parse(text, &again, NULL) != CVG_OK ||
            cvg_condition_holds(&c, &known) !=
                cvg_condition_holds(&again, &known)) {
            abort();
        }
        (void)cvg_condition_holds(&c, &unknown);
    }
    try_set(text, &known);
    free(text);
    return 0;
}

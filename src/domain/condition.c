/* Does a condition hold? Its steps work on a stack of bits. */
#include "domain/condition.h"

#include <stdlib.h>

static bool is_in_relation(uint8_t what, double x, double y)
{
    switch (what) {
    case CVG__STEP_LESS:
        return x < y;
    case CVG__STEP_LESS_EQUAL:
        return x <= y;
    case CVG__STEP_EQUAL:
        return x == y;
    case CVG__STEP_NOT_EQUAL:
        return x < y || x > y;
    case CVG__STEP_GREATER:
        return x > y;
    default:
        return x >= y;
    }
}

bool cvg_condition_holds(const struct cvg_condition *c,
                         const struct cvg_metrics *m)
{
    uint64_t stack = 0; /* the lowest bit is the top */
    for (uint32_t i = 0; i < c->n; i++) {
        uint8_t what = c->steps[i].what;
        if (what == CVG__STEP_NOT) {
            stack ^= 1U;
        } else if (what == CVG__STEP_AND) {
            stack = stack >> 1 & (stack | ~UINT64_C(1));
        } else if (what == CVG__STEP_OR) {
            stack = stack >> 1 | (stack & 1U);
        } else {
            bool holds = what > CVG__STEP_NEVER &&
                         (what == CVG__STEP_ALWAYS ||
                          is_in_relation(what, m->value[c->steps[i].metric],
                                         c->steps[i].value));
            stack = stack << 1 | holds;
        }
    }
    return (stack & 1U) != 0;
}

bool cvg_conditions_hold(const struct cvg_conditions *set, uint32_t exit,
                         const struct cvg_metrics *m)
{
    uint32_t last = set->n - 1;
    return cvg_condition_holds(&set->of_exit[exit < last ? exit : last], m);
}

void cvg_conditions_free(const struct cvg_conditions *set)
{
    free((void *)set);
}

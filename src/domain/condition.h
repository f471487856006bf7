/* The steps of a condition, in postfix order. */
#ifndef CVG_DOMAIN_CONDITION_H
#define CVG_DOMAIN_CONDITION_H

#include <convergo/condition.h>

enum cvg__step {
    CVG__STEP_NEVER,
    CVG__STEP_ALWAYS,
    CVG__STEP_NOT,
    CVG__STEP_AND,
    CVG__STEP_OR,
    CVG__STEP_LESS,
    CVG__STEP_LESS_EQUAL,
    CVG__STEP_EQUAL,
    CVG__STEP_NOT_EQUAL,
    CVG__STEP_GREATER,
    CVG__STEP_GREATER_EQUAL
};

#endif

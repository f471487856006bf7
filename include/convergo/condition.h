/* Conditions: when a request is answered at an exit.
 *
 *     response_time > 20ms or (confidence >= 0.9 and not exit == 0)
 *
 *     condition  = conjunction { "or" conjunction }
 *     conjunction = negation { "and" negation }
 *     negation   = "not" negation | "(" condition ")" | "always" | "never"
 *                | metric relation value
 *     relation   = "<" | "<=" | "==" | "!=" | ">" | ">="
 *
 * Metrics and their values: response_time (20ms; since the request came),
 * confidence, accuracy (0..1; of the answer, of the exit), energy (50mJ; of the
 * request so far), computation (3.3GFLOP; so far), exit (from 0). What is
 * unknown (a device may not tell its confidence) is in no relation to anything,
 * and != neither.
 *
 * A set has one for each exit, from the first: "never; response_time > 20ms;
 * always". The last of them holds for all exits beyond, too.
 *
 * The metrics, and a condition for each exit, are those of Liang et al.,
 * "Delen", IoTDI 2023. Parsed once; every request is judged by its own figures.
 */
#ifndef CONVERGO_CONDITION_H
#define CONVERGO_CONDITION_H

#include <convergo/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CVG_CONDITION_STEPS 32U /* metrics, and, or, not, always, never */

#define CVG_METRIC_LIST(X)                                                     \
    X(RESPONSE_TIME, "response_time")                                          \
    X(CONFIDENCE, "confidence")                                                \
    X(ACCURACY, "accuracy")                                                    \
    X(ENERGY, "energy")                                                        \
    X(COMPUTATION, "computation")                                              \
    X(EXIT, "exit")

enum cvg_metric {
#define CVG_METRIC_ENUM(name, text) CVG_METRIC_##name,
    CVG_METRIC_LIST(CVG_METRIC_ENUM)
#undef CVG_METRIC_ENUM
        CVG_METRICS
};

/* Of one request at an exit: ns, 0..1, 0..1, J, FLOP, from 0; NAN: unknown. */
struct cvg_metrics {
    double value[CVG_METRICS];
};

struct cvg_condition { /* in postfix order; can be copied; zeroed: none */
    uint32_t n;
    struct {
        uint8_t what, metric;
        double value;
    } steps[CVG_CONDITION_STEPS];
};

/* CVG_CONFIG: "column 15: ..." with what stands there and what would do. */
enum cvg_status cvg_condition_parse(const char *text, struct cvg_condition *out,
                                    struct cvg_error *err);
/* Of one that was parsed. No allocation; some ns a step. */
bool cvg_condition_holds(const struct cvg_condition *condition,
                         const struct cvg_metrics *metrics);

/* --- one for each exit ---------------------------------------------------- */

#define CVG_MAX_CONDITIONS 16U /* as many as exits */

struct cvg_conditions { /* never changed once it is made */
    const char *text;   /* with single blanks: read again, it is the same set */
    uint32_t n;         /* 1 or more */
    struct cvg_condition of_exit[];
};

/* *out is owned by the caller: cvg_conditions_free(). CVG_CONFIG as above, the
 * column being that of the whole text; CVG_NOMEM. One allocation. */
enum cvg_status cvg_conditions_parse(const char *text,
                                     struct cvg_conditions **out,
                                     struct cvg_error *err);
void cvg_conditions_free(const struct cvg_conditions *set); /* or NULL */
/* Is a request with these figures answered at that exit? */
bool cvg_conditions_hold(const struct cvg_conditions *set, uint32_t exit,
                         const struct cvg_metrics *metrics);

#endif

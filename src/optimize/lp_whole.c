/* Mixed-integer programs by Cbc. */
#include "optimize/lp.h"

#include <coin/Cbc_C_Interface.h>
#include <stdio.h>
#include <stdlib.h>

static void set_nodes(Cbc_Model *model, uint32_t nodes)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", nodes);
    Cbc_setParameter(model, "maxNodes", text);
}

/* Programs that come with a start are to be solved again and again, in
 * milliseconds: what Cbc does at the root takes longer than they may. */
static void begin_with(Cbc_Model *model, const struct cvg__lp *lp,
                       const double *start, int *columns)
{
    for (size_t i = 0; i < lp->n_columns; i++) {
        columns[i] = (int)i;
    }
    Cbc_setParameter(model, "preprocess", "off");
    Cbc_setParameter(model, "cuts", "off");
    Cbc_setParameter(model, "heuristics", "off");
    Cbc_setMIPStartI(model, (int)lp->n_columns, columns, start);
}

static Cbc_Model *load(const struct cvg__lp *lp, const struct cvg__whole *whole,
                       int *columns)
{
    Cbc_Model *model = Cbc_newModel();
    Cbc_setLogLevel(model, 0);
    set_nodes(model, whole->nodes);
    Cbc_loadProblem(model, (int)lp->n_columns, (int)lp->n_rows, lp->starts,
                    lp->rows, lp->elements, NULL, NULL, lp->value, lp->lower,
                    lp->upper);
    Cbc_setObjSense(model, -1);
    if (whole->gap > 0) {
        Cbc_setAllowableGap(model, whole->gap);
    }
    for (size_t i = 0; i < lp->n_columns; i++) {
        if (whole->most[i] > 0) {
            Cbc_setColUpper(model, (int)i, whole->most[i]);
            Cbc_setInteger(model, (int)i);
        }
    }
    if (whole->start != NULL) {
        begin_with(model, lp, whole->start, columns);
    }
    return model;
}

static enum cvg_status solve(struct cvg__lp *lp, const struct cvg__whole *whole,
                             int *columns, bool *exact, struct cvg_error *err)
{
    Cbc_Model *model = load(lp, whole, columns);
    enum cvg_status status = CVG_OK;
    Cbc_solve(model);
    *exact = Cbc_isProvenOptimal(model) != 0;
    if (*exact || Cbc_isNodeLimitReached(model)) {
        const double *x = Cbc_getColSolution(model);
        lp->objective = Cbc_getObjValue(model);
        for (size_t i = 0; i < lp->n_columns; i++) {
            lp->x[i] = x[i] > 0 ? x[i] : 0;
        }
    } else {
        status = cvg_fail(err, CVG_LIMIT,
                          "the mixed-integer program was not solved");
    }
    Cbc_deleteModel(model);
    return status;
}

enum cvg_status cvg__lp_solve_whole(struct cvg__lp *lp,
                                    const struct cvg__whole *whole, bool *exact,
                                    struct cvg_error *err)
{
    free(lp->x);
    lp->x = calloc(lp->n_columns + 1, sizeof *lp->x);
    lp->objective = 0;
    int *columns = calloc(lp->n_columns + 1, sizeof *columns); /* scratch */
    enum cvg_status status = CVG_NOMEM;
    if (lp->failed || lp->x == NULL || columns == NULL) {
        cvg_fail(err, CVG_NOMEM, "out of memory for a program");
    } else {
        status = solve(lp, whole, columns, exact, err);
    }
    free(columns);
    return status;
}

/* Mixed-integer programs by Cbc. */
#include "optimize/lp.h"

#include <coin/Cbc_C_Interface.h>
#include <stdlib.h>

#define MAX_NODES "2000"

static Cbc_Model *load(const struct cvg__lp *lp, const bool *whole)
{
    Cbc_Model *model = Cbc_newModel();
    Cbc_setLogLevel(model, 0);
    Cbc_setParameter(model, "maxNodes", MAX_NODES);
    Cbc_loadProblem(model, (int)lp->n_columns, (int)lp->n_rows, lp->starts,
                    lp->rows, lp->elements, NULL, NULL, lp->value, lp->lower,
                    lp->upper);
    Cbc_setObjSense(model, -1);
    for (size_t i = 0; i < lp->n_columns; i++) {
        if (whole[i]) {
            Cbc_setColUpper(model, (int)i, 1);
            Cbc_setInteger(model, (int)i);
        }
    }
    return model;
}

static enum cvg_status solve(struct cvg__lp *lp, const bool *whole, bool *exact,
                             struct cvg_error *err)
{
    Cbc_Model *model = load(lp, whole);
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

enum cvg_status cvg__lp_solve_whole(struct cvg__lp *lp, const bool *whole,
                                    bool *exact, struct cvg_error *err)
{
    free(lp->x);
    lp->x = calloc(lp->n_columns + 1, sizeof *lp->x);
    lp->objective = 0;
    if (lp->failed || lp->x == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for a program");
    }
    return solve(lp, whole, exact, err);
}

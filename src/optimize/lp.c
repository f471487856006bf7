/* Linear programs by Clp. */
#include "optimize/lp.h"

#include <coin/Clp_C_Interface.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Reduced costs and duals below it are 0: Clp's own tolerance. */
#define ZERO 1e-7

void cvg__lp_fini(struct cvg__lp *lp)
{
    free(lp->lower);
    free(lp->upper);
    free(lp->value);
    free(lp->cost);
    free(lp->starts);
    free(lp->rows);
    free(lp->elements);
    free(lp->x);
    free(lp->dual);
    *lp = (struct cvg__lp){0};
}

/* --- building ------------------------------------------------------------- */

static bool grow(void *array, size_t n, size_t size)
{
    void **p = array;
    void *larger = realloc(*p, n * size);
    if (larger == NULL) {
        return false;
    }
    *p = larger;
    return true;
}

static bool room_for_row(struct cvg__lp *lp)
{
    if (lp->failed || lp->n_rows < lp->max_rows) {
        return !lp->failed;
    }
    size_t max = lp->max_rows == 0 ? 32 : 2 * lp->max_rows;
    lp->failed = !grow(&lp->lower, max, sizeof *lp->lower) ||
                 !grow(&lp->upper, max, sizeof *lp->upper);
    lp->max_rows = lp->failed ? lp->max_rows : max;
    return !lp->failed;
}

static bool room_for_column(struct cvg__lp *lp)
{
    if (lp->failed || lp->n_columns < lp->max_columns) {
        return !lp->failed;
    }
    size_t max = lp->max_columns == 0 ? 64 : 2 * lp->max_columns;
    lp->failed = !grow(&lp->value, max, sizeof *lp->value) ||
                 !grow(&lp->cost, max, sizeof *lp->cost) ||
                 !grow(&lp->starts, max + 1, sizeof *lp->starts);
    lp->max_columns = lp->failed ? lp->max_columns : max;
    return !lp->failed;
}

static bool room_for_element(struct cvg__lp *lp)
{
    if (lp->failed || lp->n_elements < lp->max_elements) {
        return !lp->failed;
    }
    size_t max = lp->max_elements == 0 ? 256 : 2 * lp->max_elements;
    lp->failed = !grow(&lp->rows, max, sizeof *lp->rows) ||
                 !grow(&lp->elements, max, sizeof *lp->elements);
    lp->max_elements = lp->failed ? lp->max_elements : max;
    return !lp->failed;
}

int cvg__lp_row(struct cvg__lp *lp, double lower, double upper)
{
    if (!room_for_row(lp)) {
        return 0;
    }
    lp->lower[lp->n_rows] = lower;
    lp->upper[lp->n_rows] = upper;
    return (int)lp->n_rows++;
}

int cvg__lp_column(struct cvg__lp *lp, double value, double cost)
{
    if (!room_for_column(lp)) {
        return 0;
    }
    lp->value[lp->n_columns] = value;
    lp->cost[lp->n_columns] = cost;
    lp->starts[lp->n_columns] = (int)lp->n_elements;
    lp->starts[lp->n_columns + 1] = (int)lp->n_elements;
    return (int)lp->n_columns++;
}

void cvg__lp_element(struct cvg__lp *lp, int row, double element)
{
    if (!room_for_element(lp)) {
        return;
    }
    lp->rows[lp->n_elements] = row;
    lp->elements[lp->n_elements++] = element;
    lp->starts[lp->n_columns] = (int)lp->n_elements;
}

/* --- solving -------------------------------------------------------------- */

static Clp_Simplex *load(const struct cvg__lp *lp)
{
    Clp_Simplex *model = Clp_newModel();
    Clp_setLogLevel(model, 0);
    Clp_setPerturbation(model, 100); /* none: such programs do not cycle */
    Clp_loadProblem(model, (int)lp->n_columns, (int)lp->n_rows, lp->starts,
                    lp->rows, lp->elements, NULL, NULL, lp->value, lp->lower,
                    lp->upper);
    Clp_setOptimizationDirection(model, -1);
    return model;
}

static bool is_optimal(Clp_Simplex *model)
{
    return Clp_status(model) == 0;
}

static void take_x(struct cvg__lp *lp, Clp_Simplex *model)
{
    const double *x = Clp_primalColumnSolution(model);
    for (size_t i = 0; i < lp->n_columns; i++) {
        lp->x[i] = x[i] > 0 ? x[i] : 0;
    }
}

/* Among the best solutions: those that leave at zero what would make them
 * worse, and tight what has a price. `bounds` is scratch. */
static void take_cheapest(struct cvg__lp *lp, Clp_Simplex *model,
                          double *bounds)
{
    const double *reduced = Clp_dualColumnSolution(model);
    for (size_t i = 0; i < lp->n_columns; i++) {
        bounds[i] = fabs(reduced[i]) > ZERO ? 0 : INFINITY;
    }
    Clp_chgColumnUpper(model, bounds);
    for (size_t i = 0; i < lp->n_rows; i++) {
        bounds[i] = lp->dual[i] > ZERO ? lp->upper[i] : lp->lower[i];
    }
    Clp_chgRowLower(model, bounds);
    for (size_t i = 0; i < lp->n_rows; i++) {
        bounds[i] = lp->dual[i] < -ZERO ? lp->lower[i] : lp->upper[i];
    }
    Clp_chgRowUpper(model, bounds);
    Clp_chgObjCoefficients(model, lp->cost);
    Clp_setOptimizationDirection(model, 1);
    Clp_primal(model, 0);
    if (is_optimal(model)) {
        take_x(lp, model);
    }
}

static bool has_costs(const struct cvg__lp *lp)
{
    for (size_t i = 0; i < lp->n_columns; i++) {
        if (lp->cost[i] != 0) {
            return true;
        }
    }
    return false;
}

static enum cvg_status solve(struct cvg__lp *lp, double *scratch,
                             struct cvg_error *err)
{
    Clp_Simplex *model = load(lp);
    Clp_primal(model, 0);
    enum cvg_status status = CVG_OK;
    if (is_optimal(model)) {
        lp->objective = Clp_objectiveValue(model);
        take_x(lp, model);
        memcpy(lp->dual, Clp_dualRowSolution(model),
               lp->n_rows * sizeof *lp->dual);
        if (has_costs(lp)) {
            take_cheapest(lp, model, scratch);
        }
    } else {
        status = cvg_fail(err, CVG_LIMIT,
                          "the linear program was not solved (status %d)",
                          Clp_status(model));
    }
    Clp_deleteModel(model);
    return status;
}

enum cvg_status cvg__lp_solve(struct cvg__lp *lp, struct cvg_error *err)
{
    free(lp->x);
    free(lp->dual);
    lp->x = calloc(lp->n_columns + 1, sizeof *lp->x);
    lp->dual = calloc(lp->n_rows + 1, sizeof *lp->dual);
    double *scratch = calloc(lp->n_columns + lp->n_rows + 1, sizeof *scratch);
    enum cvg_status status = CVG_OK;
    lp->objective = 0;
    if (lp->failed || lp->x == NULL || lp->dual == NULL || scratch == NULL) {
        status = cvg_fail(err, CVG_NOMEM, "out of memory for a linear program");
    } else if (lp->n_columns > 0) {
        status = solve(lp, scratch, err);
    }
    free(scratch);
    return status;
}

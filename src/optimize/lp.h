/* A linear program, built row by row and column by column:
 *
 *     maximise  sum value * x,  0 <= x,  lower <= rows <= upper
 *
 * Solved by the simplex method of COIN-OR's Clp, which the mixed-integer solver
 * Cbc stands on. Clp by itself, because Cbc's start costs more than such a
 * program. Equal programs have equal solutions, bit for bit. */
#ifndef CVG_OPTIMIZE_LP_H
#define CVG_OPTIMIZE_LP_H

#include <convergo/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cvg__lp {           /* all zero: empty */
    double *lower, *upper; /* [n_rows] */
    size_t n_rows, max_rows;
    double *value; /* [n_columns] */
    double *cost;  /* [n_columns] */
    int *starts;   /* [n_columns + 1] */
    size_t n_columns, max_columns;
    int *rows; /* [n_elements] */
    double *elements;
    size_t n_elements, max_elements;
    bool failed; /* no memory: what was added since is lost */

    /* The solution: owned, of the last solve. */
    double objective;
    double *x;    /* [n_columns] */
    double *dual; /* [n_rows]: what one more of `upper` would add */
};

void cvg__lp_fini(struct cvg__lp *lp);

/* Returns the row's number. Use -INFINITY and INFINITY for no bound. */
int cvg__lp_row(struct cvg__lp *lp, double lower, double upper);
/* Begins a column; its elements follow. Of equally good solutions the one with
 * the least sum cost * x is taken. Returns its number. */
int cvg__lp_column(struct cvg__lp *lp, double value, double cost);
void cvg__lp_element(struct cvg__lp *lp, int row, double element);

/* CVG_NOMEM, also for what failed while it was built; CVG_LIMIT: no solution
 * was found, or there is none. */
enum cvg_status cvg__lp_solve(struct cvg__lp *lp, struct cvg_error *err);

/* What of a program has to be whole, and how long to look. */
struct cvg__whole {
    double *most;   /* [n_columns]: whole, from 0 up to that; 0: any number */
    double *start;  /* [n_columns]: a solution to begin with; NULL: none */
    double gap;     /* to a better one is near enough */
    uint32_t nodes; /* of branch and bound, at most */
};

/* The same with whole columns, by Cbc's branch and bound. *exact: no other
 * solution is better by more than the gap; else it is the best that was found.
 * There are no duals, and costs do not count. One solve at a time in a process:
 * Cbc's driver is not thread-safe. */
enum cvg_status cvg__lp_solve_whole(struct cvg__lp *lp,
                                    const struct cvg__whole *whole, bool *exact,
                                    struct cvg_error *err);

#endif

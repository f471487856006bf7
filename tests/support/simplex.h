/* A small simplex of the tests' own, to compare with: maximise value * x with
 * rows * x <= limit, all limits >= 0, by the tableau method and Bland's rule,
 * from x = 0. */
#ifndef CVG_TESTS_SIMPLEX_H
#define CVG_TESTS_SIMPLEX_H

#define SIMPLEX_ROWS 48
#define SIMPLEX_COLUMNS 2048

struct simplex {
    int n_rows, n_columns;
    /* The last row holds -value; after the columns stand those of the slacks
     * (1 at [i][n_columns + i]), then the limits. */
    double a[SIMPLEX_ROWS + 1][SIMPLEX_COLUMNS + SIMPLEX_ROWS + 1];
    int basis[SIMPLEX_ROWS];
};

/* To be called when n_rows and n_columns are final: adds the slacks. */
void simplex_begin(struct simplex *t);
/* Returns the optimum, which must be finite. */
double simplex_maximise(struct simplex *t);

#endif

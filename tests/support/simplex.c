/* The tableau method. */
#include "support/simplex.h"
#include "support/world.h"

#include <math.h>

void simplex_begin(struct simplex *t)
{
    for (int i = 0; i < t->n_rows; i++) {
        t->a[i][t->n_columns + i] = 1;
        t->basis[i] = t->n_columns + i;
    }
}

static void pivot(struct simplex *t, int row, int column)
{
    int width = t->n_columns + t->n_rows + 1;
    double by = t->a[row][column];
    for (int k = 0; k < width; k++) {
        t->a[row][k] /= by;
    }
    for (int i = 0; i <= t->n_rows; i++) {
        double factor = t->a[i][column];
        for (int k = 0; i != row && factor != 0 && k < width; k++) {
            t->a[i][k] -= factor * t->a[row][k];
        }
    }
    t->basis[row] = column;
}

double simplex_maximise(struct simplex *t)
{
    int last = t->n_columns + t->n_rows;
    for (;;) {
        int column = 0;
        while (column < last && t->a[t->n_rows][column] >= -1e-10) {
            column++;
        }
        if (column == last) {
            return t->a[t->n_rows][last];
        }
        int row = -1;
        double least = INFINITY;
        for (int i = 0; i < t->n_rows; i++) {
            double step = t->a[i][column] > 1e-10
                              ? t->a[i][last] / t->a[i][column]
                              : INFINITY;
            if (step < least - 1e-12 ||
                (row >= 0 && step <= least && t->basis[i] < t->basis[row])) {
                row = i;
                least = step;
            }
        }
        assert_true(row >= 0); /* bounded: rates are */
        pivot(t, row, column);
    }
}

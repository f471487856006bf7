/* A table of text cells for a terminal: each column as wide as its widest
 * cell, the first one to the left, the others to the right. */
#ifndef CVG_REPORT_GRID_H
#define CVG_REPORT_GRID_H

#include <stdio.h>

#define CVG_GRID_COLUMNS 20
#define CVG_GRID_ROWS 400
#define CVG_GRID_CELL 48

struct cvg_grid {
    int columns, rows;
    int column;      /* of the next cell, in the last row */
    int rule_before; /* a line above this row; 0: none */
    char cells[CVG_GRID_ROWS][CVG_GRID_COLUMNS][CVG_GRID_CELL];
};

/* The first row names the columns; rows past the limit are left out. */
void cvg__grid_init(struct cvg_grid *grid, int columns,
                    const char *const *names);
void cvg__grid_row(struct cvg_grid *grid);
void cvg__grid_cell(struct cvg_grid *grid, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void cvg__grid_print(const struct cvg_grid *grid, FILE *out);

#endif

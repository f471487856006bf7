/* Text cells in columns. */
#include "report/grid.h"

#include <stdarg.h>
#include <string.h>

void cvg__grid_init(struct cvg_grid *g, int columns, const char *const *names)
{
    g->columns = columns;
    g->rows = 0;
    g->rule_before = 0;
    cvg__grid_row(g);
    for (int i = 0; i < columns; i++) {
        cvg__grid_cell(g, "%s", names[i]);
    }
}

void cvg__grid_row(struct cvg_grid *g)
{
    g->column = 0;
    if (g->rows < CVG_GRID_ROWS) {
        memset(g->cells[g->rows], 0, sizeof g->cells[g->rows]);
        g->rows++;
    } else {
        g->column = g->columns; /* takes no cells */
    }
}

void cvg__grid_cell(struct cvg_grid *g, const char *format, ...)
{
    if (g->column >= g->columns) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(g->cells[g->rows - 1][g->column++], CVG_GRID_CELL, format, args);
    va_end(args);
}

static int width(const struct cvg_grid *g, int column)
{
    size_t widest = 0;
    for (int row = 0; row < g->rows; row++) {
        size_t length = strlen(g->cells[row][column]);
        widest = length > widest ? length : widest;
    }
    return (int)widest;
}

static void print_rule(const int *widths, int columns, FILE *out)
{
    fputs("  ", out);
    for (int i = 0; i < columns; i++) {
        for (int k = i == 0 ? 2 : 0; k < widths[i] + 2; k++) {
            fputc('-', out);
        }
    }
    fputc('\n', out);
}

void cvg__grid_print(const struct cvg_grid *g, FILE *out)
{
    int widths[CVG_GRID_COLUMNS] = {0};
    for (int i = 0; i < g->columns; i++) {
        widths[i] = width(g, i);
    }
    for (int row = 0; row < g->rows; row++) {
        if (row == 1 || (row > 1 && row == g->rule_before)) {
            print_rule(widths, g->columns, out);
        }
        fprintf(out, "  %-*s", widths[0], g->cells[row][0]);
        for (int i = 1; i < g->columns; i++) {
            fprintf(out, "  %*s", widths[i], g->cells[row][i]);
        }
        fputc('\n', out);
    }
}

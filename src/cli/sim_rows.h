/* What became of each request, as CSV: a row when it ends. */
#ifndef CVG_CLI_SIM_ROWS_H
#define CVG_CLI_SIM_ROWS_H

#include <convergo/engine.h>
#include <stdio.h>

struct cvg__sim_rows { /* all borrowed */
    FILE *out;
    const struct cvg_box *box;
    const struct cvg_engine *engine;
};

void cvg__sim_rows_begin(const struct cvg__sim_rows *rows);
/* For cvg_sim_options.watch; the context is the struct cvg__sim_rows. */
void cvg__sim_rows_watch(void *context, const struct cvg_event *event,
                         const struct cvg_actions *actions);
/* CVG_IO: not all could be written. */
enum cvg_status cvg__sim_rows_end(const struct cvg__sim_rows *rows,
                                  struct cvg_error *err);

#endif

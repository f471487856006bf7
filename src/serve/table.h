/* What was opened, as a table on stderr: an operator sees at once what this
 * box is, and which devices are emulated. */
#ifndef CVG_SERVE_TABLE_H
#define CVG_SERVE_TABLE_H

#include "serve/server.h"

void cvg__table_print(const struct cvg__server *server);

#endif

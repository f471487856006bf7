/* convergo explain, in two parts: explain.c reads the options and asks the
 * record or the server, explain_words.c writes sentences for people. */
#ifndef CVG_CLI_EXPLAIN_H
#define CVG_CLI_EXPLAIN_H

#include "record/explain.h"
#include <stdio.h>

/* A few paragraphs and a table of the ways. */
void cvg_explain_write(FILE *out, const struct cvg_record *record,
                       const struct cvg_record_why *why);

#endif

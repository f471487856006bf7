/* The options of a verb, from a table. */
#ifndef CVG_CLI_OPTIONS_H
#define CVG_CLI_OPTIONS_H

#include "cli/cli.h"
#include <stdbool.h>

struct cvg_option_row {
    const char *flag; /* "--load" */
    bool alone;       /* it takes no value: `set` is called with NULL */
    enum cvg_status (*set)(void *target, const char *value,
                           struct cvg_error *err);
};

/* Takes "--flag VALUE", "--flag=VALUE" and what is no option: the first
 * n_names words go to names[], in order; those not given stay NULL. All is
 * borrowed from argv. Returns 0, or exit code 2 when the user has been told
 * what is wrong. */
int cvg_cli_options(const struct cvg_verb *verb, int argc, char **argv,
                    const struct cvg_option_row *rows, size_t n_rows,
                    void *target, const char **names, size_t n_names);

/* Is --help or -h among them? */
bool cvg_cli_wants_help(int argc, char **argv);

#endif

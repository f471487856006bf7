/* The command line: one file per verb, and a table of them in main.c. */
#ifndef CVG_CLI_CLI_H
#define CVG_CLI_CLI_H

#include <convergo/status.h>

struct cvg_verb {
    const char *name;
    const char *usage;   /* "BOX WORKLOAD [--policy P]..." */
    const char *summary; /* one line, for the list of verbs */
    const char *help;    /* the options, one a line */
    /* argv[0] is the verb. Returns the exit code: 0 done, 1 failed while
     * running, 2 usage or bad input (nothing changed), 3 drained with work
     * lost. */
    int (*run)(const struct cvg_verb *verb, int argc, char **argv);
};

extern const struct cvg_verb cvg_verb_bench;
extern const struct cvg_verb cvg_verb_check;
extern const struct cvg_verb cvg_verb_explain;
extern const struct cvg_verb cvg_verb_plan;
extern const struct cvg_verb cvg_verb_profile;
extern const struct cvg_verb cvg_verb_replay;
extern const struct cvg_verb cvg_verb_serve;
extern const struct cvg_verb cvg_verb_sim;
extern const struct cvg_verb cvg_verb_version;

/* "convergo VERB: error: MESSAGE" on stderr; returns the status' exit code. */
int cvg_cli_fail(const struct cvg_verb *verb, const struct cvg_error *err);
/* The same for wrong usage, with a hint at --help; returns 2. */
int cvg_cli_usage(const struct cvg_verb *verb, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints usage, summary and help to stdout; returns 0. */
int cvg_cli_help(const struct cvg_verb *verb);

#endif

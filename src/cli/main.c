/* convergo: one binary, a verb each for what a user does with it. */
#include "cli/cli.h"

#include "base/nearest.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct cvg_verb *const verbs[] = {
    &cvg_verb_serve,   &cvg_verb_bench, &cvg_verb_sim,
    &cvg_verb_profile, &cvg_verb_plan,  &cvg_verb_replay,
    &cvg_verb_explain, &cvg_verb_check, &cvg_verb_version,
};
#define N_VERBS (sizeof verbs / sizeof *verbs)

int cvg_cli_fail(const struct cvg_verb *verb, const struct cvg_error *err)
{
    fprintf(stderr, "convergo %s: error: %s\n", verb->name, err->text);
    return cvg_status_exit_code(err->status);
}

int cvg_cli_usage(const struct cvg_verb *verb, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "convergo %s: error: ", verb->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nusage: convergo %s %s\nsee convergo %s --help\n",
            verb->name, verb->usage, verb->name);
    return 2;
}

int cvg_cli_help(const struct cvg_verb *verb)
{
    printf("usage: convergo %s %s\n\n%s\n\n%s", verb->name, verb->usage,
           verb->summary, verb->help);
    return 0;
}

static int help(FILE *out, int code)
{
    fprintf(out, "usage: convergo VERB ...\n\n"
                 "An inference server and scheduler for edge boxes with "
                 "several accelerators\nand several applications.\n\n");
    for (size_t i = 0; i < N_VERBS; i++) {
        fprintf(out, "  %-9s %s\n", verbs[i]->name, verbs[i]->summary);
    }
    fprintf(out, "\nconvergo VERB --help tells more of each.\n");
    return code;
}

static int unknown_verb(const char *name)
{
    const char *names[N_VERBS];
    for (size_t i = 0; i < N_VERBS; i++) {
        names[i] = verbs[i]->name;
    }
    const char *near = cvg_nearest_name(name, names, N_VERBS);
    fprintf(stderr, "convergo: error: unknown verb '%s'", name);
    if (near != NULL) {
        fprintf(stderr, "; did you mean '%s'?", near);
    }
    fprintf(stderr, "\nsee convergo --help\n");
    return 2;
}

int main(int argc, char **argv)
{
    /* A client or a reader of our output that has gone is ordinary. */
    signal(SIGPIPE, SIG_IGN);
    /* So is a limit on the size of files: a write then fails. */
    signal(SIGXFSZ, SIG_IGN);
    if (argc < 2) {
        return help(stderr, 2);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        return help(stdout, 0);
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        name = "version";
    }
    for (size_t i = 0; i < N_VERBS; i++) {
        if (strcmp(name, verbs[i]->name) == 0) {
            return verbs[i]->run(verbs[i], argc - 1, argv + 1);
        }
    }
    return unknown_verb(name);
}

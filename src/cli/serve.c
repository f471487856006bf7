/* convergo serve: reads the options, runs the server. */
#include "cli/cli.h"

#include "base/units.h"
#include "serve/serve.h"
#include <stdio.h>
#include <string.h>

static int help(const struct cvg_verb *verb)
{
    int code = cvg_cli_help(verb);
    printf("\nlimits, with their defaults:\n%s", cvg__limits_help());
    return code;
}

static enum cvg_status set_number(struct cvg_serve_options *o, const char *flag,
                                  const char *value, struct cvg_error *err)
{
    uint64_t number;
    if (strcmp(flag, "--seed") == 0) {
        return cvg_parse_count(value, 0, UINT64_MAX, &o->seed, err);
    }
    if (strcmp(flag, "--exit-timeout-secs") == 0) {
        enum cvg_status status = cvg_parse_count(value, 0, 86400, &number, err);
        o->exit_timeout = status == CVG_OK ? CVG_S((cvg_span)number) : 0;
        return status;
    }
    return cvg__limits_set(&o->limits, flag, value, err);
}

static const char **text_of(struct cvg_serve_options *o, const char *flag)
{
    return strcmp(flag, "--policy") == 0    ? &o->policy
           : strcmp(flag, "--http") == 0    ? &o->http
           : strcmp(flag, "--metrics") == 0 ? &o->metrics
           : strcmp(flag, "--socket") == 0  ? &o->socket
           : strcmp(flag, "--record") == 0  ? &o->record
                                            : NULL;
}

/* --flag VALUE or --flag=VALUE. Returns 0, or the exit code. */
static int option(const struct cvg_verb *verb, struct cvg_serve_options *o,
                  int argc, char **argv, int *at)
{
    char flag[64];
    struct cvg_error err;
    const char *equals = strchr(argv[*at], '=');
    (void)snprintf(
        flag, sizeof flag, "%.*s",
        (int)(equals != NULL ? equals - argv[*at] : (long)strlen(argv[*at])),
        argv[*at]);
    if (strcmp(argv[*at], "--strict-readiness") == 0) {
        o->strict_readiness = true;
        return 0;
    }
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (value == NULL && *at + 1 < argc) {
        value = argv[*at + 1];
    }
    const char **text = text_of(o, flag);
    if (text != NULL && value != NULL) {
        *text = value;
    } else {
        enum cvg_status status =
            set_number(o, flag, value != NULL ? value : "", &err);
        if (status == CVG_NOTFOUND) {
            return cvg_cli_usage(verb, "unknown option '%s'", flag);
        }
        if (value == NULL) {
            return cvg_cli_usage(verb, "%s needs a value", flag);
        }
        if (status != CVG_OK) {
            return cvg_cli_usage(verb, "%s: %s", flag, err.text);
        }
    }
    *at += equals == NULL;
    return 0;
}

static int run(const struct cvg_verb *verb, int argc, char **argv)
{
    struct cvg_serve_options options;
    struct cvg_error err = {.text = ""};
    cvg_serve_default(&options);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return help(verb);
        }
        if (argv[i][0] == '-') {
            int code = option(verb, &options, argc, argv, &i);
            if (code != 0) {
                return code;
            }
        } else if (options.box == NULL) {
            options.box = argv[i];
        } else {
            return cvg_cli_usage(verb, "one box at a time; what is '%s'?",
                                 argv[i]);
        }
    }
    if (options.box == NULL) {
        return cvg_cli_usage(verb, "which box?");
    }
    enum cvg_status status = cvg_serve(&options, &err);
    return status == CVG_OK ? 0 : cvg_cli_fail(verb, &err);
}

const struct cvg_verb cvg_verb_serve = {
    .name = "serve",
    .usage = "BOX [OPTION]...",
    .summary = "serve the models of a box over HTTP",
    .help =
        "  --policy P             in place of the box's\n"
        "  --http HOST:PORT       the API (127.0.0.1:8000; port 0: any free\n"
        "                         one; off: none)\n"
        "  --metrics HOST:PORT    for Prometheus (127.0.0.1:8002)\n"
        "  --socket PATH          the API on a unix socket too\n"
        "  --record FILE          every event and action, for convergo replay\n"
        "                         and explain; a file that is not there yet\n"
        "  --seed N               of policies and emulated devices (1)\n"
        "  --exit-timeout-secs N  to finish what runs, on SIGTERM (30)\n"
        "  --strict-readiness     ready only if every device is up and all\n"
        "                         first loads went well\n",
    .run = run,
};

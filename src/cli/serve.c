/* convergo serve: reads the settings, runs the server.
 *
 * A setting is taken from the command line (--max-body 1MiB), else from the
 * environment (CONVERGO_MAX_BODY=1MiB), else from the box, else it has a
 * default. */
#include "cli/cli.h"

#include "base/nearest.h"
#include "base/units.h"
#include "cli/options.h"
#include "config/config.h"
#include "serve/serve.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Those of the server; its limits come after them. */
static const char *const own_flags[] = {
    "--policy", "--http", "--metrics",           "--socket",
    "--record", "--seed", "--exit-timeout-secs", "--strict-readiness",
};
#define N_OWN (sizeof own_flags / sizeof *own_flags)
#define MAX_SETTINGS 64U

enum origin { DEFAULT, BOX, ENVIRONMENT, COMMAND_LINE };

struct settings {
    struct cvg_serve_options options;
    enum origin from[MAX_SETTINGS];
    bool print;
};

/* NULL: there are no more. */
static const char *flag_at(size_t k)
{
    return k < N_OWN ? own_flags[k] : cvg__limits_flag(k - N_OWN);
}

static int help(const struct cvg_verb *verb)
{
    int code = cvg_cli_help(verb);
    printf("\nlimits, with their defaults:\n%s"
           "\nEach is a variable of the environment, too: CONVERGO_MAX_BODY "
           "for\n--max-body. The command line goes before the environment, "
           "that before\nthe box.\n",
           cvg__limits_help());
    return code;
}

/* --- one setting ----------------------------------------------------------
 */

static const char **text_of(struct cvg_serve_options *o, const char *flag)
{
    return strcmp(flag, "--policy") == 0    ? &o->policy
           : strcmp(flag, "--http") == 0    ? &o->http
           : strcmp(flag, "--metrics") == 0 ? &o->metrics
           : strcmp(flag, "--socket") == 0  ? &o->socket
           : strcmp(flag, "--record") == 0  ? &o->record
                                            : NULL;
}

static enum cvg_status set_truth(bool *out, const char *value,
                                 struct cvg_error *err)
{
    *out = strcmp(value, "true") == 0;
    return *out || strcmp(value, "false") == 0
               ? CVG_OK
               : cvg_fail(err, CVG_INVALID, "'%.80s' is neither true nor false",
                          value);
}

static enum cvg_status set(struct cvg_serve_options *o, const char *flag,
                           const char *value, struct cvg_error *err)
{
    uint64_t seconds = 0;
    const char **text = text_of(o, flag);
    if (text != NULL) {
        *text = value;
        return CVG_OK;
    }
    if (strcmp(flag, "--seed") == 0) {
        return cvg_parse_count(value, 0, UINT64_MAX, &o->seed, err);
    }
    if (strcmp(flag, "--strict-readiness") == 0) {
        return set_truth(&o->strict_readiness, value, err);
    }
    if (strcmp(flag, "--exit-timeout-secs") == 0) {
        enum cvg_status status =
            cvg_parse_count(value, 0, 86400, &seconds, err);
        o->exit_timeout = CVG_S((cvg_span)seconds);
        return status;
    }
    return cvg__limits_set(&o->limits, flag, value, err);
}

/* --- where they come from --------------------------------------------------
 */

/* "--max-body" -> "CONVERGO_MAX_BODY" */
static void variable_of(const char *flag, char *out, size_t size)
{
    (void)snprintf(out, size, "CONVERGO_%s", flag + 2);
    for (char *p = out; *p != '\0'; p++) {
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    }
}

static int read_environment(const struct cvg_verb *verb, struct settings *s)
{
    for (size_t k = 0; flag_at(k) != NULL; k++) {
        char name[64];
        struct cvg_error err = {.text = ""};
        variable_of(flag_at(k), name, sizeof name);
        const char *value = getenv(name);
        if (value == NULL || *value == '\0') {
            continue;
        }
        if (set(&s->options, flag_at(k), value, &err) != CVG_OK) {
            return cvg_cli_usage(verb, "%s: %s", name, err.text);
        }
        s->from[k] = ENVIRONMENT;
    }
    return 0;
}

static int unknown(const struct cvg_verb *verb, const char *flag)
{
    const char *flags[MAX_SETTINGS];
    size_t n = 0;
    for (; flag_at(n) != NULL; n++) {
        flags[n] = flag_at(n);
    }
    const char *near = cvg_nearest_name(flag, flags, n);
    return near == NULL
               ? cvg_cli_usage(verb, "unknown option '%s'", flag)
               : cvg_cli_usage(verb, "unknown option '%s'; did you mean %s?",
                               flag, near);
}

/* --flag VALUE or --flag=VALUE; *at moves past it. Returns 0, or the exit code.
 */
static int option(const struct cvg_verb *verb, struct settings *s, int argc,
                  char **argv, int *at)
{
    const char *word = argv[*at];
    char flag[64];
    size_t length = strcspn(word, "=");
    const char *value = word[length] == '=' ? word + length + 1 : NULL;
    (void)snprintf(flag, sizeof flag, "%.*s", (int)(length < 63 ? length : 63),
                   word);
    size_t k = 0;
    while (flag_at(k) != NULL && strcmp(flag_at(k), flag) != 0) {
        k++;
    }
    if (flag_at(k) == NULL) {
        return unknown(verb, flag);
    }
    if (value == NULL && strcmp(flag, "--strict-readiness") == 0) {
        value = "true";
    } else if (value == NULL) {
        if (*at + 1 == argc) {
            return cvg_cli_usage(verb, "%s needs a value", flag);
        }
        value = argv[++*at];
    }
    struct cvg_error err = {.text = ""};
    if (set(&s->options, flag, value, &err) != CVG_OK) {
        return cvg_cli_usage(verb, "%s: %s", flag, err.text);
    }
    s->from[k] = COMMAND_LINE;
    return 0;
}

static int read_words(const struct cvg_verb *verb, struct settings *s, int argc,
                      char **argv)
{
    int code = 0;
    for (int i = 1; i < argc && code == 0; i++) {
        if (strcmp(argv[i], "--print-config") == 0) {
            s->print = true;
        } else if (argv[i][0] == '-') {
            code = option(verb, s, argc, argv, &i);
        } else if (s->options.box == NULL) {
            s->options.box = argv[i];
        } else {
            code = cvg_cli_usage(verb, "one box at a time; what is '%s'?",
                                 argv[i]);
        }
    }
    return code != 0 || s->options.box != NULL
               ? code
               : cvg_cli_usage(verb, "which box?");
}

/* --- --print-config --------------------------------------------------------
 */

static void policy_text(const struct cvg_policy_spec *policy, char *out,
                        size_t size)
{
    const char *const keys[] = {"",
                                "allocation=", "order=", "batching=", "exits="};
    const char *const values[] = {policy->name, policy->allocation,
                                  policy->order, policy->batching,
                                  policy->exits};
    size_t n = 0;
    for (size_t i = 0; i < 5 && n < size; i++) {
        if (values[i] != NULL) {
            n += (size_t)snprintf(out + n, size - n, "%s%s%s", n > 0 ? "," : "",
                                  keys[i], values[i]);
        }
    }
}

/* What the box says of it; NULL: nothing. */
static const char *in_box(const struct cvg_box *box, const char *flag,
                          char *text, size_t size)
{
    *text = '\0';
    if (strcmp(flag, "--policy") == 0) {
        policy_text(&box->policy, text, size);
        return *text != '\0' ? text : NULL;
    }
    return strcmp(flag, "--http") == 0      ? box->server.http
           : strcmp(flag, "--metrics") == 0 ? box->server.metrics
           : strcmp(flag, "--socket") == 0  ? box->server.socket
                                            : NULL;
}

static const char *default_of(const char *flag)
{
    return strcmp(flag, "--policy") == 0    ? "convergo"
           : strcmp(flag, "--http") == 0    ? CVG_SERVE_HTTP
           : strcmp(flag, "--metrics") == 0 ? CVG_SERVE_METRICS
                                            : "off";
}

static void number_text(const struct cvg_serve_options *o, size_t k, char *out,
                        size_t size)
{
    const char *flag = flag_at(k);
    if (strcmp(flag, "--seed") == 0) {
        (void)snprintf(out, size, "%llu", (unsigned long long)o->seed);
    } else if (strcmp(flag, "--exit-timeout-secs") == 0) {
        (void)snprintf(out, size, "%lld",
                       (long long)(o->exit_timeout / CVG_S(1)));
    } else if (strcmp(flag, "--strict-readiness") == 0) {
        (void)snprintf(out, size, "%s", o->strict_readiness ? "true" : "false");
    } else {
        cvg__limits_text(&o->limits, k - N_OWN, out, size);
    }
}

static void print_setting(struct settings *s, size_t k,
                          const struct cvg_box *box)
{
    static const char *const origins[] = {"default", "box", "environment",
                                          "command line"};
    const char *flag = flag_at(k);
    char text[600];
    const char **own = text_of(&s->options, flag);
    const char *value = own != NULL ? *own : text;
    if (own == NULL) {
        number_text(&s->options, k, text, sizeof text);
    } else if (value == NULL) {
        value = in_box(box, flag, text, sizeof text);
        s->from[k] = value != NULL ? BOX : DEFAULT;
        value = value != NULL ? value : default_of(flag);
    }
    printf("%-24s %-24s %s\n", flag + 2, value, origins[s->from[k]]);
}

static enum cvg_status print(struct settings *s, struct cvg_error *err)
{
    struct cvg_box *box;
    enum cvg_status status = cvg_config_load_box(s->options.box, 0, &box, err);
    if (status != CVG_OK) {
        return status;
    }
    for (size_t k = 0; flag_at(k) != NULL; k++) {
        print_setting(s, k, box);
    }
    cvg_box_destroy(box);
    return CVG_OK;
}

static int run(const struct cvg_verb *verb, int argc, char **argv)
{
    struct settings s = {.print = false};
    struct cvg_error err = {.text = ""};
    if (cvg_cli_wants_help(argc, argv)) {
        return help(verb);
    }
    cvg_serve_default(&s.options);
    int code = read_environment(verb, &s);
    code = code != 0 ? code : read_words(verb, &s, argc, argv);
    if (code != 0) {
        return code;
    }
    enum cvg_status status =
        s.print ? print(&s, &err) : cvg_serve(&s.options, &err);
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
        "                         first loads went well\n"
        "  --print-config         show each setting, its value and whether it\n"
        "                         is from the command line, the environment,\n"
        "                         the box or a default, and end\n",
    .run = run,
};

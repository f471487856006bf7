/* Options from a table. */
#include "cli/options.h"

#include "base/nearest.h"
#include <stdio.h>
#include <string.h>

#define MAX_ROWS 40U

bool cvg_cli_wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

static int unknown(const struct cvg_verb *verb, const char *word,
                   const struct cvg_option_row *rows, size_t n_rows)
{
    const char *flags[MAX_ROWS];
    size_t n = n_rows < MAX_ROWS ? n_rows : MAX_ROWS;
    for (size_t i = 0; i < n; i++) {
        flags[i] = rows[i].flag;
    }
    const char *near = cvg_nearest_name(word, flags, n);
    if (near == NULL) {
        return cvg_cli_usage(verb, "unknown option '%s'", word);
    }
    return cvg_cli_usage(verb, "unknown option '%s'; did you mean %s?", word,
                         near);
}

/* Moves *at past the option and its value. */
static int take(const struct cvg_verb *verb, int argc, char **argv, int *at,
                const struct cvg_option_row *rows, size_t n_rows, void *target)
{
    char flag[64];
    const char *word = argv[*at];
    const char *equals = strchr(word, '=');
    size_t length = equals == NULL ? strlen(word) : (size_t)(equals - word);
    snprintf(flag, sizeof flag, "%.*s", (int)(length < 63 ? length : 63), word);
    const struct cvg_option_row *row = NULL;
    for (size_t i = 0; i < n_rows && row == NULL; i++) {
        row = strcmp(rows[i].flag, flag) == 0 ? &rows[i] : NULL;
    }
    if (row == NULL) {
        return unknown(verb, flag, rows, n_rows);
    }
    const char *value = equals == NULL ? NULL : equals + 1;
    if (row->alone && value != NULL) {
        return cvg_cli_usage(verb, "%s takes no value", flag);
    }
    if (!row->alone && value == NULL) {
        if (*at + 1 == argc) {
            return cvg_cli_usage(verb, "%s needs a value", flag);
        }
        value = argv[++*at];
    }
    struct cvg_error err = {.text = ""};
    if (row->set(target, value, &err) != CVG_OK) {
        return cvg_cli_usage(verb, "%s: %s", flag, err.text);
    }
    return 0;
}

int cvg_cli_options(const struct cvg_verb *verb, int argc, char **argv,
                    const struct cvg_option_row *rows, size_t n_rows,
                    void *target, const char **names, size_t n_names)
{
    size_t n = 0;
    for (int i = 1; i < argc; i++) {
        int code = 0;
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            code = take(verb, argc, argv, &i, rows, n_rows, target);
        } else if (n < n_names) {
            names[n++] = argv[i];
        } else {
            code = cvg_cli_usage(verb, "what is '%s'?", argv[i]);
        }
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

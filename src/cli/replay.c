/* convergo replay: the same actions again? Or what would another policy have
 * done? */
#include "cli/cli.h"

#include "base/units.h"
#include "cli/whatif.h"
#include "record/record.h"
#include "report/report.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

struct options {
    const char *record, *policy, *json, *page;
};

/* --- options -------------------------------------------------------------- */

/* Returns an exit code, or -1: go on. */
static int read_options(const struct cvg_verb *verb, int argc, char **argv,
                        struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        const char **to = strcmp(arg, "--policy") == 0   ? &o->policy
                          : strcmp(arg, "--json") == 0   ? &o->json
                          : strcmp(arg, "--report") == 0 ? &o->page
                                                         : NULL;
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            return cvg_cli_help(verb);
        }
        if (to != NULL) {
            if (++i == argc) {
                return cvg_cli_usage(verb, "%s needs a value", arg);
            }
            *to = argv[i];
        } else if (arg[0] == '-' && arg[1] != '\0') {
            return cvg_cli_usage(verb, "unknown option '%s'", arg);
        } else if (o->record != NULL) {
            return cvg_cli_usage(verb, "one record at a time; what is '%s'?",
                                 arg);
        } else {
            o->record = arg;
        }
    }
    if (o->page != NULL && o->json != NULL && strcmp(o->page, o->json) == 0) {
        return cvg_cli_usage(verb, "--json and --report: two files");
    }
    if (o->page != NULL && o->policy == NULL) {
        return cvg_cli_usage(verb, "--report compares with a --policy");
    }
    return o->record != NULL ? -1 : cvg_cli_usage(verb, "which record?");
}

static bool to_stdout(const struct options *o)
{
    return (o->json != NULL && strcmp(o->json, "-") == 0) ||
           (o->page != NULL && strcmp(o->page, "-") == 0);
}

/* --- what it is a record of ----------------------------------------------- */

static void print_began(int64_t unix_s)
{
    char text[32];
    time_t t = (time_t)unix_s;
    struct tm tm;
    if (unix_s != 0 && gmtime_r(&t, &tm) != NULL &&
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0) {
        printf(", begun %s", text);
    }
}

static void print_head(const struct cvg_record *r)
{
    const struct cvg_record_head *h = cvg_record_head(r);
    printf("record      %s (%.1f KiB)\n", cvg_record_path(r),
           (double)cvg_record_size(r) / 1024);
    printf("run         %s, policy %s, seed %llu", h->mode,
           cvg_whatif_policy(r), (unsigned long long)h->options.seed);
    print_began(h->began_unix);
    printf("\n            %s by convergo %s (%s)\n", h->texts.items[0].path,
           h->version, h->build);
    if (cvg_record_end(r) != CVG_RECORD_WHOLE) {
        printf("end         it ends early: %s",
               cvg_record_end_text(cvg_record_end(r)));
        if (cvg_record_left_out(r) > 0) {
            printf("; %llu bytes after the last whole block are left out",
                   (unsigned long long)cvg_record_left_out(r));
        }
        printf("\n");
    }
}

/* --- the same actions? ---------------------------------------------------- */

static void print_count(const char *name, uint64_t n, int *column)
{
    if (n > 0) {
        *column += printf("%s%s %llu", *column == 0 ? "" : ", ", name,
                          (unsigned long long)n);
    }
}

static void print_counts(const struct cvg_replay *x)
{
    int column = 0;
    char length[32];
    cvg_format_span(length, sizeof length, x->last - x->first);
    printf("events      %llu in %s: ", (unsigned long long)x->steps, length);
    for (int i = 0; i < CVG_EVENTS; i++) {
        print_count(cvg_record_event_name((enum cvg_event_type)i), x->events[i],
                    &column);
    }
    printf("\nactions     ");
    column = 0;
    for (int i = 0; i < CVG_ACTIONS; i++) {
        print_count(cvg_record_action_name((enum cvg_action_type)i),
                    x->actions[i], &column);
    }
    printf("\n");
}

static double seconds_in(const struct cvg_record *r, cvg_time at)
{
    return (double)(at - cvg_record_head(r)->options.start) / 1e9;
}

static void print_result(const struct cvg_record *r, const struct cvg_replay *x)
{
    if (!x->differs) {
        printf("replay      every action is the same\n");
        return;
    }
    printf("replay      differs at event %llu, %.6f s into the run: %s\n",
           (unsigned long long)x->step, seconds_in(r, x->at), x->event);
    printf("  recorded, action %u: %s\n", x->action, x->expected);
    printf("  replayed, action %u: %s\n", x->action, x->got);
    if (strcmp(cvg_record_head(r)->version, CVG_VERSION) != 0) {
        printf("  It was recorded by version %s; this is %s.\n",
               cvg_record_head(r)->version, CVG_VERSION);
    }
}

static json_t *difference_json(const struct cvg_record *r,
                               const struct cvg_replay *x)
{
    return x->differs
               ? json_pack("{s:I, s:f, s:s, s:i, s:s, s:s}", "event",
                           (json_int_t)x->step, "at_s", seconds_in(r, x->at),
                           "what", x->event, "action", (int)x->action,
                           "expected", x->expected, "got", x->got)
               : json_null();
}

static json_t *replay_json(const struct cvg_record *r,
                           const struct cvg_replay *x)
{
    const struct cvg_record_head *h = cvg_record_head(r);
    json_t *events = json_object(), *actions = json_object();
    for (int i = 0; i < CVG_EVENTS; i++) {
        json_object_set_new(events,
                            cvg_record_event_name((enum cvg_event_type)i),
                            json_integer((json_int_t)x->events[i]));
    }
    for (int i = 0; i < CVG_ACTIONS; i++) {
        json_object_set_new(actions,
                            cvg_record_action_name((enum cvg_action_type)i),
                            json_integer((json_int_t)x->actions[i]));
    }
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:I, s:b, s:s, s:I, s:b, s:I, s:o, s:o, "
        "s:o}",
        "schema", "convergo.replay/1", "record", cvg_record_path(r), "mode",
        h->mode, "version", h->version, "policy", cvg_whatif_policy(r), "seed",
        (json_int_t)h->options.seed, "whole",
        cvg_record_end(r) == CVG_RECORD_WHOLE, "end",
        cvg_record_end_text(cvg_record_end(r)), "left_out_bytes",
        (json_int_t)cvg_record_left_out(r), "equal", !x->differs, "steps",
        (json_int_t)x->steps, "events", events, "actions", actions,
        "difference", difference_json(r, x));
}

static int write_json(const struct cvg_verb *verb, const struct options *o,
                      json_t *json)
{
    struct cvg_error err;
    enum cvg_status status =
        json == NULL      ? cvg_fail(&err, CVG_NOMEM, "out of memory")
        : o->json == NULL ? CVG_OK
                          : cvg_report_write(o->json, json, &err);
    json_decref(json);
    return status == CVG_OK ? 0 : cvg_cli_fail(verb, &err);
}

static int compare(const struct cvg_verb *verb, const struct options *o,
                   struct cvg_record *r)
{
    struct cvg_replay x;
    struct cvg_error err;
    if (cvg_record_replay(r, NULL, &x, &err) != CVG_OK) {
        return cvg_cli_fail(verb, &err);
    }
    if (!to_stdout(o)) {
        print_head(r);
        print_counts(&x);
        print_result(r, &x);
    }
    int code = write_json(verb, o, replay_json(r, &x));
    return code != 0 ? code : x.differs ? 1 : 0;
}

/* --- another policy ------------------------------------------------------- */

static int try_policy(const struct cvg_verb *verb, const struct options *o,
                      struct cvg_record *r)
{
    struct cvg_error err;
    json_t *reports;
    if (cvg_whatif(r, o->policy, &reports, &err) != CVG_OK) {
        return cvg_cli_fail(verb, &err);
    }
    if (!to_stdout(o)) {
        print_head(r);
        printf("\nBoth are simulated: what arrived, and which devices went and "
               "came, as recorded;\ntimes by the profile.\n\n");
        cvg_report_table(stdout, reports);
    }
    struct cvg_page page = {.reports = reports, .box = cvg_record_box(r)};
    if (o->page != NULL &&
        cvg_report_write_page(o->page, &page, &err) != CVG_OK) {
        json_decref(reports);
        return cvg_cli_fail(verb, &err);
    }
    return write_json(verb, o, reports);
}

static int run(const struct cvg_verb *verb, int argc, char **argv)
{
    struct options o = {.record = NULL};
    struct cvg_error err;
    struct cvg_record *r;
    int code = read_options(verb, argc, argv, &o);
    if (code >= 0) {
        return code;
    }
    if (cvg_record_open(o.record, &r, &err) != CVG_OK) {
        return cvg_cli_fail(verb, &err);
    }
    code = o.policy != NULL ? try_policy(verb, &o, r) : compare(verb, &o, r);
    cvg_record_close(r);
    return code;
}

const struct cvg_verb cvg_verb_replay = {
    .name = "replay",
    .usage = "RECORD [--policy P] [--json FILE] [--report FILE]",
    .summary = "go through a recorded run again",
    .help =
        "Without --policy: are the actions the same, byte for byte? Exit 1 if\n"
        "not, and the first difference. With it: what would P have done with\n"
        "what arrived, beside the recorded policy, both simulated.\n\n"
        "  --policy P    a policy, or parts (order=edf,batching=greedy)\n"
        "  --json FILE   what was found, or the reports (- is standard "
        "output)\n"
        "  --report FILE a page with plots that compares the two\n"
        "  --help        show this\n",
    .run = run,
};

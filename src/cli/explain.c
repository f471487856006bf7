/* convergo explain: why did a request go the way it did? */
#include "cli/explain.h"

#include "base/units.h"
#include "cli/cli.h"
#include "cli/whatif.h"
#include "load/get.h"
#include "report/report.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *source, *id, *json;
    uint64_t request;
};

/* --- options -------------------------------------------------------------- */

static int take(const struct cvg_verb *verb, struct options *o, const char *arg)
{
    struct cvg_error err;
    if (o->source == NULL) {
        o->source = arg;
        return -1;
    }
    if (o->id != NULL) {
        return cvg_cli_usage(verb, "one request at a time; what is '%s'?", arg);
    }
    o->id = arg;
    if (cvg_parse_count(arg, 1, UINT64_MAX, &o->request, &err) != CVG_OK) {
        return cvg_cli_usage(verb, "the request's number: %s", err.text);
    }
    return -1;
}

/* Returns an exit code, or -1: go on. */
static int read_options(const struct cvg_verb *verb, int argc, char **argv,
                        struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        int code = -1;
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            return cvg_cli_help(verb);
        }
        if (strcmp(arg, "--json") == 0) {
            if (++i == argc) {
                return cvg_cli_usage(verb, "--json needs a file name, or -");
            }
            o->json = argv[i];
        } else if (arg[0] == '-') {
            return cvg_cli_usage(verb, "unknown option '%s'", arg);
        } else {
            code = take(verb, o, arg);
        }
        if (code >= 0) {
            return code;
        }
    }
    return o->source == NULL ? cvg_cli_usage(verb, "which record, or server?")
           : o->id == NULL   ? cvg_cli_usage(verb, "which request?")
                             : -1;
}

static bool to_stdout(const struct options *o)
{
    return o->json != NULL && strcmp(o->json, "-") == 0;
}

/* --- as JSON, with the keys of GET /v1/requests/ID ------------------------ */

static void set(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value);
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *ms_from(cvg_time from, cvg_time at)
{
    return at == CVG_NEVER ? json_null() : json_real((double)(at - from) / 1e6);
}

static json_t *kinds_json(uint32_t kinds)
{
    json_t *out = json_array();
    for (unsigned k = 0; k < CVG_SLO_KINDS; k++) {
        if ((kinds >> k & 1U) != 0) {
            (void)json_array_append_new(
                out, json_string(cvg_slo_kind_name((enum cvg_slo_kind)k)));
        }
    }
    return out;
}

static json_t *asked_json(const struct cvg_box *box,
                          const struct cvg_request *r)
{
    json_t *out = json_object();
    set(out, "variant",
        r->variant == CVG_ANY ? json_null()
                              : json_string(box->variants[r->variant].name));
    set(out, "deadline_ms", ms_from(r->arrival, r->deadline));
    set(out, "timeout_ms", ms_from(r->arrival, r->expires));
    set(out, "min_accuracy", json_real(r->min_accuracy));
    set(out, "max_energy_mj", number(r->max_energy_j * 1e3));
    set(out, "priority", json_integer(r->priority));
    return out;
}

static json_t *chosen_json(const struct cvg_box *box,
                           const struct cvg_explanation *e)
{
    if (e->variant == CVG_ANY || e->device == CVG_ANY) {
        return json_null();
    }
    json_t *out = json_object();
    set(out, "variant", json_string(box->variants[e->variant].name));
    set(out, "exit", json_integer(e->exit));
    set(out, "device", json_string(box->devices[e->device].name));
    set(out, "emulated", json_boolean(box->devices[e->device].emulated));
    set(out, "unit", json_integer(e->unit));
    set(out, "batch", json_integer(e->batch_size));
    set(out, "accuracy", json_real(e->accuracy));
    set(out, "energy_mj", json_real(e->energy_j * 1e3));
    set(out, "binding", kinds_json(e->binding));
    return out;
}

static json_t *way_json(const struct cvg_box *box, const struct cvg_way_seen *w,
                        cvg_time arrival)
{
    json_t *out = json_object(), *bars = json_array();
    set(out, "variant", json_string(box->variants[w->variant].name));
    set(out, "exit", json_integer(w->exit));
    set(out, "device", json_string(box->devices[w->device].name));
    set(out, "emulated", json_boolean(box->devices[w->device].emulated));
    set(out, "unit", json_integer(w->unit));
    set(out, "batch", json_integer(w->batch));
    set(out, "accuracy", json_real(w->accuracy));
    set(out, "energy_mj", json_real(w->energy_j * 1e3));
    set(out, "finish_ms", ms_from(arrival, w->finish));
    set(out, "finish_p95_ms", ms_from(arrival, w->finish_95));
    set(out, "free_ms", ms_from(arrival, w->free_at));
    for (unsigned b = 0; b < CVG_BARS; b++) {
        if ((w->bars >> b & 1U) != 0) {
            (void)json_array_append_new(
                bars, json_string(cvg_bar_name((enum cvg_bar)b)));
        }
    }
    set(out, "ruled_out_by", bars);
    set(out, "chosen", json_boolean(w->chosen));
    return out;
}

static json_t *words_json(const struct cvg_record *record,
                          const struct cvg_record_why *why)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return json_null();
    }
    cvg_explain_write(out, record, why);
    (void)fclose(out);
    json_t *words = json_stringn(text, size);
    free(text);
    return words;
}

static json_t *why_json(const struct cvg_record *record,
                        const struct cvg_record_why *why)
{
    const struct cvg_box *box = cvg_record_box(record);
    const struct cvg_explanation *e = &why->of;
    const struct cvg_request *r = &e->request;
    json_t *out = json_object(), *ways = json_array();
    char id[24];
    (void)snprintf(id, sizeof id, "%llu", (unsigned long long)r->id);
    set(out, "schema", json_string("convergo.explain/1"));
    set(out, "request_id", json_string(id));
    set(out, "app", json_string(box->apps[r->app].name));
    set(out, "policy", json_string(cvg_whatif_policy(record)));
    set(out, "ended", json_boolean(e->ended));
    set(out, "outcome",
        e->ended ? json_string(cvg_outcome_name(e->outcome)) : json_null());
    set(out, "reason",
        e->reason == CVG_REASON_NONE ? json_null()
                                     : json_string(cvg_reason_name(e->reason)));
    set(out, "asked", asked_json(box, r));
    set(out, "chosen", chosen_json(box, e));
    set(out, "relaxed", kinds_json(r->relaxed));
    set(out, "attempts", json_integer(e->attempts));
    set(out, "waiting", json_integer(why->waiting));
    set(out, "arrived_ms",
        ms_from(cvg_record_head(record)->options.start, r->arrival));
    set(out, "decided_ms", ms_from(r->arrival, why->at));
    set(out, "started_ms", ms_from(r->arrival, e->started));
    set(out, "predicted_ms", ms_from(r->arrival, e->predicted));
    set(out, "finished_ms", ms_from(r->arrival, e->finished));
    for (size_t i = 0; i < why->n_ways; i++) {
        (void)json_array_append_new(ways,
                                    way_json(box, &why->ways[i], r->arrival));
    }
    set(out, "ways", ways);
    set(out, "text", words_json(record, why));
    return out;
}

static int write_json(const struct cvg_verb *verb, const struct options *o,
                      const json_t *json)
{
    struct cvg_error err;
    return o->json == NULL || cvg_report_write(o->json, json, &err) == CVG_OK
               ? 0
               : cvg_cli_fail(verb, &err);
}

/* --- from a record, from a server ----------------------------------------- */

static int from_record(const struct cvg_verb *verb, const struct options *o)
{
    struct cvg_error err;
    struct cvg_record *record;
    struct cvg_record_why why;
    if (cvg_record_open(o->source, &record, &err) != CVG_OK) {
        return cvg_cli_fail(verb, &err);
    }
    int code;
    if (cvg_record_explain(record, o->request, &why, &err) != CVG_OK) {
        code = cvg_cli_fail(verb, &err);
    } else {
        json_t *json = why_json(record, &why);
        if (!to_stdout(o)) {
            cvg_explain_write(stdout, record, &why);
        }
        code = write_json(verb, o, json);
        json_decref(json);
        cvg_record_why_fini(&why);
    }
    cvg_record_close(record);
    return code;
}

static enum cvg_status ask(const struct options *o, json_t **out,
                           struct cvg_error *err)
{
    struct cvg_address address;
    char path[64];
    enum cvg_status status = cvg_address_parse(o->source, &address, err);
    if (status != CVG_OK) {
        return status;
    }
    (void)snprintf(path, sizeof path, "/v1/requests/%llu",
                   (unsigned long long)o->request);
    status = cvg__get_json(&address, path, CVG_S(10), out, err);
    return status != CVG_NOTFOUND
               ? status
               : cvg_fail(err, status,
                          "%.160s does not know request %llu: it never came, "
                          "or ended too long ago",
                          address.text, (unsigned long long)o->request);
}

static int from_server(const struct cvg_verb *verb, const struct options *o)
{
    struct cvg_error err;
    json_t *json;
    if (ask(o, &json, &err) != CVG_OK) {
        return cvg_cli_fail(verb, &err);
    }
    const char *text = json_string_value(json_object_get(json, "text"));
    int code = 0;
    if (text == NULL) {
        (void)cvg_fail(&err, CVG_IO, "%.160s gave no explanation", o->source);
        code = cvg_cli_fail(verb, &err);
    } else {
        if (!to_stdout(o)) {
            printf("%s\n", text);
        }
        code = write_json(verb, o, json);
    }
    json_decref(json);
    return code;
}

static int run(const struct cvg_verb *verb, int argc, char **argv)
{
    struct options o = {.source = NULL};
    int code = read_options(verb, argc, argv, &o);
    if (code >= 0) {
        return code;
    }
    return cvg_is_url(o.source) ? from_server(verb, &o) : from_record(verb, &o);
}

const struct cvg_verb cvg_verb_explain = {
    .name = "explain",
    .usage = "RECORD|URL REQUEST-ID [--json FILE]",
    .summary = "tell why a request went the way it did",
    .help =
        "From a record: what was chosen, what else could have been, and what\n"
        "ruled it out. From a server (http://HOST:PORT): what it remembers.\n"
        "The number is the `request_id` of the reply.\n\n"
        "  --json FILE   the same as JSON (- is standard output)\n"
        "  --help        show this\n",
    .run = run,
};

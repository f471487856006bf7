/* convergo plan: does a box carry a workload? Nothing is run. */
#include "cli/plan.h"

#include "cli/cli.h"
#include "cli/options.h"
#include "config/config.h"
#include "report/report.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct plan {
    const char *names[2]; /* box, workload */
    const char *json;
    struct cvg_box *box;
    struct cvg_workload *workload;
    struct cvg__planned planned;
    struct cvg_app apps[CVG_MAX_APPS]; /* scratch: of the piece at hand */
};

/* --- options -------------------------------------------------------------- */

static enum cvg_status set_model(void *target, const char *value,
                                 struct cvg_error *err)
{
    struct plan *p = target;
    for (int m = CVG_PREDICT_EXACT; m <= CVG_PREDICT_PAPER; m++) {
        enum cvg_predict_model model = (enum cvg_predict_model)m;
        if (strcmp(value, cvg_predict_model_name(model)) == 0) {
            p->planned.model = model;
            return CVG_OK;
        }
    }
    return cvg_fail(err, CVG_INVALID, "give exact or paper, not '%s'", value);
}

static enum cvg_status set_json(void *target, const char *value,
                                struct cvg_error *err)
{
    struct plan *p = target;
    (void)err;
    p->json = value;
    return CVG_OK;
}

static const struct cvg_option_row options[] = {
    {"--model", false, set_model},
    {"--json", false, set_json},
};

/* --- what is known of it -------------------------------------------------- */

bool cvg__planned_margin(const struct cvg__planned *p, uint32_t app,
                         double *out)
{
    const struct cvg_slo *slo = &p->pieces.items[p->worst].slos[app];
    double p95_s = p->forecast.apps[app].p95_s;
    if (!cvg_slo_has(slo, CVG_SLO_DEADLINE) || p95_s < 0) {
        return false;
    }
    *out = 1 - p95_s / (1e-9 * (double)slo->deadline);
    return true;
}

bool cvg__planned_is_tight(const struct cvg__planned *p)
{
    bool late = false;
    for (uint32_t a = 0; a < p->box->n_apps; a++) {
        double margin;
        late = late || (cvg__planned_margin(p, a, &margin) && margin < 0);
    }
    return p->fits && late;
}

const char *cvg__planned_verdict(const struct cvg__planned *p)
{
    return !p->fits                   ? "does not fit"
           : cvg__planned_is_tight(p) ? "tight"
                                      : "fits";
}

const char *cvg__plan_note(const struct cvg__planned *p, size_t i)
{
    const struct cvg_pieces *of = &p->pieces;
    const char *notes[6] = {NULL};
    size_t n = 0;
    if (p->model == CVG_PREDICT_PAPER) {
        notes[n++] = "Times are by the formulas of the paper: Poisson "
                     "arrivals, fixed service times, switches that do not "
                     "depend on each other, an equal part of the load for "
                     "each unit.";
    } else {
        notes[n++] = "Times are for Poisson arrivals that are served in "
                     "their order: steadier streams wait less, bursts more, "
                     "and a policy that orders by urgency moves the wait from "
                     "one application to another.";
    }
    if (of->from_trace) {
        notes[n++] = "A trace is planned by its mean rate in each window.";
    }
    if (of->own_bounds) {
        notes[n++] = "Rows of the trace have bounds of their own; planned is "
                     "with those of their applications.";
    }
    if (of->has_states) {
        notes[n++] = "A stream with states is planned by its mean rate; the "
                     "peak has all of them in their busiest state.";
    }
    return i < n ? notes[i] : NULL;
}

/* --- planning ------------------------------------------------------------- */

/* Worse: it does not fit, less is satisfied, less load would fit. */
static bool is_worse(const struct cvg_outlook *a, const struct cvg_outlook *b)
{
    if (a->fits != b->fits) {
        return b->fits;
    }
    if (!a->fits && fabs(a->joint_weighted - b->joint_weighted) > 1e-9) {
        return a->joint_weighted < b->joint_weighted;
    }
    return a->factor < b->factor;
}

struct sum {
    double met, asked;
};

static void add(struct sum *sum, double joint, double asked)
{
    if (joint >= 0) {
        sum->met += joint * asked;
        sum->asked += asked;
    }
}

static double joint_of(const struct sum *sum)
{
    return sum->asked > 0 ? sum->met / sum->asked : -1;
}

static void add_piece(const struct plan *p, const struct cvg_piece *piece,
                      const struct cvg_outlook *o, struct sum *plain,
                      struct sum *weighted)
{
    double s = 1e-9 * (double)(piece->until - piece->from);
    double asked = 0, weight = 0;
    for (uint32_t a = 0; a < p->box->n_apps; a++) {
        if (p->apps[a].slo.declared != 0) {
            asked += s * piece->rates_rps[a];
            weight += s * piece->rates_rps[a] * p->apps[a].weight;
        }
    }
    add(plain, o->joint, asked);
    add(weighted, o->joint_weighted, weight);
}

static enum cvg_status look_at_pieces(struct plan *p, struct cvg_error *err)
{
    struct cvg__planned *of = &p->planned;
    struct sum plain = {0}, weighted = {0};
    enum cvg_status status = CVG_OK;
    of->outlooks = calloc(of->pieces.n + 1, sizeof *of->outlooks);
    if (of->outlooks == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for the plan");
    }
    of->fits = true;
    for (size_t i = 0; i < of->pieces.n && status == CVG_OK; i++) {
        struct cvg_fluid_demand demand;
        const struct cvg_piece *piece = &of->pieces.items[i];
        struct cvg_outlook *o = &of->outlooks[i];
        cvg_piece_demand(piece, p->box, p->apps, &demand);
        status = cvg_outlook_of(&demand, o, err);
        if (status == CVG_OK) {
            of->fits = of->fits && o->fits;
            of->worst = is_worse(o, &of->outlooks[of->worst]) ? i : of->worst;
            add_piece(p, piece, o, &plain, &weighted);
        }
    }
    of->joint = joint_of(&plain);
    of->joint_weighted = joint_of(&weighted);
    return status;
}

static enum cvg_status look_at_peak(struct plan *p, struct cvg_error *err)
{
    struct cvg__planned *of = &p->planned;
    struct cvg_fluid_demand demand;
    const struct cvg_piece *piece = &of->pieces.items[of->worst];
    of->has_peak = of->pieces.has_states;
    if (!of->has_peak) {
        return CVG_OK;
    }
    cvg_piece_demand(piece, p->box, p->apps, &demand);
    demand.rates_rps = piece->peak_rps;
    return cvg_outlook_of(&demand, &of->peak, err);
}

static enum cvg_status make_plan(struct plan *p, struct cvg_error *err)
{
    struct cvg__planned *of = &p->planned;
    struct cvg_fluid_demand demand;
    enum cvg_status status =
        cvg_pieces_of(p->box, p->workload, &of->pieces, err);
    if (status == CVG_OK) {
        status = look_at_pieces(p, err);
    }
    if (status == CVG_OK) {
        status = look_at_peak(p, err);
    }
    if (status == CVG_OK) {
        cvg_piece_demand(&of->pieces.items[of->worst], p->box, p->apps,
                         &demand);
        status = cvg_forecast_of(&demand, of->model, &of->forecast, err);
    }
    return status;
}

/* --- the verb ------------------------------------------------------------- */

static enum cvg_status read_inputs(struct plan *p, struct cvg_error *err)
{
    enum cvg_status status = cvg_config_load_box(p->names[0], 0, &p->box, err);
    if (status == CVG_OK) {
        status =
            cvg_config_load_workload(p->names[1], p->box, &p->workload, err);
    }
    p->planned.box = p->box;
    p->planned.workload = p->workload;
    return status;
}

static enum cvg_status write_plan(const struct plan *p,
                                  struct cvg_output *output,
                                  struct cvg_error *err)
{
    if (p->json == NULL || strcmp(p->json, "-") != 0) {
        cvg__plan_words(stdout, &p->planned);
    }
    if (p->json == NULL) {
        return CVG_OK;
    }
    json_t *json = cvg__plan_json(&p->planned);
    cvg_report_print(output->file, json);
    json_decref(json);
    return cvg_output_commit(output, err);
}

static enum cvg_status open_json(const struct plan *p,
                                 struct cvg_output *output,
                                 struct cvg_error *err)
{
    if (p->json == NULL) {
        return CVG_OK;
    }
    for (int i = 0; i < 2; i++) {
        if (cvg_same_file(p->json, p->names[i])) {
            return cvg_fail(err, CVG_INVALID,
                            "%s is read: it cannot be written, too", p->json);
        }
    }
    enum cvg_status status = cvg_output_open(output, p->json, err);
    if (status == CVG_IO) { /* before anything is done: bad usage */
        err->status = status = CVG_INVALID;
    }
    return status;
}

static void destroy(struct plan *p)
{
    cvg_forecast_fini(&p->planned.forecast);
    cvg_pieces_fini(&p->planned.pieces);
    free(p->planned.outlooks);
    cvg_workload_destroy(p->workload);
    cvg_box_destroy(p->box);
    free(p);
}

static int run(const struct cvg_verb *verb, int argc, char **argv)
{
    struct cvg_error err = {.text = ""};
    struct cvg_output output = {.file = NULL};
    if (cvg_cli_wants_help(argc, argv)) {
        return cvg_cli_help(verb);
    }
    struct plan *p = calloc(1, sizeof *p);
    if (p == NULL) {
        (void)cvg_fail(&err, CVG_NOMEM, "out of memory");
        return cvg_cli_fail(verb, &err);
    }
    int code =
        cvg_cli_options(verb, argc, argv, options,
                        sizeof options / sizeof *options, p, p->names, 2);
    if (code == 0 && p->names[1] == NULL) {
        code = cvg_cli_usage(verb, "give a box and a workload");
    }
    if (code == 0) {
        enum cvg_status status = read_inputs(p, &err);
        status = status == CVG_OK ? open_json(p, &output, &err) : status;
        status = status == CVG_OK ? make_plan(p, &err) : status;
        status = status == CVG_OK ? write_plan(p, &output, &err) : status;
        cvg_output_abandon(&output);
        code = status == CVG_OK ? 0 : cvg_cli_fail(verb, &err);
    }
    destroy(p);
    return code;
}

const struct cvg_verb cvg_verb_plan = {
    .name = "plan",
    .usage = "BOX WORKLOAD [--model exact|paper] [--json FILE]",
    .summary = "tell whether a box carries a workload, without running it",
    .help =
        "What could be satisfied at best, which device binds first, how much\n"
        "more of each application would fit, how long answers should take, "
        "and\n"
        "where it does not fit the nearest bounds that would do. By linear\n"
        "programs and queueing theory: nothing is run, no hardware needed.\n\n"
        "  --model exact    times by queueing theory, with what is known of "
        "the\n"
        "                   times' spread and of the caches (the default)\n"
        "  --model paper    by the formulas of Ibis (ACM TAAS 18(1), 2023)\n"
        "  --json FILE      the plan as JSON; - is stdout\n"
        "  --help           show this\n",
    .run = run,
};

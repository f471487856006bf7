/* How long after the beginning of a burst a new allocation is in force on
 * examples/proteus-cluster, and its variants are loaded: box time, by policy
 * `proteus` under bursty.yaml, seeds 1 to 5, every burst. The simulator's
 * planner takes 20 ms. Equal runs have equal results.
 *
 *     bench_burst [--json FILE] [--policy NAME] */
#include "base/histogram.h"
#include "bench/result.h"
#include "config/config.h"
#include "sim/sim.h"
#include <stdlib.h>

#define BOX "examples/proteus-cluster/box.yaml"
#define WORKLOAD "examples/proteus-cluster/bursty.yaml"
#define FIRST CVG_S(20) /* bursts begin ... */
#define EVERY CVG_S(40)
#define HIGH_RPS 600.0 /* a plan for that many a second knows of the burst */

struct watcher {
    const struct cvg_box *box;
    cvg_time begun;     /* the last burst */
    bool known, is_old; /* there is a plan for it; there is a later one */
    uint32_t loading;   /* that it has asked for, and not yet there */
    cvg_time loaded;
    uint32_t asked;
    bool *of_plan; /* [device * n_variants + variant] */
    struct cvg_histogram *planned, *applied;
};

static void fail(const char *why)
{
    fprintf(stderr, "bench_burst: %s\n", why);
    exit(1);
}

static double total_rps(const struct watcher *w, const struct cvg_plan *plan)
{
    double sum = 0;
    for (size_t a = 0; a < w->box->n_apps; a++) {
        sum += plan->rates_rps[a];
    }
    return sum;
}

static bool *load_of(struct watcher *w, uint32_t device, uint32_t variant)
{
    return &w->of_plan[device * w->box->n_variants + variant];
}

static void end_burst(struct watcher *w)
{
    if (w->known) {
        cvg_histogram_add(w->applied, w->loaded - w->begun);
    }
    w->known = false;
}

static void plan_came(struct watcher *w, const struct cvg_event *event)
{
    if (w->known) {
        w->is_old = true;
    } else if (w->begun > 0 && !w->is_old &&
               total_rps(w, event->solved.answer) > HIGH_RPS) {
        w->known = true;
        w->loaded = event->at;
        cvg_histogram_add(w->planned, event->at - w->begun);
    }
}

static void watch(void *context, const struct cvg_event *event,
                  const struct cvg_actions *actions)
{
    struct watcher *w = context;
    cvg_time next = w->begun == 0 ? FIRST : w->begun + EVERY;
    if (event->at >= next) {
        end_burst(w);
        w->begun = next;
        w->is_old = false;
        memset(w->of_plan, 0, w->box->n_devices * w->box->n_variants);
    }
    if (event->type == CVG_EV_SOLVED) {
        plan_came(w, event);
    }
    if (event->type == CVG_EV_LOADED &&
        *load_of(w, event->model_on.device, event->model_on.variant)) {
        *load_of(w, event->model_on.device, event->model_on.variant) = false;
        w->loaded = event->at;
    }
    for (size_t i = 0; w->known && !w->is_old && i < actions->n; i++) {
        if (actions->items[i].type == CVG_ACT_LOAD) {
            *load_of(w, actions->items[i].model_on.device,
                     actions->items[i].model_on.variant) = true;
        }
    }
}

static void run(struct watcher *w, const struct cvg_workload *workload,
                const struct cvg_policy *policy, uint64_t seed)
{
    struct cvg_sim *sim;
    struct cvg_sim_options options = {.box = w->box,
                                      .workload = workload,
                                      .policy = policy,
                                      .seed = seed,
                                      .watch = watch,
                                      .context = w};
    w->begun = 0;
    w->known = w->is_old = false;
    if (cvg_sim_create(&options, &sim, NULL) != CVG_OK) {
        fail("no simulation");
    }
    cvg_sim_run(sim);
    end_burst(w);
    cvg_sim_destroy(sim);
}

static double ms(const struct cvg_histogram *h, double quantile)
{
    return (double)cvg_histogram_quantile(h, quantile) / 1e6;
}

int main(int argc, char **argv)
{
    struct cvg_error err;
    struct cvg_box *box;
    struct cvg_workload *workload;
    struct cvg_policy policy;
    const char *name = bench_option(argc, argv, "--policy", "proteus");
    if (cvg_config_load_box(BOX, 0, &box, &err) != CVG_OK ||
        cvg_config_load_workload(WORKLOAD, box, &workload, &err) != CVG_OK ||
        cvg_policy_on_box(box, name, &policy, &err) != CVG_OK) {
        fail(err.text);
    }
    struct watcher w = {.box = box,
                        .planned = cvg_histogram_create(),
                        .applied = cvg_histogram_create(),
                        .of_plan = calloc(box->n_devices, box->n_variants)};
    for (uint64_t seed = 1; seed <= 5; seed++) {
        run(&w, workload, &policy, seed);
    }
    struct bench_result results[] = {
        {"burst_planned_p50_ms", ms(w.planned, 0.5), "ms", NAN},
        {"burst_planned_max_ms", ms(w.planned, 1), "ms", NAN},
        {"burst_applied_p50_ms", ms(w.applied, 0.5), "ms", NAN},
        {"burst_applied_max_ms", ms(w.applied, 1), "ms", NAN},
        {"burst_applied_p90_ms", ms(w.applied, 0.9), "ms", NAN},
        {"bursts", (double)cvg_histogram_count(w.planned), "bursts", NAN},
    };
    cvg_histogram_destroy(w.planned);
    cvg_histogram_destroy(w.applied);
    free(w.of_plan);
    cvg_workload_destroy(workload);
    cvg_box_destroy(box);
    return bench_write(argc, argv, results, sizeof results / sizeof *results);
}

/* What a page shows of one simulated run beside its counts: how its latencies
 * are distributed, which variants answered when, and what each device did in a
 * window of time. Memory does not grow with the length of the run. */
#ifndef CVG_CLI_SIM_DETAIL_H
#define CVG_CLI_SIM_DETAIL_H

#include <convergo/engine.h>
#include <convergo/stats.h>
#include <jansson.h>

struct cvg_model_done;
struct cvg__sim_detail;

struct cvg__sim_detail_options {
    const struct cvg_box *box; /* borrowed; outlives the detail */
    cvg_span duration;         /* of arrivals; > 0 */
    cvg_time from, until;      /* the window of the timeline */
    size_t most; /* spans of it; it is cut where more would come */
};

/* *out is owned by the caller: cvg__sim_detail_destroy(). CVG_NOMEM. */
enum cvg_status cvg__sim_detail_create(
    const struct cvg__sim_detail_options *options, struct cvg__sim_detail **out,
    struct cvg_error *err);
void cvg__sim_detail_destroy(struct cvg__sim_detail *detail);
/* Whose requests it is asked for; before the first event. Borrowed. */
void cvg__sim_detail_engine(struct cvg__sim_detail *detail,
                            const struct cvg_engine *engine);

/* Every event with its actions, and every end of a batch: sim.h. */
void cvg__sim_detail_watch(struct cvg__sim_detail *detail,
                           const struct cvg_event *event,
                           const struct cvg_actions *actions);
void cvg__sim_detail_ended(struct cvg__sim_detail *detail, uint32_t device,
                           const struct cvg_model_done *done);

/* {"bin_s", "apps": [{"variants": [index], "counts": [[per bin]], "unserved":
 * [per bin]}]}: what ended requests were answered by, by when they ended. */
json_t *cvg__sim_detail_shares(const struct cvg__sim_detail *detail);

/* {"from_s", "until_s", "cut", "spans": [[device, unit, begin, end, app,
 * variant, requests, switch, kind]]}: us from the start of the run; app is -1
 * of a load, which has no unit; kind 0: a batch, 1: one that was lost with its
 * device, 2: a load that takes time. */
json_t *cvg__sim_detail_timeline(const struct cvg__sim_detail *detail);

/* Of each app {"first", "counts"}: counts[i] latencies are above
 * 2^((first + i - 1) / 16) us and up to 2^((first + i) / 16). */
json_t *cvg__sim_detail_latencies(const struct cvg_stats *stats);

#endif

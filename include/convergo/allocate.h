/* Allocations by accuracy scaling: which variant each device is to hold, and
 * what share of the demand it is to serve.
 *
 * When demand outgrows the hardware, less accurate variants serve what more
 * accurate ones cannot; each device holds one variant (each unit, where
 * changing it costs time), apps of one family are served together, by the
 * tightest of their deadlines. Demand is taken `headroom` times as large as it
 * is (policy settings of the box, box.h).
 *
 * The answer is a plan whose flows have, of each device, what it is to hold
 * (also at a rate of 0), and the rates that its share of each app is in
 * proportion to. `factor` is below 1 when demand is shed, by that much;
 * `served_rps` says whose. Prices and worth are not given.
 *
 * All of them: *out is the caller's storage; may block for milliseconds: off
 * the loop; equal questions have equal answers, bit for bit. CVG_NOMEM;
 * CVG_LIMIT: the solver gave up, or it is too large for the method. The last
 * plan's flows in the question tell what devices hold now.
 *
 * Ahmad et al., "Proteus", ASPLOS 2024, sections 4 and 6.1 (the peers). */
#ifndef CONVERGO_ALLOCATE_H
#define CONVERGO_ALLOCATE_H

#include <convergo/plan.h>

/* What the published systems take, where a box says nothing. */
#define CVG_HEADROOM 1.05

/* The most accurate service of all demand, by a mixed-integer program. */
enum cvg_status cvg_allocate_milp(const struct cvg_box *box,
                                  const struct cvg_question *question,
                                  struct cvg_plan *out, struct cvg_error *err);
/* The same, exactly, without a solver; for boxes of few types of devices. */
enum cvg_status cvg_allocate_dp(const struct cvg_box *box,
                                const struct cvg_question *question,
                                struct cvg_plan *out, struct cvg_error *err);
/* Every family scales by itself, at the least drop of accuracy (INFaaS). */
enum cvg_status cvg_allocate_infaas(const struct cvg_box *box,
                                    const struct cvg_question *question,
                                    struct cvg_plan *out,
                                    struct cvg_error *err);
/* Devices stay with their family, only variants change (Sommelier). */
enum cvg_status cvg_allocate_sommelier(const struct cvg_box *box,
                                       const struct cvg_question *question,
                                       struct cvg_plan *out,
                                       struct cvg_error *err);
/* Placed once for the mix of demand and kept: the least accurate variants
 * (Clipper, high throughput), the most accurate ones (high accuracy), or what
 * `milp` says at first. */
enum cvg_status cvg_allocate_clipper_ht(const struct cvg_box *box,
                                        const struct cvg_question *question,
                                        struct cvg_plan *out,
                                        struct cvg_error *err);
enum cvg_status cvg_allocate_clipper_ha(const struct cvg_box *box,
                                        const struct cvg_question *question,
                                        struct cvg_plan *out,
                                        struct cvg_error *err);
enum cvg_status cvg_allocate_static(const struct cvg_box *box,
                                    const struct cvg_question *question,
                                    struct cvg_plan *out,
                                    struct cvg_error *err);

#endif

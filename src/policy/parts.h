/* The table of parts, and how four of them make a policy. */
#ifndef CVG_POLICY_PARTS_H
#define CVG_POLICY_PARTS_H

#include "policy/loads.h"

extern const struct cvg_allocation_ops cvg_allocation_none;
extern const struct cvg_allocation_ops cvg_allocation_fluid;
extern const struct cvg_allocation_ops cvg_allocation_milp;
extern const struct cvg_allocation_ops cvg_allocation_dp;
extern const struct cvg_allocation_ops cvg_allocation_infaas;
extern const struct cvg_allocation_ops cvg_allocation_sommelier;
extern const struct cvg_allocation_ops cvg_allocation_clipper_ht;
extern const struct cvg_allocation_ops cvg_allocation_clipper_ha;
extern const struct cvg_allocation_ops cvg_allocation_static;

extern const struct cvg_order_ops cvg_order_fifo;
extern const struct cvg_order_ops cvg_order_edf;
extern const struct cvg_order_ops cvg_order_accuracy_first;
extern const struct cvg_order_ops cvg_order_throughput_first;
extern const struct cvg_order_ops cvg_order_least_slack;
extern const struct cvg_order_ops cvg_order_slo_mael;
extern const struct cvg_order_ops cvg_order_heft;
extern const struct cvg_order_ops cvg_order_infaas;
extern const struct cvg_order_ops cvg_order_jellyfish;
extern const struct cvg_order_ops cvg_order_alert;
extern const struct cvg_order_ops cvg_order_clockwork;
extern const struct cvg_order_ops cvg_order_dream;
extern const struct cvg_order_ops cvg_order_convergo;

extern const struct cvg_batching_ops cvg_batching_none;
extern const struct cvg_batching_ops cvg_batching_greedy;
extern const struct cvg_batching_ops cvg_batching_fixed;
extern const struct cvg_batching_ops cvg_batching_deadline;
extern const struct cvg_batching_ops cvg_batching_proteus;
extern const struct cvg_batching_ops cvg_batching_aimd;
extern const struct cvg_batching_ops cvg_batching_nexus;
extern const struct cvg_batching_ops cvg_batching_nexus_wc;

extern const struct cvg_exits_ops cvg_exits_last;
extern const struct cvg_exits_ops cvg_exits_reactive;
extern const struct cvg_exits_ops cvg_exits_predictive;
extern const struct cvg_exits_ops cvg_exits_accuracy;
extern const struct cvg_exits_ops cvg_exits_confidence;
extern const struct cvg_exits_ops cvg_exits_anytime;
extern const struct cvg_exits_ops cvg_exits_alert;
extern const struct cvg_exits_ops cvg_exits_energy_budget;

/* parts.c: list scheduling in the order of the keys. */
void cvg__compose(const struct cvg_policy *policy, void *allocation_state,
                  void *order_state, void *batching_state, void *exits_state,
                  const struct cvg_view *view, struct cvg_choices *choices);
/* The same, but for requests that are another's, and for the apps (bits) that
 * have no others. */
void cvg__compose_but(const struct cvg_policy *policy, void *batching_state,
                      void *exits_state, const struct cvg_view *view,
                      struct cvg_choices *choices, uint64_t apps,
                      cvg__is_other *is_other, const void *context);

#endif

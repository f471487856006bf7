/* The tables of parts and of policies by name, and the text that names them.
 *
 * Plain tables: they can be searched, keep their order, and survive static
 * linking. A policy's name stands for an order part of the same name with the
 * batching and allocation that its authors give it. */
#include "policy/parts.h"
#include "policy/routes.h"

#include "base/nearest.h"
#include <stdio.h>
#include <string.h>

static const struct cvg_allocation_ops *const allocations[] = {
    &cvg_allocation_none,       &cvg_allocation_fluid,
    &cvg_allocation_milp,       &cvg_allocation_dp,
    &cvg_allocation_infaas,     &cvg_allocation_sommelier,
    &cvg_allocation_clipper_ht, &cvg_allocation_clipper_ha,
    &cvg_allocation_static,
};
static const struct cvg_order_ops *const orders[] = {
    &cvg_order_fifo,           &cvg_order_edf,
    &cvg_order_accuracy_first, &cvg_order_throughput_first,
    &cvg_order_least_slack,    &cvg_order_slo_mael,
    &cvg_order_heft,           &cvg_order_infaas,
    &cvg_order_jellyfish,      &cvg_order_alert,
    &cvg_order_clockwork,      &cvg_order_dream,
    &cvg_order_convergo,
};
static const struct cvg_batching_ops *const batchings[] = {
    &cvg_batching_none,     &cvg_batching_greedy,   &cvg_batching_fixed,
    &cvg_batching_deadline, &cvg_batching_proteus,  &cvg_batching_aimd,
    &cvg_batching_nexus,    &cvg_batching_nexus_wc,
};
static const struct cvg_exits_ops *const exit_rules[] = {
    &cvg_exits_last,     &cvg_exits_reactive,      &cvg_exits_predictive,
    &cvg_exits_accuracy, &cvg_exits_confidence,    &cvg_exits_anytime,
    &cvg_exits_alert,    &cvg_exits_energy_budget,
};
#define COUNT(table) (sizeof(table) / sizeof *(table))

#define PLANNED(allocation_part, order_part, other)                            \
    {                                                                          \
        .allocation = &(allocation_part), .order = &(order_part),              \
        .batching = &cvg_batching_greedy, .exits = &cvg_exits_last,            \
        .on = (other)                                                          \
    }
#define WHOLE_ON(order_part, other)                                            \
    PLANNED(cvg_allocation_none, order_part, other)
#define WHOLE(order_part) WHOLE_ON(order_part, NULL)
/* As Proteus' authors compare. */
#define SCALED(allocation_part, order_part, batching_part)                     \
    {                                                                          \
        .allocation = &(allocation_part), .order = &(order_part),              \
        .batching = &(batching_part), .exits = &cvg_exits_last                 \
    }

/* On boxes whose devices cannot hold all that they run, what they hold follows
 * demand. */
static const struct cvg_policy *infaas_on(const struct cvg_box *box)
{
    static const struct cvg_policy scaled =
        SCALED(cvg_allocation_infaas, cvg_order_edf, cvg_batching_nexus_wc);
    return cvg_box_holds_all(box) ? NULL : &scaled;
}

static const struct cvg_policy *convergo_on(const struct cvg_box *box)
{
    static const struct cvg_policy scaled =
        SCALED(cvg_allocation_milp, cvg_order_convergo, cvg_batching_greedy);
    static const struct cvg_policy at_exits = {.allocation =
                                                   &cvg_allocation_fluid,
                                               .order = &cvg_order_convergo,
                                               .batching = &cvg_batching_greedy,
                                               .exits = &cvg_exits_predictive};
    if (!cvg_box_holds_all(box) && cvg_box_scales(box)) {
        return &scaled;
    }
    return cvg_box_has_exits(box) ? &at_exits : NULL;
}

static const struct {
    const char *name;
    struct cvg_policy policy;
} policies[] = {
    {"fifo", WHOLE(cvg_order_fifo)},
    {"edf", WHOLE(cvg_order_edf)},
    {"accuracy-first", WHOLE(cvg_order_accuracy_first)},
    {"throughput-first", WHOLE(cvg_order_throughput_first)},
    {"least-slack", WHOLE(cvg_order_least_slack)},
    {"slo-mael", WHOLE(cvg_order_slo_mael)},
    {"heft", WHOLE(cvg_order_heft)},
    {"infaas", WHOLE_ON(cvg_order_infaas, infaas_on)},
    {"jellyfish", WHOLE(cvg_order_jellyfish)},
    {"alert", WHOLE(cvg_order_alert)},
    {"clockwork", WHOLE(cvg_order_clockwork)},
    {"dream", WHOLE(cvg_order_dream)},
    {"proteus",
     SCALED(cvg_allocation_milp, cvg_order_edf, cvg_batching_proteus)},
    {"sommelier",
     SCALED(cvg_allocation_sommelier, cvg_order_edf, cvg_batching_proteus)},
    {"clipper-ht",
     SCALED(cvg_allocation_clipper_ht, cvg_order_edf, cvg_batching_nexus_wc)},
    {"clipper-ha",
     SCALED(cvg_allocation_clipper_ha, cvg_order_edf, cvg_batching_nexus_wc)},
    {"convergo",
     PLANNED(cvg_allocation_fluid, cvg_order_convergo, convergo_on)},
};

const char *cvg_policy_name(size_t k)
{
    return k < COUNT(policies) ? policies[k].name : NULL;
}

/* Every part's name is its first member. */
static const void *find_part(const void *const *table, size_t n,
                             const char *what, const char *name,
                             struct cvg_error *err)
{
    const char *names[32];
    for (size_t i = 0; i < n; i++) {
        names[i] = *(const char *const *)table[i];
        if (strcmp(names[i], name) == 0) {
            return table[i];
        }
    }
    cvg_fail(err, CVG_CONFIG, "unknown %s '%.60s'%s", what, name,
             cvg__hint(name, names, n).text);
    return NULL;
}

static enum cvg_status set_part(struct cvg_policy *p, const char *part,
                                const char *name, struct cvg_error *err)
{
    const void *found = NULL;
    if (strcmp(part, "allocation") == 0) {
        found = find_part((const void *const *)allocations, COUNT(allocations),
                          "allocation", name, err);
        p->allocation = found != NULL ? found : p->allocation;
    } else if (strcmp(part, "order") == 0) {
        found = find_part((const void *const *)orders, COUNT(orders), "order",
                          name, err);
        p->order = found != NULL ? found : p->order;
    } else if (strcmp(part, "batching") == 0) {
        found = find_part((const void *const *)batchings, COUNT(batchings),
                          "batching", name, err);
        p->batching = found != NULL ? found : p->batching;
    } else if (strcmp(part, "exits") == 0) {
        found = find_part((const void *const *)exit_rules, COUNT(exit_rules),
                          "exits", name, err);
        p->exits = found != NULL ? found : p->exits;
    } else {
        static const char *const parts[] = {"allocation", "order", "batching",
                                            "exits"};
        return cvg_fail(err, CVG_CONFIG, "unknown policy part '%.60s'%s", part,
                        cvg__hint(part, parts, COUNT(parts)).text);
    }
    return found != NULL ? CVG_OK : CVG_CONFIG;
}

/* An order part that decides jointly does so with its own batching: naming
 * another has the parts composed instead, and so does an allocation that says
 * where requests go. Exits are looked at when it has decided. */
static void settle(struct cvg_policy *p, bool batching_replaced)
{
    p->joint = p->order->choose != NULL && !batching_replaced &&
               !p->allocation->routed;
    p->compose = p->allocation->routed ? cvg__route : cvg__compose;
}

static enum cvg_status find_policy(const char *name, struct cvg_policy *out,
                                   struct cvg_error *err)
{
    const char *names[COUNT(policies)];
    for (size_t i = 0; i < COUNT(policies); i++) {
        names[i] = policies[i].name;
        if (strcmp(names[i], name) == 0) {
            *out = policies[i].policy;
            settle(out, false);
            return CVG_OK;
        }
    }
    return cvg_fail(err, CVG_CONFIG, "unknown policy '%.60s'%s", name,
                    cvg__hint(name, names, COUNT(policies)).text);
}

enum cvg_status cvg_policy_parse(const char *text,
                                 const struct cvg_policy *base,
                                 struct cvg_policy *out, struct cvg_error *err)
{
    if (strchr(text, '=') == NULL) {
        return find_policy(text, out, err);
    }
    struct cvg_policy policy;
    if (base != NULL) {
        policy = *base;
    } else {
        find_policy("convergo", &policy, NULL);
    }
    bool replaced = false;
    const char *p = text;
    while (*p != '\0') {
        char item[128];
        size_t length = strcspn(p, ",");
        const char *equals = memchr(p, '=', length);
        if (length >= sizeof item || equals == NULL) {
            return cvg_fail(err, CVG_CONFIG,
                            "'%.60s' is no policy: give a name, or parts as "
                            "order=edf,batching=greedy",
                            text);
        }
        memcpy(item, p, length);
        item[length] = '\0';
        item[equals - p] = '\0';
        enum cvg_status status =
            set_part(&policy, item, item + (equals - p) + 1, err);
        if (status != CVG_OK) {
            return status;
        }
        policy.on = NULL;
        replaced = replaced || strcmp(item, "batching") == 0;
        p += length + (p[length] == ',');
    }
    settle(&policy, replaced);
    *out = policy;
    return CVG_OK;
}

/* "box.yaml:4:12: policy: WHY"; without a place: WHY. */
static enum cvg_status refuse(const struct cvg_policy_spec *spec,
                              struct cvg_place at, const struct cvg_error *why,
                              struct cvg_error *err)
{
    if (spec->file == NULL) {
        return cvg_fail(err, why->status, "%s", why->text);
    }
    return cvg_fail(err, why->status, "%.300s:%u:%u: policy: %s", spec->file,
                    at.line, at.column, why->text);
}

/* Of what its parts need the box to say. */
static enum cvg_status check_settings(const struct cvg_policy_spec *spec,
                                      const struct cvg_policy *p,
                                      struct cvg_error *err)
{
    struct cvg_error why;
    if (!p->exits->needs_budget || spec->budget_w > 0) {
        return CVG_OK;
    }
    cvg_fail(&why, CVG_CONFIG,
             "exits '%s' needs the key 'budget' of the box's policy, for "
             "example budget: 1800J/h",
             p->exits->name);
    return refuse(spec, spec->exits != NULL ? spec->exits_at : spec->name_at,
                  &why, err);
}

enum cvg_status cvg_policy_from_spec(const struct cvg_policy_spec *spec,
                                     struct cvg_policy *out,
                                     struct cvg_error *err)
{
    struct cvg_error why;
    const struct {
        const char *part, *name;
        struct cvg_place at;
    } parts[] = {{"allocation", spec->allocation, spec->allocation_at},
                 {"order", spec->order, spec->order_at},
                 {"batching", spec->batching, spec->batching_at},
                 {"exits", spec->exits, spec->exits_at}};
    if (find_policy(spec->name != NULL ? spec->name : "convergo", out, &why) !=
        CVG_OK) {
        return refuse(spec, spec->name_at, &why, err);
    }
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (parts[i].name == NULL) {
            continue;
        }
        out->on = NULL;
        if (set_part(out, parts[i].part, parts[i].name, &why) != CVG_OK) {
            return refuse(spec, parts[i].at, &why, err);
        }
    }
    settle(out, spec->batching != NULL);
    return check_settings(spec, out, err);
}

enum cvg_status cvg_policy_on_box(const struct cvg_box *box, const char *text,
                                  struct cvg_policy *out, struct cvg_error *err)
{
    struct cvg_policy base;
    enum cvg_status status = cvg_policy_from_spec(&box->policy, &base, err);
    if (status == CVG_OK && text != NULL) {
        status = cvg_policy_parse(text, &base, out, err);
        status =
            status == CVG_OK ? check_settings(&box->policy, out, err) : status;
    } else if (status == CVG_OK) {
        *out = base;
    }
    const struct cvg_policy *there =
        status == CVG_OK && out->on != NULL ? out->on(box) : NULL;
    if (there != NULL) {
        *out = *there;
        settle(out, false);
    }
    return status;
}

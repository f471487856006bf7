/* Accuracy scaling of a box, by several methods. */
#include "optimize/allocation_box.h"

#include <string.h>

/* To serve that many standard deviations more arrivals than usual. */
#define SIGMAS 1.0

typedef enum cvg_status (*method)(struct cvg__allocation *a,
                                  struct cvg_error *err);

static enum cvg_status allocate(const struct cvg_box *box,
                                const struct cvg_question *question,
                                method solve, double sigmas,
                                struct cvg_plan *out, struct cvg_error *err)
{
    /* Every byte is set: plans are recorded as they are. */
    memset(out, 0, sizeof *out);
    if (box->policy.has_margin) {
        sigmas = box->policy.margin;
    }
    struct cvg__allocation_box *s =
        cvg__allocation_box_create(box, question, sigmas);
    if (s == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for an allocation");
    }
    enum cvg_status status = solve(&s->a, err);
    if (status == CVG_OK) {
        status = cvg__allocation_box_plan(s, out, err);
    }
    cvg__allocation_box_free(s);
    return status;
}

static enum cvg_status by(method solve, struct cvg__allocation *a,
                          struct cvg_error *err)
{
    enum cvg_status status = solve(a, err);
    status = status == CVG_OK ? cvg__allocation_stay(a, err) : status;
    cvg__allocation_use_idle(a);
    return status;
}

static enum cvg_status milp(struct cvg__allocation *a, struct cvg_error *err)
{
    return by(cvg__allocate_milp, a, err);
}

static enum cvg_status dp(struct cvg__allocation *a, struct cvg_error *err)
{
    return by(cvg__allocate_dp, a, err);
}

/* It has to begin from something: from the best there is. */
static enum cvg_status infaas(struct cvg__allocation *a, struct cvg_error *err)
{
    if (!cvg__allocation_is_placed(a)) {
        return milp(a, err);
    }
    cvg__allocate_infaas(a);
    return CVG_OK;
}

/* The first answer, for ever. */
static enum cvg_status once(struct cvg__allocation *a, struct cvg_error *err)
{
    if (!cvg__allocation_is_placed(a)) {
        return milp(a, err);
    }
    cvg__allocation_as_it_is(a);
    cvg__allocation_use_idle(a);
    return CVG_OK;
}

/* The published systems plan for the mean of what comes, unless the box says
 * otherwise. */
#define METHOD(name, solve, sigmas)                                            \
    enum cvg_status cvg_allocate_##name(                                       \
        const struct cvg_box *box, const struct cvg_question *question,        \
        struct cvg_plan *out, struct cvg_error *err)                           \
    {                                                                          \
        return allocate(box, question, solve, sigmas, out, err);               \
    }
METHOD(milp, milp, SIGMAS)
METHOD(dp, dp, SIGMAS)
METHOD(infaas, infaas, 0)
METHOD(sommelier, cvg__allocate_sommelier, 0)
METHOD(clipper_ht, cvg__allocate_clipper_ht, 0)
METHOD(clipper_ha, cvg__allocate_clipper_ha, 0)
METHOD(static, once, SIGMAS)

/* Runs every model to its end; or, where that is less accurate than the request
 * asks for, to the last exit that is not. */
#include "policy/parts.h"

static uint32_t to_the_end(void *state, const struct cvg_view *view,
                           const struct cvg_request *request, uint32_t variant)
{
    const struct cvg_variant *v = &view->box->variants[variant];
    (void)state;
    for (uint32_t exit = v->n_exits; exit-- > 0;) {
        if (v->accuracy[exit] >= request->min_accuracy - 1e-12) {
            return exit;
        }
    }
    return v->n_exits - 1;
}

const struct cvg_exits_ops cvg_exits_last = {.name = "last",
                                             .last = to_the_end};

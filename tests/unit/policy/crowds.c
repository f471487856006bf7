/* However many wait for one device, what another could do is not kept
 * waiting: under every policy. */
#include "support/world.h"

struct crowd {
    uint64_t awaited;
    cvg_time answered;
};

static void note_answer(struct world *w, const struct cvg_event *event,
                        const struct cvg_actions *actions)
{
    struct crowd *c = w->context;
    for (size_t i = 0; i < actions->n; i++) {
        const struct cvg_action *a = &actions->items[i];
        if (a->type == CVG_ACT_REPLY && a->reply.request == c->awaited) {
            c->answered = event->at;
        }
    }
}

/* "slow" runs only v_slow, 100 ms; "fast" runs only v_fast, 2 ms. */
static void two_devices(struct world *w, struct crowd *c, double fast_accuracy)
{
    world_init(w);
    world_device(w, "slow", CVG_FCFS, 1, 1);
    world_device(w, "fast", CVG_FCFS, 1, 1);
    world_variant(w, "v_slow", 0.9);
    world_variant(w, "v_fast", fast_accuracy);
    world_profile(w, "v_slow", "slow", 1, 100, 5);
    world_profile(w, "v_fast", "fast", 1, 2, 5);
    world_app(w, "a0");
    memset(c, 0, sizeof *c);
    w->watch = note_answer;
    w->context = c;
}

/* All of them name the variant of the slow device. */
static void of_who_names_a_variant(void **state)
{
    (void)state;
    const char *policy;
    for (size_t k = 0; (policy = cvg_policy_name(k)) != NULL; k++) {
        struct world w;
        struct crowd c;
        two_devices(&w, &c, 0.95);
        world_start(&w, policy);
        struct cvg_arrival named = {.variant = 0};
        for (int i = 0; i < 100; i++) {
            world_arrive_with(&w, 0, &named);
        }
        c.awaited = world_arrive(&w, CVG_MS(1), "a0", 0);
        world_run_until(&w, CVG_MS(20));
        if (c.answered == 0 || c.answered > CVG_MS(4)) {
            fail_msg("%s: answered at %g ms", policy, (double)c.answered / 1e6);
        }
        world_fini(&w);
    }
}

/* All of them ask for more accuracy than the fast device has. */
static void of_who_asks_for_more(void **state)
{
    (void)state;
    const char *policy;
    for (size_t k = 0; (policy = cvg_policy_name(k)) != NULL; k++) {
        if (strcmp(policy, "accuracy-first") == 0) {
            continue; /* it would rather wait for the slow one */
        }
        struct world w;
        struct crowd c;
        two_devices(&w, &c, 0.8);
        world_start(&w, policy);
        struct cvg_arrival demanding = {.variant = CVG_ANY,
                                        .overrides = 1U << CVG_SLO_ACCURACY,
                                        .bounds = {.accuracy = 0.85}};
        for (int i = 0; i < 100; i++) {
            world_arrive_with(&w, 0, &demanding);
        }
        c.awaited = world_arrive(&w, CVG_MS(1), "a0", 0);
        world_run_until(&w, CVG_MS(20));
        if (c.answered == 0 || c.answered > CVG_MS(4)) {
            fail_msg("%s: answered at %g ms", policy, (double)c.answered / 1e6);
        }
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_who_names_a_variant),
        cmocka_unit_test(of_who_asks_for_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The table that a server prints when it starts. */
#include "serve/table.h"

#include "base/units.h"
#include <stdio.h>

static void print_devices(const struct cvg__server *s)
{
    fprintf(stderr, "  %-16s %-5s %-12s %-6s %-10s %s\n", "device", "kind",
            "backend", "units", "in flight", "");
    for (size_t d = 0; d < s->box->n_devices; d++) {
        const struct cvg_device *x = &s->box->devices[d];
        fprintf(stderr, "  %-16s %-5s %-12s %-6u %-10u %s%s\n", x->name,
                cvg_device_kind_name(x->kind), x->backend, x->units,
                x->in_flight,
                x->emulated ? "EMULATED, times from profile " : "",
                x->emulated ? x->profile : "");
        if (s->devices[d].backend == NULL) {
            fprintf(stderr, "  %-16s could not be opened\n", "");
        }
    }
}

static void print_variants(const struct cvg__server *s)
{
    fprintf(stderr, "\n  %-16s %-24s %-9s %s\n", "family", "variant",
            "accuracy", "state");
    for (size_t v = 0; v < s->box->n_variants; v++) {
        const struct cvg_variant *x = &s->box->variants[v];
        const struct cvg__model *m = &s->models[s->box->n_families + v];
        fprintf(stderr, "  %-16s %-24s %-9.4g %s\n",
                s->box->families[x->family].name, x->name,
                x->accuracy[x->n_exits - 1],
                m->info != NULL ? "" : "CANNOT BE USED");
    }
}

static void print_slo(const struct cvg_slo *slo)
{
    char deadline[32];
    if (slo->declared == 0) {
        fprintf(stderr, " best effort");
    }
    if (cvg_slo_has(slo, CVG_SLO_DEADLINE)) {
        cvg_format_span(deadline, sizeof deadline, slo->deadline);
        fprintf(stderr, " deadline %s", deadline);
    }
    if (cvg_slo_has(slo, CVG_SLO_ACCURACY)) {
        fprintf(stderr, " accuracy %.4g", slo->accuracy);
    }
    if (cvg_slo_has(slo, CVG_SLO_THROUGHPUT)) {
        fprintf(stderr, " throughput %.4g/s", slo->throughput_rps);
    }
    if (cvg_slo_has(slo, CVG_SLO_ENERGY)) {
        fprintf(stderr, " energy %.4gmJ", slo->energy_j * 1e3);
    }
    fprintf(stderr, "\n");
}

void cvg__table_print(const struct cvg__server *s)
{
    fprintf(stderr, "convergo %s: %s, policy %s\n\n", CVG_VERSION,
            s->options->box, s->policy_text);
    print_devices(s);
    print_variants(s);
    fprintf(stderr, "\n  %-24s %-16s %s\n", "application", "family", "SLO");
    for (size_t a = 0; a < s->box->n_apps; a++) {
        const struct cvg_app *x = &s->box->apps[a];
        fprintf(stderr, "  %-24s %-16s", x->name,
                s->box->families[x->family].name);
        print_slo(&x->slo);
    }
    fprintf(stderr, "\n");
}

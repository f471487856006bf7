/* What a box may say, although it cannot go well: told by `check`, `serve` and
 * `bench`. */
#include "config/box_reader.h"

#include "base/units.h"
#include "config/names.h"
#include <convergo/condition.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct best { /* of all ways to run a family on this box */
    double accuracy;
    cvg_span fastest; /* CVG_NEVER: none */
    double least_energy_j;
};

/* The last exit is not always the most accurate, nor the first the fastest
 * device's: all are looked at. */
static void look_at(const struct cvg_box *box, uint32_t v, uint32_t d,
                    struct best *best)
{
    const struct cvg_variant *variant = &box->variants[v];
    if (variant->memory_bytes > box->devices[d].memory_bytes) {
        return;
    }
    for (uint32_t e = 0; e < variant->n_exits; e++) {
        uint32_t min = cvg_profile_min_batch(box->profile, v, 0, e, d);
        uint32_t max = cvg_profile_max_batch(box->profile, v, 0, e, d);
        if (min == 0) {
            return;
        }
        best->accuracy = fmax(best->accuracy, variant->accuracy[e]);
        for (uint32_t b = min; b <= max; b++) {
            cvg_span time =
                cvg_profile_time(box->profile, v, 0, e, d, b, CVG_MEAN);
            double energy = cvg_profile_energy(box->profile, v, 0, e, d, b) / b;
            best->fastest = time < best->fastest ? time : best->fastest;
            best->least_energy_j = fmin(best->least_energy_j, energy);
        }
    }
}

static struct best best_of_family(const struct cvg_box *box,
                                  const struct cvg_family *family)
{
    struct best best = {0, CVG_NEVER, INFINITY};
    for (size_t k = 0; k < family->n_variants; k++) {
        for (uint32_t d = 0; d < box->n_devices; d++) {
            look_at(box, family->variants[k], d, &best);
        }
    }
    return best;
}

static struct cvg_place slo_place(const struct cvg_box_reader *reader,
                                  size_t app, enum cvg_slo_kind kind)
{
    char path[64];
    snprintf(path, sizeof path, "apps/%zu/slo/%s", app,
             cvg_slo_kind_name(kind));
    return cvg__yaml_at(reader->root, path).at;
}

static uint32_t most_exits(const struct cvg_box *box,
                           const struct cvg_family *family)
{
    uint32_t most = 1;
    for (size_t k = 0; k < family->n_variants; k++) {
        uint32_t n = box->variants[family->variants[k]].n_exits;
        most = n > most ? n : most;
    }
    return most;
}

static void warn_conditions(struct cvg_box_reader *reader, size_t a)
{
    const struct cvg_app *app = &reader->box->apps[a];
    const struct cvg_family *family = &reader->box->families[app->family];
    uint32_t exits = most_exits(reader->box, family);
    char path[64];
    if (app->conditions == NULL || app->conditions->n <= exits) {
        return;
    }
    snprintf(path, sizeof path, "apps/%zu/conditions", a);
    cvg__source_warn(&reader->reader.source, reader->notes,
                     cvg__yaml_at(reader->root, path).at,
                     "warning: app '%s' has %u conditions, no variant of "
                     "family '%s' has more than %u exit%s",
                     app->name, app->conditions->n, family->name, exits,
                     exits == 1 ? "" : "s");
}

static void warn_app(struct cvg_box_reader *reader, size_t a)
{
    const struct cvg_source *source = &reader->reader.source;
    const struct cvg_app *app = &reader->box->apps[a];
    const struct cvg_slo *slo = &app->slo;
    const struct cvg_family *family = &reader->box->families[app->family];
    struct best best = best_of_family(reader->box, family);
    if (best.fastest == CVG_NEVER) {
        return;
    }
    if (cvg_slo_has(slo, CVG_SLO_ACCURACY) && slo->accuracy > best.accuracy) {
        cvg__source_warn(source, reader->notes,
                         slo_place(reader, a, CVG_SLO_ACCURACY),
                         "warning: app '%s' asks for an accuracy of %g, the "
                         "best of family '%s' is %g",
                         app->name, slo->accuracy, family->name, best.accuracy);
    }
    if (cvg_slo_has(slo, CVG_SLO_DEADLINE) && slo->deadline < best.fastest) {
        char asked[32];
        char fastest[32];
        cvg_format_span(asked, sizeof asked, slo->deadline);
        cvg_format_span(fastest, sizeof fastest, best.fastest);
        cvg__source_warn(source, reader->notes,
                         slo_place(reader, a, CVG_SLO_DEADLINE),
                         "warning: app '%s' has a deadline of %s, the fastest "
                         "of family '%s' takes %s",
                         app->name, asked, family->name, fastest);
    }
    if (cvg_slo_has(slo, CVG_SLO_ENERGY) &&
        slo->energy_j < best.least_energy_j) {
        cvg__source_warn(source, reader->notes,
                         slo_place(reader, a, CVG_SLO_ENERGY),
                         "warning: app '%s' allows %gmJ for an answer, the "
                         "least of family '%s' is %gmJ",
                         app->name, slo->energy_j * 1e3, family->name,
                         best.least_energy_j * 1e3);
    }
}

/* The profiles' other devices, one of which may have been meant. */
static struct cvg_hint others(const struct cvg_box_reader *reader,
                              const char *profile)
{
    const struct cvg_name_set *set = &reader->other_devices;
    return cvg__hint(profile, (const char *const *)set->names, set->n);
}

static void warn_device(struct cvg_box_reader *reader, uint32_t d)
{
    const struct cvg_device *device = &reader->box->devices[d];
    if (cvg__is_profiled(reader->box, d)) {
        return;
    }
    cvg__source_warn(
        &reader->reader.source, reader->notes, cvg__profile_place(reader, d),
        "warning: nothing can run on device '%s': the profiles have no row of "
        "the box's variants for '%s'%s",
        device->name, device->profile, others(reader, device->profile).text);
}

void cvg__warn_box(struct cvg_box_reader *reader)
{
    if (reader->notes == NULL || reader->notes->warn == NULL) {
        return;
    }
    for (uint32_t d = 0; d < reader->box->n_devices; d++) {
        warn_device(reader, d);
    }
    for (size_t a = 0; a < reader->box->n_apps; a++) {
        warn_app(reader, a);
        warn_conditions(reader, a);
    }
}

/* Can each variant of a box run somewhere? */
#include "config/box_reader.h"

#include "config/names.h"
#include <stdio.h>
#include <string.h>

static bool has_stage(const struct cvg_box *box, uint32_t v, uint32_t exit,
                      uint32_t d)
{
    return cvg_profile_min_batch(box->profile, v, exit, exit, d) > 0;
}

static enum cvg_status check_variant_rows(const struct cvg_box_reader *reader,
                                          uint32_t v)
{
    const struct cvg_source *source = &reader->reader.source;
    const struct cvg_box *box = reader->box;
    const char *name = box->variants[v].name;
    uint32_t exits = reader->exits[v];
    if (exits == 0) {
        const struct cvg_name_set *others = &reader->other_variants;
        return cvg__source_fail(
            source, cvg__variant_place(reader, v),
            "variant '%s' has no row in the variants files%s", name,
            cvg__hint(name, (const char *const *)others->names, others->n)
                .text);
    }
    uint32_t missing = (uint32_t)__builtin_ctz(~exits);
    if (exits >> missing != 0) {
        return cvg__source_fail(source, cvg__variant_place(reader, v),
                                "variant '%s' has exit %u in the variants "
                                "files, but not exit %u: exits count from 0",
                                name, box->variants[v].n_exits - 1, missing);
    }
    return CVG_OK;
}

/* A stage can only run after those before it. */
static enum cvg_status check_stages(const struct cvg_box_reader *reader,
                                    uint32_t v, uint32_t d)
{
    const struct cvg_box *box = reader->box;
    const struct cvg_variant *variant = &box->variants[v];
    for (uint32_t e = 1; e < variant->n_exits; e++) {
        if (has_stage(box, v, e, d) && !has_stage(box, v, e - 1, d)) {
            return cvg__source_fail(
                &reader->reader.source, cvg__variant_place(reader, v),
                "variant '%s' has a profile of exit %u on "
                "device '%s', but none of exit %u",
                variant->name, e, box->devices[d].name, e - 1);
        }
    }
    return CVG_OK;
}

bool cvg__is_profiled(const struct cvg_box *box, uint32_t d)
{
    for (uint32_t v = 0; v < box->n_variants; v++) {
        if (cvg_profile_min_batch(box->profile, v, 0, 0, d) > 0) {
            return true;
        }
    }
    return false;
}

struct cvg_place cvg__profile_place(const struct cvg_box_reader *reader,
                                    uint32_t d)
{
    char path[64];
    snprintf(path, sizeof path, "devices/%u/profile", d);
    struct cvg_value profile = cvg__yaml_at(reader->root, path);
    if (profile.node != NULL) {
        return profile.at;
    }
    snprintf(path, sizeof path, "devices/%u/name", d);
    return cvg__yaml_at(reader->root, path).at;
}

/* A device without any row is named wrongly, most likely. */
static enum cvg_status never_measured(const struct cvg_box_reader *reader,
                                      uint32_t v)
{
    const struct cvg_source *source = &reader->reader.source;
    const struct cvg_box *box = reader->box;
    const struct cvg_name_set *others = &reader->other_devices;
    const char *const *names = (const char *const *)others->names;
    for (uint32_t d = 0; d < box->n_devices && others->n > 0; d++) {
        const char *profile = box->devices[d].profile;
        if (!cvg__is_profiled(box, d)) {
            return cvg__source_fail(
                source, cvg__profile_place(reader, d),
                "variant '%s' fits no device, and the profiles have no row for "
                "a device called '%s'%s",
                box->variants[v].name, profile,
                cvg__hint(profile, names, others->n).text);
        }
    }
    return cvg__source_fail(source, cvg__variant_place(reader, v),
                            "variant '%s' fits no device: the profiles have "
                            "no row of it for any device of the box",
                            box->variants[v].name);
}

/* The device with the most memory of those that have a row; CVG_ANY: none. */
static uint32_t largest_device(const struct cvg_box *box, uint32_t v)
{
    uint32_t largest = CVG_ANY;
    for (uint32_t d = 0; d < box->n_devices; d++) {
        if (has_stage(box, v, 0, d) &&
            (largest == CVG_ANY || box->devices[d].memory_bytes >
                                       box->devices[largest].memory_bytes)) {
            largest = d;
        }
    }
    return largest;
}

static enum cvg_status check_devices(const struct cvg_box_reader *reader,
                                     uint32_t v)
{
    const struct cvg_box *box = reader->box;
    const struct cvg_variant *variant = &box->variants[v];
    for (uint32_t d = 0; d < box->n_devices; d++) {
        enum cvg_status status = check_stages(reader, v, d);
        if (status != CVG_OK) {
            return status;
        }
    }
    uint32_t largest = largest_device(box, v);
    if (largest == CVG_ANY) {
        return never_measured(reader, v);
    }
    const struct cvg_device *device = &box->devices[largest];
    if (variant->memory_bytes > device->memory_bytes) {
        return cvg__source_fail(
            &reader->reader.source, cvg__variant_place(reader, v),
            "variant '%s' fits no device: it needs %.6gMiB of memory, and "
            "'%s', the largest it was measured on, has %.6gMiB",
            variant->name, (double)variant->memory_bytes / 1048576,
            device->name, (double)device->memory_bytes / 1048576);
    }
    return CVG_OK;
}

enum cvg_status cvg__check_fit(struct cvg_box_reader *reader)
{
    enum cvg_status status = CVG_OK;
    for (uint32_t v = 0; status == CVG_OK && v < reader->box->n_variants; v++) {
        status = check_variant_rows(reader, v);
        if (status == CVG_OK) {
            status = check_devices(reader, v);
        }
    }
    return status;
}

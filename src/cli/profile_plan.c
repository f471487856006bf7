/* What `convergo profile` is to measure, and where it goes. */
#include "cli/profile.h"

#include "config/rows.h"
#include "device/ort.h"
#include <convergo/device.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool listed(const char *name, const char *const *names, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        if (strcmp(names[k], name) == 0) {
            return true;
        }
    }
    return n == 0;
}

static enum cvg_status check_names(const struct cvg_profiling *p,
                                   struct cvg_error *err)
{
    const struct cvg_profiling_options *o = p->options;
    for (size_t k = 0; k < o->n_variants; k++) {
        if (cvg_box_find_variant(p->box, o->variants[k]) == CVG_ANY) {
            return cvg_fail(err, CVG_CONFIG, "the box has no variant '%s'",
                            o->variants[k]);
        }
    }
    for (size_t k = 0; k < o->n_devices; k++) {
        if (cvg_box_find_device(p->box, o->devices[k]) == CVG_ANY) {
            return cvg_fail(err, CVG_CONFIG, "the box has no device '%s'",
                            o->devices[k]);
        }
    }
    return CVG_OK;
}

/* Two devices that share a profile are measured once. */
static bool same_profile_before(const struct cvg_profiling *p, uint32_t device)
{
    for (size_t k = 0; k < p->n_devices; k++) {
        if (strcmp(p->box->devices[p->devices[k]].profile,
                   p->box->devices[device].profile) == 0) {
            return true;
        }
    }
    return false;
}

static enum cvg_status choose_devices(struct cvg_profiling *p,
                                      struct cvg_error *err)
{
    const struct cvg_profiling_options *o = p->options;
    for (uint32_t d = 0; d < p->box->n_devices; d++) {
        const struct cvg_device *device = &p->box->devices[d];
        const struct cvg_backend_ops *ops = cvg_backend_find(device->backend);
        if (!listed(device->name, o->devices, o->n_devices) ||
            same_profile_before(p, d)) {
            continue;
        }
        if (ops == NULL || ops->emulated) {
            fprintf(stderr, "convergo profile: %s: skipped: backend %s %s\n",
                    device->name, device->backend,
                    ops == NULL ? "is not in this build"
                                : "is not a real device");
            continue;
        }
        p->devices[p->n_devices++] = d;
    }
    if (p->n_devices == 0) {
        return cvg_fail(err, CVG_CONFIG, "%s: no real device to measure",
                        o->box);
    }
    return CVG_OK;
}

static enum cvg_status choose_variants(struct cvg_profiling *p,
                                       struct cvg_error *err)
{
    const struct cvg_profiling_options *o = p->options;
    for (uint32_t v = 0; v < p->box->n_variants; v++) {
        struct cvg_variant *variant = &p->box->variants[v];
        if (!listed(variant->name, o->variants, o->n_variants)) {
            continue;
        }
        enum cvg_status status = cvg_measure_stages(
            p->box->models, variant->name, &variant->n_exits, err);
        if (status != CVG_OK) {
            return status;
        }
        p->variants[p->n_variants++] = v;
    }
    if (p->n_variants == 0) {
        return cvg_fail(err, CVG_CONFIG, "%s: no variant to measure", o->box);
    }
    return CVG_OK;
}

/* Every model is looked at before hours are spent on the others. */
static enum cvg_status check_models(const struct cvg_profiling *p,
                                    struct cvg_error *err)
{
    enum cvg_status status = CVG_OK;
    const struct cvg_device_env env = {.box = p->box};
    for (size_t k = 0; k < p->n_variants && status == CVG_OK; k++) {
        uint32_t device = p->devices[0];
        const char *backend = p->box->devices[device].backend;
        struct cvg_model_info info;
        status = cvg_backend_find(backend)->describe(
            &env, device, p->variants[k], &info, err);
        if (status == CVG_OK) {
            cvg_model_info_free(&info);
        }
    }
    return status;
}

const char *cvg_profiling_dataset(const struct cvg_profiling *p,
                                  uint32_t variant)
{
    if (p->options->dataset != NULL) {
        return p->options->dataset;
    }
    return p->box->families[p->box->variants[variant].family].dataset;
}

/* --variants-out, or beside the profile when a dataset was given. */
static enum cvg_status choose_variants_file(struct cvg_profiling *p,
                                            struct cvg_error *err)
{
    const struct cvg_profiling_options *o = p->options;
    p->writes_variants = o->variants_out != NULL || o->dataset != NULL;
    if (!p->writes_variants) {
        return CVG_OK;
    }
    uint32_t family = p->box->variants[p->variants[0]].family;
    for (size_t k = 1; k < p->n_variants && o->dataset != NULL; k++) {
        if (p->box->variants[p->variants[k]].family != family) {
            return cvg_fail(err, CVG_CONFIG,
                            "--dataset is for one family: name its variants "
                            "with --variant");
        }
    }
    p->variants_path = o->variants_out != NULL
                           ? strdup(o->variants_out)
                           : cvg__resolve_path(o->out, "variants.csv");
    if (p->variants_path == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for a path");
    }
    return CVG_OK;
}

/* Known before anything is measured: a file can be put there. */
static enum cvg_status check_folder(const char *path, struct cvg_error *err)
{
    char *folder = cvg__resolve_path(path, ".");
    enum cvg_status status = CVG_OK;
    if (folder == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for a path");
    }
    if (access(folder, W_OK) != 0) {
        status = cvg_fail(err, CVG_CONFIG, "%s: cannot be written: %s", path,
                          strerror(errno));
    }
    free(folder);
    return status;
}

static enum cvg_status read_files(struct cvg_profiling *p,
                                  struct cvg_error *err)
{
    enum cvg_status status = check_folder(p->options->out, err);
    if (status == CVG_OK && p->writes_variants) {
        status = check_folder(p->variants_path, err);
    }
    if (status != CVG_OK) {
        return status;
    }
    status = cvg_rows_read(p->options->out, cvg__profile_columns,
                           CVG_PROFILE_COLUMNS, &p->profile, err);
    if (status == CVG_OK && p->writes_variants) {
        status = cvg_rows_read(p->variants_path, cvg__variants_columns,
                               CVG_VARIANTS_COLUMNS, &p->accuracy, err);
    }
    return status;
}

static enum cvg_status name_source(struct cvg_profiling *p,
                                   struct cvg_error *err)
{
    char cpu[96];
    const struct cvg_ort *ort = cvg_ort_get(err);
    if (ort == NULL) {
        return CVG_UNSUPPORTED;
    }
    cvg_measure_cpu_name(cpu, sizeof cpu);
    cvg_meter_find(&p->meter, "/sys");
    if (p->meter.kind == NULL) {
        snprintf(p->source, sizeof p->source,
                 "measured by convergo profile on %s; onnxruntime %s; no "
                 "energy meter",
                 cpu, ort->version);
    } else {
        snprintf(p->source, sizeof p->source,
                 "measured by convergo profile on %s; onnxruntime %s; energy "
                 "of the machine by %s",
                 cpu, ort->version, p->meter.kind);
    }
    return CVG_OK;
}

enum cvg_status cvg_profiling_plan(struct cvg_profiling *p,
                                   struct cvg_error *err)
{
    const struct cvg_box *box = p->box;
    p->devices = calloc(box->n_devices + 1, sizeof *p->devices);
    p->variants = calloc(box->n_variants + 1, sizeof *p->variants);
    p->rows = json_array();
    p->answers = json_array();
    if (p->devices == NULL || p->variants == NULL || p->rows == NULL ||
        p->answers == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory");
    }
    enum cvg_status (*const steps[])(struct cvg_profiling *,
                                     struct cvg_error *) = {
        choose_devices, choose_variants, choose_variants_file, read_files,
        name_source};
    enum cvg_status status = check_names(p, err);
    for (size_t k = 0; k < sizeof steps / sizeof *steps && status == CVG_OK;
         k++) {
        status = steps[k](p, err);
    }
    return status == CVG_OK ? check_models(p, err) : status;
}

void cvg_profiling_fini(struct cvg_profiling *p)
{
    cvg_rows_free(&p->profile);
    cvg_rows_free(&p->accuracy);
    json_decref(p->rows);
    json_decref(p->answers);
    free(p->variants_path);
    free(p->devices);
    free(p->variants);
    cvg_box_destroy(p->box);
}

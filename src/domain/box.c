/* A box: plain data and its rules. */
#include <convergo/box.h>
#include <convergo/condition.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cvg_box *cvg_box_create(void)
{
    return calloc(1, sizeof(struct cvg_box));
}

static void free_device(struct cvg_device *device)
{
    free(device->name);
    free(device->backend);
    free(device->profile);
    free(device->provider);
    for (size_t i = 0; i < device->n_options; i++) {
        free(device->options[i].key);
        free(device->options[i].value);
    }
    free(device->options);
    for (size_t i = 0; i < device->n_sources; i++) {
        free(device->sources[i]);
    }
    free(device->sources);
}

static void free_family(struct cvg_family *family)
{
    free(family->name);
    free(family->metric);
    free(family->variants);
    free(family->dataset);
}

static void free_settings(struct cvg_box *box)
{
    free(box->policy.name);
    free(box->policy.allocation);
    free(box->policy.order);
    free(box->policy.batching);
    free(box->policy.exits);
    free(box->server.http);
    free(box->server.grpc);
    free(box->server.metrics);
    free(box->server.socket);
    free(box->path);
    free(box->models);
}

void cvg_box_destroy(struct cvg_box *box)
{
    if (box == NULL) {
        return;
    }
    free_settings(box);
    for (size_t i = 0; i < box->n_devices; i++) {
        free_device(&box->devices[i]);
    }
    free(box->devices);
    for (size_t i = 0; i < box->n_variants; i++) {
        free(box->variants[i].name);
    }
    free(box->variants);
    for (size_t i = 0; i < box->n_families; i++) {
        free_family(&box->families[i]);
    }
    free(box->families);
    for (size_t i = 0; i < box->n_apps; i++) {
        free(box->apps[i].name);
        cvg_conditions_free(box->apps[i].conditions);
    }
    free(box->apps);
    for (size_t i = 0; i < box->n_contention; i++) {
        free(box->contention[i].devices);
    }
    free(box->contention);
    cvg_profile_destroy(box->profile);
    free(box);
}

/* Every array of the box has its name as the first member. */
static uint32_t find_name(const void *items, size_t n, size_t size,
                          const char *name)
{
    for (size_t i = 0; i < n; i++) {
        const char *const *item =
            (const void *)((const char *)items + i * size);
        if (*item != NULL && strcmp(*item, name) == 0) {
            return (uint32_t)i;
        }
    }
    return CVG_ANY;
}

uint32_t cvg_box_find_device(const struct cvg_box *box, const char *name)
{
    return find_name(box->devices, box->n_devices, sizeof *box->devices, name);
}

uint32_t cvg_box_find_variant(const struct cvg_box *box, const char *name)
{
    return find_name(box->variants, box->n_variants, sizeof *box->variants,
                     name);
}

uint32_t cvg_box_find_family(const struct cvg_box *box, const char *name)
{
    return find_name(box->families, box->n_families, sizeof *box->families,
                     name);
}

uint32_t cvg_box_find_app(const struct cvg_box *box, const char *name)
{
    return find_name(box->apps, box->n_apps, sizeof *box->apps, name);
}

static size_t apps_of_family(const struct cvg_box *box, uint32_t family)
{
    size_t n = 0;
    for (size_t i = 0; i < box->n_apps; i++) {
        n += box->apps[i].family == family && !box->apps[i].built_in;
    }
    return n;
}

static enum cvg_status add_built_in_app(struct cvg_box *box, uint32_t family,
                                        struct cvg_error *err)
{
    const char *prefix = "best-effort/";
    const char *family_name = box->families[family].name;
    size_t size = strlen(prefix) + strlen(family_name) + 1;
    char *name = malloc(size);
    struct cvg_app *apps = realloc(box->apps, (box->n_apps + 1) * sizeof *apps);
    if (apps != NULL) {
        box->apps = apps;
    }
    if (name == NULL || apps == NULL) {
        free(name);
        return cvg_fail(err, CVG_NOMEM, "out of memory for an app");
    }
    snprintf(name, size, "%s%s", prefix, family_name);
    apps[box->n_apps++] = (struct cvg_app){
        .name = name,
        .family = family,
        .weight = 0.001,
        .queue_limit = 1000,
        .built_in = true,
    };
    return CVG_OK;
}

enum cvg_status cvg_box_add_built_in_apps(struct cvg_box *box,
                                          struct cvg_error *err)
{
    for (uint32_t f = 0; f < box->n_families; f++) {
        if (apps_of_family(box, f) == 1) {
            continue;
        }
        if (box->n_apps >= CVG_MAX_APPS) {
            return cvg_fail(err, CVG_CONFIG,
                            "at most %u apps, built-in ones included",
                            CVG_MAX_APPS);
        }
        enum cvg_status status = add_built_in_app(box, f, err);
        if (status != CVG_OK) {
            return status;
        }
    }
    return CVG_OK;
}

uint32_t cvg_box_units(const struct cvg_box *box)
{
    uint32_t n = 0;
    for (size_t i = 0; i < box->n_devices; i++) {
        n += box->devices[i].units;
    }
    return n;
}

bool cvg_box_can_run(const struct cvg_box *box, uint32_t device,
                     uint32_t variant)
{
    return box->variants[variant].memory_bytes <=
               box->devices[device].memory_bytes &&
           cvg_profile_max_batch(box->profile, variant, 0, 0, device) > 0;
}

uint64_t cvg_box_cache_need(const struct cvg_box *box, uint32_t device,
                            uint32_t variant)
{
    uint64_t weights = box->variants[variant].weights_bytes;
    uint64_t cache = box->devices[device].cache_bytes;
    return weights < cache ? weights : cache;
}

bool cvg_box_device_holds_all(const struct cvg_box *box, uint32_t device)
{
    const struct cvg_device *d = &box->devices[device];
    uint64_t left = d->memory_bytes;
    uint32_t n = 0;
    for (uint32_t v = 0; v < box->n_variants; v++) {
        if (cvg_box_can_run(box, device, v)) {
            if (++n > d->resident || box->variants[v].memory_bytes > left) {
                return false;
            }
            left -= box->variants[v].memory_bytes;
        }
    }
    return true;
}

bool cvg_box_holds_all(const struct cvg_box *box)
{
    for (uint32_t d = 0; d < box->n_devices; d++) {
        if (!cvg_box_device_holds_all(box, d)) {
            return false;
        }
    }
    return true;
}

bool cvg_box_has_exits(const struct cvg_box *box)
{
    for (size_t v = 0; v < box->n_variants; v++) {
        if (box->variants[v].n_exits > 1) {
            return true;
        }
    }
    return false;
}

bool cvg_app_scales(const struct cvg_app *app)
{
    bool gives_way = false;
    for (size_t i = 0; i < app->n_relax; i++) {
        gives_way = gives_way || app->relax[i] == CVG_SLO_ACCURACY;
    }
    return gives_way && app->accuracy_over == CVG_ACCURACY_PER_WINDOW &&
           cvg_slo_has(&app->slo, CVG_SLO_ACCURACY);
}

bool cvg_box_scales(const struct cvg_box *box)
{
    bool any = false;
    for (size_t a = 0; a < box->n_apps; a++) {
        bool asks = box->apps[a].slo.declared != 0;
        if (asks && !cvg_app_scales(&box->apps[a])) {
            return false;
        }
        any = any || asks;
    }
    return any;
}

cvg_span cvg_box_switch_time(const struct cvg_box *box, uint32_t device,
                             uint32_t variant)
{
    cvg_span given = cvg_profile_switch(box->profile, variant, device);
    if (given >= 0) {
        return given;
    }
    const struct cvg_device *d = &box->devices[device];
    if (!d->has_switch) {
        return 0;
    }
    uint64_t bytes = d->has_cache ? cvg_box_cache_need(box, device, variant)
                                  : box->variants[variant].weights_bytes;
    return d->switch_fixed +
           (cvg_span)(d->switch_ns_per_mib * (double)bytes / 1048576.0);
}

/* Fuzzes the reading of a box: box.yaml, and behind a NUL each profile.csv and
 * variants.csv; those that are left out are good ones. A box that was read must
 * keep its own rules, and an error must be a message of one line. */
#include "config/config.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char good_profile[] =
    "variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,samples,"
    "source,switch_ms,load_ms\n"
    "small,0,gpu,1,1,1,1.5,2,5,1000,made up,,\n"
    "small,1,gpu,1,2,,,,10,1000,made up,,\n"
    "large,0,gpu,1,2.57,,,,35.5,1000,made up,12.5,300\n"
    "large,0,gpu,8,10.2,,,,100,1000,made up,,\n"
    "small,0,tpu,1,2,,,,1,10,made up,,\n";

static const char good_variants[] =
    "variant,exit,accuracy,metric,dataset,samples,weights_mib,memory_mib,"
    "sparsity,source\n"
    "small,0,0.6,top1,imagenet,50000,4,16,0.5,made up\n"
    "small,1,0.7,top1,imagenet,50000,4,16,0.5,made up\n"
    "large,0,0.8,top1,imagenet,50000,25,120,,made up\n";

/* Cuts the next part off; false: there is none. */
static bool next_part(const char **text, size_t *size,
                      struct cvg_config_file *out)
{
    if (*text == NULL) {
        return false;
    }
    const char *nul = memchr(*text, '\0', *size);
    out->text = *text;
    out->size = nul != NULL ? (size_t)(nul - *text) : *size;
    *size -= nul != NULL ? out->size + 1 : out->size;
    *text = nul != NULL ? nul + 1 : NULL;
    return true;
}

static void check_message(const struct cvg_error *err)
{
    size_t length = strlen(err->text);
    assert(length > 0 && err->status != CVG_OK);
    for (size_t i = 0; i < length; i++) {
        assert((unsigned char)err->text[i] >= 0x20);
    }
}

static void take_warning(void *context, const char *message)
{
    (void)context;
    assert(*message != '\0' && strchr(message, '\n') == NULL);
}

static void check_device(const struct cvg_device *d)
{
    assert(d->name[0] != '\0' && d->profile != NULL && d->provider != NULL);
    assert(d->units >= 1 && d->in_flight >= 1 && d->threads >= 1);
    assert(d->memory_bytes > 0 && d->resident >= 1);
    assert(d->kind < CVG_DEVICE_KINDS);
    assert(isfinite(d->idle_w) && isfinite(d->busy_w));
    assert(d->switch_fixed >= 0 && isfinite(d->switch_ns_per_mib));
}

static void check_variant(const struct cvg_box *box, uint32_t v)
{
    const struct cvg_variant *variant = &box->variants[v];
    bool runs = false;
    assert(variant->family < box->n_families);
    assert(variant->n_exits >= 1 && variant->n_exits <= CVG_MAX_EXITS);
    for (uint32_t e = 0; e < variant->n_exits; e++) {
        assert(variant->accuracy[e] >= 0 && variant->accuracy[e] <= 1);
    }
    for (uint32_t d = 0; d < box->n_devices; d++) {
        uint32_t b = cvg_profile_min_batch(box->profile, v, 0, 0, d);
        runs |= b > 0;
        assert(b == 0 ||
               cvg_profile_time(box->profile, v, 0, 0, d, b, CVG_MEAN) > 0);
        assert(cvg_box_switch_time(box, d, v) >= 0);
    }
    assert(runs);
}

static void check_app(const struct cvg_box *box, const struct cvg_app *app)
{
    assert(app->family < box->n_families && app->queue_limit >= 1);
    assert(isfinite(app->weight) && app->weight > 0);
    assert(app->n_relax <= CVG_SLO_KINDS);
    assert(!cvg_slo_has(&app->slo, CVG_SLO_DEADLINE) || app->slo.deadline > 0);
}

static void check_box(const struct cvg_box *box)
{
    assert(box->n_devices >= 1 && box->n_families >= 1);
    assert(box->n_apps >= 1 && box->n_apps <= CVG_MAX_APPS);
    assert(cvg_box_units(box) <= CVG_MAX_UNITS);
    for (size_t d = 0; d < box->n_devices; d++) {
        check_device(&box->devices[d]);
    }
    for (uint32_t v = 0; v < box->n_variants; v++) {
        check_variant(box, v);
    }
    for (size_t a = 0; a < box->n_apps; a++) {
        check_app(box, &box->apps[a]);
    }
    for (size_t i = 0; i < box->n_contention; i++) {
        assert(box->contention[i].n_devices >= 2);
        assert(box->contention[i].slowdown >= 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cvg_config_file files[] = {
        {"box.yaml", "", 0},
        {"profile.csv", good_profile, sizeof good_profile - 1},
        {"variants.csv", good_variants, sizeof good_variants - 1},
    };
    const char *text = (const char *)data;
    struct cvg_box *box = NULL;
    struct cvg_error err = {.text = ""};
    struct cvg_config_notes notes = {.warn = take_warning};
    for (size_t i = 0; i < 3 && size > 0; i++) {
        next_part(&text, &size, &files[i]);
    }
    if (cvg_config_read_box(files, 3, 0, &notes, &box, &err) == CVG_OK) {
        check_box(box);
    } else {
        assert(box == NULL);
        check_message(&err);
    }
    cvg_box_destroy(box);
    return 0;
}

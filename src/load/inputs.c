/* Items from a labelled set, or made up. */
#include "load/inputs.h"

#include "load/get.h"
#include <stdlib.h>
#include <string.h>

#define MADE_UP 64U
#define STREAM_ITEMS 0x6974656dU /* "item" */
#define STREAM_MADE 0x6d616465U  /* "made" */

static enum cvg_status ask_input(struct cvg__items *items,
                                 const struct cvg_address *server,
                                 const char *family, struct cvg_error *err)
{
    char path[300];
    json_t *metadata;
    snprintf(path, sizeof path, "/v2/models/%s", family);
    enum cvg_status status =
        cvg__get_json(server, path, CVG_S(10), &metadata, err);
    if (status != CVG_OK) {
        return status;
    }
    status = cvg__input_read(metadata, family, &items->input, err);
    json_decref(metadata);
    return status;
}

/* Noise: values in [0, 1) where they are floats, small ones else. */
static enum cvg_status make_up(struct cvg__items *items, struct cvg_error *err)
{
    struct cvg_rng rng;
    cvg_rng_init(&rng, 0, STREAM_MADE, 0);
    items->count = MADE_UP;
    items->made = calloc(MADE_UP, items->input.bytes);
    if (items->made == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for inputs");
    }
    size_t step = items->input.element_bytes;
    size_t n = MADE_UP * (items->input.bytes / step);
    bool floats = strcmp(items->input.datatype, "FP32") == 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char *at = items->made + i * step;
        if (floats) {
            float value = (float)cvg_rng_uniform(&rng);
            memcpy(at, &value, sizeof value);
        } else if (step == 1) {
            *at = cvg_rng_next(&rng) & 1U; /* good for BOOL too */
        }
    }
    return CVG_OK;
}

static enum cvg_status open_dataset(struct cvg__items *items, const char *path,
                                    const char *family, struct cvg_error *err)
{
    enum cvg_status status = cvg_dataset_open(path, &items->dataset, err);
    if (status != CVG_OK) {
        return status;
    }
    items->count = items->dataset.count;
    if (items->count == 0 || items->dataset.item_bytes != items->input.bytes) {
        return cvg_fail(err, CVG_CONFIG,
                        "%s: %u items of %u bytes, but input '%s' of '%s' "
                        "takes %zu bytes",
                        path, items->count, items->dataset.item_bytes,
                        items->input.name, family, items->input.bytes);
    }
    return CVG_OK;
}

static enum cvg_status open_family(struct cvg__items *items,
                                   const struct cvg_address *server,
                                   const struct cvg_family *family,
                                   const char *dataset, bool labels,
                                   struct cvg_error *err)
{
    const char *path = dataset != NULL ? dataset : family->dataset;
    enum cvg_status status = ask_input(items, server, family->name, err);
    if (status != CVG_OK) {
        return status;
    }
    items->used = true;
    if (path != NULL) {
        return open_dataset(items, path, family->name, err);
    }
    if (labels) {
        return cvg_fail(err, CVG_INVALID,
                        "--labels: family '%s' has no dataset; name one in "
                        "the box or with --dataset",
                        family->name);
    }
    return make_up(items, err);
}

enum cvg_status cvg__inputs_open(struct cvg__inputs *inputs,
                                 const struct cvg_address *server,
                                 const struct cvg_box *box,
                                 const struct cvg_workload *workload,
                                 const char *dataset, bool labels,
                                 struct cvg_error *err)
{
    inputs->n = box->n_families;
    inputs->families = calloc(box->n_families + 1, sizeof *inputs->families);
    if (inputs->families == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for inputs");
    }
    for (size_t i = 0; i < workload->n_streams; i++) {
        uint32_t family = box->apps[workload->streams[i].app].family;
        struct cvg__items *items = &inputs->families[family];
        enum cvg_status status =
            items->used ? CVG_OK
                        : open_family(items, server, &box->families[family],
                                      dataset, labels, err);
        if (status != CVG_OK) {
            return status;
        }
    }
    return CVG_OK;
}

void cvg__inputs_close(struct cvg__inputs *inputs)
{
    for (size_t i = 0; inputs->families != NULL && i < inputs->n; i++) {
        free(inputs->families[i].made);
        cvg_dataset_close(&inputs->families[i].dataset);
    }
    free(inputs->families);
    inputs->families = NULL;
}

void cvg__inputs_sequence(struct cvg_rng *rng, uint64_t seed, uint32_t app)
{
    cvg_rng_init(rng, seed, STREAM_ITEMS, app);
}

const void *cvg__inputs_draw(const struct cvg__items *items,
                             struct cvg_rng *rng, int32_t *label)
{
    uint32_t index = (uint32_t)(cvg_rng_next(rng) % items->count);
    *label = -1;
    if (items->made != NULL) {
        return items->made + index * items->input.bytes;
    }
    *label = cvg_dataset_label(&items->dataset, index);
    return items->dataset.items + (size_t)index * items->dataset.item_bytes;
}

/* devices and contention of box.yaml. */
#include "config/box_reader.h"

#include "config/names.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) .offset = offsetof(struct cvg_device, member)

static const struct cvg_range one_or_more_threads = {.min = 1, .max = 1024};
static const struct cvg_range unit_range = {.min = 1, .max = CVG_MAX_UNITS};
static const struct cvg_range in_flight_range = {.min = 1,
                                                 .max = CVG_MAX_IN_FLIGHT};
static const struct cvg_range resident_range = {.min = 1,
                                                .max = CVG_MAX_VARIANTS};
static const struct cvg_range some_bytes = {0, 0x1p60, true, "more than 0B"};
static const struct cvg_range switch_range = {0, 600e9, false, "0ms to 10min"};
static const struct cvg_range watts = {0, 1e6, false, "0W to 1000000W"};

/* --- switch ----------------------------------------------------------------
 */

static enum cvg_status set_per_mib(struct cvg_reader *reader,
                                   struct cvg_value value,
                                   const struct cvg_field *field, void *target)
{
    struct cvg_device *device = target;
    struct cvg_field span = {
        .key = field->key, .type = CVG_FIELD_SPAN, .range = &switch_range};
    cvg_span per_mib = 0;
    enum cvg_status status = cvg__read_scalar(reader, value, &span, &per_mib);
    device->switch_ns_per_mib = (double)per_mib;
    return status;
}

static enum cvg_status finish_switch(struct cvg_reader *reader,
                                     struct cvg_value map, void *target,
                                     uint64_t given)
{
    struct cvg_device *device = target;
    device->has_switch = true;
    return given != 0
               ? CVG_OK
               : cvg__source_fail(&reader->source, map.at,
                                  "switch: it is empty: give fixed, per_mib");
}

static const struct cvg_field switch_fields[] = {
    {.key = "fixed",
     .type = CVG_FIELD_SPAN,
     .range = &switch_range,
     AT(switch_fixed)},
    {.key = "per_mib", .type = CVG_FIELD_SET, .set = set_per_mib},
};
static const struct cvg_table switch_table = {
    "switch", switch_fields, CVG_TABLE_SIZE(switch_fields), finish_switch};

/* --- power -----------------------------------------------------------------
 */

static const struct cvg_field power_fields[] = {
    {.key = "idle", .type = CVG_FIELD_POWER, .range = &watts, AT(idle_w)},
    {.key = "busy", .type = CVG_FIELD_POWER, .range = &watts, AT(busy_w)},
};
static const struct cvg_table power_table = {
    "power", power_fields, CVG_TABLE_SIZE(power_fields), NULL};

/* --- options: whatever the backend understands -----------------------------
 */

#define MAX_OPTIONS 64

static enum cvg_status copy_option(struct cvg_reader *reader,
                                   struct cvg_value map,
                                   struct fy_node *key_node,
                                   struct fy_node *value_node,
                                   struct cvg_option *option)
{
    struct cvg_value key;
    struct cvg_value value;
    const char *key_text;
    const char *text;
    enum cvg_status status =
        cvg__yaml_value(&reader->source, key_node, map.at, &key);
    if (status == CVG_OK) {
        status = cvg__yaml_text(&reader->source, key, "options", &key_text);
    }
    if (status == CVG_OK) {
        status = cvg__yaml_value(&reader->source, value_node, key.at, &value);
    }
    if (status == CVG_OK) {
        status = cvg__yaml_text(&reader->source, value, key_text, &text);
    }
    if (status != CVG_OK) {
        return status;
    }
    option->key = strdup(key_text);
    option->value = strdup(text);
    return option->key != NULL && option->value != NULL
               ? CVG_OK
               : cvg__source_nomem(&reader->source);
}

static enum cvg_status check_option_is_new(struct cvg_reader *reader,
                                           struct cvg_value map,
                                           const struct cvg_device *device)
{
    const char *last = device->options[device->n_options - 1].key;
    for (size_t i = 0; i + 1 < device->n_options; i++) {
        if (strcmp(device->options[i].key, last) == 0) {
            return cvg__source_fail(&reader->source, map.at,
                                    "key '%.80s' stands twice in options",
                                    last);
        }
    }
    return CVG_OK;
}

static enum cvg_status set_options(struct cvg_reader *reader,
                                   struct cvg_value value,
                                   const struct cvg_field *field, void *target)
{
    struct cvg_device *device = target;
    if (value.node == NULL || !fy_node_is_mapping(value.node)) {
        return cvg__source_fail(&reader->source, value.at,
                                "%s: a map is expected: {key: value}",
                                field->key);
    }
    int n = fy_node_mapping_item_count(value.node);
    if (n > MAX_OPTIONS) {
        return cvg__source_fail(&reader->source, value.at,
                                "%s: %d given, at most %d are allowed",
                                field->key, n, MAX_OPTIONS);
    }
    device->options = calloc((size_t)n + 1, sizeof *device->options);
    if (device->options == NULL) {
        return cvg__source_nomem(&reader->source);
    }
    void *iterator = NULL;
    struct fy_node *key;
    struct fy_node *node;
    enum cvg_status status = CVG_OK;
    while (status == CVG_OK &&
           cvg__yaml_next_pair(value, &iterator, &key, &node)) {
        status = copy_option(reader, value, key, node,
                             &device->options[device->n_options++]);
        if (status == CVG_OK) {
            status = check_option_is_new(reader, value, device);
        }
    }
    return status;
}

/* --- a device --------------------------------------------------------------
 */

static const char *const kinds[] = {"cpu", "gpu",  "dla", "tpu",
                                    "npu", "fpga", NULL};
static const char *const disciplines[] = {"fcfs", "processor-sharing", NULL};
static const char *const backends[] = {"onnxruntime", "emulated", "accelerator",
                                       NULL};

static enum cvg_status set_backend(struct cvg_reader *reader,
                                   struct cvg_value value,
                                   const struct cvg_field *field, void *target)
{
    struct cvg_device *device = target;
    struct cvg_field choice = {
        .key = field->key, .type = CVG_FIELD_CHOICE, .names = backends};
    unsigned k = 0;
    enum cvg_status status = cvg__read_scalar(reader, value, &choice, &k);
    if (status != CVG_OK) {
        return status;
    }
    device->emulated = k != 0;
    device->backend = strdup(backends[k]);
    return device->backend != NULL ? CVG_OK
                                   : cvg__source_nomem(&reader->source);
}

static enum cvg_status set_cache(struct cvg_reader *reader,
                                 struct cvg_value value,
                                 const struct cvg_field *field, void *target)
{
    struct cvg_device *device = target;
    struct cvg_field bytes = {
        .key = field->key, .type = CVG_FIELD_BYTES, .range = &some_bytes};
    device->has_cache = true;
    return cvg__read_scalar(reader, value, &bytes, &device->cache_bytes);
}

static const struct cvg_field device_fields[] = {
    {.key = "name", .type = CVG_FIELD_NAME, .required = true, AT(name)},
    {.key = "kind",
     .type = CVG_FIELD_CHOICE,
     .required = true,
     .names = kinds,
     AT(kind)},
    {.key = "backend",
     .type = CVG_FIELD_SET,
     .required = true,
     .set = set_backend},
    {.key = "profile", .type = CVG_FIELD_PATH, AT(profile)},
    {.key = "provider", .type = CVG_FIELD_TEXT, AT(provider)},
    {.key = "options", .type = CVG_FIELD_SET, .set = set_options},
    {.key = "threads",
     .type = CVG_FIELD_COUNT,
     .range = &one_or_more_threads,
     AT(threads)},
    {.key = "discipline",
     .type = CVG_FIELD_CHOICE,
     .names = disciplines,
     AT(discipline)},
    {.key = "units", .type = CVG_FIELD_COUNT, .range = &unit_range, AT(units)},
    {.key = "in_flight",
     .type = CVG_FIELD_COUNT,
     .range = &in_flight_range,
     AT(in_flight)},
    {.key = "memory",
     .type = CVG_FIELD_BYTES,
     .range = &some_bytes,
     AT(memory_bytes)},
    {.key = "resident",
     .type = CVG_FIELD_COUNT,
     .range = &resident_range,
     AT(resident)},
    {.key = "cache", .type = CVG_FIELD_SET, .set = set_cache},
    {.key = "switch", .type = CVG_FIELD_MAP, .table = &switch_table},
    {.key = "power", .type = CVG_FIELD_MAP, .table = &power_table},
};

static void init_device(void *item)
{
    struct cvg_device *device = item;
    device->threads = 1;
    device->units = 1;
    device->in_flight = 1;
    device->memory_bytes = UINT64_MAX;
    device->resident = UINT32_MAX;
}

/* Those that ONNX Runtime knows. Which of them a runtime was built with shows
 * when the device is opened, maybe on another machine. */
static const char *const providers[] = {
    "CPU",    "XNNPACK",  "CUDA",     "TensorRT", "NvTensorRTRTX",
    "ROCM",   "MIGraphX", "OpenVINO", "Dnnl",     "QNN",
    "SNPE",   "NNAPI",    "CoreML",   "ACL",      "ArmNN",
    "RKNPU",  "VSINPU",   "VitisAI",  "CANN",     "DML",
    "WebGPU", "WebNN",    "JS",       "Azure",    "Tvm",
};

static enum cvg_status check_provider(struct cvg_reader *reader,
                                      struct cvg_value map,
                                      const struct cvg_device *device)
{
    size_t k = 0;
    while (k < CVG_TABLE_SIZE(providers) &&
           !cvg_provider_is(device->provider, providers[k])) {
        k++;
    }
    if (k == CVG_TABLE_SIZE(providers)) {
        return cvg__source_fail(
            &reader->source, cvg__yaml_at(map, "provider").at,
            "provider: unknown value '%.80s'%s", device->provider,
            cvg__hint(device->provider, providers, CVG_TABLE_SIZE(providers))
                .text);
    }
    if (k == 0 && device->n_options > 0) {
        return cvg__source_fail(&reader->source,
                                cvg__yaml_key_place(map, "options"),
                                "options: provider CPU takes none, not '%.80s'",
                                device->options[0].key);
    }
    return CVG_OK;
}

static enum cvg_status finish_device(struct cvg_reader *reader,
                                     struct cvg_value map, void *target,
                                     uint64_t given)
{
    (void)given;
    struct cvg_device *device = target;
    const struct cvg_box *box = cvg__box_reader(reader)->box;
    if (device->profile == NULL) {
        device->profile = strdup(device->name);
    }
    if (device->provider == NULL) {
        device->provider = strdup("CPU");
    }
    if (device->profile == NULL || device->provider == NULL) {
        return cvg__source_nomem(&reader->source);
    }
    if (!device->emulated) { /* others read their options themselves */
        enum cvg_status status = check_provider(reader, map, device);
        if (status != CVG_OK) {
            return status;
        }
    }
    uint32_t units = cvg_box_units(box);
    if (units > CVG_MAX_UNITS) {
        return cvg__source_fail(&reader->source,
                                cvg__yaml_key_place(map, "units"),
                                "units: %u with the devices before, at most %u "
                                "are allowed in a box",
                                units, CVG_MAX_UNITS);
    }
    return CVG_OK;
}

static const struct cvg_table device_table = {
    "device", device_fields, CVG_TABLE_SIZE(device_fields), finish_device};

const struct cvg_items cvg__device_items = {
    .table = &device_table,
    .size = sizeof(struct cvg_device),
    .count_offset = offsetof(struct cvg_box, n_devices),
    .min = 1,
    .max = CVG_MAX_DEVICES,
    .init = init_device,
    .named = true,
};

/* --- contention ------------------------------------------------------------
 */

static enum cvg_status find_device(struct cvg_reader *reader,
                                   struct cvg_value value, const char *key,
                                   uint32_t *out)
{
    const struct cvg_box *box = cvg__box_reader(reader)->box;
    const char *name;
    enum cvg_status status = cvg__yaml_text(&reader->source, value, key, &name);
    if (status != CVG_OK) {
        return status;
    }
    *out = cvg_box_find_device(box, name);
    if (*out == CVG_ANY) {
        return cvg__source_fail(&reader->source, value.at,
                                "%s: unknown device '%.80s'%s", key, name,
                                cvg__hint_items(name, box->devices,
                                                box->n_devices,
                                                sizeof *box->devices)
                                    .text);
    }
    return CVG_OK;
}

static enum cvg_status add_contending(struct cvg_reader *reader,
                                      struct cvg_value value,
                                      const struct cvg_field *field,
                                      void *target)
{
    struct cvg_contention *contention = target;
    const struct cvg_box *box = cvg__box_reader(reader)->box;
    uint32_t device;
    enum cvg_status status = find_device(reader, value, field->key, &device);
    if (status != CVG_OK) {
        return status;
    }
    for (size_t i = 0; i < contention->n_devices; i++) {
        if (contention->devices[i] == device) {
            return cvg__source_fail(&reader->source, value.at,
                                    "%s: '%s' stands there twice", field->key,
                                    box->devices[device].name);
        }
    }
    if (contention->devices == NULL) {
        contention->devices =
            calloc(box->n_devices, sizeof *contention->devices);
    }
    if (contention->devices == NULL) {
        return cvg__source_nomem(&reader->source);
    }
    contention->devices[contention->n_devices++] = device;
    return CVG_OK;
}

static enum cvg_status finish_contention(struct cvg_reader *reader,
                                         struct cvg_value map, void *target,
                                         uint64_t given)
{
    (void)given;
    const struct cvg_contention *contention = target;
    return contention->n_devices >= 2
               ? CVG_OK
               : cvg__source_fail(&reader->source,
                                  cvg__yaml_at(map, "devices").at,
                                  "devices: contention is between at least "
                                  "two devices");
}

static const struct cvg_range slowdown_range = {1, 1000, false, "1 to 1000"};

static const struct cvg_field contention_fields[] = {
    {.key = "devices",
     .type = CVG_FIELD_EACH,
     .required = true,
     .set = add_contending},
    {.key = "slowdown",
     .type = CVG_FIELD_NUMBER,
     .required = true,
     .range = &slowdown_range,
     .offset = offsetof(struct cvg_contention, slowdown)},
};
static const struct cvg_table contention_table = {
    "contention", contention_fields, CVG_TABLE_SIZE(contention_fields),
    finish_contention};

const struct cvg_items cvg__contention_items = {
    .table = &contention_table,
    .size = sizeof(struct cvg_contention),
    .count_offset = offsetof(struct cvg_box, n_contention),
    .min = 0,
    .max = 256,
};

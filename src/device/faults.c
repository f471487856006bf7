/* The test aids of an emulated device, from its options. */
#include "device/faults.h"

#include "base/nearest.h"
#include "base/units.h"
#include <string.h>

static enum cvg_status read_option(const struct cvg_option *option,
                                   struct cvg_faults *out,
                                   struct cvg_error *err)
{
    static const char *const names[] = {"fail_after", "fail_load", "hang_after",
                                        "down_after", "down_for"};
    uint64_t *const counts[] = {&out->fail_after, &out->fail_load,
                                &out->hang_after, &out->down_after};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        if (strcmp(option->key, names[k]) == 0) {
            return cvg_parse_count(option->value, 0, UINT64_MAX - 1, counts[k],
                                   err);
        }
    }
    if (strcmp(option->key, "down_for") == 0) {
        return cvg_parse_span(option->value, &out->down_for, err);
    }
    const char *near =
        cvg_nearest_name(option->key, names, sizeof names / sizeof *names);
    return cvg_fail(err, CVG_CONFIG,
                    "an emulated device has no option '%s'%s%s%s", option->key,
                    near == NULL ? "" : "; did you mean '",
                    near == NULL ? "" : near, near == NULL ? "" : "'?");
}

enum cvg_status cvg_faults_read(const struct cvg_device *device,
                                struct cvg_faults *out, struct cvg_error *err)
{
    *out = (struct cvg_faults){.fail_after = UINT64_MAX,
                               .hang_after = UINT64_MAX,
                               .down_after = UINT64_MAX,
                               .fail_load = 0,
                               .down_for = CVG_NEVER};
    for (size_t k = 0; k < device->n_options; k++) {
        struct cvg_error inner;
        enum cvg_status status = read_option(&device->options[k], out, &inner);
        if (status != CVG_OK) {
            return cvg_fail(err, status, "device %s, option %s: %.400s",
                            device->name, device->options[k].key, inner.text);
        }
    }
    return CVG_OK;
}

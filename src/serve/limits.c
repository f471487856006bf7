/* Limits and their flags: one table. */
#include "serve/limits.h"

#include "base/units.h"
#include <convergo/box.h>
#include <stdio.h>
#include <string.h>

enum kind { BYTES, COUNT };

struct limit {
    const char *flag;
    size_t offset;
    enum kind kind;
    uint64_t value, min, max;
};

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define AT(field) offsetof(struct cvg__limits, field)

/* At least 4 KiB of header: less would refuse ordinary clients. At most 64
 * levels of JSON: readers go down by recursion. */
static const struct limit table[] = {
    {"--max-body", AT(body), BYTES, 64 * MIB, KIB, 4 * GIB},
    {"--max-header", AT(header), BYTES, 16 * KIB, 4 * KIB, 64 * KIB},
    {"--max-in-flight", AT(in_flight), BYTES, 512 * MIB, MIB, 1024 * GIB},
    {"--max-connections", AT(connections), COUNT, 1024, 1, 65536},
    {"--max-connections-per-ip", AT(per_ip), COUNT, 512, 0, 65536},
    {"--idle-timeout-secs", AT(idle_s), COUNT, 75, 1, 86400},
    {"--header-timeout-secs", AT(header_s), COUNT, 10, 1, 3600},
    {"--body-timeout-secs", AT(body_s), COUNT, 60, 1, 86400},
    {"--max-json-depth", AT(json_depth), COUNT, 32, 4, 60},
    {"--max-dims", AT(dims), COUNT, 16, 1, CVG_MAX_DIMS},
    {"--max-tensors", AT(tensors), COUNT, 256, 1, CVG_MAX_TENSORS},
    {"--max-rows", AT(rows), COUNT, 256, 1, CVG_MAX_BATCH},
    {"--record-limit", AT(record), BYTES, GIB, 64 * KIB, 1024 * GIB},
};
#define N_LIMITS (sizeof table / sizeof *table)

static uint64_t *field(struct cvg__limits *limits, const struct limit *l)
{
    return (uint64_t *)(void *)((char *)limits + l->offset);
}

const char *cvg__limits_flag(size_t k)
{
    return k < N_LIMITS ? table[k].flag : NULL;
}

void cvg__limits_text(const struct cvg__limits *limits, size_t k, char *out,
                      size_t size)
{
    uint64_t value = *(const uint64_t *)(const void *)((const char *)limits +
                                                       table[k].offset);
    if (table[k].kind == BYTES) {
        cvg_format_bytes(out, size, value);
    } else {
        (void)snprintf(out, size, "%llu", (unsigned long long)value);
    }
}

void cvg__limits_default(struct cvg__limits *limits)
{
    for (size_t i = 0; i < N_LIMITS; i++) {
        *field(limits, &table[i]) = table[i].value;
    }
}

static enum cvg_status set(struct cvg__limits *limits, const struct limit *l,
                           const char *value, struct cvg_error *err)
{
    uint64_t number;
    struct cvg_error why = {.text = ""};
    enum cvg_status status =
        l->kind == BYTES
            ? cvg_parse_bytes(value, &number, &why)
            : cvg_parse_count(value, l->min, l->max, &number, &why);
    if (status != CVG_OK) {
        return cvg_fail(err, CVG_INVALID, "%s: %.400s", l->flag, why.text);
    }
    if (number < l->min || number > l->max) {
        return cvg_fail(err, CVG_INVALID,
                        "%s must be between %lluB and %lluB, got '%.80s'",
                        l->flag, (unsigned long long)l->min,
                        (unsigned long long)l->max, value);
    }
    *field(limits, l) = number;
    return CVG_OK;
}

enum cvg_status cvg__limits_set(struct cvg__limits *limits, const char *flag,
                                const char *value, struct cvg_error *err)
{
    for (size_t i = 0; i < N_LIMITS; i++) {
        if (strcmp(table[i].flag, flag) == 0) {
            return set(limits, &table[i], value, err);
        }
    }
    return cvg_fail(err, CVG_NOTFOUND, "no limit is called %s", flag);
}

const char *cvg__limits_help(void)
{
    return "  --max-body SIZE              of a request's body (64MiB)\n"
           "  --max-header SIZE            of a request's header (16KiB)\n"
           "  --max-in-flight SIZE         of all requests at once (512MiB)\n"
           "  --max-connections N          at once (1024)\n"
           "  --max-connections-per-ip N   of one address (512; 0: no limit)\n"
           "  --idle-timeout-secs N        a connection without request (75)\n"
           "  --header-timeout-secs N      to send a header (10)\n"
           "  --body-timeout-secs N        to send a body (60)\n"
           "  --max-json-depth N           of brackets in a body (32)\n"
           "  --max-dims N                 of a tensor (16)\n"
           "  --max-tensors N              inputs, outputs of a request (256)\n"
           "  --max-rows N                 items in one request (256)\n"
           "  --record-limit SIZE          of the record's file (1GiB)\n";
}

struct cvg__oip_limits cvg__limits_oip(const struct cvg__limits *limits)
{
    return (struct cvg__oip_limits){
        .json_depth = (unsigned)limits->json_depth,
        .dims = (unsigned)limits->dims,
        .tensors = (unsigned)limits->tensors,
        .rows = (unsigned)limits->rows,
    };
}

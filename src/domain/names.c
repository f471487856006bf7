/* The names of enumerations, as files and reports write them. */
#include <convergo/box.h>
#include <convergo/request.h>
#include <string.h>

const char *cvg_slo_kind_name(enum cvg_slo_kind kind)
{
    static const char *const names[CVG_SLO_KINDS] = {"deadline", "accuracy",
                                                     "throughput", "energy"};
    return names[kind];
}

const char *cvg_objective_name(enum cvg_objective objective)
{
    static const char *const names[CVG_OBJECTIVES] = {"none", "accuracy",
                                                      "energy", "latency"};
    return names[objective];
}

const char *cvg_device_kind_name(enum cvg_device_kind kind)
{
    static const char *const names[CVG_DEVICE_KINDS] = {"cpu", "gpu", "dla",
                                                        "tpu", "npu", "fpga"};
    return names[kind];
}

size_t cvg_provider_length(const char *name)
{
    static const char suffix[] = "ExecutionProvider";
    size_t length = strlen(name);
    size_t tail = sizeof suffix - 1;
    return length > tail && strcmp(name + length - tail, suffix) == 0
               ? length - tail
               : length;
}

/* Not the C library's, which follows the locale. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool cvg_provider_is(const char *a, const char *b)
{
    size_t length = cvg_provider_length(a);
    size_t same = 0;
    while (same < length && lower(a[same]) == lower(b[same])) {
        same++;
    }
    return same == length && length == cvg_provider_length(b);
}

const char *cvg_discipline_name(enum cvg_discipline discipline)
{
    return discipline == CVG_FCFS ? "fcfs" : "processor-sharing";
}

const char *cvg_outcome_name(enum cvg_outcome outcome)
{
    static const char *const names[CVG_OUTCOMES] = {
#define NAME(name, text) text,
        CVG_OUTCOME_LIST(NAME)
#undef NAME
    };
    return names[outcome];
}

const char *cvg_reason_text(enum cvg_reason reason)
{
    static const char *const texts[CVG_REASONS] = {
#define TEXT(name, text) text,
        CVG_REASON_LIST(TEXT)
#undef TEXT
    };
    return texts[reason];
}

const char *cvg_reason_name(enum cvg_reason reason)
{
    static const char *const names[CVG_REASONS] = {
        [CVG_REASON_NONE] = "none",
        [CVG_REASON_DEADLINE] = "deadline",
        [CVG_REASON_TIMEOUT] = "timeout",
        [CVG_REASON_INFEASIBLE_DEADLINE] = "infeasible_deadline",
        [CVG_REASON_INFEASIBLE_ACCURACY] = "infeasible_accuracy",
        [CVG_REASON_INFEASIBLE_ENERGY] = "infeasible_energy",
        [CVG_REASON_INFEASIBLE] = "infeasible",
        [CVG_REASON_UNAVAILABLE] = "unavailable",
        [CVG_REASON_QUEUE_FULL] = "queue_full",
        [CVG_REASON_DRAINING] = "draining",
        [CVG_REASON_DEVICE_FAILED] = "device_failed",
        [CVG_REASON_POLICY] = "policy",
        [CVG_REASON_GIVEN_UP] = "given_up",
        [CVG_REASON_INPUTS] = "inputs",
    };
    return names[reason];
}

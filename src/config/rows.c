/* One row of profile.csv and of variants.csv. */
#include "config/rows.h"

#include <math.h>
#include <string.h>

#define CHECK(call)                                                            \
    do {                                                                       \
        enum cvg_status status_ = (call);                                      \
        if (status_ != CVG_OK) {                                               \
            return status_;                                                    \
        }                                                                      \
    } while (0)

static const struct cvg_range some_ms = {0, 1e9, true,
                                         "more than 0, at most 1e9"};
static const struct cvg_range any_ms = {0, 1e9, false, "0 to 1e9"};
static const struct cvg_range any_mj = {0, 1e12, false, "0 or more"};
static const struct cvg_range any_mib = {0, 1e9, false, "0 to 1e9"};
static const struct cvg_range share = {0, 1, false, "0 to 1"};
static const struct cvg_range any_gflop = {0, 1e9, false, "0 to 1e9"};
static const struct cvg_range samples = {0, 1e15, false, "0 or more"};

/* --- profile.csv -----------------------------------------------------------
 */

const struct cvg_column cvg__profile_columns[CVG_PROFILE_COLUMNS] = {
    {"variant", false}, {"exit", false},    {"device", false},
    {"batch", false},   {"mean_ms", false}, {"p50_ms", false},
    {"p95_ms", false},  {"p99_ms", false},  {"energy_mj", false},
    {"samples", false}, {"source", false},  {"switch_ms", true},
    {"load_ms", true},
};

/* Percentiles that are empty or equal mean: it always takes the mean. */
static enum cvg_status read_percentiles(const struct cvg_csv *csv,
                                        struct cvg_profile_point *point)
{
    size_t given = 0;
    for (size_t c = CVG_PROFILE_P50; c <= CVG_PROFILE_P99; c++) {
        given += *cvg__csv_text(csv, c) != '\0';
    }
    if (given == 0) {
        point->p50 = point->p95 = point->p99 = point->mean;
        return CVG_OK;
    }
    if (given != 3) {
        return cvg__csv_fail(csv, CVG_PROFILE_P50,
                             "%zu of p50_ms, p95_ms, p99_ms are given: give "
                             "all three or none",
                             given);
    }
    CHECK(cvg__csv_ms(csv, CVG_PROFILE_P50, &some_ms, &point->p50));
    CHECK(cvg__csv_ms(csv, CVG_PROFILE_P95, &some_ms, &point->p95));
    CHECK(cvg__csv_ms(csv, CVG_PROFILE_P99, &some_ms, &point->p99));
    for (size_t c = CVG_PROFILE_P95; c <= CVG_PROFILE_P99; c++) {
        cvg_span before = c == CVG_PROFILE_P95 ? point->p50 : point->p95;
        cvg_span here = c == CVG_PROFILE_P95 ? point->p95 : point->p99;
        if (here < before) {
            return cvg__csv_fail(csv, c, "'%.40s' is less than %s, '%.40s'",
                                 cvg__csv_text(csv, c),
                                 cvg__profile_columns[c - 1].name,
                                 cvg__csv_text(csv, c - 1));
        }
    }
    if (point->p50 == point->p99) {
        point->p50 = point->p95 = point->p99 = point->mean;
    }
    return CVG_OK;
}

enum cvg_status cvg__profile_row(const struct cvg_csv *csv,
                                 struct cvg_profile_row *out)
{
    double mj;
    double ignored;
    CHECK(cvg__csv_name(csv, CVG_PROFILE_VARIANT, &out->variant));
    CHECK(cvg__csv_count(csv, CVG_PROFILE_EXIT, 0, CVG_MAX_EXITS - 1,
                         &out->exit));
    CHECK(cvg__csv_name(csv, CVG_PROFILE_DEVICE, &out->device));
    CHECK(cvg__csv_count(csv, CVG_PROFILE_BATCH, 1, CVG_MAX_BATCH,
                         &out->point.batch));
    CHECK(cvg__csv_ms(csv, CVG_PROFILE_MEAN, &some_ms, &out->point.mean));
    CHECK(read_percentiles(csv, &out->point));
    CHECK(cvg__csv_number_or(csv, CVG_PROFILE_ENERGY, &any_mj, 0, &mj));
    out->point.energy_j = mj / 1000;
    CHECK(cvg__csv_number_or(csv, CVG_PROFILE_SAMPLES, &samples, 0, &ignored));
    CHECK(cvg__csv_ms_or(csv, CVG_PROFILE_SWITCH, &any_ms, -1,
                         &out->switch_time));
    return cvg__csv_ms_or(csv, CVG_PROFILE_LOAD, &any_ms, -1, &out->load_time);
}

/* --- variants.csv ----------------------------------------------------------
 */

const struct cvg_column cvg__variants_columns[CVG_VARIANTS_COLUMNS] = {
    {"variant", false},     {"exit", false},       {"accuracy", false},
    {"metric", false},      {"dataset", false},    {"samples", false},
    {"weights_mib", false}, {"memory_mib", false}, {"sparsity", false},
    {"source", false},      {"gflop", true},
};

enum cvg_status cvg__variants_row(const struct cvg_csv *csv,
                                  struct cvg_variants_row *out)
{
    double weights;
    double memory;
    double ignored;
    CHECK(cvg__csv_name(csv, CVG_VARIANTS_VARIANT, &out->variant));
    CHECK(cvg__csv_count(csv, CVG_VARIANTS_EXIT, 0, CVG_MAX_EXITS - 1,
                         &out->exit));
    CHECK(cvg__csv_number(csv, CVG_VARIANTS_ACCURACY, &share, &out->accuracy));
    CHECK(cvg__csv_number_or(csv, CVG_VARIANTS_SAMPLES, &samples, 0, &ignored));
    CHECK(cvg__csv_number_or(csv, CVG_VARIANTS_WEIGHTS, &any_mib, 0, &weights));
    CHECK(cvg__csv_number_or(csv, CVG_VARIANTS_MEMORY, &any_mib, weights,
                             &memory));
    CHECK(cvg__csv_number_or(csv, CVG_VARIANTS_SPARSITY, &share, 0,
                             &out->sparsity));
    CHECK(cvg__csv_number_or(csv, CVG_VARIANTS_GFLOP, &any_gflop, NAN,
                             &out->flop));
    out->flop = round(out->flop * 1e9); /* sums of whole numbers are exact */
    out->metric = cvg__csv_text(csv, CVG_VARIANTS_METRIC);
    out->weights_bytes = (uint64_t)llround(weights * 1048576);
    out->memory_bytes = (uint64_t)llround(memory * 1048576);
    return CVG_OK;
}

/* One row of profile.csv and of variants.csv, well formed by itself. */
#ifndef CVG_CONFIG_ROWS_H
#define CVG_CONFIG_ROWS_H

#include "config/csv.h"

/* variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,samples,
 * source[,switch_ms][,load_ms] */
enum {
    CVG_PROFILE_VARIANT,
    CVG_PROFILE_EXIT,
    CVG_PROFILE_DEVICE,
    CVG_PROFILE_BATCH,
    CVG_PROFILE_MEAN,
    CVG_PROFILE_P50,
    CVG_PROFILE_P95,
    CVG_PROFILE_P99,
    CVG_PROFILE_ENERGY,
    CVG_PROFILE_SAMPLES,
    CVG_PROFILE_SOURCE,
    CVG_PROFILE_SWITCH,
    CVG_PROFILE_LOAD,
    CVG_PROFILE_COLUMNS
};
extern const struct cvg_column cvg__profile_columns[CVG_PROFILE_COLUMNS];

struct cvg_profile_row { /* texts are borrowed, until the next row */
    const char *variant, *device;
    uint32_t exit;
    struct cvg_profile_point point;
    cvg_span switch_time, load_time; /* negative: not given */
};
/* Reads the row that cvg__csv_next() has found. */
enum cvg_status cvg__profile_row(const struct cvg_csv *csv,
                                 struct cvg_profile_row *out);

/* variant,exit,accuracy,metric,dataset,samples,weights_mib,memory_mib,sparsity,
 * source[,gflop] */
enum {
    CVG_VARIANTS_VARIANT,
    CVG_VARIANTS_EXIT,
    CVG_VARIANTS_ACCURACY,
    CVG_VARIANTS_METRIC,
    CVG_VARIANTS_DATASET,
    CVG_VARIANTS_SAMPLES,
    CVG_VARIANTS_WEIGHTS,
    CVG_VARIANTS_MEMORY,
    CVG_VARIANTS_SPARSITY,
    CVG_VARIANTS_SOURCE,
    CVG_VARIANTS_GFLOP,
    CVG_VARIANTS_COLUMNS
};
extern const struct cvg_column cvg__variants_columns[CVG_VARIANTS_COLUMNS];

struct cvg_variants_row {
    const char *variant, *metric;
    uint32_t exit;
    double accuracy;
    uint64_t weights_bytes;
    uint64_t memory_bytes; /* not given: as the weights */
    double sparsity;
    double flop; /* of the stage alone; NAN: not given */
};
enum cvg_status cvg__variants_row(const struct cvg_csv *csv,
                                  struct cvg_variants_row *out);

#endif

/* Files to domain structs. Every error names file:line:column, the value seen,
 * and what would do (for an unknown key or name: the nearest known one). */
#ifndef CVG_CONFIG_CONFIG_H
#define CVG_CONFIG_CONFIG_H

#include "domain/workload.h"
#include <convergo/box.h>

enum cvg_load_flags {
    /* For `convergo profile`: profile and variants files may be missing, and a
     * variant may lack rows. */
    CVG_LOAD_UNMEASURED = 1
};

/* Reads box.yaml and the CSV files that it names, checks all of it, adds the
 * built-in apps. *out is owned by the caller: cvg_box_destroy(). */
enum cvg_status cvg_config_load_box(const char *path, unsigned flags,
                                    struct cvg_box **out,
                                    struct cvg_error *err);
/* The same from text; `path` is used in messages and to resolve file names. */
enum cvg_status cvg_config_parse_box(const char *text, size_t size,
                                     const char *path, unsigned flags,
                                     struct cvg_box **out,
                                     struct cvg_error *err);

/* workload.yaml, or a trace CSV (its name ends in .csv). *out is owned by the
 * caller: cvg_workload_destroy(). */
enum cvg_status cvg_config_load_workload(const char *path,
                                         const struct cvg_box *box,
                                         struct cvg_workload **out,
                                         struct cvg_error *err);
enum cvg_status cvg_config_parse_workload(const char *text, size_t size,
                                          const char *path,
                                          const struct cvg_box *box,
                                          struct cvg_workload **out,
                                          struct cvg_error *err);

/* A labelled set ("CVGDATA1", DESIGN.md section 4), mapped read-only. */
struct cvg_dataset {
    const unsigned char *items; /* count x item_bytes */
    const unsigned char *labels; /* count little-endian i32: _label() */
    uint32_t count, item_bytes;
    void *map;
    size_t map_size;
};
enum cvg_status cvg_dataset_open(const char *path, struct cvg_dataset *out,
                                 struct cvg_error *err);
void cvg_dataset_close(struct cvg_dataset *dataset);
int32_t cvg_dataset_label(const struct cvg_dataset *dataset, uint32_t index);

#endif

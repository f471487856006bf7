/* Files to domain structs (DESIGN.md section 4). Every error names
 * file:line:column, the value seen, and what would do (for an unknown key or
 * name: the nearest known one).
 *
 * Reading stops at the first error. Files are read into memory whole, within
 * limits: 4 MiB for YAML, 1 GiB for CSV. */
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

/* For who opens models: is the box's model repository there? */
enum cvg_status cvg_config_check_models(const struct cvg_box *box,
                                        struct cvg_error *err);

/* A file that is held in memory; all borrowed. */
struct cvg_config_file {
    const char *path; /* as resolved: beside files[0].path, or absolute */
    const char *text;
    size_t size;
};

/* The files that a box was read from, word for word: with them it can be read
 * again without a disk. Owned: cvg_config_texts_free(). */
struct cvg_config_texts {
    struct cvg_config_file *items; /* items[0] is box.yaml; strings owned */
    size_t n;
};
void cvg_config_texts_free(struct cvg_config_texts *texts);
/* What is told beside errors. */
struct cvg_config_notes {
    /* "file:line:column: ..." of what is allowed but looks wrong; may be NULL
     */
    void (*warn)(void *context, const char *message);
    void *context;
};

/* As cvg_config_load_box(); `texts` is filled in on CVG_OK only; `notes` may be
 * NULL. */
enum cvg_status cvg_config_load_box_texts(const char *path, unsigned flags,
                                          const struct cvg_config_notes *notes,
                                          struct cvg_box **out,
                                          struct cvg_config_texts *texts,
                                          struct cvg_error *err);

/* The general form of the box readers above. files[0] is box.yaml, read from
 * disk if its text is NULL. With files[1..] the CSV files are taken from there,
 * and none from disk. `notes` may be NULL. */
enum cvg_status cvg_config_read_box(const struct cvg_config_file *files,
                                    size_t n_files, unsigned flags,
                                    const struct cvg_config_notes *notes,
                                    struct cvg_box **out,
                                    struct cvg_error *err);

/* workload.yaml, or a trace CSV (its name ends in .csv). *out is owned by the
 * caller: cvg_workload_destroy(). Without a box (NULL) names are not compared
 * with anything, and the indices of apps and devices mean nothing. */
enum cvg_status cvg_config_load_workload(const char *path,
                                         const struct cvg_box *box,
                                         struct cvg_workload **out,
                                         struct cvg_error *err);
enum cvg_status cvg_config_parse_workload(const char *text, size_t size,
                                          const char *path,
                                          const struct cvg_box *box,
                                          struct cvg_workload **out,
                                          struct cvg_error *err);
/* The general form, as cvg_config_read_box(): files[0] is the workload,
 * files[1..], if any, the traces that it names. */
enum cvg_status cvg_config_read_workload(const struct cvg_config_file *files,
                                         size_t n_files,
                                         const struct cvg_box *box,
                                         struct cvg_workload **out,
                                         struct cvg_error *err);

/* variant.yaml, beside the versions of a model: its stages. */
struct cvg_variant_file { /* owned: cvg_variant_file_free() */
    char **stages;        /* file names, in order; at most CVG_MAX_EXITS */
    size_t n_stages;
};
enum cvg_status cvg_config_load_variant(const char *path,
                                        struct cvg_variant_file *out,
                                        struct cvg_error *err);
enum cvg_status cvg_config_parse_variant(const char *text, size_t size,
                                         const char *path,
                                         struct cvg_variant_file *out,
                                         struct cvg_error *err);
void cvg_variant_file_free(struct cvg_variant_file *file);

/* What kind of file is it, by its content? */
enum cvg_file_kind {
    CVG_FILE_UNKNOWN,
    CVG_FILE_BOX,
    CVG_FILE_WORKLOAD,
    CVG_FILE_TRACE,
    CVG_FILE_PROFILE,
    CVG_FILE_VARIANTS,
    CVG_FILE_VARIANT,
    CVG_FILE_DATASET
};
const char *cvg_file_kind_name(enum cvg_file_kind kind);
enum cvg_status cvg_config_recognise(const char *path, enum cvg_file_kind *out,
                                     struct cvg_error *err);

/* A profile.csv or variants.csv by itself: is every row well formed? */
struct cvg_csv_summary {
    size_t rows, variants, devices; /* distinct ones; devices: profile.csv */
};
enum cvg_status cvg_config_check_csv(const char *path, enum cvg_file_kind kind,
                                     struct cvg_csv_summary *out,
                                     struct cvg_error *err);

/* A labelled set ("CVGDATA1", DESIGN.md section 4), mapped read-only. */
struct cvg_dataset {
    const unsigned char *items;  /* count x item_bytes */
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

/* The model repository: MODELS/VARIANT/VERSION/model.onnx, the highest version
 * counts (DESIGN.md section 4). A MODELS/VARIANT/variant.yaml names the files
 * of a model of several stages, in place of model.onnx.
 *
 * Read with care: below MODELS no symbolic link is followed, so that no name
 * and no link leads out of it, and only regular files are opened. */
#ifndef CVG_DEVICE_REPOSITORY_H
#define CVG_DEVICE_REPOSITORY_H

#include <convergo/box.h>
#include <convergo/status.h>
#include <stddef.h>
#include <stdint.h>

struct cvg_model_file {
    char *path; /* for messages */
    void *data;
    size_t size;
};

struct cvg_model_files { /* owned: cvg_model_files_free() */
    struct cvg_model_file stages[CVG_MAX_EXITS];
    uint32_t n; /* 1: a plain model */
    uint32_t version;
    char *folder; /* of the version; where external data may lie */
};

/* `models` NULL: the box names none, which is an error that says so. CVG_CONFIG
 * or CVG_NOTFOUND: no such variant or version, a name that is none, or a
 * variant.yaml that is wrong; CVG_IO. *out is written only on CVG_OK. */
enum cvg_status cvg_model_files_read(const char *models, const char *variant,
                                     struct cvg_model_files *out,
                                     struct cvg_error *err);
void cvg_model_files_free(struct cvg_model_files *files);

#endif

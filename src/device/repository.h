/* The model repository: MODELS/VARIANT/VERSION/model.onnx, the highest version
 * counts (DESIGN.md section 4).
 *
 * Read with care: below MODELS no symbolic link is followed, so that no name
 * and no link leads out of it, and only regular files are opened. */
#ifndef CVG_DEVICE_REPOSITORY_H
#define CVG_DEVICE_REPOSITORY_H

#include <convergo/status.h>
#include <stddef.h>
#include <stdint.h>

struct cvg_model_file {
    void *data; /* owned: cvg_model_file_free() */
    size_t size;
    uint32_t version;
    char *folder; /* of the version, owned; where external data may lie */
};

/* `models` NULL: the box names none, which is an error that says so. CVG_CONFIG
 * or CVG_NOTFOUND: no such variant or version, or a name that is none; CVG_IO.
 * *out is written only on CVG_OK. */
enum cvg_status cvg_model_file_read(const char *models, const char *variant,
                                    struct cvg_model_file *out,
                                    struct cvg_error *err);
void cvg_model_file_free(struct cvg_model_file *file);

#endif

/* ONNX models of one operator, written by hand: what the tests of backends run
 * when there is nothing else. */
#ifndef CVG_TESTS_TINY_MODEL_H
#define CVG_TESTS_TINY_MODEL_H

#include <convergo/device.h>

struct tiny_model {
    /* "Identity": y = x; any other takes x twice. "Add": y = x + x;
     * "GatherElements" (INT64): y[i][k] = x[x[i][k]][k], which fails where an
     * x is no row */
    const char *op;
    enum cvg_type type;
    int64_t batch; /* first dimension; -1: variable */
    int64_t width; /* second dimension; -1: variable; -2: there is none */
};

/* Writes FOLDER/VARIANT/VERSION/model.onnx, its folders included. Input "x",
 * output "y". False: it could not be written. */
bool tiny_model_write(const char *folder, const char *variant, unsigned version,
                      const struct tiny_model *model);
/* The same with these bytes in place of a model. */
bool tiny_file_write(const char *folder, const char *variant, unsigned version,
                     const void *data, size_t size);

/* A new empty folder under TMPDIR or /tmp; `path` has room for 256 bytes. */
bool tiny_folder_make(char *path);
/* Removes it with all that is in it. */
void tiny_folder_remove(const char *path);

#endif

/* Finding and reading a model file, never outside its repository. */
#include "device/repository.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A protobuf message cannot be larger, so neither can a model in one file. */
#define LARGEST_MODEL ((off_t)2 * 1024 * 1024 * 1024 - 1)

/* One step down, only into a real directory. */
static int open_folder(int parent, const char *name)
{
    return openat(parent, name,
                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool is_plain_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

/* "17" -> 17; 0: not a version. */
static uint32_t version_of(const char *name)
{
    size_t length = strspn(name, "0123456789");
    if (length == 0 || length > 9 || name[length] != '\0' || name[0] == '0') {
        return 0;
    }
    return (uint32_t)strtoul(name, NULL, 10);
}

/* The highest version in the folder, 0: none. Takes over `folder`. */
static uint32_t highest_version(int folder)
{
    DIR *dir = fdopendir(folder);
    if (dir == NULL) {
        close(folder);
        return 0;
    }
    uint32_t highest = 0;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        uint32_t version = version_of(e->d_name);
        highest = version > highest ? version : highest;
    }
    closedir(dir);
    return highest;
}

static bool read_all(int file, char *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = read(file, data + at, size - at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false; /* or it has become shorter meanwhile */
        }
        at += (size_t)n;
    }
    return true;
}

static enum cvg_status read_file(int file, const char *path,
                                 struct cvg_model_file *out,
                                 struct cvg_error *err)
{
    struct stat st;
    if (fstat(file, &st) != 0 || !S_ISREG(st.st_mode)) {
        return cvg_fail(err, CVG_IO, "%s: not a regular file", path);
    }
    if (st.st_size == 0 || st.st_size > LARGEST_MODEL) {
        return cvg_fail(err, CVG_CONFIG,
                        "%s: a model has 1 byte to 2 GiB, this has %lld bytes",
                        path, (long long)st.st_size);
    }
    out->size = (size_t)st.st_size;
    out->data = malloc(out->size);
    if (out->data == NULL) {
        return cvg_fail(err, CVG_NOMEM, "%s: no memory for %zu bytes", path,
                        out->size);
    }
    if (!read_all(file, out->data, out->size)) {
        free(out->data);
        return cvg_fail(err, CVG_IO, "%s: cannot be read: %s", path,
                        strerror(errno));
    }
    return CVG_OK;
}

static enum cvg_status read_version(int parent, struct cvg_model_file *out,
                                    struct cvg_error *err)
{
    char name[16];
    snprintf(name, sizeof name, "%u", out->version);
    int folder = open_folder(parent, name);
    int file = folder < 0
                   ? -1
                   : openat(folder, "model.onnx",
                            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int reason = errno;
    enum cvg_status status;
    if (file < 0) {
        status = cvg_fail(err, CVG_NOTFOUND, "%s/model.onnx: %s%s", out->folder,
                          strerror(reason),
                          reason == ELOOP ? " (links are not followed)" : "");
    } else {
        status = read_file(file, out->folder, out, err);
        close(file);
    }
    if (folder >= 0) {
        close(folder);
    }
    return status;
}

static enum cvg_status read_variant(int repository, const char *models,
                                    const char *variant,
                                    struct cvg_model_file *out,
                                    struct cvg_error *err)
{
    int folder = open_folder(repository, variant);
    if (folder < 0) {
        return cvg_fail(err, CVG_NOTFOUND,
                        "%s/%s: no folder of this variant: %s", models, variant,
                        strerror(errno));
    }
    /* A second descriptor: the reader of a directory closes its own. */
    out->version = highest_version(open_folder(folder, "."));
    if (out->version == 0) {
        close(folder);
        return cvg_fail(err, CVG_NOTFOUND,
                        "%s/%s: no version (a folder named 1, 2, ...)", models,
                        variant);
    }
    enum cvg_status status;
    if (asprintf(&out->folder, "%s/%s/%u", models, variant, out->version) < 0) {
        out->folder = NULL;
        status = cvg_fail(err, CVG_NOMEM, "out of memory for a path");
    } else {
        status = read_version(folder, out, err);
    }
    close(folder);
    return status;
}

enum cvg_status cvg_model_file_read(const char *models, const char *variant,
                                    struct cvg_model_file *out,
                                    struct cvg_error *err)
{
    if (models == NULL) {
        return cvg_fail(err, CVG_CONFIG,
                        "%s cannot be loaded: the box names no `models`",
                        variant);
    }
    if (!is_plain_name(variant)) {
        return cvg_fail(err, CVG_CONFIG, "'%s' cannot be a variant's name",
                        variant);
    }
    int repository = open(models, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (repository < 0) {
        return cvg_fail(err, CVG_NOTFOUND, "%s: no model repository: %s",
                        models, strerror(errno));
    }
    struct cvg_model_file file = {0};
    enum cvg_status status =
        read_variant(repository, models, variant, &file, err);
    close(repository);
    if (status != CVG_OK) {
        free(file.folder);
        return status;
    }
    *out = file;
    return CVG_OK;
}

void cvg_model_file_free(struct cvg_model_file *file)
{
    free(file->data);
    free(file->folder);
    *file = (struct cvg_model_file){0};
}

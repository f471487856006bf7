/* Finding and reading a model's files, never outside their repository. */
#include "device/repository.h"

#include "config/config.h"
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
#define LARGEST_YAML ((off_t)1024 * 1024)

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

/* Into out->data, which a NUL follows that `size` does not count. */
static enum cvg_status read_open(int file, off_t largest,
                                 struct cvg_model_file *out,
                                 struct cvg_error *err)
{
    struct stat st;
    if (fstat(file, &st) != 0 || !S_ISREG(st.st_mode)) {
        return cvg_fail(err, CVG_IO, "%s: not a regular file", out->path);
    }
    if (st.st_size == 0 || st.st_size > largest) {
        return cvg_fail(err, CVG_CONFIG,
                        "%s: 1 to %lld bytes are expected, it has %lld",
                        out->path, (long long)largest, (long long)st.st_size);
    }
    out->size = (size_t)st.st_size;
    out->data = malloc(out->size + 1);
    if (out->data == NULL) {
        return cvg_fail(err, CVG_NOMEM, "%s: no memory for %zu bytes",
                        out->path, out->size);
    }
    if (!read_all(file, out->data, out->size)) {
        return cvg_fail(err, CVG_IO, "%s: cannot be read: %s", out->path,
                        strerror(errno));
    }
    ((char *)out->data)[out->size] = '\0';
    return CVG_OK;
}

static void free_file(struct cvg_model_file *file)
{
    free(file->path);
    free(file->data);
    *file = (struct cvg_model_file){0};
}

/* FOLDER/NAME, where `at` is the folder. On failure *out is to be freed too. */
static enum cvg_status read_file(int at, const char *folder, const char *name,
                                 off_t largest, struct cvg_model_file *out,
                                 struct cvg_error *err)
{
    *out = (struct cvg_model_file){0};
    if (asprintf(&out->path, "%s/%s", folder, name) < 0) {
        out->path = NULL;
        return cvg_fail(err, CVG_NOMEM, "out of memory for a path");
    }
    int file = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) {
        int reason = errno;
        return cvg_fail(err, CVG_NOTFOUND, "%s: %s%s", out->path,
                        strerror(reason),
                        reason == ELOOP ? " (links are not followed)" : "");
    }
    enum cvg_status status = read_open(file, largest, out, err);
    close(file);
    return status;
}

/* None without such a file, as plain models are. */
static enum cvg_status read_stages(int variant_folder, const char *path,
                                   struct cvg_variant_file *out,
                                   struct cvg_error *err)
{
    struct cvg_model_file yaml;
    struct cvg_error why = {.status = CVG_OK};
    *out = (struct cvg_variant_file){0};
    enum cvg_status status = read_file(variant_folder, path, "variant.yaml",
                                       LARGEST_YAML, &yaml, &why);
    if (status == CVG_OK) {
        status = cvg_config_parse_variant(yaml.data, yaml.size, yaml.path, out,
                                          &why);
    } else if (faccessat(variant_folder, "variant.yaml", F_OK,
                         AT_SYMLINK_NOFOLLOW) != 0 &&
               errno == ENOENT) {
        status = CVG_OK;
    }
    free_file(&yaml);
    return status == CVG_OK ? CVG_OK : cvg_fail(err, status, "%s", why.text);
}

static enum cvg_status read_version(int version_folder,
                                    const struct cvg_variant_file *variant,
                                    struct cvg_model_files *out,
                                    struct cvg_error *err)
{
    enum cvg_status status = CVG_OK;
    size_t n = variant->n_stages > 0 ? variant->n_stages : 1;
    for (size_t k = 0; k < n && status == CVG_OK; k++) {
        out->n++;
        status =
            read_file(version_folder, out->folder,
                      variant->n_stages > 0 ? variant->stages[k] : "model.onnx",
                      LARGEST_MODEL, &out->stages[k], err);
    }
    return status;
}

static enum cvg_status read_highest(int folder, const char *path,
                                    struct cvg_model_files *out,
                                    struct cvg_error *err)
{
    char name[16];
    struct cvg_variant_file variant;
    /* A second descriptor: the reader of a directory closes its own. */
    out->version = highest_version(open_folder(folder, "."));
    if (out->version == 0) {
        return cvg_fail(err, CVG_NOTFOUND,
                        "%s: no version (a folder named 1, 2, ...)", path);
    }
    snprintf(name, sizeof name, "%u", out->version);
    if (asprintf(&out->folder, "%s/%s", path, name) < 0) {
        out->folder = NULL;
        return cvg_fail(err, CVG_NOMEM, "out of memory for a path");
    }
    int version = open_folder(folder, name);
    if (version < 0) {
        return cvg_fail(err, CVG_NOTFOUND, "%s: %s", out->folder,
                        strerror(errno));
    }
    enum cvg_status status = read_stages(folder, path, &variant, err);
    if (status == CVG_OK) {
        status = read_version(version, &variant, out, err);
        cvg_variant_file_free(&variant);
    }
    close(version);
    return status;
}

static enum cvg_status read_variant(int repository, const char *models,
                                    const char *variant,
                                    struct cvg_model_files *out,
                                    struct cvg_error *err)
{
    char *path = NULL;
    int folder = open_folder(repository, variant);
    if (folder < 0) {
        return cvg_fail(err, CVG_NOTFOUND,
                        "%s/%s: no folder of this variant: %s", models, variant,
                        strerror(errno));
    }
    enum cvg_status status = CVG_NOMEM;
    if (asprintf(&path, "%s/%s", models, variant) < 0) {
        cvg_fail(err, CVG_NOMEM, "out of memory for a path");
    } else {
        status = read_highest(folder, path, out, err);
        free(path);
    }
    close(folder);
    return status;
}

enum cvg_status cvg_model_files_read(const char *models, const char *variant,
                                     struct cvg_model_files *out,
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
    struct cvg_model_files files = {.n = 0};
    enum cvg_status status =
        read_variant(repository, models, variant, &files, err);
    close(repository);
    if (status != CVG_OK) {
        cvg_model_files_free(&files);
        return status;
    }
    *out = files;
    return CVG_OK;
}

void cvg_model_files_free(struct cvg_model_files *files)
{
    for (uint32_t k = 0; k < files->n; k++) {
        free_file(&files->stages[k]);
    }
    free(files->folder);
    *files = (struct cvg_model_files){.n = 0};
}

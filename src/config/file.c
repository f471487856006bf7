/* Whole files into memory, within limits; and where a named file is. */
#include "config/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum cvg_status too_large(const char *path, size_t limit,
                                 struct cvg_error *err)
{
    return cvg_fail(err, CVG_CONFIG, "%.300s: larger than %zu MiB", path,
                    limit >> 20);
}

static enum cvg_status copy_held(const struct cvg_config_file *file,
                                 size_t limit, char **text, size_t *size,
                                 struct cvg_error *err)
{
    if (file->size > limit) {
        return too_large(file->path, limit, err);
    }
    char *copy = malloc(file->size + 1);
    if (copy == NULL) {
        return cvg_fail(err, CVG_NOMEM, "%.300s: out of memory", file->path);
    }
    if (file->size > 0) {
        memcpy(copy, file->text, file->size);
    }
    copy[file->size] = '\0';
    *text = copy;
    *size = file->size;
    return CVG_OK;
}

/* Grows the block so that more can be read into it. */
static enum cvg_status make_room(const char *path, size_t limit, char **text,
                                 size_t *capacity, struct cvg_error *err)
{
    if (*capacity > limit) {
        return too_large(path, limit, err);
    }
    size_t grown = *capacity == 0 ? 16384 : 2 * *capacity;
    if (grown > limit + 1) {
        grown = limit + 1; /* one byte more tells that it is too large */
    }
    char *block = realloc(*text, grown + 1);
    if (block == NULL) {
        return cvg_fail(err, CVG_NOMEM, "%.300s: out of memory", path);
    }
    *text = block;
    *capacity = grown;
    return CVG_OK;
}

static enum cvg_status read_stream(FILE *stream, const char *path, size_t limit,
                                   char **text, size_t *size,
                                   struct cvg_error *err)
{
    size_t capacity = 0;
    *text = NULL;
    *size = 0;
    for (;;) {
        if (*size == capacity) {
            enum cvg_status status =
                make_room(path, limit, text, &capacity, err);
            if (status != CVG_OK) {
                return status;
            }
        }
        size_t n = fread(*text + *size, 1, capacity - *size, stream);
        *size += n;
        if (n == 0) {
            break;
        }
    }
    (*text)[*size] = '\0';
    if (ferror(stream)) {
        return cvg_fail(err, errno == EISDIR ? CVG_CONFIG : CVG_IO,
                        "%.300s: cannot read: %s", path, strerror(errno));
    }
    return CVG_OK;
}

static enum cvg_status read_disk(const char *path, size_t limit, char **text,
                                 size_t *size, struct cvg_error *err)
{
    FILE *stream = fopen(path, "rbe");
    if (stream == NULL) {
        int reason = errno;
        return cvg_fail(err, reason == ENOENT ? CVG_NOTFOUND : CVG_CONFIG,
                        "%.300s: cannot open: %s", path, strerror(reason));
    }
    enum cvg_status status = read_stream(stream, path, limit, text, size, err);
    if (status != CVG_OK) {
        free(*text);
        *text = NULL;
    }
    fclose(stream);
    return status;
}

void cvg_config_texts_free(struct cvg_config_texts *texts)
{
    for (size_t i = 0; i < texts->n; i++) {
        free((char *)texts->items[i].path);
        free((char *)texts->items[i].text);
    }
    free(texts->items);
    *texts = (struct cvg_config_texts){0};
}

static enum cvg_status keep_text(struct cvg_config_texts *texts,
                                 const char *path, const char *text,
                                 size_t size, struct cvg_error *err)
{
    struct cvg_config_file *items =
        realloc(texts->items, (texts->n + 1) * sizeof *items);
    if (items != NULL) {
        texts->items = items;
        struct cvg_config_file *file = &items[texts->n];
        *file = (struct cvg_config_file){strdup(path), malloc(size + 1), size};
        texts->n++;
        if (file->path != NULL && file->text != NULL) {
            memcpy((char *)file->text, text, size + 1);
            return CVG_OK;
        }
    }
    return cvg_fail(err, CVG_NOMEM, "%.300s: out of memory", path);
}

static enum cvg_status read_and_keep(const struct cvg_files *files,
                                     const char *path, size_t limit,
                                     char **text, size_t *size,
                                     struct cvg_error *err)
{
    enum cvg_status status = read_disk(path, limit, text, size, err);
    if (status == CVG_OK && files->keep != NULL) {
        status = keep_text(files->keep, path, *text, *size, err);
        if (status != CVG_OK) {
            free(*text);
            *text = NULL;
        }
    }
    return status;
}

enum cvg_status cvg__read_file(const struct cvg_files *files, const char *path,
                               size_t limit, char **text, size_t *size,
                               struct cvg_error *err)
{
    for (size_t i = 0; i < files->n; i++) {
        const struct cvg_config_file *file = &files->items[i];
        if (file->text != NULL && strcmp(file->path, path) == 0) {
            return copy_held(file, limit, text, size, err);
        }
    }
    if (files->n == 1) {
        return read_and_keep(files, path, limit, text, size, err);
    }
    return cvg_fail(err, CVG_NOTFOUND, "%.300s: cannot open: not given", path);
}

char *cvg__resolve_path(const char *base, const char *name)
{
    const char *slash = base != NULL ? strrchr(base, '/') : NULL;
    if (name[0] == '/' || slash == NULL) {
        return strdup(name);
    }
    size_t folder = (size_t)(slash - base) + 1;
    char *path = malloc(folder + strlen(name) + 1);
    if (path != NULL) {
        memcpy(path, base, folder);
        memcpy(path + folder, name, strlen(name) + 1);
    }
    return path;
}

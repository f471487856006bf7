/* A labelled set: 16-byte header ("CVGDATA1", u32 count, u32 bytes per item),
 * the items, then one i32 label each, little endian. */
#include "config/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER 16U
#define LABEL 4U

static uint32_t read_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static enum cvg_status system_failed(const char *path, const char *what,
                                     struct cvg_error *err)
{
    int reason = errno;
    enum cvg_status status = reason == ENOENT ? CVG_NOTFOUND : CVG_CONFIG;
    cvg_fail(err, status, "%.300s: cannot %s: %s", path, what,
             strerror(reason));
    return status;
}

static enum cvg_status map_file(int file, const char *path,
                                struct cvg_dataset *out, struct cvg_error *err)
{
    struct stat info;
    if (fstat(file, &info) != 0) {
        return system_failed(path, "stat", err);
    }
    if (!S_ISREG(info.st_mode)) {
        return cvg_fail(err, CVG_CONFIG, "%.300s: it is no regular file", path);
    }
    if (info.st_size < (off_t)HEADER) {
        return cvg_fail(err, CVG_CONFIG,
                        "%.300s: %lld bytes: too short for a dataset, whose "
                        "header alone has %u",
                        path, (long long)info.st_size, HEADER);
    }
    out->map_size = (size_t)info.st_size;
    out->map = mmap(NULL, out->map_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (out->map == MAP_FAILED) {
        out->map = NULL;
        return system_failed(path, "map", err);
    }
    return CVG_OK;
}

static enum cvg_status read_header(const char *path, struct cvg_dataset *out,
                                   struct cvg_error *err)
{
    const unsigned char *bytes = out->map;
    if (memcmp(bytes, "CVGDATA1", 8) != 0) {
        return cvg_fail(err, CVG_CONFIG,
                        "%.300s: it is no dataset: it does not begin with "
                        "CVGDATA1",
                        path);
    }
    out->count = read_u32(bytes + 8);
    out->item_bytes = read_u32(bytes + 12);
    if (out->count == 0 || out->item_bytes == 0) {
        return cvg_fail(err, CVG_CONFIG,
                        "%.300s: %u items of %u bytes: neither may be 0", path,
                        out->count, out->item_bytes);
    }
    /* At most 2^32 x (2^32 + 4): fits. */
    unsigned __int128 size = HEADER + (unsigned __int128)out->count *
                                          ((uint64_t)out->item_bytes + LABEL);
    if (size != out->map_size) {
        return cvg_fail(err, CVG_CONFIG,
                        "%.300s: %zu bytes, but %u items of %u bytes with "
                        "their labels take %.0f",
                        path, out->map_size, out->count, out->item_bytes,
                        (double)size);
    }
    out->items = bytes + HEADER;
    out->labels = out->items + (size_t)out->count * out->item_bytes;
    return CVG_OK;
}

enum cvg_status cvg_dataset_open(const char *path, struct cvg_dataset *out,
                                 struct cvg_error *err)
{
    *out = (struct cvg_dataset){.map = NULL};
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        return system_failed(path, "open", err);
    }
    enum cvg_status status = map_file(file, path, out, err);
    close(file);
    if (status == CVG_OK) {
        status = read_header(path, out, err);
    }
    if (status != CVG_OK) {
        cvg_dataset_close(out);
    }
    return status;
}

void cvg_dataset_close(struct cvg_dataset *dataset)
{
    if (dataset->map != NULL) {
        munmap(dataset->map, dataset->map_size);
    }
    *dataset = (struct cvg_dataset){.map = NULL};
}

int32_t cvg_dataset_label(const struct cvg_dataset *dataset, uint32_t index)
{
    return (int32_t)read_u32(dataset->labels + (size_t)index * LABEL);
}

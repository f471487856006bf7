/* The frame of a record. */
#include "record/block.h"

#include <string.h>

static const unsigned char magic[8] = "CVGRECRD";
static const unsigned char marker[4] = "CVGB";

static void put_u32(unsigned char *out, uint32_t x)
{
    for (unsigned i = 0; i < 4; i++) {
        out[i] = (unsigned char)(x >> 8 * i);
    }
}

static uint32_t get_u32(const unsigned char *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 |
           (uint32_t)in[3] << 24;
}

void cvg__prefix_write(const struct cvg_crc32 *crc,
                       unsigned char out[CVG__RECORD_PREFIX])
{
    memcpy(out, magic, sizeof magic);
    put_u32(out + 8, CVG__RECORD_VERSION);
    put_u32(out + 12, cvg_crc32_of(crc, out, 12));
}

enum cvg__prefix cvg__prefix_read(const struct cvg_crc32 *crc,
                                  const unsigned char *bytes, size_t size,
                                  uint32_t *version)
{
    if (size < CVG__RECORD_PREFIX || memcmp(bytes, magic, sizeof magic) != 0 ||
        get_u32(bytes + 12) != cvg_crc32_of(crc, bytes, 12)) {
        return CVG__PREFIX_NONE;
    }
    *version = get_u32(bytes + 8);
    return *version == CVG__RECORD_VERSION ? CVG__PREFIX_OK
                                           : CVG__PREFIX_VERSION;
}

void cvg__block_seal(const struct cvg_crc32 *crc,
                     const struct cvg__block *block,
                     unsigned char out[CVG__BLOCK_HEADER])
{
    memcpy(out, marker, sizeof marker);
    put_u32(out + 4, block->number);
    put_u32(out + 8, block->kind);
    put_u32(out + 12, block->size);
    put_u32(out + 16, cvg_crc32_of(crc, out + CVG__BLOCK_HEADER, block->size));
    put_u32(out + 20, cvg_crc32_of(crc, out, 20));
}

bool cvg__block_open(const struct cvg_crc32 *crc, const unsigned char *bytes,
                     size_t left, struct cvg__block *block)
{
    if (left < CVG__BLOCK_HEADER || memcmp(bytes, marker, sizeof marker) != 0 ||
        get_u32(bytes + 20) != cvg_crc32_of(crc, bytes, 20)) {
        return false;
    }
    *block = (struct cvg__block){.number = get_u32(bytes + 4),
                                 .kind = get_u32(bytes + 8),
                                 .size = get_u32(bytes + 12)};
    return block->size <= left - CVG__BLOCK_HEADER &&
           get_u32(bytes + 16) ==
               cvg_crc32_of(crc, bytes + CVG__BLOCK_HEADER, block->size);
}

size_t cvg__block_find(const struct cvg_crc32 *crc, const unsigned char *bytes,
                       size_t from, size_t size)
{
    struct cvg__block block;
    while (from < size) {
        const unsigned char *at = memchr(bytes + from, marker[0], size - from);
        if (at == NULL) {
            break;
        }
        from = (size_t)(at - bytes);
        if (cvg__block_open(crc, at, size - from, &block)) {
            return from;
        }
        from++;
    }
    return size;
}

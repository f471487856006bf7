/* CRC-32, the one of zlib, PNG and Ethernet (polynomial 0xedb88320).
 *
 * Eight tables, so that eight bytes are taken in a round (Kounavis and Berry,
 * "A Systematic Approach to Building High Performance Software-based CRC
 * Generators", ISCC 2005). */
#ifndef CVG_BASE_CRC32_H
#define CVG_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

struct cvg_crc32 {
    uint32_t table[8][256];
};

void cvg_crc32_init(struct cvg_crc32 *crc);

uint32_t cvg_crc32_of(const struct cvg_crc32 *crc, const void *data,
                      size_t size);

#endif

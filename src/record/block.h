/* The frame of a record: 16 bytes that say what the file is, then blocks.
 *
 * A block is a header of 24 bytes and its payload; a CRC over each. Blocks are
 * only ever appended, so what a kill leaves is a whole number of blocks and at
 * most one that is not whole. */
#ifndef CVG_RECORD_BLOCK_H
#define CVG_RECORD_BLOCK_H

#include "base/crc32.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CVG__RECORD_VERSION 5U
#define CVG__RECORD_PREFIX 16U
#define CVG__BLOCK_HEADER 24U

enum cvg__block_kind {
    CVG__BLOCK_HEAD = 1, /* the first one: what decided */
    CVG__BLOCK_STEPS,    /* events and actions */
    CVG__BLOCK_END       /* the last one: why it ends */
};

struct cvg__block {
    uint32_t number; /* from 0 */
    uint32_t kind;
    uint32_t size; /* of the payload */
};

void cvg__prefix_write(const struct cvg_crc32 *crc,
                       unsigned char out[CVG__RECORD_PREFIX]);
enum cvg__prefix { CVG__PREFIX_OK, CVG__PREFIX_NONE, CVG__PREFIX_VERSION };
/* *version: what it says, if it is a record. */
enum cvg__prefix cvg__prefix_read(const struct cvg_crc32 *crc,
                                  const unsigned char *bytes, size_t size,
                                  uint32_t *version);

/* `out` is the header; its payload of block->size bytes follows it already. */
void cvg__block_seal(const struct cvg_crc32 *crc,
                     const struct cvg__block *block,
                     unsigned char out[CVG__BLOCK_HEADER]);
/* Is there a whole, undamaged block in these `left` bytes? */
bool cvg__block_open(const struct cvg_crc32 *crc, const unsigned char *bytes,
                     size_t left, struct cvg__block *block);
/* The first whole block at or after `from`; `size`: there is none. */
size_t cvg__block_find(const struct cvg_crc32 *crc, const unsigned char *bytes,
                       size_t from, size_t size);

#endif

/* A record's inside, for the files of this folder. */
#ifndef CVG_RECORD_READER_H
#define CVG_RECORD_READER_H

#include "base/crc32.h"
#include "record/record.h"
#include "record/steps.h"

struct cvg_record {
    char *path;
    const unsigned char *bytes;
    size_t size, whole; /* of it, up to the end of the last whole block */
    void *map;          /* NULL: the bytes are borrowed */
    struct cvg_crc32 crc;
    enum cvg_record_end end;
    struct cvg_record_head head;
    struct cvg_box *box;
    struct cvg_policy policy;
    struct cvg_shared_sets sets; /* of conditions in its events */
    size_t first;                /* block after the head */

    size_t next_block;
    struct cvg_codec codec;
    struct cvg_code_step step;
    struct cvg_recorded_step recorded;
    /* Of this step: what the codec knew before the actions, and their bytes. */
    struct cvg_code_last before_actions;
    const unsigned char *actions_at;
};

#endif

/* The head of a record: all that decides beside the events. */
#ifndef CVG_RECORD_HEAD_H
#define CVG_RECORD_HEAD_H

#include "record/record.h"

/* Bytes that it takes at most; and these. Returns the end. */
size_t cvg__head_room(const struct cvg_record_options *options,
                      const struct cvg_engine *engine);
unsigned char *cvg__head_write(unsigned char *out,
                               const struct cvg_record_options *options,
                               const struct cvg_engine *engine);

/* Any status: the caller calls cvg__head_fini(). CVG_CONFIG: it is none. */
enum cvg_status cvg__head_read(const unsigned char *in, size_t size,
                               struct cvg_record_head *out);
void cvg__head_fini(struct cvg_record_head *head);

#endif

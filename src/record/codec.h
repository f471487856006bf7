/* Numbers as bytes, and back.
 *
 * One description serves both directions: a function names the fields of a
 * thing in their order, and the codec writes them or reads them. Numbers are
 * varints (LEB128; signed ones by zigzag), reals are the eight bytes of an
 * IEEE 754 double, little endian. Instants and ids are written as differences
 * to the one before, so they are mostly one to three bytes.
 *
 * Reading trusts nothing: what cannot be sets `bad`, and indices are in range.
 * docs/record.md has the format for people. */
#ifndef CVG_RECORD_CODEC_H
#define CVG_RECORD_CODEC_H

#include "config/shared_sets.h"
#include <convergo/engine.h>

/* No instant and no length of time in a record is as large as that, so sums of
 * two do not overflow. */
#define CVG__CODE_TIME_MAX (INT64_C(1) << 62)

struct cvg_code_last { /* what differences are taken to */
    cvg_time at;
    uint64_t request, batch;
    struct cvg_reply reply;
};

struct cvg_codec {
    const struct cvg_box *box; /* its sizes: counts of arrays, and limits */
    unsigned char *out;        /* writing: there is room; NULL: reading ... */
    const unsigned char *in, *end; /* ... from here */
    bool bad;                      /* it cannot be read */
    struct cvg_shared_sets *sets;  /* reading: conditions, for as long as the
                                    * record is open */
    struct cvg_code_last last;
};

/* Simple things. Counts below `limit`, when read. */
void cvg__code_byte(struct cvg_codec *c, uint8_t *x);
void cvg__code_count(struct cvg_codec *c, uint64_t *x, uint64_t limit);
void cvg__code_u32(struct cvg_codec *c, uint32_t *x, uint64_t limit);
void cvg__code_signed(struct cvg_codec *c, int64_t *x);
void cvg__code_real(struct cvg_codec *c, double *x);
/* A real that decisions are worked out from: no driver gives one above 1e15. */
void cvg__code_finite(struct cvg_codec *c, double *x);
void cvg__code_flag(struct cvg_codec *c, bool *x);
/* A name out of a list of so many. */
uint32_t cvg__code_kind(struct cvg_codec *c, uint32_t kind, uint32_t count);
/* An index, or CVG_ANY. */
void cvg__code_or_any(struct cvg_codec *c, uint32_t *x, size_t limit);
/* 0 or more. */
void cvg__code_span(struct cvg_codec *c, cvg_span *x);
/* As its difference to `last`, in a circle: any number can be written. */
void cvg__code_id(struct cvg_codec *c, uint64_t *x, uint64_t *last);
/* As its difference to the instant of the step. */
void cvg__code_instant(struct cvg_codec *c, cvg_time *x);
/* How many things follow, of at least `each` bytes. */
void cvg__code_length(struct cvg_codec *c, uint32_t *n, size_t each);

#endif

/* Numbers as bytes, and back. */
#include "record/codec.h"

#include <math.h>
#include <string.h>

#define LARGEST_REAL 1e15

void cvg__code_byte(struct cvg_codec *c, uint8_t *x)
{
    if (c->out != NULL) {
        *c->out++ = *x;
    } else if (c->in < c->end) {
        *x = *c->in++;
    } else {
        *x = 0;
        c->bad = true;
    }
}

static void write_varint(struct cvg_codec *c, uint64_t x)
{
    for (; x >= 0x80; x >>= 7) {
        *c->out++ = (unsigned char)(x | 0x80);
    }
    *c->out++ = (unsigned char)x;
}

static uint64_t read_varint(struct cvg_codec *c)
{
    uint64_t x = 0;
    for (unsigned shift = 0; shift < 64 && c->in < c->end; shift += 7) {
        uint64_t byte = *c->in++;
        x |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (shift == 63 && byte > 1) {
                break;
            }
            return x;
        }
    }
    c->bad = true;
    return 0;
}

void cvg__code_count(struct cvg_codec *c, uint64_t *x, uint64_t limit)
{
    if (c->out != NULL) {
        write_varint(c, *x);
        return;
    }
    *x = read_varint(c);
    if (*x >= limit) {
        *x = 0;
        c->bad = true;
    }
}

void cvg__code_u32(struct cvg_codec *c, uint32_t *x, uint64_t limit)
{
    uint64_t wide = *x;
    cvg__code_count(c, &wide, limit < UINT32_MAX ? limit : UINT32_MAX);
    *x = (uint32_t)wide;
}

/* Small of either sign: 0, -1, 1, -2, ... become 0, 1, 2, 3, ... */
void cvg__code_signed(struct cvg_codec *c, int64_t *x)
{
    if (c->out != NULL) {
        uint64_t bits = (uint64_t)*x;
        write_varint(c, *x < 0 ? ~(bits << 1) : bits << 1);
        return;
    }
    uint64_t bits = read_varint(c);
    *x = (int64_t)((bits & 1) != 0 ? ~(bits >> 1) : bits >> 1);
}

static uint64_t read_le64(struct cvg_codec *c)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < 8; i++) {
        bits |= (uint64_t)c->in[i] << 8 * i;
    }
    c->in += 8;
    return bits;
}

void cvg__code_real(struct cvg_codec *c, double *x)
{
    uint64_t bits = 0;
    if (c->out != NULL) {
        memcpy(&bits, x, sizeof bits);
        for (unsigned i = 0; i < 8; i++) {
            *c->out++ = (unsigned char)(bits >> 8 * i);
        }
        return;
    }
    if (c->end - c->in < 8) {
        c->bad = true;
    } else {
        bits = read_le64(c);
    }
    memcpy(x, &bits, sizeof bits);
    if (isnan(*x)) {
        *x = 0;
        c->bad = true;
    }
}

void cvg__code_finite(struct cvg_codec *c, double *x)
{
    cvg__code_real(c, x);
    if (c->out == NULL && !(fabs(*x) <= LARGEST_REAL)) {
        *x = 0;
        c->bad = true;
    }
}

void cvg__code_flag(struct cvg_codec *c, bool *x)
{
    uint8_t byte = *x;
    cvg__code_byte(c, &byte);
    c->bad = c->bad || byte > 1;
    *x = byte != 0;
}

uint32_t cvg__code_kind(struct cvg_codec *c, uint32_t kind, uint32_t count)
{
    uint8_t byte = (uint8_t)kind;
    cvg__code_byte(c, &byte);
    if (byte >= count) {
        byte = 0;
        c->bad = true;
    }
    return byte;
}

void cvg__code_or_any(struct cvg_codec *c, uint32_t *x, size_t limit)
{
    uint32_t next = *x + 1;
    cvg__code_u32(c, &next, limit + 1);
    *x = next - 1;
}

void cvg__code_span(struct cvg_codec *c, cvg_span *x)
{
    uint64_t wide = (uint64_t)*x;
    cvg__code_count(c, &wide, (uint64_t)CVG__CODE_TIME_MAX);
    *x = (cvg_span)wide;
}

void cvg__code_id(struct cvg_codec *c, uint64_t *x, uint64_t *last)
{
    int64_t step = (int64_t)(*x - *last);
    cvg__code_signed(c, &step);
    *x = *last + (uint64_t)step;
    *last = *x;
}

void cvg__code_instant(struct cvg_codec *c, cvg_time *x)
{
    uint64_t last = (uint64_t)c->last.at;
    uint64_t wide = (uint64_t)*x;
    cvg__code_id(c, &wide, &last);
    *x = (cvg_time)wide;
}

void cvg__code_length(struct cvg_codec *c, uint32_t *n, size_t each)
{
    uint64_t limit =
        c->out != NULL ? UINT64_MAX : (uint64_t)(c->end - c->in) / each + 1;
    cvg__code_u32(c, n, limit);
}

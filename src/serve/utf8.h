/* UTF-8, as RFC 3629 has it: no overlong forms, no surrogates. */
#ifndef CVG_SERVE_UTF8_H
#define CVG_SERVE_UTF8_H

#include <stddef.h>

/* Bytes of the character at `s`, 0 if there is no valid one in `n` bytes. */
static inline size_t cvg__utf8_length(const unsigned char *s, size_t n)
{
    if (n == 0) {
        return 0;
    }
    unsigned c = s[0];
    if (c < 0x80) {
        return 1;
    }
    size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || n < length) {
        return 0;
    }
    unsigned low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

#endif

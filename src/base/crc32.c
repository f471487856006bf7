/* CRC-32 by tables. */
#include "base/crc32.h"

void cvg_crc32_init(struct cvg_crc32 *crc)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++) {
            sum = (sum & 1U) != 0 ? sum >> 1 ^ 0xedb88320U : sum >> 1;
        }
        crc->table[0][byte] = sum;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int k = 1; k < 8; k++) {
            uint32_t before = crc->table[k - 1][byte];
            crc->table[k][byte] = before >> 8 ^ crc->table[0][before & 0xffU];
        }
    }
}

static uint32_t load(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

uint32_t cvg_crc32_of(const struct cvg_crc32 *crc, const void *data,
                      size_t size)
{
    const unsigned char *p = data;
    uint32_t sum = 0xffffffffU;
    for (; size >= 8; size -= 8, p += 8) {
        uint32_t low = load(p) ^ sum;
        uint32_t high = load(p + 4);
        sum = crc->table[7][low & 0xffU] ^ crc->table[6][low >> 8 & 0xffU] ^
              crc->table[5][low >> 16 & 0xffU] ^ crc->table[4][low >> 24] ^
              crc->table[3][high & 0xffU] ^ crc->table[2][high >> 8 & 0xffU] ^
              crc->table[1][high >> 16 & 0xffU] ^ crc->table[0][high >> 24];
    }
    for (; size > 0; size--, p++) {
        sum = sum >> 8 ^ crc->table[0][(sum ^ *p) & 0xffU];
    }
    return sum ^ 0xffffffffU;
}

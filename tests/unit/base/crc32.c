/* The checksum is the one that everybody knows, at every length. */
#include "base/crc32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void known_values(void **state)
{
    (void)state;
    struct cvg_crc32 crc;
    cvg_crc32_init(&crc);
    assert_int_equal(cvg_crc32_of(&crc, "", 0), 0);
    assert_int_equal(cvg_crc32_of(&crc, "a", 1), 0xe8b7be43U);
    /* The check value of the catalogue of CRCs. */
    assert_int_equal(cvg_crc32_of(&crc, "123456789", 9), 0xcbf43926U);
    static const char fox[] = "The quick brown fox jumps over the lazy dog";
    assert_int_equal(cvg_crc32_of(&crc, fox, strlen(fox)), 0x414fa339U);
}

/* Bit by bit, from the definition. */
static uint32_t slowly(const unsigned char *p, size_t size)
{
    uint32_t sum = 0xffffffffU;
    for (size_t i = 0; i < size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            uint32_t in = (sum ^ (uint32_t)(p[i] >> bit)) & 1U;
            sum = sum >> 1 ^ (in != 0 ? 0xedb88320U : 0);
        }
    }
    return ~sum;
}

static void every_length_agrees_with_the_definition(void **state)
{
    (void)state;
    struct cvg_crc32 crc;
    unsigned char bytes[100];
    cvg_crc32_init(&crc);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * 73 + 11);
    }
    for (size_t n = 0; n <= sizeof bytes; n++) {
        assert_int_equal(cvg_crc32_of(&crc, bytes, n), slowly(bytes, n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(every_length_agrees_with_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Messages about places in files, and whether a file is text at all. */
#include "config/source.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 sequence at `s`, of at most `n`; 0: it is none. */
static size_t utf8_length(const unsigned char *s, size_t n)
{
    size_t length = s[0] < 0x80   ? 1
                    : s[0] < 0xc2 ? 0
                    : s[0] < 0xe0 ? 2
                    : s[0] < 0xf0 ? 3
                    : s[0] < 0xf5 ? 4
                                  : 0;
    if (length == 0 || length > n) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* Longer than needed, a surrogate, or beyond U+10FFFF. */
    bool bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
               (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : length;
}

/* A message stays one line of UTF-8, whatever was in the file and wherever a
 * value was cut off. */
static void make_printable(char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        unsigned char *s = (unsigned char *)text;
        size_t length = utf8_length(s, left);
        if (length == 0 || *s < 0x20 || *s == 0x7f) {
            *s = '?';
            length = 1;
        }
        text += length;
        left -= length;
    }
}

/* The end of a very long path tells more than its beginning, and must not push
 * the message out. */
#define PATH_SHOWN 200U

static void write_message(char *out, size_t size, const char *path,
                          struct cvg_place at, const char *format, va_list args)
{
    size_t length = strlen(path);
    const char *dots = length > PATH_SHOWN ? "..." : "";
    const char *shown = length > PATH_SHOWN ? path + length - PATH_SHOWN : path;
    int n = at.line > 0 ? snprintf(out, size, "%s%s:%u:%u: ", dots, shown,
                                   at.line, at.column)
                        : snprintf(out, size, "%s%s: ", dots, shown);
    size_t used = n > 0 ? (size_t)n : 0;
    if (used < size) {
        vsnprintf(out + used, size - used, format, args);
    }
    make_printable(out);
}

enum cvg_status cvg__source_fail(const struct cvg_source *source,
                                 struct cvg_place at, const char *format, ...)
{
    if (source->err != NULL) {
        va_list args;
        va_start(args, format);
        write_message(source->err->text, sizeof source->err->text, source->path,
                      at, format, args);
        va_end(args);
        source->err->status = CVG_CONFIG;
    }
    return CVG_CONFIG;
}

enum cvg_status cvg__source_nomem(const struct cvg_source *source)
{
    return cvg_fail(source->err, CVG_NOMEM, "%.400s: out of memory",
                    source->path);
}

void cvg__source_warn(const struct cvg_source *source,
                      const struct cvg_config_notes *notes, struct cvg_place at,
                      const char *format, ...)
{
    if (notes == NULL || notes->warn == NULL) {
        return;
    }
    char text[sizeof source->err->text];
    va_list args;
    va_start(args, format);
    write_message(text, sizeof text, source->path, at, format, args);
    va_end(args);
    notes->warn(notes->context, text);
}

static bool is_control(unsigned char c)
{
    return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

enum cvg_status cvg__check_text(const struct cvg_source *source,
                                const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    struct cvg_place at = {1, 1};
    for (size_t i = 0; i < size;) {
        size_t length = utf8_length(s + i, size - i);
        if (length == 0) {
            return cvg__source_fail(source, at, "byte 0x%02x is no UTF-8 text",
                                    s[i]);
        }
        if (is_control(s[i])) {
            return cvg__source_fail(
                source, at, "control character 0x%02x in the text", s[i]);
        }
        at.line += s[i] == '\n';
        at.column = s[i] == '\n' ? 1 : at.column + 1;
        i += length;
    }
    return CVG_OK;
}

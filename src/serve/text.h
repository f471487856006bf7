/* A growing piece of text: replies are built in one buffer and leave in one
 * write. Out of memory is remembered, not reported by each call: ask once, at
 * the end, with cvg__text_ok(). */
#ifndef CVG_SERVE_TEXT_H
#define CVG_SERVE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cvg_text {
    char *data; /* owned; not terminated */
    size_t len, cap;
    bool failed;
};

void cvg__text_fini(struct cvg_text *t);
/* Empties it and keeps at most `keep` bytes of its memory for the next use. */
void cvg__text_reset(struct cvg_text *t, size_t keep);
bool cvg__text_ok(const struct cvg_text *t);
/* Room for `n` more bytes at the end; NULL: no memory (and failed). */
char *cvg__text_reserve(struct cvg_text *t, size_t n);

void cvg__text_grow_add(struct cvg_text *t, const void *bytes, size_t n);

static inline void cvg__text_add(struct cvg_text *t, const void *bytes,
                                 size_t n)
{
    if (n <= t->cap - t->len && n > 0) {
        memcpy(t->data + t->len, bytes, n);
        t->len += n;
    } else {
        cvg__text_grow_add(t, bytes, n);
    }
}

/* Inline, so that the length of a literal is known when it is compiled. */
static inline void cvg__text_str(struct cvg_text *t, const char *s)
{
    cvg__text_add(t, s, strlen(s));
}

void cvg__text_u64(struct cvg_text *t, uint64_t value);
void cvg__text_i64(struct cvg_text *t, int64_t value);
/* Shortest text that reads back as the same number; not finite: null. */
void cvg__text_f32(struct cvg_text *t, float value);
void cvg__text_f64(struct cvg_text *t, double value);
/* `decimals` (0..6) places, for figures that are measured: 12.345. */
void cvg__text_fixed(struct cvg_text *t, double value, unsigned decimals);
/* A JSON string with quotes; bytes that are not UTF-8 become '?'. */
void cvg__text_json(struct cvg_text *t, const char *s);
void cvg__text_format(struct cvg_text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif

/* The head of a record, in both directions by one description. */
#include "record/head.h"

#include "record/codec.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#ifndef CVG_VERSION
#define CVG_VERSION "0.1.0"
#endif
#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif
#ifdef __OPTIMIZE__
#define OPTIMISED "optimised"
#else
#define OPTIMISED "unoptimised"
#endif

/* Sums of doubles may differ by compiler and machine. */
static const char build[] = COMPILER ", " OPTIMISED;

#define MOST_FILES 4096U
/* Sizes of arrays come from these: no head makes a program ask for more. */
#define MOST_ENDED_KEPT (1U << 24)
#define MOST_DROPS (1U << 20)
#define LONGEST_DEADLINE (CVG_S(86400) * 400)

/* --- texts ---------------------------------------------------------------- */

struct text { /* owned when read */
    char *data;
    size_t size;
};

static void code_text(struct cvg_codec *c, struct text *t, bool *no_memory)
{
    uint64_t size = t->size;
    uint64_t limit =
        c->out != NULL ? UINT64_MAX : (uint64_t)(c->end - c->in) + 1;
    cvg__code_count(c, &size, limit);
    t->size = size;
    if (c->out != NULL) {
        if (t->data != NULL) { /* an empty file may have no text */
            memcpy(c->out, t->data, size);
            c->out += size;
        }
        return;
    }
    if (c->bad || size > (uint64_t)(c->end - c->in)) {
        c->bad = true;
        return;
    }
    t->data = malloc(size + 1);
    *no_memory = *no_memory || t->data == NULL;
    if (t->data != NULL) {
        memcpy(t->data, c->in, size);
        t->data[size] = '\0';
    }
    c->in += size;
}

static bool is_control(char x)
{
    return (unsigned char)x < 0x20 || x == 0x7f;
}

static void write_name(struct cvg_codec *c, const char *name)
{
    uint64_t size = strlen(name);
    cvg__code_count(c, &size, UINT64_MAX);
    for (size_t i = 0; i < size; i++) {
        *c->out++ = (unsigned char)(is_control(name[i]) ? '?' : name[i]);
    }
}

/* A text that may be shown on a terminal, wherever the record comes from. */
static void code_name(struct cvg_codec *c, char **name, bool *no_memory)
{
    if (c->out != NULL) {
        write_name(c, *name != NULL ? *name : "");
        return;
    }
    struct text t = {NULL, 0};
    code_text(c, &t, no_memory);
    *name = t.data;
    for (size_t i = 0; t.data != NULL && i < t.size; i++) {
        c->bad = c->bad || is_control(t.data[i]);
    }
}

/* --- options of the engine ------------------------------------------------ */

static void code_number(struct cvg_codec *c, uint64_t *x)
{
    cvg__code_count(c, x, UINT64_MAX);
}

static void code_time(struct cvg_codec *c, cvg_time *x)
{
    cvg__code_signed(c, x);
    c->bad =
        c->bad || (*x != CVG_NEVER && (*x < 0 || *x >= CVG__CODE_TIME_MAX));
}

static void code_options(struct cvg_codec *c, struct cvg_engine_options *o)
{
    code_number(c, &o->seed);
    code_time(c, &o->start);
    code_time(c, &o->measure_from);
    code_time(c, &o->measure_until);
    code_time(c, &o->largest_deadline);
    cvg__code_u32(c, &o->ended_kept, UINT32_MAX);
    cvg__code_u32(c, &o->drops_per_step, UINT32_MAX);
    cvg__code_u32(c, &o->attempts, UINT32_MAX);
}

static bool sensible(const struct cvg_engine_options *o)
{
    return o->start != CVG_NEVER && o->measure_from != CVG_NEVER &&
           o->largest_deadline <= LONGEST_DEADLINE &&
           o->ended_kept <= MOST_ENDED_KEPT && o->drops_per_step <= MOST_DROPS;
}

/* --- the whole ------------------------------------------------------------ */

static void code_files(struct cvg_codec *c, struct cvg_config_texts *texts,
                       bool *no_memory)
{
    uint64_t n = texts->n;
    cvg__code_count(c, &n, MOST_FILES);
    if (c->out == NULL) {
        texts->items = calloc(n + 1, sizeof *texts->items);
        *no_memory = *no_memory || texts->items == NULL;
        if (texts->items == NULL) {
            return;
        }
        texts->n = n;
    }
    for (size_t i = 0; i < n && !c->bad; i++) {
        struct text text = {(char *)texts->items[i].text, texts->items[i].size};
        char *path = (char *)texts->items[i].path;
        code_name(c, &path, no_memory);
        code_text(c, &text, no_memory);
        if (c->out == NULL) {
            texts->items[i] =
                (struct cvg_config_file){path, text.data, text.size};
        }
    }
}

static void code_head(struct cvg_codec *c, struct cvg_record_head *h,
                      bool *no_memory)
{
    uint8_t joint = h->joint;
    code_name(c, &h->version, no_memory);
    code_name(c, &h->build, no_memory);
    code_name(c, &h->mode, no_memory);
    code_name(c, &h->policy, no_memory);
    for (int i = 0; i < 4; i++) {
        code_name(c, &h->parts[i], no_memory);
    }
    cvg__code_byte(c, &joint);
    h->joint = joint != 0;
    cvg__code_signed(c, &h->began_unix);
    code_options(c, &h->options);
    code_files(c, &h->texts, no_memory);
}

/* Borrowed throughout; of the machine it only says what it is. */
static struct cvg_record_head head_of(const struct cvg_record_options *options,
                                      const struct cvg_engine *engine,
                                      char *build_text, size_t size)
{
    const struct cvg_engine_options *o = cvg_engine_options(engine);
    const struct cvg_policy *p = o->policy;
    struct utsname machine;
    bool known = uname(&machine) == 0;
    (void)snprintf(build_text, size, "%s, %s", build,
                   known ? machine.machine : "unknown machine");
    return (struct cvg_record_head){
        .version = CVG_VERSION,
        .build = build_text,
        .mode = (char *)options->mode,
        .policy = options->policy != NULL ? (char *)options->policy : "",
        .parts = {(char *)p->allocation->name, (char *)p->order->name,
                  (char *)p->batching->name, (char *)p->exits->name},
        .joint = p->joint,
        .began_unix = options->began_unix,
        .options = *o,
        .texts = *options->texts,
    };
}

static size_t name_room(const char *name)
{
    return strlen(name) + 10;
}

size_t cvg__head_room(const struct cvg_record_options *options,
                      const struct cvg_engine *engine)
{
    char text[256];
    struct cvg_record_head h = head_of(options, engine, text, sizeof text);
    size_t room = name_room(h.version) + name_room(h.build) +
                  name_room(h.mode) + name_room(h.policy) + 256;
    for (int i = 0; i < 4; i++) {
        room += name_room(h.parts[i]);
    }
    for (size_t i = 0; i < h.texts.n; i++) {
        room += name_room(h.texts.items[i].path) + h.texts.items[i].size + 10;
    }
    return room;
}

unsigned char *cvg__head_write(unsigned char *out,
                               const struct cvg_record_options *options,
                               const struct cvg_engine *engine)
{
    char text[256];
    bool no_memory = false;
    struct cvg_codec c = {.out = out};
    struct cvg_record_head h = head_of(options, engine, text, sizeof text);
    code_head(&c, &h, &no_memory);
    return c.out;
}

enum cvg_status cvg__head_read(const unsigned char *in, size_t size,
                               struct cvg_record_head *out)
{
    bool no_memory = false;
    struct cvg_codec c = {.in = in, .end = in + size};
    *out = (struct cvg_record_head){.joint = false};
    code_head(&c, out, &no_memory);
    if (no_memory) {
        return CVG_NOMEM;
    }
    /* A single file would have the others looked for on this disk. */
    return c.bad || c.in != c.end || !sensible(&out->options) ||
                   out->texts.n < 2
               ? CVG_CONFIG
               : CVG_OK;
}

void cvg__head_fini(struct cvg_record_head *head)
{
    free(head->version);
    free(head->build);
    free(head->mode);
    free(head->policy);
    for (int i = 0; i < 4; i++) {
        free(head->parts[i]);
    }
    cvg_config_texts_free(&head->texts);
}

/* Reading a record.
 *
 * All blocks are checked first. One that is not whole and has whole ones after
 * it is damage, and an error; with nothing whole after it, it is the tail that
 * a kill leaves, and is left out. */
#include "record/record.h"

#include "record/block.h"
#include "record/head.h"
#include "record/reader.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const end_texts[CVG_RECORD_ENDS] = {
    [CVG_RECORD_CUT] = "it was cut off",
    [CVG_RECORD_WHOLE] = "it is whole",
    [CVG_RECORD_AT_LIMIT] = "its limit of bytes was reached",
    [CVG_RECORD_SLOW_DISK] = "the disk, or memory, did not keep up",
    [CVG_RECORD_WRITE_FAILED] = "writing failed",
};

const char *cvg_record_end_text(enum cvg_record_end end)
{
    return end_texts[end];
}

/* --- the frame ------------------------------------------------------------ */

static enum cvg_status fail_at(const struct cvg_record *r, size_t at,
                               const char *what, struct cvg_error *err)
{
    return cvg_fail(err, CVG_CONFIG, "%.300s: byte %zu: %s", r->path, at, what);
}

static enum cvg_status check_prefix(const struct cvg_record *r,
                                    struct cvg_error *err)
{
    uint32_t version = 0;
    switch (cvg__prefix_read(&r->crc, r->bytes, r->size, &version)) {
    case CVG__PREFIX_OK:
        return CVG_OK;
    case CVG__PREFIX_VERSION:
        return cvg_fail(err, CVG_UNSUPPORTED,
                        "%.300s: a record of format %u; this program reads "
                        "format %u",
                        r->path, version, CVG__RECORD_VERSION);
    case CVG__PREFIX_NONE:
        break;
    }
    return cvg_fail(err, CVG_CONFIG,
                    "%.300s: no record: it does not begin as one", r->path);
}

static void take_end(struct cvg_record *r, size_t at,
                     const struct cvg__block *block)
{
    uint8_t end = block->size > 0 ? r->bytes[at + CVG__BLOCK_HEADER] : 0;
    r->end = end > CVG_RECORD_CUT && end < CVG_RECORD_ENDS
                 ? (enum cvg_record_end)end
                 : CVG_RECORD_CUT;
}

/* Where the last whole block ends, and why the record does. */
static enum cvg_status check_blocks(struct cvg_record *r, struct cvg_error *err)
{
    struct cvg__block block;
    size_t at = CVG__RECORD_PREFIX;
    uint32_t n = 0;
    while (at < r->size && r->end == CVG_RECORD_CUT) {
        if (!cvg__block_open(&r->crc, r->bytes + at, r->size - at, &block)) {
            if (cvg__block_find(&r->crc, r->bytes, at + 1, r->size) < r->size) {
                return fail_at(r, at, "damaged: the block there is not whole",
                               err);
            }
            break;
        }
        if (block.number != n || (n == 0) != (block.kind == CVG__BLOCK_HEAD) ||
            block.kind > CVG__BLOCK_END || block.kind == 0) {
            return fail_at(r, at, "damaged: a block is missing before it", err);
        }
        if (block.kind == CVG__BLOCK_END) {
            take_end(r, at, &block);
        }
        n++;
        at += CVG__BLOCK_HEADER + block.size;
    }
    r->whole = at;
    return n > 0 ? CVG_OK
                 : fail_at(r, at, "cut off before what it is a record of", err);
}

/* --- the head ------------------------------------------------------------- */

static bool same_parts(const struct cvg_record_head *head,
                       const struct cvg_policy *p)
{
    return strcmp(head->parts[0], p->allocation->name) == 0 &&
           strcmp(head->parts[1], p->order->name) == 0 &&
           strcmp(head->parts[2], p->batching->name) == 0 &&
           strcmp(head->parts[3], p->exits->name) == 0 &&
           head->joint == p->joint;
}

static enum cvg_status find_policy(struct cvg_record *r, struct cvg_error *err)
{
    struct cvg_error why = {.text = ""};
    const char *text = r->head.policy[0] != '\0' ? r->head.policy : NULL;
    enum cvg_status status = cvg_policy_on_box(r->box, text, &r->policy, &why);
    if (status != CVG_OK) {
        return cvg_fail(err, status, "%.200s: its policy: %.200s", r->path,
                        why.text);
    }
    return same_parts(&r->head, &r->policy)
               ? CVG_OK
               : cvg_fail(err, CVG_UNSUPPORTED,
                          "%.200s: its policy '%.100s' had other parts in "
                          "version %.20s than in this one",
                          r->path, r->head.policy, r->head.version);
}

static enum cvg_status read_head(struct cvg_record *r, struct cvg_error *err)
{
    struct cvg__block block;
    struct cvg_error why = {.text = ""};
    const unsigned char *at = r->bytes + CVG__RECORD_PREFIX;
    if (!cvg__block_open(&r->crc, at, r->whole - CVG__RECORD_PREFIX, &block)) {
        return fail_at(r, CVG__RECORD_PREFIX, "no block", err);
    }
    enum cvg_status status =
        cvg__head_read(at + CVG__BLOCK_HEADER, block.size, &r->head);
    if (status == CVG_CONFIG) {
        return fail_at(r, CVG__RECORD_PREFIX, "no head of a record", err);
    }
    if (status != CVG_OK) {
        return cvg_fail(err, status, "%.300s: out of memory", r->path);
    }
    status = cvg_config_read_box(r->head.texts.items, r->head.texts.n, 0, NULL,
                                 &r->box, &why);
    if (status != CVG_OK) {
        return cvg_fail(err, status, "%.150s: its box: %.300s", r->path,
                        why.text);
    }
    r->first = CVG__RECORD_PREFIX + CVG__BLOCK_HEADER + block.size;
    return find_policy(r, err);
}

/* --- opening -------------------------------------------------------------- */

enum cvg_status cvg_record_read(const void *bytes, size_t size,
                                const char *path, struct cvg_record **out,
                                struct cvg_error *err)
{
    struct cvg_record *r = calloc(1, sizeof *r);
    if (r == NULL || (r->path = strdup(path)) == NULL) {
        free(r);
        return cvg_fail(err, CVG_NOMEM, "no memory for a record");
    }
    r->bytes = bytes;
    r->size = size;
    cvg_crc32_init(&r->crc);
    enum cvg_status status = check_prefix(r, err);
    status = status != CVG_OK ? status : check_blocks(r, err);
    status = status != CVG_OK ? status : read_head(r, err);
    if (status != CVG_OK) {
        cvg_record_close(r);
        return status;
    }
    cvg_record_rewind(r);
    *out = r;
    return CVG_OK;
}

static enum cvg_status map_file(const char *path, void **map, size_t *size,
                                struct cvg_error *err)
{
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return cvg_fail(err, errno == ENOENT ? CVG_NOTFOUND : CVG_CONFIG,
                        "%.300s: cannot open: %s", path, strerror(errno));
    }
    bool regular = fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode);
    *size = regular ? (size_t)stat.st_size : 0;
    *map = *size > 0 ? mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0)
                     : MAP_FAILED;
    int reason = errno;
    (void)close(fd);
    if (*size == 0) {
        return cvg_fail(err, CVG_CONFIG, "%.300s: no record: %s", path,
                        regular ? "an empty file" : "no file");
    }
    return *map != MAP_FAILED ? CVG_OK
                              : cvg_fail(err, CVG_IO, "%.300s: cannot read: %s",
                                         path, strerror(reason));
}

enum cvg_status cvg_record_open(const char *path, struct cvg_record **out,
                                struct cvg_error *err)
{
    void *map = NULL;
    size_t size = 0;
    enum cvg_status status = map_file(path, &map, &size, err);
    if (status != CVG_OK) {
        return status;
    }
    status = cvg_record_read(map, size, path, out, err);
    if (status != CVG_OK) {
        (void)munmap(map, size);
        return status;
    }
    (*out)->map = map;
    return CVG_OK;
}

void cvg_record_close(struct cvg_record *r)
{
    if (r == NULL) {
        return;
    }
    cvg__code_step_fini(&r->step);
    cvg_shared_sets_fini(&r->sets);
    cvg_box_destroy(r->box);
    cvg__head_fini(&r->head);
    if (r->map != NULL) {
        (void)munmap(r->map, r->size);
    }
    free(r->path);
    free(r);
}

/* --- what it is ----------------------------------------------------------- */

const char *cvg_record_path(const struct cvg_record *r)
{
    return r->path;
}

const struct cvg_record_head *cvg_record_head(const struct cvg_record *r)
{
    return &r->head;
}

const struct cvg_box *cvg_record_box(const struct cvg_record *r)
{
    return r->box;
}

const struct cvg_policy *cvg_record_policy(const struct cvg_record *r)
{
    return &r->policy;
}

enum cvg_record_end cvg_record_end(const struct cvg_record *r)
{
    return r->end;
}

uint64_t cvg_record_size(const struct cvg_record *r)
{
    return r->size;
}

uint64_t cvg_record_left_out(const struct cvg_record *r)
{
    return r->size - r->whole;
}

/* --- steps ---------------------------------------------------------------- */

void cvg_record_rewind(struct cvg_record *r)
{
    r->next_block = r->first;
    r->codec = (struct cvg_codec){
        .box = r->box, .sets = &r->sets, .last = {.at = r->head.options.start}};
    r->recorded.number = 0;
}

/* The next block of steps, if there is one. */
static enum cvg_status begin_block(struct cvg_record *r, bool *steps,
                                   struct cvg_error *err)
{
    struct cvg__block block;
    const unsigned char *at = r->bytes + r->next_block;
    bool whole = cvg__block_open(&r->crc, at, r->whole - r->next_block, &block);
    *steps = whole && block.kind == CVG__BLOCK_STEPS;
    if (!*steps) {
        return CVG_OK;
    }
    uint64_t number = 0;
    cvg_time before = r->codec.last.at, now = 0;
    r->codec = (struct cvg_codec){.box = r->box,
                                  .sets = &r->sets,
                                  .in = at + CVG__BLOCK_HEADER,
                                  .end = at + CVG__BLOCK_HEADER + block.size};
    cvg__code_count(&r->codec, &number, UINT64_MAX);
    cvg__code_signed(&r->codec, &now);
    if (r->codec.bad || number != r->recorded.number + 1 || now != before) {
        return fail_at(r, r->next_block, "does not go on from the block before",
                       err);
    }
    r->codec.last.at = now;
    r->next_block += CVG__BLOCK_HEADER + block.size;
    return CVG_OK;
}

static enum cvg_status read_step(struct cvg_record *r, struct cvg_error *err)
{
    r->recorded.place = (uint64_t)(r->codec.in - r->bytes);
    enum cvg_status status = cvg__code_read_event(&r->codec, &r->step);
    r->before_actions = r->codec.last;
    r->actions_at = r->codec.in;
    if (status == CVG_OK) {
        status = cvg__code_read_actions(&r->codec, &r->step);
    }
    if (status == CVG_NOMEM) {
        return cvg_fail(err, status, "%.300s: out of memory", r->path);
    }
    return status == CVG_OK
               ? CVG_OK
               : fail_at(r, r->recorded.place, "no event of this box", err);
}

enum cvg_status cvg_record_next(struct cvg_record *r,
                                const struct cvg_recorded_step **out,
                                struct cvg_error *err)
{
    *out = NULL;
    while (r->codec.in == r->codec.end) {
        bool steps = false;
        enum cvg_status status = begin_block(r, &steps, err);
        if (status != CVG_OK || !steps) {
            return status;
        }
    }
    enum cvg_status status = read_step(r, err);
    if (status != CVG_OK) {
        return status;
    }
    r->recorded.number++;
    r->recorded.event = &r->step.event;
    r->recorded.actions =
        (struct cvg_actions){.items = r->step.actions, .n = r->step.n_actions};
    *out = &r->recorded;
    return CVG_OK;
}

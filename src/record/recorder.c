/* Writing a record.
 *
 * The thread that steps the engine puts each step into a chunk of memory; full
 * chunks, and whatever there is on a flush, go to a thread that writes them.
 * A chunk is a block of the file with room for its header. A disk that does not
 * keep up ends the record (a record with a hole in it could not be replayed),
 * and so does an error: the run itself goes on. */
#include "record/record.h"

#include "record/block.h"
#include "record/head.h"
#include "record/steps.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES (64U << 10)
#define MOST_CHUNKS 256U /* waiting to be written: 16 MiB, mostly */
#define END_ROOM 64U     /* of the limit, for the block at the end */
#define FIRST_BYTES 32U  /* what a block of steps begins with, at most */

struct chunk {
    struct chunk *next;
    enum cvg__block_kind kind;
    size_t used, room; /* of `bytes` */
    uint64_t steps;
    unsigned char *bytes; /* room for the block's header comes first */
};

struct cvg_recorder {
    struct cvg_record_options options;
    char *path;
    int fd;
    bool begun, device; /* a device file is not taken away again */
    struct cvg_crc32 crc;

    /* of the thread that steps */
    struct cvg_codec codec;
    struct chunk *current;  /* being filled; NULL: none */
    uint64_t steps, handed; /* recorded; bytes handed over */
    uint64_t lost;
    enum cvg_record_end end; /* CVG_RECORD_CUT: it goes on */

    /* shared, under the lock */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, room;
    struct chunk *first, **last; /* to be written, in order */
    struct chunk *spare;
    uint32_t n_chunks; /* all there are, but for `current` */
    bool closing;

    /* of the thread that writes */
    uint32_t n_blocks;
    uint64_t bytes;          /* read by the other, atomic */
    bool failed;             /* the same */
    uint64_t lost_in_chunks; /* steps that were not written; the same */
    char why[160];           /* written before `failed` */
};

/* --- chunks --------------------------------------------------------------- */

static struct chunk *make_chunk(size_t room)
{
    struct chunk *chunk = calloc(1, sizeof *chunk);
    if (chunk != NULL) {
        chunk->room = room;
        chunk->bytes = malloc(room);
    }
    if (chunk != NULL && chunk->bytes == NULL) {
        free(chunk);
        return NULL;
    }
    return chunk;
}

static void free_chunk(struct chunk *chunk)
{
    free(chunk->bytes);
    free(chunk);
}

static void free_chunks(struct chunk *chunk)
{
    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        free_chunk(chunk);
        chunk = next;
    }
}

/* An empty one; NULL: there are as many as there may be, or no memory. */
static struct chunk *take_chunk(struct cvg_recorder *r)
{
    (void)pthread_mutex_lock(&r->lock);
    while (r->spare == NULL && r->n_chunks >= MOST_CHUNKS && r->options.waits) {
        (void)pthread_cond_wait(&r->room, &r->lock);
    }
    struct chunk *chunk = r->spare;
    bool more = chunk == NULL && r->n_chunks < MOST_CHUNKS;
    if (chunk != NULL) {
        r->spare = chunk->next;
    }
    r->n_chunks += more;
    (void)pthread_mutex_unlock(&r->lock);
    if (more) {
        chunk = make_chunk(CHUNK_BYTES);
    }
    return chunk;
}

static void hand_over(struct cvg_recorder *r, struct chunk *chunk)
{
    r->handed += chunk->used;
    chunk->next = NULL;
    (void)pthread_mutex_lock(&r->lock);
    *r->last = chunk;
    r->last = &chunk->next;
    (void)pthread_cond_signal(&r->work);
    (void)pthread_mutex_unlock(&r->lock);
}

/* --- the thread that writes ----------------------------------------------- */

static bool write_all(int fd, const unsigned char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return false;
        }
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static bool write_block(struct cvg_recorder *r, enum cvg__block_kind kind,
                        unsigned char *bytes, size_t size)
{
    struct cvg__block block = {.number = r->n_blocks,
                               .kind = kind,
                               .size = (uint32_t)(size - CVG__BLOCK_HEADER)};
    cvg__block_seal(&r->crc, &block, bytes);
    if (!write_all(r->fd, bytes, size)) {
        return false;
    }
    r->n_blocks++;
    __atomic_store_n(&r->bytes, r->bytes + size, __ATOMIC_RELAXED);
    return true;
}

static size_t fill_end(unsigned char *bytes, enum cvg_record_end end)
{
    bytes[CVG__BLOCK_HEADER] = (unsigned char)end;
    return CVG__BLOCK_HEADER + 1;
}

/* What was written in part goes, and the record says that it is cut short, if
 * that much can still be written. */
static void give_up(struct cvg_recorder *r, int reason)
{
    unsigned char end[END_ROOM];
    (void)snprintf(r->why, sizeof r->why, "cannot write: %s", strerror(reason));
    if (ftruncate(r->fd, (off_t)r->bytes) == 0 &&
        lseek(r->fd, (off_t)r->bytes, SEEK_SET) >= 0) {
        bool written = write_block(r, CVG__BLOCK_END, end,
                                   fill_end(end, CVG_RECORD_WRITE_FAILED));
        if (!written && ftruncate(r->fd, (off_t)r->bytes) != 0) {
            written = false; /* readers drop what is there in part */
        }
        (void)written;
    }
    __atomic_store_n(&r->failed, true, __ATOMIC_RELEASE);
}

static void write_chunk(struct cvg_recorder *r, struct chunk *chunk)
{
    if (!r->failed && !write_block(r, chunk->kind, chunk->bytes, chunk->used)) {
        give_up(r, errno);
    }
    if (r->failed) {
        __atomic_store_n(&r->lost_in_chunks, r->lost_in_chunks + chunk->steps,
                         __ATOMIC_RELAXED);
    }
    (void)pthread_mutex_lock(&r->lock);
    if (chunk->room == CHUNK_BYTES) {
        chunk->next = r->spare;
        r->spare = chunk;
        chunk = NULL;
    } else {
        r->n_chunks--; /* it had to hold a large step, or the end */
    }
    (void)pthread_cond_signal(&r->room);
    (void)pthread_mutex_unlock(&r->lock);
    if (chunk != NULL) {
        free_chunk(chunk);
    }
}

static void *write_chunks(void *recorder)
{
    struct cvg_recorder *r = recorder;
    for (;;) {
        (void)pthread_mutex_lock(&r->lock);
        while (r->first == NULL && !r->closing) {
            (void)pthread_cond_wait(&r->work, &r->lock);
        }
        struct chunk *chunk = r->first;
        if (chunk == NULL) {
            (void)pthread_mutex_unlock(&r->lock);
            return NULL;
        }
        r->first = chunk->next;
        if (r->first == NULL) {
            r->last = &r->first;
        }
        (void)pthread_mutex_unlock(&r->lock);
        write_chunk(r, chunk);
    }
}

/* --- opening -------------------------------------------------------------- */

static enum cvg_status open_file(struct cvg_recorder *r, struct cvg_error *err)
{
    struct stat stat;
    r->fd = open(r->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (r->fd < 0 && errno == EEXIST) {
        r->fd = open(r->path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
        r->device =
            r->fd >= 0 && fstat(r->fd, &stat) == 0 && S_ISCHR(stat.st_mode);
        if (r->device) {
            return CVG_OK;
        }
        return cvg_fail(err, CVG_INVALID,
                        "%.300s is there already, and is not overwritten: "
                        "remove it, or name another file",
                        r->path);
    }
    if (r->fd < 0) {
        return cvg_fail(err, CVG_INVALID, "%.300s: cannot create: %s", r->path,
                        strerror(errno));
    }
    return CVG_OK;
}

static void destroy(struct cvg_recorder *r)
{
    if (r->fd >= 0) {
        (void)close(r->fd);
    }
    if (r->current != NULL) {
        free_chunk(r->current);
    }
    free_chunks(r->first);
    free_chunks(r->spare);
    (void)pthread_mutex_destroy(&r->lock);
    (void)pthread_cond_destroy(&r->work);
    (void)pthread_cond_destroy(&r->room);
    free(r->path);
    free(r);
}

enum cvg_status cvg_recorder_open(const struct cvg_record_options *options,
                                  struct cvg_recorder **out,
                                  struct cvg_error *err)
{
    struct cvg_recorder *r = calloc(1, sizeof *r);
    char *path = strdup(options->path);
    if (r == NULL || path == NULL) {
        free(r);
        free(path);
        return cvg_fail(err, CVG_NOMEM, "no memory for a record");
    }
    r->options = *options;
    if (r->options.limit == 0) {
        r->options.limit = CVG_RECORD_LIMIT;
    }
    r->path = path;
    r->last = &r->first;
    cvg_crc32_init(&r->crc);
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->work, NULL);
    (void)pthread_cond_init(&r->room, NULL);
    enum cvg_status status = open_file(r, err);
    if (status != CVG_OK) {
        destroy(r);
        return status;
    }
    *out = r;
    return CVG_OK;
}

/* Prefix and head are written at once: a disk that is full already is found
 * out before the run begins. */
static enum cvg_status write_head(struct cvg_recorder *r,
                                  const struct cvg_engine *engine,
                                  struct cvg_error *err)
{
    unsigned char prefix[CVG__RECORD_PREFIX];
    size_t room = CVG__BLOCK_HEADER + cvg__head_room(&r->options, engine);
    if (room + sizeof prefix + END_ROOM > r->options.limit ||
        room > UINT32_MAX) {
        return cvg_fail(err, CVG_INVALID,
                        "%.300s: the files of the box take %zu KiB, more than "
                        "the record may have",
                        r->path, room >> 10);
    }
    unsigned char *bytes = malloc(room);
    if (bytes == NULL) {
        return cvg_fail(err, CVG_NOMEM, "no memory for a record");
    }
    unsigned char *end =
        cvg__head_write(bytes + CVG__BLOCK_HEADER, &r->options, engine);
    cvg__prefix_write(&r->crc, prefix);
    r->bytes = sizeof prefix;
    bool written =
        write_all(r->fd, prefix, sizeof prefix) &&
        write_block(r, CVG__BLOCK_HEAD, bytes, (size_t)(end - bytes));
    int reason = errno;
    free(bytes);
    r->handed = r->bytes;
    return written ? CVG_OK
                   : cvg_fail(err, CVG_IO, "%.300s: cannot write: %s", r->path,
                              strerror(reason));
}

enum cvg_status cvg_recorder_begin(struct cvg_recorder *r,
                                   const struct cvg_engine *engine,
                                   struct cvg_error *err)
{
    enum cvg_status status = write_head(r, engine, err);
    if (status != CVG_OK) {
        return status;
    }
    r->codec.box = cvg_engine_options(engine)->box;
    r->codec.last.at = cvg_engine_options(engine)->start;
    if (pthread_create(&r->thread, NULL, write_chunks, r) != 0) {
        return cvg_fail(err, CVG_NOMEM, "no thread for a record");
    }
    r->begun = true;
    return CVG_OK;
}

/* --- steps ---------------------------------------------------------------- */

/* Recording ends here; the record says why. */
static void stop(struct cvg_recorder *r, enum cvg_record_end end)
{
    if (r->current != NULL) {
        hand_over(r, r->current);
        r->current = NULL;
    }
    r->end = end;
    struct chunk *chunk = make_chunk(END_ROOM);
    if (chunk != NULL) { /* else the record looks cut, which it is */
        chunk->kind = CVG__BLOCK_END;
        chunk->used = fill_end(chunk->bytes, end);
        (void)pthread_mutex_lock(&r->lock);
        r->n_chunks++;
        (void)pthread_mutex_unlock(&r->lock);
        hand_over(r, chunk);
    }
}

/* A block can be read by itself: differences begin anew. */
static void begin_block(struct cvg_recorder *r, struct chunk *chunk)
{
    uint64_t number = r->steps + 1;
    struct cvg_codec *c = &r->codec;
    cvg_time at = c->last.at;
    chunk->kind = CVG__BLOCK_STEPS;
    c->out = chunk->bytes + CVG__BLOCK_HEADER;
    cvg__code_count(c, &number, UINT64_MAX);
    cvg__code_signed(c, &at);
    c->last = (struct cvg_code_last){.at = at};
    chunk->used = (size_t)(c->out - chunk->bytes);
    chunk->steps = 0;
    r->current = chunk;
}

/* Room for `size` bytes in the current chunk. False: recording has ended. */
static bool make_room(struct cvg_recorder *r, size_t size)
{
    if (r->current != NULL && r->current->used + size > CHUNK_BYTES) {
        hand_over(r, r->current);
        r->current = NULL;
    }
    size_t need = CVG__BLOCK_HEADER + FIRST_BYTES + size;
    uint64_t held = r->current != NULL ? r->current->used : 0;
    if (r->handed + held + need + END_ROOM > r->options.limit) {
        stop(r, CVG_RECORD_AT_LIMIT);
        return false;
    }
    if (r->current != NULL) {
        return true;
    }
    struct chunk *chunk = take_chunk(r);
    if (chunk != NULL && need > chunk->room) {
        unsigned char *more = realloc(chunk->bytes, need);
        if (more != NULL) {
            chunk->bytes = more;
            chunk->room = need;
        }
    }
    if (chunk == NULL || need > chunk->room) {
        if (chunk != NULL) {
            free_chunk(chunk);
        }
        stop(r, CVG_RECORD_SLOW_DISK);
        return false;
    }
    begin_block(r, chunk);
    return true;
}

static bool stopped(const struct cvg_recorder *r)
{
    return r->end != CVG_RECORD_CUT ||
           __atomic_load_n(&r->failed, __ATOMIC_ACQUIRE);
}

void cvg_recorder_step(void *recorder, const struct cvg_event *event,
                       const struct cvg_actions *actions)
{
    struct cvg_recorder *r = recorder;
    if (stopped(r) || !make_room(r, cvg__code_room(event, actions))) {
        r->lost++;
        return;
    }
    struct cvg_codec *c = &r->codec;
    c->out = r->current->bytes + r->current->used;
    cvg__code_write_event(c, event);
    cvg__code_write_actions(c, actions);
    r->current->used = (size_t)(c->out - r->current->bytes);
    r->current->steps++;
    r->steps++;
}

void cvg_recorder_flush(struct cvg_recorder *r)
{
    if (r->current != NULL) {
        hand_over(r, r->current);
        r->current = NULL;
    }
}

/* --- how it goes, and the end --------------------------------------------- */

struct cvg_recorder_state cvg_recorder_state(const struct cvg_recorder *r)
{
    bool failed = __atomic_load_n(&r->failed, __ATOMIC_ACQUIRE);
    uint64_t lost = __atomic_load_n(&r->lost_in_chunks, __ATOMIC_RELAXED);
    return (struct cvg_recorder_state){
        .steps = r->steps - lost,
        .bytes = __atomic_load_n(&r->bytes, __ATOMIC_RELAXED),
        .lost = r->lost + lost,
        .stopped = stopped(r),
        .why = failed ? r->why : cvg_record_end_text(r->end),
    };
}

enum cvg_status cvg_recorder_close(struct cvg_recorder *r,
                                   struct cvg_error *err)
{
    if (!stopped(r)) {
        stop(r, CVG_RECORD_WHOLE);
    }
    (void)pthread_mutex_lock(&r->lock);
    r->closing = true;
    (void)pthread_cond_signal(&r->work);
    (void)pthread_mutex_unlock(&r->lock);
    (void)pthread_join(r->thread, NULL);
    if (!r->failed && !r->device && fdatasync(r->fd) != 0) {
        (void)snprintf(r->why, sizeof r->why, "cannot write: %s",
                       strerror(errno));
        r->failed = true;
    }
    struct cvg_recorder_state state = cvg_recorder_state(r);
    enum cvg_status status = CVG_OK;
    if (r->failed || r->end != CVG_RECORD_WHOLE) {
        status = cvg_fail(err, CVG_IO,
                          "%.200s: the record ends early: %s; %llu steps are "
                          "not in it",
                          r->path, state.why, (unsigned long long)state.lost);
    }
    destroy(r);
    return status;
}

void cvg_recorder_discard(struct cvg_recorder *r)
{
    if (r->begun) {
        (void)pthread_mutex_lock(&r->lock);
        r->closing = true;
        (void)pthread_cond_signal(&r->work);
        (void)pthread_mutex_unlock(&r->lock);
        (void)pthread_join(r->thread, NULL);
    }
    if (!r->device) {
        (void)unlink(r->path);
    }
    destroy(r);
}

/* The log of a run: every event and every action, with all that decided.
 *
 * A record stands alone: it holds the texts of the box, the policy, the seed
 * and the options of the engine, so that the run can be gone through again on
 * another machine, byte for byte. docs/record.md has the format.
 *
 *     cvg_recorder_open(&options, &recorder, err);  creates the file
 *     ... create the engine (or the simulation) ...
 *     cvg_recorder_begin(recorder, engine, err);    before its first step
 *     cvg_recorder_step(recorder, &event, &actions);  after every step
 *     cvg_recorder_close(recorder, err);            what became of it
 *
 * cvg_recorder_step() is the `watch` of a simulation (its context: the
 * recorder). */
#ifndef CVG_RECORD_RECORD_H
#define CVG_RECORD_RECORD_H

#include "config/config.h"
#include <convergo/engine.h>

/* --- writing -------------------------------------------------------------- */

#define CVG_RECORD_LIMIT ((uint64_t)1 << 30)

struct cvg_record_options {
    const char *path; /* there is no such file yet, or it is a device */
    const char *mode; /* "live", "sim" */
    /* Of the box that the engine is made with; borrowed until _begin(). */
    const struct cvg_config_texts *texts;
    const char *policy; /* the text given; NULL: the box's own */
    int64_t began_unix; /* s; 0: not said */
    uint64_t limit;     /* bytes of the file at most; 0: CVG_RECORD_LIMIT */
    bool waits;         /* for a slow disk; else recording ends there */
};

struct cvg_recorder;

/* Never overwrites a file: CVG_INVALID if there is one of that name. CVG_IO,
 * CVG_NOMEM. *out is owned by the caller: cvg_recorder_close(). */
enum cvg_status cvg_recorder_open(const struct cvg_record_options *options,
                                  struct cvg_recorder **out,
                                  struct cvg_error *err);

/* Starts a thread that writes. CVG_LIMIT: the files of the box alone are larger
 * than the record may be. */
enum cvg_status cvg_recorder_begin(struct cvg_recorder *recorder,
                                   const struct cvg_engine *engine,
                                   struct cvg_error *err);

/* Before the actions are carried out. Costs a copy into memory. */
void cvg_recorder_step(void *recorder, const struct cvg_event *event,
                       const struct cvg_actions *actions);
/* What there is goes to the file now: so much less is lost by a kill. */
void cvg_recorder_flush(struct cvg_recorder *recorder);

struct cvg_recorder_state {
    uint64_t steps;  /* recorded */
    uint64_t bytes;  /* in the file */
    uint64_t lost;   /* steps that came after it had stopped */
    bool stopped;    /* by the limit, the disk, an error */
    const char *why; /* then, for a person; valid until _close() */
};
struct cvg_recorder_state cvg_recorder_state(
    const struct cvg_recorder *recorder);

/* Waits until all is written. CVG_IO: the record ends early, and why. */
enum cvg_status cvg_recorder_close(struct cvg_recorder *recorder,
                                   struct cvg_error *err);
/* The run that was to be recorded did not begin: the file goes again. */
void cvg_recorder_discard(struct cvg_recorder *recorder);

/* --- reading -------------------------------------------------------------- */

enum cvg_record_end {                 /* how it ends; in the file */
                      CVG_RECORD_CUT, /* in the middle: a kill, or it is still
                                         being written */
                      CVG_RECORD_WHOLE,
                      CVG_RECORD_AT_LIMIT,
                      CVG_RECORD_SLOW_DISK,
                      CVG_RECORD_WRITE_FAILED,
                      CVG_RECORD_ENDS
};
const char *cvg_record_end_text(enum cvg_record_end end);

struct cvg_record_head {   /* strings are owned by the record */
    char *version, *build; /* of the program that wrote it */
    char *mode;
    char *policy;   /* the text given; "": the box's own */
    char *parts[4]; /* allocation, order, batching, exits, as resolved */
    bool joint;
    int64_t began_unix;                /* s; 0: not said */
    struct cvg_engine_options options; /* without box, policy, look */
    struct cvg_config_texts texts;
};

struct cvg_record; /* a record that is being read */

/* Opens no other file. CVG_CONFIG: no record, of another version, or damaged:
 * the message has the path and the byte. A tail that is missing or damaged is
 * left out. *out is owned by the caller: cvg_record_close(). */
enum cvg_status cvg_record_open(const char *path, struct cvg_record **out,
                                struct cvg_error *err);
/* The same from memory, borrowed; `path` is for messages. */
enum cvg_status cvg_record_read(const void *bytes, size_t size,
                                const char *path, struct cvg_record **out,
                                struct cvg_error *err);
void cvg_record_close(struct cvg_record *record);

const char *cvg_record_path(const struct cvg_record *record);
const struct cvg_record_head *cvg_record_head(const struct cvg_record *record);
const struct cvg_box *cvg_record_box(const struct cvg_record *record);
const struct cvg_policy *cvg_record_policy(const struct cvg_record *record);
enum cvg_record_end cvg_record_end(const struct cvg_record *record);
uint64_t cvg_record_size(const struct cvg_record *record);
/* Bytes after the last whole block: left out. */
uint64_t cvg_record_left_out(const struct cvg_record *record);

struct cvg_recorded_step {
    uint64_t number; /* from 1 */
    uint64_t place;  /* byte in the file */
    const struct cvg_event *event;
    struct cvg_actions actions;
};

/* The next step, in order; *out is NULL after the last. Borrowed until the next
 * call. CVG_CONFIG: it cannot be what an engine did. */
enum cvg_status cvg_record_next(struct cvg_record *record,
                                const struct cvg_recorded_step **out,
                                struct cvg_error *err);
/* To the first step again. */
void cvg_record_rewind(struct cvg_record *record);

/* --- going through it again ----------------------------------------------- */

struct cvg_replay_options { /* all may be NULL */
    /* The engine's `look`; told before of the step that it is in. */
    void (*look)(void *context, const struct cvg_view *view);
    void (*before)(void *context, const struct cvg_engine *engine,
                   const struct cvg_recorded_step *step);
    /* Not of a step that differs: what was recorded is not what is. */
    void (*after)(void *context, const struct cvg_engine *engine,
                  const struct cvg_recorded_step *step);
    void *context;
};

struct cvg_replay {
    uint64_t steps;                                    /* gone through */
    uint64_t events[CVG_EVENTS], actions[CVG_ACTIONS]; /* recorded, of these */
    cvg_time first, last;                              /* instants */
    bool differs;
    /* Then: the first step whose actions differ, and in words what happened,
     * the first action that is not the same, as recorded and as now. */
    uint64_t step;
    cvg_time at;
    uint32_t action; /* from 1 */
    char event[256], expected[256], got[256];
};

/* From the first step until the end, or to the first difference. CVG_CONFIG:
 * the record holds what cannot have happened. */
enum cvg_status cvg_record_replay(struct cvg_record *record,
                                  const struct cvg_replay_options *options,
                                  struct cvg_replay *out,
                                  struct cvg_error *err);

/* "arrival", "start", ... */
const char *cvg_record_event_name(enum cvg_event_type type);
const char *cvg_record_action_name(enum cvg_action_type type);
/* In words, for people: "start batch 3 on tpu0 ..." */
void cvg_record_say_event(char *out, size_t size, const struct cvg_box *box,
                          const struct cvg_event *event);
void cvg_record_say_action(char *out, size_t size, const struct cvg_box *box,
                           const struct cvg_action *action, cvg_time now);

#endif

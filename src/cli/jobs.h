/* Work that is done by child processes, several at a time.
 *
 * A child begins with all that its parent has in memory, answers through a pipe
 * and ends: nothing that it does (a solver that is not safe among threads, a
 * crash, a lack of memory) touches another one. */
#ifndef CVG_CLI_JOBS_H
#define CVG_CLI_JOBS_H

#include <convergo/status.h>
#include <jansson.h>

#define CVG_MAX_JOBS 256U

struct cvg__jobs {
    size_t n;
    size_t at_once; /* 1..CVG_MAX_JOBS */
    /* In a child: *result is owned by the caller. */
    enum cvg_status (*run)(void *context, size_t job, json_t **result,
                           struct cvg_error *err);
    /* What a person calls it, for messages. */
    void (*name)(void *context, size_t job, char *out, size_t size);
    /* May be NULL: how many have been done. */
    void (*progress)(void *context, size_t done);
    void *context;
};

/* results[n], NULL at first, are owned by the caller, also those that there are
 * when one has failed: the others are then stopped. SIGINT or SIGTERM stop all,
 * too: CVG_IO. */
enum cvg_status cvg__jobs_run(const struct cvg__jobs *jobs, json_t **results,
                              struct cvg_error *err);

#endif

/* A server of our own: started, waited for until it is ready, and never left
 * behind (it gets SIGTERM when we end, however that comes). */
#ifndef CVG_LOAD_CHILD_H
#define CVG_LOAD_CHILD_H

#include <convergo/status.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cvg_child {
    pid_t pid;      /* 0: none */
    int log;        /* its stderr, an unnamed file */
    char http[128]; /* HOST:PORT */
};

/* Runs `convergo serve BOX` on free ports. policy may be NULL: the box's own.
 * CVG_IO: it ended or was not ready in time; the message holds what it said.
 * CVG_CONFIG: it refused its input. */
enum cvg_status cvg_child_start(struct cvg_child *child, const char *box,
                                const char *policy, uint64_t seed,
                                struct cvg_error *err);
/* SIGTERM, then SIGKILL. CVG_IO: it had died before, or did not end well. */
enum cvg_status cvg_child_stop(struct cvg_child *child, struct cvg_error *err);

#endif

/* The clock of the backends: CLOCK_MONOTONIC, and waiting on it. Only live
 * backends read it; the model never does. */
#ifndef CVG_DEVICE_CLOCK_H
#define CVG_DEVICE_CLOCK_H

#include <convergo/time.h>
#include <pthread.h>
#include <time.h>

static inline cvg_time cvg_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (cvg_time)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A condition whose timed waits are on CLOCK_MONOTONIC. 0: done. */
static inline int cvg_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int failed = pthread_condattr_init(&attr);
    if (failed == 0) {
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        failed = pthread_cond_init(cond, &attr);
        pthread_condattr_destroy(&attr);
    }
    return failed;
}

/* Waits until signalled or `until` has come (CVG_NEVER: for a signal). */
static inline void cvg_cond_wait_until(pthread_cond_t *cond,
                                       pthread_mutex_t *lock, cvg_time until)
{
    if (until == CVG_NEVER) {
        pthread_cond_wait(cond, lock);
        return;
    }
    const struct timespec t = {.tv_sec = until / 1000000000,
                               .tv_nsec = until % 1000000000};
    pthread_cond_timedwait(cond, lock, &t);
}

#endif

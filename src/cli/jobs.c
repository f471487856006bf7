/* fork, a pipe from each child, poll. */
#include "cli/jobs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a child sends: its status, one byte; then JSON, or the message. */
struct child {
    pid_t pid; /* 0: none */
    int in;
    size_t job;
    char *text;
    size_t used, room;
};

struct crew {
    const struct cvg__jobs *jobs;
    json_t **results;
    struct cvg_error *err;
    struct child children[CVG_MAX_JOBS];
    size_t next, done;
    sigset_t before; /* signals that were blocked before */
    int signals;     /* SIGINT and SIGTERM; -1: none */
};

/* --- in the child --------------------------------------------------------- */

static bool write_all(int out, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(out, text, size);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        text += n < 0 ? 0 : n;
        size -= n < 0 ? 0 : (size_t)n;
    }
    return true;
}

static void become_child(const struct crew *crew, size_t job, int out,
                         pid_t parent)
{
    /* If the parent ended before this call, nobody would tell us. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(1);
    }
    sigprocmask(SIG_SETMASK, &crew->before, NULL);
    struct cvg_error err = {.text = ""};
    json_t *result = NULL;
    enum cvg_status status =
        crew->jobs->run(crew->jobs->context, job, &result, &err);
    /* 17 digits: the number that comes out is the one that went in. */
    char *text = status == CVG_OK ? json_dumps(result, JSON_REAL_PRECISION(17))
                                  : err.text;
    char code = (char)status;
    bool ok = text != NULL && write_all(out, &code, 1) &&
              write_all(out, text, strlen(text));
    _exit(ok ? 0 : 1);
}

/* --- in the parent -------------------------------------------------------- */

static enum cvg_status failed(const struct crew *crew, size_t job,
                              enum cvg_status status, const char *why)
{
    char name[200] = "";
    crew->jobs->name(crew->jobs->context, job, name, sizeof name);
    return cvg_fail(crew->err, status, "%s: %s", name, why);
}

static enum cvg_status start(struct crew *crew, struct child *child)
{
    int ends[2];
    pid_t parent = getpid();
    if (pipe(ends) != 0) {
        return failed(crew, crew->next, CVG_IO, strerror(errno));
    }
    *child = (struct child){.in = ends[0], .job = crew->next};
    child->pid = fork();
    if (child->pid == 0) {
        close(ends[0]);
        become_child(crew, child->job, ends[1], parent);
    }
    close(ends[1]);
    if (child->pid < 0) {
        child->pid = 0;
        close(ends[0]);
        return failed(crew, crew->next, CVG_IO, strerror(errno));
    }
    crew->next++;
    return CVG_OK;
}

static int reap(struct child *child)
{
    int how = 0;
    close(child->in);
    while (waitpid(child->pid, &how, 0) < 0 && errno == EINTR) {
    }
    child->pid = 0;
    return how;
}

static enum cvg_status take_result(struct crew *crew, const struct child *child,
                                   int how)
{
    char why[100];
    if (WIFSIGNALED(how)) {
        snprintf(why, sizeof why, "its process was ended by signal %d (%s)",
                 WTERMSIG(how), strsignal(WTERMSIG(how)));
        return failed(crew, child->job, CVG_DEVICE, why);
    }
    enum cvg_status status =
        child->used > 0 ? (enum cvg_status)child->text[0] : CVG_OK;
    if (status != CVG_OK) {
        snprintf(crew->err->text, sizeof crew->err->text, "%.*s",
                 (int)child->used - 1, child->text + 1);
        crew->err->status = status;
        return status;
    }
    json_t *result = WEXITSTATUS(how) == 0 && child->used > 0
                         ? json_loadb(child->text + 1, child->used - 1, 0, NULL)
                         : NULL;
    if (result == NULL) {
        return failed(crew, child->job, CVG_NOMEM, "out of memory");
    }
    crew->results[child->job] = result;
    return CVG_OK;
}

static enum cvg_status end(struct crew *crew, struct child *child)
{
    enum cvg_status status = take_result(crew, child, reap(child));
    free(child->text);
    child->text = NULL;
    crew->done++;
    if (status == CVG_OK && crew->jobs->progress != NULL) {
        crew->jobs->progress(crew->jobs->context, crew->done);
    }
    return status;
}

/* There is something to read, or the end of it. */
static enum cvg_status receive(struct crew *crew, struct child *child)
{
    if (child->used == child->room) {
        size_t room = child->room == 0 ? 16384 : 2 * child->room;
        char *grown = realloc(child->text, room);
        if (grown == NULL) {
            return failed(crew, child->job, CVG_NOMEM, "out of memory");
        }
        child->text = grown;
        child->room = room;
    }
    ssize_t n =
        read(child->in, child->text + child->used, child->room - child->used);
    if (n > 0) {
        child->used += (size_t)n;
    }
    return n > 0 || (n < 0 && errno == EINTR) ? CVG_OK : end(crew, child);
}

static enum cvg_status fill(struct crew *crew)
{
    enum cvg_status status = CVG_OK;
    for (size_t i = 0; i < crew->jobs->at_once && status == CVG_OK; i++) {
        if (crew->children[i].pid == 0 && crew->next < crew->jobs->n) {
            status = start(crew, &crew->children[i]);
        }
    }
    return status;
}

static enum cvg_status wait_for_some(struct crew *crew)
{
    struct pollfd fds[CVG_MAX_JOBS + 1];
    struct child *whose[CVG_MAX_JOBS];
    nfds_t n = 0;
    for (size_t i = 0; i < crew->jobs->at_once; i++) {
        struct child *child = &crew->children[i];
        if (child->pid > 0) {
            whose[n] = child;
            fds[n] = (struct pollfd){.fd = child->in, .events = POLLIN};
            n++;
        }
    }
    fds[n] = (struct pollfd){.fd = crew->signals, .events = POLLIN};
    if (poll(fds, n + 1, -1) < 0) {
        return errno == EINTR
                   ? CVG_OK
                   : cvg_fail(crew->err, CVG_IO, "poll: %s", strerror(errno));
    }
    if (fds[n].revents != 0) {
        return cvg_fail(crew->err, CVG_IO, "interrupted after %zu of %zu runs",
                        crew->done, crew->jobs->n);
    }
    enum cvg_status status = CVG_OK;
    for (nfds_t i = 0; i < n && status == CVG_OK; i++) {
        if (fds[i].revents != 0) {
            status = receive(crew, whose[i]);
        }
    }
    return status;
}

static void stop(struct crew *crew)
{
    for (size_t i = 0; i < crew->jobs->at_once; i++) {
        struct child *child = &crew->children[i];
        if (child->pid > 0) {
            kill(child->pid, SIGKILL);
            reap(child);
        }
        free(child->text);
    }
}

/* While children work a signal must not leave their files behind. */
static void hold_signals(struct crew *crew)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, &crew->before);
    crew->signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void let_signals_go(struct crew *crew)
{
    struct signalfd_siginfo seen;
    while (crew->signals >= 0 &&
           read(crew->signals, &seen, sizeof seen) == sizeof seen) {
    }
    if (crew->signals >= 0) {
        close(crew->signals);
    }
    sigprocmask(SIG_SETMASK, &crew->before, NULL);
}

enum cvg_status cvg__jobs_run(const struct cvg__jobs *jobs, json_t **results,
                              struct cvg_error *err)
{
    struct crew *crew = calloc(1, sizeof *crew);
    if (crew == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory");
    }
    crew->jobs = jobs;
    crew->results = results;
    crew->err = err;
    hold_signals(crew);
    enum cvg_status status = CVG_OK;
    while (status == CVG_OK && crew->done < jobs->n) {
        status = fill(crew);
        if (status == CVG_OK) {
            status = wait_for_some(crew);
        }
    }
    stop(crew);
    let_signals_go(crew);
    free(crew);
    return status;
}

/* fork, exec, the line that says it is ready, and its end. */
#include "load/child.h"

#include <convergo/time.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_MS (120 * 1000) /* models are loaded first */
#define STOP_MS (40 * 1000)   /* its own limit for a drain is 30 s */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* In the child: never returns. */
static void become_server(pid_t parent, int out, int log, char *const *argv)
{
    /* If the parent ended before this call, nobody would tell us. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent) {
        _exit(126);
    }
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(log, 2) < 0) {
        _exit(126);
    }
    signal(SIGPIPE, SIG_DFL);
    execv("/proc/self/exe", argv);
    dprintf(2, "cannot run /proc/self/exe: %s\n", strerror(errno));
    _exit(127);
}

/* ": " and the error that it ended with, else the last line that it wrote to
 * stderr; nothing if it wrote nothing. */
static void last_words(int log, char *out, size_t size)
{
    static const char mark[] = "convergo serve: error: ";
    off_t end = lseek(log, 0, SEEK_END);
    off_t from = end > (off_t)size - 1 ? end - ((off_t)size - 1) : 0;
    ssize_t n = pread(log, out, size - 1, from);
    out[n < 0 ? 0 : n] = '\0';
    for (size_t i = strlen(out); i > 0 && out[i - 1] == '\n'; i--) {
        out[i - 1] = '\0';
    }
    const char *line = strrchr(out, '\n');
    line = line != NULL ? line + 1 : out;
    line += strncmp(line, mark, sizeof mark - 1) == 0 ? sizeof mark - 1 : 0;
    line += strspn(line, " ");
    char copy[512];
    snprintf(copy, sizeof copy, "%s", line);
    snprintf(out, size, "%s%s", *copy != '\0' ? ": " : "", copy);
}

static void kill_and_reap(struct cvg_child *child)
{
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    child->pid = 0;
}

/* "convergo: ready http=127.0.0.1:PORT ..." */
static bool parse_ready(struct cvg_child *child, const char *line)
{
    const char *at = strstr(line, "convergo: ready ");
    at = at == NULL ? NULL : strstr(at, "http=");
    return at != NULL && sscanf(at, "http=%127[^ \n]", child->http) == 1;
}

/* Reads lines until the one that counts; false: it ended, or time is up. */
static bool wait_ready(struct cvg_child *child, int in)
{
    char line[1000];
    size_t n = 0;
    int64_t until = now_ms() + READY_MS;
    while (n + 1 < sizeof line) {
        struct pollfd wait = {.fd = in, .events = POLLIN};
        int64_t left = until - now_ms();
        if (left <= 0 || (poll(&wait, 1, (int)left) < 0 && errno != EINTR)) {
            return false;
        }
        ssize_t got = read(in, line + n, sizeof line - 1 - n);
        if (got <= 0) {
            return false;
        }
        n += (size_t)got;
        line[n] = '\0';
        char *end = strrchr(line, '\n');
        if (end != NULL) {
            if (parse_ready(child, line)) {
                return true;
            }
            n -= (size_t)(end + 1 - line);
            memmove(line, end + 1, n + 1);
        }
    }
    return false;
}

static enum cvg_status not_ready(struct cvg_child *child, struct cvg_error *err)
{
    char words[600];
    int status = 0;
    /* It closes its output just before it ends; give it a moment for that. */
    for (int i = 0; i < 100; i++) {
        if (waitpid(child->pid, &status, WNOHANG) == child->pid) {
            child->pid = 0;
            break;
        }
        poll(NULL, 0, 10);
    }
    last_words(child->log, words, sizeof words);
    if (child->pid != 0) {
        kill_and_reap(child);
        return cvg_fail(err, CVG_IO, "the server did not become ready%s",
                        words);
    }
    bool refused = WIFEXITED(status) && WEXITSTATUS(status) == 2;
    return cvg_fail(err, refused ? CVG_CONFIG : CVG_IO,
                    "the server ended before it was ready (%s %d)%s",
                    WIFEXITED(status) ? "exit code" : "signal",
                    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                    words);
}

enum cvg_status cvg_child_start(struct cvg_child *child, const char *box,
                                const char *policy, uint64_t seed,
                                struct cvg_error *err)
{
    char seed_text[24];
    snprintf(seed_text, sizeof seed_text, "%llu", (unsigned long long)seed);
    /* Its limits on connections are against strangers; in overload we come
     * with as many as there are requests waiting. */
    const char *argv[] = {"convergo",    "serve",
                          box,           "--http",
                          "127.0.0.1:0", "--metrics",
                          "127.0.0.1:0", "--seed",
                          seed_text,     "--max-connections",
                          "65536",       "--max-connections-per-ip",
                          "0",           policy == NULL ? NULL : "--policy",
                          policy,        NULL};
    int out[2];
    *child = (struct cvg_child){.log = -1};
    if (pipe2(out, O_CLOEXEC) != 0) {
        return cvg_fail(err, CVG_IO, "pipe: %s", strerror(errno));
    }
    child->log = memfd_create("convergo-serve", MFD_CLOEXEC);
    pid_t parent = getpid();
    pid_t pid = child->log < 0 ? -1 : fork();
    if (pid == 0) {
        become_server(parent, out[1], child->log, (char *const *)argv);
    }
    int why = errno;
    close(out[1]);
    enum cvg_status status = CVG_OK;
    if (pid < 0) {
        status =
            cvg_fail(err, CVG_IO, "cannot start a server: %s", strerror(why));
    } else {
        child->pid = pid;
        status = wait_ready(child, out[0]) ? CVG_OK : not_ready(child, err);
    }
    /* What it may still print there is of no use; it must not block on it. */
    close(out[0]);
    if (status != CVG_OK && child->log >= 0) {
        close(child->log);
    }
    return status;
}

static enum cvg_status ended(struct cvg_child *child, int status, bool before,
                             struct cvg_error *err)
{
    char words[600];
    last_words(child->log, words, sizeof words);
    child->pid = 0;
    if (!before && WIFEXITED(status) &&
        (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3)) {
        return CVG_OK; /* 3: it did not wait for what we no longer want */
    }
    return cvg_fail(err, CVG_IO, "the server %s (%s %d)%s",
                    before ? "died during the run" : "did not end well",
                    WIFEXITED(status) ? "exit code" : "signal",
                    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                    words);
}

enum cvg_status cvg_child_stop(struct cvg_child *child, struct cvg_error *err)
{
    if (child->pid == 0) {
        return CVG_OK;
    }
    int status = 0;
    enum cvg_status result = CVG_OK;
    if (waitpid(child->pid, &status, WNOHANG) == child->pid) {
        result = ended(child, status, true, err);
    } else {
        int64_t until = now_ms() + STOP_MS;
        kill(child->pid, SIGTERM);
        pid_t done;
        while ((done = waitpid(child->pid, &status, WNOHANG)) == 0 &&
               now_ms() < until) {
            poll(NULL, 0, 5);
        }
        if (done == child->pid) {
            result = ended(child, status, false, err);
        } else {
            kill_and_reap(child);
            result = cvg_fail(err, CVG_IO, "the server did not stop");
        }
    }
    close(child->log);
    return result;
}
